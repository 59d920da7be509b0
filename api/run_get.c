/* GET of a run and of what came of it: the run itself, its output. With `Prefer:
 * wait` once it has ended, or when the time is over. */
#include "api/routes.h"
#include "base/mem.h"
#include "runs/ops.h"

struct get {
    struct api_request *r; /* NULL: the client is gone */
    struct run_wait wait;
    bool is_waiting;
    uint64_t wait_ms; /* 0: none was asked for */
    struct run_get op;
    void (*answer)(struct get *g, const struct run_record *run, struct api_reply *reply);
};

static void fail(struct api_request *r, enum err code, const char *detail)
{
    api_fail_run(r, code, detail, code == ERR_NOT_FOUND ? NULL : &r->run_id);
}

static void on_got(struct run_get *op)
{
    struct get *g = op->ctx;
    struct api_request *r = g->r;
    if (r != NULL)
        r->on_gone = NULL;
    if (r != NULL && op->result == OK) {
        struct api_reply reply;
        reply_init(&reply, 200);
        reply_waited(&reply, g->wait_ms);
        g->answer(g, &op->read.run, &reply);
    } else if (r != NULL) {
        fail(r, op->result, op->result == ERR_NOT_FOUND ? "there is no run with that id" : NULL);
    }
    run_get_fini(op);
    mem_free(g);
}

static void read_run(struct get *g)
{
    g->op = (struct run_get){.shard = g->r->shard,
                             .tenant = g->r->tenant,
                             .id = g->r->run_id,
                             .on_done = on_got,
                             .ctx = g};
    run_get_start(&g->op);
}

static void on_waited(struct run_wait *w)
{
    struct get *g = w->ctx;
    g->is_waiting = false;
    read_run(g);
}

static void on_gone(struct api_request *r)
{
    struct get *g = r->state;
    query_fini(&r->query);
    g->r = NULL;
    if (g->is_waiting) {
        run_wait_stop(&g->wait);
        mem_free(g);
    }
}

/* The run as it is, for a client that waits for its end. */
static void on_hurry(struct api_request *r)
{
    struct get *g = r->state;
    if (!g->is_waiting)
        return;
    run_wait_stop(&g->wait);
    g->is_waiting = false;
    read_run(g);
}

static void start(struct api_request *r, bool may_wait,
                  void (*answer)(struct get *g, const struct run_record *run,
                                 struct api_reply *reply))
{
    if (!api_read_run_id(r))
        return;
    struct get *g = mem_zalloc(sizeof *g);
    if (g == NULL) {
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    g->r = r;
    g->answer = answer;
    g->wait_ms = may_wait ? api_wait_ms(r, 0) : 0;
    r->state = g;
    r->on_gone = on_gone;
    if (g->wait_ms == 0) {
        read_run(g);
        return;
    }
    r->on_hurry = on_hurry;
    g->is_waiting = true;
    g->wait = (struct run_wait){.shard = r->shard,
                                .tenant = r->tenant,
                                .id = r->run_id,
                                .until_ms = loop_now_ms(r->shard->loop) + g->wait_ms,
                                .on_done = on_waited,
                                .ctx = g};
    run_wait_start(&g->wait);
}

/* --- the run ---------------------------------------------------------------------------------- */

static void answer_run(struct get *g, const struct run_record *run, struct api_reply *reply)
{
    run_record_write(&reply->body, run, g->op.last_seq, false, g->r->api->base_path);
    api_send(g->r, reply);
}

void handle_run_get(struct api_request *r)
{
    start(r, true, answer_run);
}

/* --- its output ------------------------------------------------------------------------------- */

static void answer_output(struct get *g, const struct run_record *run, struct api_reply *reply)
{
    if (run->state == RUN_SUCCEEDED) {
        json_add_or_null(&reply->body, run->output);
        api_send(g->r, reply);
    } else if (run_state_is_terminal(run->state)) {
        fail(g->r, ERR_CONFLICT, "the run did not succeed: it has no output");
    } else {
        fail(g->r, ERR_RUN_NOT_FINISHED, NULL);
    }
}

void handle_run_output(struct api_request *r)
{
    start(r, false, answer_output);
}
