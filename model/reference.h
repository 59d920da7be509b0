#ifndef SLUICE_MODEL_REFERENCE_H
#define SLUICE_MODEL_REFERENCE_H
/* A reference: what stands between {{ and }}, in a task tree (API §4) or wherever else a template
 * is filled in.
 *
 *     {{input.a.b[0]}} {{prev}} {{steps.NAME.output.x}} .error .state {{item}} {{index}} {{run.id}}
 *     {{task.path}}, each with a default, {{input.lang | "en"}}; and {{"{{"}}, which is text.
 *
 * Read once, when the tree is checked: names become numbers then, so that nothing is looked up by
 * name while the tree runs. Plain data in the arena of its tree; any thread. */
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"

enum reference_source {
    REFERENCE_INPUT,     /* the run's input */
    REFERENCE_OUTPUT,    /* of a step that has ended; `prev` is one */
    REFERENCE_ERROR,     /* likewise: null where it succeeded */
    REFERENCE_STATE,     /* likewise: a task state's name */
    REFERENCE_ITEM,      /* a map's element */
    REFERENCE_INDEX,     /* its place, from 0 */
    REFERENCE_RUN_ID,    /* "run_..." */
    REFERENCE_TASK_PATH, /* of the task that the string belongs to */
    REFERENCE_WORD,      /* one of the scope's own words */
};

struct reference {
    enum reference_source source;
    uint32_t up;         /* of a step: so many parents above the task of the string is the sequence
                            or dag that holds it. Of item and index: the task that was made for the
                            element; 0 is the task of the string itself */
    uint32_t step;       /* its place among that one's children; of a word: among the words */
    struct str path;     /* ".a.b[0]" into the value; empty: all of it */
    struct str fallback; /* JSON, compact; NULL: none */
    struct str text;     /* as written, for messages */
};

/* The first word of a reference, as its scope is asked about it. */
enum reference_root { ROOT_STEP, ROOT_PREV, ROOT_ELEMENT };

/* Where a string stands. `resolve` fills up and step (`name` is given for ROOT_STEP) and answers
 * NULL, or says why there is no such thing there. `left` is how many references the tree may have
 * still. Outside of a task tree there are `words` instead (NULL-terminated), which are what a
 * reference may begin with: a REFERENCE_WORD and a path into its value; `resolve` is not asked. */
struct reference_scope {
    const char *const *words; /* NULL: those of a task tree */
    void *ctx;
    const char *(*resolve)(void *ctx, enum reference_root root, struct str name,
                           struct reference *ret);
    uint32_t left;
};

/* What one pair of braces holds: a reference, or text that stands for itself. */
struct reference_reading {
    bool is_text;
    struct str text;
    struct reference reference;
    const char *why; /* of ERR_INVALID_REQUEST: static text */
};

/* Reads from behind the {{ and moves `*text` behind the }}. The views that it keeps point into
 * `*text` and `arena`. OK; ERR_INVALID_REQUEST with `why`; ERR_NOMEM. */
enum err reference_read(struct str *text, const struct reference_scope *scope, struct arena *arena,
                        struct reference_reading *ret) MUST_CHECK;

/* What `path` leads to within `v`; JSON_NONE where it leads nowhere. Walks there: `*steps` grows by
 * the elements and members that are passed over, which is what it takes of time. */
struct json reference_follow(struct json v, struct str path, uint64_t *steps);
#endif
