#include "runs/catalog.h"

#include "base/mem.h"

static void free_upstreams(struct upstream **upstreams, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        upstream_unref(upstreams[i]);
    mem_free(upstreams);
}

enum err catalog_create(struct upstream **upstreams, uint32_t upstream_count,
                        struct catalog **ret_catalog)
{
    struct catalog *c = mem_zalloc(sizeof *c);
    if (c == NULL) {
        free_upstreams(upstreams, upstream_count);
        return ERR_NOMEM;
    }
    atomic_init(&c->refs, 1);
    c->upstreams = upstreams;
    c->upstream_count = upstream_count;
    *ret_catalog = c;
    return OK;
}

struct catalog *catalog_ref(struct catalog *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

struct catalog *catalog_unref(struct catalog *c)
{
    if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        free_upstreams(c->upstreams, c->upstream_count);
        mem_free(c);
    }
    return NULL;
}

void catalog_configure(const struct catalog *c)
{
    for (uint32_t i = 0; i < c->upstream_count; i++)
        gate_configure(c->upstreams[i]->gate, &c->upstreams[i]->limiter);
}

struct upstream *catalog_upstream(const struct catalog *c, struct str name)
{
    for (uint32_t i = 0; i < c->upstream_count; i++) {
        if (str_eq(upstream_name(c->upstreams[i]), name))
            return c->upstreams[i];
    }
    return NULL;
}

enum err catalog_resolve(const struct catalog *c, struct str model, struct upstream **ret_upstream,
                         struct str *ret_model)
{
    struct str rest = model;
    struct str name = str_cut(&rest, '/');
    if (rest.len == 0 || name.len == 0)
        return ERR_UNKNOWN_MODEL;
    struct upstream *u = catalog_upstream(c, name);
    if (u == NULL)
        return ERR_UNKNOWN_PROVIDER;
    if (u->provider->kind->serves != NULL && !u->provider->kind->serves(rest))
        return ERR_UNKNOWN_MODEL;
    *ret_upstream = u;
    *ret_model = rest;
    return OK;
}
