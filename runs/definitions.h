#ifndef SLUICE_RUNS_DEFINITIONS_H
#define SLUICE_RUNS_DEFINITIONS_H
/* Agents and workflows by name, as one immutable snapshot.
 *
 * What changes one of them makes a new snapshot, which every loop takes over between two of its
 * events; what has begun keeps what it holds. Reference counted; any thread. */
#include "model/run_record.h"
#include "runs/catalog.h"
#include "runs/definition.h"

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

/* Of either kind: borrowed; false where there is none. */
bool definitions_find(const struct definitions *d, enum definition_kind kind, struct str name,
                      struct definition *ret);
uint32_t definitions_count(const struct definitions *d, enum definition_kind kind);
struct definition definitions_at(const struct definitions *d, enum definition_kind kind,
                                 uint32_t index); /* by name, ascending; borrowed */

/* A new snapshot: all of `over`, and those of `under` whose names it does not have, but for that of
 * `but` (NULL: all). OK; ERR_NOMEM. */
enum err definitions_lay(const struct definitions *over, const struct definitions *under,
                         const struct definition *but, struct definitions **ret) MUST_CHECK;

/* The same as `d` but for one, which takes the place of its namesake. */
enum err definitions_put(const struct definitions *d, const struct definition *one,
                         struct definitions **ret) MUST_CHECK;

/* The workflow of the name that a stored run has, for run_spec_reopen; NULL: there is none. */
struct workflow *definitions_of_run(const struct definitions *d, const struct run_record *run);

/* All that a document may name. */
struct vocabulary {
    struct catalog *catalog;
    struct definitions *definitions;
    bool no_memory; /* a look-up had none, and said the safe thing */
};

/* For the checks of model/: `v` is their ctx. */
struct name_lookup vocabulary_lookup(struct vocabulary *v);
#endif
