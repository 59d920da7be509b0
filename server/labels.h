#ifndef SLUICE_SERVER_LABELS_H
#define SLUICE_SERVER_LABELS_H
/* The metrics' provider label: which place each provider has among its values.
 *
 * The number of series is fixed when the gateway starts: those providers, LABELS_SPARE places for
 * such that come with a reload, and "other" for all that come when these are taken. A provider that
 * goes keeps its place, and finds it when it comes back. The main thread's. */
#include "model/series.h"
#include "runs/catalog.h"

enum { LABELS_SPARE = 16 };

struct labels {
    struct metrics *metrics;
    struct str *names; /* of the places that are taken; the last place is for the others */
    uint32_t count;    /* of all places */
    uint32_t taken;
    bool has_others;
};

/* Makes the metrics, with these routes, and gives the catalog's providers their labels. OK;
 * ERR_LIMIT, ERR_NOMEM. */
enum err labels_init(struct labels *l, const struct str *routes, size_t route_count,
                     const struct catalog *c) MUST_CHECK;
void labels_fini(struct labels *l); /* once the metrics' shards are closed */

/* Those of another catalog, before others see it. */
void labels_assign(struct labels *l, const struct catalog *c);
#endif
