#include "cli/event.h"

#include "cli/render.h"

struct str event_text(struct json object, struct str name, struct arena *arena)
{
    struct str s;
    return json_string(json_get(object, name), arena, &s) ? s : STR("");
}

bool event_read(struct json root, struct arena *arena, struct event *ret)
{
    struct json task = json_get_lit(root, "task");
    int64_t seq;
    *ret = (struct event){.type = event_text(root, STR("type"), arena),
                          .data = json_get_lit(root, "data")};
    ret->has_seq = json_int(json_get_lit(root, "seq"), 0, INT64_MAX, &seq) == OK;
    if (ret->has_seq)
        ret->seq = (uint64_t)seq;
    if (json_is(task, JSON_STRING))
        ret->task = event_text(root, STR("task"), arena);
    if (!render_read_time(json_get_lit(root, "at"), &ret->at_ms))
        ret->at_ms = 0;
    if (json_int(json_get_lit(root, "attempt"), 0, INT64_MAX, &ret->attempt) != OK)
        ret->attempt = 0;
    return ret->type.len > 0;
}
