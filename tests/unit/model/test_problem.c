/* Refusals: what is gathered, in which order, and the document (API §6, RFC 9457). */
#include "model/problem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

Suite *suite_model_problem(void);

static struct problem p;

static void set_up(void)
{
    memset(&p, 0xA5, sizeof p); /* problem_init has to set all that matters */
    problem_init(&p);
}

static void tear_down(void)
{
    ck_assert_int_eq(mem_live(), 0);
}

static const struct doc_path root = {.up = NULL};

static void assert_document(struct str run_id, const char *want)
{
    struct buf b;
    struct json_doc doc;
    buf_init(&b, 65536);
    json_doc_init(&doc);
    problem_write(&b, &p, STR("req_1"), run_id);
    ck_assert_int_eq(json_parse(&doc, buf_str(&b), NULL), OK);
    ck_assert_msg(str_eq(buf_str(&b), str_of(want)), "%.*s", STR_ARG(buf_str(&b)));
    json_doc_fini(&doc);
    buf_fini(&b);
}

/* --- the document ----------------------------------------------------------------------------- */

START_TEST(a_document_has_every_member_of_the_api)
{
    struct doc_path task = doc_path_name(&root, STR("task")),
                    steps = doc_path_name(&task, STR("steps")), second = doc_path_index(&steps, 1),
                    type = doc_path_name(&second, STR("type"));
    problem_add(&p, &type, FIELD_UNKNOWN_TYPE, NULL);
    assert_document(
        STR_NONE,
        "{\"type\":\"/problems/invalid_request\",\"title\":\"The request is not valid\",\"status\":422,"
        "\"code\":\"invalid_request\",\"detail\":\"The request is not valid\",\"errors\":["
        "{\"pointer\":\"/task/steps/1/type\",\"code\":\"unknown_type\","
        "\"detail\":\"is no known type of task\"}],\"retryable\":false,\"request_id\":\"req_1\","
        "\"run_id\":null}");
}
END_TEST

START_TEST(bad_json_is_told_with_its_place)
{
    ck_assert_int_eq(problem_set(&p, ERR_INVALID_JSON, "a %s was expected", "\"comma\""),
                     ERR_INVALID_JSON);
    p.line = 3;
    p.column = 14;
    assert_document(
        STR_NONE,
        "{\"type\":\"/problems/invalid_json\",\"title\":\"The body is not valid JSON\",\"status\":400,"
        "\"code\":\"invalid_json\",\"detail\":\"a \\\"comma\\\" was expected\",\"line\":3,\"column\":14,"
        "\"errors\":[],\"retryable\":false,\"request_id\":\"req_1\",\"run_id\":null}");
}
END_TEST

START_TEST(a_run_is_named_where_there_is_one)
{
    problem_set(&p, ERR_RUN_NOT_FINISHED, "%s", "");
    assert_document(
        STR("run_1"),
        "{\"type\":\"/problems/run_not_finished\",\"title\":\"The run has not ended yet\",\"status\":409,"
        "\"code\":\"run_not_finished\",\"detail\":\"The run has not ended yet\",\"errors\":[],"
        "\"retryable\":true,\"request_id\":\"req_1\",\"run_id\":\"run_1\"}");
}
END_TEST

START_TEST(every_answer_of_the_error_table_is_json)
{
    for (int e = ERR_INVALID_JSON; e < ERR_PROVIDER_UNREACHABLE; e++) {
        struct buf b;
        struct json_doc doc;
        problem_set(&p, (enum err)e, "d");
        buf_init(&b, 65536);
        json_doc_init(&doc);
        problem_write(&b, &p, STR("r"), STR_NONE);
        ck_assert_int_eq(json_parse(&doc, buf_str(&b), NULL), OK);
        int64_t status;
        ck_assert_int_eq(json_int(json_get_lit(json_root(&doc), "status"), 400, 599, &status), OK);
        json_doc_fini(&doc);
        buf_fini(&b);
    }
}
END_TEST

START_TEST(field_codes_are_those_of_the_api)
{
    static const char *const codes[] = {"unknown_field", "missing",      "wrong_type",
                                        "out_of_range",  "too_long",     "not_in_enum",
                                        "unknown_type",  "unknown_name", "duplicate_name",
                                        "bad_reference", "cycle",        "exclusive"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        ck_assert_str_eq(field_code_name((enum field_code)i), codes[i]);
}
END_TEST

/* --- pointers --------------------------------------------------------------------------------- */

START_TEST(pointers_name_the_place)
{
    struct doc_path a = doc_path_name(&root, STR("a")), third = doc_path_index(&a, 3),
                    odd = doc_path_name(&third, STR("x/y~z \"q\"")),
                    empty = doc_path_name(&odd, STR("")), first = doc_path_index(&root, 0);
    const struct {
        const struct doc_path *at;
        const char *pointer;
    } rows[] = {
        {&root, ""},
        {NULL, ""},
        {&a, "/a"},
        {&third, "/a/3"},
        {&odd, "/a/3/x~1y~0z \"q\""},
        {&empty, "/a/3/x~1y~0z \"q\"/"},
        {&first, "/0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        problem_add(&p, rows[i].at, FIELD_MISSING, "d");
        ck_assert_str_eq(p.fields[i].pointer, rows[i].pointer);
        ck_assert_str_eq(p.fields[i].detail, "d");
    }
}
END_TEST

START_TEST(a_pointer_that_is_too_long_is_cut_at_a_character)
{
    char *name = malloc(1 << 20);
    ck_assert_ptr_nonnull(name);
    for (size_t i = 0; i < 1 << 20; i += 2)
        memcpy(name + i, "\xC3\xA4", 2);
    static const size_t lengths[] = {252,    254,    256, 258,
                                     100000, 1 << 20}; /* the last ones beyond any buffer of ours */
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct doc_path in = doc_path_name(&root, STR("metadata")),
                        at = doc_path_name(&in, (struct str){name, lengths[i]});
        problem_add(&p, &at, FIELD_TOO_LONG, NULL);
        const char *pointer = p.fields[i].pointer;
        ck_assert(str_starts(str_of(pointer), STR("/metadata/\xC3\xA4")));
        ck_assert(str_is_utf8(str_of(pointer)));
        ck_assert_uint_ge(strlen(pointer), 254);
    }
    free(name);
}
END_TEST

START_TEST(a_detail_that_is_too_long_is_cut_at_a_character)
{
    char text[1001] = "";
    for (size_t i = 0; i < 1000; i += 2)
        memcpy(text + i, "\xC3\xA4", 2);
    problem_set(&p, ERR_CONFLICT, "%s", text);
    ck_assert(str_is_utf8(str_of(p.detail)));
    ck_assert_uint_eq(strlen(p.detail), sizeof p.detail - 2);
    problem_add(&p, &root, FIELD_MISSING, text);
    ck_assert(str_is_utf8(str_of(p.fields[0].detail)));
    ck_assert_uint_eq(strlen(p.fields[0].detail), sizeof p.fields[0].detail - 2);
}
END_TEST

/* --- gathering -------------------------------------------------------------------------------- */

START_TEST(twenty_are_told_in_order_and_the_rest_counted)
{
    for (uint64_t i = 0; i < 25; i++) {
        struct doc_path at = doc_path_index(&root, i);
        problem_add(&p, &at, FIELD_WRONG_TYPE, NULL);
    }
    ck_assert_uint_eq(p.field_count, 20);
    ck_assert_uint_eq(p.found, 25);
    for (uint32_t i = 0; i < 20; i++) {
        char want[8];
        snprintf(want, sizeof want, "/%u", (unsigned)i);
        ck_assert_str_eq(p.fields[i].pointer, want);
    }
    ck_assert_int_eq(p.code, ERR_INVALID_REQUEST);
}
END_TEST

START_TEST(an_unknown_name_alone_gives_its_own_code)
{
    problem_add_unknown(&p, &root, ERR_UNKNOWN_AGENT, NULL);
    ck_assert_int_eq(p.code, ERR_UNKNOWN_AGENT);
    ck_assert_int_eq(p.fields[0].code, FIELD_UNKNOWN_NAME);
}
END_TEST

START_TEST(an_unknown_name_beside_others_is_an_invalid_request)
{
    problem_add_unknown(&p, &root, ERR_UNKNOWN_AGENT, NULL);
    problem_add(&p, &root, FIELD_MISSING, NULL);
    ck_assert_int_eq(p.code, ERR_INVALID_REQUEST);
    problem_init(&p);
    problem_add(&p, &root, FIELD_MISSING, NULL);
    problem_add_unknown(&p, &root, ERR_UNKNOWN_MODEL, NULL);
    ck_assert_int_eq(p.code, ERR_INVALID_REQUEST);
    problem_init(&p);
    problem_add_unknown(&p, &root, ERR_UNKNOWN_AGENT, NULL);
    problem_add_unknown(&p, &root, ERR_UNKNOWN_MODEL, NULL);
    ck_assert_int_eq(p.code, ERR_INVALID_REQUEST);
}
END_TEST

START_TEST(without_memory_the_pointer_is_lost_and_nothing_else)
{
    struct doc_path at = doc_path_name(&root, STR("a"));
    mem_fail_nth(1);
    problem_add(&p, &at, FIELD_MISSING, NULL);
    mem_fail_nth(0);
    ck_assert_uint_eq(p.field_count, 1);
    ck_assert_str_eq(p.fields[0].pointer, "");
    ck_assert_int_eq(p.fields[0].code, FIELD_MISSING);
}
END_TEST

Suite *suite_model_problem(void)
{
    Suite *s = suite_create("model_problem");
    TCase *t = tcase_create("problem");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_document_has_every_member_of_the_api);
    tcase_add_test(t, bad_json_is_told_with_its_place);
    tcase_add_test(t, a_run_is_named_where_there_is_one);
    tcase_add_test(t, every_answer_of_the_error_table_is_json);
    tcase_add_test(t, field_codes_are_those_of_the_api);
    tcase_add_test(t, pointers_name_the_place);
    tcase_add_test(t, a_pointer_that_is_too_long_is_cut_at_a_character);
    tcase_add_test(t, a_detail_that_is_too_long_is_cut_at_a_character);
    tcase_add_test(t, twenty_are_told_in_order_and_the_rest_counted);
    tcase_add_test(t, an_unknown_name_alone_gives_its_own_code);
    tcase_add_test(t, an_unknown_name_beside_others_is_an_invalid_request);
    tcase_add_test(t, without_memory_the_pointer_is_lost_and_nothing_else);
    suite_add_tcase(s, t);
    return s;
}
