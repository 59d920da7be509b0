/* What holds for every tree (tests/support/tree_laws.h), on many that are made up, whatever is
 * stopped meanwhile; usage adds up; and a gateway that dies at any moment changes no outcome.
 *
 * A broken law names its seed: SLUICE_SEED=n looks at that tree alone, SLUICE_SEEDS=n at so many.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random_tree.h"
#include "tests/support/rig_ops.h"
#include "tests/support/tree_laws.h"

Suite *suite_runs_tree_laws(void);

enum { NODES = 40, DEPTH = 5, LONG_ENOUGH_MS = 600000, SEEDS = 300, SHARES = 10 };

static struct rig rig;
static struct created created;
static struct id id;
static struct buf body;

static void start_run(uint64_t seed, bool races, const char *more, enum way way, bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.breaker.failures = 0;
    o.providers[0].limiter.retry_budget = 100;
    o.on_sqlite = on_sqlite;
    rig_start(&rig, &o);
    buf_init(&body, 1 << 22);
    buf_addf(&body, "{%s\"task\":", more);
    random_tree_write(&body, seed, races, NODES, DEPTH);
    buf_addf(&body, "}%c", '\0');
    ck_assert_int_eq(buf_ok(&body), OK);
    id = rig_run(&rig, 0, body.data, way, &created);
}

static void finish(void)
{
    buf_fini(&body);
    rig_stop(&rig);
}

/* Those that one test looks at. */
static uint64_t first_seed(int share)
{
    const char *chosen = getenv("SLUICE_SEED");
    uint64_t seed = (uint64_t)share;
    if (chosen != NULL)
        seed = strtoull(chosen, NULL, 10);
    return seed % SHARES == (uint64_t)share ? seed : UINT64_MAX;
}

static uint64_t next_seed(uint64_t seed)
{
    const char *asked = getenv("SLUICE_SEEDS");
    uint64_t all = asked != NULL ? strtoull(asked, NULL, 10) : SEEDS;
    bool is_over = getenv("SLUICE_SEED") != NULL || seed + SHARES >= all;
    return is_over ? UINT64_MAX : seed + SHARES;
}

#define EACH_SEED(seed)                                                                            \
    for (uint64_t seed = first_seed(_i); seed != UINT64_MAX; seed = next_seed(seed))

/* --- the laws --------------------------------------------------------------------------------- */

static struct tree_case laws;
static struct rng moments;

static void begin(uint64_t seed, const char *more, enum way way)
{
    rng_seed(&moments, seed + 1000);
    start_run(seed, true, more, way, false);
    laws = (struct tree_case){.seed = seed};
}

static bool has_ended(void)
{
    const struct run_record *row = rig_row(&rig, &id);
    return row != NULL && run_state_is_terminal(row->state);
}

static void pass(uint64_t most_ms)
{
    rig_advance(&rig, 1 + rng_below(&moments, most_ms));
}

/* The tree, out of the body that is {..."task":TREE}. */
static struct str tree_of(struct str json)
{
    static const char mark[] = "\"task\":";
    const char *at = strstr(json.at, mark) + sizeof mark - 1;
    return (struct str){at, json.len - (size_t)(at - json.at) - 2};
}

static void check(void)
{
    struct tree_sums sums;
    ck_assert_msg(has_ended(), "seed %llu has not ended", (unsigned long long)laws.seed);
    const struct usage *usage = &rig_row(&rig, &id)->usage;
    laws.tree = tree_of(buf_str(&body));
    laws.events = rig_events(&rig, &id);
    tree_laws_check(&laws, &sums);
    if (laws.is_crashed)
        return;
    ck_assert_uint_eq(usage->attempts, sums.attempts);
    ck_assert_uint_eq(usage->calls, sums.calls);
    ck_assert_uint_eq(usage->output_tokens, sums.words);
}

static void end(void)
{
    rig_advance(&rig, LONG_ENOUGH_MS * 2);
    ck_assert_msg(laws.is_crashed || created.ended == 1, "seed %llu has not ended",
                  (unsigned long long)laws.seed);
    check();
    rig_forget(&created);
    finish();
}

static void cancel_run(void)
{
    if (has_ended())
        return;
    laws.is_stopped = rig_cancel(&rig, 0, &id) == OK; /* it may have ended, and not be stored */
}

START_TEST(the_laws_hold)
{
    EACH_SEED(seed)
    {
        begin(seed, "", WAITS);
        end();
    }
}
END_TEST

START_TEST(they_hold_under_a_cancel_at_any_moment)
{
    EACH_SEED(seed)
    {
        begin(seed, "", WAITS);
        pass(2500);
        cancel_run();
        end();
    }
}
END_TEST

START_TEST(they_hold_where_a_run_is_out_of_time)
{
    EACH_SEED(seed)
    {
        char more[64];
        snprintf(more, sizeof more, "\"timeout_ms\":%u,", (unsigned)(1 + seed * 37 % 2500));
        begin(seed, more, WAITS);
        laws.is_stopped = true; /* or will have ended by then */
        end();
    }
}
END_TEST

static bool is_end(struct str type)
{
    return str_eq(type, STR("task.succeeded")) || str_eq(type, STR("task.failed")) ||
           str_eq(type, STR("task.cancelled")) || str_eq(type, STR("task.timed_out"));
}

static bool has_end(struct str lines, struct str path)
{
    struct event_line line;
    while (event_next_line(&lines, &line)) {
        if (is_end(line.type) && str_eq(event_line_task(&line), path))
            return true;
    }
    return false;
}

/* One of those that are under way; false: none is. */
static bool pick_running(char path[64], uint64_t *ret_seq)
{
    struct str lines = rig_events(&rig, &id);
    struct event_line line;
    unsigned n = 0;
    while (event_next_line(&lines, &line)) {
        struct str at = event_line_task(&line);
        *ret_seq = line.seq;
        if (str_eq(line.type, STR("task.running")) && at.len > 0 && !has_end(lines, at) &&
            rng_below(&moments, ++n) == 0)
            str_copy(path, 64, at);
    }
    return n > 0;
}

static void cut_one(void)
{
    char *path = laws.cuts[laws.cut_count].path;
    uint64_t *seq = &laws.cuts[laws.cut_count].seq;
    if (!has_ended() && pick_running(path, seq) && rig_cancel_task(&rig, 0, &id, path) == OK)
        laws.cut_count++;
}

START_TEST(they_hold_where_tasks_are_cancelled)
{
    EACH_SEED(seed)
    {
        begin(seed, "", WAITS);
        for (unsigned n = 0; n < TREE_CUTS_MAX / 2; n++) {
            pass(600);
            cut_one();
        }
        if (seed % 4 == 0)
            cancel_run();
        end();
    }
}
END_TEST

/* --- crashes ---------------------------------------------------------------------------------- */

/* How a run ended; texts from malloc, since they outlive their rig. */
struct ending {
    enum run_state state;
    char *output, *error;
};

/* How often a call was tried is not part of the outcome: one that was lost counts. */
static void add_without_attempts(struct buf *b, struct str s)
{
    static const char mark[] = "\"attempts\":";
    for (size_t i = 0; i < s.len; i++) {
        buf_add_char(b, s.at[i]);
        size_t n = sizeof mark - 1;
        bool is_mark = i + 1 >= n && memcmp(s.at + i + 1 - n, mark, n) == 0;
        while (is_mark && i + 1 < s.len && s.at[i + 1] >= '0' && s.at[i + 1] <= '9')
            i++;
    }
}

static char *copy_without_attempts(struct str s)
{
    struct buf b;
    buf_init(&b, 1 << 22);
    add_without_attempts(&b, s.at != NULL ? s : STR("null"));
    ck_assert_int_eq(buf_ok(&b), OK);
    char *copy = strndup(b.data, b.len);
    buf_fini(&b);
    return copy;
}

static struct ending read_end(void)
{
    const struct run_record *r = rig_row(&rig, &id);
    return (struct ending){r->state, copy_without_attempts(r->output),
                           copy_without_attempts(r->error)};
}

static void forget_end(struct ending *e)
{
    free(e->output);
    free(e->error);
}

static void die_at_random(void)
{
    laws.is_crashed = true;
    for (int n = 0; n < 6; n++) {
        rig_advance(&rig, rng_below(&moments, 700));
        if (rng_below(&moments, 4) == 0)
            rig_restart(&rig);
        else
            rig_crash(&rig);
    }
}

static void compare(uint64_t seed, const struct ending *first, const struct ending *second)
{
    unsigned long long n = seed;
    ck_assert_msg(second->state == first->state, "seed %llu: %s, not %s", n,
                  run_state_name(second->state), run_state_name(first->state));
    ck_assert_msg(strcmp(second->output, first->output) == 0, "seed %llu:\n%s\nnot\n%s", n,
                  second->output, first->output);
    ck_assert_msg(strcmp(second->error, first->error) == 0, "seed %llu:\n%s\nnot\n%s", n,
                  second->error, first->error);
}

static void crash_one(uint64_t seed)
{
    rng_seed(&moments, seed + 1000);
    laws = (struct tree_case){.seed = seed};
    start_run(seed, false, "", PLAIN, false);
    rig_forget(&created);
    rig_advance(&rig, LONG_ENOUGH_MS);
    struct ending first = read_end();
    finish();
    start_run(seed, false, "", PLAIN, false);
    rig_forget(&created);
    die_at_random();
    rig_advance(&rig, LONG_ENOUGH_MS);
    check();
    struct ending second = read_end();
    compare(seed, &first, &second);
    forget_end(&first);
    forget_end(&second);
    finish();
}

START_TEST(a_gateway_that_dies_changes_no_outcome)
{
    EACH_SEED(seed)
    crash_one(seed);
}
END_TEST

START_TEST(they_hold_where_a_gateway_dies)
{
    EACH_SEED(seed)
    {
        begin(seed, "", PLAIN); /* so that it is stored by now */
        rig_forget(&created);
        die_at_random();
        if (seed % 3 == 0)
            cancel_run();
        end();
    }
}
END_TEST

Suite *suite_runs_tree_laws(void)
{
    Suite *s = suite_create("runs/tree_laws");
    TCase *t = tcase_create("laws");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, the_laws_hold, 0, SHARES);
    tcase_add_loop_test(t, they_hold_under_a_cancel_at_any_moment, 0, SHARES);
    tcase_add_loop_test(t, they_hold_where_a_run_is_out_of_time, 0, SHARES);
    tcase_add_loop_test(t, they_hold_where_tasks_are_cancelled, 0, SHARES);
    tcase_add_loop_test(t, they_hold_where_a_gateway_dies, 0, SHARES);
    tcase_add_loop_test(t, a_gateway_that_dies_changes_no_outcome, 0, SHARES);
    suite_add_tcase(s, t);
    return s;
}
