/* Server-sent events: what the WHATWG standard says about each stream, however its bytes are cut.
 */
#include "net/sse_parse.h"

#include <check.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/unit/base/oom.h"

Suite *suite_net_sse_parse(void);

#define T(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* --- events as text --------------------------------------------------------------------------- */

struct log {
    struct buf text; /* each event as TYPE|DATA|ID; */
    unsigned events;
    unsigned stop_after; /* 0: never */
};

static bool take_event(void *ctx, const struct sse_event *e)
{
    struct log *l = ctx;
    buf_add_str(&l->text, e->type);
    buf_add_char(&l->text, '|');
    buf_add_str(&l->text, e->data);
    buf_add_char(&l->text, '|');
    buf_add_str(&l->text, e->id);
    buf_add_char(&l->text, ';');
    return ++l->events != l->stop_after;
}

static void log_init(struct log *l)
{
    *l = (struct log){.events = 0};
    buf_init(&l->text, SIZE_MAX);
}

/* The chunk moves to a block of exactly its size, and is gone when the call has returned. */
static enum err feed(struct sse_parser *p, const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    enum err e = sse_parse_feed(p, copy, len);
    memset(copy, '#', len);
    free(copy);
    return e;
}

/* Cut at up to two places; 0 and the length cut nothing. */
static enum err parse_cut(struct str in, size_t a, size_t b, size_t max, struct log *l)
{
    struct sse_parser p;
    log_init(l);
    sse_parse_init(&p, max, take_event, l);
    enum err e = feed(&p, in.at, a);
    if (e == OK)
        e = feed(&p, in.at + a, b - a);
    if (e == OK)
        e = feed(&p, in.at + b, in.len - b);
    sse_parse_fini(&p);
    return e;
}

static void assert_log(struct log *l, const char *want, struct str in, size_t a, size_t b)
{
    ck_assert_int_eq(buf_ok(&l->text), OK);
    ck_assert_msg(str_eq(buf_str(&l->text), str_of(want)),
                  "of %.*s cut at %zu and %zu: %.*s, not %s", STR_ARG(in), a, b,
                  STR_ARG(buf_str(&l->text)), want);
    buf_fini(&l->text);
}

/* Whole, cut at each byte, and cut at each pair of bytes. */
static void assert_events(struct str in, const char *want)
{
    for (size_t a = 0; a <= in.len; a++) {
        for (size_t b = a; b <= in.len; b++) {
            struct log l;
            ck_assert_int_eq(parse_cut(in, a, b, SIZE_MAX, &l), OK);
            assert_log(&l, want, in, a, b);
        }
    }
}

/* --- the standard ----------------------------------------------------------------------------- */

START_TEST(streams_mean_what_the_standard_says)
{
    static const struct {
        struct str in;
        const char *want;
    } rows[] = {
        /* the examples of 9.2.6 */
        {T("data: YHOO\ndata: +2\ndata: 10\n\n"), "|YHOO\n+2\n10|;"},
        {T(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
         "|first event|1;|second event|;| third event|;"},
        {T("data\n\ndata\ndata\n\ndata:"), "||;|\n|;"},
        {T("data:test\n\ndata: test\n\n"), "|test|;|test|;"},
        /* types */
        {T("event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n"),
         "add|73857293|;remove|2153|;"},
        {T("event: a\nevent: b\ndata: x\n\ndata: y\n\n"), "b|x|;|y|;"},
        {T("event\ndata: x\n\n"), "|x|;"},
        {T("event: lost\n\ndata: x\n\n"), "|x|;"},
        /* ids stay until another comes, also those of what is no event */
        {T("id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid:\ndata: d\n\n"),
         "|a|1;|b|1;|c|2;|d|;"},
        {T("id: 1\0"
           "2\ndata: x\n\n"),
         "|x|;"},
        {T("id: 7\ndata: a\n\nid: \0\ndata: b\n\n"), "|a|7;|b|7;"},
        /* comments, unknown fields, names as they are */
        {T(":\n: hb\n:data: x\n\n"), ""},
        {T("retry: 2000\nfoo: bar\nfoo\nDATA: x\n data: x\ndata : x\n\n"), ""},
        {T("data: a\n: in between\ndata: b\n\n"), "|a\nb|;"},
        {T("data: a:b: c\n\n"), "|a:b: c|;"},
        {T("data:\tx\n\ndata:   x \n\n"), "|\tx|;|  x |;"},
        /* lines end with LF, CR or CRLF, all mixed */
        {T("data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n"), "|a\nb|;|c|;"},
        {T("data: a\rdata: b\r\rdata: c\r\r"), "|a\nb|;|c|;"},
        {T("data: a\ndata: b\rdata: c\r\ndata: d\n\r\n"), "|a\nb\nc\nd|;"},
        {T("data: a\r\n\rdata: b\n\r"), "|a|;|b|;"},
        {T("data: a\r\n\ndata: b\r\r\n"), "|a|;|b|;"},
        {T("\r\n\r\n\n\r\rdata: a\n\n\n\n\n"), "|a|;"},
        /* the mark at the start, and nowhere else */
        {T("\xEF\xBB\xBF"
           "data: a\n\n"),
         "|a|;"},
        {T("\xEF\xBB\xBF\n"
           "data: a\n\n"),
         "|a|;"},
        {T("\xEF\xBB\xBF\xEF\xBB\xBF"
           "data: a\ndata: b\n\n"),
         "|b|;"},
        {T("data: a\n\n\xEF\xBB\xBF"
           "data: b\n\n"),
         "|a|;"},
        {T("\xEF\xBB"
           "data: b\n\n"),
         ""},
        /* bytes pass as they are */
        {T("data: \xC3\xA4\xF0\x9F\x98\x80\n\n"), "|\xC3\xA4\xF0\x9F\x98\x80|;"},
        {T("data: {\"a\":[1,2]}\n\ndata: [DONE]\n\n"), "|{\"a\":[1,2]}|;|[DONE]|;"},
        /* what has no blank line yet has not come */
        {T("data: a\n\ndata: b"), "|a|;"},
        {T("data: a\n\ndata: b\n"), "|a|;"},
        {T("data: a\n\ndata: b\r"), "|a|;"},
        {T(""), ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_events(rows[i].in, rows[i].want);
}
END_TEST

START_TEST(nul_bytes_in_data_are_data)
{
    struct log l;
    struct str in = T("data: a\0b\n\n");
    for (size_t cut = 0; cut <= in.len; cut++) {
        ck_assert_int_eq(parse_cut(in, cut, cut, SIZE_MAX, &l), OK);
        ck_assert(str_eq(buf_str(&l.text), (struct str)T("|a\0b|;")));
        buf_fini(&l.text);
    }
}
END_TEST

START_TEST(events_come_as_soon_as_their_blank_line)
{
    struct log l;
    struct sse_parser p;
    log_init(&l);
    sse_parse_init(&p, 100, take_event, &l);
    struct str in = STR("data: a\r\n\r\ndata: b\n\n");
    for (size_t i = 0; i < in.len; i++) {
        ck_assert_int_eq(feed(&p, in.at + i, 1), OK);
        ck_assert_uint_eq(l.events, i < 9 ? 0
                                    : i < in.len - 1
                                        ? 1
                                        : 2); /* a CR ends a line without waiting for its LF */
    }
    sse_parse_fini(&p);
    assert_log(&l, "|a|;|b|;", in, 0, 0);
}
END_TEST

START_TEST(a_stop_drops_what_comes_behind_it)
{
    struct str in = STR("data: a\n\ndata: b\n\ndata: c\n\n");
    for (size_t cut = 0; cut <= in.len; cut++) {
        struct log l;
        struct sse_parser p;
        log_init(&l);
        l.stop_after = 2;
        sse_parse_init(&p, 100, take_event, &l);
        ck_assert_int_eq(feed(&p, in.at, cut), OK);
        ck_assert_int_eq(feed(&p, in.at + cut, in.len - cut), OK);
        ck_assert_int_eq(feed(&p, in.at, in.len), OK);
        sse_parse_fini(&p);
        assert_log(&l, "|a|;|b|;", in, cut, cut);
    }
}
END_TEST

/* --- limits ----------------------------------------------------------------------------------- */

/* What is held never depends on how the bytes were cut: at the limit all cuts pass, past it none
 * does, and both have given out the same events. */
START_TEST(the_limit_holds_however_the_bytes_are_cut)
{
    static const struct {
        struct str in;
        size_t needs;     /* max_bytes */
        const char *past; /* what has come before it was passed */
    } rows[] = {
        {T("data: 0123456789\n\n"), 16, ""},
        {T("data: 0123456789"), 16, ""},
        {T("data: 01234567\ndata: 89\n\n"), 16, ""},
        {T("data: 01234567\ndata: 9\nx\n\n"), 15, ""},
        {T(": a long comment\ndata: x\n\n"), 16, ""},
        {T("unknown: 01234567\n\n"), 17, ""},
        {T("event: abcd\ndata: 01\n\n"), 12, ""},
        {T("data: a\n\ndata: b\n\ndata: 0123456789\n\n"), 16, "|a|;|b|;"},
        {T("id: 12345\ndata: a\n\ndata: 0123\n\n"), 15, "|a|12345;"},
        {T("data: a\r\n\r\ndata: 0123456789\r\n\r\n"), 16, "|a|;"},
        {T("\xEF\xBB\xBF"
           "data: 0123456789\n\n"),
         19, ""},
        {T("data: 0123\ndata: 45\n\ndata: 0123\ndata: 45\n\n"), 12, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str in = rows[i].in;
        for (size_t a = 0; a <= in.len; a++) {
            for (size_t b = a; b <= in.len; b++) {
                struct log l;
                ck_assert_msg(parse_cut(in, a, b, rows[i].needs, &l) == OK, "%zu at %zu, %zu", i, a,
                              b);
                buf_fini(&l.text);
                ck_assert_msg(parse_cut(in, a, b, rows[i].needs - 1, &l) == ERR_LIMIT,
                              "%zu at %zu, %zu", i, a, b);
                assert_log(&l, rows[i].past, in, a, b);
            }
        }
    }
}
END_TEST

START_TEST(past_the_limit_it_stays_failed)
{
    struct log l;
    struct sse_parser p;
    log_init(&l);
    sse_parse_init(&p, 10, take_event, &l);
    ck_assert_int_eq(feed(&p, "data: 01234", 11), ERR_LIMIT);
    ck_assert_int_eq(feed(&p, "\n", 1), ERR_LIMIT);
    ck_assert_int_eq(feed(&p, "\ndata: a\n\n", 10), ERR_LIMIT);
    ck_assert_int_eq(feed(&p, "", 0), ERR_LIMIT);
    ck_assert_uint_eq(l.events, 0);
    sse_parse_fini(&p);
    buf_fini(&l.text);
}
END_TEST

START_TEST(a_stream_may_be_longer_than_the_limit_of_its_events)
{
    struct log l;
    struct sse_parser p;
    log_init(&l);
    sse_parse_init(&p, 32, take_event, &l);
    for (int i = 0; i < 10000; i++)
        ck_assert_int_eq(feed(&p, "event: delta\ndata: abc\n\n", 24), OK);
    ck_assert_uint_eq(l.events, 10000);
    sse_parse_fini(&p);
    buf_fini(&l.text);
}
END_TEST

/* --- no memory -------------------------------------------------------------------------------- */

struct cut_stream {
    struct str in;
    size_t cut;
};

static enum err parse_without_memory(void *arg)
{
    const struct cut_stream *c = arg;
    struct log l = {.events = 0};
    struct sse_parser p;
    char text[256];
    l.text = (struct buf){
        .data = text, .cap = sizeof text, .max = sizeof text}; /* no allocation of its own */
    sse_parse_init(&p, 1000, take_event, &l);
    enum err e = sse_parse_feed(&p, c->in.at, c->cut);
    if (e == OK)
        e = sse_parse_feed(&p, c->in.at + c->cut, c->in.len - c->cut);
    sse_parse_fini(&p);
    struct str want = STR("add|a\nb|1;|c|1;");
    struct str got = buf_str(&l.text);
    ck_assert(e == OK ? str_eq(got, want)
                      : str_starts(want, got)); /* never an event that lacks something */
    return e;
}

START_TEST(without_memory_it_fails_and_tells_no_half_event)
{
    struct cut_stream c = {.in = STR("event: add\ndata: a\ndata: b\nid: 1\n\ndata: c\n\n")};
    for (c.cut = 0; c.cut <= c.in.len; c.cut++)
        ck_assert_uint_gt(oom_rounds(parse_without_memory, &c), 3);
}
END_TEST

Suite *suite_net_sse_parse(void)
{
    Suite *s = suite_create("net_sse_parse");
    TCase *t = tcase_create("sse_parse");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, streams_mean_what_the_standard_says);
    tcase_add_test(t, nul_bytes_in_data_are_data);
    tcase_add_test(t, events_come_as_soon_as_their_blank_line);
    tcase_add_test(t, a_stop_drops_what_comes_behind_it);
    tcase_add_test(t, the_limit_holds_however_the_bytes_are_cut);
    tcase_add_test(t, past_the_limit_it_stays_failed);
    tcase_add_test(t, a_stream_may_be_longer_than_the_limit_of_its_events);
    tcase_add_test(t, without_memory_it_fails_and_tells_no_half_event);
    suite_add_tcase(s, t);
    return s;
}
