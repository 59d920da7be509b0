#include "model/failure_group.h"

#include <stdio.h>

#include "base/json.h"

/* What a leaf's error says of itself: all but the group below it and what was finished. */
static void add_entry(struct buf *b, struct json error)
{
    buf_add_char(b, '{');
    for (struct json_member m = json_first_member(error); json_exists(m.value);
         m = json_next_member(error, m)) {
        if (json_string_is(m.name, STR("errors")) || json_string_is(m.name, STR("partial")))
            continue;
        json_add_name(b, m.name);
        json_add_compact(b, m.value);
    }
    buf_add_char(b, '}');
}

/* A group's entries, or the leaf itself. */
static void add_flat(struct buf *b, struct json error)
{
    struct json group = json_get_lit(error, "errors");
    if (json_count(group) == 0) {
        json_add_comma(b);
        add_entry(b, error);
        return;
    }
    for (struct json e = json_first(group); json_exists(e); e = json_next(group, e)) {
        json_add_comma(b);
        json_add_compact(b, e);
    }
}

static enum err read_error(struct str text, struct json_doc *scratch, struct json *ret)
{
    enum err e = json_parse(scratch, text, NULL);
    if (e != OK)
        return e;
    *ret = json_root(scratch);
    return json_is(*ret, JSON_OBJECT) ? OK : ERR_INVALID_JSON;
}

static enum err add_errors(struct buf *b, const struct failure_group *g, struct json_doc *scratch)
{
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < g->count; i++) {
        struct json error;
        enum err e = read_error(g->errors[i], scratch, &error);
        if (e != OK)
            return e;
        add_flat(b, error);
    }
    buf_add_char(b, ']');
    return buf_ok(b);
}

static enum err count_leaves(const struct failure_group *g, struct json_doc *scratch, uint32_t *ret)
{
    *ret = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        struct json error;
        enum err e = read_error(g->errors[i], scratch, &error);
        if (e != OK)
            return e;
        uint32_t below = json_count(json_get_lit(error, "errors"));
        *ret += below > 0 ? below : 1;
    }
    return OK;
}

static enum err write_all(struct buf *b, const struct failure_group *g, struct json_doc *scratch,
                          struct str errors)
{
    uint32_t leaves;
    enum err e = count_leaves(g, scratch, &leaves);
    if (e != OK)
        return e;
    char text[48];
    int n =
        snprintf(text, sizeof text, "%u task%s failed", (unsigned)leaves, leaves == 1 ? "" : "s");
    failure_write(b, &(struct failure){.code = ERR_ERROR_GROUP,
                                       .message = {text, (size_t)n},
                                       .task = g->task,
                                       .errors = errors,
                                       .partial = g->partial});
    return buf_ok(b);
}

/* The cause as it is, with the whole group below it. */
static enum err write_cause(struct buf *b, const struct failure_group *g, struct json_doc *scratch,
                            struct str errors)
{
    struct json cause;
    enum err e = read_error(g->errors[g->cause], scratch, &cause);
    if (e != OK)
        return e;
    add_entry(b, cause);
    if (buf_ok(b) == OK)
        b->len--; /* goes on behind its members */
    json_add_key(b, "errors");
    buf_add_str(b, errors);
    if (g->partial.at != NULL) {
        buf_add_lit(b, ",\"partial\":");
        buf_add_str(b, g->partial);
    }
    buf_add_char(b, '}');
    return buf_ok(b);
}

/* Can it be read where the error is read? OK, and how many tokens it has; ERR_LIMIT; ERR_NOMEM. */
static enum err measure(struct str part, uint32_t most, struct json_doc *scratch, uint32_t *ret)
{
    uint32_t max_depth = scratch->max_depth;
    scratch->max_depth = FAILURE_PARTIAL_DEPTH;
    enum err e = json_parse(scratch, part, NULL);
    scratch->max_depth = max_depth;
    if (e == ERR_NOMEM)
        return e;
    if (e != OK || scratch->count > most)
        return ERR_LIMIT;
    *ret = scratch->count;
    return OK;
}

/* The group has to fit; what is finished is left out where it does not. */
static enum err fit(struct failure_group *g, struct str errors, struct json_doc *scratch)
{
    uint32_t of_errors = 0, of_partial;
    enum err e = measure(errors, FAILURE_TOKENS_MAX, scratch, &of_errors);
    if (e != OK || g->partial.at == NULL)
        return e;
    e = measure(g->partial, FAILURE_TOKENS_MAX - of_errors, scratch, &of_partial);
    if (e == ERR_LIMIT)
        g->partial = STR_NONE;
    return e == ERR_NOMEM ? e : OK;
}

enum err failure_group_write(struct buf *b, const struct failure_group *g, struct json_doc *scratch)
{
    struct failure_group own = *g;
    struct buf errors;
    buf_init(&errors, b->max);
    enum err e = add_errors(&errors, g, scratch);
    if (e == OK)
        e = fit(&own, buf_str(&errors), scratch);
    if (e == OK && g->cause == FAILURE_GROUP_ALL)
        e = write_all(b, &own, scratch, buf_str(&errors));
    else if (e == OK)
        e = write_cause(b, &own, scratch, buf_str(&errors));
    buf_fini(&errors);
    return e;
}
