#ifndef SLUICE_SERVER_CLIENT_ADDRESS_H
#define SLUICE_SERVER_CLIENT_ADDRESS_H
/* Whose request it is, where proxies stand in between.
 *
 * Each proxy adds the address of its own peer at the right end of X-Forwarded-For (or, RFC 7239, of
 * Forwarded). So the list is walked from the right, for as long as the address that says so is one
 * of trusted_proxies: what stands further left may have been written by the client. Where both
 * headers are there the first counts, since that is the one that common proxies write; the other
 * may come from the client unchanged. Pure; any thread. */
#include "config/settings.h"

enum {
    CLIENT_ADDRESS_TEXT = 46, /* INET6_ADDRSTRLEN */
    CLIENT_ADDRESS_HOPS = 32, /* proxies in a row; what is further left is not looked at */
};

/* `x_forwarded_for` and `forwarded`: the headers' values, several lines joined with commas; NULL:
 * they did not come. An address as text, without a port, or "unix". */
void client_address(const struct settings *s, const struct sockaddr *peer,
                    struct str x_forwarded_for, struct str forwarded,
                    char ret_text[CLIENT_ADDRESS_TEXT]);
#endif
