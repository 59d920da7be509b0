#ifndef SLUICE_NET_DIGEST_H
#define SLUICE_NET_DIGEST_H
/* SHA-256, and comparing without telling by time where two digests differ. libcrypto does it. Any
 * thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { DIGEST_BYTES = 32 };

void digest_sha256(struct str bytes, uint8_t ret_digest[DIGEST_BYTES]);
bool digest_eq(const uint8_t a[DIGEST_BYTES], const uint8_t b[DIGEST_BYTES]);
#endif
