#include "config/reader.h"

#include <stdarg.h>
#include <stdio.h>

#include "config/nearest.h"

enum { PATH_TEXT = 240 };

/* --- what is wrong ---------------------------------------------------------------------------- */

/* "providers.openai.api_keys[1]" */
static void write_path(struct buf *b, const struct doc_path *at)
{
    if (at->up == NULL)
        return;
    write_path(b, at->up);
    if (at->name.at == NULL) {
        buf_addf(b, "[%llu]", (unsigned long long)at->index);
        return;
    }
    if (b->len > 0)
        buf_add_char(b, '.');
    buf_add_str(b, at->name.len > 0 ? at->name : STR("\"\""));
}

static void path_text(const struct doc_path *at, char ret_text[PATH_TEXT])
{
    struct buf b;
    buf_init(&b, 65536);
    write_path(&b, at);
    str_copy(ret_text, PATH_TEXT, b.len > 0 ? buf_str(&b) : STR("the configuration"));
    buf_fini(&b);
}

void reader_fault(struct reader *r, struct json v, const struct doc_path *path, const char *format,
                  ...)
{
    char text[FINDING_TEXT];
    path_text(path, text);
    size_t n = strlen(text);
    text[n++] = ' ';
    va_list args;
    va_start(args, format);
    vsnprintf(text + n, sizeof text - n, format, args); /* what does not fit is cut */
    va_end(args);
    bool in_file = json_exists(v) && v.doc == &r->doc;
    findings_add(&r->findings, in_file ? json_raw(v).at : NULL, str_of(text));
}

uint32_t reader_faults(const struct reader *r)
{
    return r->findings.count + r->findings.dropped;
}

/* --- memory and text -------------------------------------------------------------------------- */

void *reader_alloc(struct reader *r, size_t count, size_t size)
{
    void *piece = arena_zalloc(&r->config->arena, count * size);
    r->no_memory |= piece == NULL;
    return piece;
}

static bool copy(struct reader *r, struct json string, struct str *ret)
{
    struct arena *arena = &r->config->arena;
    struct str s;
    if (json_string(string, arena, &s))
        s = arena_str(arena, s);
    else
        s = STR_NONE;
    r->no_memory |= s.at == NULL;
    *ret = s;
    return s.at != NULL;
}

bool reader_text(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, struct str *ret)
{
    struct str s;
    if (!json_is(v, JSON_STRING)) {
        reader_fault(r, v, at, "must be a string");
        return false;
    }
    if (!copy(r, v, &s))
        return false;
    if ((double)s.len < row->min || (double)s.len > row->max) {
        reader_fault(r, v, at, "must be %.0f to %.0f bytes long", row->min, row->max);
        return false;
    }
    if (strlen(s.at) != s.len) {
        reader_fault(r, v, at, "must not hold a NUL");
        return false;
    }
    *ret = s;
    return true;
}

bool reader_name(struct reader *r, struct json name, const struct doc_path *object_at,
                 struct str *ret)
{
    struct str s;
    if (!copy(r, name, &s))
        return false;
    if (!str_is_name(s)) {
        struct doc_path here = doc_path_name(object_at, s);
        reader_fault(r, name, &here, "is not a name: 1 to 64 of A-Z a-z 0-9 _ -");
        return false;
    }
    *ret = s;
    return true;
}

bool reader_count(struct reader *r, const struct schema_row *row, struct json v,
                  enum json_type type, const struct doc_path *at)
{
    if (!json_is(v, type)) {
        reader_fault(r, v, at, "must be %s %s", type == JSON_ARRAY ? "a" : "an",
                     schema_type_words(row->type));
        return false;
    }
    if (json_count(v) < row->min || json_count(v) > row->max) {
        reader_fault(r, v, at, "must hold %.0f to %.0f%s", row->min, row->max,
                     schema_type_unit(row->type));
        return false;
    }
    return true;
}

/* --- the walk --------------------------------------------------------------------------------- */

static void read_object(struct reader *r, const struct schema_row *row, struct json v,
                        const struct doc_path *at, void *base)
{
    if (json_is(v, JSON_OBJECT))
        reader_section(r, row->opens, v, at, base);
    else
        reader_fault(r, v, at, "must be an object%s",
                     row->flags & SCHEMA_NULLABLE ? " or null" : "");
}

static reader_fn *const readers[] = {
    [SCHEMA_OBJECT] = read_object,       [SCHEMA_PROVIDERS] = read_providers,
    [SCHEMA_KEYS] = read_keys,           [SCHEMA_INT] = read_int,
    [SCHEMA_BYTES] = read_int,           [SCHEMA_MS] = read_int,
    [SCHEMA_DAYS] = read_days,           [SCHEMA_NUMBER] = read_number,
    [SCHEMA_BOOL] = read_bool,           [SCHEMA_ENUM] = read_enum,
    [SCHEMA_PATH] = read_path,           [SCHEMA_FILE] = read_file,
    [SCHEMA_BASE_PATH] = read_base_path, [SCHEMA_URL] = read_url,
    [SCHEMA_TEXT] = read_string,         [SCHEMA_POINTER] = read_pointer,
    [SCHEMA_TEMPLATE] = read_template,   [SCHEMA_WORDS] = read_words,
    [SCHEMA_CODES] = read_codes,         [SCHEMA_NAME] = read_key_name,
    [SCHEMA_KIND] = read_kind,           [SCHEMA_DIGEST] = read_digest,
    [SCHEMA_SCOPES] = read_scopes,       [SCHEMA_LISTEN] = read_listen,
    [SCHEMA_CIDRS] = read_cidrs,         [SCHEMA_SECRET] = read_secret,
    [SCHEMA_SECRETS] = read_secrets,     [SCHEMA_HEADERS] = read_headers,
    [SCHEMA_QUERY] = read_query,         [SCHEMA_AGENTS] = read_agents,
    [SCHEMA_WORKFLOWS] = read_workflows, [SCHEMA_SIGNING_KEY] = read_signing_key,
};
_Static_assert(sizeof readers / sizeof readers[0] == SCHEMA_TYPE_COUNT, "a reader for each type");

static void read_value(struct reader *r, const struct schema_row *row, struct json v,
                       const struct doc_path *at, void *base)
{
    bool is_off = json_is(v, JSON_NULL) && (row->flags & SCHEMA_NULLABLE);
    if (is_off)
        memset((char *)base + row->field.offset, 0, row->field.size);
    else
        readers[row->type](r, row, v, at, base);
}

static void read_default(struct reader *r, const struct schema_row *row, const struct doc_path *at,
                         void *base)
{
    struct json_doc doc;
    json_doc_init(&doc);
    if (json_parse(&doc, str_of(schema_default(row, r->kind)), NULL) == OK)
        read_value(r, row, json_root(&doc), at, base);
    else
        r->no_memory = true; /* the table holds JSON: nothing else can fail */
    json_doc_fini(&doc);
}

static void read_row(struct reader *r, const struct schema_row *row, struct json object,
                     const struct doc_path *object_at, void *base)
{
    struct str leaf = str_of(schema_leaf(row));
    struct doc_path here = doc_path_name(object_at, leaf);
    struct json v = json_get(object, leaf);
    if (json_exists(v))
        read_value(r, row, v, &here, base);
    else if (schema_default(row, r->kind) != NULL)
        read_default(r, row, &here, base);
    else if ((row->flags & SCHEMA_OPTIONAL) == 0)
        reader_fault(r, object, &here, "must be there");
}

/* The key of this section that was probably meant; NULL if none. */
static const char *meant_by(const char *section, struct str name)
{
    const char *best = NULL;
    size_t least = SIZE_MAX, distance;
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        const char *leaf = schema_leaf(row);
        bool fits = schema_is_in(row, section) && nearest_is_slip(name, str_of(leaf), &distance);
        if (fits && distance < least) {
            least = distance;
            best = leaf;
        }
    }
    return best;
}

static void refuse_unknown(struct reader *r, const char *section, struct json_member m,
                           const struct doc_path *object_at)
{
    struct str name;
    if (!copy(r, m.name, &name) || schema_find(section, name) != NULL)
        return;
    const char *meant = meant_by(section, name);
    struct doc_path here = doc_path_name(object_at, name);
    if (meant != NULL)
        reader_fault(r, m.name, &here, "is not a known key; did you mean \"%s\"?", meant);
    else
        reader_fault(r, m.name, &here, "is not a known key");
}

void reader_section(struct reader *r, const char *section, struct json object,
                    const struct doc_path *at, void *base)
{
    for (struct json_member m = json_first_member(object); json_exists(m.value);
         m = json_next_member(object, m))
        refuse_unknown(r, section, m, at);
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (schema_is_in(row, section))
            read_row(r, row, object, at, base);
    }
}
