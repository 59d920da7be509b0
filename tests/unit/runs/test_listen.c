/* Readers of the bus: all that is committed, once, in order, however many listen and however slowly
 * they pull. */
#include "runs/listen.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/rig_ops.h"

Suite *suite_runs_listen(void);

enum { MANY = 6 };

static struct rig rig;
static struct created created[MANY];
static struct id ids[MANY];

#define SIM(params) "\"params\":{\"sim\":{" params "}}"
#define STORY       "{\"agent\":\"story\"," SIM("\"gap_ms\":10,\"tokens\":10") "}"
#define FAILS       "{\"agent\":\"echo\"," SIM("\"fail\":[{\"as\":\"status\"}]") "}"

static void start(bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    o.on_sqlite = on_sqlite;
    o.providers[0].limiter.breaker.failures = 1;
    o.providers[0].limiter.breaker.reset_ms = 1000;
    rig_start(&rig, &o);
}

static void finish(int runs)
{
    for (int i = 0; i < runs; i++)
        rig_forget(&created[i]);
    rig_stop(&rig);
}

static void run(int i, const char *body)
{
    ids[i] = rig_run(&rig, (uint32_t)i % 2, body, PLAIN, &created[i]);
}

/* --- a reader --------------------------------------------------------------------------------- */

struct ear {
    struct listen *listen;
    struct buf out; /* what was pulled, as NDJSON */
    unsigned opened, told;
    bool is_deaf; /* pulls only when it is asked to */
};

static void pull(struct ear *e)
{
    size_t before;
    do {
        before = e->out.len;
        listen_pull(e->listen, &e->out, before + 1000);
    } while (e->out.len > before);
}

static void on_opened(struct listen *l, void *ctx)
{
    struct ear *e = ctx;
    e->opened++;
    if (!e->is_deaf && l->opened == OK)
        pull(e);
}

static void on_ready(struct listen *l, void *ctx)
{
    struct ear *e = ctx;
    (void)l;
    e->told++;
    if (!e->is_deaf)
        pull(e);
}

static void open_ear(struct ear *e, uint32_t shard, struct listen_options o, bool is_deaf)
{
    *e = (struct ear){.is_deaf = is_deaf};
    buf_init(&e->out, SIZE_MAX / 2);
    o.tenant = STR("t");
    o.types = o.types != 0 ? o.types : EVENT_SET_ALL;
    o.format = FRAME_NDJSON;
    o.on_opened = on_opened;
    o.on_ready = on_ready;
    o.ctx = e;
    ck_assert_int_eq(listen_open(rig_shard(&rig, shard), &o, &e->listen), OK);
    ck_assert_uint_eq(e->opened, 0); /* never from within the call */
}

static void close_ear(struct ear *e)
{
    listen_close(e->listen);
    buf_fini(&e->out);
}

/* All there is, as a reader who comes now hears it. */
static struct buf all(void)
{
    struct ear e;
    open_ear(&e, 0, (struct listen_options){.has_run = false}, false);
    rig_settle(&rig);
    ck_assert_uint_eq(e.opened, 1);
    listen_close(e.listen);
    return e.out;
}

static void must_have_heard(const struct ear *e, const struct buf *wanted)
{
    ck_assert(e->opened == 1 && e->listen->opened == OK);
    ck_assert_uint_eq(e->out.len, wanted->len);
    ck_assert_int_eq(memcmp(e->out.data, wanted->data, wanted->len), 0);
}

static unsigned count(const struct buf *b, const char *type)
{
    struct str rest = buf_str(b);
    struct bus_line line;
    unsigned n = 0;
    while (rest.len > 0) {
        ck_assert(bus_next_line(&rest, &line));
        n += str_eq(line.type, str_of(type));
    }
    return n;
}

/* --- what they hear --------------------------------------------------------------------------- */

START_TEST(whenever_they_come_all_hear_the_same_in_the_same_order)
{
    struct ear ears[2 * MANY];
    start(_i == 1);
    for (int i = 0; i < MANY; i++) {
        run(i, STORY);
        for (uint32_t k = 0; k < 2; k++)
            open_ear(&ears[2 * i + (int)k], k, (struct listen_options){.has_run = false}, false);
        rig_advance(&rig, 35);
    }
    rig_advance(&rig, 1000);
    struct buf wanted = all();
    ck_assert_uint_eq(count(&wanted, "run.finished"), MANY);
    ck_assert_uint_eq(count(&wanted, "output.delta"), MANY * 10);
    for (int i = 0; i < 2 * MANY; i++) {
        must_have_heard(&ears[i], &wanted);
        close_ear(&ears[i]);
    }
    buf_fini(&wanted);
    finish(MANY);
}
END_TEST

START_TEST(whoever_begins_at_the_end_hears_what_comes_from_now_on)
{
    struct ear e;
    start(_i == 1);
    run(0, STORY);
    rig_advance(&rig, 1000);
    open_ear(&e, 0, (struct listen_options){.from_end = true}, false);
    rig_settle(&rig);
    ck_assert_uint_eq(e.out.len, 0);
    ck_assert_uint_gt(e.listen->told.key, 0); /* where it would go on if it were cut now */
    run(1, STORY);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(count(&e.out, "run.queued"), 1);
    ck_assert_uint_eq(count(&e.out, "run.finished"), 1);
    close_ear(&e);
    finish(2);
}
END_TEST

START_TEST(a_circuits_changes_are_heard_in_their_order)
{
    struct ear e;
    start(_i == 1);
    open_ear(&e, 1,
             (struct listen_options){.types = event_set_of(EVENT_CIRCUIT_OPEN) |
                                              event_set_of(EVENT_CIRCUIT_HALF_OPEN) |
                                              event_set_of(EVENT_CIRCUIT_CLOSED)},
             false);
    run(0, FAILS);
    rig_advance(&rig, 100);
    run(1, STORY);
    rig_advance(&rig, 3000);
    static const char *const states[] = {"closed", "open", "half_open", "closed"};
    struct str rest = buf_str(&e.out);
    for (int i = 1; i < 4; i++) {
        struct bus_line line;
        char wanted[128], type[32];
        ck_assert(bus_next_line(&rest, &line));
        snprintf(type, sizeof type, "circuit.%s", states[i]);
        snprintf(wanted, sizeof wanted,
                 "\"data\":{\"provider\":\"sim\",\"old_state\":\"%s\",\"new_state\":\"%s\"}}",
                 states[i - 1], states[i]);
        ck_assert(str_eq(line.type, str_of(type)));
        ck_assert_msg(rig_text_has(line.json, wanted), "%.*s", STR_ARG(line.json));
    }
    ck_assert_uint_eq(rest.len, 0);
    close_ear(&e);
    finish(2);
}
END_TEST

/* --- what they cost --------------------------------------------------------------------------- */

START_TEST(of_one_loops_readers_one_reads_at_a_time)
{
    struct ear ears[MANY];
    start(false);
    run(0, STORY);
    rig_advance(&rig, 1000);
    store_fake_hold_reads(rig.fake);
    for (int i = 0; i < MANY; i++)
        open_ear(&ears[i], 0, (struct listen_options){.has_run = false}, false);
    rig_settle(&rig);
    ck_assert_uint_eq(store_fake_held_reads(rig.fake), 1);
    store_fake_let_reads_go(rig.fake);
    rig_settle(&rig);
    struct buf wanted = all();
    for (int i = 0; i < MANY; i++) {
        must_have_heard(&ears[i], &wanted);
        close_ear(&ears[i]);
    }
    buf_fini(&wanted);
    finish(1);
}
END_TEST

START_TEST(nothing_is_read_for_a_reader_that_does_not_pull)
{
    struct ear slow;
    start(false);
    open_ear(&slow, 0, (struct listen_options){.has_run = false}, true);
    rig_settle(&rig);
    run(0, STORY);
    rig_advance(&rig,
                1000); /* what it had seen of the bus was nothing: it is dry, and gets a page */
    store_fake_hold_reads(rig.fake);
    for (int i = 1; i < MANY; i++)
        run(i, STORY);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(store_fake_held_reads(rig.fake), 0);
    store_fake_let_reads_go(rig.fake);
    slow.is_deaf = false;
    pull(&slow);
    rig_settle(&rig);
    struct buf wanted = all();
    must_have_heard(&slow, &wanted);
    buf_fini(&wanted);
    close_ear(&slow);
    finish(MANY);
}
END_TEST

/* --- a store that is away --------------------------------------------------------------------- */

START_TEST(whoever_listens_waits_for_the_store_and_goes_on)
{
    struct ear ears[3], newcomer;
    start(false);
    for (int i = 0; i < 3; i++)
        open_ear(&ears[i], 0, (struct listen_options){.has_run = false}, false);
    rig_settle(&rig);
    store_fake_fail_reads(rig.fake, true);
    run(0, STORY);
    rig_advance(&rig, 2000);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(ears[i].out.len, 0);
    store_fake_fail_reads(rig.fake, false);
    rig_advance(&rig, 2000);
    struct buf wanted = all();
    for (int i = 0; i < 3; i++) {
        must_have_heard(&ears[i], &wanted);
        close_ear(&ears[i]);
    }
    buf_fini(&wanted);
    store_fake_fail_reads(rig.fake, true);
    open_ear(&newcomer, 0, (struct listen_options){.has_run = false}, false);
    rig_settle(&rig);
    ck_assert(newcomer.opened == 1 && newcomer.listen->opened == ERR_STORAGE_UNAVAILABLE);
    close_ear(&newcomer);
    store_fake_fail_reads(rig.fake, false);
    finish(1);
}
END_TEST

/* --- leaving ---------------------------------------------------------------------------------- */

START_TEST(a_reader_may_leave_while_it_is_read_for)
{
    struct ear ears[3];
    start(false);
    run(0, STORY);
    store_fake_hold_reads(rig.fake);
    for (int i = 0; i < 3; i++)
        open_ear(&ears[i], 0, (struct listen_options){.has_run = false}, false);
    close_ear(&ears[0]); /* it is its turn */
    close_ear(&ears[1]); /* it stands in line */
    store_fake_let_reads_go(rig.fake);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(count(&ears[2].out, "run.finished"), 1);
    close_ear(&ears[2]);
    finish(1);
}
END_TEST

START_TEST(one_that_comes_as_the_last_one_leaves_hears_everything)
{
    struct ear first, second;
    start(_i == 1);
    open_ear(&first, 0, (struct listen_options){.has_run = false}, false);
    rig_settle(&rig);
    close_ear(&first);
    open_ear(&second, 0, (struct listen_options){.has_run = false}, false);
    run(0, STORY);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(count(&second.out, "run.finished"), 1);
    close_ear(&second);
    rig_settle(&rig);
    finish(1);
}
END_TEST

Suite *suite_runs_listen(void)
{
    Suite *s = suite_create("runs/listen");
    TCase *t = tcase_create("readers of the bus");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, whenever_they_come_all_hear_the_same_in_the_same_order, 0, 2);
    tcase_add_loop_test(t, whoever_begins_at_the_end_hears_what_comes_from_now_on, 0, 2);
    tcase_add_loop_test(t, a_circuits_changes_are_heard_in_their_order, 0, 2);
    tcase_add_test(t, of_one_loops_readers_one_reads_at_a_time);
    tcase_add_test(t, nothing_is_read_for_a_reader_that_does_not_pull);
    tcase_add_test(t, whoever_listens_waits_for_the_store_and_goes_on);
    tcase_add_test(t, a_reader_may_leave_while_it_is_read_for);
    tcase_add_loop_test(t, one_that_comes_as_the_last_one_leaves_hears_everything, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
