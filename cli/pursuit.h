#ifndef SLUICE_CLI_PURSUIT_H
#define SLUICE_CLI_PURSUIT_H
/* Staying with a run to its end: over broken connections and a gateway that restarts, and with
 * Ctrl-C as a cancel.
 *
 * A pursuit makes one exchange after the other until its way of asking (the event stream, or
 * waiting) has seen the end. A connection that breaks is made again, PURSUIT_TRIES times in a row
 * without anything new before it gives up. The first Ctrl-C cancels the run, beside the exchange
 * that is under way, and the pursuit goes on to the run's end; the second leaves.
 *
 * Life: fields set by the caller, then pursue, once. Main thread: it owns SIGINT from there on. */
#include "cli/answer.h"
#include "cli/screen.h"

enum { PURSUIT_TRIES = 5 };

enum pursuit_step {
    STEP_ENDED,  /* the run has ended, and the way knows how */
    STEP_NEXT,   /* something new has come: ask on at once */
    STEP_LATER,  /* nothing is wrong: ask again in a moment */
    STEP_BROKEN, /* nothing has come: try again, but not for ever */
};

struct pursuit_way {
    /* What to ask next. `run_id` is empty until an answer has named the run: then the run is
     * created. Views in `ret_request` are borrowed until the next call. */
    void (*ask)(void *ctx, const char *run_id, struct client_request *ret_request);
    /* The exchange is over: what did it bring? Not called for answers that refuse. */
    enum pursuit_step (*take)(void *ctx, const struct answer *a);
    /* Ctrl-C was pressed, and the run is to be cancelled. */
    void (*on_cancel)(void *ctx);
    /* Called once in each turn, whatever has happened; `run_id` as above. Returns the longest time
     * in ms to the next turn, -1: any. NULL: there is nothing to do. */
    int (*turn)(void *ctx, const char *run_id);
};

struct pursuit {
    struct client *client;
    struct screen *screen;
    const struct pursuit_way *way;
    void *ctx;
    bool is_own; /* Ctrl-C cancels; otherwise the first one leaves, as the run is somebody else's */
    char run_id[RUN_ID_TEXT + 1]; /* empty: the first request creates it */

    /* private */
    struct exchange *main, *cancel;
    uint64_t ask_at_ms;    /* when `main` is made (again) */
    uint64_t cancel_at_ms; /* the same for `cancel`; UINT64_MAX: it is not wanted, or done */
    bool is_reached; /* the gateway has answered at least once: only then is it worth coming back */
    uint32_t tries;
    uint32_t interrupts;
    char cancel_path[64];
};

/* True: the run has ended. False: it has said why, and the process should exit with `*ret_exit`. */
bool pursue(struct pursuit *p, int *ret_exit);
#endif
