#ifndef SLUICE_RUNS_SHARD_H
#define SLUICE_RUNS_SHARD_H
/* The engine's part on one loop: the runs that live there, what is to be stored of them, and what
 * their readers get.
 *
 * Everything in it belongs to the loop's thread, but for the counters that other loops read to see
 * how busy it is. */
#include <stdatomic.h>

#include "base/rng.h"
#include "model/series.h"
#include "runs/courier.h"
#include "runs/definitions.h"
#include "runs/listen.h"
#include "runs/outbox.h"
#include "runs/run.h"
#include "store/store.h"

struct engine;

enum { UNCOMMITTED_EVENTS_MAX = 65536 }; /* the largest engine_limits.uncommitted_events */

/* What bounds the engine. Set when it is made; a reload changes what is marked (r). */
struct engine_limits {
    uint32_t live_runs;          /* (r) in memory, all loops together */
    uint32_t queue_runs;         /* (r) waiting in the store for room in memory */
    uint64_t memory_bytes;       /* (r) of live runs */
    uint64_t run_bytes;          /* (r) of the tree of one of them */
    uint64_t output_bytes;       /* (r) of one answer */
    uint64_t uncommitted_events; /* of one run */
    uint64_t reader_bytes;       /* (r) held for one reader */
    uint32_t readers_per_run;    /* (r) */
    uint64_t flush_ms;
    struct spec_limits spec;         /* (r) */
    struct courier_options webhooks; /* (r) */
};

/* What a reload hands to a shard: one block of memory, taken over. */
struct takeover {
    struct catalog *catalog;            /* a reference */
    struct definitions *definitions;    /* likewise */
    const struct engine_limits *limits; /* in place until the next takeover */
    struct list link;                   /* then the catalog that was replaced waits in it */
};

struct shard {
    struct engine *engine;
    uint32_t index;
    struct loop *loop;
    struct store *store;
    const struct engine_limits *limits; /* in force; another one after a takeover */
    uint32_t tasks_max;                 /* of one run; TASKS_MAX unless changed after init */
    struct str base_path;
    struct catalog *catalog;         /* likewise */
    struct definitions *definitions; /* in force; another one whenever one of them is changed */
    struct list retired; /* takeovers, with the catalogs that they have replaced, until nobody
                            here uses a provider of theirs */
    bool may_retire;     /* somebody has let go of one */

    struct id_source ids;
    struct rng rng;
    struct json_doc scratch;       /* a tape for whoever parses something within one call */
    struct buf event;              /* the event that is being written */
    struct metrics_shard *metrics; /* NULL: nobody counts */

    struct map runs; /* by id */
    struct outbox outbox;
    struct tree_work work;   /* runs whose tasks have something to do */
    struct list withdrawals; /* runs/withdraw.c */
    struct list publishing;  /* runs whose feeds may have something to publish: run.publish_link */
    struct loop_hook publish_hook;
    struct map mirrors; /* runs that somebody on this loop follows: runs/mirror.h */
    struct listeners listeners;

    atomic_uint live;            /* runs here */
    atomic_uint idle;            /* of these, those that only wait for their children */
    atomic_uint_fast64_t memory; /* bytes that they hold */
    bool is_parking;
    atomic_bool is_parked; /* nothing is left to be stored */
};

enum err shard_init(struct shard *s, struct engine *engine, uint32_t index,
                    struct loop *loop) MUST_CHECK;
void shard_fini(struct shard *s);

/* Counts, where somebody does. */
static inline void shard_count(struct shard *s, enum series series, size_t a, size_t b, int64_t n)
{
    if (s->metrics != NULL)
        metrics_add(s->metrics, series, a, b, n);
}
static inline void shard_observe_us(struct shard *s, enum series series, size_t a, uint64_t us)
{
    if (s->metrics != NULL)
        metrics_observe_us(s->metrics, series, a, 0, us);
}
static inline void shard_observe(struct shard *s, enum series series, size_t a, uint64_t ms)
{
    shard_observe_us(s, series, a, ms * 1000);
}

/* The live run with that id, NULL if it is not here. */
struct run *shard_find(const struct shard *s, const struct id *id);

/* From now on this catalog and these limits: whole, between two events of the loop. What has begun
 * goes on with what it holds; connections to providers as they were are closed once nobody here
 * uses them. */
void shard_take_over(struct shard *s, struct takeover *t);

/* From now on these agents and workflows, of which it takes over the reference; between two events
 * of the loop. */
void shard_define(struct shard *s, struct definitions *definitions);

static inline struct vocabulary shard_vocabulary(const struct shard *s)
{
    return (struct vocabulary){.catalog = s->catalog, .definitions = s->definitions};
}

/* For who makes calls to a provider here, from its first to its last. */
void shard_hold(struct shard *s, struct upstream *u);
void shard_let_go(struct shard *s, struct upstream *u);

/* Closes all connections to providers and receivers: when the loop is about to stop. */
void shard_drop_pools(struct shard *s);

/* Has something of this run's feed become ready for its readers? Looked at when the turn ends. */
void shard_publish_later(struct run *run);
#endif
