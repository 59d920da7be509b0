#ifndef UPSTREAM_JOURNAL_H
#define UPSTREAM_JOURNAL_H
/* What the upstream saw: the judge of every test about hidden re-sends, cancels and limits. The
 * last 10,000 requests in full, and counts of all since the last reset, by what they asked for, by
 * idempotency key and by run. */
#include "http.h"
#include "text.h"

enum { JOURNAL_ENTRIES = 10000, JOURNAL_BODY_BYTES = 8192, JOURNAL_TOKENS = 2000 };

struct entry {
    uint64_t n; /* from 1; 0: never used */
    uint64_t conn;
    uint64_t conn_request; /* from 1: above that, the connection was used again */
    char *method;
    char *path;
    char *behaviour;
    char *key;
    char *run;
    char *depth;
    char *traceparent;
    char *authorization;
    char *accept_encoding;
    char *expect;
    char *host;
    char *content_type;
    char *body;
    uint64_t received_us;
    uint64_t first_byte_us;
    uint64_t last_byte_us;
    uint64_t ended_us;
    uint64_t closed_by_peer_us; /* only where the peer left before the response was whole */
    const char *end;            /* "active", "done", "closed_by_peer", "reset", "closed", "hangs" */
    int status;
    size_t sent;
    size_t mark;
    uint64_t *token_us;
    size_t tokens;
};

struct counter {
    char *name;
    uint64_t requests;
    uint64_t active;
    uint64_t max_active;
};

struct counters {
    struct counter *slots; /* open addressing; a power of two */
    size_t cap;
    size_t used;
};

struct journal {
    struct entry entries[JOURNAL_ENTRIES];
    uint64_t last_n;   /* never goes back, so that an entry of before a reset is never taken for a
                          later one */
    uint64_t requests; /* since the last reset, as all that follows */
    uint64_t active;
    uint64_t max_active;
    uint64_t closed_by_peer;
    uint64_t last_closed_by_peer_us;
    uint64_t unknown; /* requests whose behaviour could not be read: an error of the test */
    uint64_t continues;
    struct counters by_behaviour; /* the path's */
    struct counters by_key;
    struct counters by_run;
    struct counters firsts; /* of first=N */
};

static struct counter *counter_slot(const struct counters *c, const char *name)
{
    uint64_t hash = 1469598103934665603u;
    for (const char *p = name; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    size_t i = (size_t)hash & (c->cap - 1);
    while (c->slots[i].name != NULL && strcmp(c->slots[i].name, name) != 0)
        i = (i + 1) & (c->cap - 1);
    return &c->slots[i];
}

/* The counter of that name, made where it is missing. Good until the next call. */
static struct counter *counter_get(struct counters *c, const char *name)
{
    if ((c->used + 1) * 2 > c->cap) {
        struct counters bigger = {.cap = c->cap ? c->cap * 2 : 64, .used = c->used};
        bigger.slots = must(calloc(bigger.cap, sizeof *bigger.slots));
        for (size_t i = 0; i < c->cap; i++) {
            if (c->slots[i].name != NULL)
                *counter_slot(&bigger, c->slots[i].name) = c->slots[i];
        }
        free(c->slots);
        *c = bigger;
    }
    struct counter *slot = counter_slot(c, name);
    if (slot->name == NULL) {
        slot->name = slice_copy(slice_of(name));
        c->used++;
    }
    return slot;
}

/* Forgets counts, but not what is active: those requests will end one day. */
static void counters_reset(struct counters *c)
{
    struct counters kept = {0};
    for (size_t i = 0; i < c->cap; i++) {
        struct counter *old = &c->slots[i];
        if (old->name != NULL && old->active > 0) {
            struct counter *slot = counter_get(&kept, old->name);
            slot->active = slot->max_active = old->active;
        }
        free(old->name);
    }
    free(c->slots);
    *c = kept;
}

static void counters_write(const struct counters *c, struct buf *out)
{
    bool is_first = true;
    buf_adds(out, "{");
    for (size_t i = 0; i < c->cap; i++) {
        const struct counter *slot = &c->slots[i];
        if (slot->name == NULL)
            continue;
        buf_adds(out, is_first ? "\n  " : ",\n  ");
        is_first = false;
        json_string(out, slice_of(slot->name));
        buf_addf(out, ": {\"requests\": %llu, \"active\": %llu, \"max_active\": %llu}",
                 (unsigned long long)slot->requests, (unsigned long long)slot->active,
                 (unsigned long long)slot->max_active);
    }
    buf_adds(out, "}");
}

/* --- entries ---------------------------------------------------------------------------------- */

static void entry_clear(struct entry *e)
{
    char *texts[] = {
        e->method,          e->path,   e->behaviour,   e->key,         e->run,
        e->depth,           e->body,   e->host,        e->traceparent, e->authorization,
        e->accept_encoding, e->expect, e->content_type};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    free(e->token_us);
    *e = (struct entry){0};
}

static char *header_copy(const struct request *r, const char *name)
{
    struct slice value = request_header(r, name);
    return value.at ? slice_copy(value) : NULL;
}

static void counter_begin(struct counters *c, const char *name)
{
    struct counter *slot = counter_get(c, name ? name : "");
    slot->requests++;
    slot->active++;
    if (slot->active > slot->max_active)
        slot->max_active = slot->active;
}

static void counter_end(struct counters *c, const char *name)
{
    struct counter *slot = counter_get(c, name ? name : "");
    if (slot->active > 0)
        slot->active--;
}

/* A request has come whole. `spec` is the path's behaviour, for the counts; journal_end must
 * follow. */
static struct entry *journal_begin(struct journal *j, const struct request *r, struct slice spec,
                                   uint64_t now)
{
    j->requests++;
    j->last_n++;
    struct entry *e = &j->entries[j->last_n % JOURNAL_ENTRIES];
    entry_clear(e);
    *e = (struct entry){
        .n = j->last_n,
        .method = slice_copy(r->method),
        .path = slice_copy(r->target),
        .behaviour = slice_copy(spec),
        .key = header_copy(r, "idempotency-key"),
        .run = header_copy(r, "sluice-run"),
        .depth = header_copy(r, "sluice-depth"),
        .traceparent = header_copy(r, "traceparent"),
        .authorization = header_copy(r, "authorization"),
        .accept_encoding = header_copy(r, "accept-encoding"),
        .expect = header_copy(r, "expect"),
        .host = header_copy(r, "host"),
        .content_type = header_copy(r, "content-type"),
        .body = slice_copy((struct slice){
            r->body.at, r->body.len < JOURNAL_BODY_BYTES ? r->body.len : JOURNAL_BODY_BYTES}),
        .received_us = now,
        .end = "active",
    };
    if (++j->active > j->max_active)
        j->max_active = j->active;
    counter_begin(&j->by_behaviour, e->behaviour);
    counter_begin(&j->by_key, e->key);
    counter_begin(&j->by_run, e->run);
    return e;
}

/* The response has come to its end, well or badly. Also where the ring has dropped the entry:
 * `names` are the caller's. */
static void journal_end(struct journal *j, const char *spec, const char *key, const char *run)
{
    if (j->active > 0)
        j->active--;
    counter_end(&j->by_behaviour, spec);
    counter_end(&j->by_key, key);
    counter_end(&j->by_run, run);
}

static struct entry *journal_find(struct journal *j, uint64_t n)
{
    struct entry *e = &j->entries[n % JOURNAL_ENTRIES];
    return n != 0 && e->n == n ? e : NULL;
}

static void entry_token(struct entry *e, uint64_t now)
{
    if (e->tokens >= JOURNAL_TOKENS)
        return;
    if ((e->tokens & (e->tokens - 1)) == 0)
        e->token_us =
            must(realloc(e->token_us, (e->tokens ? e->tokens * 2 : 1) * sizeof *e->token_us));
    e->token_us[e->tokens++] = now;
}

static void journal_reset(struct journal *j)
{
    for (size_t i = 0; i < JOURNAL_ENTRIES; i++)
        entry_clear(&j->entries[i]);
    j->requests = j->closed_by_peer = j->last_closed_by_peer_us = j->unknown = j->continues = 0;
    j->max_active = j->active;
    counters_reset(&j->by_behaviour);
    counters_reset(&j->by_key);
    counters_reset(&j->by_run);
    counters_reset(&j->firsts);
}

static void write_ms(struct buf *out, const char *name, uint64_t us)
{
    if (us == 0)
        buf_addf(out, ", \"%s\": null", name);
    else
        buf_addf(out, ", \"%s\": %llu.%03u", name, (unsigned long long)(us / 1000),
                 (unsigned)(us % 1000));
}

static void write_text(struct buf *out, const char *name, const char *text)
{
    buf_addf(out, ", \"%s\": ", name);
    if (text == NULL)
        buf_adds(out, "null");
    else
        json_string(out, slice_of(text));
}

static void entry_write(const struct entry *e, struct buf *out)
{
    buf_addf(
        out,
        "{\"n\": %llu, \"conn\": %llu, \"conn_request\": %llu, \"status\": %d, \"sent\": %zu, \"mark\": %zu",
        (unsigned long long)e->n, (unsigned long long)e->conn, (unsigned long long)e->conn_request,
        e->status, e->sent, e->mark);
    write_text(out, "method", e->method);
    write_text(out, "path", e->path);
    write_text(out, "behaviour", e->behaviour);
    write_text(out, "idempotency_key", e->key);
    write_text(out, "run", e->run);
    write_text(out, "depth", e->depth);
    write_text(out, "traceparent", e->traceparent);
    write_text(out, "authorization", e->authorization);
    write_text(out, "accept_encoding", e->accept_encoding);
    write_text(out, "expect", e->expect);
    write_text(out, "host", e->host);
    write_text(out, "content_type", e->content_type);
    write_text(out, "body", e->body);
    write_text(out, "end", e->end);
    write_ms(out, "received_ms", e->received_us);
    write_ms(out, "first_byte_ms", e->first_byte_us);
    write_ms(out, "last_byte_ms", e->last_byte_us);
    write_ms(out, "ended_ms", e->ended_us);
    write_ms(out, "closed_by_peer_ms", e->closed_by_peer_us);
    buf_adds(out, ", \"token_ms\": [");
    for (size_t i = 0; i < e->tokens; i++)
        buf_addf(out, "%s%llu.%03u", i ? "," : "", (unsigned long long)(e->token_us[i] / 1000),
                 (unsigned)(e->token_us[i] % 1000));
    buf_adds(out, "]}");
}

/* Entries after number `after`, of one run or of all, oldest first. */
static void journal_write(struct journal *j, uint64_t after, struct slice run, struct buf *out)
{
    uint64_t from = j->last_n > JOURNAL_ENTRIES ? j->last_n - JOURNAL_ENTRIES : 0;
    bool is_first = true;
    buf_adds(out, "[");
    for (uint64_t n = from > after ? from + 1 : after + 1; n <= j->last_n; n++) {
        const struct entry *e = journal_find(j, n);
        if (e == NULL || (run.at && (e->run == NULL || !slice_is(run, e->run))))
            continue;
        buf_adds(out, is_first ? "\n" : ",\n");
        entry_write(e, out);
        is_first = false;
    }
    buf_adds(out, "]\n");
}
#endif
