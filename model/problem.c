#include "model/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"

struct field_row {
    const char *code;
    const char *detail;
};

static const struct field_row rows[] = {
#define FIELD_ROW(symbol, code, detail) {code, detail},
    FIELD_TABLE(FIELD_ROW)
#undef FIELD_ROW
};

const char *field_code_name(enum field_code code)
{
    return rows[code].code;
}

void problem_init(struct problem *p)
{
    /* The fields are large and each is written whole when it is added. */
    p->code = OK;
    p->detail[0] = '\0';
    p->field_count = p->found = 0;
    p->line = p->column = 0;
    p->retry_after_s = 0;
    p->allow = NULL;
}

enum err problem_set(struct problem *p, enum err code, const char *format, ...)
{
    p->code = code;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(p->detail, sizeof p->detail, format, args);
    va_end(args);
    if (n < 0)
        p->detail[0] = '\0';
    else if ((size_t)n >= sizeof p->detail)
        p->detail[str_utf8_floor(p->detail, sizeof p->detail - 1)] = '\0';
    return code;
}

/* No more of a name than a pointer can hold. */
static struct str clip(struct str name)
{
    const size_t most = sizeof((struct field_error *)NULL)->pointer;
    if (name.len > most)
        name.len = str_utf8_floor(name.at, most);
    return name;
}

static void write_pointer(struct buf *b, const struct doc_path *at)
{
    if (at == NULL || at->up == NULL)
        return;
    write_pointer(b, at->up);
    if (at->name.at != NULL)
        json_pointer_add_name(b, clip(at->name));
    else
        json_pointer_add_index(b, at->index);
}

static struct field_error *next_field(struct problem *p, const struct doc_path *at)
{
    p->found++;
    if (p->field_count == PROBLEM_MAX_FIELDS)
        return NULL;
    struct field_error *f = &p->fields[p->field_count++];
    struct buf pointer;
    buf_init(&pointer, 65536);
    write_pointer(&pointer, at);
    str_copy(f->pointer, sizeof f->pointer, buf_str(&pointer));
    buf_fini(&pointer);
    return f;
}

void problem_add(struct problem *p, const struct doc_path *at, enum field_code code,
                 const char *detail)
{
    p->code = ERR_INVALID_REQUEST;
    struct field_error *f = next_field(p, at);
    if (f == NULL)
        return;
    f->code = code;
    str_copy(f->detail, sizeof f->detail, str_of(detail ? detail : rows[code].detail));
}

void problem_add_unknown(struct problem *p, const struct doc_path *at, enum err code,
                         const char *detail)
{
    bool alone = p->code == OK;
    problem_add(p, at, FIELD_UNKNOWN_NAME, detail);
    if (alone)
        p->code = code;
}

static void write_fields(struct buf *b, const struct problem *p)
{
    buf_add_lit(b, ",\"errors\":[");
    for (uint32_t i = 0; i < p->field_count; i++) {
        const struct field_error *f = &p->fields[i];
        buf_add_str(b, i > 0 ? STR(",{\"pointer\":") : STR("{\"pointer\":"));
        json_add_string(b, str_of(f->pointer));
        buf_addf(b, ",\"code\":\"%s\",\"detail\":", rows[f->code].code);
        json_add_string(b, str_of(f->detail));
        buf_add_char(b, '}');
    }
    buf_add_char(b, ']');
}

void problem_write(struct buf *b, const struct problem *p, struct str request_id, struct str run_id)
{
    const char *code = err_code(p->code);
    buf_addf(b, "{\"type\":\"/problems/%s\",\"title\":", code);
    json_add_string(b, str_of(err_title(p->code)));
    buf_addf(b, ",\"status\":%d,\"code\":\"%s\",\"detail\":", err_status(p->code), code);
    json_add_string(b, str_of(p->detail[0] != '\0' ? p->detail : err_title(p->code)));
    if (p->line > 0)
        buf_addf(b, ",\"line\":%u,\"column\":%u", (unsigned)p->line, (unsigned)p->column);
    write_fields(b, p);
    buf_addf(b, ",\"retryable\":%s,\"request_id\":", err_is_retryable(p->code) ? "true" : "false");
    json_add_string(b, request_id);
    buf_add_lit(b, ",\"run_id\":");
    json_add_string_or_null(b, run_id);
    buf_add_char(b, '}');
}
