/* POST /v1/runs/ID/cancel: 202 and the run while it is not finished, 200 where it is cancelled
 * already, 409 where it ended otherwise. With `Prefer: wait` 200 once it is cancelled. */
#include "api/body.h"
#include "api/routes.h"
#include "base/mem.h"
#include "runs/ops.h"

struct cancel {
    struct api_request *r; /* NULL: the client is gone; the cancel goes on */
    struct run_stop stop;
    struct run_wait wait;
    bool is_waiting;
    bool had_ended;
    uint64_t wait_ms;
    struct run_get get;
};

static void finish(struct cancel *c, const struct run_record *run, uint64_t last_seq)
{
    struct api_request *r = c->r;
    struct api_reply reply;
    if (c->had_ended && run->state != RUN_CANCELLED) {
        api_fail_run(r, ERR_RUN_FINISHED, NULL, &r->run_id);
        return;
    }
    bool done = run->state == RUN_CANCELLED && (c->had_ended || c->wait_ms > 0);
    reply_init(&reply, done ? 200 : 202);
    reply_waited(&reply, c->wait_ms);
    run_record_write(&reply.body, run, last_seq, false, r->api->base_path);
    api_send(r, &reply);
}

static void on_got(struct run_get *g)
{
    struct cancel *c = g->ctx;
    if (c->r != NULL) {
        c->r->on_gone = NULL;
        if (g->result == OK)
            finish(c, &g->read.run, g->last_seq);
        else
            api_fail_run(c->r, g->result, NULL, &c->r->run_id);
    }
    run_get_fini(g);
    mem_free(c);
}

static void get(struct cancel *c)
{
    c->get = (struct run_get){.shard = c->r->shard,
                              .tenant = c->r->tenant,
                              .id = c->r->run_id,
                              .on_done = on_got,
                              .ctx = c};
    run_get_start(&c->get);
}

static void on_waited(struct run_wait *w)
{
    struct cancel *c = w->ctx;
    c->is_waiting = false;
    get(c);
}

static void wait_for_end(struct cancel *c)
{
    struct api_request *r = c->r;
    c->is_waiting = true;
    c->wait = (struct run_wait){.shard = r->shard,
                                .tenant = r->tenant,
                                .id = r->run_id,
                                .until_ms = loop_now_ms(r->shard->loop) + c->wait_ms,
                                .on_done = on_waited,
                                .ctx = c};
    run_wait_start(&c->wait);
}

static void on_stopped(struct run_stop *s)
{
    struct cancel *c = s->ctx;
    enum err result = s->result; /* it goes with the cancel */
    c->had_ended = result == ERR_RUN_FINISHED;
    if (c->r == NULL) {
        mem_free(c);
    } else if (result != OK && !c->had_ended) {
        struct api_request *r = c->r;
        r->on_gone = NULL;
        mem_free(c);
        api_fail(r, result, result == ERR_NOT_FOUND ? "there is no run with that id" : NULL);
    } else if (c->wait_ms > 0 && !c->had_ended) {
        wait_for_end(c);
    } else {
        get(c);
    }
}

static void on_gone(struct api_request *r)
{
    struct cancel *c = r->state;
    query_fini(&r->query);
    c->r = NULL;
    if (c->is_waiting) {
        run_wait_stop(&c->wait);
        mem_free(c);
    }
}

/* The run as it is, for a client that waits for its end. */
static void on_hurry(struct api_request *r)
{
    struct cancel *c = r->state;
    if (!c->is_waiting)
        return;
    run_wait_stop(&c->wait);
    c->is_waiting = false;
    get(c);
}

void handle_run_cancel(struct api_request *r)
{
    struct reason reason = {.code = REASON_CLIENT_REQUEST,
                            .since_ms = loop_wall_ms(r->shard->loop)};
    if (!api_read_run_id(r) || !body_read_reason(r, &reason))
        return;
    struct cancel *c = mem_zalloc(sizeof *c);
    if (c == NULL) {
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    c->r = r;
    c->wait_ms = api_wait_ms(r, 0);
    r->state = c;
    r->on_gone = on_gone;
    r->on_hurry = on_hurry;
    c->stop.shard = r->shard;
    c->stop.tenant = r->tenant;
    c->stop.id = r->run_id;
    c->stop.reason = reason;
    c->stop.on_done = on_stopped;
    c->stop.ctx = c;
    run_stop_start(&c->stop);
}
