#ifndef SLUICE_CLI_ENDPOINT_H
#define SLUICE_CLI_ENDPOINT_H
/* Where the gateway is, from the words of --server or SLUICE_URL. Plain data. */
#include "base/err.h"
#include "base/str.h"

enum { ENDPOINT_URL_BYTES = 512, ENDPOINT_SOCKET_BYTES = 108 /* sun_path */ };

struct endpoint {
    char url[ENDPOINT_URL_BYTES];       /* what goes in front of "/v1/..": no slash at its end */
    char socket[ENDPOINT_SOCKET_BYTES]; /* path of a unix socket; empty: none */
};

/* http://HOST:PORT[/BASE], https://.., HOST:PORT, unix:/PATH. ERR_INVALID_REQUEST for everything
 * else. */
enum err endpoint_parse(struct str text, struct endpoint *ret, struct error *ret_error) MUST_CHECK;

/* The same from `server` (--server, or NULL), else SLUICE_URL, else http://127.0.0.1:8080. */
enum err endpoint_choose(const char *server, struct endpoint *ret,
                         struct error *ret_error) MUST_CHECK;

/* How a person would name it. Valid as long as `e`. */
const char *endpoint_name(const struct endpoint *e);
#endif
