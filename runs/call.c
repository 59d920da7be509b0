#include "runs/call.h"

#include <assert.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "runs/attempt.h"
#include "runs/attempt_tell.h"
#include "runs/run.h"
#include "runs/shard.h"
#include "runs/task_kind.h"
#include "runs/task_values.h"

enum {
    MAX_LOST = 20 /* crashes that a call is tried again after: one that kills the gateway must not
                     do so for ever */
};

void call_init(struct task *t)
{
    struct call_state *c = &t->call;
    buf_init(&c->closed, 67108864);
    c->generation = 1;
}

static void forget_texts(struct call_state *c)
{
    task_free_text(&c->input);
    task_free_text(&c->instructions);
    task_free_text(&c->request);
}

void call_fini(struct task *t)
{
    assert(t->call.attempt == NULL);
    agent_unref(t->call.agent);
    forget_texts(&t->call);
    buf_fini(&t->call.closed);
}

/* A tree may have ten thousand calls that have ended: they keep what clients are shown. */
static void call_settle(struct task *t)
{
    forget_texts(&t->call);
    buf_trim(&t->call.closed);
}

void call_reset(struct task *t)
{
    struct call_state *c = &t->call;
    assert(c->attempt == NULL);
    c->agent = agent_unref(c->agent);
    forget_texts(c);
    c->models = NULL;
    c->model_count = c->model_at = c->tries = c->switches = 0;
    c->generation++;
    c->is_restart = c->has_published;
    c->has_published = false;
    c->handle = STR_NONE;
}

struct str call_last_provider(const struct task *t)
{
    return t->call.last_provider;
}

static void fail(struct task *t, enum err code, struct str message)
{
    task_fail(t, TASK_FAILED,
              &(struct failure){.code = code,
                                .message = message,
                                .task = t->path,
                                .provider = t->call.last_provider,
                                .attempts = t->call.attempts});
}

/* --- before the first attempt ----------------------------------------------------------------- */

/* Looks the name up: what is meant is what it means now, not what it meant when the run was made.
 */
static void take_agent(struct task *t, struct str name)
{
    struct call_state *c = &t->call;
    struct agent *agent = definitions_agent(t->run->shard->definitions, name);
    c->agent = agent != NULL ? agent_ref(agent) : NULL;
    c->models = agent != NULL ? agent->models : NULL;
    c->model_count = agent != NULL ? agent->model_count : 0;
}

/* An agent whose name references make. */
static enum err find_agent(struct task *t, struct error *error)
{
    struct str name;
    enum err e = task_fill(t, &t->spec->agent_template, &name, error);
    if (e != OK)
        return e;
    take_agent(t, name);
    if (t->call.agent == NULL)
        e = error_set(error, ERR_UNKNOWN_AGENT, "there is no agent named '%.*s'", STR_ARG(name));
    task_free_text(&name);
    return e;
}

static enum err find_target(struct task *t, struct error *error)
{
    struct call_state *c = &t->call;
    struct str name = t->spec != NULL ? t->spec->agent : t->run->spec.agent;
    if (t->spec != NULL && t->spec->agent_template.count > 0)
        return find_agent(t, error);
    if (name.at != NULL) {
        take_agent(t, name);
        return OK;
    }
    assert(t->spec != NULL); /* a run without an agent has a task */
    c->models = t->spec->models;
    c->model_count = t->spec->model_count;
    return OK;
}

static enum err fill_in(struct task *t, struct error *error)
{
    const struct task_spec *spec = t->spec;
    struct call_state *c = &t->call;
    enum err e = OK;
    if (spec == NULL)
        return OK;
    if (spec->input_template.count > 0)
        e = task_fill(t, &spec->input_template, &c->input, error);
    if (e == OK && spec->instructions_template.count > 0)
        e = task_fill(t, &spec->instructions_template, &c->instructions, error);
    if (e == OK && spec->call == CALL_PROVIDER)
        e = task_fill_request(t, spec->request, &c->request, error);
    return e;
}

/* False: it has failed. */
static bool prepare(struct task *t)
{
    struct error error = {.message = ""};
    enum err e = find_target(t, &error);
    if (e == OK)
        e = fill_in(t, &error);
    if (e == OK) {
        if (t->call.agent != NULL && (t->spec == NULL || t->spec->timeout_ms == 0))
            task_limit(t, t->call.agent->timeout_ms);
        return true;
    }
    if (e == ERR_NOMEM)
        run_lacks_memory(t->run);
    else
        fail(t, e, str_of(error.message));
    return false;
}

/* --- trying ----------------------------------------------------------------------------------- */

/* The nearest policy of task, agent and provider replaces the others. `sim` is tried once where
 * there is none. */
static struct retry_policy policy_of(const struct task *t, const struct upstream *u)
{
    const struct retry_spec *spec = NULL;
    if (t->spec != NULL && t->spec->retry != NULL)
        spec = t->spec->retry;
    else if (t->call.agent != NULL && t->call.agent->has_retry)
        spec = &t->call.agent->retry;
    if (spec == NULL)
        return u->retry;
    struct retry_policy p = u->retry;
    p.attempts = spec->attempts;
    p.backoff = (struct backoff_policy){.base_ms = spec->base_ms,
                                        .factor = spec->factor,
                                        .max_ms = spec->max_ms,
                                        .jitter = spec->full_jitter ? BACKOFF_FULL : BACKOFF_NONE};
    p.on = spec->has_on ? spec->on : RETRY_ON_DEFAULT;
    return p;
}

static bool is_plain_request(const struct task *t)
{
    return t->spec != NULL && t->spec->call == CALL_PROVIDER;
}

/* Whom to ask. A plain request has no model. */
static enum err target_of(struct task *t, struct upstream **ret_upstream, struct str *ret_model)
{
    const struct call_state *c = &t->call;
    const struct catalog *catalog = t->run->shard->catalog;
    if (is_plain_request(t)) {
        *ret_upstream = catalog_upstream(catalog, t->spec->provider);
        *ret_model = STR("");
        return *ret_upstream != NULL ? OK : ERR_UNKNOWN_PROVIDER;
    }
    if (c->model_at >= c->model_count)
        return ERR_UNKNOWN_AGENT;
    enum err e = catalog_resolve(catalog, c->models[c->model_at], ret_upstream, ret_model);
    return e == OK ? OK : ERR_UNKNOWN_MODEL;
}

static const char *why_gone(enum err e)
{
    switch (e) {
    case ERR_UNKNOWN_AGENT: return "the agent does not exist any more";
    case ERR_UNKNOWN_PROVIDER: return "the provider does not exist any more";
    default: return "the model does not exist any more";
    }
}

static void try_now(struct task *t)
{
    struct call_state *c = &t->call;
    struct upstream *u;
    struct str model;
    enum err e = target_of(t, &u, &model);
    if (e != OK) {
        fail(t, e, str_of(why_gone(e)));
        return;
    }
    c->last_provider = arena_str(&t->run->spec.arena, upstream_name(u));
    e = attempt_start(t, u, model);
    if (e == OK)
        return;
    struct attempt_outcome refused = {.code = e, .is_final = true};
    call_on_attempt_end(t, NULL, &refused);
}

void call_begin(struct task *t)
{
    if (prepare(t))
        try_now(t);
}

const struct task_kind task_kind_call = {.begin = call_begin,
                                         .stop = call_stop,
                                         .wake = try_now,
                                         .settle = call_settle,
                                         .fini = call_fini};

/* --- after an attempt ------------------------------------------------------------------------- */

/* The value of the answer, as the agent wants it. */
static enum err value_of(struct task *t, const struct answer *answer, struct buf *value)
{
    enum output_kind kind = t->call.agent != NULL ? t->call.agent->output : OUTPUT_TEXT;
    struct json_doc *doc = &t->run->shard->scratch;
    if (answer->is_json && kind != OUTPUT_MESSAGE) {
        buf_add_str(value, buf_str(&answer->text));
        return buf_ok(value) == OK ? OK : ERR_LIMIT_EXCEEDED;
    }
    switch (kind) {
    case OUTPUT_TEXT: json_add_string(value, buf_str(&answer->text)); break;
    case OUTPUT_MESSAGE: answer_write_message(value, answer); break;
    case OUTPUT_JSON:
        if (json_parse(doc, buf_str(&answer->text), NULL) != OK)
            return ERR_INVALID_OUTPUT;
        json_add_compact(value, json_root(doc));
        break;
    }
    return buf_ok(value) == OK ? OK : ERR_LIMIT_EXCEEDED;
}

static void succeed(struct task *t, const struct answer *answer)
{
    struct buf value;
    buf_init(&value, 2 * t->run->shard->limits->output_bytes + 65536);
    enum err e = value_of(t, answer, &value);
    size_t len = 0;
    char *own = e == OK ? buf_take(&value, &len) : NULL;
    buf_fini(&value);
    if (own != NULL)
        task_succeed(t, (struct str){own, len});
    else if (e == ERR_INVALID_OUTPUT)
        fail(t, e, STR("the answer is not valid JSON"));
    else
        fail(t, ERR_LIMIT_EXCEEDED, STR("the answer is larger than limits.output_bytes"));
}

static void retry_at(struct task *t, uint64_t at_ms)
{
    struct loop *loop = t->run->shard->loop;
    uint64_t now_ms = loop_now_ms(loop);
    struct reason reason = {.code = REASON_RETRY_TIMER, .since_ms = loop_wall_ms(loop)};
    reason.until_ms = reason.since_ms + (int64_t)(at_ms - now_ms);
    snprintf(reason.blocked_on, sizeof reason.blocked_on, "provider:%.*s",
             STR_ARG(t->call.last_provider));
    task_enter(t, TASK_RETRYING, &reason);
    loop_timer_start(&t->wake, at_ms);
    run_review(t->run);
}

/* May another model be asked after this? The caller's own fault would be the same everywhere. */
static bool may_fall_back(enum err code)
{
    switch (code) {
    case ERR_PROVIDER_UNREACHABLE:
    case ERR_PROVIDER_AUTH:
    case ERR_PROVIDER_RATE_LIMITED:
    case ERR_PROVIDER_OVERLOADED:
    case ERR_PROVIDER_ERROR:
    case ERR_PROVIDER_TIMEOUT:
    case ERR_PROVIDER_BAD_RESPONSE:
    case ERR_CONTEXT_TOO_LONG:
    case ERR_BREAKER_OPEN: return true;
    default: return false;
    }
}

/* What was told to a client is not told in another way, unless the run allows it. */
static bool may_go_on(const struct task *t)
{
    return !t->call.has_published || (t->run->spec.flags & RUN_MAY_RESTART) != 0;
}

bool call_has_fallback(const struct task *t)
{
    return may_go_on(t) && t->call.model_at + 1 < t->call.model_count;
}

/* Shall the same model be asked again, and when? */
static bool wants_retry(struct task *t, struct upstream *u, const struct attempt_outcome *o,
                        uint64_t *ret_at_ms)
{
    struct run *run = t->run;
    if (o->is_final || !may_go_on(t))
        return false;
    struct retry_policy policy = policy_of(t, u);
    struct retry_failure failure = {
        .code = o->code, .attempt = t->call.tries, .hint_ms = o->hint_ms, .passes = o->passes};
    return gate_retry(u->gate, &policy, &failure, t->deadline_ms, loop_now_ms(run->shard->loop),
                      &run->shard->rng, ret_at_ms) == RETRY_AGAIN;
}

/* Shall it be tried at once with another key? Each key once: then the policy decides. */
static bool switches_key(struct task *t, const struct upstream *u, const struct attempt_outcome *o)
{
    struct call_state *c = &t->call;
    if (!o->has_other_key || !may_go_on(t) || c->switches + 1 >= u->keys.count)
        return false;
    c->switches++;
    c->tries--;
    return true;
}

/* A rate limit is waited for only so long where there is another model. */
static bool is_worth_waiting(const struct task *t, const struct upstream *u,
                             const struct attempt_outcome *o, uint64_t at_ms)
{
    if (o->code != ERR_PROVIDER_RATE_LIMITED || !call_has_fallback(t))
        return true;
    return at_ms - loop_now_ms(t->run->shard->loop) <= u->fallback_wait_ms;
}

static void try_next_model(struct task *t)
{
    t->call.model_at++;
    t->call.tries = t->call.switches = 0;
    try_now(t);
}

void call_on_attempt_end(struct task *t, struct attempt *a, const struct attempt_outcome *o)
{
    struct call_state *c = &t->call;
    uint64_t at_ms;
    c->handle = STR_NONE; /* whatever it began is over, or was left to another provider */
    if (o->was_answered)
        c->generation++;
    if (o->code == OK) {
        succeed(t, &a->answer);
        return;
    }
    c->is_restart = c->has_published;
    if (a != NULL && switches_key(t, a->upstream, o)) {
        retry_at(t, loop_now_ms(t->run->shard->loop));
        return;
    }
    if (a != NULL && wants_retry(t, a->upstream, o, &at_ms) &&
        is_worth_waiting(t, a->upstream, o, at_ms)) {
        retry_at(t, at_ms);
        return;
    }
    if (may_fall_back(o->code) && call_has_fallback(t)) {
        try_next_model(t);
        return;
    }
    fail(t, o->code, o->message);
}

void call_stop(struct task *t)
{
    loop_timer_stop(&t->wake);
    if (t->call.attempt != NULL)
        attempt_cancel(t->call.attempt);
}

/* --- what is stored, and read again ----------------------------------------------------------- */

void call_write_attempts(struct buf *b, const struct task *t)
{
    buf_add_str(b, buf_str(&t->call.closed));
    if (t->call.attempt == NULL || t->call.attempt->number == 0)
        return;
    json_add_comma(b);
    attempt_write(b, t->call.attempt, "running", STR_NONE);
}

void call_close_attempt(struct task *t, const struct attempt *a, const char *state,
                        struct str error)
{
    struct buf *closed = &t->call.closed;
    tree_changed(t);
    if (closed->len > 0)
        buf_add_char(closed, ',');
    attempt_write(closed, a, state, error);
}

/* The attempt that was under way when the gateway died, with its state put right. */
static void add_lost(struct buf *closed, struct json attempt)
{
    buf_add_char(closed, '{');
    for (struct json_member m = json_first_member(attempt); json_exists(m.value);
         m = json_next_member(attempt, m)) {
        json_add_name(closed, m.name);
        buf_add_str(closed,
                    json_string_is(m.name, STR("state")) ? STR("\"lost\"") : json_raw(m.value));
    }
    buf_add_char(closed, '}');
}

static struct str own_string(struct task *t, struct json v)
{
    struct str s;
    if (!json_exists(v) || !json_string(v, &t->run->spec.arena, &s))
        return STR("");
    return arena_str(&t->run->spec.arena, s); /* without escapes it would be a view into the row */
}

/* Did the provider give a definite answer, so that the next attempt is a new request to it? */
static bool was_answered(struct json code)
{
    static const char *const answered[] = {
        "provider_auth", "provider_rate_limited", "provider_overloaded", "provider_error",
        "bad_request",   "context_too_long",      "content_refused"};
    for (size_t i = 0; i < sizeof answered / sizeof answered[0]; i++) {
        if (json_string_is(code, str_of(answered[i])))
            return true;
    }
    return false;
}

/* May some of its output have been told? The body of an error is a first byte, too. */
static bool may_have_spoken(struct json attempt)
{
    struct json code = json_get_lit(json_get_lit(attempt, "error"), "code");
    struct json said = json_get_lit(json_get_lit(attempt, "usage"), "output_tokens");
    int64_t tokens;
    if (!json_is(json_get_lit(attempt, "first_byte_ms"), JSON_NUMBER))
        return false;
    return !was_answered(code) || json_int(said, 1, INT64_MAX, &tokens) == OK;
}

/* The last attempt may have begun work that still goes on. */
static void reopen_work(struct task *t, struct json a)
{
    struct call_state *c = &t->call;
    struct json handle = json_get_lit(a, "handle"), key = json_get_lit(a, "key");
    int64_t n = 0;
    bool is_there = json_is(handle, JSON_OBJECT) && json_exists(key) &&
                    json_int(key, 0, PROVIDER_MAX_KEYS - 1, &n) == OK;
    c->handle = is_there ? arena_str(&t->run->spec.arena, json_raw(handle)) : STR_NONE;
    c->handle_key = (uint32_t)n;
}

static void reopen_attempt(struct task *t, struct json a, bool *ret_was_running)
{
    struct call_state *c = &t->call;
    struct str provider = own_string(t, json_get_lit(a, "provider"));
    struct str model = own_string(t, json_get_lit(a, "model"));
    bool same = str_eq(provider, c->last_provider) && str_eq(model, c->last_model);
    c->tries = same ? c->tries + 1 : 1;
    c->last_provider = provider;
    c->last_model = model;
    c->attempts++;
    *ret_was_running = json_string_is(json_get_lit(a, "state"), STR("running"));
    reopen_work(t, a);
    c->is_restart = c->handle.at == NULL && may_have_spoken(a);
    c->lost += *ret_was_running || json_string_is(json_get_lit(a, "state"), STR("lost"));
    c->generation += was_answered(json_get_lit(json_get_lit(a, "error"), "code"));
    if (c->closed.len > 0)
        buf_add_char(&c->closed, ',');
    if (*ret_was_running)
        add_lost(&c->closed, a);
    else
        buf_add_str(&c->closed, json_raw(a));
}

void call_reopen(struct task *t, struct str attempts_json, bool *ret_was_running)
{
    struct json_doc *doc = &t->run->shard->scratch;
    *ret_was_running = false;
    if (attempts_json.at == NULL || json_parse(doc, attempts_json, NULL) != OK)
        return;
    struct json root = json_root(doc);
    for (struct json a = json_first(root); json_exists(a); a = json_next(root, a))
        reopen_attempt(t, a, ret_was_running);
}

/* Goes on with the model that was asked last. */
static void find_model(struct call_state *c)
{
    for (uint32_t i = 0; i < c->model_count; i++) {
        struct str model = c->models[i];
        struct str provider = str_cut(&model, '/');
        if (str_eq(provider, c->last_provider) && str_eq(model, c->last_model)) {
            c->model_at = i;
            return;
        }
    }
    c->tries = 0;
    c->handle = STR_NONE;
}

void call_crash(struct task *t)
{
    fail(t, ERR_CRASHED, STR("the gateway stopped while the call was under way"));
}

/* As before the restart. */
static void wait_on(struct task *t)
{
    struct loop *loop = t->run->shard->loop;
    int64_t left_ms = task_reason(t)->until_ms - loop_wall_ms(loop);
    task_wait(t, task_reason(t));
    loop_timer_start(&t->wake, loop_now_ms(loop) + (uint64_t)left_ms);
}

void call_resume(struct task *t, bool was_lost)
{
    struct call_state *c = &t->call;
    struct run *run = t->run;
    if (!prepare(t))
        return;
    find_model(c);
    bool begins_anew = c->handle.at == NULL; /* to ask after work does not make a call twice */
    if (was_lost && begins_anew && (run->spec.flags & RUN_FAIL_ON_CRASH) != 0)
        call_crash(t);
    else if (was_lost && c->lost > MAX_LOST)
        fail(t, ERR_CRASHED, STR("the gateway stopped too often while the call was under way"));
    else if (t->state == TASK_RETRYING && task_reason(t)->until_ms > loop_wall_ms(run->shard->loop))
        wait_on(t);
    else
        try_now(t);
}
