/* GET /v1/events: what is asked for, what a stream of it looks like, and how it ends. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/api_rig.h"

Suite *suite_api_events(void);

static struct rig rig;
static struct api_rig api;
static struct asked_api asked, creator;

static void set_up(void)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    api_rig_start(&api, &rig);
}

static void tear_down(void)
{
    api_rig_stop(&api);
    rig_stop(&rig);
}

static void ask(const char *query, const char *headers)
{
    char line[256];
    snprintf(line, sizeof line, "GET /v1/events%s", query);
    api_ask(&api, 0, line, headers, NULL, &asked);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 1);
}

static void create(void)
{
    api_ask(&api, 1, "POST /v1/runs", NULL, "{\"agent\":\"echo\",\"input\":\"a b\"}", &creator);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(creator.status, 202);
    api_done(&creator);
}

static bool body_has(const char *text)
{
    return memmem(asked.body.data, asked.body.len, text, strlen(text)) != NULL;
}

START_TEST(it_streams_what_is_committed_and_no_deltas)
{
    ask("", "Accept: application/x-ndjson");
    ck_assert_int_eq(asked.status, 200);
    ck_assert_str_eq(asked.stream->content_type, "application/x-ndjson");
    ck_assert_str_eq(api_header(&asked, "Cache-Control"), "no-cache, no-transform");
    ck_assert_uint_eq(asked.body.len, 0);
    create();
    ck_assert(body_has("{\"id\":\"") && body_has("\"type\":\"run.finished\""));
    ck_assert(!body_has("output.delta"));
    ck_assert(!asked.is_over);
    api_done(&asked);
}
END_TEST

START_TEST(without_a_wish_it_is_server_sent_events)
{
    create();
    ask("?types=run.queued,output.delta", NULL);
    ck_assert_str_eq(asked.stream->content_type, "text/event-stream");
    ck_assert(body_has("retry: 2000\n\nid: ") &&
              body_has("\nevent: output.delta\ndata: {\"id\":\""));
    ck_assert(!body_has("run.finished"));
    api_done(&asked);
}
END_TEST

START_TEST(a_cut_says_behind_which_event)
{
    create();
    ask("?types=run.finished", "Accept: application/x-ndjson");
    char wanted[128];
    struct str id = buf_str(&asked.body);
    str_cut(&id, ':');
    id.at++;
    id.len = (size_t)((const char *)memchr(id.at, '"', id.len) - id.at);
    snprintf(wanted, sizeof wanted, "\"data\":{\"reason\":\"drain\",\"after\":\"%.*s\"}}\n",
             STR_ARG(id));
    asked.stream->cut(&asked.request, &asked.body, "drain");
    ck_assert(body_has(wanted));
    api_done(&asked);
}
END_TEST

static const struct {
    const char *query, *headers;
    int status;
} refused[] = {
    {"", "Accept: application/json", 406}, {"?after=7", NULL, 400},
    {"?after=seven", NULL, 400},           {"?after=", NULL, 400},
    {"", "Last-Event-ID: now", 400},       {"?run=run_1", NULL, 400},
    {"?types=stream.end", NULL, 400},      {"?limit=5", NULL, 400},
};

START_TEST(what_makes_no_sense_is_refused)
{
    ask(refused[_i].query, refused[_i].headers);
    ck_assert_msg(asked.status == refused[_i].status, "%s: %d", refused[_i].query, asked.status);
    api_done(&asked);
}
END_TEST

START_TEST(beyond_the_limit_of_streams_it_is_overloaded)
{
    api.rules.limits.streams = 0;
    ask("", NULL);
    ck_assert_int_eq(asked.status, 503);
    api_done(&asked);
}
END_TEST

START_TEST(a_client_that_leaves_before_the_answer_leaves_nothing_behind)
{
    store_fake_hold_reads(rig.fake);
    api_ask(&api, 0, "GET /v1/events?agent=echo", NULL, NULL, &asked);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 0);
    api_hang_up(&asked);
    store_fake_let_reads_go(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 0);
    api_done(&asked);
}
END_TEST

Suite *suite_api_events(void)
{
    Suite *s = suite_create("api/events");
    TCase *t = tcase_create("the bus");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, it_streams_what_is_committed_and_no_deltas);
    tcase_add_test(t, without_a_wish_it_is_server_sent_events);
    tcase_add_test(t, a_cut_says_behind_which_event);
    tcase_add_loop_test(t, what_makes_no_sense_is_refused, 0, sizeof refused / sizeof refused[0]);
    tcase_add_test(t, beyond_the_limit_of_streams_it_is_overloaded);
    tcase_add_test(t, a_client_that_leaves_before_the_answer_leaves_nothing_behind);
    suite_add_tcase(s, t);
    return s;
}
