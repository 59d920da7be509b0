/* A neutral conversation as Anthropic's: system apart, tool calls and their results as blocks.
 *
 *     system, developer            -> a block of "system"
 *     user                         -> user; images and files become their blocks
 *     assistant with tool_calls    -> assistant; a tool_use block for each
 *     tool, tool, ...              -> one user message; a tool_result block for each */
#include "base/mem.h"
#include "providers/anthropic.h"

enum { STRINGS_MAX = 33554432 }; /* of one message, unescaped */

/* While a conversation is written. */
struct writer {
    struct buf *b;
    struct error *error;
    enum err failed;    /* the first failure */
    bool is_in_results; /* a user message of tool results is open */
};

static void fail(struct writer *w, enum err e, const char *why)
{
    if (w->failed == OK)
        w->failed = error_set(w->error, e, "%s", why);
}

static bool has_role(struct json message, const char *role)
{
    return json_string_is(json_get_lit(message, "role"), str_of(role));
}

static bool is_system(struct json message)
{
    return has_role(message, "system") || has_role(message, "developer");
}

static bool is_type(struct json part, const char *type)
{
    return json_string_is(json_get_lit(part, "type"), str_of(type));
}

/* --- images and files ------------------------------------------------------------------------- */

/* A data: URL's media type and what is behind its comma; false where it is another URL. */
static bool cut_data_url(struct str url, struct str *ret_media, struct str *ret_data)
{
    if (!str_starts(url, STR("data:")))
        return false;
    struct str rest = {url.at + 5, url.len - 5};
    struct str head = str_cut(&rest, ',');
    *ret_media = str_cut(&head, ';');
    *ret_data = rest;
    return rest.at != NULL && str_eq(head, STR("base64"));
}

static void add_source(struct buf *b, struct str url)
{
    struct str media, data;
    if (cut_data_url(url, &media, &data)) {
        buf_add_lit(b, "{\"type\":\"base64\",\"media_type\":");
        json_add_string(b, media);
        buf_add_lit(b, ",\"data\":");
        json_add_string(b, data);
    } else {
        buf_add_lit(b, "{\"type\":\"url\",\"url\":");
        json_add_string(b, url);
    }
    buf_add_char(b, '}');
}

/* `url` is a string of a part that is an image, or a file. */
static void add_media(struct writer *w, const char *type, struct json url)
{
    struct arena arena;
    struct str s;
    arena_init(&arena, STRINGS_MAX);
    if (!json_is(url, JSON_STRING))
        fail(w, ERR_BAD_REQUEST, "an image or a file of a message has no URL");
    else if (!json_string(url, &arena, &s))
        fail(w, ERR_NOMEM, "out of memory");
    else {
        buf_addf(w->b, "{\"type\":\"%s\",\"source\":", type);
        add_source(w->b, s);
        buf_add_char(w->b, '}');
    }
    arena_fini(&arena);
}

/* --- content ---------------------------------------------------------------------------------- */

static void add_text_block(struct buf *b, struct json text)
{
    json_add_comma(b);
    buf_add_lit(b, "{\"type\":\"text\",\"text\":");
    buf_add_str(b, json_raw(text));
    buf_add_char(b, '}');
}

static void add_part(struct writer *w, struct json part)
{
    struct json image = json_get_lit(part, "image_url");
    json_add_comma(w->b);
    if (is_type(part, "image_url"))
        add_media(w, "image", json_is(image, JSON_STRING) ? image : json_get_lit(image, "url"));
    else if (is_type(part, "file"))
        add_media(w, "document", json_get_lit(json_get_lit(part, "file"), "file_data"));
    else
        buf_add_str(w->b, json_raw(part)); /* text is the same; others are Anthropic's own */
}

static bool is_empty(struct json content)
{
    return json_string_is(content, STR("")) || json_is(content, JSON_NULL) || !json_exists(content);
}

/* The blocks of a content, without brackets. */
static void add_blocks(struct writer *w, struct json content)
{
    if (json_is(content, JSON_STRING) && !is_empty(content))
        add_text_block(w->b, content);
    for (struct json p = json_first(content); json_exists(p); p = json_next(content, p))
        add_part(w, p);
}

/* A string stays one; a list is translated. */
static void add_content(struct writer *w, struct json content)
{
    if (!json_is(content, JSON_ARRAY)) {
        buf_add_str(w->b, is_empty(content) ? STR("\"\"") : json_raw(content));
        return;
    }
    buf_add_char(w->b, '[');
    add_blocks(w, content);
    buf_add_char(w->b, ']');
}

/* --- tool calls and their results ------------------------------------------------------------- */

static void add_input(struct writer *w, struct str text)
{
    struct json_doc doc;
    json_doc_init(&doc);
    enum err e = str_trim(text).len > 0 ? json_parse(&doc, text, NULL) : OK;
    if (e == ERR_INVALID_JSON ||
        (e == OK && doc.count > 0 && !json_is(json_root(&doc), JSON_OBJECT)))
        fail(w, ERR_BAD_REQUEST, "the arguments of a tool call are not a JSON object");
    else if (e != OK)
        fail(w, e, "the arguments of a tool call cannot be read");
    else
        buf_add_str(w->b, doc.count > 0 ? text : STR("{}"));
    json_doc_fini(&doc);
}

/* `arguments` is JSON in a string; an object is taken as it is. */
static void add_arguments(struct writer *w, struct json arguments)
{
    struct arena arena;
    struct str text = STR("");
    arena_init(&arena, STRINGS_MAX);
    if (json_is(arguments, JSON_OBJECT))
        buf_add_str(w->b, json_raw(arguments));
    else if (json_is(arguments, JSON_STRING) && !json_string(arguments, &arena, &text))
        fail(w, ERR_NOMEM, "out of memory");
    else
        add_input(w, text);
    arena_fini(&arena);
}

static void add_string_or_empty(struct buf *b, struct json v)
{
    buf_add_str(b, json_is(v, JSON_STRING) ? json_raw(v) : STR("\"\""));
}

static void add_tool_use(struct writer *w, struct json call)
{
    struct json function = json_get_lit(call, "function");
    json_add_comma(w->b);
    buf_add_lit(w->b, "{\"type\":\"tool_use\",\"id\":");
    add_string_or_empty(w->b, json_get_lit(call, "id"));
    buf_add_lit(w->b, ",\"name\":");
    add_string_or_empty(w->b, json_get_lit(function, "name"));
    buf_add_lit(w->b, ",\"input\":");
    add_arguments(w, json_get_lit(function, "arguments"));
    buf_add_char(w->b, '}');
}

static void add_tool_result(struct writer *w, struct json message)
{
    json_add_comma(w->b);
    buf_add_lit(w->b, "{\"type\":\"tool_result\",\"tool_use_id\":");
    add_string_or_empty(w->b, json_get_lit(message, "tool_call_id"));
    buf_add_lit(w->b, ",\"content\":");
    add_content(w, json_get_lit(message, "content"));
    buf_add_char(w->b, '}');
}

/* --- messages --------------------------------------------------------------------------------- */

static void close_results(struct writer *w)
{
    if (w->is_in_results)
        buf_add_lit(w->b, "]}");
    w->is_in_results = false;
}

static void add_result_message(struct writer *w, struct json message)
{
    if (!w->is_in_results) {
        json_add_comma(w->b);
        buf_add_lit(w->b, "{\"role\":\"user\",\"content\":[");
    }
    w->is_in_results = true;
    add_tool_result(w, message);
}

static void add_assistant(struct writer *w, struct json message)
{
    struct json calls = json_get_lit(message, "tool_calls");
    buf_add_lit(w->b, "{\"role\":\"assistant\",\"content\":");
    if (json_count(calls) == 0) {
        add_content(w, json_get_lit(message, "content"));
    } else {
        buf_add_char(w->b, '[');
        add_blocks(w, json_get_lit(message, "content"));
        for (struct json c = json_first(calls); json_exists(c); c = json_next(calls, c))
            add_tool_use(w, c);
        buf_add_char(w->b, ']');
    }
    buf_add_char(w->b, '}');
}

static void add_message(struct writer *w, struct json message)
{
    if (has_role(message, "tool")) {
        add_result_message(w, message);
        return;
    }
    close_results(w);
    json_add_comma(w->b);
    if (has_role(message, "assistant")) {
        add_assistant(w, message);
    } else if (has_role(message, "user")) {
        buf_add_lit(w->b, "{\"role\":\"user\",\"content\":");
        add_content(w, json_get_lit(message, "content"));
        buf_add_char(w->b, '}');
    } else {
        buf_add_str(w->b, json_raw(message)); /* the server says what is wrong with it */
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool has_system(const struct call *call, struct json messages)
{
    struct json param = call_param(call, "system");
    bool found = call->instructions.len > 0 || (json_exists(param) && !is_empty(param));
    for (struct json m = json_first(messages); !found && json_exists(m); m = json_next(messages, m))
        found = is_system(m);
    return found;
}

/* Instructions, then the conversation's own, then what the caller has as a param. */
static void add_system(struct writer *w, const struct call *call, struct json messages)
{
    if (!has_system(call, messages))
        return;
    buf_add_lit(w->b, ",\"system\":[");
    if (call->instructions.len > 0) {
        buf_add_lit(w->b, "{\"type\":\"text\",\"text\":");
        json_add_string(w->b, call->instructions);
        buf_add_char(w->b, '}');
    }
    for (struct json m = json_first(messages); json_exists(m); m = json_next(messages, m)) {
        if (is_system(m))
            add_blocks(w, json_get_lit(m, "content"));
    }
    add_blocks(w, call_param(call, "system"));
    buf_add_char(w->b, ']');
}

/* An input that is no conversation: a user's message. */
static void add_single(struct writer *w, struct json root, struct str input)
{
    buf_add_lit(w->b, "{\"role\":\"user\",\"content\":");
    if (json_is(root, JSON_STRING))
        buf_add_str(w->b, json_raw(root));
    else
        json_add_string(w->b, input);
    buf_add_char(w->b, '}');
}

enum err anthropic_add_messages(struct buf *b, const struct call *call, struct json_doc *scratch,
                                struct error *ret_error)
{
    struct writer w = {.b = b, .error = ret_error, .failed = OK};
    enum err e = json_parse(scratch, call->input, NULL);
    if (e != OK)
        return e;
    struct json root = json_root(scratch);
    struct json messages = json_get_lit(root, "messages");
    add_system(&w, call, messages);
    buf_add_lit(b, ",\"messages\":[");
    if (!json_is(messages, JSON_ARRAY))
        add_single(&w, root, call->input);
    for (struct json m = json_first(messages); json_exists(m); m = json_next(messages, m)) {
        if (!is_system(m))
            add_message(&w, m);
    }
    close_results(&w);
    buf_add_char(b, ']');
    return w.failed;
}
