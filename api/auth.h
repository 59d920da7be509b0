#ifndef SLUICE_API_AUTH_H
#define SLUICE_API_AUTH_H
/* Who asks: API keys with their scopes, and how many runs each may create in a time.
 *
 * Keys are kept as SHA-256 digests (they are random, so nothing slower is needed) and compared in
 * constant time; a key's name is its tenant. Without any key everybody may do everything, as the
 * tenant "": then the server listens to loopback only.
 *
 * The keys are immutable; a reload makes new ones. Tenants outlive them: one is made when its name
 * first appears and goes with the API, so that a request may keep its tenant's name, and a key that
 * was changed, or left out for a while, finds its bucket as it was. Made and configured on one
 * thread; all else from any. */
#include <pthread.h>

#include "api/headers.h"
#include "base/err.h"
#include "net/digest.h"
#include "resilience/token_bucket.h"

enum scope { SCOPE_OPEN, SCOPE_READ, SCOPE_RUN, SCOPE_ADMIN };

struct tenant {
    struct tenant *next;
    struct str name;      /* in the same block of memory */
    pthread_mutex_t lock; /* of what follows */
    bool is_limited;
    struct token_bucket creates;
};

struct tenants {
    struct tenant *first;
};

struct api_key {
    struct tenant *tenant;
    uint8_t digest[DIGEST_BYTES];
    enum scope scope; /* the highest; it holds those below it */
    struct token_bucket_policy
        requests; /* for the tenant, once the keys are in force; rate 0: off */
};

struct auth {
    struct api_key *keys; /* owned by whoever set it up */
    uint32_t count;
};

/* The tenant of that name; made, without a limit, if there is none. OK; ERR_NOMEM. */
enum err tenants_get(struct tenants *all, struct str name, struct tenant **ret_tenant) MUST_CHECK;
void tenants_fini(struct tenants *all);

/* From now on these keys are in force: their tenants get their numbers. What a tenant has used
 * counts on; one that was not limited begins with a full bucket. */
void auth_configure(const struct auth *auth, uint64_t now_ms);

/* OK with the key (NULL where none is needed), ERR_UNAUTHENTICATED, ERR_FORBIDDEN. */
enum err auth_check(const struct auth *auth, const struct headers *h, enum scope needed,
                    const struct api_key **ret_key) MUST_CHECK;

/* May the tenant (NULL: nobody is asked for a key) create `n` more runs now? OK, or
 * ERR_RATE_LIMITED with the time until it may. */
enum err auth_take(struct tenant *tenant, uint64_t n, uint64_t now_ms,
                   uint64_t *ret_wait_ms) MUST_CHECK;
#endif
