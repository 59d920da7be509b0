#ifndef SLUICE_CONFIG_SETTINGS_H
#define SLUICE_CONFIG_SETTINGS_H
/* Everything of a configuration that a reload replaces while the gateway runs, as one immutable
 * snapshot: providers, agents,
 * workflows, keys, limits, trusted proxies.
 *
 * Life: settings_create, then settings_enforce once nothing can fail any more; each loop takes a
 * reference and lets go of the one that it had before, in its own turn, so that no request and no
 * run ever sees half of it. Stands alone: the configuration may go. Reference counted; any thread.
 */
#include <stdatomic.h>

#include "config/config.h"

struct settings {
    atomic_uint refs;
    struct catalog *catalog;
    struct definitions *definitions;
    struct engine_limits engine;
    struct http_limits http;
    struct api_rules api;
    struct cidr *trusted_proxies;
    uint32_t trusted_proxy_count;
};

/* Whom settings are made for; the same at every reload. */
struct settings_home {
    struct loop *loop; /* of the providers' timers; outlives them */
    uint32_t loop_count;
    struct tenants *tenants; /* those that are missing are added: on one thread */
};

/* A provider that `old` (NULL at the start) has too keeps its gate. OK; ERR_CONFIG, ERR_NOMEM with
 * what a person needs to know in `report`. Until settings_enforce nothing of `old` changes. */
enum err settings_create(const struct config *c, const struct settings *old,
                         const struct settings_home *home, struct settings **ret_settings,
                         struct buf *report) MUST_CHECK;
struct settings *settings_ref(struct settings *s);
struct settings *settings_unref(struct settings *s); /* NULL is fine; returns NULL */

/* The gates and the buckets of the keys get their new numbers; who waits feels them at once. */
void settings_enforce(const struct settings *s);

/* Is it the address of a proxy whose word about its client counts? A unix socket's peer is one: who
 * may connect there is a matter of the file's permissions. */
bool settings_trust(const struct settings *s, const struct sockaddr *address);
#endif
