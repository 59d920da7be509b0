#include "model/attempt_view.h"

static bool is_private(struct json name)
{
    return json_string_is(name, STR("handle")) || json_string_is(name, STR("key"));
}

static void show_one(struct buf *b, struct json attempt)
{
    json_add_comma(b);
    buf_add_char(b, '{');
    for (struct json_member m = json_first_member(attempt); json_exists(m.value);
         m = json_next_member(attempt, m)) {
        if (is_private(m.name))
            continue;
        json_add_name(b, m.name);
        buf_add_str(b, json_raw(m.value));
    }
    buf_add_char(b, '}');
}

void attempts_show(struct buf *b, struct json attempts)
{
    buf_add_char(b, '[');
    for (struct json a = json_first(attempts); json_exists(a); a = json_next(attempts, a))
        show_one(b, a);
    buf_add_char(b, ']');
}

void attempts_show_text(struct buf *b, struct str attempts)
{
    struct json_doc doc;
    json_doc_init(&doc);
    bool is_there = attempts.len > 0 && json_parse(&doc, attempts, NULL) == OK;
    attempts_show(b, is_there ? json_root(&doc) : JSON_NONE);
    json_doc_fini(&doc);
}
