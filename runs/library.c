#include "runs/library.h"

#include "base/log.h"
#include "base/mem.h"
#include "runs/engine.h"

enum { AGAIN_MS = 250 /* between two tries to find out what is stored */ };

struct shard *library_home(const struct library *l)
{
    return &l->engine->shards[0];
}

/* --- one job after the other ------------------------------------------------------------------ */

static void on_next(struct loop_msg *msg)
{
    struct library *l = CONTAINER_OF(msg, struct library, next);
    struct list *link = l->now == NULL ? list_pop_front(&l->waiting) : NULL;
    l->is_next_posted = false;
    if (link == NULL)
        return;
    l->waiting_count--;
    l->now = CONTAINER_OF(link, struct library_job, link);
    l->now->begin(l->now);
}

/* Not at once: a row of jobs that end where they begin must not stand on the stack. */
static void begin_next(struct library *l)
{
    if (l->now != NULL || l->is_next_posted || list_is_empty(&l->waiting))
        return;
    l->is_next_posted = true;
    loop_soon(library_home(l)->loop, &l->next);
}

static void on_submitted(struct loop_msg *msg)
{
    struct library_job *job = CONTAINER_OF(msg, struct library_job, msg);
    struct library *l = job->library;
    if (job->refuse != NULL && l->waiting_count >= LIBRARY_MAX_WAITING) {
        job->refuse(job);
        return;
    }
    list_init(&job->link);
    list_push_back(&l->waiting, &job->link);
    l->waiting_count++;
    begin_next(l);
}

void library_submit(struct library *l, struct library_job *job)
{
    atomic_fetch_add(&l->open, 1);
    job->library = l;
    job->msg.on_arrive = on_submitted;
    loop_post(library_home(l)->loop, &job->msg);
}

void library_end(struct library *l)
{
    l->now = NULL;
    begin_next(l);
}

bool library_is_idle(const struct library *l)
{
    return atomic_load(&l->open) == 0;
}

/* --- a snapshot for every loop ---------------------------------------------------------------- */

static void on_all_have_it(struct loop_msg *msg)
{
    struct library *l = CONTAINER_OF(msg, struct library, all_have_it);
    l->on_handed_out(l);
}

/* On each loop. */
static void on_handout(struct loop_msg *msg)
{
    struct handout *h = CONTAINER_OF(msg, struct handout, msg);
    struct library *l = h->library;
    shard_define(h->to, h->definitions);
    if (atomic_fetch_sub(&l->handouts_left, 1) == 1)
        loop_post(library_home(l)->loop, &l->all_have_it);
}

void library_hand_out(struct library *l, struct definitions *next,
                      void (*on_handed_out)(struct library *l))
{
    struct engine *e = l->engine;
    definitions_unref(l->current);
    l->current = next;
    l->on_handed_out = on_handed_out;
    atomic_store(&l->handouts_left, e->shard_count);
    for (uint32_t i = 0; i < e->shard_count; i++) {
        struct handout *h = &l->handouts[i];
        *h = (struct handout){.msg.on_arrive = on_handout,
                              .to = &e->shards[i],
                              .definitions = definitions_ref(next),
                              .library = l};
        loop_post(h->to->loop, &h->msg);
    }
}

/* --- what is stored --------------------------------------------------------------------------- */

static enum err find_or_restore(struct library *l, const struct store_definition *stored,
                                struct definition *ret)
{
    bool is_here = definitions_find(l->made, stored->kind, stored->name, ret) &&
                   definition_version(ret) == stored->version;
    if (is_here)
        definition_ref(ret);
    return is_here ? OK : definition_restore(stored, ret);
}

/* One that is damaged is left out; its version stays in the store. */
static enum err restore_all(struct library *l, struct definitions *made)
{
    for (uint32_t i = 0; i < l->read.count; i++) {
        const struct store_definition *stored = &l->read.definitions[i];
        struct definition d;
        enum err e = find_or_restore(l, stored, &d);
        if (e == ERR_NOMEM)
            return e;
        if (e != OK)
            log_error(log_msg("a stored definition cannot be read"),
                      log_s("kind", definition_kind_name(stored->kind)),
                      log_str("name", stored->name), log_i("version", stored->version));
        else if (d.kind == DEFINITION_AGENT)
            made->agents[made->agent_count++] = d.agent;
        else
            made->workflows[made->workflow_count++] = d.workflow;
    }
    return OK;
}

static enum err make_made(struct library *l, struct definitions **ret)
{
    struct definitions *made;
    size_t n = (size_t)l->read.count + 1;
    enum err e = definitions_create(mem_zalloc(n * sizeof(struct agent *)), 0,
                                    mem_zalloc(n * sizeof(struct workflow *)), 0, &made);
    if (e != OK)
        return e;
    e = made->agents != NULL && made->workflows != NULL ? restore_all(l, made) : ERR_NOMEM;
    if (e != OK) {
        definitions_unref(made);
        return e;
    }
    *ret = made;
    return OK;
}

static void on_refresh_handed_out(struct library *l)
{
    l->on_refreshed(l, OK);
}

static enum err take_read(struct library *l)
{
    struct definitions *made, *next;
    enum err e = make_made(l, &made);
    if (e != OK)
        return e;
    e = definitions_lay(l->seeds, made, NULL, &next);
    if (e != OK) {
        definitions_unref(made);
        return e;
    }
    definitions_unref(l->made);
    l->made = made;
    l->is_stale = false;
    library_hand_out(l, next, on_refresh_handed_out);
    return OK;
}

static void on_read(struct store_op *op)
{
    struct store_definitions *read = CONTAINER_OF(op, struct store_definitions, op);
    struct library *l = CONTAINER_OF(read, struct library, read);
    enum err e = op->result == STORE_OK ? take_read(l) : ERR_STORAGE_UNAVAILABLE;
    arena_fini(&l->read.arena);
    if (e != OK)
        l->on_refreshed(l, e);
}

void library_refresh(struct library *l, void (*on_refreshed)(struct library *l, enum err result))
{
    struct shard *home = library_home(l);
    if (!store_is_available(home->store)) { /* what is in doubt is not settled yet */
        on_refreshed(l, ERR_STORAGE_UNAVAILABLE);
        return;
    }
    l->on_refreshed = on_refreshed;
    l->read = (struct store_definitions){
        .op = {.kind = STORE_DEFINITIONS, .loop = home->loop, .on_done = on_read}};
    arena_init(&l->read.arena, SIZE_MAX / 2);
    store_start(home->store, &l->read.op);
}

/* --- catching up ------------------------------------------------------------------------------ */

static void try_again_later(struct library *l)
{
    loop_timer_start(&l->again, loop_now_ms(library_home(l)->loop) + AGAIN_MS);
}

static void on_caught_up(struct library *l, enum err result)
{
    if (result != OK)
        try_again_later(l);
    l->is_catching_up = false;
    atomic_fetch_sub(&l->open, 1);
    library_end(l);
}

static void begin_catch_up(struct library_job *job)
{
    struct library *l = job->library;
    if (l->is_stale)
        library_refresh(l, on_caught_up);
    else
        on_caught_up(l, OK); /* a change was faster */
}

void library_doubt(struct library *l)
{
    l->is_stale = true;
    try_again_later(l);
}

/* --- the start -------------------------------------------------------------------------------- */

static void on_first_handed_out(struct library *l)
{
    library_go_on(&l->first);
}

static void on_first_done(struct library_reseed *r)
{
    struct library *l = CONTAINER_OF(r, struct library, first);
    if (r->result == OK) {
        library_hand_out(l, r->current, on_first_handed_out);
        return;
    }
    log_warn(log_msg("agents and workflows cannot be read yet"),
             log_s("error", err_code(r->result)));
    try_again_later(l);
}

static void on_first_gone_on(struct library_reseed *r)
{
    struct library *l = CONTAINER_OF(r, struct library, first);
    l->is_started = true;
    l->on_started(l->engine);
}

static void on_again(struct loop_timer *timer)
{
    struct library *l = CONTAINER_OF(timer, struct library, again);
    if (!l->is_started) {
        library_reseed_start(&l->first);
    } else if (l->is_stale && !l->is_catching_up) {
        l->is_catching_up = true;
        l->catch_up.begin = begin_catch_up;
        library_submit(l, &l->catch_up);
    }
}

void library_start(struct library *l, void (*on_started)(struct engine *e))
{
    loop_timer_init(&l->again, library_home(l)->loop, on_again);
    l->on_started = on_started;
    l->first = (struct library_reseed){.engine = l->engine,
                                       .seeds = l->seeds,
                                       .on_done = on_first_done,
                                       .on_gone_on = on_first_gone_on};
    library_reseed_start(&l->first);
}

/* --- life ------------------------------------------------------------------------------------- */

enum err library_init(struct library *l, struct engine *e, struct definitions *seeds)
{
    *l = (struct library){.engine = e,
                          .seeds = seeds,
                          .current = definitions_ref(seeds),
                          .is_stale = true,
                          .next.on_arrive = on_next,
                          .all_have_it.on_arrive = on_all_have_it};
    list_init(&l->waiting);
    return definitions_create(NULL, 0, NULL, 0, &l->made);
}

void library_fini(struct library *l)
{
    if (l->again.loop != NULL)
        loop_timer_stop(&l->again);
    definitions_unref(l->seeds);
    definitions_unref(l->made);
    definitions_unref(l->current);
}
