#ifndef SLUICE_NET_TRANSFER_H
#define SLUICE_NET_TRANSFER_H
/* Outbound HTTP transfers on curl multi: pooled connections, own deadlines, cancel in the same turn
 * of the loop.
 *
 * A pool belongs to one loop and serves one provider, so that idle connections are counted for each
 * provider; or any number of hosts, of one scheme. curl.h is included by transfer*.c alone.
 *
 * Life of a pool: create, any number of transfers, destroy (which cancels what is left). Life of a
 * transfer: start; then on_bytes any number of times; then on_done once, and it is gone.
 * transfer_cancel ends it at any moment without another callback: its connection is closed before
 * the loop polls again. Callbacks may start and cancel transfers.
 *
 * A request is sent once. curl would send it again by itself when a reused connection dies before
 * the first byte of the answer; that is refused here and reported, since only the caller knows
 * whether it may.
 *
 * Deadlines are absolute monotonic ms or lengths in ms. The request's body is borrowed until the
 * transfer ends, the rest of it during the call. */
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "net/http.h"

struct sockaddr;
struct transfer;
struct transfer_pool;

/* Once in the process, before the first pool and after the last. */
enum err transfer_global_init(void) MUST_CHECK;
void transfer_global_fini(void);

struct transfer_pool_options {
    uint32_t max_idle;    /* connections kept open that nobody uses */
    uint64_t idle_ms;     /* one that has not been used for so long is not used again */
    uint64_t max_age_ms;  /* nor one that is older */
    const char *ca_file;  /* PEM; NULL: the system's */
    uint32_t max_lookups; /* of a pool for many hosts: names looked up at once, a thread for each;
                             0: it serves one, whose name is looked up now and then */
    /* May a connection to that address be made? NULL: to any. `guard` is its own. */
    bool (*may_connect)(void *guard, const struct sockaddr *address);
    void *guard;
};

struct transfer_deadlines {
    uint64_t connect_ms;    /* name, TCP and TLS */
    uint64_t first_byte_ms; /* from there to the first byte of the body */
    uint64_t idle_ms;       /* between two bytes */
    uint64_t end_at_ms;     /* absolute: of all of it */
};

struct transfer_result {
    enum err code;      /* OK: an answer came whole, whatever its status; else a provider_* code */
    int status;         /* HTTP status, 0 if none came */
    bool was_sent;      /* the request may have reached the provider */
    const char *detail; /* for a person; valid during the call */
};

struct transfer_events {
    /* A part of the body. False aborts: on_done follows with provider_bad_response. */
    bool (*on_bytes)(void *ctx, const char *bytes, size_t len);
    void (*on_done)(void *ctx, const struct transfer_result *result);
};

enum err transfer_pool_create(struct loop *loop, const struct transfer_pool_options *options,
                              struct transfer_pool **ret_pool) MUST_CHECK;
void transfer_pool_destroy(
    struct transfer_pool *pool); /* NULL is fine; never from within a callback */

/* How many transfers are under way, and how many connections are open beside theirs. Any thread. */
uint32_t transfer_pool_active(const struct transfer_pool *pool);
uint32_t transfer_pool_idle(const struct transfer_pool *pool);

/* The transfer begins in this turn, never within the call: no callback before it has returned. */
enum err transfer_start(struct transfer_pool *pool, const struct http_request *request,
                        const struct transfer_deadlines *deadlines,
                        const struct transfer_events *events, void *ctx,
                        struct transfer **ret_transfer) MUST_CHECK;
void transfer_cancel(struct transfer *t); /* NULL is fine */

/* Stops and continues reading from the provider; deadlines for silence rest meanwhile, the end does
 * not. */
void transfer_pause(struct transfer *t);
void transfer_resume(struct transfer *t);

/* Of the answer, from the first on_bytes to the end of on_done. A header that came several times:
 * its last value. STR_NONE if it did not come. */
int transfer_status(struct transfer *t);
struct str transfer_header(struct transfer *t, const char *name);
void transfer_each_header(struct transfer *t,
                          void (*on_header)(void *ctx, struct str name, struct str value),
                          void *ctx);
#endif
