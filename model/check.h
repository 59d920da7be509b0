#ifndef SLUICE_MODEL_CHECK_H
#define SLUICE_MODEL_CHECK_H
/* The vocabulary in which the nouns check JSON that a client wrote: each finding goes to a problem,
 * with its pointer, and checking goes on, so that a client sees all of its mistakes at once.
 *
 * Every check_ function answers whether the value was fine, and writes its result only then. `at`
 * is where the value stands. Strings that had to be unescaped live in the arena; all else is
 * borrowed from the text. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "model/problem.h"

struct check {
    struct problem *problem;
    struct arena *arena;
    bool no_memory;  /* set where the arena said no: the request fails with `overloaded` */
    bool takes_back; /* members that only we write (an agent's `version` and `source`) are passed
                        over: what was told may come back */
};

/* One member that an object may have. `on_value` writes into `out`, which is the object being
 * filled. */
struct check_rule {
    const char *name;
    void (*on_value)(struct check *c, struct json value, const struct doc_path *at, void *out);
};

/* Parses a body that a client sent into `doc`. OK; else the problem's code, and the problem says
 * what is wrong and where: invalid_json with its line and column, body_too_large past a bound of
 * the tape. ERR_NOMEM: no problem is set. */
enum err check_parse(struct json_doc *doc, struct str body, struct problem *problem) MUST_CHECK;

/* Is `v` an object? Reports wrong_type if not. */
bool check_object(struct check *c, struct json v, const struct doc_path *at);

/* Walks the members in document order; one without a rule is an unknown_field. */
void check_members(struct check *c, struct json object, const struct doc_path *at,
                   const struct check_rule *rules, size_t rule_count, void *out);

/* Reports `missing` at the absent member. */
void check_missing(struct check *c, const struct doc_path *object_at, const char *name);

/* A member that only we write: unknown, unless it may come back. */
void check_told(struct check *c, struct json v, const struct doc_path *at, void *out);

bool check_string(struct check *c, struct json v, const struct doc_path *at, size_t max_bytes,
                  struct str *ret);
bool check_name(struct check *c, struct json v, const struct doc_path *at,
                struct str *ret); /* str_is_name */
bool check_int(struct check *c, struct json v, const struct doc_path *at, int64_t min, int64_t max,
               int64_t *ret);
bool check_double(struct check *c, struct json v, const struct doc_path *at, double min, double max,
                  double *ret);
bool check_bool(struct check *c, struct json v, const struct doc_path *at, bool *ret);
/* The index of the string within `values` (NULL-terminated). */
bool check_enum(struct check *c, struct json v, const struct doc_path *at,
                const char *const *values, int *ret);
#endif
