#ifndef SLUICE_CONFIG_CIDR_H
#define SLUICE_CONFIG_CIDR_H
/* A block of IP addresses: "10.0.0.0/8", "fd00::/8", or a single address. Plain data; any thread.
 *
 * IPv4 and IPv6 are told apart by what an address is, not by how a socket shows it: a block of IPv4
 * holds the mapped form of its addresses too (::ffff:10.1.2.3), a block of IPv6 never does. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"

/* What is said of a text that is none. */
#define CIDR_FORM "must be an IP address or ADDRESS/BITS with no bit set beyond BITS"

struct cidr {
    bool is_v4;
    uint8_t bits;        /* of the prefix: 0..32 or 0..128 */
    uint8_t address[16]; /* network order; the first 4 bytes for IPv4 */
};

bool cidr_parse(struct str text, struct cidr *ret_cidr);

/* Appends it as ADDRESS/BITS. */
void cidr_write(struct buf *b, const struct cidr *c);

/* Is it an address of this block? Never, for what is neither AF_INET nor AF_INET6. */
bool cidr_holds(const struct cidr *c, const struct sockaddr *address);
#endif
