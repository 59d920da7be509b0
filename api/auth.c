#include "api/auth.h"

#include "base/mem.h"

/* --- tenants ---------------------------------------------------------------------------------- */

static struct tenant *make_tenant(struct str name)
{
    struct tenant *t = mem_zalloc(sizeof *t + name.len);
    if (t == NULL)
        return NULL;
    char *own = (char *)(t + 1);
    memcpy(own, name.at, name.len);
    t->name = (struct str){own, name.len};
    pthread_mutex_init(&t->lock, NULL); /* fails for no default attributes */
    return t;
}

enum err tenants_get(struct tenants *all, struct str name, struct tenant **ret_tenant)
{
    struct tenant *t = all->first;
    while (t != NULL && !str_eq(t->name, name))
        t = t->next;
    if (t == NULL) {
        t = make_tenant(name);
        if (t == NULL)
            return ERR_NOMEM;
        t->next = all->first;
        all->first = t;
    }
    *ret_tenant = t;
    return OK;
}

void tenants_fini(struct tenants *all)
{
    struct tenant *next;
    for (struct tenant *t = all->first; t != NULL; t = next) {
        next = t->next;
        pthread_mutex_destroy(&t->lock);
        mem_free(t);
    }
    all->first = NULL;
}

static void configure(struct tenant *t, const struct token_bucket_policy *policy, uint64_t now_ms)
{
    pthread_mutex_lock(&t->lock);
    if (t->is_limited)
        token_bucket_configure(&t->creates, policy, now_ms);
    else
        token_bucket_init(&t->creates, policy, now_ms);
    t->is_limited = policy->rate > 0;
    pthread_mutex_unlock(&t->lock);
}

void auth_configure(const struct auth *auth, uint64_t now_ms)
{
    for (uint32_t i = 0; i < auth->count; i++)
        configure(auth->keys[i].tenant, &auth->keys[i].requests, now_ms);
}

/* --- keys ------------------------------------------------------------------------------------- */

/* The key as the client sent it: `Authorization: Bearer K` or `x-api-key: K`. */
static struct str presented(const struct headers *h)
{
    struct str rest = h->authorization;
    if (rest.len == 0)
        return h->api_key;
    struct str scheme = str_cut(&rest, ' ');
    return str_eq_nocase(scheme, STR("Bearer")) ? str_trim(rest) : STR_NONE;
}

/* Looks at every key, also after a match, so that the time tells nothing. */
static const struct api_key *find(const struct auth *auth, struct str key)
{
    uint8_t digest[DIGEST_BYTES];
    const struct api_key *found = NULL;
    digest_sha256(key, digest);
    for (uint32_t i = 0; i < auth->count; i++) {
        if (digest_eq(digest, auth->keys[i].digest))
            found = &auth->keys[i];
    }
    return found;
}

enum err auth_check(const struct auth *auth, const struct headers *h, enum scope needed,
                    const struct api_key **ret_key)
{
    *ret_key = NULL;
    if (needed == SCOPE_OPEN || auth->count == 0)
        return OK;
    struct str key = presented(h);
    const struct api_key *found = key.len > 0 ? find(auth, key) : NULL;
    if (found == NULL)
        return ERR_UNAUTHENTICATED;
    *ret_key = found;
    return found->scope >= needed ? OK : ERR_FORBIDDEN;
}

enum err auth_take(struct tenant *t, uint64_t n, uint64_t now_ms, uint64_t *ret_wait_ms)
{
    if (t == NULL)
        return OK;
    pthread_mutex_lock(&t->lock);
    bool taken = !t->is_limited || token_bucket_take(&t->creates, n, now_ms);
    *ret_wait_ms = taken ? 0 : token_bucket_wait_ms(&t->creates, n, now_ms);
    pthread_mutex_unlock(&t->lock);
    return taken ? OK : ERR_RATE_LIMITED;
}
