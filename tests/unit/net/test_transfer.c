/* Transfers against a scripted server on loopback. The sockets are real, the clock is not:
 * deadlines pass when a test says so, and nothing here waits for time. */
#include "net/transfer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/loopback.h"

Suite *suite_net_transfer(void);

enum { PATIENCE_MS = 40000, TIMEOUT_S = 60 };

/* The resolver refuses it without asking anybody: a label is too long. */
#define NO_SUCH_NAME                                                                               \
    "http://aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeee.invalid/"

static struct clock_fake fake;
static struct loop *loop;
static struct transfer_pool *pool;
static struct loopback *server;

static struct transfer_deadlines usual(void)
{
    return (struct transfer_deadlines){.connect_ms = 5000,
                                       .first_byte_ms = 20000,
                                       .idle_ms = 10000,
                                       .end_at_ms = loop_now_ms(loop) + 10000000};
}

/* --- a transfer and what became of it --------------------------------------------------------- */

struct probe {
    struct transfer *t;
    struct buf body;
    unsigned chunks;
    unsigned done;
    enum err code;
    int status;
    bool was_sent;
    char detail[256];
    /* what to do from within a callback */
    void (*on_bytes)(struct probe *p);
    void (*on_done)(struct probe *p);
    bool stops; /* on_bytes answers false */
    struct probe *other;
};

static bool take_bytes(void *ctx, const char *bytes, size_t len)
{
    struct probe *p = ctx;
    ck_assert_uint_eq(p->done, 0);
    ck_assert_uint_gt(len, 0);
    p->status = transfer_status(p->t);
    p->chunks++;
    buf_add(&p->body, bytes, len);
    if (p->on_bytes != NULL)
        p->on_bytes(p);
    return !p->stops;
}

static void take_end(void *ctx, const struct transfer_result *result)
{
    struct probe *p = ctx;
    p->done++;
    p->code = result->code;
    p->status = result->status;
    p->was_sent = result->was_sent;
    ck_assert_ptr_nonnull(result->detail);
    str_copy(p->detail, sizeof p->detail, str_of(result->detail));
    if (p->on_done != NULL)
        p->on_done(p);
}

static const struct transfer_events events = {.on_bytes = take_bytes, .on_done = take_end};

static void probe_init(struct probe *p)
{
    *p = (struct probe){.code = ERR_COUNT_};
    buf_init(&p->body, 1 << 26);
}

/* Of a test that needs one only. */
static struct probe probe;

static struct http_request get(size_t script)
{
    return (struct http_request){.method = "GET", .url = loopback_url(server, "http", script)};
}

static void start_request(struct probe *p, const struct http_request *r,
                          struct transfer_deadlines d)
{
    unsigned chunks = p->chunks, done = p->done;
    ck_assert_int_eq(transfer_start(pool, r, &d, &events, p, &p->t), OK);
    ck_assert_uint_eq(p->chunks, chunks); /* nothing is called before it has returned */
    ck_assert_uint_eq(p->done, done);
}

static void start(struct probe *p, size_t script)
{
    struct http_request r = get(script);
    start_request(p, &r, usual());
}

/* --- the loop --------------------------------------------------------------------------------- */

static void turn(void)
{
    if (!loop_turn(loop))
        usleep(100); /* the other end is a thread of its own */
}

#define PUMP_UNTIL(condition)                                                                      \
    do {                                                                                           \
        uint64_t until_ms_ = clock_mono_ms(NULL) + PATIENCE_MS;                                    \
        while (!(condition) && clock_mono_ms(NULL) < until_ms_)                                    \
            turn();                                                                                \
        ck_assert_msg(condition, "%s did not come true", #condition);                              \
    } while (0)

/* Long enough for anything that is under way to arrive. */
static void pump_a_while(void)
{
    for (int i = 0; i < 50; i++) {
        loop_turn(loop);
        usleep(200);
    }
}

static void advance(uint64_t ms)
{
    fake.mono_ns += ms * 1000000;
    loop_turn(loop);
    loop_turn(loop);
}

static void run(struct probe *p, size_t script)
{
    start(p, script);
    PUMP_UNTIL(p->done);
    ck_assert_uint_eq(p->done, 1);
}

static void open_pool(uint32_t max_idle)
{
    struct transfer_pool_options options = {
        .max_idle = max_idle, .idle_ms = 60000, .max_age_ms = 3600000};
    ck_assert_int_eq(transfer_pool_create(loop, &options, &pool), OK);
}

static void set_up(void)
{
    fake = (struct clock_fake){.mono_ns = 1000000000};
    ck_assert_int_eq(transfer_global_init(), OK);
    ck_assert_int_eq(loop_create(&fake, &loop), OK);
    open_pool(20);
    probe_init(&probe);
}

static void tear_down(void)
{
    transfer_pool_destroy(pool);
    loop_turn(loop);
    loop_turn(loop);
    loop_destroy(loop);
    buf_fini(&probe.body);
    loopback_close(server);
    server = NULL;
    transfer_global_fini();
    ck_assert_int_eq(mem_live(), 0);
}

#define SERVE(scripts)                                                                             \
    (server = loopback_open((scripts), sizeof(scripts) / sizeof(scripts)[0], NULL))

#define OK_HELLO SAYS("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

static void assert_body(const struct probe *p, const char *text)
{
    ck_assert_int_eq(buf_ok(&p->body), OK);
    ck_assert_uint_eq(p->body.len, strlen(text));
    ck_assert_int_eq(memcmp(p->body.data ? p->body.data : "", text, p->body.len), 0);
}

static bool request_has(size_t index, const char *line)
{
    struct str r = loopback_request(server, index);
    return memmem(r.at, r.len, line, strlen(line)) != NULL;
}

/* --- answers ---------------------------------------------------------------------------------- */

START_TEST(an_answer_comes_whole_whatever_its_status)
{
    static const struct loopback_script scripts[] = {
        {{OK_HELLO}},
        {{SAYS("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")}},
        {{SAYS("HTTP/1.1 302 Found\r\nLocation: /0\r\nContent-Length: 0\r\n\r\n")}},
        {{SAYS("HTTP/1.1 204 No Content\r\n\r\n")}},
        {{SAYS(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")}},
        {{SAYS("HTTP/1.1 200 OK\r\n\r\nup to the end"), CLOSES}},
        {{SAYS("HTTP/1.0 200 OK\r\n\r\nold"), CLOSES}},
        {{SAYS("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), OK_HELLO}},
    };
    static const struct {
        int status;
        const char *body;
    } want[] = {{200, "hello"}, {503, "busy"},          {302, ""},    {204, ""},
                {200, "hello"}, {200, "up to the end"}, {200, "old"}, {200, "hello"}};
    SERVE(scripts);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct probe p;
        probe_init(&p);
        run(&p, i);
        ck_assert_int_eq(p.code, OK);
        ck_assert_int_eq(p.status, want[i].status);
        ck_assert(p.was_sent);
        assert_body(&p, want[i].body);
        buf_fini(&p.body);
    }
    ck_assert_uint_eq(transfer_pool_active(pool), 0);
}
END_TEST

START_TEST(bytes_are_handed_on_as_they_come)
{
    static const struct loopback_script scripts[] = {
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst"), WAITS(1), SAYS("later")}}};
    SERVE(scripts);
    start(&probe, 0);
    PUMP_UNTIL(probe.body.len == 5);
    ck_assert_int_eq(probe.status, 200);
    ck_assert_uint_eq(probe.done, 0);
    ck_assert_uint_eq(transfer_pool_active(pool), 1);
    loopback_release(server);
    PUMP_UNTIL(probe.done);
    assert_body(&probe, "firstlater");
    ck_assert_uint_eq(transfer_pool_active(pool), 0);
}
END_TEST

START_TEST(a_request_is_sent_as_it_was_given)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    SERVE(scripts);
    struct http_request r = get(0);
    r.method = "POST";
    r.body = STR("{\"a\":1}");
    ck_assert(http_add_header(&r, STR("Content-Type"), STR("application/json")));
    ck_assert(http_add_header(&r, STR("Authorization"), STR("Bearer k")));
    ck_assert(http_add_header(&r, STR("X-Empty"), STR("")));
    ck_assert(http_add_header(&r, STR("X-Blank"), STR(" \t")));
    start_request(&probe, &r, usual());
    PUMP_UNTIL(probe.done);
    ck_assert(str_starts(loopback_request(server, 0), STR("POST /0 HTTP/1.1\r\n")));
    static const char *const lines[] = {"\r\nContent-Type: application/json\r\n",
                                        "\r\nAuthorization: Bearer k\r\n",
                                        "\r\nX-Empty:\r\n",
                                        "\r\nX-Blank:\r\n",
                                        "\r\nContent-Length: 7\r\n",
                                        "\r\n\r\n{\"a\":1}"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(request_has(0, lines[i]), "%s", lines[i]);
    ck_assert(!request_has(0, "Expect"));
    ck_assert(!request_has(0, "Accept-Encoding"));
    ck_assert(!request_has(0, "Upgrade"));
}
END_TEST

START_TEST(methods_go_with_and_without_a_body)
{
    static const struct loopback_script scripts[] = {
        {{OK_HELLO}}, {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")}}};
    static const struct {
        const char *method;
        const char *body; /* NULL: none */
        const char *line;
        size_t script;
    } rows[] = {
        {"GET", NULL, "GET /0 HTTP/1.1\r\n", 0},       {"POST", "x", "POST /0 HTTP/1.1\r\n", 0},
        {"HEAD", NULL, "HEAD /1 HTTP/1.1\r\n", 1},     {"PUT", "x", "PUT /0 HTTP/1.1\r\n", 0},
        {"DELETE", NULL, "DELETE /0 HTTP/1.1\r\n", 0}, {"POST", "", "POST /0 HTTP/1.1\r\n", 0},
        {"GET", NULL, "GET /0 HTTP/1.1\r\n", 0},       {"GET", "x", "GET /0 HTTP/1.1\r\n", 0},
        {"PATCH", "x", "PATCH /0 HTTP/1.1\r\n", 0},    {"GET", NULL, "GET /0 HTTP/1.1\r\n", 0},
    };
    SERVE(scripts);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0];
         i++) { /* one handle serves all of them, in turn */
        struct probe p;
        probe_init(&p);
        struct http_request r = get(rows[i].script);
        r.method = rows[i].method;
        r.body = str_of(rows[i].body);
        start_request(&p, &r, usual());
        PUMP_UNTIL(p.done);
        ck_assert_int_eq(p.code, OK);
        assert_body(&p, rows[i].script == 1 ? "" : "hello");
        ck_assert_msg(request_has(i, rows[i].line), "%s", rows[i].line);
        ck_assert_int_eq(request_has(i, "Content-Length: "), rows[i].body != NULL);
        buf_fini(&p.body);
    }
    ck_assert_uint_eq(loopback_accepted(server), 1);
}
END_TEST

struct seen {
    char text[512];
};

static void add_seen(void *ctx, struct str name, struct str value)
{
    struct seen *s = ctx;
    size_t len = strlen(s->text);
    snprintf(s->text + len, sizeof s->text - len, "%.*s=%.*s;", STR_ARG(name), STR_ARG(value));
}

static struct seen seen;
static char last_limit[64];

static void read_headers(struct probe *p)
{
    seen.text[0] = '\0';
    transfer_each_header(p->t, add_seen, &seen);
    str_copy(last_limit, sizeof last_limit, transfer_header(p->t, "x-LIMIT"));
    ck_assert_ptr_null(transfer_header(p->t, "X-None").at);
    ck_assert_int_eq(transfer_status(p->t), 429);
}

START_TEST(headers_can_be_read_while_it_comes_and_at_its_end)
{
    static const struct loopback_script scripts[] = {{{SAYS(
        "HTTP/1.1 429 Too Many\r\nX-Limit: 1\r\nRetry-After:  7 \r\nX-Limit: 2\r\nX-Empty:\r\n"
        "Content-Length: 2\r\n\r\nno")}}};
    SERVE(scripts);
    for (int at_end = 0; at_end < 2; at_end++) {
        memset(&seen, 0, sizeof seen);
        probe.on_bytes = at_end ? NULL : read_headers;
        probe.on_done = at_end ? read_headers : NULL;
        probe.done = 0;
        run(&probe, 0);
        ck_assert_str_eq(last_limit, "2");
        ck_assert_str_eq(seen.text, "X-Limit=1;Retry-After=7;X-Limit=2;X-Empty=;Content-Length=2;");
    }
}
END_TEST

START_TEST(headers_of_an_earlier_answer_are_not_seen_again)
{
    static const struct loopback_script scripts[] = {
        {{SAYS("HTTP/1.1 200 OK\r\nX-Limit: 1\r\nContent-Length: 0\r\n\r\n")}},
        {{SAYS("HTTP/1.1 429 No\r\nContent-Length: 2\r\n\r\nno")}}};
    SERVE(scripts);
    run(&probe, 0);
    probe.done = 0;
    probe.on_done = read_headers;
    run(&probe, 1);
    ck_assert_str_eq(last_limit, "");
    ck_assert_str_eq(seen.text, "Content-Length=2;");
}
END_TEST

START_TEST(a_body_larger_than_every_buffer_comes_whole)
{
    enum { TIMES = 400000 };
    static const struct loopback_script scripts[] = {
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 6400000\r\n\r\n"),
          REPEATS("0123456789abcdef", TIMES)}}};
    SERVE(scripts);
    run(&probe, 0);
    ck_assert_int_eq(probe.code, OK);
    ck_assert_uint_eq(probe.body.len, 16u * TIMES);
    for (size_t i = 0; i < probe.body.len; i++) {
        if (probe.body.data[i] != "0123456789abcdef"[i % 16])
            ck_abort_msg("another byte at %zu", i);
    }
}
END_TEST

START_TEST(a_body_larger_than_every_buffer_is_sent_whole)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    SERVE(scripts);
    struct http_request r = get(0);
    size_t len = 4000000;
    char *body = malloc(len);
    ck_assert_ptr_nonnull(body);
    for (size_t i = 0; i < len; i++)
        body[i] = (char)('a' + i % 23);
    r.method = "POST";
    r.body = (struct str){body, len};
    start_request(&probe, &r, usual());
    PUMP_UNTIL(probe.done);
    ck_assert_int_eq(probe.code, OK);
    struct str sent = loopback_request(server, 0);
    ck_assert_uint_gt(sent.len, len);
    ck_assert_int_eq(memcmp(sent.at + sent.len - len, body, len), 0);
    free(body);
}
END_TEST

/* --- failures --------------------------------------------------------------------------------- */

START_TEST(a_broken_answer_is_told_from_none)
{
    static const struct loopback_script scripts[] = {
        {{CLOSES}},
        {{RESETS}},
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), CLOSES}},
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), WAITS(1), RESETS}},
        {{SAYS("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), CLOSES}},
        {{SAYS("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), CLOSES}},
        {{SAYS("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")}},
        {{SAYS("SSH-2.0-OpenSSH_9.2\r\n\r\n")}},
        {{SAYS("\x16\x03\x01\x02\x00\x01\x00"), CLOSES}},
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Ty"), CLOSES}},
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"), CLOSES}},
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nhello"), CLOSES}},
        {{SAYS("HTTP/1.1 200 OK\r\n"), REPEATS("X-More: and more and more and more\r\n", 100000)}},
        {{REPEATS("HTTP/1.1 100 Continue\r\n\r\n", 3), CLOSES}},
    };
    static const struct {
        const char *what;
        enum err code;
    } want[] = {
        {"closed at once", ERR_PROVIDER_UNREACHABLE},
        {"reset at once", ERR_PROVIDER_UNREACHABLE},
        {"shorter than it said", ERR_PROVIDER_BAD_RESPONSE},
        {"reset on the way", ERR_PROVIDER_BAD_RESPONSE},
        {"no last chunk", ERR_PROVIDER_BAD_RESPONSE},
        {"cut in a chunk", ERR_PROVIDER_BAD_RESPONSE},
        {"no chunk size", ERR_PROVIDER_BAD_RESPONSE},
        {"another protocol", ERR_PROVIDER_BAD_RESPONSE},
        {"bytes", ERR_PROVIDER_BAD_RESPONSE},
        {"cut in a header line", ERR_PROVIDER_BAD_RESPONSE},
        {"cut between header lines", ERR_PROVIDER_BAD_RESPONSE},
        {"a length that is no number", ERR_PROVIDER_BAD_RESPONSE},
        {"a header without an end", ERR_PROVIDER_BAD_RESPONSE},
        {"only interim answers", ERR_PROVIDER_UNREACHABLE},
    };
    SERVE(scripts);
    loopback_release(server);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct probe p;
        probe_init(&p);
        run(&p, i);
        ck_assert_msg(p.code == want[i].code, "%s: %s, %s", want[i].what, err_code(p.code),
                      p.detail);
        ck_assert_msg(p.was_sent, "%s", want[i].what);
        ck_assert_msg(p.detail[0] != '\0', "%s", want[i].what);
        ck_assert_uint_eq(loopback_requests_of(server, i), 1);
        buf_fini(&p.body);
    }
    ck_assert_uint_eq(transfer_pool_active(pool), 0);
    ck_assert_uint_eq(transfer_pool_idle(pool), 0);
}
END_TEST

START_TEST(what_cannot_be_reached_was_not_sent)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    static const struct loopback_script greeting = {{SAYS("no TLS here\r\n"), CLOSES}};
    struct probe p;
    char url[64];
    SERVE(scripts);
    str_copy(url, sizeof url, str_of(loopback_url(server, "http", 0)));
    loopback_close(server);
    server = loopback_open(scripts, 1, &greeting);
    const char *const urls[] = {url, loopback_url(server, "https", 0), NO_SUCH_NAME};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        probe_init(&p);
        struct http_request r = {.method = "GET", .url = urls[i]};
        start_request(&p, &r, usual());
        PUMP_UNTIL(p.done);
        ck_assert_msg(p.code == ERR_PROVIDER_UNREACHABLE, "%s: %s, %s", urls[i], err_code(p.code),
                      p.detail);
        ck_assert_int_eq(p.status, 0);
        ck_assert(!p.was_sent);
        buf_fini(&p.body);
    }
}
END_TEST

/* One handle makes all of them: it keeps the URL that it read last. */
START_TEST(each_request_goes_to_its_own_url_whatever_the_one_before_it_was)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    static const char *const broken[] = {"http://[::1/", "http://", "gopher://127.0.0.1/"};
    char long_query[600], url[800], line[800];
    const char *const queries[] = {"a",        "a", "b",  NULL,       "b",
                                   long_query, "a", NULL, long_query, NULL};
    size_t sent = 0, refused = 0;
    SERVE(scripts);
    memset(long_query, 'q', sizeof long_query - 1);
    long_query[sizeof long_query - 1] = '\0';
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        struct probe p;
        probe_init(&p);
        snprintf(url, sizeof url, "%s?%s", loopback_url(server, "http", 0),
                 queries[i] ? queries[i] : "");
        struct http_request r = {.method = "GET", .url = queries[i] ? url : broken[refused]};
        start_request(&p, &r, usual());
        PUMP_UNTIL(p.done);
        if (queries[i] == NULL) {
            ck_assert_int_eq(p.code, ERR_PROVIDER_UNREACHABLE);
            ck_assert(!p.was_sent);
            refused++;
        } else {
            ck_assert_int_eq(p.code, OK);
            snprintf(line, sizeof line, "?%s HTTP/1.1\r\n", queries[i]);
            ck_assert(request_has(sent++, line));
        }
        buf_fini(&p.body);
    }
    ck_assert_uint_eq(loopback_requests(server), sent);
}
END_TEST

START_TEST(who_says_stop_gets_the_end_and_nothing_more)
{
    static const struct loopback_script scripts[] = {
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), WAITS(1), SAYS("again")}}};
    probe.stops = true;
    SERVE(scripts);
    run(&probe, 0);
    ck_assert_int_eq(probe.code, ERR_PROVIDER_BAD_RESPONSE);
    ck_assert_int_eq(probe.status, 200);
    assert_body(&probe, "hello");
    ck_assert(loopback_await_gone(server, 1));
    ck_assert_uint_eq(transfer_pool_idle(pool), 0);
}
END_TEST

/* --- connections that are used again ---------------------------------------------------------- */

START_TEST(a_connection_is_used_again)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    SERVE(scripts);
    for (int i = 0; i < 5; i++) {
        struct probe p;
        probe_init(&p);
        run(&p, 0);
        ck_assert_int_eq(p.code, OK);
        ck_assert_uint_eq(transfer_pool_idle(pool), 1);
        buf_fini(&p.body);
    }
    ck_assert_uint_eq(loopback_accepted(server), 1);
    ck_assert_uint_eq(loopback_requests(server), 5);
}
END_TEST

START_TEST(a_connection_that_dies_under_a_request_is_reported_and_the_request_not_sent_again)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}, {{CLOSES}}, {{RESETS}}};
    SERVE(scripts);
    for (size_t i = 1; i < 3; i++) {
        struct probe p;
        probe_init(&p);
        run(&p, 0);
        p.done = 0;
        run(&p, i);
        ck_assert_int_eq(p.code, ERR_PROVIDER_UNREACHABLE);
        ck_assert_int_eq(p.status, 0);
        ck_assert(p.was_sent);
        pump_a_while();
        ck_assert_uint_eq(loopback_requests_of(server, i), 1);
        ck_assert_uint_eq(p.done, 1);
        buf_fini(&p.body);
    }
}
END_TEST

START_TEST(a_connection_that_was_closed_while_idle_is_replaced)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO, WAITS(1), CLOSES}}};
    SERVE(scripts);
    run(&probe, 0);
    loopback_release(server);
    pump_a_while();
    probe.done = 0;
    run(&probe, 0);
    ck_assert_int_eq(probe.code, OK);
    ck_assert_uint_eq(loopback_accepted(server), 2);
}
END_TEST

START_TEST(bytes_on_an_idle_connection_belong_to_no_answer)
{
    static const struct loopback_script scripts[] = {
        {{OK_HELLO, WAITS(1), SAYS("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")}},
        {{OK_HELLO}}};
    SERVE(scripts);
    run(&probe, 0);
    loopback_release(server);
    pump_a_while();
    ck_assert(!loop_turn(loop)); /* and they do not keep the loop busy */
    probe.done = 0;
    buf_clear(&probe.body);
    run(&probe, 1);
    ck_assert_int_eq(probe.code, OK);
    assert_body(&probe, "hello");
    ck_assert_uint_eq(loopback_accepted(server), 2);
}
END_TEST

/* --- deadlines -------------------------------------------------------------------------------- */

static void assert_timeout(struct probe *p, const char *detail, int status, bool was_sent)
{
    PUMP_UNTIL(p->done);
    ck_assert_int_eq(p->code, ERR_PROVIDER_TIMEOUT);
    ck_assert_str_eq(p->detail, detail);
    ck_assert_int_eq(p->status, status);
    ck_assert_int_eq(p->was_sent, was_sent);
    ck_assert_uint_eq(transfer_pool_active(pool), 0);
    ck_assert_uint_eq(transfer_pool_idle(pool), 0);
}

START_TEST(connecting_has_a_deadline)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    struct probe p;
    for (int tls = 0; tls < 2; tls++) { /* TCP that is not answered, then TLS */
        probe_init(&p);
        server = tls ? loopback_open(scripts, 1, NULL) : loopback_open_deaf();
        struct http_request r = {.method = "GET",
                                 .url = loopback_url(server, tls ? "https" : "http", 0)};
        start_request(&p, &r, usual());
        pump_a_while();
        advance(4999);
        ck_assert_uint_eq(p.done, 0);
        advance(1);
        assert_timeout(&p, "connecting took too long", 0, false);
        if (tls)
            ck_assert(loopback_await_gone(server, 1));
        loopback_close(server);
        server = NULL;
        buf_fini(&p.body);
    }
}
END_TEST

START_TEST(the_first_byte_has_a_deadline_counted_from_the_sending)
{
    static const struct loopback_script scripts[] = {
        {{WAITS(1)}}, {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), WAITS(1)}}};
    struct probe p;
    SERVE(scripts);
    for (size_t i = 0; i < 2; i++) {
        probe_init(&p);
        start(&p, i);
        PUMP_UNTIL(loopback_requests(server) == i + 1);
        pump_a_while();
        advance(19999); /* far past connect_ms */
        ck_assert_uint_eq(p.done, 0);
        advance(1);
        assert_timeout(&p, "no answer came in time", i == 1 ? 200 : 0, true);
        ck_assert(loopback_await_gone(server, i + 1));
        buf_fini(&p.body);
    }
}
END_TEST

START_TEST(silence_has_a_deadline_that_each_byte_moves)
{
    static const struct loopback_script scripts[] = {
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"), WAITS(1), SAYS("b"), WAITS(2)}}};
    SERVE(scripts);
    start(&probe, 0);
    PUMP_UNTIL(probe.body.len == 1);
    advance(9999);
    ck_assert_uint_eq(probe.done, 0);
    loopback_release(server);
    PUMP_UNTIL(probe.body.len == 2);
    advance(9999);
    ck_assert_uint_eq(probe.done, 0);
    advance(1);
    assert_timeout(&probe, "the answer stopped coming", 200, true);
}
END_TEST

START_TEST(all_of_it_has_a_deadline_that_nothing_moves)
{
    static const struct loopback_script scripts[] = {
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"), WAITS(1), SAYS("b"), WAITS(2)}}};
    struct transfer_deadlines d = usual();
    SERVE(scripts);
    d.end_at_ms = loop_now_ms(loop) + 12000;
    struct http_request r = get(0);
    start_request(&probe, &r, d);
    PUMP_UNTIL(probe.body.len == 1);
    advance(9000);
    loopback_release(server);
    PUMP_UNTIL(probe.body.len == 2);
    advance(2999);
    ck_assert_uint_eq(probe.done, 0);
    advance(1);
    assert_timeout(&probe, "the attempt took longer than it may in all", 200, true);
}
END_TEST

START_TEST(an_end_that_has_passed_already_is_told_at_once)
{
    struct transfer_deadlines d = usual();
    server = loopback_open_deaf();
    d.end_at_ms = 1;
    struct http_request r = get(0);
    start_request(&probe, &r, d);
    assert_timeout(&probe, "the attempt took longer than it may in all", 0, false);
}
END_TEST

/* --- cancel ----------------------------------------------------------------------------------- */

static void assert_cancelled(struct probe *p, size_t gone)
{
    unsigned chunks = p->chunks;
    ck_assert(loopback_await_gone(server, gone)); /* without another turn of the loop */
    ck_assert_uint_eq(transfer_pool_active(pool), 0);
    ck_assert_uint_eq(transfer_pool_idle(pool), 0);
    loopback_release(server);
    pump_a_while();
    advance(100000000);
    ck_assert_uint_eq(p->chunks, chunks);
    ck_assert_uint_eq(p->done, 0);
}

START_TEST(one_that_has_not_begun_can_be_cancelled)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    SERVE(scripts);
    start(&probe, 0);
    transfer_cancel(probe.t);
    assert_cancelled(&probe, 0);
    ck_assert_uint_eq(loopback_accepted(server), 0);
    transfer_cancel(NULL);
}
END_TEST

START_TEST(cancelling_while_connecting_gives_the_socket_back)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    struct probe p;
    for (int tls = 0; tls < 2; tls++) {
        probe_init(&p);
        server = tls ? loopback_open(scripts, 1, NULL) : loopback_open_deaf();
        struct http_request r = {.method = "GET",
                                 .url = loopback_url(server, tls ? "https" : "http", 0)};
        start_request(&p, &r, usual());
        pump_a_while();
        transfer_cancel(p.t);
        assert_cancelled(&p, tls ? 1 : 0);
        loopback_close(server);
        server = NULL;
        buf_fini(&p.body);
    }
}
END_TEST

START_TEST(cancelling_closes_the_socket_at_once_in_every_phase)
{
    static const struct loopback_script scripts[] = {
        {{WAITS(100)}},
        {{SAYS("HTTP/1.1 200 OK\r\nX: 1\r\n"), WAITS(100)}},
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"), WAITS(100)}},
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), WAITS(100)}},
        {{SAYS("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel"), WAITS(100)}},
        {{SAYS("HTTP/1.1 200 OK\r\n\r\nhello"), WAITS(100)}},
        {{REPEATS("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", 1),
          REPEATS("0123456789abcdef", 999999)}},
    };
    SERVE(scripts);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct probe p;
        probe_init(&p);
        start(&p, i);
        PUMP_UNTIL(loopback_requests(server) == i + 1);
        pump_a_while();
        transfer_cancel(p.t);
        assert_cancelled(&p, i + 1);
        buf_fini(&p.body);
    }
}
END_TEST

static void cancel_self(struct probe *p)
{
    transfer_cancel(p->t);
}

static void cancel_other(struct probe *p)
{
    transfer_cancel(p->other->t);
}

static void start_other(struct probe *p)
{
    start(p->other, 0);
}

static void pause_self(struct probe *p)
{
    transfer_pause(p->t);
}

START_TEST(one_can_be_cancelled_from_its_own_callback)
{
    static const struct loopback_script scripts[] = {
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), WAITS(1), SAYS("world")}}};
    for (int stops = 0; stops < 2; stops++) {
        struct probe p;
        probe_init(&p);
        p.on_bytes = cancel_self;
        p.stops = stops;
        SERVE(scripts);
        start(&p, 0);
        PUMP_UNTIL(p.chunks);
        assert_cancelled(&p, 1);
        loopback_close(server);
        server = NULL;
        buf_fini(&p.body);
    }
}
END_TEST

START_TEST(one_can_be_cancelled_from_the_callback_with_its_last_bytes)
{
    static const struct loopback_script scripts[] = {
        {{OK_HELLO}},
        {{SAYS(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")}},
    };
    SERVE(scripts);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct probe p;
        probe_init(&p);
        p.on_bytes = cancel_self;
        start(&p, i);
        PUMP_UNTIL(p.chunks);
        pump_a_while();
        advance(100000000);
        ck_assert_uint_eq(p.chunks, 1);
        ck_assert_uint_eq(p.done, 0);
        ck_assert_uint_eq(transfer_pool_active(pool), 0);
        buf_fini(&p.body);
    }
}
END_TEST

START_TEST(cancelling_what_is_just_ending_changes_nothing)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    probe.on_done = cancel_self;
    SERVE(scripts);
    run(&probe, 0);
    ck_assert_int_eq(probe.code, OK);
    probe.done = 0;
    probe.on_done = NULL;
    run(&probe, 0);
    ck_assert_uint_eq(loopback_accepted(server), 1);
}
END_TEST

START_TEST(another_can_be_cancelled_from_a_callback)
{
    static const struct loopback_script scripts[] = {
        {{WAITS(1), OK_HELLO}},
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), WAITS(2), SAYS("world")}},
    };
    for (int at_end = 0; at_end < 2; at_end++) {
        struct probe p, other;
        probe_init(&p);
        probe_init(&other);
        p.other = &other;
        p.on_bytes = at_end ? NULL : cancel_other;
        p.on_done = at_end ? cancel_other : NULL;
        SERVE(scripts);
        start(&other, 1);
        PUMP_UNTIL(other.chunks == 1);
        start(&p, 0);
        PUMP_UNTIL(loopback_requests(server) == 2);
        loopback_release(server);
        PUMP_UNTIL(p.done);
        ck_assert_int_eq(p.code, OK);
        ck_assert(loopback_await_gone(server, 1));
        loopback_release(server);
        pump_a_while();
        ck_assert_uint_eq(other.chunks, 1);
        ck_assert_uint_eq(other.done, 0);
        loopback_close(server);
        server = NULL;
        buf_fini(&p.body);
        buf_fini(&other.body);
    }
}
END_TEST

START_TEST(another_that_has_not_begun_can_be_cancelled_from_a_callback)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    struct probe p, other;
    probe_init(&p);
    probe_init(&other);
    SERVE(scripts);
    struct transfer_deadlines d = usual();
    d.end_at_ms = 1; /* p ends before anything begins */
    p.other = &other;
    p.on_done = cancel_other;
    struct http_request r = get(0);
    start_request(&p, &r, d);
    start(&other, 0);
    PUMP_UNTIL(p.done);
    pump_a_while();
    ck_assert_uint_eq(other.done, 0);
    ck_assert_uint_eq(loopback_requests(server), 0);
    buf_fini(&p.body);
    buf_fini(&other.body);
}
END_TEST

START_TEST(another_can_be_started_from_a_callback)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    for (int at_end = 0; at_end < 2; at_end++) {
        struct probe p, other;
        probe_init(&p);
        probe_init(&other);
        p.other = &other;
        p.on_bytes = at_end ? NULL : start_other;
        p.on_done = at_end ? start_other : NULL;
        SERVE(scripts);
        start(&p, 0);
        PUMP_UNTIL(p.done && other.done);
        ck_assert_int_eq(p.code, OK);
        ck_assert_int_eq(other.code, OK);
        assert_body(&other, "hello");
        loopback_close(server);
        server = NULL;
        buf_fini(&p.body);
        buf_fini(&other.body);
    }
}
END_TEST

START_TEST(destroying_the_pool_cancels_what_is_left)
{
    static const struct loopback_script scripts[] = {
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), WAITS(1)}}, {{OK_HELLO}}};
    struct probe running, idle, starting;
    probe_init(&running);
    probe_init(&idle);
    probe_init(&starting);
    SERVE(scripts);
    run(&idle, 1);
    start(&running, 0);
    PUMP_UNTIL(running.chunks);
    start(&starting, 1);
    transfer_pool_destroy(pool);
    pool = NULL;
    ck_assert(loopback_await_gone(server, loopback_accepted(server)));
    pump_a_while();
    ck_assert_uint_eq(running.done + starting.done, 0);
    buf_fini(&running.body);
    buf_fini(&idle.body);
    buf_fini(&starting.body);
}
END_TEST

/* --- pause ------------------------------------------------------------------------------------ */

#define LONG_ANSWER                                                                                \
    SAYS("HTTP/1.1 200 OK\r\nContent-Length: 1600000\r\n\r\n"), REPEATS("0123456789abcdef", 100000)

START_TEST(a_paused_transfer_hands_on_nothing_until_it_is_resumed)
{
    static const struct loopback_script scripts[] = {{{LONG_ANSWER}}};
    probe.on_bytes = pause_self;
    SERVE(scripts);
    start(&probe, 0);
    PUMP_UNTIL(probe.chunks);
    pump_a_while();
    ck_assert_uint_eq(probe.chunks, 1);
    for (unsigned i = 2; i < 10; i++) { /* resumed, it brings a chunk, which pauses it again */
        transfer_resume(probe.t);
        PUMP_UNTIL(probe.chunks >= i);
        pump_a_while();
        ck_assert_uint_eq(probe.chunks, i);
    }
    probe.on_bytes = NULL;
    transfer_resume(probe.t);
    PUMP_UNTIL(probe.done);
    ck_assert_int_eq(probe.code, OK);
    ck_assert_uint_eq(probe.body.len, 1600000);
}
END_TEST

static void read_all_headers(struct probe *p)
{
    seen.text[0] = '\0';
    transfer_each_header(p->t, add_seen, &seen);
}

START_TEST(a_pause_before_anything_came_holds_as_well)
{
    static const struct loopback_script scripts[] = {
        {{SAYS("HTTP/1.1 200 OK\r\nContent-Length: 1600000\r\nX-More: 1\r\n\r\n"),
          REPEATS("0123456789abcdef", 100000)}}};
    for (int begun = 0; begun < 2; begun++) {
        struct probe p;
        probe_init(&p);
        SERVE(scripts);
        start(&p, 0);
        if (begun)
            loop_turn(loop);
        transfer_pause(p.t);
        PUMP_UNTIL(loopback_requests(server) == 1);
        pump_a_while();
        ck_assert_uint_eq(p.chunks, 0);
        p.on_done = read_all_headers;
        transfer_resume(p.t);
        PUMP_UNTIL(p.done);
        ck_assert_msg(p.code == OK, "%s, %s", err_code(p.code), p.detail);
        ck_assert_uint_eq(p.body.len, 1600000);
        ck_assert_str_eq(seen.text, "Content-Length=1600000;X-More=1;");
        loopback_close(server);
        server = NULL;
        buf_fini(&p.body);
    }
}
END_TEST

START_TEST(deadlines_for_silence_rest_during_a_pause)
{
    static const struct loopback_script scripts[] = {
        {{LONG_ANSWER, WAITS(2)}},
        {{WAITS(1), LONG_ANSWER, WAITS(2)}},
    };
    for (size_t i = 0; i < 2; i++) { /* between two bytes, and before the first */
        struct probe p;
        probe_init(&p);
        SERVE(scripts);
        start(&p, i);
        if (i == 0)
            PUMP_UNTIL(p.chunks);
        else
            PUMP_UNTIL(loopback_requests(server) == 1);
        transfer_pause(p.t);
        pump_a_while();
        advance(100000);
        ck_assert_uint_eq(p.done, 0);
        transfer_resume(p.t); /* from here the silence is the provider's again */
        advance(i == 0 ? 9999 : 19999);
        ck_assert_uint_eq(p.done, 0);
        loopback_release(server);
        PUMP_UNTIL(p.done);
        ck_assert_int_eq(p.code, OK);
        loopback_close(server);
        server = NULL;
        buf_fini(&p.body);
    }
}
END_TEST

START_TEST(the_end_comes_during_a_pause_too)
{
    static const struct loopback_script scripts[] = {{{LONG_ANSWER}}};
    probe.on_bytes = pause_self;
    SERVE(scripts);
    struct transfer_deadlines d = usual();
    struct http_request r = get(0);
    start_request(&probe, &r, d);
    PUMP_UNTIL(probe.chunks);
    advance(d.end_at_ms - loop_now_ms(loop) - 1);
    ck_assert_uint_eq(probe.done, 0);
    advance(1);
    assert_timeout(&probe, "the attempt took longer than it may in all", 200, true);
    ck_assert(loopback_await_gone(server, 1));
}
END_TEST

START_TEST(connecting_is_not_paused)
{
    server = loopback_open_deaf();
    start(&probe, 0);
    transfer_pause(probe.t);
    pump_a_while();
    advance(5000);
    assert_timeout(&probe, "connecting took too long", 0, false);
}
END_TEST

START_TEST(a_paused_transfer_can_be_cancelled)
{
    static const struct loopback_script scripts[] = {{{LONG_ANSWER}}};
    probe.on_bytes = pause_self;
    SERVE(scripts);
    start(&probe, 0);
    PUMP_UNTIL(probe.chunks);
    transfer_cancel(probe.t);
    assert_cancelled(&probe, 1);
}
END_TEST

START_TEST(one_can_be_cancelled_by_what_a_resume_brings)
{
    static const struct loopback_script scripts[] = {{{LONG_ANSWER}}};
    probe.on_bytes = pause_self;
    SERVE(scripts);
    start(&probe, 0);
    PUMP_UNTIL(probe.chunks);
    pump_a_while();
    probe.on_bytes = cancel_self;
    transfer_resume(probe.t);
    loop_turn(loop); /* the resume may bring it before it returns, from within curl */
    ck_assert_uint_eq(probe.chunks, 2);
    assert_cancelled(&probe, 1);
}
END_TEST

START_TEST(a_pause_of_one_that_was_recycled_does_not_linger)
{
    static const struct loopback_script scripts[] = {{{LONG_ANSWER}}};
    SERVE(scripts);
    start(&probe, 0);
    transfer_pause(probe.t);
    transfer_cancel(probe.t);
    run(&probe, 0); /* the same handle */
    ck_assert_int_eq(probe.code, OK);
}
END_TEST

/* --- many ------------------------------------------------------------------------------------- */

enum {
    MANY = 200,
    BURST = 300, /* more than two multi handles take */
    A_MULTI = 128
};

static struct probe many[BURST];

static unsigned count_done(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < BURST; i++)
        n += many[i].done;
    return n;
}

static void start_many(size_t n)
{
    for (size_t i = 0; i < BURST; i++) {
        buf_fini(&many[i].body);
        probe_init(&many[i]);
    }
    for (size_t i = 0; i < n; i++)
        start(&many[i], 0);
}

static void finish_many(void)
{
    for (size_t i = 0; i < BURST; i++)
        buf_fini(&many[i].body);
}

/* curl would hold all but the first back until it knows whether the server speaks HTTP/2 without
 * TLS. */
START_TEST(two_hundred_are_under_way_at_once_before_the_first_is_answered)
{
    static const struct loopback_script scripts[] = {{{WAITS(1), OK_HELLO}}};
    SERVE(scripts);
    start_many(MANY);
    PUMP_UNTIL(loopback_requests(server) == MANY);
    ck_assert_uint_eq(transfer_pool_active(pool), MANY);
    loopback_release(server);
    PUMP_UNTIL(count_done() == MANY);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(many[i].code, OK);
        assert_body(&many[i], "hello");
    }
    ck_assert_uint_eq(transfer_pool_active(pool), 0);
    finish_many();
}
END_TEST

START_TEST(no_more_connections_are_kept_idle_than_allowed)
{
    static const struct loopback_script scripts[] = {{{WAITS(1), OK_HELLO}}};
    static const uint32_t limits[] = {20, 1, 0};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        transfer_pool_destroy(pool);
        loop_turn(loop);
        open_pool(limits[i]);
        SERVE(scripts);
        start_many(60);
        PUMP_UNTIL(loopback_requests(server) == 60);
        loopback_release(server);
        PUMP_UNTIL(count_done() == 60);
        ck_assert_uint_eq(transfer_pool_idle(pool), limits[i]);
        ck_assert(loopback_await_gone(server, 60 - limits[i]));
        start_many(60); /* and those that are kept are used */
        PUMP_UNTIL(count_done() == 60);
        ck_assert_uint_eq(transfer_pool_idle(pool), limits[i]);
        loopback_close(server);
        server = NULL;
    }
    finish_many();
}
END_TEST

/* Starts so many, and has all answered at once. */
static void run_burst(size_t n)
{
    start_many(n);
    PUMP_UNTIL(loopback_requests(server) == n);
    loopback_release(server);
    PUMP_UNTIL(count_done() == n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(many[i].code == OK, "%s", many[i].detail);
        assert_body(&many[i], "hello");
    }
    ck_assert_uint_eq(transfer_pool_active(pool), 0);
}

START_TEST(those_of_a_burst_are_all_answered_and_few_connections_kept)
{
    static const struct loopback_script scripts[] = {{{WAITS(1), OK_HELLO}}};
    static const uint32_t limits[] = {20, 1, 0};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        transfer_pool_destroy(pool);
        loop_turn(loop);
        open_pool(limits[i]);
        SERVE(scripts);
        run_burst(BURST);
        ck_assert_uint_le(transfer_pool_idle(pool), limits[i]);
        ck_assert(loopback_await_gone(server, BURST - limits[i]));
        loopback_close(server);
        server = NULL;
    }
    finish_many();
}
END_TEST

/* Few transfers share the connections of the first multi handle, however many there have been. */
START_TEST(after_a_burst_connections_are_used_again)
{
    static const struct loopback_script scripts[] = {{{WAITS(1), OK_HELLO}}};
    SERVE(scripts);
    transfer_pool_destroy(pool);
    loop_turn(loop);
    open_pool(1000);
    run_burst(BURST);
    ck_assert_uint_eq(transfer_pool_idle(pool), BURST);
    for (size_t n = 2; n <= A_MULTI; n *= 2) {
        start_many(n);
        PUMP_UNTIL(count_done() == n);
    }
    start_many(BURST);
    PUMP_UNTIL(count_done() == BURST);
    ck_assert_uint_eq(loopback_accepted(server), BURST);
    ck_assert_uint_eq(loopback_gone(server), 0);
    finish_many();
}
END_TEST

START_TEST(what_only_a_burst_needed_is_closed_when_it_was_not_used_for_long)
{
    static const struct loopback_script scripts[] = {{{WAITS(1), OK_HELLO}}};
    struct probe p;
    SERVE(scripts);
    transfer_pool_destroy(pool);
    loop_turn(loop);
    open_pool(1000);
    run_burst(BURST);
    advance(60000);
    probe_init(&p);
    run(&p, 0);
    ck_assert_int_eq(p.code, OK);
    buf_fini(&p.body);
    ck_assert_uint_eq(transfer_pool_idle(pool), A_MULTI);
    ck_assert(loopback_await_gone(server, BURST - A_MULTI));
    ck_assert_uint_eq(loopback_accepted(server), BURST);
    finish_many();
}
END_TEST

static void cancel_the_rest(struct probe *p)
{
    (void)p;
    for (size_t i = 1; i < BURST; i++)
        transfer_cancel(many[i].t);
}

START_TEST(a_callback_can_cancel_a_whole_burst)
{
    static const struct loopback_script scripts[] = {{{WAITS(1), OK_HELLO}}};
    SERVE(scripts);
    start_many(BURST);
    PUMP_UNTIL(loopback_requests(server) == BURST);
    many[0].on_bytes = cancel_the_rest;
    for (size_t i = 1; i < BURST; i++)
        transfer_pause(many[i].t); /* none is faster than the first */
    loopback_release(server);
    PUMP_UNTIL(many[0].done);
    ck_assert_int_eq(many[0].code, OK);
    ck_assert_uint_eq(count_done(), 1);
    ck_assert(loopback_await_gone(server, BURST - 1));
    ck_assert_uint_eq(transfer_pool_active(pool), 0);
    ck_assert_uint_eq(transfer_pool_idle(pool), 1);
    finish_many();
}
END_TEST

START_TEST(where_no_memory_is_left_for_another_multi_handle_the_last_takes_more)
{
    static const struct loopback_script scripts[] = {{{WAITS(1), OK_HELLO}}, {{OK_HELLO}}};
    SERVE(scripts);
    run(&probe, 1); /* the host is known: all of these go to curl at once */
    start_many(A_MULTI + 1);
    mem_fail_nth(1);
    loop_turn(loop);
    mem_fail_nth(0);
    PUMP_UNTIL(loopback_requests(server) == 1 + A_MULTI + 1);
    loopback_release(server);
    PUMP_UNTIL(count_done() == A_MULTI + 1);
    for (size_t i = 0; i <= A_MULTI; i++)
        ck_assert_msg(many[i].code == OK, "%zu: %s", i, many[i].detail);
    finish_many();
}
END_TEST

START_TEST(names_are_looked_up_a_few_at_a_time_and_all_get_their_turn)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    char url[64];
    SERVE(scripts);
    snprintf(url, sizeof url, "http://localhost%s", strrchr(loopback_url(server, "http", 0), ':'));
    for (size_t i = 0; i < 30; i++) {
        struct http_request r = {.method = "GET", .url = url};
        probe_init(&many[i]);
        start_request(&many[i], &r, usual());
    }
    PUMP_UNTIL(count_done() == 30);
    for (size_t i = 0; i < 30; i++)
        ck_assert_msg(many[i].code == OK, "%s", many[i].detail);
    finish_many();
}
END_TEST

START_TEST(those_that_wait_for_a_look_up_can_be_cancelled_and_time_out)
{
    struct probe held[10];
    struct http_request r = {.method = "GET", .url = NO_SUCH_NAME};
    for (size_t i = 0; i < 10; i++) {
        probe_init(&held[i]);
        start_request(&held[i], &r, usual());
    }
    loop_turn(loop);
    bool in_time = held[9].done == 0;
    if (in_time)
        transfer_cancel(held[9].t);
    for (size_t i = 0; i < 9; i++)
        PUMP_UNTIL(held[i].done);
    for (size_t i = 0; i < 9; i++)
        ck_assert_int_eq(held[i].code, ERR_PROVIDER_UNREACHABLE);
    ck_assert_uint_eq(held[9].done, in_time ? 0 : 1);
    for (size_t i = 0; i < 10; i++)
        buf_fini(&held[i].body);
}
END_TEST

/* --- a pool for many hosts -------------------------------------------------------------------- */

static bool is_open_to_all;

static bool may_connect(void *guard, const struct sockaddr *address)
{
    ck_assert_ptr_eq(guard, &fake);
    ck_assert(address->sa_family == AF_INET || address->sa_family == AF_INET6);
    return is_open_to_all;
}

static void open_guarded_pool(uint32_t max_lookups)
{
    struct transfer_pool_options options = {.max_idle = 4,
                                            .idle_ms = 60000,
                                            .max_age_ms = 3600000,
                                            .max_lookups = max_lookups,
                                            .may_connect = may_connect,
                                            .guard = &fake};
    transfer_pool_destroy(pool);
    ck_assert_int_eq(transfer_pool_create(loop, &options, &pool), OK);
}

/* By address, and by a name that leads there: what counts is where the connection would go. */
START_TEST(an_address_that_is_not_allowed_is_never_connected_to)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    char by_name[64];
    SERVE(scripts);
    snprintf(by_name, sizeof by_name, "http://localhost%s",
             strrchr(loopback_url(server, "http", 0), ':'));
    struct http_request r = get(0);
    if (_i == 1)
        r.url = by_name;
    open_guarded_pool(8);
    is_open_to_all = false;
    start_request(&probe, &r, usual());
    PUMP_UNTIL(probe.done);
    ck_assert_int_eq(probe.code, ERR_PROVIDER_UNREACHABLE);
    ck_assert(!probe.was_sent);
    ck_assert_str_eq(probe.detail, "the name leads to an address that is not allowed");
    ck_assert_uint_eq(loopback_accepted(server), 0);
    is_open_to_all = true;
    probe.done = 0;
    start_request(&probe, &r, usual());
    PUMP_UNTIL(probe.done);
    ck_assert_msg(probe.code == OK, "%s", probe.detail);
    assert_body(&probe, "hello");
}
END_TEST

/* One host's name is known, another's connection hangs: neither lets more names be looked up at
 * once, nor fewer. */
START_TEST(a_connection_that_hangs_holds_no_place_of_a_look_up)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    struct loopback *deaf = loopback_open_deaf();
    struct http_request hangs = {.method = "GET", .url = loopback_url(deaf, "http", 0)};
    struct probe stuck[3], p;
    SERVE(scripts);
    open_guarded_pool(1);
    is_open_to_all = true;
    for (size_t i = 0; i < 3; i++) {
        probe_init(&stuck[i]);
        start_request(&stuck[i], &hangs, usual());
    }
    probe_init(&p);
    run(&p, 0);
    ck_assert_msg(p.code == OK, "%s", p.detail);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(stuck[i].done, 0);
        transfer_cancel(stuck[i].t);
        buf_fini(&stuck[i].body);
    }
    buf_fini(&p.body);
    loopback_close(deaf);
}
END_TEST

/* --- no memory -------------------------------------------------------------------------------- */

START_TEST(no_memory_fails_one_transfer_and_not_the_next)
{
    static const struct loopback_script scripts[] = {{{OK_HELLO}}};
    SERVE(scripts);
    unsigned failed = 0;
    for (unsigned long n = 1;; n++) {
        struct probe p;
        probe_init(&p);
        transfer_pool_destroy(pool);
        pool = NULL;
        loop_turn(loop);
        buf_reserve(&p.body, 64);
        mem_fail_nth(n);
        struct transfer_pool_options options = {
            .max_idle = 2, .idle_ms = 1000, .max_age_ms = 1000, .ca_file = "/dev/null"};
        enum err e = transfer_pool_create(loop, &options, &pool);
        if (e == OK) {
            struct http_request r = get(0);
            struct transfer_deadlines d = usual();
            e = transfer_start(pool, &r, &d, &events, &p, &p.t);
        }
        if (e == OK) {
            PUMP_UNTIL(p.done);
            e = p.code;
        }
        mem_fail_nth(0);
        failed += e != OK;
        ck_assert(e == OK || e == ERR_NOMEM || e == ERR_PROVIDER_UNREACHABLE);
        bool has_pool = pool != NULL;
        if (has_pool) {
            buf_clear(&p.body);
            p.done = 0;
            run(&p, 0);
            ck_assert_int_eq(p.code, OK);
            assert_body(&p, "hello");
        }
        buf_fini(&p.body);
        if (has_pool && e == OK)
            break;
    }
    ck_assert_uint_ge(failed, 6);
}
END_TEST

Suite *suite_net_transfer(void)
{
    Suite *s = suite_create("net_transfer");
    TCase *t = tcase_create("transfer");
    tcase_set_timeout(t, TIMEOUT_S);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, an_answer_comes_whole_whatever_its_status);
    tcase_add_test(t, bytes_are_handed_on_as_they_come);
    tcase_add_test(t, a_request_is_sent_as_it_was_given);
    tcase_add_test(t, methods_go_with_and_without_a_body);
    tcase_add_test(t, headers_can_be_read_while_it_comes_and_at_its_end);
    tcase_add_test(t, headers_of_an_earlier_answer_are_not_seen_again);
    tcase_add_test(t, a_body_larger_than_every_buffer_comes_whole);
    tcase_add_test(t, a_body_larger_than_every_buffer_is_sent_whole);
    tcase_add_test(t, a_broken_answer_is_told_from_none);
    tcase_add_test(t, what_cannot_be_reached_was_not_sent);
    tcase_add_test(t, each_request_goes_to_its_own_url_whatever_the_one_before_it_was);
    tcase_add_test(t, who_says_stop_gets_the_end_and_nothing_more);
    tcase_add_test(t, a_connection_is_used_again);
    tcase_add_test(
        t, a_connection_that_dies_under_a_request_is_reported_and_the_request_not_sent_again);
    tcase_add_test(t, a_connection_that_was_closed_while_idle_is_replaced);
    tcase_add_test(t, bytes_on_an_idle_connection_belong_to_no_answer);
    tcase_add_test(t, connecting_has_a_deadline);
    tcase_add_test(t, the_first_byte_has_a_deadline_counted_from_the_sending);
    tcase_add_test(t, silence_has_a_deadline_that_each_byte_moves);
    tcase_add_test(t, all_of_it_has_a_deadline_that_nothing_moves);
    tcase_add_test(t, an_end_that_has_passed_already_is_told_at_once);
    tcase_add_test(t, one_that_has_not_begun_can_be_cancelled);
    tcase_add_test(t, cancelling_while_connecting_gives_the_socket_back);
    tcase_add_test(t, cancelling_closes_the_socket_at_once_in_every_phase);
    tcase_add_test(t, one_can_be_cancelled_from_its_own_callback);
    tcase_add_test(t, one_can_be_cancelled_from_the_callback_with_its_last_bytes);
    tcase_add_test(t, cancelling_what_is_just_ending_changes_nothing);
    tcase_add_test(t, another_can_be_cancelled_from_a_callback);
    tcase_add_test(t, another_that_has_not_begun_can_be_cancelled_from_a_callback);
    tcase_add_test(t, another_can_be_started_from_a_callback);
    tcase_add_test(t, destroying_the_pool_cancels_what_is_left);
    tcase_add_test(t, a_paused_transfer_hands_on_nothing_until_it_is_resumed);
    tcase_add_test(t, a_pause_before_anything_came_holds_as_well);
    tcase_add_test(t, deadlines_for_silence_rest_during_a_pause);
    tcase_add_test(t, the_end_comes_during_a_pause_too);
    tcase_add_test(t, connecting_is_not_paused);
    tcase_add_test(t, a_paused_transfer_can_be_cancelled);
    tcase_add_test(t, one_can_be_cancelled_by_what_a_resume_brings);
    tcase_add_test(t, a_pause_of_one_that_was_recycled_does_not_linger);
    tcase_add_test(t, two_hundred_are_under_way_at_once_before_the_first_is_answered);
    tcase_add_test(t, no_more_connections_are_kept_idle_than_allowed);
    tcase_add_test(t, those_of_a_burst_are_all_answered_and_few_connections_kept);
    tcase_add_test(t, after_a_burst_connections_are_used_again);
    tcase_add_test(t, what_only_a_burst_needed_is_closed_when_it_was_not_used_for_long);
    tcase_add_test(t, a_callback_can_cancel_a_whole_burst);
    tcase_add_test(t, where_no_memory_is_left_for_another_multi_handle_the_last_takes_more);
    tcase_add_test(t, names_are_looked_up_a_few_at_a_time_and_all_get_their_turn);
    tcase_add_test(t, those_that_wait_for_a_look_up_can_be_cancelled_and_time_out);
    tcase_add_loop_test(t, an_address_that_is_not_allowed_is_never_connected_to, 0, 2);
    tcase_add_test(t, a_connection_that_hangs_holds_no_place_of_a_look_up);
    tcase_add_test(t, no_memory_fails_one_transfer_and_not_the_next);
    suite_add_tcase(s, t);
    return s;
}
