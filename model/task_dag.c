/* The task `dag`: named steps that wait for one another (API §4). */
#include "model/task_tree.h"

/* --- before the walk: names and graph --------------------------------------------------------- */

/* The steps' own texts for their names, in document order: children[i].name. */
static bool gather_names(struct task_frame *f, struct json steps)
{
    struct task_tree *tree = f->tree;
    uint32_t i = 0;
    if (!task_names_init(&f->names, &tree->scratch, f->spec->child_count))
        return false;
    for (struct json_member m = json_first_member(steps); json_exists(m.value);
         m = json_next_member(steps, m), i++) {
        struct str *name = &f->spec->children[i].name;
        if (!json_string(m.name, tree->c->arena, name))
            return false;
        task_names_add(&f->names, *name, i);
    }
    task_names_sort(&f->names);
    return true;
}

static uint32_t count_edges(struct json steps)
{
    uint32_t n = 0;
    for (struct json_member m = json_first_member(steps); json_exists(m.value);
         m = json_next_member(steps, m)) {
        struct json list = json_get_lit(m.value, "depends_on");
        if (json_is(list, JSON_ARRAY))
            n += json_count(list);
    }
    return n;
}

static bool add_edge(struct task_frame *f, struct json v)
{
    struct str name;
    uint32_t to = 0;
    enum edge_fault fault = EDGE_FINE;
    if (!json_is(v, JSON_STRING))
        fault = EDGE_NO_NAME;
    else if (!json_string(v, &f->tree->scratch, &name))
        return false;
    else if (!task_names_find(&f->names, name, &to))
        fault = EDGE_UNKNOWN;
    task_graph_add(&f->graph, to, fault);
    return true;
}

static bool make_graph(struct task_frame *f, struct json steps)
{
    if (!task_graph_init(&f->graph, &f->tree->scratch, f->spec->child_count, count_edges(steps)))
        return false;
    for (struct json_member m = json_first_member(steps); json_exists(m.value);
         m = json_next_member(steps, m)) {
        struct json list = json_get_lit(m.value, "depends_on");
        for (struct json e = json_first(list); json_exists(e); e = json_next(list, e)) {
            if (!add_edge(f, e))
                return false;
        }
        task_graph_end_step(&f->graph);
    }
    return task_graph_find_cycles(&f->graph);
}

static void open_steps(struct task_frame *f, const struct doc_path *at)
{
    struct json steps = json_get_lit(f->v, "steps");
    task_require(f, at, "steps");
    if (!json_is(steps, JSON_OBJECT) || json_count(steps) > TASK_GRAPH_STEPS_MAX)
        return;
    uint32_t n = json_count(steps);
    task_reserve_children(f, n);
    if (f->spec->children == NULL)
        return;
    f->spec->steps = arena_zalloc(f->tree->c->arena, n * sizeof *f->spec->steps);
    if (f->spec->steps == NULL || !gather_names(f, steps) || !make_graph(f, steps))
        f->tree->c->no_memory = true;
}

/* --- the walk --------------------------------------------------------------------------------- */

static void on_steps(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    uint32_t i = 0;
    if (!check_object(c, v, at))
        return;
    if (json_count(v) > TASK_GRAPH_STEPS_MAX)
        problem_add(c->problem, at, FIELD_TOO_LONG, "a dag has at most 10000 steps");
    if (!task_children_fit(f, at) || c->no_memory)
        return;
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m), i++) {
        struct doc_path here = doc_path_name(at, f->spec->children[i].name);
        if (!str_is_name(f->spec->children[i].name))
            problem_add(c->problem, &here, FIELD_OUT_OF_RANGE,
                        "a step's name must be 1 to 64 of A-Z a-z 0-9 _ -");
        task_check_child(f, i, m.value, &here);
    }
}

/* The dag whose step this is, NULL if it is none. */
static struct task_frame *dag_of(const struct task_frame *f)
{
    bool is_step = f->up != NULL && f->up->spec->type == TASK_DAG && !f->spec->is_finally;
    return is_step ? f->up : NULL;
}

static void report_edge(struct check *c, const struct doc_path *at, enum edge_fault fault)
{
    switch (fault) {
    case EDGE_FINE: break;
    case EDGE_NO_NAME: problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be a string"); break;
    case EDGE_UNKNOWN:
        problem_add(c->problem, at, FIELD_UNKNOWN_NAME, "names no step of this dag");
        break;
    case EDGE_REPEATED:
        problem_add(c->problem, at, FIELD_DUPLICATE_NAME, "names a step that is named already");
        break;
    case EDGE_CYCLE: problem_add(c->problem, at, FIELD_CYCLE, NULL); break;
    }
}

void task_on_depends_on(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    const struct task_frame *dag = dag_of(f);
    if (dag == NULL) {
        problem_add(c->problem, at, FIELD_UNKNOWN_FIELD, "goes only with a step of a dag");
        return;
    }
    if (!json_is(v, JSON_ARRAY)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be an array of names");
        return;
    }
    uint32_t from = dag->graph.first[f->spec->index];
    for (uint32_t i = 0; i < json_count(v); i++) {
        struct doc_path here = doc_path_index(at, i);
        report_edge(c, &here, (enum edge_fault)dag->graph.fault[from + i]);
    }
}

void task_on_when(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const char *const values[] = {"all_succeeded", "any_succeeded", "all_done", NULL};
    struct task_frame *f = out;
    const struct task_frame *dag = dag_of(f);
    int i;
    if (dag == NULL)
        problem_add(c->problem, at, FIELD_UNKNOWN_FIELD, "goes only with a step of a dag");
    else if (check_enum(c, v, at, values, &i))
        dag->spec->steps[f->spec->index].when = (enum dag_when)i;
}

/* --- after it: what the engine follows -------------------------------------------------------- */

static void count_needs(const struct task_graph *g, struct dag_step *steps)
{
    for (uint32_t i = 0; i < g->count; i++) {
        steps[i].need_count = g->first[i + 1] - g->first[i];
        for (uint32_t e = g->first[i]; e < g->first[i + 1]; e++)
            steps[g->to[e]].needed_by_count++;
    }
}

/* Both directions, each a slice of one array. Only where the graph has no fault. */
static void keep_graph(struct task_frame *f)
{
    const struct task_graph *g = &f->graph;
    struct dag_step *steps = f->spec->steps;
    uint32_t edges = g->first[g->count];
    uint32_t *needs = arena_alloc(f->tree->c->arena, 2 * (size_t)edges * sizeof *needs);
    uint32_t *next = arena_alloc(&f->tree->scratch, g->count * sizeof *next);
    if (needs == NULL || next == NULL) {
        f->tree->c->no_memory = true;
        return;
    }
    uint32_t *needed_by = needs + edges, at = 0;
    if (edges > 0)
        memcpy(needs, g->to, edges * sizeof *needs);
    count_needs(g, steps);
    for (uint32_t i = 0; i < g->count; i++) {
        steps[i].needs = needs + g->first[i];
        steps[i].needed_by = needed_by + at;
        next[i] = at;
        at += steps[i].needed_by_count;
    }
    for (uint32_t i = 0; i < g->count; i++) {
        for (uint32_t e = g->first[i]; e < g->first[i + 1]; e++)
            needed_by[next[g->to[e]]++] = i;
    }
}

void task_check_dag(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {TASK_COMMON_RULES, {"steps", on_steps}};
    uint32_t before = f->tree->c->problem->found;
    open_steps(f, at);
    if (f->tree->c->no_memory)
        return;
    task_check_members(f, at, rules);
    if (f->spec->children != NULL && f->tree->c->problem->found == before && !f->tree->c->no_memory)
        keep_graph(f);
}
