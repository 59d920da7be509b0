#ifndef SLUICE_RUNS_DIRECTORY_H
#define SLUICE_RUNS_DIRECTORY_H
/* Which live run is on which loop. Shared by the loops: each stripe of the table has a lock, held
 * for a look-up.
 *
 * An entry is embedded in its run, which adds it when it is made and removes it before it goes. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/id.h"
#include "base/map.h"

struct directory_entry {
    struct map_node node;
    struct id id;
    struct str tenant;
    uint32_t shard;
    atomic_uint_fast64_t published_seq; /* written by the owner, read by anybody */
    atomic_bool is_stored;
};

/* What a look-up tells. A hint: the run may end or move a moment later. */
struct directory_hit {
    uint32_t shard;
    uint64_t published_seq;
    bool is_stored;
};

enum { DIRECTORY_STRIPES = 64 };

struct directory {
    struct {
        pthread_mutex_t lock;
        struct map map;
    } stripes[DIRECTORY_STRIPES];
};

enum err directory_init(struct directory *d) MUST_CHECK;
void directory_fini(struct directory *d);

void directory_add(struct directory *d, struct directory_entry *e);
void directory_remove(struct directory *d, struct directory_entry *e);

/* False: not live here, or another tenant's. */
bool directory_find(struct directory *d, struct str tenant, const struct id *id,
                    struct directory_hit *ret_hit);
#endif
