/* The bus as SQLite reads it: how much it looks at, and that it finds everything. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rng.h"
#include "tests/support/sqlite_rig.h"
#include "tests/support/sqlite_steps.h"
#include "tests/support/store_calls.h"

Suite *suite_store_sqlite_bus(void);

static struct loop *loop;
static struct store *store;

static void set_up(void)
{
    log_to_fd(-1);
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
    sqlite_rig_make();
    sqlite_rig_options.readers = 1;
    store = sqlite_rig_open();
}

static void tear_down(void)
{
    store_close(store);
    sqlite_rig_remove();
    loop_destroy(loop);
    sqlite_steps_end();
}

/* --- in short --------------------------------------------------------------------------------- */

static uint64_t add_run(uint64_t n)
{
    uint64_t ref;
    struct run_record run = calls_run(n);
    run.seq = 0; /* without an event */
    ck_assert_int_eq(calls_accept(store, loop, &run, &ref), STORE_OK);
    return ref;
}

/* The first `n` segments of a run, with one event each, under `from_key` and the keys behind it. */
static void add_segments(uint64_t ref, int64_t from_key, int n)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d)"
             " INSERT INTO segment (key, run, first, last, lines) SELECT %lld + i, %llu, 1 + i,"
             " 1 + i, printf('{\"seq\":%%d,\"type\":\"output.delta\"}\n', 1 + i) FROM n",
             n, (long long)from_key, (unsigned long long)ref);
    sqlite_rig_sql(sql);
}

/* One read of a run's bus; the caller frees the lines. */
static struct store_bus read_bus_of(uint64_t run, struct bus_cursor after, size_t max_bytes)
{
    struct store_bus b = {.op.kind = STORE_BUS,
                          .tenant = STR("t"),
                          .types = EVENT_SET_ALL,
                          .has_run = true,
                          .run = calls_id(run),
                          .after = after,
                          .max_bytes = max_bytes};
    buf_init(&b.lines, 1 << 20);
    ck_assert_int_eq(calls_do(store, loop, &b.op), STORE_OK);
    return b;
}

static int steps_of_look(uint64_t run, int64_t key, int wanted_lines)
{
    (void)sqlite_steps_take();
    struct store_bus b = read_bus_of(run, (struct bus_cursor){.key = (uint64_t)key}, 1 << 20);
    struct str rest = buf_str(&b.lines);
    struct bus_line line;
    int lines = 0;
    for (; rest.len > 0; lines++)
        ck_assert(bus_next_line(&rest, &line));
    buf_fini(&b.lines);
    ck_assert_int_eq(lines, wanted_lines);
    int steps = sqlite_steps_take();
    ck_assert_int_gt(steps, 0);
    return steps;
}

/* --- cases ------------------------------------------------------------------------------------ */

/* Each look at a run walked over all its segments up to the cursor. */
START_TEST(a_look_at_the_end_of_a_long_run_costs_what_it_costs_at_a_short_one)
{
    enum { SHORT = 16, LONG = 65536, END = LONG + 1000, FEW_STEPS = 1000 };
    sqlite_steps_begin(SQLITE_STEPS_OF_READERS);
    add_segments(add_run(1), LONG + 1, SHORT);
    add_segments(add_run(2), 1, LONG);
    steps_of_look(1, END, 0); /* the first one opens the connection */
    int nothing_new = steps_of_look(1, END, 0);
    ck_assert_int_lt(steps_of_look(2, END, 0), nothing_new + FEW_STEPS);
    ck_assert_int_lt(steps_of_look(2, LONG + 1, 0), nothing_new + FEW_STEPS);
    int one_new = steps_of_look(1, LONG + SHORT, 1);
    ck_assert_int_lt(steps_of_look(2, LONG, 1), one_new + FEW_STEPS);
    ck_assert_int_lt(steps_of_look(2, LONG - 3, 4), one_new + FEW_STEPS);
}
END_TEST

enum { RUNS = 3, KEYS = 60 };

/* Three runs whose segments come in any order, with gaps between the keys (deleted runs, bulletins)
 * and one to four events each. */
static void add_mixture(struct rng *r, const uint64_t *refs)
{
    uint64_t next_seq[RUNS] = {1, 1, 1};
    for (int64_t key = 1; key < KEYS; key += 1 + (int64_t)rng_below(r, 3)) {
        uint64_t run = rng_below(r, RUNS), first = next_seq[run], last = first + rng_below(r, 4);
        struct buf sql;
        buf_init(&sql, 4096);
        buf_addf(&sql, "INSERT INTO segment VALUES (%lld, %llu, %llu, %llu, '", (long long)key,
                 (unsigned long long)refs[run], (unsigned long long)first,
                 (unsigned long long)last);
        calls_lines(&sql, first, last);
        buf_add_lit(&sql, "')");
        buf_add_char(&sql, '\0');
        sqlite_rig_sql(sql.data);
        buf_fini(&sql);
        next_seq[run] = last + 1;
    }
}

static int64_t seq_of(const struct bus_line *line)
{
    return strtoll(line->json.at + line->id.len + 15, NULL, 10); /* behind {"id":"..","seq": */
}

/* The run's events behind a cursor, read piece by piece, are those of its segments from that key
 * on. */
static void assert_complete(uint64_t run, uint64_t ref, int64_t key, size_t piece)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT first FROM segment WHERE run=%llu AND key >= %lld ORDER BY key",
             (unsigned long long)ref, (long long)key);
    int64_t seq = sqlite_rig_sql(sql), events = 0;
    struct bus_cursor at = {.key = (uint64_t)key};
    bool more = true;
    while (more) {
        struct store_bus b = read_bus_of(run, at, piece);
        struct str rest = buf_str(&b.lines);
        struct bus_line line;
        for (; rest.len > 0; events++) {
            ck_assert(bus_next_line(&rest, &line));
            ck_assert_int_eq(seq_of(&line), seq + events);
        }
        at = b.next;
        more = b.more;
        buf_fini(&b.lines);
    }
    snprintf(sql, sizeof sql,
             "SELECT ifnull(sum(last - first + 1), 0) FROM segment WHERE run=%llu AND key >= %lld",
             (unsigned long long)ref, (long long)key);
    ck_assert_int_eq(events, sqlite_rig_sql(sql));
}

START_TEST(from_every_cursor_the_rest_of_a_run_follows_once)
{
    struct rng r;
    uint64_t seed, refs[RUNS];
    rng_system(&seed, sizeof seed);
    rng_seed(&r, seed);
    for (uint64_t i = 0; i < RUNS; i++)
        refs[i] = add_run(i + 1);
    add_mixture(&r, refs);
    for (int64_t key = 0; key < KEYS + 2; key++) {
        for (uint64_t i = 0; i < RUNS; i++)
            assert_complete(i + 1, refs[i], key, 1 + rng_below(&r, 300));
    }
}
END_TEST

Suite *suite_store_sqlite_bus(void)
{
    Suite *s = suite_create("store/sqlite_bus");
    TCase *t = tcase_create("a run's bus");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_look_at_the_end_of_a_long_run_costs_what_it_costs_at_a_short_one);
    tcase_add_test(t, from_every_cursor_the_rest_of_a_run_follows_once);
    suite_add_tcase(s, t);
    return s;
}
