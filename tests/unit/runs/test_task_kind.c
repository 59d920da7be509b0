/* Every type of task in every phase in which it can be stopped, in every way; every type within
 * every other; lists of no, one and ten thousand tasks. Each run is held against the laws of trees
 * as well (tests/support/tree_laws.h). */
#include "runs/task_kind.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/rig_ops.h"
#include "tests/support/tree_laws.h"

Suite *suite_runs_task_kind(void);

static struct rig rig;
static struct created created, other;
static struct id id;
static struct tree_case laws;
static char tree[4096], body[4200];

/* Two providers: `sim`, and `tight` with one slot, which somebody else has. */
static void start(void)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.breaker.failures = 0;
    o.providers[1] = o.providers[0];
    o.providers[1].name = "tight";
    o.providers[1].limiter.concurrency = 1;
    rig_start(&rig, &o);
    laws = (struct tree_case){.is_stopped = false};
}

static void run_tree(const char *more)
{
    int n = snprintf(body, sizeof body, "{%s\"task\":%s}", more, tree);
    ck_assert_int_lt(n, (int)sizeof body);
    id = rig_run(&rig, 0, body, WAITS, &created);
}

static const struct run_record *row(void)
{
    return rig_row(&rig, &id);
}

static bool told(const char *type, const char *path)
{
    char text[128];
    struct str lines = rig_events(&rig, &id);
    struct event_line line;
    snprintf(text, sizeof text, "task.%s", type);
    while (event_next_line(&lines, &line)) {
        struct str at = event_line_task(&line);
        if (str_eq(line.type, str_of(text)) && at.at != NULL && str_eq(at, str_of(path)))
            return true;
    }
    return false;
}

static void finish(const char *what)
{
    struct tree_sums sums;
    ck_assert_msg(created.ended == 1, "%s: has not ended", what);
    laws.tree = str_of(tree);
    laws.events = rig_events(&rig, &id);
    tree_laws_check(&laws, &sums);
    ck_assert_uint_eq(row()->usage.attempts, sums.attempts);
    rig_forget(&created);
}

/* --- the types -------------------------------------------------------------------------------- */

#define VALUE "\"type\":\"value\",\"value\":[1,\"{{task.path}}\"]"
#define NONE  "\"type\":\"value\",\"value\":\"{{input.none}}\""
#define HANGS                                                                                      \
    "\"type\":\"call\",\"model\":\"sim/story\",\"params\":{\"sim\":{\"fail\":[{\"as\":\"hang\"}]}}"
#define BAD                                                                                        \
    "\"type\":\"call\",\"model\":\"sim/story\",\"params\":{\"sim\":{\"fail\":[{\"as\":\"status\"," \
    "\"status\":500}]}}"
#define ECHO  "\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"I am {{task.path}}\""
#define TIGHT "\"type\":\"call\",\"model\":\"tight/echo\",\"input\":\"I am {{task.path}}\""
#define SLEEP "\"type\":\"sleep\",\"duration_ms\":90000"

static const struct kind {
    const char *name;
    const char *before, *after; /* around its child, if it has one */
    /* without the braces; NULL: it has no such phase */
    const char *good, *running, *failing, *blocked;
} kinds[] = {
    {"call", "", "", ECHO, HANGS, BAD, TIGHT},
    {"value", "", "", VALUE, NULL, NONE, NULL},
    {"sleep", "", "", "\"type\":\"sleep\",\"duration_ms\":1", SLEEP, NULL, NULL},
    {"sequence", "\"type\":\"sequence\",\"steps\":[{", "}]", VALUE, HANGS, BAD, TIGHT},
    {"parallel", "\"type\":\"parallel\",\"tasks\":[{", "}]", VALUE, HANGS, BAD, TIGHT},
    {"parallel that collects", "\"type\":\"parallel\",\"errors\":\"collect\",\"tasks\":[{", "}]",
     VALUE, HANGS, NONE, TIGHT},
    {"settle", "\"type\":\"settle\",\"tasks\":[{", "}]", VALUE, HANGS, NULL, TIGHT},
    {"race", "\"type\":\"race\",\"tasks\":[{", "}]", VALUE, HANGS, BAD, TIGHT},
    {"first_success", "\"type\":\"first_success\",\"tasks\":[{", "}]", VALUE, HANGS, NONE, TIGHT},
    {"map", "\"type\":\"map\",\"over\":[7],\"task\":{", "}", VALUE, HANGS, BAD, TIGHT},
    {"dag", "\"type\":\"dag\",\"steps\":{\"s\":{", "}}", VALUE, HANGS, NONE, TIGHT},
    {"circuit", "\"type\":\"circuit\",\"circuit\":\"c\",\"fail_max\":1000,\"task\":{", "}", VALUE,
     HANGS, BAD, TIGHT},
    {"shield", "\"type\":\"shield\",\"task\":{", "}", VALUE, HANGS, BAD, TIGHT},
};

enum { KINDS = sizeof kinds / sizeof kinds[0], SHIELD = KINDS - 1, LEAVES = 3 };

/* --- stopped in each phase, in each way ------------------------------------------------------- */

enum phase { PENDING, RUNNING, RETRYING, BLOCKED, ENDING, PHASES };
enum way_out { RUN_IS_CANCELLED, TASK_IS_CANCELLED, TASK_IS_LATE, RUN_IS_LATE, WAYS };
enum { AT_MS = 500, SHIELD_MS = 5000 };

static const char *const phase_names[] = {"pending", "running", "retrying", "blocked", "ending"};
static const char *const way_names[] = {"its run is cancelled", "it is cancelled", "it is late",
                                        "its run is late"};

static const char *child_in(const struct kind *k, enum phase phase)
{
    switch (phase) {
    case RUNNING: return k->running;
    case RETRYING: return k->failing;
    case BLOCKED: return k->blocked;
    case PENDING:
    case ENDING:
    case PHASES: break;
    }
    return k->good;
}

/* One that has not begun has no time yet, and a retry past the deadline is not waited for. */
static bool is_possible(enum phase phase, enum way_out way)
{
    if (phase == PENDING)
        return way != TASK_IS_LATE;
    return phase != RETRYING || way == RUN_IS_CANCELLED || way == TASK_IS_CANCELLED;
}

static void write_tree(const struct kind *k, enum phase phase, enum way_out way)
{
    char task[2048], members[512] = "";
    bool is_shield = k == &kinds[SHIELD];
    if (way == TASK_IS_LATE || is_shield)
        snprintf(members, sizeof members, "\"timeout_ms\":%d,",
                 way == TASK_IS_LATE ? AT_MS : SHIELD_MS);
    if (phase == RETRYING)
        strcat(members, "\"retry\":{\"attempts\":2,\"base_ms\":3000,\"jitter\":\"none\"},");
    if (phase == ENDING)
        strcat(members,
               "\"finally\":{\"type\":\"sleep\",\"duration_ms\":1000,\"timeout_ms\":2000},");
    snprintf(task, sizeof task, "{%s%s%s%s}", members, k->before, child_in(k, phase), k->after);
    if (phase == PENDING)
        snprintf(tree, sizeof tree, "{\"type\":\"sequence\",\"steps\":[{" HANGS "},%s]}", task);
    else
        snprintf(tree, sizeof tree, "{\"type\":\"settle\",\"tasks\":[%s,{" VALUE "}]}", task);
}

static void stop(enum way_out way, const char *path)
{
    if (way == RUN_IS_CANCELLED)
        ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    if (way == TASK_IS_CANCELLED) {
        ck_assert_int_eq(rig_cancel_task(&rig, 0, &id, path), OK);
        str_copy(laws.cuts[0].path, sizeof laws.cuts[0].path, str_of(path));
        laws.cut_count = 1;
    }
    laws.is_stopped = way == RUN_IS_CANCELLED || way == RUN_IS_LATE;
}

static const char *end_of(const struct kind *k, enum phase phase, enum way_out way)
{
    bool is_held = k == &kinds[SHIELD] && (way == RUN_IS_CANCELLED || way == RUN_IS_LATE);
    if (phase == PENDING)
        return "cancelled";
    if (phase == ENDING)
        return "succeeded";
    if (is_held)
        return phase == RETRYING ? "failed" : "timed_out";
    return way == TASK_IS_LATE ? "timed_out" : "cancelled";
}

static enum run_state end_of_run(enum phase phase, enum way_out way)
{
    if (way == RUN_IS_CANCELLED || (phase == PENDING && way == TASK_IS_CANCELLED))
        return RUN_CANCELLED;
    return way == RUN_IS_LATE ? RUN_TIMED_OUT : RUN_SUCCEEDED;
}

static void check_stop(const struct kind *k, enum phase phase, enum way_out way)
{
    char what[128];
    const char *path = phase == PENDING ? "1" : "0", *end = end_of(k, phase, way);
    snprintf(what, sizeof what, "%s, %s, when %s", k->name, phase_names[phase], way_names[way]);
    write_tree(k, phase, way);
    run_tree(way == RUN_IS_LATE ? "\"timeout_ms\":500," : "");
    rig_advance(&rig, way == TASK_IS_LATE || way == RUN_IS_LATE ? AT_MS - 1 : AT_MS);
    ck_assert_msg(created.ended == 0 && !told(end, path), "%s: too early", what);
    ck_assert_msg(phase != RETRYING || told("retrying", path), "%s: is not %s", what,
                  phase_names[phase]);
    stop(way, path);
    rig_advance(&rig, 1);
    if (phase == PENDING && way == TASK_IS_CANCELLED) /* what is before it goes on */
        stop(RUN_IS_CANCELLED, path);
    rig_advance(&rig, 2 * SHIELD_MS);
    ck_assert_msg(told(end, path), "%s: has not %s", what, end);
    ck_assert_msg(phase != PENDING || !told("running", path), "%s: has begun", what);
    ck_assert_msg(row()->state == end_of_run(phase, way), "%s: %s", what,
                  run_state_name(row()->state));
    finish(what);
}

START_TEST(each_type_can_be_stopped_in_each_phase)
{
    const struct kind *k = &kinds[_i];
    for (int phase = 0; phase < PHASES; phase++) {
        if (child_in(k, phase) == NULL)
            continue;
        for (int way = 0; way < WAYS; way++) {
            if (!is_possible(phase, way))
                continue;
            start();
            rig_run(&rig, 0,
                    "{\"task\":{\"type\":\"call\",\"model\":\"tight/story\",\"params\":{\"sim\":"
                    "{\"first_ms\":400000}}}}",
                    PLAIN, &other);
            check_stop(k, phase, way);
            ck_assert_int_eq(rig_cancel(&rig, 0, &other.accept.id), OK);
            rig_forget(&other);
            rig_stop(&rig);
        }
    }
}
END_TEST

/* --- within each other ------------------------------------------------------------------------ */

static const char *of_shield(const struct kind *k)
{
    return k == &kinds[SHIELD] ? "\"timeout_ms\":5000," : "";
}

static void nest(const struct kind *outer, const struct kind *inner, const char *leaf)
{
    char below[2048];
    snprintf(below, sizeof below, "%s%s%s%s", of_shield(inner), inner->before, leaf, inner->after);
    snprintf(tree, sizeof tree, "{%s%s%s%s}", of_shield(outer), outer->before, below, outer->after);
}

START_TEST(each_type_holds_each_other_in_each_outcome)
{
    const struct kind *outer = &kinds[LEAVES + _i];
    start();
    for (int i = 0; i < KINDS; i++) {
        const struct kind *inner = &kinds[i];
        const char *leaves[] = {inner->good, inner->failing != NULL ? inner->failing : inner->good,
                                inner->running != NULL ? inner->running : inner->good};
        for (size_t n = 0; n < sizeof leaves / sizeof leaves[0]; n++) {
            bool is_stopped = n == 2 && inner->running != NULL;
            char what[128];
            snprintf(what, sizeof what, "%s in %s, leaf %zu", inner->name, outer->name, n);
            laws = (struct tree_case){.is_stopped = is_stopped};
            nest(outer, inner, leaves[n]);
            run_tree("");
            rig_advance(&rig, 200);
            if (is_stopped)
                ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
            rig_advance(&rig, 2 * SHIELD_MS);
            ck_assert_msg(!is_stopped || row()->state == RUN_CANCELLED ||
                              (outer == &kinds[SHIELD] && row()->state == RUN_TIMED_OUT),
                          "%s: %s", what, run_state_name(row()->state));
            finish(what);
        }
    }
    rig_stop(&rig);
}
END_TEST

/* --- limits ----------------------------------------------------------------------------------- */

static void write_limited(unsigned type, unsigned count, unsigned limit)
{
    size_t n = 0;
    static const char *const heads[] = {
        "\"type\":\"parallel\",\"tasks\":[", "\"type\":\"settle\",\"tasks\":[",
        "\"type\":\"map\",\"task\":{\"type\":\"sleep\",\"duration_ms\":100},\"over\":["};
    n += (size_t)snprintf(tree, sizeof tree, "{");
    if (limit > 0)
        n += (size_t)snprintf(tree + n, sizeof tree - n, "\"limit\":%u,", limit);
    n += (size_t)snprintf(tree + n, sizeof tree - n, "%s", heads[type]);
    for (unsigned i = 0; i < count; i++)
        n += (size_t)snprintf(tree + n, sizeof tree - n, "%s%s", i > 0 ? "," : "",
                              type == 2 ? "0" : "{\"type\":\"sleep\",\"duration_ms\":100}");
    snprintf(tree + n, sizeof tree - n, "]}");
}

/* As many as the limit allows are under way, and no more: so it takes as long as it must. */
START_TEST(a_limit_is_kept_and_used)
{
    static const unsigned counts[] = {0, 1, 2, 7}, limits[] = {1, 2, 3, 7, 1000, 0};
    start();
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
            unsigned at_once = limits[l] > 0 && limits[l] < counts[c] ? limits[l] : counts[c];
            unsigned waves = at_once > 0 ? (counts[c] + at_once - 1) / at_once : 0;
            write_limited((unsigned)_i, counts[c], limits[l]);
            run_tree("");
            if (waves > 0)
                rig_advance(&rig, waves * 100 - 1);
            ck_assert_msg(created.ended == (waves == 0), "%u with limit %u", counts[c], limits[l]);
            rig_advance(&rig, 1);
            ck_assert_msg(created.ended == 1, "%u with limit %u", counts[c], limits[l]);
            finish("limited");
        }
    }
    rig_stop(&rig);
}
END_TEST

/* --- ten thousand ----------------------------------------------------------------------------- */

enum { MANY = 9999 /* and the root: limits.tree_nodes */ };

static const struct {
    const char *type, *list, *each;
    enum run_state state;
    unsigned succeeded, failed, skipped, cancelled; /* of the children */
} many[] = {
    {"sequence", "steps", "{" VALUE "}", RUN_SUCCEEDED, MANY, 0, 0, 0},
    {"sequence", "steps", "{" NONE "}", RUN_FAILED, 0, 1, MANY - 1, 0},
    {"parallel", "tasks", "{" VALUE "}", RUN_SUCCEEDED, MANY, 0, 0, 0},
    {"parallel", "tasks", "{" NONE "}", RUN_FAILED, 0, 1, 0, MANY - 1},
    {"parallel\",\"errors\":\"collect", "tasks", "{" NONE "}", RUN_FAILED, 0, MANY, 0, 0},
    {"settle", "tasks", "{" NONE "}", RUN_SUCCEEDED, 0, MANY, 0, 0},
    {"settle\",\"limit\":1,\"name\":\"n", "tasks", "{" VALUE "}", RUN_SUCCEEDED, MANY, 0, 0, 0},
    {"race", "tasks", "{" VALUE "}", RUN_SUCCEEDED, 1, 0, 0, MANY - 1},
    {"first_success", "tasks", "{" NONE "}", RUN_FAILED, 0, MANY, 0, 0},
    {"first_success", "tasks", "{" VALUE "}", RUN_SUCCEEDED, 1, 0, 0, MANY - 1},
    {"dag", "steps", "{" VALUE "}", RUN_SUCCEEDED, MANY, 0, 0, 0},
    {"dag", "steps", "{" NONE "}", RUN_FAILED, 0, MANY, 0, 0},
};

static char *write_many(size_t row)
{
    size_t cap = MANY * 100 + 1000, n = 0;
    char *text = malloc(cap);
    bool is_dag = many[row].type[0] == 'd';
    ck_assert_ptr_nonnull(text);
    n += (size_t)snprintf(text, cap, "{\"task\":{\"type\":\"%s\",\"%s\":%c", many[row].type,
                          many[row].list, is_dag ? '{' : '[');
    for (unsigned i = 0; i < MANY; i++) {
        if (is_dag)
            n += (size_t)snprintf(text + n, cap - n, "%s\"s%u\":", i > 0 ? "," : "", i);
        else if (i > 0)
            text[n++] = ',';
        n += (size_t)snprintf(text + n, cap - n, "%s", many[row].each);
    }
    snprintf(text + n, cap - n, "%c}}", is_dag ? '}' : ']');
    return text;
}

START_TEST(each_type_takes_ten_thousand)
{
    unsigned root = many[_i].state == RUN_SUCCEEDED;
    char *text = write_many((size_t)_i);
    start();
    id = rig_run(&rig, 0, text, WAITS, &created);
    rig_advance(&rig, 60000);
    struct str events = rig_events(&rig, &id);
    ck_assert_int_eq(row()->state, many[_i].state);
    ck_assert_uint_eq(rig_count_of(events, "\"task.succeeded\""), many[_i].succeeded + root);
    ck_assert_uint_eq(rig_count_of(events, "\"task.failed\""), many[_i].failed + 1 - root);
    ck_assert_uint_eq(rig_count_of(events, "\"task.skipped\""), many[_i].skipped);
    ck_assert_uint_eq(rig_count_of(events, "\"task.cancelled\""), many[_i].cancelled);
    rig_forget(&created);
    free(text);
    rig_stop(&rig);
}
END_TEST

Suite *suite_runs_task_kind(void)
{
    Suite *s = suite_create("runs/task_kind");
    TCase *t = tcase_create("kinds");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_type_can_be_stopped_in_each_phase, 0, KINDS);
    tcase_add_loop_test(t, each_type_holds_each_other_in_each_outcome, 0, KINDS - LEAVES);
    tcase_add_loop_test(t, a_limit_is_kept_and_used, 0, 3);
    tcase_add_loop_test(t, each_type_takes_ten_thousand, 0, sizeof many / sizeof many[0]);
    suite_add_tcase(s, t);
    return s;
}
