#ifndef SLUICE_RUNS_DEFINITION_H
#define SLUICE_RUNS_DEFINITION_H
/* An agent or a workflow, for whoever treats both alike: their changes, the API.
 *
 * Plain data around one reference, which is borrowed or owned as its holder says. Immutable once it
 * is in force; any thread. */
#include "model/workflow.h"
#include "store/store.h"

struct definition {
    enum definition_kind kind;
    union {
        struct agent *agent;
        struct workflow *workflow;
    };
};

const char *definition_kind_name(enum definition_kind kind); /* "agent", "workflow" */

void definition_ref(const struct definition *d);
void definition_unref(const struct definition *d);

struct str definition_name(const struct definition *d);
int64_t definition_version(const struct definition *d);
bool definition_is_from_config(const struct definition *d);
size_t definition_bytes(const struct definition *d); /* in memory */

/* Only by who made it, before anybody else sees it. */
void definition_set_version(const struct definition *d, int64_t version);
void definition_set_from_config(const struct definition *d);

/* As clients see it. */
void definition_write(struct buf *b, const struct definition *d);

/* Checks a document. Findings go to c->problem: then the answer is its code. */
enum err definition_create(enum definition_kind kind, struct check *c, struct json v,
                           const struct doc_path *at, struct str name,
                           const struct spec_limits *limits, const struct name_lookup *names,
                           struct definition *ret) MUST_CHECK;

/* What the store keeps of it, in `arena`; ERR_NOMEM. */
enum err definition_store(const struct definition *d, struct arena *arena,
                          struct store_definition *ret) MUST_CHECK;

/* Makes it again of what the store keeps: nothing is judged anew. OK; ERR_NOMEM; ERR_IO where that
 * is damaged. */
enum err definition_restore(const struct store_definition *stored,
                            struct definition *ret) MUST_CHECK;
#endif
