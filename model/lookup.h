#ifndef SLUICE_MODEL_LOOKUP_H
#define SLUICE_MODEL_LOOKUP_H
/* The looking-up of values while one task's templates are filled in (model/template.h): each raw
 * value is parsed once, however many references lead into it, and how much all of them together may
 * read is bounded.
 *
 * Life: lookup_init, opens and follows, lookup_fini. No raw value may move or change in between.
 * One thread. Memory: a tape (16 bytes a token) for each raw value that was opened,
 * LOOKUP_TOKENS_MAX tokens in all. Time: linear in those values, and in LOOKUP_STEPS_MAX. */
#include <stdint.h>

#include "base/json.h"
#include "base/map.h"

enum {
    LOOKUP_TOKENS_MAX = 4194304, /* values and member names that are parsed */
    LOOKUP_STEPS_MAX = 33554432, /* elements and members that are passed over (reference_follow) */
};

struct lookup {
    struct json_doc *first; /* lent: the tape of the first raw value, for most have only one */
    struct str first_raw;   /* which that is; NULL: none yet */
    struct map more;        /* the others; made when there is one */
    bool has_more;
    uint32_t parses; /* so far */
    uint64_t tokens, steps;
};

/* No cursor that is still of use may stand on `tape`. */
void lookup_init(struct lookup *l, struct json_doc *tape);
void lookup_fini(struct lookup *l);

/* A raw value's cursor, good until lookup_fini. OK; ERR_INVALID_JSON: it is nested too deeply, or
 * has too many tokens for any tape; ERR_LIMIT past LOOKUP_TOKENS_MAX; ERR_NOMEM. */
enum err lookup_open(struct lookup *l, struct str raw, struct json *ret) MUST_CHECK;

/* What `path` leads to within `v`; JSON_NONE where it leads nowhere. OK; ERR_LIMIT past
 * LOOKUP_STEPS_MAX. */
enum err lookup_follow(struct lookup *l, struct json v, struct str path,
                       struct json *ret) MUST_CHECK;
#endif
