#ifndef SLUICE_API_CONDITIONS_H
#define SLUICE_API_CONDITIONS_H
/* Conditional requests (RFC 9110, 13) on things whose entity tag is their version: "7".
 *
 * Views into the headers, borrowed; pure. A tag that is no tag matches nothing. Any thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct conditions {
    struct str if_match, if_none_match; /* as sent; NULL: not there */
};

/* May it be changed, or told, as far as If-Match goes? Version 0: there is nothing. Compared
 * strongly: a weak tag matches nothing. */
bool conditions_match(const struct conditions *c, int64_t version);

/* Is it none of those that If-None-Match names? Compared weakly. Where not, a reader has it already
 * (304), and a change must not be made (412). */
bool conditions_none_match(const struct conditions *c, int64_t version);
#endif
