/* Webhooks: who is told of what, in which order, how often; that nobody waits for a receiver that
 * does not answer, and that nothing is forgotten. */
#include "runs/courier.h"

#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "runs/errand.h"
#include "tests/support/loopback.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_courier(void);

enum { PATIENCE = 2000000, MANY = 24, DAY_MS = 86400000, BASE_MS = 5000, TIMEOUT_MS = 15000 };

enum { FINE, SICK, HANGS, GONE, MOVED, SOON, ENDLESS, HALF, SCRIPTS };

static const struct loopback_script scripts[SCRIPTS] = {
    [FINE] = {{SAYS("HTTP/1.1 204 No Content\r\n\r\n")}},
    [SICK] = {{SAYS("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")}},
    [HANGS] = {{WAITS(1), SAYS("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")}},
    [GONE] = {{SAYS("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")}},
    [MOVED] = {{SAYS("HTTP/1.1 307 Moved\r\nLocation: /0\r\nContent-Length: 0\r\n\r\n")}},
    [SOON] = {{SAYS("HTTP/1.1 503 Busy\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n")}},
    [ENDLESS] = {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
                  REPEATS("0123456789abcdef", 65536)}},
    [HALF] = {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), CLOSES}},
};

static struct rig rig;
static struct created created[MANY];
static struct id ids[MANY];
static struct loopback *server, *other;

/* --- in short --------------------------------------------------------------------------------- */

static struct rig_options options(void)
{
    struct rig_options o = rig_options_default();
    o.limits.spec.webhook_url_fault = url_guard_fault_any_address;
    o.limits.spec.can_sign_webhooks = true;
    o.limits.webhooks = (struct courier_options){.allow_private = true,
                                                 .concurrency = 64,
                                                 .per_host = 8,
                                                 .timeout_ms = TIMEOUT_MS,
                                                 .retry_ms = BASE_MS,
                                                 .give_up_ms = DAY_MS};
    ck_assert(signing_key_read(STR("secret"), &o.limits.webhooks.key));
    return o;
}

static void start_with(const struct rig_options *o)
{
    server = loopback_open(scripts, SCRIPTS, NULL);
    rig_start(&rig, o);
}

static void start(void)
{
    struct rig_options o = options();
    start_with(&o);
}

static void finish(int n)
{
    for (int i = 0; i < n; i++)
        rig_forget(&created[i]);
    rig_stop(&rig);
    loopback_close(server);
    loopback_close(other);
    server = other = NULL;
}

static struct courier *courier(void)
{
    return &rig.engine->courier;
}

static void run_at(int i, const struct loopback *at, size_t script, const char *events)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"agent\":\"echo\",\"input\":\"x\",\"webhook\":{\"url\":\"%s\"%s}}",
             loopback_url(at, "http", script), events);
    ids[i] = rig_run(&rig, (uint32_t)i % 2, body, PLAIN, &created[i]);
}

static void run(int i, size_t script)
{
    run_at(i, server, script, "");
}

#define PUMP_UNTIL(condition)                                                                      \
    for (int n_ = 0; !(condition); n_++) {                                                         \
        ck_assert_msg(n_ < PATIENCE, "%s", #condition);                                            \
        rig_settle(&rig);                                                                          \
        sched_yield();                                                                             \
    }

static size_t told(size_t script)
{
    return loopback_requests_of(server, script);
}

/* So many have come, and what became of them is settled. */
static void await_told(size_t script, size_t n)
{
    PUMP_UNTIL(told(script) == n && courier_is_quiet(courier()));
}

/* Every moment at which something is due comes, up to then. */
static void pass(uint64_t ms)
{
    for (uint64_t left = ms; left > 0;) {
        uint64_t step = left < 1000 ? left : 1000;
        rig_advance(&rig, step);
        PUMP_UNTIL(courier_is_quiet(courier()));
        left -= step;
    }
}

/* "webhook-id" of the request with that number, and so on. */
static struct str header_of(size_t index, const char *name)
{
    struct str r = loopback_request(server, index);
    char line[64];
    int len = snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = memmem(r.at, r.len, line, (size_t)len);
    if (at == NULL)
        return STR_NONE;
    struct str rest = {at + len, (size_t)(r.at + r.len - at) - (size_t)len};
    return str_cut(&rest, '\r');
}

static struct str body_of(size_t index)
{
    struct str r = loopback_request(server, index);
    const char *at = memmem(r.at, r.len, "\r\n\r\n", 4);
    ck_assert_ptr_nonnull(at);
    return (struct str){at + 4, (size_t)(r.at + r.len - at) - 4};
}

static void must_be_signed(size_t index, const char *secret, const char *secret2)
{
    struct signing_key key;
    struct buf b;
    char wanted[2 * SIGNATURE_TEXT];
    buf_init(&b, 1 << 20);
    buf_add_str(&b, header_of(index, "webhook-id"));
    buf_add_char(&b, '.');
    buf_add_str(&b, header_of(index, "webhook-timestamp"));
    buf_add_char(&b, '.');
    buf_add_str(&b, body_of(index));
    ck_assert(signing_key_read(str_of(secret), &key));
    signature_make(&key, buf_str(&b), wanted);
    if (secret2 != NULL) {
        strcat(wanted, " ");
        ck_assert(signing_key_read(str_of(secret2), &key));
        signature_make(&key, buf_str(&b), wanted + strlen(wanted));
    }
    buf_fini(&b);
    ck_assert(str_eq(header_of(index, "webhook-signature"), str_of(wanted)));
}

/* --- one event -------------------------------------------------------------------------------- */

START_TEST(the_end_of_a_run_is_told_once)
{
    start();
    run(0, FINE);
    await_told(FINE, 1);
    char id[64], text[RUN_ID_TEXT];
    run_id_format(&ids[0], text);
    snprintf(id, sizeof id, "msg_%.26s_%u", text + 4, (unsigned)rig_row(&rig, &ids[0])->seq);
    ck_assert(str_eq(header_of(0, "webhook-id"), str_of(id)));
    ck_assert(str_eq(header_of(0, "webhook-timestamp"), STR("1785585600")));
    ck_assert(str_eq(header_of(0, "Content-Type"), STR("application/json")));
    must_be_signed(0, "secret", NULL);
    struct str events = rig_events(&rig, &ids[0]);
    const char *last = memmem(events.at, events.len, "{\"seq\":8,", 9);
    char wanted[4096];
    snprintf(wanted, sizeof wanted,
             "{\"type\":\"run.finished\",\"timestamp\":\"2026-08-01T12:00:00.000Z\",\"data\":%.*s}",
             (int)(events.at + events.len - last) - 1, last);
    ck_assert(str_eq(body_of(0), str_of(wanted)));
    pass(2 * (uint64_t)DAY_MS / 1000);
    ck_assert_uint_eq(told(FINE), 1);
    ck_assert_uint_eq(courier()->waits, 0);
    finish(1);
}
END_TEST

START_TEST(chosen_events_come_in_their_order)
{
    start();
    run_at(0, server, FINE,
           ",\"events\":[\"run.finished\",\"output.delta\",\"task.running\",\"run.queued\"]");
    await_told(FINE, 4);
    static const char *const types[] = {"run.queued", "task.running", "output.delta",
                                        "run.finished"};
    for (size_t i = 0; i < 4; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "{\"type\":\"%s\",", types[i]);
        ck_assert(str_starts(body_of(i), str_of(wanted)));
        must_be_signed(i, "secret", NULL);
    }
    finish(1);
}
END_TEST

START_TEST(a_run_without_a_receiver_tells_nobody)
{
    start();
    unsigned commits = store_fake_commits(rig.fake);
    ids[0] = rig_run(&rig, 0, "{\"agent\":\"echo\"}", PLAIN, &created[0]);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(rig_row(&rig, &ids[0])->state, RUN_SUCCEEDED);
    ck_assert_uint_le(store_fake_commits(rig.fake) - commits, 3);
    ck_assert_uint_eq(loopback_accepted(server), 0);
    finish(1);
}
END_TEST

/* --- trying again ----------------------------------------------------------------------------- */

START_TEST(a_try_that_failed_is_made_again_with_the_same_id)
{
    static const size_t bad[] = {SICK, MOVED};
    size_t script = bad[_i];
    start();
    run(0, script);
    await_told(script, 1);
    pass(BASE_MS);
    ck_assert_uint_ge(told(script), 2);
    pass(3 * BASE_MS);
    ck_assert_uint_ge(told(script), 3);
    for (size_t i = 1; i < told(script); i++) {
        ck_assert(str_eq(header_of(i, "webhook-id"), header_of(0, "webhook-id")));
        ck_assert(str_eq(body_of(i), body_of(0)));
        must_be_signed(i, "secret", NULL);
    }
    ck_assert_uint_eq(told(FINE), 0); /* where the redirect leads */
    ck_assert_uint_eq(courier()->waits, 1);
    finish(1);
}
END_TEST

START_TEST(retry_after_makes_the_pause_longer)
{
    start();
    run(0, SOON);
    await_told(SOON, 1);
    pass(599000);
    ck_assert_uint_eq(told(SOON), 1);
    pass(62000); /* a tenth of it on top at most */
    ck_assert_uint_eq(told(SOON), 2);
    finish(1);
}
END_TEST

START_TEST(after_a_day_it_is_given_up)
{
    struct rig_options o = options();
    o.limits.webhooks.give_up_ms = 60000;
    start_with(&o);
    run_at(0, server, SICK, ",\"events\":[\"run.queued\",\"run.finished\"]");
    pass(61000);
    size_t tries = told(SICK);
    ck_assert_uint_ge(tries, 4);
    pass(100000);
    ck_assert_uint_eq(told(SICK), tries);
    for (size_t i = 0; i < tries; i++) /* what waits behind it goes with it */
        ck_assert(str_starts(body_of(i), STR("{\"type\":\"run.queued\"")));
    finish(1);
}
END_TEST

START_TEST(gone_is_gone)
{
    start();
    run_at(0, server, GONE, ",\"events\":[\"run.queued\",\"run.finished\"]");
    await_told(GONE, 1);
    pass(60000);
    ck_assert_uint_eq(told(GONE), 1);
    ck_assert_uint_eq(courier()->waits, 0);
    finish(1);
}
END_TEST

START_TEST(the_status_decides_whatever_the_rest_of_the_answer_is)
{
    static const size_t odd[] = {ENDLESS, HALF};
    start();
    run(0, odd[_i]);
    await_told(odd[_i], 1);
    pass(60000);
    ck_assert_uint_eq(told(odd[_i]), 1);
    ck_assert_uint_eq(courier()->waits, 0);
    finish(1);
}
END_TEST

START_TEST(a_receiver_that_does_not_answer_has_its_time)
{
    start();
    run(0, HANGS);
    PUMP_UNTIL(told(HANGS) == 1);
    rig_advance(&rig, TIMEOUT_MS - 1);
    ck_assert_uint_eq(loopback_gone(server), 0);
    rig_advance(&rig, 1);
    ck_assert(loopback_await_gone(server, 1));
    PUMP_UNTIL(courier_is_quiet(courier()));
    rig_advance(&rig, BASE_MS);
    PUMP_UNTIL(told(HANGS) == 2);
    loopback_release(server);
    await_told(HANGS, 2);
    pass(60000);
    ck_assert_uint_eq(told(HANGS), 2);
    finish(1);
}
END_TEST

/* A name may lead anywhere, whatever it looks like: what counts is the address. */
START_TEST(an_address_that_is_not_allowed_is_not_connected_to)
{
    struct rig_options o = options();
    o.limits.webhooks.allow_private = false;
    start_with(&o);
    run(0, FINE);
    PUMP_UNTIL(courier_is_quiet(courier()));
    pass(30000);
    ck_assert_uint_eq(loopback_accepted(server), 0);
    ck_assert_uint_eq(courier()->waits, 1);
    o.limits.webhooks.allow_private = true;
    rig_take_over(&rig, &o);
    while (told(FINE) == 0)
        pass(60000);
    await_told(FINE, 1);
    finish(1);
}
END_TEST

/* --- many receivers --------------------------------------------------------------------------- */

START_TEST(a_receiver_that_hangs_harms_no_other)
{
    start();
    other = loopback_open(scripts, SCRIPTS, NULL);
    for (int i = 0; i < 12; i++)
        run_at(i, other, HANGS, "");
    PUMP_UNTIL(loopback_requests(other) == 1);
    for (int i = 12; i < MANY; i++)
        run(i, FINE);
    PUMP_UNTIL(told(FINE) == MANY - 12);
    ck_assert_uint_eq(loopback_requests(other), 1); /* one place */
    loopback_release(other);
    PUMP_UNTIL(loopback_requests(other) == 12 && courier_is_quiet(courier()));
    finish(MANY);
}
END_TEST

START_TEST(hosts_take_turns_where_there_is_one_place)
{
    struct rig_options o = options();
    o.limits.webhooks.concurrency = 1;
    start_with(&o);
    other = loopback_open(scripts, SCRIPTS, NULL);
    store_fake_hold_reads(rig.fake);
    for (int i = 0; i < 10; i++)
        run(i, FINE);
    for (int i = 10; i < 20; i++)
        run_at(i, other, FINE, "");
    store_fake_let_reads_go(rig.fake);
    size_t here = 0, there = 0;
    while (here + there < 20) {
        PUMP_UNTIL(told(FINE) + loopback_requests(other) > here + there);
        here = told(FINE);
        there = loopback_requests(other);
        ck_assert_uint_le(here > there ? here - there : there - here, 4);
    }
    PUMP_UNTIL(courier_is_quiet(courier()));
    ck_assert_uint_eq(told(FINE), 10);
    finish(20);
}
END_TEST

/* --- the store, the memory, the process ------------------------------------------------------- */

/* Of the only one. */
static enum errand_state state_of_errand(void)
{
    struct map_node *node = map_next(&courier()->errands, NULL);
    return node != NULL ? CONTAINER_OF(node, struct errand, by_run)->state : ERRAND_OVER;
}

/* A page of what is due was read, then the try that it shows as due ended, then the page came: the
 * event was told twice. */
START_TEST(a_page_that_is_older_than_a_trys_end_starts_no_other)
{
    start();
    run(0, HANGS);
    PUMP_UNTIL(told(HANGS) == 1);
    store_fake_stall_reads(rig.fake);
    run(1, FINE);
    rig_advance(&rig, 100); /* its commit was heard of, and a page asked for */
    loopback_release(server);
    PUMP_UNTIL(state_of_errand() == ERRAND_OVER);
    store_fake_let_reads_go(rig.fake);
    await_told(FINE, 1);
    pass(60000);
    ck_assert_uint_eq(told(HANGS), 1);
    finish(2);
}
END_TEST

START_TEST(nobody_is_told_twice_because_the_store_was_away)
{
    start();
    run(0, HANGS);
    PUMP_UNTIL(told(HANGS) == 1);
    store_fake_go_away(rig.fake);
    loopback_release(server);
    PUMP_UNTIL(state_of_errand() == ERRAND_RESTING);
    rig_advance(&rig, 30000);
    ck_assert_int_eq(state_of_errand(), ERRAND_RESTING);
    store_fake_heal(rig.fake);
    rig_advance(&rig, 1000);
    await_told(HANGS, 1);
    pass(60000);
    ck_assert_uint_eq(told(HANGS), 1);
    finish(1);
}
END_TEST

START_TEST(a_store_that_cannot_be_read_is_asked_again)
{
    start();
    store_fake_fail_reads(rig.fake, true);
    run(0, FINE);
    rig_advance(&rig, 5000);
    ck_assert_uint_eq(told(FINE), 0);
    store_fake_fail_reads(rig.fake, false);
    rig_advance(&rig, 1000);
    await_told(FINE, 1);
    finish(1);
}
END_TEST

START_TEST(what_was_not_told_is_told_by_the_next_gateway)
{
    start();
    run(0, HANGS);
    run(1, SICK);
    PUMP_UNTIL(told(HANGS) == 1 || told(SICK) == 1);
    if (_i == 0)
        rig_restart(&rig);
    else
        rig_crash(&rig);
    size_t before = told(HANGS) + told(SICK);
    loopback_release(server);
    rig_advance(&rig, BASE_MS);
    PUMP_UNTIL(told(HANGS) + told(SICK) > before);
    pass(10 * BASE_MS);
    PUMP_UNTIL(told(HANGS) >= 1 && told(SICK) >= 2);
    pass(4 * BASE_MS);
    size_t hangs = told(HANGS);
    pass(4 * BASE_MS);
    ck_assert_uint_eq(told(HANGS), hangs);
    finish(2);
}
END_TEST

START_TEST(a_run_that_is_deleted_is_told_no_more)
{
    start();
    run(0, SICK);
    await_told(SICK, 1);
    ck_assert_int_eq(rig_delete(&rig, 0, &ids[0]), OK);
    pass(60000);
    ck_assert_uint_eq(told(SICK), 1);
    finish(1);
}
END_TEST

START_TEST(without_a_secret_they_wait_for_one)
{
    struct rig_options o = options(), without = options();
    without.limits.webhooks.key.len = 0;
    start_with(&without);
    run(0, FINE);
    rig_advance(&rig, 60000);
    ck_assert_uint_eq(told(FINE), 0);
    ck_assert(signing_key_read(STR("before"), &o.limits.webhooks.old_key));
    rig_take_over(&rig, &o);
    await_told(FINE, 1);
    must_be_signed(0, "secret", "before");
    finish(1);
}
END_TEST

/* Whatever fails for want of memory is done when there is some. */
/* --- what looking costs ----------------------------------------------------------------------- */

/* A read that takes so long, while a run's commit hints. */
static void look_slowly(int i, uint64_t ms)
{
    store_fake_stall_reads(rig.fake);
    run(i, FINE);
    rig_advance(&rig, ms);
    store_fake_let_reads_go(rig.fake);
}

START_TEST(a_look_that_took_long_was_begun_again_at_once)
{
    start();
    pass(1000);
    look_slowly(0, 100);
    await_told(FINE, 1);
    run(1, FINE);
    rig_advance(&rig, 100);
    ck_assert(!courier()->is_looking);
    ck_assert_uint_eq(told(FINE), 1);
    ck_assert_uint_le(courier()->pause_until_ms, loop_now_ms(courier()->loop) + 900);
    rig_advance(&rig, 1000);
    await_told(FINE, 2);
    finish(2);
}
END_TEST

/* It was counted every two seconds, and the metric said that nothing waits while something did. */
START_TEST(the_count_of_those_that_wait_was_older_than_the_last_look)
{
    start();
    pass(3000);
    for (int i = 0; i < 3; i++) {
        run(i, SICK);
        await_told(SICK, (size_t)i + 1);
        rig_settle(&rig);
        ck_assert_uint_eq(courier()->waits, i + 1);
    }
    finish(3);
}
END_TEST

START_TEST(no_memory_only_takes_time)
{
    start();
    for (int i = 0; i < 12; i++) {
        store_fake_hold_reads(rig.fake);
        run(i, FINE);
        mem_fail_nth((unsigned long)(12 * _i + i + 1));
        store_fake_let_reads_go(rig.fake);
        for (int n = 0; n < 20; n++)
            rig_settle(&rig);
        mem_fail_nth(0);
        rig_advance(&rig, 2000);
        PUMP_UNTIL(courier_is_quiet(courier()));
        pass(2 * TIMEOUT_MS);
        ck_assert_uint_eq(courier()->waits, 0);
        ck_assert_uint_ge(told(FINE), (size_t)i + 1);
    }
    finish(12);
}
END_TEST

Suite *suite_runs_courier(void)
{
    Suite *s = suite_create("runs_courier");
    TCase *t = tcase_create("courier");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_end_of_a_run_is_told_once);
    tcase_add_test(t, chosen_events_come_in_their_order);
    tcase_add_test(t, a_run_without_a_receiver_tells_nobody);
    tcase_add_loop_test(t, a_try_that_failed_is_made_again_with_the_same_id, 0, 2);
    tcase_add_test(t, retry_after_makes_the_pause_longer);
    tcase_add_test(t, after_a_day_it_is_given_up);
    tcase_add_test(t, gone_is_gone);
    tcase_add_loop_test(t, the_status_decides_whatever_the_rest_of_the_answer_is, 0, 2);
    tcase_add_test(t, a_receiver_that_does_not_answer_has_its_time);
    tcase_add_test(t, an_address_that_is_not_allowed_is_not_connected_to);
    tcase_add_test(t, a_receiver_that_hangs_harms_no_other);
    tcase_add_test(t, hosts_take_turns_where_there_is_one_place);
    tcase_add_test(t, a_page_that_is_older_than_a_trys_end_starts_no_other);
    tcase_add_test(t, nobody_is_told_twice_because_the_store_was_away);
    tcase_add_test(t, a_store_that_cannot_be_read_is_asked_again);
    tcase_add_loop_test(t, what_was_not_told_is_told_by_the_next_gateway, 0, 2);
    tcase_add_test(t, a_run_that_is_deleted_is_told_no_more);
    tcase_add_test(t, without_a_secret_they_wait_for_one);
    tcase_add_test(t, a_look_that_took_long_was_begun_again_at_once);
    tcase_add_test(t, the_count_of_those_that_wait_was_older_than_the_last_look);
    tcase_add_loop_test(t, no_memory_only_takes_time, 0, 6);
    suite_add_tcase(s, t);
    return s;
}
