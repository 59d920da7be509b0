#ifndef SLUICE_MODEL_TASK_RESULT_H
#define SLUICE_MODEL_TASK_RESULT_H
/* The value of a task that is made of tasks, from what became of those (API §4).
 *
 * Children come in their order in the tree (a map's: in that of its elements), whatever order they
 * ended in. Works on JSON texts, which are copied byte for byte; stateless. Whether the value fits
 * is the buffer's to say. */
#include "base/buf.h"

/* What became of one child. A child that was skipped, or that failed and was continued, has
 * neither, and is null. */
struct task_outcome {
    struct str name;   /* of a dag's step */
    struct str output; /* JSON; NULL: none */
    struct str error;  /* JSON; NULL: none, or it was continued */
};

/* sequence, parallel, map: [r0, r1, ...]. Also a sequence's `partial`: as many as have finished. */
void task_result_write_list(struct buf *b, const struct task_outcome *children, uint32_t count);

/* settle, and map that settles:
 * [{"status":"fulfilled","value":..}|{"status":"rejected","error":..}]
 */
void task_result_write_settled(struct buf *b, const struct task_outcome *children, uint32_t count);

/* dag: {"NAME": output, ...} */
void task_result_write_named(struct buf *b, const struct task_outcome *children, uint32_t count);
#endif
