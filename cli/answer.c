#include "cli/answer.h"

/* A task within a task takes two levels, and each may show an output that is JSON_MAX_DEPTH deep.
 */
enum { MAX_DEPTH = 8 * JSON_MAX_DEPTH, MAX_TOKENS = (1 << 28) - 1 };

void answer_doc_init(struct json_doc *doc)
{
    json_doc_init(doc);
    doc->max_depth = MAX_DEPTH;
    doc->max_tokens = MAX_TOKENS;
}

bool answer_is_passing(const struct answer *a)
{
    return a->fate != ANSWER_WHOLE || a->status == 502 || a->status == 503 || a->status == 504;
}

int answer_exit(const struct answer *a)
{
    if (answer_is_passing(a))
        return CLI_NO_SERVER;
    switch (a->status) {
    case 400: /* what was asked for makes no sense: here that is the fault of the command line */
    case 404:
    case 405:
    case 409:
    case 412:
    case 413:
    case 414:
    case 415:
    case 422:
    case 431: return CLI_USAGE;
    default: return CLI_FAILED;
    }
}

/* --- in words --------------------------------------------------------------------------------- */

struct words {
    struct buf *out;
    struct arena arena;
};

/* Appends `before`, a string member and `after`; nothing where it is absent or empty. */
static bool add_member(struct words *w, struct json object, struct str name, const char *before,
                       const char *after)
{
    struct str s;
    if (!json_string(json_get(object, name), &w->arena, &s) || s.len == 0)
        return false;
    buf_add_str(w->out, str_of(before));
    buf_add_str(w->out, s);
    buf_add_str(w->out, str_of(after));
    return true;
}

static void add_field(struct words *w, struct json field)
{
    if (!add_member(w, field, STR("pointer"), "", ": "))
        buf_add_lit(w->out, "the body: ");
    add_member(w, field, STR("code"), "", "");
    add_member(w, field, STR("detail"), ": ", "");
}

static void add_fields(struct words *w, struct json fields)
{
    if (json_count(fields) == 0)
        return;
    const char *mark = " (";
    for (struct json f = json_first(fields); json_exists(f); f = json_next(fields, f)) {
        buf_add_str(w->out, str_of(mark));
        add_field(w, f);
        mark = "; ";
    }
    buf_add_char(w->out, ')');
}

static void add_place(struct words *w, struct json problem)
{
    int64_t line, column;
    if (json_int(json_get_lit(problem, "line"), 1, INT64_MAX, &line) == OK &&
        json_int(json_get_lit(problem, "column"), 1, INT64_MAX, &column) == OK)
        buf_addf(w->out, " (line %lld, column %lld of the body)", (long long)line,
                 (long long)column);
}

/* False: the document is no problem. */
static bool add_problem(struct words *w, struct json problem)
{
    if (!add_member(w, problem, STR("code"), "", ""))
        return false;
    if (!add_member(w, problem, STR("detail"), ": ", ""))
        add_member(w, problem, STR("title"), ": ", "");
    add_place(w, problem);
    add_fields(w, json_get_lit(problem, "errors"));
    return true;
}

static void describe_status(struct buf *b, const struct answer *a, const char *server)
{
    struct words w = {.out = b};
    struct json_doc doc;
    answer_doc_init(&doc);
    arena_init(&w.arena, SIZE_MAX);
    bool said = json_parse(&doc, buf_str(&a->body), NULL) == OK && add_problem(&w, json_root(&doc));
    if (!said)
        buf_addf(b, "%s answers with HTTP status %ld: is it a Sluice gateway?", server, a->status);
    arena_fini(&w.arena);
    json_doc_fini(&doc);
}

void answer_describe(struct buf *b, const struct answer *a, const char *server)
{
    switch (a->fate) {
    case ANSWER_NO_SERVER: buf_addf(b, "no gateway at %s: %s", server, a->failure); break;
    case ANSWER_BROKEN: buf_addf(b, "the connection to %s broke: %s", server, a->failure); break;
    case ANSWER_WHOLE: describe_status(b, a, server); break;
    }
}
