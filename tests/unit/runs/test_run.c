/* A run from its acceptance to its end, on `sim`: what it tells, what is stored of it, when it may
 * be told. */
#include "runs/run.h"

#include <check.h>

#include "base/mem.h"
#include "tests/support/engine_rig.h"

Suite *suite_runs_run(void);

static struct rig rig;
static struct created created;

static void set_up(void)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
}

static void tear_down(void)
{
    rig_stop(&rig);
}

#define PLAIN_CALL                                                                                 \
    "run.queued run.running task.running attempt.started output.delta attempt.succeeded "          \
    "task.succeeded run.finished"

START_TEST(a_plain_call_tells_what_the_contract_says)
{
    struct id id =
        rig_run(&rig, 0, "{\"agent\":\"echo\",\"input\":\"say hello\"}", (enum way)_i, &created);
    rig_advance(&rig, 100);
    ck_assert_uint_eq(created.accepted, 1);
    ck_assert_str_eq(rig_types(rig_events(&rig, &id)), PLAIN_CALL);
    const struct run_record *row = rig_row(&rig, &id);
    ck_assert_int_eq(row->state, RUN_SUCCEEDED);
    ck_assert(str_eq(row->output, STR("\"say hello\"")));
    ck_assert_uint_eq(row->seq, 9);
    rig_forget(&created);
}
END_TEST

/* Its row is written again when something else happens to it. */
START_TEST(deltas_are_stored_without_the_row)
{
    struct id id =
        rig_run(&rig, 0, "{\"agent\":\"story\",\"params\":{\"sim\":{\"gap_ms\":500,\"tokens\":9}}}",
                PLAIN, &created);
    rig_advance(&rig, 600);
    unsigned writes = store_fake_row_writes(rig.fake), commits = store_fake_commits(rig.fake);
    uint64_t seq = rig_row(&rig, &id)->seq;
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(rig_row(&rig, &id)->seq, seq + 2);
    ck_assert_uint_eq(store_fake_commits(rig.fake) - commits, 2);
    ck_assert_uint_eq(store_fake_row_writes(rig.fake) - writes, 0);
    rig_advance(&rig, 5000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    ck_assert_uint_ge(store_fake_row_writes(rig.fake) - writes, 1);
    rig_forget(&created);
}
END_TEST

Suite *suite_runs_run(void)
{
    Suite *s = suite_create("runs/run");
    TCase *t = tcase_create("life");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_plain_call_tells_what_the_contract_says, 0, 3);
    tcase_add_test(t, deltas_are_stored_without_the_row);
    suite_add_tcase(s, t);
    return s;
}
