/* Anthropic's Messages API: the adapter's table, credentials and version.
 *
 * Messages are translated in providers/anthropic_messages.c, params in
 * providers/anthropic_params.c, answers in providers/anthropic_answer.c. */
#include "providers/anthropic.h"

#include "providers/request.h"

enum { DEFAULT_MAX_TOKENS = 4096 };

static enum err prepare(struct provider *p, struct error *ret_error)
{
    return request_prepare(p, STR("https://api.anthropic.com/v1"), STR("/messages"), STR(""),
                           ret_error);
}

static enum err write_body(const struct provider *p, struct buf *b, const struct call *call,
                           struct json_doc *scratch, struct error *error)
{
    uint32_t max_tokens = p->options.max_tokens;
    buf_add_lit(b, "{\"model\":");
    json_add_string(b, call->model);
    enum err e = anthropic_add_messages(b, call, scratch, error);
    if (e == OK)
        e = anthropic_add_params(b, call, max_tokens != 0 ? max_tokens : DEFAULT_MAX_TOKENS);
    buf_add_char(b, '}');
    return e == OK ? buf_ok(b) : e;
}

static enum err build(const struct provider *p, const struct call *call, uint32_t key,
                      struct buf *body, struct json_doc *scratch, struct http_request *ret_request,
                      struct error *ret_error)
{
    error_set(ret_error, ERR_BAD_REQUEST, "the request cannot be built");
    enum err e = write_body(p, body, call, scratch, ret_error);
    if (e != OK)
        return e == ERR_INVALID_JSON ? ERR_BAD_REQUEST : e;
    ret_request->method = "POST";
    ret_request->url = p->url;
    ret_request->body = buf_str(body);
    if (!request_add_default(p, STR("anthropic-version"), STR("2023-06-01"), ret_request))
        return error_set(ret_error, ERR_BAD_REQUEST, "the request has too many headers");
    return request_add_headers(p, STR("x-api-key"), key, ret_request, ret_error);
}

static void judge(const struct provider *p, int status, struct str body, struct json_doc *scratch,
                  struct verdict *ret_verdict)
{
    verdict_of_body(ret_verdict, p, body, scratch, status);
}

const struct provider_kind provider_anthropic = {
    .name = "anthropic",
    .prepare = prepare,
    .build = build,
    .decoder_size = sizeof(struct anthropic_decoder),
    .decoder_init = anthropic_decoder_init,
    .decoder_fini = anthropic_decoder_fini,
    .decoder_begin = anthropic_decoder_begin,
    .decoder_feed = anthropic_decoder_feed,
    .decoder_is_complete = anthropic_decoder_is_complete,
    .decoder_end = anthropic_decoder_end,
    .judge = judge,
};
