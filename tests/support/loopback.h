#ifndef SLUICE_TESTS_SUPPORT_LOOPBACK_H
#define SLUICE_TESTS_SUPPORT_LOOPBACK_H
/* A scripted HTTP server on a loopback port, for tests of what goes out.
 *
 * It knows no HTTP but where a request ends (a blank line, and Content-Length bytes behind it). The
 * request's path is the number of the script that answers it: "/3" plays scripts[3]. A script that
 * comes to its end leaves the connection open for the next request. One thread serves all
 * connections, so that a script that waits holds up only its own.
 *
 * Life: loopback_open, anything below from the test's thread, loopback_close (which closes every
 * connection). Failures of the harness itself abort. */
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum loopback_kind {
    LOOPBACK_END,   /* the script ends, the connection stays */
    LOOPBACK_SEND,  /* `bytes`, `times` over */
    LOOPBACK_WAIT,  /* until loopback_release was called `times` times in all */
    LOOPBACK_CLOSE, /* in order: FIN */
    LOOPBACK_RESET, /* at once: RST */
};

struct loopback_op {
    enum loopback_kind kind;
    struct str bytes;
    size_t times;
};

/* The steps of a script, as in {SAYS("HTTP/1.1 200 OK\r\n"), WAITS(1), CLOSES}. */
#define SAYS(literal)                                                                              \
    {                                                                                              \
        LOOPBACK_SEND, {"" literal, sizeof(literal) - 1}, 1                                        \
    }
#define REPEATS(literal, n)                                                                        \
    {                                                                                              \
        LOOPBACK_SEND, {"" literal, sizeof(literal) - 1}, (n)                                      \
    }
#define WAITS(n)                                                                                   \
    {                                                                                              \
        LOOPBACK_WAIT, {NULL, 0}, (n)                                                              \
    }
#define CLOSES                                                                                     \
    {                                                                                              \
        LOOPBACK_CLOSE, {NULL, 0}, 0                                                               \
    }
#define RESETS                                                                                     \
    {                                                                                              \
        LOOPBACK_RESET, {NULL, 0}, 0                                                               \
    }

enum { LOOPBACK_MAX_OPS = 8 };

struct loopback_script {
    struct loopback_op ops[LOOPBACK_MAX_OPS]; /* ends with the first LOOPBACK_END */
};

struct loopback;

/* `scripts` is borrowed. A `greeting` (NULL: none) is played to each connection that is accepted,
 * before any request. */
struct loopback *loopback_open(const struct loopback_script *scripts, size_t count,
                               const struct loopback_script *greeting);
void loopback_close(struct loopback *l);

/* A port on loopback that answers no SYN: connecting to it hangs. Closed with loopback_close. */
struct loopback *loopback_open_deaf(void);

/* "SCHEME://127.0.0.1:PORT/SCRIPT"; valid until the fourth call from now. */
const char *loopback_url(const struct loopback *l, const char *scheme, size_t script);

/* Lets the scripts that wait go on. */
void loopback_release(struct loopback *l);

/* What has come so far. */
size_t loopback_accepted(struct loopback *l); /* connections */
size_t loopback_gone(struct loopback *l);     /* of them, closed by the client */
size_t loopback_requests(struct loopback *l); /* read to their end */
size_t loopback_requests_of(struct loopback *l, size_t script);
struct str loopback_request(struct loopback *l,
                            size_t index); /* its bytes, valid until loopback_close */

/* Waits for at most 5 s until there are so many; false if they do not come. */
bool loopback_await_accepted(struct loopback *l, size_t n);
bool loopback_await_gone(struct loopback *l, size_t n);
bool loopback_await_requests(struct loopback *l, size_t n);
#endif
