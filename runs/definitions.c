#include "runs/definitions.h"

#include <stdlib.h>

#include "base/mem.h"

static void free_agents(struct agent **agents, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        agent_unref(agents[i]);
    mem_free(agents);
}

static void free_workflows(struct workflow **workflows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        workflow_unref(workflows[i]);
    mem_free(workflows);
}

static int compare_agents(const void *a, const void *b)
{
    const struct agent *const *x = a, *const *y = b;
    return str_cmp((*x)->name, (*y)->name);
}

static int compare_workflows(const void *a, const void *b)
{
    const struct workflow *const *x = a, *const *y = b;
    return str_cmp((*x)->name, (*y)->name);
}

enum err definitions_create(struct agent **agents, uint32_t agent_count,
                            struct workflow **workflows, uint32_t workflow_count,
                            struct definitions **ret_definitions)
{
    struct definitions *d = mem_zalloc(sizeof *d);
    if (d == NULL) {
        free_agents(agents, agent_count);
        free_workflows(workflows, workflow_count);
        return ERR_NOMEM;
    }
    atomic_init(&d->refs, 1);
    if (agent_count > 0)
        qsort(agents, agent_count, sizeof *agents, compare_agents);
    if (workflow_count > 0)
        qsort(workflows, workflow_count, sizeof *workflows, compare_workflows);
    d->agents = agents;
    d->agent_count = agent_count;
    d->workflows = workflows;
    d->workflow_count = workflow_count;
    *ret_definitions = d;
    return OK;
}

struct definitions *definitions_ref(struct definitions *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

struct definitions *definitions_unref(struct definitions *d)
{
    if (d != NULL && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1) {
        free_agents(d->agents, d->agent_count);
        free_workflows(d->workflows, d->workflow_count);
        mem_free(d);
    }
    return NULL;
}

/* --- looking up ------------------------------------------------------------------------------- */

static int compare_to_agent(const void *name, const void *element)
{
    const struct agent *const *a = element;
    return str_cmp(*(const struct str *)name, (*a)->name);
}

static int compare_to_workflow(const void *name, const void *element)
{
    const struct workflow *const *w = element;
    return str_cmp(*(const struct str *)name, (*w)->name);
}

struct agent *definitions_agent(const struct definitions *d, struct str name)
{
    if (d->agent_count == 0)
        return NULL;
    struct agent **found =
        bsearch(&name, d->agents, d->agent_count, sizeof *d->agents, compare_to_agent);
    return found != NULL ? *found : NULL;
}

struct workflow *definitions_workflow(const struct definitions *d, struct str name)
{
    if (d->workflow_count == 0)
        return NULL;
    struct workflow **found =
        bsearch(&name, d->workflows, d->workflow_count, sizeof *d->workflows, compare_to_workflow);
    return found != NULL ? *found : NULL;
}

bool definitions_find(const struct definitions *d, enum definition_kind kind, struct str name,
                      struct definition *ret)
{
    struct definition found = {.kind = kind};
    if (kind == DEFINITION_AGENT)
        found.agent = definitions_agent(d, name);
    else
        found.workflow = definitions_workflow(d, name);
    bool is_there = kind == DEFINITION_AGENT ? found.agent != NULL : found.workflow != NULL;
    if (is_there)
        *ret = found;
    return is_there;
}

uint32_t definitions_count(const struct definitions *d, enum definition_kind kind)
{
    return kind == DEFINITION_AGENT ? d->agent_count : d->workflow_count;
}

struct definition definitions_at(const struct definitions *d, enum definition_kind kind,
                                 uint32_t index)
{
    struct definition found = {.kind = kind};
    if (kind == DEFINITION_AGENT)
        found.agent = d->agents[index];
    else
        found.workflow = d->workflows[index];
    return found;
}

/* --- one laid over another -------------------------------------------------------------------- */

struct layers {
    const struct definitions *over, *under;
    const struct definition *but;
};

static bool is_left_out(const struct layers *l, const struct definition *d)
{
    struct definition hides;
    bool is_named = l->but != NULL && l->but->kind == d->kind &&
                    str_eq(definition_name(l->but), definition_name(d));
    return is_named || definitions_find(l->over, d->kind, definition_name(d), &hides);
}

static uint32_t lay_agents(const struct layers *l, struct agent **ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->over->agent_count; i++)
        ret[n++] = agent_ref(l->over->agents[i]);
    for (uint32_t i = 0; i < l->under->agent_count; i++) {
        struct definition d = {.kind = DEFINITION_AGENT, .agent = l->under->agents[i]};
        if (!is_left_out(l, &d))
            ret[n++] = agent_ref(d.agent);
    }
    return n;
}

static uint32_t lay_workflows(const struct layers *l, struct workflow **ret)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->over->workflow_count; i++)
        ret[n++] = workflow_ref(l->over->workflows[i]);
    for (uint32_t i = 0; i < l->under->workflow_count; i++) {
        struct definition d = {.kind = DEFINITION_WORKFLOW, .workflow = l->under->workflows[i]};
        if (!is_left_out(l, &d))
            ret[n++] = workflow_ref(d.workflow);
    }
    return n;
}

enum err definitions_lay(const struct definitions *over, const struct definitions *under,
                         const struct definition *but, struct definitions **ret)
{
    struct layers l = {.over = over, .under = under, .but = but};
    size_t most_agents = (size_t)over->agent_count + under->agent_count;
    size_t most_workflows = (size_t)over->workflow_count + under->workflow_count;
    struct agent **agents = mem_alloc((most_agents + 1) * sizeof *agents);
    struct workflow **workflows = mem_alloc((most_workflows + 1) * sizeof *workflows);
    if (agents == NULL || workflows == NULL) {
        mem_free(agents);
        mem_free(workflows);
        return ERR_NOMEM;
    }
    uint32_t agent_count = lay_agents(&l, agents);
    uint32_t workflow_count = lay_workflows(&l, workflows);
    return definitions_create(agents, agent_count, workflows, workflow_count, ret);
}

enum err definitions_put(const struct definitions *d, const struct definition *one,
                         struct definitions **ret)
{
    struct agent *agent = one->kind == DEFINITION_AGENT ? one->agent : NULL;
    struct workflow *workflow = one->kind == DEFINITION_WORKFLOW ? one->workflow : NULL;
    struct definitions over = {.agents = &agent,
                               .agent_count = agent != NULL,
                               .workflows = &workflow,
                               .workflow_count = workflow != NULL};
    return definitions_lay(&over, d, NULL, ret);
}

struct workflow *definitions_of_run(const struct definitions *d, const struct run_record *run)
{
    return run->workflow.at != NULL ? definitions_workflow(d, run->workflow) : NULL;
}

/* --- for checks ------------------------------------------------------------------------------- */

static bool has_agent(void *ctx, struct str name)
{
    const struct vocabulary *v = ctx;
    return definitions_agent(v->definitions, name) != NULL;
}

static const struct workflow *find_workflow(void *ctx, struct str name)
{
    const struct vocabulary *v = ctx;
    return definitions_workflow(v->definitions, name);
}

static bool has_workflow(void *ctx, struct str name)
{
    return find_workflow(ctx, name) != NULL;
}

/* What cannot be looked through for want of memory must not be called. */
static bool leads_to(void *ctx, struct str workflow, struct str target)
{
    struct vocabulary *v = ctx;
    bool does = true;
    v->no_memory |= workflow_leads_to(workflow, target, find_workflow, ctx, &does) != OK;
    return does;
}

static enum err has_model(void *ctx, struct str model)
{
    const struct vocabulary *v = ctx;
    struct upstream *u;
    struct str rest;
    return catalog_resolve(v->catalog, model, &u, &rest);
}

static bool has_provider(void *ctx, struct str name)
{
    const struct vocabulary *v = ctx;
    struct upstream *u = catalog_upstream(v->catalog, name);
    return u != NULL && u->provider->kind == &provider_http; /* one that takes plain requests */
}

struct name_lookup vocabulary_lookup(struct vocabulary *v)
{
    return (struct name_lookup){.ctx = v,
                                .agent = has_agent,
                                .workflow = has_workflow,
                                .model = has_model,
                                .provider = has_provider,
                                .leads_to = leads_to};
}
