/* OpenAI's chat completions, and every server that speaks them: streamed and not.
 *
 *     build            decoder_begin -> feed* -> end            judge (another status than 200)
 *     call -> JSON     SSE chunks or one JSON document -> deltas
 *
 * A stream is whole when `data: [DONE]` has come, a document when it is one JSON value with a
 * message in it. */
#include "base/mem.h"
#include "net/sse_parse.h"
#include "providers/provider.h"

/* --- the request ------------------------------------------------------------------------------ */

static void add_query(struct buf *url, const struct provider_options *o)
{
    for (uint32_t i = 0; i < o->query_count; i++) {
        buf_add_char(url, i == 0 ? '?' : '&');
        http_add_encoded(url, o->query[i].name);
        buf_add_char(url, '=');
        http_add_encoded(url, o->query[i].value);
    }
}

static enum err prepare(struct provider *p, struct error *ret_error)
{
    struct provider_options *o = &p->options;
    struct str base = o->base_url.at != NULL ? o->base_url : STR("https://api.openai.com/v1");
    if (!str_starts(base, STR("https://")) && !str_starts(base, STR("http://")))
        return error_set(ret_error, ERR_CONFIG, "base_url must begin with https:// or http://");
    while (base.len > 0 && base.at[base.len - 1] == '/')
        base.len--;
    struct buf url;
    buf_init(&url, 8192);
    buf_add_str(&url, base);
    buf_add_lit(&url, "/chat/completions");
    add_query(&url, o);
    p->url = buf_ok(&url) == OK ? arena_str(&p->arena, buf_str(&url)).at : NULL;
    buf_fini(&url);
    bool fine = p->url != NULL;
    for (uint32_t i = 0; fine && i < o->api_key_count; i++) {
        struct buf value;
        buf_init(&value, 8192);
        buf_add_lit(&value, "Bearer ");
        buf_add_str(&value, o->api_keys[i]);
        p->auth[i] = buf_ok(&value) == OK ? arena_str(&p->arena, buf_str(&value)) : STR_NONE;
        fine = p->auth[i].at != NULL;
        buf_fini(&value);
    }
    return fine ? OK : error_set(ret_error, ERR_NOMEM, "out of memory");
}

static void add_message(struct buf *b, const char *role, struct str content)
{
    json_add_comma(b);
    buf_addf(b, "{\"role\":\"%s\",\"content\":", role);
    json_add_string(b, content);
    buf_add_char(b, '}');
}

/* The conversation that an input stands for (API §5). `text` is the input of any other form, as a
 * string. */
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
        buf_add_str(b, input);
        buf_add_char(b, '}');
    } else {
        add_message(b, "user", input);
    }
    return OK;
}

/* Members that the adapter writes itself, or that are not the provider's business. */
static bool is_reserved(struct json name)
{
    return json_string_is(name, STR("model")) || json_string_is(name, STR("messages")) ||
           json_string_is(name, STR("sim"));
}

/* Untouched: name and value as they were written, so that numbers stay exact. */
static void add_param(struct buf *b, struct json_member m)
{
    if (is_reserved(m.name))
        return;
    buf_add_char(b, ',');
    buf_add_str(b, json_raw(m.name));
    buf_add_char(b, ':');
    buf_add_str(b, json_raw(m.value));
}

static void add_params(struct buf *b, const struct call *call)
{
    struct json over = call->run_params, under = call->agent_params;
    for (struct json_member m = json_first_member(under); json_exists(m.value);
         m = json_next_member(under, m)) {
        struct str raw = json_raw(m.name);
        struct str name = {raw.at + 1, raw.len - 2};
        if (!json_exists(json_get(over, name)))
            add_param(b, m);
    }
    for (struct json_member m = json_first_member(over); json_exists(m.value);
         m = json_next_member(over, m))
        add_param(b, m);
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
    add_params(b, call);
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
    bool fine = http_add_header(ret_request, STR("Content-Type"), STR("application/json"));
    if (p->options.api_key_count > 0)
        fine = fine && http_add_header(ret_request, STR("Authorization"), p->auth[key]);
    for (uint32_t i = 0; fine && i < p->options.header_count; i++)
        fine =
            http_add_header(ret_request, p->options.headers[i].name, p->options.headers[i].value);
    return fine ? OK : error_set(ret_error, ERR_BAD_REQUEST, "too many headers");
}

/* --- the answer ------------------------------------------------------------------------------- */

struct decoder {
    struct decoder_sink sink;
    struct json_doc *scratch;
    size_t max_bytes;
    struct sse_parser sse;
    struct buf document; /* an answer that is not streamed */
    bool is_stream;
    bool is_done; /* the end mark has come */
    bool has_verdict;
    struct verdict verdict;
};

static void decoder_init(struct decoder *d, const struct decoder_sink *sink,
                         struct json_doc *scratch, size_t max_bytes)
{
    d->sink = *sink;
    d->scratch = scratch;
    d->max_bytes = max_bytes;
    buf_init(&d->document, max_bytes);
}

static void decoder_fini(struct decoder *d)
{
    if (d->is_stream)
        sse_parse_fini(&d->sse);
    buf_fini(&d->document);
}

static bool fail(struct decoder *d, enum err code, struct str message)
{
    d->has_verdict = true;
    d->verdict = (struct verdict){.code = code};
    str_copy(d->verdict.message, sizeof d->verdict.message, message);
    return false;
}

/* The text of a string value, unescaped into `buf` where it has to be. */
static struct str text_of(struct json v, struct arena *arena)
{
    struct str s;
    return json_exists(v) && json_string(v, arena, &s) ? s : STR_NONE;
}

static uint64_t count_of(struct json v)
{
    int64_t n;
    return json_exists(v) && json_int(v, 0, (int64_t)1 << 53, &n) == OK ? (uint64_t)n : 0;
}

static void take_usage(struct decoder *d, struct json usage)
{
    if (!json_is(usage, JSON_OBJECT))
        return;
    struct answer *a = d->sink.answer;
    a->has_usage = true;
    a->usage.input_tokens = count_of(json_get_lit(usage, "prompt_tokens"));
    a->usage.output_tokens = count_of(json_get_lit(usage, "completion_tokens"));
}

/* An error object, in one of the shapes in which servers send it: {"message","type","code"} or a
 * bare string. */
static void judge_error(struct json error, enum err otherwise, struct verdict *ret)
{
    struct arena arena;
    arena_init(&arena, 65536);
    struct str message = json_is(error, JSON_STRING)
                             ? text_of(error, &arena)
                             : text_of(json_get_lit(error, "message"), &arena);
    struct str code = text_of(json_get_lit(error, "code"), &arena);
    struct str type = text_of(json_get_lit(error, "type"), &arena);
    *ret = (struct verdict){.code = otherwise};
    str_copy(ret->message, sizeof ret->message, message.at != NULL ? message : STR(""));
    if (str_eq(code, STR("context_length_exceeded")))
        ret->code = ERR_CONTEXT_TOO_LONG;
    else if (str_eq(code, STR("content_filter")) || str_eq(code, STR("content_policy_violation")))
        ret->code = ERR_CONTENT_REFUSED;
    else if (str_eq(code, STR("insufficient_quota")) || str_eq(type, STR("insufficient_quota")))
        ret->is_final = true;
    else if (str_eq(code, STR("rate_limit_exceeded")))
        ret->code = ERR_PROVIDER_RATE_LIMITED;
    arena_fini(&arena);
}

static bool on_error(struct decoder *d, struct json error)
{
    d->has_verdict = true;
    judge_error(error, ERR_PROVIDER_ERROR, &d->verdict);
    return false;
}

static bool give(struct decoder *d, const struct delta *delta)
{
    if (d->sink.on_delta(d->sink.ctx, delta))
        return true;
    d->has_verdict = true; /* whoever said stop has his reason */
    d->verdict = (struct verdict){.code = ERR_CANCELLED};
    return false;
}

static bool give_text(struct decoder *d, enum delta_kind kind, struct json v, struct arena *arena)
{
    struct str text = text_of(v, arena);
    return text.len == 0 || give(d, &(struct delta){.kind = kind, .text = text});
}

static bool give_tool_call(struct decoder *d, struct json call, uint32_t index, struct arena *arena)
{
    struct json function = json_get_lit(call, "function");
    struct json at = json_get_lit(call, "index");
    struct str arguments = text_of(json_get_lit(function, "arguments"), arena);
    return give(d, &(struct delta){.kind = DELTA_TOOL_CALL,
                                   .index = json_exists(at) ? (uint32_t)count_of(at) : index,
                                   .id = text_of(json_get_lit(call, "id"), arena),
                                   .name = text_of(json_get_lit(function, "name"), arena),
                                   .arguments = arguments.at != NULL ? arguments : STR("")});
}

static bool give_tool_calls(struct decoder *d, struct json calls, struct arena *arena)
{
    uint32_t i = 0;
    if (!json_is(calls, JSON_ARRAY))
        return true;
    for (struct json c = json_first(calls); json_exists(c); c = json_next(calls, c), i++) {
        if (!give_tool_call(d, c, i, arena))
            return false;
    }
    return true;
}

/* A message or a delta of one: both have the same members. */
static bool take_message(struct decoder *d, struct json message, struct arena *arena)
{
    struct json reasoning = json_get_lit(message, "reasoning_content");
    if (!json_exists(reasoning))
        reasoning = json_get_lit(message, "reasoning");
    struct str refusal = text_of(json_get_lit(message, "refusal"), arena);
    if (refusal.len > 0)
        return fail(d, ERR_CONTENT_REFUSED, refusal);
    return give_text(d, DELTA_REASONING, reasoning, arena) &&
           give_text(d, DELTA_TEXT, json_get_lit(message, "content"), arena) &&
           give_tool_calls(d, json_get_lit(message, "tool_calls"), arena);
}

static bool take_finish(struct decoder *d, struct json reason, struct arena *arena)
{
    struct str s = text_of(reason, arena);
    if (s.len == 0)
        return true;
    answer_set_finish_reason(d->sink.answer, s);
    return !str_eq(s, STR("content_filter")) ||
           fail(d, ERR_CONTENT_REFUSED, STR("the provider's content filter stopped the answer"));
}

/* One parsed document: a chunk, or the whole answer. `member` is where the message is. */
static bool take_document(struct decoder *d, struct json root, const char *member)
{
    struct json error = json_get_lit(root, "error");
    if (json_exists(error) && !json_is(error, JSON_NULL))
        return on_error(d, error);
    take_usage(d, json_get_lit(root, "usage"));
    struct json choice = json_first(json_get_lit(root, "choices"));
    if (!json_exists(choice))
        return true;
    struct arena arena;
    arena_init(&arena, d->max_bytes + 4096);
    bool go_on = take_message(d, json_get(choice, str_of(member)), &arena) &&
                 take_finish(d, json_get_lit(choice, "finish_reason"), &arena);
    arena_fini(&arena);
    return go_on;
}

static bool on_chunk(void *ctx, const struct sse_event *event)
{
    struct decoder *d = ctx;
    if (str_eq(event->data, STR("[DONE]"))) {
        d->is_done = true;
        return false; /* nothing behind it counts */
    }
    if (json_parse(d->scratch, event->data, NULL) != OK)
        return fail(d, ERR_PROVIDER_BAD_RESPONSE, STR("an event of the stream is not valid JSON"));
    struct json root = json_root(d->scratch);
    if (!json_is(root, JSON_OBJECT))
        return fail(d, ERR_PROVIDER_BAD_RESPONSE, STR("an event of the stream is not an object"));
    return take_document(d, root, "delta");
}

static void decoder_begin(struct decoder *d, struct str content_type)
{
    d->is_stream = str_starts(content_type, STR("text/event-stream"));
    if (d->is_stream)
        sse_parse_init(&d->sse, d->max_bytes, on_chunk, d);
}

static bool decoder_feed(struct decoder *d, const char *bytes, size_t len)
{
    enum err e;
    if (d->is_stream) {
        e = sse_parse_feed(&d->sse, bytes, len);
    } else {
        buf_add(&d->document, bytes, len);
        e = buf_ok(&d->document);
    }
    if (e == ERR_LIMIT && !d->has_verdict)
        return fail(d, ERR_LIMIT_EXCEEDED, STR("the answer is larger than limits.output_bytes"));
    if (e != OK && !d->has_verdict)
        return fail(d, ERR_PROVIDER_BAD_RESPONSE, STR("out of memory"));
    return !d->has_verdict;
}

static bool decoder_is_complete(const struct decoder *d)
{
    return d->is_stream && d->is_done;
}

static void read_document(struct decoder *d)
{
    if (json_parse(d->scratch, buf_str(&d->document), NULL) != OK) {
        fail(d, ERR_PROVIDER_BAD_RESPONSE, STR("the answer is not valid JSON"));
        return;
    }
    struct json root = json_root(d->scratch);
    bool has_message =
        json_is(json_get_lit(json_first(json_get_lit(root, "choices")), "message"), JSON_OBJECT);
    if (!has_message && !json_exists(json_get_lit(root, "error")))
        fail(d, ERR_PROVIDER_BAD_RESPONSE, STR("the answer holds no message"));
    else if (take_document(d, root, "message"))
        d->is_done = true;
}

static void decoder_end(struct decoder *d, struct verdict *ret_verdict)
{
    if (!d->is_stream && !d->has_verdict)
        read_document(d);
    if (!d->is_done && !d->has_verdict)
        fail(d, ERR_PROVIDER_BAD_RESPONSE, STR("the stream ended without its end mark"));
    *ret_verdict = d->has_verdict ? d->verdict : (struct verdict){.code = OK};
}

static void judge(int status, struct str body, struct json_doc *scratch,
                  struct verdict *ret_verdict)
{
    enum err code = provider_status_code(status);
    *ret_verdict = (struct verdict){.code = code};
    if (body.len == 0 || json_parse(scratch, body, NULL) != OK)
        return;
    struct json error = json_get_lit(json_root(scratch), "error");
    if (!json_exists(error))
        return;
    judge_error(error, code, ret_verdict);
    bool by_status =
        code != ERR_BAD_REQUEST; /* what the status says about the provider's health stands */
    if (by_status)
        ret_verdict->code = code;
}

const struct provider_kind provider_openai = {
    .name = "openai",
    .prepare = prepare,
    .build = build,
    .decoder_size = sizeof(struct decoder),
    .decoder_init = decoder_init,
    .decoder_fini = decoder_fini,
    .decoder_begin = decoder_begin,
    .decoder_feed = decoder_feed,
    .decoder_is_complete = decoder_is_complete,
    .decoder_end = decoder_end,
    .judge = judge,
};
