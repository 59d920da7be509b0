#ifndef SLUICE_MODEL_TASK_PATH_H
#define SLUICE_MODEL_TASK_PATH_H
/* A task's address within its tree (API §2): "" is the root, "0/2" the third child of its first.
 * Stateless. */
#include <stdint.h>

#include "base/buf.h"

/* A child's path: 1 + 10 bytes longer than its parent's at most. */
void task_path_add(struct buf *b, struct str parent, uint64_t index);

/* Takes the first index off `*path`. False where there is none any more (`path` is empty), or what
 * is there is none (`path` stays): digits without a leading zero, below 2^32. */
bool task_path_next(struct str *path, uint32_t *ret_index);

/* As a URL has it: "root", or indices. `*ret` is the path; false where it is neither. */
bool task_path_parse(struct str text, struct str *ret);
#endif
