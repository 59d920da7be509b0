#ifndef SLUICE_CLI_ANSWER_H
#define SLUICE_CLI_ANSWER_H
/* What an answer that is no success means to a person and to a script. Stateless. */
#include "base/buf.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/client.h"

/* Did the gateway do what was asked? */
static inline bool answer_is_good(const struct answer *a)
{
    return a->fate == ANSWER_WHOLE && a->status >= 200 && a->status < 300;
}

/* json_doc_init for what the gateway sends: deeper and larger than anything that it takes, as a
 * tree of tasks may be. */
void answer_doc_init(struct json_doc *doc);

/* May the same request work in a moment: the connection broke, nobody listens, or the gateway (a
 * proxy for it) says so? */
bool answer_is_passing(const struct answer *a);

/* The exit code for an answer that is not good. */
int answer_exit(const struct answer *a);

/* Appends one line without its end: "invalid_request: DETAIL (/task/type: unknown_type: DETAIL;
 * ..)", or what else went wrong at `server`. */
void answer_describe(struct buf *b, const struct answer *a, const char *server);
#endif
