/* DELETE /v1/runs/ID: a finished run with all that is kept of it. Frees its idempotency key. */
#include "api/routes.h"
#include "base/mem.h"
#include "runs/ops.h"

struct removal {
    struct api_request *r; /* NULL: the client is gone; the removal goes on */
    struct run_delete op;
};

static void on_gone(struct api_request *r)
{
    struct removal *d = r->state;
    query_fini(&r->query);
    d->r = NULL;
}

static void on_done(struct run_delete *op)
{
    struct removal *d = op->ctx;
    struct api_request *r = d->r;
    enum err result = op->result;
    mem_free(d);
    if (r == NULL)
        return;
    r->on_gone = NULL;
    if (result == OK) {
        struct api_reply reply;
        reply_init(&reply, 204);
        api_send(r, &reply);
    } else if (result == ERR_NOT_FOUND) {
        api_fail(r, result, "there is no run with that id");
    } else {
        api_fail_run(r, result, NULL, &r->run_id);
    }
}

void handle_run_delete(struct api_request *r)
{
    if (!api_read_run_id(r))
        return;
    struct removal *d = mem_zalloc(sizeof *d);
    if (d == NULL) {
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    d->r = r;
    d->op = (struct run_delete){
        .shard = r->shard, .tenant = r->tenant, .id = r->run_id, .on_done = on_done, .ctx = d};
    r->state = d;
    r->on_gone = on_gone;
    run_delete_start(&d->op);
}
