#include "model/check.h"

#include <stdio.h>

enum err check_parse(struct json_doc *doc, struct str body, struct problem *problem)
{
    struct json_fault fault;
    enum err e = json_parse(doc, body, &fault);
    if (e == ERR_INVALID_JSON) {
        problem->line = fault.line;
        problem->column = fault.column;
        return problem_set(problem, e, "%s", fault.what);
    }
    if (e == ERR_LIMIT)
        return problem_set(problem, ERR_BODY_TOO_LARGE, "the body holds too many values");
    return e;
}

bool check_object(struct check *c, struct json v, const struct doc_path *at)
{
    if (json_is(v, JSON_OBJECT))
        return true;
    problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be an object");
    return false;
}

static const struct check_rule *rule_of(struct json name, const struct check_rule *rules,
                                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (json_string_is(name, str_of(rules[i].name)))
            return &rules[i];
    }
    return NULL;
}

/* A member's name as it goes into a pointer. */
static struct str name_of(struct check *c, struct json name)
{
    struct str s;
    if (json_string(name, c->arena, &s))
        return s;
    c->no_memory = true;
    return STR("?");
}

void check_members(struct check *c, struct json object, const struct doc_path *at,
                   const struct check_rule *rules, size_t rule_count, void *out)
{
    for (struct json_member m = json_first_member(object); json_exists(m.value);
         m = json_next_member(object, m)) {
        const struct check_rule *rule = rule_of(m.name, rules, rule_count);
        struct doc_path here = doc_path_name(at, rule ? str_of(rule->name) : name_of(c, m.name));
        if (rule == NULL)
            problem_add(c->problem, &here, FIELD_UNKNOWN_FIELD, NULL);
        else
            rule->on_value(c, m.value, &here, out);
    }
}

void check_missing(struct check *c, const struct doc_path *object_at, const char *name)
{
    struct doc_path here = doc_path_name(object_at, str_of(name));
    problem_add(c->problem, &here, FIELD_MISSING, NULL);
}

void check_told(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    (void)v, (void)out;
    if (!c->takes_back)
        problem_add(c->problem, at, FIELD_UNKNOWN_FIELD, NULL);
}

bool check_string(struct check *c, struct json v, const struct doc_path *at, size_t max_bytes,
                  struct str *ret)
{
    if (!json_is(v, JSON_STRING)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be a string");
        return false;
    }
    struct str s;
    if (!json_string(v, c->arena, &s)) {
        c->no_memory = true;
        return false;
    }
    if (s.len > max_bytes) {
        char text[64];
        snprintf(text, sizeof text, "must not be longer than %zu bytes", max_bytes);
        problem_add(c->problem, at, FIELD_TOO_LONG, text);
        return false;
    }
    *ret = s;
    return true;
}

bool check_name(struct check *c, struct json v, const struct doc_path *at, struct str *ret)
{
    struct str s;
    if (!check_string(c, v, at, 64, &s))
        return false;
    if (!str_is_name(s)) {
        problem_add(c->problem, at, FIELD_OUT_OF_RANGE, "must be 1 to 64 of A-Z a-z 0-9 _ -");
        return false;
    }
    *ret = s;
    return true;
}

bool check_int(struct check *c, struct json v, const struct doc_path *at, int64_t min, int64_t max,
               int64_t *ret)
{
    switch (json_int(v, min, max, ret)) {
    case OK: return true;
    case ERR_LIMIT: {
        char text[80];
        snprintf(text, sizeof text, "must be between %lld and %lld", (long long)min,
                 (long long)max);
        problem_add(c->problem, at, FIELD_OUT_OF_RANGE, text);
        return false;
    }
    default: problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be an integer"); return false;
    }
}

bool check_double(struct check *c, struct json v, const struct doc_path *at, double min, double max,
                  double *ret)
{
    double d;
    if (!json_double(v, &d)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be a number");
        return false;
    }
    if (!(d >= min && d <= max)) {
        char text[80];
        snprintf(text, sizeof text, "must be between %g and %g", min, max);
        problem_add(c->problem, at, FIELD_OUT_OF_RANGE, text);
        return false;
    }
    *ret = d;
    return true;
}

bool check_bool(struct check *c, struct json v, const struct doc_path *at, bool *ret)
{
    if (!json_is_bool(v)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be true or false");
        return false;
    }
    *ret = json_is(v, JSON_TRUE);
    return true;
}

static void report_enum(struct check *c, const struct doc_path *at, const char *const *values)
{
    struct buf text;
    buf_init(&text, 150);
    buf_add_lit(&text, "must be one of ");
    for (size_t i = 0; values[i] != NULL; i++)
        buf_addf(&text, "%s\"%s\"", i > 0 ? ", " : "", values[i]);
    buf_add_char(&text, '\0');
    problem_add(c->problem, at, FIELD_NOT_IN_ENUM, buf_ok(&text) == OK ? text.data : NULL);
    buf_fini(&text);
}

bool check_enum(struct check *c, struct json v, const struct doc_path *at,
                const char *const *values, int *ret)
{
    if (!json_is(v, JSON_STRING)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be a string");
        return false;
    }
    for (int i = 0; values[i] != NULL; i++) {
        if (json_string_is(v, str_of(values[i]))) {
            *ret = i;
            return true;
        }
    }
    report_enum(c, at, values);
    return false;
}
