#include "model/reason.h"

#include "base/json.h"
#include "model/stamp.h"

static const char *const codes[] = {
#define REASON_ROW(symbol, code, message) code,
    REASON_TABLE(REASON_ROW)
#undef REASON_ROW
};

static const char *const messages[] = {
#define REASON_ROW(symbol, code, message) message,
    REASON_TABLE(REASON_ROW)
#undef REASON_ROW
};

const char *reason_code_name(enum reason_code code)
{
    return codes[code];
}

void reason_write(struct buf *b, const struct reason *r)
{
    if (r->code == REASON_NONE) {
        buf_add_lit(b, "null");
        return;
    }
    buf_addf(b, "{\"code\":\"%s\",\"blocked_on\":", codes[r->code]);
    if (r->blocked_on[0] != '\0')
        json_add_string(b, str_of(r->blocked_on));
    else
        buf_add_lit(b, "null");
    buf_add_lit(b, ",\"since\":");
    stamp_write(b, r->since_ms);
    buf_add_lit(b, ",\"until\":");
    stamp_write(b, r->until_ms);
    buf_add_lit(b, ",\"message\":");
    json_add_string(b, str_of(r->note[0] != '\0' ? r->note : messages[r->code]));
    buf_add_char(b, '}');
}

static int64_t read_time(struct json v)
{
    struct str raw = json_raw(v);
    int64_t ms = 0;
    if (raw.len < 2 || raw.at[0] != '"' || !clock_parse((struct str){raw.at + 1, raw.len - 2}, &ms))
        return 0;
    return ms;
}

static enum reason_code code_of(struct json v)
{
    for (size_t i = 1; i < sizeof codes / sizeof codes[0]; i++) {
        if (json_string_is(v, str_of(codes[i])))
            return (enum reason_code)i;
    }
    return REASON_NONE;
}

static void read_text(struct json v, char *dst, size_t size)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct str s;
    if (json_exists(v) && json_string(v, &arena, &s))
        str_copy(dst, size, s);
    arena_fini(&arena);
}

void reason_read(struct reason *ret, struct str json)
{
    *ret = (struct reason){0};
    struct json_doc doc;
    json_doc_init(&doc);
    if (json.len > 0 && json_parse(&doc, json, NULL) == OK) {
        struct json root = json_root(&doc);
        ret->code = code_of(json_get_lit(root, "code"));
    }
    if (ret->code != REASON_NONE) {
        struct json root = json_root(&doc);
        ret->since_ms = read_time(json_get_lit(root, "since"));
        ret->until_ms = read_time(json_get_lit(root, "until"));
        read_text(json_get_lit(root, "blocked_on"), ret->blocked_on, sizeof ret->blocked_on);
        read_text(json_get_lit(root, "message"), ret->note, sizeof ret->note);
        if (str_eq(str_of(ret->note), str_of(messages[ret->code])))
            ret->note[0] = '\0';
    }
    json_doc_fini(&doc);
}
