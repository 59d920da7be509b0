#ifndef SLUICE_MODEL_REASON_H
#define SLUICE_MODEL_REASON_H
/* Why something waits or was stopped: code, on what, since when, until when if that is known. Plain
 * data. */
#include <stdint.h>

#include "base/buf.h"

/* X(symbol, wire code, message) */
#define REASON_TABLE(X)                                                                            \
    X(NONE, "", "")                                                                                \
    X(ADMISSION, "admission", "waits until the gateway has room for it")                           \
    X(RATE_LIMITED, "rate_limited", "waits for the provider's rate limit")                         \
    X(NO_FREE_SLOT, "no_free_slot", "waits for a free slot of the provider")                       \
    X(BREAKER_OPEN, "breaker_open", "waits until the provider's circuit breaker lets calls pass")  \
    X(RETRY_TIMER, "retry_timer", "waits before the next attempt")                                 \
    X(DEPENDENCY, "dependency", "waits for another task")                                          \
    X(TIMER, "timer", "sleeps")                                                                    \
    X(SIGNAL, "signal", "waits for a signal")                                                      \
    X(CLIENT_REQUEST, "client_request", "was asked for by a client")                               \
    X(CLIENT_GONE, "client_gone", "its client went away")                                          \
    X(TIMEOUT, "timeout", "ran out of time")                                                       \
    X(PARENT_CANCELLED, "parent_cancelled", "the task above it was cancelled")                     \
    X(SHUTDOWN, "shutdown", "the gateway is shutting down")

enum reason_code {
#define REASON_ROW(symbol, code, message) REASON_##symbol,
    REASON_TABLE(REASON_ROW)
#undef REASON_ROW
};

struct reason {
    enum reason_code code; /* REASON_NONE: there is none, JSON null */
    char blocked_on[80];   /* "provider:openai", or empty */
    char note[128];        /* a client's own words for a cancel; in place of the code's message */
    int64_t since_ms;      /* wall */
    int64_t until_ms;      /* wall; 0 if not known */
};

const char *reason_code_name(enum reason_code code);

/* JSON object, or null for REASON_NONE. */
void reason_write(struct buf *b, const struct reason *r);

/* Reads what reason_write wrote; anything else gives REASON_NONE. */
void reason_read(struct reason *ret, struct str json);
#endif
