#include "model/task_spec.h"

static const char *const type_names[] = {"call", NULL};

const char *task_type_name(enum task_type t)
{
    return type_names[t];
}

struct draft {
    struct task_spec *spec;
    const struct spec_limits *limits;
    const struct name_lookup *names;
};

static void on_type(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    (void)c, (void)v, (void)at, (void)out; /* judged before the members are walked */
}

static void on_name(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    (void)check_name(c, v, at, &d->spec->name); /* reported by the check */
}

static void on_timeout_ms(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    (void)check_int(c, v, at, 1, d->limits->max_run_timeout_ms,
                    &d->spec->timeout_ms); /* likewise */
}

static void on_retry(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    d->spec->retry = retry_spec_default();
    d->spec->has_retry = retry_spec_check(c, v, at, &d->spec->retry);
}

static void on_agent(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct str s;
    if (!check_string(c, v, at, 512, &s))
        return;
    if (!d->names->agent(d->names->ctx, s))
        problem_add_unknown(c->problem, at, ERR_UNKNOWN_AGENT,
                            "names an agent that does not exist");
    else
        d->spec->agent = s;
}

static void on_model(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    d->spec->models = arena_alloc(c->arena, AGENT_MAX_MODELS * sizeof(struct str));
    if (d->spec->models == NULL)
        c->no_memory = true;
    else
        check_models(c, v, at, d->names, d->spec->models, &d->spec->model_count);
}

static void on_instructions(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    (void)check_string(c, v, at, AGENT_TEXT_MAX,
                       &d->spec->instructions); /* reported by the check */
}

static void on_params(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    if (check_object(c, v, at))
        d->spec->params = json_raw(v);
}

static void on_input(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct str raw = json_raw(v);
    if (raw.len > d->limits->input_bytes)
        problem_add(c->problem, at, FIELD_TOO_LONG, NULL);
    else
        d->spec->input = raw;
}

static void check_call(struct check *c, struct json v, const struct doc_path *at, struct draft *d)
{
    static const struct check_rule rules[] = {
        {"type", on_type},
        {"name", on_name},
        {"timeout_ms", on_timeout_ms},
        {"retry", on_retry},
        {"agent", on_agent},
        {"model", on_model},
        {"instructions", on_instructions},
        {"params", on_params},
        {"input", on_input},
    };
    bool by_agent = json_exists(json_get_lit(v, "agent"));
    bool by_model = json_exists(json_get_lit(v, "model"));
    if (by_agent == by_model)
        problem_add(c->problem, at, FIELD_EXCLUSIVE, "a call takes exactly one of agent and model");
    d->spec->input = STR("null");
    check_members(c, v, at, rules, sizeof rules / sizeof rules[0], d);
}

/* Is the type one that this gateway runs? Reports what is wrong with it. */
static bool check_type(struct check *c, struct json v, const struct doc_path *at,
                       enum task_type *ret)
{
    struct json type = json_get_lit(v, "type");
    struct doc_path here = doc_path_name(at, STR("type"));
    if (!json_exists(type)) {
        problem_add(c->problem, &here, FIELD_MISSING, NULL);
        return false;
    }
    if (!json_is(type, JSON_STRING)) {
        problem_add(c->problem, &here, FIELD_WRONG_TYPE, "must be a string");
        return false;
    }
    for (int i = 0; type_names[i] != NULL; i++) {
        if (json_string_is(type, str_of(type_names[i]))) {
            *ret = (enum task_type)i;
            return true;
        }
    }
    problem_add(c->problem, &here, FIELD_UNKNOWN_TYPE, NULL);
    return false;
}

struct task_spec *task_spec_check(struct check *c, struct json v, const struct doc_path *at,
                                  const struct spec_limits *limits, const struct name_lookup *names)
{
    struct task_spec *spec = arena_zalloc(c->arena, sizeof *spec);
    if (spec == NULL) {
        c->no_memory = true;
        return NULL;
    }
    uint32_t before = c->problem->found;
    if (!check_object(c, v, at) || !check_type(c, v, at, &spec->type))
        return NULL;
    check_call(c, v, at, &(struct draft){.spec = spec, .limits = limits, .names = names});
    return c->problem->found == before ? spec : NULL;
}
