#include "runs/catalog.h"

#include "base/mem.h"

static void free_all(struct upstream **upstreams, uint32_t upstream_count, struct agent **agents,
                     uint32_t agent_count)
{
    for (uint32_t i = 0; i < upstream_count; i++)
        upstream_unref(upstreams[i]);
    for (uint32_t i = 0; i < agent_count; i++)
        agent_unref(agents[i]);
    mem_free(upstreams);
    mem_free(agents);
}

enum err catalog_create(struct upstream **upstreams, uint32_t upstream_count, struct agent **agents,
                        uint32_t agent_count, struct catalog **ret_catalog)
{
    struct catalog *c = mem_zalloc(sizeof *c);
    if (c == NULL) {
        free_all(upstreams, upstream_count, agents, agent_count);
        return ERR_NOMEM;
    }
    atomic_init(&c->refs, 1);
    c->upstreams = upstreams;
    c->upstream_count = upstream_count;
    c->agents = agents;
    c->agent_count = agent_count;
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
        free_all(c->upstreams, c->upstream_count, c->agents, c->agent_count);
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

struct agent *catalog_agent(const struct catalog *c, struct str name)
{
    for (uint32_t i = 0; i < c->agent_count; i++) {
        if (str_eq(c->agents[i]->name, name))
            return c->agents[i];
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

static bool has_agent(void *ctx, struct str name)
{
    return catalog_agent(ctx, name) != NULL;
}

static bool has_workflow(void *ctx, struct str name)
{
    (void)ctx, (void)name;
    return false;
}

static enum err has_model(void *ctx, struct str model)
{
    struct upstream *u;
    struct str rest;
    return catalog_resolve(ctx, model, &u, &rest);
}

/* One that takes plain requests. */
static bool has_provider(void *ctx, struct str name)
{
    struct upstream *u = catalog_upstream(ctx, name);
    return u != NULL && u->provider->kind == &provider_http;
}

struct name_lookup catalog_lookup(struct catalog *c)
{
    return (struct name_lookup){.ctx = c,
                                .agent = has_agent,
                                .workflow = has_workflow,
                                .model = has_model,
                                .provider = has_provider};
}
