#ifndef SLUICE_TESTS_UNIT_MODEL_TREE_H
#define SLUICE_TESTS_UNIT_MODEL_TREE_H
/* Checking task trees in tests: JSON in, the tree or its findings out. Texts are written with ' for
 * " so that they can be read. */
#include "base/mem.h"
#include "model/task_spec.h"
#include "tests/unit/model/findings.h"

static struct json_doc tree_doc;
static struct arena tree_arena;
static struct problem tree_problem;
static struct spec_limits tree_limits;

static inline void tree_set_up(void)
{
    json_doc_init(&tree_doc);
    arena_init(&tree_arena, 1 << 28);
    tree_limits = (struct spec_limits){.max_run_timeout_ms = 86400000,
                                       .default_run_timeout_ms = 3600000,
                                       .input_bytes = 1048576,
                                       .tree_depth = 32,
                                       .tree_nodes = 10000,
                                       .allow_trees = true};
}

static inline void tree_tear_down(void)
{
    json_doc_fini(&tree_doc);
    arena_fini(&tree_arena);
    ck_assert_int_eq(mem_live(), 0);
}

/* With the quotes of JSON, in the tree's arena. */
static inline struct str tree_text(const char *quoted)
{
    size_t len = strlen(quoted);
    char *text = arena_alloc(&tree_arena, len + 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i <= len; i++)
        text[i] = quoted[i] == '\'' ? '"' : quoted[i];
    return (struct str){text, len};
}

static inline struct task_spec *tree_check_str(struct str text)
{
    struct check c = {.problem = &tree_problem, .arena = &tree_arena};
    struct doc_path root = {.up = NULL};
    problem_init(&tree_problem);
    ck_assert_msg(json_parse(&tree_doc, text, NULL) == OK, "%.*s", STR_ARG(text));
    struct task_spec *t = task_spec_check(&c, json_root(&tree_doc), &root, &tree_limits, &world);
    ck_assert(!c.no_memory);
    ck_assert_int_eq(t != NULL, tree_problem.code == OK);
    return t;
}

static inline struct task_spec *tree_check(const char *quoted)
{
    return tree_check_str(tree_text(quoted));
}

/* One that must be fine. */
static inline struct task_spec *tree_of(const char *quoted)
{
    struct task_spec *t = tree_check(quoted);
    ck_assert_msg(t != NULL, "%s: %s", quoted, findings_text(&tree_problem));
    return t;
}

struct tree_row {
    const char *json;     /* with ' for " */
    const char *findings; /* behind "invalid_request: "; or the whole text, where it is no such */
};

#define TREE_CHECK_ROWS(rows) tree_check_rows((rows), sizeof(rows) / sizeof((rows)[0]))

static inline void tree_check_rows(const struct tree_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tree_check(rows[i].json);
        const char *found = findings_text(&tree_problem);
        if (strncmp(found, "invalid_request: ", 17) == 0)
            found += 17;
        ck_assert_msg(strcmp(found, rows[i].findings) == 0, "%s\n found %s\n not   %s",
                      rows[i].json, found, rows[i].findings);
    }
}

#define V "{'type':'value','value':1}" /* the smallest task */

static inline Suite *tree_suite(const char *name, TCase **ret_case)
{
    Suite *s = suite_create(name);
    *ret_case = tcase_create(name);
    tcase_add_checked_fixture(*ret_case, tree_set_up, tree_tear_down);
    suite_add_tcase(s, *ret_case);
    return s;
}
#endif
