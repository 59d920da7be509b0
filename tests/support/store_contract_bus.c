/* The bus: what store/store.h and store/bus.h promise of it. */
#include <stdio.h>

#include "tests/support/store_calls.h"
#include "tests/support/store_contract_internal.h"

/* --- in short --------------------------------------------------------------------------------- */

static struct run_record accept(uint64_t n, const char *tenant, const char *agent,
                                uint64_t *ret_ref)
{
    struct run_record run = calls_run(n);
    run.tenant = str_of(tenant);
    run.agent = str_of(agent);
    run.seq = 0; /* without an event */
    ck_assert_int_eq(calls_accept(contract_store(), contract_loop(), &run, ret_ref), STORE_OK);
    return run;
}

/* Commits the run's events `first` to `last`. */
static enum store_result try_tell(struct run_record *run, uint64_t ref, uint64_t first,
                                  uint64_t last)
{
    run->seq = last;
    return calls_save(contract_store(), contract_loop(), run, ref, contract_store()->epoch, false,
                      first);
}

static void tell(struct run_record *run, uint64_t ref, uint64_t first, uint64_t last)
{
    ck_assert_int_eq(try_tell(run, ref, first, last), STORE_OK);
}

static void note(const char *event, const char *tenant)
{
    struct store_note n = {.op.kind = STORE_NOTE,
                           .name = STR("n"),
                           .text = STR("t"),
                           .event = event != NULL ? str_of(event) : STR_NONE,
                           .event_tenant = tenant != NULL ? str_of(tenant) : STR_NONE};
    ck_assert_int_eq(calls_do(contract_store(), contract_loop(), &n.op), STORE_OK);
}

static void end_and_remove(struct run_record *run, uint64_t ref)
{
    run->state = RUN_SUCCEEDED;
    ck_assert_int_eq(calls_save(contract_store(), contract_loop(), run, ref,
                                contract_store()->epoch, true, UINT64_MAX),
                     STORE_OK);
    ck_assert_int_eq(calls_delete(contract_store(), contract_loop(), run), STORE_OK);
}

static struct store_bus all_of(const char *tenant)
{
    return (struct store_bus){
        .tenant = str_of(tenant), .types = EVENT_SET_ALL, .max_bytes = 1 << 20};
}

/* Reads on from wanted.after until there is nothing more. Bus lines; the caller frees them. */
static struct buf read_on(struct store_bus wanted, struct bus_cursor *ret_next)
{
    struct store_bus b = wanted;
    b.op.kind = STORE_BUS;
    buf_init(&b.lines, 1 << 24);
    do {
        size_t before = b.lines.len;
        b.max_bytes = before + wanted.max_bytes;
        ck_assert_int_eq(calls_do(contract_store(), contract_loop(), &b.op), STORE_OK);
        ck_assert(!b.more || b.lines.len >= b.max_bytes);
        b.after = b.next;
    } while (b.more);
    if (ret_next != NULL)
        *ret_next = b.next;
    return b.lines;
}

/* "1 2 circuit.open 11": the seqs of what is read, or the types of what has none. */
static const char *seen(struct store_bus wanted)
{
    static char all[512];
    struct buf lines = read_on(wanted, NULL);
    struct str rest = buf_str(&lines);
    struct bus_line line;
    size_t n = 0;
    all[0] = '\0';
    while (rest.len > 0) {
        ck_assert(bus_next_line(&rest, &line));
        struct str seq = {line.json.at + line.id.len + 15, 0}; /* behind {"id":"..","seq": */
        while (seq.at[seq.len] != ',')
            seq.len++;
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%.*s", n > 0 ? " " : "",
                              STR_ARG(str_eq(seq, STR("null")) ? line.type : seq));
    }
    buf_fini(&lines);
    return all;
}

static const char circuit[] = "{\"seq\":null,\"type\":\"circuit.open\",\"data\":{}}\n";

/* --- order and cursors ------------------------------------------------------------------------ */

START_TEST(the_bus_has_all_runs_events_in_the_order_of_their_commits)
{
    uint64_t ref[2];
    struct run_record a = accept(1, "t", "echo", &ref[0]), b = accept(2, "t", "echo", &ref[1]);
    ck_assert_str_eq(seen(all_of("t")), "");
    tell(&b, ref[1], 11, 12);
    tell(&a, ref[0], 1, 2);
    note(circuit, NULL);
    tell(&b, ref[1], 13, 13);
    tell(&a, ref[0], 3, 3);
    ck_assert_str_eq(seen(all_of("t")), "11 12 1 2 circuit.open 13 3");
    contract_reopen();
    ck_assert_str_eq(seen(all_of("t")), "11 12 1 2 circuit.open 13 3");
}
END_TEST

START_TEST(every_id_is_a_cursor_behind_which_the_rest_follows)
{
    uint64_t ref[2];
    struct run_record a = accept(1, "t", "echo", &ref[0]), b = accept(2, "t", "echo", &ref[1]);
    for (uint64_t i = 0; i < 5; i++) {
        tell(&a, ref[0], 3 * i + 1, 3 * i + 3);
        tell(&b, ref[1], 2 * i + 1, 2 * i + 2);
    }
    static const size_t page_bytes[] = {1, 100, 1 << 20};
    struct store_bus wanted = all_of("t");
    wanted.max_bytes = page_bytes[_i];
    struct buf whole = read_on(wanted, NULL);
    struct str rest = buf_str(&whole);
    struct bus_line line;
    unsigned count = 0;
    while (rest.len > 0) {
        ck_assert(bus_next_line(&rest, &line) && bus_cursor_parse(line.id, &wanted.after));
        struct buf again = read_on(wanted, NULL);
        ck_assert(str_eq(buf_str(&again), rest));
        buf_fini(&again);
        count++;
    }
    ck_assert_uint_eq(count, 25);
    buf_fini(&whole);
}
END_TEST

START_TEST(what_is_committed_later_follows_the_cursor)
{
    uint64_t ref;
    struct run_record a = accept(1, "t", "echo", &ref);
    struct store_bus wanted = all_of("t");
    struct buf lines = read_on(wanted, &wanted.after);
    ck_assert_uint_eq(lines.len, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        tell(&a, ref, i, i);
        lines = read_on(wanted, &wanted.after);
        struct str rest = buf_str(&lines);
        struct bus_line line;
        ck_assert(bus_next_line(&rest, &line) && rest.len == 0);
        buf_fini(&lines);
    }
}
END_TEST

START_TEST(one_may_begin_at_the_end)
{
    uint64_t ref;
    struct run_record a = accept(1, "t", "echo", &ref);
    tell(&a, ref, 1, 3);
    struct store_bus b = all_of("t");
    b.op.kind = STORE_BUS;
    b.at_end = true;
    buf_init(&b.lines, 1 << 20);
    ck_assert_int_eq(calls_do(contract_store(), contract_loop(), &b.op), STORE_OK);
    ck_assert(b.lines.len == 0 && !b.more);
    tell(&a, ref, 4, 5);
    struct store_bus wanted = all_of("t");
    wanted.after = b.next;
    ck_assert_str_eq(seen(wanted), "4 5");
}
END_TEST

/* --- filters ---------------------------------------------------------------------------------- */

START_TEST(a_tenants_bus_has_nothing_of_anothers)
{
    uint64_t ref[2];
    struct run_record a = accept(1, "t", "echo", &ref[0]), b = accept(1, "u", "echo", &ref[1]);
    tell(&a, ref[0], 1, 2);
    tell(&b, ref[1], 11, 12);
    note(circuit, "u");
    ck_assert_str_eq(seen(all_of("t")), "1 2");
    ck_assert_str_eq(seen(all_of("u")), "11 12 circuit.open");
    ck_assert_str_eq(seen(all_of("nobody")), "");
    struct store_bus others = all_of("t");
    others.has_run = true;
    others.run = calls_id(2);
    ck_assert_str_eq(seen(others), "");
}
END_TEST

START_TEST(the_bus_is_filtered_by_run_and_agent_and_type)
{
    uint64_t ref[2];
    struct run_record a = accept(1, "t", "echo", &ref[0]), b = accept(2, "t", "other", &ref[1]);
    tell(&a, ref[0], 1, 1);
    tell(&b, ref[1], 11, 11);
    note(circuit, NULL);
    tell(&a, ref[0], 2, 2);
    struct store_bus wanted = all_of("t");
    wanted.agent = STR("other");
    ck_assert_str_eq(seen(wanted), "11");
    wanted.agent = STR_NONE;
    wanted.has_run = true;
    wanted.run = a.id;
    ck_assert_str_eq(seen(wanted), "1 2");
    wanted.agent = STR("other");
    ck_assert_str_eq(seen(wanted), "");
    wanted = all_of("t");
    wanted.types = event_set_of(EVENT_CIRCUIT_OPEN);
    ck_assert_str_eq(seen(wanted), "circuit.open");
    wanted.types = event_set_of(EVENT_RUN_QUEUED);
    ck_assert_str_eq(seen(wanted), "");
}
END_TEST

/* --- what is removed, and what is in doubt ---------------------------------------------------- */

START_TEST(events_go_with_their_run_and_a_cursor_behind_them_goes_on)
{
    uint64_t ref[2];
    struct run_record a = accept(1, "t", "echo", &ref[0]), b = accept(2, "t", "echo", &ref[1]);
    tell(&a, ref[0], 1, 2);
    tell(&b, ref[1], 11, 11);
    struct store_bus wanted = all_of("t");
    wanted.max_bytes = 1;
    wanted.op.kind = STORE_BUS;
    buf_init(&wanted.lines, 1 << 20);
    ck_assert_int_eq(calls_do(contract_store(), contract_loop(), &wanted.op), STORE_OK);
    buf_fini(&wanted.lines);
    end_and_remove(&a, ref[0]);
    ck_assert_str_eq(seen(all_of("t")), "11");
    wanted.after = wanted.next;
    ck_assert_str_eq(seen(wanted), "11");
}
END_TEST

/* The last key's segment goes, and the gateway with it: what comes next is behind every cursor. */
START_TEST(a_key_is_never_given_twice)
{
    uint64_t ref;
    struct run_record a = accept(1, "t", "echo", &ref);
    tell(&a, ref, 1, 2);
    struct store_bus wanted = all_of("t");
    struct buf lines = read_on(wanted, &wanted.after);
    buf_fini(&lines);
    end_and_remove(&a, ref);
    if (_i == 1)
        contract_reopen();
    struct run_record b = accept(2, "t", "echo", &ref);
    tell(&b, ref, 11, 12);
    ck_assert_str_eq(seen(wanted), "11 12");
}
END_TEST

/* The first outcome is unknown: done, or not. Meanwhile somebody has read what there was. */
START_TEST(events_that_are_sent_again_stand_once)
{
    uint64_t ref;
    struct run_record a = accept(1, "t", "echo", &ref);
    contract_fail_commit(_i == 1);
    ck_assert_int_eq(try_tell(&a, ref, 1, 3), STORE_UNKNOWN);
    contract_heal();
    struct store_bus wanted = all_of("t");
    struct buf first = read_on(wanted, &wanted.after);
    bool was_there = first.len > 0;
    buf_fini(&first);
    tell(&a, ref, 1, 5);
    ck_assert_str_eq(seen(wanted), was_there ? "4 5" : "1 2 3 4 5");
    ck_assert_str_eq(seen(all_of("t")), "1 2 3 4 5");
    tell(&a, ref, 6, 6);
    ck_assert_str_eq(seen(all_of("t")), "1 2 3 4 5 6");
}
END_TEST

/* --- watching --------------------------------------------------------------------------------- */

struct ear {
    struct store_watch watch;
    unsigned changes;
    bool is_closed;
};

static void on_change(struct store_watch *w)
{
    CONTAINER_OF(w, struct ear, watch)->changes++;
}

static void on_closed(struct store_watch *w)
{
    CONTAINER_OF(w, struct ear, watch)->is_closed = true;
}

static unsigned heard(struct ear *e)
{
    while (loop_turn(contract_loop())) {
    }
    unsigned n = e->changes;
    e->changes = 0;
    return n;
}

START_TEST(a_watch_of_the_bus_is_told_of_every_commit_that_tells_something)
{
    struct ear e = {.watch = {.is_of_bus = true,
                              .loop = contract_loop(),
                              .on_change = on_change,
                              .on_closed = on_closed}};
    uint64_t ref;
    store_watch(contract_store(), &e.watch);
    struct run_record a = accept(1, "t", "echo", &ref);
    heard(&e);
    tell(&a, ref, 1, 1);
    ck_assert_uint_eq(heard(&e), 1);
    note(circuit, NULL);
    ck_assert_uint_eq(heard(&e), 1);
    ck_assert_uint_eq(heard(&e), 0);
    store_unwatch(contract_store(), &e.watch);
    while (!e.is_closed)
        calls_turn(contract_loop());
    tell(&a, ref, 2, 2);
    ck_assert_uint_eq(heard(&e), 0);
}
END_TEST

void contract_add_bus(TCase *t)
{
    tcase_add_test(t, the_bus_has_all_runs_events_in_the_order_of_their_commits);
    tcase_add_loop_test(t, every_id_is_a_cursor_behind_which_the_rest_follows, 0, 3);
    tcase_add_test(t, what_is_committed_later_follows_the_cursor);
    tcase_add_test(t, one_may_begin_at_the_end);
    tcase_add_test(t, a_tenants_bus_has_nothing_of_anothers);
    tcase_add_test(t, the_bus_is_filtered_by_run_and_agent_and_type);
    tcase_add_test(t, events_go_with_their_run_and_a_cursor_behind_them_goes_on);
    tcase_add_loop_test(t, a_key_is_never_given_twice, 0, 2);
    tcase_add_loop_test(t, events_that_are_sent_again_stand_once, 0, 2);
    tcase_add_test(t, a_watch_of_the_bus_is_told_of_every_commit_that_tells_something);
}
