/* The named circuits of the tenant: seen, and reset. */
#include "api/breaker_view.h"
#include "api/routes.h"
#include "base/mem.h"

static void add_counts(struct buf *b, const struct fuse_counts *c)
{
    buf_addf(b,
             "\"counts\":{\"started\":%llu,\"succeeded\":%llu,\"failed\":%llu,\"refused\":%llu,"
             "\"opened\":%llu}",
             (unsigned long long)c->started, (unsigned long long)c->succeeded,
             (unsigned long long)c->failed, (unsigned long long)c->refused,
             (unsigned long long)c->opened);
}

static void add_circuit(struct buf *b, const struct fuse_status *s, const struct loop *loop)
{
    buf_add_lit(b, "{\"name\":");
    json_add_string(b, str_of(s->name));
    buf_add_char(b, ',');
    breaker_view_write(b, s->state, s->failures, s->opens_until_ms, loop);
    buf_addf(b, ",\"fail_max\":%u,\"window_ms\":%u,\"reset_timeout_ms\":%u,",
             (unsigned)s->policy.failures, (unsigned)s->policy.window_ms,
             (unsigned)s->policy.reset_ms);
    add_counts(b, &s->counts);
    buf_add_char(b, '}');
}

void handle_circuits_list(struct api_request *r)
{
    struct fuse_status *list;
    uint32_t count;
    struct api_reply reply;
    enum err e =
        fuses_list(&r->api->engine->fuses, r->tenant, loop_now_ms(r->shard->loop), &list, &count);
    if (e != OK) {
        api_fail(r, e, NULL);
        return;
    }
    reply_init(&reply, 200);
    buf_add_lit(&reply.body, "{\"data\":[");
    for (uint32_t i = 0; i < count; i++) {
        json_add_comma(&reply.body);
        add_circuit(&reply.body, &list[i], r->shard->loop);
    }
    buf_add_lit(&reply.body, "]}");
    mem_free(list);
    api_send(r, &reply);
}

typedef bool circuit_fn(struct fuses *f, struct str tenant, struct str name, uint64_t now_ms,
                        struct fuse_status *ret_status);

/* Looks at it, or resets it. */
static void answer_circuit(struct api_request *r, circuit_fn *act)
{
    struct fuse_status status;
    struct api_reply reply;
    if (!act(&r->api->engine->fuses, r->tenant, r->params.name, loop_now_ms(r->shard->loop),
             &status)) {
        api_fail(r, ERR_NOT_FOUND, "there is no circuit of that name");
        return;
    }
    reply_init(&reply, 200);
    add_circuit(&reply.body, &status, r->shard->loop);
    api_send(r, &reply);
}

void handle_circuit_get(struct api_request *r)
{
    answer_circuit(r, fuse_get);
}

void handle_circuit_reset(struct api_request *r)
{
    answer_circuit(r, fuse_reset);
}
