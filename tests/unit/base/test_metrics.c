#include "base/metrics.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/unit/base/oom.h"

Suite *suite_base_metrics(void);

enum { BY_PROVIDER = 1, BY_STATE };

static const struct str providers[] = {{"openai", 6}, {"we\"ird\\\n", 8}};
static const struct str states[] = {{"ok", 2}, {"failed", 6}, {"cancelled", 9}};
static const struct metric_labels sets[] = {{"provider", providers, 2}, {"state", states, 3}};

enum { REQUESTS, LIVE, ATTEMPTS, LATENCY, CALLS, UPTIME };

static const struct metric_family families[] = {
    [REQUESTS] = {"t_requests_total", "Requests\\answers.\nSecond line", METRIC_COUNTER, {0}},
    [LIVE] = {"t_live", "Live runs.", METRIC_GAUGE, {0}},
    [ATTEMPTS] = {"t_attempts_total", "Attempts.", METRIC_COUNTER, {BY_PROVIDER, BY_STATE}},
    [LATENCY] = {"t_latency_seconds", "Latency.", METRIC_HISTOGRAM, {0}},
    [CALLS] = {"t_calls_seconds", "Calls.", METRIC_HISTOGRAM, {0, BY_STATE}},
    [UPTIME] = {"t_uptime_seconds", "Up.", METRIC_GAUGE, {0}},
};

static struct metrics *metrics;
static struct buf out;

static enum err create(struct metrics **ret)
{
    return metrics_create(families, sizeof families / sizeof families[0], sets, 2, ret);
}

static void set_up(void)
{
    ck_assert_int_eq(create(&metrics), OK);
    buf_init(&out, 1 << 20);
}

static void tear_down(void)
{
    buf_fini(&out);
    metrics_destroy(metrics);
    ck_assert_int_eq(mem_live(), 0);
}

static void write_out(void)
{
    buf_clear(&out);
    metrics_write(metrics, &out);
    ck_assert_int_eq(buf_ok(&out), OK);
}

/* Is there exactly this line? */
static void assert_line(const char *line)
{
    struct str rest = buf_str(&out);
    while (rest.len > 0) {
        if (str_eq(str_cut(&rest, '\n'), str_of(line)))
            return;
    }
    ck_abort_msg("no line %s in\n%.*s", line, (int)out.len, out.data);
}

static struct metrics_shard *open_shard(void)
{
    struct metrics_shard *s = NULL;
    ck_assert_int_eq(metrics_shard_open(metrics, &s), OK);
    return s;
}

START_TEST(tells_all_series_from_the_start)
{
    write_out();
    struct str rest = buf_str(&out);
    size_t lines = 0, comments = 0;
    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        lines++;
        comments += line.at[0] == '#';
        ck_assert(line.at[0] == '#' || str_eq((struct str){line.at + line.len - 2, 2}, STR(" 0")) ||
                  str_eq((struct str){line.at + line.len - 8, 8}, STR("0.000000")));
    }
    ck_assert_uint_eq(comments, 2 * 6);
    ck_assert_uint_eq(lines - comments, 1 + 1 + 6 + 26 + 3 * 26 + 1);
    ck_assert_int_eq(out.data[out.len - 1], '\n');
}
END_TEST

START_TEST(writes_help_and_type_and_escapes)
{
    write_out();
    assert_line("# HELP t_requests_total Requests\\\\answers.\\nSecond line");
    assert_line("# TYPE t_requests_total counter");
    assert_line("# TYPE t_live gauge");
    assert_line("# TYPE t_latency_seconds histogram");
    assert_line("t_attempts_total{provider=\"openai\",state=\"ok\"} 0");
    assert_line("t_attempts_total{provider=\"we\\\"ird\\\\\\n\",state=\"cancelled\"} 0");
}
END_TEST

START_TEST(a_value_that_is_kept_free_is_told_when_it_has_a_name)
{
    static const struct str some[] = {{"openai", 6}, {NULL, 0}};
    static const struct metric_labels with_room[] = {{"provider", some, 2}, {"state", states, 3}};
    struct metrics *m;
    ck_assert_int_eq(
        metrics_create(families, sizeof families / sizeof families[0], with_room, 2, &m), OK);
    buf_clear(&out);
    metrics_write(m, &out);
    ck_assert_ptr_null(memmem(out.data, out.len, "provider=\"\"", 11));
    ck_assert_int_eq(metrics_name(m, BY_PROVIDER, 1, STR("late")), OK);
    buf_clear(&out);
    metrics_write(m, &out);
    assert_line("t_attempts_total{provider=\"openai\",state=\"ok\"} 0");
    assert_line("t_attempts_total{provider=\"late\",state=\"cancelled\"} 0");
    metrics_destroy(m);
}
END_TEST

START_TEST(sums_what_the_shards_count)
{
    struct metrics_shard *a = open_shard(), *b = open_shard();
    metrics_add(a, REQUESTS, 0, 0, 2);
    metrics_add(b, REQUESTS, 0, 0, 40);
    metrics_add(a, ATTEMPTS, 0, 1, 1);
    metrics_add(b, ATTEMPTS, 1, 2, 5);
    metrics_add(b, ATTEMPTS, 1, 2, 5);
    write_out();
    assert_line("t_requests_total 42");
    assert_line("t_attempts_total{provider=\"openai\",state=\"ok\"} 0");
    assert_line("t_attempts_total{provider=\"openai\",state=\"failed\"} 1");
    assert_line("t_attempts_total{provider=\"we\\\"ird\\\\\\n\",state=\"cancelled\"} 10");
    metrics_shard_close(a);
    metrics_shard_close(b);
}
END_TEST

START_TEST(a_gauge_may_rise_in_one_shard_and_fall_in_another)
{
    struct metrics_shard *a = open_shard(), *b = open_shard();
    metrics_add(a, LIVE, 0, 0, 10);
    metrics_add(b, LIVE, 0, 0, -7);
    write_out();
    assert_line("t_live 3");
    metrics_add(b, LIVE, 0, 0, -4);
    write_out();
    assert_line("t_live -1");
    metrics_shard_close(a);
    metrics_shard_close(b);
}
END_TEST

START_TEST(what_a_closed_shard_counted_is_kept)
{
    struct metrics_shard *a = open_shard();
    metrics_add(a, REQUESTS, 0, 0, 5);
    metrics_observe_us(a, LATENCY, 0, 0, 1500);
    metrics_shard_close(a);
    a = open_shard();
    metrics_add(a, REQUESTS, 0, 0, 1);
    write_out();
    assert_line("t_requests_total 6");
    assert_line("t_latency_seconds_count 1");
    metrics_shard_close(a);
    metrics_shard_close(NULL);
}
END_TEST

START_TEST(a_histogram_counts_into_every_bucket_above)
{
    struct metrics_shard *a = open_shard(), *b = open_shard();
    metrics_observe_us(a, LATENCY, 0, 0, 0);
    metrics_observe_us(a, LATENCY, 0, 0, 50); /* a bound belongs to its bucket */
    metrics_observe_us(b, LATENCY, 0, 0, 51);
    metrics_observe_us(b, LATENCY, 0, 0, 2000000);
    metrics_observe_us(b, LATENCY, 0, 0, 1000000001);
    metrics_observe_us(b, CALLS, 0, 1, 250000);
    write_out();
    assert_line("t_latency_seconds_bucket{le=\"5e-05\"} 2");
    assert_line("t_latency_seconds_bucket{le=\"0.0001\"} 3");
    assert_line("t_latency_seconds_bucket{le=\"1\"} 3");
    assert_line("t_latency_seconds_bucket{le=\"2.5\"} 4");
    assert_line("t_latency_seconds_bucket{le=\"1000\"} 4");
    assert_line("t_latency_seconds_bucket{le=\"+Inf\"} 5");
    assert_line("t_latency_seconds_sum 1002.000102");
    assert_line("t_latency_seconds_count 5");
    assert_line("t_calls_seconds_bucket{state=\"failed\",le=\"0.1\"} 0");
    assert_line("t_calls_seconds_bucket{state=\"failed\",le=\"0.25\"} 1");
    assert_line("t_calls_seconds_sum{state=\"failed\"} 0.250000");
    assert_line("t_calls_seconds_count{state=\"failed\"} 1");
    assert_line("t_calls_seconds_count{state=\"ok\"} 0");
    metrics_shard_close(a);
    metrics_shard_close(b);
}
END_TEST

/* The bounds of a histogram as they are told, and what is counted below each. Returns how many
 * there are. */
static size_t read_buckets(double bounds[30], uint64_t counts[30])
{
    const struct str mark = STR("t_latency_seconds_bucket{le=\"");
    size_t n = 0;
    write_out();
    for (struct str rest = buf_str(&out); rest.len > 0;) {
        struct str line = str_cut(&rest, '\n');
        if (!str_starts(line, mark) || line.at[mark.len] == '+')
            continue;
        ck_assert_uint_lt(n, 30);
        bounds[n] = strtod(line.at + mark.len, NULL);
        str_cut(&line, ' ');
        ck_assert(str_to_u64(line, &counts[n++]));
    }
    return n;
}

START_TEST(the_bounds_say_what_they_mean)
{
    double bounds[30];
    uint64_t counts[30];
    struct metrics_shard *a = open_shard();
    size_t n = read_buckets(bounds, counts);
    ck_assert(bounds[0] == 50e-6 && bounds[n - 1] == 1000);
    for (size_t i = 0; i < n; i++) {
        ck_assert(i == 0 || bounds[i] > bounds[i - 1]);
        metrics_observe_us(a, LATENCY, 0, 0, (uint64_t)llround(bounds[i] * 1e6));
    }
    ck_assert_uint_eq(read_buckets(bounds, counts), n);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(counts[i], i + 1);
    metrics_shard_close(a);
}
END_TEST

START_TEST(computed_values_are_told_as_they_are)
{
    metrics_set(metrics, UPTIME, 0, 0, 12.5);
    metrics_set(metrics, LIVE, 0, 0, -3);
    metrics_set(metrics, REQUESTS, 0, 0, 1e6);
    write_out();
    assert_line("t_uptime_seconds 12.5");
    assert_line("t_live -3");
    assert_line("t_requests_total 1000000");
    struct metrics_shard *a = open_shard();
    metrics_add(a, LIVE, 0, 0, 4);
    metrics_set(metrics, UPTIME, 0, 0, (double)NAN);
    write_out();
    assert_line("t_live 1");
    assert_line("t_uptime_seconds NaN");
    metrics_set(metrics, UPTIME, 0, 0, 0);
    write_out();
    assert_line("t_uptime_seconds 0");
    metrics_shard_close(a);
}
END_TEST

START_TEST(a_label_without_values_takes_its_series_away)
{
    struct metrics *m;
    const struct metric_labels none[] = {{"provider", NULL, 0}};
    const struct metric_family one[] = {{"t", "T.", METRIC_COUNTER, {1}}};
    ck_assert_int_eq(metrics_create(one, 1, none, 1, &m), OK);
    metrics_write(m, &out);
    ck_assert(str_eq(buf_str(&out), STR("# HELP t T.\n# TYPE t counter\n")));
    metrics_destroy(m);
    metrics_destroy(NULL);
}
END_TEST

START_TEST(the_number_of_cells_has_a_limit)
{
    struct metrics *m = NULL;
    struct str *values = calloc(2000, sizeof *values);
    const struct metric_labels many[] = {{"a", values, 2000}};
    const struct metric_family square[] = {{"t", "T.", METRIC_COUNTER, {1, 1}}};
    const struct metric_family lines[] = {{"t", "T.", METRIC_HISTOGRAM, {1}},
                                          {"u", "U.", METRIC_HISTOGRAM, {1}}};
    ck_assert_int_eq(metrics_create(square, 1, many, 1, &m), ERR_LIMIT);
    ck_assert_ptr_null(m);
    ck_assert_int_eq(metrics_create(lines, 2, many, 1, &m), OK);
    metrics_destroy(m);
    free(values);
}
END_TEST

enum { THREADS = 4, ROUNDS = 20000 };
static atomic_int running;

static void *count(void *arg)
{
    struct metrics_shard *s = open_shard();
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        metrics_add(s, REQUESTS, 0, 0, 1);
        metrics_add(s, LIVE, 0, 0, i % 2 ? -1 : 1);
        metrics_observe_us(s, LATENCY, 0, 0, 1);
    }
    metrics_shard_close(s);
    atomic_fetch_sub(&running, 1);
    return NULL;
}

START_TEST(nothing_is_lost_while_threads_count_and_somebody_reads)
{
    pthread_t threads[THREADS];
    atomic_store(&running, THREADS);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    while (atomic_load(&running) > 0) {
        write_out();
        metrics_set(metrics, UPTIME, 0, 0, 1);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    write_out();
    assert_line("t_requests_total 80000");
    assert_line("t_live 0");
    assert_line("t_latency_seconds_count 80000");
    assert_line("t_latency_seconds_sum 0.080000");
}
END_TEST

static enum err create_and_open(void *arg)
{
    (void)arg;
    struct metrics *m = NULL;
    struct metrics_shard *s = NULL;
    enum err e = create(&m);
    if (e == OK)
        e = metrics_shard_open(m, &s);
    metrics_shard_close(s);
    metrics_destroy(m);
    return e;
}

START_TEST(without_memory_it_says_so_and_leaks_nothing)
{
    ck_assert_uint_gt(oom_rounds(create_and_open, NULL), 5);
}
END_TEST

Suite *suite_base_metrics(void)
{
    Suite *s = suite_create("base/metrics");
    TCase *c = tcase_create("metrics");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, tells_all_series_from_the_start);
    tcase_add_test(c, a_value_that_is_kept_free_is_told_when_it_has_a_name);
    tcase_add_test(c, writes_help_and_type_and_escapes);
    tcase_add_test(c, sums_what_the_shards_count);
    tcase_add_test(c, a_gauge_may_rise_in_one_shard_and_fall_in_another);
    tcase_add_test(c, what_a_closed_shard_counted_is_kept);
    tcase_add_test(c, a_histogram_counts_into_every_bucket_above);
    tcase_add_test(c, the_bounds_say_what_they_mean);
    tcase_add_test(c, computed_values_are_told_as_they_are);
    tcase_add_test(c, a_label_without_values_takes_its_series_away);
    tcase_add_test(c, the_number_of_cells_has_a_limit);
    tcase_add_test(c, nothing_is_lost_while_threads_count_and_somebody_reads);
    tcase_add_test(c, without_memory_it_says_so_and_leaks_nothing);
    suite_add_tcase(s, c);
    return s;
}
