#include "model/workflow.h"

#include <stdlib.h>

#include "base/mem.h"

enum { DESCRIPTION_BYTES = 4096, ARENA_OVERHEAD = 16777216 /* beside the text, as a run's */ };

/* What is being filled while a document is walked. */
struct draft {
    struct workflow *workflow;
    struct json document;
    const struct spec_limits *limits;
    const struct name_lookup *names;
    enum err failed; /* OK, or what no finding tells */
};

/* --- making ----------------------------------------------------------------------------------- */

static void on_name(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct str s;
    if (!check_name(c, v, at, &s))
        return;
    if (d->workflow->name.at != NULL && !str_eq(d->workflow->name, s))
        problem_add(c->problem, at, FIELD_EXCLUSIVE, "is not the name in the path");
    else
        d->workflow->name = s;
}

static void on_description(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    (void)check_string(c, v, at, DESCRIPTION_BYTES,
                       &d->workflow->description); /* reported by the check */
}

/* The tree's views must point into a text that stays: a compact copy. */
static enum err keep_text(struct workflow *w, struct json v)
{
    struct buf b;
    buf_init(&b, json_raw(v).len + 1);
    json_add_compact(&b, v);
    enum err e = buf_ok(&b);
    if (e == OK)
        w->text = arena_str(&w->arena, buf_str(&b));
    buf_fini(&b);
    return w->text.at != NULL ? OK : ERR_NOMEM;
}

/* The name may come behind the task in the document, and decides what is a cycle. */
static struct str name_of(struct check *c, const struct draft *d)
{
    struct str name;
    if (d->workflow->name.at != NULL)
        return d->workflow->name;
    return json_string(json_get_lit(d->document, "name"), c->arena, &name) ? name : STR_NONE;
}

static void read_task(struct check *c, struct json v, const struct doc_path *at, struct str self,
                      struct draft *d)
{
    struct workflow *w = d->workflow;
    struct check own = {.problem = c->problem, .arena = &w->arena};
    struct json_doc doc;
    json_doc_init(&doc);
    enum err e = keep_text(w, v);
    if (e == OK)
        e = json_parse(&doc, w->text, NULL);
    if (e == OK)
        w->task = task_spec_check_workflow(&own, json_root(&doc), at, self, d->limits, d->names);
    if (own.no_memory)
        e = ERR_NOMEM;
    if (e != OK)
        d->failed = e;
    json_doc_fini(&doc);
}

static void on_task(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    read_task(c, v, at, name_of(c, d), d);
}

static void check_document(struct check *c, struct json v, const struct doc_path *at,
                           struct draft *d)
{
    static const struct check_rule rules[] = {{"name", on_name},
                                              {"description", on_description},
                                              {"task", on_task},
                                              {"version", check_told},
                                              {"source", check_told}};
    if (!check_object(c, v, at))
        return;
    if (d->workflow->name.at == NULL && !json_exists(json_get_lit(v, "name")))
        check_missing(c, at, "name");
    if (!json_exists(json_get_lit(v, "task")))
        check_missing(c, at, "task");
    check_members(c, v, at, rules, sizeof rules / sizeof rules[0], d);
}

/* --- what it calls ---------------------------------------------------------------------------- */

/* Appends the name of each call of a workflow below `t`. As deep as JSON may be nested. */
static void gather_calls(const struct task_spec *t, struct buf *names)
{
    if (t->type == TASK_CALL && t->call == CALL_WORKFLOW)
        buf_add(names, &t->workflow, sizeof t->workflow);
    for (uint32_t i = 0; i < t->child_count; i++)
        gather_calls(&t->children[i], names);
    if (t->finally != NULL)
        gather_calls(t->finally, names);
}

static int compare_names(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    return str_cmp(*x, *y);
}

static uint32_t drop_twins(struct str *names, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || !str_eq(names[kept - 1], names[i]))
            names[kept++] = names[i];
    }
    return kept;
}

static enum err keep_calls(struct workflow *w)
{
    struct buf names;
    buf_init(&names, SIZE_MAX);
    gather_calls(w->task, &names);
    enum err e = buf_ok(&names);
    if (e == OK && names.len > 0) {
        w->calls = arena_alloc(&w->arena, names.len);
        e = w->calls != NULL ? OK : ERR_NOMEM;
    }
    if (e == OK && names.len > 0) {
        memcpy(w->calls, names.data, names.len);
        uint32_t count = (uint32_t)(names.len / sizeof *w->calls);
        qsort(w->calls, count, sizeof *w->calls, compare_names);
        w->call_count = drop_twins(w->calls, count);
    }
    buf_fini(&names);
    return e;
}

/* --- life ------------------------------------------------------------------------------------- */

/* Moves what was borrowed from the document into the workflow's own arena. */
static enum err own_strings(struct workflow *w)
{
    struct str *all[] = {&w->name, &w->description};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i]->at == NULL)
            continue;
        *all[i] = arena_str(&w->arena, *all[i]);
        if (all[i]->at == NULL)
            return ERR_NOMEM;
    }
    return keep_calls(w);
}

enum err workflow_create(struct check *c, struct json v, const struct doc_path *at, struct str name,
                         const struct spec_limits *limits, const struct name_lookup *names,
                         struct workflow **ret_workflow)
{
    struct workflow *w = mem_zalloc(sizeof *w);
    if (w == NULL)
        return ERR_NOMEM;
    atomic_init(&w->refs, 1);
    arena_init(&w->arena, json_raw(v).len + ARENA_OVERHEAD);
    w->name = name;
    w->version = 1;
    struct draft d = {.workflow = w, .document = v, .limits = limits, .names = names};
    uint32_t before = c->problem->found;
    check_document(c, v, at, &d);
    enum err e = c->problem->found > before ? c->problem->code
                 : c->no_memory             ? ERR_NOMEM
                 : d.failed != OK           ? d.failed
                                            : own_strings(w);
    if (e != OK) {
        workflow_unref(w);
        return e;
    }
    *ret_workflow = w;
    return OK;
}

struct workflow *workflow_ref(struct workflow *w)
{
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}

struct workflow *workflow_unref(struct workflow *w)
{
    if (w != NULL && atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) == 1) {
        arena_fini(&w->arena);
        mem_free(w);
    }
    return NULL;
}

void workflow_write(struct buf *b, const struct workflow *w)
{
    buf_add_lit(b, "{\"name\":");
    json_add_string(b, w->name);
    buf_add_lit(b, ",\"description\":");
    json_add_string(b, w->description);
    buf_add_lit(b, ",\"task\":");
    buf_add_str(b, w->text);
    buf_add_lit(b, ",\"version\":");
    buf_add_i64(b, w->version);
    buf_addf(b, ",\"source\":\"%s\"}", w->from_config ? "config" : "api");
}

/* --- cycles of workflows ---------------------------------------------------------------------- */

/* The names that were met, in the order in which they are looked at. */
struct reach {
    struct str *names;
    uint32_t count;
};

static bool has_met(const struct reach *r, struct str name)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (str_eq(r->names[i], name))
            return true;
    }
    return false;
}

/* True where the answer is yes. */
static bool meet(struct reach *r, struct str name, struct str target)
{
    if (str_eq(name, target))
        return true;
    if (has_met(r, name))
        return false;
    if (r->count == WORKFLOW_REACH_MAX)
        return true;
    r->names[r->count++] = name;
    return false;
}

static bool walk(struct reach *r, struct str from, struct str target, workflow_find_fn *find,
                 void *ctx)
{
    r->names[r->count++] = from;
    for (uint32_t at = 0; at < r->count; at++) {
        const struct workflow *w = find(ctx, r->names[at]);
        for (uint32_t i = 0; w != NULL && i < w->call_count; i++) {
            if (meet(r, w->calls[i], target))
                return true;
        }
    }
    return false;
}

enum err workflow_leads_to(struct str from, struct str target, workflow_find_fn *find, void *ctx,
                           bool *ret)
{
    struct reach r = {.names = mem_alloc(WORKFLOW_REACH_MAX * sizeof(struct str))};
    if (r.names == NULL)
        return ERR_NOMEM;
    *ret = walk(&r, from, target, find, ctx);
    mem_free(r.names);
    return OK;
}
