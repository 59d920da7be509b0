/* The error of a task whose failure is that of tasks below it (API §2, §4). */
#include "model/failure_group.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "tests/unit/base/oom.h"

Suite *suite_model_failure_group(void);

/* As failure_write writes them. */
#define ENTRY(code, task)                                                                          \
    "{\"code\":\"" code "\",\"message\":\"m\",\"retryable\":true,\"task\":\"" task                 \
    "\",\"provider\":null,\"attempts\":2"
#define LEAF(code, task) ENTRY(code, task) ",\"errors\":[]}"

static enum err write(struct buf *b, const struct failure_group *g)
{
    struct json_doc scratch;
    json_doc_init(&scratch);
    enum err e = failure_group_write(b, g, &scratch);
    json_doc_fini(&scratch);
    return e;
}

static void assert_written(const struct failure_group *g, const char *want)
{
    struct buf b;
    buf_init(&b, 65536);
    ck_assert_int_eq(write(&b, g), OK);
    ck_assert_msg(str_eq(buf_str(&b), str_of(want)), "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
    ck_assert_int_eq(mem_live(), 0);
}

static const struct str leaves[] = {
    {LEAF("provider_error", "0"), sizeof LEAF("provider_error", "0") - 1},
    {LEAF("cancelled", "2/1"), sizeof LEAF("cancelled", "2/1") - 1},
};

START_TEST(a_cause_stands_with_the_group_below_it)
{
    assert_written(&(struct failure_group){.errors = leaves, .count = 2, .cause = 1},
                   ENTRY("cancelled", "2/1") ",\"errors\":[" ENTRY(
                       "provider_error", "0") "}," ENTRY("cancelled", "2/1") "}]}");
    assert_written(
        &(struct failure_group){
            .errors = leaves, .count = 1, .cause = 0, .partial = STR("[1,null]")},
        ENTRY("provider_error", "0") ",\"errors\":[" ENTRY("provider_error",
                                                           "0") "}],\"partial\":[1,null]}");
}
END_TEST

START_TEST(all_together_are_an_error_group)
{
    assert_written(
        &(struct failure_group){
            .errors = leaves, .count = 2, .cause = FAILURE_GROUP_ALL, .task = STR("3")},
        "{\"code\":\"error_group\",\"message\":\"2 tasks failed\",\"retryable\":false,\"task\":\"3\",\"provider\":null,"
        "\"attempts\":0,\"errors\":[" ENTRY("provider_error", "0") "}," ENTRY("cancelled",
                                                                              "2/1") "}]}");
    assert_written(
        &(struct failure_group){
            .errors = leaves, .count = 1, .cause = FAILURE_GROUP_ALL, .task = STR("")},
        "{\"code\":\"error_group\",\"message\":\"1 task failed\",\"retryable\":false,\"task\":\"\",\"provider\":null,"
        "\"attempts\":0,\"errors\":[" ENTRY("provider_error", "0") "}]}");
}
END_TEST

START_TEST(groups_are_flattened_and_a_cause_keeps_no_old_partial)
{
#define INNER                                                                                      \
    ENTRY("invalid_output", "1/0")                                                                 \
    ",\"errors\":[" ENTRY("invalid_output", "1/0") "}," ENTRY("crashed",                           \
                                                              "1/1") "}],\"partial\":[5]}"
    static const struct str errors[] = {
        {INNER, sizeof INNER - 1},
        {LEAF("task_timeout", "2"), sizeof LEAF("task_timeout", "2") - 1}};
    static const char group[] = "\"errors\":[" ENTRY("invalid_output", "1/0") "}," ENTRY(
        "crashed", "1/1") "}," ENTRY("task_timeout", "2") "}]";
    char want[1024];
    snprintf(want, sizeof want, "%s,%s}", ENTRY("invalid_output", "1/0"), group);
    assert_written(&(struct failure_group){.errors = errors, .count = 2, .cause = 0}, want);
    snprintf(
        want, sizeof want,
        "{\"code\":\"error_group\",\"message\":\"3 tasks failed\",\"retryable\":false,\"task\":\"\","
        "\"provider\":null,\"attempts\":0,%s}",
        group);
    assert_written(
        &(struct failure_group){
            .errors = errors, .count = 2, .cause = FAILURE_GROUP_ALL, .task = STR("")},
        want);
}
END_TEST

START_TEST(what_a_store_has_damaged_is_told)
{
    static const struct str bad[] = {{"{", 1}}, list[] = {{"[]", 2}}, empty[] = {{"{}", 2}};
    struct buf b;
    buf_init(&b, 4096);
    ck_assert_int_eq(write(&b, &(struct failure_group){.errors = bad, .count = 1}),
                     ERR_INVALID_JSON);
    ck_assert_int_eq(write(&b, &(struct failure_group){.errors = list, .count = 1}),
                     ERR_INVALID_JSON);
    buf_clear(&b);
    ck_assert_int_eq(write(&b, &(struct failure_group){.errors = empty, .count = 1}), OK);
    ck_assert(str_eq(buf_str(&b), STR("{\"errors\":[{}]}")));
    buf_fini(&b);
}
END_TEST

START_TEST(what_does_not_fit_is_told)
{
    for (size_t max = 0; max < 300; max++) {
        struct buf b;
        buf_init(&b, max);
        enum err e = write(&b, &(struct failure_group){.errors = leaves, .count = 2, .cause = 0});
        ck_assert_msg(e == OK || e == ERR_LIMIT, "%zu: %d", max, (int)e);
        buf_fini(&b);
    }
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

/* JSON of so many arrays within each other, or of one array with so many elements. From malloc. */
static struct str nested(unsigned depth)
{
    char *text = malloc(2 * (size_t)depth);
    ck_assert_ptr_nonnull(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return (struct str){text, 2 * (size_t)depth};
}

static struct str list_of(unsigned elements)
{
    char *text = malloc(2 * (size_t)elements + 1);
    ck_assert_ptr_nonnull(text);
    for (unsigned i = 0; i < elements; i++)
        memcpy(text + 2 * (size_t)i, ",0", 2);
    text[0] = '[';
    text[2 * (size_t)elements] = ']';
    return (struct str){text, 2 * (size_t)elements + 1};
}

/* Takes `partial` over. Is it in the error of one leaf? */
static bool is_told(struct str partial)
{
    union { /* owned text is only viewed as const */
        const char *view;
        char *own;
    } at = {.view = partial.at};
    struct buf b;
    buf_init(&b, 1 << 23);
    ck_assert_int_eq(write(&b,
                           &(struct failure_group){
                               .errors = leaves, .count = 1, .cause = 0, .partial = partial}),
                     OK);
    bool is_there = b.len > partial.len &&
                    memcmp(b.data + b.len - partial.len - 1, partial.at, partial.len) == 0;
    buf_fini(&b);
    free(at.own);
    return is_there;
}

/* An error that nobody could read again was written: a run that had one never ended. */
START_TEST(what_is_finished_is_left_out_where_the_error_could_not_be_read_again)
{
    enum { OF_THE_GROUP = 14 /* tokens: the list, an entry, six members */, ITS_OWN = 1 };
    unsigned most = FAILURE_TOKENS_MAX - OF_THE_GROUP - ITS_OWN;
    ck_assert(is_told(nested(FAILURE_PARTIAL_DEPTH)));
    ck_assert(!is_told(nested(FAILURE_PARTIAL_DEPTH + 1)));
    ck_assert(is_told(list_of(most)));
    ck_assert(!is_told(list_of(most + 1)));
}
END_TEST

START_TEST(a_group_of_more_errors_than_can_be_read_is_past_a_limit)
{
    enum { MANY = FAILURE_TOKENS_MAX / 13 + 1 };
    struct str *errors = malloc(MANY * sizeof *errors);
    struct buf b;
    ck_assert_ptr_nonnull(errors);
    for (int i = 0; i < MANY; i++)
        errors[i] = leaves[0];
    buf_init(&b, 1 << 27);
    ck_assert_int_eq(
        write(&b,
              &(struct failure_group){.errors = errors, .count = MANY, .cause = FAILURE_GROUP_ALL}),
        ERR_LIMIT);
    buf_fini(&b);
    free(errors);
}
END_TEST

static enum err write_group(void *arg)
{
    struct buf b;
    (void)arg;
    buf_init(&b, 65536);
    enum err e = write(&b, &(struct failure_group){
                               .errors = leaves, .count = 2, .cause = 1, .partial = STR("[1]")});
    buf_fini(&b);
    return e;
}

START_TEST(without_memory_it_says_so)
{
    ck_assert_uint_gt(oom_rounds(write_group, NULL), 2);
}
END_TEST

Suite *suite_model_failure_group(void)
{
    Suite *s = suite_create("model_failure_group");
    TCase *t = tcase_create("failure_group");
    tcase_add_test(t, a_cause_stands_with_the_group_below_it);
    tcase_add_test(t, all_together_are_an_error_group);
    tcase_add_test(t, groups_are_flattened_and_a_cause_keeps_no_old_partial);
    tcase_add_test(t, what_a_store_has_damaged_is_told);
    tcase_add_test(t, what_does_not_fit_is_told);
    tcase_add_test(t, what_is_finished_is_left_out_where_the_error_could_not_be_read_again);
    tcase_add_test(t, a_group_of_more_errors_than_can_be_read_is_past_a_limit);
    tcase_add_test(t, without_memory_it_says_so);
    suite_add_tcase(s, t);
    return s;
}
