/* Which series a provider is counted in, however often providers come and go. */
#include "server/labels.h"

#include <check.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

Suite *suite_server_labels(void);

enum { MOST = LABELS_SPARE + 4 };

static const struct str routes[] = {{"other", 5}};
static struct provider providers[MOST];
static struct upstream upstreams[MOST];
static struct upstream *list[MOST];
static char names[MOST][8];
static struct labels labels;

static void set_up(void)
{
    log_to_fd(-1);
    for (int i = 0; i < MOST; i++) {
        snprintf(names[i], sizeof names[i], "p%d", i);
        providers[i].options.name = str_of(names[i]);
        upstreams[i] = (struct upstream){.provider = &providers[i]};
        list[i] = &upstreams[i];
    }
}

static void tear_down(void)
{
    labels_fini(&labels);
    ck_assert_int_eq(mem_live(), 0);
}

static void start(uint32_t count)
{
    struct catalog c = {.upstreams = list, .upstream_count = count};
    ck_assert_int_eq(labels_init(&labels, routes, 1, &c), OK);
}

static void assign(uint32_t from, uint32_t to)
{
    struct catalog c = {.upstreams = list + from, .upstream_count = to - from};
    labels_assign(&labels, &c);
}

static bool is_told(const char *name)
{
    char series[64];
    struct buf b;
    snprintf(series, sizeof series, "sluice_provider_waiting{provider=\"%s\"} 0\n", name);
    buf_init(&b, 1 << 20);
    metrics_write(labels.metrics, &b);
    bool found = memmem(b.data, b.len, series, strlen(series)) != NULL;
    buf_fini(&b);
    return found;
}

START_TEST(each_provider_has_its_own)
{
    start(2);
    ck_assert_uint_eq(upstreams[0].label, 0);
    ck_assert_uint_eq(upstreams[1].label, 1);
    ck_assert(is_told("p0") && is_told("p1"));
    ck_assert(!is_told("p2") && !is_told("other"));
}
END_TEST

START_TEST(one_that_comes_later_takes_a_free_place_and_keeps_it)
{
    start(1);
    assign(0, 2);
    ck_assert_uint_eq(upstreams[1].label, 1);
    ck_assert(is_told("p1"));
    assign(0, 1);
    ck_assert(is_told("p1")); /* what was counted stays */
    assign(2, 3);
    ck_assert_uint_eq(upstreams[2].label, 2);
    upstreams[1].label = 99;
    assign(1, 2);
    ck_assert_uint_eq(upstreams[1].label, 1);
}
END_TEST

START_TEST(those_that_come_when_all_places_are_taken_share_the_last)
{
    start(1);
    assign(0, MOST);
    ck_assert_uint_eq(upstreams[LABELS_SPARE].label, LABELS_SPARE);
    for (int i = LABELS_SPARE + 1; i < MOST; i++)
        ck_assert_uint_eq(upstreams[i].label, labels.count - 1);
    ck_assert(is_told("other") && is_told("p16") && !is_told("p17"));
}
END_TEST

START_TEST(without_memory_a_provider_is_one_of_the_others)
{
    start(1);
    mem_fail_nth(1);
    assign(1, 2);
    mem_fail_nth(0);
    ck_assert_uint_eq(upstreams[1].label, labels.count - 1);
    assign(1, 2);
    ck_assert_uint_eq(upstreams[1].label, 1);
}
END_TEST

Suite *suite_server_labels(void)
{
    Suite *s = suite_create("server/labels");
    TCase *t = tcase_create("labels");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, each_provider_has_its_own);
    tcase_add_test(t, one_that_comes_later_takes_a_free_place_and_keeps_it);
    tcase_add_test(t, those_that_come_when_all_places_are_taken_share_the_last);
    tcase_add_test(t, without_memory_a_provider_is_one_of_the_others);
    suite_add_tcase(s, t);
    return s;
}
