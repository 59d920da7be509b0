#ifndef SLUICE_CONFIG_FINDINGS_H
#define SLUICE_CONFIG_FINDINGS_H
/* What is wrong with a configuration: one line each, "FILE:LINE:COLUMN: what", in the order of the
 * file, whatever the order in which they were found; at most FINDINGS_MAX, and how many more there
 * are. Secrets are never passed in.
 *
 * Life: findings_init, any findings_add, findings_write. No memory of its own; one thread. */
#include <stdint.h>

#include "base/buf.h"

enum { FINDINGS_MAX = 20, FINDING_TEXT = 512 };

struct finding {
    size_t offset; /* within the text; 0 also where there is no place */
    bool has_place;
    char text[FINDING_TEXT]; /* cut where it is longer; control characters are "?" */
};

struct findings {
    const char *source; /* the file's name */
    struct str text;    /* what is in it; borrowed */
    struct finding list[FINDINGS_MAX];
    uint32_t count;
    uint32_t dropped; /* later in the file than those in the list */
};

void findings_init(struct findings *f, const char *source, struct str text);

/* `at`: the byte of the text that it is about; NULL where it is about none of them. */
void findings_add(struct findings *f, const char *at, struct str what);

void findings_write(const struct findings *f, struct buf *out);
#endif
