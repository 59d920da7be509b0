#ifndef SLUICE_RUNS_ATTEMPT_TELL_H
#define SLUICE_RUNS_ATTEMPT_TELL_H
/* What is said of an attempt: its events, and its part of its task's `attempts` (API §2). On its
 * run's loop. */
#include "model/event.h"
#include "runs/run.h"

struct attempt;

/* It starts, anew or for the first time. */
void attempt_tell_start(struct attempt *a, enum event_type type, enum save_urgency urgency);

/* It has ended. `error`: JSON; NULL: none. */
void attempt_tell_end(struct attempt *a, enum event_type type, struct str error);

/* {"number":..,"provider":..,"model":..,"state":..,...}. While its work goes on, with the handle by
 * which the next attempt could go on with it. */
void attempt_write(struct buf *b, const struct attempt *a, const char *state, struct str error);
#endif
