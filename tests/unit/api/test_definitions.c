/* Agents and workflows as a client changes them, on either store. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runs/library.h"
#include "tests/support/api_rig.h"
#include "tests/support/rig_ops.h"

Suite *suite_api_definitions(void);

static struct rig rig;
static struct api_rig api;
static struct asked_api asked;

#define ECHO   "{\"model\":\"sim/echo\"}"
#define STORY  "{\"model\":\"sim/story\"}"
#define VALUE  "{\"task\":{\"type\":\"value\",\"value\":1}}"
#define ASK(n) "{\"task\":{\"type\":\"call\",\"workflow\":\"" n "\"}}"

/* `echo` is made by the API: the configuration has nothing but `story`. */
static void start_on(bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    o.on_sqlite = on_sqlite;
    o.agents = "{\"story\":" STORY "}";
    rig_start(&rig, &o);
    definitions_agent(rig_shard(&rig, 0)->definitions, STR("story"))->from_config = true;
    api_rig_start(&api, &rig);
}

static void start(void)
{
    start_on(false);
}

static void finish(void)
{
    rig_settle(&rig);
    api_rig_stop(&api);
    rig_stop(&rig);
}

static bool says(const char *part)
{
    return rig_text_has(buf_str(&asked.body), part);
}

/* Asks on the second loop; the library is on the first. */
static void must(int status, const char *line, const char *headers, const char *body,
                 const char *part)
{
    api_ask(&api, 1, line, headers, body, &asked);
    rig_settle(&rig);
    ck_assert_msg(asked.answers == 1 && asked.status == status, "%s: %d %.*s", line, asked.status,
                  STR_ARG(buf_str(&asked.body)));
    ck_assert_msg(part == NULL || says(part), "%s: %.*s", line, STR_ARG(buf_str(&asked.body)));
    api_done(&asked);
}

static void must_have(const char *name, const char *value)
{
    const char *got = api_header(&asked, name);
    ck_assert_msg(got != NULL && strcmp(got, value) == 0, "%s: %s", name, got);
}

START_TEST(what_was_put_is_there_on_every_loop)
{
    start_on(_i);
    must(201, "PUT /v1/agents/echo", NULL, ECHO, "\"version\":1,\"source\":\"api\"}");
    must_have("Location", "/v1/agents/echo");
    must_have("ETag", "\"1\"");
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_ptr_nonnull(definitions_agent(rig_shard(&rig, i)->definitions, STR("echo")));
    must(200, "GET /v1/agents/echo", NULL, NULL, "\"model\":\"sim/echo\"");
    must_have("ETag", "\"1\"");
    must(200, "PUT /v1/agents/echo", NULL, STORY, "\"version\":2");
    must_have("ETag", "\"2\"");
    ck_assert_ptr_null(api_header(&asked, "Location"));
    must(200, "GET /v1/agents", NULL, NULL, "[{\"name\":\"echo\"");
    must(204, "DELETE /v1/agents/echo", NULL, NULL, NULL);
    must(404, "GET /v1/agents/echo", NULL, NULL, "not_found");
    must(404, "DELETE /v1/agents/echo", NULL, NULL, "there is no agent of that name");
    must(201, "PUT /v1/agents/echo", NULL, ECHO, "\"version\":3");
    finish();
}
END_TEST

START_TEST(workflows_are_put_in_the_same_way)
{
    start_on(_i);
    must(201, "PUT /v1/workflows/w", NULL, VALUE,
         "{\"name\":\"w\",\"description\":\"\",\"task\":{\"type\":\"value\",\"value\":1},"
         "\"version\":1,\"source\":\"api\"}");
    must_have("Location", "/v1/workflows/w");
    must(200, "PUT /v1/workflows/w", NULL, VALUE, "\"version\":2");
    must(200, "GET /v1/workflows", NULL, NULL, "{\"data\":[{\"name\":\"w\"");
    must(204, "DELETE /v1/workflows/w", NULL, NULL, NULL);
    must(200, "GET /v1/workflows", NULL, NULL, "{\"data\":[]}");
    must(404, "GET /v1/workflows/w", NULL, NULL, "not_found");
    finish();
}
END_TEST

START_TEST(what_the_api_made_is_there_after_a_restart)
{
    start_on(_i);
    must(201, "PUT /v1/agents/echo", NULL, "{\"model\":\"sim/echo\",\"description\":\"d\"}", NULL);
    must(201, "PUT /v1/workflows/w", NULL,
         "{\"description\":\"x\\ty\",\"task\":{\"type\":\"sleep\",\"duration_ms\":5}}", NULL);
    must(201, "PUT /v1/workflows/v", NULL, ASK("w"), NULL);
    api_rig_stop(&api);
    rig_restart(&rig);
    api_rig_start(&api, &rig);
    must(200, "GET /v1/agents/echo", NULL, NULL, "\"description\":\"d\"");
    must_have("ETag", "\"1\"");
    must(200, "GET /v1/workflows/w", NULL, NULL,
         "\"description\":\"x\\ty\",\"task\":{\"type\":\"sleep\",\"duration_ms\":5},\"version\":1");
    must(422, "PUT /v1/workflows/w", NULL, ASK("v"), "cycle");
    finish();
}
END_TEST

START_TEST(conditions_decide_whether_it_is_done)
{
    start();
    must(412, "PUT /v1/agents/a", "If-Match: *", ECHO, "precondition_failed");
    must(412, "PUT /v1/agents/a", "If-Match: \"1\"", ECHO, "precondition_failed");
    must(201, "PUT /v1/agents/a", "If-None-Match: *", ECHO, NULL);
    must(412, "PUT /v1/agents/a", "If-None-Match: *", ECHO, "precondition_failed");
    must(200, "PUT /v1/agents/a", "If-Match: \"5\", \"1\"", ECHO, "\"version\":2");
    must(412, "PUT /v1/agents/a", "If-Match: \"1\"", ECHO, NULL);
    must(412, "PUT /v1/agents/a", "If-Match: W/\"2\"", ECHO, NULL);
    must(412, "PUT /v1/agents/a", "If-Match: \"1\"", "nonsense", NULL); /* before the body */
    must(412, "DELETE /v1/agents/a", "If-Match: \"1\"", NULL, NULL);
    must(200, "GET /v1/agents/a", "If-None-Match: \"1\"", NULL, "\"version\":2");
    must(304, "GET /v1/agents/a", "If-None-Match: W/\"2\"", NULL, NULL);
    ck_assert_uint_eq(asked.body.len, 0);
    must_have("ETag", "\"2\"");
    must(412, "GET /v1/agents/a", "If-Match: \"1\"", NULL, NULL);
    must(404, "DELETE /v1/agents/b", "If-Match: \"1\"", NULL, NULL); /* as without them */
    must(204, "DELETE /v1/agents/a", "If-Match: \"2\"", NULL, NULL);
    must(412, "PUT /v1/agents/a", "If-Match: \"2\"", ECHO, NULL);
    finish();
}
END_TEST

START_TEST(what_the_configuration_has_is_not_changed_here)
{
    start();
    must(409, "PUT /v1/agents/story", NULL, ECHO, "\"code\":\"conflict\"");
    must(409, "PUT /v1/agents/story", "If-Match: \"9\"", ECHO, "\"code\":\"conflict\"");
    must(409, "DELETE /v1/agents/story", NULL, NULL, "the configuration has this agent");
    must(200, "GET /v1/agents/story", NULL, NULL, "\"version\":1,\"source\":\"config\"");
    finish();
}
END_TEST

START_TEST(what_a_client_got_it_may_send_back)
{
    char body[1024];
    start();
    must(201, "PUT /v1/workflows/w", NULL, VALUE, NULL);
    api_ask(&api, 1, "GET /v1/workflows/w", NULL, NULL, &asked);
    str_copy(body, sizeof body, buf_str(&asked.body));
    api_done(&asked);
    must(200, "PUT /v1/workflows/w", "If-Match: \"1\"", body, "\"version\":2");
    finish();
}
END_TEST

static const struct {
    const char *line, *body;
    int status;
    const char *part;
} wrong[] = {
    {"PUT /v1/agents/a", "", 400, "\"code\":\"invalid_json\""},
    {"PUT /v1/agents/a", "{\"model\":", 400, "\"line\":1,\"column\":10"},
    {"PUT /v1/agents/a", "[]", 422, "\"pointer\":\"\",\"code\":\"wrong_type\""},
    {"PUT /v1/agents/a", "{}", 422, "\"pointer\":\"/model\",\"code\":\"missing\""},
    {"PUT /v1/agents/a", "{\"model\":\"nobody/x\"}", 422, "\"code\":\"unknown_provider\""},
    {"PUT /v1/agents/a", "{\"model\":\"sim/x\"}", 422, "\"code\":\"unknown_model\""},
    {"PUT /v1/agents/a", "{\"name\":\"b\",\"model\":\"sim/echo\"}", 422,
     "\"pointer\":\"/name\",\"code\":\"exclusive\""},
    {"PUT /v1/agents/a", "{\"model\":\"sim/echo\",\"x\":1}", 422, "unknown_field"},
    {"PUT /v1/agents/a.b", ECHO, 404, "not_found"},
    {"PUT /v1/agents/01234567890123456789012345678901234567890123456789012345678901234", ECHO, 404,
     "not_found"},
    {"DELETE /v1/agents/a.b", NULL, 404, "not_found"},
    {"PUT /v1/workflows/w", "{}", 422, "\"pointer\":\"/task\",\"code\":\"missing\""},
    {"PUT /v1/workflows/w", "{\"task\":{\"type\":\"call\",\"agent\":\"nobody\"}}", 422,
     "\"code\":\"unknown_agent\""},
    {"PUT /v1/workflows/w", ASK("nobody"), 422, "\"code\":\"unknown_workflow\""},
    {"PUT /v1/workflows/w", ASK("w"), 422, "\"pointer\":\"/task/workflow\",\"code\":\"cycle\""},
    {"PUT /v1/agents/a?x=1", ECHO, 400, "invalid_query"},
    {"POST /v1/agents/a", ECHO, 405, "method_not_allowed"},
};

START_TEST(what_is_wrong_is_told_and_nothing_is_stored)
{
    start();
    must(wrong[_i].status, wrong[_i].line, NULL, wrong[_i].body, wrong[_i].part);
    must(200, "GET /v1/workflows", NULL, NULL, "{\"data\":[]}");
    must(404, "GET /v1/agents/a", NULL, NULL, NULL);
    finish();
}
END_TEST

START_TEST(a_workflow_that_would_close_a_cycle_through_others_is_refused)
{
    start();
    must(201, "PUT /v1/workflows/a", NULL, VALUE, NULL);
    must(201, "PUT /v1/workflows/b", NULL, ASK("a"), NULL);
    must(201, "PUT /v1/workflows/c", NULL, ASK("b"), NULL);
    must(422, "PUT /v1/workflows/a", NULL, ASK("c"),
         "\"pointer\":\"/task/workflow\",\"code\":\"cycle\"");
    must(204, "DELETE /v1/workflows/b", NULL, NULL, NULL); /* though c calls it */
    must(200, "PUT /v1/workflows/a", NULL, ASK("c"), NULL);
    must(422, "PUT /v1/workflows/b", NULL, ASK("a"), "cycle");
    finish();
}
END_TEST

START_TEST(a_change_goes_on_when_its_client_has_gone)
{
    start();
    store_fake_hold(rig.fake);
    api_ask(&api, 1, "PUT /v1/agents/a", NULL, ECHO, &asked);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 0);
    api_hang_up(&asked);
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    api_done(&asked);
    must(200, "GET /v1/agents/a", NULL, NULL, NULL);
    finish();
}
END_TEST

START_TEST(without_a_store_nothing_changes_and_readers_go_on)
{
    start();
    store_fake_go_away(rig.fake);
    must(503, "PUT /v1/agents/a", NULL, ECHO, "storage_unavailable");
    ck_assert_ptr_nonnull(api_header(&asked, "Retry-After"));
    must(200, "GET /v1/agents/story", NULL, NULL, NULL);
    store_fake_heal(rig.fake);
    must(201, "PUT /v1/agents/a", NULL, ECHO, "\"version\":1");
    finish();
}
END_TEST

START_TEST(a_gateway_that_drains_changes_nothing)
{
    start();
    engine_drain(rig.engine);
    must(503, "PUT /v1/agents/a", NULL, ECHO, "draining");
    finish();
}
END_TEST

/* Whichever allocation fails: it is not done, or it is; and nothing is lost. */
START_TEST(a_change_without_memory_is_refused)
{
    bool done = false;
    start();
    must(201, "PUT /v1/workflows/other", NULL, VALUE, NULL);
    for (unsigned long n = 1; !done; n++) {
        long live = mem_live();
        api_ask(&api, 1, "GET /v1/workflows/w", NULL, NULL, &asked);
        api_done(&asked);
        mem_fail_nth(n);
        api_ask(&api, 1, "PUT /v1/workflows/w", NULL, ASK("other"), &asked);
        rig_settle(&rig);
        mem_fail_nth(0);
        rig_settle(&rig);
        done = asked.status == 201;
        ck_assert_msg(done || asked.status == 503, "%lu: %d", n, asked.status);
        api_done(&asked);
        bool is_there = definitions_workflow(rig_shard(&rig, 1)->definitions, STR("w")) != NULL;
        if (is_there && !done) { /* only the answer was lost */
            must(204, "DELETE /v1/workflows/w", NULL, NULL, NULL);
            is_there = false;
        }
        ck_assert(is_there == done);
        ck_assert_msg(done || mem_live() <= live + 2, "%lu: %ld", n, mem_live() - live);
        ck_assert_uint_lt(n, 1000);
    }
    finish();
}
END_TEST

Suite *suite_api_definitions(void)
{
    Suite *s = suite_create("api/definitions");
    TCase *t = tcase_create("definitions");
    tcase_add_loop_test(t, what_was_put_is_there_on_every_loop, 0, 2);
    tcase_add_loop_test(t, workflows_are_put_in_the_same_way, 0, 2);
    tcase_add_loop_test(t, what_the_api_made_is_there_after_a_restart, 0, 2);
    tcase_add_test(t, conditions_decide_whether_it_is_done);
    tcase_add_test(t, what_the_configuration_has_is_not_changed_here);
    tcase_add_test(t, what_a_client_got_it_may_send_back);
    tcase_add_loop_test(t, what_is_wrong_is_told_and_nothing_is_stored, 0,
                        sizeof wrong / sizeof wrong[0]);
    tcase_add_test(t, a_workflow_that_would_close_a_cycle_through_others_is_refused);
    tcase_add_test(t, a_change_goes_on_when_its_client_has_gone);
    tcase_add_test(t, without_a_store_nothing_changes_and_readers_go_on);
    tcase_add_test(t, a_gateway_that_drains_changes_nothing);
    tcase_add_test(t, a_change_without_memory_is_refused);
    suite_add_tcase(s, t);
    return s;
}
