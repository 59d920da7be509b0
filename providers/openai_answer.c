/* The answer of chat completions, streamed and not. */
#include "providers/openai.h"

static struct openai_decoder *of(struct decoder *d)
{
    return (struct openai_decoder *)(void *)d;
}

void openai_decoder_init(struct decoder *d, const struct decoder_setup *setup)
{
    outlet_init(&of(d)->out, setup);
    buf_init(&of(d)->refusal, OPENAI_REFUSAL_MAX);
}

void openai_decoder_fini(struct decoder *d)
{
    intake_fini(&of(d)->intake);
    tool_slots_fini(&of(d)->tools);
    buf_fini(&of(d)->refusal);
}

/* --- what a message holds --------------------------------------------------------------------- */

static bool take_parts(struct openai_decoder *d, struct json parts, enum delta_kind kind);

/* A part of a message: text, or thinking, which may hold parts again. */
static bool take_part(struct openai_decoder *d, struct json part, enum delta_kind kind)
{
    struct json thinking = json_get_lit(part, "thinking");
    if (json_is(thinking, JSON_ARRAY))
        return take_parts(d, thinking, DELTA_REASONING);
    if (json_exists(thinking))
        return outlet_give_text(&d->out, DELTA_REASONING, thinking);
    return outlet_give_text(&d->out, kind, json_get_lit(part, "text"));
}

/* Nesting is bounded by json_parse. */
static bool take_parts(struct openai_decoder *d, struct json parts, enum delta_kind kind)
{
    for (struct json p = json_first(parts); json_exists(p); p = json_next(parts, p)) {
        if (!take_part(d, p, kind))
            return false;
    }
    return true;
}

static bool take_content(struct openai_decoder *d, struct json content)
{
    if (json_is(content, JSON_ARRAY))
        return take_parts(d, content, DELTA_TEXT);
    return outlet_give_text(&d->out, DELTA_TEXT, content);
}

/* Two names are in use for it. */
static bool take_reasoning(struct openai_decoder *d, struct json message)
{
    struct json reasoning = json_get_lit(message, "reasoning_content");
    if (!json_is(reasoning, JSON_STRING))
        reasoning = json_get_lit(message, "reasoning");
    return outlet_give_text(&d->out, DELTA_REASONING, reasoning);
}

static void take_refusal(struct openai_decoder *d, struct json refusal)
{
    struct str text = outlet_text(&d->out, refusal);
    size_t room = OPENAI_REFUSAL_MAX - d->refusal.len;
    d->was_refused |= text.len > 0;
    buf_add(&d->refusal, text.at, text.len < room ? text.len : room);
}

/* `index`: where it stands in its list, NULL where that says nothing. */
static bool take_tool_call(struct openai_decoder *d, struct json call, const uint64_t *index)
{
    struct json function = json_get_lit(call, "function");
    struct json at = json_get_lit(call, "index");
    uint64_t number = outlet_count(at);
    struct str id = outlet_text(&d->out, json_get_lit(call, "id"));
    struct str name = outlet_text(&d->out, json_get_lit(function, "name"));
    struct json arguments = json_get_lit(function, "arguments");
    struct str text = outlet_text(&d->out, arguments);
    if (json_is(arguments, JSON_OBJECT)) /* some servers take the string apart */
        text = json_raw(arguments);
    uint32_t slot;
    if (!tool_slots_find(&d->tools, json_is(at, JSON_NUMBER) ? &number : index, id, &slot))
        return outlet_fail(&d->out, ERR_LIMIT_EXCEEDED, STR("the answer has too many tool calls"));
    return outlet_give(&d->out, &(struct delta){.kind = DELTA_TOOL_CALL,
                                                .index = slot,
                                                .id = id.len > 0 ? id : STR_NONE,
                                                .name = name.len > 0 ? name : STR_NONE,
                                                .arguments = text.at != NULL ? text : STR("")});
}

static bool take_tool_calls(struct openai_decoder *d, struct json calls)
{
    bool is_whole = d->intake.form == INTAKE_DOCUMENT;
    uint64_t i = 0;
    for (struct json c = json_first(calls); json_exists(c); c = json_next(calls, c), i++) {
        if (!take_tool_call(d, c, is_whole ? &i : NULL))
            return false;
    }
    return true;
}

/* What tool calls were before there could be several. */
static bool take_function_call(struct openai_decoder *d, struct json function)
{
    struct str name = outlet_text(&d->out, json_get_lit(function, "name"));
    struct str arguments = outlet_text(&d->out, json_get_lit(function, "arguments"));
    if (!json_is(function, JSON_OBJECT))
        return true;
    return outlet_give(&d->out,
                       &(struct delta){.kind = DELTA_TOOL_CALL,
                                       .name = name.len > 0 ? name : STR_NONE,
                                       .arguments = arguments.at != NULL ? arguments : STR("")});
}

/* A message or a delta of one: both have the same members. */
static bool take_message(struct openai_decoder *d, struct json message)
{
    take_refusal(d, json_get_lit(message, "refusal"));
    return take_reasoning(d, message) && take_content(d, json_get_lit(message, "content")) &&
           take_tool_calls(d, json_get_lit(message, "tool_calls")) &&
           take_function_call(d, json_get_lit(message, "function_call"));
}

/* --- documents -------------------------------------------------------------------------------- */

static void take_usage(struct openai_decoder *d, struct json usage)
{
    if (!json_is(usage, JSON_OBJECT))
        return;
    struct answer *a = d->out.sink.answer;
    a->has_usage = true;
    a->usage.input_tokens = outlet_count(json_get_lit(usage, "prompt_tokens"));
    a->usage.output_tokens = outlet_count(json_get_lit(usage, "completion_tokens"));
}

static bool take_finish(struct openai_decoder *d, struct json reason)
{
    struct str s = outlet_text(&d->out, reason);
    if (s.len == 0)
        return true;
    answer_set_finish_reason(d->out.sink.answer, s);
    return !str_eq(s, STR("content_filter")) ||
           outlet_fail(&d->out, ERR_CONTENT_REFUSED,
                       STR("the provider's content filter stopped the answer"));
}

static bool take_choice(struct openai_decoder *d, struct json choice, struct str member)
{
    struct json error = verdict_find_error(choice, false);
    if (json_exists(error))
        return outlet_fail_error(&d->out, error);
    return take_message(d, json_get(choice, member)) &&
           take_finish(d, json_get_lit(choice, "finish_reason"));
}

/* A chunk, or the whole answer. `member` is where its message is. */
static bool take_document(struct openai_decoder *d, struct json root, struct str member)
{
    struct json error = verdict_find_error(root, false);
    if (json_exists(error))
        return outlet_fail_error(&d->out, error);
    take_usage(d, json_get_lit(json_get_lit(root, "x_groq"), "usage"));
    take_usage(d, json_get_lit(root, "usage"));
    struct json choice = json_first(json_get_lit(root, "choices"));
    return !json_exists(choice) || take_choice(d, choice, member);
}

static bool take_chunk(struct openai_decoder *d, struct str type, struct json root)
{
    if (!json_is(root, JSON_OBJECT))
        return outlet_fail(&d->out, ERR_PROVIDER_BAD_RESPONSE,
                           STR("an event of the stream is not an object"));
    if (str_eq(type, STR("error")) && !json_exists(verdict_find_error(root, false)))
        return outlet_fail_error(&d->out, verdict_find_error(root, true));
    return take_document(d, root, STR("delta"));
}

static bool take_whole(struct openai_decoder *d, struct json root)
{
    struct json choice = json_first(json_get_lit(root, "choices"));
    bool is_answer = json_is(json_get_lit(choice, "message"), JSON_OBJECT) ||
                     json_exists(verdict_find_error(root, false)) ||
                     json_exists(verdict_find_error(choice, false));
    if (!is_answer)
        return outlet_fail(&d->out, ERR_PROVIDER_BAD_RESPONSE, STR("the answer holds no message"));
    d->is_done = true;
    return take_document(d, root, STR("message"));
}

static bool on_piece(void *ctx, struct str type, struct str data)
{
    struct openai_decoder *d = ctx;
    struct json root;
    if (d->intake.form == INTAKE_SSE && str_eq(data, STR("[DONE]"))) {
        d->is_done = true;
        return false; /* nothing behind it counts */
    }
    if (!outlet_open(&d->out, data, &root))
        return false;
    bool goes_on = d->intake.form == INTAKE_SSE ? take_chunk(d, type, root) : take_whole(d, root);
    return outlet_close(&d->out) && goes_on;
}

/* --- bytes ------------------------------------------------------------------------------------ */

void openai_decoder_begin(struct decoder *d, const struct answer_head *head)
{
    bool is_stream = intake_form_of(head->content_type) == INTAKE_SSE;
    intake_open(&of(d)->intake, is_stream ? INTAKE_SSE : INTAKE_DOCUMENT, of(d)->out.max_bytes,
                on_piece, d);
}

bool openai_decoder_feed(struct decoder *d, const char *bytes, size_t len)
{
    return outlet_check_feed(&of(d)->out, intake_feed(&of(d)->intake, bytes, len));
}

bool openai_decoder_is_complete(const struct decoder *d)
{
    const struct openai_decoder *o = (const struct openai_decoder *)(const void *)d;
    return o->intake.form == INTAKE_SSE && o->is_done;
}

void openai_decoder_end(struct decoder *d, struct verdict *ret_verdict)
{
    struct openai_decoder *o = of(d);
    if (!o->out.has_verdict)
        intake_end(&o->intake);
    if (o->is_done && o->was_refused)
        outlet_fail(&o->out, ERR_CONTENT_REFUSED, buf_str(&o->refusal));
    outlet_finish(&o->out, o->is_done, ret_verdict);
}
