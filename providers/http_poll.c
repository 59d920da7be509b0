/* Work that goes on at the server after it was begun: what its answers say, and what it is asked.
 */
#include "providers/http.h"
#include "providers/request.h"

enum { URL_STRINGS_MAX = 32768 }; /* bytes, of the URLs of one answer */

/* --- the state -------------------------------------------------------------------------------- */

/* A word is compared as text; true, 3 and null as they are written. */
static bool is_listed(const struct http_words *words, struct json state)
{
    for (uint32_t i = 0; i < words->count; i++) {
        bool is_word = json_is(state, JSON_STRING) ? json_string_is(state, words->at[i])
                                                   : str_eq(json_raw(state), words->at[i]);
        if (json_exists(state) && is_word)
            return true;
    }
    return false;
}

enum poll_state http_poll_state(const struct http_poll *poll, struct json root)
{
    struct json state = json_pointer(root, poll->status);
    if (is_listed(&poll->done, state))
        return POLL_DONE;
    return is_listed(&poll->failed, state) ? POLL_FAILED : POLL_PENDING;
}

/* --- URLs ------------------------------------------------------------------------------------- */

/* "https://host:port" of a URL. */
static struct str origin_of(struct str url)
{
    struct str rest = url;
    for (int slashes = 0; slashes < 3 && rest.at != NULL; slashes++)
        str_cut(&rest, '/');
    size_t len = rest.at != NULL ? (size_t)(rest.at - url.at) - 1 : url.len;
    return (struct str){url.at, len};
}

static bool is_clean(struct str url)
{
    for (size_t i = 0; i < url.len; i++) {
        uint8_t c = (uint8_t)url.at[i];
        if (c <= ' ' || c >= 0x7F || c == '\\' || c == '#')
            return false;
    }
    return url.len > 0 && url.len <= REQUEST_URL_MAX;
}

static bool is_path(struct str url)
{
    return url.at[0] == '/' && (url.len == 1 || url.at[1] != '/');
}

/* Does it lead to where base_url does? Anything else would carry our credentials away. */
static bool is_own(struct str url, struct str origin)
{
    if (!is_clean(url))
        return false;
    if (is_path(url))
        return true;
    bool begins = url.len >= origin.len && str_eq_nocase((struct str){url.at, origin.len}, origin);
    return begins &&
           (url.len == origin.len || url.at[origin.len] == '/' || url.at[origin.len] == '?');
}

/* --- the handle ------------------------------------------------------------------------------- */

/* The string at `pointer`, else the one that `before` has under `name`. */
static enum err read_url(struct json root, struct str pointer, struct json before, const char *name,
                         struct arena *arena, struct str *ret)
{
    struct json v = pointer.at != NULL ? json_pointer(root, pointer) : JSON_NONE;
    if (!json_is(v, JSON_STRING))
        v = json_get(before, str_of(name));
    *ret = STR_NONE;
    if (!json_is(v, JSON_STRING))
        return OK;
    return json_string(v, arena, ret) ? OK : ERR_NOMEM;
}

static void add_url(struct buf *b, const char *name, struct str url)
{
    json_add_key(b, name);
    if (url.at != NULL)
        json_add_string(b, url);
    else
        buf_add_lit(b, "null");
}

static enum err add_handle(struct buf *b, const struct provider *p, struct json root,
                           struct json before, struct arena *arena, struct error *error)
{
    const struct http_poll *poll = &p->options.http.poll;
    struct str origin = origin_of(p->options.base_url), url, cancel_url;
    enum err e = read_url(root, poll->url, before, "url", arena, &url);
    if (e == OK)
        e = read_url(root, poll->cancel_url, before, "cancel_url", arena, &cancel_url);
    if (e != OK)
        return error_set(error, e, "out of memory");
    if (url.at == NULL)
        return error_set(error, ERR_PROVIDER_BAD_RESPONSE, "the answer does not say where to ask");
    if (!is_own(url, origin))
        return error_set(error, ERR_PROVIDER_BAD_RESPONSE,
                         "the answer says to ask at another server than base_url");
    buf_add_char(b, '{');
    add_url(b, "url", url);
    add_url(b, "cancel_url",
            cancel_url.at != NULL && is_own(cancel_url, origin) ? cancel_url : STR_NONE);
    buf_add_char(b, '}');
    return buf_ok(b) == OK ? OK : error_set(error, ERR_NOMEM, "out of memory");
}

enum err http_poll_add_handle(struct buf *b, const struct provider *p, struct json root,
                              struct str before, struct error *ret_error)
{
    struct arena arena;
    struct json_doc doc;
    arena_init(&arena, URL_STRINGS_MAX);
    json_doc_init(&doc);
    bool has_before = before.len > 0 && json_parse(&doc, before, NULL) == OK;
    enum err e =
        add_handle(b, p, root, has_before ? json_root(&doc) : JSON_NONE, &arena, ret_error);
    json_doc_fini(&doc);
    arena_fini(&arena);
    return e;
}

/* --- requests --------------------------------------------------------------------------------- */

/* The configured query goes along unless the server has put one into the URL. */
static enum err write_url(struct buf *b, const struct provider *p, struct json url)
{
    struct arena arena;
    struct str s;
    arena_init(&arena, URL_STRINGS_MAX);
    bool fine = json_string(url, &arena, &s);
    if (fine && is_path(s))
        buf_add_str(b, origin_of(p->options.base_url));
    if (fine)
        buf_add_str(b, s);
    if (fine && memchr(s.at, '?', s.len) == NULL)
        request_add_query(b, p, '?');
    buf_add_char(b, '\0');
    arena_fini(&arena);
    return fine ? buf_ok(b) : ERR_NOMEM;
}

enum err http_kind_build_poll(const struct provider *p, struct str handle, enum poll_ask ask,
                              uint32_t key, struct buf *body, struct json_doc *scratch,
                              struct http_request *ret_request, struct error *ret_error)
{
    static const char *const cancels[] = {"POST", "DELETE"};
    enum err e = json_parse(scratch, handle, NULL);
    struct json url =
        e == OK ? json_get(json_root(scratch), ask == POLL_ASK ? STR("url") : STR("cancel_url"))
                : JSON_NONE;
    if (!json_is(url, JSON_STRING))
        return error_set(ret_error, ERR_NOT_FOUND, "the server has not said where");
    buf_clear(body);
    e = write_url(body, p, url);
    if (e != OK)
        return error_set(ret_error, e, "the request cannot be built");
    ret_request->method = ask == POLL_ASK ? "GET" : cancels[p->options.http.poll.cancel_method];
    ret_request->url = body->data;
    return request_add_headers(p, STR("Authorization"), key, ret_request, ret_error);
}
