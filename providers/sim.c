#include "providers/sim.h"

#include <stdio.h>

enum { DEFAULT_STORY_TOKENS = 40, TEXT_MAX = 16777216 };

static const char *const vocabulary[] = {
    "the",   "a",    "old",   "river",  "gate",  "water", "ran",    "slowly", "through",
    "quiet", "town", "and",   "then",   "under", "stone", "bridge", "where",  "light",
    "fell",  "on",   "green", "fields", "of",    "early", "rain",   "until",  "night",
    "came",  "with", "stars", "wide",   "open",  "over",  "every",  "roof",   "again",
};

enum { WORDS = sizeof vocabulary / sizeof vocabulary[0] };

/* --- tokens ----------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Length of the token that begins at `at`: white space (before the first word only), a word, the
 * white space behind it. */
static size_t token_len(struct str text, size_t at)
{
    size_t i = at;
    while (i < text.len && is_space(text.at[i]))
        i++;
    while (i < text.len && !is_space(text.at[i]))
        i++;
    while (i < text.len && is_space(text.at[i]))
        i++;
    return i - at;
}

static uint64_t count_tokens(struct str text)
{
    uint64_t n = 0;
    for (size_t at = 0; at < text.len; n++)
        at += token_len(text, at);
    return n;
}

/* --- the models ------------------------------------------------------------------------------- */

static bool serves(struct str model)
{
    return str_eq(model, STR("echo")) || str_eq(model, STR("story"));
}

/* --- the input -------------------------------------------------------------------------------- */

static bool add_string(struct buf *b, struct json v)
{
    struct arena arena;
    struct str s;
    arena_init(&arena, TEXT_MAX);
    bool fine = json_string(v, &arena, &s);
    if (fine)
        buf_add_str(b, s);
    arena_fini(&arena);
    return fine && buf_ok(b) == OK;
}

/* The text of a conversation is that of its last message. */
static struct json last_content(struct json messages)
{
    struct json last = JSON_NONE;
    for (struct json m = json_first(messages); json_exists(m); m = json_next(messages, m))
        last = m;
    return json_get_lit(last, "content");
}

static enum err read_text(struct sim *s, struct str input, struct json_doc *doc)
{
    enum err e = json_parse(doc, input, NULL);
    if (e != OK)
        return e;
    struct json root = json_root(doc);
    struct json messages = json_get_lit(root, "messages");
    if (json_is(messages, JSON_ARRAY))
        root = last_content(messages);
    if (!json_exists(root))
        return OK;
    if (json_is(root, JSON_STRING))
        return add_string(&s->text, root) ? OK : ERR_NOMEM;
    buf_add_str(&s->text, json_raw(root));
    return buf_ok(&s->text);
}

/* --- params.sim ------------------------------------------------------------------------------- */

/* Does the object have no other members than these? */
static bool has_only(struct json object, const char *const *names)
{
    for (struct json_member m = json_first_member(object); json_exists(m.value);
         m = json_next_member(object, m)) {
        size_t i = 0;
        while (names[i] != NULL && !json_string_is(m.name, str_of(names[i])))
            i++;
        if (names[i] == NULL)
            return false;
    }
    return true;
}

static bool read_count(struct json v, uint64_t max, uint64_t *ret)
{
    int64_t n;
    if (!json_exists(v))
        return true;
    if (json_int(v, 0, (int64_t)max, &n) != OK)
        return false;
    *ret = (uint64_t)n;
    return true;
}

static bool read_fault_kind(struct json v, enum sim_fault_kind *ret)
{
    static const char *const names[] = {"status", "reset", "hang", "truncate", "garbage"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_string_is(v, str_of(names[i]))) {
            *ret = (enum sim_fault_kind)i;
            return true;
        }
    }
    return false;
}

static bool read_fault(struct json v, struct sim_fault *ret)
{
    static const char *const names[] = {"attempt",        "as",           "status",
                                        "retry_after_ms", "after_tokens", NULL};
    uint64_t attempt = 0, status = 503;
    *ret = (struct sim_fault){.kind = SIM_STATUS};
    bool fine = json_is(v, JSON_OBJECT) && has_only(v, names) &&
                read_fault_kind(json_get_lit(v, "as"), &ret->kind) &&
                read_count(json_get_lit(v, "attempt"), UINT32_MAX, &attempt) &&
                read_count(json_get_lit(v, "status"), 599, &status) &&
                read_count(json_get_lit(v, "retry_after_ms"), 86400000, &ret->retry_after_ms) &&
                read_count(json_get_lit(v, "after_tokens"), UINT32_MAX, &ret->after_tokens);
    ret->attempt = (uint32_t)attempt;
    ret->status = (int)status;
    return fine && status >= 200 && (attempt > 0 || !json_exists(json_get_lit(v, "attempt")));
}

static bool read_faults(struct sim *s, struct json faults)
{
    if (!json_exists(faults))
        return true;
    if (!json_is(faults, JSON_ARRAY) || json_count(faults) > SIM_MAX_FAULTS)
        return false;
    for (struct json f = json_first(faults); json_exists(f); f = json_next(faults, f)) {
        if (!read_fault(f, &s->faults[s->fault_count++]))
            return false;
    }
    return true;
}

static bool read_params(struct sim *s, struct json p, uint64_t *ret_seed)
{
    if (!json_exists(p))
        return true;
    static const char *const names[] = {"tokens", "first_ms", "gap_ms", "jitter",
                                        "seed",   "fail",     NULL};
    if (!json_is(p, JSON_OBJECT) || !has_only(p, names))
        return false;
    struct json jitter = json_get_lit(p, "jitter");
    if (json_exists(jitter) && (!json_double(jitter, &s->jitter) || s->jitter < 0 || s->jitter > 1))
        return false;
    return read_count(json_get_lit(p, "tokens"), 100000000, &s->tokens) &&
           read_count(json_get_lit(p, "first_ms"), 86400000, &s->first_ms) &&
           read_count(json_get_lit(p, "gap_ms"), 86400000, &s->gap_ms) &&
           read_count(json_get_lit(p, "seed"), (uint64_t)1 << 53, ret_seed) &&
           read_faults(s, json_get_lit(p, "fail"));
}

/* The first fault of the list that is meant for this attempt. */
static const struct sim_fault *fault_of(const struct sim *s, uint32_t attempt)
{
    for (uint32_t i = 0; i < s->fault_count; i++) {
        if (s->faults[i].attempt == 0 || s->faults[i].attempt == attempt)
            return &s->faults[i];
    }
    return NULL;
}

/* FNV-1a: seed and path in, a generator's state out. */
static uint64_t mix(uint64_t seed, struct str path, uint32_t attempt)
{
    uint64_t h = 0xCBF29CE484222325u ^ seed;
    for (size_t i = 0; i < path.len; i++)
        h = (h ^ (uint8_t)path.at[i]) * 0x100000001B3u;
    return (h ^ attempt) * 0x100000001B3u;
}

enum err sim_init(struct sim *s, const struct call *call, struct json_doc *scratch,
                  struct error *ret_error)
{
    uint64_t seed = 1;
    *s = (struct sim){.tokens = DEFAULT_STORY_TOKENS};
    buf_init(&s->text, TEXT_MAX);
    s->is_story = str_eq(call->model, STR("story"));
    if (!serves(call->model))
        return error_set(ret_error, ERR_UNKNOWN_MODEL, "sim has the models echo and story");
    if (!read_params(s, call_param(call, "sim"), &seed))
        return error_set(ret_error, ERR_BAD_REQUEST, "params.sim is not valid");
    s->fault = fault_of(s, call->attempt);
    rng_seed(&s->words, mix(seed, call->task_path, 0));
    rng_seed(&s->pauses, mix(seed, call->task_path, call->attempt));
    enum err e = read_text(s, call->input, scratch);
    s->input_tokens = count_tokens(buf_str(&s->text));
    return e == OK ? OK : error_set(ret_error, e, "the input cannot be read");
}

void sim_fini(struct sim *s)
{
    buf_fini(&s->text);
}

/* --- the script ------------------------------------------------------------------------------- */

static uint64_t pause_ms(struct sim *s)
{
    double ms = (double)(s->said == 0 ? s->first_ms : s->gap_ms);
    if (s->jitter > 0)
        ms *= 1.0 + s->jitter * (2.0 * rng_unit(&s->pauses) - 1.0);
    return (uint64_t)(ms + 0.5);
}

static struct str story_word(struct sim *s)
{
    const char *word = vocabulary[rng_below(&s->words, WORDS)];
    bool last = s->said + 1 == s->tokens;
    int n = snprintf(s->word, sizeof s->word, "%s%s", word, last ? "" : " ");
    return (struct str){s->word, (size_t)n};
}

static struct str next_token(struct sim *s)
{
    if (s->is_story)
        return s->said < s->tokens ? story_word(s) : STR_NONE;
    struct str text = buf_str(&s->text);
    size_t len = token_len(text, s->at);
    if (len == 0)
        return STR_NONE;
    struct str token = {text.at + s->at, len};
    s->at += len;
    return token;
}

static struct verdict verdict_of(const struct sim_fault *f, bool has_spoken)
{
    struct verdict v = {.code = ERR_PROVIDER_BAD_RESPONSE};
    switch (f->kind) {
    case SIM_STATUS:
        v.code = verdict_status_code(f->status);
        v.passes = verdict_status_passes(f->status);
        snprintf(v.message, sizeof v.message, "sim answers with status %d, as it was told",
                 f->status);
        break;
    case SIM_RESET:
        v.code = has_spoken ? ERR_PROVIDER_BAD_RESPONSE : ERR_PROVIDER_UNREACHABLE;
        snprintf(v.message, sizeof v.message, "sim resets the connection, as it was told");
        break;
    case SIM_TRUNCATE:
        snprintf(v.message, sizeof v.message, "sim cuts the answer, as it was told");
        break;
    case SIM_GARBAGE:
        snprintf(v.message, sizeof v.message, "sim answers with garbage, as it was told");
        break;
    case SIM_HANG: break; /* no verdict: silence */
    }
    return v;
}

/* The fault strikes. */
static void strike(struct sim *s, struct sim_step *ret_step)
{
    ret_step->kind = s->fault->kind == SIM_HANG ? SIM_SILENCE : SIM_FAIL;
    ret_step->verdict = verdict_of(s->fault, s->said > 0);
    ret_step->is_status = s->fault->kind == SIM_STATUS;
    ret_step->retry_after_ms = s->fault->retry_after_ms;
}

void sim_next(struct sim *s, struct sim_step *ret_step)
{
    *ret_step = (struct sim_step){.kind = SIM_END};
    if (s->fault != NULL && s->said >= s->fault->after_tokens) {
        ret_step->after_ms = pause_ms(s);
        strike(s, ret_step);
        return;
    }
    struct str token = next_token(s);
    if (token.at != NULL) {
        ret_step->kind = SIM_TOKEN;
        ret_step->after_ms = pause_ms(s);
        ret_step->text = token;
        s->said++;
        return;
    }
    if (s->said == 0)
        ret_step->after_ms = pause_ms(s); /* an empty answer takes its time as well */
    if (s->fault != NULL)
        strike(s,
               ret_step); /* the text was shorter than the fault waits for: it comes all the same */
}

bool sim_was_answered(const struct sim_step *step)
{
    return step->kind == SIM_FAIL && step->is_status;
}

void sim_usage(const struct sim *s, const struct sim_step *pending, struct usage *ret_usage)
{
    bool is_ahead = pending != NULL && pending->kind == SIM_TOKEN;
    ret_usage->input_tokens = s->input_tokens;
    ret_usage->output_tokens = s->said - (is_ahead ? 1 : 0);
}

/* --- the adapter ------------------------------------------------------------------------------ */

static enum err prepare(struct provider *p, struct error *ret_error)
{
    (void)p, (void)ret_error;
    return OK;
}

const struct provider_kind provider_sim = {
    .name = "sim", .is_local = true, .serves = serves, .prepare = prepare};
