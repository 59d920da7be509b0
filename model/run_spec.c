#include "model/run_spec.h"

enum { ARENA_OVERHEAD = 16777216 }; /* beside the text: what a checked tree may take */

struct draft {
    struct run_spec *spec;
    const struct run_target *target;
    const struct spec_limits *limits;
    const struct name_lookup *names;
    struct run_target plain; /* the target once the task is renamed */
    bool by_agent;           /* the target is an agent, whether the path or the body names it */
};

/* Has the path said already what is to run? Then the body must not. */
static bool is_taken(struct check *c, const struct doc_path *at, const struct draft *d)
{
    if (d->target->agent.at == NULL && d->target->workflow.at == NULL)
        return false;
    problem_add(c->problem, at, FIELD_EXCLUSIVE, "the path names the target already");
    return true;
}

static void on_agent(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct str s;
    if (is_taken(c, at, d) || !check_string(c, v, at, 512, &s))
        return;
    if (!d->names->agent(d->names->ctx, s))
        problem_add_unknown(c->problem, at, ERR_UNKNOWN_AGENT,
                            "names an agent that does not exist");
    else
        d->spec->agent = s;
}

static void on_workflow(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct str s;
    if (is_taken(c, at, d) || !check_string(c, v, at, 512, &s))
        return;
    if (!d->names->workflow(d->names->ctx, s))
        problem_add_unknown(c->problem, at, ERR_UNKNOWN_WORKFLOW,
                            "names a workflow that does not exist");
    else
        d->spec->workflow = s;
}

static void set_input(struct check *c, struct json v, const struct doc_path *at, struct draft *d)
{
    struct str raw = json_raw(v);
    if (raw.len > d->limits->input_bytes)
        problem_add(c->problem, at, FIELD_TOO_LONG, "the input is larger than limits.input_bytes");
    else
        d->spec->input = raw;
}

static void on_task(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    if (d->target->takes_task_text) {
        if (!json_is(v, JSON_STRING))
            problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be a string");
        else
            set_input(c, v, at, d);
        return;
    }
    if (!is_taken(c, at, d))
        d->spec->task = task_spec_check(c, v, at, d->limits, d->names);
}

static void on_input(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    set_input(c, v, at, out);
}

static void on_params(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    if (!d->by_agent)
        problem_add(c->problem, at, FIELD_EXCLUSIVE, "goes only with agent");
    else if (check_object(c, v, at))
        d->spec->params = json_raw(v);
}

static void on_name(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    if (!json_is(v, JSON_NULL))
        (void)check_string(c, v, at, 128, &d->spec->name); /* reported by the check */
}

static void check_pair(struct check *c, struct json_member m, const struct doc_path *at)
{
    struct str key, value;
    if (!json_string(m.name, c->arena, &key)) {
        c->no_memory = true;
        return;
    }
    struct doc_path here = doc_path_name(at, key);
    if (key.len > 64)
        problem_add(c->problem, &here, FIELD_TOO_LONG, "a key must not be longer than 64 bytes");
    (void)check_string(c, m.value, &here, 512, &value); /* reported by the check */
}

static void on_metadata(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    if (!check_object(c, v, at))
        return;
    if (json_count(v) > 16)
        problem_add(c->problem, at, FIELD_TOO_LONG, "must not have more than 16 pairs");
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m))
        check_pair(c, m, at);
    d->spec->metadata = json_raw(v);
}

static void on_timeout_ms(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    (void)check_int(c, v, at, 1, d->limits->max_run_timeout_ms,
                    &d->spec->timeout_ms); /* likewise */
}

static void set_flag(struct check *c, struct json v, const struct doc_path *at,
                     const char *const *values, struct draft *d, unsigned flag)
{
    int i;
    if (check_enum(c, v, at, values, &i) && i == 1)
        d->spec->flags |= flag;
}

static void on_on_disconnect(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const char *const values[] = {"continue", "cancel", NULL};
    set_flag(c, v, at, values, out, RUN_CANCEL_ON_DISCONNECT);
}

static void on_on_crash(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const char *const values[] = {"retry", "fail", NULL};
    set_flag(c, v, at, values, out, RUN_FAIL_ON_CRASH);
}

static void on_durability(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const char *const values[] = {"commit", "lazy", NULL};
    set_flag(c, v, at, values, out, RUN_LAZY);
}

static void on_restart(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    bool may;
    if (check_bool(c, v, at, &may) && may)
        d->spec->flags |= RUN_MAY_RESTART;
}

static void on_webhook(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    webhook_check(c, v, at, d->limits->webhook_url_fault, d->limits->can_sign_webhooks,
                  &d->spec->webhook);
    d->spec->webhook_text = json_raw(v);
}

/* What holds for the object as a whole is said before what is wrong with its members (API §6). */
static void check_shape(struct check *c, struct json v, const struct doc_path *at, struct draft *d)
{
    const struct run_target *target = d->target;
    bool agent = json_exists(json_get_lit(v, "agent"));
    bool workflow = json_exists(json_get_lit(v, "workflow"));
    bool task = json_exists(json_get_lit(v, "task"));
    d->by_agent = agent || target->agent.at != NULL;
    if (target->takes_task_text) {
        if (task && json_exists(json_get_lit(v, "input")))
            problem_add(c->problem, at, FIELD_EXCLUSIVE, "takes one of task and input");
    } else if (target->agent.at == NULL && target->workflow.at == NULL &&
               agent + workflow + task != 1) {
        problem_add(c->problem, at, FIELD_EXCLUSIVE,
                    "takes exactly one of agent, workflow and task");
    }
}

static void check_body(struct check *c, struct json root, struct draft *d)
{
    static const struct check_rule rules[] = {
        {"agent", on_agent},
        {"workflow", on_workflow},
        {"task", on_task},
        {"input", on_input},
        {"params", on_params},
        {"name", on_name},
        {"metadata", on_metadata},
        {"timeout_ms", on_timeout_ms},
        {"on_disconnect", on_on_disconnect},
        {"on_crash", on_on_crash},
        {"restart", on_restart},
        {"webhook", on_webhook},
        {"durability", on_durability},
    };
    struct doc_path at = {.up = NULL};
    if (!check_object(c, root, &at))
        return;
    check_shape(c, root, &at, d);
    check_members(c, root, &at, rules, sizeof rules / sizeof rules[0], d);
}

/* Appends the body without white space, with the member `task` renamed to what it stands for:
 * `input`. */
static void add_with_input(struct buf *b, struct json root)
{
    buf_add_char(b, '{');
    for (struct json_member m = json_first_member(root); json_exists(m.value);
         m = json_next_member(root, m)) {
        json_add_comma(b);
        if (json_string_is(m.name, STR("task")))
            buf_add_lit(b, "\"input\"");
        else
            buf_add_str(b, json_raw(m.name));
        buf_add_char(b, ':');
        json_add_compact(b, m.value);
    }
    buf_add_char(b, '}');
}

/* Keeps a copy of the body that is compact and says `input`, and leaves its tape in `scratch`. */
static enum err keep_text(struct str body, struct json_doc *scratch, bool rename_task,
                          struct run_spec *spec)
{
    struct json root = json_root(scratch);
    struct str raw = json_raw(root); /* without what surrounds it */
    if (!scratch->spaced && !rename_task && raw.at == body.at) {
        spec->text = arena_str(&spec->arena, raw);
        scratch->text = spec->text.at; /* the same bytes: the tape fits them as well */
        return spec->text.at != NULL ? OK : ERR_NOMEM;
    }
    struct buf text;
    buf_init(&text, body.len + 16);
    if (rename_task)
        add_with_input(&text, root);
    else
        json_add_compact(&text, root);
    enum err e = buf_ok(&text);
    if (e == OK)
        spec->text = arena_str(&spec->arena, buf_str(&text));
    buf_fini(&text);
    return spec->text.at != NULL ? json_parse(scratch, spec->text, NULL) : ERR_NOMEM;
}

/* Judged on the body as it was sent, so that pointers name what the client wrote; the views then
 * point into the copy. */
static enum err check_and_keep(struct str body, struct json_doc *scratch, struct problem *problem,
                               struct draft *d)
{
    enum err e = check_parse(scratch, body, problem);
    if (e != OK)
        return e;
    struct json root = json_root(scratch);
    struct check c = {.problem = problem, .arena = &d->spec->arena};
    bool rename_task = d->target->takes_task_text && json_exists(json_get_lit(root, "task"));
    if (rename_task) {
        check_body(&c, root, d);
        if (problem->code != OK)
            return problem->code;
        d->plain = (struct run_target){.agent = d->target->agent};
        d->target = &d->plain;
    }
    e = keep_text(body, scratch, rename_task, d->spec);
    if (e != OK)
        return e;
    check_body(&c, json_root(scratch), d);
    return c.no_memory ? ERR_NOMEM : problem->code;
}

enum err run_spec_create(struct str body, struct json_doc *scratch, const struct run_target *target,
                         const struct spec_limits *limits, const struct name_lookup *names,
                         struct problem *problem, struct run_spec *ret_spec)
{
    *ret_spec = (struct run_spec){.input = STR("null"),
                                  .timeout_ms = limits->default_run_timeout_ms,
                                  .agent = target->agent,
                                  .workflow = target->workflow};
    arena_init(&ret_spec->arena, body.len + ARENA_OVERHEAD);
    struct draft d = {.spec = ret_spec, .target = target, .limits = limits, .names = names};
    enum err e = check_and_keep(body, scratch, problem, &d);
    if (e == OK && target->agent.at != NULL)
        ret_spec->agent = arena_str(&ret_spec->arena, target->agent);
    if (e == OK && target->workflow.at != NULL)
        ret_spec->workflow = arena_str(&ret_spec->arena, target->workflow);
    if (e != OK)
        run_spec_fini(ret_spec);
    return e;
}

/* --- workflows -------------------------------------------------------------------------------- */

void run_spec_pin(struct run_spec *spec, struct workflow *version)
{
    spec->pinned = workflow_ref(version);
    spec->task = version->task;
    spec->workflow_version = version->version;
    spec->definition = version->text;
}

/* The tree of a version that nobody else has any more. */
static enum err read_definition(struct run_spec *spec, struct str definition,
                                const struct spec_limits *limits, const struct name_lookup *names)
{
    struct problem problem;
    struct json_doc doc;
    struct doc_path at = {.up = NULL};
    struct check c = {.problem = &problem, .arena = &spec->arena};
    problem_init(&problem);
    json_doc_init(&doc);
    spec->arena.max_bytes += definition.len + ARENA_OVERHEAD;
    spec->definition = arena_str(&spec->arena, definition);
    enum err e = spec->definition.at != NULL ? json_parse(&doc, spec->definition, NULL) : ERR_NOMEM;
    if (e == OK)
        spec->task = task_spec_check(&c, json_root(&doc), &at, limits, names);
    json_doc_fini(&doc);
    if (e == OK && spec->task == NULL)
        e = c.no_memory ? ERR_NOMEM : problem.code;
    return e;
}

/* One that was defined anew under the same number, as a configuration file can do, is another. */
static bool is_version_of(const struct workflow *w, const struct run_record *record)
{
    return w != NULL && str_eq(w->name, record->workflow) &&
           w->version == record->workflow_version &&
           (record->definition.at == NULL || str_eq(w->text, record->definition));
}

static enum err reopen_workflow(const struct run_record *record, struct workflow *version,
                                const struct spec_limits *limits, const struct name_lookup *names,
                                struct run_spec *spec)
{
    spec->workflow_version = record->workflow_version;
    if (is_version_of(version, record))
        run_spec_pin(spec, version);
    else if (record->definition.at != NULL)
        return read_definition(spec, record->definition, limits, names);
    return OK;
}

/* --- reading again ---------------------------------------------------------------------------- */

enum err run_spec_reopen(const struct run_record *record, struct workflow *version,
                         struct run_spec *ret_spec)
{
    struct spec_limits limits = spec_limits_none;
    limits.default_run_timeout_ms = record->timeout_ms;
    struct json_doc doc;
    json_doc_init(&doc);
    struct problem problem;
    problem_init(&problem);
    struct run_target target = {.agent = STR_NONE};
    enum err e = json_parse(&doc, record->spec, NULL);
    if (e == OK && !json_exists(json_get_lit(json_root(&doc), "agent")))
        target.agent = record->agent;
    if (e == OK && !json_exists(json_get_lit(json_root(&doc), "workflow")))
        target.workflow = record->workflow;
    if (e == OK)
        e = run_spec_create(record->spec, &doc, &target, &limits, &name_lookup_any, &problem,
                            ret_spec);
    json_doc_fini(&doc);
    if (e != OK)
        return e;
    ret_spec->timeout_ms = record->timeout_ms;
    ret_spec->flags = record->flags;
    if (ret_spec->workflow.at != NULL)
        e = reopen_workflow(record, version, &limits, &name_lookup_any, ret_spec);
    if (e != OK)
        run_spec_fini(ret_spec);
    return e;
}

void run_spec_fini(struct run_spec *spec)
{
    workflow_unref(spec->pinned);
    arena_fini(&spec->arena);
    *spec = (struct run_spec){0};
}
