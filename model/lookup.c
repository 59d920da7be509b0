#include "model/lookup.h"

#include "base/list.h"
#include "base/mem.h"
#include "model/reference.h"

/* A raw value and its tape. */
struct opened {
    struct map_node node;
    const char *raw;
    struct json_doc doc;
};

void lookup_init(struct lookup *l, struct json_doc *tape)
{
    *l = (struct lookup){.first = tape};
}

static struct opened *opened_of(struct map_node *node)
{
    return CONTAINER_OF(node, struct opened, node);
}

static void forget(struct opened *o)
{
    json_doc_fini(&o->doc);
    mem_free(o);
}

void lookup_fini(struct lookup *l)
{
    if (!l->has_more)
        return;
    struct map_node *node = map_next(&l->more, NULL);
    while (node != NULL) {
        struct map_node *next = map_next(&l->more, node);
        map_remove(&l->more, node);
        forget(opened_of(node));
        node = next;
    }
    map_fini(&l->more);
    l->has_more = false;
}

/* --- each value once -------------------------------------------------------------------------- */

static enum err parse(struct lookup *l, struct json_doc *doc, struct str raw)
{
    l->parses++;
    enum err e = json_parse(doc, raw, NULL);
    l->tokens += doc->count;
    if (e == OK && l->tokens > LOOKUP_TOKENS_MAX)
        return ERR_LIMIT;
    return e == ERR_LIMIT ? ERR_INVALID_JSON : e;
}

static enum err open_first(struct lookup *l, struct str raw, struct json *ret)
{
    enum err e = parse(l, l->first, raw);
    if (e != OK)
        return e;
    l->first_raw = raw;
    *ret = json_root(l->first);
    return OK;
}

/* Values stand still: where one begins tells them apart. */
static uint64_t hash_of(const char *raw)
{
    return (uint64_t)(uintptr_t)raw * 0x9E3779B97F4A7C15 >> 20;
}

static bool is_of(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct opened, node)->raw == key;
}

static enum err open_new(struct lookup *l, struct str raw, struct json *ret)
{
    struct opened *o = mem_alloc(sizeof *o);
    if (o == NULL)
        return ERR_NOMEM;
    o->raw = raw.at;
    json_doc_init(&o->doc);
    enum err e = parse(l, &o->doc, raw);
    if (e != OK) {
        forget(o);
        return e;
    }
    map_insert(&l->more, &o->node, hash_of(raw.at));
    *ret = json_root(&o->doc);
    return OK;
}

enum err lookup_open(struct lookup *l, struct str raw, struct json *ret)
{
    if (l->first_raw.at == NULL)
        return open_first(l, raw, ret);
    if (l->first_raw.at == raw.at) {
        *ret = json_root(l->first);
        return OK;
    }
    if (!l->has_more && map_init(&l->more) != OK)
        return ERR_NOMEM;
    l->has_more = true;
    struct map_node *node = map_find(&l->more, hash_of(raw.at), raw.at, is_of);
    if (node == NULL)
        return open_new(l, raw, ret);
    *ret = json_root(&opened_of(node)->doc);
    return OK;
}

/* --- a bounded way ---------------------------------------------------------------------------- */

enum err lookup_follow(struct lookup *l, struct json v, struct str path, struct json *ret)
{
    struct json found = reference_follow(v, path, &l->steps);
    if (l->steps > LOOKUP_STEPS_MAX)
        return ERR_LIMIT;
    *ret = found;
    return OK;
}
