#ifndef SLUICE_CONFIG_LISTEN_H
#define SLUICE_CONFIG_LISTEN_H
/* An address to listen on, as it is written in the configuration or behind --listen:
 * HOST:PORT, [V6]:PORT or unix:/PATH. Plain data; its strings live in the arena it was made in. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* What is said of one that is none. */
#define LISTEN_FORMS "must be HOST:PORT, [V6]:PORT or unix:/PATH (at most 107 bytes)"

enum listen_kind { LISTEN_TCP, LISTEN_UNIX };

struct listen_address {
    enum listen_kind kind;
    const char *text; /* as it was written */
    const char *host; /* TCP: an IPv4 address, an IPv6 address without brackets, or a name */
    uint16_t port;    /* TCP; 0: the kernel chooses one */
    const char *path; /* unix */
    bool is_loopback; /* nobody but this machine can reach it */
};

/* OK; ERR_CONFIG where it is none of the forms; ERR_NOMEM. */
enum err listen_parse(struct str text, struct arena *arena,
                      struct listen_address *ret_address) MUST_CHECK;
#endif
