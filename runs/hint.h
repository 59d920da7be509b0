#ifndef SLUICE_RUNS_HINT_H
#define SLUICE_RUNS_HINT_H
/* When an answer's server wants to be asked again (resilience/retry_hint.h), from the answer's own
 * headers: ms from now, 0 if it says nothing. During transfer_events.on_done. */
#include "net/transfer.h"

uint64_t hint_of_answer(struct transfer *t);
#endif
