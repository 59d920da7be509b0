#ifndef SLUICE_MODEL_TASK_SPEC_H
#define SLUICE_MODEL_TASK_SPEC_H
/* A node of a task tree as a client wrote it, checked (API §4).
 *
 * Lives in the arena of the run (or workflow) that it belongs to; its views point into that one's
 * text. Read-only once checked. */
#include <stdbool.h>
#include <stdint.h>

#include "model/agent.h"
#include "model/check.h"
#include "model/retry_spec.h"

enum task_type { TASK_CALL };

const char *task_type_name(enum task_type t);

struct task_spec {
    enum task_type type;
    struct str name;    /* NULL: none */
    int64_t timeout_ms; /* 0: none */
    bool has_retry;
    struct retry_spec retry;

    /* call: exactly one of agent and models */
    struct str agent;
    struct str *models;
    uint32_t model_count;
    struct str instructions; /* empty: none */
    struct str params;       /* JSON object; NULL: none */
    struct str input;        /* JSON */
};

struct spec_limits {
    int64_t max_run_timeout_ms;
    int64_t default_run_timeout_ms;
    uint64_t input_bytes;
    uint32_t tree_depth;
    uint32_t tree_nodes;
};

/* Checks the node `v` and what is below it into the check's arena. NULL where there were findings.
 */
struct task_spec *task_spec_check(struct check *c, struct json v, const struct doc_path *at,
                                  const struct spec_limits *limits,
                                  const struct name_lookup *names);
#endif
