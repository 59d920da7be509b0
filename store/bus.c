#include "store/bus.h"

#include <stdio.h>

size_t bus_cursor_format(const struct bus_cursor *c, char ret_text[BUS_CURSOR_TEXT])
{
    int n = snprintf(ret_text, BUS_CURSOR_TEXT, "%llu-%lu", (unsigned long long)c->key,
                     (unsigned long)c->count);
    return (size_t)n; /* 20 digits, a dash, 10 digits */
}

bool bus_cursor_parse(struct str text, struct bus_cursor *ret_cursor)
{
    uint64_t key, count;
    struct str key_text = str_cut(&text, '-');
    if (!str_to_u64(key_text, &key) || key > INT64_MAX)
        return false;
    if (!str_to_u64(text, &count) || count > UINT32_MAX)
        return false;
    *ret_cursor = (struct bus_cursor){.key = key, .count = (uint32_t)count};
    return true;
}

static void add_line(struct buf *out, const struct bus_cursor *at, struct str json)
{
    char id[BUS_CURSOR_TEXT];
    size_t n = bus_cursor_format(at, id);
    buf_add_lit(out, "{\"id\":\"");
    buf_add(out, id, n);
    buf_add_lit(out, "\",");
    buf_add(out, json.at + 1, json.len - 1);
    buf_add_char(out, '\n');
}

void bus_add_segment(struct buf *out, const struct bus_cursor *after, event_set types, uint64_t key,
                     struct str lines)
{
    struct event_line line;
    struct bus_cursor at = {.key = key};
    uint32_t skip = after->key == key ? after->count : 0;
    while (event_next_line(&lines, &line)) {
        enum event_type t;
        bool is_behind = at.count++ >= skip;
        if (is_behind && event_type_parse(line.type, &t) && (types & event_set_of(t)) != 0)
            add_line(out, &at, line.json);
    }
}

/* Takes `text` off the front; false where something else stands there. */
static bool skip(struct str *s, struct str text)
{
    if (!str_starts(*s, text))
        return false;
    *s = (struct str){s->at + text.len, s->len - text.len};
    return true;
}

bool bus_next_line(struct str *lines, struct bus_line *ret_line)
{
    struct str line = str_cut(lines, '\n');
    ret_line->json = line;
    if (!skip(&line, STR("{\"id\":\"")))
        return false;
    ret_line->id = str_cut(&line, '"');
    if (!skip(&line, STR(",\"seq\":")))
        return false;
    str_cut(&line, ',');
    if (!skip(&line, STR("\"type\":\"")))
        return false;
    ret_line->type = str_cut(&line, '"');
    return line.at != NULL;
}
