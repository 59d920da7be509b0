/* Calls of workflows: each makes a run of its own, which the task waits for, whatever happens to
 * either of them meanwhile. */
#include "runs/child.h"

#include <check.h>
#include <stdio.h>

#include "base/mem.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_child(void);

static struct rig rig;
static struct rig_options options;
static struct created created;
static struct id id;

#define V(json)   "{\"type\":\"value\",\"value\":" json "}"
#define SLEEP(ms) "{\"type\":\"sleep\",\"duration_ms\":" #ms "}"
#define AFTER(ms, text)                                                                            \
    "{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"" text                                  \
    "\",\"params\":{\"sim\":{\"first_ms\":" #ms "}}}"
#define SEQ(...)            "{\"type\":\"sequence\",\"steps\":[" __VA_ARGS__ "]}"
#define PAR(...)            "{\"type\":\"parallel\",\"tasks\":[" __VA_ARGS__ "]}"
#define FAILS               "{\"type\":\"value\",\"value\":\"{{input.none}}\"}"
#define RUN_OF(name, in)    "{\"type\":\"call\",\"workflow\":\"" name "\",\"input\":" in "}"
#define RUN_OF_(name, more) "{\"type\":\"call\",\"workflow\":\"" name "\",\"input\":null," more "}"
#define TASK(tree)          "{\"task\":" tree "}"
#define DEF(name, tree)     "\"" name "\":{\"task\":" tree "}"
#define FLOWS(...)          "{" __VA_ARGS__ "}"

static const char flows[] =
    FLOWS(DEF("quick", V("\"q {{input}}\"")) "," DEF("slow", SEQ(SLEEP(30000) "," V("7"))) "," DEF(
        "call",
        AFTER(
            5000,
            "answer")) "," DEF("bad",
                               PAR(SEQ(V(
                                   "1") "," FAILS))) "," DEF("middle",
                                                             SEQ(RUN_OF("slow", "1") "," V(
                                                                 "\"m\""))) "," DEF("saves",
                                                                                    "{\"type\":\"shield\",\"timeout_ms\":9000,"
                                                                                    "\"task\":" AFTER(
                                                                                        5000,
                                                                                        "saved") "}"));

static void open_rig(const char *workflows, bool on_sqlite)
{
    options = rig_options_default();
    options.workflows = workflows;
    options.on_sqlite = on_sqlite;
    options.providers[0].limiter.breaker.failures = 0;
}

static void start(const char *body, bool on_sqlite)
{
    open_rig(flows, on_sqlite);
    rig_start(&rig, &options);
    id = rig_run(&rig, 0, body, PLAIN, &created);
    rig_forget(&created);
}

/* --- looking ---------------------------------------------------------------------------------- */

/* A run as it is stored, read like a client does. */
static struct store_tasks seen;

static const struct run_record *read_run(const struct id *which)
{
    arena_fini(&seen.arena);
    seen = (struct store_tasks){.tenant = STR("t"), .id = *which};
    ck_assert_int_eq(rig_tasks(&rig, &seen), STORE_OK);
    return &seen.run;
}

static void stop_rig(void)
{
    arena_fini(&seen.arena);
    seen = (struct store_tasks){.count = 0};
    rig_stop(&rig);
}

static struct str row_of(const struct id *which, const char *path)
{
    read_run(which);
    for (uint32_t i = 0; i < seen.count; i++) {
        if (str_eq(seen.tasks[i].path, str_of(path)))
            return seen.tasks[i].text;
    }
    return STR("");
}

/* The child that the task's row names. */
static struct id child_of(const struct id *parent, const char *path)
{
    static const char key[] = "\"child_run\":\"";
    struct str row = row_of(parent, path);
    struct id child = {.bytes = {0}};
    for (size_t i = 0; i + sizeof key + RUN_ID_TEXT <= row.len; i++) {
        if (memcmp(row.at + i, key, sizeof key - 1) != 0)
            continue;
        ck_assert(id_parse((struct str){row.at + i + sizeof key - 1, RUN_ID_TEXT}, RUN_ID_PREFIX,
                           &child));
        return child;
    }
    ck_abort_msg("task %s names no child: %.*s", path, STR_ARG(row));
}

static enum run_state state_of(const struct id *which)
{
    return read_run(which)->state;
}

static bool has_error(const struct id *which, const char *part)
{
    struct str error = read_run(which)->error;
    return error.at != NULL && rig_text_has(error, part);
}

static bool output_is(const char *text)
{
    struct str output = read_run(&id)->output;
    return output.at != NULL && str_eq(output, str_of(text));
}

static unsigned runs(void)
{
    struct store_list l = {.tenant = STR("t"), .limit = 10000};
    ck_assert_int_eq(rig_list(&rig, &l), STORE_OK);
    unsigned n = l.count;
    arena_fini(&l.arena);
    return n;
}

/* --- a call ----------------------------------------------------------------------------------- */

START_TEST(a_call_of_a_workflow_is_a_run_of_its_own)
{
    start("{\"input\":5,\"task\":" SEQ(RUN_OF("quick", "\"{{input}}\"") "," V("\"{{prev}}!\"")) "}",
          _i == 1);
    ck_assert(output_is("[\"q 5\",\"q 5!\"]"));
    struct id child = child_of(&id, "0");
    char parent[RUN_ID_TEXT + 64], text[RUN_ID_TEXT];
    run_id_format(&id, text);
    snprintf(parent, sizeof parent, "{\"run_id\":\"%.*s\",\"task\":\"0\"}", RUN_ID_TEXT, text);
    const struct run_record *r = read_run(&child);
    ck_assert_int_eq(r->state, RUN_SUCCEEDED);
    ck_assert(str_eq(r->parent, str_of(parent)));
    ck_assert(str_eq(r->workflow, STR("quick")));
    ck_assert_int_eq(r->workflow_version, 1);
    ck_assert(str_eq(r->input, STR("5")));
    ck_assert_int_le(r->timeout_ms, read_run(&id)->timeout_ms);
    ck_assert_uint_eq(runs(), 2);
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &child), "\"run.queued\""), 1);
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &child), "\"run.finished\""), 1);
    stop_rig();
}
END_TEST

START_TEST(a_root_may_be_a_call_of_a_workflow)
{
    start(TASK(RUN_OF("quick", "1")), _i == 1);
    ck_assert(output_is("\"q 1\""));
    child_of(&id, "");
    stop_rig();
}
END_TEST

START_TEST(what_a_child_uses_is_its_own)
{
    start(TASK(PAR(RUN_OF("call", "1"))), false);
    rig_advance(&rig, 6000);
    struct id child = child_of(&id, "0");
    ck_assert(output_is("[\"answer\"]"));
    ck_assert_uint_eq(read_run(&id)->usage.calls, 0);
    ck_assert_uint_eq(read_run(&child)->usage.calls, 1);
    stop_rig();
}
END_TEST

START_TEST(what_a_child_inherits)
{
    start("{\"on_crash\":\"fail\",\"restart\":true,\"name\":\"n\",\"metadata\":{\"a\":\"b\"},"
          "\"timeout_ms\":60000,\"task\":" PAR(RUN_OF_("slow", "\"timeout_ms\":40000")) "}",
          false);
    struct id child = child_of(&id, "0");
    const struct run_record *r = read_run(&child);
    ck_assert(r->flags & RUN_FAIL_ON_CRASH);
    ck_assert(r->flags & RUN_MAY_RESTART);
    ck_assert_ptr_null(r->name.at);
    ck_assert_ptr_null(r->metadata.at);
    ck_assert_int_eq(r->timeout_ms, 40000);
    stop_rig();
}
END_TEST

/* --- waiting ---------------------------------------------------------------------------------- */

START_TEST(a_parent_is_parked_while_its_child_sleeps)
{
    start(TASK(SEQ(RUN_OF("slow", "1"))), _i == 1);
    rig_advance(&rig, 500);
    ck_assert_int_eq(state_of(&id), RUN_WAITING);
    ck_assert(rig_text_has(read_run(&id)->reason, "\"code\":\"dependency\""));
    ck_assert_ptr_nonnull(rig_live(&rig, &id));
    rig_advance(&rig, 2000);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    ck_assert(rig_text_has(row_of(&id, "0"), "\"state\":\"running\""));
    rig_advance(&rig, 29000);
    ck_assert(output_is("[[null,7]]"));
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    stop_rig();
}
END_TEST

START_TEST(grandparents_are_parked_as_well)
{
    start(TASK(SEQ(RUN_OF("middle", "1") "," V("2"))), false);
    rig_advance(&rig, 3000);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    rig_advance(&rig, 30000);
    ck_assert(output_is("[[[null,7],\"m\"],2]"));
    stop_rig();
}
END_TEST

/* The store is asked to park the parent while the child's end is on its way to it. */
START_TEST(an_end_that_comes_while_the_parent_is_parked_is_seen)
{
    start(TASK(SEQ(RUN_OF("call", "1"))), false);
    rig_advance(&rig, 1000); /* about to be parked */
    for (int i = 0; i < 60; i++) {
        store_fake_hold(rig.fake);
        rig_advance(&rig, 100);
        store_fake_let_go(rig.fake);
        rig_settle(&rig);
    }
    rig_advance(&rig, 1000);
    ck_assert(output_is("[\"answer\"]"));
    stop_rig();
}
END_TEST

/* --- failing ---------------------------------------------------------------------------------- */

START_TEST(a_childs_error_stands_at_the_calling_task)
{
    start(TASK(SEQ(V("1") "," RUN_OF("bad", "{}"))), false);
    struct id child = child_of(&id, "1");
    ck_assert(has_error(&child, "\"task\":\"0/1\""));
    ck_assert(has_error(&id, "\"code\":\"template_error\""));
    ck_assert(!has_error(&id, "\"task\":\"0/1\""));
    ck_assert_uint_eq(rig_count_of(read_run(&id)->error, "\"task\":\"1\""), 2);
    stop_rig();
}
END_TEST

START_TEST(a_failed_child_may_be_continued)
{
    start(TASK(SEQ(RUN_OF_("bad", "\"on_error\":\"continue\"") "," V("2"))), false);
    ck_assert(output_is("[null,2]"));
    stop_rig();
}
END_TEST

START_TEST(each_try_is_a_new_child)
{
    start(TASK(SEQ(
              RUN_OF_("bad", "\"retry\":{\"attempts\":3,\"base_ms\":2000,\"jitter\":\"none\"}"))),
          _i == 1);
    struct id first = child_of(&id, "0");
    rig_advance(&rig, 100);
    ck_assert(rig_text_has(row_of(&id, "0"), "\"state\":\"retrying\""));
    rig_advance(&rig, 10000);
    struct id last = child_of(&id, "0");
    ck_assert(!id_eq(&first, &last));
    ck_assert_int_eq(state_of(&id), RUN_FAILED);
    ck_assert_uint_eq(runs(), 4);
    stop_rig();
}
END_TEST

START_TEST(a_workflow_that_is_gone_fails_its_call)
{
    start(TASK(SEQ(SLEEP(5000) "," RUN_OF("quick", "1"))), false);
    options.workflows = NULL;
    rig_take_over(&rig, &options);
    rig_advance(&rig, 6000);
    ck_assert(has_error(&id, "\"code\":\"unknown_workflow\""));
    ck_assert_uint_eq(runs(), 1);
    stop_rig();
}
END_TEST

START_TEST(runs_may_not_lie_too_deep)
{
    open_rig(FLOWS(DEF("a", V("1")) "," DEF("b", RUN_OF("a", "1")) "," DEF("c", RUN_OF("b", "1"))),
             false);
    options.limits.spec.tree_depth = 3 - (uint32_t)_i;
    rig_start(&rig, &options);
    id = rig_run(&rig, 0, "{\"workflow\":\"c\"}", PLAIN, &created);
    rig_forget(&created);
    ck_assert_int_eq(state_of(&id), _i == 0 ? RUN_SUCCEEDED : RUN_FAILED);
    ck_assert(_i == 0 || has_error(&id, "\"code\":\"limit_exceeded\""));
    ck_assert_uint_eq(runs(), 3 - (unsigned)_i);
    stop_rig();
}
END_TEST

START_TEST(an_input_that_is_nested_too_deeply_fails_the_call)
{
    char body[512] = "{\"input\":";
    for (int i = 0; i < 62; i++)
        strcat(body, "[");
    for (int i = 0; i < 62; i++)
        strcat(body, "]");
    strcat(body, ",\"task\":" SEQ(RUN_OF("quick", "{\"a\":[\"{{input}}\"]}")) "}");
    start(body, false);
    ck_assert(has_error(&id, "\"code\":\"template_error\""));
    ck_assert_uint_eq(runs(), 1);
    stop_rig();
}
END_TEST

/* --- stopping --------------------------------------------------------------------------------- */

static const struct stop_case {
    const char *what, *body;
    uint64_t after_ms;
} stops[] = {
    {"live", TASK(SEQ(RUN_OF("call", "1"))), 50},
    {"sleeping", TASK(SEQ(RUN_OF("slow", "1"))), 50},
    {"parked", TASK(SEQ(RUN_OF("slow", "1"))), 5000},
    {"live, the parent parked", TASK(SEQ(RUN_OF("call", "1"))), 3000},
    {"a root", TASK(RUN_OF("slow", "1")), 5000},
};
enum { STOPS = sizeof stops / sizeof stops[0] };

START_TEST(a_cancel_reaches_the_child_first)
{
    const struct stop_case *c = &stops[_i / 2];
    start(c->body, _i % 2 == 1);
    rig_advance(&rig, c->after_ms);
    struct id child = child_of(&id, strstr(c->what, "root") ? "" : "0");
    ck_assert_int_eq(rig_cancel(&rig, 1, &id), OK);
    rig_advance(&rig, 100);
    ck_assert_msg(state_of(&id) == RUN_CANCELLED, "%s: %d", c->what, (int)state_of(&id));
    ck_assert_int_eq(state_of(&child), RUN_CANCELLED);
    ck_assert_int_le(read_run(&child)->finished_at_ms, read_run(&id)->finished_at_ms);
    ck_assert(rig_text_has(rig_events(&rig, &child), "\"code\":\"parent_cancelled\""));
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "\"run.finished\""), 1);
    stop_rig();
}
END_TEST

START_TEST(a_cancel_reaches_grandchildren)
{
    start(TASK(SEQ(RUN_OF("middle", "1"))), false);
    rig_advance(&rig, _i == 0 ? 50 : 5000);
    struct id child = child_of(&id, "0"), grandchild = child_of(&child, "0");
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    rig_advance(&rig, 100);
    ck_assert_int_eq(state_of(&grandchild), RUN_CANCELLED);
    ck_assert_int_eq(state_of(&child), RUN_CANCELLED);
    ck_assert_int_eq(state_of(&id), RUN_CANCELLED);
    stop_rig();
}
END_TEST

START_TEST(no_parent_ends_before_its_child)
{
    start(TASK(SEQ(RUN_OF("saves", "1"))), false);
    rig_advance(&rig, 1000);
    struct id child = child_of(&id, "0");
    rig_cancel(&rig, 0, &id);
    rig_advance(&rig, 3000);
    ck_assert_int_eq(state_of(&id), RUN_CANCELLING);
    if (_i == 1)
        rig_crash(&rig);
    rig_advance(&rig, 6000);
    ck_assert_int_eq(state_of(&id), RUN_CANCELLED);
    ck_assert_int_ge(state_of(&child), RUN_SUCCEEDED);
    stop_rig();
}
END_TEST

START_TEST(a_scope_that_is_out_of_time_cancels_the_child)
{
    start(
        TASK(SEQ(
            "{\"type\":\"parallel\",\"timeout_ms\":10000,\"on_error\":\"continue\",\"tasks\":[" RUN_OF(
                "slow", "1") "]}," V("2"))),
        _i == 1);
    rig_advance(&rig, 9900);
    struct id child = child_of(&id, "0/0");
    ck_assert_int_eq(state_of(&child), RUN_WAITING);
    rig_advance(&rig, 300);
    ck_assert(output_is("[null,2]"));
    ck_assert_int_ge(state_of(&child), RUN_CANCELLED);
    ck_assert(rig_text_has(row_of(&id, "0"), "\"state\":\"timed_out\""));
    stop_rig();
}
END_TEST

START_TEST(the_runs_own_time_ends_all_of_it)
{
    start("{\"timeout_ms\":10000,\"task\":" SEQ(RUN_OF("slow", "1")) "}", false);
    rig_advance(&rig, 9900);
    struct id child = child_of(&id, "0");
    rig_advance(&rig, 500);
    ck_assert_int_eq(state_of(&id), RUN_TIMED_OUT);
    ck_assert(has_error(&id, "\"code\":\"run_timeout\""));
    ck_assert_int_ge(state_of(&child), RUN_CANCELLED);
    stop_rig();
}
END_TEST

START_TEST(the_loser_of_a_race_is_cancelled)
{
    start(TASK("{\"type\":\"race\",\"tasks\":[" RUN_OF("slow", "1") "," SLEEP(4000) "]}"), false);
    rig_advance(&rig, 3900);
    struct id child = child_of(&id, "0");
    rig_advance(&rig, 500);
    ck_assert(output_is("null"));
    ck_assert_int_eq(state_of(&child), RUN_CANCELLED);
    stop_rig();
}
END_TEST

START_TEST(a_child_that_is_cancelled_on_its_own_has_failed)
{
    start(TASK(SEQ(RUN_OF("slow", "1"))), false);
    rig_advance(&rig, _i == 0 ? 50 : 5000);
    struct id child = child_of(&id, "0");
    ck_assert_int_eq(rig_cancel(&rig, 0, &child), OK);
    rig_advance(&rig, 100);
    ck_assert_int_eq(state_of(&id), RUN_FAILED);
    ck_assert(has_error(&id, "\"code\":\"cancelled\""));
    stop_rig();
}
END_TEST

START_TEST(one_task_is_cancelled_with_its_child)
{
    start(TASK("{\"type\":\"settle\",\"tasks\":[" RUN_OF("slow", "1") "," V("2") "]}"), false);
    rig_advance(&rig, _i == 0 ? 50 : 5000);
    struct id child = child_of(&id, "0");
    ck_assert_int_eq(rig_cancel_task(&rig, 0, &id, "0"), OK);
    rig_advance(&rig, 100);
    ck_assert_int_eq(state_of(&id), RUN_SUCCEEDED);
    ck_assert(rig_text_has(read_run(&id)->output, "\"code\":\"cancelled\""));
    ck_assert_int_eq(state_of(&child), RUN_CANCELLED);
    stop_rig();
}
END_TEST

START_TEST(a_child_whose_end_was_not_seen_may_be_removed)
{
    start(TASK(SEQ(RUN_OF("call", "1"))), false);
    rig_advance(&rig, 3000);
    struct id child = child_of(&id, "0");
    store_fake_fail_reads(rig.fake, true);
    rig_advance(&rig, 3000);
    store_fake_fail_reads(rig.fake, false);
    ck_assert_int_eq(rig_delete(&rig, 0, &child), OK);
    rig_advance(&rig, 3000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_FAILED);
    ck_assert(has_error(&id, "\"code\":\"crashed\""));
    stop_rig();
}
END_TEST

/* --- room ------------------------------------------------------------------------------------- */

/* Parents that wait for children, more than there is room for: watched ones cannot even be parked.
 */
START_TEST(parents_do_not_keep_their_children_out)
{
    enum { PARENTS = 200, WATCHED = 10 };
    static struct created all[PARENTS];
    open_rig(flows, _i == 1);
    options.limits.live_runs = 10;
    rig_start(&rig, &options);
    for (int i = 0; i < PARENTS; i++)
        ck_assert_int_eq(rig_create(&rig, 0,
                                    TASK(SEQ(RUN_OF("middle", "1") "," RUN_OF("quick", "2"))),
                                    i < WATCHED ? STREAMS : PLAIN, NULL, &all[i]),
                         OK);
    rig_settle(&rig);
    for (int i = 0; i < 50; i++)
        rig_advance(&rig, 5000);
    for (int i = 0; i < PARENTS; i++) {
        ck_assert_int_eq(state_of(&all[i].accept.id), RUN_SUCCEEDED);
        rig_forget(&all[i]);
    }
    ck_assert_uint_eq(runs(), 4 * PARENTS);
    ck_assert_int_eq(atomic_load(&rig.engine->children_queued), 0);
    ck_assert_uint_eq(engine_busy(rig.engine), 0);
    stop_rig();
}
END_TEST

START_TEST(children_are_admitted_ahead_of_roots)
{
    struct created roots[3];
    open_rig(flows, false);
    options.limits.live_runs = 1;
    rig_start(&rig, &options);
    id = rig_run(&rig, 0, TASK(SEQ(AFTER(2000, "x") "," RUN_OF("call", "1"))), PLAIN, &created);
    rig_forget(&created);
    for (int i = 0; i < 3; i++) {
        rig_run(&rig, 0, TASK(SEQ(AFTER(1000, "x"))), PLAIN, &roots[i]);
        rig_forget(&roots[i]);
    }
    rig_advance(&rig, 7500);
    struct id child = child_of(&id, "1");
    ck_assert_int_eq(state_of(&child), RUN_SUCCEEDED);
    int64_t ended_ms = read_run(&child)->finished_at_ms;
    rig_advance(&rig, 10000);
    for (int i = 0; i < 3; i++)
        ck_assert_int_ge(read_run(&roots[i].accept.id)->started_at_ms, ended_ms);
    stop_rig();
}
END_TEST

/* --- crashes ---------------------------------------------------------------------------------- */

static const char crash_flows[] = FLOWS(
    DEF("leaf", SEQ(AFTER(300, "{{input}}") "," SLEEP(3000))) "," DEF("flaky", SEQ(FAILS)) "," DEF(
        "inner", PAR(RUN_OF("leaf", "\"a\"") "," RUN_OF("leaf", "\"b\""))));

#define CRASH_BODY                                                                                 \
    TASK(SEQ(RUN_OF("inner", "1") "," RUN_OF_(                                                     \
        "flaky",                                                                                   \
        "\"on_error\":\"continue\",\"retry\":{\"attempts\":2,\"base_ms\":2000,"                    \
        "\"jitter\":\"none\"}") ",{\"type\":\"race\",\"tasks\":[" RUN_OF("leaf",                   \
                                                                         "\"c\"") "," V("9") "]}"))
#define CRASH_VALUE "[[[\"a\",null],[\"b\",null]],null,9]"
enum { CRASH_RUNS = 7 /* the root, inner, two leaves, two tries, the loser */ };

static void start_crash(bool on_sqlite)
{
    open_rig(crash_flows, on_sqlite);
    rig_start(&rig, &options);
    id = rig_run(&rig, 0, CRASH_BODY, PLAIN, &created);
    rig_forget(&created);
}

/* Whatever happened: it has ended well, each child was made once and has ended once. */
static void must_be_whole(unsigned step)
{
    for (int i = 0; i < 20; i++) {
        rig_advance(&rig, 1000);
        if (rig.fake != NULL && !store_fake_is_whole(rig.fake))
            store_fake_heal(rig.fake);
    }
    ck_assert_msg(output_is(CRASH_VALUE), "step %u: %d %.*s", step, (int)state_of(&id),
                  STR_ARG(read_run(&id)->output));
    ck_assert_msg(runs() == CRASH_RUNS, "step %u: %u runs", step, runs());
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    ck_assert_int_eq(atomic_load(&rig.engine->children_queued), 0);
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "\"run.finished\""), 1);
    struct store_list l = {.tenant = STR("t"), .limit = 100};
    ck_assert_int_eq(rig_list(&rig, &l), STORE_OK);
    for (uint32_t i = 0; i < l.count; i++)
        ck_assert(run_state_is_terminal(l.runs[i].state));
    arena_fini(&l.arena);
}

/* Time goes on, a commit at a time, until `steps` have been made. False: there are not so many. */
static bool go_steps(unsigned steps)
{
    unsigned idle = 0;
    while (steps > 0 && idle < 60) {
        rig_settle(&rig);
        if (store_fake_held(rig.fake) == 0) {
            rig_advance(&rig, 100);
            idle++;
            continue;
        }
        store_fake_let_one_go(rig.fake);
        idle = 0;
        steps--;
    }
    return steps == 0;
}

/* The gateway dies after each commit, those that wait are lost. */
START_TEST(a_crash_at_any_commit_loses_and_doubles_no_child)
{
    bool more = true;
    for (unsigned step = 0; more; step++) {
        ck_assert_uint_lt(step, 400);
        start_crash(false);
        store_fake_hold(rig.fake);
        more = go_steps(step);
        store_fake_take_over(rig.fake);
        store_fake_let_go(rig.fake);
        rig_restart(&rig);
        must_be_whole(step);
        stop_rig();
    }
}
END_TEST

/* One commit fails, done or not, and is settled later. */
START_TEST(a_commit_that_fails_loses_and_doubles_no_child)
{
    bool more = true;
    for (unsigned step = 0; more; step++) {
        ck_assert_uint_lt(step, 400);
        start_crash(false);
        store_fake_hold(rig.fake);
        more = go_steps(step);
        store_fake_fail_commit(rig.fake, _i == 1);
        store_fake_let_go(rig.fake);
        must_be_whole(step);
        stop_rig();
    }
}
END_TEST

START_TEST(a_gateway_that_dies_again_and_again_ends_it)
{
    start_crash(_i % 2 == 1);
    for (int i = 0; i < 12; i++) {
        rig_advance(&rig, 137 + (uint64_t)(_i + i) * 97);
        if (i % 3 == 2)
            rig_restart(&rig);
        else
            rig_crash(&rig);
    }
    must_be_whole((unsigned)_i);
    stop_rig();
}
END_TEST

/* An allocation fails somewhere, once: what it was for is done later, or its task has failed. */
START_TEST(without_memory_it_comes_to_its_end)
{
    for (unsigned long n = 1 + (unsigned long)_i; n < 600; n += 4) {
        open_rig(crash_flows, false);
        rig_start(&rig, &options);
        ck_assert_int_eq(rig_create(&rig, 0, CRASH_BODY, PLAIN, NULL, &created), OK);
        mem_fail_nth(n);
        rig_advance(&rig, 8000);
        mem_fail_nth(0);
        rig_advance(&rig, 12000);
        id = created.accept.id;
        bool is_there = created.accept.refused == OK;
        rig_forget(&created);
        if (is_there)
            ck_assert_msg(run_state_is_terminal(state_of(&id)), "%lu: %d", n, (int)state_of(&id));
        bool is_good = is_there && output_is(CRASH_VALUE);
        ck_assert_msg(is_good ? runs() == CRASH_RUNS : runs() <= CRASH_RUNS, "%lu: %u runs", n,
                      runs());
        ck_assert_uint_eq(engine_live(rig.engine), 0);
        ck_assert_int_eq(atomic_load(&rig.engine->children_queued), 0);
        stop_rig();
    }
}
END_TEST

/* Once the cancel is stored, parent and child are cancelled, whenever the gateway dies. */
START_TEST(a_crash_keeps_what_a_run_was_stopped_for)
{
    start(TASK(SEQ(RUN_OF("slow", "1"))), false);
    rig_advance(&rig, 5000);
    struct id child = child_of(&id, "0");
    struct asked asked;
    store_fake_hold(rig.fake);
    rig_ask_cancel(&rig, 0, &id, &asked);
    go_steps((unsigned)_i);
    store_fake_take_over(rig.fake);
    store_fake_let_go(rig.fake);
    rig_restart(&rig);
    rig_advance(&rig, 40000);
    ck_assert(run_state_is_terminal(state_of(&id)));
    ck_assert(run_state_is_terminal(state_of(&child)));
    ck_assert(state_of(&id) == RUN_SUCCEEDED || state_of(&child) == RUN_CANCELLED);
    stop_rig();
}
END_TEST

Suite *suite_runs_child(void)
{
    Suite *s = suite_create("runs/child");
    TCase *t = tcase_create("children");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_call_of_a_workflow_is_a_run_of_its_own, 0, 2);
    tcase_add_loop_test(t, a_root_may_be_a_call_of_a_workflow, 0, 2);
    tcase_add_test(t, what_a_child_uses_is_its_own);
    tcase_add_test(t, what_a_child_inherits);
    tcase_add_loop_test(t, a_parent_is_parked_while_its_child_sleeps, 0, 2);
    tcase_add_test(t, grandparents_are_parked_as_well);
    tcase_add_test(t, an_end_that_comes_while_the_parent_is_parked_is_seen);
    tcase_add_test(t, a_childs_error_stands_at_the_calling_task);
    tcase_add_test(t, a_failed_child_may_be_continued);
    tcase_add_loop_test(t, each_try_is_a_new_child, 0, 2);
    tcase_add_test(t, a_workflow_that_is_gone_fails_its_call);
    tcase_add_loop_test(t, runs_may_not_lie_too_deep, 0, 2);
    tcase_add_test(t, an_input_that_is_nested_too_deeply_fails_the_call);
    tcase_add_loop_test(t, a_cancel_reaches_the_child_first, 0, 2 * STOPS);
    tcase_add_loop_test(t, a_cancel_reaches_grandchildren, 0, 2);
    tcase_add_loop_test(t, no_parent_ends_before_its_child, 0, 2);
    tcase_add_loop_test(t, a_scope_that_is_out_of_time_cancels_the_child, 0, 2);
    tcase_add_test(t, the_runs_own_time_ends_all_of_it);
    tcase_add_test(t, the_loser_of_a_race_is_cancelled);
    tcase_add_loop_test(t, a_child_that_is_cancelled_on_its_own_has_failed, 0, 2);
    tcase_add_loop_test(t, one_task_is_cancelled_with_its_child, 0, 2);
    tcase_add_test(t, a_child_whose_end_was_not_seen_may_be_removed);
    tcase_add_loop_test(t, parents_do_not_keep_their_children_out, 0, 2);
    tcase_add_test(t, children_are_admitted_ahead_of_roots);
    suite_add_tcase(s, t);
    TCase *crash = tcase_create("crashes");
    tcase_set_timeout(crash, 120);
    tcase_add_test(crash, a_crash_at_any_commit_loses_and_doubles_no_child);
    tcase_add_loop_test(crash, a_commit_that_fails_loses_and_doubles_no_child, 0, 2);
    tcase_add_loop_test(crash, a_gateway_that_dies_again_and_again_ends_it, 0, 12);
    tcase_add_loop_test(crash, without_memory_it_comes_to_its_end, 0, 4);
    tcase_add_loop_test(crash, a_crash_keeps_what_a_run_was_stopped_for, 0, 8);
    suite_add_tcase(s, crash);
    return s;
}
