/* A run's rows as the tree that they are of. */
#include "runs/task_rows.h"

#include "tests/unit/base/oom.h"
#include "tests/unit/model/tree.h"

Suite *suite_runs_task_rows(void);

enum { ELEMENTS = 1000 };

/* A row as task_row_write makes it, as far as it matters here. */
static struct store_task row_of(const char *path, const char *state, unsigned count)
{
    char text[128];
    snprintf(text, sizeof text, "{'state':'%s','error':null,'own':{'count':%u}}", state, count);
    return (struct store_task){.path = tree_text(path), .text = tree_text(text)};
}

START_TEST(a_maps_row_was_parsed_for_every_row_below_it)
{
    struct task_spec *root = tree_of("{'type':'map','over':[],'task':" V "}");
    struct store_task *rows = arena_alloc(&tree_arena, (ELEMENTS + 1) * sizeof *rows);
    struct task_rows r;
    rows[ELEMENTS] = row_of("", "failed", ELEMENTS);
    for (int i = 0; i < ELEMENTS; i++) {
        char path[16];
        snprintf(path, sizeof path, "%d", ELEMENTS - 1 - i);
        rows[i] = row_of(path, "succeeded", 0);
    }
    ck_assert_int_eq(task_rows_init(&r, root, rows, ELEMENTS + 1), OK);
    for (int i = 1; i <= ELEMENTS; i++)
        ck_assert_ptr_eq(task_rows_spec(&r, rows[i].path, NULL), &root->children[0]);
    ck_assert_uint_eq(r.parses, 1);
    for (int i = 0; i < 2 * ELEMENTS; i++)
        ck_assert_int_eq(task_rows_facts(&r, &rows[1 + i % ELEMENTS]).state, TASK_SUCCEEDED);
    ck_assert_uint_eq(r.parses, 1 + ELEMENTS);
    task_rows_fini(&r);
}
END_TEST

START_TEST(a_path_leads_to_what_was_written_of_its_task)
{
    static const struct {
        const char *path;
        enum task_type type; /* TASK_TYPE_COUNT: there is no such task */
        bool is_after;
    } paths[] = {
        {"", TASK_SEQUENCE, false},      {"0", TASK_MAP, false},
        {"0/0", TASK_RACE, false},       {"0/1/0", TASK_VALUE, false},
        {"0/2", TASK_TYPE_COUNT, false}, {"1", TASK_MAP, false},
        {"1/0", TASK_TYPE_COUNT, false}, {"2", TASK_PARALLEL, true},
        {"2/0", TASK_VALUE, true},       {"2/1", TASK_TYPE_COUNT, true},
        {"3", TASK_TYPE_COUNT, false},   {"0/0/0/0", TASK_TYPE_COUNT, false},
    };
    struct task_spec *root = tree_of(
        "{'type':'sequence','steps':[{'type':'map','over':[],'task':{'type':'race','tasks':[" V
        "]}},{'type':'map','over':[],'task':" V "}],'finally':{'type':'parallel','tasks':[" V
        "],'timeout_ms':5}}");
    struct store_task rows[] = {row_of("0/1", "pending", 1), row_of("0", "failed", 2),
                                row_of("", "failed", 2)};
    struct task_rows r;
    ck_assert_int_eq(task_rows_init(&r, root, rows, 3), OK);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        bool is_after;
        const struct task_spec *spec = task_rows_spec(&r, str_of(paths[i].path), &is_after);
        ck_assert_msg((spec != NULL) == (paths[i].type != TASK_TYPE_COUNT), "%s", paths[i].path);
        if (spec != NULL)
            ck_assert_int_eq(spec->type, paths[i].type);
        ck_assert_msg(is_after == paths[i].is_after, "%s", paths[i].path);
    }
    task_rows_fini(&r);
}
END_TEST

START_TEST(a_task_without_a_row_has_not_begun)
{
    struct task_spec *root = tree_of("{'type':'map','over':[],'task':" V "}");
    struct task_rows r;
    ck_assert_int_eq(task_rows_init(&r, root, NULL, 0), OK);
    ck_assert_ptr_null(task_rows_find(&r, STR("")));
    ck_assert_int_eq(task_rows_facts(&r, NULL).state, TASK_PENDING);
    ck_assert_uint_eq(task_rows_children(&r, root, NULL), 0);
    task_rows_fini(&r);
}
END_TEST

static enum err make(void *arg)
{
    struct task_rows r;
    enum err e = task_rows_init(&r, arg, NULL, 0);
    task_rows_fini(&r);
    return e;
}

START_TEST(without_memory_nothing_is_left_behind)
{
    ck_assert_uint_eq(oom_rounds(make, tree_of(V)), 2);
}
END_TEST

Suite *suite_runs_task_rows(void)
{
    TCase *t;
    Suite *s = tree_suite("runs/task_rows", &t);
    tcase_add_test(t, a_maps_row_was_parsed_for_every_row_below_it);
    tcase_add_test(t, a_path_leads_to_what_was_written_of_its_task);
    tcase_add_test(t, a_task_without_a_row_has_not_begun);
    tcase_add_test(t, without_memory_nothing_is_left_behind);
    return s;
}
