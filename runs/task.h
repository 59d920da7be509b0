#ifndef SLUICE_RUNS_TASK_H
#define SLUICE_RUNS_TASK_H
/* A node of a live run's task tree.
 *
 *     task_make -> task_begin -> its body -> [pause -> its body anew] -> [finally] -> the end
 *                         |-> task_stop: what is in flight below is aborted in this turn --^
 *     task_make -> task_skip: it never begins
 *
 * What every task has is here: state, time, retry, `finally`, end. What a body does is its type's
 * business (runs/task_kind.h). task_enter and the ends are the only writers of a task's state. A
 * task ends once, when nothing below it is in flight; the one above hears of it through the run's
 * agenda (runs/tree.h), a root's run at once, so that no task is re-entered from below.
 *
 * Owned by the task above it, the root by its run. Belongs to the run's loop. */
#include "model/failure.h"
#include "model/item_list.h"
#include "model/reason.h"
#include "model/state.h"
#include "model/task_spec.h"
#include "resilience/breaker.h"
#include "runs/call.h"
#include "runs/child.h"
#include "runs/group.h"

struct run;
struct fuse;

/* Why it waits and until when; or why it never began. */
struct task_wait {
    struct heap_node node; /* among what its run waits for; not linked: it never began */
    struct task *task;
    struct reason reason;
};

enum task_phase {
    PHASE_PENDING,
    PHASE_BODY,
    PHASE_PAUSE,   /* its body has failed, and is to be tried again: state `retrying` */
    PHASE_FINALLY, /* its outcome stands; its `finally` is under way */
    PHASE_ENDED,
};

/* When its own time is over. */
struct task_deadline {
    struct loop_timer timer;
    struct task *task;
};

struct task {
    struct run *run;
    struct task *parent;          /* NULL: the root */
    const struct task_spec *spec; /* in the run's spec; NULL: the run is a call of an agent */
    struct str path;              /* "" for the root, "0/2"; lies behind the task */
    uint32_t index;               /* among its parent's children */
    enum task_type type;
    enum task_state state;
    enum task_phase phase;
    enum err stop; /* why its body is being stopped; OK: it is not */
    bool is_cut;   /* it was stopped for itself alone: for the task above it has failed */
    char *note;    /* why, in the words of the client that cancelled it, owned; NULL: none */

    struct task_wait *wait;                /* NULL: it does not, and did begin */
    int64_t started_at_ms, finished_at_ms; /* wall */
    uint64_t deadline_ms; /* monotonic: by then it must have ended; its own, or one above it */
    struct task_deadline *deadline; /* NULL: it has no time of its own, or needs it no more */
    struct loop_timer wake;         /* the end of a pause, or of what its body waits for */
    struct usage usage;             /* with all that is below */
    uint32_t bodies;                /* how often its body has begun */
    uint32_t of;                    /* the same of its parent, when it began */
    uint64_t order;                 /* of its end among all ends of the run */

    enum task_state outcome; /* of the body, once phase is PHASE_FINALLY */
    enum err code;           /* of the error */
    struct str output;       /* JSON, owned; NULL unless it succeeded */
    struct str error;        /* JSON, owned; NULL unless it ended otherwise */

    struct list due;     /* on the run's agenda */
    struct list changed; /* among those that are to be stored, or are being stored */
    bool is_asleep;      /* it came back from the store, and has not gone on yet */
    bool is_copy; /* pending, with the result that it will have: of the run that is tried again */
    bool changed_again;  /* since it is being stored */
    struct list sibling; /* on its parent's list of live children */
    struct task *finally;
    struct group group; /* of a type that has children */
    union {
        struct call_state call;  /* of a provider */
        struct child_call child; /* of a workflow */
        struct item_list items;  /* map */
        struct dag_state dag;
        struct fuse_hold {
            struct fuse *fuse; /* NULL: none held */
            struct breaker_pass pass;
        } hold; /* circuit */
    };
};

/* The root of a run, in place; not begun. `spec` NULL: a call of the run's agent. */
void task_init_root(struct task *t, struct run *run, const struct task_spec *spec);

/* The child `index` of `parent`, made where it is not there yet. NULL: no memory, or tree_is_full.
 */
struct task *task_make(struct task *parent, uint32_t index);

/* The same for one that has a row: it was made once, and is there however many there are. */
struct task *task_make_stored(struct task *parent, uint32_t index);
void task_fini(struct task *t); /* with all below it, which is freed */

/* The child that is its `finally`, which it has whatever else there is. NULL: it has none, or no
 * memory. */
struct task *task_make_finally(struct task *t);

void task_begin(struct task *t);

/* After a restart: a root's call goes on; a task that goes on has its deadlines and pauses again;
 * what was about to be its `finally` begins. */
void task_resume(struct task *t, bool was_lost);
void task_rearm(struct task *t);
void task_begin_finally(struct task *t);

/* Its turn has come, and its result is there already. */
void task_adopt(struct task *t);

/* It never begins: skipped because of what it depends on, or cancelled with its parent. */
void task_skip(struct task *t, enum task_state state);

/* Its own time is `timeout_ms`, counted from its start. 0: nothing. */
void task_limit(struct task *t, int64_t timeout_ms);

/* Enters a state and tells it, with `reason` where the state has one. Terminal states are entered
 * by the functions below. */
void task_enter(struct task *t, enum task_state state, const struct reason *reason);

/* Nothing is in flight of it until `until_ms` (wall; 0: not known), or no longer so. */
void task_wait(struct task *t, const struct reason *reason);
void task_wait_over(struct task *t);

/* REASON_NONE: none. Until it changes. */
const struct reason *task_reason(const struct task *t);
/* As it was stored. ERR_NOMEM. */
enum err task_set_reason(struct task *t, const struct reason *reason) MUST_CHECK;

/* The ends of a body, when nothing below is in flight. `output` and `error` are owned JSON and are
 * taken over; `state` is failed, cancelled or timed_out. */
void task_succeed(struct task *t, struct str output);
void task_fail(struct task *t, enum task_state state, const struct failure *failure);
void task_fail_with(struct task *t, enum task_state state, enum err code, struct str error);

/* The end of a body of which the value, or the error, cannot be written: ERR_NOMEM goes back to the
 * store with its run; past ERR_LIMIT, or for anything else, it has failed. */
void task_fail_unwritten(struct task *t, enum err why);

/* Aborts what is in flight below it, in this turn; then its body ends as cancelled or timed out.
 * What is shielded goes on, and its end is waited for. */
void task_stop(struct task *t, enum err code);

/* A client cancels this task alone, shield or not. `note` is its own word for it, empty: none. OK;
 * ERR_OVERLOADED: there is no memory for that, and nothing is done. */
enum err task_cancel(struct task *t, struct str note) MUST_CHECK;

/* What its error says of a cancel: the words of the client that cancelled it, or its run. Empty:
 * none, or it was not cancelled itself. */
struct str task_cancel_note(const struct task *t);

/* The end of a body that was stopped, for a type that lingers (runs/task_kind.h). */
void task_end_stopped(struct task *t);

/* A task of its group has ended; its `finally` has. From the agenda. */
void task_finally_ended(struct task *t);

/* To the task above: it did not succeed, and that was not continued. */
bool task_has_failed(const struct task *t);

/* It was cancelled before its turn had come: when that comes, the group hears of it. */
static inline bool task_is_early(const struct task *t)
{
    return t->phase == PHASE_ENDED && t->is_cut && t->bodies == 0;
}

/* Adds what was used to it and all above. */
void task_use(struct task *t, const struct usage *more);

/* A call of a workflow, and one of a provider: the two sorts of TASK_CALL. */
static inline bool task_is_child(const struct task *t)
{
    return t->type == TASK_CALL && t->spec != NULL && t->spec->call == CALL_WORKFLOW;
}

static inline bool task_is_call(const struct task *t)
{
    return t->type == TASK_CALL && !task_is_child(t);
}

static inline bool task_is_group(const struct task *t)
{
    return t->type != TASK_CALL && t->type != TASK_SLEEP && t->type != TASK_VALUE;
}
#endif
