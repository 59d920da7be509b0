/* What holds for every task of a tree: common members, bounds, places; and trees made at random. */
#include "base/json.h"
#include "model/task_tree.h"
#include "tests/unit/base/oom.h"
#include "tests/unit/model/tree.h"
#include "tests/unit/resilience/property.h"

Suite *suite_model_task_tree(void);

/* One of each type, open at its end for more members. */
static const char *const types[] = {
    "{'type':'call','agent':'echo'",
    "{'type':'sequence','steps':[" V "]",
    "{'type':'parallel','tasks':[" V "]",
    "{'type':'settle','tasks':[" V "]",
    "{'type':'race','tasks':[" V "]",
    "{'type':'first_success','tasks':[" V "]",
    "{'type':'map','over':[],'task':" V,
    "{'type':'dag','steps':{'a':" V "}",
    "{'type':'circuit','circuit':'c','task':" V,
    "{'type':'shield','task':" V,
    "{'type':'sleep','duration_ms':1",
    "{'type':'value','value':1",
};
_Static_assert(sizeof types / sizeof types[0] == TASK_TYPE_COUNT, "one of each");

START_TEST(every_task_has_the_common_members)
{
    for (int i = 0; i < TASK_TYPE_COUNT; i++) {
        char text[512];
        snprintf(
            text, sizeof text,
            "%s,'name':'n','timeout_ms':7,'retry':{'attempts':2},'on_error':'continue','finally':"
            "{'type':'sleep','duration_ms':0,'timeout_ms':9}}",
            types[i]);
        struct task_spec *t = tree_of(text);
        ck_assert_int_eq((int)t->type, i);
        ck_assert(str_eq(t->name, STR("n")));
        ck_assert_int_eq(t->timeout_ms, 7);
        ck_assert(t->retry != NULL && t->goes_on);
        ck_assert_uint_eq(t->retry->attempts, 2);
        ck_assert_uint_eq(t->retry->base_ms, 1000);
        ck_assert(t->finally->is_finally);
        ck_assert_ptr_eq(t->finally->parent, t);
        ck_assert_uint_eq(t->finally->index, t->child_count);
        ck_assert_uint_eq(t->finally->depth, 2);
        ck_assert(str_eq(t->finally->path, i == TASK_MAP         ? STR("*")
                                           : t->child_count == 0 ? STR("0")
                                                                 : STR("1")));
    }
}
END_TEST

START_TEST(left_out_they_mean_nothing)
{
    struct task_spec *t = tree_of(V);
    ck_assert_ptr_null(t->name.at);
    ck_assert_int_eq(t->timeout_ms, 0);
    ck_assert(t->retry == NULL && !t->goes_on && !t->is_finally);
    ck_assert_ptr_null(t->finally);
    ck_assert_ptr_null(t->parent);
    ck_assert_uint_eq(t->depth, 1);
    ck_assert(t->path.at != NULL && t->path.len == 0);
    ck_assert(!tree_of("{'type':'value','value':1,'on_error':'fail'}")->goes_on);
}
END_TEST

START_TEST(common_members_are_checked_in_every_type)
{
    for (int i = 0; i < TASK_TYPE_COUNT; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "%s,'name':7,'timeout_ms':0,'retry':[],'on_error':'retry','finally':" V
                 ",'colour':1}",
                 types[i]);
        ck_assert_ptr_null(tree_check(text));
        ck_assert_str_eq(
            findings_text(&tree_problem),
            "invalid_request: /name wrong_type, /timeout_ms out_of_range, /retry wrong_type, "
            "/on_error not_in_enum, /finally/timeout_ms missing, /colour unknown_field");
    }
}
END_TEST

START_TEST(what_is_wrong_with_them_is_found_at_its_place)
{
    static const struct tree_row rows[] = {
        {"7", " wrong_type"},
        {"{}", "/type missing"},
        {"{'type':null}", "/type wrong_type"},
        {"{'type':'wait'}", "/type unknown_type"},
        {"{'type':'group'}", "/type unknown_type"},
        {"{'type':'emit'}", "/type unknown_type"},
        {"{'type':'barrier'}", "/type unknown_type"},
        {"{'type':'hold'}", "/type unknown_type"},
        {"{'type':'exec'}", "/type unknown_type"},
        {"{'type':'stream'}", "/type unknown_type"},
        {"{'type':'value','value':1,'name':''}", "/name out_of_range"},
        {"{'type':'value','value':1,'timeout_ms':86400000}", "ok"},
        {"{'type':'value','value':1,'timeout_ms':86400001}", "/timeout_ms out_of_range"},
        {"{'type':'value','value':1,'timeout_ms':1.5}", "/timeout_ms wrong_type"},
        {"{'type':'value','value':1,'on_error':null}", "/on_error wrong_type"},
        {"{'type':'value','value':1,'retry':{'attempts':0,'on':['x']}}",
         "/retry/attempts out_of_range, /retry/on/0 not_in_enum"},
        {"{'type':'value','value':1,'finally':[]}", "/finally wrong_type"},
        {"{'type':'value','value':1,'finally':{'type':'shield','task':" V "}}",
         "/finally/timeout_ms missing"},
        {"{'type':'value','value':1,'finally':{'type':'value','value':1,'timeout_ms':1,'finally':{'type':'value'}}}",
         "/finally/finally/timeout_ms missing, /finally/finally/value missing"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

START_TEST(a_tree_has_its_places)
{
    struct task_spec *t = tree_of("{'type':'sequence','steps':[" V ",{'type':'dag','steps':{'a':" V
                                  ",'b':{'type':'race','tasks':[" V "," V
                                  "]}},'finally':{'type':'shield','timeout_ms':1,'task':" V "}}]}");
    const struct task_spec *dag = &t->children[1];
    ck_assert(str_eq(dag->children[1].children[1].path, STR("1/1/1")));
    ck_assert(str_eq(dag->finally->children[0].path, STR("1/2/0")));
    ck_assert_uint_eq(dag->finally->children[0].depth, 4);
}
END_TEST

/* --- bounds ----------------------------------------------------------------------------------- */

/* A sequence in a sequence and so on, `depth` tasks one below the other. */
static struct str nested(unsigned depth)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    for (unsigned i = 1; i < depth; i++)
        buf_add_lit(&b, "{\"type\":\"shield\",\"timeout_ms\":1,\"task\":");
    buf_add_lit(&b, "{\"type\":\"value\",\"value\":1}");
    for (unsigned i = 1; i < depth; i++)
        buf_add_char(&b, '}');
    struct str text = arena_str(&tree_arena, buf_str(&b));
    buf_fini(&b);
    return text;
}

START_TEST(tasks_are_nested_so_deep_and_no_deeper)
{
    tree_limits.tree_depth = 3;
    ck_assert_ptr_nonnull(tree_check_str(nested(3)));
    ck_assert_ptr_null(tree_check_str(nested(4)));
    ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /task/task/task too_long");
    static const struct tree_row rows[] = {
        {"{'type':'parallel','tasks':[{'type':'sequence','steps':[{'type':'race','tasks':[7,{'type':'x'}]}]}," V
         "]}",
         "/tasks/0/steps/0/tasks/0 too_long, /tasks/0/steps/0/tasks/1 too_long"},
        {"{'type':'shield','timeout_ms':1,'task':{'type':'value','value':1,'finally':{'type':'value','value':1,"
         "'timeout_ms':1,'finally':{}}}}",
         "/task/finally/finally too_long"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

START_TEST(as_deep_as_json_goes)
{
    tree_limits.tree_depth = UINT32_MAX;
    struct task_spec *t = tree_check_str(nested(64));
    ck_assert_ptr_nonnull(t);
    while (t->child_count > 0)
        t = &t->children[0];
    ck_assert_uint_eq(t->depth, 64);
    ck_assert_uint_eq(t->path.len, 63 + 62);
}
END_TEST

/* A sequence of `steps`, each of which takes what the one before it gave. */
static struct str row_of(unsigned steps)
{
    struct buf b;
    buf_init(&b, 1 << 22);
    buf_add_lit(&b, "{\"type\":\"sequence\",\"steps\":[");
    for (unsigned i = 0; i < steps; i++) {
        buf_addf(&b, "%s{\"name\":\"s%u\",\"type\":\"value\",\"value\":", i > 0 ? "," : "", i);
        if (i > 0)
            buf_addf(&b, "\"{{steps.s%u.output}}{{prev}}\"}", i / 2);
        else
            buf_add_lit(&b, "1}");
    }
    buf_add_lit(&b, "]}");
    struct str text = arena_str(&tree_arena, buf_str(&b));
    buf_fini(&b);
    return text;
}

START_TEST(a_tree_may_have_ten_thousand_tasks)
{
    size_t before = tree_arena.bytes;
    struct task_spec *t = tree_check_str(row_of(9999));
    ck_assert_msg(t != NULL, "%s", findings_text(&tree_problem));
    ck_assert_uint_eq(t->child_count, 9999);
    ck_assert(str_eq(t->children[9998].path, STR("9998")));
    ck_assert_uint_eq(t->children[9998].value.parts[1].reference->step, 4999);
    ck_assert_uint_lt(tree_arena.bytes - before, 12000000);
    ck_assert_ptr_null(tree_check_str(row_of(10000)));
    ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /steps too_long");
}
END_TEST

START_TEST(the_list_that_passes_the_bound_is_named)
{
    static const struct tree_row rows[] = {
        {"{'type':'sequence','steps':[" V "," V "," V "]}", "ok"},
        {"{'type':'sequence','steps':[" V "," V "," V "," V "]}", "/steps too_long"},
        {"{'type':'sequence','steps':[{'type':'race','tasks':[" V "," V "]}," V "]}",
         "/steps/0/tasks too_long"},
        {"{'type':'sequence','steps':[" V "," V ",{'type':'shield','timeout_ms':1,'task':" V "}]}",
         "/steps/2/task too_long"},
        {"{'type':'sequence','steps':[" V "," V "," V "],'finally':" V "}", "/finally too_long"},
        {"{'type':'dag','steps':{'a':" V ",'b':" V ",'c':" V ",'d':" V "}}", "/steps too_long"},
        {"{'type':'map','over':[1,2,3,4,5],'task':" V "}", "ok"},
    };
    tree_limits.tree_nodes = 4;
    TREE_CHECK_ROWS(rows);
}
END_TEST

START_TEST(a_tree_has_so_many_references_and_no_more)
{
    struct buf b;
    buf_init(&b, 1 << 22);
    buf_add_lit(&b, "{\"type\":\"sequence\",\"steps\":[{\"type\":\"value\",\"value\":\"");
    for (int i = 0; i < TASK_REFERENCES_MAX; i++)
        buf_add_lit(&b, "{{input}}");
    buf_add_lit(&b, "\"},{\"type\":\"value\",\"value\":\"{{input}}\"}]}");
    struct str text = arena_str(&tree_arena, buf_str(&b));
    buf_fini(&b);
    ck_assert_ptr_null(tree_check_str(text));
    ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /steps/1/value too_long");
}
END_TEST

START_TEST(where_trees_are_not_served_there_are_calls_alone)
{
    tree_limits.allow_trees = false;
    for (int i = 1; i < TASK_TYPE_COUNT; i++) {
        char text[256];
        snprintf(text, sizeof text, "%s}", types[i]);
        ck_assert_ptr_null(tree_check(text));
        ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /type unknown_type");
    }
    static const struct tree_row rows[] = {
        {"{'type':'call','agent':'echo','input':'{{x}}'}", "ok"},
        {"{'type':'call','workflow':'flow'}", " exclusive, /workflow unknown_field"},
        {"{'type':'call','agent':'echo','on_error':'fail','finally':{}}",
         "/on_error unknown_field, /finally unknown_field"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

/* --- memory ----------------------------------------------------------------------------------- */

static enum err check_without_memory(void *arg)
{
    struct doc_path root = {.up = NULL};
    struct arena own;
    struct check c = {.problem = &tree_problem, .arena = &own};
    (void)arg;
    arena_init(&own, 1 << 24);
    problem_init(&tree_problem);
    struct task_spec *t = task_spec_check(&c, json_root(&tree_doc), &root, &tree_limits, &world);
    ck_assert_uint_eq(tree_problem.found, 0);
    ck_assert(t == NULL || !c.no_memory);
    arena_fini(&own);
    return c.no_memory ? ERR_NOMEM : t != NULL ? OK : ERR_INTERNAL;
}

START_TEST(without_memory_there_is_no_finding)
{
    struct str text = tree_text(
        "{'type':'sequence','steps':[{'name':'\\u0061','type':'dag','steps':{'\\u0062':" V
        ",'c':{'type':'value',"
        "'value':'{{steps.b.output.x | [1]}}','depends_on':['b']}}},{'type':'call','provider':'weather','request':"
        "{'path':'/{{prev}}','query':{'\\u0061':'{{prev}}'},'headers':{'A':'\\u0061'}}}],"
        "'finally':{'type':'sleep','duration_ms':1,'timeout_ms':1}}");
    ck_assert_int_eq(json_parse(&tree_doc, text, NULL), OK);
    ck_assert_uint_gt(oom_rounds(check_without_memory, NULL), 10);
}
END_TEST

/* --- at random -------------------------------------------------------------------------------- */

struct maker {
    struct rng rng;
    struct buf b;
    unsigned left; /* tasks */
};

static const char *any_of(struct maker *m, const char *const *texts, size_t count)
{
    return texts[rng_below(&m->rng, count)];
}
#define ANY(m, ...)                                                                                \
    any_of((m), (const char *const[]){__VA_ARGS__},                                                \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void add_text(struct maker *m, const char *text)
{
    buf_add_str(&m->b, str_of(text));
}

static void add_value(struct maker *m)
{
    add_text(m,
             ANY(m, "1", "null", "'{{prev}}'", "'{{steps.a.output}}'", "'{{steps.b.error.x | 1}}'",
                 "['{{item}}',{'k':'x{{index}}'}]", "'{{input.a[0]}}'", "'{{run.id}}'", "'{{'",
                 "{}", "'{{\\'{{\\'}}'", "'\\u007b{input}}'"));
}

static void add_task(struct maker *m, unsigned depth);

static void add_common(struct maker *m)
{
    if (property_chance(&m->rng, 0.4))
        add_text(m, ANY(m, ",'name':'a'", ",'name':'b'", ",'name':'c'", ",'name':5"));
    if (property_chance(&m->rng, 0.2))
        add_text(m, ANY(m, ",'retry':{}", ",'on_error':'continue'", ",'when':'all_done'",
                        ",'depends_on':['a']", ",'depends_on':['a','b','zz',3]", ",'x':1"));
    if (property_chance(&m->rng, 0.1) && m->left > 0) {
        m->left--;
        add_text(m, ",'finally':{'type':'value','timeout_ms':1,'value':");
        add_value(m);
        buf_add_char(&m->b, '}');
    }
    buf_add_char(&m->b, '}');
}

static void add_list(struct maker *m, unsigned depth)
{
    uint64_t n = rng_below(&m->rng, 4);
    buf_add_char(&m->b, '[');
    for (uint64_t i = 0; i < n && m->left > 0; i++) {
        json_add_comma(&m->b);
        add_task(m, depth + 1);
    }
    buf_add_char(&m->b, ']');
}

static void add_steps(struct maker *m, unsigned depth)
{
    static const char *const names[] = {"'a':", "'b':", "'c':", "'d~/':"};
    uint64_t n = rng_below(&m->rng, 5);
    buf_add_char(&m->b, '{');
    for (uint64_t i = 0; i < n && m->left > 0; i++) {
        json_add_comma(&m->b);
        add_text(m, names[i]);
        add_task(m, depth + 1);
    }
    buf_add_char(&m->b, '}');
}

static void add_leaf(struct maker *m)
{
    switch (rng_below(&m->rng, 5)) {
    case 0: add_text(m, "{'type':'sleep','duration_ms':1"); break;
    case 1: add_text(m, "{'type':'emit'"); break;
    case 2:
        add_text(m, "{'type':'call','agent':'echo','input':");
        add_value(m);
        break;
    default:
        add_text(m, "{'type':'value','value':");
        add_value(m);
        break;
    }
}

static void add_task(struct maker *m, unsigned depth)
{
    if (m->left > 0)
        m->left--;
    if (depth > 6 || m->left == 0 || property_chance(&m->rng, 0.3)) {
        add_leaf(m);
        buf_add_char(&m->b, '}');
        return;
    }
    switch (rng_below(&m->rng, 5)) {
    case 0:
        add_text(m, "{'type':'sequence','steps':");
        add_list(m, depth);
        break;
    case 1:
        add_text(m, ANY(m, "{'type':'parallel','tasks':", "{'type':'settle','tasks':",
                        "{'type':'race','tasks':", "{'type':'first_success','tasks':"));
        add_list(m, depth);
        break;
    case 2:
        add_text(m, "{'type':'dag','steps':");
        add_steps(m, depth);
        break;
    case 3:
        add_text(m, "{'type':'map','over':");
        add_value(m);
        add_text(m, ",'task':");
        add_task(m, depth + 1);
        break;
    default:
        add_text(m, ANY(m, "{'type':'circuit','circuit':'c','task':",
                        "{'type':'shield','timeout_ms':1,'task':"));
        add_task(m, depth + 1);
        break;
    }
    add_common(m);
}

/* The links of a tree hold together. Returns how many tasks there are. */
static uint32_t walk(const struct task_spec *t, uint64_t seed)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < t->child_count; i++) {
        const struct task_spec *child = &t->children[i];
        MUST(child->parent == t && child->index == i && child->depth == t->depth + 1);
        MUST(child->path.len > t->path.len && !child->is_finally);
        n += walk(child, seed);
    }
    if (t->finally != NULL) {
        MUST(t->finally->parent == t && t->finally->is_finally && t->finally->timeout_ms > 0);
        n += walk(t->finally, seed);
    }
    return n;
}

START_TEST(trees_made_at_random_are_fine_or_told_what_is_wrong)
{
    uint64_t seed = property_seed();
    struct maker m;
    int fine = 0;
    rng_seed(&m.rng, seed);
    for (int i = 0; i < 3000; i++) {
        struct arena keep = tree_arena;
        arena_init(&tree_arena, 1 << 22);
        buf_init(&m.b, 1 << 18);
        m.left = 1 + (unsigned)rng_below(&m.rng, 30);
        add_task(&m, 1);
        buf_add_char(&m.b, '\0');
        struct task_spec *t = tree_check(m.b.data);
        if (t != NULL)
            MUST(walk(t, seed) <= 10000);
        fine += t != NULL;
        buf_fini(&m.b);
        arena_fini(&tree_arena);
        tree_arena = keep;
    }
    ck_assert_int_gt(fine, 100);
    ck_assert_int_lt(fine, 2900);
}
END_TEST

Suite *suite_model_task_tree(void)
{
    TCase *t;
    Suite *s = tree_suite("model_task_tree", &t);
    tcase_set_timeout(t, PROPERTY_TIMEOUT_S);
    tcase_add_test(t, every_task_has_the_common_members);
    tcase_add_test(t, left_out_they_mean_nothing);
    tcase_add_test(t, common_members_are_checked_in_every_type);
    tcase_add_test(t, what_is_wrong_with_them_is_found_at_its_place);
    tcase_add_test(t, a_tree_has_its_places);
    tcase_add_test(t, tasks_are_nested_so_deep_and_no_deeper);
    tcase_add_test(t, as_deep_as_json_goes);
    tcase_add_test(t, a_tree_may_have_ten_thousand_tasks);
    tcase_add_test(t, the_list_that_passes_the_bound_is_named);
    tcase_add_test(t, a_tree_has_so_many_references_and_no_more);
    tcase_add_test(t, where_trees_are_not_served_there_are_calls_alone);
    tcase_add_test(t, without_memory_there_is_no_finding);
    tcase_add_test(t, trees_made_at_random_are_fine_or_told_what_is_wrong);
    return s;
}
