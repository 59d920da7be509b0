#ifndef SLUICE_PROVIDERS_INTAKE_H
#define SLUICE_PROVIDERS_INTAKE_H
/* The body of an answer, cut into the pieces that mean something: the events of a stream, the lines
 * of NDJSON, or one whole document.
 *
 * Pure data, embedded by a decoder. Zeroed memory is a closed one. Life: intake_open, intake_feed
 * any number of times, intake_end once if the body came to its end, intake_fini (always legal).
 * Bound: `max_bytes` for what is held at once, which is the body itself where it is one document.
 */
#include <stdbool.h>

#include "net/sse_parse.h"

enum intake_form { INTAKE_DOCUMENT, INTAKE_SSE, INTAKE_NDJSON };

/* `type` is an SSE event's, empty elsewhere. Views are valid during the call. False: nothing more
 * is wanted. */
typedef bool intake_fn(void *ctx, struct str type, struct str data);

struct intake {
    enum intake_form form;
    bool is_open, is_stopped;
    intake_fn *on_piece;
    void *ctx;
    struct sse_parser sse;
    struct buf held; /* the document, or a line whose end has not come yet */
};

/* What a Content-Type stands for. */
enum intake_form intake_form_of(struct str content_type);

void intake_open(struct intake *i, enum intake_form form, size_t max_bytes, intake_fn *on_piece,
                 void *ctx);
void intake_fini(struct intake *i);

/* OK (also when on_piece said stop), ERR_LIMIT past max_bytes, ERR_NOMEM. */
enum err intake_feed(struct intake *i, const char *bytes, size_t len) MUST_CHECK;

/* Hands over the document, or a last line without its end. */
void intake_end(struct intake *i);
#endif
