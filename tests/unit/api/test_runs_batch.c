/* Many runs in one request: each answered as a create would be, all stored together. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/api_rig.h"
#include "tests/support/rig_ops.h"

Suite *suite_api_runs_batch(void);

static struct rig rig;
static struct api_rig api;
static struct asked_api asked;

#define SIM(params) "\"params\":{\"sim\":{" params "}}"
#define ECHO        "{\"agent\":\"echo\",\"input\":\"hello\"}"
#define KEYED(key)  "{\"agent\":\"echo\",\"idempotency_key\":\"" key "\",\"input\":\"hello\"}"
#define HANGS       "{\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}"
#define BATCH(runs) "{\"runs\":[" runs "]}"

static void set_up(void)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    api_rig_start(&api, &rig);
}

static void tear_down(void)
{
    rig_settle(&rig);
    api_rig_stop(&api);
    rig_stop(&rig);
}

/* The answer's body; a batch of its own for each. */
static struct str post_with(const char *headers, const char *body, int status)
{
    api_ask(&api, 0, "POST /v1/runs/batch", headers, body, &asked);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 1);
    ck_assert_msg(asked.status == status, "%d %.*s", asked.status, STR_ARG(buf_str(&asked.body)));
    return buf_str(&asked.body);
}

static struct str post(const char *body)
{
    return post_with(NULL, body, 207);
}

static bool says(const char *part)
{
    return rig_text_has(buf_str(&asked.body), part);
}

/* "202 422/wrong_type 409/conflict " of the results: status, and a problem's code. */
static const char *results(void)
{
    static char all[8192];
    struct json_doc *doc = &rig_shard(&rig, 0)->scratch;
    size_t len = 0;
    all[0] = '\0';
    ck_assert_int_eq(json_parse(doc, buf_str(&asked.body), NULL), OK);
    struct json list = json_get_lit(json_root(doc), "results");
    ck_assert(json_is(list, JSON_ARRAY));
    for (struct json e = json_first(list); json_exists(e); e = json_next(list, e)) {
        struct str code = json_raw(json_get_lit(json_get_lit(e, "problem"), "code"));
        bool has_run = json_is(json_get_lit(json_get_lit(e, "run"), "id"), JSON_STRING);
        ck_assert(has_run != (code.len > 0));
        len += (size_t)snprintf(all + len, sizeof all - len, "%.*s%s%.*s ",
                                STR_ARG(json_raw(json_get_lit(e, "status"))), has_run ? "" : "/",
                                STR_ARG(code));
    }
    return all;
}

/* Of the n-th result. */
static struct id id_of(int n)
{
    struct json_doc *doc = &rig_shard(&rig, 0)->scratch;
    struct id id;
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/results/%d/run/id", n);
    ck_assert_int_eq(json_parse(doc, buf_str(&asked.body), NULL), OK);
    struct str raw = json_raw(json_pointer(json_root(doc), str_of(pointer)));
    ck_assert_uint_gt(raw.len, 2);
    ck_assert(id_parse((struct str){raw.at + 1, raw.len - 2}, RUN_ID_PREFIX, &id));
    return id;
}

static bool is_same(struct id a, struct id b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* A batch of that many, to be freed. */
static char *batch_of(int count, const char *run)
{
    size_t size = (strlen(run) + 1) * (size_t)count + 64, len = 0;
    char *body = mem_alloc(size);
    ck_assert_ptr_nonnull(body);
    len += (size_t)snprintf(body, size, "{\"runs\":[");
    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(body + len, size - len, "%s%s", i > 0 ? "," : "", run);
    snprintf(body + len, size - len, "]}");
    return body;
}

/* --- answers ---------------------------------------------------------------------------------- */

START_TEST(each_is_answered_in_its_place)
{
    post(
        BATCH(ECHO ",7,{\"agent\":\"nobody\"},{\"agent\":\"story\"},{\"agent\":\"echo\",\"x\":1}"));
    ck_assert_str_eq(results(), "202 422/\"invalid_request\" 422/\"unknown_agent\" 202 "
                                "422/\"invalid_request\" ");
    ck_assert(says("\"errors\":[{\"pointer\":\"\",\"code\":\"wrong_type\""));
    ck_assert(says("\"errors\":[{\"pointer\":\"/agent\",\"code\":\"unknown_name\""));
    ck_assert(says("\"errors\":[{\"pointer\":\"/x\",\"code\":\"unknown_field\""));
    ck_assert(says("\"run\":{\"id\":\"run_"));
    ck_assert(says("\"state\":\"queued\""));
    struct id first = id_of(0), second = id_of(3);
    rig_advance(&rig, 1000);
    ck_assert(str_eq(rig_row(&rig, &first)->agent, STR("echo")));
    ck_assert(str_eq(rig_row(&rig, &second)->agent, STR("story")));
    ck_assert_int_eq(rig_row(&rig, &first)->state, RUN_SUCCEEDED);
    ck_assert(str_eq(rig_row(&rig, &first)->tenant, STR("")));
    api_done(&asked);
}
END_TEST

static const struct {
    const char *headers, *body;
    int status;
    const char *part;
} envelopes[] = {
    {NULL, "{\"runs\":[]}", 207, "{\"results\":[]}"},
    {NULL, "{}", 422, "{\"pointer\":\"/runs\",\"code\":\"missing\""},
    {NULL, "[]", 422, "{\"pointer\":\"\",\"code\":\"wrong_type\""},
    {NULL, "{\"runs\":{}}", 422, "{\"pointer\":\"/runs\",\"code\":\"wrong_type\""},
    {NULL, "{\"runs\":[],\"x\":1}", 422, "{\"pointer\":\"/x\",\"code\":\"unknown_field\""},
    {NULL, "{\"runs\":[1,]}", 400, "\"invalid_json\""},
    {NULL, "{\"runs\":[{\"agent\":\"echo\",\"agent\":\"echo\"}]}", 400, "\"invalid_json\""},
    {NULL, "", 400, "\"invalid_json\""},
    {"Idempotency-Key: k", BATCH(ECHO), 400, "\"invalid_header\""},
    {"Sluice-Depth: x", BATCH(ECHO), 400, "\"invalid_header\""},
    {"Accept: text/event-stream", BATCH(ECHO), 406, "\"not_acceptable\""},
    {"Prefer: wait=5", BATCH(HANGS), 207, "\"status\":202"}, /* nobody waits */
};

START_TEST(the_envelope_is_judged_as_a_whole)
{
    post_with(envelopes[_i].headers, envelopes[_i].body, envelopes[_i].status);
    ck_assert_msg(says(envelopes[_i].part), "%.*s", STR_ARG(buf_str(&asked.body)));
    ck_assert_ptr_null(api_header(&asked, "Preference-Applied"));
    api_done(&asked);
}
END_TEST

START_TEST(a_thousand_are_taken_and_not_one_more)
{
    char *fits = batch_of(1000, ECHO), *too_many = batch_of(1001, ECHO);
    post(fits);
    ck_assert_uint_eq(rig_count_of(buf_str(&asked.body), "\"status\":202"), 1000);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 1000);
    api_done(&asked);
    post_with(NULL, too_many, 422);
    ck_assert(says("{\"pointer\":\"/runs\",\"code\":\"too_long\""));
    api_done(&asked);
    mem_free(fits);
    mem_free(too_many);
    rig_advance(&rig, 5000);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
}
END_TEST

START_TEST(a_large_value_is_a_reference_as_in_a_list)
{
    static char body[40200];
    int n = snprintf(body, sizeof body, "{\"runs\":[{\"agent\":\"echo\",\"input\":\"");
    memset(body + n, 'x', 40000);
    snprintf(body + n + 40000, sizeof body - (size_t)n - 40000, "\"}]}");
    post(body);
    ck_assert(says("\"input\":{\"$ref\":"));
    api_done(&asked);
}
END_TEST

START_TEST(while_nothing_is_taken_in_the_whole_is_refused)
{
    if (_i == 0)
        atomic_store(&rig.engine->is_draining, true);
    else
        store_fake_go_away(rig.fake);
    post_with(NULL, BATCH(ECHO), 503);
    ck_assert(says(_i == 0 ? "\"draining\"" : "\"storage_unavailable\""));
    ck_assert_ptr_nonnull(api_header(&asked, "Retry-After"));
    api_done(&asked);
    atomic_store(&rig.engine->is_draining, false);
    store_fake_heal(rig.fake);
    rig_settle(&rig);
}
END_TEST

START_TEST(what_finds_no_room_is_refused_and_the_rest_is_not)
{
    struct rig_options o = rig_options_default();
    tear_down();
    o.limits.live_runs = 2;
    o.limits.queue_runs = 1;
    rig_start(&rig, &o);
    api_rig_start(&api, &rig);
    post(BATCH(HANGS "," HANGS "," HANGS "," HANGS ",7"));
    ck_assert_str_eq(results(), "202 202 202 503/\"overloaded\" 422/\"invalid_request\" ");
    api_done(&asked);
}
END_TEST

/* --- keys ------------------------------------------------------------------------------------- */

START_TEST(a_key_that_was_seen_answers_with_its_run)
{
    post(BATCH(KEYED("a") "," KEYED("b") "," ECHO));
    struct id a = id_of(0), b = id_of(1);
    ck_assert(!is_same(a, b));
    api_done(&asked);
    rig_advance(&rig, 1000);
    post(BATCH(ECHO
               "," KEYED("b") "," KEYED("a") ",{\"agent\":\"echo\",\"idempotency_key\":\"a\"}"));
    ck_assert_str_eq(results(), "202 202 202 422/\"idempotency_mismatch\" ");
    ck_assert(is_same(id_of(1), b) && is_same(id_of(2), a));
    ck_assert(says("\"output\":\"hello\"")); /* it has ended meanwhile */
    ck_assert_uint_eq(store_fake_rows(rig.fake), 4);
    api_done(&asked);
}
END_TEST

/* It is looked for after the handler has returned: what was sent is not there any more. */
START_TEST(a_key_that_was_seen_is_found_although_nothing_new_is_let_in)
{
    post(BATCH(KEYED("a")));
    struct id a = id_of(0);
    api_done(&asked);
    rig_advance(&rig, 1000);
    rig.engine->limits.live_runs = 0;
    rig.engine->limits.queue_runs = 0;
    post(BATCH(KEYED("b") "," KEYED("a") ",{\"agent\":\"story\",\"idempotency_key\":\"a\"}"));
    ck_assert_str_eq(results(), "503/\"overloaded\" 202 422/\"idempotency_mismatch\" ");
    ck_assert(is_same(id_of(1), a));
    api_done(&asked);
}
END_TEST

START_TEST(of_twins_in_a_batch_the_second_is_a_replay)
{
    post(BATCH(KEYED("a") "," ECHO
                          "," KEYED("a") ",{\"agent\":\"story\",\"idempotency_key\":\"a\"}"));
    ck_assert_str_eq(results(), "202 202 202 422/\"idempotency_mismatch\" ");
    ck_assert(is_same(id_of(0), id_of(2)) && !is_same(id_of(0), id_of(1)));
    ck_assert_uint_eq(store_fake_rows(rig.fake), 2);
    api_done(&asked);
}
END_TEST

START_TEST(a_batchs_keys_are_not_those_of_a_create)
{
    struct asked_api single;
    post(BATCH(KEYED("a")));
    api_ask(&api, 0, "POST /v1/runs", "Idempotency-Key: a", ECHO, &single);
    rig_settle(&rig);
    ck_assert_int_eq(single.status, 202);
    ck_assert_ptr_null(api_header(&single, "Idempotency-Replayed"));
    api_done(&single);
    api_done(&asked);
}
END_TEST

#define TEN "0123456789"
#define K50 TEN TEN TEN TEN TEN
static const struct {
    const char *key;
    const char *part;
} keys[] = {
    {"7", "{\"pointer\":\"/idempotency_key\",\"code\":\"wrong_type\""},
    {"null", "{\"pointer\":\"/idempotency_key\",\"code\":\"wrong_type\""},
    {"\"\"", "{\"pointer\":\"/idempotency_key\",\"code\":\"out_of_range\""},
    {"\"a b\"", "{\"pointer\":\"/idempotency_key\",\"code\":\"out_of_range\""},
    {"\"" K50 K50 K50 K50 K50 "123456\"",
     "{\"pointer\":\"/idempotency_key\",\"code\":\"too_long\""},
    {"\"" K50 K50 K50 K50 K50 "12345\"", "\"run\""},
    {"\"\\u0061\"", "\"run\""},
};

START_TEST(a_key_is_visible_ascii_of_some_length)
{
    char body[600];
    snprintf(body, sizeof body, "{\"runs\":[{\"idempotency_key\":%s,\"agent\":\"echo\"}]}",
             keys[_i].key);
    post(body);
    ck_assert_msg(says(keys[_i].part), "%.*s", STR_ARG(buf_str(&asked.body)));
    api_done(&asked);
}
END_TEST

/* --- together --------------------------------------------------------------------------------- */

START_TEST(a_batch_is_one_commit_and_nobody_hears_of_it_before)
{
    char *body = batch_of(1000, HANGS);
    struct asked_api single[600];
    store_fake_hold(rig.fake);
    for (int i = 0; i < 600; i++) /* more than an ordinary batch for the store, before it */
        api_ask(&api, 0, "POST /v1/runs", NULL, ECHO, &single[i]);
    api_ask(&api, 0, "POST /v1/runs/batch", NULL, body, &asked);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(asked.answers, 0);
    unsigned held = store_fake_held(rig.fake);
    for (unsigned i = 0; i < held; i++) {
        unsigned before = store_fake_rows(rig.fake);
        store_fake_let_one_go(rig.fake);
        unsigned more = store_fake_rows(rig.fake) - before;
        ck_assert_msg(more == 0 || more >= 1000 || before + more <= 600, "%u after %u", more,
                      before);
    }
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 1);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 1600);
    api_done(&asked);
    for (int i = 0; i < 600; i++)
        api_done(&single[i]);
    mem_free(body);
}
END_TEST

START_TEST(a_commit_that_fails_leaves_none_and_says_so_of_each)
{
    char *body = batch_of(700, ECHO);
    store_fake_fail_commit(rig.fake, _i == 1);
    post(body);
    ck_assert_uint_eq(rig_count_of(buf_str(&asked.body), "{\"status\":503"), 700);
    ck_assert(says("\"storage_unavailable\"") && !says("\"run\":"));
    api_done(&asked);
    store_fake_heal(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 0);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    mem_free(body);
}
END_TEST

START_TEST(a_crash_before_the_commit_leaves_none_and_one_after_it_all)
{
    char *body = batch_of(700, HANGS);
    store_fake_hold(rig.fake);
    api_ask(&api, 0, "POST /v1/runs/batch", NULL, body, &asked);
    rig_settle(&rig);
    if (_i == 1)
        store_fake_let_go(rig.fake);
    else
        store_fake_take_over(rig.fake);
    rig_settle(&rig);
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(store_fake_rows(rig.fake), _i == 1 ? 700 : 0);
    ck_assert_uint_eq(rig_count_of(buf_str(&asked.body), "\"status\":202"), _i == 1 ? 700 : 0);
    api_done(&asked);
    mem_free(body);
}
END_TEST

START_TEST(a_lazy_one_is_stored_with_the_others)
{
    store_fake_hold(rig.fake);
    api_ask(&api, 0, "POST /v1/runs/batch", NULL,
            BATCH("{\"agent\":\"echo\",\"durability\":\"lazy\"}," ECHO), &asked);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 0);
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    ck_assert_str_eq(results(), "202 202 ");
    api_done(&asked);
}
END_TEST

/* A loop that has clearly more to do gives the whole batch away. */
START_TEST(a_batch_lives_on_the_loop_that_has_least_to_do)
{
    char *first = batch_of(100, HANGS), *second = batch_of(50, HANGS);
    post(first);
    api_done(&asked);
    post(second);
    ck_assert_uint_eq(rig_count_of(buf_str(&asked.body), "\"status\":202"), 50);
    api_done(&asked);
    ck_assert_uint_eq(atomic_load(&rig_shard(&rig, 0)->live), 100);
    ck_assert_uint_eq(atomic_load(&rig_shard(&rig, 1)->live), 50);
    mem_free(first);
    mem_free(second);
}
END_TEST

START_TEST(what_was_accepted_goes_on_when_the_client_leaves)
{
    store_fake_hold(rig.fake);
    api_ask(&api, 0, "POST /v1/runs/batch", NULL, BATCH(KEYED("a") "," KEYED("a") "," ECHO),
            &asked);
    rig_settle(&rig);
    api_hang_up(&asked);
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 0);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 2);
    api_done(&asked);
}
END_TEST

START_TEST(a_client_may_leave_while_a_replay_is_read)
{
    post(BATCH(KEYED("a")));
    api_done(&asked);
    store_fake_hold_reads(rig.fake);
    api_ask(&api, 0, "POST /v1/runs/batch", NULL, BATCH(KEYED("a")), &asked);
    rig_settle(&rig);
    api_hang_up(&asked);
    store_fake_let_reads_go(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 0);
    api_done(&asked);
}
END_TEST

/* Whichever allocation fails: what the answer names is there, and what it does not name is not. */
START_TEST(without_memory_it_is_refused_in_part_or_whole_and_never_lost)
{
    static const char body[] = BATCH(KEYED("a") "," ECHO ",{\"agent\":\"nobody\"}," ECHO);
    post(BATCH(KEYED("a")));
    api_done(&asked);
    unsigned refused = 0;
    for (unsigned n = 1; n < 400; n++) {
        unsigned before = store_fake_rows(rig.fake);
        mem_fail_nth(n);
        api_ask(&api, 0, "POST /v1/runs/batch", NULL, body, &asked);
        rig_settle(&rig);
        mem_fail_nth(0);
        rig_advance(&rig, 2000);
        ck_assert_uint_eq(asked.answers, 1);
        ck_assert(asked.status == 207 || asked.status == 503);
        unsigned more = store_fake_rows(rig.fake) - before;
        if (asked.status == 207 && !asked.body.failed) /* else the test's own memory ran out */
            ck_assert_uint_ge(rig_count_of(buf_str(&asked.body), "{\"status\":202"), more);
        refused += asked.status == 503 || more < 2;
        ck_assert_uint_eq(engine_live(rig.engine), 0);
        api_done(&asked);
    }
    ck_assert_uint_gt(refused, 20);
}
END_TEST

Suite *suite_api_runs_batch(void)
{
    Suite *s = suite_create("api/runs_batch");
    TCase *t = tcase_create("answers");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, each_is_answered_in_its_place);
    tcase_add_loop_test(t, the_envelope_is_judged_as_a_whole, 0,
                        sizeof envelopes / sizeof envelopes[0]);
    tcase_add_test(t, a_thousand_are_taken_and_not_one_more);
    tcase_add_test(t, a_large_value_is_a_reference_as_in_a_list);
    tcase_add_loop_test(t, while_nothing_is_taken_in_the_whole_is_refused, 0, 2);
    tcase_add_test(t, what_finds_no_room_is_refused_and_the_rest_is_not);
    suite_add_tcase(s, t);
    t = tcase_create("keys");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_key_that_was_seen_answers_with_its_run);
    tcase_add_test(t, a_key_that_was_seen_is_found_although_nothing_new_is_let_in);
    tcase_add_test(t, of_twins_in_a_batch_the_second_is_a_replay);
    tcase_add_test(t, a_batchs_keys_are_not_those_of_a_create);
    tcase_add_loop_test(t, a_key_is_visible_ascii_of_some_length, 0, sizeof keys / sizeof keys[0]);
    suite_add_tcase(s, t);
    t = tcase_create("together");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_batch_is_one_commit_and_nobody_hears_of_it_before);
    tcase_add_loop_test(t, a_commit_that_fails_leaves_none_and_says_so_of_each, 0, 2);
    tcase_add_loop_test(t, a_crash_before_the_commit_leaves_none_and_one_after_it_all, 0, 2);
    tcase_add_test(t, a_lazy_one_is_stored_with_the_others);
    tcase_add_test(t, a_batch_lives_on_the_loop_that_has_least_to_do);
    tcase_add_test(t, what_was_accepted_goes_on_when_the_client_leaves);
    tcase_add_test(t, a_client_may_leave_while_a_replay_is_read);
    tcase_add_test(t, without_memory_it_is_refused_in_part_or_whole_and_never_lost);
    suite_add_tcase(s, t);
    return s;
}
