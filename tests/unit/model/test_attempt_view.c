/* What clients see of attempts. */
#include "model/attempt_view.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_model_attempt_view(void);

static const struct {
    const char *stored, *shown;
} rows[] = {
    {"[]", "[]"},
    {"[{\"number\":1}]", "[{\"number\":1}]"},
    {"[{\"number\":1,\"handle\":{\"url\":\"/a?secret=1\"},\"key\":0},{\"number\":2}]",
     "[{\"number\":1},{\"number\":2}]"},
    {"[{\"handle\":\"x\",\"state\":\"lost\",\"key\":3}]", "[{\"state\":\"lost\"}]"},
    {"[{\"error\":{\"key\":1,\"message\":\"the handle\"}}]",
     "[{\"error\":{\"key\":1,\"message\":\"the handle\"}}]"},
    {"", "[]"},
    {"nonsense", "[]"},
    {"{\"a\":1}", "[]"},
};

START_TEST(what_only_the_gateway_needs_is_not_shown)
{
    struct buf b;
    buf_init(&b, 4096);
    attempts_show_text(&b, str_of(rows[_i].stored));
    buf_add_char(&b, '\0');
    ck_assert_str_eq(b.data, rows[_i].shown);
    buf_fini(&b);
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

Suite *suite_model_attempt_view(void)
{
    Suite *s = suite_create("model/attempt_view");
    TCase *t = tcase_create("view");
    tcase_add_loop_test(t, what_only_the_gateway_needs_is_not_shown, 0,
                        (int)(sizeof rows / sizeof rows[0]));
    suite_add_tcase(s, t);
    return s;
}
