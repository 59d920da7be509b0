#include "resilience/fair_queue.h"

#include <assert.h>

#include "base/mem.h"

/* A line of waiters, from the first of them until the last has left. */
struct fair_queue_key {
    struct map_node node; /* stays first: see is_key */
    struct list place;    /* in the round */
    struct list line;     /* of waiters, never empty between calls */
    uint64_t key;
    uint32_t weight;
    uint32_t left; /* of this turn */
};

enum err fair_queue_init(struct fair_queue *q, size_t max)
{
    *q = (struct fair_queue){.max = max};
    list_init(&q->round);
    return map_init(&q->keys);
}

void fair_queue_fini(struct fair_queue *q)
{
    assert(q->count == 0);
    map_fini(&q->keys);
}

void fair_waiter_init(struct fair_waiter *w)
{
    list_init(&w->link);
    w->key = NULL;
}

/* Keys are often small or pointers: spread them over the buckets. */
static uint64_t hash_of(uint64_t key)
{
    key *= 0x9E3779B97F4A7C15u;
    return key ^ key >> 32;
}

static bool is_key(const struct map_node *node, const void *key)
{
    const struct fair_queue_key *k = (const void *)node; /* its first member */
    return k->key == *(const uint64_t *)key;
}

static struct fair_queue_key *find_key(const struct fair_queue *q, uint64_t key)
{
    struct map_node *node = map_find(&q->keys, hash_of(key), &key, is_key);
    return node ? CONTAINER_OF(node, struct fair_queue_key, node) : NULL;
}

static struct fair_queue_key *add_key(struct fair_queue *q, uint64_t key, uint32_t weight)
{
    struct fair_queue_key *k = mem_alloc(sizeof *k);
    if (k == NULL)
        return NULL;
    *k = (struct fair_queue_key){.key = key, .left = weight};
    list_init(&k->line);
    list_push_back(&q->round, &k->place);
    map_insert(&q->keys, &k->node, hash_of(key));
    return k;
}

static void drop_key(struct fair_queue *q, struct fair_queue_key *k)
{
    map_remove(&q->keys, &k->node);
    list_remove(&k->place);
    mem_free(k);
}

enum err fair_queue_push(struct fair_queue *q, struct fair_waiter *w, uint64_t key, uint32_t weight)
{
    assert(!fair_waiter_is_queued(w));
    if (q->count >= q->max)
        return ERR_LIMIT;
    weight = weight < 1 ? 1 : weight > FAIR_QUEUE_MAX_WEIGHT ? FAIR_QUEUE_MAX_WEIGHT : weight;
    struct fair_queue_key *k = find_key(q, key);
    if (k == NULL)
        k = add_key(q, key, weight);
    if (k == NULL)
        return ERR_NOMEM;
    k->weight = weight;
    w->key = k;
    list_push_back(&k->line, &w->link);
    q->count++;
    return OK;
}

struct fair_waiter *fair_queue_first(const struct fair_queue *q)
{
    if (q->count == 0)
        return NULL;
    struct fair_queue_key *k = CONTAINER_OF(q->round.next, struct fair_queue_key, place);
    return CONTAINER_OF(k->line.next, struct fair_waiter, link);
}

/* One waiter of its turn was served; after the last of them it is the next key's turn. */
static void pass_on(struct fair_queue *q, struct fair_queue_key *k)
{
    if (--k->left > 0)
        return;
    k->left = k->weight;
    list_remove(&k->place);
    list_push_back(&q->round, &k->place);
}

struct fair_waiter *fair_queue_pop(struct fair_queue *q)
{
    struct fair_waiter *w = fair_queue_first(q);
    if (w == NULL)
        return NULL;
    pass_on(q, w->key);
    fair_queue_remove(q, w);
    return w;
}

void fair_queue_remove(struct fair_queue *q, struct fair_waiter *w)
{
    assert(fair_waiter_is_queued(w));
    struct fair_queue_key *k = w->key;
    list_remove(&w->link);
    w->key = NULL;
    q->count--;
    if (list_is_empty(&k->line))
        drop_key(q, k);
}

static void take_of_key(struct fair_queue *q, struct fair_queue_key *k,
                        bool (*is_wanted)(const struct fair_waiter *w, const void *ctx),
                        const void *ctx, struct list *to)
{
    LIST_EACH_SAFE (it, &k->line) {
        struct fair_waiter *w = CONTAINER_OF(it, struct fair_waiter, link);
        if (!is_wanted(w, ctx))
            continue;
        list_remove(it);
        list_push_back(to, it);
        w->key = NULL;
        q->count--;
    }
}

void fair_queue_take_if(struct fair_queue *q,
                        bool (*is_wanted)(const struct fair_waiter *w, const void *ctx),
                        const void *ctx, struct list *to)
{
    LIST_EACH_SAFE (it, &q->round) {
        struct fair_queue_key *k = CONTAINER_OF(it, struct fair_queue_key, place);
        take_of_key(q, k, is_wanted, ctx, to);
        if (list_is_empty(&k->line))
            drop_key(q, k);
    }
}
