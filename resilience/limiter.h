#ifndef SLUICE_RESILIENCE_LIMITER_H
#define SLUICE_RESILIENCE_LIMITER_H
/* Everything that may hold a call back from one provider, and who goes first once it does not.
 *
 * A call needs all of these at once and takes all or none: the breaker's leave, a slot, one request
 * of the request bucket, its estimated cost of the token bucket; and no hold (a Retry-After holds
 * every call of the provider back). Who cannot go waits in one fair queue, strictly in its order:
 * nobody overtakes the first in line, however small, so that a big call is not starved; the bucket
 * fills for it meanwhile, so that nothing is wasted either.
 *
 * Life of a ticket, one for each attempt, embedded in whatever waits:
 *
 *     limiter_ticket_init       -> IDLE
 *     IDLE    -> limiter_ask    -> GRANTED (go) | WAITING (wait) | IDLE (refuse)
 *     WAITING -> limiter_next   -> GRANTED (go) | IDLE (refuse)
 *     WAITING -> limiter_cancel -> IDLE
 *     GRANTED -> limiter_done   -> IDLE    the call was made, well or badly
 *     GRANTED -> limiter_cancel -> IDLE    the call was never made
 *
 * Nothing here polls or calls back. After any call below that is not const, and when the wake-up
 * time has come, the owner takes what limiter_next gives until it gives no more, and sets one timer
 * to limiter_wake_ms: the exact ms at which the first in line can go.
 *
 * Pure data, embedded by its owner, who holds a lock around every call. Time is monotonic ms; where
 * the owner's threads do not agree about it, the latest that was seen counts. Life: limiter_init,
 * then any calls, limiter_fini once every ticket is idle. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "resilience/breaker.h"
#include "resilience/fair_queue.h"
#include "resilience/retry.h"
#include "resilience/retry_budget.h"
#include "resilience/slots.h"
#include "resilience/token_bucket.h"

/* Bounds also those tickets that policy.queue does not bound. */
enum { LIMITER_MAX_WAITERS = 1000000 };

/* What becomes of calls while the breaker is open. */
enum limiter_on_open { LIMITER_ON_OPEN_WAIT, LIMITER_ON_OPEN_FAIL };

struct limiter_policy {
    uint32_t concurrency;                /* slots, >= 1 */
    uint32_t queue;                      /* waiters; past it bounded tickets are refused */
    struct token_bucket_policy requests; /* rate 0: off */
    struct token_bucket_policy tokens;   /* rate 0: off */
    struct breaker_policy breaker;
    enum limiter_on_open on_open;
    double retry_budget;  /* retries per call: see retry_budget.h */
    uint64_t max_hint_ms; /* a server that asks for more is taken to ask for this */
};

/* API section 7: 100 slots, a queue of 1000, both buckets off, five failures open the breaker. */
struct limiter_policy limiter_policy_default(void);

struct limiter { /* private to limiter.c */
    struct limiter_policy policy;
    struct breaker breaker;
    struct slots slots;
    struct token_bucket requests; /* its hold is the provider's */
    struct token_bucket tokens;
    struct retry_budget budget;
    struct fair_queue queue;
    struct list refused; /* left the queue when the breaker opened: limiter_next gives them out */
    uint64_t now_ms;     /* the latest that was seen */
};

enum err limiter_init(struct limiter *l, const struct limiter_policy *policy,
                      uint64_t now_ms) MUST_CHECK;
void limiter_fini(struct limiter *l);

/* New numbers for a limiter in use: what is out, what waits and what was learned stays. */
void limiter_configure(struct limiter *l, const struct limiter_policy *policy, uint64_t now_ms);

/* --- one call --------------------------------------------------------------------------------- */

enum limiter_ticket_state { LIMITER_IDLE, LIMITER_WAITING, LIMITER_GRANTED };

/* Stays in place while it waits. */
struct limiter_ticket {
    uint64_t tenant;      /* whose turn it takes */
    uint32_t weight;      /* of the tenant, 1..FAIR_QUEUE_MAX_WEIGHT */
    uint64_t cost_tokens; /* estimate in model tokens, 0 if unknown */
    bool is_retry;        /* not its call's first attempt: pays nothing into the retry budget */
    bool is_bounded;      /* refused where the queue is full */
    uint64_t give_up_ms;  /* monotonic: refused where the breaker stays open until then at least */

    /* private to limiter.c */
    enum limiter_ticket_state state;
    struct fair_waiter waiter;
    struct breaker_pass pass;
    uint64_t granted_ms;
    uint64_t reserved_requests, reserved_tokens;
};

/* Weight 1, a first attempt, not bounded, patient without end; its owner may set these before it
 * asks. */
void limiter_ticket_init(struct limiter_ticket *t, uint64_t tenant, uint64_t cost_tokens);

enum limiter_verdict { LIMITER_GO, LIMITER_WAIT, LIMITER_REFUSE };

enum limiter_reason {
    LIMITER_FREE,         /* go: nothing is in the way */
    LIMITER_BREAKER_OPEN, /* wait, or refuse, as on_open and give_up_ms say; also while a probe is
                             out */
    LIMITER_NO_FREE_SLOT, /* wait */
    LIMITER_RATE_LIMITED, /* wait, for a bucket or the end of a hold */
    LIMITER_TOO_COSTLY,   /* refuse: more tokens than the burst could never go */
    LIMITER_QUEUE_FULL,   /* refuse */
    LIMITER_NO_MEMORY,    /* refuse */
};

/* `until_ms`: not before then, as far as is known; 0: nothing is known, because only something that
 * comes back can end it. The first in line goes exactly then, unless it lacks a slot or a probe is
 * out. `change`: open -> half_open where this ticket is a breaker's first probe. */
struct limiter_answer {
    enum limiter_verdict verdict;
    enum limiter_reason reason;
    uint64_t until_ms;
    struct breaker_change change;
};

/* May this call go? `t` is idle. Waits if it cannot, or if others wait already. */
struct limiter_answer limiter_ask(struct limiter *l, struct limiter_ticket *t, uint64_t now_ms);

/* Takes the first in line out of the queue if it can go, or must be refused (the breaker has opened
 * and on_open is fail, or a new policy makes it too costly), and whoever gives up before an opened
 * breaker can let anybody go. False: nobody's wait ends now. */
bool limiter_next(struct limiter *l, uint64_t now_ms, struct limiter_ticket **ret_ticket,
                  struct limiter_answer *ret_answer);

/* When to ask limiter_next again: `now_ms` or earlier is now; UINT64_MAX: after something has come
 * back, or never. */
uint64_t limiter_wake_ms(const struct limiter *l, uint64_t now_ms);

/* Why a waiting ticket waits: for what the first in line waits for. */
struct limiter_answer limiter_reason(const struct limiter *l, const struct limiter_ticket *t,
                                     uint64_t now_ms);

enum limiter_outcome {
    LIMITER_SUCCESS, /* the provider did its part */
    LIMITER_FAILURE, /* it is not well: unreachable, timeout, error, overloaded, bad response */
    LIMITER_NEUTRAL, /* says nothing of its health: cancelled, the caller's fault, a rate limit */
};

/* What was reserved stays charged, because an answer that was cut off was generated, too. An
 * attempt that certainly used nothing (no connection, a refusal) says 0. */
#define LIMITER_TOKENS_UNKNOWN UINT64_MAX

struct limiter_report {
    enum limiter_outcome outcome;
    uint64_t hint_ms;     /* Retry-After, 0 if none: a floor for the breaker's open time */
    bool hold;            /* and nobody may go before (429, 503, 529) */
    uint64_t used_tokens; /* as the provider counted them, or LIMITER_TOKENS_UNKNOWN */
};

/* The granted call has ended. Its request stays counted, its slot comes back, its tokens are
 * settled. A neutral probe is forgotten: the next call becomes the probe. */
struct breaker_change limiter_done(struct limiter *l, struct limiter_ticket *t,
                                   const struct limiter_report *report, uint64_t now_ms,
                                   struct rng *rng);

/* The provider has begun to answer a granted call well: a probe has shown what it was sent for, and
 * those who wait for it need not wait for its end, minutes later. May be left out. */
struct breaker_change limiter_answered(struct limiter *l, struct limiter_ticket *t,
                                       uint64_t now_ms);

/* Leaves the queue; or gives back a grant that was not used: slot, request, tokens, and the part of
 * the probe. Nothing where `t` is idle. */
void limiter_cancel(struct limiter *l, struct limiter_ticket *t, uint64_t now_ms);

/* After limiter_done: shall its call try again? As retry_decide, with this provider's budget. */
enum retry_verdict limiter_retry(struct limiter *l, const struct retry_policy *policy,
                                 const struct retry_failure *failure, uint64_t deadline_ms,
                                 uint64_t now_ms, struct rng *rng, uint64_t *ret_at_ms);

/* --- the provider ----------------------------------------------------------------------------- */

/* Would a bounded ticket be refused for a full queue? */
bool limiter_is_full(const struct limiter *l, uint64_t now_ms);

/* An operator says that it works again: closes the breaker, ends a hold. */
struct breaker_change limiter_reset(struct limiter *l);

/* What outlives the process: see breaker.h. Restore right after init. */
struct breaker_saved limiter_save(const struct limiter *l, uint64_t now_ms);
void limiter_restore(struct limiter *l, const struct breaker_saved *saved, uint64_t elapsed_ms,
                     uint64_t now_ms);

struct limiter_bucket_status {
    bool is_on;
    uint64_t available, burst; /* whole tokens */
};

struct limiter_status {
    enum breaker_state state;
    uint32_t failures;       /* in a row */
    uint64_t opens_until_ms; /* monotonic; 0 unless it is open */
    uint64_t held_until_ms;  /* likewise; 0 unless it is held */
    uint32_t borrowed, total;
    size_t waiting;
    struct limiter_bucket_status requests, tokens;
};

/* For the status page. */
struct limiter_status limiter_status(const struct limiter *l, uint64_t now_ms);
#endif
