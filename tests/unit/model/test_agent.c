/* Agents: what a document may say, and what is told of one (API §5). */
#include "model/agent.h"

#include <check.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/unit/base/oom.h"
#include "tests/unit/model/findings.h"

Suite *suite_model_agent(void);

static struct problem problem;
static bool takes_back;

/* The document and all that was borrowed from it is gone when this returns. */
static enum err make(const char *text, struct str name, struct agent **ret)
{
    char *copy = mem_strdup(str_of(text));
    if (copy == NULL)
        return ERR_NOMEM;
    struct json_doc doc;
    struct arena arena;
    struct check c = {.problem = &problem, .arena = &arena, .takes_back = takes_back};
    struct doc_path root = {.up = NULL};
    json_doc_init(&doc);
    arena_init(&arena, 1 << 24);
    problem_init(&problem);
    enum err e = json_parse(&doc, str_of(copy), NULL);
    if (e == OK)
        e = agent_create(&c, json_root(&doc), &root, name, &world, ret);
    arena_fini(&arena);
    json_doc_fini(&doc);
    memset(copy, '#', strlen(copy));
    mem_free(copy);
    return e;
}

static void assert_written(const struct agent *a, const char *want)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    agent_write(&b, a);
    ck_assert_msg(str_eq(buf_str(&b), str_of(want)), "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

START_TEST(the_smallest_document_has_the_defaults)
{
    struct agent *a;
    ck_assert_int_eq(make("{\"model\":\"sim/echo\"}", STR("echo"), &a), OK);
    ck_assert_uint_eq(a->model_count, 1);
    ck_assert_int_eq(a->output, OUTPUT_TEXT);
    ck_assert_uint_eq(a->instructions.len, 0);
    ck_assert_ptr_null(a->params.at);
    ck_assert(!a->has_retry);
    assert_written(
        a,
        "{\"name\":\"echo\",\"description\":\"\",\"model\":\"sim/echo\",\"instructions\":\"\",\"params\":{},"
        "\"output\":\"text\",\"retry\":null,\"timeout_ms\":null,\"version\":1,\"source\":\"api\"}");
    ck_assert_ptr_null(agent_unref(a));
    ck_assert_ptr_null(agent_unref(NULL));
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

#define FULL                                                                                          \
    "{\"name\":\"writer\",\"description\":\"d \\u00e4\",\"model\":[\"sim/a\",\"sim/\\u0062\"],"       \
    "\"instructions\":\"You\\nwrite.\",\"params\":{\"temperature\":0.20,\"n\":12345678901234567890}," \
    "\"output\":\"message\",\"retry\":{\"attempts\":2,\"on\":[\"provider_error\"]},\"timeout_ms\":60000}"

START_TEST(a_full_document_is_told_as_it_was_given)
{
    struct agent *a;
    ck_assert_int_eq(make(FULL, STR("writer"), &a), OK);
    ck_assert(str_eq(a->instructions, STR("You\nwrite.")));
    ck_assert_int_eq(a->timeout_ms, 60000);
    a->version = 7;
    a->from_config = true;
    assert_written(
        a,
        "{\"name\":\"writer\",\"description\":\"d \xC3\xA4\",\"model\":[\"sim/a\",\"sim/b\"],"
        "\"instructions\":\"You\\nwrite.\",\"params\":{\"temperature\":0.20,\"n\":12345678901234567890},"
        "\"output\":\"message\",\"retry\":{\"attempts\":2,\"base_ms\":1000,\"factor\":2,\"max_ms\":30000,"
        "\"jitter\":\"full\",\"on\":[\"provider_error\"]},\"timeout_ms\":60000,\"version\":7,"
        "\"source\":\"config\"}");
    agent_unref(a);
}
END_TEST

/* What is told holds members that only we write, and null where there is nothing. */
START_TEST(what_was_told_may_come_back)
{
    struct agent *a, *again;
    struct buf b;
    buf_init(&b, 1 << 20);
    ck_assert_int_eq(make("{\"model\":\"sim/echo\"}", STR("echo"), &a), OK);
    agent_write(&b, a);
    buf_add_char(&b, '\0');
    ck_assert_int_eq(make(b.data, STR("echo"), &again), ERR_INVALID_REQUEST);
    ck_assert_str_eq(findings_text(&problem),
                     "invalid_request: /version unknown_field, /source unknown_field");
    takes_back = true;
    ck_assert_int_eq(make(b.data, STR("echo"), &again), OK);
    takes_back = false;
    b.len--;
    assert_written(again, b.data);
    buf_clear(&b);
    agent_write_document(&b, a);
    ck_assert(str_eq(
        buf_str(&b),
        STR("{\"name\":\"echo\",\"description\":\"\",\"model\":\"sim/echo\",\"instructions\":\"\","
            "\"params\":{},\"output\":\"text\",\"retry\":null,\"timeout_ms\":null}")));
    buf_fini(&b);
    agent_unref(a);
    agent_unref(again);
}
END_TEST

START_TEST(its_params_can_be_looked_up_at_once)
{
    struct agent *a;
    ck_assert_int_eq(make(FULL, STR("writer"), &a), OK);
    ck_assert(str_eq(json_raw(json_get_lit(json_root(&a->params_doc), "n")),
                     STR("12345678901234567890")));
    agent_unref(a);
}
END_TEST

START_TEST(it_lives_as_long_as_somebody_holds_it)
{
    struct agent *a;
    ck_assert_int_eq(make(FULL, STR_NONE, &a), OK); /* the name is in the document alone */
    ck_assert(str_eq(a->name, STR("writer")));
    ck_assert_ptr_eq(agent_ref(a), a);
    agent_unref(a);
    ck_assert(str_eq(a->models[1], STR("sim/b")));
    agent_unref(a);
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

START_TEST(outputs_have_the_apis_names)
{
    ck_assert_str_eq(output_kind_name(OUTPUT_TEXT), "text");
    ck_assert_str_eq(output_kind_name(OUTPUT_JSON), "json");
    ck_assert_str_eq(output_kind_name(OUTPUT_MESSAGE), "message");
}
END_TEST

START_TEST(everything_wrong_is_found)
{
    static const struct {
        const char *json, *findings;
    } rows[] = {
        {"[]", "invalid_request:  wrong_type"},
        {"{}", "invalid_request: /model missing"},
        {"{\"colour\":1,\"output\":\"xml\"}",
         "invalid_request: /model missing, /colour unknown_field, /output not_in_enum"},
        {"{\"model\":\"nobody/x\"}", "unknown_provider: /model unknown_name"},
        {"{\"model\":\"echo\"}", "unknown_model: /model unknown_name"},
        {"{\"model\":[\"sim/a\",\"echo\"]}", "unknown_model: /model/1 unknown_name"},
        {"{\"model\":[\"nobody/x\",7]}",
         "invalid_request: /model/0 unknown_name, /model/1 wrong_type"},
        {"{\"model\":[]}", "invalid_request: /model out_of_range"},
        {"{\"model\":{}}", "invalid_request: /model wrong_type"},
        {"{\"name\":\"other\",\"model\":\"sim/a\"}", "invalid_request: /name exclusive"},
        {"{\"name\":\"a b\",\"model\":\"sim/a\"}", "invalid_request: /name out_of_range"},
        {"{\"model\":\"sim/a\",\"params\":[],\"instructions\":1,\"description\":null}",
         "invalid_request: /params wrong_type, /instructions wrong_type, /description wrong_type"},
        {"{\"model\":\"sim/a\",\"timeout_ms\":0,\"retry\":{\"attempts\":0}}",
         "invalid_request: /timeout_ms out_of_range, /retry/attempts out_of_range"},
        {"{\"model\":\"sim/a\",\"timeout_ms\":86400001}",
         "invalid_request: /timeout_ms out_of_range"},
        {"{\"model\":\"sim/a\",\"timeout_ms\":1.5}", "invalid_request: /timeout_ms wrong_type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct agent *a = NULL;
        enum err e = make(rows[i].json, STR("writer"), &a);
        ck_assert_str_eq(findings_text(&problem), rows[i].findings);
        ck_assert_int_eq(e, problem.code);
        ck_assert_ptr_null(a);
        ck_assert_int_eq(mem_live(), 0);
    }
}
END_TEST

START_TEST(it_has_a_name_from_somewhere)
{
    struct agent *a;
    ck_assert_int_eq(make("{\"model\":\"sim/a\"}", STR_NONE, &a), ERR_INVALID_REQUEST);
    ck_assert_str_eq(findings_text(&problem), "invalid_request: /name missing");
}
END_TEST

/* `head` + n times `part` + `tail` */
static char *repeated(const char *head, const char *part, size_t n, const char *tail)
{
    struct buf b;
    size_t len;
    buf_init(&b, 1 << 22);
    buf_add_str(&b, str_of(head));
    for (size_t i = 0; i < n; i++)
        buf_add_str(&b, str_of(part));
    buf_add_str(&b, str_of(tail));
    buf_add_char(&b, '\0');
    char *text = buf_take(&b, &len);
    ck_assert_ptr_nonnull(text);
    return text;
}

START_TEST(limits_are_met_and_not_passed)
{
    static const struct {
        const char *head, *part, *tail;
        size_t most;
        const char *findings; /* one past it */
    } rows[] = {
        {"{\"model\":[\"sim/a\"", ",\"sim/b\"", "]}", AGENT_MAX_MODELS - 1,
         "invalid_request: /model too_long"},
        {"{\"model\":\"sim/", "m", "\"}", 512 - 4, "invalid_request: /model too_long"},
        {"{\"model\":\"sim/a\",\"description\":\"", "d", "\"}", 4096,
         "invalid_request: /description too_long"},
        {"{\"model\":\"sim/a\",\"instructions\":\"", "i", "\"}", AGENT_TEXT_MAX,
         "invalid_request: /instructions too_long"},
        {"{\"model\":\"sim/a\",\"instructions\":\"", "\\n", "\"}", AGENT_TEXT_MAX,
         "invalid_request: /instructions too_long"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct agent *a = NULL;
        char *text = repeated(rows[i].head, rows[i].part, rows[i].most, rows[i].tail);
        ck_assert_msg(make(text, STR("a"), &a) == OK, "%zu: %s", i, findings_text(&problem));
        agent_unref(a);
        mem_free(text);
        text = repeated(rows[i].head, rows[i].part, rows[i].most + 1, rows[i].tail);
        ck_assert_int_eq(make(text, STR("a"), &a), ERR_INVALID_REQUEST);
        ck_assert_str_eq(findings_text(&problem), rows[i].findings);
        mem_free(text);
    }
}
END_TEST

static enum err make_and_drop(void *arg)
{
    struct agent *a;
    (void)arg;
    enum err e = make(FULL, STR("writer"), &a);
    if (e == OK)
        agent_unref(a);
    return e;
}

START_TEST(without_memory_there_is_no_agent_and_no_finding)
{
    ck_assert_uint_gt(oom_rounds(make_and_drop, NULL), 5);
    ck_assert_uint_eq(problem.found, 0);
}
END_TEST

Suite *suite_model_agent(void)
{
    Suite *s = suite_create("model_agent");
    TCase *t = tcase_create("agent");
    tcase_add_test(t, the_smallest_document_has_the_defaults);
    tcase_add_test(t, a_full_document_is_told_as_it_was_given);
    tcase_add_test(t, what_was_told_may_come_back);
    tcase_add_test(t, its_params_can_be_looked_up_at_once);
    tcase_add_test(t, it_lives_as_long_as_somebody_holds_it);
    tcase_add_test(t, outputs_have_the_apis_names);
    tcase_add_test(t, everything_wrong_is_found);
    tcase_add_test(t, it_has_a_name_from_somewhere);
    tcase_add_test(t, limits_are_met_and_not_passed);
    tcase_add_test(t, without_memory_there_is_no_agent_and_no_finding);
    suite_add_tcase(s, t);
    return s;
}
