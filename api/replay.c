#include "api/replay.h"

/* It says nothing about the body: another one under the same key is told that first. */
static bool is_of_the_moment(enum err e)
{
    return e == ERR_RATE_LIMITED || e == ERR_QUEUE_FULL || e == ERR_OVERLOADED;
}

bool replay_is_possible(enum err refused)
{
    return refused != ERR_DRAINING && refused != ERR_STORAGE_UNAVAILABLE;
}

static void on_looked(struct store_op *op)
{
    struct replay *p = CONTAINER_OF(op, struct replay, twin.op);
    bool is_there = op->result == STORE_OK;
    p->found = is_there && p->twin.same_body;
    if (is_there && !p->found && is_of_the_moment(p->problem.code)) {
        problem_init(&p->problem);
        p->problem.code = ERR_IDEMPOTENCY_MISMATCH;
    }
    p->on_done(p);
}

void replay_start(struct replay *p)
{
    p->found = false;
    p->twin.op =
        (struct store_op){.kind = STORE_TWIN, .loop = p->shard->loop, .on_done = on_looked};
    store_start(p->shard->store, &p->twin.op);
}
