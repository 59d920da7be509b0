#ifndef SLUICE_MODEL_WEBHOOK_H
#define SLUICE_MODEL_WEBHOOK_H
/* Who is to be told of a run's events: the `webhook` of its create body (API §1, §8).
 *
 * Plain data; the URL lives in the arena that it was read with. Bounds: a URL of WEBHOOK_URL_MAX
 * bytes, WEBHOOK_EVENTS_MAX types. */
#include "model/check.h"
#include "model/event.h"

enum { WEBHOOK_URL_MAX = 2048, WEBHOOK_EVENTS_MAX = 32 };

struct webhook {
    struct str url;   /* NULL: nobody */
    event_set events; /* only of a run's own; output.delta where it was named */
};

/* What is wrong with a URL, for a person; NULL: nothing. Asked while a document is checked, so that
 * model/ need not know where one may lead. */
typedef const char *webhook_url_fault_fn(struct str url);
const char *webhook_no_fault(struct str url); /* for what was judged before */

/* Checks `v`. Where it is in order and nothing could be signed (`can_sign` is false) it is refused
 * as a whole. */
void webhook_check(struct check *c, struct json v, const struct doc_path *at,
                   webhook_url_fault_fn *url_fault, bool can_sign, struct webhook *ret);

/* Reads a stored one again, judging nothing. OK; ERR_NOMEM; ERR_IO where it is damaged. */
enum err webhook_read(struct str json, struct arena *arena, struct webhook *ret) MUST_CHECK;
#endif
