/* A run that comes back from the store: one that was queued or parked, or that a dead gateway left
 * in the middle.
 *
 *     queued    begins
 *     waiting   goes on waiting, or tries again if its time has come
 *     running   what was in flight is lost: the events that may have been told and not stored
 *               are covered by a stream.gap, the attempt is closed as lost, and the call is tried
 *               again or fails, as on_crash says
 *     cancelling is stopped */
#include "base/log.h"
#include "base/mem.h"
#include "runs/accept.h"
#include "runs/attempt.h"
#include "runs/engine.h"
#include "runs/shard.h"
#include "runs/tree_reopen.h"
#include "store/store.h"

/* The row's state is a fact that was told, so it is taken over without an event. */
static void restore_state(struct run *run, const struct run_record *r)
{
    struct task *root = &run->root;
    run->state = r->state;
    run->started_at_ms = r->started_at_ms;
    reason_read(&run->reason, r->reason);
    root->started_at_ms = r->started_at_ms;
    root->usage = r->usage;
    root->state = r->task_state;
    bool waits = root->state == TASK_RETRYING || root->state == TASK_BLOCKED;
    if (waits && task_set_reason(root, &run->reason) != OK)
        run_lacks_memory(run);
}

static void tell_gap(struct run *run, uint64_t committed_seq)
{
    uint64_t own = feed_next_seq(&run->feed);
    struct buf *b = run_say(run, EVENT_STREAM_GAP, NULL, 0);
    buf_addf(b, "{\"from\":%llu,\"to\":%llu}", (unsigned long long)committed_seq + 1,
             (unsigned long long)own - 1);
    run_tell(run, EVENT_STREAM_GAP, SAVE_NOW);
}

static void tell_lost(struct task *t)
{
    struct run *run = t->run;
    const struct call_state *c = &t->call;
    struct buf *b = run_say(run, EVENT_ATTEMPT_LOST, t, c->attempts);
    buf_add_lit(b, "{\"provider\":");
    json_add_string(b, c->last_provider);
    buf_add_lit(b, ",\"model\":");
    json_add_string(b, c->last_model);
    buf_add_char(b, '}');
    run_tell(run, EVENT_ATTEMPT_LOST, SAVE_SOON);
}

static void go_on(struct run *run, const struct store_claimed *claimed, bool was_running)
{
    if (run->state == RUN_QUEUED) {
        if (!claimed->cancel_asked)
            run_begin(run);
        return;
    }
    if (run->state == RUN_RUNNING || run->state == RUN_CANCELLING)
        tell_gap(run, claimed->run.seq);
    if (was_running)
        tell_lost(&run->root);
    if (run->state == RUN_CANCELLING) {
        run->stop = STOP_CANCEL;
        run->stop_reason = run->reason;
        task_stop(&run->root, ERR_CANCELLED);
    } else if (!claimed->cancel_asked) {
        task_resume(&run->root, was_running);
    }
}

static void cancel_if_asked(struct run *run, const struct store_claimed *claimed)
{
    struct reason reason = {.code = REASON_CLIENT_REQUEST,
                            .since_ms = loop_wall_ms(run->shard->loop)};
    if (!claimed->cancel_asked)
        return;
    if (str_eq(claimed->cancel_note, str_of(reason_code_name(REASON_PARENT_CANCELLED))))
        reason.code = REASON_PARENT_CANCELLED; /* its parent's word */
    else
        str_copy(reason.note, sizeof reason.note, claimed->cancel_note);
    run_cancel(run, &reason);
}

/* The same for a tree, whose tasks were read; they are linked before it can be stopped. */
static void go_on_as_tree(struct run *run, const struct store_claimed *claimed)
{
    if (run->state == RUN_QUEUED) {
        if (!claimed->cancel_asked)
            run_begin(run);
        cancel_if_asked(run, claimed);
        return;
    }
    if (run->state == RUN_RUNNING || run->state == RUN_CANCELLING)
        tell_gap(run, claimed->run.seq);
    tree_link(run, tell_lost);
    if (run->state == RUN_CANCELLING) {
        run->stop = STOP_CANCEL;
        run->stop_reason = run->reason;
        task_stop(&run->root, ERR_CANCELLED);
    }
    cancel_if_asked(run, claimed);
    tree_resume(run);
    run_review(run);
}

/* Nothing of it can go on: of its tasks nothing is read, or nothing was. */
static void fail_unread(struct run *run, const struct store_claimed *claimed, enum err code,
                        const char *message)
{
    if (run->state == RUN_RUNNING || run->state == RUN_CANCELLING)
        tell_gap(run, claimed->run.seq);
    run->root.stop = ERR_INTERNAL; /* it is not tried again */
    task_fail(&run->root, TASK_FAILED,
              &(struct failure){.code = code, .message = str_of(message), .task = run->root.path});
}

static enum err reopen_tree(struct run *run, const struct store_claimed *claimed)
{
    enum err e = tree_restore(run, claimed->tasks, claimed->task_count);
    if (e == OK) {
        run_arm(run);
        go_on_as_tree(run, claimed);
        return OK;
    }
    log_error(log_msg("a stored task cannot be read"),
              log_str("run", (struct str){run->text, RUN_ID_TEXT}), log_s("error", err_code(e)));
    if (e == ERR_NOMEM) {
        run_lacks_memory(run);
        return e;
    }
    restore_state(run, &claimed->run);
    fail_unread(run, claimed, ERR_INTERNAL, "what is stored of its tasks cannot be read");
    return OK;
}

enum err run_reopen(struct shard *shard, const struct store_claimed *claimed)
{
    const struct run_record *r = &claimed->run;
    struct run_spec spec;
    struct run *run;
    enum err e = run_spec_reopen(r, definitions_of_run(shard->definitions, r), &spec);
    if (e == OK)
        e = run_restore(shard, r, &spec, claimed->ref, &run);
    if (e != OK) {
        char text[RUN_ID_TEXT];
        run_id_format(&r->id, text);
        log_error(log_msg("a stored run cannot be read"),
                  log_str("run", (struct str){text, sizeof text}), log_s("error", err_code(e)));
        return e;
    }
    bool was_running;
    restore_state(run, r);
    if (run_spec_is_lost(&run->spec)) {
        fail_unread(run, claimed, ERR_UNKNOWN_WORKFLOW,
                    "the version of the workflow that it is of does not exist any more");
        return OK;
    }
    if ((run->spec.flags & RUN_IS_TREE) != 0)
        return reopen_tree(run, claimed);
    call_reopen(&run->root, r->attempts, &was_running);
    run_arm(run);
    go_on(run, claimed, was_running);
    cancel_if_asked(run, claimed);
    return OK;
}
