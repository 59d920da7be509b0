#ifndef SLUICE_MODEL_FAILURE_GROUP_H
#define SLUICE_MODEL_FAILURE_GROUP_H
/* The `error` of a task whose failure is that of tasks below it (API §2, §4): which cause stands,
 * and the error group, flat, with one entry for each leaf that failed.
 *
 * Works on the children's errors as JSON texts; an entry is {code, message, retryable, task,
 * provider, attempts}. Stateless; the result's size is bounded by the buffer's cap.
 *
 * Whoever reads the error reads it within other texts: the task's row, the event that tells the
 * run's end. So that all of them are JSON as base/json.h has it, what is finished may be nested
 * FAILURE_PARTIAL_DEPTH deep and has, with the group, at most FAILURE_TOKENS_MAX tokens; more is
 * left out. */
#include "model/failure.h"

struct json_doc;

struct failure_group {
    /* Of the children that failed and were not continued, in defined order; not of those that were
     * cancelled because of it. */
    const struct str *errors;
    uint32_t count; /* >= 1 */
    /* Whose cause is the task's own: an index into `errors`; or FAILURE_GROUP_ALL, an
     * `error_group`. */
    uint32_t cause;
    struct str task;    /* of an error_group: the path of the task that it is the error of */
    struct str partial; /* JSON, a sequence's finished results; NULL: absent. Where it is nested too
                           deeply, or too long, it is left out */
};

#define FAILURE_GROUP_ALL UINT32_MAX

enum {
    FAILURE_PARTIAL_DEPTH = 60, /* four are around it: the event, its data, the run, the error */
    FAILURE_TOKENS_MAX = (1 << 20) - 65536,
};

/* `scratch` is the tape. OK; ERR_NOMEM; ERR_LIMIT where `b` is full, or the group alone has too
 * many tokens; ERR_INVALID_JSON where an error is none (a damaged store). */
enum err failure_group_write(struct buf *b, const struct failure_group *g,
                             struct json_doc *scratch) MUST_CHECK;
#endif
