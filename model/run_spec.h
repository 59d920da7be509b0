#ifndef SLUICE_MODEL_RUN_SPEC_H
#define SLUICE_MODEL_RUN_SPEC_H
/* What a client asks for when it creates a run (API §1), checked.
 *
 * Made from the body's text by run_spec_create, which takes the text over: it is kept, without its
 * white space, as long as the run lives, is what the store keeps, and is read again after a crash
 * (run_spec_reopen). Owned by one run.
 *
 * A run of a workflow is a run of one version of it: run_spec_pin gives it that version's tree,
 * which it shares with the catalog and with other runs. */
#include "model/run_record.h"
#include "model/workflow.h"

struct run_spec {
    struct arena arena; /* owns `text` and all below */
    struct str text;
    struct str agent; /* exactly one of agent, workflow and task */
    struct str workflow;
    int64_t workflow_version; /* of a run of a workflow; 0 until it is pinned */
    struct workflow *pinned;  /* referenced: owns `task`; NULL: `task` is the arena's */
    struct str definition;    /* of a run of a workflow: its task as JSON */
    const struct task_spec *task;
    struct str input;    /* JSON */
    struct str params;   /* JSON object; NULL: none. Only with agent */
    struct str name;     /* NULL: none */
    struct str metadata; /* JSON object; NULL: none */
    int64_t timeout_ms;
    unsigned flags;          /* enum run_flag */
    struct webhook webhook;  /* url NULL: none */
    struct str webhook_text; /* the same as JSON */
};

/* The target that the path names, as in POST /v1/agents/NAME/runs; both NULL where the body does.
 * `takes_task_text`: the body may say {"task": "text"} for its input (POST /v1/agents/NAME/run). */
struct run_target {
    struct str agent;
    struct str workflow;
    bool takes_task_text;
};

/* Checks `body`. OK, or the problem's code with `problem` filled; ERR_NOMEM. `scratch` is the tape,
 * reused by its thread. */
enum err run_spec_create(struct str body, struct json_doc *scratch, const struct run_target *target,
                         const struct spec_limits *limits, const struct name_lookup *names,
                         struct problem *problem, struct run_spec *ret_spec) MUST_CHECK;

/* Makes it a run of this version of its workflow. */
void run_spec_pin(struct run_spec *spec, struct workflow *version);

/* Reads a stored spec again: what was valid once is not judged anew, names may have gone meanwhile.
 * A run of a workflow gets the version that it had: `version`, where that is it (NULL: not there
 * any more), else the one that is stored with it. */
enum err run_spec_reopen(const struct run_record *record, struct workflow *version,
                         struct run_spec *ret_spec) MUST_CHECK;

/* Is it of a workflow of which its version is nowhere to be found? */
static inline bool run_spec_is_lost(const struct run_spec *spec)
{
    return spec->workflow.at != NULL && spec->task == NULL;
}

void run_spec_fini(struct run_spec *spec);
#endif
