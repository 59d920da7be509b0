/* Secrets: written out, or taken from the environment or a file. Never part of a message. */
#include <errno.h>
#include <stdlib.h>

#include "config/reader.h"
#include "config/small_file.h"

enum { SECRET_FILE_MAX = 65536 };

/* --- where it comes from ---------------------------------------------------------------------- */

static bool take_env(struct reader *r, struct json v, const struct doc_path *at, struct str name,
                     struct str *ret)
{
    const char *value = getenv(name.at);
    if (value == NULL || value[0] == '\0') {
        reader_fault(r, v, at, "needs the environment variable %s, which is %s", name.at,
                     value == NULL ? "not set" : "empty");
        return false;
    }
    *ret = arena_str(&r->config->arena, str_of(value));
    r->no_memory |= ret->at == NULL;
    return ret->at != NULL;
}

/* A line's end at the end of a file is not part of the secret: "\n" or "\r\n". */
static struct str without_newline(struct str s)
{
    if (s.len == 0 || s.at[s.len - 1] != '\n')
        return s;
    s.len--;
    if (s.len > 0 && s.at[s.len - 1] == '\r')
        s.len--;
    return s;
}

static const char *why_not(enum err e, struct str content)
{
    if (e == ERR_IO)
        return strerror(errno);
    if (e == ERR_LIMIT)
        return "it is larger than 64 KiB";
    return content.len == 0 ? "it is empty" : "it holds a NUL";
}

static bool take_file(struct reader *r, struct json v, const struct doc_path *at, struct str path,
                      struct str *ret)
{
    struct buf b;
    buf_init(&b, SECRET_FILE_MAX);
    enum err e = small_file_read(path.at, &b);
    struct str content = without_newline(buf_str(&b));
    bool fine = e == OK && content.len > 0 && memchr(content.at, '\0', content.len) == NULL;
    if (fine)
        *ret = arena_str(&r->config->arena, content);
    else if (e != ERR_NOMEM)
        reader_fault(r, v, at, "needs the file %s, which cannot be used: %s", path.at,
                     why_not(e, content));
    r->no_memory |= e == ERR_NOMEM || (fine && ret->at == NULL);
    buf_fini(&b);
    return fine && ret->at != NULL;
}

/* {"env": "NAME"} or {"file": "PATH"}, and nothing beside it. */
static bool take_reference(struct reader *r, struct json v, const struct doc_path *at,
                           struct str *ret)
{
    static const struct schema_row reference = {.min = 1, .max = 4000};
    struct json env = json_get_lit(v, "env"), file = json_get_lit(v, "file");
    struct json from = json_exists(env) ? env : file;
    if (json_count(v) != 1 || !json_exists(from)) {
        reader_fault(r, v, at, "must be \"TEXT\", {\"env\": \"NAME\"} or {\"file\": \"PATH\"}");
        return false;
    }
    struct doc_path here = doc_path_name(at, json_exists(env) ? STR("env") : STR("file"));
    struct str name;
    if (!reader_text(r, &reference, from, &here, &name))
        return false;
    return json_exists(env) ? take_env(r, v, at, name, ret) : take_file(r, v, at, name, ret);
}

static bool take_secret(struct reader *r, const struct schema_row *row, struct json v,
                        const struct doc_path *at, struct str *ret)
{
    struct str s;
    bool is_literal = json_is(v, JSON_STRING);
    if (!(is_literal ? reader_text(r, row, v, at, &s) : take_reference(r, v, at, &s)))
        return false;
    if ((double)s.len > row->max) {
        reader_fault(r, v, at, "must be %.0f to %.0f bytes long", row->min, row->max);
        return false;
    }
    *ret = s;
    return true;
}

/* One that goes into a header. */
static bool take_header_secret(struct reader *r, const struct schema_row *row, struct json v,
                               const struct doc_path *at, struct str *ret)
{
    struct str s;
    if (!take_secret(r, row, v, at, &s))
        return false;
    if (!http_value_is_valid(s)) {
        reader_fault(r, v, at, "holds a byte that cannot stand in a header");
        return false;
    }
    *ret = s;
    return true;
}

/* --- API keys --------------------------------------------------------------------------------- */

static void add_api_key(struct reader *r, const struct schema_row *row, struct json v,
                        const struct doc_path *at, struct provider_options *o)
{
    if (take_header_secret(r, row, v, at, &o->api_keys[o->api_key_count]))
        o->api_key_count++;
}

void read_secret(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base)
{
    struct upstream_options *u = base;
    add_api_key(r, row, v, at, &u->provider);
}

void read_secrets(struct reader *r, const struct schema_row *row, struct json v,
                  const struct doc_path *at, void *base)
{
    struct upstream_options *u = base;
    if (!json_is(v, JSON_ARRAY) || json_count(v) > PROVIDER_MAX_KEYS) {
        reader_fault(r, v, at, "must be a list of at most %d secrets", PROVIDER_MAX_KEYS);
        return;
    }
    if (u->provider.api_key_count > 0 && json_count(v) > 0) {
        reader_fault(r, v, at, "does not go together with api_key");
        return;
    }
    uint64_t i = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
        struct doc_path here = doc_path_index(at, i++);
        add_api_key(r, row, e, &here, &u->provider);
    }
}

/* --- keys that sign --------------------------------------------------------------------------- */

void read_signing_key(struct reader *r, const struct schema_row *row, struct json v,
                      const struct doc_path *at, void *base)
{
    struct signing_key *key = (void *)((char *)base + row->field.offset);
    struct str s;
    if (take_secret(r, row, v, at, &s) && !signing_key_read(s, key))
        reader_fault(r, v, at, "must be \"whsec_\" and base64, or text, of at most %d bytes",
                     SIGNING_KEY_MAX);
}

/* --- headers and query ------------------------------------------------------------------------ */

typedef bool take_fn(struct reader *r, const struct schema_row *row, struct json v,
                     const struct doc_path *at, struct str *ret);

struct pairs {
    struct http_header *list; /* PROVIDER_MAX_EXTRAS */
    uint32_t *count;
    take_fn *take;
    bool is_header;
};

static bool is_header_there(const struct pairs *p, struct str name)
{
    for (uint32_t i = 0; i < *p->count; i++) {
        if (p->is_header && str_eq_nocase(p->list[i].name, name))
            return true;
    }
    return false;
}

static void add_pair(struct reader *r, const struct schema_row *row, struct json_member m,
                     const struct doc_path *object_at, const struct pairs *p)
{
    static const struct schema_row any_name = {.min = 1, .max = 256};
    struct str name;
    if (!reader_text(r, &any_name, m.name, object_at, &name))
        return;
    struct doc_path here = doc_path_name(object_at, name);
    if (p->is_header && !http_name_is_valid(name))
        reader_fault(r, m.name, &here, "is not the name of a header");
    else if (is_header_there(p, name))
        reader_fault(r, m.name, &here, "is there already");
    else if (p->take(r, row, m.value, &here, &p->list[*p->count].value))
        p->list[(*p->count)++].name = name;
}

static void read_pairs(struct reader *r, const struct schema_row *row, struct json v,
                       const struct doc_path *at, const struct pairs *p)
{
    if (!json_is(v, JSON_OBJECT) || json_count(v) > PROVIDER_MAX_EXTRAS) {
        reader_fault(r, v, at, "must be an object of at most %d secrets", PROVIDER_MAX_EXTRAS);
        return;
    }
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m))
        add_pair(r, row, m, at, p);
}

void read_headers(struct reader *r, const struct schema_row *row, struct json v,
                  const struct doc_path *at, void *base)
{
    struct provider_options *o = &((struct upstream_options *)base)->provider;
    struct pairs p = {o->headers, &o->header_count, take_header_secret, true};
    read_pairs(r, row, v, at, &p);
}

void read_query(struct reader *r, const struct schema_row *row, struct json v,
                const struct doc_path *at, void *base)
{
    struct provider_options *o = &((struct upstream_options *)base)->provider;
    struct pairs p = {o->query, &o->query_count, take_secret, false};
    read_pairs(r, row, v, at, &p);
}
