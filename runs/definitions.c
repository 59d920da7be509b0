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
    bool does;
    return workflow_leads_to(workflow, target, find_workflow, ctx, &does) != OK || does;
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
