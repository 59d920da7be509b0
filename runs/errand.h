#ifndef SLUICE_RUNS_ERRAND_H
#define SLUICE_RUNS_ERRAND_H
/* One try to tell a receiver of one event of a run.
 *
 *     reading (the event, from the store) -> posting -> settling (what became of it, to the store)
 *
 * It ends with courier_on_end, once; what is settled was told, or is due later, or never again.
 * While the store is away it goes on settling, so that nobody is told twice for that. Made by the
 * courier, on its loop; its memory goes when the turn ends in which it did. */
#include "model/webhook.h"
#include "runs/courier.h"

enum errand_state { ERRAND_READING, ERRAND_POSTING, ERRAND_SETTLING, ERRAND_RESTING, ERRAND_OVER };

struct errand {
    struct map_node by_run; /* the courier's, like the next two */
    struct courier_host *host;
    struct list ended_link;

    /* private */
    struct courier *courier;
    struct loop_deferred garbage;
    enum errand_state state;
    bool is_stopped;
    struct arena arena;             /* what the views below point to */
    struct store_delivery delivery; /* as it was found */
    struct webhook webhook;
    uint64_t seq; /* of the event; before: what was read up to */
    struct store_events read;
    struct buf content; /* "ID.TIMESTAMP.BODY" */
    struct transfer *transfer;
    size_t answer_bytes;
    enum errand_end end; /* once it is settled */
    struct store_settle settle;
    struct loop_timer again;
};

/* `d` is copied. Never calls back within the call. ERR_NOMEM. */
enum err errand_start(struct courier *c, const struct store_delivery *d,
                      struct errand **ret_errand) MUST_CHECK;

/* Lets go of it as soon as it can, also within the call. */
void errand_stop(struct errand *e);

/* Of one that has ended: its memory goes when the turn ends. */
void errand_destroy(struct errand *e);
#endif
