#include "runs/engine.h"

#include "base/log.h"
#include "base/mem.h"

enum err engine_create(const struct engine_options *o, struct engine **ret_engine)
{
    struct engine *e = mem_zalloc(sizeof *e);
    if (e == NULL) {
        catalog_unref(o->catalog);
        definitions_unref(o->definitions);
        return ERR_NOMEM;
    }
    e->store = o->store;
    e->limits = o->limits;
    enum err rc = directory_init(&e->directory);
    for (uint32_t i = 0; rc == OK && i < o->loop_count; i++) {
        struct shard *s = &e->shards[i];
        rc = shard_init(s, e, i, o->loops[i]);
        s->store = o->store;
        s->limits = &e->limits;
        s->base_path = o->base_path;
        s->catalog = catalog_ref(o->catalog);
        s->definitions = definitions_ref(o->definitions);
        e->shard_count++;
    }
    catalog_unref(o->catalog);
    enum err of_library = library_init(&e->library, e, o->definitions);
    if (rc == OK)
        rc = of_library;
    if (rc == OK)
        rc = fuses_init(&e->fuses);
    if (rc == OK)
        rc = claimer_init(&e->claimer, e);
    if (rc == OK)
        rc = courier_init(&e->courier, e);
    if (rc != OK) {
        engine_destroy(e);
        return rc;
    }
    *ret_engine = e;
    return OK;
}

void engine_destroy(struct engine *e)
{
    if (e == NULL)
        return;
    courier_fini(&e->courier);
    claimer_fini(&e->claimer);
    library_fini(&e->library);
    for (uint32_t i = 0; i < e->shard_count; i++)
        shard_fini(&e->shards[i]);
    fuses_fini(&e->fuses);
    directory_fini(&e->directory);
    mem_free(e);
}

/* --- what all shards have together ------------------------------------------------------------ */

uint32_t engine_live(const struct engine *e)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->shard_count; i++)
        n += atomic_load_explicit(&e->shards[i].live, memory_order_relaxed);
    return n;
}

uint32_t engine_busy(const struct engine *e)
{
    uint32_t live = 0, idle = 0;
    for (uint32_t i = 0; i < e->shard_count; i++) {
        live += atomic_load_explicit(&e->shards[i].live, memory_order_relaxed);
        idle += atomic_load_explicit(&e->shards[i].idle, memory_order_relaxed);
    }
    return live > idle ? live - idle : 0;
}

uint32_t engine_children_queued(const struct engine *e)
{
    int64_t n = atomic_load_explicit(&e->children_queued, memory_order_relaxed);
    return n > 0 ? (uint32_t)n : 0;
}

bool engine_is_crowded(const struct engine *e)
{
    const struct engine_limits *limits = e->shards[0].limits;
    return engine_live(e) >= limits->live_runs || engine_memory(e) >= limits->memory_bytes;
}

uint64_t engine_memory(const struct engine *e)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < e->shard_count; i++)
        n += atomic_load_explicit(&e->shards[i].memory, memory_order_relaxed);
    return n;
}

struct shard *engine_place(struct engine *e, struct shard *here)
{
    struct shard *best = here;
    uint32_t least = atomic_load_explicit(&here->live, memory_order_relaxed);
    uint32_t clearly = least > 16 ? least - least / 5 - 8 : 0; /* moving a run costs two messages */
    for (uint32_t i = 0; i < e->shard_count; i++) {
        uint32_t n = atomic_load_explicit(&e->shards[i].live, memory_order_relaxed);
        if (n < clearly && n < least) {
            best = &e->shards[i];
            least = n;
        }
    }
    return best;
}

/* --- a message to every shard ----------------------------------------------------------------- */

struct notice {
    struct loop_msg msg;
    struct shard *to;
};

static void tell_all(struct engine *e, loop_msg_fn *on_arrive)
{
    for (uint32_t i = 0; i < e->shard_count; i++) {
        struct notice *n = mem_alloc(sizeof *n);
        if (n == NULL) {
            log_error(log_msg("out of memory while stopping"));
            continue;
        }
        *n = (struct notice){.msg.on_arrive = on_arrive, .to = &e->shards[i]};
        loop_post(n->to->loop, &n->msg);
    }
}

static void begin(struct engine *e)
{
    claimer_start(&e->claimer);
    courier_start(&e->courier);
    atomic_store(&e->is_started, true);
}

static void on_library_started(struct engine *e)
{
    circuits_restore(e, begin);
}

static void on_start(struct loop_msg *msg)
{
    struct notice *n = CONTAINER_OF(msg, struct notice, msg);
    if (n->to->index == 0)
        library_start(&n->to->engine->library, on_library_started);
    mem_free(n);
}

void engine_start(struct engine *e)
{
    circuits_watch(e, e->shards[0].catalog);
    circuits_watch_named(e);
    tell_all(e, on_start);
}

void engine_take_over(struct engine *e)
{
    claimer_take_over(&e->claimer);
    courier_take_over(&e->courier);
}

bool engine_is_started(const struct engine *e)
{
    return atomic_load(&e->is_started);
}

/* --- stopping --------------------------------------------------------------------------------- */

/* Runs that sleep need not be waited for: a save parks them. */
static void park_sleepers(struct shard *s)
{
    for (struct map_node *it = map_next(&s->runs, NULL); it != NULL; it = map_next(&s->runs, it)) {
        struct run *run = CONTAINER_OF(it, struct run, by_id);
        if (run_may_park(run))
            outbox_want(run, SAVE_SOON);
    }
}

static void on_drain(struct loop_msg *msg)
{
    struct notice *n = CONTAINER_OF(msg, struct notice, msg);
    if (n->to->index == 0) {
        claimer_stop(&n->to->engine->claimer);
        courier_drain(&n->to->engine->courier);
    }
    park_sleepers(n->to);
    mem_free(n);
}

void engine_drain(struct engine *e)
{
    if (!atomic_exchange(&e->is_draining, true))
        tell_all(e, on_drain);
}

bool engine_is_idle(const struct engine *e)
{
    return engine_live(e) == 0 && courier_is_quiet(&e->courier);
}

static void on_park(struct loop_msg *msg)
{
    struct notice *n = CONTAINER_OF(msg, struct notice, msg);
    struct shard *s = n->to;
    struct map_node *node = map_next(&s->runs, NULL);
    while (node != NULL) {
        struct map_node *next = map_next(&s->runs, node);
        run_park(CONTAINER_OF(node, struct run, by_id));
        node = next;
    }
    if (s->index == 0)
        courier_park(&s->engine->courier);
    outbox_flush(&s->outbox);
    s->is_parking = true;
    mem_free(n);
}

void engine_park(struct engine *e)
{
    tell_all(e, on_park);
}

bool engine_is_parked(const struct engine *e)
{
    for (uint32_t i = 0; i < e->shard_count; i++) {
        if (!atomic_load(&e->shards[i].is_parked))
            return false;
    }
    return courier_is_quiet(&e->courier);
}
