/* keys[]: who may use the API. */
#include "config/reader.h"

void read_key_name(struct reader *r, const struct schema_row *row, struct json v,
                   const struct doc_path *at, void *base)
{
    struct config_key *key = base;
    struct str s;
    if (!reader_text(r, row, v, at, &s))
        return;
    if (str_is_name(s))
        key->name = s;
    else
        reader_fault(r, v, at, "must be 1 to 64 of A-Z a-z 0-9 _ -");
}

void read_digest(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base)
{
    struct config_key *key = base;
    struct arena *arena = &r->config->arena;
    struct str hex;
    (void)row;
    if (!json_string(v, arena, &hex) || !str_from_hex(hex, key->digest, DIGEST_BYTES))
        reader_fault(r, v, at, "must be 64 hex digits");
}

static enum scope scope_of(struct json v)
{
    if (json_string_is(v, STR("read")))
        return SCOPE_READ;
    if (json_string_is(v, STR("run")))
        return SCOPE_RUN;
    return json_string_is(v, STR("admin")) ? SCOPE_ADMIN : SCOPE_OPEN;
}

void read_scopes(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base)
{
    struct config_key *key = base;
    if (!reader_count(r, row, v, JSON_ARRAY, at))
        return;
    uint64_t i = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
        struct doc_path here = doc_path_index(at, i++);
        enum scope scope = scope_of(e);
        if (scope == SCOPE_OPEN)
            reader_fault(r, e, &here, "must be one of \"read\", \"run\", \"admin\"");
        if (scope > key->scope)
            key->scope = scope;
    }
}

/* A digest that stands twice would make it a matter of chance whose runs its owner sees. */
static void refuse_twins(struct reader *r, struct json v, const struct doc_path *at, uint32_t index)
{
    const struct config_key *keys = r->config->keys, *key = &keys[index];
    struct doc_path name_at = doc_path_name(at, STR("name"));
    struct doc_path digest_at = doc_path_name(at, STR("sha256"));
    for (uint32_t i = 0; i < index; i++) {
        if (key->name.len > 0 && str_eq(keys[i].name, key->name))
            reader_fault(r, json_get_lit(v, "name"), &name_at, "is that of keys[%u] already",
                         (unsigned)i);
        if (digest_eq(keys[i].digest, key->digest))
            reader_fault(r, json_get_lit(v, "sha256"), &digest_at, "is that of keys[%u] already",
                         (unsigned)i);
    }
}

static void read_key(struct reader *r, const struct schema_row *row, struct json v,
                     const struct doc_path *at, uint32_t index)
{
    struct config_key *key = &r->config->keys[index];
    if (!json_is(v, JSON_OBJECT)) {
        reader_fault(r, v, at, "must be an object");
        return;
    }
    uint32_t before = reader_faults(r);
    reader_section(r, row->opens, v, at, key);
    if (key->requests.burst == 0)
        key->requests.burst = key->requests.rate;
    if (reader_faults(r) == before)
        refuse_twins(r, v, at, index);
}

void read_keys(struct reader *r, const struct schema_row *row, struct json v,
               const struct doc_path *at, void *base)
{
    struct config *c = base;
    if (!reader_count(r, row, v, JSON_ARRAY, at))
        return;
    c->keys = reader_alloc(r, json_count(v), sizeof *c->keys);
    if (c->keys == NULL)
        return;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
        struct doc_path here = doc_path_index(at, c->key_count);
        read_key(r, row, e, &here, c->key_count++);
    }
}
