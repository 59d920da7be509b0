#include "server/labels.h"

#include "base/log.h"
#include "base/mem.h"

/* Takes the next free place. False: there is none, or no memory. */
static bool take_place(struct labels *l, struct str name)
{
    if (l->taken + 1 == l->count)
        return false;
    char *own = mem_strdup(name);
    if (own == NULL)
        return false;
    if (series_name_provider(l->metrics, l->taken, name) != OK) {
        mem_free(own);
        return false;
    }
    l->names[l->taken++] = (struct str){own, name.len};
    return true;
}

static uint32_t other_place(struct labels *l, struct str name)
{
    log_warn(log_msg("a provider is counted as \"other\" until a restart"),
             log_str("provider", name));
    if (!l->has_others)
        l->has_others = series_name_provider(l->metrics, l->count - 1, STR("other")) == OK;
    return l->count - 1;
}

static uint32_t place_of(struct labels *l, struct str name)
{
    for (uint32_t i = 0; i < l->taken; i++) {
        if (str_eq(l->names[i], name))
            return i;
    }
    return take_place(l, name) ? l->taken - 1 : other_place(l, name);
}

void labels_assign(struct labels *l, const struct catalog *c)
{
    for (uint32_t i = 0; i < c->upstream_count; i++)
        c->upstreams[i]->label = place_of(l, upstream_name(c->upstreams[i]));
}

enum err labels_init(struct labels *l, const struct str *routes, size_t route_count,
                     const struct catalog *c)
{
    *l = (struct labels){.count = c->upstream_count + LABELS_SPARE + 1};
    l->names = mem_zalloc(l->count * sizeof *l->names); /* all free: of no name yet */
    if (l->names == NULL)
        return ERR_NOMEM;
    enum err e = series_create(routes, route_count, l->names, l->count, &l->metrics);
    if (e == OK)
        labels_assign(l, c);
    return e;
}

void labels_fini(struct labels *l)
{
    metrics_destroy(l->metrics);
    for (uint32_t i = 0; i < l->taken; i++)
        mem_free((char *)(uintptr_t)l->names[i].at);
    mem_free(l->names);
    *l = (struct labels){.metrics = NULL};
}
