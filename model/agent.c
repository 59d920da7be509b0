#include "model/agent.h"

#include "base/mem.h"

static const char *const output_names[] = {"text", "json", "message", NULL};

const char *output_kind_name(enum output_kind k)
{
    return output_names[k];
}

/* --- names ------------------------------------------------------------------------------------ */

static bool any_name(void *ctx, struct str name)
{
    (void)ctx, (void)name;
    return true;
}

static enum err any_model(void *ctx, struct str model)
{
    (void)ctx, (void)model;
    return OK;
}

const struct name_lookup name_lookup_any = {
    .agent = any_name, .workflow = any_name, .model = any_model, .provider = any_name};

/* --- making ----------------------------------------------------------------------------------- */

/* What is being filled while a document is walked. */
struct draft {
    struct agent *agent;
    const struct name_lookup *names;
};

static void on_name(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct str s;
    if (!check_name(c, v, at, &s))
        return;
    if (d->agent->name.at != NULL && !str_eq(d->agent->name, s))
        problem_add(c->problem, at, FIELD_EXCLUSIVE, "is not the name in the path");
    else
        d->agent->name = s;
}

static void on_description(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    (void)check_string(c, v, at, 4096, &d->agent->description); /* reported by the check */
}

static bool check_model(struct check *c, struct json v, const struct doc_path *at,
                        const struct name_lookup *names, struct str *ret)
{
    struct str s;
    if (!check_string(c, v, at, 512, &s))
        return false;
    enum err e = names->model(names->ctx, s);
    if (e != OK) {
        problem_add_unknown(c->problem, at, e,
                            e == ERR_UNKNOWN_PROVIDER
                                ? "names a provider that is not configured"
                                : "names no model, as \"provider/model\", that is served");
        return false;
    }
    *ret = s;
    return true;
}

void check_models(struct check *c, struct json v, const struct doc_path *at,
                  const struct name_lookup *names, struct str *ret_models, uint32_t *ret_count)
{
    *ret_count = 0;
    if (!json_is(v, JSON_ARRAY)) {
        if (check_model(c, v, at, names, &ret_models[0]))
            *ret_count = 1;
        return;
    }
    uint32_t n = json_count(v);
    if (n == 0 || n > AGENT_MAX_MODELS) {
        problem_add(c->problem, at, n == 0 ? FIELD_OUT_OF_RANGE : FIELD_TOO_LONG,
                    "must list 1 to 16 models");
        return;
    }
    uint64_t i = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e), i++) {
        struct doc_path here = doc_path_index(at, i);
        if (check_model(c, e, &here, names, &ret_models[*ret_count]))
            (*ret_count)++;
    }
}

static void on_model(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    check_models(c, v, at, d->names, d->agent->models, &d->agent->model_count);
}

static void on_instructions(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    (void)check_string(c, v, at, AGENT_TEXT_MAX,
                       &d->agent->instructions); /* reported by the check */
}

static void on_params(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    if (check_object(c, v, at))
        d->agent->params = json_raw(v);
}

static void on_output(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    int i;
    if (check_enum(c, v, at, output_names, &i))
        d->agent->output = (enum output_kind)i;
}

static void on_retry(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    if (!json_is(v, JSON_NULL)) /* as it is told where there is none; so below */
        d->agent->has_retry = retry_spec_check(c, v, at, &d->agent->retry);
}

static void on_timeout_ms(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    if (!json_is(v, JSON_NULL))
        (void)check_int(c, v, at, 1, 86400000, &d->agent->timeout_ms); /* reported by the check */
}

static void check_draft(struct check *c, struct json v, const struct doc_path *at, struct draft *d)
{
    static const struct check_rule rules[] = {
        {"name", on_name},      {"description", on_description},   {"model", on_model},
        {"params", on_params},  {"instructions", on_instructions}, {"output", on_output},
        {"retry", on_retry},    {"timeout_ms", on_timeout_ms},     {"version", check_told},
        {"source", check_told},
    };
    if (!check_object(c, v, at))
        return;
    if (d->agent->name.at == NULL && !json_exists(json_get_lit(v, "name")))
        check_missing(c, at, "name");
    if (!json_exists(json_get_lit(v, "model")))
        check_missing(c, at, "model");
    check_members(c, v, at, rules, sizeof rules / sizeof rules[0], d);
}

/* Moves everything that was borrowed from the document into the agent's own arena. */
static enum err own_strings(struct agent *a)
{
    struct str *all[] = {&a->name, &a->description, &a->instructions, &a->params};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i]->at == NULL)
            continue;
        *all[i] = arena_str(&a->arena, *all[i]);
        if (all[i]->at == NULL)
            return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < a->model_count; i++) {
        a->models[i] = arena_str(&a->arena, a->models[i]);
        if (a->models[i].at == NULL)
            return ERR_NOMEM;
    }
    return a->params.at != NULL ? json_parse(&a->params_doc, a->params, NULL) : OK;
}

enum err agent_create(struct check *c, struct json v, const struct doc_path *at, struct str name,
                      const struct name_lookup *names, struct agent **ret_agent)
{
    struct agent *a = mem_zalloc(sizeof *a);
    if (a == NULL)
        return ERR_NOMEM;
    atomic_init(&a->refs, 1);
    arena_init(&a->arena, 2 * AGENT_TEXT_MAX + 4194304);
    json_doc_init(&a->params_doc);
    a->name = name;
    a->retry = retry_spec_default();
    a->version = 1;
    uint32_t before = c->problem->found;
    check_draft(c, v, at, &(struct draft){.agent = a, .names = names});
    enum err e = c->problem->found > before ? c->problem->code
                 : c->no_memory             ? ERR_NOMEM
                                            : own_strings(a);
    if (e != OK) {
        agent_unref(a);
        return e;
    }
    *ret_agent = a;
    return OK;
}

struct agent *agent_ref(struct agent *a)
{
    atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

struct agent *agent_unref(struct agent *a)
{
    if (a != NULL && atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1) {
        json_doc_fini(&a->params_doc);
        arena_fini(&a->arena);
        mem_free(a);
    }
    return NULL;
}

static void write_models(struct buf *b, const struct agent *a)
{
    if (a->model_count == 1) {
        json_add_string(b, a->models[0]);
        return;
    }
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < a->model_count; i++) {
        json_add_comma(b);
        json_add_string(b, a->models[i]);
    }
    buf_add_char(b, ']');
}

static void write_retry(struct buf *b, const struct retry_spec *r)
{
    buf_addf(b, "{\"attempts\":%u,\"base_ms\":%u,\"factor\":", (unsigned)r->attempts,
             (unsigned)r->base_ms);
    json_add_double(b, r->factor);
    buf_addf(b, ",\"max_ms\":%u,\"jitter\":\"%s\"", (unsigned)r->max_ms,
             r->full_jitter ? "full" : "none");
    if (r->has_on) {
        buf_add_lit(b, ",\"on\":[");
        for (unsigned e = 0; e < ERR_COUNT_; e++) {
            if ((r->on >> e & 1) == 0)
                continue;
            json_add_comma(b);
            json_add_string(b, str_of(err_code((enum err)e)));
        }
        buf_add_char(b, ']');
    }
    buf_add_char(b, '}');
}

static void write_members(struct buf *b, const struct agent *a)
{
    buf_add_lit(b, "{\"name\":");
    json_add_string(b, a->name);
    buf_add_lit(b, ",\"description\":");
    json_add_string(b, a->description);
    buf_add_lit(b, ",\"model\":");
    write_models(b, a);
    buf_add_lit(b, ",\"instructions\":");
    json_add_string(b, a->instructions);
    buf_add_lit(b, ",\"params\":");
    buf_add_str(b, a->params.at != NULL ? a->params : STR("{}"));
    buf_addf(b, ",\"output\":\"%s\",\"retry\":", output_names[a->output]);
    if (a->has_retry)
        write_retry(b, &a->retry);
    else
        buf_add_lit(b, "null");
    buf_add_lit(b, ",\"timeout_ms\":");
    if (a->timeout_ms > 0)
        buf_add_i64(b, a->timeout_ms);
    else
        buf_add_lit(b, "null");
}

void agent_write_document(struct buf *b, const struct agent *a)
{
    write_members(b, a);
    buf_add_char(b, '}');
}

void agent_write(struct buf *b, const struct agent *a)
{
    write_members(b, a);
    buf_add_lit(b, ",\"version\":");
    buf_add_i64(b, a->version);
    buf_addf(b, ",\"source\":\"%s\"}", a->from_config ? "config" : "api");
}
