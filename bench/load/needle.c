#include "load/needle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void needle_init(struct needle *n, const char *text)
{
    n->text = text;
    n->len = strlen(text);
    if (n->len == 0 || n->len > NEEDLE_MAX_BYTES) {
        fprintf(stderr, "text of 1 to %d bytes wanted: %s\n", NEEDLE_MAX_BYTES, text);
        exit(2);
    }
    uint8_t k = 0;
    for (size_t i = 1; i < n->len; i++) {
        while (k > 0 && text[k] != text[i])
            k = n->back[k];
        if (text[k] == text[i])
            k++;
        n->back[i + 1] = k;
    }
}

uint32_t needle_count(const struct needle *n, uint8_t *at, const char *bytes, size_t len)
{
    uint32_t found = 0;
    uint8_t k = *at;
    const char *end = bytes + len;
    for (const char *p = bytes; p < end; p++) {
        if (k == 0) {
            p = memchr(p, n->text[0], (size_t)(end - p));
            if (!p)
                break;
        }
        while (k > 0 && n->text[k] != *p)
            k = n->back[k];
        if (n->text[k] == *p)
            k++;
        if (k == n->len) {
            found++;
            k = 0;
        }
    }
    *at = k;
    return found;
}
