#ifndef SLUICE_NET_URL_GUARD_H
#define SLUICE_NET_URL_GUARD_H
/* Keeps URLs that callers choose away from what is not theirs: the gateway's own machine, its
 * network, a cloud's metadata service.
 *
 * Two looks. At the text, when it is given: a scheme, a host, no user, nothing that two readers of
 * URLs could take apart differently, and no address that is forbidden, in whatever spelling
 * (2130706433, 0x7f.1 and ::ffff:127.0.0.1 are 127.0.0.1). At the address, when a connection is
 * about to be made: only then it is known where a name leads, and it cannot change its mind.
 *
 * Forbidden is what the registries of special-purpose addresses (RFC 6890) do not call globally
 * reachable, multicast, and whatever carries such an IPv4 address within (mapped, NAT64, 6to4).
 * Pure; any thread. */
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct sockaddr;

enum {
    URL_MAX = 2048,    /* bytes of a URL */
    URL_HOST_MAX = 264 /* of "host:port", with a NUL */
};

/* What is wrong with it, for a person; NULL: nothing that shows. `_any_address` lifts what is said
 * of addresses, and nothing else. */
const char *url_guard_fault(struct str url);
const char *url_guard_fault_any_address(struct str url);

/* May the public be sent there? */
bool url_guard_is_public(const struct sockaddr *address);

/* "host:port" in lower case, the scheme's port where there is none in it. False where it has a
 * fault other than its address. */
bool url_guard_host(struct str url, char ret_host[URL_HOST_MAX]);
#endif
