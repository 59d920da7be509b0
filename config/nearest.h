#ifndef SLUICE_CONFIG_NEAREST_H
#define SLUICE_CONFIG_NEAREST_H
/* "Did you mean ...?": how far two names are apart. Pure; any thread. */
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum { NEAREST_MAX = 64 /* bytes of a name; longer ones are far from everything */ };

/* How many letters must be put in, left out, replaced or swapped with their neighbour to make one
 * name the other (optimal string alignment); SIZE_MAX where a name is too long. */
size_t nearest_distance(struct str a, struct str b);

/* Is `name` likely to be a slip of the pen for `known`? A third of it may be wrong, but at most
 * three letters. */
bool nearest_is_slip(struct str name, struct str known, size_t *ret_distance);
#endif
