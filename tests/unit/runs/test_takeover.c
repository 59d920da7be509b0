/* A reload, as the shards take it over: what has begun keeps what it holds, what begins has the
 * new.
 */
#include <check.h>
#include <stdio.h>

#include "tests/support/rig_ops.h"

Suite *suite_runs_takeover(void);

static struct rig rig;

#define SLOW(agent)                                                                                \
    "{\"agent\":\"" agent "\",\"input\":\"a\",\"params\":{\"sim\":{\"first_ms\":1000}}}"

/* One slot for each of two providers. */
static struct rig_options options(void)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.concurrency = 1;
    o.providers[1] = o.providers[0];
    o.providers[1].name = "other";
    o.agents = "{\"echo\":{\"model\":\"sim/echo\"},\"other\":{\"model\":\"other/echo\"}}";
    return o;
}

static struct rig_options without_other(void)
{
    struct rig_options o = options();
    o.providers[1].name = NULL;
    o.agents = "{\"echo\":{\"model\":\"sim/echo\"}}";
    return o;
}

static enum run_state state(const struct id *id)
{
    return rig_row(&rig, id)->state;
}

static bool is_retired(uint32_t shard)
{
    return list_is_empty(&rig_shard(&rig, shard)->retired);
}

START_TEST(what_is_under_way_and_what_waits_keeps_its_provider)
{
    struct created created[2];
    struct rig_options first = options(), second = without_other();
    rig_start(&rig, &first);
    struct id running = rig_run(&rig, 0, SLOW("other"), PLAIN, &created[0]);
    struct id waiting = rig_run(&rig, 0, SLOW("other"), PLAIN, &created[1]);
    rig_advance(&rig, 200);
    rig_take_over(&rig, &second);
    ck_assert_ptr_null(catalog_upstream(rig_shard(&rig, 0)->catalog, STR("other")));
    ck_assert(!is_retired(0) || !is_retired(1)); /* where the two live */
    rig_advance(&rig, 1000);
    ck_assert_int_eq(state(&running), RUN_SUCCEEDED);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(state(&waiting), RUN_SUCCEEDED);
    ck_assert(is_retired(0) && is_retired(1));
    rig_forget(&created[0]);
    rig_forget(&created[1]);
    rig_stop(&rig);
}
END_TEST

START_TEST(nothing_of_a_catalog_that_nobody_uses_stays)
{
    struct rig_options first = options(), second = without_other();
    rig_start(&rig, &first);
    rig_take_over(&rig, &second);
    rig_take_over(&rig, &first);
    ck_assert(is_retired(0) && is_retired(1));
    ck_assert_ptr_nonnull(catalog_upstream(rig_shard(&rig, 1)->catalog, STR("other")));
    rig_stop(&rig);
}
END_TEST

START_TEST(a_retry_after_the_takeover_asks_the_new_catalog)
{
    struct created created;
    struct rig_options first = options(), second = without_other();
    first.providers[1].retry.attempts = 2;
    rig_start(&rig, &first);
    struct id id = rig_run(&rig, 0,
                           "{\"agent\":\"other\",\"input\":\"a\",\"params\":{\"sim\":{\"fail\":"
                           "[{\"as\":\"status\",\"attempt\":1}]}}}",
                           PLAIN, &created);
    rig_take_over(&rig, &second);
    ck_assert(!run_state_is_terminal(state(&id)));
    rig_advance(&rig, 3000);
    ck_assert_int_eq(state(&id), RUN_FAILED);
    ck_assert(rig_text_has(rig_row(&rig, &id)->error, "\"code\":\"unknown_model\""));
    rig_forget(&created);
    rig_stop(&rig);
}
END_TEST

START_TEST(more_slots_are_felt_at_once_and_fewer_take_nothing_away)
{
    struct created created[3];
    struct rig_options first = options(), second = options(), third = options();
    second.providers[0].limiter.concurrency = 3;
    third.providers[0].limiter.concurrency = 1;
    rig_start(&rig, &first);
    for (int i = 0; i < 3; i++)
        rig_run(&rig, (uint32_t)i % 2, SLOW("echo"), PLAIN, &created[i]);
    struct gate_status s;
    gate_status(rig_shard(&rig, 0)->catalog->upstreams[0]->gate, &s);
    ck_assert_uint_eq(s.limiter.borrowed, 1);
    rig_take_over(&rig, &second);
    gate_status(rig_shard(&rig, 0)->catalog->upstreams[0]->gate, &s);
    ck_assert_uint_eq(s.limiter.borrowed, 3);
    rig_take_over(&rig, &third);
    gate_status(rig_shard(&rig, 0)->catalog->upstreams[0]->gate, &s);
    ck_assert_uint_eq(s.limiter.borrowed, 3);
    ck_assert_uint_eq(s.limiter.total, 1);
    rig_advance(&rig, 1000);
    for (int i = 0; i < 3; i++)
        rig_forget(&created[i]);
    rig_stop(&rig);
}
END_TEST

START_TEST(more_room_lets_in_what_waits_in_the_store)
{
    struct created created[3];
    struct rig_options first = rig_options_default(), second = rig_options_default();
    first.limits.live_runs = 1;
    rig_start(&rig, &first);
    for (int i = 0; i < 3; i++)
        rig_run(&rig, 0, SLOW("echo"), PLAIN, &created[i]);
    ck_assert_uint_eq(engine_live(rig.engine), 1);
    rig_take_over(&rig, &second);
    ck_assert_uint_eq(engine_live(rig.engine), 3);
    rig_advance(&rig, 2000);
    for (int i = 0; i < 3; i++)
        rig_forget(&created[i]);
    rig_stop(&rig);
}
END_TEST

/* Nobody else would say that there is something to be claimed. */
START_TEST(runs_that_wait_in_the_store_for_a_provider_that_went_are_told)
{
    struct created created[2];
    struct rig_options first = options(), second = without_other();
    first.limits.live_runs = second.limits.live_runs = 1;
    rig_start(&rig, &first);
    struct id running = rig_run(&rig, 0, SLOW("echo"), PLAIN, &created[0]);
    struct id stored = rig_run(&rig, 0, SLOW("other"), PLAIN, &created[1]);
    rig_take_over(&rig, &second);
    rig_advance(&rig, 3000);
    ck_assert_int_eq(state(&running), RUN_SUCCEEDED);
    ck_assert_int_eq(state(&stored), RUN_FAILED);
    rig_forget(&created[0]);
    rig_forget(&created[1]);
    rig_stop(&rig);
}
END_TEST

Suite *suite_runs_takeover(void)
{
    Suite *s = suite_create("runs/takeover");
    TCase *t = tcase_create("takeover");
    tcase_add_test(t, what_is_under_way_and_what_waits_keeps_its_provider);
    tcase_add_test(t, nothing_of_a_catalog_that_nobody_uses_stays);
    tcase_add_test(t, a_retry_after_the_takeover_asks_the_new_catalog);
    tcase_add_test(t, more_slots_are_felt_at_once_and_fewer_take_nothing_away);
    tcase_add_test(t, more_room_lets_in_what_waits_in_the_store);
    tcase_add_test(t, runs_that_wait_in_the_store_for_a_provider_that_went_are_told);
    suite_add_tcase(s, t);
    return s;
}
