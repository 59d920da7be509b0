#ifndef SLUICE_NET_SIGNATURE_H
#define SLUICE_NET_SIGNATURE_H
/* Signatures of webhooks as Standard Webhooks has them (https://www.standardwebhooks.com): "v1,"
 * and the base64 of an HMAC-SHA256 over "ID.TIMESTAMP.BODY". libcrypto does it. Plain data; any
 * thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
    SIGNING_KEY_MAX = 256, /* bytes */
    SIGNATURE_TEXT = 48,   /* with a NUL */
};

struct signing_key {
    uint32_t len; /* 0: there is none */
    uint8_t bytes[SIGNING_KEY_MAX];
};

/* Reads a secret: "whsec_" and base64 is what that stands for, anything else is its own bytes.
 * False where it is empty, too long, or the base64 is none. */
bool signing_key_read(struct str secret, struct signing_key *ret_key);

/* Of "ID.TIMESTAMP.BODY" as one text. */
void signature_make(const struct signing_key *key, struct str content,
                    char ret_text[SIGNATURE_TEXT]);
#endif
