/* Deliveries: what store/store.h promises of what is to be told. */
#include <stdio.h>

#include "tests/support/store_calls.h"
#include "tests/support/store_contract_internal.h"

/* --- in short --------------------------------------------------------------------------------- */

/* Runs 1, 2, ... as they are accepted. */
enum { RUNS = 200 };
static uint64_t refs[RUNS];
static struct run_record runs[RUNS];

static struct store_telling telling(const char *host, uint64_t first, uint64_t last, int64_t at_ms)
{
    return (struct store_telling){.first = first,
                                  .last = last,
                                  .host = str_of(host),
                                  .receiver = STR("{\"url\":\"x\"}"),
                                  .at_ms = at_ms};
}

static enum store_result change(struct store_change *c)
{
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = c, .count = 1};
    calls_do(contract_store(), contract_loop(), &b.op);
    return c->result;
}

static enum store_result try_accept(uint64_t n, struct store_telling t)
{
    runs[n] = calls_run(n);
    struct store_change c = {
        .accept = true, .run = &runs[n], .epoch = contract_store()->epoch, .telling = t};
    enum store_result result = change(&c);
    refs[n] = c.ref;
    return result;
}

static void accept(uint64_t n, const char *host, int64_t at_ms)
{
    ck_assert_int_eq(try_accept(n, telling(host, 1, 1, at_ms)), STORE_OK);
}

static enum store_result save(uint64_t n, bool release, struct store_telling t)
{
    struct store_change c = {.release = release,
                             .run = &runs[n],
                             .epoch = contract_store()->epoch,
                             .ref = refs[n],
                             .telling = t};
    return change(&c);
}

static void end_run(uint64_t n)
{
    runs[n].state = RUN_SUCCEEDED;
    ck_assert_int_eq(save(n, true, (struct store_telling){.last = 0}), STORE_OK);
}

static struct store_due look(const char *after_host, uint32_t per_host, int64_t now_ms)
{
    struct store_due d = {.op.kind = STORE_DUE,
                          .after_host = str_of(after_host),
                          .per_host = per_host,
                          .now_ms = now_ms,
                          .counts = true};
    arena_init(&d.arena, 1 << 24);
    ck_assert_int_eq(calls_do(contract_store(), contract_loop(), &d.op), STORE_OK);
    return d;
}

/* "a/1:0-1 b/3:4-9", host/run:done-last of what is due. */
static const char *due_of(uint32_t per_host, int64_t now_ms)
{
    static char text[4096];
    struct store_due d = look("", per_host, now_ms);
    size_t n = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < d.count; i++) {
        const struct store_delivery *e = &d.deliveries[i];
        ck_assert_uint_eq(e->ref, refs[e->id.bytes[15]]);
        ck_assert(str_eq(e->tenant, STR("t")) && str_eq(e->receiver, STR("{\"url\":\"x\"}")));
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s/%u:%llu-%llu", n > 0 ? " " : "",
                              STR_ARG(e->host), (unsigned)e->id.bytes[15],
                              (unsigned long long)e->done, (unsigned long long)e->last);
    }
    arena_fini(&d.arena);
    return text;
}

static uint64_t total(void)
{
    struct store_due d = look("", 1, 0);
    arena_fini(&d.arena);
    return d.total;
}

static enum store_result settle(uint64_t n, struct store_settle s)
{
    s.op.kind = STORE_SETTLE;
    s.ref = refs[n];
    return calls_do(contract_store(), contract_loop(), &s.op);
}

/* --- the outbox ------------------------------------------------------------------------------- */

START_TEST(a_run_that_tells_nobody_costs_nothing)
{
    ck_assert_int_eq(try_accept(1, (struct store_telling){.last = 0}), STORE_OK);
    ck_assert_str_eq(due_of(8, 100), "");
    ck_assert_uint_eq(total(), 0);
    ck_assert_int_eq(settle(1, (struct store_settle){.done = 1}), STORE_ABSENT);
}
END_TEST

START_TEST(what_is_to_be_told_is_there_with_its_commit_and_outlives_the_gateway)
{
    accept(1, "a", 10);
    ck_assert_str_eq(due_of(8, 10), "a/1:0-1");
    ck_assert_int_eq(save(1, false, telling("a", 5, 7, 99)), STORE_OK);
    ck_assert_str_eq(due_of(8, 10), "a/1:0-7"); /* due since the first */
    end_run(1);
    contract_reopen();
    ck_assert_str_eq(due_of(8, 10), "a/1:0-7");
    ck_assert_uint_eq(total(), 1);
}
END_TEST

START_TEST(what_is_told_goes_and_what_came_meanwhile_stays)
{
    accept(1, "a", 10);
    ck_assert_int_eq(save(1, false, telling("a", 4, 4, 20)), STORE_OK);
    ck_assert_int_eq(settle(1, (struct store_settle){.done = 1, .due_at_ms = 30}), STORE_OK);
    ck_assert_str_eq(due_of(8, 29), "");
    ck_assert_str_eq(due_of(8, 30), "a/1:1-4");
    ck_assert_int_eq(settle(1, (struct store_settle){.done = 4, .due_at_ms = 30}), STORE_OK);
    ck_assert_str_eq(due_of(8, 99), "");
    ck_assert_uint_eq(total(), 0);
    ck_assert_int_eq(settle(1, (struct store_settle){.done = 4}), STORE_ABSENT);
    ck_assert_int_eq(save(1, false, telling("b", 9, 12, 40)), STORE_OK);
    ck_assert_str_eq(due_of(8, 40), "b/1:8-12"); /* anew */
}
END_TEST

START_TEST(a_try_that_failed_is_remembered)
{
    accept(1, "a", 10);
    struct store_settle s = {.due_at_ms = 500, .tries = 3, .failing_since_ms = 11};
    ck_assert_int_eq(settle(1, s), STORE_OK);
    contract_reopen();
    struct store_due d = look("", 8, 500);
    ck_assert_uint_eq(d.count, 1);
    ck_assert_uint_eq(d.deliveries[0].tries, 3);
    ck_assert_int_eq(d.deliveries[0].failing_since_ms, 11);
    ck_assert_int_eq(d.deliveries[0].due_at_ms, 500);
    arena_fini(&d.arena);
}
END_TEST

START_TEST(a_receiver_that_wants_no_more_gets_no_more)
{
    accept(1, "a", 10);
    accept(2, "a", 10);
    ck_assert_int_eq(settle(1, (struct store_settle){.is_over = true}), STORE_OK);
    ck_assert_int_eq(settle(1, (struct store_settle){.is_over = true}), STORE_ABSENT);
    ck_assert_int_eq(save(1, false, telling("a", 4, 4, 20)), STORE_OK);
    ck_assert_str_eq(due_of(8, 99), "a/2:0-1");
    ck_assert_uint_eq(total(), 1);
    ck_assert_int_eq(settle(1, (struct store_settle){.done = 1}), STORE_ABSENT);
}
END_TEST

START_TEST(it_goes_with_its_run)
{
    accept(1, "a", 10);
    end_run(1);
    ck_assert_int_eq(calls_delete(contract_store(), contract_loop(), &runs[1]), STORE_OK);
    ck_assert_str_eq(due_of(8, 99), "");
    ck_assert_int_eq(settle(1, (struct store_settle){.done = 1}), STORE_ABSENT);
}
END_TEST

/* --- looking ---------------------------------------------------------------------------------- */

START_TEST(of_each_host_those_that_are_due_first)
{
    accept(1, "b", 30);
    accept(2, "a", 30);
    accept(3, "b", 10);
    accept(4, "b", 20);
    accept(5, "c", 99);
    ck_assert_str_eq(due_of(8, 30), "a/2:0-1 b/3:0-1 b/4:0-1 b/1:0-1");
    ck_assert_str_eq(due_of(2, 30), "a/2:0-1 b/3:0-1 b/4:0-1");
    ck_assert_str_eq(due_of(8, 15), "b/3:0-1");
    ck_assert_str_eq(due_of(8, 0), "");
    struct store_due d = look("a", 8, 15);
    ck_assert_uint_eq(d.count, 1);
    ck_assert_int_eq(d.next_ms, 20);
    ck_assert(!d.more && str_eq(d.last_host, STR("c")));
    ck_assert_uint_eq(d.total, 5);
    arena_fini(&d.arena);
    d = look("c", 8, 15);
    ck_assert(d.count == 0 && d.next_ms == 0 && !d.more);
    arena_fini(&d.arena);
}
END_TEST

/* A host with any number of deliveries costs no more than one with one. */
START_TEST(one_host_hides_no_other)
{
    for (uint64_t n = 1; n <= 100; n++)
        accept(n, "busy", (int64_t)n);
    accept(101, "zz", 500);
    struct store_due d = look("", 4, 500);
    ck_assert_uint_eq(d.count, 5);
    ck_assert(str_eq(d.deliveries[4].host, STR("zz")));
    ck_assert_uint_eq(d.total, 101);
    arena_fini(&d.arena);
}
END_TEST

START_TEST(many_hosts_come_page_by_page)
{
    char host[16];
    unsigned seen = 0, pages = 0;
    char after[16] = "";
    for (uint64_t n = 1; n <= 150; n++) {
        snprintf(host, sizeof host, "h%03u", (unsigned)n);
        accept(n, host, 1);
    }
    bool more = true;
    while (more) {
        struct store_due d = look(after, 2, 1);
        for (uint32_t i = 0; i < d.count; i++) {
            snprintf(host, sizeof host, "h%03u", ++seen);
            ck_assert(str_eq(d.deliveries[i].host, str_of(host)));
        }
        ck_assert_uint_le(d.count, STORE_DUE_HOSTS);
        str_copy(after, sizeof after, d.last_host);
        more = d.more;
        pages++;
        arena_fini(&d.arena);
    }
    ck_assert_uint_eq(seen, 150);
    ck_assert_uint_eq(pages, 3);
}
END_TEST

/* --- what is in doubt ------------------------------------------------------------------------- */

START_TEST(a_run_that_was_not_accepted_tells_nothing)
{
    contract_fail_commit(_i == 1);
    ck_assert_int_eq(try_accept(1, telling("a", 1, 1, 10)), STORE_UNKNOWN);
    contract_heal();
    ck_assert_str_eq(due_of(8, 99), "");
}
END_TEST

START_TEST(what_is_sent_again_is_told_once)
{
    accept(1, "a", 10);
    ck_assert_int_eq(settle(1, (struct store_settle){.done = 1}), STORE_OK);
    contract_fail_commit(_i == 1);
    ck_assert_int_eq(save(1, false, telling("a", 4, 6, 20)), STORE_UNKNOWN);
    contract_heal();
    ck_assert_int_eq(save(1, false, telling("a", 4, 8, 30)), STORE_OK);
    ck_assert_str_eq(due_of(8, 30), "a/1:3-8");
    ck_assert_uint_eq(total(), 1);
}
END_TEST

START_TEST(a_settling_that_failed_changes_nothing)
{
    accept(1, "a", 10);
    contract_fail_commit(false);
    ck_assert_int_eq(settle(1, (struct store_settle){.done = 1}), STORE_UNKNOWN);
    contract_heal();
    ck_assert_str_eq(due_of(8, 99), "a/1:0-1");
}
END_TEST

void contract_add_due(TCase *t)
{
    tcase_add_test(t, a_run_that_tells_nobody_costs_nothing);
    tcase_add_test(t, what_is_to_be_told_is_there_with_its_commit_and_outlives_the_gateway);
    tcase_add_test(t, what_is_told_goes_and_what_came_meanwhile_stays);
    tcase_add_test(t, a_try_that_failed_is_remembered);
    tcase_add_test(t, a_receiver_that_wants_no_more_gets_no_more);
    tcase_add_test(t, it_goes_with_its_run);
    tcase_add_test(t, of_each_host_those_that_are_due_first);
    tcase_add_test(t, one_host_hides_no_other);
    tcase_add_test(t, many_hosts_come_page_by_page);
    tcase_add_loop_test(t, a_run_that_was_not_accepted_tells_nothing, 0, 2);
    tcase_add_loop_test(t, what_is_sent_again_is_told_once, 0, 2);
    tcase_add_test(t, a_settling_that_failed_changes_nothing);
}
