/* The tasks of a run. GET .../tasks: the tree; GET .../tasks/PATH: one with what is below it, with
 * `Prefer: wait` once it has ended, or when the time is over. POST .../tasks/PATH/cancel: 202 and
 * the task, 200 where it is cancelled already, 409 where it has ended otherwise, or cannot be
 * reached yet. */
#include "api/body.h"
#include "api/routes.h"
#include "base/mem.h"
#include "model/task_path.h"
#include "runs/task_ops.h"
#include "runs/tree_view.h"

struct tasks {
    struct api_request *r; /* NULL: the client is gone */
    char *own_path;        /* a cancel may outlive the request */
    struct str path;       /* in it */
    bool is_tree;          /* all of them are asked for */
    bool cancels, was_stopped;
    uint64_t wait_ms; /* 0: none was asked for */
    struct tasks_get get;
    struct task_await await;
    bool is_waiting;
    struct reason reason; /* of a cancel */
    struct run_stop stop;
};

static void look(struct tasks *t);

static void destroy(struct tasks *t)
{
    if (t->r != NULL)
        t->r->on_gone = NULL;
    mem_free(t->own_path);
    mem_free(t);
}

static void fail(struct tasks *t, enum err code, const char *detail)
{
    struct api_request *r = t->r;
    destroy(t);
    api_fail_run(r, code, detail, code == ERR_NOT_FOUND ? NULL : &r->run_id);
}

static void on_gone(struct api_request *r)
{
    struct tasks *t = r->state;
    query_fini(&r->query);
    t->r = NULL;
    if (t->is_waiting) {
        task_await_stop(&t->await);
        destroy(t);
    }
}

/* --- answering -------------------------------------------------------------------------------- */

static enum err write_task(struct tasks *t, struct tree_view *v, struct buf *b)
{
    if ((v->run->flags & RUN_IS_TREE) != 0)
        return tree_view_write(v, t->path, t->is_tree, b);
    if (t->path.len > 0)
        return ERR_NOT_FOUND;
    struct str name = v->spec.task != NULL ? v->spec.task->name : STR_NONE;
    run_record_write_root(b, v->run, name, t->is_tree, v->base_path);
    return OK;
}

static void answer(struct tasks *t, struct tree_view *v)
{
    struct api_request *r = t->r;
    struct api_reply reply;
    reply_init(&reply, t->was_stopped ? 202 : 200);
    reply_waited(&reply, t->wait_ms);
    enum err e = write_task(t, v, &reply.body);
    if (e != OK) {
        buf_fini(&reply.body);
        fail(t, ERR_NOT_FOUND, "there is no task with that path");
        return;
    }
    destroy(t);
    api_send(r, &reply);
}

/* --- what is to be done with it --------------------------------------------------------------- */

static void on_awaited(struct task_await *w)
{
    struct tasks *t = w->ctx;
    t->is_waiting = false;
    t->await.until_ms = 0;
    look(t);
}

static void await_end(struct tasks *t, uint64_t after)
{
    uint64_t until_ms = t->await.until_ms;
    t->is_waiting = true;
    t->await = (struct task_await){.shard = t->r->shard,
                                   .tenant = t->r->tenant,
                                   .id = t->r->run_id,
                                   .path = t->path,
                                   .after = after,
                                   .until_ms = until_ms,
                                   .on_done = on_awaited,
                                   .ctx = t};
    task_await_start(&t->await);
}

static void on_stopped(struct run_stop *s)
{
    struct tasks *t = s->ctx;
    enum err result = s->result;
    if (t->r == NULL)
        destroy(t);
    else if (result == OK) {
        t->was_stopped = true;
        look(t);
    } else if (result == ERR_RUN_FINISHED || result == ERR_CONFLICT)
        fail(t, ERR_CONFLICT, "the task has ended, or what is above it has not begun");
    else
        fail(t, result, NULL);
}

/* Of the root: the run is cancelled. */
static void stop(struct tasks *t)
{
    t->stop = (struct run_stop){.shard = t->r->shard,
                                .tenant = t->r->tenant,
                                .id = t->r->run_id,
                                .path = t->path,
                                .reason = t->reason,
                                .on_done = on_stopped,
                                .ctx = t};
    run_stop_start(&t->stop);
}

static enum err state_of(struct tasks *t, struct tree_view *v, enum task_state *ret)
{
    if ((v->run->flags & RUN_IS_TREE) != 0)
        return tree_view_state(v, t->path, ret);
    *ret = v->run->task_state;
    return t->path.len == 0 ? OK : ERR_NOT_FOUND;
}

/* True: it goes on. */
static bool act(struct tasks *t, enum task_state state, const struct run_record *run)
{
    bool has_ended = task_state_is_terminal(state) || run_state_is_terminal(run->state);
    if (t->cancels && !t->was_stopped && !has_ended) {
        stop(t);
        return true;
    }
    if (!t->cancels && !has_ended && t->await.until_ms > 0) {
        await_end(t, run->seq);
        return true;
    }
    return false;
}

static void decide(struct tasks *t, struct tree_view *v)
{
    enum task_state state = TASK_PENDING;
    enum err e = state_of(t, v, &state);
    if (e != OK)
        fail(t, ERR_NOT_FOUND, "there is no task with that path");
    else if (act(t, state, v->run))
        return;
    else if (t->cancels && !t->was_stopped && state != TASK_CANCELLED)
        fail(t, ERR_CONFLICT, "the task has ended");
    else
        answer(t, v);
}

static void on_read(struct tasks_get *g)
{
    struct tasks *t = g->ctx;
    struct store_tasks read = g->read; /* `t` may go before the view of it does */
    enum err result = g->result;
    struct tree_view view;
    if (t->r == NULL) {
        destroy(t);
    } else if (result != OK) {
        fail(t, result, result == ERR_NOT_FOUND ? "there is no run with that id" : NULL);
    } else {
        enum err e = tree_view_init(&view, &read.run, read.tasks, read.count,
                                    t->r->shard->definitions, t->r->api->base_path);
        if (e == OK)
            decide(t, &view);
        else if (e == ERR_UNKNOWN_WORKFLOW)
            fail(t, ERR_CONFLICT, "the version of the run's workflow is not known any more");
        else
            fail(t, e == ERR_NOMEM ? ERR_OVERLOADED : ERR_INTERNAL, NULL);
        tree_view_fini(&view);
    }
    arena_fini(&read.arena);
}

static void look(struct tasks *t)
{
    t->get = (struct tasks_get){.shard = t->r->shard,
                                .tenant = t->r->tenant,
                                .id = t->r->run_id,
                                .on_done = on_read,
                                .ctx = t};
    tasks_get_start(&t->get);
}

/* --- the requests ----------------------------------------------------------------------------- */

/* NULL: answered. */
static struct tasks *begin(struct api_request *r, struct str path)
{
    if (!api_read_run_id(r))
        return NULL;
    struct tasks *t = mem_zalloc(sizeof *t);
    if (t == NULL) {
        api_fail(r, ERR_OVERLOADED, NULL);
        return NULL;
    }
    t->r = r;
    r->state = t;
    t->own_path = mem_strdup(path);
    if (t->own_path == NULL) {
        fail(t, ERR_OVERLOADED, NULL);
        return NULL;
    }
    if (!task_path_parse(str_of(t->own_path), &t->path)) {
        fail(t, ERR_NOT_FOUND, "there is no task with that path");
        return NULL;
    }
    r->on_gone = on_gone;
    return t;
}

void handle_run_tasks(struct api_request *r)
{
    struct tasks *t = begin(r, STR("root"));
    if (t == NULL)
        return;
    t->is_tree = true;
    look(t);
}

/* The task as it is, for a client that waits for its end. */
static void on_hurry(struct api_request *r)
{
    struct tasks *t = r->state;
    if (!t->is_waiting)
        return;
    task_await_stop(&t->await);
    on_awaited(&t->await);
}

void handle_run_task(struct api_request *r)
{
    struct tasks *t = begin(r, r->params.path);
    if (t == NULL)
        return;
    t->wait_ms = api_wait_ms(r, 0);
    if (t->wait_ms > 0) {
        t->await.until_ms = loop_now_ms(r->shard->loop) + t->wait_ms;
        r->on_hurry = on_hurry;
    }
    look(t);
}

void handle_task_cancel(struct api_request *r)
{
    struct reason reason = {.code = REASON_CLIENT_REQUEST,
                            .since_ms = loop_wall_ms(r->shard->loop)};
    if (!api_read_run_id(r) || !body_read_reason(r, &reason))
        return;
    struct tasks *t = begin(r, r->params.path);
    if (t == NULL)
        return;
    t->cancels = true;
    t->reason = reason;
    look(t);
}
