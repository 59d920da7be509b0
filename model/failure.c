#include "model/failure.h"

#include "base/json.h"

void failure_write(struct buf *b, const struct failure *f)
{
    buf_addf(b, "{\"code\":\"%s\",\"message\":", err_code(f->code));
    json_add_string(b, f->message.len > 0 ? f->message : str_of(err_title(f->code)));
    buf_addf(b, ",\"retryable\":%s,\"task\":", err_is_retryable(f->code) ? "true" : "false");
    json_add_string_or_null(b, f->task);
    buf_add_lit(b, ",\"provider\":");
    json_add_string_or_null(b, f->provider);
    buf_addf(b, ",\"attempts\":%u,\"errors\":", (unsigned)f->attempts);
    buf_add_str(b, f->errors.at != NULL ? f->errors : STR("[]"));
    if (f->partial.at != NULL) {
        buf_add_lit(b, ",\"partial\":");
        buf_add_str(b, f->partial);
    }
    buf_add_char(b, '}');
}

/* --- moving ----------------------------------------------------------------------------------- */

static void move_entry(struct buf *b, struct json error, struct str task);

static void move_entries(struct buf *b, struct json errors, struct str task)
{
    buf_add_char(b, '[');
    for (struct json e = json_first(errors); json_exists(e); e = json_next(errors, e)) {
        json_add_comma(b);
        move_entry(b, e, task);
    }
    buf_add_char(b, ']');
}

static void move_entry(struct buf *b, struct json error, struct str task)
{
    buf_add_char(b, '{');
    for (struct json_member m = json_first_member(error); json_exists(m.value);
         m = json_next_member(error, m)) {
        json_add_comma(b);
        buf_add_str(b, json_raw(m.name));
        buf_add_char(b, ':');
        if (json_string_is(m.name, STR("task")))
            json_add_string(b, task);
        else if (json_string_is(m.name, STR("errors")))
            move_entries(b, m.value, task);
        else
            buf_add_str(b, json_raw(m.value));
    }
    buf_add_char(b, '}');
}

enum err failure_move(struct buf *b, struct str error, struct str task, struct json_doc *scratch,
                      enum err *ret_code)
{
    enum err e = json_parse(scratch, error, NULL);
    if (e != OK)
        return e;
    struct json root = json_root(scratch);
    struct str code = json_raw(json_get_lit(root, "code"));
    if (code.len < 2)
        return ERR_INVALID_JSON;
    move_entry(b, root, task);
    enum err known = err_from_code(code.at + 1, code.len - 2);
    *ret_code = known == ERR_COUNT_ ? ERR_INTERNAL : known;
    return buf_ok(b);
}
