/* What only providers of the kind `http` have: pointers, a request's template, and short lists. */
#include "config/reader.h"

static void *field_of(const struct schema_row *row, void *base)
{
    return (char *)base + row->field.offset;
}

void read_pointer(struct reader *r, const struct schema_row *row, struct json v,
                  const struct doc_path *at, void *base)
{
    struct str s;
    if (!reader_text(r, row, v, at, &s))
        return;
    if (s.len == 0 || s.at[0] == '/')
        memcpy(field_of(row, base), &s, sizeof s);
    else
        reader_fault(r, v, at, "must be a JSON pointer: empty, or with a slash in front");
}

/* --- the template of a request ---------------------------------------------------------------- */

static bool is_member(struct json name)
{
    static const char *const names[] = {"method", "path", "query", "headers", "body"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_string_is(name, str_of(names[i])))
            return true;
    }
    return false;
}

static bool are_members_fine(struct reader *r, struct json v, const struct doc_path *at)
{
    uint32_t before = reader_faults(r);
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m)) {
        if (!is_member(m.name))
            reader_fault(r, m.name, at, "has the members method, path, query, headers and body");
    }
    return reader_faults(r) == before;
}

void read_template(struct reader *r, const struct schema_row *row, struct json v,
                   const struct doc_path *at, void *base)
{
    if (!json_is(v, JSON_OBJECT)) {
        reader_fault(r, v, at, "must be an object");
        return;
    }
    if (!are_members_fine(r, v, at))
        return;
    struct buf text;
    buf_init(&text, 1048576);
    json_add_compact(&text, v);
    struct str s = buf_ok(&text) == OK ? arena_str(&r->config->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    if (s.at != NULL)
        memcpy(field_of(row, base), &s, sizeof s);
    r->no_memory |= s.at == NULL;
}

/* --- lists ------------------------------------------------------------------------------------ */

void read_words(struct reader *r, const struct schema_row *row, struct json v,
                const struct doc_path *at, void *base)
{
    static const struct schema_row word = {.min = 1, .max = 128};
    struct http_words *words = field_of(row, base);
    if (!reader_count(r, row, v, JSON_ARRAY, at))
        return;
    uint64_t i = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
        struct doc_path here = doc_path_index(at, i++);
        if (reader_text(r, &word, e, &here, &words->at[words->count]))
            words->count++;
    }
}

void read_codes(struct reader *r, const struct schema_row *row, struct json v,
                const struct doc_path *at, void *base)
{
    struct http_codes *codes = field_of(row, base);
    if (!reader_count(r, row, v, JSON_ARRAY, at))
        return;
    uint64_t i = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
        struct doc_path here = doc_path_index(at, i++);
        int64_t code;
        if (json_int(e, 200, 599, &code) == OK)
            codes->at[codes->count++] = (uint32_t)code;
        else
            reader_fault(r, e, &here, "must be a status between 200 and 599");
    }
}
