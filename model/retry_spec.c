#include "model/retry_spec.h"

struct retry_spec retry_spec_default(void)
{
    return (struct retry_spec){
        .attempts = 3, .base_ms = 1000, .factor = 2.0, .max_ms = 30000, .full_jitter = true};
}

static void on_attempts(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct retry_spec *r = out;
    int64_t n;
    if (check_int(c, v, at, 1, 100, &n))
        r->attempts = (uint32_t)n;
}

static void on_base_ms(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct retry_spec *r = out;
    int64_t n;
    if (check_int(c, v, at, 0, 3600000, &n))
        r->base_ms = (uint32_t)n;
}

static void on_factor(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct retry_spec *r = out;
    double d;
    if (check_double(c, v, at, 1.0, 100.0, &d))
        r->factor = d;
}

static void on_max_ms(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct retry_spec *r = out;
    int64_t n;
    if (check_int(c, v, at, 0, 86400000, &n))
        r->max_ms = (uint32_t)n;
}

static void on_jitter(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const char *const values[] = {"full", "none", NULL};
    struct retry_spec *r = out;
    int i;
    if (check_enum(c, v, at, values, &i))
        r->full_jitter = i == 0;
}

/* Only what can be a run's `error.code` can be retried on (API §6). */
static bool is_of_a_run(enum err e)
{
    return (e >= ERR_PROVIDER_UNREACHABLE && e <= ERR_RUN_TIMEOUT) || e == ERR_UNKNOWN_AGENT ||
           e == ERR_UNKNOWN_WORKFLOW || e == ERR_UNKNOWN_MODEL;
}

static bool read_code(struct check *c, struct json v, enum err *ret_code)
{
    struct str s;
    if (!json_string(v, c->arena, &s))
        return false;
    enum err e = err_from_code(s.at, s.len);
    if (!is_of_a_run(e))
        return false;
    *ret_code = e;
    return true;
}

static void on_on(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct retry_spec *r = out;
    if (!json_is(v, JSON_ARRAY)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be an array of error codes");
        return;
    }
    r->has_on = true;
    r->on = 0;
    uint64_t i = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e), i++) {
        struct doc_path here = doc_path_index(at, i);
        enum err code;
        if (!json_is(e, JSON_STRING))
            problem_add(c->problem, &here, FIELD_WRONG_TYPE, "must be a string");
        else if (!read_code(c, e, &code))
            problem_add(c->problem, &here, FIELD_NOT_IN_ENUM, "is no error code of a run");
        else
            r->on |= (uint64_t)1 << code;
    }
}

bool retry_spec_check(struct check *c, struct json v, const struct doc_path *at,
                      struct retry_spec *ret)
{
    static const struct check_rule rules[] = {
        {"attempts", on_attempts}, {"base_ms", on_base_ms}, {"factor", on_factor},
        {"max_ms", on_max_ms},     {"jitter", on_jitter},   {"on", on_on},
    };
    if (!check_object(c, v, at))
        return false;
    uint32_t before = c->problem->found;
    check_members(c, v, at, rules, sizeof rules / sizeof rules[0], ret);
    return c->problem->found == before;
}
