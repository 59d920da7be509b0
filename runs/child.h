#ifndef SLUICE_RUNS_CHILD_H
#define SLUICE_RUNS_CHILD_H
/* The task `call` of a workflow: a run of its own, the child, which the task waits for.
 *
 *     begin -> draft -> (the run's next save) made -> word: it has ended -> look -> the task's end
 *                                               |-> stop: the child is cancelled, then its end is
 *                                                   waited for
 *
 * The child is created by the store, in the transaction of the row that names it
 * (store_change.children), and is claimed like any run that waits; so it lives on whichever loop
 * has least to do, and a crash leaves both or neither. What becomes of it is read from the store
 * alone: a word only says that there is something to read. Words go from the child's loop to its
 * parent's once the end is committed; a parent that is parked is made due by that commit itself
 * (store_change.wakes, waits_for).
 *
 * A run whose tasks all wait, some of them for children, is parked after PARK_AFTER_MS, or at once
 * while the gateway is full. With more than CHILDREN_PARKED_MAX unfinished children it stays.
 * On the run's loop. */
#include "base/id.h"
#include "base/json.h"
#include "base/list.h"
#include "base/loop.h"

struct run;
struct run_record;
struct task;
struct store_change;
struct child_question;
struct reason;

enum { CHILDREN_PARKED_MAX = 64 };

enum child_state {
    CHILD_NONE,      /* there is none yet, or its end has been taken */
    CHILD_POSTPONED, /* the run is not stored yet, and with it would be the child */
    CHILD_DRAFT,     /* goes with the next save, or is being stored */
    CHILD_MADE,      /* it is stored */
    CHILD_OVER       /* it ran out of the time that it had of the task, whose own end is due now */
};

/* In its task. */
struct child_call {
    enum child_state state;
    struct id id;
    bool has_id;                     /* of the latest child, whatever became of it */
    bool was_cancelled;              /* it was told to stop */
    bool asks_again;                 /* something came while a question was under way */
    struct list waiting;             /* among those of its run that are not CHILD_NONE */
    struct child_question *question; /* to the store, or to the child's owner; NULL: none */
};

/* In its run. */
struct children {
    struct list waiting; /* struct child_call.waiting */
    uint32_t count;      /* of these */
    uint32_t postponed;  /* of these, likewise */
    uint32_t questions;  /* under way */
    struct list drafts;  /* in the order in which they are made */
    uint32_t sent;       /* how many of them are being stored */
    bool is_idle;        /* counted as waiting for its children only */
};

/* A child's word to its parent: made with the child, so that it never lacks the memory. */
struct child_word;

void children_init(struct children *c);

/* A task that is new; read from its row; linked to its run after a restart. */
void child_init(struct task *t);
void child_reopen(struct task *t, struct json id);
void child_link(struct task *t);
void child_reset(struct task *t);

/* The child's id as JSON, null where there is none yet. */
void child_write_id(struct buf *b, const struct task *t);

/* What a save of the run says of its children, and of its parent. ERR_NOMEM. */
enum err children_add(struct run *run, struct arena *arena, struct store_change *c) MUST_CHECK;
void children_save_begin(struct run *run);
void children_save_end(struct run *run, bool is_stored);

/* The run is stored for the first time: those that waited for that. */
void children_go_on(struct run *run);

/* What was not stored will not be. */
void children_forget(struct run *run);

/* Is what it waits for first (NULL: nothing) a child's end, of which nobody knows when it comes?
 * And may it leave memory meanwhile, as far as children are concerned? */
bool children_are_waited_for(const struct run *run, const struct reason *reason);
bool children_may_park(const struct run *run);

/* Of a run that has a parent: takes over who that is. ERR_NOMEM; ERR_INVALID_JSON. Then, its end
 * committed, tells it. */
enum err child_adopt(struct run *run, const struct run_record *record) MUST_CHECK;
void child_tell_end(struct run *run);
void child_on_word(struct run *parent, struct str path, const struct id *child);
void child_forget_word(struct run *run);

/* How many runs are above it. */
enum { RUN_NESTING_SHIFT = 16, RUN_NESTING_MAX = 255 };
unsigned run_nesting(const struct run *run);
#endif
