/* Workflows: what a document may say, what is told of one, and cycles of them (API §5). */
#include "model/workflow.h"

#include "tests/unit/base/oom.h"
#include "tests/unit/model/tree.h"

Suite *suite_model_workflow(void);

static struct name_lookup names;
static bool takes_back;

/* The document and all that was borrowed from it is gone when this returns. */
static enum err make(const char *text, struct str name, struct workflow **ret)
{
    char *copy = mem_strdup(str_of(text));
    if (copy == NULL)
        return ERR_NOMEM;
    struct json_doc doc;
    struct arena arena;
    struct check c = {.problem = &tree_problem, .arena = &arena, .takes_back = takes_back};
    struct doc_path root = {.up = NULL};
    json_doc_init(&doc);
    arena_init(&arena, 1 << 24);
    problem_init(&tree_problem);
    enum err e = json_parse(&doc, str_of(copy), NULL);
    if (e == OK)
        e = workflow_create(&c, json_root(&doc), &root, name, &tree_limits, &names, ret);
    arena_fini(&arena);
    json_doc_fini(&doc);
    memset(copy, '#', strlen(copy));
    mem_free(copy);
    return e;
}

static struct workflow *workflow_of(const char *quoted, struct str name)
{
    struct workflow *w = NULL;
    enum err e = make(tree_text(quoted).at, name, &w);
    ck_assert_msg(e == OK, "%s", findings_text(&tree_problem));
    return w;
}

static void set_up(void)
{
    tree_set_up();
    names = world;
}

#define CALL(name) "{'type':'call','workflow':'" name "'}"
#define FULL                                                                                                               \
    "{'name':'flow2','description':'d \\u00e4','task': {'type':'sequence', 'steps':[ {'type':'value','value':1.00}," CALL( \
        "flow") ",{'type':'value','value':'{{prev.a}}','finally':{'type':'call','timeout_ms':1,'workflow':'flow'}}]}}"

START_TEST(a_document_is_told_as_it_was_given)
{
    struct workflow *w = workflow_of(FULL, STR("flow2"));
    struct buf b;
    buf_init(&b, 4096);
    w->version = 7;
    w->from_config = true;
    workflow_write(&b, w);
    struct str want = tree_text(
        "{'name':'flow2','description':'d \xC3\xA4','task':{'type':'sequence','steps':[{'type':'value','value':1.00}," CALL(
            "flow") ",{'type':'value','value':'{{prev.a}}','finally':{'type':'call','timeout_ms':1,'workflow':"
                    "'flow'}}]},'version':7,'source':'config'}");
    ck_assert_msg(str_eq(buf_str(&b), want), "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
    workflow_unref(w);
}
END_TEST

START_TEST(what_was_told_may_come_back)
{
    struct workflow *w = workflow_of(FULL, STR("flow2")), *again;
    struct buf b;
    buf_init(&b, 4096);
    workflow_write(&b, w);
    buf_add_char(&b, '\0');
    ck_assert_int_eq(make(b.data, STR("flow2"), &again), ERR_INVALID_REQUEST);
    ck_assert_str_eq(findings_text(&tree_problem),
                     "invalid_request: /version unknown_field, /source unknown_field");
    takes_back = true;
    ck_assert_int_eq(make(b.data, STR("flow2"), &again), OK);
    ck_assert(str_eq(again->text, w->text));
    ck_assert_int_eq(
        make("{\"task\":{\"type\":\"value\",\"value\":1,\"version\":2}}", STR("w"), &again),
        ERR_INVALID_REQUEST); /* a task has none */
    takes_back = false;
    buf_fini(&b);
    workflow_unref(w);
    workflow_unref(again);
}
END_TEST

START_TEST(it_owns_its_tree_and_knows_what_it_calls)
{
    struct workflow *w = workflow_of(FULL, STR_NONE);
    ck_assert(str_eq(w->name, STR("flow2")));
    ck_assert_uint_eq(w->call_count, 1);
    ck_assert(str_eq(w->calls[0], STR("flow")));
    ck_assert_uint_eq(w->task->child_count, 3);
    ck_assert(str_eq(w->task->children[0].value.source, STR("1.00")));
    ck_assert(str_eq(w->task->children[1].workflow, STR("flow")));
    ck_assert(str_eq(w->task->children[2].value.parts[0].reference->path, STR(".a")));
    ck_assert_ptr_eq(workflow_ref(w), w);
    workflow_unref(w);
    ck_assert_int_eq(w->version, 1);
    ck_assert_ptr_null(workflow_unref(w));
    ck_assert_ptr_null(workflow_unref(NULL));
    w = workflow_of("{'task':" V "}", STR("x"));
    ck_assert_uint_eq(w->call_count, 0);
    workflow_unref(w);
}
END_TEST

START_TEST(everything_wrong_is_found)
{
    static const struct {
        const char *json, *findings;
    } rows[] = {
        {"[]", "invalid_request:  wrong_type"},
        {"{}", "invalid_request: /task missing"},
        {"{'name':'other','version':1,'task':" V "}",
         "invalid_request: /name exclusive, /version unknown_field"},
        {"{'description':7,'task':[]}",
         "invalid_request: /description wrong_type, /task wrong_type"},
        {"{'task':{'type':'sequence','steps':[{'type':'x'}]},'name':''}",
         "invalid_request: /task/steps/0/type unknown_type, /name out_of_range"},
        {"{'task':" CALL("none") "}", "unknown_workflow: /task/workflow unknown_name"},
        {"{'task':{'type':'value','value':'{{prev}}'}}",
         "invalid_request: /task/value bad_reference"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct workflow *w = NULL;
        enum err e = make(tree_text(rows[i].json).at, STR("mine"), &w);
        ck_assert_str_eq(findings_text(&tree_problem), rows[i].findings);
        ck_assert_int_eq(e, tree_problem.code);
        ck_assert_ptr_null(w);
    }
}
END_TEST

START_TEST(without_a_name_anywhere_it_is_missing)
{
    struct workflow *w = NULL;
    ck_assert_int_eq(make(tree_text("{'task':" V "}").at, STR_NONE, &w), ERR_INVALID_REQUEST);
    ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /name missing");
}
END_TEST

/* --- cycles ----------------------------------------------------------------------------------- */

/* a -> b -> c -> d, b -> d, and e, which calls nobody. */
struct shelf {
    struct workflow all[5];
    unsigned asked;
};

static struct str calls_of_a[] = {{"b", 1}}, calls_of_b[] = {{"c", 1}, {"d", 1}},
                  calls_of_c[] = {{"d", 1}, {"gone", 4}};

static void fill(struct shelf *s)
{
    *s = (struct shelf){.all = {{.name = STR("a"), .calls = calls_of_a, .call_count = 1},
                                {.name = STR("b"), .calls = calls_of_b, .call_count = 2},
                                {.name = STR("c"), .calls = calls_of_c, .call_count = 2},
                                {.name = STR("d")},
                                {.name = STR("e")}}};
}

static const struct workflow *find(void *ctx, struct str name)
{
    struct shelf *s = ctx;
    s->asked++;
    for (size_t i = 0; i < 5; i++) {
        if (str_eq(s->all[i].name, name))
            return &s->all[i];
    }
    return NULL;
}

START_TEST(who_leads_to_whom)
{
    static const struct {
        const char *from, *to;
        bool want;
    } rows[] = {{"a", "b", true},  {"a", "d", true},  {"b", "a", false}, {"c", "gone", true},
                {"d", "a", false}, {"e", "a", false}, {"a", "e", false}, {"none", "a", false}};
    struct shelf s;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool leads;
        fill(&s);
        ck_assert_int_eq(
            workflow_leads_to(str_of(rows[i].from), str_of(rows[i].to), find, &s, &leads), OK);
        ck_assert_msg(leads == rows[i].want, "%s -> %s", rows[i].from, rows[i].to);
        ck_assert_uint_le(s.asked, 5); /* each is looked at once */
    }
}
END_TEST

static bool leads_to(void *ctx, struct str workflow, struct str target)
{
    bool leads = false;
    ck_assert_int_eq(workflow_leads_to(workflow, target, find, ctx, &leads), OK);
    return leads;
}

static bool exists(void *ctx, struct str name)
{
    return find(ctx, name) != NULL;
}

START_TEST(a_cycle_of_workflows_is_refused_at_the_call)
{
    static const struct {
        const char *name, *json, *findings;
    } rows[] = {
        {"x", "{'task':" CALL("a") "}", "ok"},
        {"x", "{'task':" CALL("x") "}", "invalid_request: /task/workflow cycle"},
        {"c", "{'task':" CALL("a") "}", "invalid_request: /task/workflow cycle"},
        {"gone", "{'task':{'type':'sequence','steps':[" CALL("d") "," CALL("b") "]}}",
         "invalid_request: /task/steps/1/workflow cycle"},
        {"e", "{'task':" CALL("a") "}", "ok"},
        {NULL, "{'task':" CALL("a") ",'name':'d'}", "invalid_request: /task/workflow cycle"},
    };
    struct shelf s;
    fill(&s);
    names.ctx = &s;
    names.workflow = exists;
    names.leads_to = leads_to;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct workflow *w = NULL;
        (void)make(tree_text(rows[i].json).at, str_of(rows[i].name), &w); /* told by the findings */
        ck_assert_str_eq(findings_text(&tree_problem), rows[i].findings);
        workflow_unref(w);
    }
}
END_TEST

static enum err make_full(void *arg)
{
    struct workflow *w = NULL;
    enum err e = make(arg, STR("flow2"), &w);
    ck_assert_uint_eq(tree_problem.found, 0);
    workflow_unref(w);
    return e;
}

START_TEST(without_memory_there_is_none)
{
    char *text = mem_strdup(tree_text(FULL));
    ck_assert_uint_gt(oom_rounds(make_full, text), 5);
    mem_free(text);
}
END_TEST

Suite *suite_model_workflow(void)
{
    Suite *s = suite_create("model_workflow");
    TCase *t = tcase_create("workflow");
    tcase_add_checked_fixture(t, set_up, tree_tear_down);
    tcase_add_test(t, a_document_is_told_as_it_was_given);
    tcase_add_test(t, what_was_told_may_come_back);
    tcase_add_test(t, it_owns_its_tree_and_knows_what_it_calls);
    tcase_add_test(t, everything_wrong_is_found);
    tcase_add_test(t, without_a_name_anywhere_it_is_missing);
    tcase_add_test(t, who_leads_to_whom);
    tcase_add_test(t, a_cycle_of_workflows_is_refused_at_the_call);
    tcase_add_test(t, without_memory_there_is_none);
    suite_add_tcase(s, t);
    return s;
}
