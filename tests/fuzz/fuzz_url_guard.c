/* Any bytes as a URL that a caller has chosen: what is let through has a host that can be told, and
 * where the system's own reader takes that for an address, it is a public one. */
#include "net/url_guard.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

/* "host:port" or "[host]:port" without the port and the brackets. */
static void cut_port(char *host)
{
    char *colon = strrchr(host, ':');
    REQUIRE(colon != NULL && colon > host);
    *colon = '\0';
    size_t len = strlen(host);
    if (host[0] == '[') {
        REQUIRE(host[len - 1] == ']');
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
}

static void must_be_public(const char *host)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return; /* a name */
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next)
        REQUIRE(url_guard_is_public(a->ai_addr));
    freeaddrinfo(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1), host[URL_HOST_MAX];
    REQUIRE(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    struct str url = {copy, size};
    bool is_fine = url_guard_fault(url) == NULL;
    bool has_host = url_guard_host(url, host);
    REQUIRE(has_host == (url_guard_fault_any_address(url) == NULL));
    REQUIRE(has_host || !is_fine);
    if (is_fine) {
        cut_port(host);
        must_be_public(host);
    }
    free(copy);
    return 0;
}
