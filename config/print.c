/* The configuration in force, written row by row. */
#include "base/json_tree.h"
#include "config/config.h"
#include "config/schema.h"

enum { CONFIG_TEXT_MAX = 268435456, DOCUMENT_MAX = 16777216 };

/* Writes the value that a row has in `base`, the struct of its section. */
typedef void writer_fn(struct buf *b, const struct schema_row *row, const void *base);

static const void *field_of(const struct schema_row *row, const void *base)
{
    return (const char *)base + row->field.offset;
}

static bool is_zero(const struct schema_row *row, const void *base)
{
    const char *field = field_of(row, base);
    for (size_t i = 0; i < row->field.size; i++) {
        if (field[i] != 0)
            return false;
    }
    return true;
}

/* --- objects ---------------------------------------------------------------------------------- */

static bool is_shown(const struct schema_row *row, const void *base);
static void write_value(struct buf *b, const struct schema_row *row, const void *base);

static void write_section(struct buf *b, const char *section, const void *base)
{
    buf_add_char(b, '{');
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (!schema_is_in(row, section) || !is_shown(row, base))
            continue;
        json_add_key(b, schema_leaf(row));
        write_value(b, row, base);
    }
    buf_add_char(b, '}');
}

static void write_object(struct buf *b, const struct schema_row *row, const void *base)
{
    write_section(b, row->opens, base);
}

static void add_name(struct buf *b, struct str name)
{
    json_add_comma(b);
    json_add_string(b, name);
    buf_add_char(b, ':');
}

static void write_providers(struct buf *b, const struct schema_row *row, const void *base)
{
    const struct config *c = base;
    buf_add_char(b, '{');
    for (uint32_t i = 0; i < c->provider_count; i++) {
        add_name(b, c->providers[i].provider.name);
        write_section(b, row->opens, &c->providers[i]);
    }
    buf_add_char(b, '}');
}

static void write_keys(struct buf *b, const struct schema_row *row, const void *base)
{
    const struct config *c = base;
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < c->key_count; i++) {
        json_add_comma(b);
        write_section(b, row->opens, &c->keys[i]);
    }
    buf_add_char(b, ']');
}

/* --- values ----------------------------------------------------------------------------------- */

static uint64_t integer_of(const struct schema_row *row, const void *base)
{
    uint32_t narrow;
    uint64_t wide;
    if (row->field.size == sizeof narrow) {
        memcpy(&narrow, field_of(row, base), sizeof narrow);
        return narrow;
    }
    memcpy(&wide, field_of(row, base), sizeof wide);
    return wide;
}

static void write_int(struct buf *b, const struct schema_row *row, const void *base)
{
    buf_add_u64(b, integer_of(row, base));
}

static void write_days(struct buf *b, const struct schema_row *row, const void *base)
{
    buf_add_u64(b, integer_of(row, base) / 86400000);
}

static void write_number(struct buf *b, const struct schema_row *row, const void *base)
{
    double value;
    memcpy(&value, field_of(row, base), sizeof value);
    json_add_double(b, value);
}

static void write_bool(struct buf *b, const struct schema_row *row, const void *base)
{
    json_add_bool(b, !is_zero(row, base));
}

static void write_enum(struct buf *b, const struct schema_row *row, const void *base)
{
    json_add_string(b, str_of(row->values[integer_of(row, base)]));
}

static void write_path(struct buf *b, const struct schema_row *row, const void *base)
{
    const char *text;
    memcpy(&text, field_of(row, base), sizeof text);
    json_add_string(b, str_of(text));
}

static void write_str(struct buf *b, const struct schema_row *row, const void *base)
{
    struct str s;
    memcpy(&s, field_of(row, base), sizeof s);
    json_add_string(b, s);
}

static void write_digest(struct buf *b, const struct schema_row *row, const void *base)
{
    const uint8_t *digest = field_of(row, base);
    buf_add_char(b, '"');
    for (size_t i = 0; i < row->field.size; i++)
        buf_addf(b, "%02x", (unsigned)digest[i]);
    buf_add_char(b, '"');
}

static void write_scopes(struct buf *b, const struct schema_row *row, const void *base)
{
    static const char *const lists[] = {"[]", "[\"read\"]", "[\"read\",\"run\"]",
                                        "[\"read\",\"run\",\"admin\"]"};
    _Static_assert(SCOPE_READ == 1 && SCOPE_ADMIN == 3, "in the order of enum scope");
    buf_add_str(b, str_of(lists[integer_of(row, base)]));
}

/* --- lists ------------------------------------------------------------------------------------ */

static void write_listen(struct buf *b, const struct schema_row *row, const void *base)
{
    (void)row;
    const struct config *c = base;
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < c->listen_count; i++) {
        json_add_comma(b);
        json_add_string(b, str_of(c->listen[i].text));
    }
    buf_add_char(b, ']');
}

static void write_cidrs(struct buf *b, const struct schema_row *row, const void *base)
{
    (void)row;
    const struct config *c = base;
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < c->trusted_proxy_count; i++) {
        json_add_comma(b);
        buf_add_char(b, '"');
        cidr_write(b, &c->trusted_proxies[i]);
        buf_add_char(b, '"');
    }
    buf_add_char(b, ']');
}

static void write_signing_key(struct buf *b, const struct schema_row *row, const void *base)
{
    (void)row, (void)base;
    buf_add_lit(b, "\"***\"");
}

static void write_secrets(struct buf *b, const struct schema_row *row, const void *base)
{
    (void)row;
    const struct upstream_options *u = base;
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < u->provider.api_key_count; i++) {
        json_add_comma(b);
        buf_add_lit(b, "\"***\"");
    }
    buf_add_char(b, ']');
}

static void write_pairs(struct buf *b, const struct http_header *list, uint32_t count)
{
    buf_add_char(b, '{');
    for (uint32_t i = 0; i < count; i++) {
        add_name(b, list[i].name);
        buf_add_lit(b, "\"***\"");
    }
    buf_add_char(b, '}');
}

static void write_headers(struct buf *b, const struct schema_row *row, const void *base)
{
    (void)row;
    const struct upstream_options *u = base;
    write_pairs(b, u->provider.headers, u->provider.header_count);
}

static void write_query(struct buf *b, const struct schema_row *row, const void *base)
{
    (void)row;
    const struct upstream_options *u = base;
    write_pairs(b, u->provider.query, u->provider.query_count);
}

static void write_words(struct buf *b, const struct schema_row *row, const void *base)
{
    const struct http_words *words = field_of(row, base);
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < words->count; i++) {
        json_add_comma(b);
        json_add_string(b, words->at[i]);
    }
    buf_add_char(b, ']');
}

static void write_codes(struct buf *b, const struct schema_row *row, const void *base)
{
    const struct http_codes *codes = field_of(row, base);
    buf_add_char(b, '[');
    for (uint32_t i = 0; i < codes->count; i++) {
        json_add_comma(b);
        buf_add_u64(b, codes->at[i]);
    }
    buf_add_char(b, ']');
}

/* JSON already. */
static void write_template(struct buf *b, const struct schema_row *row, const void *base)
{
    struct str s;
    memcpy(&s, field_of(row, base), sizeof s);
    buf_add_str(b, s);
}

/* --- agents and workflows --------------------------------------------------------------------- */

/* What only the API adds to a document, and what is there only to say that it is not. */
static bool is_written(struct json_member m)
{
    return !json_string_is(m.name, STR("name")) && !json_string_is(m.name, STR("version")) &&
           !json_string_is(m.name, STR("source")) && !json_is(m.value, JSON_NULL);
}

static void write_members(struct buf *b, struct json document)
{
    buf_add_char(b, '{');
    for (struct json_member m = json_first_member(document); json_exists(m.value);
         m = json_next_member(document, m)) {
        if (!is_written(m))
            continue;
        json_add_name(b, m.name);
        json_add_compact(b, m.value);
    }
    buf_add_char(b, '}');
}

/* Takes `text`, a document as the API shows it, and frees it. */
static void write_document(struct buf *b, struct str name, struct buf *text)
{
    struct json_doc doc;
    json_doc_init(&doc);
    add_name(b, name);
    if (buf_ok(text) == OK && json_parse(&doc, buf_str(text), NULL) == OK)
        write_members(b, json_root(&doc));
    else
        buf_fail(b); /* no memory */
    json_doc_fini(&doc);
    buf_fini(text);
}

static void write_agents(struct buf *b, const struct schema_row *row, const void *base)
{
    (void)row;
    const struct config *c = base;
    buf_add_char(b, '{');
    for (uint32_t i = 0; i < c->agent_count; i++) {
        struct buf text;
        buf_init(&text, DOCUMENT_MAX);
        agent_write(&text, c->agents[i]);
        write_document(b, c->agents[i]->name, &text);
    }
    buf_add_char(b, '}');
}

static void write_workflows(struct buf *b, const struct schema_row *row, const void *base)
{
    (void)row;
    const struct config *c = base;
    buf_add_char(b, '{');
    for (uint32_t i = 0; i < c->workflow_count; i++) {
        struct buf text;
        buf_init(&text, DOCUMENT_MAX);
        workflow_write(&text, c->workflows[i]);
        write_document(b, c->workflows[i]->name, &text);
    }
    buf_add_char(b, '}');
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Without one: api_key, which is shown as api_keys, and what must not be there. */
static writer_fn *const writers[SCHEMA_TYPE_COUNT] = {
    [SCHEMA_OBJECT] = write_object,
    [SCHEMA_PROVIDERS] = write_providers,
    [SCHEMA_KEYS] = write_keys,
    [SCHEMA_INT] = write_int,
    [SCHEMA_BYTES] = write_int,
    [SCHEMA_MS] = write_int,
    [SCHEMA_DAYS] = write_days,
    [SCHEMA_NUMBER] = write_number,
    [SCHEMA_BOOL] = write_bool,
    [SCHEMA_ENUM] = write_enum,
    [SCHEMA_PATH] = write_path,
    [SCHEMA_FILE] = write_str,
    [SCHEMA_BASE_PATH] = write_str,
    [SCHEMA_URL] = write_str,
    [SCHEMA_TEXT] = write_str,
    [SCHEMA_POINTER] = write_str,
    [SCHEMA_TEMPLATE] = write_template,
    [SCHEMA_WORDS] = write_words,
    [SCHEMA_CODES] = write_codes,
    [SCHEMA_NAME] = write_str,
    [SCHEMA_KIND] = write_str,
    [SCHEMA_DIGEST] = write_digest,
    [SCHEMA_SCOPES] = write_scopes,
    [SCHEMA_LISTEN] = write_listen,
    [SCHEMA_CIDRS] = write_cidrs,
    [SCHEMA_SECRETS] = write_secrets,
    [SCHEMA_HEADERS] = write_headers,
    [SCHEMA_QUERY] = write_query,
    [SCHEMA_AGENTS] = write_agents,
    [SCHEMA_WORKFLOWS] = write_workflows,
    [SCHEMA_SIGNING_KEY] = write_signing_key,
};

static bool is_shown(const struct schema_row *row, const void *base)
{
    bool is_left_out = (row->flags & SCHEMA_OPTIONAL) && is_zero(row, base);
    return writers[row->type] != NULL && !is_left_out;
}

static void write_value(struct buf *b, const struct schema_row *row, const void *base)
{
    if ((row->flags & SCHEMA_NULLABLE) && is_zero(row, base))
        buf_add_lit(b, "null");
    else
        writers[row->type](b, row, base);
}

enum err config_print(const struct config *c, struct buf *out)
{
    struct buf text;
    struct json_tree *tree = NULL;
    buf_init(&text, CONFIG_TEXT_MAX);
    write_section(&text, "", c);
    enum err e = buf_ok(&text);
    if (e == OK)
        e = json_tree_parse(buf_str(&text), NULL, &tree);
    if (e == OK)
        e = json_tree_print(tree, 2, out);
    buf_add_char(out, '\n');
    json_tree_destroy(tree);
    buf_fini(&text);
    return e == OK ? buf_ok(out) : e;
}

/* --- what a reload cannot change -------------------------------------------------------------- */

/* Of the file's own struct: the rows of a key or a provider show in the list that holds them. */
static bool is_compared(const struct schema_row *row)
{
    bool is_below = strstr(row->path, "[]") != NULL || strstr(row->path, "NAME") != NULL;
    return !is_below && row->type != SCHEMA_OBJECT && (row->flags & SCHEMA_RELOADS) == 0;
}

static bool is_same(const struct schema_row *row, const struct config *a, const struct config *b)
{
    struct buf one, other;
    buf_init(&one, CONFIG_TEXT_MAX);
    buf_init(&other, CONFIG_TEXT_MAX);
    write_value(&one, row, a);
    write_value(&other, row, b);
    bool same = str_eq(buf_str(&one), buf_str(&other));
    buf_fini(&one);
    buf_fini(&other);
    return same;
}

void config_list_fixed(const struct config *running, const struct config *next, struct buf *out)
{
    bool is_first = true;
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (!is_compared(row) || is_same(row, running, next))
            continue;
        buf_addf(out, "%s%s", is_first ? "" : ", ", row->path);
        is_first = false;
    }
}

/* The list of addresses has its length beside it; all else is in the row's own field. */
void config_keep_fixed(const struct config *running, struct config *next)
{
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (is_compared(row))
            memcpy((char *)next + row->field.offset, field_of(row, running), row->field.size);
    }
    next->listen_count = running->listen_count;
}
