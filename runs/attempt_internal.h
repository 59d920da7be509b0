#ifndef SLUICE_RUNS_ATTEMPT_INTERNAL_H
#define SLUICE_RUNS_ATTEMPT_INTERNAL_H
/* What the attempt_*.c files share. Nobody else includes this.
 *
 * attempt.c has an attempt's life, from the gate to its end. How its request is made and its answer
 * comes is one of two ways: over HTTP, or of a local provider. Each says what comes, and ends it by
 * attempt_conclude or attempt_conclude_verdict. */
#include "runs/attempt.h"
#include "runs/run.h"
#include "runs/shard.h"

static inline const struct provider_kind *attempt_kind(const struct attempt *a)
{
    return a->upstream->provider->kind;
}

/* Monotonic: by then all of it must be over. */
static inline uint64_t attempt_end_ms(const struct attempt *a)
{
    return a->started_ms + a->upstream->timeouts.total_ms;
}

/* --- attempt.c -------------------------------------------------------------------------------- */

/* Makes the request, or asks after the work that goes on. */
void attempt_send(struct attempt *a);

void attempt_on_first_byte(struct attempt *a);

/* A delta_fn, from the decoder or `sim`; `ctx` is the attempt. False: no more of it, a->stop_code
 * says why. */
bool attempt_on_delta(void *ctx, const struct delta *d);

/* The only exit of one that was granted and not cancelled. */
void attempt_conclude(struct attempt *a, const struct attempt_outcome *o);
void attempt_conclude_verdict(struct attempt *a, const struct verdict *v, bool was_answered,
                              uint64_t hint_ms);

/* --- attempt_settle.c ------------------------------------------------------------------------- */

/* Gives everything back that was taken for it; sets when it ended. Once, of one that was granted.
 */
void attempt_settle(struct attempt *a, const struct attempt_outcome *o);

/* --- attempt_http.c --------------------------------------------------------------------------- */

void attempt_http_init(struct attempt *a);
void attempt_http_fini(struct attempt *a);
/* Not OK: `error` says why it cannot be sent; the caller concludes. */
enum err attempt_http_start(struct attempt *a, struct error *error) MUST_CHECK;

/* --- attempt_sim.c ---------------------------------------------------------------------------- */

void attempt_sim_init(struct attempt *a);
void attempt_sim_fini(struct attempt *a);
enum err attempt_sim_start(struct attempt *a, struct error *error) MUST_CHECK; /* likewise */
void attempt_sim_resume(struct attempt *a); /* after a pause; nothing where it does not play */
#endif
