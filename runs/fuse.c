#include "runs/fuse.h"

#include "base/list.h"
#include "base/mem.h"

enum { DOUBLINGS = 10 /* the longest open time, in first ones */ };

struct fuse {
    struct map_node node;
    struct breaker breaker;
    uint32_t held; /* tasks that have a pass */
    size_t tenant_len, name_len;
    char text[]; /* tenant, name */
};

struct key {
    struct str tenant, name;
};

enum err fuses_init(struct fuses *f)
{
    pthread_mutex_init(&f->lock, NULL);
    return map_init(&f->map);
}

void fuses_fini(struct fuses *f)
{
    struct map_node *node = f->map.buckets != NULL ? map_next(&f->map, NULL) : NULL;
    while (node != NULL) {
        struct map_node *next = map_next(&f->map, node);
        mem_free(CONTAINER_OF(node, struct fuse, node));
        node = next;
    }
    map_fini(&f->map);
    pthread_mutex_destroy(&f->lock);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* FNV-1a */
static uint64_t hash_of(const struct key *key)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < key->tenant.len; i++)
        h = (h ^ (uint8_t)key->tenant.at[i]) * 0x100000001B3u;
    h = (h ^ 0xFF) * 0x100000001B3u; /* ends the tenant: no byte of UTF-8 */
    for (size_t i = 0; i < key->name.len; i++)
        h = (h ^ (uint8_t)key->name.at[i]) * 0x100000001B3u;
    return h;
}

static bool is_same(const struct map_node *node, const void *ctx)
{
    const struct fuse *fuse = CONTAINER_OF(node, const struct fuse, node);
    const struct key *key = ctx;
    return str_eq((struct str){fuse->text, fuse->tenant_len}, key->tenant) &&
           str_eq((struct str){fuse->text + fuse->tenant_len, fuse->name_len}, key->name);
}

static bool is_idle(struct fuse *fuse, uint64_t now_ms)
{
    return fuse->held == 0 && breaker_state(&fuse->breaker) == BREAKER_CLOSED &&
           breaker_failures(&fuse->breaker, now_ms) == 0;
}

/* Drops one that has nothing to tell. False: there is none. */
static bool make_room(struct fuses *f, uint64_t now_ms)
{
    for (struct map_node *it = map_next(&f->map, NULL); it != NULL; it = map_next(&f->map, it)) {
        struct fuse *fuse = CONTAINER_OF(it, struct fuse, node);
        if (!is_idle(fuse, now_ms))
            continue;
        map_remove(&f->map, it);
        mem_free(fuse);
        return true;
    }
    return false;
}

static struct breaker_policy breaker_policy_of(const struct fuse_policy *p)
{
    uint64_t most_ms = (uint64_t)p->reset_ms * DOUBLINGS;
    return (struct breaker_policy){.failures = p->failures,
                                   .window_ms = p->window_ms,
                                   .reset_ms = p->reset_ms,
                                   .max_reset_ms =
                                       most_ms < UINT32_MAX ? (uint32_t)most_ms : UINT32_MAX};
}

static enum err add(struct fuses *f, const struct key *key, const struct breaker_policy *policy,
                    uint64_t now_ms, struct fuse **ret)
{
    if (f->map.count >= FUSES_MAX && !make_room(f, now_ms))
        return ERR_LIMIT_EXCEEDED;
    struct fuse *fuse = mem_zalloc(sizeof *fuse + key->tenant.len + key->name.len + 1);
    if (fuse == NULL)
        return ERR_OVERLOADED;
    fuse->tenant_len = key->tenant.len;
    fuse->name_len = key->name.len;
    memcpy(fuse->text, key->tenant.at, key->tenant.len);
    memcpy(fuse->text + key->tenant.len, key->name.at, key->name.len);
    breaker_init(&fuse->breaker, policy);
    map_insert(&f->map, &fuse->node, hash_of(key));
    *ret = fuse;
    return OK;
}

/* --- asking and telling ----------------------------------------------------------------------- */

static enum err take_locked(struct fuses *f, const struct key *key,
                            const struct breaker_policy *policy, uint64_t now_ms, struct fuse **ret,
                            struct breaker_pass *ret_pass)
{
    struct breaker_change change;
    struct map_node *node = map_find(&f->map, hash_of(key), key, is_same);
    struct fuse *fuse = node != NULL ? CONTAINER_OF(node, struct fuse, node) : NULL;
    enum err e = OK;
    if (fuse == NULL)
        e = add(f, key, policy, now_ms, &fuse);
    else
        breaker_configure(&fuse->breaker, policy, now_ms);
    if (e != OK)
        return e;
    if (!breaker_allow(&fuse->breaker, now_ms, ret_pass, &change))
        return ERR_BREAKER_OPEN;
    fuse->held++;
    *ret = fuse;
    return OK;
}

enum err fuse_take(struct fuses *f, struct str tenant, struct str name,
                   const struct fuse_policy *policy, uint64_t now_ms, struct fuse **ret_fuse,
                   struct breaker_pass *ret_pass)
{
    struct key key = {.tenant = tenant, .name = name};
    struct breaker_policy numbers = breaker_policy_of(policy);
    pthread_mutex_lock(&f->lock);
    enum err e = take_locked(f, &key, &numbers, now_ms, ret_fuse, ret_pass);
    pthread_mutex_unlock(&f->lock);
    return e;
}

/* API §4: what speaks of the provider's health. */
static bool counts(enum err code)
{
    return code == ERR_PROVIDER_UNREACHABLE || code == ERR_PROVIDER_TIMEOUT ||
           code == ERR_PROVIDER_ERROR || code == ERR_PROVIDER_OVERLOADED ||
           code == ERR_PROVIDER_BAD_RESPONSE;
}

void fuse_give(struct fuses *f, struct fuse *fuse, struct breaker_pass pass, enum err code,
               uint64_t now_ms, struct rng *rng)
{
    pthread_mutex_lock(&f->lock);
    if (code == OK)
        breaker_success(&fuse->breaker, pass, now_ms);
    else if (counts(code))
        breaker_failure(&fuse->breaker, pass, now_ms, 0, rng);
    else
        breaker_forget(&fuse->breaker, pass);
    fuse->held--;
    pthread_mutex_unlock(&f->lock);
}
