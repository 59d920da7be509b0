#include "api/query.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool query_decode(struct str text, struct arena *arena, struct str *ret)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t n = 0;
    if (out == NULL)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex(text.at[i + 1]) : -1;
            int low = i + 2 < text.len ? hex(text.at[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (c == '\0')
            return false;
        out[n++] = c;
    }
    *ret = (struct str){out, n};
    return str_is_utf8(*ret);
}

static bool is_allowed(struct str name, const char *const *allowed)
{
    for (size_t i = 0; allowed != NULL && allowed[i] != NULL; i++) {
        struct str a = str_of(allowed[i]);
        bool is_prefix = a.at[a.len - 1] == '.';
        if (is_prefix ? name.len > a.len && str_starts(name, a) : str_eq(name, a))
            return true;
    }
    return false;
}

static enum err add(struct query *q, struct str pair, const char *const *allowed, struct error *e)
{
    struct str name, value;
    struct str raw_value = pair;
    struct str raw_name = str_cut(&raw_value, '=');
    if (!query_decode(raw_name, &q->arena, &name) ||
        !query_decode(raw_value.at != NULL ? raw_value : STR(""), &q->arena, &value))
        return error_set(e, ERR_INVALID_QUERY, "the query is not properly encoded");
    if (!is_allowed(name, allowed))
        return error_set(e, ERR_INVALID_QUERY, "there is no parameter \"%.*s\" here",
                         STR_ARG(name));
    for (uint32_t i = 0; i < q->count; i++) {
        if (str_eq(q->pairs[i].name, name))
            return error_set(e, ERR_INVALID_QUERY, "the parameter \"%.*s\" is there twice",
                             STR_ARG(name));
    }
    if (q->count == QUERY_MAX)
        return error_set(e, ERR_INVALID_QUERY, "there are too many parameters");
    if (q->count == 0)
        q->pairs = arena_alloc(&q->arena, QUERY_MAX * sizeof *q->pairs);
    if (q->pairs == NULL)
        return error_set(e, ERR_NOMEM, "out of memory");
    q->pairs[q->count++] = (struct query_pair){name, value};
    return OK;
}

enum err query_parse(struct query *q, struct str text, const char *const *allowed,
                     struct error *ret_error)
{
    q->count = 0;
    arena_init(&q->arena, 65536);
    while (text.len > 0) {
        struct str pair = str_cut(&text, '&');
        enum err e = pair.len > 0 ? add(q, pair, allowed, ret_error) : OK;
        if (e != OK)
            return e;
    }
    return OK;
}

void query_fini(struct query *q)
{
    arena_fini(&q->arena);
    q->count = 0;
}

struct str query_get(const struct query *q, const char *name)
{
    for (uint32_t i = 0; i < q->count; i++) {
        if (str_eq(q->pairs[i].name, str_of(name)))
            return q->pairs[i].value;
    }
    return STR_NONE;
}

enum err query_int(const struct query *q, const char *name, uint64_t min, uint64_t max,
                   uint64_t otherwise, uint64_t *ret_value, struct error *ret_error)
{
    struct str value = query_get(q, name);
    *ret_value = otherwise;
    if (value.at == NULL)
        return OK;
    uint64_t n;
    if (!str_to_u64(value, &n) || n < min || n > max)
        return error_set(ret_error, ERR_INVALID_QUERY,
                         "\"%s\" must be an integer from %llu to %llu", name,
                         (unsigned long long)min, (unsigned long long)max);
    *ret_value = n;
    return OK;
}

enum err query_bool(const struct query *q, const char *name, bool otherwise, bool *ret_value,
                    struct error *ret_error)
{
    struct str value = query_get(q, name);
    *ret_value = otherwise;
    if (value.at == NULL)
        return OK;
    if (!str_eq(value, STR("true")) && !str_eq(value, STR("false")))
        return error_set(ret_error, ERR_INVALID_QUERY, "\"%s\" must be true or false", name);
    *ret_value = value.len == 4;
    return OK;
}
