/* An attempt over HTTP: its request, the bytes of its answer, the work that goes on after it. */
#include <stdio.h>

#include "base/mem.h"
#include "runs/attempt_internal.h"
#include "runs/hint.h"

enum {
    ERROR_BODY_MAX = 65536, /* of an answer that is no 200 */
    FRAMING_MAX =
        1048576, /* what an answer's JSON may take beside its text, and twice over for escapes */
    GRACE_MS = 1000, /* for the connection to end after the answer is complete */
};

static struct decoder *decoder_of(struct attempt *a)
{
    return (struct decoder *)(void *)a->own.decoder;
}

static void on_grace(struct loop_timer *timer);
static void on_poll(struct loop_timer *timer);

void attempt_http_init(struct attempt *a)
{
    buf_init(&a->body, 2 * a->shard->limits->spec.input_bytes + 67108864);
    buf_init(&a->error_body, ERROR_BODY_MAX);
    loop_timer_init(&a->grace, a->loop, on_grace);
    loop_timer_init(&a->poll_timer, a->loop, on_poll);
    poll_init(&a->poll);
}

void attempt_http_fini(struct attempt *a)
{
    if (a->has_decoder)
        attempt_kind(a)->decoder_fini(decoder_of(a));
    buf_fini(&a->body);
    buf_fini(&a->error_body);
    poll_fini(&a->poll);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void begin_answer(struct attempt *a)
{
    a->has_begun = true;
    attempt_on_first_byte(a);
    if (!provider_accepts(a->upstream->provider, transfer_status(a->transfer)))
        return;
    struct decoder_setup setup = {
        .provider = a->upstream->provider,
        .call = &a->call,
        .sink = {.ctx = a, .on_delta = attempt_on_delta, .answer = &a->answer},
        .scratch = &a->shard->scratch,
        .max_bytes = 2 * a->shard->limits->output_bytes + FRAMING_MAX,
        .handle = buf_str(&a->poll.handle)};
    struct answer_head head = {.status = transfer_status(a->transfer),
                               .content_type = transfer_header(a->transfer, "content-type")};
    a->has_decoder = true;
    attempt_kind(a)->decoder_init(decoder_of(a), &setup);
    attempt_kind(a)->decoder_begin(decoder_of(a), &head);
}

static bool on_bytes(void *ctx, const char *bytes, size_t len)
{
    struct attempt *a = ctx;
    if (!a->has_begun)
        begin_answer(a);
    if (!a->has_decoder) { /* an error: as much of it as fits */
        size_t room = ERROR_BODY_MAX - a->error_body.len;
        buf_add(&a->error_body, bytes, len < room ? len : room);
        return true;
    }
    if (!attempt_kind(a)->decoder_feed(decoder_of(a), bytes, len)) {
        a->is_stopped = true;
        return false;
    }
    if (attempt_kind(a)->decoder_is_complete(decoder_of(a)) && !loop_timer_is_armed(&a->grace))
        loop_timer_start(&a->grace, loop_now_ms(a->loop) + GRACE_MS);
    return true;
}

/* An answer was complete, but its connection neither ends nor can be used again. */
static void on_grace(struct loop_timer *timer)
{
    struct attempt *a = CONTAINER_OF(timer, struct attempt, grace);
    struct verdict v;
    transfer_cancel(a->transfer);
    attempt_kind(a)->decoder_end(decoder_of(a), &v);
    attempt_conclude_verdict(a, &v, true, 0);
}

/* --- work that goes on ------------------------------------------------------------------------ */

/* Ready for the next answer. */
static void forget_answer(struct attempt *a)
{
    if (a->has_decoder) {
        attempt_kind(a)->decoder_fini(decoder_of(a));
        memset(a->own.decoder, 0, attempt_kind(a)->decoder_size);
    }
    a->has_decoder = a->has_begun = a->is_stopped = false;
    a->transfer = NULL;
    buf_clear(&a->error_body);
}

static void ask_later(struct attempt *a)
{
    uint64_t every_ms = a->upstream->provider->options.http.poll.every_ms;
    uint64_t at_ms =
        loop_now_ms(a->loop) + poll_wait_ms(&a->poll, every_ms, hint_of_answer(a->transfer));
    forget_answer(a);
    loop_timer_start(&a->poll_timer, at_ms < attempt_end_ms(a) ? at_ms : attempt_end_ms(a));
}

/* Nobody has answered a question, or not well. True: it will be asked again, which begins nothing
 * twice. */
static bool misses(struct attempt *a, bool is_passing)
{
    if (!is_passing || !poll_miss(&a->poll))
        return false;
    ask_later(a);
    return true;
}

/* True: the answer is that the work goes on. Where to ask is stored at once. */
static bool goes_on(struct attempt *a, struct verdict *v)
{
    if (v->code != OK || attempt_kind(a)->decoder_handle == NULL)
        return false;
    struct str handle = attempt_kind(a)->decoder_handle(decoder_of(a));
    if (handle.len == 0)
        return false;
    bool is_news = !str_eq(handle, buf_str(&a->poll.handle));
    if (poll_take(&a->poll, handle) != OK) {
        *v = (struct verdict){.code = ERR_LIMIT_EXCEEDED};
        return false;
    }
    if (is_news) {
        tree_changed(a->task);
        outbox_want(a->task->run, SAVE_NOW);
    }
    ask_later(a);
    return true;
}

static void on_poll(struct loop_timer *timer)
{
    struct attempt *a = CONTAINER_OF(timer, struct attempt, poll_timer);
    if (loop_now_ms(a->loop) < attempt_end_ms(a)) {
        attempt_send(a);
        return;
    }
    struct attempt_outcome o = {.code = ERR_PROVIDER_TIMEOUT,
                                .message = STR("the work was not done in time")};
    attempt_conclude(a, &o);
}

/* --- the answer's end ------------------------------------------------------------------------- */

static void conclude_status(struct attempt *a, int status)
{
    struct verdict v;
    attempt_kind(a)->judge(a->upstream->provider, status, buf_str(&a->error_body),
                           &a->shard->scratch, &v);
    if (v.message[0] == '\0')
        snprintf(v.message, sizeof v.message, "the provider answered with status %d", status);
    if (misses(a, v.passes || err_is_retryable(v.code)))
        return;
    attempt_conclude_verdict(a, &v, true, hint_of_answer(a->transfer));
}

static void conclude_answer(struct attempt *a)
{
    struct verdict v;
    if (!a->has_begun)
        begin_answer(a); /* an empty body */
    attempt_kind(a)->decoder_end(decoder_of(a), &v);
    if (a->stop_code != OK)
        v = (struct verdict){.code = a->stop_code == ERR_NOMEM ? ERR_LIMIT_EXCEEDED : a->stop_code};
    if (goes_on(a, &v) || misses(a, v.code == ERR_PROVIDER_BAD_RESPONSE))
        return;
    attempt_conclude_verdict(a, &v, true, 0);
}

/* An answer whose end mark has come and whose framing is cut is cut: which of both lies cannot be
 * known. */
static void on_done(void *ctx, const struct transfer_result *result)
{
    struct attempt *a = ctx;
    if (result->status >= 200 && !provider_accepts(a->upstream->provider, result->status)) {
        conclude_status(a, result->status); /* whatever became of its body */
    } else if (result->code == OK || a->is_stopped) {
        conclude_answer(a);
    } else if (!misses(a, err_is_retryable(result->code))) {
        struct attempt_outcome o = {.code = result->code, .message = str_of(result->detail)};
        attempt_conclude(a, &o);
    }
}

/* --- the request ------------------------------------------------------------------------------ */

/* The texts of the headers that are written for one request. */
struct own_headers {
    char key[RUN_ID_TEXT + 320];
    char depth[16];
    char trace[64];
};

/* The headers that every provider gets, beside its own: who asks, and the key under which a
 * repetition is known. */
static bool add_headers(struct attempt *a, struct http_request *r, struct own_headers *h)
{
    struct run *run = a->task->run;
    int n = snprintf(h->key, sizeof h->key, "%.*s.%.*s.%u", RUN_ID_TEXT, run->text,
                     STR_ARG(a->task->path), a->task->call.generation);
    snprintf(h->depth, sizeof h->depth, "%u", run_depth(run) + 1);
    run_trace(run, h->trace);
    return n < (int)sizeof h->key && http_add_header(r, STR("Idempotency-Key"), str_of(h->key)) &&
           http_add_header(r, STR("Sluice-Run"), (struct str){run->text, RUN_ID_TEXT}) &&
           http_add_header(r, STR("Sluice-Depth"), str_of(h->depth)) &&
           http_add_header(r, STR("traceparent"), str_of(h->trace));
}

/* The request of the call, or the next question after its work. */
static enum err build(struct attempt *a, struct http_request *ret, struct error *error)
{
    struct upstream *u = a->upstream;
    struct json_doc *scratch = &a->shard->scratch;
    if (poll_goes_on(&a->poll))
        return attempt_kind(a)->build_poll(u->provider, buf_str(&a->poll.handle), POLL_ASK, a->key,
                                           &a->body, scratch, ret, error);
    a->key = upstream_take_key(u, loop_now_ms(a->loop));
    return attempt_kind(a)->build(u->provider, &a->call, a->key, &a->body, scratch, ret, error);
}

enum err attempt_http_start(struct attempt *a, struct error *error)
{
    static const struct transfer_events events = {.on_bytes = on_bytes, .on_done = on_done};
    struct upstream *u = a->upstream;
    struct http_request request = {.header_count = 0};
    struct own_headers own = {.key = ""};
    struct transfer_pool *pool;
    enum err e = build(a, &request, error);
    if (e != OK)
        return e;
    if (!add_headers(a, &request, &own))
        return error_set(error, ERR_BAD_REQUEST, "the request's headers are not valid");
    e = upstream_pool(u, a->loop, a->shard->index, &pool);
    if (e != OK)
        return error_set(error, ERR_PROVIDER_OVERLOADED, "out of memory");
    struct transfer_deadlines deadlines = {.connect_ms = u->timeouts.connect_ms,
                                           .first_byte_ms = u->timeouts.first_byte_ms,
                                           .idle_ms = u->timeouts.idle_ms,
                                           .end_at_ms = attempt_end_ms(a)};
    e = transfer_start(pool, &request, &deadlines, &events, a, &a->transfer);
    return e == OK ? OK : error_set(error, ERR_PROVIDER_OVERLOADED, "out of memory");
}
