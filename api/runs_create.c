/* POST /v1/runs and its siblings: one create, answered in one of three ways.
 *
 *     check the body -> accept -> plain:  202 and the run, once it is stored
 *                             |-> waits:  200 and the finished run, or 202 when the time is over
 *                             |-> stream: 200 and the events from the first one on
 *
 * A create whose Idempotency-Key was seen goes the same ways with the run that is there already. */
#include "api/create.h"
#include "api/replay.h"
#include "api/routes.h"
#include "api/run_stream.h"
#include "base/mem.h"
#include "runs/task_ops.h"

struct create {
    struct api_request *r; /* NULL: the client is gone */
    struct accept accept;
    enum { PLAIN, WAITS, STREAMS } way;
    uint64_t wait_ms;
    uint64_t until_ms;   /* monotonic: when the wait is over */
    bool wait_was_asked; /* by Prefer, and so is named in the answer */
    bool time_is_over;
    bool replayed;
    bool cancel_on_gone; /* not yet done */
    unsigned depth;      /* how deep the creator says that it is */
    struct loop_timer timer;
    struct run_wait wait;
    bool is_waiting; /* by id */
    struct run_get get;
    struct str tenant;        /* stays when the client is gone */
    struct tasks_get old;     /* of a retry: the run that did not succeed */
    char scope[CREATE_SCOPE]; /* of the idempotency key */
    struct refusal *refusal;  /* NULL: it is not refused */
};

/* Of a create with a key. */
struct refusal {
    struct replay replay;
    char key[256];
};

static void on_accepted(struct accept *a);
static void on_ended(struct accept *a, const struct run_record *record);
static void on_time_over(struct loop_timer *timer);

static void destroy(struct create *c)
{
    loop_timer_stop(&c->timer);
    accept_fini(&c->accept);
    mem_free(c->refusal);
    mem_free(c);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void begin_reply(struct create *c, struct api_reply *reply, int status)
{
    reply_init(reply, status);
    reply_location(reply, c->r->api, &c->accept.id);
    if (c->replayed)
        reply_header(reply, "Idempotency-Replayed", "true");
    if (c->wait_was_asked && c->way == WAITS)
        reply_waited(reply, c->wait_ms);
}

/* Sends, and is done. */
static void finish(struct create *c, struct api_reply *reply)
{
    struct api_request *r = c->r;
    r->on_gone = NULL;
    destroy(c);
    api_send(r, reply);
}

static void fail(struct create *c, enum err code, const char *detail)
{
    struct api_request *r = c->r;
    r->on_gone = NULL;
    destroy(c);
    api_fail(r, code, detail);
}

static void finish_with_record(struct create *c, const struct run_record *record, uint64_t last_seq)
{
    struct api_reply reply;
    bool done = c->way == WAITS && run_state_is_terminal(record->state);
    begin_reply(c, &reply, done ? 200 : 202);
    run_record_write(&reply.body, record, last_seq, false, c->r->api->base_path);
    finish(c, &reply);
}

static void finish_with_json(struct create *c)
{
    struct api_reply reply;
    begin_reply(c, &reply, 202);
    struct buf empty = reply.body;
    reply.body = c->accept.json;
    c->accept.json = empty;
    finish(c, &reply);
}

static void stream(struct create *c)
{
    struct run_stream_options o = {.id = c->accept.id,
                                   .types = EVENT_SET_ALL,
                                   .format = frame_format_of(c->r->accepts),
                                   .to_the_end = true,
                                   .cancel_on_gone = c->cancel_on_gone};
    struct api_request *r = c->r;
    struct api_reply head;
    begin_reply(c, &head, 200);
    destroy(c);
    run_stream_start(r, &o, &head);
}

/* --- by id: the run is not here, or was there before ------------------------------------------ */

static void on_got(struct run_get *g)
{
    struct create *c = g->ctx;
    struct run_get own = *g; /* the create goes before what was read does */
    if (c->r == NULL)
        destroy(c);
    else if (own.result == OK)
        finish_with_record(c, &own.read.run, own.last_seq);
    else
        fail(c, own.result == ERR_NOT_FOUND ? ERR_CONFLICT : own.result, "the run cannot be read");
    run_get_fini(&own);
}

static void get(struct create *c)
{
    c->get = (struct run_get){.shard = c->r->shard,
                              .tenant = c->r->tenant,
                              .id = c->accept.id,
                              .on_done = on_got,
                              .ctx = c};
    run_get_start(&c->get);
}

static void on_waited(struct run_wait *w)
{
    struct create *c = w->ctx;
    c->is_waiting = false;
    get(c);
}

static void wait_by_id(struct create *c)
{
    c->is_waiting = true;
    loop_timer_stop(&c->timer); /* the wait has its own */
    c->wait = (struct run_wait){.shard = c->r->shard,
                                .tenant = c->r->tenant,
                                .id = c->accept.id,
                                .until_ms = c->until_ms,
                                .on_done = on_waited,
                                .ctx = c};
    run_wait_start(&c->wait);
}

static void answer_by_id(struct create *c)
{
    switch (c->way) {
    case PLAIN: get(c); break;
    case WAITS: wait_by_id(c); break;
    case STREAMS: stream(c); break;
    }
}

/* --- a client that went away ------------------------------------------------------------------ */

static void cancel_for_gone(struct create *c)
{
    if (c->cancel_on_gone)
        run_cancel_for_gone(c->accept.home, c->tenant, &c->accept.id);
    c->cancel_on_gone = false;
}

static void on_gone(struct api_request *r)
{
    struct create *c = r->state;
    bool is_live = c->accept.is_live;
    query_fini(&r->query);
    c->cancel_on_gone &= !c->time_is_over; /* it had waited as long as it wanted to */
    if (is_live || c->accept.is_told)
        cancel_for_gone(c);
    c->r = NULL;
    loop_timer_stop(&c->timer);
    if (c->is_waiting) {
        run_wait_stop(&c->wait);
        destroy(c);
    } else if (is_live) {
        accept_detach(&c->accept);
        if (!c->accept.is_posted)
            destroy(c);
    }
    /* else an answer is still on its way to it, and finds nobody */
}

/* It was stored only after its creator had gone. */
static void on_accepted_for_nobody(struct create *c)
{
    if (c->accept.refused == OK)
        cancel_for_gone(c);
    destroy(c);
}

/* --- what becomes of it ----------------------------------------------------------------------- */

static void refuse(struct create *c, const struct problem *problem);

static void refuse_for(struct create *c, enum err code, const char *detail)
{
    struct problem p;
    problem_init(&p);
    problem_set(&p, err_status(code) != 0 ? code : ERR_INTERNAL, "%s", detail);
    refuse(c, &p);
}

static void on_refused(struct create *c)
{
    const struct accept *a = &c->accept;
    if (!a->exists)
        refuse_for(c, a->refused, "");
    else if (!a->same_body)
        fail(c, ERR_IDEMPOTENCY_MISMATCH, NULL);
    else
        answer_by_id(c);
}

static void on_accepted(struct accept *a)
{
    struct create *c = CONTAINER_OF(a, struct create, accept);
    c->replayed = a->exists;
    c->cancel_on_gone &= !c->replayed; /* only its creator may end a run by leaving */
    if (c->r == NULL)
        on_accepted_for_nobody(c);
    else if (a->refused != OK || a->exists)
        on_refused(c);
    else if (c->way == STREAMS)
        stream(c);
    else if (c->way == PLAIN || c->time_is_over)
        finish_with_json(c);
    else if (!a->is_live)
        wait_by_id(c); /* it waits in the store for its turn */
}

static void on_ended(struct accept *a, const struct run_record *record)
{
    struct create *c = CONTAINER_OF(a, struct create, accept);
    if (record != NULL)
        finish_with_record(c, record, record->seq);
    else
        fail(c, ERR_OVERLOADED, NULL);
}

/* The client has waited as long as it wanted to: it gets the run as it is. */
static void on_time_over(struct loop_timer *timer)
{
    struct create *c = CONTAINER_OF(timer, struct create, timer);
    c->time_is_over = true;
    if (!c->accept.is_told) {
        accept_hurry(&c->accept);
        return;
    }
    accept_detach(&c->accept);
    get(c);
}

static void on_hurry(struct api_request *r)
{
    struct create *c = r->state;
    if (c->is_waiting) {
        run_wait_stop(&c->wait);
        c->is_waiting = false;
        get(c);
    } else if (loop_timer_is_armed(&c->timer)) {
        loop_timer_stop(&c->timer);
        on_time_over(&c->timer);
    }
}

/* --- refused ---------------------------------------------------------------------------------- */

static void on_looked_for_twin(struct replay *p)
{
    struct create *c = p->ctx;
    struct api_request *r = c->r;
    if (r != NULL && p->found) {
        c->replayed = true;
        c->cancel_on_gone = false;
        c->accept.id = p->twin.id;
        answer_by_id(c);
        return;
    }
    if (r != NULL) {
        r->on_gone = NULL;
        api_problem(r, &p->problem);
    }
    destroy(c);
}

/* NULL: it has no key, or can only be refused. */
static struct refusal *make_refusal(struct create *c, const struct problem *problem)
{
    struct api_request *r = c->r;
    struct str key = r->headers.idempotency_key;
    if (key.at == NULL || !replay_is_possible(problem->code))
        return NULL;
    struct refusal *f = mem_zalloc(sizeof *f);
    if (f == NULL)
        return NULL;
    str_copy(f->key, sizeof f->key, key);
    f->replay = (struct replay){
        .shard = r->shard,
        .twin = {.tenant = r->tenant, .scope = str_of(c->scope), .key = str_of(f->key)},
        .problem = *problem,
        .on_done = on_looked_for_twin,
        .ctx = c};
    memcpy(f->replay.twin.digest, c->accept.idem_digest, sizeof f->replay.twin.digest);
    return f;
}

/* With the problem, unless its key has been used before. */
static void refuse(struct create *c, const struct problem *problem)
{
    struct api_request *r = c->r;
    loop_timer_stop(&c->timer);
    c->refusal = make_refusal(c, problem);
    if (c->refusal != NULL) {
        r->state = c;
        r->on_gone = on_gone;
        r->on_hurry = on_hurry;
        replay_start(&c->refusal->replay);
        return;
    }
    r->on_gone = NULL;
    destroy(c);
    api_problem(r, problem);
}

/* --- the way in ------------------------------------------------------------------------------- */

/* The headers that a create understands. False: answered. */
static bool read_headers(struct create *c)
{
    struct api_request *r = c->r;
    const struct headers *h = &r->headers;
    if (h->idempotency_key.at != NULL && !create_key_is_valid(h->idempotency_key)) {
        fail(c, ERR_INVALID_HEADER, "Idempotency-Key must be 1 to 255 visible ASCII characters");
        return false;
    }
    const char *wrong = create_read_depth(r, &c->depth);
    if (wrong != NULL) {
        fail(c, ERR_INVALID_HEADER, wrong);
        return false;
    }
    if (h->idempotency_key.at != NULL)
        create_set_key(&c->accept, r, h->idempotency_key, r->body, c->scope);
    c->wait_was_asked = headers_wait_ms(h) > 0;
    return true;
}

static void choose_way(struct create *c, uint64_t default_wait_ms)
{
    c->wait_ms = api_wait_ms(c->r, default_wait_ms);
    c->until_ms = loop_now_ms(c->r->shard->loop) + c->wait_ms;
    c->way = c->r->accepts != ACCEPTS_JSON ? STREAMS : c->wait_ms > 0 ? WAITS : PLAIN;
}

static bool check_body(struct create *c, const struct run_target *target)
{
    struct problem problem;
    problem_init(&problem);
    if (create_check(c->r, c->r->body, target, &problem, &c->accept.spec))
        return true;
    refuse(c, &problem);
    return false;
}

/* The key's own limit: how many runs it may create in a time. */
static bool within_rate(struct create *c)
{
    struct problem p;
    problem_init(&p);
    if (create_is_within_rate(c->r, &p))
        return true;
    run_spec_fini(&c->accept.spec);
    refuse(c, &p);
    return false;
}

static void start(struct create *c)
{
    struct api_request *r = c->r;
    struct accept *a = &c->accept;
    c->cancel_on_gone = c->way != PLAIN && (a->spec.flags & RUN_CANCEL_ON_DISCONNECT) != 0;
    a->tenant = r->tenant;
    a->waits = c->way == WAITS;
    a->streams = c->way == STREAMS;
    a->on_accepted = on_accepted;
    a->on_ended = on_ended;
    r->state = c;
    r->on_gone = on_gone;
    r->on_hurry = on_hurry;
    enum err e = accept_start(a, r->shard);
    if (e != OK) {
        refuse_for(c, e, "");
        return;
    }
    if (c->way == WAITS)
        loop_timer_start(&c->timer, c->until_ms);
}

/* NULL: answered. */
static struct create *begin(struct api_request *r, uint64_t default_wait_ms)
{
    struct create *c = mem_zalloc(sizeof *c);
    if (c == NULL) {
        api_fail(r, ERR_OVERLOADED, NULL);
        return NULL;
    }
    c->r = r;
    c->tenant = r->tenant;
    loop_timer_init(&c->timer, r->shard->loop, on_time_over);
    buf_init(&c->accept.json, 0);
    if (!read_headers(c))
        return NULL;
    choose_way(c, default_wait_ms);
    if (c->way == STREAMS && !streams_admit(r)) {
        destroy(c);
        return NULL;
    }
    return c;
}

static void create(struct api_request *r, const struct run_target *target, uint64_t default_wait_ms)
{
    struct create *c = begin(r, default_wait_ms);
    if (c == NULL || !check_body(c, target) || !within_rate(c))
        return;
    c->accept.spec.flags |= c->depth << RUN_DEPTH_SHIFT;
    start(c);
}

void handle_runs_create(struct api_request *r)
{
    struct run_target target = {.agent = STR_NONE};
    create(r, &target, 0);
}

/* The path names the agent: one that does not exist is 404. */
static bool find_agent(struct api_request *r, struct run_target *ret_target)
{
    if (definitions_agent(r->shard->definitions, r->params.name) == NULL) {
        api_fail(r, ERR_NOT_FOUND, "there is no agent of that name");
        return false;
    }
    *ret_target = (struct run_target){.agent = r->params.name};
    return true;
}

void handle_agent_runs_create(struct api_request *r)
{
    struct run_target target;
    if (find_agent(r, &target))
        create(r, &target, 0);
}

void handle_agent_run(struct api_request *r)
{
    struct run_target target;
    if (!find_agent(r, &target))
        return;
    target.takes_task_text = true;
    create(r, &target, api_rules(r)->limits.default_wait_ms);
}

void handle_workflow_runs_create(struct api_request *r)
{
    struct run_target target = {.workflow = r->params.name};
    if (definitions_workflow(r->shard->definitions, r->params.name) == NULL)
        api_fail(r, ERR_NOT_FOUND, "there is no workflow of that name");
    else
        create(r, &target, 0);
}

/* --- POST /v1/runs/ID/retry ------------------------------------------------------------------- */

static bool may_retry(enum run_state state)
{
    return run_state_is_terminal(state) && state != RUN_SUCCEEDED;
}

/* A run that tries another one again is what called this one, as that one's creator was. */
static void deepen(struct run_spec *spec, unsigned depth)
{
    if (depth <= (spec->flags >> RUN_DEPTH_SHIFT & RUN_DEPTH_MAX))
        return;
    spec->flags &= ~((unsigned)RUN_DEPTH_MAX << RUN_DEPTH_SHIFT);
    spec->flags |= depth << RUN_DEPTH_SHIFT;
}

/* The same spec, and what has succeeded of its tasks. */
static enum err take_over(struct create *c, struct store_tasks *old)
{
    struct accept *a = &c->accept;
    struct workflow *version = definitions_of_run(c->r->shard->definitions, &old->run);
    enum err e = run_spec_reopen(&old->run, version, &a->spec);
    if (e == OK && run_spec_is_lost(&a->spec))
        e = ERR_UNKNOWN_WORKFLOW;
    if (e != OK)
        return e;
    a->spec.arena.max_bytes = SIZE_MAX / 2; /* results are as large as they are */
    a->spec.flags &= ~((unsigned)RUN_NESTING_MAX << RUN_NESTING_SHIFT); /* it has no parent */
    deepen(&a->spec, c->depth);
    a->has_retry_of = true;
    a->retry_of = old->run.id;
    return tree_copies_choose(a->spec.task, old->tasks, old->count, &a->spec.arena, &a->copies);
}

static void retry(struct create *c, struct store_tasks *old)
{
    if (!may_retry(old->run.state)) {
        fail(c, ERR_CONFLICT, "only a run that failed, was cancelled or timed out is tried again");
        return;
    }
    enum err e = take_over(c, old);
    if (e != OK) {
        run_spec_fini(&c->accept.spec);
        fail(c, e == ERR_UNKNOWN_WORKFLOW ? e : ERR_OVERLOADED, NULL);
        return;
    }
    if (within_rate(c))
        start(c);
}

static void on_old_read(struct tasks_get *g)
{
    struct create *c = g->ctx;
    struct store_tasks old = g->read; /* the create may go before what was read does */
    if (c->r == NULL)
        destroy(c);
    else if (g->result != OK)
        refuse_for(c, g->result, g->result == ERR_NOT_FOUND ? "there is no run with that id" : "");
    else
        retry(c, &old);
    arena_fini(&old.arena);
}

static void on_gone_early(struct api_request *r)
{
    struct create *c = r->state;
    query_fini(&r->query);
    c->r = NULL;
}

void handle_run_retry(struct api_request *r)
{
    if (!api_read_run_id(r))
        return;
    struct create *c = begin(r, 0);
    if (c == NULL)
        return;
    r->state = c;
    r->on_gone = on_gone_early;
    c->old = (struct tasks_get){
        .shard = r->shard, .tenant = r->tenant, .id = r->run_id, .on_done = on_old_read, .ctx = c};
    tasks_get_start(&c->old);
}

/* --- POST /v1/runs/validate ------------------------------------------------------------------- */

void handle_runs_validate(struct api_request *r)
{
    struct run_target target = {.agent = STR_NONE};
    struct problem problem;
    struct run_spec spec;
    problem_init(&problem);
    if (!create_check(r, r->body, &target, &problem, &spec)) {
        api_problem(r, &problem);
        return;
    }
    struct api_reply reply;
    run_spec_fini(&spec);
    reply_init(&reply, 200);
    buf_add_lit(&reply.body, "{\"valid\":true}");
    api_send(r, &reply);
}
