#include "runs/run.h"

#include <assert.h>

#include "base/log.h"
#include "base/mem.h"
#include "runs/accept.h"
#include "runs/engine.h"
#include "runs/mirror.h"
#include "runs/ops.h"
#include "runs/shard.h"

/* --- making and unmaking ---------------------------------------------------------------------- */

static void on_deadline(struct loop_timer *timer);
static void on_patience(struct loop_timer *timer);
static void on_lazy_end(struct loop_msg *msg);

static struct run *new_run(struct shard *shard, struct str tenant, struct run_spec *spec)
{
    struct run *run = mem_zalloc(sizeof *run);
    if (run == NULL)
        return NULL;
    run->shard = shard;
    run->spec = *spec;
    run->tenant = arena_str(&run->spec.arena, tenant);
    if (run->tenant.at == NULL) {
        mem_free(run);
        return NULL;
    }
    *spec = (struct run_spec){.text = STR_NONE};
    run->tenant_hash = str_hash(tenant); /* its place in the providers' queues */
    run->lane = STR("");
    loop_timer_init(&run->deadline, shard->loop, on_deadline);
    loop_timer_init(&run->patience, shard->loop, on_patience);
    run->lazy_end.on_arrive = on_lazy_end;
    list_init(&run->publish_link);
    list_init(&run->outbox_link);
    list_init(&run->held_link);
    list_init(&run->after_save);
    list_init(&run->attempts);
    list_init(&run->paused);
    tree_init(&run->tree);
    children_init(&run->children);
    list_init(&run->settling);
    list_init(&run->stopping);
    task_init_root(&run->root, run, run->spec.task);
    return run;
}

static void destroy(struct loop_deferred *garbage)
{
    struct run *run = CONTAINER_OF(garbage, struct run, garbage);
    task_fini(&run->root);
    tree_fini(&run->tree);
    child_forget_word(run);
    feed_fini(&run->feed);
    run_spec_fini(&run->spec);
    mem_free(run);
}

static void enter_tables(struct run *run)
{
    struct shard *shard = run->shard;
    run_id_format(&run->id, run->text);
    memcpy(run->trace_id, run->id.bytes, sizeof run->trace_id);
    run->entry.id = run->id;
    run->entry.tenant = run->tenant;
    run->entry.shard = shard->index;
    atomic_init(&run->entry.published_seq, run->feed.last_seq);
    atomic_init(&run->entry.is_stored, run->is_stored);
    map_insert(&shard->runs, &run->by_id, id_hash(&run->id));
    directory_add(&shard->engine->directory, &run->entry);
    atomic_fetch_add_explicit(&shard->live, 1, memory_order_relaxed);
    run->charged = sizeof *run + run->spec.arena.bytes;
    atomic_fetch_add_explicit(&shard->memory, run->charged, memory_order_relaxed);
}

bool run_is_tree(const struct task_spec *root)
{
    return root != NULL && (root->type != TASK_CALL || root->finally != NULL ||
                            root->call == CALL_WORKFLOW /* whose child has to be known */);
}

enum err run_create(struct shard *shard, struct str tenant, struct run_spec *spec,
                    struct run **ret_run)
{
    struct run *run = new_run(shard, tenant, spec);
    if (run == NULL) {
        run_spec_fini(spec);
        return ERR_NOMEM;
    }
    run->created_at_ms = loop_wall_ms(shard->loop);
    run->id = id_next(&shard->ids, run->created_at_ms);
    run->state = RUN_QUEUED;
    if (run_is_tree(run->spec.task))
        run->spec.flags |= RUN_IS_TREE;
    feed_init(&run->feed, 0);
    run->feed.is_lazy = (run->spec.flags & RUN_LAZY) != 0;
    enter_tables(run);
    shard_count(shard, SERIES_RUNS_ACCEPTED, 0, 0, 1);
    *ret_run = run;
    return OK;
}

enum err run_restore(struct shard *shard, const struct run_record *r, struct run_spec *spec,
                     uint64_t store_ref, struct run **ret_run)
{
    struct run *run = new_run(shard, r->tenant, spec);
    if (run == NULL) {
        run_spec_fini(spec);
        return ERR_NOMEM;
    }
    bool in_flight = r->state == RUN_RUNNING || r->state == RUN_CANCELLING;
    /* What may have been told beyond the last commit, under whatever limit, is never told again
     * under the same seq. */
    feed_init(&run->feed, in_flight ? r->seq + UNCOMMITTED_EVENTS_MAX : r->seq);
    run->created_at_ms = r->created_at_ms;
    run->id = r->id;
    run->is_stored = true;
    run->store_ref = store_ref;
    run->retry_of = r->retry_of;
    run->has_retry_of = r->has_retry_of;
    run->lane = arena_str(&run->spec.arena, r->lane);
    enum err e = r->parent.at != NULL ? child_adopt(run, r) : OK;
    if (e != OK) {
        destroy(&run->garbage);
        return e;
    }
    enter_tables(run);
    *ret_run = run;
    return OK;
}

/* Waits it for its children only? */
static void set_idle(struct run *run, bool is_idle)
{
    struct shard *shard = run->shard;
    if (run->children.is_idle == is_idle)
        return;
    run->children.is_idle = is_idle;
    atomic_fetch_add_explicit(&shard->idle, is_idle ? 1u : (unsigned)-1, memory_order_relaxed);
    if (is_idle)
        claim_room(shard->engine);
}

void run_hide(struct run *run)
{
    struct shard *shard = run->shard;
    if (run->is_hidden)
        return;
    run->is_hidden = true;
    loop_timer_stop(&run->deadline);
    loop_timer_stop(&run->patience);
    tree_quiet(run);
    set_idle(run, false);
    directory_remove(&shard->engine->directory, &run->entry);
    map_remove(&shard->runs, &run->by_id);
    atomic_fetch_sub_explicit(&shard->live, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&shard->memory, run->charged, memory_order_relaxed);
    claim_room(shard->engine);
}

void run_trace(struct run *run, char ret_text[64])
{
    static const char hex[] = "0123456789abcdef";
    uint64_t span = rng_next(&run->shard->rng) | 1; /* all zeros are not allowed */
    memcpy(ret_text, "00-", 3);
    char *at = ret_text + 3;
    for (size_t i = 0; i < sizeof run->trace_id; i++) {
        *at++ = hex[run->trace_id[i] >> 4];
        *at++ = hex[run->trace_id[i] & 15];
    }
    *at++ = '-';
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = hex[span >> shift & 15];
    memcpy(at, "-01", 4);
}

void run_evict(struct run *run)
{
    assert(!run->is_gone && run->in_flight == 0 && list_is_empty(&run->attempts));
    if (run->accept != NULL)
        accept_on_ended(run->accept,
                        run); /* its creator still waits: parked, for a gateway that stops */
    ops_on_saved(run);        /* nobody waits for a save that will not come */
    mirror_publish(run);      /* the last of it, before the bytes go */
    mirror_run_gone(run);
    run_hide(run);
    children_forget(run);
    run->is_gone = true;
    list_remove(&run->publish_link);
    list_remove(&run->outbox_link);
    list_remove(&run->held_link);
    loop_free_later(run->shard->loop, &run->garbage, destroy);
}

/* --- telling ---------------------------------------------------------------------------------- */

bool run_is_watched(const struct run *run)
{
    return run->subscriber_count > 0 || (run->accept != NULL && run->accept->streams);
}

struct buf *run_say(struct run *run, enum event_type type, const struct task *task,
                    uint32_t attempt)
{
    struct buf *b = &run->shard->event;
    struct event_head head = {.seq = feed_next_seq(&run->feed),
                              .type = type,
                              .run = {run->text, RUN_ID_TEXT},
                              .at_ms = loop_wall_ms(run->shard->loop),
                              .task = task ? task->path : STR_NONE,
                              .attempt = attempt};
    buf_clear(b);
    event_begin(b, &head);
    return b;
}

/* Of a run that waits nothing is told before it is stored: nothing is in flight as its row has it,
 * so that a crash leaves no gap, and what comes then gets the seq behind the row's. */
static enum event_kind kind_of(const struct run *run, enum event_type type)
{
    return run->state == RUN_WAITING ? EVENT_FACT : event_type_kind(type);
}

void run_tell(struct run *run, enum event_type type, enum save_urgency urgency)
{
    struct buf *b = &run->shard->event;
    event_end(b);
    if (buf_ok(b) != OK || feed_append(&run->feed, kind_of(run, type), buf_str(b)) != OK)
        run_lacks_memory(run);
    shard_count(run->shard, SERIES_EVENTS, 0, 0, 1);
    shard_publish_later(run);
    if (type == EVENT_OUTPUT_DELTA)
        outbox_want_events(run, (int)urgency);
    else
        outbox_want(run, (int)urgency);
}

/* Facts that nobody waits for can share a commit with what comes next. */
static enum save_urgency fact_urgency(const struct run *run)
{
    return run_is_watched(run) ? SAVE_NOW : SAVE_SOON;
}

static void tell_state(struct run *run, enum event_type type, enum save_urgency urgency)
{
    struct buf *b = run_say(run, type, NULL, 0);
    buf_add_lit(b, "{\"reason\":");
    reason_write(b, &run->reason);
    buf_add_char(b, '}');
    run_tell(run, type, urgency);
}

/* --- states ----------------------------------------------------------------------------------- */

void run_enter(struct run *run, enum run_state state, const struct reason *reason)
{
    assert(run_edge_is_legal(run->state, state));
    run->state = state;
    run->reason = reason ? *reason : (struct reason){.code = REASON_NONE};
    switch (state) {
    case RUN_RUNNING: tell_state(run, EVENT_RUN_RUNNING, fact_urgency(run)); break;
    case RUN_WAITING: tell_state(run, EVENT_RUN_WAITING, fact_urgency(run)); break;
    case RUN_CANCELLING: tell_state(run, EVENT_RUN_CANCELLING, SAVE_NOW); break;
    case RUN_QUEUED:
    case RUN_SUCCEEDED:
    case RUN_FAILED:
    case RUN_CANCELLED:
    case RUN_TIMED_OUT: break; /* told by run_queue and run_end */
    }
}

void run_queue(struct run *run, const struct reason *reason, enum save_urgency urgency)
{
    run->reason = reason ? *reason : (struct reason){.code = REASON_NONE};
    tell_state(run, EVENT_RUN_QUEUED, urgency);
}

/* The wall clock says how much of the run's time is left, once; from then on the monotonic one
 * counts. */
void run_arm(struct run *run)
{
    struct loop *loop = run->shard->loop;
    int64_t left_ms = run->created_at_ms + run->spec.timeout_ms - loop_wall_ms(loop);
    run->deadline_ms = loop_now_ms(loop) + (left_ms > 0 ? (uint64_t)left_ms : 0);
    loop_timer_start(&run->deadline, run->deadline_ms);
}

void run_begin(struct run *run)
{
    if (run->stop != STOP_NONE || run_state_is_terminal(run->state))
        return;
    run->started_at_ms = loop_wall_ms(run->shard->loop);
    run_enter(run, RUN_RUNNING, NULL);
    task_begin(&run->root);
}

void run_cancel(struct run *run, const struct reason *reason)
{
    if (run->stop != STOP_NONE || run_state_is_terminal(run->state))
        return;
    run->stop = STOP_CANCEL;
    run->stop_reason = *reason;
    run_enter(run, RUN_CANCELLING, reason);
    task_stop(&run->root, ERR_CANCELLED);
}

static void on_deadline(struct loop_timer *timer)
{
    struct run *run = CONTAINER_OF(timer, struct run, deadline);
    if (run->stop != STOP_NONE || run_state_is_terminal(run->state))
        return;
    run->stop = STOP_TIMEOUT;
    task_stop(&run->root, ERR_RUN_TIMEOUT);
}

/* --- waiting ---------------------------------------------------------------------------------- */

const struct reason *run_waits_for(const struct run *run)
{
    const struct task *first = tree_first_wait(&run->tree);
    if (first == NULL || run->in_flight > 0 || tree_has_agenda(&run->tree))
        return NULL;
    return task_reason(first);
}

/* Where room is short, a run that waits for its children does not keep it from them. */
static bool proves_long(const struct run *run, const struct reason *reason)
{
    int64_t now_ms = loop_wall_ms(run->shard->loop);
    return reason->until_ms > now_ms + WAITING_AFTER_MS ||
           now_ms >= reason->since_ms + WAITING_AFTER_MS ||
           (children_are_waited_for(run, reason) && engine_is_crowded(run->shard->engine));
}

/* When it is looked at again, whether it had better be parked: nothing else would happen then. */
static void look_again(struct run *run)
{
    if (!loop_timer_is_armed(&run->patience))
        loop_timer_start(&run->patience, loop_now_ms(run->shard->loop) + PARK_AFTER_MS);
}

void run_review(struct run *run)
{
    struct shard *shard = run->shard;
    if (run->stop != STOP_NONE || run_state_is_terminal(run->state)) {
        set_idle(run, false);
        return;
    }
    const struct reason *reason = run_waits_for(run);
    set_idle(run, children_are_waited_for(run, reason) && !run->is_hidden);
    if (reason == NULL) {
        loop_timer_stop(&run->patience);
        if (run->state == RUN_WAITING && run->in_flight > 0)
            run_enter(run, RUN_RUNNING, NULL);
        return;
    }
    if (run->state == RUN_WAITING)
        run->reason = *reason; /* another one is the earliest now */
    if (run->state == RUN_WAITING && children_are_waited_for(run, reason))
        look_again(run);
    if (run->state != RUN_RUNNING)
        return;
    if (proves_long(run, reason)) {
        loop_timer_stop(&run->patience);
        run_enter(run, RUN_WAITING, reason);
        if (children_are_waited_for(run, reason))
            look_again(run);
    } else if (!loop_timer_is_armed(&run->patience)) {
        loop_timer_start(&run->patience, loop_now_ms(shard->loop) + WAITING_AFTER_MS);
    }
}

static void on_patience(struct loop_timer *timer)
{
    struct run *run = CONTAINER_OF(timer, struct run, patience);
    const struct reason *reason = run_waits_for(run);
    if (reason == NULL || run->stop != STOP_NONE)
        return;
    if (run->state == RUN_RUNNING) {
        run_enter(run, RUN_WAITING, reason);
        if (children_are_waited_for(run, reason))
            look_again(run);
    } else if (run_may_park(run)) {
        outbox_want(run, SAVE_SOON);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static enum run_state state_of_root(const struct run *run)
{
    switch (run->root.state) {
    case TASK_SUCCEEDED: return RUN_SUCCEEDED;
    case TASK_CANCELLED: return RUN_CANCELLED;
    case TASK_TIMED_OUT: return RUN_TIMED_OUT;
    case TASK_FAILED:
    case TASK_SKIPPED:
    case TASK_PENDING:
    case TASK_RUNNING:
    case TASK_RETRYING:
    case TASK_BLOCKED: break;
    }
    return RUN_FAILED;
}

static void tell_end(struct run *run)
{
    struct run_record record;
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    if (run_record(run, &arena, &record) == OK) {
        uint64_t seq = feed_next_seq(&run->feed);
        struct buf *b = run_say(run, EVENT_RUN_FINISHED, NULL, 0);
        buf_add_lit(b, "{\"run\":");
        run_record_write(b, &record, seq, true, run->shard->base_path);
        buf_add_char(b, '}');
        run_tell(run, EVENT_RUN_FINISHED, run->feed.is_lazy ? SAVE_SOON : SAVE_NOW);
    } else {
        run_lacks_memory(run);
    }
    arena_fini(&arena);
}

static void on_lazy_end(struct loop_msg *msg)
{
    struct run *run = CONTAINER_OF(msg, struct run, lazy_end);
    if (run->accept != NULL)
        accept_on_ended(run->accept, run);
}

void run_end(struct run *run)
{
    loop_timer_stop(&run->deadline);
    loop_timer_stop(&run->patience);
    run->finished_at_ms = loop_wall_ms(run->shard->loop);
    run_enter(run, state_of_root(run), NULL);
    run->release = true;
    shard_count(run->shard, SERIES_RUNS_FINISHED, series_run_state((int)run->state), 0, 1);
    shard_observe(run->shard, SERIES_RUN_SECONDS, 0,
                  (uint64_t)(run->finished_at_ms - run->created_at_ms));
    tell_end(run);
    log_debug(log_msg("run ended"), log_str("run", (struct str){run->text, RUN_ID_TEXT}),
              log_s("state", run_state_name(run->state)));
    if (!run->feed.is_lazy)
        return;
    outbox_want_end(run);
    if (run->accept != NULL)
        loop_soon(run->shard->loop,
                  &run->lazy_end); /* told before it is stored, as was asked for */
}
