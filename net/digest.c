#include "net/digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

void digest_sha256(struct str bytes, uint8_t ret_digest[DIGEST_BYTES])
{
    SHA256((const unsigned char *)(bytes.len > 0 ? bytes.at : ""), bytes.len, ret_digest);
}

bool digest_eq(const uint8_t a[DIGEST_BYTES], const uint8_t b[DIGEST_BYTES])
{
    return CRYPTO_memcmp(a, b, DIGEST_BYTES) == 0;
}
