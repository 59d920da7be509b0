#ifndef SLUICE_RESILIENCE_BREAKER_H
#define SLUICE_RESILIENCE_BREAKER_H
/* A circuit breaker: stops calling a provider that keeps failing, and finds out with one call when
 * it works again.
 *
 * closed -> open: on `failures` in a row within `window_ms`, or when of at least `min_calls` calls
 * within it the share `ratio` failed; only a failure opens it. open -> half-open: by the first call
 * after the open time. half-open lets one probe through and waits for its report: a success closes
 * the breaker, a failure opens it again, for twice as long. Nygard, Release It!, ch. 5.
 *
 * Only what speaks of the provider's health is reported. A call keeps its pass and hands it back
 * with the report: the pass carries the generation, which every change of state makes a new one, so
 * that the result of a call that started before the change says nothing about the state after it.
 *
 * Pure data. Time is passed in (monotonic ms), and so is randomness; no lock inside: its owner, a
 * limiter or a named circuit, holds one. Life: breaker_init, then any calls, no end. */
#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "resilience/window.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

const char *breaker_state_name(enum breaker_state state); /* "closed", "open", "half_open" */

struct breaker_policy {
    uint32_t failures;     /* in a row that open it; 0: this rule is off */
    double ratio;          /* of failed calls that opens it, in (0, 1]; 0: this rule is off */
    uint32_t min_calls;    /* before `ratio` is judged */
    uint32_t window_ms;    /* what is further apart does not add up (exact to a tenth) */
    uint32_t reset_ms;     /* first open time; doubles with every failed probe */
    uint32_t max_reset_ms; /* where the doubling ends; the jitter of 10 % comes on top or off it */
};

/* What a call did to the state; `from` == `to` where nothing changed. */
struct breaker_change {
    enum breaker_state from, to;
};

static inline bool breaker_has_changed(struct breaker_change c)
{
    return c.from != c.to;
}

/* What an allowed call holds until its report. */
struct breaker_pass {
    uint64_t generation;
    bool is_probe;
};

struct breaker { /* private to breaker.c */
    struct breaker_policy policy;
    enum breaker_state state;
    uint64_t generation;
    struct window window;
    uint32_t failures; /* in a row when it opened, and its failed probes since */
    uint32_t openings; /* since it was last closed: how often the open time has doubled */
    uint64_t open_until_ms;
    bool probe_is_out;
};

void breaker_init(struct breaker *b, const struct breaker_policy *policy);

/* New numbers for a breaker in use. What it has counted stays; an open time that has begun, too. */
void breaker_configure(struct breaker *b, const struct breaker_policy *policy, uint64_t now_ms);

/* May a call go now? Where it may, it has a pass: one report, or breaker_forget. */
bool breaker_allow(struct breaker *b, uint64_t now_ms, struct breaker_pass *ret_pass,
                   struct breaker_change *ret_change);

/* breaker_wait_ms: the time is not known, the probe's report ends the wait. */
#define BREAKER_UNTIL_REPORT UINT64_MAX

/* How long until breaker_allow could say yes: 0 is now. Waiters sleep exactly this long. */
uint64_t breaker_wait_ms(const struct breaker *b, uint64_t now_ms);

/* What became of an allowed call. `hint_ms` is the server's Retry-After, 0 if none: a floor for the
 * open time, never a ceiling. */
struct breaker_change breaker_success(struct breaker *b, struct breaker_pass pass, uint64_t now_ms);
struct breaker_change breaker_failure(struct breaker *b, struct breaker_pass pass, uint64_t now_ms,
                                      uint64_t hint_ms, struct rng *rng);

/* The call says nothing of the provider (cancelled, the caller's own fault). If it was the probe,
 * the next call becomes the probe. */
void breaker_forget(struct breaker *b, struct breaker_pass pass);

/* An operator closes it and clears what it has counted. */
struct breaker_change breaker_reset(struct breaker *b);

enum breaker_state breaker_state(const struct breaker *b);
uint64_t breaker_open_until_ms(const struct breaker *b); /* 0 unless it is open */

/* In a row and within the window; once it has opened, the failed probes come on top. */
uint32_t breaker_failures(const struct breaker *b, uint64_t now_ms);

/* What outlives the process. The store keeps it beside the wall time of saving. */
struct breaker_saved {
    enum breaker_state state;
    uint32_t failures;
    uint32_t openings;
    uint64_t open_left_ms; /* at the time of saving */
};

struct breaker_saved breaker_save(const struct breaker *b, uint64_t now_ms);

/* Right after breaker_init; `elapsed_ms` have passed since it was saved, by the wall clock, 0 if
 * that went backwards. A half-open one has lost its probe; a closed one keeps its failures in a row
 * if they are not older than the window; a state that is none is closed. */
void breaker_restore(struct breaker *b, const struct breaker_saved *saved, uint64_t elapsed_ms,
                     uint64_t now_ms);
#endif
