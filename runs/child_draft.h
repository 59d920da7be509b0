#ifndef SLUICE_RUNS_CHILD_DRAFT_H
#define SLUICE_RUNS_CHILD_DRAFT_H
/* A child run that is about to be made: its row and its first event, which go to the store with the
 * next save of the run whose task calls it, and stay until that is done. Nothing of it lives here:
 * it is claimed like any run that waits (runs/claim.h).
 *
 * It inherits the tenant, on_crash, restart, Sluice-Depth, and what is left of the task's time. On
 * the run's loop. */
#include "runs/run.h"
#include "store/store.h"

struct child_draft {
    struct list link;
    struct task *task;
    struct workflow *version; /* referenced */
    struct arena arena;       /* owns what the record points to */
    struct run_record record;
    struct str line; /* run.queued */
};

/* A draft of a child of `t` that is of this version, added to those of its run. OK; ERR_NOMEM;
 * ERR_TEMPLATE_ERROR where `input` (JSON) is nested too deeply. */
enum err child_draft_make(struct task *t, struct workflow *version, struct str input,
                          struct id *ret_id) MUST_CHECK;
void child_draft_destroy(struct child_draft *d);
#endif
