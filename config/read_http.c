/* What only providers of the kind `http` have: pointers, a request's template, and short lists. */
#include "config/reader.h"
#include "providers/http_form.h"

enum { FORM_TEXT_MAX = 1048576, FORM_MAX = 16777216 };

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

/* Would it make a request? Said here, where each mistake has a place in the file. */
static bool is_form(struct reader *r, struct json v, const struct doc_path *at)
{
    struct problem problem;
    struct arena scratch;
    struct http_form form;
    problem_init(&problem);
    arena_init(&scratch, FORM_MAX);
    struct check c = {.problem = &problem, .arena = &scratch};
    bool fine = http_form_read(&c, v, at, HTTP_FORM_TEMPLATE, &form);
    reader_problem(r, json_root(v.doc), &problem);
    r->no_memory |= c.no_memory;
    arena_fini(&scratch);
    return fine;
}

void read_template(struct reader *r, const struct schema_row *row, struct json v,
                   const struct doc_path *at, void *base)
{
    if (!json_is(v, JSON_OBJECT))
        reader_fault(r, v, at, "must be an object");
    if (!json_is(v, JSON_OBJECT) || !is_form(r, v, at))
        return;
    struct buf text;
    buf_init(&text, FORM_TEXT_MAX);
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
