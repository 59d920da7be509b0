#ifndef SLUICE_API_AUTH_H
#define SLUICE_API_AUTH_H
/* Who asks: API keys with their scopes, and how many runs each may create in a time.
 *
 * Keys are kept as SHA-256 digests (they are random, so nothing slower is needed) and compared in
 * constant time; a key's name is its tenant. Without any key everybody may do everything, as the
 * tenant "": then the server listens to loopback only. Immutable but for the buckets, which have a
 * lock; any thread. */
#include <pthread.h>

#include "api/headers.h"
#include "base/err.h"
#include "net/digest.h"
#include "resilience/token_bucket.h"

enum scope { SCOPE_OPEN, SCOPE_READ, SCOPE_RUN, SCOPE_ADMIN };

struct api_key {
    struct str name;
    uint8_t digest[DIGEST_BYTES];
    enum scope scope; /* the highest; it holds those below it */
    bool is_limited;
    struct token_bucket creates;
    pthread_mutex_t lock; /* of the bucket */
};

struct auth {
    struct api_key *keys; /* owned by whoever set it up */
    uint32_t count;
};

/* OK with the key (NULL where none is needed), ERR_UNAUTHENTICATED, ERR_FORBIDDEN. */
enum err auth_check(struct auth *auth, const struct headers *h, enum scope needed,
                    const struct api_key **ret_key) MUST_CHECK;

/* May the key create `n` more runs now? OK, or ERR_RATE_LIMITED with the time until it may. */
enum err auth_take(const struct api_key *key, uint64_t n, uint64_t now_ms,
                   uint64_t *ret_wait_ms) MUST_CHECK;
#endif
