/* What the writer does when the disk does not do what it should, and how long its log grows. */
#include "store/sqlite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/sqlite_rig.h"
#include "tests/support/store_calls.h"

Suite *suite_store_sqlite_writer(void);

static struct loop *loop;
static struct store *store;

static void set_up(void)
{
    log_to_fd(-1); /* what goes wrong here goes wrong on purpose */
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
    sqlite_rig_make();
    store = sqlite_rig_open();
}

static void tear_down(void)
{
    faulty_vfs_disarm();
    store_close(store);
    sqlite_rig_remove();
    loop_destroy(loop);
}

static void wait_until_available(void)
{
    while (!store_is_available(store))
        calls_turn(loop);
}

/* The file as a whole: nothing broken, nothing that belongs to nobody. */
static void must_be_sound(void)
{
    store_close(store);
    ck_assert_int_eq(
        sqlite_rig_sql("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
        0);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    store = sqlite_rig_open();
}

/* --- a small world that is written while the disk fails --------------------------------------- */

enum { WORLD = 24 };

/* What the test knows of a run. */
struct known {
    struct run_record run;
    uint64_t ref;
    bool is_there; /* its accept was acknowledged */
    bool is_owed;  /* a save was not acknowledged: it is to be sent again */
    bool is_released;
};

static struct known world[WORLD];

static void accept_one(struct known *k, uint64_t n)
{
    *k = (struct known){.run = calls_run(n)};
    k->run.spec = STR("{\"agent\":\"echo\",\"metadata\":{\"a\":\"b\"}}");
    k->run.metadata = STR("{\"a\":\"b\"}");
    k->is_there = calls_accept(store, loop, &k->run, &k->ref) == STORE_OK;
}

static void save_one(struct known *k)
{
    if (!k->is_there || k->is_released)
        return;
    if (!k->is_owed) {
        k->run.state = k->run.seq > 2 ? RUN_SUCCEEDED : RUN_RUNNING;
        k->run.seq++;
    }
    bool release = run_state_is_terminal(k->run.state);
    enum store_result r =
        calls_save(store, loop, &k->run, k->ref, store->epoch, release, k->run.seq);
    ck_assert(r == STORE_OK || r == STORE_UNKNOWN || r == STORE_UNAVAILABLE);
    k->is_owed = r != STORE_OK;
    k->is_released = r == STORE_OK && release;
}

/* Accepts runs one after the other, and saves each of them three times. */
static void live(void)
{
    for (uint64_t n = 0; n < WORLD; n++) {
        accept_one(&world[n], n + 1);
        for (uint64_t back = 1; back <= 3 && back <= n; back++)
            save_one(&world[n - back]);
    }
}

static void settle(void)
{
    for (int n = 0; n < WORLD; n++) {
        while (world[n].is_owed)
            save_one(&world[n]);
    }
}

static void must_match(const struct known *k)
{
    struct store_get g;
    struct store_events e;
    enum store_result r = calls_get(store, loop, &k->run, &g);
    ck_assert_int_eq(r, k->is_there ? STORE_OK : STORE_ABSENT);
    if (k->is_there) {
        ck_assert_int_eq(g.run.state, k->run.state);
        ck_assert_uint_eq(g.run.seq, k->run.seq);
        struct buf wanted;
        buf_init(&wanted, 65536);
        calls_lines(&wanted, 1, k->run.seq);
        ck_assert_int_eq(calls_events(store, loop, &k->run, 0, 65536, &e), STORE_OK);
        ck_assert(str_eq(buf_str(&e.lines), buf_str(&wanted)));
        buf_fini(&e.lines);
        buf_fini(&wanted);
    }
    arena_fini(&g.arena);
}

static void world_must_match(void)
{
    int there = 0;
    for (int n = 0; n < WORLD; n++) {
        must_match(&world[n]);
        there += world[n].is_there;
    }
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM run"), there);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM label"), there);
}

static const struct fault faults[] = {
    {FAULT_WAL, FAULT_WRITE, .code = SQLITE_FULL},
    {FAULT_WAL, FAULT_WRITE, .code = SQLITE_IOERR_WRITE},
    {FAULT_WAL, FAULT_SYNC, .code = SQLITE_IOERR_FSYNC},
    {FAULT_WAL, FAULT_SYNC, .code = SQLITE_IOERR_FSYNC, .done = true},
    {FAULT_WAL, FAULT_WRITE, .code = SQLITE_IOERR_WRITE, .done = true},
};

enum { FAULTS = sizeof faults / sizeof faults[0], PLACES = 10 };

/* Whatever write or fsync fails, and wherever: what was acknowledged is there, what was not
 * accepted is not. */
START_TEST(after_one_failure_the_store_is_what_was_acknowledged)
{
    struct fault fault = faults[_i % FAULTS];
    fault.after = (unsigned)(_i / FAULTS) * 7;
    fault.times = 1;
    faulty_vfs_arm(&fault);
    for (uint64_t n = 0; n < WORLD; n++) {
        accept_one(&world[n], n + 1);
        wait_until_available();
        for (uint64_t back = 1; back <= 3 && back <= n; back++) {
            save_one(&world[n - back]);
            wait_until_available();
        }
    }
    settle();
    ck_assert_uint_eq(faulty_vfs_strikes(), 1);
    world_must_match();
    must_be_sound();
    world_must_match();
}
END_TEST

/* The same while the disk stays full for a while, with nobody waiting for it to come back. */
START_TEST(while_the_disk_is_full_nothing_is_acknowledged_and_then_it_heals)
{
    struct fault fault = faults[_i];
    fault.after = 20;
    fault.times = FAULT_FOR_EVER;
    faulty_vfs_arm(&fault);
    live();
    ck_assert_uint_gt(faulty_vfs_strikes(), 1);
    ck_assert(!world[WORLD - 1].is_there);
    struct store_claim c;
    enum store_result r = calls_claim(store, loop, "sim", 1, &c);
    ck_assert_msg(r == STORE_UNAVAILABLE || r == STORE_UNKNOWN, "%s", store_result_name(r));
    ck_assert_uint_eq(c.count, 0);
    arena_fini(&c.arena);
    ck_assert(!store_is_available(store));
    faulty_vfs_disarm();
    wait_until_available();
    settle();
    world_must_match();
    must_be_sound();
    world_must_match();
}
END_TEST

/* Reads go on meanwhile: the readers have connections of their own. */
START_TEST(what_is_stored_can_be_read_while_the_disk_is_full)
{
    accept_one(&world[0], 1);
    must_match(&world[0]);
    faulty_vfs_arm(
        &(struct fault){FAULT_WAL, FAULT_WRITE, .times = FAULT_FOR_EVER, .code = SQLITE_FULL});
    accept_one(&world[1], 2);
    ck_assert(!world[1].is_there);
    must_match(&world[0]);
    faulty_vfs_disarm();
    wait_until_available();
    must_match(&world[1]);
}
END_TEST

START_TEST(a_gateway_that_stops_while_the_disk_is_full_does_not_hang)
{
    accept_one(&world[0], 1);
    faulty_vfs_arm(&(struct fault){FAULT_WAL, FAULT_SYNC, .times = FAULT_FOR_EVER,
                                   .code = SQLITE_IOERR_FSYNC});
    accept_one(&world[1], 2);
    store_close(store);
    faulty_vfs_disarm();
    store = sqlite_rig_open();
    must_match(&world[0]);
}
END_TEST

START_TEST(a_claim_that_failed_leaves_everything_where_it_was)
{
    for (uint64_t n = 1; n <= 4; n++) {
        struct run_record run = calls_run(n);
        calls_accept_released(store, loop, &run);
    }
    faulty_vfs_arm(&(struct fault){FAULT_WAL, FAULT_SYNC, .times = 1, .code = SQLITE_IOERR_FSYNC,
                                   .done = true});
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, "sim", 3, &c), STORE_UNKNOWN);
    arena_fini(&c.arena);
    wait_until_available();
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM run WHERE owner = 0"), 4);
}
END_TEST

/* There is no place in which to note what is in doubt: then nothing doubtful is begun. */
START_TEST(without_memory_nothing_is_begun_that_could_be_forgotten)
{
    struct run_record run = calls_run(1), next = calls_run(2);
    struct store_change c = {.accept = true, .run = &run, .epoch = store->epoch};
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = &c, .count = 1};
    mem_fail_nth(1);
    ck_assert_int_eq(calls_do(store, loop, &b.op), STORE_UNAVAILABLE);
    mem_fail_nth(0);
    ck_assert_int_eq(c.result, STORE_UNAVAILABLE);
    ck_assert(store_is_available(store));
    ck_assert_int_eq(calls_accept(store, loop, &next, NULL), STORE_OK);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM run"), 1);
}
END_TEST

/* --- checkpoints that fail -------------------------------------------------------------------- */

/* A run whose event is so long that the log is worth a checkpoint. */
static void accept_large(uint64_t n, size_t bytes)
{
    struct run_record run = calls_run(n);
    char *lines = mem_alloc(bytes);
    memset(lines, 'x', bytes);
    struct store_segment segment = {.first_seq = 1, .last_seq = 1, .lines = {lines, bytes}};
    struct store_change c = {.accept = true,
                             .run = &run,
                             .epoch = store->epoch,
                             .segments = &segment,
                             .segment_count = 1};
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = &c, .count = 1, .bytes = bytes};
    ck_assert_int_eq(calls_do(store, loop, &b.op), STORE_OK);
    ck_assert_int_eq(c.result, STORE_OK);
    mem_free(lines);
}

START_TEST(a_checkpoint_that_fails_is_a_failure_of_the_disk)
{
    faulty_vfs_arm(&(struct fault){FAULT_DB, _i == 0 ? FAULT_WRITE : FAULT_SYNC,
                                   .times = FAULT_FOR_EVER,
                                   .code = _i == 0 ? SQLITE_FULL : SQLITE_IOERR_FSYNC});
    accept_large(1, 4 << 20); /* committed, and too large for the log to be left as it is */
    while (store_is_available(store))
        calls_turn(loop);
    faulty_vfs_disarm();
    wait_until_available();
    accept_large(2, 4 << 20);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM run"), 2);
    must_be_sound();
}
END_TEST

/* --- the log ---------------------------------------------------------------------------------- */

enum { MIB = 1 << 20 };

START_TEST(the_log_is_used_again_when_there_is_nothing_to_do)
{
    for (uint64_t n = 1; n <= 16; n++)
        accept_large(n, 2 * MIB);
    ck_assert_int_lt(faulty_vfs_take_wal_peak(), 8 * MIB);
}
END_TEST

struct load {
    struct store_batch base;
    struct store_change change;
    struct store_segment segment;
    struct run_record run;
    bool is_out;
};

static unsigned load_done, load_sent;

static void send_load(struct load *l, struct str lines)
{
    l->run = calls_run(100 + load_sent++);
    l->segment = (struct store_segment){.first_seq = 1, .last_seq = 1, .lines = lines};
    l->change = (struct store_change){.accept = true,
                                      .run = &l->run,
                                      .epoch = store->epoch,
                                      .segments = &l->segment,
                                      .segment_count = 1};
    l->base.changes = &l->change;
    l->base.count = 1;
    l->base.bytes = lines.len;
    l->is_out = true;
    store_start(store, &l->base.op);
}

static void on_load_done(struct store_op *op)
{
    struct load *l = CONTAINER_OF(op, struct load, base.op);
    ck_assert_int_eq(l->change.result, STORE_OK);
    l->is_out = false;
    load_done++;
}

/* Writes `total` batches of 256 KiB, with so many under way at once that the writer never runs dry.
 */
static void keep_busy(unsigned total)
{
    enum { WINDOW = 24 };
    static struct load window[WINDOW];
    static char lines[256 * 1024];
    memset(lines, 'y', sizeof lines);
    for (unsigned i = 0; i < WINDOW; i++)
        window[i].base.op =
            (struct store_op){.kind = STORE_BATCH, .loop = loop, .on_done = on_load_done};
    unsigned until = load_done + total;
    while (load_done < until) {
        for (unsigned i = 0; i < WINDOW; i++) {
            if (!window[i].is_out && load_sent < until)
                send_load(&window[i], (struct str){lines, sizeof lines});
        }
        calls_turn(loop);
    }
}

START_TEST(the_log_stays_bounded_under_load)
{
    load_done = load_sent = 0;
    keep_busy(480); /* 120 MiB */
    ck_assert_int_lt(faulty_vfs_take_wal_peak(), 64 * MIB);
}
END_TEST

/* A connection that has begun to read and does not end. */
static sqlite3 *begin_reading(void)
{
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(sqlite_rig_path(), &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM run", NULL, NULL, NULL),
                     SQLITE_OK);
    return db;
}

START_TEST(a_long_reader_makes_the_log_grow_and_its_end_stops_that)
{
    load_done = load_sent = 0;
    accept_large(1, MIB);
    sqlite3 *reader = begin_reading();
    keep_busy(80); /* 20 MiB */
    int64_t grown = faulty_vfs_take_wal_peak();
    ck_assert_int_gt(grown, 20 * MIB);
    sqlite3_close(reader);
    for (uint64_t n = 2; n <= 12; n++)
        accept_large(n, 4 * MIB);
    ck_assert_int_lt(faulty_vfs_take_wal_peak(), grown + 6 * MIB);
}
END_TEST

START_TEST(a_reader_that_never_ends_does_not_stop_the_writer)
{
    load_done = load_sent = 0;
    sqlite3 *reader = begin_reading();
    keep_busy(300); /* 75 MiB: beyond the size from which readers are waited for */
    ck_assert_int_gt(faulty_vfs_take_wal_peak(), 64 * MIB);
    keep_busy(40);
    sqlite3_close(reader);
    keep_busy(40);
    must_be_sound();
}
END_TEST

START_TEST(closing_leaves_no_log_behind)
{
    accept_large(1, MIB);
    store_close(store);
    char path[600];
    snprintf(path, sizeof path, "%s-wal", sqlite_rig_path());
    FILE *wal = fopen(path, "re");
    if (wal != NULL) {
        ck_assert_int_eq(fseek(wal, 0, SEEK_END), 0);
        ck_assert_int_eq(ftell(wal), 0);
        fclose(wal);
    }
    store = sqlite_rig_open();
}
END_TEST

/* --- dying ------------------------------------------------------------------------------------ */

START_TEST(a_copy_taken_at_any_moment_is_a_database_with_what_was_acknowledged)
{
    /* What kill -9 leaves is the file and its log as they are. */
    char command[2048], copy[600];
    snprintf(copy, sizeof copy, "%s.copy", sqlite_rig_path());
    live();
    snprintf(command, sizeof command, "cp %s %s && cp %s-wal %s-wal", sqlite_rig_path(), copy,
             sqlite_rig_path(), copy);
    ck_assert_int_eq(system(command), 0);
    store_close(store);
    sqlite_rig_options.path = copy;
    store = sqlite_rig_open();
    for (int n = 0; n < WORLD; n++)
        must_match(&world[n]);
}
END_TEST

Suite *suite_store_sqlite_writer(void)
{
    Suite *s = suite_create("store/sqlite_writer");
    TCase *t = tcase_create("failures");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, after_one_failure_the_store_is_what_was_acknowledged, 0,
                        FAULTS * PLACES);
    tcase_add_loop_test(t, while_the_disk_is_full_nothing_is_acknowledged_and_then_it_heals, 0,
                        FAULTS);
    tcase_add_test(t, what_is_stored_can_be_read_while_the_disk_is_full);
    tcase_add_test(t, a_gateway_that_stops_while_the_disk_is_full_does_not_hang);
    tcase_add_test(t, a_claim_that_failed_leaves_everything_where_it_was);
    tcase_add_test(t, without_memory_nothing_is_begun_that_could_be_forgotten);
    tcase_add_loop_test(t, a_checkpoint_that_fails_is_a_failure_of_the_disk, 0, 2);
    tcase_add_test(t, a_copy_taken_at_any_moment_is_a_database_with_what_was_acknowledged);
    suite_add_tcase(s, t);
    t = tcase_create("the log");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_log_is_used_again_when_there_is_nothing_to_do);
    tcase_add_test(t, the_log_stays_bounded_under_load);
    tcase_add_test(t, a_long_reader_makes_the_log_grow_and_its_end_stops_that);
    tcase_add_test(t, a_reader_that_never_ends_does_not_stop_the_writer);
    tcase_add_test(t, closing_leaves_no_log_behind);
    suite_add_tcase(s, t);
    return s;
}
