/* Who wants to know when a run was written, or when anything came to the bus. The writer looks here
 * after each commit; with no watches that costs one relaxed load. */
#include "store/sqlite_internal.h"

static bool is_same_id(const struct map_node *node, const void *key)
{
    const struct store_watch *w = CONTAINER_OF(node, const struct store_watch, node);
    return id_eq(&w->id, key);
}

static void on_hint(struct loop_msg *msg)
{
    struct store_watch *w = CONTAINER_OF(msg, struct store_watch, msg);
    struct sqlite_store *s = CONTAINER_OF(w->store, struct sqlite_store, base);
    pthread_mutex_lock(&s->watch_lock);
    w->posted = false;
    pthread_mutex_unlock(&s->watch_lock);
    if (w->closing)
        w->on_closed(w);
    else
        w->on_change(w);
}

void watch_add(struct store *store, struct store_watch *w)
{
    struct sqlite_store *s = CONTAINER_OF(store, struct sqlite_store, base);
    w->store = store;
    w->msg.on_arrive = on_hint;
    w->posted = w->closing = false;
    pthread_mutex_lock(&s->watch_lock);
    if (w->is_of_bus)
        list_push_back(&s->bus_watches, &w->link);
    else
        map_insert(&s->watches, &w->node, id_hash(&w->id));
    pthread_mutex_unlock(&s->watch_lock);
    atomic_fetch_add(&s->watch_count, 1);
}

/* After the removal the writer posts it no more; what it has posted before still arrives, and then
 * is the end of it. */
void watch_remove(struct store *store, struct store_watch *w)
{
    struct sqlite_store *s = CONTAINER_OF(store, struct sqlite_store, base);
    pthread_mutex_lock(&s->watch_lock);
    if (w->is_of_bus)
        list_remove(&w->link);
    else
        map_remove(&s->watches, &w->node);
    w->closing = true;
    bool post = !w->posted;
    w->posted = true;
    pthread_mutex_unlock(&s->watch_lock);
    atomic_fetch_sub(&s->watch_count, 1);
    if (post)
        loop_post(w->loop, &w->msg);
}

static void post(struct store_watch *w)
{
    if (w->posted)
        return;
    w->posted = true;
    loop_post(w->loop, &w->msg);
}

static void tell(struct sqlite_store *s, const struct id *id)
{
    uint64_t hash = id_hash(id);
    for (struct map_node *n = map_find(&s->watches, hash, id, is_same_id); n != NULL; n = n->next) {
        struct store_watch *w = CONTAINER_OF(n, struct store_watch, node);
        if (n->hash == hash && id_eq(&w->id, id))
            post(w);
    }
}

static void tell_bus(struct sqlite_store *s)
{
    LIST_EACH (it, &s->bus_watches)
        post(CONTAINER_OF(it, struct store_watch, link));
}

static void tell_op(struct sqlite_store *s, struct store_op *op)
{
    if (op->kind == STORE_BATCH) {
        struct store_batch *b = CONTAINER_OF(op, struct store_batch, op);
        for (uint32_t i = 0; i < b->count; i++)
            tell(s, &b->changes[i].run->id);
        tell_bus(s);
    } else if (op->kind == STORE_CLAIM) {
        struct store_claim *c = CONTAINER_OF(op, struct store_claim, op);
        for (uint32_t i = 0; i < c->count; i++)
            tell(s, &c->runs[i].run.id);
    } else if (op->kind == STORE_COMMAND) {
        tell(s, &CONTAINER_OF(op, struct store_command, op)->id);
    } else if (op->kind == STORE_DELETE) {
        tell(s, &CONTAINER_OF(op, struct store_delete, op)->id);
    } else if (op->kind == STORE_NOTE) {
        tell_bus(s);
    }
}

void watch_tell(struct sqlite_store *s, struct store_op *ops)
{
    if (atomic_load(&s->watch_count) == 0)
        return;
    pthread_mutex_lock(&s->watch_lock);
    for (struct store_op *op = ops; op != NULL; op = op->next)
        tell_op(s, op);
    pthread_mutex_unlock(&s->watch_lock);
}
