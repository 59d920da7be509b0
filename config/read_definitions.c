/* agents{} and workflows{}. model/agent.h and model/workflow.h check each; their findings are told
 * as all others are. A file stands alone: it cannot name what only the API has. */
#include "config/reader.h"
#include "runs/definition.h"

enum { SCRATCH_MAX = 4194304 };

/* --- what they may name ----------------------------------------------------------------------- */

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
    const struct reader *r = ctx;
    struct str rest = model;
    struct str name = str_cut(&rest, '/');
    if (name.len == 0 || rest.len == 0)
        return ERR_UNKNOWN_MODEL;
    const struct provider_options *provider = provider_of(r->config, name);
    if (provider == NULL)
        return ERR_UNKNOWN_PROVIDER;
    const struct provider_kind *kind = provider_kind_find(provider->kind);
    bool is_served = kind == NULL || kind->serves == NULL || kind->serves(rest);
    return is_served ? OK : ERR_UNKNOWN_MODEL;
}

static bool has_provider(void *ctx, struct str name)
{
    const struct reader *r = ctx;
    const struct provider_options *provider = provider_of(r->config, name);
    return provider != NULL && provider_kind_find(provider->kind) == &provider_http;
}

static bool has_agent(void *ctx, struct str name)
{
    const struct reader *r = ctx;
    for (uint32_t i = 0; i < r->config->agent_count; i++) {
        if (str_eq(r->config->agents[i]->name, name))
            return true;
    }
    return false;
}

/* Those further down count as well. */
static bool has_workflow(void *ctx, struct str name)
{
    const struct reader *r = ctx;
    return json_exists(json_get(r->workflows, name));
}

static const struct workflow *find_workflow(void *ctx, struct str name)
{
    const struct reader *r = ctx;
    for (uint32_t i = 0; i < r->config->workflow_count; i++) {
        if (str_eq(r->config->workflows[i]->name, name))
            return r->config->workflows[i];
    }
    return NULL;
}

/* By those that were read so far: the last one of a cycle closes it. */
static bool leads_to(void *ctx, struct str workflow, struct str target)
{
    bool does;
    return workflow_leads_to(workflow, target, find_workflow, ctx, &does) != OK || does;
}

static struct name_lookup names_of(struct reader *r)
{
    return (struct name_lookup){.ctx = r,
                                .agent = has_agent,
                                .workflow = has_workflow,
                                .model = has_model,
                                .provider = has_provider,
                                .leads_to = leads_to};
}

/* --- each ------------------------------------------------------------------------------------- */

static bool make(struct reader *r, enum definition_kind kind, struct json v,
                 const struct doc_path *at, struct str name, struct definition *ret)
{
    struct problem problem;
    struct arena scratch;
    problem_init(&problem);
    arena_init(&scratch, SCRATCH_MAX);
    struct check check = {.problem = &problem, .arena = &scratch};
    struct name_lookup names = names_of(r);
    struct spec_limits limits = r->config->engine.spec;
    limits.allow_trees = TASK_TREES_ARE_SERVED;
    enum err e = definition_create(kind, &check, v, at, name, &limits, &names, ret);
    reader_problem(r, json_root(v.doc), &problem);
    r->no_memory |= e == ERR_NOMEM || check.no_memory;
    arena_fini(&scratch);
    return e == OK;
}

static void add(struct reader *r, enum definition_kind kind, struct json_member m,
                const struct doc_path *object_at)
{
    struct config *c = r->config;
    struct str name;
    struct definition d;
    if (!reader_name(r, m.name, object_at, &name))
        return;
    struct doc_path here = doc_path_name(object_at, name);
    if (!make(r, kind, m.value, &here, name, &d))
        return;
    definition_set_from_config(&d);
    if (kind == DEFINITION_AGENT)
        c->agents[c->agent_count++] = d.agent;
    else
        c->workflows[c->workflow_count++] = d.workflow;
}

static void add_all(struct reader *r, enum definition_kind kind, struct json v,
                    const struct doc_path *at)
{
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m))
        add(r, kind, m, at);
}

/* --- all of them ------------------------------------------------------------------------------ */

void read_agents(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base)
{
    struct config *c = base;
    if (!reader_count(r, row, v, JSON_OBJECT, at) || c->providers == NULL)
        return; /* without providers every model would be another mistake */
    c->agents = reader_alloc(r, json_count(v), sizeof(struct agent *));
    if (c->agents != NULL)
        add_all(r, DEFINITION_AGENT, v, at);
}

void read_workflows(struct reader *r, const struct schema_row *row, struct json v,
                    const struct doc_path *at, void *base)
{
    struct config *c = base;
    if (!reader_count(r, row, v, JSON_OBJECT, at) || c->agents == NULL)
        return; /* without agents every call would be another mistake */
    c->workflows = reader_alloc(r, json_count(v), sizeof(struct workflow *));
    r->workflows = v;
    if (c->workflows != NULL)
        add_all(r, DEFINITION_WORKFLOW, v, at);
}
