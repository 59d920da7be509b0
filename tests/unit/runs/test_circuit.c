/* What becomes of a named circuit's changes: told to its tenant, noted, and taken up by the next
 * gateway. */
#include "runs/circuit.h"

#include <check.h>
#include <stdio.h>

#include "base/mem.h"
#include "runs/listen.h"
#include "tests/support/rig_ops.h"
#include "tests/support/store_calls.h"

Suite *suite_runs_circuit(void);

enum { MANY = 8 };

static struct rig rig;
static struct created created[MANY];
static int runs;

#define BAD                                                                                        \
    "{\"type\":\"call\",\"model\":\"sim/echo\",\"retry\":{\"attempts\":1},\"params\":{\"sim\":{"   \
    "\"fail\":[{\"as\":\"status\"}]}}}"
#define GOOD "{\"type\":\"value\",\"value\":1}"
#define CIRCUIT(name, task)                                                                        \
    "{\"task\":{\"type\":\"circuit\",\"circuit\":\"" name                                          \
    "\",\"fail_max\":1,\"reset_timeout_ms\":10000,\"task\":" task "}}"

static void start(bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    o.on_sqlite = on_sqlite;
    o.providers[0].limiter.breaker.failures = 1000;
    runs = 0;
    rig_start(&rig, &o);
}

static void finish(void)
{
    while (runs > 0)
        rig_forget(&created[--runs]);
    rig_stop(&rig);
}

/* On the second loop, so that changes come from another than notes are written on. */
static enum run_state run(const char *body)
{
    struct id id = rig_run(&rig, 1, body, PLAIN, &created[runs++]);
    enum run_state state;
    uint64_t last_seq;
    rig_advance(&rig, 50);
    ck_assert_int_eq(rig_get(&rig, 1, &id, &state, &last_seq), OK);
    return state;
}

static struct fuse_status circuit(const char *name)
{
    struct fuse_status s;
    ck_assert(fuse_get(&rig.engine->fuses, STR("t"), str_of(name), loop_now_ms(rig.loops[0]), &s));
    return s;
}

static bool is_there(const char *name)
{
    struct fuse_status s;
    return fuse_get(&rig.engine->fuses, STR("t"), str_of(name), 0, &s);
}

/* --- the bus ---------------------------------------------------------------------------------- */

static void pull(struct listen *l, void *ctx)
{
    struct buf *out = ctx;
    size_t before;
    do {
        before = out->len;
        listen_pull(l, out, before + 1000);
    } while (out->len > before);
}

/* "x closed>open " of what a tenant is told of circuits. */
static const char *heard_by(const char *tenant)
{
    static char all[512];
    struct buf lines;
    struct listen *l;
    struct bus_line line;
    size_t len = 0;
    struct listen_options o = {.tenant = str_of(tenant),
                               .types = event_set_of(EVENT_CIRCUIT_OPEN) |
                                        event_set_of(EVENT_CIRCUIT_HALF_OPEN) |
                                        event_set_of(EVENT_CIRCUIT_CLOSED),
                               .format = FRAME_NDJSON,
                               .on_opened = pull,
                               .on_ready = pull,
                               .ctx = &lines};
    buf_init(&lines, 1 << 20);
    ck_assert_int_eq(listen_open(rig_shard(&rig, 0), &o, &l), OK);
    rig_settle(&rig);
    listen_close(l);
    rig_settle(&rig);
    struct str rest = buf_str(&lines);
    all[0] = '\0';
    while (rest.len > 0 && bus_next_line(&rest, &line)) {
        struct json_doc *doc = &rig_shard(&rig, 0)->scratch;
        ck_assert_int_eq(json_parse(doc, line.json, NULL), OK);
        struct json data = json_get_lit(json_root(doc), "data");
        struct arena arena;
        struct str name, from, to;
        arena_init(&arena, 4096);
        ck_assert(json_string(json_get_lit(data, "circuit"), &arena, &name));
        ck_assert(json_string(json_get_lit(data, "old_state"), &arena, &from));
        ck_assert(json_string(json_get_lit(data, "new_state"), &arena, &to));
        len += (size_t)snprintf(all + len, sizeof all - len, "%.*s %.*s>%.*s ", STR_ARG(name),
                                STR_ARG(from), STR_ARG(to));
        arena_fini(&arena);
    }
    buf_fini(&lines);
    return all;
}

START_TEST(its_tenant_hears_of_each_change_in_order)
{
    start(_i == 1);
    ck_assert_int_eq(run(CIRCUIT("x", BAD)), RUN_FAILED);
    ck_assert_int_eq(run(CIRCUIT("x", GOOD)), RUN_FAILED);
    rig_advance(&rig, 12000);
    ck_assert_int_eq(run(CIRCUIT("x", BAD)), RUN_FAILED);
    rig_advance(&rig, 24000);
    ck_assert_int_eq(run(CIRCUIT("x", GOOD)), RUN_SUCCEEDED);
    ck_assert_str_eq(heard_by("t"), "x closed>open x open>half_open x half_open>open "
                                    "x open>half_open x half_open>closed ");
    ck_assert_str_eq(heard_by("u"), "");
    finish();
}
END_TEST

/* --- the next gateway ------------------------------------------------------------------------- */

START_TEST(an_open_one_is_open_in_the_next_gateway_for_the_time_that_is_left)
{
    start(_i % 2 == 1);
    ck_assert_int_eq(run(CIRCUIT("x", BAD)), RUN_FAILED);
    rig_advance(&rig, 4000);
    if (_i < 2)
        rig_crash(&rig);
    else
        rig_restart(&rig);
    rig_settle(&rig);
    struct fuse_status s = circuit("x");
    ck_assert(s.state == BREAKER_OPEN && s.failures == 1 && s.policy.failures == 1);
    ck_assert_uint_eq(s.policy.reset_ms, 10000);
    uint64_t left_ms = s.opens_until_ms - loop_now_ms(rig.loops[0]);
    ck_assert_msg(left_ms >= 4000 && left_ms <= 7000, "%llu", (unsigned long long)left_ms);
    ck_assert_int_eq(run(CIRCUIT("x", GOOD)), RUN_FAILED);
    rig_advance(&rig, 7000);
    ck_assert_int_eq(run(CIRCUIT("x", GOOD)), RUN_SUCCEEDED);
    finish();
}
END_TEST

START_TEST(one_that_has_closed_leaves_nothing_behind)
{
    struct fuse_status s;
    start(_i == 1);
    ck_assert_int_eq(run(CIRCUIT("x", BAD)), RUN_FAILED);
    ck_assert_int_eq(run(CIRCUIT("y", BAD)), RUN_FAILED);
    ck_assert(fuse_reset(&rig.engine->fuses, STR("t"), STR("x"), 0, &s));
    rig_settle(&rig);
    rig_crash(&rig);
    rig_settle(&rig);
    ck_assert(!is_there("x") && is_there("y"));
    finish();
}
END_TEST

static void note(const char *name, const char *text)
{
    struct store_note n = {.op.kind = STORE_NOTE, .name = str_of(name), .text = str_of(text)};
    ck_assert_int_eq(calls_do(rig.store, rig.loops[0], &n.op), STORE_OK);
}

static uint32_t notes(void)
{
    struct store_notes n = {.op.kind = STORE_NOTES, .prefix = STR("circuit:"), .limit = 10000};
    arena_init(&n.arena, 16u << 20);
    ck_assert_int_eq(calls_do(rig.store, rig.loops[0], &n.op), STORE_OK);
    arena_fini(&n.arena);
    return n.count;
}

START_TEST(notes_are_taken_up_page_by_page_and_those_of_no_use_are_forgotten)
{
    enum { NOTES = 2500 };
    char name[64], text[256];
    start(_i == 1);
    for (int i = 0; i < NOTES; i++) {
        snprintf(name, sizeof name, "circuit:t:n%d", i);
        snprintf(text, sizeof text,
                 "{\"state\":\"%s\",\"failures\":1,\"openings\":1,\"open_left_ms\":9000,"
                 "\"at_ms\":%lld,\"fail_max\":1,\"window_ms\":2,\"reset_timeout_ms\":3}",
                 i == 7 ? "closed" : "open", (long long)loop_wall_ms(rig.loops[0]));
        note(name, text);
    }
    note("circuit:t:nonsense", "{");
    rig_restart(&rig);
    rig_settle(&rig);
    ck_assert(is_there("n0") && is_there("n6") && is_there("n2499"));
    ck_assert(!is_there("n7") && !is_there("nonsense"));
    ck_assert_uint_eq(notes(), NOTES - 1);
    finish();
}
END_TEST

START_TEST(without_a_store_the_next_change_makes_up_for_one)
{
    start(false);
    ck_assert_int_eq(run(CIRCUIT("x", GOOD)), RUN_SUCCEEDED);
    struct fuse_status s;
    ck_assert_int_eq(run(CIRCUIT("x", BAD)), RUN_FAILED);
    store_fake_go_away(rig.fake);
    ck_assert(fuse_reset(&rig.engine->fuses, STR("t"), STR("x"), 0, &s));
    rig_settle(&rig);
    store_fake_heal(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(notes(), 1); /* it is still known as open */
    ck_assert_int_eq(run(CIRCUIT("x", BAD)), RUN_FAILED);
    ck_assert(fuse_reset(&rig.engine->fuses, STR("t"), STR("x"), 0, &s));
    rig_settle(&rig);
    ck_assert_uint_eq(notes(), 0);
    ck_assert_str_eq(heard_by("t"), "x closed>open x closed>open x open>closed ");
    finish();
}
END_TEST

START_TEST(without_memory_a_change_is_lost_and_the_gateway_goes_on)
{
    struct fuse_status s;
    start(false);
    for (unsigned long n = 1; n < 30; n++) {
        runs = 0;
        ck_assert_int_eq(run(CIRCUIT("x", BAD)), RUN_FAILED);
        ck_assert(fuse_reset(&rig.engine->fuses, STR("t"), STR("x"), 0, &s));
        mem_fail_nth(n);
        rig_settle(&rig);
        mem_fail_nth(0);
        rig_settle(&rig);
        rig_forget(&created[--runs]);
    }
    ck_assert_int_eq(circuit("x").state, BREAKER_CLOSED);
    ck_assert_int_eq(run(CIRCUIT("x", BAD)), RUN_FAILED);
    ck_assert_uint_eq(notes(), 1);
    finish();
}
END_TEST

START_TEST(an_open_circuit_is_what_the_error_names)
{
    start(false);
    ck_assert_int_eq(run(CIRCUIT("billing", BAD)), RUN_FAILED);
    ck_assert_int_eq(run(CIRCUIT("billing", GOOD)), RUN_FAILED);
    ck_assert(rig_text_has(rig_row(&rig, &created[1].accept.id)->error,
                           "\"code\":\"breaker_open\","
                           "\"message\":\"The circuit billing is open\""));
    finish();
}
END_TEST

/* A pause of more than a second parks the run: what it failed of then was counted by nobody. */
START_TEST(a_run_that_was_parked_is_counted_when_it_fails)
{
    start(false);
    rig_run(&rig, 0,
            CIRCUIT("x", "{\"type\":\"call\",\"model\":\"sim/echo\",\"retry\":{\"attempts\":2,"
                         "\"base_ms\":2500,\"jitter\":\"none\"},\"params\":{\"sim\":{\"fail\":[{"
                         "\"as\":\"status\"}]}}}"),
            PLAIN, &created[runs++]);
    rig_advance(&rig, 1000);
    ck_assert_ptr_null(rig_live(&rig, &created[0].accept.id));
    if (_i == 1)
        rig_crash(&rig);
    rig_advance(&rig, 3000);
    ck_assert_int_eq(rig_row(&rig, &created[0].accept.id)->state, RUN_FAILED);
    struct fuse_status s = circuit("x");
    ck_assert_int_eq(s.state, BREAKER_OPEN);
    ck_assert_uint_eq(s.counts.started, 1);
    ck_assert_uint_eq(s.counts.failed, 1);
    finish();
}
END_TEST

#define SLOW "{\"type\":\"call\",\"model\":\"sim/echo\",\"params\":{\"sim\":{\"first_ms\":2000}}}"

START_TEST(a_probe_that_dies_with_its_gateway_is_the_probe_again)
{
    start(false);
    ck_assert_int_eq(run(CIRCUIT("x", BAD)), RUN_FAILED);
    rig_advance(&rig, 12000);
    ck_assert_int_eq(run(CIRCUIT("x", SLOW)), RUN_RUNNING);
    ck_assert_int_eq(circuit("x").state, BREAKER_HALF_OPEN);
    rig_crash(&rig);
    ck_assert_int_eq(run(CIRCUIT("x", GOOD)), RUN_FAILED); /* refused: there is a probe */
    rig_advance(&rig, 3000);
    ck_assert_int_eq(circuit("x").state, BREAKER_CLOSED);
    finish();
}
END_TEST

Suite *suite_runs_circuit(void)
{
    Suite *s = suite_create("runs/circuit");
    TCase *t = tcase_create("changes of named circuits");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, its_tenant_hears_of_each_change_in_order, 0, 2);
    tcase_add_loop_test(t, an_open_one_is_open_in_the_next_gateway_for_the_time_that_is_left, 0, 4);
    tcase_add_loop_test(t, one_that_has_closed_leaves_nothing_behind, 0, 2);
    tcase_add_loop_test(t, notes_are_taken_up_page_by_page_and_those_of_no_use_are_forgotten, 0, 2);
    tcase_add_test(t, without_a_store_the_next_change_makes_up_for_one);
    tcase_add_test(t, without_memory_a_change_is_lost_and_the_gateway_goes_on);
    tcase_add_test(t, an_open_circuit_is_what_the_error_names);
    tcase_add_loop_test(t, a_run_that_was_parked_is_counted_when_it_fails, 0, 2);
    tcase_add_test(t, a_probe_that_dies_with_its_gateway_is_the_probe_again);
    suite_add_tcase(s, t);
    return s;
}
