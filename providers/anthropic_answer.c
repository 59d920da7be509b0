/* The answer of the Messages API, streamed and not. */
#include "providers/anthropic.h"

static struct anthropic_decoder *of(struct decoder *d)
{
    return (struct anthropic_decoder *)(void *)d;
}

void anthropic_decoder_init(struct decoder *d, const struct decoder_setup *setup)
{
    outlet_init(&of(d)->out, setup);
}

void anthropic_decoder_fini(struct decoder *d)
{
    intake_fini(&of(d)->intake);
    tool_slots_fini(&of(d)->tools);
}

static bool is_type(struct json v, const char *type)
{
    return json_string_is(json_get_lit(v, "type"), str_of(type));
}

/* --- usage and the end ------------------------------------------------------------------------ */

/* Comes at the start with the prompt, and at the end with the answer; each count is the latest.
 * What was read from or written to the cache is a part of the prompt. */
static void take_usage(struct anthropic_decoder *d, struct json usage)
{
    static const char *const parts[] = {"input_tokens", "cache_creation_input_tokens",
                                        "cache_read_input_tokens"};
    struct answer *a = d->out.sink.answer;
    struct json output = json_get_lit(usage, "output_tokens");
    uint64_t input = 0;
    if (!json_is(usage, JSON_OBJECT))
        return;
    a->has_usage = true;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        input = usage_sum(input, outlet_count(json_get(usage, str_of(parts[i]))));
    if (json_is(json_get_lit(usage, "input_tokens"), JSON_NUMBER))
        a->usage.input_tokens = input;
    if (json_exists(output))
        a->usage.output_tokens = outlet_count(output);
}

/* In the words of chat completions, where they have one. */
static void take_stop(struct anthropic_decoder *d, struct json reason)
{
    static const struct {
        const char *own, *neutral;
    } words[] = {{"end_turn", "stop"},
                 {"stop_sequence", "stop"},
                 {"max_tokens", "length"},
                 {"model_context_window_exceeded", "length"},
                 {"tool_use", "tool_calls"}};
    struct str s = outlet_text(&d->out, reason);
    d->was_refused |= str_eq(s, STR("refusal"));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_eq(s, str_of(words[i].own)))
            s = str_of(words[i].neutral);
    }
    if (s.len > 0)
        answer_set_finish_reason(d->out.sink.answer, s);
}

/* --- blocks ----------------------------------------------------------------------------------- */

/* A piece of the tool call in block `index`; `begin` is the block where it begins. */
static bool give_tool_call(struct anthropic_decoder *d, uint64_t index, struct json begin,
                           struct str arguments)
{
    struct delta delta = {.kind = DELTA_TOOL_CALL, .arguments = arguments};
    if (!tool_slots_find(&d->tools, &index, STR(""), &delta.index))
        return outlet_fail(&d->out, ERR_LIMIT_EXCEEDED, STR("the answer has too many tool calls"));
    d->tools.slots[delta.index].has_arguments |= arguments.len > 0;
    delta.id = outlet_text(&d->out, json_get_lit(begin, "id"));
    delta.name = outlet_text(&d->out, json_get_lit(begin, "name"));
    return outlet_give(&d->out, &delta);
}

/* Where a block begins; in a document it is the whole block. */
static bool take_block(struct anthropic_decoder *d, uint64_t index, struct json block,
                       bool is_whole)
{
    if (is_type(block, "text"))
        return outlet_give_text(&d->out, DELTA_TEXT, json_get_lit(block, "text"));
    if (is_type(block, "thinking"))
        return outlet_give_text(&d->out, DELTA_REASONING, json_get_lit(block, "thinking"));
    if (!is_type(block, "tool_use"))
        return true; /* what the server does by itself is no output */
    struct json input = json_get_lit(block, "input");
    bool has_input = is_whole || json_count(input) > 0;
    return give_tool_call(d, index, block,
                          has_input && json_exists(input) ? json_raw(input) : STR(""));
}

static bool take_delta(struct anthropic_decoder *d, uint64_t index, struct json delta)
{
    if (is_type(delta, "text_delta"))
        return outlet_give_text(&d->out, DELTA_TEXT, json_get_lit(delta, "text"));
    if (is_type(delta, "thinking_delta"))
        return outlet_give_text(&d->out, DELTA_REASONING, json_get_lit(delta, "thinking"));
    if (!is_type(delta, "input_json_delta"))
        return true;
    struct str piece = outlet_text(&d->out, json_get_lit(delta, "partial_json"));
    bool is_ours = false; /* the input of a server's own tool comes the same way */
    for (uint32_t i = 0; i < d->tools.count; i++)
        is_ours |= d->tools.slots[i].index == index;
    if (!is_ours || (piece.len == 0 && !d->out.no_memory))
        return true;
    return give_tool_call(d, index, JSON_NONE, piece);
}

/* A tool without arguments sends no piece of them. */
static bool end_block(struct anthropic_decoder *d, uint64_t index)
{
    for (uint32_t i = 0; i < d->tools.count; i++) {
        const struct tool_slot *slot = &d->tools.slots[i];
        if (slot->index == index && !slot->has_arguments)
            return give_tool_call(d, index, JSON_NONE, STR("{}"));
    }
    return true;
}

/* --- documents -------------------------------------------------------------------------------- */

static bool take_event(struct anthropic_decoder *d, struct json root)
{
    uint64_t index = outlet_count(json_get_lit(root, "index"));
    struct json error = verdict_find_error(root, false);
    if (json_exists(error))
        return outlet_fail_error(&d->out, error);
    if (is_type(root, "message_start"))
        take_usage(d, json_get_lit(json_get_lit(root, "message"), "usage"));
    if (is_type(root, "content_block_start"))
        return take_block(d, index, json_get_lit(root, "content_block"), false);
    if (is_type(root, "content_block_delta"))
        return take_delta(d, index, json_get_lit(root, "delta"));
    if (is_type(root, "content_block_stop"))
        return end_block(d, index);
    if (is_type(root, "message_delta")) {
        take_usage(d, json_get_lit(root, "usage"));
        take_stop(d, json_get_lit(json_get_lit(root, "delta"), "stop_reason"));
    }
    d->is_done = is_type(root, "message_stop");
    return !d->is_done;
}

static bool take_whole(struct anthropic_decoder *d, struct json root)
{
    struct json error = verdict_find_error(root, false);
    struct json content = json_get_lit(root, "content");
    if (json_exists(error))
        return outlet_fail_error(&d->out, error);
    if (!json_is(content, JSON_ARRAY))
        return outlet_fail(&d->out, ERR_PROVIDER_BAD_RESPONSE, STR("the answer holds no message"));
    d->is_done = true;
    take_usage(d, json_get_lit(root, "usage"));
    take_stop(d, json_get_lit(root, "stop_reason"));
    uint64_t i = 0;
    for (struct json c = json_first(content); json_exists(c); c = json_next(content, c), i++) {
        if (!take_block(d, i, c, true))
            return false;
    }
    return true;
}

static bool on_piece(void *ctx, struct str type, struct str data)
{
    struct anthropic_decoder *d = ctx;
    struct json root;
    (void)type; /* stands in the data as well */
    if (!outlet_open(&d->out, data, &root))
        return false;
    bool goes_on = d->intake.form == INTAKE_SSE ? take_event(d, root) : take_whole(d, root);
    return outlet_close(&d->out) && goes_on;
}

/* --- bytes ------------------------------------------------------------------------------------ */

void anthropic_decoder_begin(struct decoder *d, const struct answer_head *head)
{
    bool is_stream = intake_form_of(head->content_type) == INTAKE_SSE;
    intake_open(&of(d)->intake, is_stream ? INTAKE_SSE : INTAKE_DOCUMENT, of(d)->out.max_bytes,
                on_piece, d);
}

bool anthropic_decoder_feed(struct decoder *d, const char *bytes, size_t len)
{
    return outlet_check_feed(&of(d)->out, intake_feed(&of(d)->intake, bytes, len));
}

bool anthropic_decoder_is_complete(const struct decoder *d)
{
    const struct anthropic_decoder *a = (const struct anthropic_decoder *)(const void *)d;
    return a->intake.form == INTAKE_SSE && a->is_done;
}

void anthropic_decoder_end(struct decoder *d, struct verdict *ret_verdict)
{
    struct anthropic_decoder *a = of(d);
    if (!a->out.has_verdict)
        intake_end(&a->intake);
    if (a->is_done && a->was_refused)
        outlet_fail(&a->out, ERR_CONTENT_REFUSED, STR("the model refused to answer"));
    outlet_finish(&a->out, a->is_done, ret_verdict);
}
