/* What the engine and the API are made with. */
#include "base/mem.h"
#include "config/config.h"

/* --- providers -------------------------------------------------------------------------------- */

static struct gate *gate_of(const struct catalog *old, struct str name)
{
    struct upstream *u = old != NULL ? catalog_upstream(old, name) : NULL;
    return u != NULL ? u->gate : NULL;
}

/* Makes those of `c` from the first on; `ret_count` says how many there are, also when it fails. */
static enum err make_upstreams(const struct config *c, const struct catalog *old, struct loop *home,
                               uint32_t loop_count, struct upstream **upstreams,
                               uint32_t *ret_count, struct buf *report)
{
    for (uint32_t i = 0; i < c->provider_count; i++) {
        const struct upstream_options *o = &c->providers[i];
        struct error error;
        enum err e = upstream_create(o, gate_of(old, o->provider.name), home, loop_count,
                                     &upstreams[i], &error);
        if (e != OK) {
            buf_addf(report, "%s: providers.%.*s cannot be used: %s\n", c->source,
                     STR_ARG(o->provider.name), error.message);
            return e;
        }
        *ret_count = i + 1;
    }
    return OK;
}

enum err config_make_catalog(const struct config *c, const struct catalog *old, struct loop *home,
                             uint32_t loop_count, struct catalog **ret_catalog, struct buf *report)
{
    uint32_t count = 0;
    struct upstream **upstreams = mem_zalloc(c->provider_count * sizeof *upstreams);
    if (upstreams == NULL)
        return ERR_NOMEM;
    enum err e = make_upstreams(c, old, home, loop_count, upstreams, &count, report);
    if (e == OK)
        return catalog_create(upstreams, count, ret_catalog);
    while (count > 0)
        upstream_unref(upstreams[--count]);
    mem_free(upstreams);
    return e;
}

/* --- agents and workflows --------------------------------------------------------------------- */

enum err config_make_definitions(const struct config *c, struct definitions **ret_definitions)
{
    struct agent **agents = mem_zalloc(c->agent_count * sizeof *agents);
    struct workflow **workflows = mem_zalloc(c->workflow_count * sizeof *workflows);
    if (agents == NULL || workflows == NULL) {
        mem_free(agents);
        mem_free(workflows);
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < c->agent_count; i++)
        agents[i] = agent_ref(c->agents[i]);
    for (uint32_t i = 0; i < c->workflow_count; i++)
        workflows[i] = workflow_ref(c->workflows[i]);
    return definitions_create(agents, c->agent_count, workflows, c->workflow_count,
                              ret_definitions);
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
