#ifndef SLUICE_BASE_JSON_NAMES_H
#define SLUICE_BASE_JSON_NAMES_H
/* The member names of objects that are still open, for those that have too many to be compared one
 * by one. Private to json_scan.c, on its stack for one parse.
 *
 * A hash table with a random key (SipHash-1-3), so that nobody can choose names that fall into one
 * chain. It is also a stack: an inner object's names are dropped before its outer one goes on, and
 * the newest name heads its chain, so that dropping is popping. Bounded by the tape's tokens. */
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

struct json_name {
    uint32_t token;
    uint32_t owner; /* its object's token */
    uint32_t hash;
    uint32_t next; /* older in the same chain */
};

struct json_names {
    uint32_t *heads;         /* `cap` chains */
    struct json_name *stack; /* `cap` places */
    uint32_t count;
    uint32_t cap; /* a power of two; 0 before the first name */
    uint64_t key[2];
};

void json_names_init(struct json_names *n);
void json_names_fini(struct json_names *n);

/* Adds a name to the innermost object. `*ret_repeats`: the object has it already, nothing was
 * added. OK or ERR_NOMEM. */
enum err json_names_add(struct json_names *n, const struct json_doc *doc, uint32_t owner,
                        uint32_t token, bool *ret_repeats) MUST_CHECK;

/* The innermost object ends: forgets its names, if it has any here. */
void json_names_drop(struct json_names *n, uint32_t owner);

/* Are two string tokens the same, unescaped? */
bool json_names_eq(const char *text, const struct json_token *a, const struct json_token *b);
#endif
