#ifndef SLUICE_SERVER_DESCRIPTORS_H
#define SLUICE_SERVER_DESCRIPTORS_H
/* The process's limit on open files, and what it allows. */
#include <stdint.h>

/* Raises the limit on descriptors as far as may be, and says how many client connections of
 * `wanted` that allows: each may need one more to a provider. */
uint32_t descriptors_allow(uint32_t wanted);
#endif
