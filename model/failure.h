#ifndef SLUICE_MODEL_FAILURE_H
#define SLUICE_MODEL_FAILURE_H
/* How a task or a run ended when it did not succeed: the `error` of API §2, as plain data with its
 * JSON form.
 *
 * Views are borrowed from whoever fills it. */
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct failure {
    enum err code;
    struct str message;  /* empty: the code's title */
    struct str task;     /* path of the task that failed; NULL: none, JSON null */
    struct str provider; /* the last one that was tried; NULL: none */
    uint32_t attempts;
    struct str errors;  /* JSON array, the error group; NULL: [] */
    struct str partial; /* JSON value; NULL: absent */
};

void failure_write(struct buf *b, const struct failure *f);

/* Appends an error, as failure_write wrote it, for whoever stands for all that it speaks of: every
 * path in it becomes `task`. `scratch` is the tape. OK, and its code; ERR_NOMEM; ERR_LIMIT where
 * `b` is full; ERR_INVALID_JSON where it is none (a damaged store). */
struct json_doc;
enum err failure_move(struct buf *b, struct str error, struct str task, struct json_doc *scratch,
                      enum err *ret_code) MUST_CHECK;
#endif
