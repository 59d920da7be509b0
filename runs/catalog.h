#ifndef SLUICE_RUNS_CATALOG_H
#define SLUICE_RUNS_CATALOG_H
/* The providers by name, as one immutable snapshot.
 *
 * A reload makes a new one and every loop takes it over; what has begun keeps what it holds.
 * Reference counted; any thread. */
#include "runs/upstream.h"

struct catalog {
    atomic_uint refs;
    struct upstream **upstreams;
    uint32_t upstream_count;
};

/* Takes over the array and the references in it; frees them also when it fails. */
enum err catalog_create(struct upstream **upstreams, uint32_t upstream_count,
                        struct catalog **ret_catalog) MUST_CHECK;
struct catalog *catalog_ref(struct catalog *c);
struct catalog *catalog_unref(struct catalog *c); /* NULL is fine; returns NULL */

/* From now on it is in force: every gate gets the numbers of its provider, and who waits there
 * feels them at once. Any thread. */
void catalog_configure(const struct catalog *c);

/* Borrowed; NULL if there is none. */
struct upstream *catalog_upstream(const struct catalog *c, struct str name);

/* Takes "provider/model" apart. OK, ERR_UNKNOWN_MODEL where it is not of that form,
 * ERR_UNKNOWN_PROVIDER. */
enum err catalog_resolve(const struct catalog *c, struct str model, struct upstream **ret_upstream,
                         struct str *ret_model) MUST_CHECK;
#endif
