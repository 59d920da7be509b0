#ifndef SLUICE_PROVIDERS_REQUEST_H
#define SLUICE_PROVIDERS_REQUEST_H
/* The parts of a request that every kind writes the same way: its URL, its credentials, the headers
 * from the configuration. Stateless; any thread. */
#include "providers/provider.h"

enum { REQUEST_URL_MAX = 8192 };

/* Fills p->url with base_url (or `base`, if none is configured), `path` and the configured query,
 * and p->auth with the keys behind `prefix`. ERR_CONFIG with the reason; ERR_NOMEM. */
enum err request_prepare(struct provider *p, struct str base, struct str path, struct str prefix,
                         struct error *ret_error) MUST_CHECK;

/* Appends the configured query to a URL. `separator`: '?', or '&' where there is a query already.
 */
void request_add_query(struct buf *url, const struct provider *p, char separator);

/* The API key in `header` (unless the configuration names another), the configured headers, and a
 * Content-Type for JSON where there is a body. A configured header replaces ours of that name. */
enum err request_add_headers(const struct provider *p, struct str header, uint32_t key,
                             struct http_request *r, struct error *ret_error) MUST_CHECK;

/* One of ours, unless it is configured. False: there are too many. */
bool request_add_default(const struct provider *p, struct str name, struct str value,
                         struct http_request *r) MUST_CHECK;
#endif
