#ifndef SLUICE_RUNS_CALL_H
#define SLUICE_RUNS_CALL_H
/* The task `call`: asks a provider, tries again, falls back to the next model, and makes a value of
 * the answer.
 *
 *     call_begin -> call_try -> attempt ... -> call_on_attempt_end
 *                      ^                           | succeeded -> task_succeed
 *                      |-- retry timer <-----------| retryable -> task `retrying`
 *                      |-- next model  <-----------| this model is given up
 *                                                  | else task_fail
 */
#include "base/loop.h"
#include "model/agent.h"
#include "resilience/retry.h"
#include "runs/upstream.h"

struct task;
struct attempt;

struct call_state {
    struct agent
        *agent; /* referenced while the task lives; NULL where the task names its models itself */
    const struct str *models; /* the agent's or the spec's */
    uint32_t model_count;
    uint32_t model_at;
    struct str input, instructions, request; /* filled in, owned; NULL: as the spec has them */
    uint32_t tries;                          /* attempts with this model */
    uint32_t switches; /* of these, because of another API key: they do not count as tries */
    uint32_t attempts; /* of the task */
    uint32_t
        generation; /* of the upstream's idempotency key: changes after a definite HTTP answer */
    uint32_t lost;  /* attempts that a crash took */
    bool was_lost;  /* one of them has just been found so */
    bool has_published; /* some output of an attempt was told */
    bool is_restart;    /* the next attempt begins anew what was told in part, and says so */
    struct str last_provider, last_model; /* of the last attempt; NULL: none yet */
    struct str handle; /* of work that an attempt had begun when the gateway stopped; NULL: none */
    uint32_t handle_key;     /* with this API key */
    struct attempt *attempt; /* under way, or waiting for its turn; NULL: none */
    struct buf closed;       /* the attempts that have ended, as JSON, with commas between them */
};

/* How an attempt ended, for its call. */
struct attempt_outcome {
    enum err code; /* OK: succeeded */
    struct str message;
    bool is_final;      /* trying again cannot help */
    bool passes;        /* it can, although the code does not say so */
    bool was_answered;  /* by a whole HTTP response, good or bad */
    bool has_other_key; /* the provider did not want the API key, and there is another one */
    uint64_t hint_ms;   /* the server's Retry-After, 0 if none */
};

void call_init(struct task *t);
void call_fini(struct task *t);

/* It is to be made anew, as a new request; what was tried counts on. */
void call_reset(struct task *t);

/* The call begins, or goes on after a restart: looks its agent and models up, and fills in what
 * its strings refer to. */
void call_begin(struct task *t);
void call_resume(struct task *t, bool was_lost);
void call_stop(struct task *t);
void call_crash(
    struct task *t); /* it was in flight when the gateway stopped, and must not be made again */

/* The attempt (NULL: the gate refused to start one) has ended and is about to go. */
void call_on_attempt_end(struct task *t, struct attempt *a, const struct attempt_outcome *outcome);

/* Is there another model to fall back to, if this one's provider keeps the call waiting? */
bool call_has_fallback(const struct task *t);

/* Which provider was asked last; NULL: none. */
struct str call_last_provider(const struct task *t);

/* The attempts as JSON elements, the one under way included; one that has ended; and all of them
 * from the stored row, of which the last may have been under way when its owner died. */
void call_write_attempts(struct buf *b, const struct task *t);
void call_close_attempt(struct task *t, const struct attempt *a, const char *state,
                        struct str error);
void call_reopen(struct task *t, struct str attempts_json, bool *ret_was_running);
#endif
