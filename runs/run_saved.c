/* A run and the store: what is kept of it, what follows from a save, and how it ends without. */
#include "base/log.h"
#include "runs/accept.h"
#include "runs/attempt.h"
#include "runs/claim.h"
#include "runs/engine.h"
#include "runs/mirror.h"
#include "runs/ops.h"
#include "runs/run.h"
#include "runs/shard.h"

enum err run_record(struct run *run, struct arena *arena, struct run_record *ret_record)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    buf_add_char(&b, '[');
    if (task_is_call(&run->root))
        call_write_attempts(&b, &run->root);
    buf_add_char(&b, ']');
    size_t attempts_len = b.len;
    if (run->reason.code != REASON_NONE)
        reason_write(&b, &run->reason);
    struct str text = buf_ok(&b) == OK ? arena_str(arena, buf_str(&b)) : STR_NONE;
    buf_fini(&b);
    if (text.at == NULL)
        return ERR_NOMEM;
    const struct run_spec *spec = &run->spec;
    *ret_record = (struct run_record){
        .id = run->id,
        .tenant = run->tenant,
        .state = run->state,
        .seq = run->feed.last_seq,
        .created_at_ms = run->created_at_ms,
        .started_at_ms = run->started_at_ms,
        .finished_at_ms = run->finished_at_ms,
        .timeout_ms = spec->timeout_ms,
        .flags = spec->flags,
        .agent = spec->agent,
        .workflow = spec->workflow,
        .workflow_version = spec->workflow_version,
        .definition = spec->definition,
        .name = spec->name,
        .spec = spec->text,
        .input = spec->input,
        .metadata = spec->metadata,
        .task_state = run->root.state,
        .attempts = {text.at, attempts_len},
        .output = run->root.output,
        .error = run->root.error,
        .reason = text.len > attempts_len
                      ? (struct str){text.at + attempts_len, text.len - attempts_len}
                      : STR_NONE,
        .usage = run->root.usage,
        .lane = run->lane,
        .wake_at_ms = run->wake_at_ms,
        .idem_scope = run->idem_scope,
        .idem_key = run->idem_key,
        .parent = run->parent,
        .retry_of = run->retry_of,
        .has_retry_of = run->has_retry_of,
    };
    memcpy(ret_record->idem_digest, run->idem_digest, sizeof run->idem_digest);
    return OK;
}

void run_charge(struct run *run)
{
    size_t bytes = sizeof *run + run->spec.arena.bytes + run->feed.bytes + run->tree.bytes;
    if (run->is_hidden)
        return;
    atomic_fetch_add_explicit(&run->shard->memory, bytes - run->charged, memory_order_relaxed);
    run->charged = bytes;
}

/* Where too many of its events are not stored, they are on their way, and their commit looks again.
 * A full store may have nothing of it to commit. */
void run_go_on(struct run *run)
{
    bool has_paused = !list_is_empty(&run->paused) || tree_has_agenda(&run->tree);
    if (has_paused && store_is_full(run->shard->store))
        outbox_hold(run);
    if (!has_paused || run_is_ahead(run))
        return;
    LIST_EACH_SAFE (it, &run->paused)
        attempt_unpause(CONTAINER_OF(it, struct attempt, paused));
    tree_go_on(run);
}

static void go_on_after_save(struct run *run, uint64_t seq)
{
    LIST_EACH_SAFE (it, &run->after_save) {
        struct attempt *a = CONTAINER_OF(it, struct attempt, after_save);
        if (a->send_after_seq <= seq)
            attempt_on_saved(a);
    }
    run_go_on(run);
}

void run_on_saved(struct run *run, uint64_t seq)
{
    if (run->is_wrecked)
        shard_publish_later(run); /* that waited for this save */
    run_charge(run);
    mirror_publish(run);
    if (run->accept != NULL)
        accept_on_saved(run->accept, run);
    if (run->begin_when_saved) {
        run->begin_when_saved = false;
        run_begin(run);
    }
    go_on_after_save(run, seq);
    children_go_on(run);
    ops_on_saved(run);
    if (!run->release || run->wanted != SAVE_NOTHING)
        return;
    if (run_state_is_terminal(run->state)) {
        child_tell_end(run);
        if (run->accept != NULL)
            accept_on_ended(run->accept, run);
    } else if (!run->shard->is_parking) {
        claim_note(run->shard->engine, run->lane, run->wake_at_ms);
    }
    run_evict(run);
}

bool run_is_ahead(const struct run *run)
{
    return feed_uncommitted(&run->feed) > run->shard->limits->uncommitted_events * 3 / 4 ||
           store_is_full(run->shard->store);
}

static void cancel_attempts(struct run *run)
{
    while (!list_is_empty(&run->attempts))
        attempt_cancel(CONTAINER_OF(run->attempts.next, struct attempt, of_run));
}

/* Ends it without a trace: nobody was told that it exists. */
static void drop(struct run *run)
{
    run->stop = STOP_CANCEL;
    run->wanted = SAVE_NOTHING;
    list_remove(&run->outbox_link);
    cancel_attempts(run);
    run_evict(run);
}

void run_on_refused(struct run *run, enum err e, const struct id *existing, bool same_body)
{
    struct accept *accept = run->accept;
    run->accept = NULL;
    if (run->release && run->state == RUN_QUEUED && !run->shard->is_parking)
        claim_count(run->shard, run->lane, -1); /* it was to wait in the store */
    if (accept != NULL)
        accept_on_refused(accept, e, existing, same_body);
    drop(run);
}

void run_on_lost(struct run *run)
{
    if (run->accept != NULL)
        accept_on_refused(run->accept, ERR_INTERNAL, NULL, false);
    run->accept = NULL;
    drop(run);
}

/* --- out of memory -----------------------------------------------------------------------------
 */

/* As if the process had died for this run alone: what is not committed is forgotten, and the store
 * has it again. */
void run_lacks_memory(struct run *run)
{
    run->is_wrecked = true;
    shard_publish_later(run);
}

void run_wreck(struct run *run)
{
    if (run->is_saving || run->is_hidden)
        return; /* looked at again after the save; or it is leaving already */
    log_error(log_msg("out of memory in a run"),
              log_str("run", (struct str){run->text, RUN_ID_TEXT}));
    if (!run->is_stored) {
        run_on_refused(run, ERR_OVERLOADED, NULL, false);
        return;
    }
    tree_quiet(run);
    cancel_attempts(run);
    tree_forget_changes(run);
    children_forget(run);
    uint64_t committed_seq = run->feed.committed.seq;
    feed_fini(&run->feed);
    feed_init(&run->feed, committed_seq);
    run->is_wrecked = false;
    run->stop = STOP_CANCEL;
    run->state = RUN_RUNNING;
    run->root.state = TASK_RUNNING;
    run->release = true;
    run->wake_at_ms = 0;
    if (run->accept != NULL)
        accept_on_refused(run->accept, ERR_OVERLOADED, NULL, false);
    run->accept = NULL;
    outbox_want(run, SAVE_NOW);
}
