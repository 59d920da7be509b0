#include "providers/verdict.h"

#include "providers/provider.h"

enum {
    SECRET_MIN = 8,           /* of a header or a query: shorter ones are settings */
    ERROR_STRINGS_MAX = 65536 /* of one error, unescaped */
};

/* --- secrets ---------------------------------------------------------------------------------- */

static size_t match(struct str text, size_t at, struct str secret, size_t shortest)
{
    bool is_there = secret.len >= shortest && secret.len > 0 && text.len - at >= secret.len &&
                    memcmp(text.at + at, secret.at, secret.len) == 0;
    return is_there ? secret.len : 0;
}

/* "Token abc": the part behind the scheme may come back alone. */
static struct str without_scheme(struct str value)
{
    str_cut(&value, ' ');
    return value;
}

static size_t match_pair(struct str text, size_t at, struct str value)
{
    size_t n = match(text, at, value, SECRET_MIN);
    return n > 0 ? n : match(text, at, without_scheme(value), SECRET_MIN);
}

/* How long the secret is that begins at `at`; 0: none does. */
static size_t secret_at(const struct provider *p, struct str text, size_t at)
{
    const struct provider_options *o = &p->options;
    size_t n = 0;
    for (uint32_t i = 0; n == 0 && i < o->api_key_count; i++)
        n = match(text, at, o->api_keys[i], 1);
    for (uint32_t i = 0; n == 0 && i < o->header_count; i++)
        n = match_pair(text, at, o->headers[i].value);
    for (uint32_t i = 0; n == 0 && i < o->query_count; i++)
        n = match_pair(text, at, o->query[i].value);
    return n;
}

void verdict_set(struct verdict *v, const struct provider *p, enum err code, struct str message)
{
    char text[VERDICT_TEXT + 4];
    size_t n = 0;
    *v = (struct verdict){.code = code};
    for (size_t at = 0; at < message.len && n < VERDICT_TEXT;) {
        size_t secret = secret_at(p, message, at);
        if (secret > 0) {
            memcpy(text + n, "***", 3);
            n += 3;
        } else {
            text[n++] = message.at[at];
        }
        at += secret > 0 ? secret : 1;
    }
    str_copy(v->message, sizeof v->message, (struct str){text, n});
}

/* --- statuses --------------------------------------------------------------------------------- */

enum err verdict_status_code(int status)
{
    switch (status) {
    case 401:
    case 403: return ERR_PROVIDER_AUTH;
    case 408: return ERR_PROVIDER_TIMEOUT;
    case 429: return ERR_PROVIDER_RATE_LIMITED;
    case 503:
    case 529: return ERR_PROVIDER_OVERLOADED;
    default: break;
    }
    if (status >= 500)
        return ERR_PROVIDER_ERROR;
    return status >= 400 ? ERR_BAD_REQUEST : ERR_PROVIDER_BAD_RESPONSE;
}

bool verdict_status_passes(int status)
{
    return status == 409 || status == 425;
}

/* --- shapes ----------------------------------------------------------------------------------- */

static bool is_set(struct json v)
{
    return json_exists(v) && !json_is(v, JSON_NULL);
}

struct json verdict_find_error(struct json root, bool is_failure)
{
    if (json_is(root, JSON_ARRAY))
        root = json_first(root);
    struct json error = json_get_lit(root, "error");
    if (is_set(error) && !json_is(error, JSON_FALSE))
        return error;
    if (json_string_is(json_get_lit(root, "object"), STR("error")))
        return root;
    if (!is_failure)
        return JSON_NONE;
    struct json first = json_first(json_get_lit(root, "errors"));
    if (json_exists(first))
        return first;
    struct json detail = json_get_lit(root, "detail");
    if (json_is(detail, JSON_ARRAY))
        return json_first(detail);
    return is_set(detail) ? detail : root;
}

/* --- words ------------------------------------------------------------------------------------ */

struct word {
    const char *text;
    enum err code;
    bool is_final;
};

/* In `code`, `type` or `status` of an error. */
static const struct word words[] = {
    {"context_length_exceeded", ERR_CONTEXT_TOO_LONG, true},
    {"exceed_context_size_error", ERR_CONTEXT_TOO_LONG, true},
    {"model_max_prompt_tokens_exceeded", ERR_CONTEXT_TOO_LONG, true},
    {"string_above_max_length", ERR_CONTEXT_TOO_LONG, true},
    {"request_too_large", ERR_CONTEXT_TOO_LONG, true},
    {"content_filter", ERR_CONTENT_REFUSED, true},
    {"content_policy_violation", ERR_CONTENT_REFUSED, true},
    {"ResponsibleAIPolicyViolation", ERR_CONTENT_REFUSED, true},
    {"moderation_blocked", ERR_CONTENT_REFUSED, true},
    {"insufficient_quota", ERR_PROVIDER_RATE_LIMITED, true},
    {"billing_hard_limit_reached", ERR_PROVIDER_RATE_LIMITED, true},
    {"billing_not_active", ERR_PROVIDER_AUTH, true},
    {"billing_error", ERR_PROVIDER_AUTH, true},
    {"invalid_api_key", ERR_PROVIDER_AUTH, false},
    {"authentication_error", ERR_PROVIDER_AUTH, false},
    {"permission_error", ERR_PROVIDER_AUTH, false},
    {"UNAUTHENTICATED", ERR_PROVIDER_AUTH, false},
    {"PERMISSION_DENIED", ERR_PROVIDER_AUTH, false},
    {"rate_limit_exceeded", ERR_PROVIDER_RATE_LIMITED, false},
    {"rate_limit_error", ERR_PROVIDER_RATE_LIMITED, false},
    {"RESOURCE_EXHAUSTED", ERR_PROVIDER_RATE_LIMITED, false},
    {"overloaded_error", ERR_PROVIDER_OVERLOADED, false},
    {"engine_overloaded", ERR_PROVIDER_OVERLOADED, false},
    {"server_overloaded", ERR_PROVIDER_OVERLOADED, false},
    {"UNAVAILABLE", ERR_PROVIDER_OVERLOADED, false},
    {"timeout", ERR_PROVIDER_TIMEOUT, false},
    {"timeout_error", ERR_PROVIDER_TIMEOUT, false},
    {"DEADLINE_EXCEEDED", ERR_PROVIDER_TIMEOUT, false},
    {"api_error", ERR_PROVIDER_ERROR, false},
    {"server_error", ERR_PROVIDER_ERROR, false},
    {"internal_error", ERR_PROVIDER_ERROR, false},
    {"internal_server_error", ERR_PROVIDER_ERROR, false},
    {"INTERNAL", ERR_PROVIDER_ERROR, false},
    {"invalid_request_error", ERR_BAD_REQUEST, false},
    {"invalid_prompt", ERR_BAD_REQUEST, false},
    {"BadRequestError", ERR_BAD_REQUEST, false},
    {"INVALID_ARGUMENT", ERR_BAD_REQUEST, false},
    {"not_found_error", ERR_BAD_REQUEST, false},
    {"model_not_found", ERR_BAD_REQUEST, false},
    {"NOT_FOUND", ERR_BAD_REQUEST, false},
};

/* Some say it in the message alone. */
static const char *const context_phrases[] = {
    "maximum context length", "context window",      "context length",
    "prompt is too long",     "exceeds the context", "input is too long",
};

static const struct word *word_of(struct json v)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (json_string_is(v, str_of(words[i].text)))
            return &words[i];
    }
    return NULL;
}

/* The first member that says something; one that names the caller's input outdoes the others. */
static struct word judge_words(struct json error, enum err otherwise)
{
    const struct json members[] = {json_get_lit(error, "code"),
                                   json_get_lit(json_get_lit(error, "innererror"), "code"),
                                   json_get_lit(error, "type"), json_get_lit(error, "status"),
                                   json_get_lit(error, "error_type")};
    struct word best = {NULL, otherwise, false};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct word *w = word_of(members[i]);
        if (w == NULL)
            continue;
        bool is_of_input = w->code == ERR_CONTEXT_TOO_LONG || w->code == ERR_CONTENT_REFUSED;
        if (best.text == NULL || is_of_input)
            best = *w;
        else
            best.is_final |= w->is_final;
    }
    return best;
}

/* A number where a word is expected: an HTTP status, also as text. 0: none. */
static int number_of(struct json v)
{
    int64_t n;
    struct str raw = json_raw(v);
    uint64_t u;
    if (json_is(v, JSON_NUMBER))
        return json_int(v, 400, 599, &n) == OK ? (int)n : 0;
    bool is_text = json_is(v, JSON_STRING) && raw.len == 5 &&
                   str_to_u64((struct str){raw.at + 1, raw.len - 2}, &u);
    return is_text && u >= 400 && u <= 599 ? (int)u : 0;
}

static bool has_phrase(struct str message)
{
    for (size_t i = 0; message.len > 0 && i < sizeof context_phrases / sizeof context_phrases[0];
         i++) {
        const char *phrase = context_phrases[i];
        if (memmem(message.at, message.len, phrase, strlen(phrase)) != NULL)
            return true;
    }
    return false;
}

static struct str message_of(struct json error, struct arena *arena)
{
    static const char *const names[] = {"message", "msg", "detail", "title", "error"};
    struct str s;
    if (json_is(error, JSON_STRING))
        return json_string(error, arena, &s) ? s : STR_NONE;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct json v = json_get(error, str_of(names[i]));
        if (json_is(v, JSON_STRING) && json_string(v, arena, &s))
            return s;
    }
    return STR_NONE;
}

static struct word judge(struct json error, struct str message, int status)
{
    int number = number_of(json_get_lit(error, "code"));
    enum err otherwise = status != 0   ? verdict_status_code(status)
                         : number != 0 ? verdict_status_code(number)
                                       : ERR_PROVIDER_ERROR;
    struct word w = judge_words(error, otherwise);
    bool may_be_context = w.code == ERR_BAD_REQUEST || w.text == NULL;
    if (may_be_context && has_phrase(message))
        w.code = ERR_CONTEXT_TOO_LONG;
    if (status == 0)
        return w;
    bool is_of_input = w.code == ERR_CONTEXT_TOO_LONG || w.code == ERR_CONTENT_REFUSED;
    bool may_be_of_input = otherwise == ERR_BAD_REQUEST || otherwise == ERR_PROVIDER_ERROR;
    if (!is_of_input || !may_be_of_input)
        w.code = otherwise;
    return w;
}

void verdict_of_error(struct verdict *v, const struct provider *p, struct json error, int status)
{
    struct arena arena;
    arena_init(&arena, ERROR_STRINGS_MAX);
    struct str message = message_of(error, &arena);
    struct word w = judge(error, message, status);
    verdict_set(v, p, w.code, message);
    v->is_final = w.is_final && err_is_retryable(w.code);
    v->passes = w.code == ERR_BAD_REQUEST && verdict_status_passes(status);
    arena_fini(&arena);
}

void verdict_of_body(struct verdict *v, const struct provider *p, struct str body,
                     struct json_doc *scratch, int status)
{
    struct json error = JSON_NONE;
    if (body.len > 0 && json_parse(scratch, body, NULL) == OK)
        error = verdict_find_error(json_root(scratch), true);
    if (json_exists(error)) {
        verdict_of_error(v, p, error, status);
        return;
    }
    verdict_set(v, p, verdict_status_code(status), STR_NONE);
    v->passes = verdict_status_passes(status);
}
