/* Any bytes to task_spec_check. A tree that it accepts must hold together: parents, places, dags
 * without cycles, references that stay within the tree; and each of its templates must write JSON,
 * or say why not. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/task_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static bool has_short_name(void *ctx, struct str name)
{
    (void)ctx;
    return name.len < 8;
}

static enum err has_model(void *ctx, struct str model)
{
    (void)ctx;
    return model.len < 8 ? OK : ERR_UNKNOWN_MODEL;
}

static bool leads_to(void *ctx, struct str workflow, struct str target)
{
    (void)ctx;
    return str_eq(workflow, target);
}

/* --- templates -------------------------------------------------------------------------------- */

/* The task whose template is being written. */
struct place {
    const struct task_spec *task;
    struct json root; /* of the document: a value as good as any */
};

static void check_reference(const struct task_spec *t, const struct reference *r)
{
    for (uint32_t i = 0; i < r->up; i++) {
        REQUIRE(t->parent != NULL);
        t = t->parent;
    }
    switch (r->source) {
    case REFERENCE_OUTPUT:
    case REFERENCE_ERROR:
    case REFERENCE_STATE:
        REQUIRE(t->type == TASK_SEQUENCE || t->type == TASK_DAG);
        REQUIRE(r->up > 0 && r->step < t->child_count);
        break;
    case REFERENCE_ITEM:
    case REFERENCE_INDEX:
        REQUIRE(t->parent != NULL && t->parent->type == TASK_MAP && !t->is_finally);
        break;
    case REFERENCE_INPUT:
    case REFERENCE_RUN_ID:
    case REFERENCE_TASK_PATH: break;
    case REFERENCE_WORD: REQUIRE(false);
    }
}

static enum err get(void *ctx, const struct reference *r, struct template_value *ret)
{
    const struct place *p = ctx;
    check_reference(p->task, r);
    switch (r->source) {
    case REFERENCE_INPUT:
        *ret = (struct template_value){.kind = VALUE_JSON, .json = p->root};
        break;
    case REFERENCE_OUTPUT:
    case REFERENCE_ITEM:
        *ret = (struct template_value){.kind = VALUE_RAW, .text = STR("{\"a\":[\"\\u0041\",1.0]}")};
        break;
    case REFERENCE_INDEX:
        *ret = (struct template_value){.kind = VALUE_INTEGER, .integer = 3};
        break;
    case REFERENCE_ERROR: break;
    case REFERENCE_STATE:
    case REFERENCE_RUN_ID:
    case REFERENCE_TASK_PATH:
        *ret = (struct template_value){.kind = VALUE_TEXT, .text = STR("te\"xt")};
        break;
    case REFERENCE_WORD: break;
    }
    return OK;
}

static void check_template(const struct template *t, struct place *p)
{
    struct json_doc scratch, written;
    struct lookup lookup;
    struct template_values values = {.ctx = p, .get = get, .lookup = &lookup};
    struct buf b;
    json_doc_init(&scratch);
    lookup_init(&lookup, &scratch);
    json_doc_init(&written);
    buf_init(&b, 65536);
    enum err e = template_write(t, &values, &b, NULL);
    REQUIRE(e == OK || e == ERR_TEMPLATE_ERROR || e == ERR_LIMIT);
    if (e == OK && t->form == TEMPLATE_JSON) {
        written.max_depth = UINT32_MAX; /* values may be nested in values */
        REQUIRE(json_parse(&written, buf_str(&b), NULL) == OK);
    }
    buf_fini(&b);
    json_doc_fini(&written);
    lookup_fini(&lookup);
    json_doc_fini(&scratch);
}

static void check_request(const struct request_spec *r, struct place *p)
{
    struct json_doc scratch;
    struct lookup lookup;
    struct template_values values = {.ctx = p, .get = get, .lookup = &lookup};
    struct buf b;
    json_doc_init(&scratch);
    lookup_init(&lookup, &scratch);
    buf_init(&b, 65536);
    if (request_spec_write_target(r, &values, &b, NULL) == OK)
        REQUIRE(b.len > 0 && b.data[0] == '/' && memchr(b.data, ' ', b.len) == NULL);
    buf_fini(&b);
    lookup_fini(&lookup);
    json_doc_fini(&scratch);
    check_template(&r->method, p);
    if (r->has_body)
        check_template(&r->body, p);
    for (uint32_t i = 0; i < r->header_count; i++)
        check_template(&r->headers[i].value, p);
}

/* --- trees ------------------------------------------------------------------------------------ */

/* Takes the steps away that wait for nothing, again and again: none may be left. */
static void check_dag(const struct task_spec *t)
{
    uint32_t *waits = calloc(t->child_count + 1, sizeof *waits);
    uint32_t *ready = calloc(t->child_count + 1, sizeof *ready);
    uint32_t count = 0;
    REQUIRE(waits != NULL && ready != NULL);
    for (uint32_t i = 0; i < t->child_count; i++) {
        waits[i] = t->steps[i].need_count;
        if (waits[i] == 0)
            ready[count++] = i;
    }
    for (uint32_t at = 0; at < count; at++) {
        const struct dag_step *step = &t->steps[ready[at]];
        for (uint32_t i = 0; i < step->needed_by_count; i++) {
            REQUIRE(step->needed_by[i] < t->child_count && waits[step->needed_by[i]] > 0);
            if (--waits[step->needed_by[i]] == 0)
                ready[count++] = step->needed_by[i];
        }
    }
    REQUIRE(count == t->child_count);
    free(ready);
    free(waits);
}

static void check_task(const struct task_spec *t, struct json root)
{
    struct place p = {.task = t, .root = root};
    if (t->type == TASK_CALL) {
        check_template(&t->input_template, &p);
        check_template(&t->instructions_template, &p);
        if (t->request != NULL)
            check_request(t->request, &p);
    }
    if (t->type == TASK_VALUE)
        check_template(&t->value, &p);
    if (t->type == TASK_MAP)
        check_template(&t->over, &p);
    if (t->type == TASK_DAG)
        check_dag(t);
    for (uint32_t i = 0; i < t->child_count; i++) {
        REQUIRE(t->children[i].parent == t && t->children[i].index == i);
        check_task(&t->children[i], root);
    }
    if (t->finally != NULL) {
        REQUIRE(t->finally->parent == t && t->finally->timeout_ms > 0);
        check_task(t->finally, root);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct name_lookup names = {.agent = has_short_name,
                                             .workflow = has_short_name,
                                             .model = has_model,
                                             .provider = has_short_name,
                                             .leads_to = leads_to};
    static const struct spec_limits limits = {.max_run_timeout_ms = 86400000,
                                              .default_run_timeout_ms = 3600000,
                                              .input_bytes = 4096,
                                              .tree_depth = 16,
                                              .tree_nodes = 200,
                                              .allow_trees = true};
    static struct problem problem;
    struct json_doc doc;
    struct arena arena;
    struct check c = {.problem = &problem, .arena = &arena};
    struct doc_path at = {.up = NULL};
    json_doc_init(&doc);
    arena_init(&arena, 1 << 24);
    problem_init(&problem);
    if (json_parse(&doc, (struct str){(const char *)data, size}, NULL) == OK) {
        struct task_spec *t =
            task_spec_check_workflow(&c, json_root(&doc), &at, STR("self"), &limits, &names);
        REQUIRE((t != NULL) == (problem.code == OK && !c.no_memory));
        if (t != NULL)
            check_task(t, json_root(&doc));
    }
    arena_fini(&arena);
    json_doc_fini(&doc);
    REQUIRE(mem_live() == 0);
    return 0;
}
