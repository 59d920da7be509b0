#ifndef SLUICE_RUNS_DEFINITIONS_H
#define SLUICE_RUNS_DEFINITIONS_H
/* Agents and workflows by name, as one immutable snapshot.
 *
 * What changes one of them makes a new snapshot, which every loop takes over between two of its
 * events; what has begun keeps what it holds. Reference counted; any thread. */
#include "model/workflow.h"
#include "runs/catalog.h"

struct definitions {
    atomic_uint refs;
    struct agent **agents; /* by name, ascending */
    uint32_t agent_count;
    struct workflow **workflows; /* likewise */
    uint32_t workflow_count;
};

/* Takes over the arrays and the references in them; frees them also when it fails. No name is there
 * twice. */
enum err definitions_create(struct agent **agents, uint32_t agent_count,
                            struct workflow **workflows, uint32_t workflow_count,
                            struct definitions **ret_definitions) MUST_CHECK;
struct definitions *definitions_ref(struct definitions *d);
struct definitions *definitions_unref(struct definitions *d); /* NULL is fine; returns NULL */

/* Borrowed; NULL if there is none. */
struct agent *definitions_agent(const struct definitions *d, struct str name);
struct workflow *definitions_workflow(const struct definitions *d, struct str name);

/* All that a document may name. */
struct vocabulary {
    struct catalog *catalog;
    struct definitions *definitions;
};

/* For the checks of model/: `v` is their ctx. */
struct name_lookup vocabulary_lookup(struct vocabulary *v);
#endif
