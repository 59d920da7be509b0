#ifndef SLUICE_MODEL_EVENT_H
#define SLUICE_MODEL_EVENT_H
/* An entry of a run's append-only log, as one line of JSON (API §3).
 *
 * The line is made once and is what the store keeps and what every reader gets, byte for byte. A
 * line is
 * {"seq":5,"type":"output.delta","run_id":"run_..","at":"..","task":"0/2","attempt":1,"data":{..}}
 * and a newline; `task` and `attempt` are null where an event has none. Events of no run (a
 * circuit's) have null for `seq` and `run_id` too and are told on the bus only. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"

/* How an event may be told.
 *   EVENT_FACT: it states what has become true, so it is published after its commit.
 *   EVENT_NEWS: published at once, but never past an earlier fact that still waits; of a run that
 *   waits, like a fact. */
enum event_kind { EVENT_FACT, EVENT_NEWS };

/* X(symbol, wire name, kind) */
#define EVENT_TABLE(X)                                                                             \
    X(EVENT_RUN_QUEUED, "run.queued", EVENT_FACT)                                                  \
    X(EVENT_RUN_RUNNING, "run.running", EVENT_FACT)                                                \
    X(EVENT_RUN_WAITING, "run.waiting", EVENT_FACT)                                                \
    X(EVENT_RUN_CANCELLING, "run.cancelling", EVENT_FACT)                                          \
    X(EVENT_TASK_RUNNING, "task.running", EVENT_NEWS)                                              \
    X(EVENT_TASK_RETRYING, "task.retrying", EVENT_NEWS)                                            \
    X(EVENT_TASK_BLOCKED, "task.blocked", EVENT_NEWS)                                              \
    X(EVENT_TASK_SUCCEEDED, "task.succeeded", EVENT_FACT)                                          \
    X(EVENT_TASK_FAILED, "task.failed", EVENT_FACT)                                                \
    X(EVENT_TASK_CANCELLED, "task.cancelled", EVENT_FACT)                                          \
    X(EVENT_TASK_TIMED_OUT, "task.timed_out", EVENT_FACT)                                          \
    X(EVENT_TASK_SKIPPED, "task.skipped", EVENT_FACT)                                              \
    X(EVENT_ATTEMPT_STARTED, "attempt.started", EVENT_NEWS)                                        \
    X(EVENT_ATTEMPT_SUCCEEDED, "attempt.succeeded", EVENT_NEWS)                                    \
    X(EVENT_ATTEMPT_FAILED, "attempt.failed", EVENT_NEWS)                                          \
    X(EVENT_ATTEMPT_CANCELLED, "attempt.cancelled", EVENT_NEWS)                                    \
    X(EVENT_ATTEMPT_LOST, "attempt.lost", EVENT_NEWS)                                              \
    X(EVENT_ATTEMPT_RESTARTED, "attempt.restarted", EVENT_NEWS)                                    \
    X(EVENT_OUTPUT_DELTA, "output.delta", EVENT_NEWS)                                              \
    X(EVENT_STREAM_GAP, "stream.gap", EVENT_FACT)                                                  \
    X(EVENT_RUN_FINISHED, "run.finished", EVENT_FACT)                                              \
    X(EVENT_CIRCUIT_OPEN, "circuit.open", EVENT_FACT)                                              \
    X(EVENT_CIRCUIT_HALF_OPEN, "circuit.half_open", EVENT_FACT)                                    \
    X(EVENT_CIRCUIT_CLOSED, "circuit.closed", EVENT_FACT)

enum event_type {
#define EVENT_ROW(symbol, name, kind) symbol,
    EVENT_TABLE(EVENT_ROW)
#undef EVENT_ROW
        EVENT_TYPE_COUNT
};

const char *event_type_name(enum event_type t);
enum event_kind event_type_kind(enum event_type t);
bool event_type_parse(struct str name, enum event_type *ret_type);

struct event_head {
    uint64_t seq; /* 0: an event of no run, JSON null */
    enum event_type type;
    struct str run;   /* its id as text; NULL: likewise */
    int64_t at_ms;    /* wall */
    struct str task;  /* path; NULL: an event of the run, JSON null */
    uint32_t attempt; /* from 1; 0: null */
};

/* Writes everything up to the data, whose JSON the caller appends; event_end closes the line. */
void event_begin(struct buf *b, const struct event_head *head);
void event_end(struct buf *b);

/* A line taken apart again, as far as framing needs it. Only for lines that event_begin wrote. */
struct event_line {
    uint64_t seq; /* 0: an event of no run */
    struct str type;
    struct str json; /* the line without its newline */
};

/* Takes the first line off `lines`. False at the end, and (for a damaged store) at one that is no
 * event's, or that lacks its newline, which is taken off as well. */
bool event_next_line(struct str *lines, struct event_line *ret_line);

/* When it happened: RFC 3339. NULL where it is damaged. */
struct str event_line_at(const struct event_line *line);

/* The path of its task; NULL: it is an event of the run. */
struct str event_line_task(const struct event_line *line);

/* Sets of event types, for `?types=`. */
typedef uint32_t event_set;
#define EVENT_SET_ALL ((event_set)((1u << EVENT_TYPE_COUNT) - 1))
#define EVENT_SET_RUN ((event_set)((1u << (EVENT_RUN_FINISHED + 1)) - 1)) /* a run's own */
static inline event_set event_set_of(enum event_type t)
{
    return (event_set)1u << t;
}
#endif
