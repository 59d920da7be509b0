#ifndef SLUICE_RUNS_ACCEPT_H
#define SLUICE_RUNS_ACCEPT_H
/* Accepting a run: from a checked spec to the answer that names it.
 *
 *     accept_start -> refused at once (the return value says why), or
 *                  -> on_accepted once: it is committed (a lazy one: it has begun), or exists
 *                     already, or was refused
 *                  -> on_ended once, where `waits` was set and the run lives here: its end is
 *                     committed
 *
 * While its creator only waits for the end, the row of a new run is not worth a commit of its own:
 * it is written with the end, if that comes within flush_ms, or when accept_hurry asks. Used on the
 * creator's loop; the operation stays in place until its last callback, or until accept_detach,
 * after which none comes. */
#include "base/loop.h"
#include "model/run_spec.h"
#include "runs/tree_copy.h"

struct shard;
struct run;

struct accept {
    /* set by the caller */
    struct str tenant;               /* borrowed during accept_start */
    struct run_spec spec;            /* taken over by accept_start, also where it refuses */
    struct str idem_scope, idem_key; /* likewise; key empty: none */
    uint8_t idem_digest[32];
    struct id retry_of; /* the run that is tried again; has_retry_of: there is one */
    bool has_retry_of;
    struct tree_copies copies; /* what is taken over of it; in the spec's arena */
    bool waits;                /* the creator waits for the end */
    bool streams;              /* the creator follows the run from its first event */
    bool brief;                /* `json` is as in a list: large values are references */
    void (*on_accepted)(struct accept *a);
    void (*on_ended)(struct accept *a, const struct run_record *record); /* only with `waits` */

    /* the result, at on_accepted */
    enum err refused; /* OK: it is accepted, or exists */
    bool exists;      /* a run with the same key is there already: `id` names it */
    bool same_body;
    struct id id;
    struct buf json; /* the run as it was then; empty where it exists; freed by accept_fini */
    bool is_live;    /* on_ended will come */

    /* private */
    struct accept_group *group; /* NULL: it comes alone */
    struct shard *home;         /* the creator's */
    struct shard *at;           /* where the run lives */
    struct run *run;
    struct loop_msg msg;
    bool is_told;
    bool is_posted;    /* on_accepted is on its way to its loop: it stays in place until then */
    bool is_queued;    /* waits in the store for its turn */
    struct str lane;   /* in the spec's arena */
    struct gate *gate; /* of the lane; NULL: none */
};

/* Is anything taken in at all? OK; ERR_DRAINING, ERR_STORAGE_UNAVAILABLE, ERR_OVERLOADED. */
enum err accept_is_open(const struct shard *shard) MUST_CHECK;

/* OK; what accept_is_open says; ERR_QUEUE_FULL, ERR_UNKNOWN_WORKFLOW, ERR_NOMEM. */
enum err accept_start(struct accept *a, struct shard *shard) MUST_CHECK;

/* Several that are committed together: they live on one loop, and their rows are one batch for the
 * store, so that a crash leaves all that were accepted or none. None waits or streams, and a lazy
 * one is stored like the others. Each is told with on_accepted, never within the call, also what
 * accept_start would have returned. The group stays in place until the last one was told. */
struct accept_group {
    struct accept *const *items;
    uint32_t count;

    /* private */
    struct shard *at;
    struct loop_msg msg;
};

void accept_start_together(struct accept_group *g, struct shard *shard);

/* Are both new and of one group? Then they belong into one batch. */
bool accept_is_joint(const struct accept *a, const struct accept *b);

/* The creator no longer waits for the end: commit what there is, so that it can be told of the run.
 */
void accept_hurry(struct accept *a);

/* The creator went away or was answered. Only after on_accepted, or where the run lives on this
 * loop. One that is_posted is still told. */
void accept_detach(struct accept *a);

void accept_fini(struct accept *a);

/* From the run's side: it is committed; it was refused or exists; it has ended. */
void accept_on_saved(struct accept *a, struct run *run);
void accept_on_refused(struct accept *a, enum err e, const struct id *existing, bool same_body);
void accept_on_ended(struct accept *a, struct run *run);
#endif
