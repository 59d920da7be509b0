#include "model/event.h"

#include "base/clock.h"
#include "base/json.h"

struct event_row {
    struct str name;
    enum event_kind kind;
};

static const struct event_row rows[] = {
#define EVENT_ROW(symbol, name, kind) {{name, sizeof(name) - 1}, kind},
    EVENT_TABLE(EVENT_ROW)
#undef EVENT_ROW
};

const char *event_type_name(enum event_type t)
{
    return rows[t].name.at;
}

enum event_kind event_type_kind(enum event_type t)
{
    return rows[t].kind;
}

bool event_type_parse(struct str name, enum event_type *ret_type)
{
    for (size_t i = 0; i < EVENT_TYPE_COUNT; i++) {
        if (str_eq(rows[i].name, name)) {
            *ret_type = (enum event_type)i;
            return true;
        }
    }
    return false;
}

/* Up to the stamp's quote. */
static void begin_of_run(struct buf *b, const struct event_head *head)
{
    buf_add_lit(b, "{\"seq\":");
    buf_add_u64(b, head->seq);
    buf_add_lit(b, ",\"type\":\"");
    buf_add_str(b, rows[head->type].name);
    buf_add_lit(b, "\",\"run_id\":\"");
    buf_add_str(b, head->run);
    buf_add_lit(b, "\",\"at\":\"");
}

static void begin_of_none(struct buf *b, const struct event_head *head)
{
    buf_add_lit(b, "{\"seq\":null,\"type\":\"");
    buf_add_str(b, rows[head->type].name);
    buf_add_lit(b, "\",\"run_id\":null,\"at\":\"");
}

void event_begin(struct buf *b, const struct event_head *head)
{
    if (head->run.at != NULL)
        begin_of_run(b, head);
    else
        begin_of_none(b, head);
    char *at = buf_reserve(b, CLOCK_TEXT);
    if (at == NULL)
        return;
    clock_format(head->at_ms, at);
    buf_added(b, CLOCK_TEXT);
    if (head->task.at != NULL) {
        buf_add_lit(b, "\",\"task\":\"");
        buf_add_str(b, head->task); /* digits and slashes */
        buf_add_lit(b, "\",\"attempt\":");
    } else {
        buf_add_lit(b, "\",\"task\":null,\"attempt\":");
    }
    if (head->attempt > 0)
        buf_add_u64(b, head->attempt);
    else
        buf_add_lit(b, "null");
    buf_add_lit(b, ",\"data\":");
}

void event_end(struct buf *b)
{
    buf_add_lit(b, "}\n");
}

bool event_next_line(struct str *lines, struct event_line *ret_line)
{
    static const struct str before_seq = {"{\"seq\":", 7};
    static const struct str before_type = {"\"type\":\"", 8};
    struct str line = str_cut(lines, '\n');
    bool is_cut = lines->at == NULL; /* its newline is missing */
    if (is_cut || !str_starts(line, before_seq))
        return false;
    ret_line->json = line;
    line.at += before_seq.len;
    line.len -= before_seq.len;
    struct str seq = str_cut(&line, ',');
    bool is_of_none = str_eq(seq, STR("null"));
    if (is_of_none)
        ret_line->seq = 0;
    if ((!is_of_none && !str_to_u64(seq, &ret_line->seq)) || !str_starts(line, before_type))
        return false;
    line.at += before_type.len;
    line.len -= before_type.len;
    ret_line->type = str_cut(&line, '"');
    return line.at != NULL;
}

/* The first string that stands behind `mark`: those of the head come before the data. */
static struct str string_behind(const struct event_line *line, struct str mark)
{
    const char *at = memmem(line->json.at, line->json.len, mark.at, mark.len);
    if (at == NULL)
        return STR_NONE;
    at += mark.len;
    struct str rest = {at, (size_t)(line->json.at + line->json.len - at)};
    return str_cut(&rest, '"');
}

struct str event_line_at(const struct event_line *line)
{
    return string_behind(line, STR(",\"at\":\""));
}

struct str event_line_task(const struct event_line *line)
{
    return string_behind(line, STR(",\"task\":\""));
}
