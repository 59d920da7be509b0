#ifndef SLUICE_MODEL_TASK_SPEC_H
#define SLUICE_MODEL_TASK_SPEC_H
/* A task tree as a client wrote it, checked (API §4): its nodes, and what each says.
 *
 * Made whole by task_spec_check, in the arena of the run (or workflow) that it belongs to; its
 * views point into that one's text. Read-only from then on; any thread. Names are numbers already:
 * a reference knows its step (model/reference.h), a dag's step those that it waits for, so that
 * running the tree looks nothing up.
 *
 * Bounds: limits.tree_nodes, limits.tree_depth (the root is 1); TASK_REFERENCES_MAX references in a
 * tree; a dag has at most 10,000 steps. One step past a bound is `too_long`, at the list (or task)
 * that passes it. */
#include <stdbool.h>
#include <stdint.h>

#include "model/agent.h"
#include "model/check.h"
#include "model/request_spec.h"
#include "model/retry_spec.h"
#include "model/template.h"
#include "model/webhook.h"

enum { TASK_REFERENCES_MAX = 50000 };

/* X(symbol, wire name) */
#define TASK_TYPE_TABLE(X)                                                                         \
    X(TASK_CALL, "call")                                                                           \
    X(TASK_SEQUENCE, "sequence")                                                                   \
    X(TASK_PARALLEL, "parallel")                                                                   \
    X(TASK_SETTLE, "settle")                                                                       \
    X(TASK_RACE, "race")                                                                           \
    X(TASK_FIRST_SUCCESS, "first_success")                                                         \
    X(TASK_MAP, "map")                                                                             \
    X(TASK_DAG, "dag")                                                                             \
    X(TASK_CIRCUIT, "circuit")                                                                     \
    X(TASK_SHIELD, "shield")                                                                       \
    X(TASK_SLEEP, "sleep")                                                                         \
    X(TASK_VALUE, "value")

enum task_type {
#define TASK_TYPE_ROW(symbol, name) symbol,
    TASK_TYPE_TABLE(TASK_TYPE_ROW)
#undef TASK_TYPE_ROW
        TASK_TYPE_COUNT
};

const char *task_type_name(enum task_type t);

/* What is called. */
enum call_kind { CALL_AGENT, CALL_MODEL, CALL_PROVIDER, CALL_WORKFLOW };

/* What a failure below means to parallel and map. */
enum task_errors { ERRORS_CANCEL, ERRORS_COLLECT, ERRORS_SETTLE };

/* When a dag's step begins, once all that it waits for have ended. */
enum dag_when { WHEN_ALL_SUCCEEDED, WHEN_ANY_SUCCEEDED, WHEN_ALL_DONE };

/* A step of a dag, beside the task itself. Steps are named by their place among the children. */
struct dag_step {
    const uint32_t *needs; /* in the order of depends_on */
    uint32_t need_count;
    const uint32_t *needed_by; /* ascending */
    uint32_t needed_by_count;
    enum dag_when when;
};

struct task_spec {
    enum task_type type;
    struct str name;                /* NULL: none; of a dag's step: its name there */
    int64_t timeout_ms;             /* 0: none */
    bool goes_on;                   /* on_error: continue */
    const struct retry_spec *retry; /* NULL: none */

    struct task_spec *parent;   /* NULL: the root */
    struct task_spec *children; /* of a map: one, the task that is made for each element */
    uint32_t child_count;
    uint32_t index;            /* among the parent's children; a `finally` comes after the last */
    uint32_t depth;            /* the root is 1 */
    bool is_finally;           /* its parent's */
    struct task_spec *finally; /* NULL: none; not among the children */
    /* As API §2 has it. The tasks below a map have "*" in the place of their element, and its
     * `finally` too: where it stands is known once the elements are. */
    struct str path;

    union {
        struct { /* call */
            enum call_kind call;
            uint32_t model_count;
            struct str *models;
            struct str agent;        /* NULL: none, or it is a template */
            struct str instructions; /* as written; empty: none */
            struct str params;       /* JSON object; NULL: none */
            struct str input;        /* JSON, as written */
            struct str workflow;
            struct str provider;
            struct str result; /* JSON pointer into the answer; NULL: all of it */
            struct request_spec *request;
            struct template agent_template; /* has no parts where `agent` is given */
            struct template instructions_template;
            struct template input_template;
        };
        struct {                  /* parallel, settle, map */
            struct template over; /* map */
            enum task_errors errors;
            uint32_t limit; /* of children at once; 0: none */
        };
        struct dag_step *steps; /* dag: one for each child */
        struct {                /* circuit */
            struct str circuit;
            int64_t fail_max;
            int64_t reset_timeout_ms;
            int64_t window_ms;
        };
        int64_t duration_ms;   /* sleep */
        struct template value; /* value */
    };
};

struct spec_limits {
    int64_t max_run_timeout_ms;
    int64_t default_run_timeout_ms;
    uint64_t input_bytes;
    uint32_t tree_depth;
    uint32_t tree_nodes;
    bool allow_trees; /* false: a task is one call of an agent or a model, without references */
    webhook_url_fault_fn *webhook_url_fault;
    bool can_sign_webhooks; /* false: none are sent */
};

/* No limits: for what was within those of its time. */
extern const struct spec_limits spec_limits_none;

/* Does this gateway run trees? What the product sets allow_trees to. */
enum { TASK_TREES_ARE_SERVED = 1 };

/* Checks the tree `v` into the check's arena. NULL where there were findings, or no memory. */
struct task_spec *task_spec_check(struct check *c, struct json v, const struct doc_path *at,
                                  const struct spec_limits *limits,
                                  const struct name_lookup *names);

/* The same for the tree of a workflow named `self`: a call of it, or of one that leads to it, is a
 * `cycle`. */
struct task_spec *task_spec_check_workflow(struct check *c, struct json v,
                                           const struct doc_path *at, struct str self,
                                           const struct spec_limits *limits,
                                           const struct name_lookup *names);
#endif
