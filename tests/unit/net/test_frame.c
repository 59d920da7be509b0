/* Frames, byte for byte (API §3). */
#include "net/frame.h"

#include <check.h>

Suite *suite_net_frame(void);

static struct buf b;

static void set_up(void)
{
    buf_init(&b, 4096);
}

static void tear_down(void)
{
    buf_fini(&b);
}

static void assert_bytes(const char *want)
{
    ck_assert_int_eq(buf_ok(&b), OK);
    ck_assert_msg(str_eq(buf_str(&b), str_of(want)), "%.*s", STR_ARG(buf_str(&b)));
    buf_clear(&b);
}

static const struct str json = {"{\"seq\":5}", 9};

START_TEST(an_sse_stream_begins_with_its_retry_time)
{
    frame_begin(&b, FRAME_SSE);
    assert_bytes("retry: 2000\n\n");
    frame_begin(&b, FRAME_NDJSON);
    assert_bytes("");
}
END_TEST

START_TEST(an_event_is_its_json_in_a_frame)
{
    frame_event(&b, FRAME_SSE, 5, STR("output.delta"), json);
    assert_bytes("id: 5\nevent: output.delta\ndata: {\"seq\":5}\n\n");
    frame_event(&b, FRAME_SSE, UINT64_MAX, STR("run.finished"), json);
    assert_bytes("id: 18446744073709551615\nevent: run.finished\ndata: {\"seq\":5}\n\n");
    frame_event(&b, FRAME_NDJSON, 5, STR("output.delta"), json);
    assert_bytes("{\"seq\":5}\n");
}
END_TEST

START_TEST(an_event_may_be_named_by_a_text)
{
    frame_named_event(&b, FRAME_SSE, STR("12-3"), STR("circuit.open"), json);
    assert_bytes("id: 12-3\nevent: circuit.open\ndata: {\"seq\":5}\n\n");
    frame_named_event(&b, FRAME_NDJSON, STR("12-3"), STR("circuit.open"), json);
    assert_bytes("{\"seq\":5}\n");
    frame_named_stream_end(&b, FRAME_NDJSON, "drain", STR("12-3"));
    assert_bytes("{\"type\":\"stream.end\",\"data\":{\"reason\":\"drain\",\"after\":\"12-3\"}}\n");
}
END_TEST

START_TEST(silence_is_broken_by_a_heartbeat)
{
    frame_heartbeat(&b, FRAME_SSE);
    assert_bytes(": hb\n\n");
    frame_heartbeat(&b, FRAME_NDJSON);
    assert_bytes("{\"type\":\"heartbeat\"}\n");
}
END_TEST

START_TEST(an_early_end_says_why_and_from_where_to_go_on)
{
    frame_stream_end(&b, FRAME_SSE, "drain", 17);
    assert_bytes(
        "event: stream.end\ndata: {\"type\":\"stream.end\",\"data\":{\"reason\":\"drain\",\"after\":17}}\n\n");
    frame_stream_end(&b, FRAME_NDJSON, "slow_reader", 0);
    assert_bytes("{\"type\":\"stream.end\",\"data\":{\"reason\":\"slow_reader\",\"after\":0}}\n");
}
END_TEST

START_TEST(frames_follow_each_other_without_a_gap)
{
    frame_begin(&b, FRAME_SSE);
    frame_event(&b, FRAME_SSE, 1, STR("a"), STR("{}"));
    frame_heartbeat(&b, FRAME_SSE);
    frame_event(&b, FRAME_SSE, 2, STR("b"), STR("{}"));
    assert_bytes(
        "retry: 2000\n\nid: 1\nevent: a\ndata: {}\n\n: hb\n\nid: 2\nevent: b\ndata: {}\n\n");
}
END_TEST

Suite *suite_net_frame(void)
{
    Suite *s = suite_create("net_frame");
    TCase *t = tcase_create("frame");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, an_sse_stream_begins_with_its_retry_time);
    tcase_add_test(t, an_event_is_its_json_in_a_frame);
    tcase_add_test(t, an_event_may_be_named_by_a_text);
    tcase_add_test(t, silence_is_broken_by_a_heartbeat);
    tcase_add_test(t, an_early_end_says_why_and_from_where_to_go_on);
    tcase_add_test(t, frames_follow_each_other_without_a_gap);
    suite_add_tcase(s, t);
    return s;
}
