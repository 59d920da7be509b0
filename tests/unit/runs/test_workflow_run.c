/* Runs of a workflow: made of the version that is current when they are created, and of that one to
 * their end, whatever becomes of the name meanwhile. */
#include <check.h>
#include <stdio.h>

#include "tests/support/api_rig.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_workflow_run(void);

static struct rig rig;
static struct rig_options options;
static struct created created;
static struct id id;

#define V(json)    "{\"type\":\"value\",\"value\":" json "}"
#define SLEEP(ms)  "{\"type\":\"sleep\",\"duration_ms\":" #ms "}"
#define SEQ(...)   "{\"type\":\"sequence\",\"steps\":[" __VA_ARGS__ "]}"
#define FLOW(tree) "{\"w\":{\"task\":" tree "}}"
#define OLD        FLOW(SEQ(SLEEP(5000) "," V("\"old {{input}}\"")))
#define NEW        FLOW(V("\"new {{input}}\""))

static void start(const char *workflows, bool on_sqlite)
{
    options = rig_options_default();
    options.workflows = workflows;
    options.on_sqlite = on_sqlite;
    rig_start(&rig, &options);
}

static void create(const char *body)
{
    id = rig_run(&rig, 0, body, PLAIN, &created);
    rig_forget(&created);
}

/* From now on another version of it stands under the name; NULL: none. */
static void define(const char *workflows)
{
    options.workflows = workflows;
    rig_take_over(&rig, &options);
    struct workflow *w = definitions_workflow(rig_shard(&rig, 0)->definitions, STR("w"));
    if (w != NULL)
        w->version = 2;
}

static bool ends_with(const char *output)
{
    const struct run_record *row = rig_row(&rig, &id);
    return row->state == RUN_SUCCEEDED && str_eq(row->output, str_of(output));
}

START_TEST(a_run_is_of_the_current_version)
{
    start(OLD, false);
    define(NEW);
    create("{\"workflow\":\"w\",\"input\":1}");
    ck_assert(ends_with("\"new 1\""));
    ck_assert(str_eq(rig_row(&rig, &id)->workflow, STR("w")));
    ck_assert_int_eq(rig_row(&rig, &id)->workflow_version, 2);
    rig_stop(&rig);
}
END_TEST

START_TEST(its_tree_is_not_made_again)
{
    start(OLD, false);
    create("{\"workflow\":\"w\"}");
    const struct workflow *w = definitions_workflow(rig_shard(&rig, 0)->definitions, STR("w"));
    ck_assert_ptr_eq(rig_live(&rig, &id)->root.spec, w->task);
    rig_crash(&rig);
    w = definitions_workflow(rig_shard(&rig, 0)->definitions, STR("w"));
    ck_assert_ptr_eq(rig_live(&rig, &id)->root.spec, w->task);
    rig_stop(&rig);
}
END_TEST

/* Parked, or in the middle when the gateway dies: with its definition replaced, or gone. */
START_TEST(it_stays_with_its_version)
{
    start(OLD, false);
    create("{\"workflow\":\"w\",\"input\":1}");
    if (_i % 2 == 1)
        rig_advance(&rig, 2000);
    define(_i < 2 ? NEW : NULL);
    if (_i % 2 == 0)
        rig_crash(&rig);
    rig_advance(&rig, 6000);
    ck_assert(ends_with("[null,\"old 1\"]"));
    ck_assert_int_eq(rig_row(&rig, &id)->workflow_version, 1);
    rig_stop(&rig);
}
END_TEST

START_TEST(one_of_a_lost_version_fails)
{
    start(OLD, false);
    create("{\"workflow\":\"w\",\"input\":1}");
    store_fake_forget_definitions(rig.fake);
    options.workflows = NULL;
    rig.options = options;
    rig_crash(&rig);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_FAILED);
    ck_assert(rig_text_has(rig_row(&rig, &id)->error, "\"code\":\"unknown_workflow\""));
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "run.finished"), 1);
    rig_stop(&rig);
}
END_TEST

/* A root that is one call waits in its provider's lane, and is shown with its name. */
START_TEST(a_workflow_may_be_one_call)
{
    start(FLOW("{\"type\":\"call\",\"name\":\"ask\",\"agent\":\"echo\",\"input\":\"{{input}}!\"}"),
          _i == 1);
    struct api_rig api;
    struct asked_api asked;
    char line[160];
    api_rig_start(&api, &rig);
    api_ask(&api, 0, "POST /v1/workflows/w/runs", "Prefer: wait=5", "{\"input\":\"hi\"}", &asked);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(asked.status, 200);
    struct str body = buf_str(&asked.body);
    ck_assert(rig_text_has(body, "\"workflow\":\"w\",\"workflow_version\":1,"));
    ck_assert(rig_text_has(body, "\"output\":\"hi!\""));
    snprintf(line, sizeof line, "GET %s/tasks", api_header(&asked, "Location"));
    api_done(&asked);
    api_ask(&api, 0, line, NULL, NULL, &asked);
    rig_settle(&rig);
    ck_assert(
        rig_text_has(buf_str(&asked.body), "{\"path\":\"\",\"name\":\"ask\",\"type\":\"call\""));
    api_done(&asked);
    api_rig_stop(&api);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_retry_has_the_version_of_the_first)
{
    start(FLOW(SEQ(V("1") "," SLEEP(5000) "," V("\"old\""))), false);
    struct api_rig api;
    struct asked_api asked;
    char run[80], line[160];
    api_rig_start(&api, &rig);
    api_ask(&api, 0, "POST /v1/runs", NULL, "{\"workflow\":\"w\"}", &asked);
    rig_settle(&rig);
    snprintf(run, sizeof run, "%s", api_header(&asked, "Location"));
    api_done(&asked);
    snprintf(line, sizeof line, "POST %s/cancel", run);
    api_ask(&api, 0, line, NULL, "", &asked);
    rig_settle(&rig);
    api_done(&asked);
    define(NEW);
    snprintf(line, sizeof line, "POST %s/retry", run);
    api_ask(&api, 0, line, "Prefer: wait=20", "", &asked);
    rig_advance(&rig, 6000);
    ck_assert_int_eq(asked.status, 200);
    ck_assert(rig_text_has(buf_str(&asked.body), "\"workflow_version\":1,"));
    ck_assert(rig_text_has(buf_str(&asked.body), "\"output\":[1,null,\"old\"]"));
    api_done(&asked);
    api_rig_stop(&api);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_name_that_is_unknown_is_refused)
{
    struct api_rig api;
    struct asked_api asked;
    start(OLD, false);
    api_rig_start(&api, &rig);
    api_ask(&api, 0, "POST /v1/workflows/none/runs", NULL, "{}", &asked);
    ck_assert_int_eq(asked.status, 404);
    api_done(&asked);
    api_ask(&api, 0, "POST /v1/runs", NULL, "{\"workflow\":\"none\"}", &asked);
    ck_assert_int_eq(asked.status, 422);
    ck_assert(rig_text_has(buf_str(&asked.body), "\"code\":\"unknown_workflow\""));
    api_done(&asked);
    api_rig_stop(&api);
    rig_stop(&rig);
}
END_TEST

Suite *suite_runs_workflow_run(void)
{
    Suite *s = suite_create("runs/workflow_run");
    TCase *t = tcase_create("workflow");
    tcase_add_test(t, a_run_is_of_the_current_version);
    tcase_add_test(t, its_tree_is_not_made_again);
    tcase_add_loop_test(t, it_stays_with_its_version, 0, 4);
    tcase_add_test(t, one_of_a_lost_version_fails);
    tcase_add_loop_test(t, a_workflow_may_be_one_call, 0, 2);
    tcase_add_test(t, a_retry_has_the_version_of_the_first);
    tcase_add_test(t, a_name_that_is_unknown_is_refused);
    suite_add_tcase(s, t);
    return s;
}
