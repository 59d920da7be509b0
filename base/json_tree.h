#ifndef SLUICE_BASE_JSON_TREE_H
#define SLUICE_BASE_JSON_TREE_H
/* A mutable JSON document, on cJSON: for what is composed or shown off the hot path (the effective
 * configuration, the OpenAPI page, what the command line prints). cJSON.h is included by
 * json_tree.c alone.
 *
 * cJSON by itself accepts texts that are not JSON, cuts strings at NUL and rounds integers beyond
 * 2^53. So reading goes through json_parse, and what cJSON cannot carry exactly is kept as its
 * text.
 *
 * A tree is its maker's until it is added to another, which then owns it. One thread at a time.
 * NULL stands for a tree for which there was no memory: adding to it, or adding it, is harmless,
 * and json_tree_print tells in the end, so that a builder checks once. */
#include "base/json.h"

struct json_tree;

/* OK; ERR_INVALID_JSON with `ret_fault`, also for a string or name with a NUL in it; ERR_LIMIT;
 * ERR_NOMEM. */
enum err json_tree_parse(struct str text, struct json_fault *ret_fault,
                         struct json_tree **ret_tree) MUST_CHECK;
void json_tree_destroy(struct json_tree *t); /* with all that is in it */

struct json_tree *json_tree_object(void);
struct json_tree *json_tree_array(void);

/* A copy of a parsed value, numbers exact. NULL also where there is no value, or a name with a NUL
 * in it. */
struct json_tree *json_tree_copy_of(struct json v);

/* Both take `child`. Of a name, one member: the caller sees to it. */
void json_tree_add(struct json_tree *object, const char *name, struct json_tree *child);
void json_tree_append(struct json_tree *array, struct json_tree *child);

void json_tree_add_str(struct json_tree *object, const char *name, struct str value);
void json_tree_add_int(struct json_tree *object, const char *name, int64_t value); /* exact */
void json_tree_add_double(struct json_tree *object, const char *name, double value);
void json_tree_add_bool(struct json_tree *object, const char *name, bool value);
void json_tree_add_null(struct json_tree *object, const char *name);
void json_tree_append_str(struct json_tree *array, struct str value);

/* The member of that name, case-sensitive, still owned by `object`. NULL if absent or `object` is
 * not an object. */
struct json_tree *json_tree_get(struct json_tree *object, const char *name);

/* Appends it: `indent` spaces a level, on one line where that is 0. OK; ERR_NOMEM, also where
 * something could not be added before; ERR_LIMIT where `b` is full. */
enum err json_tree_print(const struct json_tree *t, unsigned indent, struct buf *b) MUST_CHECK;
#endif
