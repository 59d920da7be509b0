#include "runs/shard.h"

#include "base/list.h"
#include "runs/engine.h"
#include "runs/mirror.h"
#include "runs/withdraw.h"

static void on_publish(struct loop_hook *hook);

enum err shard_init(struct shard *s, struct engine *engine, uint32_t index, struct loop *loop)
{
    *s = (struct shard){.engine = engine, .index = index, .loop = loop};
    uint64_t seed;
    rng_system(&seed, sizeof seed);
    rng_seed(&s->rng, seed);
    id_source_init(&s->ids);
    json_doc_init(&s->scratch);
    buf_init(&s->event, SIZE_MAX / 2);
    list_init(&s->publishing);
    list_init(&s->withdrawals);
    listeners_init(&s->listeners, s);
    if (map_init(&s->runs) != OK || map_init(&s->mirrors) != OK)
        return ERR_NOMEM;
    outbox_init(&s->outbox,
                s); /* its hook comes first: what is published was handed to the store before */
    s->publish_hook.on_turn_end = on_publish;
    loop_hook_add(loop, &s->publish_hook);
    return OK;
}

void shard_fini(struct shard *s)
{
    loop_hook_remove(&s->publish_hook);
    listeners_fini(&s->listeners);
    outbox_fini(&s->outbox);
    withdraw_drop_all(s);
    catalog_unref(s->catalog);
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
    if (s->is_parking && s->runs.count == 0 && outbox_is_empty(&s->outbox))
        atomic_store(&s->is_parked, true);
}
