#include "runs/shard.h"

#include "base/list.h"
#include "base/mem.h"
#include "runs/engine.h"
#include "runs/mirror.h"
#include "runs/withdraw.h"

static void on_publish(struct loop_hook *hook);

enum err shard_init(struct shard *s, struct engine *engine, uint32_t index, struct loop *loop)
{
    *s = (struct shard){.engine = engine, .index = index, .loop = loop, .tasks_max = TASKS_MAX};
    uint64_t seed;
    rng_system(&seed, sizeof seed);
    rng_seed(&s->rng, seed);
    id_source_init(&s->ids);
    json_doc_init(&s->scratch);
    buf_init(&s->event, SIZE_MAX / 2);
    list_init(&s->publishing);
    tree_work_init(&s->work);
    list_init(&s->withdrawals);
    listeners_init(&s->listeners, s);
    list_init(&s->retired);
    if (map_init(&s->runs) != OK || map_init(&s->mirrors) != OK)
        return ERR_NOMEM;
    outbox_init(&s->outbox,
                s); /* its hook comes first: what is published was handed to the store before */
    s->publish_hook.on_turn_end = on_publish;
    loop_hook_add(loop, &s->publish_hook);
    return OK;
}

static void drop_retired(struct takeover *t)
{
    list_remove(&t->link);
    catalog_unref(t->catalog);
    mem_free(t);
}

void shard_fini(struct shard *s)
{
    loop_hook_remove(&s->publish_hook);
    listeners_fini(&s->listeners);
    outbox_fini(&s->outbox);
    withdraw_drop_all(s);
    while (!list_is_empty(&s->retired))
        drop_retired(CONTAINER_OF(s->retired.next, struct takeover, link));
    catalog_unref(s->catalog);
    definitions_unref(s->definitions);
    map_fini(&s->runs);
    map_fini(&s->mirrors);
    json_doc_fini(&s->scratch);
    buf_fini(&s->event);
}

static bool is_same(const struct map_node *node, const void *id)
{
    return id_eq(&CONTAINER_OF(node, const struct run, by_id)->id, id);
}

struct run *shard_find(const struct shard *s, const struct id *id)
{
    struct map_node *node = map_find(&s->runs, id_hash(id), id, is_same);
    return node != NULL ? CONTAINER_OF(node, struct run, by_id) : NULL;
}

/* --- providers that come and go --------------------------------------------------------------- */

void shard_hold(struct shard *s, struct upstream *u)
{
    upstream_hold(u, s->index);
}

void shard_let_go(struct shard *s, struct upstream *u)
{
    upstream_let_go(u, s->index);
    s->may_retire = !list_is_empty(&s->retired);
}

void shard_define(struct shard *s, struct definitions *definitions)
{
    definitions_unref(s->definitions);
    s->definitions = definitions;
}

void shard_take_over(struct shard *s, struct takeover *t)
{
    struct catalog *old = s->catalog;
    s->catalog = t->catalog;
    s->limits = t->limits;
    t->catalog = old;
    shard_define(s, t->definitions);
    list_push_back(&s->retired, &t->link);
    s->may_retire = true;
    if (s->index == 0)
        engine_take_over(s->engine);
}

/* True: nobody here uses any of its providers. */
static bool drop_pools(struct shard *s, const struct catalog *c)
{
    bool is_unused = true;
    for (uint32_t i = 0; i < c->upstream_count; i++) {
        if (upstream_is_held(c->upstreams[i], s->index))
            is_unused = false;
        else
            upstream_drop_pool(c->upstreams[i], s->index);
    }
    return is_unused;
}

/* At the end of a turn: no pool is in the middle of anything. */
static void retire(struct shard *s)
{
    s->may_retire = false;
    LIST_EACH_SAFE (it, &s->retired) {
        struct takeover *t = CONTAINER_OF(it, struct takeover, link);
        if (drop_pools(s, t->catalog))
            drop_retired(t);
    }
}

static void drop_all_pools(struct shard *s, const struct catalog *c)
{
    for (uint32_t i = 0; i < c->upstream_count; i++)
        upstream_drop_pool(c->upstreams[i], s->index);
}

void shard_drop_pools(struct shard *s)
{
    LIST_EACH (it, &s->retired)
        drop_all_pools(s, CONTAINER_OF(it, struct takeover, link)->catalog);
    drop_all_pools(s, s->catalog);
    if (s->index == 0)
        courier_drop_pools(&s->engine->courier);
}

/* --- the end of a turn ------------------------------------------------------------------------ */

void shard_publish_later(struct run *run)
{
    if (!list_is_linked(&run->publish_link))
        list_push_back(&run->shard->publishing, &run->publish_link);
}

static void on_publish(struct loop_hook *hook)
{
    struct shard *s = CONTAINER_OF(hook, struct shard, publish_hook);
    struct list ready;
    list_init(&ready);
    list_append_all(&ready, &s->publishing);
    struct list *link;
    while ((link = list_pop_front(&ready)) != NULL) {
        struct run *run = CONTAINER_OF(link, struct run, publish_link);
        if (run->is_wrecked)
            run_wreck(run);
        else
            mirror_publish(run);
    }
    if (s->may_retire)
        retire(s);
    if (s->is_parking && s->runs.count == 0 && outbox_is_empty(&s->outbox))
        atomic_store(&s->is_parked, true);
}
