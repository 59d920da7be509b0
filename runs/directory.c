#include "runs/directory.h"

#include "base/list.h"

enum err directory_init(struct directory *d)
{
    for (int i = 0; i < DIRECTORY_STRIPES; i++)
        d->stripes[i].map = (struct map){0};
    for (int i = 0; i < DIRECTORY_STRIPES; i++) {
        pthread_mutex_init(&d->stripes[i].lock, NULL);
        if (map_init(&d->stripes[i].map) != OK)
            return ERR_NOMEM;
    }
    return OK;
}

void directory_fini(struct directory *d)
{
    for (int i = 0; i < DIRECTORY_STRIPES; i++)
        map_fini(&d->stripes[i].map);
}

/* The map takes the low bits of the hash, so the stripe is chosen by the high ones. */
static unsigned stripe_of(uint64_t hash)
{
    return (unsigned)(hash >> 58) % DIRECTORY_STRIPES;
}

void directory_add(struct directory *d, struct directory_entry *e)
{
    uint64_t hash = id_hash(&e->id);
    unsigned s = stripe_of(hash);
    pthread_mutex_lock(&d->stripes[s].lock);
    map_insert(&d->stripes[s].map, &e->node, hash);
    pthread_mutex_unlock(&d->stripes[s].lock);
}

void directory_remove(struct directory *d, struct directory_entry *e)
{
    unsigned s = stripe_of(e->node.hash);
    pthread_mutex_lock(&d->stripes[s].lock);
    map_remove(&d->stripes[s].map, &e->node);
    pthread_mutex_unlock(&d->stripes[s].lock);
}

static bool is_same(const struct map_node *node, const void *id)
{
    return id_eq(&CONTAINER_OF(node, const struct directory_entry, node)->id, id);
}

bool directory_find(struct directory *d, struct str tenant, const struct id *id,
                    struct directory_hit *ret_hit)
{
    uint64_t hash = id_hash(id);
    unsigned s = stripe_of(hash);
    pthread_mutex_lock(&d->stripes[s].lock);
    struct map_node *node = map_find(&d->stripes[s].map, hash, id, is_same);
    bool found = false;
    if (node != NULL) {
        struct directory_entry *e = CONTAINER_OF(node, struct directory_entry, node);
        found = str_eq(e->tenant, tenant);
        *ret_hit = (struct directory_hit){
            .shard = e->shard,
            .published_seq = atomic_load_explicit(&e->published_seq, memory_order_relaxed),
            .is_stored = atomic_load_explicit(&e->is_stored, memory_order_acquire)};
    }
    pthread_mutex_unlock(&d->stripes[s].lock);
    return found;
}
