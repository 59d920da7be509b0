#ifndef SLUICE_CONFIG_CONFIG_H
#define SLUICE_CONFIG_CONFIG_H
/* The configuration (API §7): one JSON file with comments, checked whole, as the options of the
 * modules that it is for.
 *
 * Everything that can be written is a row of one table, config/schema.c: it drives the reading, the
 * defaults, the bounds, what is said of a mistake, the effective configuration and the manual page.
 * Without a file the defaults stand alone: 127.0.0.1:8080, sluice.db, the provider `sim` and the
 * agents `echo` and `story`. With one, `sim` is still there unless the file has a provider of that
 * name, and the two agents unless it has a member `agents`.
 *
 * Life: config_load, any reads from any thread, config_destroy. Immutable, but for the reference
 * counts of its agents. It owns all that it points to; what others are given of it lives as long as
 * it does, unless said otherwise below. A reload loads a second one, and changes what is marked as
 * reloadable; what is not is kept from the first (config_keep_fixed), which therefore stays.
 *
 * Loading reads the file, files with secrets, and the environment, and blocks meanwhile. Bounds: a
 * file of 16 MiB, 64 MiB in memory beside the agents, and each list as its row says. */
#include "api/api.h"
#include "base/log.h"
#include "config/cidr.h"
#include "config/listen.h"
#include "runs/definitions.h"
#include "runs/shard.h"
#include "store/sqlite.h"

struct http_limits {
    uint64_t body_bytes;
    uint32_t header_bytes; /* of a request, all headers and its first line together */
    uint32_t headers;
    uint32_t uri_bytes;
    uint64_t header_ms; /* from the first byte of a request to the end of its headers */
    uint64_t body_ms;   /* from there to the end of its body */
    uint64_t idle_ms;   /* of a connection between two requests */
    uint32_t connections;
    uint32_t streams;        /* also api.streams */
    uint64_t reader_bytes;   /* also engine.reader_bytes */
    uint64_t write_stall_ms; /* a client that takes nothing for so long is cut off */
    uint64_t heartbeat_ms;   /* of silence on a stream */
};

/* An API key: config_make_auth makes the API's own of it. */
struct config_key {
    struct str name;
    uint8_t digest[DIGEST_BYTES];
    enum scope scope;                    /* the highest that is listed */
    struct token_bucket_policy requests; /* runs that it may create; rate 0: unlimited */
};

enum config_store { CONFIG_STORE_SQLITE };

struct config {
    struct arena arena; /* owns every string and array here */
    const char *source; /* the file's name, or "built-in defaults" */

    struct listen_address *listen;
    uint32_t listen_count; /* >= 1 */
    struct str base_path;  /* empty, or begins with a slash and does not end with one */
    uint32_t loops;        /* as written; see config_loop_count */

    enum config_store store_kind;
    struct sqlite_options store;
    struct http_limits http;
    struct api_limits api;
    struct engine_limits engine;

    struct config_key *keys;
    uint32_t key_count;
    bool allow_unauthenticated;
    struct cidr *trusted_proxies;
    uint32_t trusted_proxy_count;

    enum log_format log_format;
    enum log_level log_level;
    uint64_t drain_ms;

    struct upstream_options *providers;
    uint32_t provider_count;
    struct agent **agents; /* a reference to each */
    uint32_t agent_count;
    struct workflow **workflows; /* likewise */
    uint32_t workflow_count;
};

/* What the command line says; it wins over the file. */
struct config_overrides {
    const char *const *listen; /* --listen, in place of the file's list */
    uint32_t listen_count;
    const char *db; /* --db; NULL: not given */
};

/* `path` NULL: no file. `overrides` may be NULL. OK; ERR_IO where the file cannot be read;
 * ERR_CONFIG where it is wrong; ERR_NOMEM. All but OK append to `report` what a person needs to
 * know, a line for each mistake: "sluice.json:12:17: limits.body_bytes must be ...". */
enum err config_load(const char *path, const struct config_overrides *overrides,
                     struct config **ret_config, struct buf *report) MUST_CHECK;
void config_destroy(struct config *c); /* NULL is fine */

/* An address that other machines can reach where no key is asked for; NULL: there is none. */
const char *config_exposed(const struct config *c);

/* Listening beyond this machine without keys would open it to everybody: ERR_CONFIG with what to do
 * about it, unless allow_unauthenticated says that it is meant. */
enum err config_check_exposure(const struct config *c, struct error *ret_error) MUST_CHECK;

/* How many loops to run: `loops`, or one for each usable CPU; 1 to MAX_LOOPS. */
uint32_t config_loop_count(const struct config *c);

/* --- for the modules -------------------------------------------------------------------------- */

/* The providers as the engine knows them. A provider that `old` (may be NULL) has too keeps
 * its gate: what is out, what waits and what was learned stays; catalog_configure gives it the new
 * numbers. Nothing of `old` changes. Any thread; `home` outlives the gates. */
enum err config_make_catalog(const struct config *c, const struct catalog *old, struct loop *home,
                             uint32_t loop_count, struct catalog **ret_catalog,
                             struct buf *report) MUST_CHECK;

/* The agents and workflows as the engine knows them. */
enum err config_make_definitions(const struct config *c,
                                 struct definitions **ret_definitions) MUST_CHECK;

/* The keys, each with the tenant of its name; auth_configure gives those their numbers. One block
 * of memory that does not need the config any more: mem_free. OK; ERR_NOMEM. */
enum err config_make_auth(const struct config *c, struct tenants *tenants,
                          struct auth *ret_auth) MUST_CHECK;

/* --- for people ------------------------------------------------------------------------------- */

/* The configuration in force as JSON: every default filled in, every secret as "***". config_load
 * takes it. OK; ERR_NOMEM; ERR_LIMIT where `out` is full. */
enum err config_print(const struct config *c, struct buf *out) MUST_CHECK;

/* The keys that a reload from `running` to `next` would have to change but cannot, because they are
 * read at the start only: "listen, store.path". Appends nothing where there are none. */
void config_list_fixed(const struct config *running, const struct config *next, struct buf *out);

/* Gives `next` what `running` has of those: what it says then is what is in force. Borrowed, where
 * it is more than a number, from the configuration that was loaded at the start. */
void config_keep_fixed(const struct config *running, struct config *next);

/* docs/configuration.md. */
void config_write_docs(struct buf *out);
#endif
