/* shield and circuit: a task around one other. A shield lets no stop from above through
 * (task_stop); a circuit asks its fuse before it begins, and tells it afterwards. */
#include <stdio.h>

#include "runs/engine.h"
#include "runs/task_kind.h"

static void on_child(struct task *t, struct task *child)
{
    if (task_has_failed(child))
        group_decide(t, child->index);
}

static void conclude(struct task *t)
{
    if (t->group.cause != GROUP_NO_CAUSE)
        group_fail(t, t->group.cause);
    else
        group_succeed_as(t, t->group.at[0]);
}

const struct task_kind task_kind_shield = {.begin = task_begin_children,
                                           .next = task_next_in_order,
                                           .on_child = on_child,
                                           .conclude = conclude};

/* --- circuit ---------------------------------------------------------------------------------- */

static struct fuse_policy policy_of(const struct task_spec *spec)
{
    return (struct fuse_policy){.failures = (uint32_t)spec->fail_max,
                                .window_ms = (uint32_t)spec->window_ms,
                                .reset_ms = (uint32_t)spec->reset_timeout_ms};
}

/* No provider was asked: what is open, or too many, is the circuit. */
static void refuse(struct task *t, enum err code)
{
    char text[128] = "";
    if (code == ERR_BREAKER_OPEN)
        snprintf(text, sizeof text, "The circuit %.*s is open", STR_ARG(t->spec->circuit));
    else if (code == ERR_LIMIT_EXCEEDED)
        snprintf(text, sizeof text, "%d circuits are in use already", FUSES_MAX);
    task_fail(t, TASK_FAILED,
              &(struct failure){.code = code, .message = str_of(text), .task = t->path});
}

static void begin_circuit(struct task *t)
{
    struct run *run = t->run;
    struct shard *shard = run->shard;
    struct fuse_policy policy = policy_of(t->spec);
    enum err e = fuse_take(&shard->engine->fuses, run->tenant, t->spec->circuit, &policy,
                           loop_now_ms(shard->loop), &t->hold.fuse, &t->hold.pass);
    if (e == OK)
        task_begin_children(t);
    else
        refuse(t, e);
}

static void give_back(struct task *t, enum err code)
{
    struct shard *shard = t->run->shard;
    if (t->hold.fuse == NULL)
        return;
    fuse_give(&shard->engine->fuses, t->hold.fuse, t->hold.pass, code, loop_now_ms(shard->loop),
              &shard->rng);
    t->hold.fuse = NULL;
}

/* What ended says of the circuit; one that was stopped says nothing. */
static void on_end_inside(struct task *t, struct task *child)
{
    bool was_stopped = child->state == TASK_CANCELLED;
    give_back(t, was_stopped ? ERR_CANCELLED : task_has_failed(child) ? child->code : OK);
    on_child(t, child);
}

static void stop_circuit(struct task *t)
{
    give_back(t, ERR_CANCELLED);
}

/* Its run leaves memory, and comes back: what is inside goes on, and is counted. */
static void leave_circuit(struct task *t)
{
    if (t->hold.fuse != NULL)
        fuse_leave(&t->run->shard->engine->fuses, t->hold.fuse, t->hold.pass);
    t->hold.fuse = NULL;
}

static void reopen_circuit(struct task *t)
{
    struct run *run = t->run;
    struct shard *shard = run->shard;
    struct fuse_policy policy = policy_of(t->spec);
    bool goes_on = t->stop == OK;
    if (goes_on && !fuse_return(&shard->engine->fuses, run->tenant, t->spec->circuit, &policy,
                                loop_now_ms(shard->loop), &t->hold.fuse, &t->hold.pass))
        t->hold.fuse = NULL;
}

const struct task_kind task_kind_circuit = {.begin = begin_circuit,
                                            .stop = stop_circuit,
                                            .fini = leave_circuit,
                                            .reopen = reopen_circuit,
                                            .next = task_next_in_order,
                                            .on_child = on_end_inside,
                                            .conclude = conclude};
