/* What the gateway counts: every family is told from the start, with every value that its labels
 * can have. */
#include "model/series.h"

#include <check.h>
#include <stdio.h>

#include "base/mem.h"
#include "model/state.h"
#include "tests/unit/base/oom.h"

Suite *suite_model_series(void);

static const struct str routes[] = {{"/v1/runs", 8}, {"other", 5}};
static const struct str providers[] = {{"sim", 3}, {"openai", 6}, {"weather", 7}};

static struct metrics *m;
static struct metrics_shard *shard;
static struct buf b;

static void set_up(void)
{
    ck_assert_int_eq(series_create(routes, 2, providers, 3, &m), OK);
    ck_assert_int_eq(metrics_shard_open(m, &shard), OK);
    buf_init(&b, 1 << 22);
}

static void tear_down(void)
{
    buf_fini(&b);
    metrics_shard_close(shard);
    metrics_destroy(m);
    ck_assert_int_eq(mem_live(), 0);
}

static bool says(const char *line)
{
    return memmem(b.data, b.len, line, strlen(line)) != NULL;
}

static void tell(void)
{
    buf_clear(&b);
    metrics_write(m, &b);
    ck_assert_int_eq(buf_ok(&b), OK);
}

static unsigned count(const char *what)
{
    unsigned n = 0;
    for (const char *at = b.data;
         (at = memmem(at, (size_t)(b.data + b.len - at), what, strlen(what))) != NULL; n++)
        at += strlen(what);
    return n;
}

START_TEST(every_family_is_told_at_zero)
{
    tell();
    ck_assert_uint_eq(count("# TYPE "), SERIES_COUNT);
    ck_assert_uint_eq(count("# HELP "), SERIES_COUNT);
    static const char *const lines[] = {
        "sluice_http_requests_total{route=\"/v1/runs\",class=\"2xx\"} 0\n",
        "sluice_http_requests_total{route=\"other\",class=\"5xx\"} 0\n",
        "sluice_runs_finished_total{state=\"timed_out\"} 0\n",
        "sluice_attempts_total{provider=\"openai\",outcome=\"lost\"} 0\n",
        "sluice_tokens_total{provider=\"weather\",direction=\"input\"} 0\n",
        "sluice_connections 0\n",
        "process_open_fds 0\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(says(lines[i]), "%s", lines[i]);
}
END_TEST

START_TEST(their_number_follows_from_the_labels_alone)
{
    tell();
    ck_assert_uint_eq(count("\nsluice_http_requests_total{"), 2 * 5);
    ck_assert_uint_eq(count("\nsluice_attempts_total{"), 3 * OUTCOME_COUNT);
    ck_assert_uint_eq(count("\nsluice_tokens_total{"), 3 * 2);
    ck_assert_uint_eq(count("\nsluice_runs_finished_total{"), 4);
    size_t before = b.len;
    metrics_add(shard, SERIES_RUNS_FINISHED, series_run_state(RUN_FAILED), 0, 1);
    tell();
    ck_assert_uint_eq(b.len, before);
    ck_assert(says("sluice_runs_finished_total{state=\"failed\"} 1\n"));
}
END_TEST

START_TEST(a_gateway_without_providers_has_its_other_series)
{
    struct metrics *bare;
    ck_assert_int_eq(series_create(routes, 2, NULL, 0, &bare), OK);
    metrics_write(bare, &b);
    ck_assert(says("sluice_runs_live 0\n"));
    ck_assert_uint_eq(count("\nsluice_attempts_total{"), 0);
    metrics_destroy(bare);
}
END_TEST

START_TEST(a_status_is_counted_under_its_class)
{
    static const struct {
        int status;
        size_t label;
    } rows[] = {{100, 0}, {200, 1}, {204, 1}, {304, 2}, {404, 3}, {499, 3},
                {500, 4}, {599, 4}, {0, 4},   {99, 4},  {600, 4}, {-1, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_uint_eq(series_class(rows[i].status), rows[i].label);
}
END_TEST

START_TEST(an_end_is_counted_under_its_state)
{
    static const enum run_state ends[] = {RUN_SUCCEEDED, RUN_FAILED, RUN_CANCELLED, RUN_TIMED_OUT};
    for (size_t i = 0; i < 4; i++) {
        char line[80];
        metrics_add(shard, SERIES_RUNS_FINISHED, series_run_state((int)ends[i]), 0, (int64_t)i + 1);
        tell();
        snprintf(line, sizeof line, "sluice_runs_finished_total{state=\"%s\"} %zu\n",
                 run_state_name(ends[i]), i + 1);
        ck_assert_msg(says(line), "%s", line);
    }
    ck_assert_uint_eq(series_run_state(RUN_QUEUED),
                      1); /* never asked; not beyond the table in any case */
    ck_assert_uint_eq(series_run_state(99), 1);
}
END_TEST

static enum err create_and_destroy(void *arg)
{
    struct metrics *one;
    (void)arg;
    enum err e = series_create(routes, 2, providers, 3, &one);
    if (e == OK)
        metrics_destroy(one);
    return e;
}

START_TEST(without_memory_there_are_none)
{
    ck_assert_uint_gt(oom_rounds(create_and_destroy, NULL), 1);
}
END_TEST

Suite *suite_model_series(void)
{
    Suite *s = suite_create("model_series");
    TCase *t = tcase_create("series");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, every_family_is_told_at_zero);
    tcase_add_test(t, their_number_follows_from_the_labels_alone);
    tcase_add_test(t, a_gateway_without_providers_has_its_other_series);
    tcase_add_test(t, a_status_is_counted_under_its_class);
    tcase_add_test(t, an_end_is_counted_under_its_state);
    tcase_add_test(t, without_memory_there_are_none);
    suite_add_tcase(s, t);
    return s;
}
