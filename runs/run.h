#ifndef SLUICE_RUNS_RUN_H
#define SLUICE_RUNS_RUN_H
/* A live run: its state, its root task, its feed, and what is still to be stored.
 *
 * Belongs to one shard, that is to one loop's thread, from admission to its end, so nothing here
 * locks. A run is made by run_create (new) or run_reopen (from the store), begun once its turn has
 * come, and leaves memory through the outbox: when its end, or its parking, is committed.
 *
 *     run_create -> run_begin -> tasks run -> run_end -> saved -> its clients are told -> run_evict
 *                                   |-> run_cancel ---^
 *                                   |-> nothing in flight, wakes later -> parked: saved and evicted
 *
 * run_enter is the only writer of a run's state. What happened is appended to the feed and stored
 * by the outbox (runs/outbox.h), which is told how urgent it is. */
#include "base/map.h"
#include "model/reason.h"
#include "model/run_spec.h"
#include "runs/directory.h"
#include "runs/feed.h"
#include "runs/tree.h"

struct shard;
struct accept;

/* How soon a change has to be stored: facts that somebody waits for at once, the rest within
 * flush_ms. */
enum save_urgency { SAVE_NOTHING, SAVE_SOON, SAVE_NOW };

/* Why a run is being stopped before its end. */
enum stop_cause { STOP_NONE, STOP_CANCEL, STOP_TIMEOUT };

struct run {
    struct map_node by_id;
    struct directory_entry entry;
    struct shard *shard;
    struct loop_deferred garbage;

    struct id id;
    char text[RUN_ID_TEXT]; /* "run_...", no NUL */
    struct str tenant;      /* in the spec's arena */
    uint64_t tenant_hash;   /* whose turn it takes in a provider's queue */
    struct run_spec spec;
    int64_t created_at_ms, started_at_ms, finished_at_ms; /* wall */
    enum run_state state;
    struct reason reason;

    struct task root;
    struct tree tree;
    struct list attempts; /* of all its tasks, until they end: struct attempt.of_run */
    struct list paused;   /* of these, those that pause */
    uint32_t in_flight;   /* attempts under way */
    enum stop_cause stop;
    struct reason stop_reason;
    uint64_t deadline_ms; /* monotonic, of the run */
    struct loop_timer deadline;
    struct loop_timer
        patience; /* a wait that proves longer than WAITING_AFTER_MS makes the run `waiting` */

    struct feed feed;
    struct list publish_link; /* on the shard's list while its feed may have something to publish */

    /* the outbox's: see runs/outbox.h */
    struct list outbox_link, held_link;
    enum save_urgency wanted;
    bool is_saving;
    bool row_changed; /* since it was last sent to be saved: more than its events is new */
    bool is_stored;   /* its row exists */
    bool release;   /* the next save gives it up: it has ended, is parked, or waits in the store for
                       its turn */
    bool is_hidden; /* no longer in the directory */
    bool begin_when_saved;
    uint8_t trace_id[16]; /* of the caller's traceparent, or the run's own id */
    size_t charged;       /* bytes on the shard's account */
    uint64_t store_ref;
    int64_t wake_at_ms;
    struct str lane;
    struct str idem_scope, idem_key;
    uint8_t idem_digest[32];
    struct id retry_of; /* the run that this one tries again; has_retry_of: there is one */
    bool has_retry_of;
    struct children children;
    struct str parent;       /* JSON; NULL: nobody made it but a client */
    struct id parent_id;     /* of the run in it */
    struct child_word *word; /* to that one; NULL: none, or it is on its way */
    struct list settling;    /* questions that wait until it is stored, and cancels that wait until
                                they are: ops.h */
    struct list stopping;
    struct list
        after_save; /* attempts that may go once a commit has come: struct attempt.after_save */

    /* who looks */
    struct loop_msg lazy_end; /* a lazy run's end, for its creator */
    struct accept *accept;    /* its creator's operation, until that is answered; NULL: none */
    uint32_t subscribers[MAX_LOOPS]; /* readers on each loop */
    uint32_t subscriber_count;
    bool is_wrecked; /* memory ran out: it goes back to the store as if the process had died */
    bool is_gone;    /* evicted; only waits for the end of the turn */
};

enum { WAITING_AFTER_MS = 100, PARK_AFTER_MS = 1000 };

/* Has a run of that tree tasks beside its root, or others that are stored one by one? NULL: it
 * calls an agent. */
bool run_is_tree(const struct task_spec *root);

/* A new run in state queued. Takes the spec over, also where it fails. */
enum err run_create(struct shard *shard, struct str tenant, struct run_spec *spec,
                    struct run **ret_run) MUST_CHECK;

/* One from the store, claimed by this gateway; goes on where it was (reopen.c). */
enum err run_restore(struct shard *shard, const struct run_record *record, struct run_spec *spec,
                     uint64_t store_ref, struct run **ret_run) MUST_CHECK;
struct store_claimed;
enum err run_reopen(struct shard *shard, const struct store_claimed *claimed) MUST_CHECK;

/* Tells that it is there, and why it waits if it does; sets the clock for its timeout; then, once
 * its turn has come: */
void run_queue(struct run *run, const struct reason *reason, enum save_urgency urgency);
void run_arm(struct run *run);
void run_begin(struct run *run);

/* Enters a state: checks the edge, tells it, wants it stored. */
void run_enter(struct run *run, enum run_state state, const struct reason *reason);

/* Stops everything of it in this turn. The reason is told as the cause. Nothing where it has ended
 * or is stopping. */
void run_cancel(struct run *run, const struct reason *reason);

/* The root task has ended, and with it the run. */
void run_end(struct run *run);

/* Something began or ended to be in flight, or waits differently: is the run running or waiting
 * now? */
void run_review(struct run *run);

/* What it waits for, if nothing of it is in flight or has its turn; NULL: it does not wait. */
const struct reason *run_waits_for(const struct run *run);

/* Has it nothing to do for so long that its memory is better used by others? */
bool run_may_park(const struct run *run);

/* It is about to be stored: parks it, where that is the better use of its memory. */
void run_before_save(struct run *run);

/* Is it on its way to the store, to go on from there? Nothing happens to it here any more, though
 * its last save may take a while yet: no step of its tree, no answer of a child, no cancel. Whoever
 * comes for it looks again, and finds it in the store. */
bool run_is_leaving(const struct run *run);

/* The gateway stops: goes back to the store as it is, for the next start. A call that must not be
 * made twice fails. */
void run_park(struct run *run);

/* Has it produced so much that is not stored yet that its upstream has to pause? */
bool run_is_ahead(const struct run *run);

/* What has paused for that goes on, unless it still is. */
void run_go_on(struct run *run);

/* Memory ran out in the middle of it: what is done then is done when the turn ends. */
void run_lacks_memory(struct run *run);
void run_wreck(struct run *run);

/* What it holds of memory now, for the account of its shard, which admission looks at. */
void run_charge(struct run *run);

/* The outbox's answers: everything up to `seq` is committed; it was not accepted (`e` says why, OK:
 * `existing` has its idempotency key); it belongs to another gateway now. Each may evict it. */
void run_on_saved(struct run *run, uint64_t seq);
void run_on_refused(struct run *run, enum err e, const struct id *existing, bool same_body);
void run_on_lost(struct run *run);

/* Takes it out of the directory: from now on it is looked for in the store. */
void run_hide(struct run *run);

/* Its memory goes at the end of this turn. */
void run_evict(struct run *run);

/* How deep in call-backs through providers it was created (Sluice-Depth), and its traceparent (W3C
 * Trace Context) with a new span. */
enum { RUN_DEPTH_SHIFT = 8, RUN_DEPTH_MAX = 255 };
static inline unsigned run_depth(const struct run *run)
{
    return run->spec.flags >> RUN_DEPTH_SHIFT & RUN_DEPTH_MAX;
}
void run_trace(struct run *run, char ret_text[64]);

/* --- telling ---------------------------------------------------------------------------------- */

/* Begins an event: returns the buffer for its data. `task` NULL: an event of the run. run_tell
 * appends it. */
struct buf *run_say(struct run *run, enum event_type type, const struct task *task,
                    uint32_t attempt);
void run_tell(struct run *run, enum event_type type, enum save_urgency urgency);

/* Is anybody reading, or waiting for, what is committed of it? */
bool run_is_watched(const struct run *run);

/* What the store keeps of it. `arena` takes what has to be written out; the rest stays the run's.
 */
enum err run_record(struct run *run, struct arena *arena, struct run_record *ret_record) MUST_CHECK;
#endif
