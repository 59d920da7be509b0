#ifndef SLUICE_MODEL_ATTEMPT_VIEW_H
#define SLUICE_MODEL_ATTEMPT_VIEW_H
/* Attempts as clients see them (API §2): what is stored of them, without that by which the gateway
 * alone goes on with work at a provider (its handle, and with which API key it was begun). */
#include "base/json.h"

/* Appends the array; "[]" where it is none. */
void attempts_show(struct buf *b, struct json attempts);

/* The same from its text. */
void attempts_show_text(struct buf *b, struct str attempts);
#endif
