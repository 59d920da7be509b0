#ifndef SLUICE_CONFIG_SCHEMA_H
#define SLUICE_CONFIG_SCHEMA_H
/* The table of all that a configuration can hold, one row for each key, in the order in which they
 * are shown.
 *
 * A row's path is dotted; NAME stands for a name that the operator chooses, [] for an element of a
 * list. What is before the last dot is the row's section: "" is the file itself, "limits",
 * "providers.NAME.retry". A section's values go into one struct: into struct config, but for
 * "keys[]" (struct config_key) and "providers.NAME" (struct upstream_options) and what is below
 * them. Read-only; any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* X(symbol, what the manual calls it, the unit of its bounds; NULL: it has none) */
#define SCHEMA_TYPES(X)                                                                            \
    /* objects: their members are rows */                                                          \
    X(OBJECT, "object", NULL)                                                                      \
    X(PROVIDERS, "object of providers", " providers")                                              \
    X(KEYS, "list of keys", " keys")                                                               \
    /* one value in one field */                                                                   \
    X(INT, "integer", "")                                                                          \
    X(BYTES, "integer", " bytes")                                                                  \
    X(MS, "integer", " ms")                                                                        \
    X(DAYS, "integer", " days") /* kept in ms */                                                   \
    X(NUMBER, "number", "")                                                                        \
    X(BOOL, "boolean", NULL)                                                                       \
    X(ENUM, "string", NULL)                                                                        \
    X(PATH, "string", " bytes")      /* const char * */                                            \
    X(FILE, "string", " bytes")      /* struct str; a file that can be read */                     \
    X(BASE_PATH, "string", " bytes") /* struct str, like those below */                            \
    X(URL, "string", " bytes")                                                                     \
    X(TEXT, "string", " bytes")                                                                    \
    X(POINTER, "JSON pointer", " bytes")                                                           \
    X(TEMPLATE, "object", NULL) /* kept as its JSON text */                                        \
    X(WORDS, "list of strings", " entries")                                                        \
    X(CODES, "list of statuses", " entries")                                                       \
    X(NAME, "string", NULL)                                                                        \
    X(KIND, "string", NULL)                                                                        \
    X(DIGEST, "string", NULL)                                                                      \
    X(SCOPES, "list of strings", " entries")                                                       \
    /* arrays and their counts */                                                                  \
    X(LISTEN, "list of strings", " entries")                                                       \
    X(CIDRS, "list of strings", " entries")                                                        \
    X(SECRET, "secret", " bytes")      /* the first of provider.api_keys */                        \
    X(SIGNING_KEY, "secret", " bytes") /* struct signing_key */                                    \
    X(SECRETS, "list of secrets", " bytes each")                                                   \
    X(HEADERS, "object of secrets", " bytes each")                                                 \
    X(QUERY, "object of secrets", " bytes each")                                                   \
    X(AGENTS, "object of agents", " agents")                                                       \
    /* not yet */                                                                                  \
    X(WORKFLOWS, "object of workflows", " workflows")

enum schema_type {
#define SCHEMA_SYMBOL(symbol, words, unit) SCHEMA_##symbol,
    SCHEMA_TYPES(SCHEMA_SYMBOL)
#undef SCHEMA_SYMBOL
        SCHEMA_TYPE_COUNT
};

enum schema_flag {
    SCHEMA_RELOADS = 1,  /* a reload changes it; all others are read at the start only */
    SCHEMA_NULLABLE = 2, /* may be null: the field is zeroed */
    SCHEMA_OPTIONAL = 4, /* may be left out without a default: the field stays zero */
};

struct schema_row {
    const char *path;
    enum schema_type type;
    unsigned flags;
    const char *dflt; /* as JSON; NULL: it must be written, unless it is optional */
    double min, max;  /* of a number; of a string or list: its length. Both inclusive */
    struct {
        size_t offset, size;
    } field;                   /* within the section's struct */
    const char *const *values; /* of an enum, in its order; NULL-terminated */
    const char *opens;         /* the section that holds its members; NULL: none */
    const char *help;          /* a sentence */
};

/* NULL behind the last. */
const struct schema_row *schema_at(size_t i);

/* NULL: no such key. */
const struct schema_row *schema_find(const char *section, struct str leaf);

bool schema_is_in(const struct schema_row *row, const char *section);
const char *schema_leaf(const struct schema_row *row); /* the part behind the last dot */

/* The default in a section of a provider of that kind; STR_NONE elsewhere. */
const char *schema_default(const struct schema_row *row, struct str kind);

/* Defaults that depend on a provider's kind; false behind the last. */
struct schema_kind_default {
    const char *kind;
    const char *path;
    const char *dflt;
};
bool schema_kind_default_at(size_t i, struct schema_kind_default *ret);

const char *schema_type_words(enum schema_type t);
const char *schema_type_unit(enum schema_type t); /* NULL: without bounds */
static inline bool schema_is_integer(enum schema_type t)
{
    return t == SCHEMA_INT || t == SCHEMA_BYTES || t == SCHEMA_MS || t == SCHEMA_DAYS;
}
#endif
