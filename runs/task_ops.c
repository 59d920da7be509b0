#include "runs/task_ops.h"

#include <stdio.h>

#include "runs/engine.h"

/* --- all of them ------------------------------------------------------------------------------ */

static void on_got(struct store_op *op)
{
    struct tasks_get *g = CONTAINER_OF(op, struct tasks_get, read.op);
    g->result = op->result == STORE_OK       ? OK
                : op->result == STORE_ABSENT ? ERR_NOT_FOUND
                                             : ERR_STORAGE_UNAVAILABLE;
    g->on_done(g);
}

static void read_tasks(struct tasks_get *g)
{
    g->read.op = (struct store_op){.kind = STORE_TASKS, .loop = g->shard->loop, .on_done = on_got};
    g->read.tenant = g->tenant;
    g->read.id = g->id;
    arena_init(&g->read.arena, SIZE_MAX / 2);
    store_start(g->shard->store, &g->read.op);
}

static void on_settled(struct settle *s)
{
    read_tasks(CONTAINER_OF(s, struct tasks_get, settle));
}

void tasks_get_start(struct tasks_get *g)
{
    struct directory_hit hit;
    if (!directory_find(&g->shard->engine->directory, g->tenant, &g->id, &hit) || hit.is_stored) {
        read_tasks(g);
        return;
    }
    g->settle = (struct settle){.from = g->shard,
                                .to = &g->shard->engine->shards[hit.shard],
                                .id = g->id,
                                .on_settled = on_settled};
    settle_start(&g->settle);
}

void tasks_get_fini(struct tasks_get *g)
{
    arena_fini(&g->read.arena);
}

/* --- the end of one --------------------------------------------------------------------------- */

enum { PULL_BYTES = 65536 };

static void finish(struct task_await *w)
{
    task_await_stop(w);
    w->on_done(w);
}

/* Is one of the lines the end of this task? Only ends are asked for. */
static bool tells_end(struct task_await *w)
{
    struct str lines = buf_str(&w->lines);
    struct event_line line;
    while (event_next_line(&lines, &line)) {
        struct str path = event_line_task(&line);
        if (path.at != NULL && str_eq(path, w->path))
            return true;
    }
    return false;
}

static void look(struct task_await *w)
{
    do {
        buf_clear(&w->lines);
        follow_pull(w->follow, &w->lines, PULL_BYTES);
        if (tells_end(w)) {
            finish(w);
            return;
        }
    } while (w->lines.len > 0);
    if (follow_is_over(w->follow))
        finish(w);
}

static void on_opened(struct follow *f, void *ctx)
{
    if (f->opened != OK || f->is_past_end)
        finish(ctx);
    else
        look(ctx);
}

static void on_ready(struct follow *f, void *ctx)
{
    (void)f;
    look(ctx);
}

static void on_time(struct loop_timer *timer)
{
    finish(CONTAINER_OF(timer, struct task_await, timer));
}

void task_await_start(struct task_await *w)
{
    struct follow_options o = {
        .tenant = w->tenant,
        .id = w->id,
        .after = w->after,
        .types = event_set_of(EVENT_TASK_SUCCEEDED) | event_set_of(EVENT_TASK_FAILED) |
                 event_set_of(EVENT_TASK_CANCELLED) | event_set_of(EVENT_TASK_TIMED_OUT) |
                 event_set_of(EVENT_TASK_SKIPPED),
        .format = FRAME_NDJSON,
        .to_the_end = true,
        .on_opened = on_opened,
        .on_ready = on_ready,
        .ctx = w};
    buf_init(&w->lines, SIZE_MAX / 2);
    loop_timer_init(&w->timer, w->shard->loop, on_time);
    if (follow_open(w->shard, &o, &w->follow) != OK) {
        w->follow = NULL;
        loop_timer_start(&w->timer, 0); /* no memory to wait: the answer is the task as it is */
        return;
    }
    loop_timer_start(&w->timer, w->until_ms);
}

void task_await_stop(struct task_await *w)
{
    loop_timer_stop(&w->timer);
    follow_close(w->follow);
    w->follow = NULL;
    buf_fini(&w->lines);
}
