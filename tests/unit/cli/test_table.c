#include "cli/table.h"

#include <check.h>

Suite *suite_cli_table(void);

static const char *const headers[] = {"NAME", ">N", "WHY", NULL};

static void print(const char *const *cells, uint32_t width, const char *expected)
{
    struct table t;
    struct buf b;
    table_init(&t, headers);
    buf_init(&b, 65536);
    for (; *cells != NULL; cells++)
        table_cell(&t, str_of(*cells));
    table_print(&t, width, &b);
    ck_assert_msg(str_eq(buf_str(&b), str_of(expected)), "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
    table_fini(&t);
}

START_TEST(an_empty_table_has_its_headers)
{
    print((const char *[]){NULL}, 0, "NAME  N  WHY\n");
}
END_TEST

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
    print((const char *[]){"a", "1", "x", "longer", "1000", "", NULL}, 0,
          "NAME       N  WHY\n"
          "a          1  x\n"
          "longer  1000  -\n");
}
END_TEST

START_TEST(columns_count_not_bytes)
{
    print((const char *[]){"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4", "1", "x", "\xE6\x97\xA5\xE6\x9C\xAC",
                           "2", "y", NULL},
          0,
          "NAME  N  WHY\n"
          "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4  1  x\n"
          "\xE6\x97\xA5\xE6\x9C\xAC  2  y\n");
}
END_TEST

START_TEST(lines_are_cut_where_the_terminal_ends)
{
    const char *const cells[] = {"abcd", "1", "reason", "abcd", "2", "r", NULL};
    print(cells, 12,
          "NAME  N  WHY\n"
          "abcd  1  re\xE2\x80\xA6\n"
          "abcd  2  r\n");
}
END_TEST

START_TEST(cells_cannot_break_the_table)
{
    print((const char *[]){"a\nb", "\x1B[5m1", "x\t\r", NULL}, 0,
          "NAME     N  WHY\n"
          "a b   [5m1  x \n");
}
END_TEST

Suite *suite_cli_table(void)
{
    Suite *s = suite_create("cli/table");
    TCase *t = tcase_create("layout");
    tcase_add_test(t, an_empty_table_has_its_headers);
    tcase_add_test(t, columns_are_as_wide_as_their_widest_cell);
    tcase_add_test(t, columns_count_not_bytes);
    tcase_add_test(t, lines_are_cut_where_the_terminal_ends);
    tcase_add_test(t, cells_cannot_break_the_table);
    suite_add_tcase(s, t);
    return s;
}
