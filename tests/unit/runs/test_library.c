/* The library: several who change at once, what the store says, what a configuration hides. */
#include "runs/library.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/rig_ops.h"
#include "tests/support/store_calls.h"

Suite *suite_runs_library(void);

static struct rig rig;

static void start(void)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
}

#define STORY "{\"model\":\"sim/story\"}"
#define ECHO  "{\"model\":\"sim/echo\"}"

/* --- changes ---------------------------------------------------------------------------------- */

struct wish {
    struct library_change c;
    int64_t wanted; /* version; -1: any */
    unsigned answers;
};

static bool allows(const struct library_change *c, int64_t version)
{
    int64_t wanted = CONTAINER_OF(c, const struct wish, c)->wanted;
    return wanted < 0 || wanted == version;
}

static void on_done(struct library_change *c)
{
    CONTAINER_OF(c, struct wish, c)->answers++;
}

/* Not settled. */
static void ask(struct wish *a, uint32_t shard, const char *name, const char *body, int64_t wanted)
{
    *a = (struct wish){.c = {.from = rig_shard(&rig, shard),
                             .kind = DEFINITION_AGENT,
                             .name = str_of(name),
                             .body = body != NULL ? str_of(body) : STR_NONE,
                             .allows = allows,
                             .on_done = on_done},
                       .wanted = wanted};
    library_change_start(&a->c);
}

static enum err done(struct wish *a)
{
    ck_assert_uint_eq(a->answers, 1);
    library_change_fini(&a->c);
    return a->c.result;
}

static enum err change(const char *name, const char *body, int64_t wanted)
{
    struct wish a;
    ask(&a, 1, name, body, wanted);
    rig_settle(&rig);
    return done(&a);
}

/* The version that this loop has; 0: none. */
static int64_t version_on(uint32_t shard, const char *name)
{
    struct agent *a = definitions_agent(rig_shard(&rig, shard)->definitions, str_of(name));
    return a != NULL ? a->version : 0;
}

static const char *model_of(const char *name)
{
    static char text[64];
    struct agent *a = definitions_agent(rig_shard(&rig, 1)->definitions, str_of(name));
    str_copy(text, sizeof text, a != NULL ? a->models[0] : STR("none"));
    return text;
}

START_TEST(of_many_who_replace_one_version_one_wins)
{
    struct wish many[20];
    unsigned won = 0;
    start();
    ck_assert_int_eq(change("a", ECHO, 0), OK);
    for (uint32_t i = 0; i < 20; i++)
        ask(&many[i], i % 2, "a", i % 3 == 0 ? NULL : STORY, 1);
    rig_settle(&rig);
    for (uint32_t i = 0; i < 20; i++) {
        enum err e = done(&many[i]);
        won += e == OK;
        ck_assert(e == OK || e == ERR_PRECONDITION_FAILED || e == ERR_NOT_FOUND);
    }
    ck_assert_uint_eq(won, 1);
    rig_stop(&rig);
}
END_TEST

START_TEST(who_is_told_finds_it_on_every_loop)
{
    struct wish a;
    start();
    store_fake_hold(rig.fake);
    ask(&a, 1, "a", ECHO, -1);
    rig_settle(&rig);
    ck_assert_uint_eq(a.answers, 0);
    ck_assert_int_eq(version_on(1, "a"), 0); /* not before it is stored */
    store_fake_let_go(rig.fake);
    while (a.answers == 0) {
        loop_turn(rig.loops[0]);
        loop_turn(rig.loops[1]);
    }
    ck_assert_int_eq(version_on(0, "a"), 1);
    ck_assert_int_eq(version_on(1, "a"), 1);
    rig_settle(&rig);
    ck_assert_int_eq(done(&a), OK);
    rig_stop(&rig);
}
END_TEST

START_TEST(more_than_may_wait_are_turned_away)
{
    enum { MANY = LIBRARY_MAX_WAITING + 3 };
    static struct wish many[MANY];
    unsigned turned_away = 0;
    start();
    store_fake_hold(rig.fake);
    for (uint32_t i = 0; i < MANY; i++) {
        ask(&many[i], 0, "a", i % 2 == 0 ? ECHO : "nonsense", -1);
        rig_settle(&rig);
    }
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    for (uint32_t i = 0; i < MANY; i++)
        turned_away += done(&many[i]) == ERR_OVERLOADED;
    ck_assert_uint_eq(turned_away, 2); /* one is being done, so many wait */
    rig_stop(&rig);
}
END_TEST

/* --- the store -------------------------------------------------------------------------------- */

START_TEST(what_became_of_an_unknown_outcome_is_found_out)
{
    start();
    ck_assert_int_eq(change("a", ECHO, -1), OK);
    store_fake_fail_commit(rig.fake, _i == 1);
    ck_assert_int_eq(change("a", STORY, 1), ERR_STORAGE_UNAVAILABLE);
    ck_assert_str_eq(model_of("a"), "sim/echo");
    ck_assert_int_eq(change("a", STORY, 1), ERR_STORAGE_UNAVAILABLE);
    rig_advance(&rig, 1000);
    ck_assert_str_eq(model_of("a"), "sim/echo");
    store_fake_heal(rig.fake);
    rig_advance(&rig, 1000); /* nobody needs to ask */
    ck_assert_str_eq(model_of("a"), _i == 1 ? "sim/story" : "sim/echo");
    ck_assert_int_eq(version_on(0, "a"), 1 + _i);
    ck_assert_int_eq(change("a", ECHO, 1 + _i), OK);
    ck_assert_int_eq(version_on(1, "a"), 2 + _i);
    rig_stop(&rig);
}
END_TEST

START_TEST(the_next_change_finds_it_out_as_well)
{
    start();
    store_fake_fail_commit(rig.fake, true);
    ck_assert_int_eq(change("a", STORY, 0), ERR_STORAGE_UNAVAILABLE);
    store_fake_heal(rig.fake);
    ck_assert_int_eq(change("a", ECHO, 0), ERR_PRECONDITION_FAILED);
    ck_assert_int_eq(change("a", ECHO, 1), OK);
    rig_stop(&rig);
}
END_TEST

START_TEST(what_another_gateway_has_stored_is_judged_anew)
{
    struct store_define other = {
        .op.kind = STORE_DEFINE,
        .is = {.kind = DEFINITION_AGENT, .name = STR("a"), .text = STR(STORY)}};
    start();
    ck_assert_int_eq(calls_do(rig.store, rig.loops[0], &other.op), STORE_OK);
    ck_assert_int_eq(version_on(0, "a"), 0);
    ck_assert_int_eq(change("a", ECHO, 0), ERR_PRECONDITION_FAILED);
    ck_assert_str_eq(model_of("a"), "sim/story");
    other.replaces = 1;
    ck_assert_int_eq(calls_do(rig.store, rig.loops[0], &other.op), STORE_OK);
    ck_assert_int_eq(change("a", ECHO, -1), OK);
    ck_assert_int_eq(version_on(1, "a"), 3);
    rig_stop(&rig);
}
END_TEST

START_TEST(one_that_is_damaged_is_left_out_and_the_others_stay)
{
    struct store_define damaged = {
        .op.kind = STORE_DEFINE,
        .is = {.kind = DEFINITION_AGENT, .name = STR("bad"), .text = STR("{\"model\":")}};
    start();
    ck_assert_int_eq(change("a", ECHO, -1), OK);
    ck_assert_int_eq(calls_do(rig.store, rig.loops[0], &damaged.op), STORE_OK);
    rig_restart(&rig);
    ck_assert_int_eq(version_on(0, "a"), 1);
    ck_assert_int_eq(version_on(0, "bad"), 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_start_waits_until_it_has_read_what_is_stored)
{
    start();
    ck_assert_int_eq(change("a", ECHO, -1), OK);
    store_fake_fail_reads(rig.fake, true);
    rig_restart(&rig);
    ck_assert(!engine_is_started(rig.engine));
    rig_advance(&rig, 1000);
    ck_assert(!engine_is_started(rig.engine));
    store_fake_fail_reads(rig.fake, false);
    rig_advance(&rig, 1000);
    ck_assert(engine_is_started(rig.engine));
    ck_assert_int_eq(version_on(1, "a"), 1);
    rig_stop(&rig);
}
END_TEST

/* --- the configuration ------------------------------------------------------------------------ */

static void reload(const char *agents)
{
    struct rig_options o = rig_options_default();
    o.agents = agents;
    rig_take_over(&rig, &o);
}

START_TEST(what_the_configuration_says_has_versions_that_go_on_when_it_changes)
{
    start();
    ck_assert_int_eq(version_on(0, "echo"), 1);
    reload("{\"echo\":" ECHO "}");
    ck_assert_int_eq(version_on(0, "echo"), 1);
    reload("{\"echo\":" STORY "}");
    ck_assert_int_eq(version_on(1, "echo"), 2);
    rig_restart(&rig);
    ck_assert_int_eq(version_on(1, "echo"), 2);
    reload("{}");
    ck_assert_int_eq(version_on(1, "echo"), 0);
    reload("{\"echo\":" STORY "}");
    ck_assert_int_eq(version_on(1, "echo"), 3);
    rig_stop(&rig);
}
END_TEST

START_TEST(what_the_configuration_hides_comes_back_when_it_lets_go)
{
    start();
    ck_assert_int_eq(change("a", ECHO, -1), OK);
    ck_assert_int_eq(change("b", ECHO, -1), OK);
    reload("{\"a\":" STORY "}");
    ck_assert_str_eq(model_of("a"), "sim/story");
    ck_assert_str_eq(model_of("b"), "sim/echo");
    rig_restart(&rig);
    ck_assert_str_eq(model_of("a"), "sim/story");
    reload("{}");
    ck_assert_str_eq(model_of("a"), "sim/echo");
    ck_assert_int_eq(version_on(1, "a"), 1);
    ck_assert_int_eq(change("a", STORY, 1), OK);
    ck_assert_int_eq(version_on(1, "a"), 3);
    rig_stop(&rig);
}
END_TEST

static bool was_told;

static void on_reseeded(struct library_reseed *r)
{
    (void)r;
    was_told = true;
}

START_TEST(a_configuration_that_cannot_be_stored_changes_nothing)
{
    struct definitions *none;
    start();
    ck_assert_int_eq(change("a", ECHO, -1), OK);
    ck_assert_int_eq(definitions_create(NULL, 0, NULL, 0, &none), OK);
    struct library_reseed r = {.engine = rig.engine, .seeds = none, .on_done = on_reseeded};
    was_told = false;
    store_fake_go_away(rig.fake);
    library_reseed_start(&r);
    rig_settle(&rig);
    ck_assert(was_told);
    ck_assert_int_eq(r.result, ERR_STORAGE_UNAVAILABLE);
    ck_assert_int_eq(version_on(0, "echo"), 1);
    store_fake_heal(rig.fake);
    ck_assert_int_eq(change("a", STORY, 1), OK);
    definitions_unref(none);
    rig_stop(&rig);
}
END_TEST

/* --- what runs -------------------------------------------------------------------------------- */

/* The first try fails, the second one is long after the agent has changed. */
START_TEST(a_call_that_has_begun_keeps_its_agent)
{
    struct created created;
    start();
    ck_assert_int_eq(
        change("a",
               "{\"model\":\"sim/echo\",\"retry\":{\"attempts\":2,\"base_ms\":500,\"jitter\":"
               "\"none\"},\"params\":{\"sim\":{\"fail\":[{\"attempt\":1,\"as\":\"status\"}]}}}",
               -1),
        OK);
    struct id id = rig_run(&rig, 0, "{\"agent\":\"a\",\"input\":\"hello\"}", PLAIN, &created);
    if (_i == 0)
        ck_assert_int_eq(change("a", STORY, 1), OK);
    else
        ck_assert_int_eq(change("a", NULL, 1), OK);
    rig_advance(&rig, 2000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    ck_assert(str_eq(rig_row(&rig, &id)->output, STR("\"hello\"")));
    rig_forget(&created);
    ck_assert(_i == 0 || version_on(0, "a") == 0);
    rig_stop(&rig);
}
END_TEST

Suite *suite_runs_library(void)
{
    Suite *s = suite_create("runs/library");
    TCase *t = tcase_create("library");
    tcase_add_test(t, of_many_who_replace_one_version_one_wins);
    tcase_add_test(t, who_is_told_finds_it_on_every_loop);
    tcase_add_test(t, more_than_may_wait_are_turned_away);
    tcase_add_loop_test(t, what_became_of_an_unknown_outcome_is_found_out, 0, 2);
    tcase_add_test(t, the_next_change_finds_it_out_as_well);
    tcase_add_test(t, what_another_gateway_has_stored_is_judged_anew);
    tcase_add_test(t, one_that_is_damaged_is_left_out_and_the_others_stay);
    tcase_add_test(t, a_start_waits_until_it_has_read_what_is_stored);
    tcase_add_test(t, what_the_configuration_says_has_versions_that_go_on_when_it_changes);
    tcase_add_test(t, what_the_configuration_hides_comes_back_when_it_lets_go);
    tcase_add_test(t, a_configuration_that_cannot_be_stored_changes_nothing);
    tcase_add_loop_test(t, a_call_that_has_begun_keeps_its_agent, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
