#ifndef SLUICE_RUNS_COURIER_H
#define SLUICE_RUNS_COURIER_H
/* Sends the webhooks: looks in the store for what is to be told, and sends an errand for each
 * (runs/errand.h).
 *
 *     a run's commit, an errand's end, a moment that has come
 *        -> look: page after page of the store's hosts -> errands, as far as there are places
 *
 * A run's commit has written down what is to be told of it; nothing of that is kept here, so that
 * it outlives the gateway and costs no memory. Of a run one event is under way at a time: they come
 * in their order. A receiver that hangs or fails has one place; each success gives a host one more,
 * up to `per_host`: it takes a great many bad ones to fill all `concurrency` places, and then hosts
 * take turns.
 *
 * Life: init, start, drain (no new errands), park (those under way are dropped: the next start
 * sends them), fini once it is quiet. Belongs to the first shard's loop; courier_hint may be called
 * from any thread, and the counts may be read there. */
#include <stdatomic.h>

#include "base/loop.h"
#include "net/signature.h"
#include "net/transfer.h"
#include "net/url_guard.h"
#include "store/store.h"

struct engine;
struct errand;

/* A reload changes them all. */
struct courier_options {
    struct signing_key key;     /* len 0: nothing is sent, and nothing taken in that is to be */
    struct signing_key old_key; /* signs as well, while receivers are told of a new one */
    bool allow_private;         /* receivers may be at any address */
    uint32_t concurrency;       /* errands under way */
    uint32_t per_host;          /* of them, to one host and port */
    uint64_t timeout_ms;        /* of a try */
    uint32_t retry_ms;          /* longest pause before the second try; grows threefold, to 2 h */
    uint64_t give_up_ms;        /* tries that fail for so long are the last */
};

/* One that errands are under way to. Gone when none is, and nothing is due for it. */
struct courier_host {
    struct map_node by_name;
    char *name;
    uint32_t under_way;
    uint32_t places;
};

enum { COURIER_HTTP, COURIER_HTTPS, COURIER_POOLS };

struct courier {
    struct engine *engine;
    struct loop *loop;
    struct map hosts;   /* struct courier_host */
    struct map errands; /* by run: struct errand.by_run */
    struct list ended; /* of them, those that have ended since a page was asked for, which may still
                          show them as due */
    uint32_t sent;     /* those that have not ended */
    struct transfer_pool *pools[COURIER_POOLS]; /* made at the first use */
    struct store_due due;                       /* the look that is under way */
    bool is_looking;
    bool looks_again; /* something has changed since it began, or it came to nothing */
    bool is_wrapped;  /* it has come to the first host (again) */
    /* The last host that got a place before there were none: the next look begins behind it. */
    char from[URL_HOST_MAX];
    int64_t next_ms; /* of this look: when something is due that is not yet, wall; 0: never */
    struct loop_timer timer;
    uint64_t began_ms;       /* the look; monotonic */
    uint64_t pause_until_ms; /* none begins sooner */
    struct loop_msg hint;
    atomic_bool is_hinted;
    bool is_running;            /* started, and not drained */
    atomic_uint under_way;      /* errands, and a look */
    atomic_uint_fast64_t waits; /* runs with something to be told, at the last look */
};

enum err courier_init(struct courier *c, struct engine *engine) MUST_CHECK;
void courier_fini(struct courier *c);

/* On the first loop. */
void courier_start(struct courier *c);
void courier_drain(struct courier *c);
void courier_park(struct courier *c);
void courier_take_over(struct courier *c);  /* the first shard has other limits */
void courier_drop_pools(struct courier *c); /* when the loop is about to stop */

/* Something that is to be told was committed. Any thread. */
void courier_hint(struct courier *c);

/* Is nothing under way? Any thread. */
static inline bool courier_is_quiet(const struct courier *c)
{
    return atomic_load(&c->under_way) == 0;
}

/* --- for its errands -------------------------------------------------------------------------- */

enum errand_end {
    ERRAND_TOLD,
    ERRAND_FAILED,  /* to be tried again */
    ERRAND_DROPPED, /* failed for the last time, or the receiver wants no more */
    ERRAND_NONE,    /* nothing was to be told any more */
    ERRAND_UNSENT,  /* for want of the store or of memory; or dropped by courier_park */
};
void courier_on_end(struct courier *c, struct errand *e, enum errand_end end);

const struct courier_options *courier_options(const struct courier *c);

/* ERR_NOMEM. */
enum err courier_pool(struct courier *c, bool is_tls, struct transfer_pool **ret_pool) MUST_CHECK;
#endif
