#include "runs/group.h"

#include <assert.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/failure_group.h"
#include "runs/run.h"
#include "runs/shard.h"
#include "runs/task_kind.h"

enum { FRAMING_MAX = 1048576 /* what a value may take beside those that it is made of */ };

void group_init(struct group *g)
{
    *g = (struct group){.cause = GROUP_NO_CAUSE};
    list_init(&g->live);
}

void group_fini(struct group *g)
{
    for (uint32_t i = 0; i < g->count; i++) {
        if (g->at[i] != NULL)
            task_fini(g->at[i]);
        mem_free(g->at[i]);
    }
    mem_free(g->at);
    group_init(g);
}

/* What was copied of another run may be of a longer list. */
static void drop_behind(struct group *g, uint32_t count)
{
    for (uint32_t i = count; i < g->count; i++) {
        if (g->at[i] != NULL)
            task_fini(g->at[i]);
        mem_free(g->at[i]);
        g->at[i] = NULL;
    }
    g->count = count < g->count ? count : g->count;
}

bool group_reserve(struct task *t, uint32_t count)
{
    struct group *g = &t->group;
    if (count <= g->count) {
        drop_behind(g, count);
        return true;
    }
    struct task **at = mem_realloc(g->at, count * sizeof(struct task *));
    if (at == NULL)
        return false;
    for (uint32_t i = g->count; i < count; i++)
        at[i] = NULL;
    tree_hold(t->run, (count - g->count) * sizeof *at);
    g->at = at;
    g->count = count;
    return true;
}

void group_open(struct task *t, uint32_t count)
{
    if (!group_reserve(t, count))
        run_lacks_memory(t->run);
    assert(t->group.count == count || t->run->is_wrecked);
    tree_changed(t); /* how many there are is stored with it */
    tree_post(t);
}

void group_reset(struct task *t)
{
    struct group *g = &t->group;
    assert(g->live_count == 0);
    g->next = g->swept = 0;
    g->cause = GROUP_NO_CAUSE;
    g->is_decided = false;
}

/* --- children begin and end ------------------------------------------------------------------- */

void group_refuse(struct task *t)
{
    if (!tree_is_full(t->run)) {
        run_lacks_memory(t->run);
        return;
    }
    t->stop = ERR_LIMIT_EXCEEDED;
    tree_changed(t);
    group_stop(t);
}

static void begin_child(struct task *t, uint32_t index)
{
    struct group *g = &t->group;
    struct task *child = task_make(t, index);
    if (child == NULL) {
        group_refuse(t);
        return;
    }
    list_push_back(&g->live, &child->sibling);
    g->live_count++;
    if (child->phase == PHASE_ENDED)
        tree_post(child); /* it was cancelled before its turn had come */
    else if (child->is_copy)
        task_adopt(child);
    else
        task_begin(child);
}

/* What a child that never begins becomes. */
static enum task_state state_of_rest(const struct task *t)
{
    bool has_failed = t->type == TASK_SEQUENCE && t->stop == OK;
    return has_failed ? TASK_SKIPPED : TASK_CANCELLED;
}

/* Tells one of those that will not begin any more. False: there is none left. */
static bool sweep(struct task *t)
{
    struct group *g = &t->group;
    while (g->swept < g->count && g->at[g->swept] != NULL &&
           g->at[g->swept]->phase != PHASE_PENDING)
        g->swept++;
    if (g->swept == g->count || t->run->is_wrecked)
        return false;
    struct task *child = task_make(t, g->swept);
    g->swept++;
    if (child != NULL)
        task_skip(child, state_of_rest(t));
    else if (!tree_is_full(t->run))
        run_lacks_memory(t->run);
    return true;
}

static void conclude(struct task *t)
{
    if (t->stop != OK)
        group_fail(t, GROUP_NO_CAUSE);
    else
        task_kind_of(t)->conclude(t);
}

void group_step(struct task *t)
{
    struct group *g = &t->group;
    uint32_t index;
    if (t->phase != PHASE_BODY || t->run->is_wrecked)
        return;
    if (!g->is_decided && task_kind_of(t)->next(t, &index)) {
        begin_child(t, index);
        tree_post(t);
    } else if (g->is_decided && sweep(t)) {
        tree_post(t);
    } else if (g->live_count == 0) {
        g->is_decided = true;
        conclude(t);
    }
}

void group_on_child(struct task *t, struct task *child)
{
    struct group *g = &t->group;
    list_remove(&child->sibling);
    g->live_count--;
    if (!g->is_decided)
        task_kind_of(t)->on_child(t, child);
    tree_post(t);
}

void group_decide(struct task *t, uint32_t cause)
{
    struct group *g = &t->group;
    assert(!g->is_decided);
    g->cause = cause;
    g->is_decided = true;
    LIST_EACH_SAFE (it, &g->live)
        task_stop(CONTAINER_OF(it, struct task, sibling), ERR_CANCELLED);
    tree_post(t);
}

void group_stop(struct task *t)
{
    group_decide(t, GROUP_NO_CAUSE);
}

/* --- what becomes of it ----------------------------------------------------------------------- */

static struct task_outcome outcome_of(const struct task *child)
{
    struct task_outcome o = {.name = STR_NONE};
    if (child == NULL)
        return o;
    o.name = child->spec->name;
    o.output = child->output;
    o.error = task_has_failed(child) ? child->error : STR_NONE;
    return o;
}

void group_succeed(struct task *t, group_write_fn *write)
{
    const struct group *g = &t->group;
    struct task_outcome *outcomes = mem_alloc((g->count + (size_t)1) * sizeof *outcomes);
    struct buf value;
    size_t len = 0;
    if (outcomes == NULL) {
        run_lacks_memory(t->run);
        return;
    }
    for (uint32_t i = 0; i < g->count; i++)
        outcomes[i] = outcome_of(g->at[i]);
    buf_init(&value, t->run->shard->limits->output_bytes);
    write(&value, outcomes, g->count);
    enum err e = buf_ok(&value);
    char *own = buf_take(&value, &len);
    buf_fini(&value);
    mem_free(outcomes);
    if (own != NULL)
        task_succeed(t, (struct str){own, len});
    else
        task_fail_unwritten(t, e == OK ? ERR_NOMEM : e);
}

void group_succeed_as(struct task *t, const struct task *child)
{
    char *own = mem_strdup(child->output.at != NULL ? child->output : STR("null"));
    if (own != NULL)
        task_succeed(t, (struct str){own, child->output.at != NULL ? child->output.len : 4});
    else
        run_lacks_memory(t->run);
}

bool group_has_failures(const struct task *t)
{
    for (uint32_t i = 0; i < t->group.count; i++) {
        if (t->group.at[i] != NULL && task_has_failed(t->group.at[i]))
            return true;
    }
    return false;
}

/* The errors of the children that failed, and which of them is that of `cause`. */
static uint32_t gather(const struct task *t, struct str *errors, uint32_t *cause)
{
    const struct group *g = &t->group;
    uint32_t n = 0, of_cause = FAILURE_GROUP_ALL;
    for (uint32_t i = 0; i < g->count; i++) {
        if (g->at[i] == NULL || !task_has_failed(g->at[i]))
            continue;
        if (i == *cause)
            of_cause = n;
        errors[n++] = g->at[i]->error;
    }
    *cause = of_cause;
    return n;
}

/* The results of a sequence's finished steps. */
static void write_partial(struct task *t, struct buf *b)
{
    struct group *g = &t->group;
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < g->cause; i++) {
        json_add_comma(b);
        json_add_or_null(b, g->at[i]->output);
    }
    buf_add_char(b, ']');
}

/* {"code": why it was stopped, ..., "errors": of those that failed below before}: the whole of an
 * error_group, in which the code is another one. */
static enum err write_stopped(struct task *t, struct buf *b, const struct failure_group *group)
{
    struct json_doc *scratch = &t->run->shard->scratch;
    struct buf all;
    struct failure failure = {.code = t->stop, .task = t->path};
    if (t->stop == ERR_CANCELLED)
        failure.message = task_cancel_note(t);
    buf_init(&all, b->max);
    enum err e = OK;
    if (group->count > 0) {
        e = failure_group_write(&all, group, scratch);
        if (e == OK)
            e = json_parse(scratch, buf_str(&all), NULL);
        if (e == OK)
            failure.errors = json_raw(json_get_lit(json_root(scratch), "errors"));
    }
    if (e == OK)
        failure_write(b, &failure);
    buf_fini(&all);
    return e == OK ? buf_ok(b) : e;
}

static enum err write_failure(struct task *t, struct buf *b, const struct failure_group *group)
{
    if (t->stop != OK)
        return write_stopped(t, b, group);
    return failure_group_write(b, group, &t->run->shard->scratch);
}

static enum task_state state_of_stop(enum err code)
{
    switch (code) {
    case ERR_CANCELLED: return TASK_CANCELLED;
    case ERR_TASK_TIMEOUT:
    case ERR_RUN_TIMEOUT: return TASK_TIMED_OUT;
    default: return TASK_FAILED;
    }
}

static enum err code_of(const struct task *t, uint32_t cause)
{
    if (t->stop != OK)
        return t->stop;
    return cause < t->group.count ? t->group.at[cause]->code : ERR_ERROR_GROUP;
}

static void fail_with(struct task *t, const struct failure_group *group, enum err code)
{
    struct buf text;
    size_t len = 0;
    buf_init(&text, t->run->shard->limits->output_bytes + FRAMING_MAX);
    enum err e = write_failure(t, &text, group);
    char *own = e == OK ? buf_take(&text, &len) : NULL;
    buf_fini(&text);
    if (own != NULL)
        task_fail_with(t, state_of_stop(t->stop), code, (struct str){own, len});
    else
        task_fail_unwritten(t, e == OK ? ERR_NOMEM : e);
}

void group_fail(struct task *t, uint32_t cause)
{
    struct group *g = &t->group;
    struct str *errors = mem_alloc((g->count + (size_t)1) * sizeof *errors);
    struct buf partial;
    struct failure_group group = {.errors = errors, .cause = cause, .task = t->path};
    if (errors == NULL) {
        run_lacks_memory(t->run);
        return;
    }
    enum err code = code_of(t, cause);
    group.count = gather(t, errors, &group.cause);
    buf_init(&partial, t->run->shard->limits->output_bytes);
    if (t->type == TASK_SEQUENCE && t->stop == OK)
        write_partial(t, &partial);
    if (partial.len > 0 && buf_ok(&partial) == OK)
        group.partial = buf_str(&partial);
    fail_with(t, &group, code);
    buf_fini(&partial);
    mem_free(errors);
}
