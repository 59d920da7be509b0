#ifndef SLUICE_PROVIDERS_HTTP_OPTIONS_H
#define SLUICE_PROVIDERS_HTTP_OPTIONS_H
/* What the configuration says of a provider of the kind `http`: any HTTP/JSON API. Plain data;
 * zeroed memory is what nothing was said of. */
#include <stdint.h>

#include "base/str.h"

enum { HTTP_LIST_MAX = 16 };

enum http_response { HTTP_AUTO, HTTP_JSON, HTTP_TEXT, HTTP_SSE, HTTP_NDJSON };

struct http_words {
    struct str at[HTTP_LIST_MAX];
    uint32_t count;
};

struct http_codes {
    uint32_t at[HTTP_LIST_MAX];
    uint32_t count;
};

enum http_cancel { HTTP_CANCEL_POST, HTTP_CANCEL_DELETE };

/* Work that is begun with one request and asked after with others. Pointers into its answers. */
struct http_poll {
    struct str status; /* its state: one of `done`, one of `failed`, or another: not yet */
    struct http_words done, failed;
    struct str url;         /* where to ask */
    struct str cancel_url;  /* where to stop it; NULL: nowhere */
    uint32_t cancel_method; /* enum http_cancel */
    uint64_t every_ms;      /* between two questions; 0: no work goes on */
};

struct http_options {
    struct str request; /* JSON object {method, path, query, headers, body}, the form
                           (providers/http_form.h) of those that bring none of their own; NULL: the
                           input is POSTed to base_url */
    struct str result;  /* pointer to the value within a JSON answer; NULL: all of it */
    uint32_t response;  /* enum http_response */
    struct str delta;   /* pointer to the text within each event of a stream; NULL: all of it */
    struct str end;     /* the data of the event that ends a stream; NULL: its body's end does */
    struct http_codes success; /* statuses; none: every 2xx */
    struct http_poll poll;
};
#endif
