#ifndef SLUICE_MODEL_PROBLEM_H
#define SLUICE_MODEL_PROBLEM_H
/* A refused request: the problem document of API §6 (RFC 9457) before it is written.
 *
 * Field errors are gathered in document order, at most PROBLEM_MAX_FIELDS; what comes after is
 * counted and dropped. Lives on the stack or in a request; one thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { PROBLEM_MAX_FIELDS = 20 };

/* X(symbol, wire code, what is said where the checker says nothing better) */
#define FIELD_TABLE(X)                                                                             \
    X(UNKNOWN_FIELD, "unknown_field", "there is no such member")                                   \
    X(MISSING, "missing", "must be there")                                                         \
    X(WRONG_TYPE, "wrong_type", "has the wrong type")                                              \
    X(OUT_OF_RANGE, "out_of_range", "is out of range")                                             \
    X(TOO_LONG, "too_long", "is too long")                                                         \
    X(NOT_IN_ENUM, "not_in_enum", "is none of the allowed values")                                 \
    X(UNKNOWN_TYPE, "unknown_type", "is no known type of task")                                    \
    X(UNKNOWN_NAME, "unknown_name", "names something that does not exist")                         \
    X(DUPLICATE_NAME, "duplicate_name", "is a name that a sibling has already")                    \
    X(BAD_REFERENCE, "bad_reference", "refers to nothing")                                         \
    X(CYCLE, "cycle", "closes a cycle")                                                            \
    X(EXCLUSIVE, "exclusive", "does not go together with another member")

enum field_code {
#define FIELD_ROW(symbol, code, detail) FIELD_##symbol,
    FIELD_TABLE(FIELD_ROW)
#undef FIELD_ROW
};

const char *field_code_name(enum field_code code);

struct field_error {
    char pointer[256]; /* RFC 6901, cut where it is longer */
    enum field_code code;
    char detail[160];
};

struct problem {
    enum err code;    /* OK: there is none */
    char detail[320]; /* empty: the code's title */
    struct field_error fields[PROBLEM_MAX_FIELDS];
    uint32_t field_count;
    uint32_t found;         /* how many there were, those that were dropped included */
    uint32_t line, column;  /* of invalid_json; 0: none */
    uint32_t retry_after_s; /* 0: none */
    const char *allow;      /* methods, of method_not_allowed; NULL: none */
};

void problem_init(struct problem *p);

/* Sets code and detail and returns the code. */
enum err problem_set(struct problem *p, enum err code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Where in a document a checker stands: frames on its stack, from the innermost to the root. */
struct doc_path {
    const struct doc_path *up; /* NULL at the root */
    struct str name;           /* member, or NULL for an element */
    uint64_t index;
};

static inline struct doc_path doc_path_name(const struct doc_path *up, struct str name)
{
    return (struct doc_path){.up = up, .name = name};
}
static inline struct doc_path doc_path_index(const struct doc_path *up, uint64_t index)
{
    return (struct doc_path){.up = up, .index = index};
}

/* Adds a field error (detail NULL: the code's own words) and sets the code to invalid_request. */
void problem_add(struct problem *p, const struct doc_path *at, enum field_code code,
                 const char *detail);

/* An unknown name: its own code stands alone, `invalid_request` beside other errors. */
void problem_add_unknown(struct problem *p, const struct doc_path *at, enum err code,
                         const char *detail);

/* The document. `run_id` may be NULL. */
void problem_write(struct buf *b, const struct problem *p, struct str request_id,
                   struct str run_id);
#endif
