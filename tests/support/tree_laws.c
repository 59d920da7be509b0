#include "tests/support/tree_laws.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "model/event.h"

enum { MAX_TASKS = 4096, MAX_ERRORS = 256, TEXT = 1 << 20 };

struct told {
    char path[64];
    struct told *up;
    struct json spec;
    uint32_t index; /* among the children of the one above */
    bool is_finally;
    bool is_running, has_ended;
    bool is_again; /* its body is to begin anew, and has begun none of those below */
    char state[16]; /* once it has ended */
    struct json_doc doc; /* of the event of its end */
    struct json output, error;
    unsigned order;             /* of its end among all */
    unsigned live;              /* children that have begun and not ended */
    unsigned attempts, in_body; /* of a call: all, and since its group began anew */
    bool is_attempt_good;       /* the last one */
    int64_t begun_ms;
};

static const struct tree_case *of_case;
static struct json_doc tree;
static struct told *tasks;
static unsigned count, ends;
static struct tree_sums sums;
static bool is_cancelling;
static uint64_t now_seq;
static unsigned cuts[TREE_CUTS_MAX], cut_count; /* those of the case that hold: indices */

#define LAW(condition, t, ...)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "SLUICE_SEED=%llu: task \"%s\": ",                                     \
                    (unsigned long long)of_case->seed, (t)->path);                                 \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n%.*s\n%.*s\n", STR_ARG(of_case->tree), STR_ARG(of_case->events));   \
            ck_abort_msg("a law of trees is broken: " #condition);                                 \
        }                                                                                          \
    } while (0)

/* --- the tree as it was written --------------------------------------------------------------- */

static bool is_type(const struct told *t, const char *type)
{
    return json_string_is(json_get_lit(t->spec, "type"), str_of(type));
}

static bool has(const struct told *t, const char *member)
{
    return json_exists(json_get(t->spec, str_of(member)));
}

static int64_t number(const struct told *t, const char *member, int64_t otherwise)
{
    int64_t n = otherwise;
    struct json v = json_get(t->spec, str_of(member));
    return json_exists(v) && json_int(v, 0, INT64_MAX, &n) != OK ? otherwise : n;
}

static bool is_said(const struct told *t, const char *member, const char *value)
{
    return json_string_is(json_get(t->spec, str_of(member)), str_of(value));
}

/* The list, or the object, of those below. */
static struct json below(const struct told *t)
{
    static const char *const names[] = {"steps", "tasks", "over"};
    struct json v = JSON_NONE;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !json_exists(v); i++)
        v = json_get(t->spec, str_of(names[i]));
    return v;
}

static uint32_t child_count(const struct told *t)
{
    if (is_type(t, "circuit") || is_type(t, "shield"))
        return 1;
    return json_count(below(t));
}

static struct json_member step_of(const struct told *dag, uint32_t index)
{
    struct json steps = json_get_lit(dag->spec, "steps");
    struct json_member m = json_first_member(steps);
    while (index-- > 0)
        m = json_next_member(steps, m);
    return m;
}

static struct json child_spec(const struct told *t, uint32_t index)
{
    if (index == child_count(t))
        return json_get_lit(t->spec, "finally");
    if (has(t, "task"))
        return json_get_lit(t->spec, "task");
    if (is_type(t, "dag"))
        return step_of(t, index).value;
    struct json list = below(t), v = json_first(list);
    while (index-- > 0)
        v = json_next(list, v);
    return v;
}

static bool is_leaf(const struct told *t)
{
    return is_type(t, "call") || is_type(t, "value") || is_type(t, "sleep");
}

/* --- tasks by their paths --------------------------------------------------------------------- */

static struct told *find(struct str path)
{
    for (unsigned i = 0; i < count; i++) {
        if (str_eq(str_of(tasks[i].path), path))
            return &tasks[i];
    }
    return NULL;
}

static struct told *need(struct str path)
{
    struct told *t = find(path);
    if (t != NULL)
        return t;
    ck_assert_uint_lt(count, MAX_TASKS);
    t = &tasks[count++];
    *t = (struct told){.spec = json_root(&tree)};
    json_doc_init(&t->doc);
    str_copy(t->path, sizeof t->path, path);
    const char *slash = strrchr(t->path, '/');
    if (path.len == 0)
        return t;
    t->up = find((struct str){t->path, slash != NULL ? (size_t)(slash - t->path) : 0});
    LAW(t->up != NULL, t, "is told before the one above");
    t->index = (uint32_t)strtoul(slash != NULL ? slash + 1 : t->path, NULL, 10);
    t->is_finally = t->index == child_count(t->up);
    t->spec = child_spec(t->up, t->index);
    LAW(json_exists(t->spec), t, "is not in the tree");
    return t;
}

static struct told *child(const struct told *t, uint32_t index)
{
    char path[96];
    snprintf(path, sizeof path, "%s%s%u", t->path, t->path[0] != '\0' ? "/" : "", (unsigned)index);
    struct told *c = find(str_of(path));
    return c != NULL && (c->is_running || c->has_ended) ? c : NULL;
}

static bool is_below(const struct told *t, const struct told *top)
{
    while (t != NULL && t != top)
        t = t->up;
    return t != NULL;
}

static bool is_cut(const struct told *t)
{
    for (unsigned i = 0; i < cut_count; i++) {
        if (strcmp(of_case->cuts[cuts[i]].path, t->path) == 0 &&
            of_case->cuts[cuts[i]].seq < now_seq)
            return true;
    }
    return false;
}

/* It begins anew, and is not cut any more. */
static void forget_cut(const struct told *t)
{
    for (unsigned i = 0; i < cut_count; i++) {
        if (strcmp(of_case->cuts[cuts[i]].path, t->path) != 0 ||
            of_case->cuts[cuts[i]].seq >= now_seq)
            continue;
        cuts[i] = cuts[--cut_count];
        return;
    }
}

/* --- what one is to the task above ------------------------------------------------------------ */

static bool ended_as(const struct told *t, const char *state)
{
    return t->has_ended && strcmp(t->state, state) == 0;
}

/* It did not succeed, and that was not continued. */
static bool is_bad(const struct told *t)
{
    if (ended_as(t, "cancelled"))
        return is_cut(t);
    return (ended_as(t, "failed") || ended_as(t, "timed_out")) &&
           !is_said(t, "on_error", "continue");
}

static bool is_good(const struct told *t)
{
    return !is_bad(t) && !ended_as(t, "skipped") && !ended_as(t, "cancelled");
}

static bool settles(const struct told *t)
{
    return is_type(t, "settle") || is_said(t, "errors", "settle");
}

static bool collects(const struct told *t)
{
    return settles(t) || is_said(t, "errors", "collect") || is_type(t, "dag") ||
           is_type(t, "first_success");
}

/* The child that decides what becomes of it; NULL: none has. */
static const struct told *decider(const struct told *t)
{
    const struct told *first = NULL;
    for (uint32_t i = 0; i < child_count(t); i++) {
        const struct told *c = child(t, i);
        if (c == NULL || !c->has_ended || (first != NULL && first->order < c->order))
            continue;
        bool decides = is_type(t, "race")            ? is_bad(c) || is_good(c)
                       : is_type(t, "first_success") ? is_good(c)
                                                     : !collects(t) && is_bad(c);
        if (decides)
            first = c;
    }
    return first;
}

/* --- beginning -------------------------------------------------------------------------------- */

static bool shields(const struct told *t)
{
    return is_type(t, "shield") || t->is_finally;
}

static bool is_shielded(const struct told *t)
{
    while (t != NULL && !shields(t))
        t = t->up;
    return t != NULL;
}

/* After a cancel only what is inside of a shield that has begun, or of a `finally`, begins. */
static void check_cancelling(const struct told *t)
{
    LAW(!is_cancelling || is_shielded(t->is_finally ? t : t->up), t,
        "begins although its run is cancelled");
}

static void check_step(const struct told *t)
{
    struct json step = step_of(t->up, t->index).value, needs = json_get_lit(step, "depends_on");
    struct json when = json_get_lit(step, "when");
    uint32_t good = 0, all = json_count(needs);
    for (struct json n = json_first(needs); json_exists(n); n = json_next(needs, n)) {
        uint32_t i = 0;
        while (!str_eq(json_raw(step_of(t->up, i).name), json_raw(n)))
            i++;
        const struct told *needed = child(t->up, i);
        LAW(needed != NULL && needed->has_ended, t, "has its turn before %.*s", STR_ARG(json_raw(n)));
        good += is_good(needed);
    }
    bool is_met = json_string_is(when, STR("all_done"))        ? true
                  : json_string_is(when, STR("any_succeeded")) ? good > 0 || all == 0
                                                               : good == all;
    bool is_skipped = ended_as(t, "skipped");
    LAW(is_met != is_skipped, t, "%s", is_skipped ? "is skipped" : "begins");
}

static void check_turn(const struct told *t)
{
    const struct told *before = t->index > 0 ? child(t->up, t->index - 1) : NULL;
    LAW(decider(t->up) == NULL, t, "begins although \"%s\" has decided", decider(t->up)->path);
    if (is_type(t->up, "sequence"))
        LAW(t->index == 0 || (before != NULL && before->has_ended), t, "begins before its turn");
    if (is_type(t->up, "dag"))
        check_step(t);
    LAW(t->up->live < number(t->up, "limit", INT64_MAX), t, "is one too many");
}

static void check_last(const struct told *t)
{
    for (unsigned i = 0; i < count; i++) {
        const struct told *other = &tasks[i];
        bool counts = other != t->up && is_below(other, t->up) && !is_below(other, t);
        LAW(!counts || !other->is_running || other->has_ended, t, "begins before the end of \"%s\"",
            other->path);
    }
}

static void begins(struct told *t, int64_t at_ms)
{
    LAW(!t->is_running && !t->has_ended, t, "begins twice");
    LAW(t->up == NULL || (t->up->is_running && !t->up->has_ended), t, "begins outside");
    check_cancelling(t);
    if (t->is_finally)
        check_last(t);
    else if (t->up != NULL)
        check_turn(t);
    t->is_running = true;
    t->begun_ms = at_ms;
    if (t->up != NULL) {
        t->up->live++;
        t->up->is_again &= t->is_finally;
    }
}

/* --- what it must have become ----------------------------------------------------------------- */

static char *text; /* of what is expected */
static size_t text_len;

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text + text_len, TEXT - text_len, format, args);
    va_end(args);
    ck_assert(n >= 0 && text_len + (size_t)n < TEXT);
    text_len += (size_t)n;
}

static struct str value_of(const struct told *t)
{
    return t != NULL && ended_as(t, "succeeded") ? json_raw(t->output) : STR("null");
}

static void add_list(const struct told *t, uint32_t n)
{
    add("[");
    for (uint32_t i = 0; i < n; i++)
        add("%s%.*s", i > 0 ? "," : "", STR_ARG(value_of(child(t, i))));
    add("]");
}

static void add_settled(const struct told *t)
{
    add("[");
    for (uint32_t i = 0; i < child_count(t); i++) {
        const struct told *c = child(t, i);
        LAW(c != NULL, t, "has settled without %u", (unsigned)i);
        if (is_bad(c))
            add("%s{\"status\":\"rejected\",\"error\":%.*s}", i > 0 ? "," : "",
                STR_ARG(json_raw(c->error)));
        else
            add("%s{\"status\":\"fulfilled\",\"value\":%.*s}", i > 0 ? "," : "",
                STR_ARG(value_of(c)));
    }
    add("]");
}

static void add_named(const struct told *t)
{
    add("{");
    for (uint32_t i = 0; i < child_count(t); i++)
        add("%s%.*s:%.*s", i > 0 ? "," : "", STR_ARG(json_raw(step_of(t, i).name)),
            STR_ARG(value_of(child(t, i))));
    add("}");
}

/* The value of a group none of whose children makes it fail. */
static void add_value(const struct told *t)
{
    if (settles(t))
        add_settled(t);
    else if (is_type(t, "dag"))
        add_named(t);
    else if (is_type(t, "race") || is_type(t, "first_success"))
        add("%.*s", STR_ARG(value_of(decider(t))));
    else if (has(t, "task") && !is_type(t, "map"))
        add("%.*s", STR_ARG(value_of(child(t, 0))));
    else
        add_list(t, child_count(t));
}

/* --- errors ----------------------------------------------------------------------------------- */

/* "CODE TASK, ..." of an error's group, or of itself where that is empty. */
static void add_flat(struct json error)
{
    struct json group = json_get_lit(error, "errors");
    for (struct json e = json_first(group); json_exists(e); e = json_next(group, e))
        add("%.*s %.*s, ", STR_ARG(json_raw(json_get_lit(e, "code"))),
            STR_ARG(json_raw(json_get_lit(e, "task"))));
    if (json_count(group) == 0)
        add("%.*s %.*s, ", STR_ARG(json_raw(json_get_lit(error, "code"))),
            STR_ARG(json_raw(json_get_lit(error, "task"))));
}

/* Those below that failed and were not continued; not those that were cancelled. */
static unsigned add_failures(const struct told *t)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < child_count(t); i++) {
        const struct told *c = child(t, i);
        if (c == NULL || !is_bad(c))
            continue;
        add_flat(c->error);
        n++;
    }
    return n;
}

static void check_text(const struct told *t, const char *what, struct str got)
{
    LAW(str_eq(got, (struct str){text, text_len}), t, "%s is %.*s, not %.*s", what, STR_ARG(got),
        (int)text_len, text);
    text_len = 0;
}

static void check_group(const struct told *t)
{
    static char found[TEXT];
    unsigned n = add_failures(t);
    struct json group = json_get_lit(t->error, "errors");
    size_t expected_len = text_len;
    memcpy(found, text, text_len);
    text_len = 0;
    if (json_count(group) > 0)
        add_flat(t->error);
    check_text(t, "the expected group", (struct str){found, n > 0 ? expected_len : 0});
}

static void check_error(const struct told *t, const char *code, struct str task)
{
    LAW(json_string_is(json_get_lit(t->error, "code"), str_of(code)), t, "its code is not %s", code);
    LAW(json_string_is(json_get_lit(t->error, "task"), task), t, "its error is of another");
    check_group(t);
}

/* By itself, or from above, with no shield in between; one above may still wait for others. */
static bool is_stopped_rightly(const struct told *t)
{
    for (const struct told *x = t; x != NULL; x = x->up) {
        if (is_cut(x) || (x != t && has(x, "timeout_ms")))
            return true;
        if (shields(x))
            return false;
        if (x->up == NULL ? of_case->is_stopped : decider(x->up) != NULL)
            return true;
    }
    return false;
}

/* Stopped: what had failed below before is listed all the same. */
static void check_stopped(const struct told *t, int64_t at_ms)
{
    bool is_late = ended_as(t, "timed_out"), is_run = t->up == NULL && of_case->is_stopped;
    if (is_late && json_string_is(json_get_lit(t->error, "code"), STR("run_timeout"))) {
        LAW(is_run, t, "its run has time");
    } else if (is_late) {
        LAW(has(t, "timeout_ms"), t, "it has no time of its own");
        LAW(at_ms - t->begun_ms >= number(t, "timeout_ms", 0), t, "it had time left");
        check_error(t, "task_timeout", str_of(t->path));
    } else {
        LAW(is_stopped_rightly(t), t, "nobody has cancelled it");
        check_error(t, "cancelled", str_of(t->path));
    }
}

/* --- leaves ----------------------------------------------------------------------------------- */

/* Was this attempt told to go wrong? */
static bool is_told_to_fail(const struct told *t, unsigned attempt)
{
    struct json sim = json_get_lit(json_get_lit(t->spec, "params"), "sim");
    struct json fault = json_first(json_get_lit(sim, "fail"));
    int64_t n;
    if (!json_exists(fault))
        return false;
    struct json at = json_get_lit(fault, "attempt");
    return !json_exists(at) || (json_int(at, 1, 1000, &n) == OK && n == attempt);
}

static unsigned tries_of(const struct told *t)
{
    int64_t n = 1;
    struct json v = json_get_lit(json_get_lit(t->spec, "retry"), "attempts");
    if (json_exists(v))
        ck_assert_int_eq(json_int(v, 1, 1000, &n), OK);
    return (unsigned)n;
}

/* A retry that could only start past the deadline of a scope around is not waited for. */
static bool has_deadline(const struct told *t)
{
    for (; t != NULL; t = t->up) {
        if (has(t, "timeout_ms"))
            return true;
    }
    return of_case->is_stopped;
}

static void check_call(const struct told *t)
{
    if (ended_as(t, "failed")) {
        LAW(t->attempts > 0 && !t->is_attempt_good, t, "has failed after a good attempt");
        LAW(t->in_body == tries_of(t) || has_deadline(t) || of_case->is_crashed, t,
            "had tries left: %u", t->in_body);
        check_error(t, "provider_error", str_of(t->path));
        return;
    }
    LAW(t->attempts > 0 && t->is_attempt_good, t, "has succeeded after a bad attempt");
    if (has(t, "input") && !is_said(t, "model", "sim/story"))
        add(t->is_finally ? "\"done\"" : "\"I am %s\"", t->path);
    if (text_len > 0)
        check_text(t, "its answer", json_raw(t->output));
}

static void check_leaf(const struct told *t, int64_t at_ms)
{
    if (is_type(t, "call")) {
        check_call(t);
    } else if (is_type(t, "sleep")) {
        LAW(at_ms - t->begun_ms >= number(t, "duration_ms", 0), t, "woke early");
        LAW(json_is(t->output, JSON_NULL), t, "a sleep has a value");
    } else if (json_is(json_get_lit(t->spec, "value"), JSON_STRING)) {
        LAW(ended_as(t, "failed"), t, "a reference to nothing");
        check_error(t, "template_error", str_of(t->path));
    } else {
        struct json n = json_first(json_get_lit(t->spec, "value"));
        add("[%.*s,\"%s\"]", STR_ARG(json_raw(n)), t->path);
        check_text(t, "its value", json_raw(t->output));
    }
}

/* --- ending ----------------------------------------------------------------------------------- */

static void check_partial(const struct told *t, uint32_t n)
{
    add_list(t, n);
    check_text(t, "what is finished of it", json_raw(json_get_lit(t->error, "partial")));
    for (uint32_t i = n + 1; i < child_count(t); i++) {
        const struct told *rest = child(t, i);
        LAW(rest != NULL && (ended_as(rest, "skipped") || is_cut(rest)), t, "%u is not skipped",
            (unsigned)i);
    }
}

static bool has_failures(const struct told *t)
{
    unsigned n = add_failures(t);
    text_len = 0;
    return n > 0;
}

/* By the rules of its type, from what those below it became. */
static bool must_fail(const struct told *t)
{
    const struct told *by = decider(t);
    if (is_type(t, "first_success"))
        return by == NULL;
    if (settles(t))
        return false;
    return collects(t) ? has_failures(t) : by != NULL && is_bad(by);
}

static void check_composite(const struct told *t)
{
    const struct told *by = decider(t);
    LAW(ended_as(t, "failed") == must_fail(t), t, "is %s", t->state);
    LAW(ended_as(t, "succeeded") || ended_as(t, "failed"), t, "is %s", t->state);
    if (ended_as(t, "succeeded")) {
        add_value(t);
        check_text(t, "its value", json_raw(t->output));
    } else if (collects(t)) {
        check_error(t, "error_group", str_of(t->path));
    } else {
        add("%.*s", STR_ARG(json_raw(json_get_lit(by->error, "code"))));
        check_text(t, "its code", json_raw(json_get_lit(t->error, "code")));
        add("%.*s", STR_ARG(json_raw(json_get_lit(by->error, "task"))));
        check_text(t, "the task of its error", json_raw(json_get_lit(t->error, "task")));
        check_group(t);
    }
    if (ended_as(t, "failed") && is_type(t, "sequence"))
        check_partial(t, by->index);
}

/* Every child had its turn, or was told that it has none. */
static void check_children(const struct told *t)
{
    for (uint32_t i = 0; i < child_count(t); i++) {
        const struct told *c = child(t, i);
        LAW(c != NULL && c->has_ended, t, "ends, and %u has not", (unsigned)i);
        LAW(c->is_running || ended_as(c, "skipped") || ended_as(c, "cancelled"), c,
            "was never begun, and is %s", c->state);
    }
}

static void check_finally(const struct told *t)
{
    const struct told *finally = child(t, child_count(t));
    LAW((finally != NULL && finally->has_ended) == (has(t, "finally") && t->is_running), t,
        "its finally");
}

static void ends_now(struct told *t, int64_t at_ms)
{
    LAW(!t->has_ended, t, "ends twice");
    t->has_ended = true;
    t->order = ++ends;
    if (t->up != NULL && !t->is_finally)
        t->up->is_again = false; /* one that never begins is told as well */
    check_finally(t);
    if (t->up != NULL && t->is_running)
        t->up->live--;
    if (ended_as(t, "skipped")) {
        if (is_type(t->up, "dag"))
            check_step(t);
        LAW(!t->is_running, t, "is skipped and has begun");
        return;
    }
    if (!t->is_running) {
        LAW(ended_as(t, "cancelled"), t, "never began");
        return;
    }
    if (!is_leaf(t) && !t->is_again) /* else it was stopped in its pause */
        check_children(t);
    if (ended_as(t, "cancelled") || ended_as(t, "timed_out"))
        check_stopped(t, at_ms);
    else if (is_leaf(t))
        check_leaf(t, at_ms);
    else
        check_composite(t);
}

/* A body begins anew: so do all below. It may do so after a failure only. */
static void tries_again(struct told *t)
{
    if (is_type(t, "call")) {
        LAW(!t->is_attempt_good, t, "is tried again after a good attempt");
        return;
    }
    LAW(is_leaf(t) || must_fail(t), t, "is tried again and has not failed");
    LAW(t->live == 0, t, "is tried again while something goes on");
    LAW(!is_cancelling || is_shielded(t), t, "is tried again although its run is cancelled");
    t->is_again = true;
    for (unsigned i = 0; i < count; i++) {
        struct told *c = &tasks[i];
        if (c == t || !is_below(c, t))
            continue;
        LAW(!c->is_running || c->has_ended, c, "goes on although \"%s\" is tried again", t->path);
        if (ended_as(c, "cancelled"))
            forget_cut(c);
        c->is_running = c->has_ended = false;
        c->live = c->in_body = 0;
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void look_at_task(struct told *t, struct str type, struct json event, int64_t at_ms)
{
    if (str_eq(type, STR("task.running"))) {
        begins(t, at_ms);
    } else if (str_eq(type, STR("task.retrying"))) {
        tries_again(t);
    } else if (!str_eq(type, STR("task.blocked"))) {
        struct json data = json_get_lit(event, "data");
        str_copy(t->state, sizeof t->state, (struct str){type.at + 5, type.len - 5});
        ck_assert_int_eq(json_parse(&t->doc, json_raw(data), NULL), OK);
        t->output = json_get_lit(json_root(&t->doc), "output");
        t->error = json_get_lit(json_root(&t->doc), "error");
        ends_now(t, at_ms);
    }
}

static void look_at_attempt(struct told *t, struct str type, struct json event)
{
    int64_t n = 0;
    LAW(t->is_running && !t->has_ended, t, "has an attempt");
    if (str_eq(type, STR("attempt.started"))) {
        sums.attempts++;
        sums.calls += t->attempts++ == 0;
        t->in_body++;
    }
    ck_assert_int_eq(json_int(json_get_lit(event, "attempt"), 1, 100000, &n), OK);
    if (str_eq(type, STR("attempt.restarted"))) /* names the one that comes */
        n--;
    if (of_case->is_crashed)
        t->attempts = (unsigned)n; /* what was told of the one before may be lost */
    LAW(n == t->attempts, t, "attempt %u is told as %d", t->attempts, (int)n);
    t->is_attempt_good = str_eq(type, STR("attempt.succeeded"));
    if (t->is_attempt_good || str_eq(type, STR("attempt.failed")))
        LAW(is_told_to_fail(t, t->attempts) != t->is_attempt_good, t, "attempt %u", t->attempts);
    struct json usage = json_get_lit(json_get_lit(event, "data"), "usage");
    if (json_exists(usage) && json_int(json_get_lit(usage, "output_tokens"), 0, 100000, &n) == OK)
        sums.words += (unsigned)n;
}

static void look_at(const struct event_line *line, struct json_doc *doc)
{
    ck_assert_int_eq(json_parse(doc, line->json, NULL), OK);
    struct json event = json_root(doc), at = json_get_lit(event, "at");
    struct str path = json_raw(json_get_lit(event, "task")), stamp = json_raw(at);
    int64_t at_ms = 0;
    now_seq = line->seq;
    is_cancelling |= str_eq(line->type, STR("run.cancelling"));
    if (path.len < 2 || path.at[0] != '"')
        return;
    ck_assert(clock_parse((struct str){stamp.at + 1, stamp.len - 2}, &at_ms));
    struct told *t = need((struct str){path.at + 1, path.len - 2});
    if (line->type.len > 5 && memcmp(line->type.at, "task.", 5) == 0)
        look_at_task(t, line->type, event, at_ms);
    else if (line->type.len > 8 && memcmp(line->type.at, "attempt.", 8) == 0)
        look_at_attempt(t, line->type, event);
    else
        LAW(t->is_running && !t->has_ended, t, "says something");
}

void tree_laws_check(const struct tree_case *c, struct tree_sums *ret)
{
    struct str lines = c->events;
    struct event_line line;
    struct json_doc doc;
    of_case = c;
    sums = (struct tree_sums){0};
    count = ends = 0;
    is_cancelling = false;
    cut_count = c->cut_count;
    for (unsigned i = 0; i < cut_count; i++)
        cuts[i] = i;
    tasks = calloc(MAX_TASKS, sizeof *tasks);
    text = malloc(TEXT);
    text_len = 0;
    ck_assert(tasks != NULL && text != NULL);
    json_doc_init(&doc);
    json_doc_init(&tree);
    ck_assert_int_eq(json_parse(&tree, c->tree, NULL), OK);
    while (event_next_line(&lines, &line))
        look_at(&line, &doc);
    for (unsigned i = 0; i < count; i++) {
        LAW(tasks[i].has_ended || !tasks[i].is_running, &tasks[i], "has not ended");
        json_doc_fini(&tasks[i].doc);
    }
    sums.tasks = count;
    *ret = sums;
    json_doc_fini(&doc);
    json_doc_fini(&tree);
    free(tasks);
    free(text);
}
