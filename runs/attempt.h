#ifndef SLUICE_RUNS_ATTEMPT_H
#define SLUICE_RUNS_ATTEMPT_H
/* One try of a call: from the provider's gate to the verdict.
 *
 *     attempt_start -> the gate says go ----------> on_granted -> send -> bytes, steps -> conclude
 *                   -> the gate says wait: blocked --^
 *                   -> the gate refuses, or lets one that has another model to fall back to wait
 *                      for too long: the call is told, there is no attempt
 *
 * An answer may say that the work goes on (runs/poll.h): then `send` comes again after a while,
 * with a question in place of the request; the slot stays taken meanwhile.
 *
 * conclude is the only exit of one that was granted; attempt_cancel ends it at any moment, in this
 * turn, its upstream socket closed. Belongs to its task's loop. Its memory goes at the end of the
 * turn, or once the gate has let go of it. */
#include "model/run_record.h"
#include "net/transfer.h"
#include "providers/provider.h"
#include "providers/sim.h"
#include "runs/poll.h"
#include "runs/upstream.h"

struct task;

/* What a local provider plays, and what comes next of it. */
struct local_play {
    struct sim sim;
    struct sim_step step;
};

struct attempt {
    struct task *task;
    struct shard *shard; /* to which it belongs, also when its task is gone */
    struct upstream *upstream;
    struct loop *loop;
    struct loop_deferred garbage;
    struct gate_waiter waiter;
    struct loop_timer patience; /* it has waited long enough: the next model is asked */
    enum { ATTEMPT_ASKS, ATTEMPT_WAITS, ATTEMPT_RUNS, ATTEMPT_OVER } phase;
    uint32_t number; /* 0 until it has been granted */
    struct call call;
    struct json_doc params_doc; /* the tape over the run's params */
    struct answer answer;
    int64_t started_at_ms, finished_at_ms; /* wall */
    uint64_t started_ms, first_byte_ms;    /* monotonic; first byte 0: none yet */
    struct list of_run;                    /* among those of its run that have not ended */
    struct list paused;                    /* among those of its run that pause */
    struct list after_save; /* on its run's list while it may not be sent before a commit */
    uint64_t send_after_seq;
    bool is_paused;
    enum err stop_code; /* why on_delta said stop; OK: it did not */

    /* over HTTP */
    struct transfer *transfer;
    struct buf body;
    struct buf error_body; /* of an answer that is no 200, cut */
    uint32_t key;
    bool has_begun;  /* the first bytes of the answer are here */
    bool has_output; /* and something of what was asked for */
    bool has_decoder;
    bool is_stopped;         /* by the decoder, which has its verdict */
    struct loop_timer grace; /* an answer that is complete need not wait for its connection */

    /* of work that goes on after its answer */
    struct poll poll;
    struct loop_timer poll_timer;

    /* of a local provider */
    struct loop_timer step_timer;
    bool step_is_late; /* the timer is a deadline: the step would come after it */
    bool has_sim;

    union {
        struct local_play local;
        _Alignas(16) char decoder[1]; /* kind->decoder_size bytes */
    } own;
};

/* Starts, or waits for its turn: then it is t->call.attempt. `model` is without its provider's
 * name. ERR_BREAKER_OPEN or ERR_LIMIT_EXCEEDED where the gate refuses, ERR_PROVIDER_OVERLOADED or
 * ERR_OVERLOADED where memory is out. */
enum err attempt_start(struct task *t, struct upstream *u, struct str model) MUST_CHECK;
/* Ends it in this turn, its upstream socket closed: it was cancelled; or it is given up because the
 * gateway stops. */
void attempt_cancel(struct attempt *a);
void attempt_lose(struct attempt *a);

/* The commit has come for which it waited. */
void attempt_on_saved(struct attempt *a);
void attempt_pause(struct attempt *a);
void attempt_unpause(struct attempt *a);
#endif
