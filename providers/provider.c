#include "providers/provider.h"

#include "base/mem.h"

enum { ARENA_MAX = 16777216 /* bytes of one provider: options, and its request, taken apart */ };

static const struct provider_kind *const kinds[] = {&provider_openai, &provider_anthropic,
                                                    &provider_http, &provider_sim, NULL};

const struct provider_kind *provider_kind_at(size_t index)
{
    return index < sizeof kinds / sizeof kinds[0] ? kinds[index] : NULL;
}

const struct provider_kind *provider_kind_find(struct str name)
{
    for (size_t i = 0; kinds[i] != NULL; i++) {
        if (str_eq(str_of(kinds[i]->name), name))
            return kinds[i];
    }
    return NULL;
}

/* Makes one string the provider's own. */
static bool own(struct provider *p, struct str *s)
{
    if (s->at == NULL)
        return true;
    *s = arena_str(&p->arena, *s);
    return s->at != NULL;
}

static bool own_words(struct provider *p, struct http_words *words)
{
    bool fine = true;
    for (uint32_t i = 0; fine && i < words->count; i++)
        fine = own(p, &words->at[i]);
    return fine;
}

static bool own_http(struct provider *p, struct http_options *o)
{
    return own(p, &o->request) && own(p, &o->result) && own(p, &o->delta) && own(p, &o->end) &&
           own(p, &o->poll.status) && own(p, &o->poll.url) && own(p, &o->poll.cancel_url) &&
           own_words(p, &o->poll.done) && own_words(p, &o->poll.failed);
}

static bool own_strings(struct provider *p)
{
    struct provider_options *o = &p->options;
    bool fine = own(p, &o->name) && own(p, &o->kind) && own(p, &o->base_url) &&
                own(p, &o->ca_file) && own(p, &o->auth_header) && own(p, &o->auth_prefix) &&
                own_http(p, &o->http);
    for (uint32_t i = 0; fine && i < o->api_key_count; i++)
        fine = own(p, &o->api_keys[i]);
    for (uint32_t i = 0; fine && i < o->header_count; i++)
        fine = own(p, &o->headers[i].name) && own(p, &o->headers[i].value);
    for (uint32_t i = 0; fine && i < o->query_count; i++)
        fine = own(p, &o->query[i].name) && own(p, &o->query[i].value);
    return fine;
}

static enum err check_options(const struct provider_options *o, struct error *ret_error)
{
    for (uint32_t i = 0; i < o->api_key_count; i++) {
        if (!http_value_is_valid(o->api_keys[i]))
            return error_set(ret_error, ERR_CONFIG,
                             "an API key holds a byte that cannot stand in a header");
    }
    for (uint32_t i = 0; i < o->header_count; i++) {
        if (!http_name_is_valid(o->headers[i].name) || !http_value_is_valid(o->headers[i].value))
            return error_set(ret_error, ERR_CONFIG, "the header %.*s is not valid",
                             STR_ARG(o->headers[i].name));
    }
    if (o->auth_header.at != NULL &&
        (!http_name_is_valid(o->auth_header) || !http_value_is_valid(o->auth_prefix)))
        return error_set(ret_error, ERR_CONFIG, "the header for the API key is not valid");
    return OK;
}

enum err provider_create(const struct provider_options *options, struct provider **ret_provider,
                         struct error *ret_error)
{
    const struct provider_kind *kind = provider_kind_find(options->kind);
    if (kind == NULL)
        return error_set(ret_error, ERR_CONFIG, "\"%.*s\" is no kind of provider",
                         STR_ARG(options->kind));
    enum err e = check_options(options, ret_error);
    if (e != OK)
        return e;
    struct provider *p = mem_zalloc(sizeof *p);
    if (p == NULL)
        return error_set(ret_error, ERR_NOMEM, "out of memory");
    p->kind = kind;
    p->options = *options;
    arena_init(&p->arena, ARENA_MAX);
    e = own_strings(p) ? kind->prepare(p, ret_error)
                       : error_set(ret_error, ERR_NOMEM, "out of memory");
    if (e != OK) {
        provider_destroy(p);
        return e;
    }
    *ret_provider = p;
    return OK;
}

void provider_destroy(struct provider *p)
{
    if (p == NULL)
        return;
    arena_fini(&p->arena);
    mem_free(p);
}

bool provider_accepts(const struct provider *p, int status)
{
    return p->kind->accepts != NULL ? p->kind->accepts(p, status) : status == 200;
}

struct json call_param(const struct call *call, const char *name)
{
    struct json v = json_get(call->run_params, str_of(name));
    return json_exists(v) ? v : json_get(call->agent_params, str_of(name));
}

/* Is it among them? Names are compared unescaped. */
static bool is_replaced(struct json over, struct json name, bool *no_memory)
{
    struct arena arena;
    struct str s;
    arena_init(&arena, 65536);
    bool is_read = json_string(name, &arena, &s);
    bool is_there = is_read && json_exists(json_get(over, s));
    *no_memory |= !is_read;
    arena_fini(&arena);
    return is_there;
}

bool call_each_param(const struct call *call, call_param_fn *on_param, void *ctx)
{
    struct json over = call->run_params, under = call->agent_params;
    bool no_memory = false;
    for (struct json_member m = json_first_member(under); json_exists(m.value);
         m = json_next_member(under, m)) {
        if (!is_replaced(over, m.name, &no_memory))
            on_param(ctx, m);
    }
    for (struct json_member m = json_first_member(over); json_exists(m.value);
         m = json_next_member(over, m))
        on_param(ctx, m);
    return !no_memory;
}
