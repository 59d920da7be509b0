/* A call's params for the Messages API: what chat completions call otherwise is translated, all
 * else passes untouched. */
#include "providers/anthropic.h"

static void add_name(struct buf *b, const char *name)
{
    buf_addf(b, ",\"%s\":", name);
}

/* --- tools ------------------------------------------------------------------------------------ */

static void add_member(struct buf *b, const char *name, struct json v)
{
    if (!json_exists(v))
        return;
    json_add_key(b, name);
    buf_add_str(b, json_raw(v));
}

/* {"type":"function","function":{..}}; others are Anthropic's own. */
static void add_tool(struct buf *b, struct json tool)
{
    struct json function = json_get_lit(tool, "function");
    json_add_comma(b);
    if (!json_is(function, JSON_OBJECT)) {
        buf_add_str(b, json_raw(tool));
        return;
    }
    struct json schema = json_get_lit(function, "parameters");
    buf_add_char(b, '{');
    add_member(b, "name", json_get_lit(function, "name"));
    add_member(b, "description", json_get_lit(function, "description"));
    json_add_key(b, "input_schema");
    buf_add_str(b, json_is(schema, JSON_OBJECT) ? json_raw(schema) : STR("{\"type\":\"object\"}"));
    add_member(b, "cache_control", json_get_lit(tool, "cache_control"));
    buf_add_char(b, '}');
}

static void add_tools(struct buf *b, struct json tools)
{
    if (!json_is(tools, JSON_ARRAY) || json_count(tools) == 0)
        return;
    add_name(b, "tools");
    buf_add_char(b, '[');
    for (struct json t = json_first(tools); json_exists(t); t = json_next(tools, t))
        add_tool(b, t);
    buf_add_char(b, ']');
}

/* The words of chat completions; NULL where it is none of them. */
static const char *choice_word(struct json choice)
{
    if (json_string_is(choice, STR("none")))
        return "none";
    if (json_string_is(choice, STR("required")))
        return "any";
    return json_string_is(choice, STR("auto")) ? "auto" : NULL;
}

static void add_choice(struct buf *b, struct json choice, bool one_at_a_time)
{
    struct json name = json_get_lit(json_get_lit(choice, "function"), "name");
    const char *word = choice_word(choice);
    if (word == NULL && !json_exists(name) && json_exists(choice)) {
        add_name(b, "tool_choice");
        buf_add_str(b, json_raw(choice));
        return;
    }
    if (!json_exists(choice) && !one_at_a_time)
        return;
    add_name(b, "tool_choice");
    buf_addf(b, "{\"type\":\"%s\"", word != NULL ? word : json_exists(name) ? "tool" : "auto");
    add_member(b, "name", name);
    if (one_at_a_time && (word == NULL || *word != 'n'))
        buf_add_lit(b, ",\"disable_parallel_tool_use\":true");
    buf_add_char(b, '}');
}

/* --- the others ------------------------------------------------------------------------------- */

static void add_stop(struct buf *b, struct json stop)
{
    if (!json_is(stop, JSON_STRING) && !json_is(stop, JSON_ARRAY))
        return;
    add_name(b, "stop_sequences");
    if (json_is(stop, JSON_ARRAY)) {
        buf_add_str(b, json_raw(stop));
        return;
    }
    buf_add_char(b, '[');
    buf_add_str(b, json_raw(stop));
    buf_add_char(b, ']');
}

static void add_max_tokens(struct buf *b, const struct call *call, uint32_t otherwise)
{
    struct json max = call_param(call, "max_tokens");
    if (!json_exists(max))
        max = call_param(call, "max_completion_tokens");
    add_name(b, "max_tokens");
    if (json_exists(max) && !json_is(max, JSON_NULL))
        buf_add_str(b, json_raw(max));
    else
        buf_add_u64(b, otherwise);
}

static void add_user(struct buf *b, struct json user)
{
    if (!json_is(user, JSON_STRING))
        return;
    add_name(b, "metadata");
    buf_add_lit(b, "{\"user_id\":");
    buf_add_str(b, json_raw(user));
    buf_add_char(b, '}');
}

/* What is translated here or elsewhere, and what chat completions alone understand: usage always
 * comes in a stream. */
static bool is_translated(struct json name)
{
    static const char *const names[] = {"model",
                                        "messages",
                                        "system",
                                        "sim",
                                        "tools",
                                        "tool_choice",
                                        "stop",
                                        "user",
                                        "stream",
                                        "parallel_tool_calls",
                                        "max_tokens",
                                        "stream_options",
                                        "max_completion_tokens"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_string_is(name, str_of(names[i])))
            return true;
    }
    return false;
}

static void add_param(void *ctx, struct json_member m)
{
    struct buf *b = ctx;
    if (is_translated(m.name))
        return;
    json_add_name(b, m.name);
    buf_add_str(b, json_raw(m.value));
}

enum err anthropic_add_params(struct buf *b, const struct call *call, uint32_t max_tokens)
{
    struct json stream = call_param(call, "stream");
    add_max_tokens(b, call, max_tokens);
    add_tools(b, call_param(call, "tools"));
    add_choice(b, call_param(call, "tool_choice"),
               json_is(call_param(call, "parallel_tool_calls"), JSON_FALSE));
    if (!json_exists(call_param(call, "stop_sequences")))
        add_stop(b, call_param(call, "stop"));
    if (!json_exists(call_param(call, "metadata")))
        add_user(b, call_param(call, "user"));
    if (!call_each_param(call, add_param, b))
        return ERR_NOMEM;
    add_name(b, "stream");
    buf_add_str(b, json_exists(stream) ? json_raw(stream) : STR("true"));
    return OK;
}
