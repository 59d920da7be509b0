#ifndef SLUICE_MODEL_STATE_H
#define SLUICE_MODEL_STATE_H
/* The states of a run, a task and an attempt, and the edges that are legal between them, as tables.
 *
 * A run's state is its root task's, seen from outside. Numbers are stored: a state keeps its number
 * for ever; terminal ones are >= 10. Stateless; any thread. */
#include <stdbool.h>

#include "base/str.h"

/* X(symbol, number, wire name) */
#define RUN_STATE_TABLE(X)                                                                         \
    X(RUN_QUEUED, 0, "queued")         /* accepted, not yet begun */                               \
    X(RUN_RUNNING, 1, "running")       /* something of it is in flight */                          \
    X(RUN_WAITING, 2, "waiting")       /* nothing is; its reason says what wakes it */             \
    X(RUN_CANCELLING, 3, "cancelling") /* told to stop, something is still in flight */            \
    X(RUN_SUCCEEDED, 10, "succeeded")                                                              \
    X(RUN_FAILED, 11, "failed")                                                                    \
    X(RUN_CANCELLED, 12, "cancelled")                                                              \
    X(RUN_TIMED_OUT, 13, "timed_out")

#define TASK_STATE_TABLE(X)                                                                        \
    X(TASK_PENDING, 0, "pending")                                                                  \
    X(TASK_RUNNING, 1, "running")                                                                  \
    X(TASK_RETRYING, 2, "retrying") /* between two attempts */                                     \
    X(TASK_BLOCKED, 3, "blocked")   /* a provider's limits hold it back */                         \
    X(TASK_SUCCEEDED, 10, "succeeded")                                                             \
    X(TASK_FAILED, 11, "failed")                                                                   \
    X(TASK_CANCELLED, 12, "cancelled")                                                             \
    X(TASK_TIMED_OUT, 13, "timed_out")                                                             \
    X(TASK_SKIPPED, 14, "skipped")

#define ATTEMPT_STATE_TABLE(X)                                                                     \
    X(ATTEMPT_RUNNING, 1, "running")                                                               \
    X(ATTEMPT_SUCCEEDED, 10, "succeeded")                                                          \
    X(ATTEMPT_FAILED, 11, "failed")                                                                \
    X(ATTEMPT_CANCELLED, 12, "cancelled")                                                          \
    X(ATTEMPT_LOST, 15, "lost") /* the gateway died during it */

#define STATE_ENUM(symbol, number, name) symbol = number,
enum run_state { RUN_STATE_TABLE(STATE_ENUM) };
enum task_state { TASK_STATE_TABLE(STATE_ENUM) };
enum attempt_state { ATTEMPT_STATE_TABLE(STATE_ENUM) };
#undef STATE_ENUM

const char *run_state_name(enum run_state s);
const char *task_state_name(enum task_state s);
const char *attempt_state_name(enum attempt_state s);

bool run_state_parse(struct str name, enum run_state *ret_state);
bool task_state_parse(struct str name, enum task_state *ret_state);
bool attempt_state_parse(struct str name, enum attempt_state *ret_state);

static inline bool run_state_is_terminal(enum run_state s)
{
    return s >= 10;
}
static inline bool task_state_is_terminal(enum task_state s)
{
    return s >= 10;
}

/* May a run (a task) that is in `from` enter `to`? A state is no edge to itself. */
bool run_edge_is_legal(enum run_state from, enum run_state to);
bool task_edge_is_legal(enum task_state from, enum task_state to);
#endif
