/* Any HTTP/JSON API: the adapter's table, and which statuses are answers. */
#include "providers/http.h"

#include "providers/request.h"

static bool serves(struct str model)
{
    return model.len > 0;
}

/* A template that is wrong for every call is a mistake of the configuration. */
static enum err check_request(const struct provider *p, struct error *error)
{
    struct json_doc doc;
    struct str request = p->options.http.request;
    if (request.at == NULL)
        return OK;
    json_doc_init(&doc);
    enum err e = json_parse(&doc, request, NULL);
    struct json path = e == OK ? json_get_lit(json_root(&doc), "path") : JSON_NONE;
    if (e == OK && json_exists(path) && !json_is(path, JSON_STRING))
        e = error_set(error, ERR_CONFIG, "request.path must be a string");
    else if (e != OK)
        error_set(error, e, "request cannot be read");
    json_doc_fini(&doc);
    return e;
}

static enum err prepare(struct provider *p, struct error *ret_error)
{
    if (p->options.base_url.at == NULL)
        return error_set(ret_error, ERR_CONFIG, "base_url must be there");
    enum err e = request_prepare(p, STR_NONE, STR(""), STR("Bearer "), ret_error);
    return e == OK ? check_request(p, ret_error) : e;
}

static bool accepts(const struct provider *p, int status)
{
    const struct http_codes *codes = &p->options.http.success;
    for (uint32_t i = 0; i < codes->count; i++) {
        if (codes->at[i] == (uint32_t)status)
            return true;
    }
    return codes->count == 0 && status >= 200 && status <= 299;
}

static void judge(const struct provider *p, int status, struct str body, struct json_doc *scratch,
                  struct verdict *ret_verdict)
{
    verdict_of_body(ret_verdict, p, body, scratch, status);
}

const struct provider_kind provider_http = {
    .name = "http",
    .serves = serves,
    .prepare = prepare,
    .build = http_kind_build,
    .accepts = accepts,
    .decoder_size = sizeof(struct http_decoder),
    .decoder_init = http_decoder_init,
    .decoder_fini = http_decoder_fini,
    .decoder_begin = http_decoder_begin,
    .decoder_feed = http_decoder_feed,
    .decoder_is_complete = http_decoder_is_complete,
    .decoder_end = http_decoder_end,
    .judge = judge,
    .decoder_handle = http_decoder_handle,
    .build_poll = http_kind_build_poll,
};
