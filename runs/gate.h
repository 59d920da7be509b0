#ifndef SLUICE_RUNS_GATE_H
#define SLUICE_RUNS_GATE_H
/* A provider's limiter, shared by the loops: who may call it now, and whose turn comes next.
 *
 * resilience/limiter.h decides; this gives it a lock, a clock and a way to wake waiters on their
 * own loops. The lock is held for a few instructions, never across a callback. The gate's home loop
 * holds the one timer at which the first in line can go. Reference counted: the catalogs that name
 * the provider share one gate, so a reload keeps what is known. The last reference may go on any
 * thread: while its timer is armed, which is only while somebody waits, the gate holds itself.
 *
 * Life of a waiter, embedded in an attempt and used on its own loop: gate_waiter_init; gate_ask; if
 * that said wait, on_verdict once; a granted one ends with gate_done, or with gate_cancel if it was
 * not used; gate_cancel at any moment before. A waiter stays in place until it is idle again:
 * gate_cancel says whether it is, or on_idle will. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/loop.h"
#include "resilience/latency.h"
#include "resilience/limiter.h"

struct gate;
struct gate_waiter;

typedef void gate_verdict_fn(struct gate_waiter *w, const struct limiter_answer *answer);

struct gate_waiter {
    struct limiter_ticket ticket; /* its owner may set weight, is_retry, is_bounded, give_up_ms */
    struct loop *loop;
    gate_verdict_fn *on_verdict;            /* GO or REFUSE, on `loop` */
    void (*on_idle)(struct gate_waiter *w); /* after a gate_cancel that could not end it at once */

    /* private */
    struct gate *gate;
    struct loop_msg msg;
    struct limiter_answer answer;
    bool posted; /* a verdict is on its way; under the gate's lock */
    bool cancelled;
};

/* Any thread. `home` outlives the gate. */
enum err gate_create(struct str name, const struct limiter_policy *policy, struct loop *home,
                     struct gate **ret_gate) MUST_CHECK;
struct gate *gate_ref(struct gate *g);
struct gate *gate_unref(struct gate *g); /* NULL is fine; returns NULL */
/* New numbers; who waits feels them at once. Any thread. */
void gate_configure(struct gate *g, const struct limiter_policy *policy);

void gate_waiter_init(struct gate_waiter *w, struct loop *loop, uint64_t tenant,
                      uint64_t cost_tokens, gate_verdict_fn *on_verdict,
                      void (*on_idle)(struct gate_waiter *w));

struct limiter_answer gate_ask(struct gate *g, struct gate_waiter *w);
struct limiter_answer gate_reason(struct gate *g,
                                  const struct gate_waiter *w); /* of one that waits */
void gate_answered(struct gate *g,
                   struct gate_waiter *w); /* the provider has begun to answer well */
void gate_done(struct gate *g, struct gate_waiter *w, const struct limiter_report *report,
               uint64_t took_ms, struct rng *rng);
bool gate_cancel(struct gate *g, struct gate_waiter *w); /* true: it is idle now */
/* Of one that waits: it is idle now, and *ret_why is what it waited for; false: on_verdict is on
 * its way, and comes. */
bool gate_give_up(struct gate *g, struct gate_waiter *w, enum limiter_reason *ret_why);

/* After gate_done of a failed attempt (resilience/retry.h). */
enum retry_verdict gate_retry(struct gate *g, const struct retry_policy *policy,
                              const struct retry_failure *failure, uint64_t deadline_ms,
                              uint64_t now_ms, struct rng *rng, uint64_t *ret_at_ms);

/* Runs of this provider that wait in the store for room in memory. Any thread. Never below 0: what
 * was counted before the provider was configured goes uncounted too. */
void gate_add_backlog(struct gate *g, int64_t runs);
uint64_t gate_backlog(const struct gate *g);
/* Called, from any thread and with no lock held, when runs from the backlog could be taken in. */
void gate_on_room(struct gate *g, void (*on_room)(void *ctx), void *ctx);

/* How many runs may wait in memory for their turn; the rest of the queue stays in the store. */
enum { GATE_LOOKAHEAD = 1024 };
uint64_t gate_waiting(struct gate *g);
/* Is the provider's queue, in memory and in the store together, at its limit? */
bool gate_is_full(struct gate *g);

/* Called after each change of the breaker's state: from any thread, with no lock held. Two threads
 * may come in another order than their changes did: those are taken, each once and in order, with
 * gate_take_change. Of more than GATE_CHANGES that nobody takes the oldest are forgotten. */
enum { GATE_CHANGES = 32 };
void gate_on_change(struct gate *g, void (*on_change)(struct gate *g, void *ctx), void *ctx);
bool gate_take_change(struct gate *g, struct breaker_change *ret_change);

/* What outlives the process (resilience/breaker.h). Restored before the first call. */
struct breaker_saved gate_save(struct gate *g);
void gate_restore(struct gate *g, const struct breaker_saved *saved, uint64_t elapsed_ms);
const char *gate_name(const struct gate *g);

struct gate_status {
    struct limiter_status limiter;
    uint64_t p50_ms, p99_ms;
    bool has_latency;
    uint64_t calls, attempts, succeeded, failed;
};
void gate_status(struct gate *g, struct gate_status *ret_status);
void gate_reset(struct gate *g); /* an operator says that the provider works again */
void gate_count_call(struct gate *g);
#endif
