/* What store/store.h promises of agents and workflows. */
#include "tests/support/store_calls.h"
#include "tests/support/store_contract_internal.h"

/* --- in short --------------------------------------------------------------------------------- */

static enum store_result define(enum definition_kind kind, const char *name, const char *text,
                                int64_t replaces, int64_t *ret_version)
{
    struct store_define d = {.op.kind = STORE_DEFINE,
                             .is = {.kind = kind,
                                    .name = str_of(name),
                                    .description = STR("d"),
                                    .text = text != NULL ? str_of(text) : STR_NONE},
                             .replaces = replaces};
    enum store_result result = calls_do(contract_store(), contract_loop(), &d.op);
    if (ret_version != NULL)
        *ret_version = d.is.version;
    return result;
}

static int64_t put(enum definition_kind kind, const char *name, const char *text, int64_t replaces)
{
    int64_t version = 0;
    ck_assert_int_eq(define(kind, name, text, replaces, &version), STORE_OK);
    return version;
}

static void drop(enum definition_kind kind, const char *name, int64_t replaces)
{
    ck_assert_int_eq(define(kind, name, NULL, replaces, NULL), STORE_OK);
}

/* "agent NAME VERSION TEXT; .." of all that is made by the API. */
static const char *all(void)
{
    static char text[4096];
    struct buf b;
    struct store_definitions d = {.op.kind = STORE_DEFINITIONS};
    arena_init(&d.arena, 1 << 20);
    buf_init(&b, sizeof text - 1);
    ck_assert_int_eq(calls_do(contract_store(), contract_loop(), &d.op), STORE_OK);
    for (uint32_t i = 0; i < d.count; i++)
        buf_addf(&b, "%s %.*s %lld %.*s; ",
                 d.definitions[i].kind == DEFINITION_AGENT ? "agent" : "workflow",
                 STR_ARG(d.definitions[i].name), (long long)d.definitions[i].version,
                 STR_ARG(d.definitions[i].text));
    str_copy(text, sizeof text, buf_str(&b));
    buf_fini(&b);
    arena_fini(&d.arena);
    return text;
}

/* Seeds the workflow "w" (text NULL: no longer); its version. */
static int64_t seed(const char *text)
{
    struct store_definition w = {.kind = DEFINITION_WORKFLOW,
                                 .name = STR("w"),
                                 .description = STR("d"),
                                 .text = text != NULL ? str_of(text) : STR_NONE};
    struct store_seed s = {.op.kind = STORE_SEED, .seeds = &w, .count = text != NULL};
    ck_assert_int_eq(calls_do(contract_store(), contract_loop(), &s.op), STORE_OK);
    return w.version;
}

static struct run_record run_of(uint64_t n, int64_t version, const char *definition)
{
    struct run_record run = calls_run(n);
    run.agent = STR_NONE;
    run.workflow = STR("w");
    run.workflow_version = version;
    run.definition = definition != NULL ? str_of(definition) : STR_NONE;
    return run;
}

static void accept_run(const struct run_record *run)
{
    calls_accept_released(contract_store(), contract_loop(), run);
}

/* What a read tells of the run's definition; "" where it tells none. */
static const char *definition_of(const struct run_record *run)
{
    static char text[256];
    struct store_get g;
    ck_assert_int_eq(calls_get(contract_store(), contract_loop(), run, &g), STORE_OK);
    str_copy(text, sizeof text, g.run.definition.at != NULL ? g.run.definition : STR(""));
    arena_fini(&g.arena);
    return text;
}

/* --- what is made by the API ------------------------------------------------------------------ */

START_TEST(a_definition_is_kept_and_read_back_by_kind_and_name)
{
    ck_assert_int_eq(put(DEFINITION_WORKFLOW, "b", "{}", 0), 1);
    ck_assert_int_eq(put(DEFINITION_AGENT, "b", "[1]", 0), 1);
    ck_assert_int_eq(put(DEFINITION_AGENT, "a", "[2]", 0), 1);
    ck_assert_str_eq(all(), "agent a 1 [2]; agent b 1 [1]; workflow b 1 {}; ");
    contract_reopen();
    ck_assert_str_eq(all(), "agent a 1 [2]; agent b 1 [1]; workflow b 1 {}; ");
}
END_TEST

START_TEST(a_definition_replaces_the_version_that_it_names_and_no_other)
{
    ck_assert_int_eq(put(DEFINITION_AGENT, "a", "[1]", 0), 1);
    ck_assert_int_eq(define(DEFINITION_AGENT, "a", "[2]", 0, NULL), STORE_CONFLICT);
    ck_assert_int_eq(define(DEFINITION_AGENT, "a", "[2]", 7, NULL), STORE_CONFLICT);
    ck_assert_int_eq(put(DEFINITION_AGENT, "a", "[2]", 1), 2);
    ck_assert_int_eq(define(DEFINITION_AGENT, "a", NULL, 1, NULL), STORE_CONFLICT);
    ck_assert_str_eq(all(), "agent a 2 [2]; ");
    drop(DEFINITION_AGENT, "a", 2);
    ck_assert_int_eq(define(DEFINITION_AGENT, "a", NULL, 2, NULL), STORE_CONFLICT);
    ck_assert_str_eq(all(), "");
}
END_TEST

START_TEST(versions_of_a_definition_go_on_after_its_removal_and_a_restart)
{
    put(DEFINITION_AGENT, "a", "[1]", 0);
    put(DEFINITION_AGENT, "a", "[2]", 1);
    drop(DEFINITION_AGENT, "a", 2);
    ck_assert_int_eq(put(DEFINITION_AGENT, "a", "[3]", 0), 3);
    drop(DEFINITION_AGENT, "a", 3);
    contract_reopen();
    ck_assert_int_eq(put(DEFINITION_AGENT, "a", "[4]", 0), 4);
    ck_assert_int_eq(put(DEFINITION_WORKFLOW, "a", "{}", 0), 1);
}
END_TEST

/* --- what the configuration says -------------------------------------------------------------- */

START_TEST(a_seed_keeps_its_version_as_long_as_it_says_the_same)
{
    ck_assert_int_eq(seed("[1]"), 1);
    ck_assert_int_eq(seed("[1]"), 1);
    contract_reopen();
    ck_assert_int_eq(seed("[1]"), 1);
    ck_assert_int_eq(seed("[2]"), 2);
    ck_assert_int_eq(seed("[1]"), 3);
    seed(NULL);
    ck_assert_int_eq(seed("[1]"), 4);
    ck_assert_str_eq(all(), "");
}
END_TEST

START_TEST(a_seed_stands_beside_what_the_api_made_and_shares_its_versions)
{
    ck_assert_int_eq(put(DEFINITION_WORKFLOW, "w", "[1]", 0), 1);
    ck_assert_int_eq(seed("[2]"), 2);
    ck_assert_str_eq(all(), "workflow w 1 [1]; ");
    seed(NULL);
    ck_assert_str_eq(all(), "workflow w 1 [1]; ");
    ck_assert_int_eq(put(DEFINITION_WORKFLOW, "w", "[3]", 1), 3);
}
END_TEST

/* --- runs of a version ------------------------------------------------------------------------ */

START_TEST(a_run_tells_the_task_of_its_version_whatever_replaced_it)
{
    put(DEFINITION_WORKFLOW, "w", "[1]", 0);
    struct run_record first = run_of(1, 1, NULL), second = run_of(2, 2, NULL);
    accept_run(&first);
    put(DEFINITION_WORKFLOW, "w", "[2]", 1);
    accept_run(&second);
    drop(DEFINITION_WORKFLOW, "w", 2);
    put(DEFINITION_WORKFLOW, "w", "[3]", 0);
    ck_assert_str_eq(definition_of(&first), "[1]");
    ck_assert_str_eq(definition_of(&second), "[2]");
    contract_reopen();
    ck_assert_str_eq(definition_of(&first), "[1]");
}
END_TEST

START_TEST(a_run_of_a_seed_tells_the_task_of_its_version_after_the_seed_has_changed)
{
    seed("[1]");
    struct run_record run = run_of(1, 1, NULL);
    accept_run(&run);
    contract_reopen();
    seed("[2]");
    seed(NULL);
    ck_assert_str_eq(definition_of(&run), "[1]");
}
END_TEST

START_TEST(tasks_and_claims_tell_the_definition_too)
{
    put(DEFINITION_WORKFLOW, "w", "[1]", 0);
    struct run_record run = run_of(1, 1, NULL), other = calls_run(2);
    accept_run(&run);
    accept_run(&other);
    struct store_tasks t = {.op.kind = STORE_TASKS, .tenant = run.tenant, .id = run.id};
    arena_init(&t.arena, 1 << 20);
    ck_assert_int_eq(calls_do(contract_store(), contract_loop(), &t.op), STORE_OK);
    ck_assert(str_eq(t.run.definition, STR("[1]")));
    arena_fini(&t.arena);
    struct store_claim c;
    ck_assert_int_eq(calls_claim(contract_store(), contract_loop(), "sim", 2, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 2);
    for (uint32_t i = 0; i < c.count; i++) {
        bool is_of_workflow = c.runs[i].run.workflow.at != NULL;
        ck_assert(is_of_workflow ? str_eq(c.runs[i].run.definition, STR("[1]"))
                                 : c.runs[i].run.definition.at == NULL);
    }
    arena_fini(&c.arena);
    ck_assert_str_eq(definition_of(&other), "");
}
END_TEST

START_TEST(a_run_brings_the_version_that_went_before_it_was_stored)
{
    put(DEFINITION_WORKFLOW, "w", "[1]", 0);
    put(DEFINITION_WORKFLOW, "w", "[2]", 1); /* nobody needs the first any more */
    struct run_record late = run_of(1, 1, "[1]"), last = run_of(2, 2, "[2]");
    accept_run(&late);
    ck_assert_str_eq(definition_of(&late), "[1]");
    drop(DEFINITION_WORKFLOW, "w", 2); /* only its number is left */
    accept_run(&last);
    ck_assert_str_eq(definition_of(&last), "[2]");
    ck_assert_int_eq(put(DEFINITION_WORKFLOW, "w", "[3]", 0), 3);
}
END_TEST

START_TEST(a_run_does_not_change_the_version_that_is_there)
{
    put(DEFINITION_WORKFLOW, "w", "[1]", 0);
    struct run_record run = run_of(1, 1, "[7]");
    accept_run(&run);
    ck_assert_str_eq(definition_of(&run), "[1]");
}
END_TEST

/* --- faults ----------------------------------------------------------------------------------- */

START_TEST(a_definition_of_unknown_outcome_is_there_or_not_and_can_be_sent_again)
{
    put(DEFINITION_AGENT, "a", "[1]", 0);
    contract_reopen();
    contract_fail_commit(_i == 1);
    ck_assert_int_eq(define(DEFINITION_AGENT, "a", "[2]", 1, NULL), STORE_UNKNOWN);
    contract_heal();
    const char *found = all();
    bool was_done = strcmp(found, "agent a 2 [2]; ") == 0;
    ck_assert_msg(was_done || strcmp(found, "agent a 1 [1]; ") == 0, "%s", found);
    ck_assert_int_eq(put(DEFINITION_AGENT, "a", "[3]", was_done ? 2 : 1), was_done ? 3 : 2);
}
END_TEST

START_TEST(seeds_of_unknown_outcome_are_sent_again)
{
    contract_fail_commit(_i == 1);
    struct store_definition w = {
        .kind = DEFINITION_WORKFLOW, .name = STR("w"), .description = STR("d"), .text = STR("[1]")};
    struct store_seed s = {.op.kind = STORE_SEED, .seeds = &w, .count = 1};
    ck_assert_int_eq(calls_do(contract_store(), contract_loop(), &s.op), STORE_UNKNOWN);
    contract_heal();
    ck_assert_int_eq(seed("[1]"), 1);
    ck_assert_int_eq(seed("[1]"), 1);
}
END_TEST

void contract_add_define(TCase *t)
{
    tcase_add_test(t, a_definition_is_kept_and_read_back_by_kind_and_name);
    tcase_add_test(t, a_definition_replaces_the_version_that_it_names_and_no_other);
    tcase_add_test(t, versions_of_a_definition_go_on_after_its_removal_and_a_restart);
    tcase_add_test(t, a_seed_keeps_its_version_as_long_as_it_says_the_same);
    tcase_add_test(t, a_seed_stands_beside_what_the_api_made_and_shares_its_versions);
    tcase_add_test(t, a_run_tells_the_task_of_its_version_whatever_replaced_it);
    tcase_add_test(t, a_run_of_a_seed_tells_the_task_of_its_version_after_the_seed_has_changed);
    tcase_add_test(t, tasks_and_claims_tell_the_definition_too);
    tcase_add_test(t, a_run_brings_the_version_that_went_before_it_was_stored);
    tcase_add_test(t, a_run_does_not_change_the_version_that_is_there);
    tcase_add_loop_test(t, a_definition_of_unknown_outcome_is_there_or_not_and_can_be_sent_again, 0,
                        2);
    tcase_add_loop_test(t, seeds_of_unknown_outcome_are_sent_again, 0, 2);
}
