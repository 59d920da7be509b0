/* The task `call`: of an agent, a model, a provider or a workflow (API §4). */
#include "model/task_tree.h"

enum { NAME_BYTES = 512, RESULT_BYTES = 1024 };

/* Members that a call by something else must not have are judged by what they go with. */
static bool goes_with(struct task_frame *f, const struct doc_path *at, unsigned kinds,
                      const char *otherwise)
{
    if (f->is_torn || (kinds >> f->spec->call & 1) != 0)
        return true;
    problem_add(f->tree->c->problem, at, FIELD_EXCLUSIVE, otherwise);
    return false;
}

enum {
    BY_AGENT = 1 << CALL_AGENT,
    BY_MODEL = 1 << CALL_MODEL,
    BY_PROVIDER = 1 << CALL_PROVIDER,
    BY_WORKFLOW = 1 << CALL_WORKFLOW
};

/* --- what is called --------------------------------------------------------------------------- */

static void find_agent(struct task_frame *f, struct str name, const struct doc_path *at)
{
    const struct name_lookup *names = f->tree->names;
    if (!names->agent(names->ctx, name))
        problem_add_unknown(f->tree->c->problem, at, ERR_UNKNOWN_AGENT,
                            "names an agent that does not exist");
    else
        f->spec->agent = name;
}

static void on_plain_agent(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct str s;
    if (check_string(c, v, at, NAME_BYTES, &s))
        find_agent(out, s, at);
}

static void on_agent(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    struct template *t = &f->spec->agent_template;
    struct str s;
    if (check_string(c, v, at, NAME_BYTES, &s) && task_read_text(f, s, at, t) && t->count == 0)
        find_agent(f, t->source, at);
}

static void on_model(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    uint32_t most = json_is(v, JSON_ARRAY) ? json_count(v) : 1;
    if (most > AGENT_MAX_MODELS)
        most = AGENT_MAX_MODELS;
    f->spec->models = arena_alloc(c->arena, most * sizeof(struct str));
    if (f->spec->models == NULL)
        c->no_memory = true;
    else
        check_models(c, v, at, f->tree->names, f->spec->models, &f->spec->model_count);
}

static void on_provider(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    const struct name_lookup *names = f->tree->names;
    struct str s;
    if (!check_string(c, v, at, NAME_BYTES, &s))
        return;
    if (names->provider == NULL || !names->provider(names->ctx, s))
        problem_add_unknown(c->problem, at, ERR_UNKNOWN_PROVIDER,
                            "names no provider that takes plain requests");
    else
        f->spec->provider = s;
}

/* Would the workflow that is being made call itself, in the end? */
static bool closes_cycle(const struct task_tree *tree, struct str name)
{
    const struct name_lookup *names = tree->names;
    if (tree->self.at == NULL)
        return false;
    return str_eq(name, tree->self) ||
           (names->leads_to != NULL && names->leads_to(names->ctx, name, tree->self));
}

static void on_workflow(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    const struct name_lookup *names = f->tree->names;
    struct str s;
    if (!check_string(c, v, at, NAME_BYTES, &s))
        return;
    if (closes_cycle(f->tree, s))
        problem_add(c->problem, at, FIELD_CYCLE, "the workflow would call itself");
    else if (!names->workflow(names->ctx, s))
        problem_add_unknown(c->problem, at, ERR_UNKNOWN_WORKFLOW,
                            "names a workflow that does not exist");
    else
        f->spec->workflow = s;
}

/* --- what goes with it ------------------------------------------------------------------------ */

static bool read_instructions(struct check *c, struct json v, const struct doc_path *at,
                              struct task_frame *f)
{
    return goes_with(f, at, BY_AGENT | BY_MODEL, "goes only with agent or model") &&
           check_string(c, v, at, AGENT_TEXT_MAX, &f->spec->instructions);
}

static void on_plain_instructions(struct check *c, struct json v, const struct doc_path *at,
                                  void *out)
{
    (void)read_instructions(c, v, at, out); /* reported by it */
}

static void on_instructions(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    if (read_instructions(c, v, at, f))
        (void)task_read_text(f, f->spec->instructions, at,
                             &f->spec->instructions_template); /* reported by it */
}

static void on_params(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    if (goes_with(f, at, BY_AGENT | BY_MODEL, "goes only with agent or model") &&
        check_object(c, v, at))
        f->spec->params = json_raw(v);
}

static bool read_input(struct check *c, struct json v, const struct doc_path *at,
                       struct task_frame *f)
{
    struct str raw = json_raw(v);
    if (!goes_with(f, at, BY_AGENT | BY_MODEL | BY_WORKFLOW, "does not go with provider"))
        return false;
    if (raw.len > f->tree->limits->input_bytes) {
        problem_add(c->problem, at, FIELD_TOO_LONG, NULL);
        return false;
    }
    f->spec->input = raw;
    return true;
}

static void on_plain_input(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    (void)read_input(c, v, at, out); /* reported by it */
}

static void on_input(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    if (read_input(c, v, at, f))
        (void)task_read_json(f, v, at, &f->spec->input_template); /* reported by it */
}

static void on_request(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    if (!goes_with(f, at, BY_PROVIDER, "goes only with provider"))
        return;
    struct reference_scope scope = task_scope_open(f);
    f->spec->request = request_spec_check(c, v, at, &scope);
    task_scope_close(f, &scope);
}

/* RFC 6901: "" or segments behind slashes, with ~ as ~0 and / as ~1. */
static bool is_pointer(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool is_escape = i + 1 < s.len && (s.at[i + 1] == '0' || s.at[i + 1] == '1');
        if (s.at[i] == '~' && !is_escape)
            return false;
    }
    return s.len == 0 || s.at[0] == '/';
}

static void on_result(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    struct str s;
    if (!goes_with(f, at, BY_PROVIDER, "goes only with provider") ||
        !check_string(c, v, at, RESULT_BYTES, &s))
        return;
    if (is_pointer(s))
        f->spec->result = s;
    else
        problem_add(c->problem, at, FIELD_OUT_OF_RANGE, "must be a JSON pointer (RFC 6901)");
}

/* --- the call --------------------------------------------------------------------------------- */

/* Exactly one of `targets` must be there. */
static void find_target(struct task_frame *f, const struct doc_path *at, const char *const *targets,
                        const char *otherwise)
{
    int found = 0;
    for (int kind = 0; targets[kind] != NULL; kind++) {
        if (json_exists(json_get(f->v, str_of(targets[kind])))) {
            f->spec->call = (enum call_kind)kind;
            found++;
        }
    }
    f->is_torn = found != 1;
    if (f->is_torn)
        problem_add(f->tree->c->problem, at, FIELD_EXCLUSIVE, otherwise);
}

void task_check_call(struct task_frame *f, const struct doc_path *at)
{
    static const char *const targets[] = {"agent", "model", "provider", "workflow", NULL};
    static const struct check_rule rules[] = {
        TASK_COMMON_RULES,         {"agent", on_agent},       {"model", on_model},
        {"provider", on_provider}, {"workflow", on_workflow}, {"instructions", on_instructions},
        {"params", on_params},     {"input", on_input},       {"request", on_request},
        {"result", on_result}};
    f->spec->input = f->spec->input_template.source = STR("null");
    f->spec->agent_template.form = f->spec->instructions_template.form = TEMPLATE_TEXT;
    find_target(f, at, targets, "a call takes exactly one of agent, model, provider and workflow");
    if (!f->is_torn && f->spec->call == CALL_PROVIDER)
        task_require(f, at, "request");
    task_check_members(f, at, rules);
}

void task_check_plain_call(struct task_frame *f, const struct doc_path *at)
{
    static const char *const targets[] = {"agent", "model", NULL};
    static const struct check_rule rules[] = {
        {"type", task_on_type},
        {"name", task_on_name},
        {"timeout_ms", task_on_timeout_ms},
        {"retry", task_on_retry},
        {"agent", on_plain_agent},
        {"model", on_model},
        {"instructions", on_plain_instructions},
        {"params", on_params},
        {"input", on_plain_input},
    };
    f->spec->input = STR("null");
    find_target(f, at, targets, "a call takes exactly one of agent and model");
    task_check_members(f, at, rules);
}
