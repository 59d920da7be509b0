#include "net/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "net/digest.h"

enum { BASE64_MAX = (SIGNING_KEY_MAX + 2) / 3 * 4 };

/* Strictly: what is read, written again, is the same text. */
static bool read_base64(struct str text, struct signing_key *ret)
{
    uint8_t bytes[BASE64_MAX];
    char again[BASE64_MAX + 1];
    if (text.len == 0 || text.len > BASE64_MAX || text.len % 4 != 0)
        return false;
    int n = EVP_DecodeBlock(bytes, (const uint8_t *)text.at, (int)text.len);
    if (n < 0)
        return false;
    for (size_t i = 1; i <= 2 && text.at[text.len - i] == '='; i++)
        n--; /* the padding was read as zeros */
    if (n == 0 || n > SIGNING_KEY_MAX)
        return false;
    EVP_EncodeBlock((uint8_t *)again, bytes, n);
    if (!str_eq(text, str_of(again)))
        return false;
    ret->len = (uint32_t)n;
    memcpy(ret->bytes, bytes, (size_t)n);
    return true;
}

bool signing_key_read(struct str secret, struct signing_key *ret_key)
{
    static const struct str prefix = {"whsec_", 6};
    struct signing_key key = {.len = 0};
    if (str_starts(secret, prefix)) {
        if (!read_base64((struct str){secret.at + prefix.len, secret.len - prefix.len}, &key))
            return false;
    } else {
        if (secret.len == 0 || secret.len > SIGNING_KEY_MAX)
            return false;
        key.len = (uint32_t)secret.len;
        memcpy(key.bytes, secret.at, secret.len);
    }
    *ret_key = key;
    return true;
}

void signature_make(const struct signing_key *key, struct str content,
                    char ret_text[SIGNATURE_TEXT])
{
    uint8_t mac[EVP_MAX_MD_SIZE] = {0};
    _Static_assert(SIGNATURE_TEXT > 3 + (DIGEST_BYTES + 2) / 3 * 4, "a signature fits");
    HMAC(EVP_sha256(), key->bytes, (int)key->len, (const uint8_t *)content.at, content.len, mac,
         NULL);
    memcpy(ret_text, "v1,", 3);
    EVP_EncodeBlock((uint8_t *)ret_text + 3, mac, DIGEST_BYTES);
}
