/* Runs that wait in the store: who waits there, who is taken out, and when; and that nobody is
 * counted who does not wait any more. */
#include "runs/claim.h"

#include <check.h>
#include <stdio.h>

#include "tests/support/rig_ops.h"

Suite *suite_runs_claim(void);

enum { MANY = 40 };

static struct rig rig;
static struct created created[MANY];
static struct id ids[MANY];

#define SLOW "{\"agent\":\"story\",\"params\":{\"sim\":{\"tokens\":1,\"first_ms\":1000}}}"

static struct rig_options two_live(void)
{
    struct rig_options o = rig_options_default();
    o.limits.live_runs = 2;
    return o;
}

static void create_many(int from, int to)
{
    for (int i = from; i < to; i++)
        ids[i] = rig_run(&rig, (uint32_t)i % rig.options.loops, SLOW, PLAIN, &created[i]);
}

static void forget_many(int n)
{
    for (int i = 0; i < n; i++)
        rig_forget(&created[i]);
}

static int count(int n, enum run_state state)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found += rig_row(&rig, &ids[i])->state == state;
    return found;
}

static int64_t queued(void)
{
    return (int64_t)atomic_load(&rig.engine->queued);
}

static struct gate *gate(void)
{
    return rig.engine->shards[0].catalog->upstreams[0]->gate;
}

/* --- room in memory --------------------------------------------------------------------------- */

START_TEST(runs_past_live_runs_wait_in_the_store_and_come_in_as_others_end)
{
    struct rig_options o = two_live();
    rig_start(&rig, &o);
    create_many(0, 10);
    ck_assert_uint_eq(engine_live(rig.engine), 2);
    ck_assert_int_eq(queued(), 8);
    for (int i = 0; i < 200; i++) {
        rig_advance(&rig, 30);
        ck_assert_uint_le(engine_live(rig.engine), 2);
    }
    ck_assert_int_eq(count(10, RUN_SUCCEEDED), 10);
    ck_assert_int_eq(queued(), 0);
    ck_assert_uint_eq(gate_backlog(gate()), 0);
    forget_many(10);
    rig_stop(&rig);
}
END_TEST

/* Each claim saw the room that those before it were about to take. */
START_TEST(claims_of_several_lanes_share_the_room_in_memory)
{
    struct rig_options o = rig_options_default();
    o.limits.live_runs = 3;
    o.providers[1] = o.providers[2] = o.providers[0];
    o.providers[1].name = "other";
    o.providers[2].name = "third";
    o.agents = "{\"a\":{\"model\":\"sim/story\"},\"b\":{\"model\":\"other/story\"},"
               "\"c\":{\"model\":\"third/story\"}}";
    rig_start(&rig, &o);
    for (int i = 0; i < 21; i++) {
        char body[128];
        snprintf(body, sizeof body,
                 "{\"agent\":\"%c\",\"params\":{\"sim\":{\"tokens\":1,\"first_ms\":500}}}",
                 'a' + i % 3);
        ids[i] = rig_run(&rig, 0, body, PLAIN, &created[i]);
    }
    ck_assert_int_eq(queued(), 18);
    for (int i = 0; i < 200; i++) {
        rig_advance(&rig, 30);
        ck_assert_uint_le(engine_live(rig.engine), 3);
    }
    ck_assert_int_eq(count(21, RUN_SUCCEEDED), 21);
    forget_many(21);
    rig_stop(&rig);
}
END_TEST

START_TEST(runs_past_memory_bytes_wait_in_the_store_and_come_in_as_others_end)
{
    struct rig_options o = rig_options_default();
    o.limits.memory_bytes = 1;
    rig_start(&rig, &o);
    create_many(0, 5);
    ck_assert_uint_eq(engine_live(rig.engine), 1);
    rig_advance(&rig, 6000);
    ck_assert_int_eq(count(5, RUN_SUCCEEDED), 5);
    ck_assert_int_eq(queued(), 0);
    forget_many(5);
    rig_stop(&rig);
}
END_TEST

/* --- nobody is counted who does not wait any more --------------------------------------------- */

static void on_stopped(struct run_stop *s)
{
    s->ctx = s;
}

static struct run_stop stop_run(const struct id *id, uint32_t shard)
{
    static struct run_stop s;
    s = (struct run_stop){.shard = rig_shard(&rig, shard),
                          .tenant = STR("t"),
                          .id = *id,
                          .reason = {.code = REASON_CLIENT_REQUEST},
                          .on_done = on_stopped};
    run_stop_start(&s);
    rig_settle(&rig);
    ck_assert_ptr_eq(s.ctx, &s);
    return s;
}

/* A queued run that was cancelled stayed in the count of those that wait, until nothing could be
 * accepted any more. */
START_TEST(a_queued_run_that_is_cancelled_waits_no_longer)
{
    struct rig_options o = two_live();
    rig_start(&rig, &o);
    create_many(0, 5);
    ck_assert_int_eq(queued(), 3);
    stop_run(&ids[3], 1);
    ck_assert_int_eq(rig_row(&rig, &ids[3])->state, RUN_CANCELLED);
    ck_assert_int_eq(queued(), 2);
    ck_assert_uint_eq(gate_backlog(gate()), 2);
    rig_advance(&rig, 6000);
    ck_assert_int_eq(queued(), 0);
    ck_assert_uint_eq(gate_backlog(gate()), 0);
    forget_many(5);
    rig_stop(&rig);
}
END_TEST

/* What the store says to a run that was to wait there. */
START_TEST(a_run_that_is_not_accepted_does_not_wait)
{
    struct rig_options o = two_live();
    rig_start(&rig, &o);
    ck_assert_int_eq(rig_create(&rig, 0, SLOW, PLAIN, "key", &created[0]), OK);
    rig_settle(&rig);
    create_many(1, 4);
    ck_assert_int_eq(queued(), 2);
    if (_i == 0)
        ck_assert_int_eq(rig_create(&rig, 0, SLOW, PLAIN, "key", &created[4]), OK);
    else
        store_fake_fail_commit(rig.fake, _i == 1);
    if (_i != 0)
        ck_assert_int_eq(rig_create(&rig, 0, SLOW, PLAIN, NULL, &created[4]), OK);
    rig_settle(&rig);
    ck_assert_uint_eq(created[4].accepted, 1);
    ck_assert_int_eq(created[4].accept.refused, _i == 0 ? OK : ERR_STORAGE_UNAVAILABLE);
    ck_assert_int_eq(queued(), 2);
    ck_assert_uint_eq(gate_backlog(gate()), 2);
    store_fake_heal(rig.fake);
    rig_advance(&rig, 6000);
    ck_assert_int_eq(queued(), 0);
    ck_assert_uint_eq(gate_backlog(gate()), 0);
    ck_assert_int_eq(rig_row(&rig, &ids[3])->state, RUN_SUCCEEDED);
    forget_many(5);
    rig_stop(&rig);
}
END_TEST

/* --- parked runs ------------------------------------------------------------------------------ */

/* Fails once, and is tried again after a minute. */
#define RETRIES                                                                                      \
    "{\"task\":{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"x\",\"retry\":{\"attempts\":2," \
    "\"base_ms\":60000,\"max_ms\":60000,\"jitter\":\"none\"},"                                       \
    "\"params\":{\"sim\":{\"fail\":[{\"as\":\"status\",\"attempt\":1}]}}}}"

#define RETRIED                                                                                    \
    "run.queued run.running task.running attempt.started attempt.failed task.retrying "            \
    "run.waiting run.running attempt.started output.delta attempt.succeeded task.succeeded "       \
    "run.finished"

static uint64_t owner(int i)
{
    uint64_t epoch;
    ck_assert_ptr_nonnull(store_fake_row(rig.fake, &ids[i], &epoch));
    return epoch;
}

/* Nobody ever took it out of memory: it counted against live_runs for as long as it slept. */
START_TEST(a_run_that_sleeps_is_a_row_and_comes_back_when_its_time_has_come)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    ids[0] = rig_run(&rig, (uint32_t)_i, RETRIES, PLAIN, &created[0]);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    ck_assert_uint_eq(engine_memory(rig.engine), 0);
    ck_assert_uint_eq(owner(0), 0);
    ck_assert_int_eq(rig_row(&rig, &ids[0])->state, RUN_WAITING);
    rig_advance(&rig, 59700);
    ck_assert_int_eq(rig_row(&rig, &ids[0])->state, RUN_WAITING);
    rig_advance(&rig, 400);
    ck_assert_int_eq(rig_row(&rig, &ids[0])->state, RUN_SUCCEEDED);
    ck_assert_str_eq(rig_types(rig_events(&rig, &ids[0])), RETRIED);
    ck_assert_uint_eq(rig_row(&rig, &ids[0])->usage.attempts, 2);
    ck_assert_uint_eq(rig_row(&rig, &ids[0])->usage.calls, 1);
    rig_forget(&created[0]);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_run_that_somebody_looks_at_is_not_parked_until_nobody_does)
{
    struct rig_options o = rig_options_default();
    struct reader reader;
    rig_start(&rig, &o);
    ids[0] = rig_run(&rig, 0, RETRIES, STREAMS, &created[0]);
    rig_read(&rig, (uint32_t)_i, &ids[0], 0, true, &reader);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(engine_live(rig.engine), 1);
    rig_close(&reader);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    rig_read(&rig, (uint32_t)_i, &ids[0], 0, true, &reader);
    rig_advance(&rig, 60000);
    ck_assert_str_eq(rig_types(buf_str(&reader.out)), RETRIED);
    ck_assert(follow_is_over(reader.follow));
    rig_close(&reader);
    rig_forget(&created[0]);
    rig_stop(&rig);
}
END_TEST

/* An attempt that failed in the middle of its answer, and is made again by another life of the run.
 */
START_TEST(a_run_that_slept_begins_anew_what_was_told_and_says_so)
{
    static const struct {
        const char *fault;
        bool has_spoken;
    } faults[] = {
        {"{\"as\":\"truncate\",\"after_tokens\":2,\"attempt\":1}", true},
        {"{\"as\":\"status\",\"after_tokens\":2,\"attempt\":1}", true},
        {"{\"as\":\"status\",\"attempt\":1}", false},
        {"{\"as\":\"reset\",\"attempt\":1}", false},
    };
    struct rig_options o = rig_options_default();
    char body[512];
    rig_start(&rig, &o);
    for (int i = 0; i < 4; i++) {
        snprintf(body, sizeof body,
                 "{\"restart\":true,\"task\":{\"type\":\"call\",\"model\":\"sim/story\",\"retry\":"
                 "{\"attempts\":2,\"base_ms\":60000,\"max_ms\":60000,\"jitter\":\"none\"},"
                 "\"params\":{\"sim\":{\"fail\":[%s]}}}}",
                 faults[i].fault);
        ids[i] = rig_run(&rig, 0, body, PLAIN, &created[i]);
        rig_advance(&rig, 100);
        ck_assert_uint_eq(engine_live(rig.engine), 0);
        rig_advance(&rig, 61000);
        struct str events = rig_events(&rig, &ids[i]);
        ck_assert_int_eq(rig_row(&rig, &ids[i])->state, RUN_SUCCEEDED);
        ck_assert_uint_eq(rig_count_of(events, "attempt.restarted"), faults[i].has_spoken);
    }
    forget_many(4);
    rig_stop(&rig);
}
END_TEST

START_TEST(sleeping_runs_do_not_keep_others_out)
{
    struct rig_options o = two_live();
    o.providers[0].limiter.breaker.failures = 0;
    rig_start(&rig, &o);
    for (int i = 0; i < 10; i++) {
        ids[i] = rig_run(&rig, 0, RETRIES, PLAIN, &created[i]);
        rig_advance(&rig, 200);
    }
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    ck_assert_int_eq(queued(), 0);
    rig_advance(&rig, 65000);
    ck_assert_int_eq(count(10, RUN_SUCCEEDED), 10);
    forget_many(10);
    rig_stop(&rig);
}
END_TEST

/* Its parking failed: it is tried again until the store takes it. */
START_TEST(a_run_whose_parking_is_in_doubt_is_parked_once)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    ids[0] = rig_run(&rig, 0, RETRIES, PLAIN, &created[0]);
    store_fake_fail_commit(rig.fake, _i == 1);
    rig_advance(&rig, 5000);
    store_fake_heal(rig.fake);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(owner(0), 0);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    rig_advance(&rig, 60000);
    ck_assert_str_eq(rig_types(rig_events(&rig, &ids[0])), RETRIED);
    rig_forget(&created[0]);
    rig_stop(&rig);
}
END_TEST

Suite *suite_runs_claim(void)
{
    Suite *s = suite_create("runs/claim");
    TCase *t = tcase_create("room");
    tcase_add_test(t, runs_past_live_runs_wait_in_the_store_and_come_in_as_others_end);
    tcase_add_test(t, claims_of_several_lanes_share_the_room_in_memory);
    tcase_add_test(t, runs_past_memory_bytes_wait_in_the_store_and_come_in_as_others_end);
    suite_add_tcase(s, t);
    t = tcase_create("counts");
    tcase_add_test(t, a_queued_run_that_is_cancelled_waits_no_longer);
    tcase_add_loop_test(t, a_run_that_is_not_accepted_does_not_wait, 0, 3);
    suite_add_tcase(s, t);
    t = tcase_create("parked");
    tcase_add_loop_test(t, a_run_that_sleeps_is_a_row_and_comes_back_when_its_time_has_come, 0, 2);
    tcase_add_loop_test(t, a_run_that_somebody_looks_at_is_not_parked_until_nobody_does, 0, 2);
    tcase_add_test(t, a_run_that_slept_begins_anew_what_was_told_and_says_so);
    tcase_add_test(t, sleeping_runs_do_not_keep_others_out);
    tcase_add_loop_test(t, a_run_whose_parking_is_in_doubt_is_parked_once, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
