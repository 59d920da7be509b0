#include "runs/accept.h"

#include "base/mem.h"
#include "runs/engine.h"
#include "runs/lane.h"

/* --- may it come in? -------------------------------------------------------------------------- */

/* Child runs that wait in the store come first: they are what others wait for. */
static bool has_room(const struct shard *s)
{
    return engine_busy(s->engine) + engine_children_queued(s->engine) < s->limits->live_runs &&
           engine_memory(s->engine) < s->limits->memory_bytes;
}

/* Others wait in the store already, or so many in memory that it had better wait there: order is
 * kept either way. One whose creator stays on the line is let in, since its connection bounds it.
 */
static bool must_queue(const struct accept *a, const struct shard *shard)
{
    if (!has_room(shard))
        return true;
    if (a->gate == NULL || a->waits || a->streams)
        return false;
    return gate_backlog(a->gate) > 0 || gate_waiting(a->gate) >= GATE_LOOKAHEAD;
}

enum err accept_is_open(const struct shard *shard)
{
    if (atomic_load_explicit(&shard->engine->is_draining, memory_order_relaxed))
        return ERR_DRAINING;
    if (!store_is_available(shard->store))
        return ERR_STORAGE_UNAVAILABLE;
    return store_is_full(shard->store) ? ERR_OVERLOADED : OK;
}

static enum err admit(struct accept *a, struct shard *shard)
{
    struct engine *e = shard->engine;
    enum err closed = accept_is_open(shard);
    if (closed != OK)
        return closed;
    struct upstream *u = lane_upstream(shard, a->spec.task, a->spec.agent);
    a->gate = u != NULL ? u->gate : NULL;
    a->lane = u != NULL ? upstream_name(u) : STR("");
    if (a->gate != NULL && gate_is_full(a->gate))
        return ERR_QUEUE_FULL;
    a->is_queued = must_queue(a, shard);
    if (a->is_queued && atomic_load_explicit(&e->queued, memory_order_relaxed) >=
                            (int64_t)shard->limits->queue_runs)
        return ERR_OVERLOADED;
    return OK;
}

/* --- making the run --------------------------------------------------------------------------- */

/* What the answer is made of, written where the run lives. */
static void write_json(struct accept *a, struct run *run)
{
    struct run_record record;
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    if (run_record(run, &arena, &record) == OK)
        run_record_write(&a->json, &record, run->feed.published.seq, a->brief,
                         run->shard->base_path);
    arena_fini(&arena);
}

/* May the call begin before the run is stored? Only if its creator learns nothing before it is. */
static bool may_overlap(const struct accept *a, const struct run *run)
{
    if ((run->spec.flags & RUN_LAZY) != 0)
        return true;
    return (a->waits || a->streams) && (run->spec.flags & RUN_FAIL_ON_CRASH) == 0 &&
           a->idem_key.len == 0;
}

static enum save_urgency first_urgency(const struct accept *a, const struct run *run)
{
    bool lazy = (run->spec.flags & RUN_LAZY) != 0;
    return lazy || (a->waits && may_overlap(a, run)) ? SAVE_SOON : SAVE_NOW;
}

/* Waits in the store until the claimer takes it out. */
static void leave_in_store(struct run *run)
{
    struct reason reason = {.code = REASON_ADMISSION, .since_ms = run->created_at_ms};
    run->release = true;
    run->wake_at_ms = run->created_at_ms;
    claim_count(run->shard, run->lane, 1);
    run_queue(run, &reason, SAVE_NOW);
}

/* The creator has no more to do with the run. */
static void part(struct accept *a, struct run *run)
{
    run->accept = NULL;
    a->run = NULL;
}

static void on_answer_home(struct loop_msg *msg)
{
    struct accept *a = CONTAINER_OF(msg, struct accept, msg);
    a->is_posted = false;
    a->on_accepted(a);
}

static void start_live(struct accept *a, struct run *run)
{
    bool overlap = may_overlap(a, run);
    run_arm(run);
    run_queue(run, NULL, first_urgency(a, run));
    run->begin_when_saved = !overlap;
    if ((run->spec.flags & RUN_LAZY) != 0 && !a->is_told) {
        a->is_told = a->is_posted = true;
        write_json(a, run);
        a->msg.on_arrive = on_answer_home;
        loop_soon(a->home->loop, &a->msg);
        if (!a->is_live)
            part(a, run);
    }
    if (overlap)
        run_begin(run);
}

/* On the loop where the run is to live. */
static enum err make(struct accept *a)
{
    struct run *run;
    enum err e = run_create(a->at, a->tenant, &a->spec, &run);
    if (e != OK)
        return ERR_OVERLOADED;
    a->id = run->id;
    a->run = run;
    if (a->at == a->home) /* who waits is here; elsewhere the creator's loop may look at it */
        a->is_live = a->waits && !a->is_queued;
    run->accept = a;
    run->lane = arena_str(&run->spec.arena, a->lane);
    run->idem_scope = a->idem_scope;
    run->idem_key = a->idem_key;
    memcpy(run->idem_digest, a->idem_digest, sizeof run->idem_digest);
    run->retry_of = a->retry_of;
    run->has_retry_of = a->has_retry_of;
    if (a->has_retry_of && tree_copies_place(run, &a->copies) != OK)
        run_lacks_memory(run);
    if (a->is_queued)
        leave_in_store(run);
    else
        start_live(a, run);
    return OK;
}

/* Never within the caller's call. */
static void refuse(struct accept *a, enum err e)
{
    a->refused = e;
    a->msg.on_arrive = on_answer_home;
    loop_post(a->home->loop, &a->msg);
}

static void on_make(struct loop_msg *msg)
{
    struct accept *a = CONTAINER_OF(msg, struct accept, msg);
    enum err e = make(a);
    if (e != OK)
        refuse(a, e);
}

/* The caller may go before the store has read them. */
static enum err keep_texts(struct accept *a)
{
    struct str *texts[] = {&a->tenant, &a->idem_scope, &a->idem_key};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i]->len == 0)
            continue;
        *texts[i] = arena_str(&a->spec.arena, *texts[i]);
        if (texts[i]->at == NULL)
            return ERR_OVERLOADED;
    }
    return OK;
}

/* A run of a workflow is one of the version that is current now; one that is tried again has its
 * own already. */
static enum err pin(struct accept *a, const struct shard *shard)
{
    if (!run_spec_is_lost(&a->spec))
        return OK;
    struct workflow *w = definitions_workflow(shard->definitions, a->spec.workflow);
    if (w == NULL)
        return ERR_UNKNOWN_WORKFLOW;
    run_spec_pin(&a->spec, w);
    return OK;
}

static void init(struct accept *a, struct shard *shard)
{
    a->home = shard;
    a->group = NULL;
    a->run = NULL;
    a->refused = OK;
    a->exists = a->is_told = a->is_posted = a->is_live = false;
    buf_init(&a->json, SIZE_MAX / 2);
    if (a->idem_key.len > 0)
        a->spec.flags &= ~(unsigned)RUN_LAZY; /* whoever comes again must find it */
}

enum err accept_start(struct accept *a, struct shard *shard)
{
    init(a, shard);
    enum err e = pin(a, shard);
    if (e == OK)
        e = admit(a, shard);
    if (e == OK)
        e = keep_texts(a);
    bool local = a->waits || a->streams || a->is_queued || (a->spec.flags & RUN_LAZY) != 0;
    a->at = e != OK || local ? shard : engine_place(shard->engine, shard);
    if (e == OK && a->at != shard) {
        a->msg.on_arrive = on_make;
        loop_post(a->at->loop, &a->msg);
        return OK;
    }
    if (e == OK)
        e = make(a);
    if (e != OK)
        run_spec_fini(&a->spec);
    return e;
}

/* --- several together ------------------------------------------------------------------------- */

bool accept_is_joint(const struct accept *a, const struct accept *b)
{
    return a != NULL && b != NULL && a->group != NULL && a->group == b->group;
}

/* On the loop where they are to live, all in one turn: each sees what those before it took. */
static void take_in(struct accept *a)
{
    enum err e = a->refused != OK ? a->refused : admit(a, a->at);
    if (e == OK)
        e = make(a);
    if (e == OK)
        return;
    run_spec_fini(&a->spec);
    refuse(a, e);
}

static void on_group(struct loop_msg *msg)
{
    struct accept_group *g = CONTAINER_OF(msg, struct accept_group, msg);
    uint32_t count = g->count;
    for (uint32_t i = 0; i < count; i++)
        take_in(g->items[i]);
}

void accept_start_together(struct accept_group *g, struct shard *shard)
{
    g->at = engine_place(shard->engine, shard);
    for (uint32_t i = 0; i < g->count; i++) {
        struct accept *a = g->items[i];
        init(a, shard);
        a->group = g;
        a->at = g->at;
        a->spec.flags &= ~(unsigned)RUN_LAZY;
        a->refused = pin(a, shard);
        if (a->refused == OK)
            a->refused = keep_texts(a);
    }
    g->msg.on_arrive = on_group;
    loop_post(g->at->loop, &g->msg);
}

/* --- answering -------------------------------------------------------------------------------- */

/* To the creator's loop, or at once where this is it. */
static void answer(struct accept *a)
{
    a->is_told = true;
    if (a->at == a->home) {
        a->on_accepted(a);
        return;
    }
    a->is_posted = true;
    a->msg.on_arrive = on_answer_home;
    loop_post(a->home->loop, &a->msg);
}

void accept_on_saved(struct accept *a, struct run *run)
{
    if (a->is_told)
        return;
    run->idem_key = STR_NONE; /* stored: no later change has it */
    if (!a->waits || !run_state_is_terminal(run->state))
        write_json(a, run);
    if (!a->is_live)
        part(a, run);
    answer(a);
}

void accept_on_refused(struct accept *a, enum err e, const struct id *existing, bool same_body)
{
    a->run = NULL;
    a->is_live = false;
    if (a->is_told) /* told before it was stored, as was asked for; it is lost whole */
        return;
    a->refused = e;
    a->exists = e == OK;
    a->same_body = same_body;
    if (existing != NULL)
        a->id = *existing;
    answer(a);
}

void accept_on_ended(struct accept *a, struct run *run)
{
    part(a, run);
    if (!a->is_live)
        return;
    a->is_live = false;
    struct run_record record;
    struct arena arena;
    arena_init(&arena, SIZE_MAX / 2);
    bool fine = run_record(run, &arena, &record) == OK;
    a->on_ended(a, fine ? &record : NULL);
    arena_fini(&arena);
}

void accept_hurry(struct accept *a)
{
    if (a->run != NULL && !a->is_told)
        outbox_want(a->run, SAVE_NOW);
}

void accept_detach(struct accept *a)
{
    if (a->run != NULL && a->at == a->home && a->run->accept == a)
        a->run->accept = NULL;
    a->run = NULL;
    a->is_live = false;
}

void accept_fini(struct accept *a)
{
    buf_fini(&a->json);
}
