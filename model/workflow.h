#ifndef SLUICE_MODEL_WORKFLOW_H
#define SLUICE_MODEL_WORKFLOW_H
/* A workflow: a named, versioned task tree (API §5).
 *
 * Made from JSON by workflow_create and immutable from then on; shared by reference count between
 * the catalog and the runs that were made of it, which thereby stay pinned to their version. Any
 * thread may hold one. */
#include <stdatomic.h>

#include "model/task_spec.h"

struct workflow {
    atomic_uint refs;
    struct arena arena; /* owns everything here */
    struct str name;
    struct str description;
    struct str text; /* the task as JSON, compact: what is told, stored, and read again */
    struct task_spec *task;
    struct str *calls; /* names of the workflows that the task calls, each once, sorted */
    uint32_t call_count;
    int64_t version;
    bool from_config;
};

/* Checks `v` (a workflow's document; `name` may be given by the path instead) and makes one of it.
 * Findings go to c->problem: then the answer is its code. The limits must allow trees. */
enum err workflow_create(struct check *c, struct json v, const struct doc_path *at, struct str name,
                         const struct spec_limits *limits, const struct name_lookup *names,
                         struct workflow **ret_workflow) MUST_CHECK;

struct workflow *workflow_ref(struct workflow *w);
struct workflow *workflow_unref(struct workflow *w); /* NULL is fine; returns NULL */

/* {"name":..,"description":..,"task":..,"version":..,"source":..} */
void workflow_write(struct buf *b, const struct workflow *w);

/* The workflow of that name, borrowed for the length of the walk; NULL if there is none. */
typedef const struct workflow *workflow_find_fn(void *ctx, struct str name);

/* Does `from` call the workflow `target`, itself or through others? For name_lookup.leads_to. Looks
 * at each workflow once, at most WORKFLOW_REACH_MAX of them: past that the answer is yes, since
 * what cannot be looked through must not be called. OK or ERR_NOMEM. */
enum { WORKFLOW_REACH_MAX = 10000 };
enum err workflow_leads_to(struct str from, struct str target, workflow_find_fn *find, void *ctx,
                           bool *ret) MUST_CHECK;
#endif
