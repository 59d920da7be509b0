#ifndef SLUICE_MODEL_REQUEST_SPEC_H
#define SLUICE_MODEL_REQUEST_SPEC_H
/* The HTTP request of a call by provider (API §4): {method, path, query, headers, body}.
 *
 * Every value may hold references; member names may not. Plain data in the arena of its tree. The
 * provider's base URL goes in front of the path, its own headers and query beside these. Bounds:
 * 100 query members, 64 headers; names and values as long as the body allows. */
#include "model/template.h"

enum { REQUEST_QUERY_MAX = 100, REQUEST_HEADERS_MAX = 64 };

struct request_pair {
    struct str name;
    struct template value;
};

struct request_spec {
    struct template method; /* "GET" where it is left out */
    struct template path;   /* begins with a slash */
    struct request_pair *query;
    uint32_t query_count;
    struct request_pair *headers;
    uint32_t header_count;
    struct template body; /* JSON */
    bool has_body;        /* false also for null */
};

/* NULL where there were findings, or no memory. */
struct request_spec *request_spec_check(struct check *c, struct json v, const struct doc_path *at,
                                        struct reference_scope *scope);

/* GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS: asked of a method that references made. */
bool request_method_is_known(struct str method);

/* Appends "/path?name=value&...", filled in. As template_write; ERR_TEMPLATE_ERROR also where a
 * value has made a segment "." or "..", which would lead elsewhere. */
enum err request_spec_write_target(const struct request_spec *r,
                                   const struct template_values *values, struct buf *b,
                                   struct error *ret_error) MUST_CHECK;
#endif
