/* providers{}: whom the gateway calls. */
#include <stdio.h>

#include "config/reader.h"

void read_kind(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base)
{
    (void)row;
    struct upstream_options *u = base;
    char known[160] = "";
    size_t n = 0;
    const struct provider_kind *kind;
    for (size_t i = 0; (kind = provider_kind_at(i)) != NULL && n < sizeof known; i++) {
        if (json_string_is(v, str_of(kind->name))) {
            r->kind = u->provider.kind = str_of(kind->name);
            return;
        }
        n += (size_t)snprintf(known + n, sizeof known - n, "%s\"%s\"", i > 0 ? ", " : "",
                              kind->name);
    }
    reader_fault(r, v, at, "must be one of %s", known);
}

static void fill_burst(struct token_bucket_policy *p)
{
    if (p->burst == 0)
        p->burst = p->rate;
}

static void check_breaker(struct reader *r, struct json v, const struct doc_path *at,
                          const struct breaker_policy *p)
{
    struct doc_path breaker_at = doc_path_name(at, STR("breaker"));
    struct doc_path here = doc_path_name(&breaker_at, STR("failures"));
    struct json breaker = json_get_lit(v, "breaker");
    struct json failures = json_get_lit(breaker, "failures");
    if (json_is(failures, JSON_NULL) && p->ratio <= 0)
        reader_fault(r, failures, &here, "can be null only where ratio is set");
}

/* Keys that say something of one kind only. */
static void check_kind(struct reader *r, struct json v, const struct doc_path *at)
{
    static const char *const names[] = {"request", "result",  "response", "delta",
                                        "end",     "success", "poll"};
    if (r->kind.at == NULL || str_eq(r->kind, STR("http")))
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct json member = json_get(v, str_of(names[i]));
        struct doc_path here = doc_path_name(at, str_of(names[i]));
        if (json_exists(member) && !json_is(member, JSON_NULL))
            reader_fault(r, member, &here, "goes with the kind \"http\" only");
    }
}

/* What the adapter itself has to say, before it is too late to say no. */
static void try_adapter(struct reader *r, struct json v, const struct doc_path *at,
                        const struct upstream_options *u)
{
    struct provider *provider;
    struct error error;
    enum err e = provider_create(&u->provider, &provider, &error);
    if (e == OK)
        provider_destroy(provider);
    else if (e == ERR_NOMEM)
        r->no_memory = true;
    else
        reader_fault(r, v, at, "cannot be used: %s", error.message);
}

/* Numbers that no row is for are the modules' own. */
static void read_provider(struct reader *r, const struct schema_row *row, struct json v,
                          const struct doc_path *at, struct upstream_options *u)
{
    u->limiter = limiter_policy_default();
    u->retry = retry_policy_default();
    if (!json_is(v, JSON_OBJECT)) {
        reader_fault(r, v, at, "must be an object");
        return;
    }
    uint32_t before = reader_faults(r);
    r->kind = STR_NONE;
    reader_section(r, row->opens, v, at, u);
    check_kind(r, v, at);
    r->kind = STR_NONE;
    fill_burst(&u->limiter.requests);
    fill_burst(&u->limiter.tokens);
    check_breaker(r, v, at, &u->limiter.breaker);
    if (reader_faults(r) == before && !r->no_memory)
        try_adapter(r, v, at, u);
}

static void add_providers(struct reader *r, const struct schema_row *row, struct json v,
                          const struct doc_path *at)
{
    struct config *c = r->config;
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m)) {
        struct upstream_options *u = &c->providers[c->provider_count];
        if (!reader_name(r, m.name, at, &u->provider.name))
            continue;
        c->provider_count++;
        struct doc_path here = doc_path_name(at, u->provider.name);
        read_provider(r, row, m.value, &here, u);
    }
}

/* The row's default is the one that is always there. */
static void add_sim(struct reader *r, const struct schema_row *row, const struct doc_path *at)
{
    struct json_doc doc;
    json_doc_init(&doc);
    if (json_parse(&doc, str_of(row->dflt), NULL) == OK)
        add_providers(r, row, json_root(&doc), at);
    else
        r->no_memory = true;
    json_doc_fini(&doc);
}

void read_providers(struct reader *r, const struct schema_row *row, struct json v,
                    const struct doc_path *at, void *base)
{
    struct config *c = base;
    if (!reader_count(r, row, v, JSON_OBJECT, at))
        return;
    c->providers = reader_alloc(r, json_count(v) + 1, sizeof *c->providers);
    if (c->providers == NULL)
        return;
    add_providers(r, row, v, at);
    if (!json_exists(json_get_lit(v, "sim")))
        add_sim(r, row, at);
}
