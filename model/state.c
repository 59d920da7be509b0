#include "model/state.h"

#include <assert.h>
#include <stddef.h>

struct state_row {
    int number;
    const char *name;
};

#define STATE_ROW(symbol, number, name) {number, name},
static const struct state_row run_rows[] = {RUN_STATE_TABLE(STATE_ROW)};
static const struct state_row task_rows[] = {TASK_STATE_TABLE(STATE_ROW)};
static const struct state_row attempt_rows[] = {ATTEMPT_STATE_TABLE(STATE_ROW)};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char *name_of(const struct state_row *rows, size_t count, int number)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].number == number)
            return rows[i].name;
    }
    assert(false && "a state that is not in its table");
    return "";
}

static bool number_of(const struct state_row *rows, size_t count, struct str name, int *ret_number)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(str_of(rows[i].name), name)) {
            *ret_number = rows[i].number;
            return true;
        }
    }
    return false;
}

const char *run_state_name(enum run_state s)
{
    return name_of(run_rows, COUNT(run_rows), (int)s);
}

const char *task_state_name(enum task_state s)
{
    return name_of(task_rows, COUNT(task_rows), (int)s);
}

const char *attempt_state_name(enum attempt_state s)
{
    return name_of(attempt_rows, COUNT(attempt_rows), (int)s);
}

bool run_state_parse(struct str name, enum run_state *ret_state)
{
    int n;
    if (!number_of(run_rows, COUNT(run_rows), name, &n))
        return false;
    *ret_state = (enum run_state)n;
    return true;
}

bool task_state_parse(struct str name, enum task_state *ret_state)
{
    int n;
    if (!number_of(task_rows, COUNT(task_rows), name, &n))
        return false;
    *ret_state = (enum task_state)n;
    return true;
}

bool attempt_state_parse(struct str name, enum attempt_state *ret_state)
{
    int n;
    if (!number_of(attempt_rows, COUNT(attempt_rows), name, &n))
        return false;
    *ret_state = (enum attempt_state)n;
    return true;
}

#define TO(state) (1u << (unsigned)(state))

static const unsigned run_ends =
    TO(RUN_SUCCEEDED) | TO(RUN_FAILED) | TO(RUN_CANCELLED) | TO(RUN_TIMED_OUT);

static unsigned run_edges(enum run_state from)
{
    switch (from) {
    case RUN_QUEUED: /* it may end without having begun: no such agent any more, its time was over
                      */
        return TO(RUN_RUNNING) | TO(RUN_CANCELLING) | run_ends;
    case RUN_RUNNING: return TO(RUN_WAITING) | TO(RUN_CANCELLING) | run_ends;
    case RUN_WAITING: return TO(RUN_RUNNING) | TO(RUN_CANCELLING) | run_ends;
    case RUN_CANCELLING:
        return run_ends; /* what had already succeeded when the cancel came has succeeded */
    case RUN_SUCCEEDED:
    case RUN_FAILED:
    case RUN_CANCELLED:
    case RUN_TIMED_OUT: return 0;
    }
    return 0;
}

static const unsigned task_ends =
    TO(TASK_SUCCEEDED) | TO(TASK_FAILED) | TO(TASK_CANCELLED) | TO(TASK_TIMED_OUT);

static unsigned task_edges(enum task_state from)
{
    switch (from) {
    case TASK_PENDING:
        return TO(TASK_RUNNING) | TO(TASK_SUCCEEDED) | TO(TASK_FAILED) | TO(TASK_CANCELLED) |
               TO(TASK_TIMED_OUT) | TO(TASK_SKIPPED);
    case TASK_RUNNING: return TO(TASK_RETRYING) | TO(TASK_BLOCKED) | task_ends;
    case TASK_RETRYING: return TO(TASK_RUNNING) | TO(TASK_BLOCKED) | task_ends;
    case TASK_BLOCKED: return TO(TASK_RUNNING) | TO(TASK_RETRYING) | task_ends;
    case TASK_SUCCEEDED:
    case TASK_FAILED:
    case TASK_CANCELLED:
    case TASK_TIMED_OUT:
    case TASK_SKIPPED: return 0;
    }
    return 0;
}

bool run_edge_is_legal(enum run_state from, enum run_state to)
{
    return (run_edges(from) & TO(to)) != 0;
}

bool task_edge_is_legal(enum task_state from, enum task_state to)
{
    return (task_edges(from) & TO(to)) != 0;
}
