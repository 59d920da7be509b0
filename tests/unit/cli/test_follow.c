#include "cli/follow.h"

#include <stdio.h>

#include "tests/unit/cli/capture.h"

Suite *suite_cli_follow(void);

static struct capture c;
static struct follow f;
static uint64_t seq;
static int attempt;

static void start(bool as_json)
{
    seq = 0;
    attempt = 1;
    capture_start(&c);
    follow_init(&f, &c.screen, as_json ? FOLLOW_JSON : FOLLOW_NEW, 0);
}

static void end(void)
{
    follow_fini(&f);
    capture_end(&c);
}

/* An event of the task at `task` (NULL: of the run), as the gateway frames it. */
static bool tell_of(const char *task, const char *type, const char *data)
{
    struct buf b;
    buf_init(&b, 65536);
    seq++;
    buf_addf(&b, "id: %llu\nevent: %s\ndata: ", (unsigned long long)seq, type);
    buf_addf(
        &b,
        "{\"seq\":%llu,\"type\":\"%s\",\"run_id\":\"run_1\",\"at\":\"2026-08-01T12:00:00.000Z\",",
        (unsigned long long)seq, type);
    if (task != NULL)
        buf_addf(&b, "\"task\":\"%s\",\"attempt\":%d,", task, attempt);
    else
        buf_add_lit(&b, "\"task\":null,\"attempt\":null,");
    buf_addf(&b, "\"data\":%s}\n\n", data);
    bool goes_on = follow_bytes(&f, buf_str(&b));
    buf_fini(&b);
    return goes_on;
}

static bool tell(const char *type, const char *data)
{
    return tell_of(NULL, type, data);
}

static bool tell_text(const char *text)
{
    char data[256];
    snprintf(data, sizeof data, "{\"text\":\"%s\"}", text);
    return tell_of("", "output.delta", data);
}

START_TEST(text_goes_out_as_it_comes)
{
    start(false);
    ck_assert(follow_bytes(&f, STR("retry: 2000\n\n: hb\n\n")));
    tell("run.queued", "{\"reason\":null}");
    tell_text("Once ");
    ck_assert_str_eq(capture_out(&c), "Once ");
    tell_text("upon\\n");
    ck_assert_str_eq(capture_out(&c), "Once upon\n");
    ck_assert(f.tell.has_text);
    ck_assert(!f.has_ended);
    ck_assert_uint_eq(f.seq, 3);
    ck_assert_str_eq(capture_err(&c), "");
    end();
}
END_TEST

START_TEST(the_end_is_told_once_and_ends_the_line)
{
    start(false);
    tell_text("word");
    ck_assert(!tell("run.finished", "{\"run\":{\"state\":\"succeeded\"}}"));
    ck_assert(f.has_ended);
    ck_assert_str_eq(capture_out(&c), "word\n");
    ck_assert(str_eq(buf_str(&f.run), STR("{\"state\":\"succeeded\"}")));
    end();
}
END_TEST

START_TEST(what_it_waits_for_is_said)
{
    start(false);
    tell("run.waiting", "{\"reason\":{\"code\":\"no_free_slot\",\"blocked_on\":\"provider:openai\","
                        "\"until\":\"2026-08-01T12:00:12.000Z\"}}");
    tell("run.waiting", "{\"reason\":{\"code\":\"timer\",\"blocked_on\":null,\"until\":null}}");
    tell("run.waiting", "{\"reason\":null}");
    ck_assert_str_eq(capture_err(&c), "waiting: no free slot at provider:openai (for 12.0 s)\n"
                                      "waiting: timer\n"
                                      "waiting\n");
    ck_assert_str_eq(capture_out(&c), "");
    end();
}
END_TEST

START_TEST(a_retry_is_one_line)
{
    start(false);
    tell_of("", "attempt.failed",
            "{\"error\":{\"code\":\"provider_error\",\"message\":\"HTTP 500\"}}");
    tell_of("", "task.retrying", "{\"retry_in_ms\":1500,\"reason\":{\"code\":\"retry_timer\"}}");
    tell("run.waiting", "{\"reason\":{\"code\":\"retry_timer\"}}");
    tell_of("", "attempt.lost", "{}");
    tell_of("", "task.retrying", "{\"retry_in_ms\":0}");
    tell_of("", "task.retrying", "{}");
    tell_of("", "attempt.failed",
            "{\"error\":{\"code\":\"provider_error\",\"message\":\"the last\"}}");
    ck_assert_str_eq(capture_err(&c),
                     "attempt 1 failed: provider_error: HTTP 500; retrying in 1.5 s\n"
                     "attempt 1 was lost when the gateway stopped; retrying\n"
                     "retrying\n");
    end();
}
END_TEST

START_TEST(a_cancel_of_ones_own_is_no_news)
{
    start(false);
    tell("run.cancelling", "{\"reason\":{\"code\":\"client_request\"}}");
    f.tell.is_cancelled = true;
    tell("run.cancelling", "{\"reason\":{\"code\":\"client_request\"}}");
    ck_assert_str_eq(capture_err(&c), "cancelling: client request\n");
    end();
}
END_TEST

START_TEST(reasoning_is_for_terminals)
{
    start(false);
    tell_of("", "output.delta", "{\"reasoning\":\"hm\"}");
    tell_text("a");
    ck_assert_str_eq(capture_out(&c), "a");
    end();
    start(false);
    capture_terminal(&c);
    tell_of("", "output.delta", "{\"reasoning\":\"hm\"}");
    ck_assert(!f.tell.has_text);
    tell_text("a");
    tell_of("", "output.delta", "{\"reasoning\":\"so\"}");
    ck_assert_str_eq(capture_out(&c), "\x1B[2mhm\x1B[22m\na\n\x1B[2mso");
    end();
}
END_TEST

START_TEST(a_tool_call_is_named_once)
{
    start(false);
    tell_of("", "output.delta",
            "{\"tool_call\":{\"index\":0,\"id\":\"x\",\"name\":\"search\",\"arguments\":\"\"}}");
    tell_of("", "output.delta", "{\"tool_call\":{\"index\":0,\"arguments\":\"{}\"}}");
    ck_assert_str_eq(capture_err(&c), "asks for the tool search\n");
    ck_assert(!f.tell.has_text);
    end();
}
END_TEST

START_TEST(of_a_tree_the_steps_are_told_not_their_texts)
{
    start(false);
    tell_of("", "task.running", "{\"name\":null,\"type\":\"sequence\"}");
    tell_of("0", "task.running", "{\"name\":\"draft\",\"type\":\"call\"}");
    tell_of("0", "output.delta", "{\"text\":\"inner\"}");
    tell_of("0", "task.succeeded", "{\"name\":\"draft\",\"type\":\"call\"}");
    tell_of("1/2", "task.skipped", "{\"name\":null,\"type\":\"call\"}");
    tell_of("", "task.succeeded", "{\"name\":null,\"type\":\"sequence\"}");
    ck_assert_str_eq(capture_out(&c), "");
    ck_assert_str_eq(capture_err(&c), "[0 draft] running\n[0 draft] succeeded\n[1/2] skipped\n");
    ck_assert(!f.tell.has_text);
    end();
}
END_TEST

/* Bug: after a crash the new attempt's text went on in the middle of the old one's line. */
START_TEST(lost_text_and_a_new_beginning_are_said)
{
    start(false);
    tell_text("half");
    tell("stream.gap", "{\"from\":2,\"to\":3}");
    tell_of("", "attempt.lost", "{}");
    attempt = 2;
    tell_text("whole ");
    tell_text("text");
    ck_assert_str_eq(capture_err(&c), "the gateway stopped in between: some of the text is lost\n"
                                      "attempt 2 begins the answer anew\n");
    ck_assert_str_eq(capture_out(&c), "half\nwhole text");
    end();
}
END_TEST

START_TEST(as_json_events_go_out_as_they_are)
{
    start(true);
    ck_assert(follow_bytes(
        &f,
        STR("retry: 2000\n\nid: 7\ndata: {\"seq\":7, \"type\":\"x.y\" ,\"data\":{} }\n\n: hb\n\n")));
    ck_assert(follow_bytes(
        &f,
        STR("event: stream.end\ndata: {\"type\":\"stream.end\",\"data\":{\"reason\":\"drain\"}}\n\n")));
    ck_assert(!follow_bytes(
        &f, STR("data: {\"seq\":8,\"type\":\"run.finished\",\"data\":{\"run\":{}}}\n\n")));
    ck_assert_str_eq(capture_out(&c),
                     "{\"seq\":7, \"type\":\"x.y\" ,\"data\":{} }\n"
                     "{\"seq\":8,\"type\":\"run.finished\",\"data\":{\"run\":{}}}\n");
    ck_assert_str_eq(capture_err(&c), "");
    end();
}
END_TEST

START_TEST(another_connection_goes_on_where_one_broke)
{
    start(false);
    tell_text("a ");
    ck_assert(follow_bytes(
        &f, STR("id: 2\nevent: output.delta\ndata: {\"seq\":2,\"ty"))); /* and no more */
    ck_assert_uint_eq(f.seq, 1);
    ck_assert_uint_eq(f.events, 1);
    follow_reconnected(&f);
    tell_text("b");
    ck_assert_uint_eq(f.seq, 2);
    ck_assert_str_eq(capture_out(&c), "a b");
    end();
}
END_TEST

START_TEST(the_end_of_a_stream_is_not_the_end_of_the_run)
{
    start(false);
    ck_assert(follow_bytes(
        &f,
        STR("event: stream.end\ndata: {\"type\":\"stream.end\",\"data\":{\"reason\":\"drain\",\"after\":3}}\n\n")));
    ck_assert(!f.has_ended);
    ck_assert_uint_eq(f.events, 0);
    end();
}
END_TEST

START_TEST(what_is_no_event_stops_the_reading)
{
    static const char *const rows[] = {"data: {\n\n", "data: []\n\n", "data: {\"seq\":1}\n\n",
                                       "data: \"x\"\n\n"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        start(false);
        ck_assert_msg(!follow_bytes(&f, str_of(rows[i])), "%s", rows[i]);
        ck_assert(!f.has_ended);
        end();
    }
}
END_TEST

START_TEST(a_step_says_why)
{
    start(false);
    tell_of("0", "task.blocked",
            "{\"name\":\"a\",\"reason\":{\"code\":\"rate_limited\",\"blocked_on\":\"provider:x\","
            "\"until\":\"2026-08-01T12:00:02.000Z\"}}");
    tell_of("1", "attempt.failed", "{\"error\":{\"code\":\"c\",\"message\":\"m\"}}");
    tell_of("2", "task.retrying", "{\"retry_in_ms\":50}");
    tell_of("1", "task.retrying", "{\"name\":\"b\",\"retry_in_ms\":1500}");
    tell_of("1", "task.failed", "{\"error\":{\"code\":\"c\",\"message\":\"last\"}}");
    tell_of("2", "task.cancelled", "{\"error\":{\"code\":\"cancelled\",\"message\":\"m\"}}");
    tell_of("3", "task.skipped", "{\"reason\":{\"code\":\"dependency\",\"until\":null}}");
    ck_assert_str_eq(capture_err(&c), "[0 a] blocked: rate limited at provider:x (for 2.0 s)\n"
                                      "[2] retrying in 50 ms\n"
                                      "[1 b] attempt 1 failed: c: m; retrying in 1.5 s\n"
                                      "[1] failed: c: last\n"
                                      "[2] cancelled\n"
                                      "[3] skipped: dependency\n");
    end();
}
END_TEST

START_TEST(on_a_terminal_a_tree_is_drawn_and_not_told)
{
    start(false);
    capture_terminal(&c);
    c.screen.is_styled = c.screen.canvas.is_coloured = false;
    f.live.is_wanted = true;
    tell("run.queued", "{\"reason\":null}");
    tell_of("", "task.running", "{\"name\":null,\"type\":\"sequence\"}");
    ck_assert_int_ge(live_turn(&f.live, NULL, ""), 0);
    ck_assert_ptr_nonnull(strstr(capture_err(&c), "\x1B[?7l\rrunning    sequence, "));
    tell_of("0", "output.delta", "{\"text\":\"inner\"}");
    tell_of("", "task.failed", "{\"error\":{\"code\":\"c\",\"message\":\"m\"}}");
    ck_assert_str_eq(capture_out(&c), "");
    tell("run.finished", "{\"run\":{}}");
    ck_assert_ptr_nonnull(
        strstr(capture_err(&c), "failed     sequence, 0 ms, c: m\x1B[K\r\n\x1B[?7h"));
    ck_assert(!live_is_shown(&f.live));
    ck_assert_int_eq(live_turn(&f.live, NULL, ""), -1);
    end();
}
END_TEST

START_TEST(on_a_terminal_a_calls_text_still_streams)
{
    start(false);
    capture_terminal(&c);
    f.live.is_wanted = true;
    tell_of("", "task.running", "{\"name\":null,\"type\":\"call\"}");
    tell_text("word");
    ck_assert_int_eq(live_turn(&f.live, NULL, ""), -1);
    ck_assert_str_eq(capture_out(&c), "word");
    ck_assert_str_eq(capture_err(&c), "");
    end();
}
END_TEST

START_TEST(hostile_names_stay_on_their_line)
{
    start(false);
    tell_of("0", "task.running", "{\"name\":\"a\\nerror: b\\u001b[2J\"}");
    ck_assert_str_eq(capture_err(&c), "[0 a error: b[2J] running\n");
    end();
}
END_TEST

Suite *suite_cli_follow(void)
{
    Suite *s = suite_create("cli/follow");
    TCase *t = tcase_create("events on a screen");
    tcase_add_test(t, text_goes_out_as_it_comes);
    tcase_add_test(t, the_end_is_told_once_and_ends_the_line);
    tcase_add_test(t, what_it_waits_for_is_said);
    tcase_add_test(t, a_retry_is_one_line);
    tcase_add_test(t, a_cancel_of_ones_own_is_no_news);
    tcase_add_test(t, reasoning_is_for_terminals);
    tcase_add_test(t, a_tool_call_is_named_once);
    tcase_add_test(t, of_a_tree_the_steps_are_told_not_their_texts);
    tcase_add_test(t, lost_text_and_a_new_beginning_are_said);
    tcase_add_test(t, as_json_events_go_out_as_they_are);
    tcase_add_test(t, another_connection_goes_on_where_one_broke);
    tcase_add_test(t, the_end_of_a_stream_is_not_the_end_of_the_run);
    tcase_add_test(t, what_is_no_event_stops_the_reading);
    tcase_add_test(t, a_step_says_why);
    tcase_add_test(t, on_a_terminal_a_tree_is_drawn_and_not_told);
    tcase_add_test(t, on_a_terminal_a_calls_text_still_streams);
    tcase_add_test(t, hostile_names_stay_on_their_line);
    suite_add_tcase(s, t);
    return s;
}
