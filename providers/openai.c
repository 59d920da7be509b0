/* OpenAI's chat completions, and every server that speaks them: the request, and what failures
 * mean. The answer is read in providers/openai_answer.c. */
#include "providers/openai.h"

#include "providers/request.h"

static enum err prepare(struct provider *p, struct error *ret_error)
{
    return request_prepare(p, STR("https://api.openai.com/v1"), STR("/chat/completions"),
                           STR("Bearer "), ret_error);
}

/* --- messages --------------------------------------------------------------------------------- */

static void add_message(struct buf *b, const char *role, struct str content)
{
    json_add_comma(b);
    buf_addf(b, "{\"role\":\"%s\",\"content\":", role);
    json_add_string(b, content);
    buf_add_char(b, '}');
}

/* The conversation that an input stands for (API §5). */
static enum err add_input(struct buf *b, struct str input, struct json_doc *doc)
{
    enum err e = json_parse(doc, input, NULL);
    if (e != OK)
        return e;
    struct json root = json_root(doc);
    struct json messages = json_get_lit(root, "messages");
    if (json_is(messages, JSON_ARRAY)) {
        for (struct json m = json_first(messages); json_exists(m); m = json_next(messages, m)) {
            json_add_comma(b);
            buf_add_str(b, json_raw(m));
        }
    } else if (json_is(root, JSON_STRING)) { /* a JSON string already: no need to take it apart */
        json_add_comma(b);
        buf_add_lit(b, "{\"role\":\"user\",\"content\":");
        buf_add_str(b, json_raw(root));
        buf_add_char(b, '}');
    } else {
        add_message(b, "user", input);
    }
    return OK;
}

/* --- params ----------------------------------------------------------------------------------- */

/* Members that the adapter writes itself, or that are not the provider's business. */
static bool is_reserved(struct json name)
{
    return json_string_is(name, STR("model")) || json_string_is(name, STR("messages")) ||
           json_string_is(name, STR("sim"));
}

/* Untouched: name and value as they were written, so that numbers stay exact. */
static void add_param(void *ctx, struct json_member m)
{
    struct buf *b = ctx;
    if (is_reserved(m.name))
        return;
    json_add_name(b, m.name);
    buf_add_str(b, json_raw(m.value));
}

static enum err write_body(struct buf *b, const struct call *call, struct json_doc *doc)
{
    buf_add_lit(b, "{\"model\":");
    json_add_string(b, call->model);
    buf_add_lit(b, ",\"messages\":[");
    if (call->instructions.len > 0)
        add_message(b, "system", call->instructions);
    enum err e = add_input(b, call->input, doc);
    if (e != OK)
        return e;
    buf_add_char(b, ']');
    if (!call_each_param(call, add_param, b))
        return ERR_NOMEM;
    struct json stream = call_param(call, "stream");
    if (!json_exists(stream))
        buf_add_lit(b, ",\"stream\":true");
    if (!json_is(stream, JSON_FALSE) && !json_exists(call_param(call, "stream_options")))
        buf_add_lit(b, ",\"stream_options\":{\"include_usage\":true}");
    buf_add_char(b, '}');
    return buf_ok(b);
}

static enum err build(const struct provider *p, const struct call *call, uint32_t key,
                      struct buf *body, struct json_doc *scratch, struct http_request *ret_request,
                      struct error *ret_error)
{
    enum err e = write_body(body, call, scratch);
    if (e != OK)
        return error_set(ret_error, e == ERR_INVALID_JSON ? ERR_BAD_REQUEST : e,
                         "the request cannot be built");
    ret_request->method = "POST";
    ret_request->url = p->url;
    ret_request->body = buf_str(body);
    return request_add_headers(p, STR("Authorization"), key, ret_request, ret_error);
}

static void judge(const struct provider *p, int status, struct str body, struct json_doc *scratch,
                  struct verdict *ret_verdict)
{
    verdict_of_body(ret_verdict, p, body, scratch, status);
}

const struct provider_kind provider_openai = {
    .name = "openai",
    .prepare = prepare,
    .build = build,
    .decoder_size = sizeof(struct openai_decoder),
    .decoder_init = openai_decoder_init,
    .decoder_fini = openai_decoder_fini,
    .decoder_begin = openai_decoder_begin,
    .decoder_feed = openai_decoder_feed,
    .decoder_is_complete = openai_decoder_is_complete,
    .decoder_end = openai_decoder_end,
    .judge = judge,
};
