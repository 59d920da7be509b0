/* If-Match and If-None-Match on versions (RFC 9110, 13.1). */
#include "api/conditions.h"

#include <check.h>

Suite *suite_api_conditions(void);

static const struct {
    const char *header; /* NULL: not sent */
    int64_t version;
    bool matches, none_matches;
} cases[] = {
    {NULL, 7, true, true},
    {NULL, 0, true, true},
    {"\"7\"", 7, true, false},
    {"\"7\"", 8, false, true},
    {"\"7\"", 0, false, true},
    {"*", 7, true, false},
    {" * ", 7, true, false},
    {"*", 0, false, true},
    {"\"1\", \"7\"", 7, true, false},
    {"\"1\",\"2\" ,, \"7\"", 7, true, false},
    {"\"7\"\t,\"1\"", 7, true, false},
    {"\"1,7\"", 7, false, true},
    {"W/\"7\"", 7, false, false}, /* weak: good enough for a reader, not for a change */
    {"W/\"1\", \"7\"", 7, true, false},
    {"\"07\"", 7, false, true},
    {"\"\"", 7, false, true},
    {"\"7", 7, false, true},
    {"7", 7, false, true},
    {"w/\"7\"", 7, false, true},
    {"", 7, false, true},
    {"nonsense, \"7\"", 7, false, true},
    {"\"18446744073709551623\"", 7, false, true},
};

START_TEST(a_version_is_compared_with_what_a_header_lists)
{
    struct str header = cases[_i].header != NULL ? str_of(cases[_i].header) : STR_NONE;
    struct conditions c = {.if_match = header, .if_none_match = header};
    ck_assert_msg(conditions_match(&c, cases[_i].version) == cases[_i].matches, "%s",
                  cases[_i].header);
    ck_assert_msg(conditions_none_match(&c, cases[_i].version) == cases[_i].none_matches, "%s",
                  cases[_i].header);
}
END_TEST

Suite *suite_api_conditions(void)
{
    Suite *s = suite_create("api/conditions");
    TCase *t = tcase_create("conditions");
    tcase_add_loop_test(t, a_version_is_compared_with_what_a_header_lists, 0,
                        sizeof cases / sizeof cases[0]);
    suite_add_tcase(s, t);
    return s;
}
