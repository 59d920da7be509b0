#ifndef SLUICE_NET_HTTP_H
#define SLUICE_NET_HTTP_H
/* An outbound HTTP request and the head of its answer, as plain data. Views are borrowed. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct http_header {
    struct str name, value;
};

enum { HTTP_MAX_HEADERS = 48 };

struct http_request {
    const char *method; /* "GET", "POST", ...; static text */
    const char *url;    /* NUL-terminated */
    struct http_header headers[HTTP_MAX_HEADERS];
    uint32_t header_count;
    struct str body; /* NULL: none */
};

/* May these stand in a header as they are? A name is a token (RFC 9110, 5.6.2); a value holds
 * neither CR, LF and NUL nor any other control byte but a tab. curl passes on whatever it is given.
 */
bool http_name_is_valid(struct str name);
bool http_value_is_valid(struct str value);

/* False where there are too many or one of the two is not valid. */
bool http_add_header(struct http_request *r, struct str name, struct str value);

/* Appends `s` percent-encoded for one path segment or one query value (RFC 3986: unreserved
 * characters stay). */
struct buf;
void http_add_encoded(struct buf *b, struct str s);
#endif
