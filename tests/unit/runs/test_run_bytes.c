/* What a run's tree holds of memory: bounded by limits.run_bytes, and seen by admission. */
#include <check.h>
#include <stdio.h>

#include "runs/run.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_run_bytes(void);

static struct rig rig;
static struct created created;

#define BLOB_BYTES 20000
#define BLOB_TEXT  "%020000d"

static void start(uint64_t run_bytes)
{
    struct rig_options o = rig_options_default();
    o.limits.run_bytes = run_bytes;
    rig_start(&rig, &o);
}

static void finish(void)
{
    rig_forget(&created);
    rig_stop(&rig);
}

/* A run of that tree, with 20,000 digits as `input.blob` and ten numbers as `input.list`. */
static struct id run_tree(const char *tree)
{
    static char body[2 * BLOB_BYTES];
    int n = snprintf(body, sizeof body,
                     "{\"input\":{\"list\":[0,1,2,3,4,5,6,7,8,9],\"blob\":\"" BLOB_TEXT
                     "\"},\"task\":%s}",
                     0, tree);
    ck_assert_int_lt(n, (int)sizeof body);
    return rig_run(&rig, 0, body, WAITS, &created);
}

/* --- the bound -------------------------------------------------------------------------------- */

#define BLOB "{\"type\":\"value\",\"value\":\"{{input.blob}}\"}"
#define AFTER_A_SECOND                                                                             \
    "{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"12345678\",\"params\":{\"sim\":{"       \
    "\"first_ms\":1000}}}"

/* What stands before it leaves room for errors. */
#define RACE                                                                                       \
    "{\"type\":\"sequence\",\"steps\":[" BLOB ",{\"type\":\"race\",\"tasks\":[" AFTER_A_SECOND     \
    "]}]}"

/* What such a call holds while it is under way. */
static size_t bytes_before_its_end(void)
{
    start(1 << 20);
    struct id id = run_tree(RACE);
    size_t bytes = rig_live(&rig, &id)->tree.bytes;
    rig_advance(&rig, 2000);
    finish();
    return bytes;
}

static bool succeeds(uint64_t run_bytes)
{
    start(run_bytes);
    struct id id = run_tree(RACE);
    rig_advance(&rig, 2000);
    const struct run_record *row = rig_row(&rig, &id);
    bool has_succeeded = row->state == RUN_SUCCEEDED;
    if (!has_succeeded) {
        ck_assert(rig_text_has(row->error, "\"code\":\"limit_exceeded\""));
        ck_assert(rig_text_has(row->error, "limits.run_bytes"));
    }
    finish();
    return has_succeeded;
}

/* The call's output, the race's, which is the same, and the sequence's, which has both steps'. */
START_TEST(an_output_may_reach_the_bound_and_not_pass_it)
{
    static const size_t output = sizeof "\"12345678\"" - 1;
    static const size_t list = sizeof "[\"\",]" - 1 + BLOB_BYTES + output;
    size_t before = bytes_before_its_end();
    ck_assert(succeeds(before + 2 * output + list));
    ck_assert(!succeeds(before + 2 * output + list - 1));
    ck_assert(!succeeds(before + output));
    ck_assert(!succeeds(before + output - 1));
}
END_TEST

START_TEST(a_map_over_a_large_value_took_any_amount_of_memory)
{
    enum { RUN_BYTES = 5 * BLOB_BYTES };
    start(RUN_BYTES);
    struct id id = run_tree("{\"type\":\"sequence\",\"steps\":[{\"type\":\"map\",\"over\":"
                            "\"{{input.list}}\",\"errors\":\"collect\",\"on_error\":\"continue\","
                            "\"task\":" BLOB "},{\"type\":\"sleep\",\"duration_ms\":1000}]}");
    const struct run *run = rig_live(&rig, &id);
    ck_assert_uint_gt(run->tree.bytes, 3 * BLOB_BYTES);
    ck_assert_uint_le(run->tree.bytes, RUN_BYTES + RUN_BYTES / 2);
    const struct group *elements = &run->root.group.at[0]->group;
    ck_assert_int_eq(elements->at[0]->state, TASK_SUCCEEDED);
    ck_assert_int_eq(elements->at[9]->state, TASK_FAILED);
    ck_assert_int_eq(elements->at[9]->code, ERR_LIMIT_EXCEEDED);
    ck_assert_int_eq(run->root.group.at[0]->code, ERR_ERROR_GROUP);
    rig_advance(&rig, 2000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    finish();
}
END_TEST

START_TEST(the_list_of_a_map_counts)
{
    start(3 * BLOB_BYTES);
    struct id id = run_tree("{\"type\":\"map\",\"over\":[\"{{input.blob}}\",\"{{input.blob}}\","
                            "\"{{input.blob}}\"],\"task\":{\"type\":\"value\",\"value\":1}}");
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_FAILED);
    ck_assert(rig_text_has(rig_row(&rig, &id)->error, "limits.run_bytes"));
    finish();
}
END_TEST

/* Each level of such a group holds what failed below it once more. */
START_TEST(an_error_that_is_too_large_is_told_without_what_is_below)
{
    start(1); /* not as much as the tasks themselves: nothing fits */
    struct id id = run_tree("{\"type\":\"parallel\",\"errors\":\"collect\",\"tasks\":[" BLOB "]}");
    const struct run_record *row = rig_row(&rig, &id);
    ck_assert_int_eq(row->state, RUN_FAILED);
    ck_assert(rig_text_has(row->error, "\"code\":\"error_group\""));
    ck_assert(rig_text_has(row->error, "limits.run_bytes"));
    ck_assert(rig_text_has(row->error, "\"errors\":[]"));
    finish();
}
END_TEST

START_TEST(a_run_that_comes_back_keeps_what_it_has)
{
    struct rig_options o = rig_options_default();
    start(4 * BLOB_BYTES);
    struct id id = run_tree("{\"type\":\"sequence\",\"steps\":[" BLOB "," BLOB "," AFTER_A_SECOND
                            "," BLOB "]}");
    rig_advance(&rig, 100);
    rig.options.limits.run_bytes = BLOB_BYTES; /* lowered: it is not to fail for what it has */
    rig_crash(&rig);
    rig_advance(&rig, 300);
    const struct run *run = rig_live(&rig, &id);
    ck_assert_ptr_nonnull(run);
    ck_assert_uint_gt(run->tree.bytes, 2 * BLOB_BYTES);
    ck_assert_uint_gt(engine_memory(rig.engine), 2 * BLOB_BYTES);
    rig_take_over(&rig, &o);
    rig_advance(&rig, 3000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    finish();
}
END_TEST

/* --- the account ------------------------------------------------------------------------------ */

START_TEST(what_a_run_holds_was_not_seen_before_it_was_stored)
{
    start(1 << 20);
    struct id id = run_tree("{\"type\":\"sequence\",\"steps\":[{\"type\":\"sleep\",\"duration_ms\":"
                            "100}," BLOB ",{\"type\":\"sleep\",\"duration_ms\":5000}]}");
    uint64_t before = engine_memory(rig.engine);
    store_fake_hold(rig.fake);
    rig_advance(&rig, 100);
    ck_assert_uint_gt(engine_memory(rig.engine), before + BLOB_BYTES);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 10000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    ck_assert_uint_eq(engine_memory(rig.engine), 0);
    finish();
}
END_TEST

START_TEST(the_list_of_a_map_was_held_until_the_end_of_its_run)
{
    start(1 << 20);
    struct id id = run_tree("{\"type\":\"sequence\",\"steps\":[{\"type\":\"map\",\"over\":["
                            "\"{{input.blob}}\"],\"task\":{\"type\":\"value\",\"value\":1}},"
                            "{\"type\":\"sleep\",\"duration_ms\":500}]}");
    ck_assert_uint_lt(rig_live(&rig, &id)->tree.bytes, BLOB_BYTES);
    ck_assert_ptr_null(rig_live(&rig, &id)->root.group.at[0]->items.text);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    finish();
}
END_TEST

Suite *suite_runs_run_bytes(void)
{
    Suite *s = suite_create("runs/run_bytes");
    TCase *t = tcase_create("run_bytes");
    tcase_add_test(t, an_output_may_reach_the_bound_and_not_pass_it);
    tcase_add_test(t, a_map_over_a_large_value_took_any_amount_of_memory);
    tcase_add_test(t, the_list_of_a_map_counts);
    tcase_add_test(t, an_error_that_is_too_large_is_told_without_what_is_below);
    tcase_add_test(t, a_run_that_comes_back_keeps_what_it_has);
    tcase_add_test(t, what_a_run_holds_was_not_seen_before_it_was_stored);
    tcase_add_test(t, the_list_of_a_map_was_held_until_the_end_of_its_run);
    suite_add_tcase(s, t);
    return s;
}
