#include "runs/errand.h"

#include "base/log.h"
#include "base/mem.h"
#include "resilience/backoff.h"
#include "resilience/retry.h"
#include "runs/engine.h"
#include "runs/hint.h"

enum {
    ARENA_MAX = 65536,
    READ_BYTES = 65536,     /* of events at once */
    CONNECT_MS = 5000,      /* or the try's own time, where that is less */
    ANSWER_MAX = 65536,     /* of a receiver's answer; nobody reads it */
    MAX_PAUSE_MS = 7200000, /* between two tries */
    AGAIN_MS = 250,         /* between two tries to settle */
};

/* --- its memory and its end ------------------------------------------------------------------- */

static void destroy(struct loop_deferred *garbage)
{
    struct errand *e = CONTAINER_OF(garbage, struct errand, garbage);
    buf_fini(&e->read.lines);
    buf_fini(&e->content);
    arena_fini(&e->arena);
    mem_free(e);
}

static void finish(struct errand *e, enum errand_end end)
{
    e->state = ERRAND_OVER;
    loop_timer_stop(&e->again);
    courier_on_end(e->courier, e, end);
}

void errand_destroy(struct errand *e)
{
    loop_free_later(e->courier->loop, &e->garbage, destroy);
}

static void log_end(const struct errand *e, const char *what, int status, const char *detail)
{
    char run[RUN_ID_TEXT];
    run_id_format(&e->delivery.id, run);
    log_warn(log_msg(what), log_str("run", (struct str){run, sizeof run}), log_u("seq", e->seq),
             log_str("host", e->delivery.host), log_u("tries", e->delivery.tries + 1),
             log_i("status", status), log_s("detail", detail));
}

/* --- settling --------------------------------------------------------------------------------- */

static void on_settled(struct store_op *op);

static void settle(struct errand *e)
{
    e->state = ERRAND_SETTLING;
    e->settle.op =
        (struct store_op){.kind = STORE_SETTLE, .loop = e->courier->loop, .on_done = on_settled};
    store_start(e->courier->engine->store, &e->settle.op);
}

static void on_settled(struct store_op *op)
{
    struct errand *e = CONTAINER_OF(op, struct errand, settle.op);
    bool is_done = op->result == STORE_OK || op->result == STORE_ABSENT;
    if (is_done || e->is_stopped) {
        finish(e, e->end);
        return;
    }
    e->state = ERRAND_RESTING;
    loop_timer_start(&e->again, loop_now_ms(e->courier->loop) + AGAIN_MS);
}

static void on_again(struct loop_timer *timer)
{
    settle(CONTAINER_OF(timer, struct errand, again));
}

/* Everything up to `done` is behind us. */
static void settle_up_to(struct errand *e, uint64_t done, enum errand_end end)
{
    e->end = end;
    e->settle.ref = e->delivery.ref;
    e->settle.done = done;
    e->settle.due_at_ms = loop_wall_ms(e->courier->loop);
    settle(e);
}

static void end_for_good(struct errand *e, int status, const char *detail)
{
    log_end(e, "a webhook's receiver wants no more", status, detail);
    e->end = ERRAND_DROPPED;
    e->settle.ref = e->delivery.ref;
    e->settle.is_over = true;
    settle(e);
}

/* The next try, at the latest when its time is up. */
static int64_t next_try_ms(struct errand *e, int64_t now_ms, int64_t until_ms, uint64_t hint_ms)
{
    const struct backoff_policy policy = {.base_ms = courier_options(e->courier)->retry_ms,
                                          .factor = 3,
                                          .max_ms = MAX_PAUSE_MS,
                                          .jitter = BACKOFF_FULL};
    uint64_t pause_ms = backoff_delay_ms(&policy, e->delivery.tries,
                                         hint_ms < RETRY_MAX_HINT_MS ? hint_ms : RETRY_MAX_HINT_MS,
                                         &e->courier->engine->shards[0].rng);
    int64_t at_ms = now_ms + (int64_t)pause_ms;
    return at_ms < until_ms ? at_ms : until_ms;
}

/* A receiver that has failed for as long as it may is given up, with all that waits for it of this
 * run. */
static void fail(struct errand *e, uint64_t hint_ms, int status, const char *detail)
{
    const struct store_delivery *d = &e->delivery;
    int64_t now_ms = loop_wall_ms(e->courier->loop);
    int64_t since_ms = d->failing_since_ms != 0 ? d->failing_since_ms : now_ms;
    int64_t until_ms = since_ms + (int64_t)courier_options(e->courier)->give_up_ms;
    if (now_ms >= until_ms) {
        log_end(e, "a webhook was given up", status, detail);
        settle_up_to(e, d->last, ERRAND_DROPPED);
        return;
    }
    e->end = ERRAND_FAILED;
    e->settle = (struct store_settle){.ref = d->ref,
                                      .done = e->seq - 1,
                                      .due_at_ms = next_try_ms(e, now_ms, until_ms, hint_ms),
                                      .tries = d->tries + 1,
                                      .failing_since_ms = since_ms};
    settle(e);
}

/* --- posting ---------------------------------------------------------------------------------- */

/* The answer does not matter, as long as it does not go on for ever. */
static bool on_bytes(void *ctx, const char *bytes, size_t len)
{
    struct errand *e = ctx;
    (void)bytes;
    e->answer_bytes += len;
    return e->answer_bytes <= ANSWER_MAX;
}

/* The status decides, whatever becomes of the rest of the answer. */
static void on_done(void *ctx, const struct transfer_result *result)
{
    struct errand *e = ctx;
    int status = result->status;
    uint64_t hint_ms = status >= 300 ? hint_of_answer(e->transfer) : 0;
    e->transfer = NULL;
    if (status >= 200 && status < 300)
        settle_up_to(e, e->seq, ERRAND_TOLD);
    else if (status == 410)
        end_for_good(e, status, "410 Gone");
    else
        fail(e, hint_ms, status, status > 0 ? "not a 2xx" : result->detail);
}

/* The same for every try of the event. */
static void add_message_id(struct buf *b, const struct errand *e)
{
    char id[ID_TEXT];
    id_format(&e->delivery.id, id);
    buf_add_lit(b, "msg_");
    buf_add(b, id, sizeof id);
    buf_add_char(b, '_');
    buf_add_u64(b, e->seq);
}

static void add_body(struct buf *b, const struct event_line *line)
{
    buf_add_lit(b, "{\"type\":\"");
    buf_add_str(b, line->type);
    buf_add_lit(b, "\",\"timestamp\":\"");
    buf_add_str(b, event_line_at(line));
    buf_add_lit(b, "\",\"data\":");
    buf_add_str(b, line->json);
    buf_add_char(b, '}');
}

/* What is signed, and within it what is sent. Views into `content`. */
struct message {
    struct str id, timestamp, body;
};

static enum err write_message(struct errand *e, const struct event_line *line, struct message *ret)
{
    struct buf *b = &e->content;
    add_message_id(b, e);
    size_t id_len = b->len;
    buf_add_char(b, '.');
    buf_add_i64(b, clock_wall_ms(loop_clock(e->courier->loop)) / 1000);
    size_t stamp_len = b->len - id_len - 1;
    buf_add_char(b, '.');
    size_t body_at = b->len;
    add_body(b, line);
    if (buf_ok(b) != OK)
        return ERR_NOMEM;
    ret->id = (struct str){b->data, id_len};
    ret->timestamp = (struct str){b->data + id_len + 1, stamp_len};
    ret->body = (struct str){b->data + body_at, b->len - body_at};
    return OK;
}

/* One, or two while a new secret is brought in. */
static size_t sign(const struct errand *e, char ret_text[2 * SIGNATURE_TEXT])
{
    const struct courier_options *o = courier_options(e->courier);
    signature_make(&o->key, buf_str(&e->content), ret_text);
    size_t len = strlen(ret_text);
    if (o->old_key.len == 0)
        return len;
    ret_text[len++] = ' ';
    signature_make(&o->old_key, buf_str(&e->content), ret_text + len);
    return len + strlen(ret_text + len);
}

static bool add_headers(struct http_request *r, const struct message *m, struct str signature)
{
    return http_add_header(r, STR("Content-Type"), STR("application/json")) &&
           http_add_header(r, STR("User-Agent"), STR("Sluice")) &&
           http_add_header(r, STR("webhook-id"), m->id) &&
           http_add_header(r, STR("webhook-timestamp"), m->timestamp) &&
           http_add_header(r, STR("webhook-signature"), signature);
}

static enum err post(struct errand *e, const struct message *m)
{
    static const struct transfer_events events = {.on_bytes = on_bytes, .on_done = on_done};
    uint64_t timeout_ms = courier_options(e->courier)->timeout_ms;
    struct transfer_deadlines deadlines = {.connect_ms =
                                               timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS,
                                           .first_byte_ms = timeout_ms,
                                           .idle_ms = timeout_ms,
                                           .end_at_ms = loop_now_ms(e->courier->loop) + timeout_ms};
    struct http_request request = {.method = "POST", .url = e->webhook.url.at, .body = m->body};
    char signature[2 * SIGNATURE_TEXT];
    struct transfer_pool *pool;
    bool is_tls = str_eq_nocase((struct str){e->webhook.url.at, 6}, STR("https:"));
    enum err rc = courier_pool(e->courier, is_tls, &pool);
    if (rc != OK || !add_headers(&request, m, (struct str){signature, sign(e, signature)}))
        return ERR_NOMEM; /* the headers fit */
    return transfer_start(pool, &request, &deadlines, &events, e, &e->transfer);
}

static void tell(struct errand *e, const struct event_line *line)
{
    struct message message;
    e->seq = line->seq;
    bool can_sign = courier_options(e->courier)->key.len > 0; /* a reload may have taken it away */
    if (!can_sign || write_message(e, line, &message) != OK || post(e, &message) != OK) {
        finish(e, ERRAND_UNSENT);
        return;
    }
    buf_fini(&e->read.lines);
    buf_init(&e->read.lines, 0);
    e->state = ERRAND_POSTING;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void on_read(struct store_op *op);

/* What lies behind e->seq. */
static void read_on(struct errand *e)
{
    struct store_delivery *d = &e->delivery;
    buf_clear(&e->read.lines);
    e->state = ERRAND_READING;
    e->read.op =
        (struct store_op){.kind = STORE_EVENTS, .loop = e->courier->loop, .on_done = on_read};
    e->read.tenant = d->tenant;
    e->read.id = d->id;
    e->read.after = e->seq;
    e->read.max_bytes = READ_BYTES;
    store_start(e->courier->engine->store, &e->read.op);
}

/* The next event that is to be told; moves e->seq up to where there is none. */
static bool find_event(struct errand *e, struct event_line *ret)
{
    struct str rest = buf_str(&e->read.lines);
    enum event_type type;
    while (event_next_line(&rest, ret) && ret->seq <= e->delivery.last) {
        if (ret->seq <= e->seq)
            continue; /* of a segment that began before */
        if (event_type_parse(ret->type, &type) && (event_set_of(type) & e->webhook.events) != 0)
            return true;
        e->seq = ret->seq;
    }
    return false;
}

static void on_events(struct errand *e)
{
    struct event_line line;
    uint64_t before = e->seq;
    if (find_event(e, &line))
        tell(e, &line);
    else if (e->seq > before && e->seq < e->delivery.last)
        read_on(e);
    else
        settle_up_to(e, e->delivery.last, ERRAND_NONE);
}

static void on_read(struct store_op *op)
{
    struct errand *e = CONTAINER_OF(op, struct errand, read.op);
    if (e->is_stopped)
        finish(e, ERRAND_UNSENT);
    else if (op->result == STORE_OK)
        on_events(e);
    else
        finish(e, op->result == STORE_ABSENT ? ERRAND_NONE : ERRAND_UNSENT);
}

/* --- starting and stopping -------------------------------------------------------------------- */

static enum err copy(struct errand *e, const struct store_delivery *d)
{
    e->delivery = *d;
    e->delivery.tenant = arena_str(&e->arena, d->tenant);
    e->delivery.host = arena_str(&e->arena, d->host);
    e->delivery.receiver = STR_NONE;
    if (e->delivery.tenant.at == NULL || e->delivery.host.at == NULL)
        return ERR_NOMEM;
    enum err rc = webhook_read(d->receiver, &e->arena, &e->webhook);
    if (rc == ERR_IO)
        e->webhook.events = 0; /* damaged: nothing can be told */
    return rc == ERR_NOMEM ? ERR_NOMEM : OK;
}

enum err errand_start(struct courier *c, const struct store_delivery *d, struct errand **ret_errand)
{
    struct errand *e = mem_zalloc(sizeof *e);
    if (e == NULL)
        return ERR_NOMEM;
    e->courier = c;
    e->seq = d->done;
    list_init(&e->ended_link);
    arena_init(&e->arena, ARENA_MAX);
    buf_init(&e->read.lines, SIZE_MAX / 2);
    buf_init(&e->content, SIZE_MAX / 2);
    loop_timer_init(&e->again, c->loop, on_again);
    if (copy(e, d) != OK) {
        destroy(&e->garbage);
        return ERR_NOMEM;
    }
    read_on(e);
    *ret_errand = e;
    return OK;
}

void errand_stop(struct errand *e)
{
    e->is_stopped = true;
    if (e->state == ERRAND_POSTING)
        transfer_cancel(e->transfer);
    if (e->state == ERRAND_POSTING || e->state == ERRAND_RESTING)
        finish(e, ERRAND_UNSENT);
}
