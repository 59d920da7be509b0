#include "runs/task.h"

#include <assert.h>

#include "base/mem.h"
#include "model/task_path.h"
#include "resilience/retry.h"
#include "runs/run.h"
#include "runs/shard.h"
#include "runs/task_kind.h"
#include "runs/task_tell.h"
#include "runs/task_values.h"

enum { PATH_STEP = 11 /* a slash and an index */, ERROR_TEXT_MAX = 1048576 };

static void on_deadline(struct loop_timer *timer);
static void on_wake(struct loop_timer *timer);

/* --- making and unmaking ---------------------------------------------------------------------- */

static void init(struct task *t, struct run *run, const struct task_spec *spec)
{
    *t = (struct task){.run = run,
                       .spec = spec,
                       .path = STR(""),
                       .type = spec != NULL ? spec->type : TASK_CALL,
                       .state = TASK_PENDING,
                       .deadline_ms = UINT64_MAX};
    loop_timer_init(&t->wake, run->shard->loop, on_wake);
    list_init(&t->due);
    list_init(&t->sibling);
    list_init(&t->changed);
    group_init(&t->group);
    if (task_is_child(t))
        child_init(t);
    else if (t->type == TASK_CALL)
        call_init(t);
    else if (t->type == TASK_MAP)
        item_list_init(&t->items);
}

void task_init_root(struct task *t, struct run *run, const struct task_spec *spec)
{
    init(t, run, spec);
}

static struct task *make(struct task *parent, const struct task_spec *spec, uint32_t index)
{
    struct run *run = parent->run;
    size_t size = sizeof(struct task) + parent->path.len + PATH_STEP;
    struct task *t = mem_alloc(size);
    if (t == NULL)
        return NULL;
    init(t, run, spec);
    struct buf path;
    buf_init(&path, parent->path.len + PATH_STEP);
    task_path_add(&path, parent->path, index);
    if (buf_ok(&path) == OK)
        memcpy(t + 1, path.data, path.len);
    t->path = (struct str){(const char *)(t + 1), path.len};
    bool fine = buf_ok(&path) == OK;
    buf_fini(&path);
    t->parent = parent;
    t->index = index;
    t->of = parent->bodies;
    run->tree.tasks++;
    tree_hold(run, size);
    if (fine)
        return t;
    task_fini(t);
    mem_free(t);
    return NULL;
}

struct task *task_make_stored(struct task *parent, uint32_t index)
{
    struct group *g = &parent->group;
    assert(index < g->count);
    if (g->at[index] == NULL)
        g->at[index] = make(parent, task_child_spec(parent, index), index);
    return g->at[index];
}

struct task *task_make(struct task *parent, uint32_t index)
{
    bool is_there = parent->group.at[index] != NULL;
    return is_there || !tree_is_full(parent->run) ? task_make_stored(parent, index) : NULL;
}

struct task *task_make_finally(struct task *t)
{
    if (t->finally == NULL && t->spec != NULL && t->spec->finally != NULL)
        t->finally =
            make(t, t->spec->finally, task_is_group(t) ? t->group.count : t->spec->child_count);
    return t->finally;
}

void task_free_text(struct str *s)
{
    union { /* owned text is only viewed as const */
        const char *view;
        char *own;
    } at = {.view = s->at};
    mem_free(at.own);
    *s = STR_NONE;
}

static void forget_outcome(struct task *t)
{
    tree_let_go(t->run, t->output.len + t->error.len);
    task_free_text(&t->output);
    task_free_text(&t->error);
    t->code = OK;
}

static void forget_wait(struct task *t)
{
    if (t->wait == NULL)
        return;
    heap_remove(&t->run->tree.waits, &t->wait->node);
    mem_free(t->wait);
    t->wait = NULL;
}

static void forget_deadline(struct task *t)
{
    if (t->deadline == NULL)
        return;
    loop_timer_stop(&t->deadline->timer);
    mem_free(t->deadline);
    t->deadline = NULL;
}

void task_fini(struct task *t)
{
    forget_deadline(t);
    loop_timer_stop(&t->wake);
    list_remove(&t->due);
    list_remove(&t->sibling);
    list_remove(&t->changed);
    if (t->finally != NULL) {
        task_fini(t->finally);
        mem_free(t->finally);
    }
    group_fini(&t->group);
    if (task_kind_of(t)->fini != NULL)
        task_kind_of(t)->fini(t);
    forget_outcome(t);
    forget_wait(t);
    mem_free(t->note);
}

/* As before its beginning, but for what it has used and tried. */
static void reset(struct task *t)
{
    assert(t->phase == PHASE_ENDED || t->phase == PHASE_PENDING);
    if (t->is_copy)
        return;
    forget_outcome(t);
    t->state = TASK_PENDING; /* the one edge out of an end: the one above begins anew */
    t->phase = PHASE_PENDING;
    t->stop = OK;
    t->is_cut = false;
    mem_free(t->note);
    t->note = NULL;
    forget_wait(t);
    t->started_at_ms = t->finished_at_ms = 0;
    tree_changed(t);
    if (task_is_child(t))
        child_reset(t);
    else if (t->type == TASK_CALL)
        call_reset(t);
    for (uint32_t i = 0; i < t->group.count; i++) {
        if (t->group.at[i] != NULL)
            reset(t->group.at[i]);
    }
    group_reset(t);
    if (t->finally != NULL)
        reset(t->finally);
}

/* --- states ----------------------------------------------------------------------------------- */

static void set_state(struct task *t, enum task_state state)
{
    tree_changed(t);
    if (t->state == state)
        return;
    assert(task_edge_is_legal(t->state, state));
    t->state = state;
}

const struct reason *task_reason(const struct task *t)
{
    static const struct reason none = {.code = REASON_NONE};
    return t->wait != NULL ? &t->wait->reason : &none;
}

enum err task_set_reason(struct task *t, const struct reason *reason)
{
    if (t->wait == NULL)
        t->wait = mem_zalloc(sizeof *t->wait);
    if (t->wait == NULL)
        return ERR_NOMEM;
    t->wait->task = t;
    t->wait->reason = *reason;
    return OK;
}

void task_wait(struct task *t, const struct reason *reason)
{
    struct heap *waits = &t->run->tree.waits;
    if (task_set_reason(t, reason) != OK) {
        run_lacks_memory(t->run);
        return;
    }
    heap_remove(waits, &t->wait->node);
    heap_insert(waits, &t->wait->node,
                reason->until_ms > 0 ? (uint64_t)reason->until_ms : UINT64_MAX);
}

void task_wait_over(struct task *t)
{
    forget_wait(t);
}

void task_enter(struct task *t, enum task_state state, const struct reason *reason)
{
    set_state(t, state);
    if (reason != NULL)
        task_wait(t, reason);
    else
        task_wait_over(t);
    if (state == TASK_BLOCKED)
        task_tell_wait(t, EVENT_TASK_BLOCKED);
    else if (state == TASK_RETRYING)
        task_tell_wait(t, EVENT_TASK_RETRYING);
    /* Going on after a wait is told by attempt.started: task.running comes once. */
}

bool task_has_failed(const struct task *t)
{
    if (t->state == TASK_CANCELLED)
        return t->is_cut;
    bool is_bad = t->state == TASK_FAILED || t->state == TASK_TIMED_OUT;
    return is_bad && !(t->spec != NULL && t->spec->goes_on);
}

void task_use(struct task *t, const struct usage *more)
{
    for (; t != NULL; t = t->parent) {
        usage_add(&t->usage, more);
        tree_changed(t); /* a crash would leave those above as they were */
    }
}

/* --- the beginning ---------------------------------------------------------------------------- */

static bool is_shielded(const struct task *t)
{
    return t->type == TASK_SHIELD || (t->spec != NULL && t->spec->is_finally);
}

static struct task_deadline *make_deadline(struct task *t)
{
    struct task_deadline *d = mem_alloc(sizeof *d);
    if (d == NULL)
        return NULL;
    loop_timer_init(&d->timer, t->run->shard->loop, on_deadline);
    d->task = t;
    return d;
}

void task_limit(struct task *t, int64_t timeout_ms)
{
    if (timeout_ms == 0)
        return;
    int64_t left_ms = t->started_at_ms + timeout_ms - loop_wall_ms(t->run->shard->loop);
    uint64_t at_ms = loop_now_ms(t->run->shard->loop) + (left_ms > 0 ? (uint64_t)left_ms : 0);
    if (at_ms < t->deadline_ms)
        t->deadline_ms = at_ms;
    if (t->deadline == NULL)
        t->deadline = make_deadline(t);
    if (t->deadline != NULL)
        loop_timer_start(&t->deadline->timer, at_ms);
    else
        run_lacks_memory(t->run);
}

/* The nearest of its own time and that of what is around it; a shield has its own alone. */
static void arm(struct task *t)
{
    t->deadline_ms = t->parent != NULL ? t->parent->deadline_ms : t->run->deadline_ms;
    if (is_shielded(t))
        t->deadline_ms = UINT64_MAX;
    if (t->spec != NULL)
        task_limit(t, t->spec->timeout_ms);
}

static void begin_body(struct task *t)
{
    t->phase = PHASE_BODY;
    t->bodies++;
    tree_changed(t);
    task_kind_of(t)->begin(t);
}

void task_begin(struct task *t)
{
    t->is_asleep = false;
    t->started_at_ms = loop_wall_ms(t->run->shard->loop);
    t->of = t->parent != NULL ? t->parent->bodies : 0;
    set_state(t, TASK_RUNNING);
    task_tell_begin(t);
    arm(t);
    begin_body(t);
}

void task_rearm(struct task *t)
{
    struct loop *loop = t->run->shard->loop;
    arm(t);
    if (t->phase != PHASE_PAUSE)
        return;
    int64_t left_ms = task_reason(t)->until_ms - loop_wall_ms(loop);
    task_wait(t, task_reason(t));
    loop_timer_start(&t->wake, loop_now_ms(loop) + (left_ms > 0 ? (uint64_t)left_ms : 0));
}

void task_resume(struct task *t, bool was_lost)
{
    t->phase = PHASE_BODY;
    t->bodies = 1;
    arm(t);
    call_resume(t, was_lost);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void end(struct task *t, enum task_state state)
{
    t->phase = PHASE_ENDED;
    t->order = ++t->run->tree.ends;
    t->finished_at_ms = loop_wall_ms(t->run->shard->loop);
    set_state(t, state);
    task_tell_end(t);
    if (task_kind_of(t)->settle != NULL)
        task_kind_of(t)->settle(t);
    if (t->parent == NULL)
        run_end(t->run);
    else
        tree_post(t);
}

/* What comes after the body is not stopped any more: it is bounded by its own time. */
void task_begin_finally(struct task *t)
{
    struct task *finally = task_make_finally(t);
    if (finally == NULL) {
        run_lacks_memory(t->run);
        return;
    }
    t->phase = PHASE_FINALLY;
    tree_changed(t);
    task_begin(finally);
}

void task_finally_ended(struct task *t)
{
    end(t, t->outcome);
}

static struct retry_policy policy_of(const struct retry_spec *spec)
{
    return (struct retry_policy){
        .attempts = spec->attempts,
        .backoff = {.base_ms = spec->base_ms,
                    .factor = spec->factor,
                    .max_ms = spec->max_ms,
                    .jitter = spec->full_jitter ? BACKOFF_FULL : BACKOFF_NONE},
        .on = spec->has_on ? spec->on : UINT64_MAX,
        .max_hint_ms = RETRY_MAX_HINT_MS};
}

/* Nothing of it begins any more: it was stopped after its outcome stood, or one above it was, with
 * no shield in between, or does not need it. */
static bool is_last_try(const struct task *t)
{
    if (t->is_cut)
        return true;
    for (; !is_shielded(t) && t->parent != NULL; t = t->parent) {
        if (t->parent->group.is_decided)
            return true;
    }
    return !is_shielded(t) && t->run->stop != STOP_NONE;
}

/* Is the body to begin anew? A call of a provider tries again by itself. */
static bool wants_retry(struct task *t, enum task_state outcome, uint64_t *ret_at_ms)
{
    struct shard *shard = t->run->shard;
    if (outcome != TASK_FAILED || task_is_call(t) || t->spec->retry == NULL ||
        t->stop == ERR_INTERNAL || is_last_try(t))
        return false;
    struct retry_policy policy = policy_of(t->spec->retry);
    struct retry_failure failure = {.code = t->code, .attempt = t->bodies};
    return retry_decide(&policy, &failure, t->deadline_ms, NULL, loop_now_ms(shard->loop),
                        &shard->rng, ret_at_ms) == RETRY_AGAIN;
}

static void pause_until(struct task *t, uint64_t at_ms)
{
    struct loop *loop = t->run->shard->loop;
    struct reason reason = {.code = REASON_RETRY_TIMER, .since_ms = loop_wall_ms(loop)};
    reason.until_ms = reason.since_ms + (int64_t)(at_ms - loop_now_ms(loop));
    forget_outcome(t);
    t->phase = PHASE_PAUSE;
    task_enter(t, TASK_RETRYING, &reason);
    loop_timer_start(&t->wake, at_ms);
    run_review(t->run);
}

static void try_again(struct task *t)
{
    t->stop = OK;
    task_enter(t, TASK_RUNNING, NULL);
    for (uint32_t i = 0; i < t->group.count; i++) {
        if (t->group.at[i] != NULL)
            reset(t->group.at[i]);
    }
    group_reset(t);
    begin_body(t);
}

static struct str failure_text(const struct failure *failure)
{
    struct buf text;
    buf_init(&text, ERROR_TEXT_MAX);
    failure_write(&text, failure);
    size_t len = 0;
    char *own = buf_take(&text, &len);
    return (struct str){own, len};
}

/* What it has come to is too large for its run: instead of an output it has failed, and what failed
 * is not told in full. */
static enum task_state refuse_outcome(struct task *t, enum task_state outcome)
{
    bool has_succeeded = outcome == TASK_SUCCEEDED, is_call = task_is_call(t);
    if (has_succeeded)
        t->code = ERR_LIMIT_EXCEEDED;
    task_free_text(&t->output);
    task_free_text(&t->error);
    t->error = failure_text(&(struct failure){
        .code = t->code,
        .message = has_succeeded
                       ? STR("with this output the run would pass limits.run_bytes")
                       : STR("with all of this error the run would pass limits.run_bytes"),
        .task = t->path,
        .provider = is_call ? call_last_provider(t) : STR_NONE,
        .attempts = is_call ? t->call.attempts : 0});
    if (t->error.at == NULL)
        run_lacks_memory(t->run);
    return has_succeeded ? TASK_FAILED : outcome;
}

static enum task_state hold_outcome(struct task *t, enum task_state outcome)
{
    bool fits = outcome == TASK_SUCCEEDED ? tree_may_hold(t->run, t->output.len)
                                          : tree_may_hold_error(t->run, t->error.len);
    if (!fits)
        outcome = refuse_outcome(t, outcome);
    tree_hold(t->run, t->output.len + t->error.len);
    return outcome;
}

static void body_over(struct task *t, enum task_state outcome)
{
    uint64_t at_ms;
    loop_timer_stop(&t->wake);
    task_wait_over(t);
    outcome = hold_outcome(t, outcome);
    if (wants_retry(t, outcome, &at_ms)) {
        pause_until(t, at_ms);
        return;
    }
    forget_deadline(t);
    t->outcome = outcome;
    if (t->bodies > 0 && t->spec != NULL && t->spec->finally != NULL)
        task_begin_finally(t);
    else
        end(t, outcome);
}

void task_succeed(struct task *t, struct str output)
{
    t->output = output;
    body_over(t, TASK_SUCCEEDED);
}

void task_fail_with(struct task *t, enum task_state state, enum err code, struct str error)
{
    t->error = error;
    t->code = code;
    body_over(t, state);
}

void task_fail(struct task *t, enum task_state state, const struct failure *failure)
{
    struct str text = failure_text(failure);
    if (text.at == NULL)
        run_lacks_memory(t->run);
    task_fail_with(t, state, failure->code, text);
}

void task_fail_unwritten(struct task *t, enum err why)
{
    struct failure failure = {.code = ERR_INTERNAL,
                              .message = STR("the error of a task below cannot be read"),
                              .task = t->path};
    if (why == ERR_NOMEM) {
        run_lacks_memory(t->run);
        return;
    }
    if (why == ERR_LIMIT) {
        failure.code = ERR_LIMIT_EXCEEDED;
        failure.message = STR("the value is larger than limits.output_bytes");
    }
    task_fail(t, TASK_FAILED, &failure);
}

void task_adopt(struct task *t)
{
    t->is_copy = false;
    t->phase = PHASE_ENDED;
    t->of = t->parent->bodies;
    t->order = ++t->run->tree.ends;
    t->started_at_ms = t->finished_at_ms = loop_wall_ms(t->run->shard->loop);
    set_state(t, TASK_SUCCEEDED);
    task_tell_end(t);
    tree_post(t);
}

void task_skip(struct task *t, enum task_state state)
{
    t->is_copy = false;
    forget_outcome(t);

    struct reason reason = {.since_ms = loop_wall_ms(t->run->shard->loop)};
    reason.code = state == TASK_SKIPPED ? REASON_DEPENDENCY : REASON_PARENT_CANCELLED;
    if (task_set_reason(t, &reason) != OK)
        run_lacks_memory(t->run);
    if (state == TASK_CANCELLED) {
        t->code = ERR_CANCELLED;
        t->error = failure_text(&(struct failure){
            .code = ERR_CANCELLED, .message = task_cancel_note(t), .task = t->path});
        if (t->error.at == NULL)
            run_lacks_memory(t->run);
        tree_hold(t->run, t->error.len);
    }
    t->phase = PHASE_ENDED;
    t->of = t->parent != NULL ? t->parent->bodies : 0;
    t->order = ++t->run->tree.ends;
    t->finished_at_ms = reason.since_ms;
    set_state(t, state);
    task_tell_end(t);
}

/* --- stopping --------------------------------------------------------------------------------- */

struct str task_cancel_note(const struct task *t)
{
    if (t->parent == NULL)
        return str_of(t->run->stop_reason.note);
    return t->note != NULL ? str_of(t->note) : STR("");
}

void task_end_stopped(struct task *t)
{
    bool is_cancel = t->stop == ERR_CANCELLED, is_call = task_is_call(t);
    task_fail(t, is_cancel ? TASK_CANCELLED : TASK_TIMED_OUT,
              &(struct failure){.code = t->stop,
                                .message = is_cancel ? task_cancel_note(t) : STR(""),
                                .task = t->path,
                                .provider = is_call ? call_last_provider(t) : STR_NONE,
                                .attempts = is_call ? t->call.attempts : 0});
}

static void stop_body(struct task *t, enum err code)
{
    if (t->phase == PHASE_FINALLY || t->phase == PHASE_ENDED || t->stop != OK)
        return;
    if (t->phase == PHASE_PENDING && t->parent != NULL) {
        task_skip(t, TASK_CANCELLED);
        return;
    }
    if (t->phase == PHASE_BODY && task_is_group(t)) {
        if (t->group.is_decided)
            return; /* what it becomes stands; those below are stopped already */
        t->stop = code;
        tree_changed(t);
        if (task_kind_of(t)->stop != NULL)
            task_kind_of(t)->stop(t);
        group_stop(t);
        return;
    }
    t->stop = code;
    tree_changed(t);
    bool has_body = t->phase == PHASE_BODY;
    if (has_body && task_kind_of(t)->stop != NULL)
        task_kind_of(t)->stop(t);
    if (!has_body || !task_kind_of(t)->lingers)
        task_end_stopped(t);
}

void task_stop(struct task *t, enum err code)
{
    bool has_begun = t->phase == PHASE_BODY || t->phase == PHASE_PAUSE;
    if (!has_begun || !is_shielded(t))
        stop_body(t, code);
}

/* The first word stands: of a task that is being stopped already nothing changes. */
static enum err keep_note(struct task *t, struct str note)
{
    if (note.len == 0 || t->note != NULL || t->stop != OK || t->phase == PHASE_ENDED)
        return OK;
    t->note = mem_strdup(note);
    return t->note != NULL ? OK : ERR_OVERLOADED;
}

enum err task_cancel(struct task *t, struct str note)
{
    enum err e = keep_note(t, note);
    if (e != OK)
        return e;
    t->is_cut = t->phase != PHASE_ENDED;
    stop_body(t, ERR_CANCELLED);
    return OK;
}

static void on_deadline(struct loop_timer *timer)
{
    stop_body(CONTAINER_OF(timer, struct task_deadline, timer)->task, ERR_TASK_TIMEOUT);
}

static void on_wake(struct loop_timer *timer)
{
    struct task *t = CONTAINER_OF(timer, struct task, wake);
    if (t->phase == PHASE_PAUSE)
        try_again(t);
    else
        task_kind_of(t)->wake(t);
}
