#include "providers/answer.h"

#include "base/mem.h"

void delta_write(struct buf *b, const struct delta *d)
{
    if (d->kind != DELTA_TOOL_CALL) {
        buf_add_str(b, d->kind == DELTA_TEXT ? STR("{\"text\":") : STR("{\"reasoning\":"));
        json_add_string(b, d->text);
        buf_add_char(b, '}');
        return;
    }
    buf_add_lit(b, "{\"tool_call\":{\"index\":");
    buf_add_u64(b, d->index);
    if (d->id.at != NULL) {
        buf_add_lit(b, ",\"id\":");
        json_add_string(b, d->id);
    }
    if (d->name.at != NULL) {
        buf_add_lit(b, ",\"name\":");
        json_add_string(b, d->name);
    }
    buf_add_lit(b, ",\"arguments\":");
    json_add_string(b, d->arguments);
    buf_add_lit(b, "}}");
}

void answer_init(struct answer *a, size_t max_bytes)
{
    *a = (struct answer){.max_bytes = max_bytes};
    buf_init(&a->text, max_bytes);
}

void answer_fini(struct answer *a)
{
    buf_fini(&a->text);
    for (uint32_t i = 0; i < a->tool_call_count; i++) {
        buf_fini(&a->tool_calls[i].id);
        buf_fini(&a->tool_calls[i].name);
        buf_fini(&a->tool_calls[i].arguments);
    }
    mem_free(a->tool_calls);
    *a = (struct answer){.max_bytes = 0};
}

/* Providers number their tool calls from 0, without holes. */
static struct tool_call *tool_call_at(struct answer *a, uint32_t index)
{
    if (index < a->tool_call_count)
        return &a->tool_calls[index];
    if (index > a->tool_call_count || index >= ANSWER_MAX_TOOL_CALLS)
        return NULL;
    struct tool_call *grown = mem_realloc(a->tool_calls, (index + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    a->tool_calls = grown;
    buf_init(&grown[index].id, 1024);
    buf_init(&grown[index].name, 1024);
    buf_init(&grown[index].arguments, a->max_bytes);
    a->tool_call_count++;
    return &grown[index];
}

static enum err add_tool_call(struct answer *a, const struct delta *d)
{
    struct tool_call *call = tool_call_at(a, d->index);
    if (call == NULL)
        return ERR_LIMIT_EXCEEDED;
    if (d->id.at != NULL && call->id.len == 0)
        buf_add_str(&call->id, d->id);
    if (d->name.at != NULL && call->name.len == 0)
        buf_add_str(&call->name, d->name);
    buf_add_str(&call->arguments, d->arguments);
    if (buf_ok(&call->id) != OK || buf_ok(&call->name) != OK)
        return ERR_LIMIT_EXCEEDED;
    return buf_ok(&call->arguments);
}

enum err answer_add(struct answer *a, const struct delta *d)
{
    size_t more = d->text.len + d->id.len + d->name.len + d->arguments.len;
    if (d->kind == DELTA_REASONING)
        return OK; /* told while it comes, not a part of the answer */
    if (a->max_bytes - a->bytes < more)
        return ERR_LIMIT_EXCEEDED;
    a->bytes += more;
    if (d->kind == DELTA_TOOL_CALL)
        return add_tool_call(a, d);
    buf_add_str(&a->text, d->text);
    return buf_ok(&a->text);
}

enum err answer_set_json(struct answer *a, struct json value)
{
    buf_clear(&a->text);
    json_add_compact(&a->text, value);
    a->bytes = a->text.len;
    a->is_json = true;
    enum err e = buf_ok(&a->text);
    return e == ERR_LIMIT ? ERR_LIMIT_EXCEEDED : e;
}

void answer_set_finish_reason(struct answer *a, struct str reason)
{
    str_copy(a->finish_reason, sizeof a->finish_reason, reason);
}

void answer_write_message(struct buf *b, const struct answer *a)
{
    buf_add_lit(b, "{\"role\":\"assistant\",\"content\":");
    if (a->text.len > 0 || a->tool_call_count == 0)
        json_add_string(b, buf_str(&a->text));
    else
        buf_add_lit(b, "null");
    if (a->tool_call_count > 0) {
        buf_add_lit(b, ",\"tool_calls\":[");
        for (uint32_t i = 0; i < a->tool_call_count; i++) {
            const struct tool_call *call = &a->tool_calls[i];
            json_add_comma(b);
            buf_add_lit(b, "{\"id\":");
            json_add_string(b, buf_str(&call->id));
            buf_add_lit(b, ",\"type\":\"function\",\"function\":{\"name\":");
            json_add_string(b, buf_str(&call->name));
            buf_add_lit(b, ",\"arguments\":");
            json_add_string(b, buf_str(&call->arguments));
            buf_add_lit(b, "}}");
        }
        buf_add_char(b, ']');
    }
    buf_add_char(b, '}');
}
