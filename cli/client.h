#ifndef SLUICE_CLI_CLIENT_H
#define SLUICE_CLI_CLIENT_H
/* HTTP requests to the gateway: one at a time with client_ask, or several side by side that
 * client_step moves.
 *
 * Life: client_open; exchange_start, client_step until exchange_answer gives it, exchange_end (at
 * any time: an exchange that is under way is aborted); client_close after the last. One thread. No
 * proxy, no redirect: a key never goes anywhere else. Bound: an answer that is gathered takes at
 * most CLIENT_MAX_BODY bytes. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/endpoint.h"
#include "model/run_record.h"

enum { CLIENT_MAX_BODY = 256 << 20, CLIENT_FAILURE = 256 };

struct client;
struct exchange;

/* Views are borrowed until exchange_end. */
struct client_request {
    const char *method; /* "GET", "POST", "PUT" or "DELETE" */
    const char *path;   /* begins with a slash; encoded */
    const char *accept; /* NULL: application/json */
    struct str body;    /* JSON; NULL: none */
    bool has_if_match;  /* If-Match is sent: only where the resource has that version */
    uint64_t if_match;
    uint32_t wait_s;   /* Prefer: wait; 0: not sent */
    uint32_t limit_ms; /* for the whole exchange; 0: none */
    bool resumes;      /* Last-Event-ID is sent */
    uint64_t last_event_id;

    /* Takes the body of a 200 as it comes; false stops the exchange. NULL: it is gathered, as any
     * other body is. */
    bool (*on_bytes)(void *ctx, struct str bytes);
    void *ctx;
};

enum answer_fate {
    ANSWER_WHOLE,     /* it came to its proper end, whatever the status */
    ANSWER_BROKEN,    /* the connection broke after the request had, or may have, gone out */
    ANSWER_NO_SERVER, /* nothing was sent */
};

struct answer {
    enum answer_fate fate;
    long status; /* 0: none came */
    struct buf body;
    char run_id[RUN_ID_TEXT +
                1]; /* from Location; empty: it had none. There as soon as the head is */
    char failure[CLIENT_FAILURE]; /* why it is not whole */
};

/* `key` may be NULL. ERR_INVALID_REQUEST for a key that no header can hold; ERR_NOMEM. */
enum err client_open(const struct endpoint *endpoint, const char *key, struct client **ret_client,
                     struct error *ret_error) MUST_CHECK;
void client_close(struct client *c); /* NULL is fine */
const char *client_name(const struct client *c);

/* Moves every exchange on. Returns when something has happened, `wake_fd` (-1: none) is readable,
 * or the time is over. */
void client_step(struct client *c, int timeout_ms, int wake_fd);

/* NULL: no memory. */
struct exchange *exchange_start(struct client *c, const struct client_request *request) MUST_CHECK;

/* NULL while it is under way; then valid until exchange_end. */
const struct answer *exchange_answer(const struct exchange *x);

/* The run that the answer's head names; empty while or where there is none. */
const char *exchange_run_id(const struct exchange *x);
void exchange_end(struct exchange *x); /* NULL is fine */

/* One exchange from start to end; the caller frees the answer's body. ERR_NOMEM. */
enum err client_ask(struct client *c, const struct client_request *request,
                    struct answer *ret_answer) MUST_CHECK;
#endif
