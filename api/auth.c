#include "api/auth.h"

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

enum err auth_check(struct auth *auth, const struct headers *h, enum scope needed,
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

enum err auth_take(const struct api_key *key, uint64_t n, uint64_t now_ms, uint64_t *ret_wait_ms)
{
    if (key == NULL || !key->is_limited)
        return OK;
    struct api_key *k = (struct api_key *)(uintptr_t)
        key; /* const to everybody but for the bucket, which has a lock */
    pthread_mutex_lock(&k->lock);
    bool taken = token_bucket_take(&k->creates, n, now_ms);
    *ret_wait_ms = taken ? 0 : token_bucket_wait_ms(&k->creates, n, now_ms);
    pthread_mutex_unlock(&k->lock);
    return taken ? OK : ERR_RATE_LIMITED;
}
