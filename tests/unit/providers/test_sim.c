/* The provider that answers by itself: what its models say, and every fault of API §7. */
#include "providers/sim.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

Suite *suite_providers_sim(void);

struct play {
    struct buf steps; /* "word|word|END", each behind "+pause " where there is one */
    struct sim_step last;
    struct usage usage;
};

/* Plays a script to its end. `params` is the member `sim`, or NULL. */
static enum err play(const char *model, const char *input, const char *params, uint32_t attempt,
                     const char *path, struct play *ret)
{
    struct json_doc scratch, doc;
    struct error error = {.message = ""};
    struct sim sim;
    char text[1024];
    json_doc_init(&scratch);
    json_doc_init(&doc);
    snprintf(text, sizeof text, "{\"sim\":%s}", params != NULL ? params : "{}");
    ck_assert_msg(json_parse(&doc, str_of(text), NULL) == OK, "%s", text);
    struct call call = {.model = str_of(model),
                        .input = str_of(input),
                        .run_params = json_root(&doc),
                        .task_path = str_of(path),
                        .attempt = attempt};
    enum err e = sim_init(&sim, &call, &scratch, &error);
    *ret = (struct play){.last = {.kind = SIM_END}};
    buf_init(&ret->steps, 1 << 20);
    do {
        if (e != OK)
            break;
        sim_next(&sim, &ret->last);
        if (ret->last.after_ms > 0)
            buf_addf(&ret->steps, "+%llu ", (unsigned long long)ret->last.after_ms);
        if (ret->last.kind == SIM_TOKEN) {
            buf_add_str(&ret->steps, ret->last.text);
            buf_add_char(&ret->steps, '|');
        }
    } while (ret->last.kind == SIM_TOKEN);
    static const char *const ends[] = {"", "END", "FAIL", "SILENCE"};
    buf_add_str(&ret->steps, str_of(e == OK ? ends[ret->last.kind] : error.message));
    buf_add_char(&ret->steps, '\0');
    sim_usage(&sim, NULL, &ret->usage);
    sim_fini(&sim);
    json_doc_fini(&scratch);
    json_doc_fini(&doc);
    return e;
}

static void plays(const char *model, const char *input, const char *params, const char *expected)
{
    struct play p;
    ck_assert_int_eq(play(model, input, params, 1, "", &p), OK);
    ck_assert_str_eq(p.steps.data, expected);
    buf_fini(&p.steps);
}

static void tear_down(void)
{
    ck_assert_int_eq(mem_live(), 0);
}

/* --- what it says ----------------------------------------------------------------------------- */

START_TEST(a_token_that_was_not_given_out_is_not_counted)
{
    struct json_doc scratch;
    struct error error;
    struct sim sim;
    struct sim_step step;
    struct usage usage;
    json_doc_init(&scratch);
    struct call call = {.model = STR("echo"), .input = STR("\"a b c\""), .attempt = 1};
    ck_assert_int_eq(sim_init(&sim, &call, &scratch, &error), OK);
    for (uint64_t n = 0; n < 3; n++) {
        sim_next(&sim, &step);
        sim_usage(&sim, &step, &usage);
        ck_assert_uint_eq(usage.output_tokens, n);
        sim_usage(&sim, NULL, &usage);
        ck_assert_uint_eq(usage.output_tokens, n + 1);
    }
    sim_next(&sim, &step);
    sim_usage(&sim, &step, &usage);
    ck_assert_uint_eq(usage.output_tokens, 3);
    sim_fini(&sim);
    json_doc_fini(&scratch);
}
END_TEST

START_TEST(echo_says_the_input_word_by_word)
{
    static const struct {
        const char *input, *steps;
    } rows[] = {
        {"\"Say hello\"", "Say |hello|END"},
        {"\"  a  b\\n\"", "  a  |b\n|END"},
        {"\" \"", " |END"},
        {"\"\"", "END"},
        {"\"\\u00e4 \\ud83d\\ude00\"", "\xC3\xA4 |\xF0\x9F\x98\x80|END"},
        {"null", "null|END"},
        {"{\"a\": 1}", "{\"a\": |1}|END"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\",\"content\":\"y "
         "z\"}]}",
         "y |z|END"},
        {"{\"messages\":[]}", "END"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[1]}]}", "[1]|END"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        plays("echo", rows[i].input, NULL, rows[i].steps);
}
END_TEST

START_TEST(a_story_has_as_many_tokens_as_it_is_told)
{
    struct play p;
    for (unsigned n = 0; n < 5; n++) {
        char params[64];
        snprintf(params, sizeof params, "{\"tokens\":%u}", n);
        ck_assert_int_eq(play("story", "\"a b\"", params, 1, "", &p), OK);
        ck_assert_uint_eq(p.usage.output_tokens, n);
        ck_assert_uint_eq(p.usage.input_tokens, 2);
        ck_assert_int_eq(p.last.kind, SIM_END);
        buf_fini(&p.steps);
    }
    ck_assert_int_eq(play("story", "null", NULL, 1, "", &p), OK);
    ck_assert_uint_eq(p.usage.output_tokens, 40);
    buf_fini(&p.steps);
}
END_TEST

static void same_story(const char *a, uint32_t attempt_a, const char *path_a, const char *b,
                       uint32_t attempt_b, const char *path_b, bool is_same)
{
    struct play one, other;
    ck_assert_int_eq(play("story", "null", a, attempt_a, path_a, &one), OK);
    ck_assert_int_eq(play("story", "null", b, attempt_b, path_b, &other), OK);
    ck_assert_msg((strcmp(one.steps.data, other.steps.data) == 0) == is_same, "%s\n%s",
                  one.steps.data, other.steps.data);
    buf_fini(&one.steps);
    buf_fini(&other.steps);
}

START_TEST(a_story_depends_on_seed_and_path_its_pauses_on_the_attempt_as_well)
{
    static const char jittered[] = "{\"gap_ms\":1000,\"jitter\":0.5}";
    same_story(NULL, 1, "", "{\"seed\":1}", 1, "", true);
    same_story(NULL, 1, "", "{\"seed\":2}", 1, "", false);
    same_story(NULL, 1, "", NULL, 1, "0/1", false);
    same_story(NULL, 1, "", NULL, 2, "", true);
    same_story(jittered, 1, "", jittered, 1, "", true);
    same_story(jittered, 1, "", jittered, 2, "", false);
}
END_TEST

START_TEST(pauses_are_as_told)
{
    plays("echo", "\"a b c\"", "{\"first_ms\":7,\"gap_ms\":3}", "+7 a |+3 b |+3 c|END");
    plays("echo", "\"\"", "{\"first_ms\":7,\"gap_ms\":3}", "+7 END");
    plays("story", "null", "{\"tokens\":0,\"first_ms\":7}", "+7 END");
}
END_TEST

START_TEST(jitter_stays_within_its_share)
{
    struct play p;
    ck_assert_int_eq(play("story", "null",
                          "{\"tokens\":200,\"first_ms\":100,\"gap_ms\":100,\"jitter\":0.2}", 1, "",
                          &p),
                     OK);
    uint64_t least = UINT64_MAX, most = 0;
    for (const char *at = p.steps.data; (at = strchr(at, '+')) != NULL; at++) {
        uint64_t ms = strtoull(at + 1, NULL, 10);
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
    }
    ck_assert_uint_ge(least, 80);
    ck_assert_uint_le(most, 120);
    ck_assert_uint_gt(most, least + 20);
    buf_fini(&p.steps);
}
END_TEST

/* --- faults ----------------------------------------------------------------------------------- */

struct fault_row {
    const char *fault, *steps;
    enum err code;
    bool was_answered;
    uint64_t retry_after_ms;
};

START_TEST(faults_map_as_the_contract_has_it)
{
    static const struct fault_row rows[] = {
        {"\"as\":\"status\"", "FAIL", ERR_PROVIDER_OVERLOADED, true, 0},
        {"\"as\":\"status\",\"status\":429,\"retry_after_ms\":1500", "FAIL",
         ERR_PROVIDER_RATE_LIMITED, true, 1500},
        {"\"as\":\"status\",\"status\":500", "FAIL", ERR_PROVIDER_ERROR, true, 0},
        {"\"as\":\"status\",\"status\":529", "FAIL", ERR_PROVIDER_OVERLOADED, true, 0},
        {"\"as\":\"status\",\"status\":401", "FAIL", ERR_PROVIDER_AUTH, true, 0},
        {"\"as\":\"status\",\"status\":403", "FAIL", ERR_PROVIDER_AUTH, true, 0},
        {"\"as\":\"status\",\"status\":400", "FAIL", ERR_BAD_REQUEST, true, 0},
        {"\"as\":\"status\",\"status\":408", "FAIL", ERR_PROVIDER_TIMEOUT, true, 0},
        {"\"as\":\"status\",\"status\":302", "FAIL", ERR_PROVIDER_BAD_RESPONSE, true, 0},
        {"\"as\":\"reset\"", "FAIL", ERR_PROVIDER_UNREACHABLE, false, 0},
        {"\"as\":\"reset\",\"after_tokens\":1", "a |FAIL", ERR_PROVIDER_BAD_RESPONSE, false, 0},
        {"\"as\":\"truncate\"", "FAIL", ERR_PROVIDER_BAD_RESPONSE, false, 0},
        {"\"as\":\"truncate\",\"after_tokens\":2", "a |b |FAIL", ERR_PROVIDER_BAD_RESPONSE, false,
         0},
        {"\"as\":\"garbage\",\"after_tokens\":1", "a |FAIL", ERR_PROVIDER_BAD_RESPONSE, false, 0},
        {"\"as\":\"hang\"", "SILENCE", OK, false, 0},
        {"\"as\":\"hang\",\"after_tokens\":2", "a |b |SILENCE", OK, false, 0},
        /* the text is shorter than the fault waits for: it comes all the same */
        {"\"as\":\"truncate\",\"after_tokens\":9", "a |b |c|FAIL", ERR_PROVIDER_BAD_RESPONSE, false,
         0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct fault_row *row = &rows[i];
        struct play p;
        char params[256];
        snprintf(params, sizeof params, "{\"fail\":[{%s}]}", row->fault);
        ck_assert_int_eq(play("echo", "\"a b c\"", params, 1, "", &p), OK);
        ck_assert_msg(strcmp(p.steps.data, row->steps) == 0, "%s: %s", row->fault, p.steps.data);
        enum err code = p.last.kind == SIM_FAIL ? p.last.verdict.code : OK;
        ck_assert_msg(code == row->code, "%s: %s", row->fault, err_code(code));
        ck_assert_int_eq(sim_was_answered(&p.last), row->was_answered);
        ck_assert_uint_eq(p.last.retry_after_ms, row->retry_after_ms);
        ck_assert(p.last.kind != SIM_FAIL || p.last.verdict.message[0] != '\0');
        buf_fini(&p.steps);
    }
}
END_TEST

START_TEST(a_fault_strikes_its_attempt_and_the_first_that_fits)
{
    static const char params[] =
        "{\"fail\":[{\"attempt\":2,\"as\":\"reset\"},{\"attempt\":3,\"as\":\"hang\"},{\"attempt\":"
        "3,\"as\":\"status\"}]}";
    static const enum sim_step_kind ends[] = {SIM_END, SIM_FAIL, SIM_SILENCE, SIM_END};
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        struct play p;
        ck_assert_int_eq(play("echo", "\"a\"", params, attempt, "", &p), OK);
        ck_assert_int_eq(p.last.kind, ends[attempt - 1]);
        buf_fini(&p.steps);
    }
}
END_TEST

START_TEST(a_fault_waits_like_what_it_replaces)
{
    plays("echo", "\"a b\"", "{\"first_ms\":7,\"gap_ms\":3,\"fail\":[{\"as\":\"reset\"}]}",
          "+7 FAIL");
    plays("echo", "\"a b\"",
          "{\"first_ms\":7,\"gap_ms\":3,\"fail\":[{\"as\":\"reset\",\"after_tokens\":1}]}",
          "+7 a |+3 FAIL");
}
END_TEST

/* --- what it refuses -------------------------------------------------------------------------- */

START_TEST(it_has_two_models)
{
    struct play p;
    ck_assert_int_eq(play("poem", "null", NULL, 1, "", &p), ERR_UNKNOWN_MODEL);
    buf_fini(&p.steps);
    ck_assert(provider_sim.serves(STR("echo")) && provider_sim.serves(STR("story")));
    ck_assert(!provider_sim.serves(STR("")) && !provider_sim.serves(STR("Echo")));
}
END_TEST

START_TEST(params_that_are_not_valid_are_refused)
{
    static const char *const bad[] = {
        "7",
        "[]",
        "{\"token\":1}",
        "{\"tokens\":-1}",
        "{\"tokens\":1.5}",
        "{\"first_ms\":86400001}",
        "{\"jitter\":1.1}",
        "{\"jitter\":-0.1}",
        "{\"jitter\":\"x\"}",
        "{\"fail\":{}}",
        "{\"fail\":[7]}",
        "{\"fail\":[{}]}",
        "{\"fail\":[{\"as\":\"explode\"}]}",
        "{\"fail\":[{\"as\":\"status\",\"status\":199}]}",
        "{\"fail\":[{\"as\":\"status\",\"status\":600}]}",
        "{\"fail\":[{\"as\":\"status\",\"attempt\":-1}]}",
        "{\"fail\":[{\"as\":\"status\",\"attempt\":0}]}", /* the first is 1; every one: left out */
        "{\"fail\":[{\"as\":\"status\",\"atempt\":1}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct play p;
        ck_assert_msg(play("echo", "null", bad[i], 1, "", &p) == ERR_BAD_REQUEST, "%s", bad[i]);
        buf_fini(&p.steps);
    }
}
END_TEST

START_TEST(there_is_a_bound_on_faults)
{
    for (unsigned n = SIM_MAX_FAULTS; n <= SIM_MAX_FAULTS + 1; n++) {
        char params[1024] = "{\"fail\":[";
        struct play p;
        for (unsigned i = 0; i < n; i++)
            strcat(params, i > 0 ? ",{\"as\":\"hang\"}" : "{\"as\":\"hang\"}");
        strcat(params, "]}");
        ck_assert_int_eq(play("echo", "null", params, 1, "", &p),
                         n > SIM_MAX_FAULTS ? ERR_BAD_REQUEST : OK);
        buf_fini(&p.steps);
    }
}
END_TEST

Suite *suite_providers_sim(void)
{
    Suite *s = suite_create("providers_sim");
    TCase *t = tcase_create("sim");
    tcase_add_checked_fixture(t, NULL, tear_down);
    tcase_add_test(t, a_token_that_was_not_given_out_is_not_counted);
    tcase_add_test(t, echo_says_the_input_word_by_word);
    tcase_add_test(t, a_story_has_as_many_tokens_as_it_is_told);
    tcase_add_test(t, a_story_depends_on_seed_and_path_its_pauses_on_the_attempt_as_well);
    tcase_add_test(t, pauses_are_as_told);
    tcase_add_test(t, jitter_stays_within_its_share);
    tcase_add_test(t, faults_map_as_the_contract_has_it);
    tcase_add_test(t, a_fault_strikes_its_attempt_and_the_first_that_fits);
    tcase_add_test(t, a_fault_waits_like_what_it_replaces);
    tcase_add_test(t, it_has_two_models);
    tcase_add_test(t, params_that_are_not_valid_are_refused);
    tcase_add_test(t, there_is_a_bound_on_faults);
    suite_add_tcase(s, t);
    return s;
}
