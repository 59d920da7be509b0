#ifndef SLUICE_BASE_JSON_TREE_H
#define SLUICE_BASE_JSON_TREE_H
/* A mutable JSON document, on cJSON: for what is composed or shown off the hot path (the effective configuration, the
 * OpenAPI page, what the command line prints). cJSON.h is included by json_tree.c alone.
 *
 * cJSON by itself accepts texts that are not JSON, cuts strings at NUL and rounds integers beyond 2^53. So reading goes
 * through json_parse first, and numbers that a double cannot carry exactly are kept as their text. Trees are owned by
 * whoever made them until they are added to another, which then owns them. One thread at a time. */
#include "base/json.h"

struct json_tree;

/* OK; ERR_INVALID_JSON with `ret_fault`, also for a string with a NUL in it; ERR_NOMEM. */
enum err json_tree_parse(struct str text, struct json_fault *ret_fault, struct json_tree **ret_tree) MUST_CHECK;
void json_tree_destroy(struct json_tree *t);

/* All may answer NULL when memory is out; adding a NULL child frees nothing and marks the parent as failed, which
 * json_tree_print reports, so that a builder checks once. */
struct json_tree *json_tree_object(void);
struct json_tree *json_tree_array(void);
void json_tree_add(struct json_tree *object, const char *name, struct json_tree *child); /* takes `child` */
void json_tree_append(struct json_tree *array, struct json_tree *child);                 /* takes `child` */
void json_tree_add_str(struct json_tree *object, const char *name, struct str value);
void json_tree_add_int(struct json_tree *object, const char *name, int64_t value); /* exact for all of int64 */
void json_tree_add_double(struct json_tree *object, const char *name, double value);
void json_tree_add_bool(struct json_tree *object, const char *name, bool value);
void json_tree_add_null(struct json_tree *object, const char *name);
void json_tree_append_str(struct json_tree *array, struct str value);
/* A copy of a parsed value, numbers exact. */
struct json_tree *json_tree_copy_of(struct json v);

struct json_tree *json_tree_get(struct json_tree *object, const char *name); /* borrowed; case-sensitive; NULL if absent */

/* Appends it: indented by `indent` spaces a level, on one line where that is 0. OK or ERR_NOMEM / ERR_LIMIT. */
enum err json_tree_print(const struct json_tree *t, unsigned indent, struct buf *b) MUST_CHECK;
#endif
