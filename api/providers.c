/* GET of providers: what each has left, and how it does. */
#include "api/breaker_view.h"
#include "api/routes.h"

static void add_bucket(struct buf *b, const char *name, const struct limiter_bucket_status *s)
{
    buf_addf(b, "\"%s\":", name);
    if (s->is_on)
        buf_addf(b, "{\"available\":%llu,\"burst\":%llu}", (unsigned long long)s->available,
                 (unsigned long long)s->burst);
    else
        buf_add_lit(b, "null");
}

static void add_latency(struct buf *b, const struct gate_status *s)
{
    if (s->has_latency)
        buf_addf(b, "\"latency\":{\"p50_ms\":%llu,\"p99_ms\":%llu}", (unsigned long long)s->p50_ms,
                 (unsigned long long)s->p99_ms);
    else
        buf_add_lit(b, "\"latency\":{\"p50_ms\":null,\"p99_ms\":null}");
}

static void add_provider(struct buf *b, struct upstream *u, const struct loop *loop)
{
    struct gate_status s;
    gate_status(u->gate, &s);
    const struct limiter_status *l = &s.limiter;
    buf_add_lit(b, "{\"name\":");
    json_add_string(b, upstream_name(u));
    buf_addf(b, ",\"kind\":\"%s\",", u->provider->kind->name);
    buf_add_lit(b, "\"breaker\":{");
    breaker_view_write(b, l->state, l->failures, l->opens_until_ms, loop);
    buf_addf(b, "},\"slots\":{\"borrowed\":%u,\"total\":%u,\"waiting\":%llu},\"buckets\":{",
             (unsigned)l->borrowed, (unsigned)l->total,
             (unsigned long long)(l->waiting + gate_backlog(u->gate)));
    add_bucket(b, "requests", &l->requests);
    buf_add_char(b, ',');
    add_bucket(b, "tokens", &l->tokens);
    buf_addf(b, "},\"pool\":{\"active\":%u,\"idle\":%u},", upstream_active(u), upstream_idle(u));
    add_latency(b, &s);
    buf_addf(b,
             ",\"counts\":{\"calls\":%llu,\"attempts\":%llu,\"succeeded\":%llu,\"failed\":%llu}}",
             (unsigned long long)s.calls, (unsigned long long)s.attempts,
             (unsigned long long)s.succeeded, (unsigned long long)s.failed);
}

void handle_providers_list(struct api_request *r)
{
    const struct catalog *c = r->shard->catalog;
    struct api_reply reply;
    reply_init(&reply, 200);
    buf_add_lit(&reply.body, "{\"data\":[");
    for (uint32_t i = 0; i < c->upstream_count; i++) {
        json_add_comma(&reply.body);
        add_provider(&reply.body, c->upstreams[i], r->shard->loop);
    }
    buf_add_lit(&reply.body, "]}");
    api_send(r, &reply);
}

static void answer_provider(struct api_request *r, struct upstream *u)
{
    struct api_reply reply;
    reply_init(&reply, 200);
    add_provider(&reply.body, u, r->shard->loop);
    api_send(r, &reply);
}

static struct upstream *find(struct api_request *r)
{
    struct upstream *u = catalog_upstream(r->shard->catalog, r->params.name);
    if (u == NULL)
        api_fail(r, ERR_NOT_FOUND, "there is no provider of that name");
    return u;
}

void handle_provider_get(struct api_request *r)
{
    struct upstream *u = find(r);
    if (u != NULL)
        answer_provider(r, u);
}

void handle_provider_reset(struct api_request *r)
{
    struct upstream *u = find(r);
    if (u == NULL)
        return;
    gate_reset(u->gate);
    answer_provider(r, u);
}
