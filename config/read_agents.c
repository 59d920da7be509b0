/* agents{}: named calls. model/agent.h checks each; its findings are told as all others are. */
#include "config/reader.h"

enum { SCRATCH_MAX = 4194304 };

/* --- what a model can be ---------------------------------------------------------------------- */

static const struct provider_options *provider_of(const struct config *c, struct str name)
{
    for (uint32_t i = 0; i < c->provider_count; i++) {
        if (str_eq(c->providers[i].provider.name, name))
            return &c->providers[i].provider;
    }
    return NULL;
}

static enum err has_model(void *ctx, struct str model)
{
    struct str rest = model;
    struct str name = str_cut(&rest, '/');
    if (name.len == 0 || rest.len == 0)
        return ERR_UNKNOWN_MODEL;
    const struct provider_options *provider = provider_of(ctx, name);
    if (provider == NULL)
        return ERR_UNKNOWN_PROVIDER;
    const struct provider_kind *kind = provider_kind_find(provider->kind);
    bool is_served = kind == NULL || kind->serves == NULL || kind->serves(rest);
    return is_served ? OK : ERR_UNKNOWN_MODEL;
}

/* --- agents ----------------------------------------------------------------------------------- */

static enum err make_agent(struct reader *r, struct json v, const struct doc_path *at,
                           struct str name, struct arena *scratch, struct agent **ret_agent)
{
    struct problem problem;
    problem_init(&problem);
    struct check check = {.problem = &problem, .arena = scratch};
    struct name_lookup names = {.ctx = r->config, .model = has_model};
    enum err e = agent_create(&check, v, at, name, &names, ret_agent);
    reader_problem(r, json_root(v.doc), &problem);
    r->no_memory |= e == ERR_NOMEM || check.no_memory;
    return e;
}

static void add_agent(struct reader *r, struct json_member m, const struct doc_path *object_at)
{
    struct config *c = r->config;
    struct str name;
    if (!reader_name(r, m.name, object_at, &name))
        return;
    struct doc_path here = doc_path_name(object_at, name);
    struct arena scratch;
    arena_init(&scratch, SCRATCH_MAX);
    struct agent *agent;
    if (make_agent(r, m.value, &here, name, &scratch, &agent) == OK) {
        agent->from_config = true;
        c->agents[c->agent_count++] = agent;
    }
    arena_fini(&scratch);
}

void read_agents(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base)
{
    struct config *c = base;
    if (!reader_count(r, row, v, JSON_OBJECT, at) || c->providers == NULL)
        return; /* without providers every model would be another mistake */
    c->agents = reader_alloc(r, json_count(v), sizeof(struct agent *));
    if (c->agents == NULL)
        return;
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m))
        add_agent(r, m, at);
}
