/* Mistakes in the order of the file. */
#include "config/findings.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_config_findings(void);

static const char text[] = "0123456789\n0123456789\n0123456789\n0123456789\n";
static struct findings findings;
static struct buf out;

static void set_up(void)
{
    buf_init(&out, 65536);
    findings_init(&findings, "f", str_of(text));
}

static void tear_down(void)
{
    buf_fini(&out);
    ck_assert_int_eq(mem_live(), 0);
}

static void assert_written(const char *expected)
{
    findings_write(&findings, &out);
    buf_add_char(&out, '\0');
    ck_assert_str_eq(out.data, expected);
}

START_TEST(without_mistakes_nothing_is_written)
{
    assert_written("");
}
END_TEST

START_TEST(they_are_sorted_and_those_of_one_place_stay_in_order)
{
    findings_add(&findings, text + 13, STR("c"));
    findings_add(&findings, text, STR("a"));
    findings_add(&findings, text + 13, STR("d"));
    findings_add(&findings, NULL, STR("without a place"));
    findings_add(&findings, text + 11, STR("b"));
    assert_written("f:1:1: a\nwithout a place\nf:2:1: b\nf:2:3: c\nf:2:3: d\n");
}
END_TEST

START_TEST(the_first_twenty_of_the_file_are_kept_whenever_they_come)
{
    for (size_t i = 0; i < FINDINGS_MAX + 5; i++)
        findings_add(&findings, text + 40 - i, STR("x"));
    ck_assert_uint_eq(findings.count, FINDINGS_MAX);
    ck_assert_uint_eq(findings.dropped, 5);
    ck_assert_uint_eq(findings.list[0].offset, 40 - FINDINGS_MAX - 4);
    ck_assert_uint_eq(findings.list[FINDINGS_MAX - 1].offset, 35);
    findings_add(&findings, text + 36, STR("too late"));
    ck_assert_uint_eq(findings.dropped, 6);
    ck_assert_uint_eq(findings.list[FINDINGS_MAX - 1].offset, 35);
    findings_write(&findings, &out);
    ck_assert(str_eq((struct str){out.data + out.len - 11, 11}, STR("and 6 more\n")));
}
END_TEST

START_TEST(what_does_not_fit_is_cut_between_characters)
{
    char longest[FINDING_TEXT + 10];
    memset(longest, 'a', sizeof longest);
    memcpy(longest + FINDING_TEXT - 2, "\xC3\xA9", 2);
    findings_add(&findings, text, (struct str){longest, sizeof longest});
    ck_assert_uint_eq(strlen(findings.list[0].text), FINDING_TEXT - 2);
}
END_TEST

START_TEST(control_characters_do_not_reach_the_terminal)
{
    findings_add(&findings, text, STR("a\x1B[2Jb\nc\x7F"));
    assert_written("f:1:1: a?[2Jb?c?\n");
}
END_TEST

Suite *suite_config_findings(void)
{
    Suite *s = suite_create("config_findings");
    TCase *t = tcase_create("findings");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, without_mistakes_nothing_is_written);
    tcase_add_test(t, they_are_sorted_and_those_of_one_place_stay_in_order);
    tcase_add_test(t, the_first_twenty_of_the_file_are_kept_whenever_they_come);
    tcase_add_test(t, what_does_not_fit_is_cut_between_characters);
    tcase_add_test(t, control_characters_do_not_reach_the_terminal);
    suite_add_tcase(s, t);
    return s;
}
