/* What the configuration says, recorded with its versions. */
#include "base/log.h"
#include "runs/engine.h"

static struct library_reseed *now(const struct library *l)
{
    return CONTAINER_OF(l->now, struct library_reseed, job);
}

static void finish(struct library *l, enum err result)
{
    struct library_reseed *r = now(l);
    r->next = definitions_unref(r->next);
    arena_fini(&r->arena);
    r->result = result;
    atomic_fetch_sub(&l->open, 1);
    r->on_done(r);
    library_end(l);
}

/* --- writing ---------------------------------------------------------------------------------- */

static enum err list_seeds(struct library_reseed *r)
{
    const struct definitions *d = r->seeds;
    size_t n = (size_t)d->agent_count + d->workflow_count;
    struct store_definition *seeds = arena_alloc(&r->arena, (n + 1) * sizeof *seeds);
    enum err e = seeds != NULL ? OK : ERR_NOMEM;
    uint32_t count = 0;
    for (int kind = DEFINITION_AGENT; e == OK && kind <= DEFINITION_WORKFLOW; kind++) {
        uint32_t of_kind = definitions_count(d, (enum definition_kind)kind);
        for (uint32_t i = 0; e == OK && i < of_kind; i++) {
            struct definition one = definitions_at(d, (enum definition_kind)kind, i);
            e = definition_store(&one, &r->arena, &seeds[count++]);
        }
    }
    r->write.seeds = seeds;
    r->write.count = count;
    return e;
}

/* They stand in the order of list_seeds. */
static void take_versions(const struct library_reseed *r)
{
    for (uint32_t i = 0; i < r->write.count; i++) {
        uint32_t agents = r->seeds->agent_count;
        struct definition one = i < agents
                                    ? definitions_at(r->seeds, DEFINITION_AGENT, i)
                                    : definitions_at(r->seeds, DEFINITION_WORKFLOW, i - agents);
        definition_set_version(&one, r->write.seeds[i].version);
    }
}

static void warn_of_hidden(const struct library *l)
{
    struct definition hidden, first;
    uint32_t count = 0;
    for (int k = DEFINITION_AGENT; k <= DEFINITION_WORKFLOW; k++) {
        enum definition_kind kind = (enum definition_kind)k;
        for (uint32_t i = 0; i < definitions_count(l->made, kind); i++) {
            struct definition one = definitions_at(l->made, kind, i);
            if (definitions_find(l->seeds, kind, definition_name(&one), &hidden) && count++ == 0)
                first = one;
        }
    }
    if (count > 0)
        log_warn(log_msg("the configuration hides what was made by the API"), log_u("count", count),
                 log_s("kind", definition_kind_name(first.kind)),
                 log_str("first", definition_name(&first)));
}

static void adopt(struct library *l, struct library_reseed *r)
{
    take_versions(r);
    definitions_ref(r->seeds);
    definitions_unref(l->seeds);
    l->seeds = r->seeds;
    definitions_unref(l->current);
    l->current = r->next;
    r->current = definitions_ref(r->next);
    r->next = NULL;
    arena_fini(&r->arena);
    warn_of_hidden(l);
    r->result = OK;
    r->on_done(r); /* what it does next decides when the job ends: library_go_on */
}

static void on_written(struct store_op *op)
{
    struct library_reseed *r =
        CONTAINER_OF(CONTAINER_OF(op, struct store_seed, op), struct library_reseed, write);
    if (op->result == STORE_OK)
        adopt(r->job.library, r);
    else
        finish(r->job.library, ERR_STORAGE_UNAVAILABLE);
}

static void write(struct library *l)
{
    struct library_reseed *r = now(l);
    enum err e = list_seeds(r);
    if (e == OK)
        e = definitions_lay(r->seeds, l->made, NULL, &r->next);
    if (e != OK) {
        finish(l, e);
        return;
    }
    r->write.op =
        (struct store_op){.kind = STORE_SEED, .loop = library_home(l)->loop, .on_done = on_written};
    store_start(library_home(l)->store, &r->write.op);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void on_refreshed(struct library *l, enum err result)
{
    if (result == OK)
        write(l);
    else
        finish(l, result);
}

static void begin(struct library_job *job)
{
    struct library *l = job->library;
    if (l->is_stale)
        library_refresh(l, on_refreshed);
    else
        write(l);
}

void library_reseed_start(struct library_reseed *r)
{
    arena_init(&r->arena, SIZE_MAX / 2);
    r->next = r->current = NULL;
    r->job.begin = begin;
    library_submit(&r->engine->library, &r->job);
}

static void on_go_on(struct loop_msg *msg)
{
    struct library_job *job = CONTAINER_OF(msg, struct library_job, msg);
    struct library *l = job->library;
    struct library_reseed *r = CONTAINER_OF(job, struct library_reseed, job);
    library_end(l);
    atomic_fetch_sub(&l->open, 1);
    r->on_gone_on(r);
}

void library_go_on(struct library_reseed *r)
{
    r->job.msg.on_arrive = on_go_on;
    loop_post(library_home(r->job.library)->loop, &r->job.msg);
}
