#include "config/cidr.h"

#include <arpa/inet.h>

enum {
    V4_BYTES = 4,
    V6_BYTES = 16,
    MAPPED_BYTES = 12 /* before the IPv4 address in a mapped one */
};

static unsigned max_bits(const struct cidr *c)
{
    return 8 * (c->is_v4 ? V4_BYTES : V6_BYTES);
}

/* The mask of byte `i` under a prefix of `bits`. */
static uint8_t mask_of(unsigned bits, unsigned i)
{
    unsigned ones = bits <= 8 * i ? 0 : bits - 8 * i;
    return (uint8_t)(0xFF00u >> (ones < 8 ? ones : 8));
}

/* A mapped address is an IPv4 address, also where it came over IPv6. */
static void unmap(struct cidr *c)
{
    struct in6_addr v6;
    memcpy(&v6, c->address, sizeof v6);
    if (c->is_v4 || !IN6_IS_ADDR_V4MAPPED(&v6) || c->bits < 8 * MAPPED_BYTES)
        return;
    c->is_v4 = true;
    c->bits = (uint8_t)(c->bits - 8 * MAPPED_BYTES);
    memmove(c->address, c->address + MAPPED_BYTES, V4_BYTES);
}

static bool parse_address(struct str text, struct cidr *c)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.len >= sizeof copy)
        return false;
    str_copy(copy, sizeof copy, text);
    if (strlen(copy) != text.len) /* a NUL in it */
        return false;
    c->is_v4 = inet_pton(AF_INET, copy, c->address) == 1;
    return c->is_v4 || inet_pton(AF_INET6, copy, c->address) == 1;
}

static bool parse_bits(struct str text, struct cidr *c)
{
    uint64_t bits = max_bits(c);
    if (text.at != NULL && (text.len > 3 || !str_to_u64(text, &bits) || bits > max_bits(c)))
        return false;
    c->bits = (uint8_t)bits;
    return true;
}

static bool is_clean(const struct cidr *c)
{
    for (unsigned i = 0; i < max_bits(c) / 8; i++) {
        if ((c->address[i] & ~mask_of(c->bits, i)) != 0)
            return false;
    }
    return true;
}

bool cidr_parse(struct str text, struct cidr *ret_cidr)
{
    struct cidr c = {.is_v4 = false};
    struct str bits = text;
    struct str address = str_cut(&bits, '/');
    if (!parse_address(address, &c) || !parse_bits(bits, &c) || !is_clean(&c))
        return false;
    unmap(&c);
    *ret_cidr = c;
    return true;
}

void cidr_write(struct buf *b, const struct cidr *c)
{
    char text[INET6_ADDRSTRLEN];
    if (inet_ntop(c->is_v4 ? AF_INET : AF_INET6, c->address, text, sizeof text) != NULL)
        buf_addf(b, "%s/%u", text, (unsigned)c->bits);
}

/* The single address as a block of its own; false where it is no IP address. */
static bool block_of(const struct sockaddr *address, struct cidr *c)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        *c = (struct cidr){.is_v4 = true, .bits = 8 * V4_BYTES};
        memcpy(c->address, &v4.sin_addr, V4_BYTES);
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    *c = (struct cidr){.is_v4 = false, .bits = 8 * V6_BYTES};
    memcpy(c->address, &v6.sin6_addr, V6_BYTES);
    unmap(c);
    return true;
}

bool cidr_holds(const struct cidr *c, const struct sockaddr *address)
{
    struct cidr one;
    if (!block_of(address, &one) || one.is_v4 != c->is_v4)
        return false;
    for (unsigned i = 0; i < max_bits(c) / 8; i++) {
        if (((c->address[i] ^ one.address[i]) & mask_of(c->bits, i)) != 0)
            return false;
    }
    return true;
}
