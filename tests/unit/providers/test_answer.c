/* Deltas as events, and what is gathered from them. */
#include "providers/answer.h"

#include <check.h>
#include <stdlib.h>

#include "base/mem.h"

Suite *suite_providers_answer(void);

#define TOOL(index_, id_, name_, arguments_)                                                       \
    (&(struct delta){.kind = DELTA_TOOL_CALL,                                                      \
                     .index = index_,                                                              \
                     .id = id_,                                                                    \
                     .name = name_,                                                                \
                     .arguments = STR(arguments_)})
#define SAYS(text_) (&(struct delta){.kind = DELTA_TEXT, .text = STR(text_)})

static void written(const struct delta *d, const char *expected)
{
    struct buf b;
    buf_init(&b, 4096);
    delta_write(&b, d);
    ck_assert(str_eq(buf_str(&b), str_of(expected)));
    buf_fini(&b);
}

static void message_is(const struct answer *a, const char *expected)
{
    struct buf b;
    buf_init(&b, 4096);
    answer_write_message(&b, a);
    buf_add_char(&b, '\0');
    ck_assert_str_eq(b.data, expected);
    buf_fini(&b);
}

START_TEST(a_delta_is_an_events_data)
{
    written(SAYS("a\n\""), "{\"text\":\"a\\n\\\"\"}");
    written(&(struct delta){.kind = DELTA_REASONING, .text = STR("hm")}, "{\"reasoning\":\"hm\"}");
    written(TOOL(3, STR("i"), STR("n"), "{"),
            "{\"tool_call\":{\"index\":3,\"id\":\"i\",\"name\":\"n\",\"arguments\":\"{\"}}");
    written(TOOL(0, STR_NONE, STR_NONE, ""), "{\"tool_call\":{\"index\":0,\"arguments\":\"\"}}");
}
END_TEST

START_TEST(text_is_joined_and_reasoning_is_not_a_part_of_it)
{
    struct answer a;
    answer_init(&a, 5);
    ck_assert_int_eq(answer_add(&a, SAYS("Hel")), OK);
    ck_assert_int_eq(
        answer_add(&a, &(struct delta){.kind = DELTA_REASONING, .text = STR("a long thought")}),
        OK);
    ck_assert_int_eq(answer_add(&a, SAYS("lo")), OK);
    message_is(&a, "{\"role\":\"assistant\",\"content\":\"Hello\"}");
    answer_fini(&a);
}
END_TEST

START_TEST(tool_calls_are_put_together)
{
    struct answer a;
    answer_init(&a, 1024);
    ck_assert_int_eq(answer_add(&a, TOOL(0, STR("a"), STR("f"), "{")), OK);
    ck_assert_int_eq(answer_add(&a, TOOL(1, STR("b"), STR("g"), "")), OK);
    ck_assert_int_eq(answer_add(&a, TOOL(0, STR("a"), STR("f"), "}")), OK); /* said again */
    message_is(&a,
               "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":"
               "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"b\","
               "\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]}");
    answer_fini(&a);
}
END_TEST

START_TEST(an_empty_answer_is_an_empty_text)
{
    struct answer a;
    answer_init(&a, 1024);
    message_is(&a, "{\"role\":\"assistant\",\"content\":\"\"}");
    answer_fini(&a);
}
END_TEST

START_TEST(it_is_bounded)
{
    struct answer a;
    answer_init(&a, 8);
    ck_assert_int_eq(answer_add(&a, SAYS("12345678")), OK);
    ck_assert_int_eq(answer_add(&a, SAYS("9")), ERR_LIMIT_EXCEEDED);
    answer_fini(&a);
    answer_init(&a, 8);
    ck_assert_int_eq(answer_add(&a, TOOL(0, STR("ab"), STR("cd"), "1234")), OK);
    ck_assert_int_eq(answer_add(&a, TOOL(0, STR_NONE, STR_NONE, "5")), ERR_LIMIT_EXCEEDED);
    answer_fini(&a);
    answer_init(&a, 1 << 20);
    for (uint32_t i = 0; i < ANSWER_MAX_TOOL_CALLS; i++)
        ck_assert_int_eq(answer_add(&a, TOOL(i, STR("i"), STR("n"), "")), OK);
    ck_assert_int_eq(answer_add(&a, TOOL(ANSWER_MAX_TOOL_CALLS, STR("i"), STR("n"), "")),
                     ERR_LIMIT_EXCEEDED);
    answer_fini(&a);
}
END_TEST

START_TEST(a_hole_in_the_numbering_is_refused)
{
    struct answer a;
    answer_init(&a, 1024);
    ck_assert_int_eq(answer_add(&a, TOOL(1, STR("b"), STR("g"), "")), ERR_LIMIT_EXCEEDED);
    answer_fini(&a);
}
END_TEST

START_TEST(a_long_finish_reason_is_cut)
{
    struct answer a;
    answer_init(&a, 8);
    answer_set_finish_reason(&a, STR("0123456789012345678901234567890123456789"));
    ck_assert_str_eq(a.finish_reason, "0123456789012345678901234567890");
    answer_fini(&a);
}
END_TEST

START_TEST(out_of_memory_is_said)
{
    for (unsigned long n = 1; n <= 4; n++) {
        struct answer a;
        answer_init(&a, 1024);
        mem_fail_nth(n);
        enum err e = answer_add(&a, TOOL(0, STR("id"), STR("name"), "arguments"));
        mem_fail_nth(0);
        ck_assert_int_ne(e, OK);
        answer_fini(&a);
        ck_assert_int_eq(mem_live(), 0);
    }
}
END_TEST

Suite *suite_providers_answer(void)
{
    Suite *s = suite_create("providers_answer");
    TCase *t = tcase_create("answer");
    tcase_add_test(t, a_delta_is_an_events_data);
    tcase_add_test(t, text_is_joined_and_reasoning_is_not_a_part_of_it);
    tcase_add_test(t, tool_calls_are_put_together);
    tcase_add_test(t, an_empty_answer_is_an_empty_text);
    tcase_add_test(t, it_is_bounded);
    tcase_add_test(t, a_hole_in_the_numbering_is_refused);
    tcase_add_test(t, a_long_finish_reason_is_cut);
    tcase_add_test(t, out_of_memory_is_said);
    suite_add_tcase(s, t);
    return s;
}
