#include "runs/child.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "runs/child_draft.h"
#include "runs/engine.h"
#include "runs/ops.h"
#include "runs/task_kind.h"
#include "runs/task_values.h"

enum {
    AGAIN_AFTER_MS = 250, /* the store did not answer */
    SAME_MOMENT_MS = 1000 /* an end that is that near to the task's own is the same one */
};

/* Something that is asked about one child. It outlives its task where the run goes meanwhile. */
struct child_question {
    struct task *task; /* NULL: it is gone */
    union {
        struct store_get read;
        struct run_stop stop;
    };
    char tenant[];
};

static void ask(struct task *t);

/* --- a task's life ---------------------------------------------------------------------------- */

void children_init(struct children *c)
{
    *c = (struct children){.count = 0};
    list_init(&c->waiting);
    list_init(&c->drafts);
}

void child_init(struct task *t)
{
    t->child = (struct child_call){.state = CHILD_NONE};
    list_init(&t->child.waiting);
}

static void enter(struct task *t, enum child_state state)
{
    struct children *all = &t->run->children;
    struct child_call *c = &t->child;
    all->postponed -= c->state == CHILD_POSTPONED;
    all->postponed += state == CHILD_POSTPONED;
    if (c->state == CHILD_NONE && state != CHILD_NONE) {
        list_push_back(&all->waiting, &c->waiting);
        all->count++;
    } else if (c->state != CHILD_NONE && state == CHILD_NONE) {
        list_remove(&c->waiting);
        all->count--;
    }
    c->state = state;
}

static void fini(struct task *t)
{
    struct child_call *c = &t->child;
    enter(t, CHILD_NONE);
    if (c->question == NULL)
        return;
    c->question->task = NULL;
    c->question = NULL;
    t->run->children.questions--;
}

void child_reset(struct task *t)
{
    assert(t->child.state == CHILD_NONE);
    t->child.has_id = false;
}

void child_reopen(struct task *t, struct json id)
{
    struct str raw = json_raw(id);
    t->child.has_id =
        raw.len > 2 && id_parse((struct str){raw.at + 1, raw.len - 2}, RUN_ID_PREFIX, &t->child.id);
}

void child_link(struct task *t)
{
    if (t->child.has_id)
        enter(t, CHILD_MADE);
}

void child_write_id(struct buf *b, const struct task *t)
{
    char text[RUN_ID_TEXT];
    if (!t->child.has_id) {
        buf_add_lit(b, "null");
        return;
    }
    run_id_format(&t->child.id, text);
    json_add_string(b, (struct str){text, sizeof text});
}

/* --- making the child ------------------------------------------------------------------------- */

static void fail(struct task *t, enum err code, const char *message)
{
    if (code == ERR_NOMEM)
        run_lacks_memory(t->run);
    else
        task_fail(t, TASK_FAILED,
                  &(struct failure){.code = code, .message = str_of(message), .task = t->path});
}

static void wait_for_child(struct task *t)
{
    char id[RUN_ID_TEXT];
    struct reason reason = {.code = REASON_DEPENDENCY,
                            .since_ms = loop_wall_ms(t->run->shard->loop)};
    if (task_reason(t)->code == REASON_DEPENDENCY)
        reason.since_ms = task_reason(t)->since_ms;
    if (t->child.has_id) {
        run_id_format(&t->child.id, id);
        snprintf(reason.blocked_on, sizeof reason.blocked_on, "run:%.*s", (int)sizeof id, id);
    }
    task_wait(t, &reason);
    run_review(t->run);
}

static enum err draft(struct task *t, struct workflow *version, struct error *error)
{
    struct str input = t->spec->input, own = STR_NONE;
    enum err e = OK;
    if (t->spec->input_template.count > 0) {
        e = task_fill(t, &t->spec->input_template, &own, error);
        input = own;
    }
    if (e == OK)
        e = child_draft_make(t, version, input, &t->child.id);
    if (e == ERR_TEMPLATE_ERROR && error->message[0] == '\0')
        e = error_set(error, e, "the input is nested too deeply");
    task_free_text(&own);
    return e;
}

/* Of the version that is current now: the calling run's own version is of its own tree. */
static void make(struct task *t)
{
    struct run *run = t->run;
    struct error error = {.message = ""};
    struct workflow *version = definitions_workflow(run->shard->definitions, t->spec->workflow);
    if (version == NULL) {
        fail(t, ERR_UNKNOWN_WORKFLOW, "the workflow does not exist any more");
        return;
    }
    if (run_nesting(run) + 2 > run->shard->limits->spec.tree_depth) {
        fail(t, ERR_LIMIT_EXCEEDED, "child runs lie deeper than limits.tree_depth");
        return;
    }
    enum err e = draft(t, version, &error);
    if (e != OK) {
        fail(t, e, error.message);
        return;
    }
    t->child.has_id = true;
    t->child.was_cancelled = false;
    enter(t, CHILD_DRAFT);
    tree_changed(t);
    outbox_want(run, SAVE_NOW);
    wait_for_child(t);
}

/* Also after a restart, and when it is time to ask again. */
static void begin(struct task *t)
{
    struct child_call *c = &t->child;
    if (c->state == CHILD_MADE) {
        ask(t);
    } else if (t->run->is_stored) {
        make(t);
    } else {
        enter(t, CHILD_POSTPONED);
        outbox_want(t->run, SAVE_NOW);
        wait_for_child(t);
    }
}

void children_go_on(struct run *run)
{
    if (!run->is_stored || run->children.postponed == 0 || run_is_leaving(run))
        return;
    LIST_EACH_SAFE (it, &run->children.waiting) {
        struct child_call *c = CONTAINER_OF(it, struct child_call, waiting);
        struct task *t = CONTAINER_OF(c, struct task, child);
        if (c->state != CHILD_POSTPONED)
            continue;
        enter(t, CHILD_NONE);
        make(t);
    }
}

/* --- its end ---------------------------------------------------------------------------------- */

/* The task had given it what was left of its own time, which is over in a moment, too: then the
 * task has run out of time, and not merely failed. */
static bool is_own_timeout(const struct task *t, enum run_state state, enum err code)
{
    uint64_t now_ms = loop_now_ms(t->run->shard->loop);
    return state == RUN_TIMED_OUT && code == ERR_RUN_TIMEOUT && t->deadline_ms != UINT64_MAX &&
           t->deadline_ms <= now_ms + SAME_MOMENT_MS;
}

static void take_failure(struct task *t, const struct run_record *child)
{
    struct run *run = t->run;
    struct buf text;
    size_t len = 0;
    enum err code = ERR_INTERNAL;
    buf_init(&text, SIZE_MAX / 2);
    enum err e = failure_move(&text, child->error, t->path, &run->shard->scratch, &code);
    char *own = e == OK ? buf_take(&text, &len) : NULL;
    buf_fini(&text);
    if (own == NULL) {
        bool lacks_memory = e == OK || e == ERR_NOMEM;
        fail(t, lacks_memory ? ERR_NOMEM : ERR_INTERNAL, "the child run's error cannot be read");
    } else if (is_own_timeout(t, child->state, code)) {
        mem_free(own);
        enter(t, CHILD_OVER);
        wait_for_child(t);
    } else {
        task_fail_with(t, TASK_FAILED, code, (struct str){own, len});
    }
}

static void take(struct task *t, const struct run_record *child)
{
    enter(t, CHILD_NONE);
    if (t->stop != OK) {
        task_end_stopped(t);
    } else if (child->state == RUN_SUCCEEDED) {
        char *own = mem_strdup(child->output);
        if (own != NULL)
            task_succeed(t, (struct str){own, child->output.len});
        else
            run_lacks_memory(t->run);
    } else {
        take_failure(t, child);
    }
}

/* Its run was removed before anybody here had seen its end. */
static void take_nothing(struct task *t)
{
    enter(t, CHILD_NONE);
    if (t->stop != OK)
        task_end_stopped(t);
    else
        fail(t, ERR_CRASHED, "the child run was removed before its end was seen");
}

/* --- asking ----------------------------------------------------------------------------------- */

/* The task that asked, which may ask anew; NULL: it is gone, or is about to. */
static struct task *answered(struct child_question *q)
{
    struct task *t = q->task;
    if (t == NULL)
        return NULL;
    t->child.question = NULL;
    t->run->children.questions--;
    if (run_is_leaving(t->run) || t->run->is_wrecked || t->phase != PHASE_BODY ||
        t->child.state != CHILD_MADE)
        return NULL;
    return t;
}

static void ask_later(struct task *t)
{
    struct loop *loop = t->run->shard->loop;
    loop_timer_start(&t->wake, loop_now_ms(loop) + AGAIN_AFTER_MS);
}

/* True: it asks once more, since something came meanwhile. */
static bool asks_again(struct task *t)
{
    bool again = t->child.asks_again || (t->stop != OK && !t->child.was_cancelled);
    t->child.asks_again = false;
    if (again)
        ask(t);
    return again;
}

static void on_looked(struct store_op *op)
{
    struct child_question *q = CONTAINER_OF(op, struct child_question, read.op);
    struct task *t = answered(q);
    if (t == NULL)
        ; /* nobody wants to know any more */
    else if (op->result == STORE_OK && run_state_is_terminal(q->read.run.state))
        take(t, &q->read.run);
    else if (op->result == STORE_ABSENT)
        take_nothing(t);
    else if (op->result != STORE_OK)
        ask_later(t);
    else if (!asks_again(t))
        wait_for_child(t);
    arena_fini(&q->read.arena);
    mem_free(q);
}

static void look(struct child_question *q, struct shard *shard, struct str tenant)
{
    q->read =
        (struct store_get){.op = {.kind = STORE_GET, .loop = shard->loop, .on_done = on_looked},
                           .tenant = tenant,
                           .id = q->task->child.id};
    arena_init(&q->read.arena, SIZE_MAX / 2);
    store_start(shard->store, &q->read.op);
}

/* Whatever it found: now the end is what matters. */
static void on_stopped(struct run_stop *stop)
{
    struct child_question *q = stop->ctx;
    struct task *t = answered(q);
    enum err result = stop->result;
    mem_free(q);
    if (t == NULL)
        return;
    if (result == ERR_STORAGE_UNAVAILABLE) {
        ask_later(t);
        return;
    }
    t->child.was_cancelled = true;
    ask(t);
}

static void stop_child(struct child_question *q, struct shard *shard, struct str tenant)
{
    q->stop = (struct run_stop){
        .shard = shard,
        .tenant = tenant,
        .id = q->task->child.id,
        .reason = {.code = REASON_PARENT_CANCELLED, .since_ms = loop_wall_ms(shard->loop)},
        .on_done = on_stopped,
        .ctx = q};
    run_stop_start(&q->stop);
}

/* One question at a time: what came of the child; first, where the task is being stopped, it is
 * told to stop as well. */
static void ask(struct task *t)
{
    struct run *run = t->run;
    struct child_call *c = &t->child;
    if (c->question != NULL) {
        c->asks_again = true;
        return;
    }
    struct child_question *q = mem_zalloc(sizeof *q + run->tenant.len + 1);
    if (q == NULL) {
        run_lacks_memory(run);
        return;
    }
    if (run->tenant.len > 0)
        memcpy(q->tenant, run->tenant.at, run->tenant.len);
    struct str tenant = {q->tenant, run->tenant.len};
    q->task = t;
    c->question = q;
    c->asks_again = false;
    run->children.questions++;
    if (t->stop != OK && !c->was_cancelled)
        stop_child(q, run->shard, tenant);
    else
        look(q, run->shard, tenant);
}

void child_on_word(struct run *parent, struct str path, const struct id *child)
{
    struct task *t = tree_find(parent, path);
    if (t != NULL && task_is_child(t) && t->phase == PHASE_BODY && t->child.state == CHILD_MADE &&
        id_eq(&t->child.id, child))
        ask(t);
}

/* --- stopping --------------------------------------------------------------------------------- */

/* A draft is made all the same: whether it is in the store already cannot be known. */
static void stop(struct task *t)
{
    switch (t->child.state) {
    case CHILD_DRAFT: break;
    case CHILD_MADE: ask(t); break;
    case CHILD_NONE:
    case CHILD_POSTPONED:
    case CHILD_OVER:
        enter(t, CHILD_NONE);
        task_end_stopped(t);
        break;
    }
}

const struct task_kind task_kind_child = {
    .begin = begin, .stop = stop, .wake = begin, .fini = fini, .lingers = true};

/* --- of a run --------------------------------------------------------------------------------- */

unsigned run_nesting(const struct run *run)
{
    return run->spec.flags >> RUN_NESTING_SHIFT & RUN_NESTING_MAX;
}

bool children_are_waited_for(const struct run *run, const struct reason *reason)
{
    return reason != NULL && reason->until_ms == 0 && run->children.count > 0 &&
           list_is_empty(&run->attempts);
}

bool children_may_park(const struct run *run)
{
    const struct children *c = &run->children;
    return c->postponed == 0 && c->questions == 0 && c->count <= CHILDREN_PARKED_MAX;
}

static enum err add_drafts(struct run *run, struct arena *arena, struct store_change *c)
{
    uint32_t count = 0, i = 0;
    LIST_EACH (it, &run->children.drafts)
        count++;
    if (count == 0)
        return OK;
    struct store_child *rows = arena_alloc(arena, count * sizeof *rows);
    if (rows == NULL)
        return ERR_NOMEM;
    LIST_EACH (it, &run->children.drafts) {
        const struct child_draft *d = CONTAINER_OF(it, struct child_draft, link);
        rows[i++] = (struct store_child){.run = &d->record, .segment = {1, 1, d->line}};
    }
    c->children = rows;
    c->child_count = count;
    return OK;
}

static enum err add_waits(struct run *run, struct arena *arena, struct store_change *c)
{
    uint32_t count = 0;
    if (!c->release || run_state_is_terminal(run->state) || run->children.count == 0 ||
        run->children.count > CHILDREN_PARKED_MAX)
        return OK;
    struct id *ids = arena_alloc(arena, run->children.count * sizeof *ids);
    if (ids == NULL)
        return ERR_NOMEM;
    LIST_EACH (it, &run->children.waiting)
        ids[count++] = CONTAINER_OF(it, struct child_call, waiting)->id;
    c->waits_for = ids;
    c->wait_count = count;
    return OK;
}

enum err children_add(struct run *run, struct arena *arena, struct store_change *c)
{
    enum err e = add_drafts(run, arena, c);
    if (run->parent.at != NULL && run_state_is_terminal(run->state))
        c->wakes = &run->parent_id;
    return e == OK ? add_waits(run, arena, c) : e;
}

void children_save_begin(struct run *run)
{
    run->children.sent = 0;
    LIST_EACH (it, &run->children.drafts)
        run->children.sent++;
}

static void made(struct child_draft *d)
{
    struct task *t = d->task;
    child_draft_destroy(d);
    enter(t, CHILD_MADE);
    if (t->stop != OK && !run_is_leaving(t->run))
        ask(t);
}

void children_save_end(struct run *run, bool is_stored)
{
    struct engine *e = run->shard->engine;
    uint32_t sent = run->children.sent;
    run->children.sent = 0;
    for (; is_stored && sent > 0; sent--) {
        struct list *link = list_pop_front(&run->children.drafts);
        struct child_draft *d = CONTAINER_OF(link, struct child_draft, link);
        shard_count(run->shard, SERIES_RUNS_ACCEPTED, 0, 0, 1);
        claim_note(e, d->record.lane, d->record.wake_at_ms);
        made(d);
    }
}

void children_forget(struct run *run)
{
    struct list *link;
    while ((link = list_pop_front(&run->children.drafts)) != NULL) {
        struct child_draft *d = CONTAINER_OF(link, struct child_draft, link);
        claim_count(run->shard, d->record.lane, -1);
        child_draft_destroy(d);
    }
}
