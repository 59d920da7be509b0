#ifndef SLUICE_MODEL_TASK_TREE_H
#define SLUICE_MODEL_TASK_TREE_H
/* Checking a task tree, as the files of its types share it. Private to model/task_*.c.
 *
 * A tree is walked once, in document order. Each task has a frame on the stack while it is, linked
 * to that of its parent; the names of its children (and a dag's graph) are known before its first
 * member is looked at, so that every finding comes at its place. */
#include "model/task_graph.h"
#include "model/task_names.h"
#include "model/task_spec.h"

/* One check of one tree. */
struct task_tree {
    struct check *c;
    const struct spec_limits *limits;
    const struct name_lookup *names;
    struct str self;      /* the workflow that is being made; NULL: none */
    struct arena scratch; /* names and graphs: until the check ends */
    uint32_t nodes;       /* so far, those that are reserved included */
    uint32_t references_left;
};

struct task_frame {
    struct task_tree *tree;
    struct task_frame *up; /* the parent's; NULL at the root */
    struct task_spec *spec;
    struct json v;           /* as written */
    bool is_over;            /* its children do not fit into the tree any more */
    bool is_torn;            /* a call whose target is not known: what goes with it is not judged */
    struct task_names names; /* of the children of a sequence, a dag or a list of tasks */
    struct task_graph graph; /* of a dag */
};

/* --- task_spec.c ------------------------------------------------------------------------------ */

/* Rules that every task has; `out` is its frame. */
void task_on_type(struct check *c, struct json v, const struct doc_path *at, void *out);
void task_on_name(struct check *c, struct json v, const struct doc_path *at, void *out);
void task_on_timeout_ms(struct check *c, struct json v, const struct doc_path *at, void *out);
void task_on_retry(struct check *c, struct json v, const struct doc_path *at, void *out);
void task_on_on_error(struct check *c, struct json v, const struct doc_path *at, void *out);
void task_on_finally(struct check *c, struct json v, const struct doc_path *at, void *out);

/* task_dag.c: of a dag's steps only */
void task_on_depends_on(struct check *c, struct json v, const struct doc_path *at, void *out);
void task_on_when(struct check *c, struct json v, const struct doc_path *at, void *out);

/* task_group.c: of parallel, settle and map */
void task_on_limit(struct check *c, struct json v, const struct doc_path *at, void *out);

#define TASK_COMMON_RULES                                                                          \
    {"type", task_on_type}, {"name", task_on_name}, {"timeout_ms", task_on_timeout_ms},            \
        {"retry", task_on_retry}, {"on_error", task_on_on_error}, {"finally", task_on_finally},    \
        {"depends_on", task_on_depends_on},                                                        \
    {                                                                                              \
        "when", task_on_when                                                                       \
    }

/* Walks the members of the frame's task. */
#define task_check_members(f, at, rules)                                                           \
    check_members((f)->tree->c, (f)->v, (at), (rules), sizeof(rules) / sizeof((rules)[0]), (f))

/* Reports `missing` unless the task has that member. */
void task_require(struct task_frame *f, const struct doc_path *at, const char *name);

/* Makes room for `count` children; where they do not fit, is_over, and none. */
void task_reserve_children(struct task_frame *f, uint32_t count);

/* Reports it, where they did not fit, at the list or task that passes the bound. */
bool task_children_fit(struct task_frame *f, const struct doc_path *at);

/* Checks what stands at `v` into a child that was reserved. */
void task_check_child(struct task_frame *f, uint32_t index, struct json v,
                      const struct doc_path *at);

/* --- task_scope.c ----------------------------------------------------------------------------- */

/* What the strings of the frame's task may refer to. task_scope_close takes back how many
 * references are left. */
struct reference_scope task_scope_open(struct task_frame *f);
void task_scope_close(struct task_frame *f, const struct reference_scope *scope);

/* Templates of the frame's task. */
bool task_read_json(struct task_frame *f, struct json v, const struct doc_path *at,
                    struct template *ret);
bool task_read_text(struct task_frame *f, struct str text, const struct doc_path *at,
                    struct template *ret);

/* --- the types -------------------------------------------------------------------------------- */

typedef void task_check_fn(struct task_frame *f, const struct doc_path *at);
task_check_fn task_check_call;       /* task_call.c */
task_check_fn task_check_plain_call; /* where trees are not served */
task_check_fn task_check_sequence;   /* task_group.c */
task_check_fn task_check_parallel;
task_check_fn task_check_settle;
task_check_fn task_check_contest; /* race, first_success */
task_check_fn task_check_map;     /* task_wrap.c */
task_check_fn task_check_circuit;
task_check_fn task_check_shield;
task_check_fn task_check_dag;   /* task_dag.c */
task_check_fn task_check_sleep; /* task_leaf.c */
task_check_fn task_check_value;
#endif
