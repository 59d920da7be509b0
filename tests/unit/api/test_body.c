/* A request's JSON body: what is wrong with it is answered the same way wherever one is taken. */
#include <check.h>
#include <stdio.h>

#include "base/mem.h"
#include "tests/support/api_rig.h"
#include "tests/support/rig_ops.h"

Suite *suite_api_body(void);

static struct rig rig;
static struct api_rig api;

static const char *const lines[] = {"POST /v1/runs", "POST /v1/runs/cancel",
                                    "POST /v1/runs/run_00000000000000000000000000/cancel",
                                    "POST /v1/runs/run_00000000000000000000000000/tasks/0/cancel"};
enum { LINES = sizeof lines / sizeof lines[0] };

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
    ck_assert_int_eq(mem_live(), 0);
}

static void must_answer(const char *line, const char *body, int status, const char *part)
{
    struct asked_api asked;
    api_ask(&api, 1, line, NULL, body, &asked);
    rig_settle(&rig);
    ck_assert_msg(asked.answers == 1 && asked.status == status &&
                      rig_text_has(buf_str(&asked.body), part),
                  "%s: %d %.*s", line, asked.status, STR_ARG(buf_str(&asked.body)));
    api_done(&asked);
}

START_TEST(what_is_no_json_is_told_with_its_place)
{
    must_answer(lines[_i], "{\n  x", 400, "\"code\":\"invalid_json\"");
    must_answer(lines[_i], "{\n  x", 400, "\"line\":2,\"column\":3");
}
END_TEST

START_TEST(too_many_values_are_too_large)
{
    rig.engine->shards[1].scratch.max_tokens = 4;
    must_answer(lines[_i], "{\"x\":[1,2,3,4]}", 413, "\"code\":\"body_too_large\"");
}
END_TEST

START_TEST(what_must_be_an_object_is)
{
    must_answer(lines[_i], "[]", 422, "\"code\":\"wrong_type\"");
}
END_TEST

/* What the path names is looked at first. */
START_TEST(an_id_that_is_none_is_told_before_the_body)
{
    static const char *const paths[] = {"POST /v1/runs/run_x/cancel",
                                        "POST /v1/runs/run_x/tasks/0/cancel"};
    must_answer(paths[_i], "{", 404, "\"code\":\"not_found\"");
}
END_TEST

Suite *suite_api_body(void)
{
    Suite *s = suite_create("api/body");
    TCase *t = tcase_create("body");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, what_is_no_json_is_told_with_its_place, 0, LINES);
    tcase_add_loop_test(t, too_many_values_are_too_large, 0, LINES);
    tcase_add_loop_test(t, what_must_be_an_object_is, 0, LINES);
    tcase_add_loop_test(t, an_id_that_is_none_is_told_before_the_body, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
