/* The circuits that tasks name: whose they are, what is counted, what goes to make room, what
 * outlives the process. */
#include "runs/fuse.h"

#include <check.h>
#include <stdio.h>

#include "base/mem.h"

Suite *suite_runs_fuse(void);

static const struct fuse_policy policy = {.failures = 2, .window_ms = 10000, .reset_ms = 1000};
static struct fuses fuses;
static struct rng rng;
static long before;
static unsigned told;

static void on_change(void *ctx)
{
    (void)ctx;
    told++;
}

static void setup(void)
{
    before = mem_live();
    told = 0;
    rng_seed(&rng, 1);
    ck_assert_int_eq(fuses_init(&fuses), OK);
    fuses_on_change(&fuses, on_change, NULL);
}

static void teardown(void)
{
    fuses_fini(&fuses);
    ck_assert_int_eq(mem_live(), before);
}

struct task {
    struct fuse *fuse;
    struct breaker_pass pass;
};

static enum err take(const char *tenant, const char *name, uint64_t now_ms, struct task *ret)
{
    return fuse_take(&fuses, str_of(tenant), str_of(name), &policy, now_ms, &ret->fuse, &ret->pass);
}

static void give(struct task *t, enum err code, uint64_t now_ms)
{
    fuse_give(&fuses, t->fuse, t->pass, code, now_ms, &rng);
}

/* A task from its start to its end. */
static enum err run(const char *tenant, const char *name, enum err code, uint64_t now_ms)
{
    struct task t;
    enum err e = take(tenant, name, now_ms, &t);
    if (e == OK)
        give(&t, code, now_ms);
    return e;
}

static bool come_back(const char *tenant, const char *name, uint64_t now_ms, struct task *ret)
{
    return fuse_return(&fuses, str_of(tenant), str_of(name), &policy, now_ms, &ret->fuse,
                       &ret->pass);
}

static void blow(const char *tenant, const char *name, uint64_t now_ms)
{
    for (uint32_t i = 0; i < policy.failures; i++)
        ck_assert_int_eq(run(tenant, name, ERR_PROVIDER_ERROR, now_ms), OK);
    ck_assert_int_eq(run(tenant, name, OK, now_ms), ERR_BREAKER_OPEN);
}

static struct fuse_status status(const char *tenant, const char *name, uint64_t now_ms)
{
    struct fuse_status s;
    ck_assert(fuse_get(&fuses, str_of(tenant), str_of(name), now_ms, &s));
    return s;
}

static bool is_there(const char *tenant, const char *name)
{
    struct fuse_status s;
    return fuse_get(&fuses, str_of(tenant), str_of(name), 0, &s);
}

/* "a/x closed>open(open) " of each change that nobody has taken, with the state that is saved. */
static const char *changes(void)
{
    static char all[512];
    struct fuse_news n;
    size_t len = 0;
    all[0] = '\0';
    while (len < sizeof all && fuses_take_change(&fuses, 0, &n))
        len += (size_t)snprintf(all + len, sizeof all - len, "%s/%s %s>%s(%s) ", n.tenant, n.name,
                                breaker_state_name(n.change.from), breaker_state_name(n.change.to),
                                breaker_state_name(n.saved.state));
    return all;
}

START_TEST(a_circuit_is_its_tenants)
{
    blow("a", "x", 0);
    ck_assert_int_eq(run("b", "x", OK, 0), OK);
    ck_assert_int_eq(run("", "x", OK, 0), OK);
    ck_assert_int_eq(status("a", "x", 0).state, BREAKER_OPEN);
    ck_assert_int_eq(status("b", "x", 0).state, BREAKER_CLOSED);
    ck_assert(!is_there("c", "x") && !is_there("a", "y"));
}
END_TEST

START_TEST(what_tasks_did_is_counted)
{
    struct task running;
    ck_assert_int_eq(take("a", "x", 0, &running), OK);
    ck_assert_int_eq(run("a", "x", OK, 0), OK);
    ck_assert_int_eq(run("a", "x", ERR_BAD_REQUEST, 0), OK); /* says nothing */
    blow("a", "x", 0);
    struct fuse_status s = status("a", "x", 0);
    ck_assert_uint_eq(s.counts.started, 5);
    ck_assert_uint_eq(s.counts.succeeded, 1);
    ck_assert_uint_eq(s.counts.failed, 2);
    ck_assert_uint_eq(s.counts.refused, 1);
    ck_assert_uint_eq(s.counts.opened, 1);
    ck_assert(s.failures == 2 && s.opens_until_ms >= 900 && s.opens_until_ms <= 1100);
    ck_assert(s.policy.failures == 2 && s.policy.window_ms == 10000 && s.policy.reset_ms == 1000);
    give(&running, OK, 0);
    ck_assert_uint_eq(status("a", "x", 0).counts.succeeded, 2);
}
END_TEST

START_TEST(a_list_is_by_name_and_of_one_tenant)
{
    struct fuse_status *list;
    uint32_t count;
    static const char *const names[] = {"b", "a", "c", "B"};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(run("t", names[i], OK, 0), OK);
    ck_assert_int_eq(run("other", "z", OK, 0), OK);
    ck_assert_int_eq(fuses_list(&fuses, STR("t"), 0, &list, &count), OK);
    ck_assert_uint_eq(count, 4);
    ck_assert_str_eq(list[0].name, "B");
    ck_assert_str_eq(list[1].name, "a");
    ck_assert_str_eq(list[2].name, "b");
    ck_assert_str_eq(list[3].name, "c");
    mem_free(list);
    ck_assert_int_eq(fuses_list(&fuses, STR("nobody"), 0, &list, &count), OK);
    ck_assert_uint_eq(count, 0);
    mem_free(list);
    mem_fail_nth(1);
    ck_assert_int_eq(fuses_list(&fuses, STR("t"), 0, &list, &count), ERR_OVERLOADED);
    mem_fail_nth(0);
}
END_TEST

START_TEST(a_reset_closes_it_for_the_next_task)
{
    struct fuse_status s;
    blow("a", "x", 0);
    ck_assert(fuse_reset(&fuses, STR("a"), STR("x"), 0, &s));
    ck_assert(s.state == BREAKER_CLOSED && s.failures == 0 && s.opens_until_ms == 0);
    ck_assert_int_eq(run("a", "x", OK, 0), OK);
    ck_assert(!fuse_reset(&fuses, STR("b"), STR("x"), 0, &s));
}
END_TEST

/* --- changes ---------------------------------------------------------------------------------- */

START_TEST(each_change_is_taken_once_and_in_order)
{
    blow("a", "x", 0);
    blow("b", "x", 0);
    ck_assert_int_eq(run("a", "x", OK, 2000), OK);
    ck_assert_uint_ge(told, 3);
    ck_assert_str_eq(changes(), "a/x closed>open(closed) a/x open>half_open(closed) "
                                "a/x half_open>closed(closed) b/x closed>open(open) ");
    ck_assert_str_eq(changes(), "");
}
END_TEST

START_TEST(of_changes_that_nobody_takes_the_oldest_are_forgotten)
{
    struct fuse_news n;
    struct fuse_status s;
    unsigned count = 0;
    for (int i = 0; i < FUSE_CHANGES; i++) {
        blow("a", "x", 0);
        ck_assert(fuse_reset(&fuses, STR("a"), STR("x"), 0, &s));
    }
    while (fuses_take_change(&fuses, 0, &n))
        count++;
    ck_assert_uint_eq(count, FUSE_CHANGES);
    ck_assert(n.change.from == BREAKER_OPEN && n.change.to == BREAKER_CLOSED);
}
END_TEST

START_TEST(what_was_saved_is_as_it_was_and_downtime_counts)
{
    struct breaker_saved saved = {BREAKER_OPEN, 7, 1, 1000};
    ck_assert_int_eq(fuse_restore(&fuses, STR("a"), STR("x"), &policy, &saved, 400, 5000), OK);
    struct fuse_status s = status("a", "x", 5000);
    ck_assert(s.state == BREAKER_OPEN && s.failures == 7 && s.opens_until_ms == 5600);
    ck_assert_uint_eq(s.policy.failures, 2);
    ck_assert_int_eq(run("a", "x", OK, 5599), ERR_BREAKER_OPEN);
    ck_assert_int_eq(run("a", "x", ERR_PROVIDER_ERROR, 5600), OK); /* the probe */
    s = status("a", "x", 5600);
    ck_assert(s.opens_until_ms >= 5600 + 1800 && s.opens_until_ms <= 5600 + 2200); /* doubled */
    ck_assert_str_eq(changes(), "a/x open>half_open(open) a/x half_open>open(open) ");
}
END_TEST

/* --- bounds ----------------------------------------------------------------------------------- */

static const char *name_of(int i)
{
    static char name[16];
    snprintf(name, sizeof name, "n%d", i);
    return name;
}

START_TEST(for_one_too_many_an_idle_one_goes)
{
    struct task held;
    ck_assert_int_eq(take("a", "held", 0, &held), OK);
    ck_assert_int_eq(run("a", "failed", ERR_PROVIDER_ERROR, 0), OK);
    blow("a", "open", 0);
    for (int i = 3; i < FUSES_MAX; i++)
        ck_assert_int_eq(run("a", name_of(i), OK, 0), OK);
    ck_assert_int_eq(run("a", "more", OK, 0), OK);
    ck_assert(is_there("a", "held") && is_there("a", "failed") && is_there("a", "open"));
    struct fuse_status *list;
    uint32_t count;
    ck_assert_int_eq(fuses_list(&fuses, STR("a"), 0, &list, &count), OK);
    mem_free(list);
    ck_assert_uint_eq(count, FUSES_MAX);
    give(&held, OK, 0);
}
END_TEST

/* One that had left was forgotten, and what became of it never counted. */
START_TEST(who_returns_is_counted_in_the_state_that_is_by_then)
{
    struct task t, probe;
    ck_assert_int_eq(take("a", "x", 0, &t), OK);
    fuse_leave(&fuses, t.fuse, t.pass);
    ck_assert_uint_eq(status("a", "x", 0).counts.started, 0);
    ck_assert(come_back("a", "x", 0, &t)); /* closed */
    give(&t, ERR_PROVIDER_ERROR, 0);
    ck_assert_uint_eq(status("a", "x", 0).counts.started, 1);
    ck_assert_uint_eq(status("a", "x", 0).failures, 1);
    ck_assert_int_eq(run("a", "x", ERR_PROVIDER_ERROR, 0), OK);
    ck_assert(!come_back("a", "x", 5000, &t)); /* open, though its probe is due */
    ck_assert_int_eq(take("a", "x", 5000, &probe), OK);
    ck_assert(!come_back("a", "x", 5000, &t)); /* another one is the probe */
    ck_assert_uint_eq(status("a", "x", 5000).counts.refused, 0);
    fuse_leave(&fuses, probe.fuse, probe.pass);
    ck_assert(come_back("a", "x", 9000, &probe)); /* it is the probe again */
    ck_assert_int_eq(take("a", "x", 9000, &t), ERR_BREAKER_OPEN);
    give(&probe, OK, 9000);
    ck_assert_int_eq(status("a", "x", 9000).state, BREAKER_CLOSED);
}
END_TEST

START_TEST(who_returns_to_another_gateway_finds_a_new_circuit_and_leaves_numbers_alone)
{
    static const struct fuse_policy other = {.failures = 9, .window_ms = 1, .reset_ms = 1};
    struct task t;
    ck_assert(come_back("a", "x", 0, &t));
    ck_assert_uint_eq(status("a", "x", 0).policy.failures, policy.failures);
    struct task late;
    ck_assert(fuse_return(&fuses, STR("a"), STR("x"), &other, 0, &late.fuse, &late.pass));
    ck_assert_uint_eq(status("a", "x", 0).policy.failures, policy.failures);
    give(&t, OK, 0);
    give(&late, OK, 0);
}
END_TEST

/* Names that nobody ever used again had filled the table for good. */
START_TEST(where_none_is_idle_one_that_is_due_for_its_probe_goes)
{
    struct breaker_saved saved = {BREAKER_OPEN, 2, 1, 1000};
    for (int i = 0; i < FUSES_MAX; i++)
        ck_assert_int_eq(fuse_restore(&fuses, STR("a"), str_of(name_of(i)), &policy, &saved, 0,
                                      i == 7 ? 0 : 500),
                         OK);
    ck_assert_int_eq(run("a", "more", ERR_PROVIDER_ERROR, 999), ERR_LIMIT_EXCEEDED);
    ck_assert_int_eq(run("b", "more", OK, 999), OK); /* another's are no concern */
    ck_assert_int_eq(run("a", "more", ERR_PROVIDER_ERROR, 1000), OK);
    ck_assert(!is_there("a", "n7") && is_there("a", "n8"));
    ck_assert_str_eq(changes(), "a/n7 open>closed(closed) ");
    ck_assert_int_eq(run("a", "more too", ERR_PROVIDER_ERROR, 1000), ERR_LIMIT_EXCEEDED);
}
END_TEST

START_TEST(without_memory_a_task_is_refused_and_nothing_is_lost)
{
    unsigned long n = 1;
    for (;; n++) {
        mem_fail_nth(n);
        enum err e = run("new", "x", OK, 0);
        mem_fail_nth(0);
        if (e == OK)
            break;
        ck_assert_int_eq(e, ERR_OVERLOADED);
        ck_assert(!is_there("new", "x"));
    }
    ck_assert_uint_gt(n, 2);
}
END_TEST

Suite *suite_runs_fuse(void)
{
    Suite *s = suite_create("runs/fuse");
    TCase *t = tcase_create("named circuits");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, a_circuit_is_its_tenants);
    tcase_add_test(t, what_tasks_did_is_counted);
    tcase_add_test(t, a_list_is_by_name_and_of_one_tenant);
    tcase_add_test(t, a_reset_closes_it_for_the_next_task);
    tcase_add_test(t, each_change_is_taken_once_and_in_order);
    tcase_add_test(t, of_changes_that_nobody_takes_the_oldest_are_forgotten);
    tcase_add_test(t, what_was_saved_is_as_it_was_and_downtime_counts);
    tcase_add_test(t, for_one_too_many_an_idle_one_goes);
    tcase_add_test(t, where_none_is_idle_one_that_is_due_for_its_probe_goes);
    tcase_add_test(t, who_returns_is_counted_in_the_state_that_is_by_then);
    tcase_add_test(t, who_returns_to_another_gateway_finds_a_new_circuit_and_leaves_numbers_alone);
    tcase_add_test(t, without_memory_a_task_is_refused_and_nothing_is_lost);
    suite_add_tcase(s, t);
    return s;
}
