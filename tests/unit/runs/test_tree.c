/* Task trees: what each type makes of the tasks below it, in each way that those can end; alone,
 * and within each other. */
#include "runs/tree.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_tree(void);

static struct rig rig;
static struct created created;
static struct id id;

static void start(void)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.breaker.failures = 0;
    o.providers[0].limiter.retry_budget = 100;
    rig_start(&rig, &o);
}

static void run_body(const char *body)
{
    id = rig_run(&rig, 0, body, WAITS, &created);
}

static void run_tree(const char *tree)
{
    static char body[65536];
    int n = snprintf(body, sizeof body, "{\"task\":%s,\"input\":{\"n\":7,\"list\":[1,2,3]}}", tree);
    ck_assert_int_lt(n, (int)sizeof body);
    run_body(body);
}

static void finish(void)
{
    rig_forget(&created);
    rig_stop(&rig);
}

static const struct run_record *row(void)
{
    return rig_row(&rig, &id);
}

/* --- building blocks -------------------------------------------------------------------------- */

#define V(json)    "{\"type\":\"value\",\"value\":" json "}"
#define SLEEP(ms)  "{\"type\":\"sleep\",\"duration_ms\":" #ms "}"
#define ECHO(text) "{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"" text "\"}"
#define AFTER(ms, text)                                                                            \
    "{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"" text                                  \
    "\",\"params\":{\"sim\":{\"first_ms\":" #ms "}}}"
#define BAD_WITH(status, more)                                                                     \
    "{\"type\":\"call\",\"model\":\"sim/story\"," more                                             \
    "\"params\":{\"sim\":{\"fail\":[{\"as\":\"status\",\"status\":" #status "}]}}}"
#define BAD         BAD_WITH(500, "")
#define BAD_GOES_ON BAD_WITH(500, "\"on_error\":\"continue\",")
#define HANGS                                                                                      \
    "{\"type\":\"call\",\"model\":\"sim/story\",\"params\":{\"sim\":{\"fail\":[{\"as\":\"hang\"}]" \
    "}}}"
#define LIST(type, member, ...) "{\"type\":\"" type "\",\"" member "\":[" __VA_ARGS__ "]}"
#define SEQ(...)                LIST("sequence", "steps", __VA_ARGS__)
#define PAR(...)                LIST("parallel", "tasks", __VA_ARGS__)
#define COLLECT(...)            "{\"type\":\"parallel\",\"errors\":\"collect\",\"tasks\":[" __VA_ARGS__ "]}"
#define SETTLE(...)             LIST("settle", "tasks", __VA_ARGS__)
#define RACE(...)               LIST("race", "tasks", __VA_ARGS__)
#define FIRST(...)              LIST("first_success", "tasks", __VA_ARGS__)
#define MAP(over, more, task)   "{\"type\":\"map\",\"over\":" over "," more "\"task\":" task "}"
#define DAG(steps)              "{\"type\":\"dag\",\"steps\":{" steps "}}"
#define SHIELD(ms, task)        "{\"type\":\"shield\",\"timeout_ms\":" #ms ",\"task\":" task "}"
#define CIRCUIT(name, task)                                                                        \
    "{\"type\":\"circuit\",\"circuit\":\"" name "\",\"fail_max\":2,\"task\":" task "}"
#define WITH(members, type, rest) "{\"type\":\"" type "\"," members "," rest "}"

/* --- one table for all types ------------------------------------------------------------------ */

static const struct shape {
    const char *what;
    const char *tree;
    enum run_state state;
    const char *output; /* whole; NULL: none */
    const char *error;  /* a part of it; NULL: none */
} shapes[] = {
    {"a value", V("{\"a\":[1,\"{{input.n}}\"]}"), RUN_SUCCEEDED, "{\"a\":[1,7]}", NULL},
    {"a value of which a part is missing", V("\"{{input.x}}\""), RUN_FAILED, NULL,
     "\"code\":\"template_error\""},
    {"a default", V("\"{{input.x | \\\"d\\\"}}\""), RUN_SUCCEEDED, "\"d\"", NULL},
    {"a sleep", SLEEP(500), RUN_SUCCEEDED, "null", NULL},
    {"no sleep at all", SLEEP(0), RUN_SUCCEEDED, "null", NULL},
    {"a call", ECHO("hi"), RUN_SUCCEEDED, "\"hi\"", NULL},
    {"a call with references", ECHO("n is {{input.n}}"), RUN_SUCCEEDED, "\"n is 7\"", NULL},
    {"an agent that references name",
     "{\"type\":\"call\",\"agent\":\"{{input.x | \\\"echo\\\"}}\",\"input\":\"yes\"}",
     RUN_SUCCEEDED, "\"yes\"", NULL},
    {"an agent that is none", "{\"type\":\"call\",\"agent\":\"no{{input.n}}\"}", RUN_FAILED, NULL,
     "\"code\":\"unknown_agent\""},

    {"sequence: empty", SEQ(""), RUN_SUCCEEDED, "[]", NULL},
    {"sequence: one", SEQ(V("1")), RUN_SUCCEEDED, "[1]", NULL},
    {"sequence: prev", SEQ(V("1") "," V("[\"{{prev}}\",2]")), RUN_SUCCEEDED, "[1,[1,2]]", NULL},
    {"sequence: steps by name",
     SEQ("{\"type\":\"value\",\"name\":\"a\",\"value\":{\"x\":5}}"
         "," V("1") "," V("\"{{steps.a.output.x}} {{steps.a.state}}\"")),
     RUN_SUCCEEDED, "[{\"x\":5},1,\"5 succeeded\"]", NULL},
    {"sequence: a failure skips the rest", SEQ(V("1") "," BAD "," V("3")), RUN_FAILED, NULL,
     "\"partial\":[1]"},
    {"sequence: its error is the step's", SEQ(BAD "," V("3")), RUN_FAILED, NULL,
     "{\"code\":\"provider_error\""},
    {"sequence: one that is continued", SEQ(BAD_GOES_ON "," V("[\"{{prev}}\"]")), RUN_SUCCEEDED,
     "[null,[null]]", NULL},
    {"sequence: the error of a step",
     SEQ(BAD_WITH(500, "\"name\":\"a\",\"on_error\":\"continue\",") "," V(
         "[\"{{steps.a.error.code}}\",\"{{steps.a.state}}\",\"{{steps.a.output}}\"]")),
     RUN_SUCCEEDED, "[null,[\"provider_error\",\"failed\",null]]", NULL},

    {"parallel: empty", PAR(""), RUN_SUCCEEDED, "[]", NULL},
    {"parallel: one", PAR(V("1")), RUN_SUCCEEDED, "[1]", NULL},
    {"parallel: in its order", PAR(AFTER(300, "a") "," AFTER(100, "b") "," V("3")), RUN_SUCCEEDED,
     "[\"a\",\"b\",3]", NULL},
    {"parallel: the first failure is its own", PAR(HANGS "," BAD "," HANGS), RUN_FAILED, NULL,
     "{\"code\":\"provider_error\""},
    {"parallel: what was cancelled is not listed", PAR(HANGS "," BAD), RUN_FAILED, NULL,
     "\"task\":\"1\",\"provider\":\"sim\",\"attempts\":1}]}"},
    {"parallel: collects all", COLLECT(BAD "," V("2") "," BAD), RUN_FAILED, NULL,
     "{\"code\":\"error_group\",\"message\":\"2 tasks failed\""},
    {"parallel: collects and none fails", COLLECT(V("1") "," BAD_GOES_ON), RUN_SUCCEEDED,
     "[1,null]", NULL},

    {"settle: empty", SETTLE(""), RUN_SUCCEEDED, "[]", NULL},
    {"settle: good and continued", SETTLE(V("1") "," BAD_GOES_ON), RUN_SUCCEEDED,
     "[{\"status\":\"fulfilled\",\"value\":1},{\"status\":\"fulfilled\",\"value\":null}]", NULL},

    {"race: the first", RACE(AFTER(300, "slow") "," AFTER(100, "fast")), RUN_SUCCEEDED, "\"fast\"",
     NULL},
    {"race: well or badly", RACE(AFTER(300, "slow") "," BAD), RUN_FAILED, NULL,
     "{\"code\":\"provider_error\""},
    {"race: a failure that is continued", RACE(HANGS "," BAD_GOES_ON), RUN_SUCCEEDED, "null", NULL},
    {"first_success: not the first to end", FIRST(BAD "," AFTER(100, "good") "," HANGS),
     RUN_SUCCEEDED, "\"good\"", NULL},
    {"first_success: none", FIRST(BAD "," BAD), RUN_FAILED, NULL,
     "{\"code\":\"error_group\",\"message\":\"2 tasks failed\""},

    {"map: empty", MAP("[]", "", V("1")), RUN_SUCCEEDED, "[]", NULL},
    {"map: items", MAP("\"{{input.list}}\"", "", V("[\"{{item}}\",\"{{index}}\"]")), RUN_SUCCEEDED,
     "[[1,0],[2,1],[3,2]]", NULL},
    {"map: one at a time", MAP("\"{{input.list}}\"", "\"limit\":1,", AFTER(10, "{{item}}")),
     RUN_SUCCEEDED, "[\"1\",\"2\",\"3\"]", NULL},
    {"map: over no array", MAP("\"{{input.n}}\"", "", V("1")), RUN_FAILED, NULL,
     "\"code\":\"template_error\""},
    {"map: a failure", MAP("[1,2]", "", BAD), RUN_FAILED, NULL, "{\"code\":\"provider_error\""},
    {"map: collects", MAP("[1,2]", "\"errors\":\"collect\",", BAD), RUN_FAILED, NULL,
     "{\"code\":\"error_group\",\"message\":\"2 tasks failed\""},
    {"map: settles", MAP("[1]", "\"errors\":\"settle\",", V("\"{{item}}\"")), RUN_SUCCEEDED,
     "[{\"status\":\"fulfilled\",\"value\":1}]", NULL},
    {"map in a map", MAP("[1,2]", "", MAP("[10,20]", "", V("\"{{item}}\""))), RUN_SUCCEEDED,
     "[[10,20],[10,20]]", NULL},

    {"dag: empty", DAG(""), RUN_SUCCEEDED, "{}", NULL},
    {"dag: in order of need",
     DAG("\"b\":{\"type\":\"value\",\"depends_on\":[\"a\"],\"value\":\"{{steps.a.output}}\"},"
         "\"a\":{\"type\":\"value\",\"value\":1}"),
     RUN_SUCCEEDED, "{\"b\":1,\"a\":1}", NULL},
    {"dag: skipped is null",
     DAG("\"a\":" BAD_GOES_ON ",\"b\":{\"type\":\"value\",\"value\":2,\"depends_on\":[\"a\"]},"
         "\"c\":" V("3")),
     RUN_SUCCEEDED, "{\"a\":null,\"b\":2,\"c\":3}", NULL},
    {"dag: a failure fails it in the end",
     DAG("\"a\":" BAD ",\"b\":{\"type\":\"value\",\"value\":2,\"depends_on\":[\"a\"]},"
         "\"c\":{\"type\":\"value\",\"value\":2,\"depends_on\":[\"b\"]},"
         "\"d\":{\"type\":\"value\",\"value\":2,\"depends_on\":[\"c\"],\"when\":\"all_done\"}"),
     RUN_FAILED, NULL, "{\"code\":\"error_group\",\"message\":\"1 task failed\""},

    {"circuit: closed", CIRCUIT("c", V("1")), RUN_SUCCEEDED, "1", NULL},
    {"circuit: a failure goes through", CIRCUIT("c", BAD), RUN_FAILED, NULL,
     "{\"code\":\"provider_error\""},
    {"circuit: open", COLLECT(CIRCUIT("o", BAD) "," CIRCUIT("o", BAD)), RUN_FAILED, NULL,
     "error_group"},
    {"circuit: opens after two",
     SEQ(WITH(
         "\"on_error\":\"continue\",\"circuit\":\"o\",\"fail_max\":2", "circuit",
         "\"task\":" BAD) "," WITH("\"on_error\":\"continue\",\"circuit\":\"o\",\"fail_max\":2",
                                   "circuit", "\"task\":" BAD) "," CIRCUIT("o", V("1"))),
     RUN_FAILED, NULL, "{\"code\":\"breaker_open\""},
    {"shield", SHIELD(1000, V("1")), RUN_SUCCEEDED, "1", NULL},
    {"shield: its own time", SHIELD(1000, HANGS), RUN_TIMED_OUT, NULL,
     "{\"code\":\"task_timeout\""},

    {"timeout of a group", WITH("\"timeout_ms\":100", "parallel", "\"tasks\":[" HANGS "]"),
     RUN_TIMED_OUT, NULL, "{\"code\":\"task_timeout\""},
    {"timeout below", PAR(WITH("\"timeout_ms\":100", "sequence", "\"steps\":[" HANGS "]")),
     RUN_FAILED, NULL, "{\"code\":\"task_timeout\""},
    {"timeout that is continued",
     SEQ(WITH("\"timeout_ms\":100,\"on_error\":\"continue\"", "sequence", "\"steps\":[" HANGS "]")),
     RUN_SUCCEEDED, "[null]", NULL},
    {"what failed before a timeout is listed",
     WITH("\"timeout_ms\":100,\"errors\":\"collect\"", "parallel", "\"tasks\":[" HANGS "," BAD "]"),
     RUN_TIMED_OUT, NULL, "\"errors\":[{\"code\":\"provider_error\""},
    {"retry of a group",
     WITH("\"retry\":{\"attempts\":3,\"base_ms\":10,\"jitter\":\"none\"}", "sequence",
          "\"steps\":[" V("1") ",{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"x\","
                               "\"params\":{\"sim\":{\"fail\":[{\"attempt\":1,\"as\":\"status\"},"
                               "{\"attempt\":2,\"as\":\"status\"}]}}}]"),
     RUN_SUCCEEDED, "[1,\"x\"]", NULL},
    {"retry of a group, used up",
     WITH("\"retry\":{\"attempts\":2,\"base_ms\":10}", "parallel", "\"tasks\":[" BAD "]"),
     RUN_FAILED, NULL, "\"attempts\":2"},
    {"finally changes nothing",
     WITH("\"finally\":" BAD_WITH(500, "\"timeout_ms\":1000,"), "value", "\"value\":1"),
     RUN_SUCCEEDED, "1", NULL},
    {"finally sees the steps",
     WITH("\"finally\":{\"type\":\"call\",\"model\":\"sim/echo\",\"timeout_ms\":9,\"input\":"
          "\"{{steps.a.output}}\"}",
          "sequence", "\"steps\":[{\"type\":\"value\",\"name\":\"a\",\"value\":1}]"),
     RUN_SUCCEEDED, "[1]", NULL},
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void check_shape(const struct shape *s)
{
    ck_assert_msg(created.ended == 1, "%s: has not ended", s->what);
    ck_assert_msg(row()->state == s->state, "%s: %s %.*s", s->what, run_state_name(row()->state),
                  STR_ARG(row()->error));
    if (s->output != NULL)
        ck_assert_msg(str_eq(row()->output, str_of(s->output)), "%s: %.*s", s->what,
                      STR_ARG(row()->output));
    if (s->error != NULL)
        ck_assert_msg(rig_text_has(row()->error, s->error), "%s: %.*s", s->what,
                      STR_ARG(row()->error));
}

START_TEST(a_tree_becomes_what_its_type_says)
{
    start();
    run_tree(shapes[_i].tree);
    rig_advance(&rig, 5000);
    check_shape(&shapes[_i]);
    finish();
}
END_TEST

/* The same one level down, in each type that hands a child's value or failure on. */
static const struct {
    const char *before, *after; /* around the tree */
    const char *open, *close;   /* around its value */
} wraps[] = {
    {"{\"type\":\"sequence\",\"steps\":[", "]}", "[", "]"},
    {"{\"type\":\"parallel\",\"tasks\":[", "]}", "[", "]"},
    {"{\"type\":\"race\",\"tasks\":[", "]}", "", ""},
    {"{\"type\":\"map\",\"over\":[0],\"task\":", "}", "[", "]"},
    {"{\"type\":\"circuit\",\"circuit\":\"w\",\"task\":", "}", "", ""},
    {"{\"type\":\"shield\",\"timeout_ms\":100000,\"task\":", "}", "", ""},
    {"{\"type\":\"dag\",\"steps\":{\"s\":", "}}", "{\"s\":", "}"},
    {"{\"type\":\"first_success\",\"tasks\":[", "]}", "", ""},
    {"{\"type\":\"settle\",\"tasks\":[", "]}", "[{\"status\":\"fulfilled\",\"value\":", "}]"},
};

enum { WRAPS = sizeof wraps / sizeof wraps[0] };

static void run_wrapped(const struct shape *s, size_t w)
{
    static char tree[16384];
    snprintf(tree, sizeof tree, "%s%s%s", wraps[w].before, s->tree, wraps[w].after);
    run_tree(tree);
    rig_advance(&rig, 5000);
}

START_TEST(a_tree_is_the_same_within_each_type)
{
    const struct shape *s = &shapes[_i];
    start();
    for (size_t w = 0; w < WRAPS; w++) {
        char want[1024];
        run_wrapped(s, w);
        ck_assert_msg(created.ended == 1, "%s in %s: has not ended", s->what, wraps[w].before);
        bool is_settled = wraps[w].open[0] == '[' && wraps[w].open[1] == '{';
        bool is_good = s->state == RUN_SUCCEEDED || is_settled;
        ck_assert_msg((row()->state == RUN_SUCCEEDED) == is_good, "%s in %s: %.*s", s->what,
                      wraps[w].before, STR_ARG(row()->error));
        snprintf(want, sizeof want, "%s%s%s", wraps[w].open, s->output ? s->output : "",
                 wraps[w].close);
        if (s->output != NULL)
            ck_assert_msg(str_eq(row()->output, str_of(want)), "%s in %s: %.*s", s->what,
                          wraps[w].before, STR_ARG(row()->output));
        rig_forget(&created);
    }
    rig_stop(&rig);
}
END_TEST

/* --- events ----------------------------------------------------------------------------------- */

/* "TYPE PATH, ..." of the tasks' events, without what belongs to attempts. */
static const char *told(void)
{
    static char text[65536];
    struct str lines = rig_events(&rig, &id);
    struct event_line line;
    struct json_doc doc;
    size_t n = 0;
    json_doc_init(&doc);
    text[0] = '\0';
    while (event_next_line(&lines, &line)) {
        if (line.type.len < 5 || memcmp(line.type.at, "task.", 5) != 0)
            continue;
        ck_assert_int_eq(json_parse(&doc, line.json, NULL), OK);
        struct str path = json_raw(json_get_lit(json_root(&doc), "task"));
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s %.*s", n > 0 ? ", " : "",
                              (int)line.type.len - 5, line.type.at + 5, (int)path.len - 2,
                              path.at + 1);
        ck_assert_uint_lt(n, sizeof text);
    }
    json_doc_fini(&doc);
    return text;
}

static const struct {
    const char *tree, *events;
} stories[] = {
    {SEQ(V("1") "," BAD "," V("3")),
     "running , running 0, succeeded 0, running 1, failed 1, skipped 2, failed "},
    {WITH("\"limit\":1", "parallel", "\"tasks\":[" BAD "," V("2") "]"),
     "running , running 0, failed 0, cancelled 1, failed "},
    {RACE(HANGS "," V("1")),
     "running , running 0, running 1, succeeded 1, cancelled 0, succeeded "},
    {DAG("\"a\":" BAD ",\"b\":{\"type\":\"value\",\"value\":2,\"depends_on\":[\"a\"]},"
         "\"c\":{\"type\":\"value\",\"value\":3,\"depends_on\":[\"b\"],\"when\":\"all_done\"}"),
     "running , running 0, failed 0, skipped 1, running 2, succeeded 2, failed "},
    {WITH("\"finally\":{\"type\":\"sleep\",\"duration_ms\":10,\"timeout_ms\":100}", "sequence",
          "\"steps\":[" V("1") "]"),
     "running , running 0, succeeded 0, running 1, succeeded 1, succeeded "},
    {WITH("\"retry\":{\"attempts\":2,\"base_ms\":10}", "sequence", "\"steps\":[" BAD "]"),
     "running , running 0, failed 0, retrying , running 0, failed 0, failed "},
};

START_TEST(events_tell_the_story_in_order)
{
    start();
    run_tree(stories[_i].tree);
    rig_advance(&rig, 5000);
    ck_assert_uint_eq(created.ended, 1);
    ck_assert_str_eq(told(), stories[_i].events);
    finish();
}
END_TEST

/* It began one more: its own turn stood before the end of the empty one. */
START_TEST(nothing_begins_once_a_group_has_decided)
{
    static const char *const groups[] = {SEQ(""), PAR(""), SETTLE(""), MAP("[]", "", HANGS),
                                         DAG("")};
    for (size_t i = 0; i < 2 * (sizeof groups / sizeof groups[0]); i++) {
        char tree[512];
        snprintf(tree, sizeof tree, i % 2 == 0 ? RACE("%s," HANGS) : FIRST("%s," HANGS),
                 groups[i / 2]);
        start();
        run_tree(tree);
        ck_assert_uint_eq(created.ended, 1);
        ck_assert_str_eq(told(), "running , running 0, succeeded 0, cancelled 1, succeeded ");
        ck_assert_uint_eq(row()->usage.calls, 0);
        finish();
    }
}
END_TEST

/* --- stopping --------------------------------------------------------------------------------- */

static uint64_t in_flight(void)
{
    struct gate_status s;
    gate_status(rig.engine->shards[0].catalog->upstreams[0]->gate, &s);
    return s.limiter.borrowed;
}

START_TEST(a_cancel_reaches_every_call_at_once)
{
    start();
    run_tree(PAR(HANGS "," SEQ(HANGS) "," MAP("[1,2,3]", "", HANGS) "," SLEEP(9000)));
    ck_assert_uint_eq(in_flight(), 5);
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    ck_assert_uint_eq(in_flight(), 0);
    ck_assert_uint_eq(created.ended, 1);
    ck_assert_int_eq(row()->state, RUN_CANCELLED);
    ck_assert(rig_text_has(row()->error, "{\"code\":\"cancelled\""));
    finish();
}
END_TEST

START_TEST(a_task_is_not_cancelled_without_memory_for_its_reason)
{
    start();
    run_tree(PAR(HANGS));
    struct task *t = tree_find(rig_live(&rig, &id), STR("0"));
    mem_fail_nth(1);
    ck_assert_int_eq(task_cancel(t, STR("why")), ERR_OVERLOADED);
    mem_fail_nth(0);
    ck_assert_int_eq(t->state, TASK_RUNNING);
    ck_assert_int_eq(task_cancel(t, STR("why")), OK);
    ck_assert_int_eq(t->state, TASK_CANCELLED);
    finish();
}
END_TEST

/* Its `finally` was known from the first try, could be cancelled before it began, and then began:
 * the process died of it. */
START_TEST(what_has_not_begun_anew_cannot_be_cancelled_below)
{
    start();
    run_tree(WITH("\"retry\":{\"attempts\":2,\"base_ms\":100,\"jitter\":\"none\"}", "sequence",
                  "\"steps\":[" WITH("\"finally\":{\"type\":\"sleep\",\"duration_ms\":10,"
                                     "\"timeout_ms\":100}",
                                     "sleep", "\"duration_ms\":500") "," SEQ(BAD) "]"));
    rig_advance(&rig, 700);
    ck_assert_int_eq(rig_cancel_task(&rig, 0, &id, "0/0"), ERR_CONFLICT);
    ck_assert_int_eq(rig_cancel_task(&rig, 0, &id, "1/0"), ERR_CONFLICT);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(row()->state, RUN_FAILED);
    ck_assert_str_eq(told(), "running , running 0, running 0/0, succeeded 0/0, succeeded 0, "
                             "running 1, running 1/0, failed 1/0, failed 1, retrying , "
                             "running 0, running 0/0, succeeded 0/0, succeeded 0, "
                             "running 1, running 1/0, failed 1/0, failed 1, failed ");
    finish();
}
END_TEST

START_TEST(a_shield_holds_a_cancel_until_it_has_ended)
{
    start();
    run_tree(PAR(HANGS "," SHIELD(10000, AFTER(3000, "saved"))));
    rig_advance(&rig, 100);
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    ck_assert_uint_eq(in_flight(), 1);
    ck_assert_int_eq(row()->state, RUN_CANCELLING);
    rig_advance(&rig, 3000);
    ck_assert_int_eq(row()->state, RUN_CANCELLED);
    ck_assert_str_eq(told(), "running , running 0, running 1, running 1/0, cancelled 0, "
                             "succeeded 1/0, succeeded 1, cancelled ");
    finish();
}
END_TEST

/* It had failed, and only waited for a shield; then it began anew, although its run was cancelled.
 */
START_TEST(what_is_decided_is_not_tried_again_under_a_cancel)
{
    static const char tree[] =
        PAR(WITH("\"retry\":{\"attempts\":5,\"base_ms\":1000,\"jitter\":\"none\"}", "parallel",
                 "\"tasks\":[" SHIELD(10000, AFTER(3000, "saved")) "," BAD "]"));
    start();
    run_tree(tree);
    rig_advance(&rig, 100);
    if (_i == 0)
        ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    else
        ck_assert_int_eq(rig_cancel_task(&rig, 0, &id, "0"), OK);
    rig_advance(&rig, 3000);
    ck_assert_int_eq(row()->state, _i == 0 ? RUN_CANCELLED : RUN_FAILED);
    ck_assert_str_eq(told(),
                     _i == 0 ? "running , running 0, running 0/0, running 0/0/0, running 0/1, "
                               "failed 0/1, succeeded 0/0/0, succeeded 0/0, failed 0, cancelled "
                             : "running , running 0, running 0/0, running 0/0/0, running 0/1, "
                               "failed 0/1, succeeded 0/0/0, succeeded 0/0, failed 0, failed ");
    finish();
}
END_TEST

START_TEST(a_shield_under_a_cancel_ends_in_its_own_time)
{
    start();
    run_tree(PAR(SHIELD(10000, HANGS)));
    rig_advance(&rig, 100);
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    rig_advance(&rig, 9800);
    ck_assert_int_eq(row()->state, RUN_CANCELLING);
    rig_advance(&rig, 200);
    ck_assert_int_eq(row()->state, RUN_CANCELLED);
    finish();
}
END_TEST

START_TEST(finally_runs_under_a_cancel)
{
    start();
    run_tree(WITH("\"finally\":{\"type\":\"call\",\"model\":\"sim/echo\",\"timeout_ms\":5000,"
                  "\"input\":\"undo\",\"params\":{\"sim\":{\"first_ms\":1000}}}",
                  "sequence", "\"steps\":[" HANGS "," V("1") "]"));
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    rig_advance(&rig, 2000);
    ck_assert_int_eq(row()->state, RUN_CANCELLED);
    ck_assert_str_eq(told(), "running , running 0, cancelled 0, cancelled 1, running 2, "
                             "succeeded 2, cancelled ");
    finish();
}
END_TEST

START_TEST(a_run_that_times_out_says_so)
{
    start();
    run_body("{\"timeout_ms\":1000,\"task\":" PAR(HANGS "," SEQ(HANGS)) "}");
    rig_advance(&rig, 1000);
    ck_assert_int_eq(row()->state, RUN_TIMED_OUT);
    ck_assert(rig_text_has(row()->error, "{\"code\":\"run_timeout\""));
    ck_assert_uint_eq(in_flight(), 0);
    finish();
}
END_TEST

START_TEST(a_retry_past_the_deadline_of_a_scope_is_not_waited_for)
{
    start();
    run_tree(WITH("\"timeout_ms\":500", "sequence",
                  "\"steps\":[" BAD_WITH(500, "\"retry\":{\"attempts\":5,\"base_ms\":1000,"
                                              "\"jitter\":\"none\"},") "]"));
    rig_advance(&rig, 100);
    ck_assert_int_eq(row()->state, RUN_FAILED);
    ck_assert(rig_text_has(row()->error, "{\"code\":\"provider_error\""));
    finish();
}
END_TEST

/* --- bounds ----------------------------------------------------------------------------------- */

static void run_map_of(unsigned elements, const char *more, const char *task)
{
    size_t cap = elements * 8 + 4096, n = 0;
    char *body = malloc(cap);
    ck_assert_ptr_nonnull(body);
    n += (size_t)snprintf(body, cap, "{\"input\":[");
    for (unsigned i = 0; i < elements; i++)
        n += (size_t)snprintf(body + n, cap - n, "%s%u", i > 0 ? "," : "", i);
    snprintf(body + n, cap - n,
             "],\"task\":{\"type\":\"map\",\"over\":\"{{input}}\",%s\"task\":%s}}", more, task);
    run_body(body);
    free(body);
}

static unsigned commas(struct str s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.at[i] == ',';
    return n;
}

START_TEST(a_map_goes_over_ten_thousand_elements)
{
    static const char *const limits[] = {"", "\"limit\":1,", "\"limit\":100,"};
    start();
    run_map_of(10000, limits[_i], _i == 2 ? ECHO("{{item}}") : V("\"{{item}}\""));
    rig_advance(&rig, 60000);
    ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    ck_assert_uint_eq(commas(row()->output), 9999);
    ck_assert_uint_eq(row()->usage.calls, _i == 2 ? 10000 : 0);
    finish();
}
END_TEST

START_TEST(one_element_more_than_the_limit_is_refused)
{
    start();
    run_map_of(10001, "", V("1"));
    rig_advance(&rig, 100);
    ck_assert_int_eq(row()->state, RUN_FAILED);
    ck_assert(rig_text_has(row()->error, "{\"code\":\"limit_exceeded\""));
    finish();
}
END_TEST

static uint32_t ended(const struct task *t)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->group.count; i++)
        n += t->group.at[i] != NULL && t->group.at[i]->phase == PHASE_ENDED;
    return n;
}

/* 256 elements began in one turn of the loop, each of which had all of the value before to read. */
START_TEST(other_runs_waited_while_one_read_much)
{
    enum { NUMBERS = 20000, ELEMENTS = 200, AT_ONCE = 30 /* two portions, by post and soon */ };
    static char body[2 * NUMBERS + 4096];
    char *at = body + snprintf(body, sizeof body, "{\"input\":[[");
    for (int i = 0; i < NUMBERS; i++)
        at += snprintf(at, 4, i > 0 ? ",1" : "1");
    at += snprintf(at, 8, "],[0");
    for (int i = 1; i < ELEMENTS; i++)
        at += snprintf(at, 4, ",1");
    snprintf(
        at, 1024, "]],\"task\":%s}",
        SEQ(V("\"{{input[0]}}\"") "," MAP("\"{{input[1]}}\"", "", V("\"{{prev[0]}}\"")) "," HANGS));
    start();
    ck_assert_int_eq(rig_create(&rig, 0, body, WAITS, NULL, &created), OK);
    id = created.accept.id;
    uint32_t before = 0;
    for (int turns = 0; before < ELEMENTS; turns++) {
        ck_assert_int_lt(turns, 10000);
        IGNORE_RESULT(!loop_turn(rig.loops[0]));
        const struct run *run = rig_live(&rig, &id);
        const struct task *map =
            run != NULL && run->root.group.count > 1 ? run->root.group.at[1] : NULL;
        uint32_t now = map != NULL ? ended(map) : 0;
        ck_assert_uint_le(now, before + AT_ONCE);
        before = now;
    }
    finish();
}
END_TEST

/* The call fails at its first try, which is continued with null, and the last step at both. */
START_TEST(a_map_that_was_begun_anew_from_above_went_over_the_old_list)
{
    start();
    run_tree(WITH(
        "\"retry\":{\"attempts\":2,\"base_ms\":1}", "sequence",
        "\"steps\":[{\"type\":\"call\",\"model\":\"sim/story\",\"on_error\":\"continue\","
        "\"params\":{\"sim\":{\"fail\":[{\"as\":\"status\",\"status\":500,\"attempt\":1}]}}}," MAP(
            "[\"{{prev}}\"]", "", V("\"{{item}}\"")) "," V("\"{{input.none}}\"") "]"));
    rig_advance(&rig, 100);
    ck_assert_int_eq(row()->state, RUN_FAILED);
    /* "partial" is what the steps of the last try became: a text, and a list of it. */
    struct json_doc doc;
    json_doc_init(&doc);
    ck_assert_int_eq(json_parse(&doc, row()->error, NULL), OK);
    struct json partial = json_get_lit(json_root(&doc), "partial");
    struct str story = json_raw(json_first(partial));
    struct json list = json_next(partial, json_first(partial));
    ck_assert(json_is(json_first(partial), JSON_STRING));
    ck_assert(str_eq(json_raw(json_first(list)), story));
    ck_assert_uint_eq(row()->usage.attempts, 2);
    json_doc_fini(&doc);
    finish();
}
END_TEST

START_TEST(ten_thousand_calls_are_cancelled_together)
{
    start();
    run_map_of(10000, "", HANGS);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    rig_advance(&rig, 10000);
    ck_assert_int_eq(row()->state, RUN_CANCELLED);
    ck_assert_uint_eq(in_flight(), 0);
    finish();
}
END_TEST

START_TEST(no_more_than_the_limit_are_in_flight)
{
    start();
    run_map_of(100, "\"limit\":7,", AFTER(50, "x"));
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_le(in_flight(), 7);
        rig_advance(&rig, 10);
    }
    ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    finish();
}
END_TEST

START_TEST(no_more_is_told_than_may_be_uncommitted)
{
    start();
    store_fake_hold(rig.fake);
    run_map_of(10000, "", V("1"));
    const struct run *live = rig_live(&rig, &id);
    for (int i = 0; i < 20; i++) {
        if (live != NULL)
            ck_assert_uint_le(feed_uncommitted(&live->feed), 4096);
        store_fake_let_one_go(rig.fake);
        rig_advance(&rig, 30);
        live = rig_live(&rig, &created.accept.id);
    }
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(created.ended, 1);
    ck_assert_int_eq(rig_row(&rig, &created.accept.id)->state, RUN_SUCCEEDED);
    finish();
}
END_TEST

/* Where there was no room for one task more, it was taken for no memory: the run went to the store
 * and back for ever. */
START_TEST(a_tree_with_one_task_too_many_fails)
{
#define FINALLY(text) "\"finally\":{\"type\":\"value\",\"value\":\"" text "\",\"timeout_ms\":1000}"
    static const struct {
        uint32_t most;
        const char *tree;
        unsigned finallys; /* that run all the same */
    } full[] = {
        {3, PAR(V("1") "," V("2") "," V("3") "," V("4")), 0},
        {3, "{\"type\":\"map\",\"over\":[1,2,3,4]," FINALLY("f") ",\"task\":" V("1") "}", 1},
        {3,
         SEQ("{\"type\":\"parallel\"," FINALLY("f") ",\"tasks\":[" V("1") "," V("2") "]}," V("3")),
         1},
        {2, PAR("{\"type\":\"value\",\"value\":1," FINALLY("f") "}," SLEEP(60000) "," V("1")), 1},
        {1,
         DAG("\"a\":" BAD
             ",\"b\":{\"depends_on\":[\"a\"],\"type\":\"value\",\"value\":1},\"c\":{\"depends_on\":[\"a\"],"
             "\"type\":\"value\",\"value\":2}"),
         0},
    };
    start();
    rig_bound_tasks(&rig, full[_i].most);
    run_tree(full[_i].tree);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(created.ended, 1);
    ck_assert_int_eq(row()->state, RUN_FAILED);
    ck_assert(rig_text_has(row()->error, "{\"code\":\"limit_exceeded\""));
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "\"output\":\"f\""), full[_i].finallys);
    finish();
}
END_TEST

/* The deepest input that there is: what is made of it, in the error of a sequence, was nested more
 * deeply than anybody reads. The run went to the store and back for ever. */
static void run_on_deep_input(const char *tree)
{
    enum { DEPTH = 63 };
    char body[4096];
    memset(body, 0, sizeof body);
    strcat(body, "{\"input\":");
    memset(body + strlen(body), '[', DEPTH);
    memset(body + strlen(body), ']', DEPTH);
    strcat(body, ",\"task\":");
    strcat(body, tree);
    strcat(body, "}");
    run_body(body);
}

START_TEST(a_run_ends_where_what_its_sequence_has_finished_is_nested_too_deeply)
{
#define DEEP SEQ(V("\"{{input}}\"") "," V("\"{{input.nope}}\""))
    static const char *const trees[] = {SEQ(PAR(DEEP)), SEQ(DEEP), DEEP};
    start();
    run_on_deep_input(trees[_i]);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(created.ended, 1);
    ck_assert_int_eq(row()->state, RUN_FAILED);
    ck_assert(rig_text_has(row()->error, "{\"code\":\"template_error\""));
    ck_assert(!rig_text_has(row()->error, "\"partial\":[["));
    finish();
}
END_TEST

/* Whichever allocation fails: the run is refused, or goes back to the store and on from there, or a
 * call of it fails. It ends once, and nothing is left. */
START_TEST(a_run_ends_also_where_memory_ran_out)
{
    static const char body[] = "{\"task\":" SEQ(MAP("[1,2,3]", "", V("\"{{item}}\"")) "," PAR(
        ECHO("a") "," SLEEP(500)) "," DAG("\"a\":" V("1") ",\"b\":" ECHO("{{run.id}}"))) "}";
    start();
    for (unsigned long n = 1; n < 400; n++) {
        ck_assert_int_eq(rig_create(&rig, 0, body, PLAIN, NULL, &created), OK);
        mem_fail_nth(n);
        rig_settle(&rig);
        rig_advance(&rig, 600);
        mem_fail_nth(0);
        rig_advance(&rig, 2000);
        ck_assert_uint_eq(created.accepted, 1);
        if (created.accept.refused == OK)
            ck_assert_msg(run_state_is_terminal(rig_row(&rig, &created.accept.id)->state), "%lu",
                          n);
        ck_assert_uint_eq(engine_live(rig.engine), 0);
        rig_forget(&created);
    }
    rig_stop(&rig);
}
END_TEST

Suite *suite_runs_tree(void)
{
    Suite *s = suite_create("runs/tree");
    TCase *shape = tcase_create("shapes");
    tcase_add_loop_test(shape, a_tree_becomes_what_its_type_says, 0, SHAPES);
    tcase_add_loop_test(shape, a_tree_is_the_same_within_each_type, 0, SHAPES);
    tcase_add_loop_test(shape, events_tell_the_story_in_order, 0,
                        sizeof stories / sizeof stories[0]);
    tcase_add_test(shape, nothing_begins_once_a_group_has_decided);
    suite_add_tcase(s, shape);
    TCase *stop = tcase_create("stopping");
    tcase_add_test(stop, a_cancel_reaches_every_call_at_once);
    tcase_add_test(stop, a_task_is_not_cancelled_without_memory_for_its_reason);
    tcase_add_test(stop, what_has_not_begun_anew_cannot_be_cancelled_below);
    tcase_add_test(stop, a_shield_holds_a_cancel_until_it_has_ended);
    tcase_add_loop_test(stop, what_is_decided_is_not_tried_again_under_a_cancel, 0, 2);
    tcase_add_test(stop, a_shield_under_a_cancel_ends_in_its_own_time);
    tcase_add_test(stop, finally_runs_under_a_cancel);
    tcase_add_test(stop, a_run_that_times_out_says_so);
    tcase_add_test(stop, a_retry_past_the_deadline_of_a_scope_is_not_waited_for);
    suite_add_tcase(s, stop);
    TCase *bounds = tcase_create("bounds");
    tcase_set_timeout(bounds, 60);
    tcase_add_loop_test(bounds, a_map_goes_over_ten_thousand_elements, 0, 3);
    tcase_add_test(bounds, one_element_more_than_the_limit_is_refused);
    tcase_add_test(bounds, other_runs_waited_while_one_read_much);
    tcase_add_test(bounds, a_map_that_was_begun_anew_from_above_went_over_the_old_list);
    tcase_add_test(bounds, ten_thousand_calls_are_cancelled_together);
    tcase_add_test(bounds, no_more_than_the_limit_are_in_flight);
    tcase_add_test(bounds, no_more_is_told_than_may_be_uncommitted);
    tcase_add_loop_test(bounds, a_tree_with_one_task_too_many_fails, 0, 5);
    tcase_add_loop_test(bounds,
                        a_run_ends_where_what_its_sequence_has_finished_is_nested_too_deeply, 0, 3);
    tcase_add_test(bounds, a_run_ends_also_where_memory_ran_out);
    suite_add_tcase(s, bounds);
    return s;
}
