#ifndef SLUICE_STORE_STORE_H
#define SLUICE_STORE_STORE_H
/* Where runs and their events are kept: the interface, with SQLite behind it today and room for a
 * database that several gateways share.
 *
 * Everything is asynchronous: the caller fills an operation, starts it, and gets it back through
 * `on_done` on the loop that it named. The operation and all that it points to stay in place until
 * then. Operations that one loop starts are carried out in their order as far as they write; reads
 * see what was committed when they run.
 *
 * Nothing here assumes one process. Ids and `seq` are made by the caller. A run is written only by
 * the gateway that owns it: it was accepted or claimed under a lease (its owner's epoch), and a
 * write under another lease is `fenced`. Whoever dies leaves runs that are claimed by somebody
 * else. Lease and wake-up times are judged by the store's clock.
 *
 * Results: `ok`; `exists` (accept: the idempotency key is taken); `fenced`; `absent`; `conflict`
 * (not in the state that the operation needs); `unknown` (the commit failed: it may have happened.
 * An accept that ends so is erased as soon as the store can write again, a claim undone; a save is
 * to be sent again and may find itself done, and until then the run stays its owner's; what became
 * of a definition is to be read);
 * `unavailable` (nothing was done).
 *
 * Bounds: store_is_full says that `queue_bytes` wait to be written: accept nothing new and pause
 * what produces. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/map.h"
#include "model/event.h"
#include "model/run_record.h"
#include "store/bus.h"

struct store;

enum store_result {
    STORE_OK,
    STORE_EXISTS,
    STORE_FENCED,
    STORE_ABSENT,
    STORE_CONFLICT,
    STORE_UNKNOWN,
    STORE_UNAVAILABLE,
};

const char *store_result_name(enum store_result r);

enum store_op_kind {
    STORE_BATCH,
    STORE_CLAIM,
    STORE_COMMAND,
    STORE_DELETE,
    STORE_NOTE,
    STORE_SETTLE,
    STORE_DEFINE,
    STORE_SEED,
    STORE_BACKUP,
    STORE_GET,
    STORE_TWIN,
    STORE_EVENTS,
    STORE_BUS,
    STORE_TASKS,
    STORE_LIST,
    STORE_LANES,
    STORE_NOTES,
    STORE_DUE,
    STORE_DEFINITIONS,
};

struct store_op {
    struct loop_msg msg; /* private */
    struct store_op *next;
    enum store_op_kind kind;
    struct loop *loop; /* where on_done is called; set, like all below, by store_start's caller */
    void (*on_done)(struct store_op *op);
    enum store_result result;
};

/* --- writing ---------------------------------------------------------------------------------- */

/* Consecutive events of a run, as lines. One that is sent again after an unknown outcome begins
 * where it did before and holds at least as much. */
struct store_segment {
    uint64_t first_seq, last_seq;
    struct str lines;
};

/* What of a segment lies behind `seq`: for stores, which leave a segment that they have as it is.
 */
struct store_segment store_segment_after(const struct store_segment *s, uint64_t seq);

/* A task of a run's tree; the store looks into none of its texts. The latest one with a path
 * stands. */
struct store_task {
    struct str path;
    struct str text;   /* JSON */
    struct str output; /* JSON; NULL: none */
};

/* Somebody is to be told of some of a change's events: written down in its commit, so that they are
 * told even if the gateway dies at that moment (`deliveries` below). The first one of a run that
 * has nothing to be told says who and when, those behind it only how far. */
struct store_telling {
    uint64_t first, last; /* seqs of the first and the last such event; last 0: there is none */
    struct str host;      /* of the receiver: deliveries are counted out by it */
    struct str receiver;  /* what is to be known of it; the store does not look into it */
    int64_t at_ms;        /* when it is due, wall */
};

/* A run that a task of another one makes: its child. */
struct store_child {
    const struct run_record *run;
    struct store_segment segment; /* its events so far */
};

/* Everything that happened to one run since its last change: one write of its row, its events, and
 * those of its tasks that are not what they were. */
enum { STORE_LANE_MAX = 80 };
struct store_change {
    bool accept;      /* the run is new */
    bool release;     /* nobody owns it any more: it has ended, or is parked until wake_at_ms */
    bool only_events; /* the row stays as it is, but for the seq, which moves to the last event's:
                         of `run` only that and the id are read. Neither accept nor release */
    const struct run_record
        *run; /* its row from now on. `spec` and all that never changes is read on accept only;
                 a `definition` is kept then if its version is not there any more */
    uint64_t epoch; /* the lease under which it is written */
    uint64_t ref;   /* the store's short name for it: 0 on accept, where it is filled in */
    struct store_segment *segments;
    uint32_t segment_count;
    struct store_task *tasks; /* of a run with RUN_IS_TREE only */
    uint32_t task_count;
    struct store_telling telling;

    /* Its children, each made in this transaction unless it is there already, and owned by nobody.
     * Not on accept. */
    const struct store_child *children;
    uint32_t child_count;
    /* Of a run that is parked: the children that it waits for. Where one has ended, or is gone, the
     * run is due at once: whatever order the two commits have, the end is not overlooked. */
    const struct id *waits_for;
    uint32_t wait_count;
    const struct id *wakes; /* its parent, made due if it is parked; NULL: nobody */

    bool is_due;                     /* because of waits_for */
    bool has_woken;                  /* `wakes` was parked: */
    char woken_lane[STORE_LANE_MAX]; /* in that lane */
    enum store_result result;
    struct id existing; /* STORE_EXISTS: the run that has the key */
    bool same_body;     /* STORE_EXISTS: and it was made from the same body */
};

/* The changes of one loop's turn. They are committed together with whatever else waits, each with
 * its own result. */
struct store_batch {
    struct store_op op;
    struct store_change *changes;
    uint32_t count;
    size_t bytes; /* for the bound on the queue */
};

/* --- claiming --------------------------------------------------------------------------------- */

struct store_claimed {
    struct run_record run;
    uint64_t ref;
    uint64_t owner;    /* private: whose it was */
    bool lost_owner;   /* its owner died: what it had in flight is lost */
    bool cancel_asked; /* a command waits for it */
    struct str cancel_note;
    struct store_task *tasks; /* all that were ever written; in no order */
    uint32_t task_count;
};

/* Takes up to `max` runs that nobody owns and that are due, or whose owner has died: of a lane in
 * order of their time, or the one with `id`, due or not: then STORE_ABSENT says that there is none,
 * STORE_CONFLICT that it has ended, STORE_EXISTS that a living gateway has it already. */
struct store_claim {
    struct store_op op;
    struct str lane; /* ignored where by_id */
    bool by_id;
    struct str tenant; /* of the id */
    struct id id;
    uint32_t max;
    int64_t now_ms; /* due is what is due by then, wall ms */

    struct arena arena; /* made and freed by the caller; holds the results */
    struct store_claimed *runs;
    uint32_t count;
    int64_t next_wake_ms; /* when the lane's next run is due, wall ms; 0: none waits */
};

/* Leaves word for whoever owns, or will own, a run that has not ended: it is to be cancelled. Makes
 * it due at once. ok | absent | conflict (it has ended). */
struct store_command {
    struct store_op op;
    struct str tenant;
    struct id id;
    struct str note;
};

/* Removes an ended run with its events and what is still to be told of them, and frees its
 * idempotency key. ok | absent | conflict (it has not ended). */
struct store_delete {
    struct store_op op;
    struct str tenant;
    struct id id;
};

/* Keeps a small text under a name, beside the runs: what the gateway knows of its providers. The
 * latest one stands. With it, in the same commit, goes an event of no run to the bus. ok. */
struct store_note {
    struct store_op op;
    struct str name, text;   /* text NULL: forgets it */
    struct str event;        /* its line; NULL: there is none */
    struct str event_tenant; /* who is told; NULL: everybody */
};

/* --- deliveries ------------------------------------------------------------------------------- */

/* What is to be told of a run: one for each run that has something to be told. Its events are found
 * by their types behind `done`, up to `last`. It goes with its run. */
struct store_delivery {
    uint64_t ref; /* the run's */
    struct str tenant;
    struct id id;
    struct str host, receiver;
    uint64_t done, last;      /* seqs: what is behind us, and how far it goes */
    int64_t due_at_ms;        /* wall */
    uint32_t tries;           /* that have failed in a row */
    int64_t failing_since_ms; /* the first of them, wall; 0: none */
};

/* What became of a try. ok | absent (there is nothing to be told any more). */
struct store_settle {
    struct store_op op;
    uint64_t ref;
    uint64_t done; /* all is told up to here; what has come meanwhile stays */
    int64_t due_at_ms;
    uint32_t tries;
    int64_t failing_since_ms;
    bool is_over; /* nothing of this run is to be told any more, whatever comes */
};

/* Deliveries that are due, host by host behind `after_host`: of each those that are due first, at
 * most `per_host`. Looks at a bounded number of hosts. ok. */
struct store_due {
    struct store_op op;
    struct str after_host; /* "": from the first on */
    uint32_t per_host;
    int64_t now_ms;
    bool counts; /* also how many there are in all, due or not */

    struct arena arena; /* made and freed by the caller */
    struct store_delivery *deliveries;
    uint32_t count;
    bool more; /* there are hosts behind `last_host` */
    struct str last_host;
    int64_t next_ms; /* when the next one of these hosts is due that was not; 0: none */
    uint64_t total;
};
enum { STORE_DUE_HOSTS = 64, STORE_DUE_PER_HOST = 64 };
/* --- agents and workflows --------------------------------------------------------------------- */

enum definition_kind { DEFINITION_AGENT, DEFINITION_WORKFLOW };

/* An agent or a workflow in one of its versions. The store looks into none of its texts. Versions
 * of a name only grow, also over its removal; what is made by the API and what the configuration
 * says (a seed) of one name stand side by side and share them. */
struct store_definition {
    enum definition_kind kind;
    struct str name;
    int64_t version;
    struct str description; /* NULL: it is in the text */
    struct str text;        /* JSON: an agent's document, a workflow's task */
};

/* Puts a version of what is made by the API in place of the version `replaces` (0: there is none),
 * or takes that away. A workflow's replaced version stays as long as runs of it do. ok, with the
 * version that it got | conflict (another one is there). */
struct store_define {
    struct store_op op;
    struct store_definition is; /* text NULL: it goes */
    int64_t replaces;
};

/* From now on these are the seeds, and no others. One that says what it said before keeps its
 * version, the others get one. All or none. ok. */
struct store_seed {
    struct store_op op;
    struct store_definition *seeds; /* no name of a kind is there twice */
    uint32_t count;
};

/* --- a copy ----------------------------------------------------------------------------------- */

/* A consistent copy of everything, in a new file, made beside the other writes. The file is there
 * once the copy is whole and on the disk, and not before. ok, as of a moment before it ended |
 * exists (something has that name) | absent (nothing can be made there) | conflict (another copy
 * is being made) | unavailable (the store, or the place, has failed, or it was told to stop).
 * `error` says why it is not ok. */
struct store_backup {
    struct store_op op;
    const char *path;      /* absolute */
    atomic_bool must_stop; /* set by any thread: nobody wants it any more */
    uint64_t bytes;        /* its size */
    struct error error;
};

/* --- reading ---------------------------------------------------------------------------------- */

/* One run. ok | absent. */
struct store_get {
    struct store_op op;
    struct str tenant;
    bool any_tenant;
    struct id id;

    struct arena arena; /* made and freed by the caller */
    struct run_record run;
    bool is_owned; /* by a living gateway */
};

/* The run that has an idempotency key, without making one. ok | absent. */
struct store_twin {
    struct store_op op;
    struct str tenant, scope, key;
    uint8_t digest[32]; /* of the body that is looked for */

    struct id id;
    bool same_body; /* it was made from that body */
};

/* Events after a seq, as lines, in order: whole segments until `max_bytes` is reached, at least
 * one. The first may begin before `after` + 1. ok (also where there are none) | absent. */
struct store_events {
    struct store_op op;
    struct str tenant;
    struct id id;
    uint64_t after;
    size_t max_bytes;

    struct buf lines;       /* made and freed by the caller */
    uint64_t committed_seq; /* of the run's row */
    enum run_state state;   /* likewise */
};

/* What was committed behind a place on the bus, of a tenant's runs and of none, in the order of the
 * commits (store/bus.h): whole segments until `max_bytes` are reached or a bounded stretch has been
 * looked through. ok, also where there is nothing. */
struct store_bus {
    struct store_op op;
    struct str tenant;
    event_set types;
    bool has_run; /* only this one's */
    struct id run;
    struct str agent; /* only runs of this one; NULL: all, and what is of no run */
    struct bus_cursor after;
    bool at_end; /* reads nothing: `next` is where the bus ends now */
    size_t max_bytes;

    struct buf lines;       /* made and freed by the caller: bus lines */
    struct bus_cursor next; /* where to go on */
    bool more;              /* there may be more at once; false: all was read that was committed */
};

/* One run and the tasks of its tree, of the same commit. ok | absent. */
struct store_tasks {
    struct store_op op;
    struct str tenant;
    struct id id;

    struct arena arena; /* made and freed by the caller */
    struct run_record run;
    struct store_task *tasks; /* in no order */
    uint32_t count;
};

struct store_filter {
    bool has_state;
    enum run_state state;
    struct str agent, workflow, name; /* NULL: any */
    struct str metadata_keys[16], metadata_values[16];
    uint32_t metadata_count;
    int64_t created_after_ms, created_before_ms; /* 0: any */
};

/* Runs of a tenant, newest first, before the one with id `before`. */
struct store_list {
    struct store_op op;
    struct str tenant;
    struct store_filter filter; /* its views stay in place */
    bool has_before;
    struct id before;
    uint32_t limit;

    struct arena arena; /* made and freed by the caller */
    struct run_record *runs;
    uint32_t count;
    bool more; /* there may be more before `resume`; a page can be short where matches are rare */
    struct id resume;
};

/* The lanes that hold runs which have not ended, and how many of them are queued and not this
 * gateway's already. Asked once, at the start. */
struct store_lane {
    struct str name;
    uint64_t waiting;
};

struct store_lanes {
    struct store_op op;
    struct arena arena; /* made and freed by the caller */
    struct store_lane *lanes;
    uint32_t count;
};

/* The notes whose names begin so, by name, those behind `after`. */
struct store_notes {
    struct store_op op;
    struct str prefix;
    struct str after; /* a name; NULL: from the first */
    uint32_t limit;   /* >= 1 */

    struct arena arena; /* made and freed by the caller */
    struct store_kept {
        struct str name, text;
    } * notes;
    uint32_t count;
    bool more; /* there may be more behind the last one */
};

/* What is made by the API and neither replaced nor removed, by kind and name. */
struct store_definitions {
    struct store_op op;
    struct arena arena; /* made and freed by the caller */
    struct store_definition *definitions;
    uint32_t count;
};

/* --- the store -------------------------------------------------------------------------------- */

/* Somebody who wants to know when a run was written, or when anything came to the bus: `on_change`
 * is called on `loop` after each commit that did. A hint: several commits may be told once. */
struct store_watch {
    struct map_node node; /* private, with all below */
    struct list link;
    struct store *store;
    struct loop_msg msg;
    bool posted;
    bool closing;
    bool is_of_bus; /* set by the caller, with all below */
    struct id id;   /* where it is not */
    struct loop *loop;
    void (*on_change)(struct store_watch *w);
    void (*on_closed)(struct store_watch *w); /* the watch is its owner's again */
};

struct store_ops {
    void (*start)(struct store *s, struct store_op *op);
    void (*watch)(struct store *s, struct store_watch *w);
    void (*unwatch)(struct store *s, struct store_watch *w);
    bool (*is_available)(const struct store *s);
    bool (*is_full)(const struct store *s);
    bool (*is_idle)(const struct store *s);
    enum err (*renew)(struct store *s);
    void (*close)(struct store *s);
};

struct store {
    const struct store_ops *ops;
    uint64_t epoch; /* this gateway's lease, > 0 */
};

/* Any thread. The operation is given back on its loop. */
static inline void store_start(struct store *s, struct store_op *op)
{
    s->ops->start(s, op);
}

static inline void store_watch(struct store *s, struct store_watch *w)
{
    s->ops->watch(s, w);
}

/* on_closed follows on the watch's loop; until then on_change may still come. */
static inline void store_unwatch(struct store *s, struct store_watch *w)
{
    s->ops->unwatch(s, w);
}

/* False from a failed commit until the store has written again. Any thread. */
static inline bool store_is_available(const struct store *s)
{
    return s->ops->is_available(s);
}

static inline bool store_is_full(const struct store *s)
{
    return s->ops->is_full(s);
}

/* Has every operation been given back? Any thread. */
static inline bool store_is_idle(const struct store *s)
{
    return s->ops->is_idle(s);
}

/* Is the lease still ours? OK, or ERR_BUSY where somebody else has taken the store over: stop at
 * once. From then on every change is `fenced` and nothing else can be written. Any thread. */
static inline enum err store_renew(struct store *s)
{
    return s->ops->renew(s);
}

/* Writes what is queued, then lets everything go. Every operation has been given back before. */
static inline void store_close(struct store *s)
{
    if (s != NULL)
        s->ops->close(s);
}
#endif
