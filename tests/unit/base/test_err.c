#include "base/err.h"

#include <check.h>
#include <string.h>

#include "base/str.h"

Suite *suite_base_err(void);

START_TEST(every_row_is_whole)
{
    for (int i = 0; i < ERR_COUNT_; i++) {
        enum err e = (enum err)i;
        ck_assert_uint_gt(strlen(err_code(e)), 0);
        ck_assert_uint_gt(strlen(err_title(e)), 0);
        ck_assert(err_status(e) == 0 || (err_status(e) >= 400 && err_status(e) <= 599));
    }
    ck_assert_int_eq(OK, 0);
    ck_assert_str_eq(err_code(ERR_QUEUE_FULL), "queue_full");
    ck_assert_int_eq(err_status(ERR_QUEUE_FULL), 429);
    ck_assert(err_is_retryable(ERR_QUEUE_FULL));
    ck_assert(!err_is_retryable(ERR_INVALID_JSON));
}
END_TEST

START_TEST(finds_a_row_by_its_code)
{
    for (int i = 0; i < ERR_COUNT_; i++) {
        const char *code = err_code((enum err)i);
        enum err e = err_from_code(code, strlen(code));
        ck_assert_str_eq(err_code(e), code); /* out of memory is told as internal */
    }
    ck_assert_int_eq(err_from_code("internal", 8), ERR_INTERNAL);
    ck_assert_int_eq(err_from_code("invalid_jso", 11), ERR_COUNT_);
    ck_assert_int_eq(err_from_code("invalid_json_", 13), ERR_COUNT_);
    ck_assert_int_eq(err_from_code("invalid_json\0", 13), ERR_COUNT_);
    ck_assert_int_eq(err_from_code("", 0), ERR_COUNT_);
}
END_TEST

START_TEST(an_error_carries_its_message)
{
    struct error error;
    ck_assert_int_eq(error_set(&error, ERR_CONFIG, "line %d: %s", 7, "no"), ERR_CONFIG);
    ck_assert_int_eq(error.code, ERR_CONFIG);
    ck_assert_str_eq(error.message, "line 7: no");
    ck_assert_int_eq(error_set(NULL, ERR_IO, "nobody %s", "listens"), ERR_IO);
}
END_TEST

START_TEST(a_long_message_is_cut_between_characters)
{
    struct error error;
    char text[1000];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof text; i += 4)
            memcpy(text + i, "\xF0\x9F\x98\x80", 5);
        error_set(&error, ERR_IO, "%s", text);
        ck_assert_uint_lt(strlen(error.message), sizeof error.message);
        ck_assert_uint_ge(strlen(error.message), sizeof error.message - 4);
        ck_assert(str_is_utf8(str_of(error.message)));
    }
    memset(text, 'x', sizeof text);
    text[319] = '\0';
    error_set(&error, ERR_IO, "%s", text); /* fits exactly */
    ck_assert_str_eq(error.message, text);
}
END_TEST

Suite *suite_base_err(void)
{
    Suite *s = suite_create("base/err");
    TCase *c = tcase_create("err");
    tcase_add_test(c, every_row_is_whole);
    tcase_add_test(c, finds_a_row_by_its_code);
    tcase_add_test(c, an_error_carries_its_message);
    tcase_add_test(c, a_long_message_is_cut_between_characters);
    suite_add_tcase(s, c);
    return s;
}
