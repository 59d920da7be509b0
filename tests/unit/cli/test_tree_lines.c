#include "cli/tree_lines.h"

#include "cli/render.h"
#include "tests/unit/cli/tree_feed.h"

Suite *suite_cli_tree_lines(void);

static struct feed f;

/* A sequence of a call that is done, a map of `count` of which `done` are done and the next `busy`
 * at work, and a call to come. */
static void feed_map(int count, int done, int busy)
{
    char look[4096];
    int at = 0;
    feed_task(&f, "", "running", "sequence");
    feed_event(&f, "0", "task.running", 0, "{'name':'first','type':'call'}");
    f.now_ms += 1500;
    feed_task(&f, "0", "succeeded", "call");
    feed_event(&f, "1", "task.running", 0, "{'name':'many','type':'map'}");
    at = snprintf(look, sizeof look,
                  "{'path':'','type':'sequence','state':'running','children':[{'path':'1','type':"
                  "'map','state':'running','children':[");
    for (int i = 0; i < count; i++)
        at += snprintf(look + at, sizeof look - (size_t)at, "%s{'path':'1/%d','type':'call'}",
                       i > 0 ? "," : "", i);
    snprintf(look + at, sizeof look - (size_t)at, "]},{'path':'2','name':'last','type':'call'}]}");
    feed_look(&f, look);
    for (int i = 0; i < done + busy; i++) {
        char path[16];
        snprintf(path, sizeof path, "1/%d", i);
        feed_task(&f, path, "running", "call");
        if (i < done)
            feed_task(&f, path, "succeeded", "call");
    }
}

START_TEST(a_line_says_state_place_time_and_what_it_waits_for)
{
    feed_start(&f);
    feed_task(&f, "", "running", "parallel");
    feed_event(&f, "0", "task.running", 0, "{'name':'draft','type':'call'}");
    f.now_ms += 1234;
    feed_event(&f, "0", "task.succeeded", 0, "{'output':'x'}");
    feed_task(&f, "1", "running", "call");
    feed_event(&f, "1", "attempt.started", 2, "{'provider':'sim','model':'echo'}");
    feed_event(&f, "1", "task.blocked", 0,
               "{'reason':{'code':'rate_limited','blocked_on':'provider:sim',"
               "'until':'1970-01-01T00:16:45.000Z'}}");
    feed_task(&f, "2", "skipped", "call");
    f.now_ms += 850;
    ck_assert_str_eq(
        feed_lines(&f, 0, 0),
        "running    parallel, 2 done, 2.0 s\n"
        "succeeded    0 draft call, 1.2 s\n"
        "blocked      1 call, 800 ms, attempt 2 (sim/echo), rate limited at provider:sim (3.0 s)\n"
        "skipped      2 call\n");
    feed_end(&f);
}
END_TEST

START_TEST(a_retry_counts_down)
{
    feed_start(&f);
    feed_task(&f, "0", "running", "call");
    feed_event(&f, "0", "attempt.failed", 1, "{'error':{'code':'c','message':'m'}}");
    feed_event(&f, "0", "task.retrying", 0, "{'retry_in_ms':2500}");
    f.now_ms += 1000;
    ck_assert_ptr_nonnull(
        strstr(feed_lines(&f, 0, 0), "retrying     0 call, 1.0 s, c: m (1.5 s)\n"));
    f.now_ms += 5000;
    ck_assert_ptr_nonnull(strstr(feed_lines(&f, 0, 0), "c: m\n"));
    feed_end(&f);
}
END_TEST

START_TEST(what_the_run_waits_for_stands_at_its_root)
{
    feed_start(&f);
    feed_task(&f, "", "running", "sleep");
    feed_event(&f, NULL, "run.waiting", 0,
               "{'reason':{'code':'timer','until':'1970-01-01T00:16:43.000Z'}}");
    ck_assert_str_eq(feed_lines(&f, 0, 0), "running    sleep, 0 ms, waiting: timer (3.0 s)\n");
    feed_event(&f, NULL, "run.cancelling", 0, "{'reason':{'code':'client_request'}}");
    ck_assert_str_eq(feed_lines(&f, 0, 0), "cancelling sleep, 0 ms, client request\n");
    feed_task(&f, "", "cancelled", "sleep");
    ck_assert_str_eq(feed_lines(&f, 0, 0), "cancelled  sleep, 0 ms\n");
    feed_end(&f);
}
END_TEST

START_TEST(where_there_is_room_all_of_it_is_shown)
{
    feed_start(&f);
    feed_map(3, 1, 1);
    static const char all[] = "running    sequence, 1/3, 1.5 s\n"
                              "succeeded    0 first call, 1.5 s\n"
                              "running      1 many map, 1/3, 0 ms\n"
                              "succeeded      0 call, 0 ms\n"
                              "running        1 call, 0 ms\n"
                              "pending        2 call\n"
                              "pending      2 last call\n";
    ck_assert_str_eq(feed_lines(&f, 80, 7), all);
    ck_assert_str_eq(feed_lines(&f, 0, 0), all);
    feed_end(&f);
}
END_TEST

START_TEST(where_there_is_none_what_is_at_work_comes_first)
{
    feed_start(&f);
    feed_map(40, 12, 2);
    ck_assert_str_eq(feed_lines(&f, 80, 10), "running    sequence, 1/3, 1.5 s\n"
                                             "succeeded    0 first call, 1.5 s\n"
                                             "running      1 many map, 12/40, 0 ms\n"
                                             "running        12 call, 0 ms\n"
                                             "running        13 call, 0 ms\n"
                                             "pending        14 call\n"
                                             "pending        15 call\n"
                                             "pending        16 call\n"
                                             "               \xE2\x80\xA6 35 more: 23 pending, "
                                             "12 succeeded\n"
                                             "pending      2 last call\n");
    ck_assert_str_eq(feed_lines(&f, 80, 4), "running    sequence, 1/3, 1.5 s\n"
                                            "running      1 many map, 12/40, 0 ms\n"
                                            "running        12 call, 0 ms\n"
                                            "             \xE2\x80\xA6 2 more: 1 pending, "
                                            "1 succeeded\n");
    feed_end(&f);
}
END_TEST

START_TEST(however_small_no_line_is_too_much)
{
    feed_start(&f);
    feed_map(40, 12, 3);
    for (uint32_t height = 1; height < 50; height++) {
        for (uint32_t width = 1; width < 60; width += 7) {
            uint32_t count = 0;
            struct str rest = str_of(feed_lines(&f, width, height));
            for (; rest.len > 0; count++)
                ck_assert_uint_le(render_width(str_cut(&rest, '\n')), width);
            ck_assert_uint_ge(count, 1);
            ck_assert_uint_le(count, height);
        }
    }
    ck_assert_str_eq(feed_lines(&f, 20, 1), "running    sequence\xE2\x80\xA6\n");
    feed_end(&f);
}
END_TEST

START_TEST(wide_characters_are_counted_and_not_split)
{
    feed_start(&f);
    feed_event(&f, "", "task.running", 0,
               "{'name':'\xE6\xBC\xA2\xE5\xAD\x97\xE6\xBC\xA2','type':'map'}");
    ck_assert_str_eq(feed_lines(&f, 16, 0), "running    \xE6\xBC\xA2\xE5\xAD\x97\xE2\x80\xA6\n");
    ck_assert_str_eq(feed_lines(&f, 15, 0), "running    \xE6\xBC\xA2\xE2\x80\xA6\n");
    feed_end(&f);
}
END_TEST

START_TEST(hostile_names_stay_on_their_line)
{
    feed_start(&f);
    feed_event(&f, "", "task.running", 0, "{'name':'a\\nb\\u001b[2Jc','type':'x\\r\\ny'}");
    feed_event(&f, "", "attempt.started", 2, "{'provider':'p\\n','model':'\\u0007m'}");
    ck_assert_str_eq(feed_lines(&f, 0, 0), "running    a b[2Jc x y, 0 ms, attempt 2 (p /m)\n");
    feed_end(&f);
}
END_TEST

Suite *suite_cli_tree_lines(void)
{
    Suite *s = suite_create("cli/tree_lines");
    TCase *t = tcase_create("tasks to lines");
    tcase_add_test(t, a_line_says_state_place_time_and_what_it_waits_for);
    tcase_add_test(t, a_retry_counts_down);
    tcase_add_test(t, what_the_run_waits_for_stands_at_its_root);
    tcase_add_test(t, where_there_is_room_all_of_it_is_shown);
    tcase_add_test(t, where_there_is_none_what_is_at_work_comes_first);
    tcase_add_test(t, however_small_no_line_is_too_much);
    tcase_add_test(t, wide_characters_are_counted_and_not_split);
    tcase_add_test(t, hostile_names_stay_on_their_line);
    suite_add_tcase(s, t);
    return s;
}
