#include "runs/ops.h"

#include "runs/engine.h"

enum {
    MAX_TRIES = 100, /* looks for a run that is on its way from the store to its loop */
    TRY_MS = 5,
};

/* --- waiting until what is known is stored ---------------------------------------------------- */

static void on_settle_home(struct loop_msg *msg)
{
    struct settle *s = CONTAINER_OF(msg, struct settle, msg);
    s->on_settled(s);
}

static void send_home(struct settle *s)
{
    s->msg.on_arrive = on_settle_home;
    loop_post(s->from->loop, &s->msg);
}

static void on_settle_asked(struct loop_msg *msg)
{
    struct settle *s = CONTAINER_OF(msg, struct settle, msg);
    struct run *run = shard_find(s->to, &s->id);
    if (run == NULL || run->is_stored) {
        send_home(s);
        return;
    }
    outbox_want(run, SAVE_NOW);
    list_push_back(&run->settling, &s->link);
}

void settle_start(struct settle *s)
{
    list_init(&s->link);
    s->msg.on_arrive = on_settle_asked;
    loop_post(s->to->loop, &s->msg);
}

/* --- the run as it is ------------------------------------------------------------------------- */

static void on_got(struct store_op *op)
{
    struct run_get *g = CONTAINER_OF(op, struct run_get, read.op);
    g->result = op->result == STORE_OK       ? OK
                : op->result == STORE_ABSENT ? ERR_NOT_FOUND
                                             : ERR_STORAGE_UNAVAILABLE;
    if (g->result == OK && g->last_seq < g->read.run.seq)
        g->last_seq = g->read.run.seq;
    g->on_done(g);
}

static void read_run(struct run_get *g)
{
    g->read.op = (struct store_op){.kind = STORE_GET, .loop = g->shard->loop, .on_done = on_got};
    g->read.tenant = g->tenant;
    g->read.id = g->id;
    arena_init(&g->read.arena, 268435456);
    store_start(g->shard->store, &g->read.op);
}

static void on_get_settled(struct settle *s)
{
    read_run(CONTAINER_OF(s, struct run_get, settle));
}

void run_get_start(struct run_get *g)
{
    struct directory_hit hit;
    g->last_seq = 0;
    bool live = directory_find(&g->shard->engine->directory, g->tenant, &g->id, &hit);
    if (live)
        g->last_seq = hit.published_seq;
    if (!live || hit.is_stored) {
        read_run(g);
        return;
    }
    g->settle = (struct settle){.from = g->shard,
                                .to = &g->shard->engine->shards[hit.shard],
                                .id = g->id,
                                .on_settled = on_get_settled};
    settle_start(&g->settle);
}

void run_get_fini(struct run_get *g)
{
    arena_fini(&g->read.arena);
}

/* --- its end ---------------------------------------------------------------------------------- */

static void finish_wait(struct run_wait *w, enum err result)
{
    run_wait_stop(w);
    w->result = result;
    w->on_done(w);
}

static void on_wait_opened(struct follow *f, void *ctx)
{
    if (f->opened != OK || f->is_over)
        finish_wait(ctx, f->opened);
}

static void on_wait_ready(struct follow *f, void *ctx)
{
    if (f->is_over)
        finish_wait(ctx, OK);
}

static void on_wait_timer(struct loop_timer *timer)
{
    finish_wait(CONTAINER_OF(timer, struct run_wait, timer), OK);
}

void run_wait_start(struct run_wait *w)
{
    struct follow_options o = {.tenant = w->tenant,
                               .id = w->id,
                               .types = EVENT_SET_ALL,
                               .to_the_end = true,
                               .only_end = true,
                               .on_opened = on_wait_opened,
                               .on_ready = on_wait_ready,
                               .ctx = w};
    loop_timer_init(&w->timer, w->shard->loop, on_wait_timer);
    if (follow_open(w->shard, &o, &w->follow) != OK) {
        w->follow = NULL;
        loop_timer_start(&w->timer,
                         0); /* there is no memory to wait: answer with the run as it is */
        return;
    }
    loop_timer_start(&w->timer, w->until_ms);
}

void run_wait_stop(struct run_wait *w)
{
    loop_timer_stop(&w->timer);
    follow_close(w->follow);
    w->follow = NULL;
}

/* --- cancelling ------------------------------------------------------------------------------- */

static void on_stop_home(struct loop_msg *msg)
{
    struct run_stop *s = CONTAINER_OF(msg, struct run_stop, msg);
    s->on_done(s);
}

static void stop_home(struct run_stop *s, enum err result)
{
    s->result = result;
    s->msg.on_arrive = on_stop_home;
    loop_post(s->shard->loop, &s->msg);
}

static void on_stop_again(struct loop_timer *timer)
{
    run_stop_start(CONTAINER_OF(timer, struct run_stop, again));
}

/* Between two places: it is looked for once more. */
static void stop_again(struct run_stop *s)
{
    if (s->tries++ >= MAX_TRIES) {
        s->result = ERR_STORAGE_UNAVAILABLE;
        s->on_done(s);
        return;
    }
    loop_timer_init(&s->again, s->shard->loop, on_stop_again);
    loop_timer_start(&s->again, loop_now_ms(s->shard->loop) + TRY_MS);
}

static void on_stop_missed(struct loop_msg *msg)
{
    stop_again(CONTAINER_OF(msg, struct run_stop, msg));
}

static enum err stop_task(struct run_stop *s, struct run *run)
{
    struct task *t = tree_find(run, s->path);
    if (t == NULL || t->phase == PHASE_ENDED)
        return ERR_CONFLICT;
    enum err e = task_cancel(t, str_of(s->reason.note));
    if (e == OK)
        outbox_want(run, SAVE_NOW); /* also where nothing is told yet: what is shielded goes on */
    return e;
}

/* What there is to stop, is. */
static enum err stop_now(struct run_stop *s, struct run *run, bool had_ended)
{
    if (had_ended)
        return ERR_RUN_FINISHED;
    if (s->path.len > 0)
        return stop_task(s, run);
    run_cancel(run, &s->reason);
    return OK;
}

/* On the owner's loop: answers once the cancel is stored. */
static void stop_here(struct run_stop *s, struct run *run, bool had_ended)
{
    enum err result = stop_now(s, run, had_ended);
    if (run->is_saving || run->wanted != SAVE_NOTHING) {
        s->result = result;
        outbox_want(run, SAVE_NOW);
        list_push_back(&run->stopping, &s->link);
        return;
    }
    stop_home(s, result);
}

static void on_stop_asked(struct loop_msg *msg)
{
    struct run_stop *s = CONTAINER_OF(msg, struct run_stop, msg);
    struct run *run = shard_find(s->to, &s->id);
    if (run != NULL && !run_is_leaving(run)) {
        stop_here(s, run, run_state_is_terminal(run->state));
        return;
    }
    s->msg.on_arrive = on_stop_missed;
    loop_post(s->shard->loop, &s->msg);
}

static void take_in(struct run_stop *s);

static void on_take_in_again(struct loop_timer *timer)
{
    take_in(CONTAINER_OF(timer, struct run_stop, again));
}

/* One for which there was no memory is tried again: it is ours, so that nobody else would. */
static void take_in(struct run_stop *s)
{
    enum err e = run_reopen(s->shard, &s->claim.runs[0]);
    struct run *run = shard_find(s->shard, &s->id);
    if (e == ERR_NOMEM && run == NULL) {
        loop_timer_init(&s->again, s->shard->loop, on_take_in_again);
        loop_timer_start(&s->again, loop_now_ms(s->shard->loop) + TRY_MS);
        return;
    }
    arena_fini(&s->claim.arena);
    if (e != OK || run == NULL) {
        stop_again(s);
        return;
    }
    stop_here(s, run, false); /* if it has, then by this cancel */
    if (s->shard->is_parking)
        run_park(run);
}

/* The store has nothing to stop. */
static void stop_in_vain(struct run_stop *s, enum store_result why)
{
    s->result = why == STORE_ABSENT     ? ERR_NOT_FOUND
                : why == STORE_CONFLICT ? ERR_RUN_FINISHED
                                        : ERR_STORAGE_UNAVAILABLE;
    s->on_done(s);
}

/* It was taken out of the store, with the order to cancel it in its row. */
static void on_stop_claimed(struct store_op *op)
{
    struct run_stop *s = CONTAINER_OF(op, struct run_stop, claim.op);
    if (op->result != STORE_OK) {
        arena_fini(&s->claim.arena);
        if (op->result == STORE_ABSENT || op->result == STORE_CONFLICT)
            stop_in_vain(s, op->result); /* while it was looked for */
        else
            stop_again(s);
        return;
    }
    if (s->claim.runs[0].run.state == RUN_QUEUED)
        claim_count(s->shard, s->claim.runs[0].run.lane, -1);
    take_in(s);
}

/* A parked run is woken for it. */
static void take_out(struct run_stop *s)
{
    arena_init(&s->claim.arena, SIZE_MAX / 2);
    s->claim.op =
        (struct store_op){.kind = STORE_CLAIM, .loop = s->shard->loop, .on_done = on_stop_claimed};
    s->claim.by_id = true;
    s->claim.tenant = s->tenant;
    s->claim.id = s->id;
    store_start(s->shard->store, &s->claim.op);
}

static void on_stop_commanded(struct store_op *op)
{
    struct run_stop *s = CONTAINER_OF(op, struct run_stop, command.op);
    if (op->result == STORE_OK)
        take_out(s);
    else
        stop_in_vain(s, op->result);
}

static void command(struct run_stop *s)
{
    s->command.op = (struct store_op){
        .kind = STORE_COMMAND, .loop = s->shard->loop, .on_done = on_stop_commanded};
    s->command.tenant = s->tenant;
    s->command.id = s->id;
    s->command.note = s->reason.code == REASON_PARENT_CANCELLED
                          ? str_of(reason_code_name(s->reason.code))
                          : str_of(s->reason.note);
    store_start(s->shard->store, &s->command.op);
}

void run_stop_start(struct run_stop *s)
{
    struct directory_hit hit;
    list_init(&s->link);
    if (!directory_find(&s->shard->engine->directory, s->tenant, &s->id, &hit)) {
        if (s->path.len > 0)
            take_out(s); /* the word that is left for a run's owner is of the whole run */
        else
            command(s);
        return;
    }
    s->to = &s->shard->engine->shards[hit.shard];
    s->msg.on_arrive = on_stop_asked;
    loop_post(s->to->loop, &s->msg);
}

/* --- removing --------------------------------------------------------------------------------- */

static void on_deleted(struct store_op *op)
{
    struct run_delete *d = CONTAINER_OF(op, struct run_delete, remove.op);
    d->result = op->result == STORE_OK         ? OK
                : op->result == STORE_ABSENT   ? ERR_NOT_FOUND
                : op->result == STORE_CONFLICT ? ERR_RUN_NOT_FINISHED
                                               : ERR_STORAGE_UNAVAILABLE;
    d->on_done(d);
}

void run_delete_start(struct run_delete *d)
{
    d->remove.op =
        (struct store_op){.kind = STORE_DELETE, .loop = d->shard->loop, .on_done = on_deleted};
    d->remove.tenant = d->tenant;
    d->remove.id = d->id;
    store_start(d->shard->store, &d->remove.op);
}

/* --- from the run ----------------------------------------------------------------------------- */

void ops_on_saved(struct run *run)
{
    struct list *link;
    while ((link = list_pop_front(&run->settling)) != NULL)
        send_home(CONTAINER_OF(link, struct settle, link));
    if (run->wanted != SAVE_NOTHING)
        return; /* what was asked for is in the next one */
    while ((link = list_pop_front(&run->stopping)) != NULL) {
        struct run_stop *s = CONTAINER_OF(link, struct run_stop, link);
        stop_home(s, s->result);
    }
}
