#include "cli/body.h"

#include "cli/file.h"

void body_init(struct body *b)
{
    buf_init(&b->text, BODY_MAX_BYTES);
    buf_add_lit(&b->text, "{}");
}

void body_fini(struct body *b)
{
    buf_fini(&b->text);
}

static enum err refuse_json(struct error *ret_error, enum err e, const struct json_fault *fault)
{
    if (e == ERR_NOMEM)
        return error_set(ret_error, e, "out of memory");
    return error_set(ret_error, ERR_INVALID_REQUEST, "line %u, column %u: %s",
                     (unsigned)fault->line, (unsigned)fault->column, fault->what);
}

/* Moves `text` into the body, unless it could not be made. */
static enum err replace(struct body *b, struct buf *text, enum err e)
{
    if (e != OK) {
        buf_fini(text);
        return e;
    }
    buf_fini(&b->text);
    b->text = *text;
    return OK;
}

static enum err explain(enum err e, struct error *ret_error)
{
    if (e == OK)
        return OK;
    return error_set(ret_error, e, e == ERR_LIMIT ? "the request is too large" : "out of memory");
}

enum err body_load(struct body *b, struct str json, struct error *ret_error)
{
    struct json_doc doc;
    struct json_fault fault;
    json_doc_init(&doc);
    enum err e = json_parse(&doc, json, &fault);
    if (e != OK) {
        e = refuse_json(ret_error, e, &fault);
    } else if (!json_is(json_root(&doc), JSON_OBJECT)) {
        e = error_set(ret_error, ERR_INVALID_REQUEST, "it is no JSON object");
    } else {
        buf_clear(&b->text);
        json_add_compact(&b->text, json_root(&doc));
        e = buf_ok(&b->text);
    }
    json_doc_fini(&doc);
    return e;
}

enum err body_load_file(struct body *b, const char *path, struct error *ret_error)
{
    struct buf text;
    struct error why;
    buf_init(&text, BODY_MAX_BYTES);
    enum err e = file_read(path, &text, ret_error);
    if (e == OK && (e = body_load(b, buf_str(&text), &why)) != OK)
        error_set(ret_error, e, "%s: %s", path, why.message);
    buf_fini(&text);
    return e;
}

/* --- a tree alone ----------------------------------------------------------------------------- */

/* The body of a create request has no type; a call has an agent or workflow as that may have. */
static bool is_tree(struct json root)
{
    return json_exists(json_get_lit(root, "type")) && !json_exists(json_get_lit(root, "task"));
}

static void add_without(struct buf *out, struct json object, struct str name)
{
    buf_add_char(out, '{');
    for (struct json_member m = json_first_member(object); json_exists(m.value);
         m = json_next_member(object, m)) {
        if (json_string_is(m.name, name))
            continue;
        json_add_comma(out);
        buf_add_str(out, json_raw(m.name));
        buf_add_char(out, ':');
        json_add_compact(out, m.value);
    }
    buf_add_char(out, '}');
}

static void add_tree(struct buf *out, struct json root)
{
    if (is_tree(root)) {
        buf_add_lit(out, "{\"task\":");
        json_add_compact(out, root);
        buf_add_char(out, '}');
    } else if (json_exists(json_get_lit(root, "task"))) {
        add_without(out, root, STR("description"));
    } else {
        json_add_compact(out, root);
    }
}

enum err body_take_tree(struct body *b, struct error *ret_error)
{
    struct json_doc doc;
    struct buf out;
    json_doc_init(&doc);
    buf_init(&out, BODY_MAX_BYTES);
    enum err e = json_parse(&doc, buf_str(&b->text), NULL);
    if (e == OK) {
        add_tree(&out, json_root(&doc));
        e = buf_ok(&out);
    }
    json_doc_fini(&doc);
    return explain(replace(b, &out, e), ret_error);
}

/* --- setting a member ------------------------------------------------------------------------- */

/* Writes `old` again with the member at `path` replaced or added. As deep as the path. */
static void lay_over(struct buf *out, struct json old, const struct str *path, size_t depth,
                     struct str json)
{
    bool found = false;
    if (depth == 0) {
        buf_add_str(out, json);
        return;
    }
    buf_add_char(out, '{');
    for (struct json_member m = json_first_member(old); json_exists(m.value);
         m = json_next_member(old, m)) {
        json_add_comma(out);
        buf_add_str(out, json_raw(m.name));
        buf_add_char(out, ':');
        bool same = json_string_is(m.name, path[0]);
        if (same)
            lay_over(out, m.value, path + 1, depth - 1, json);
        else
            json_add_compact(out, m.value);
        found |= same;
    }
    if (!found) {
        json_add_comma(out);
        json_add_string(out, path[0]);
        buf_add_char(out, ':');
        lay_over(out, JSON_NONE, path + 1, depth - 1, json);
    }
    buf_add_char(out, '}');
}

enum err body_set(struct body *b, const struct str *path, size_t depth, struct str json)
{
    struct json_doc doc;
    struct buf out;
    json_doc_init(&doc);
    buf_init(&out, BODY_MAX_BYTES);
    enum err e = json_parse(&doc, buf_str(&b->text), NULL);
    if (e == OK) {
        lay_over(&out, json_root(&doc), path, depth, json);
        e = buf_ok(&out);
    }
    json_doc_fini(&doc);
    return replace(b, &out, e);
}

/* --- what the command line sets --------------------------------------------------------------- */

static enum err set(struct body *b, const struct str *path, size_t depth, struct str json,
                    struct error *ret_error)
{
    return explain(body_set(b, path, depth, json), ret_error);
}

static enum err set_string(struct body *b, const struct str *path, size_t depth, struct str text,
                           struct error *ret_error)
{
    struct buf json;
    if (!str_is_utf8(text))
        return error_set(ret_error, ERR_INVALID_REQUEST, "%.*s: the text is not UTF-8",
                         STR_ARG(path[0]));
    buf_init(&json, BODY_MAX_BYTES);
    json_add_string(&json, text);
    enum err e = set(b, path, depth, buf_str(&json), ret_error);
    buf_fini(&json);
    return e;
}

enum err body_set_text(struct body *b, const char *name, struct str text, struct error *ret_error)
{
    return set_string(b, &(struct str){name, strlen(name)}, 1, text, ret_error);
}

enum err body_set_json(struct body *b, const char *name, struct str json, struct error *ret_error)
{
    struct json_doc doc;
    struct json_fault fault;
    json_doc_init(&doc);
    enum err e = json_parse(&doc, json, &fault);
    e = e == OK ? set(b, &(struct str){name, strlen(name)}, 1, json, ret_error)
                : refuse_json(ret_error, e, &fault);
    json_doc_fini(&doc);
    return e;
}

enum err body_set_number(struct body *b, const char *name, uint64_t value, struct error *ret_error)
{
    struct buf json;
    buf_init(&json, 32);
    buf_add_u64(&json, value);
    enum err e = set(b, &(struct str){name, strlen(name)}, 1, buf_str(&json), ret_error);
    buf_fini(&json);
    return e;
}

/* Is the text a JSON value as it stands? White space around one means it is text. */
static bool is_json(struct str text)
{
    struct json_doc doc;
    json_doc_init(&doc);
    bool fine = json_parse(&doc, text, NULL) == OK && json_raw(json_root(&doc)).len == text.len;
    json_doc_fini(&doc);
    return fine;
}

enum err body_set_param(struct body *b, struct str key, struct str value, struct error *ret_error)
{
    struct str path[BODY_MAX_DEPTH] = {STR("params")};
    struct str rest = key;
    size_t depth = 1;
    if (!str_is_utf8(key))
        return error_set(ret_error, ERR_INVALID_REQUEST, "a --param's key is not UTF-8");
    while (rest.at != NULL) {
        if (depth == BODY_MAX_DEPTH)
            return error_set(ret_error, ERR_INVALID_REQUEST, "--param %.*s has too many dots",
                             STR_ARG(key));
        path[depth] = str_cut(&rest, '.');
        if (path[depth++].len == 0)
            return error_set(ret_error, ERR_INVALID_REQUEST,
                             "--param %.*s: a name is missing beside a dot", STR_ARG(key));
    }
    if (is_json(value))
        return set(b, path, depth, value, ret_error);
    return set_string(b, path, depth, value, ret_error);
}

enum err body_set_metadata(struct body *b, struct str key, struct str value,
                           struct error *ret_error)
{
    if (!str_is_utf8(key))
        return error_set(ret_error, ERR_INVALID_REQUEST, "a --metadata's key is not UTF-8");
    return set_string(b, (const struct str[]){STR("metadata"), key}, 2, value, ret_error);
}
