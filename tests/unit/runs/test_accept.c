/* What becomes of a create: who is let in, when its creator is answered, what is stored by then. */
#include "runs/accept.h"

#include <check.h>
#include <stdio.h>

#include "base/mem.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_accept(void);

enum {
    MANY = 16,
    ENDED_TOGETHER = 16, /* as in runs/outbox.c */
};

static struct rig rig;
static struct created created[MANY];
static unsigned made;

#define SIM(params) "\"params\":{\"sim\":{" params "}}"
#define ECHO        "{\"agent\":\"echo\",\"input\":\"x\"}"
#define HANGS       "{\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}"
#define SLOW(ms)    "{\"agent\":\"story\"," SIM("\"tokens\":1,\"first_ms\":" ms) "}"

static void start(void)
{
    struct rig_options o = rig_options_default();
    made = 0;
    rig_start(&rig, &o);
}

static void start_with(const struct rig_options *o)
{
    made = 0;
    rig_start(&rig, o);
}

static void finish(void)
{
    while (made > 0)
        rig_forget(&created[--made]);
    rig_stop(&rig);
}

static struct created *create(const char *body, enum way way, const char *key)
{
    struct created *c = &created[made++];
    ck_assert_int_eq(rig_create(&rig, 0, body, way, key, c), OK);
    return c;
}

static enum err refused(const char *body, enum way way)
{
    struct created *c = &created[made++];
    return rig_create(&rig, 0, body, way, NULL, c);
}

static uint64_t attempts(void)
{
    struct gate_status s;
    gate_status(rig.engine->shards[0].catalog->upstreams[0]->gate, &s);
    return s.attempts;
}

/* --- accepted means kept ---------------------------------------------------------------------- */

START_TEST(a_creator_is_answered_after_the_commit)
{
    start();
    store_fake_hold(rig.fake);
    struct created *c = create(HANGS, (enum way)_i, NULL);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(c->accepted, 0);
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(c->accepted, 1);
    ck_assert_int_eq(c->accept.refused, OK);
    ck_assert_ptr_nonnull(rig_row(&rig, &c->accept.id));
    ck_assert_uint_gt(c->accept.json.len, 0);
    finish();
}
END_TEST

/* Who may call before the commit: those whose creator learns nothing before it. */
static const struct {
    const char *body;
    enum way way;
    const char *key;
    bool overlaps;
} overlaps[] = {
    {HANGS, PLAIN, NULL, false},
    {HANGS, WAITS, NULL, true},
    {HANGS, STREAMS, NULL, true},
    {HANGS, WAITS, "k", false},
    {HANGS, STREAMS, "k", false},
    {"{\"on_crash\":\"fail\",\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}", WAITS,
     NULL, false},
    {"{\"on_crash\":\"fail\",\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}", STREAMS,
     NULL, false},
    {"{\"durability\":\"lazy\",\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}", PLAIN,
     NULL, true},
    {"{\"durability\":\"lazy\",\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}", WAITS,
     NULL, true},
    {"{\"durability\":\"lazy\",\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}", PLAIN,
     "k", false},
};

START_TEST(a_call_begins_before_the_commit_only_where_nobody_is_told)
{
    start();
    store_fake_hold(rig.fake);
    create(overlaps[_i].body, overlaps[_i].way, overlaps[_i].key);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(attempts(), overlaps[_i].overlaps);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 100);
    ck_assert_uint_eq(attempts(), 1);
    finish();
}
END_TEST

START_TEST(a_short_call_whose_creator_waits_costs_one_commit)
{
    start();
    unsigned before = store_fake_commits(rig.fake);
    struct created *c = create(ECHO, WAITS, NULL);
    rig_advance(&rig, 100);
    ck_assert_uint_eq(c->ended, 1);
    ck_assert_uint_eq(store_fake_commits(rig.fake) - before, 1);
    finish();
}
END_TEST

START_TEST(a_creator_that_waits_is_told_the_end_once_it_is_stored)
{
    start();
    struct created *c = create(SLOW("500"), WAITS, NULL);
    rig_advance(&rig, 490);
    ck_assert_uint_eq(c->accepted, 1);
    ck_assert_uint_eq(c->ended, 0);
    store_fake_hold(rig.fake);
    rig_advance(&rig, 100);
    ck_assert_uint_eq(c->ended, 0);
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(c->ended, 1);
    ck_assert_int_eq(c->end_state, RUN_SUCCEEDED);
    finish();
}
END_TEST

START_TEST(who_is_in_a_hurry_is_answered_with_the_run_as_it_is)
{
    start();
    struct created *c = create(HANGS, WAITS, NULL);
    accept_hurry(&c->accept);
    rig_settle(&rig); /* no time passes */
    ck_assert_uint_eq(c->accepted, 1);
    ck_assert(rig_text_has(buf_str(&c->accept.json), "\"state\":\"running\""));
    finish();
}
END_TEST

START_TEST(a_creator_that_went_away_is_told_nothing_and_the_run_goes_on)
{
    start();
    struct created *c = create(SLOW("500"), WAITS, NULL);
    struct id id = c->accept.id;
    rig_advance(&rig, (uint64_t)_i * 100);
    accept_detach(&c->accept);
    unsigned told = c->accepted;
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(c->accepted, told);
    ck_assert_uint_eq(c->ended, 0);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    finish();
}
END_TEST

/* A run that the store does not take is nobody's: its call is stopped, its creator is told. */
START_TEST(a_create_that_is_not_stored_is_refused)
{
    enum way way = (enum way)(_i % 3);
    start();
    store_fake_fail_commit(rig.fake, _i / 3 == 1);
    struct created *c = create(HANGS, way, NULL);
    rig_advance(&rig, 100);
    ck_assert_uint_eq(c->accepted, 1);
    ck_assert_int_eq(c->accept.refused, ERR_STORAGE_UNAVAILABLE);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    ck_assert_int_eq(refused(ECHO, way), ERR_STORAGE_UNAVAILABLE); /* at once, from now on */
    store_fake_heal(rig.fake);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 0);
    c = create(ECHO, way, NULL);
    rig_advance(&rig, 100);
    ck_assert_int_eq(rig_row(&rig, &c->accept.id)->state, RUN_SUCCEEDED);
    finish();
}
END_TEST

/* --- lazy ------------------------------------------------------------------------------------- */

#define LAZY(body) "{\"durability\":\"lazy\"," body "}"

START_TEST(a_lazy_create_is_answered_before_it_is_stored)
{
    start();
    store_fake_hold(rig.fake);
    struct created *c = create(LAZY("\"agent\":\"echo\",\"input\":\"x\""), (enum way)_i, NULL);
    rig_settle(&rig);
    ck_assert_uint_eq(c->accepted, 1);
    ck_assert_int_eq(c->accept.refused, OK);
    ck_assert_uint_eq(c->ended, _i == WAITS);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 0);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 100);
    ck_assert_int_eq(rig_row(&rig, &c->accept.id)->state, RUN_SUCCEEDED);
    ck_assert_uint_eq(c->ended, _i == WAITS);
    finish();
}
END_TEST

START_TEST(a_lazy_run_is_stored_within_flush_ms)
{
    start();
    struct created *c = create(LAZY("\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]")),
                               (enum way)_i, NULL);
    rig_advance(&rig, 25);
    ck_assert_ptr_nonnull(rig_row(&rig, &c->accept.id));
    finish();
}
END_TEST

START_TEST(a_get_of_a_lazy_run_waits_until_it_is_stored)
{
    enum run_state state;
    start();
    struct created *c =
        create(LAZY("\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]")), PLAIN, NULL);
    ck_assert_int_eq(rig_get(&rig, (uint32_t)_i, &c->accept.id, &state, NULL), OK);
    ck_assert_int_eq(state, RUN_RUNNING);
    finish();
}
END_TEST

START_TEST(lazy_runs_that_have_ended_are_stored_together_within_flush_ms)
{
    start();
    unsigned before = store_fake_commits(rig.fake);
    for (int i = 0; i < 3; i++) {
        struct created *c = create(LAZY("\"agent\":\"echo\",\"input\":\"x\""), WAITS, NULL);
        rig_settle(&rig);
        ck_assert_uint_eq(c->ended, 1);
        rig_advance(&rig, 2);
    }
    ck_assert_uint_eq(store_fake_rows(rig.fake), 0);
    rig_advance(&rig, 20);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 3);
    ck_assert_uint_eq(store_fake_commits(rig.fake) - before, 1);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    finish();
}
END_TEST

START_TEST(many_lazy_runs_that_have_ended_are_stored_without_a_wait)
{
    start();
    for (int i = 0; i < ENDED_TOGETHER - 1; i++)
        create(LAZY("\"agent\":\"echo\",\"input\":\"x\""), WAITS, NULL);
    rig_settle(&rig);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 0);
    create(LAZY("\"agent\":\"echo\",\"input\":\"x\""), WAITS, NULL);
    rig_settle(&rig);
    ck_assert_uint_eq(store_fake_rows(rig.fake), ENDED_TOGETHER);
    finish();
}
END_TEST

START_TEST(a_lazy_run_that_has_ended_keeps_no_place_that_others_need)
{
    struct rig_options o = rig_options_default();
    o.limits.live_runs = 2;
    start_with(&o);
    create(LAZY("\"agent\":\"echo\",\"input\":\"x\""), WAITS, NULL);
    rig_settle(&rig);
    ck_assert_uint_eq(engine_live(rig.engine), 1);
    create(LAZY("\"agent\":\"echo\",\"input\":\"x\""), WAITS, NULL);
    rig_settle(&rig);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    finish();
}
END_TEST

/* It is lost whole: nothing of it is left to be found. */
START_TEST(a_lazy_run_that_a_crash_took_is_not_there)
{
    start();
    struct created *c = create(LAZY("\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]")),
                               (enum way)_i, NULL);
    rig_settle(&rig);
    struct id id = c->accept.id;
    ck_assert_uint_eq(c->accepted, 1);
    rig_forget(&created[--made]);
    rig_crash(&rig);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(rig_get(&rig, 0, &id, NULL, NULL), ERR_NOT_FOUND);
    finish();
}
END_TEST

/* --- the idempotency key ---------------------------------------------------------------------- */

START_TEST(a_key_that_was_seen_gives_the_run_that_has_it)
{
    start();
    struct created *first = create(HANGS, PLAIN, "key");
    rig_advance(&rig, _i % 2 == 0 ? 0 : 100);
    struct created *twin = create(HANGS, (enum way)(_i / 2), "key");
    rig_advance(&rig, 100);
    ck_assert_uint_eq(first->accepted, 1);
    ck_assert(!first->accept.exists);
    ck_assert_uint_eq(twin->accepted, 1);
    ck_assert(twin->accept.exists && twin->accept.same_body);
    ck_assert(id_eq(&twin->accept.id, &first->accept.id));
    ck_assert_uint_eq(store_fake_rows(rig.fake), 1);
    ck_assert_uint_eq(engine_live(rig.engine), 1);
    ck_assert_uint_eq(attempts(), 1);
    struct created *other = create(HANGS, PLAIN, "another key");
    rig_advance(&rig, 100);
    ck_assert(!other->accept.exists);
    finish();
}
END_TEST

START_TEST(a_twin_waits_for_the_commit_of_the_first)
{
    start();
    store_fake_hold(rig.fake);
    struct created *first = create(HANGS, PLAIN, "key");
    struct created *twin = create(HANGS, PLAIN, "key");
    rig_advance(&rig, 100);
    ck_assert_uint_eq(first->accepted + twin->accepted, 0);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 100);
    ck_assert_uint_eq(first->accepted, 1);
    ck_assert(twin->accept.exists && id_eq(&twin->accept.id, &first->accept.id));
    finish();
}
END_TEST

START_TEST(a_deleted_run_frees_its_key)
{
    start();
    struct created *first = create(ECHO, PLAIN, "key");
    rig_advance(&rig, 100);
    ck_assert_int_eq(rig_delete(&rig, 1, &first->accept.id), OK);
    struct created *again = create(ECHO, PLAIN, "key");
    rig_advance(&rig, 100);
    ck_assert(!again->accept.exists);
    ck_assert(!id_eq(&again->accept.id, &first->accept.id));
    finish();
}
END_TEST

START_TEST(a_key_is_known_to_the_next_gateway)
{
    start();
    struct created *first = create(ECHO, PLAIN, "key");
    rig_advance(&rig, 100);
    struct id id = first->accept.id;
    rig_forget(&created[--made]);
    rig_crash(&rig);
    struct created *twin = create(ECHO, PLAIN, "key");
    rig_advance(&rig, 100);
    ck_assert(twin->accept.exists && id_eq(&twin->accept.id, &id));
    finish();
}
END_TEST

/* --- bounds ----------------------------------------------------------------------------------- */

START_TEST(past_queue_runs_a_create_is_overloaded)
{
    struct rig_options o = rig_options_default();
    o.limits.live_runs = 1;
    o.limits.queue_runs = 2;
    start_with(&o);
    for (int i = 0; i < 3; i++) {
        create(SLOW("1000"), PLAIN, NULL);
        rig_settle(&rig);
    }
    ck_assert_int_eq(refused(ECHO, (enum way)_i), ERR_OVERLOADED);
    rig_advance(&rig, 1300); /* one has ended, another was taken in */
    struct created *c = create(ECHO, (enum way)_i, NULL);
    rig_advance(&rig, 10000);
    ck_assert_int_eq(rig_row(&rig, &c->accept.id)->state, RUN_SUCCEEDED);
    finish();
}
END_TEST

START_TEST(past_a_providers_queue_a_create_is_queue_full)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.concurrency = 1;
    o.providers[0].limiter.queue = 2;
    start_with(&o);
    for (int i = 0; i < 3; i++) {
        create(SLOW("1000"), PLAIN, NULL);
        rig_settle(&rig);
    }
    ck_assert_int_eq(refused(ECHO, (enum way)_i), ERR_QUEUE_FULL);
    rig_advance(&rig, 1100);
    create(ECHO, (enum way)_i, NULL);
    finish();
}
END_TEST

START_TEST(a_slow_provider_fills_only_its_own_queue)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.concurrency = 1;
    o.providers[0].limiter.queue = 1;
    o.providers[1] = o.providers[0];
    o.providers[1].name = "other";
    start_with(&o);
    create(HANGS, PLAIN, NULL);
    create(HANGS, PLAIN, NULL);
    rig_settle(&rig);
    ck_assert_int_eq(refused(ECHO, PLAIN), ERR_QUEUE_FULL);
    struct created *c =
        create("{\"task\":{\"type\":\"call\",\"model\":\"other/echo\"}}", PLAIN, NULL);
    rig_advance(&rig, 100);
    ck_assert_int_eq(rig_row(&rig, &c->accept.id)->state, RUN_SUCCEEDED);
    ck_assert(str_eq(rig_row(&rig, &c->accept.id)->lane, STR("other")));
    finish();
}
END_TEST

START_TEST(while_too_much_waits_to_be_written_a_create_is_overloaded)
{
    start();
    store_fake_set_full(rig.fake, true);
    ck_assert_int_eq(refused(ECHO, (enum way)_i), ERR_OVERLOADED);
    store_fake_set_full(rig.fake, false);
    create(ECHO, (enum way)_i, NULL);
    finish();
}
END_TEST

/* Whichever allocation fails, the create is refused or done, and nothing is left of what was not.
 */
START_TEST(without_memory_a_create_is_refused_or_done)
{
    enum way way = (enum way)_i;
    start();
    for (unsigned n = 1; n < 80; n++) {
        struct created c;
        mem_fail_nth(n);
        enum err e = rig_create(&rig, 0, ECHO, way, NULL, &c);
        rig_settle(&rig);
        mem_fail_nth(0);
        rig_advance(&rig, 2000);
        bool accepted = e == OK && c.accepted == 1 && c.accept.refused == OK;
        if (e != OK)
            ck_assert(e == ERR_OVERLOADED || e == ERR_NOMEM);
        else
            ck_assert_uint_eq(c.accepted, 1);
        if (accepted)
            ck_assert(run_state_is_terminal(rig_row(&rig, &c.accept.id)->state));
        ck_assert_uint_eq(engine_live(rig.engine), 0);
        rig_forget(&c);
    }
    finish();
}
END_TEST

Suite *suite_runs_accept(void)
{
    Suite *s = suite_create("runs/accept");
    TCase *t = tcase_create("commit");
    tcase_add_loop_test(t, a_creator_is_answered_after_the_commit, 0, 3);
    tcase_add_loop_test(t, a_call_begins_before_the_commit_only_where_nobody_is_told, 0,
                        sizeof overlaps / sizeof overlaps[0]);
    tcase_add_test(t, a_short_call_whose_creator_waits_costs_one_commit);
    tcase_add_test(t, a_creator_that_waits_is_told_the_end_once_it_is_stored);
    tcase_add_test(t, who_is_in_a_hurry_is_answered_with_the_run_as_it_is);
    tcase_add_loop_test(t, a_creator_that_went_away_is_told_nothing_and_the_run_goes_on, 0, 4);
    tcase_add_loop_test(t, a_create_that_is_not_stored_is_refused, 0, 6);
    suite_add_tcase(s, t);
    t = tcase_create("lazy");
    tcase_add_loop_test(t, a_lazy_create_is_answered_before_it_is_stored, 0, 3);
    tcase_add_loop_test(t, a_lazy_run_is_stored_within_flush_ms, 0, 3);
    tcase_add_loop_test(t, a_get_of_a_lazy_run_waits_until_it_is_stored, 0, 2);
    tcase_add_test(t, lazy_runs_that_have_ended_are_stored_together_within_flush_ms);
    tcase_add_test(t, many_lazy_runs_that_have_ended_are_stored_without_a_wait);
    tcase_add_test(t, a_lazy_run_that_has_ended_keeps_no_place_that_others_need);
    tcase_add_loop_test(t, a_lazy_run_that_a_crash_took_is_not_there, 0, 3);
    suite_add_tcase(s, t);
    t = tcase_create("keys");
    tcase_add_loop_test(t, a_key_that_was_seen_gives_the_run_that_has_it, 0, 6);
    tcase_add_test(t, a_twin_waits_for_the_commit_of_the_first);
    tcase_add_test(t, a_deleted_run_frees_its_key);
    tcase_add_test(t, a_key_is_known_to_the_next_gateway);
    suite_add_tcase(s, t);
    t = tcase_create("bounds");
    tcase_add_loop_test(t, past_queue_runs_a_create_is_overloaded, 0, 3);
    tcase_add_loop_test(t, past_a_providers_queue_a_create_is_queue_full, 0, 3);
    tcase_add_test(t, a_slow_provider_fills_only_its_own_queue);
    tcase_add_loop_test(t, while_too_much_waits_to_be_written_a_create_is_overloaded, 0, 3);
    tcase_add_loop_test(t, without_memory_a_create_is_refused_or_done, 0, 3);
    suite_add_tcase(s, t);
    return s;
}
