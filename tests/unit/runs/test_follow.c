/* Readers of a run: every event once, in order, from any seq, on any loop, whatever becomes of the
 * run and however slowly they pull. */
#include "runs/follow.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_follow(void);

static struct rig rig;
static struct created created;
static struct id id;

#define SIM(params) "\"params\":{\"sim\":{" params "}}"
#define STORY       "{\"agent\":\"story\"," SIM("\"gap_ms\":10,\"tokens\":10") "}"
#define LONG        "{\"agent\":\"story\"," SIM("\"gap_ms\":1,\"tokens\":2000") "}"
#define ALL                                                                                        \
    "run.queued run.running task.running attempt.started output.delta attempt.succeeded "          \
    "task.succeeded run.finished"

enum { STORY_EVENTS = 17 };

static void start(bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    o.on_sqlite = on_sqlite;
    o.limits.reader_bytes = 4096;
    rig_start(&rig, &o);
}

static void finish(void)
{
    rig_forget(&created);
    rig_stop(&rig);
}

/* The events behind `after`, cut out of all there are. */
static struct str behind(struct str all, uint64_t after)
{
    struct event_line line;
    struct str rest = all;
    while (event_next_line(&rest, &line) && line.seq <= after)
        all = rest;
    return all;
}

static void must_have_read(const struct reader *r, struct str all, uint64_t after)
{
    struct str wanted = behind(all, after);
    ck_assert_uint_eq(r->out.len, wanted.len);
    ck_assert_int_eq(memcmp(r->out.data != NULL ? r->out.data : "", wanted.at, wanted.len), 0);
    ck_assert(follow_is_over(r->follow));
}

/* --- from any seq ----------------------------------------------------------------------------- */

/* One reader for each seq, half of them on the other loop, at each moment of the run's life. */
START_TEST(every_reader_gets_what_lies_behind_its_seq_and_nothing_twice)
{
    struct reader readers[STORY_EVENTS];
    uint64_t joins_ms = (uint64_t)_i / 2 * 15;
    start(_i % 2 == 1);
    id = rig_run(&rig, 0, STORY, STREAMS, &created);
    rig_advance(&rig, joins_ms);
    for (uint32_t i = 0; i < STORY_EVENTS; i++)
        rig_read(&rig, i % 2, &id, i, true, &readers[i]);
    rig_advance(&rig, 1000);
    struct str all = rig_events(&rig, &id);
    ck_assert_str_eq(rig_types(all), ALL);
    for (uint32_t i = 0; i < STORY_EVENTS; i++) {
        must_have_read(&readers[i], all, i);
        ck_assert_uint_eq(readers[i].opened, 1);
        rig_close(&readers[i]);
    }
    finish();
}
END_TEST

START_TEST(whoever_has_all_of_an_ended_run_is_told_so)
{
    struct reader reader;
    start(_i % 2 == 1);
    id = rig_run(&rig, 0, STORY, PLAIN, &created);
    rig_advance(&rig, 1000);
    uint64_t last = 0;
    enum run_state state;
    ck_assert_int_eq(rig_get(&rig, 0, &id, &state, &last), OK);
    for (uint64_t after = last - 1; after <= last + 2; after++) {
        rig_read(&rig, (uint32_t)_i / 2, &id, after, true, &reader);
        rig_settle(&rig);
        ck_assert_int_eq(reader.follow->opened, OK);
        ck_assert(follow_is_over(reader.follow));
        ck_assert(reader.follow->is_past_end == (after >= last));
        ck_assert(after < last ? reader.out.len > 0 : reader.out.len == 0);
        rig_close(&reader);
    }
    finish();
}
END_TEST

/* Its question is answered in the turn in which the run leaves: the answer must not overtake that.
 */
START_TEST(a_reader_that_comes_as_the_run_leaves_is_not_forgotten)
{
    struct reader reader;
    struct rig_options options = rig_options_default();
    options.loops = 1;
    rig_start(&rig, &options);
    id = rig_run(&rig, 0, STORY, PLAIN, &created);
    store_fake_hold(rig.fake);
    rig_advance(&rig, 1000); /* its end waits for its commit */
    ck_assert_ptr_nonnull(rig_live(&rig, &id));
    rig_read(&rig, 0, &id, 1000, true, &reader);
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    ck_assert(follow_is_over(reader.follow));
    ck_assert_uint_eq(reader.out.len, 0);
    rig_close(&reader);
    finish();
}
END_TEST

START_TEST(a_seq_beyond_what_was_told_is_waited_for)
{
    struct reader reader;
    start(false);
    id = rig_run(&rig, 0, STORY, STREAMS, &created);
    rig_read(&rig, (uint32_t)_i, &id, 14, true, &reader);
    rig_settle(&rig);
    ck_assert_uint_eq(reader.opened, 1);
    rig_advance(&rig, 50);
    ck_assert_uint_eq(reader.out.len, 0);
    rig_advance(&rig, 1000);
    must_have_read(&reader, rig_events(&rig, &id), 14);
    rig_close(&reader);
    finish();
}
END_TEST

START_TEST(nobody_reads_a_run_that_is_not_there_or_not_his)
{
    struct follow_options o = {.tenant = STR("other"), .types = EVENT_SET_ALL, .to_the_end = true};
    struct reader reader;
    struct id nobody = {.bytes = {1}};
    start(false);
    id = rig_run(&rig, 0, STORY, STREAMS, &created);
    rig_read(&rig, 0, &nobody, 0, true, &reader);
    rig_settle(&rig);
    ck_assert_int_eq(reader.follow->opened, ERR_NOT_FOUND);
    o.on_opened = reader.follow->options.on_opened;
    o.on_ready = reader.follow->options.on_ready;
    rig_close(&reader);
    reader = (struct reader){.pulls = true};
    o.id = id;
    o.ctx = &reader;
    ck_assert_int_eq(follow_open(rig_shard(&rig, (uint32_t)_i), &o, &reader.follow), OK);
    rig_settle(&rig);
    ck_assert_int_eq(reader.follow->opened, ERR_NOT_FOUND);
    ck_assert_uint_eq(reader.out.len, 0);
    rig_close(&reader);
    finish();
}
END_TEST

/* --- slow readers ----------------------------------------------------------------------------- */

/* It pulls a little now and then, falls behind, and still gets all of it once. */
START_TEST(a_reader_that_lags_behind_reader_bytes_gets_all_of_it)
{
    struct reader reader;
    start(_i / 2 == 1);
    id = rig_run(&rig, 0, LONG, STREAMS, &created);
    rig_read(&rig, (uint32_t)_i % 2, &id, 0, false, &reader);
    bool was_behind = false;
    for (int n = 0; n < 400; n++) {
        rig_advance(&rig, 10);
        if (reader.follow->is_opened && !follow_is_over(reader.follow))
            follow_pull(reader.follow, &reader.out, reader.out.len + 600);
        ck_assert_uint_le(reader.follow->queue_bytes, 4096 + 65536);
        was_behind |= reader.follow->is_behind;
    }
    ck_assert(was_behind);
    for (int n = 0; n < 10000 && !follow_is_over(reader.follow); n++) {
        follow_pull(reader.follow, &reader.out, reader.out.len + 8192);
        rig_settle(&rig);
    }
    must_have_read(&reader, rig_events(&rig, &id), 0);
    rig_close(&reader);
    finish();
}
END_TEST

START_TEST(a_reader_that_stops_pulling_holds_up_nobody)
{
    struct reader slow, quick;
    start(false);
    id = rig_run(&rig, 0, LONG, STREAMS, &created);
    rig_read(&rig, (uint32_t)_i, &id, 0, false, &slow);
    rig_read(&rig, (uint32_t)_i, &id, 0, true, &quick);
    rig_advance(&rig, 5000);
    must_have_read(&quick, rig_events(&rig, &id), 0);
    ck_assert_ptr_null(rig_live(&rig, &id)); /* it has ended and gone */
    ck_assert_uint_le(slow.follow->queue_bytes, 4096 + 65536);
    rig_close(&quick);
    rig_close(&slow);
    finish();
}
END_TEST

/* --- what becomes of the run ------------------------------------------------------------------ */

START_TEST(a_reader_of_a_run_that_is_deleted_comes_to_an_end)
{
    struct reader reader;
    start(false);
    id = rig_run(&rig, 0, LONG, PLAIN, &created);
    rig_read(&rig, (uint32_t)_i, &id, 0, false, &reader);
    rig_advance(&rig, 5000);
    ck_assert_int_eq(rig_delete(&rig, 0, &id), OK);
    for (int n = 0; n < 100 && !follow_is_over(reader.follow); n++) {
        rig_pull(&reader);
        rig_settle(&rig);
    }
    ck_assert(follow_is_over(reader.follow));
    rig_close(&reader);
    rig_read(&rig, 0, &id, 0, true, &reader);
    rig_settle(&rig);
    ck_assert_int_eq(reader.follow->opened, ERR_NOT_FOUND);
    rig_close(&reader);
    finish();
}
END_TEST

START_TEST(a_reader_of_a_queued_run_follows_it_into_memory)
{
    struct rig_options o = rig_options_default();
    struct created first;
    struct reader reader;
    o.limits.live_runs = 1;
    rig_start(&rig, &o);
    rig_run(&rig, 0, "{\"agent\":\"story\"," SIM("\"first_ms\":2000,\"tokens\":1") "}", PLAIN,
            &first);
    id = rig_run(&rig, 0, STORY, PLAIN, &created);
    rig_read(&rig, (uint32_t)_i, &id, 0, true, &reader);
    rig_advance(&rig, 100);
    ck_assert_str_eq(rig_types(buf_str(&reader.out)), "run.queued");
    rig_advance(&rig, 4000);
    must_have_read(&reader, rig_events(&rig, &id), 0);
    rig_close(&reader);
    rig_forget(&first);
    finish();
}
END_TEST

START_TEST(readers_beyond_readers_per_run_are_refused_until_one_leaves)
{
    struct rig_options o = rig_options_default();
    struct reader readers[4];
    o.limits.readers_per_run = 3;
    rig_start(&rig, &o);
    id = rig_run(&rig, 0, "{\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}", PLAIN,
                 &created);
    for (uint32_t i = 0; i < 4; i++) {
        rig_read(&rig, i % 2, &id, 0, true, &readers[i]);
        rig_settle(&rig);
        ck_assert_int_eq(readers[i].follow->opened, i < 3 ? OK : ERR_OVERLOADED);
    }
    rig_close(&readers[3]);
    rig_close(&readers[1]);
    rig_settle(&rig);
    rig_read(&rig, 0, &id, 0, true, &readers[3]);
    rig_settle(&rig);
    ck_assert_int_eq(readers[3].follow->opened, OK);
    rig_close(&readers[0]);
    rig_close(&readers[2]);
    rig_close(&readers[3]);
    finish();
}
END_TEST

/* Closed at any moment of its own life, with what it has started under way. */
START_TEST(a_reader_may_be_closed_at_any_moment)
{
    struct reader reader;
    start(false);
    id = rig_run(&rig, 0, STORY, STREAMS, &created);
    if (_i / 8 == 1)
        rig_advance(&rig, 2000);
    store_fake_hold_reads(rig.fake);
    rig_read(&rig, (uint32_t)_i % 2, &id, (uint64_t)_i / 2 % 2 * 5, _i / 4 % 2 == 0, &reader);
    if (_i % 8 >= 4)
        loop_turn(rig.loops[1]);
    if (_i % 8 >= 6)
        loop_turn(rig.loops[0]);
    rig_close(&reader);
    store_fake_let_reads_go(rig.fake);
    rig_advance(&rig, 2000);
    finish(); /* nothing is left behind */
}
END_TEST

/* --- when it may be told ---------------------------------------------------------------------- */

START_TEST(state_is_told_after_its_commit_and_deltas_never_pass_it)
{
    struct reader reader;
    start(false);
    store_fake_hold(rig.fake);
    ck_assert_int_eq(rig_create(&rig, 0, STORY, STREAMS, NULL, &created), OK);
    id = created.accept.id;
    rig_read(&rig, (uint32_t)_i, &id, 0, true, &reader);
    rig_advance(&rig, 60);
    ck_assert_uint_eq(reader.out.len, 0); /* it runs, and run.queued is not committed */
    store_fake_let_go(rig.fake);
    store_fake_hold(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_gt(reader.out.len, 0);
    rig_advance(&rig, 1000);
    ck_assert(!rig_text_has(buf_str(&reader.out), "run.finished"));
    ck_assert(!rig_text_has(buf_str(&reader.out), "task.succeeded"));
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 100);
    must_have_read(&reader, rig_events(&rig, &id), 0);
    rig_close(&reader);
    finish();
}
END_TEST

/* While the store is away its readers wait, and go on when it is back. */
START_TEST(readers_outlast_a_store_that_is_away)
{
    struct reader reader;
    start(false);
    id = rig_run(&rig, 0, STORY, STREAMS, &created);
    rig_read(&rig, (uint32_t)_i, &id, 0, true, &reader);
    rig_advance(&rig, 40);
    store_fake_fail_commit(rig.fake, true);
    rig_advance(&rig, 3000);
    ck_assert(!follow_is_over(reader.follow));
    store_fake_heal(rig.fake);
    rig_advance(&rig, 3000);
    struct str all = rig_events(&rig, &id);
    ck_assert_str_eq(rig_types(all), ALL);
    must_have_read(&reader, all, 0);
    rig_close(&reader);
    finish();
}
END_TEST

Suite *suite_runs_follow(void)
{
    Suite *s = suite_create("runs/follow");
    TCase *t = tcase_create("readers");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_reader_gets_what_lies_behind_its_seq_and_nothing_twice, 0, 22);
    tcase_add_loop_test(t, whoever_has_all_of_an_ended_run_is_told_so, 0, 4);
    tcase_add_test(t, a_reader_that_comes_as_the_run_leaves_is_not_forgotten);
    tcase_add_loop_test(t, a_seq_beyond_what_was_told_is_waited_for, 0, 2);
    tcase_add_loop_test(t, nobody_reads_a_run_that_is_not_there_or_not_his, 0, 2);
    tcase_add_loop_test(t, a_reader_that_lags_behind_reader_bytes_gets_all_of_it, 0, 4);
    tcase_add_loop_test(t, a_reader_that_stops_pulling_holds_up_nobody, 0, 2);
    tcase_add_loop_test(t, a_reader_of_a_run_that_is_deleted_comes_to_an_end, 0, 2);
    tcase_add_loop_test(t, a_reader_of_a_queued_run_follows_it_into_memory, 0, 2);
    tcase_add_test(t, readers_beyond_readers_per_run_are_refused_until_one_leaves);
    tcase_add_loop_test(t, a_reader_may_be_closed_at_any_moment, 0, 16);
    tcase_add_loop_test(t, state_is_told_after_its_commit_and_deltas_never_pass_it, 0, 2);
    tcase_add_loop_test(t, readers_outlast_a_store_that_is_away, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
