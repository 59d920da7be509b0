/* What the engine and the API are made with. */
#include "base/mem.h"
#include "config/config.h"

/* --- providers and agents --------------------------------------------------------------------- */

/* While they are gathered; catalog_create takes both over. */
struct parts {
    struct upstream **upstreams;
    uint32_t upstream_count;
    struct agent **agents;
    uint32_t agent_count;
};

static void drop_parts(struct parts *p)
{
    for (uint32_t i = 0; i < p->upstream_count; i++)
        upstream_unref(p->upstreams[i]);
    for (uint32_t i = 0; i < p->agent_count; i++)
        agent_unref(p->agents[i]);
    mem_free(p->upstreams);
    mem_free(p->agents);
}

static struct gate *gate_of(const struct catalog *old, struct str name)
{
    struct upstream *u = old != NULL ? catalog_upstream(old, name) : NULL;
    return u != NULL ? u->gate : NULL;
}

static enum err add_upstreams(struct parts *p, const struct config *c, const struct catalog *old,
                              struct loop *home, uint32_t loop_count, struct buf *report)
{
    for (uint32_t i = 0; i < c->provider_count; i++) {
        const struct upstream_options *o = &c->providers[i];
        struct error error;
        enum err e = upstream_create(o, gate_of(old, o->provider.name), home, loop_count,
                                     &p->upstreams[i], &error);
        if (e != OK) {
            buf_addf(report, "%s: providers.%.*s cannot be used: %s\n", c->source,
                     STR_ARG(o->provider.name), error.message);
            return e;
        }
        p->upstream_count++;
    }
    return OK;
}

static void add_agents(struct parts *p, const struct config *c)
{
    for (uint32_t i = 0; i < c->agent_count; i++)
        p->agents[p->agent_count++] = agent_ref(c->agents[i]);
}

enum err config_make_catalog(const struct config *c, const struct catalog *old, struct loop *home,
                             uint32_t loop_count, struct catalog **ret_catalog, struct buf *report)
{
    struct parts p = {
        .upstreams = mem_zalloc(c->provider_count * sizeof(struct upstream *)),
        .agents = mem_zalloc(c->agent_count * sizeof(struct agent *)),
    };
    if (p.upstreams == NULL || p.agents == NULL) {
        drop_parts(&p);
        return ERR_NOMEM;
    }
    enum err e = add_upstreams(&p, c, old, home, loop_count, report);
    if (e != OK) {
        drop_parts(&p);
        return e;
    }
    add_agents(&p, c);
    return catalog_create(p.upstreams, p.upstream_count, p.agents, p.agent_count, ret_catalog);
}

/* --- keys ------------------------------------------------------------------------------------- */

enum err config_make_auth(const struct config *c, struct tenants *tenants, struct auth *ret_auth)
{
    struct api_key *keys = mem_zalloc(c->key_count * sizeof *keys);
    enum err e = keys != NULL ? OK : ERR_NOMEM;
    for (uint32_t i = 0; e == OK && i < c->key_count; i++) {
        const struct config_key *from = &c->keys[i];
        memcpy(keys[i].digest, from->digest, sizeof keys[i].digest);
        keys[i].scope = from->scope;
        keys[i].requests = from->requests;
        e = tenants_get(tenants, from->name, &keys[i].tenant);
    }
    if (e != OK) {
        mem_free(keys);
        return e;
    }
    *ret_auth = (struct auth){.keys = keys, .count = c->key_count};
    return OK;
}
