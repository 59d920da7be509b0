#ifndef SLUICE_API_QUERY_H
#define SLUICE_API_QUERY_H
/* The query of a URI, taken apart strictly: only names that the route knows, each once, properly
 * encoded (API §6, invalid_query). Values are decoded into the query's own memory. One request, one
 * thread. */
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { QUERY_MAX = 32 };

struct query_pair {
    struct str name, value;
};

struct query {
    struct arena arena;
    struct query_pair *pairs; /* in the arena, room for QUERY_MAX; most requests have none */
    uint32_t count;
};

/* `allowed` is NULL-terminated; one that ends with a dot allows every name that begins with it
 * ("metadata."). `ret_error` says what is wrong: ERR_INVALID_QUERY, or ERR_NOMEM. */
enum err query_parse(struct query *q, struct str text, const char *const *allowed,
                     struct error *ret_error) MUST_CHECK;
void query_fini(struct query *q);

/* The value; STR_NONE if it was not given. An empty one has a length of 0. */
struct str query_get(const struct query *q, const char *name);

/* An integer within bounds, `otherwise` if it was not given. ERR_INVALID_QUERY with the reason. */
enum err query_int(const struct query *q, const char *name, uint64_t min, uint64_t max,
                   uint64_t otherwise, uint64_t *ret_value, struct error *ret_error) MUST_CHECK;
enum err query_bool(const struct query *q, const char *name, bool otherwise, bool *ret_value,
                    struct error *ret_error) MUST_CHECK;

/* Decodes percent-encoded text strictly: false at a bad sequence, a NUL, or what is not UTF-8. `+`
 * is a space, as every library that encodes forms and queries writes it (URL standard, 5.1). */
bool query_decode(struct str text, struct arena *arena, struct str *ret);
#endif
