#ifndef SLUICE_RESILIENCE_TOKEN_BUCKET_H
#define SLUICE_RESILIENCE_TOKEN_BUCKET_H
/* A token bucket: at most `burst` at once and `rate` per period in the long run, refilled
 * continuously, so that a waiter learns the exact ms at which it may go.
 *
 * Exact: the level is kept in 1/period_ms of a token, so each ms adds `rate` of them and nothing is
 * ever rounded away. Law: in every window of time, what was taken (and not given back unused, less
 * what settling returned) is at most burst + rate * window / period_ms; and all of it can be used.
 *
 * Two more reasons to wait: a debt (settling a call that used more than it had reserved may take
 * the level below zero, at most to -burst), and a hold (the provider named a time before which it
 * wants to see nothing). A bucket whose rate is 0 is off: it lets everything pass that no hold
 * stops.
 *
 * Pure data, embedded by its owner and guarded by the owner's lock. Time is monotonic ms; a caller
 * whose clock is a little behind refills nothing and breaks nothing. Life: token_bucket_init, then
 * any calls, no end. */
#include <stdbool.h>
#include <stdint.h>

/* Larger numbers are cut to these, so that the arithmetic cannot overflow. */
#define TOKEN_BUCKET_MAX_TOKENS    1000000000u
#define TOKEN_BUCKET_MAX_PERIOD_MS 86400000u

/* token_bucket_wait_ms: however long one waits, it will not pass. */
#define TOKEN_BUCKET_NEVER UINT64_MAX

struct token_bucket_policy {
    uint64_t rate;      /* tokens per period; 0: off */
    uint64_t burst;     /* tokens at once; 0: as many as `rate` */
    uint32_t period_ms; /* 0 is taken as 1 */
};

struct token_bucket { /* private to token_bucket.c */
    struct token_bucket_policy policy;
    int64_t level;          /* at `at_ms`, in 1/period_ms of a token; -full..full */
    uint64_t at_ms;         /* when `level` was true */
    uint64_t held_until_ms; /* nothing passes before */
};

/* Starts full. */
void token_bucket_init(struct token_bucket *b, const struct token_bucket_policy *policy,
                       uint64_t now_ms);

/* New numbers for a bucket in use. Its tokens or its debt stay, cut to the new burst, and so does a
 * hold; what was off starts full. */
void token_bucket_configure(struct token_bucket *b, const struct token_bucket_policy *policy,
                            uint64_t now_ms);

bool token_bucket_is_on(const struct token_bucket *b);
uint64_t token_bucket_burst(const struct token_bucket *b); /* tokens; 0 where it is off */

/* False: `cost` is more than the burst, so it could never pass. */
bool token_bucket_fits(const struct token_bucket *b, uint64_t cost);

/* How long until `cost` tokens could be taken: 0 is now, TOKEN_BUCKET_NEVER if it does not fit. */
uint64_t token_bucket_wait_ms(const struct token_bucket *b, uint64_t cost, uint64_t now_ms);

/* Takes all of `cost` or, answering false, nothing. */
bool token_bucket_take(struct token_bucket *b, uint64_t cost, uint64_t now_ms);

/* `cost` was taken at `taken_ms` and never used. What has been refilled since counts as given back
 * already: without the take the bucket might have been full, and that refill lost. */
void token_bucket_give_back(struct token_bucket *b, uint64_t cost, uint64_t taken_ms,
                            uint64_t now_ms);

/* A call that took `reserved` has really used `used`: adjusts by the difference. */
void token_bucket_settle(struct token_bucket *b, uint64_t reserved, uint64_t used, uint64_t now_ms);

/* Nothing passes before `until_ms`; the later of two holds counts. It refills meanwhile. */
void token_bucket_hold(struct token_bucket *b, uint64_t until_ms);

/* Ends a hold before its time. */
void token_bucket_release(struct token_bucket *b);

/* 0 or in the past: it is not held. */
uint64_t token_bucket_held_until_ms(const struct token_bucket *b);

/* Whole tokens in it, 0 in debt or where it is off. For the status page: a hold does not show. */
uint64_t token_bucket_available(const struct token_bucket *b, uint64_t now_ms);
#endif
