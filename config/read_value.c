/* Single values, and the two lists of addresses. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "config/reader.h"

static void *field_of(const struct schema_row *row, void *base)
{
    return (char *)base + row->field.offset;
}

static const char *or_null(const struct schema_row *row)
{
    return row->flags & SCHEMA_NULLABLE ? " or null" : "";
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* `value` is within the row's bounds, which are within the field's. */
static void set_integer(const struct schema_row *row, void *base, int64_t value)
{
    uint32_t narrow = (uint32_t)value;
    assert(row->field.size == sizeof narrow || row->field.size == sizeof value);
    if (row->field.size == sizeof narrow)
        memcpy(field_of(row, base), &narrow, sizeof narrow);
    else
        memcpy(field_of(row, base), &value, sizeof value);
}

static bool take_integer(struct reader *r, const struct schema_row *row, struct json v,
                         const struct doc_path *at, int64_t *ret)
{
    if (json_int(v, (int64_t)row->min, (int64_t)row->max, ret) == OK)
        return true;
    reader_fault(r, v, at, "must be an integer between %.0f and %.0f%s%s", row->min, row->max,
                 schema_type_unit(row->type), or_null(row));
    return false;
}

void read_int(struct reader *r, const struct schema_row *row, struct json v,
              const struct doc_path *at, void *base)
{
    int64_t value;
    if (take_integer(r, row, v, at, &value))
        set_integer(row, base, value);
}

void read_days(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base)
{
    int64_t days;
    if (take_integer(r, row, v, at, &days))
        set_integer(row, base, days * 86400000);
}

void read_number(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base)
{
    double value;
    assert(row->field.size == sizeof value);
    if (json_double(v, &value) && value >= row->min && value <= row->max)
        memcpy(field_of(row, base), &value, sizeof value);
    else
        reader_fault(r, v, at, "must be a number between %g and %g%s", row->min, row->max,
                     or_null(row));
}

void read_bool(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base)
{
    bool value = json_is(v, JSON_TRUE);
    assert(row->field.size == sizeof value);
    if (json_is_bool(v))
        memcpy(field_of(row, base), &value, sizeof value);
    else
        reader_fault(r, v, at, "must be true or false");
}

static void refuse_choice(struct reader *r, const struct schema_row *row, struct json v,
                          const struct doc_path *at)
{
    char text[160] = "";
    size_t n = 0;
    for (size_t i = 0; row->values[i] != NULL && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s\"", i > 0 ? ", " : "",
                              row->values[i]);
    reader_fault(r, v, at, "must be one of %s", text);
}

void read_enum(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base)
{
    for (int64_t i = 0; row->values[i] != NULL; i++) {
        if (json_string_is(v, str_of(row->values[i]))) {
            set_integer(row, base, i);
            return;
        }
    }
    refuse_choice(r, row, v, at);
}

/* --- strings ---------------------------------------------------------------------------------- */

static void set_str(const struct schema_row *row, void *base, struct str s)
{
    assert(row->field.size == sizeof s);
    memcpy(field_of(row, base), &s, sizeof s);
}

void read_path(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base)
{
    struct str s;
    assert(row->field.size == sizeof s.at);
    if (reader_text(r, row, v, at, &s))
        memcpy(field_of(row, base), &s.at, sizeof s.at);
}

void read_file(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base)
{
    struct str s;
    if (!reader_text(r, row, v, at, &s))
        return;
    if (access(s.at, R_OK) == 0)
        set_str(row, base, s);
    else
        reader_fault(r, v, at, "names the file %s, which cannot be read: %s", s.at,
                     strerror(errno));
}

/* What needs no escape in a path (RFC 3986, unreserved), and its slashes. */
static bool is_path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~/", c) != NULL);
}

static bool is_base_path(struct str s)
{
    if (s.len == 0)
        return true;
    if (s.at[0] != '/' || s.at[s.len - 1] == '/' || strstr(s.at, "//") != NULL)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_path_char(s.at[i]))
            return false;
    }
    return true;
}

void read_base_path(struct reader *r, const struct schema_row *row, struct json v,
                    const struct doc_path *at, void *base)
{
    struct str s;
    if (!reader_text(r, row, v, at, &s))
        return;
    if (is_base_path(s))
        set_str(row, base, s);
    else
        reader_fault(r, v, at,
                     "must be empty, or begin with a slash, not end with one, and hold nothing "
                     "else than A-Z a-z 0-9 - . _ ~ between single slashes");
}

/* Only looked at as far as a slip of the pen would show; curl parses it again. */
static bool is_base_url(struct str s)
{
    struct str https = STR("https://"), http = STR("http://");
    size_t scheme = str_starts(s, https) ? https.len : str_starts(s, http) ? http.len : 0;
    struct str rest = {s.at + scheme, s.len - scheme};
    struct str authority = str_cut(&rest, '/');
    if (scheme == 0 || authority.len == 0 || memchr(authority.at, '@', authority.len) != NULL)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c <= ' ' || c >= 0x7F || c == '?' || c == '#')
            return false;
    }
    return true;
}

void read_string(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base)
{
    struct str s;
    if (reader_text(r, row, v, at, &s))
        set_str(row, base, s);
}

void read_url(struct reader *r, const struct schema_row *row, struct json v,
              const struct doc_path *at, void *base)
{
    struct str s;
    if (!reader_text(r, row, v, at, &s))
        return;
    if (is_base_url(s))
        set_str(row, base, s);
    else
        reader_fault(r, v, at,
                     "must be an http:// or https:// URL without query, fragment, user "
                     "and blanks");
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool is_listed(const struct config *c, const char *text)
{
    for (uint32_t i = 0; i < c->listen_count; i++) {
        if (strcmp(c->listen[i].text, text) == 0)
            return true;
    }
    return false;
}

static void add_listen(struct reader *r, struct json v, const struct doc_path *at)
{
    struct config *c = r->config;
    struct listen_address *a = &c->listen[c->listen_count];
    struct str s;
    bool is_string = json_string(v, &c->arena, &s);
    enum err e = is_string ? listen_parse(s, &c->arena, a) : ERR_CONFIG;
    r->no_memory |= e == ERR_NOMEM || (!is_string && json_is(v, JSON_STRING));
    if (e != OK)
        reader_fault(r, v, at, LISTEN_FORMS);
    else if (is_listed(c, a->text))
        reader_fault(r, v, at, "is listed already");
    else
        c->listen_count++;
}

void read_listen(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base)
{
    struct config *c = base;
    if (!reader_count(r, row, v, JSON_ARRAY, at))
        return;
    c->listen = reader_alloc(r, json_count(v), sizeof *c->listen);
    if (c->listen == NULL)
        return;
    uint64_t i = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
        struct doc_path here = doc_path_index(at, i++);
        add_listen(r, e, &here);
    }
}

void read_cidrs(struct reader *r, const struct schema_row *row, struct json v,
                const struct doc_path *at, void *base)
{
    struct config *c = base;
    if (!reader_count(r, row, v, JSON_ARRAY, at))
        return;
    c->trusted_proxies = reader_alloc(r, json_count(v), sizeof *c->trusted_proxies);
    if (c->trusted_proxies == NULL)
        return;
    uint64_t i = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
        struct doc_path here = doc_path_index(at, i++);
        struct str s;
        if (json_string(e, &c->arena, &s) &&
            cidr_parse(s, &c->trusted_proxies[c->trusted_proxy_count]))
            c->trusted_proxy_count++;
        else
            reader_fault(r, e, &here, CIDR_FORM);
    }
}
