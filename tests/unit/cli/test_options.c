#include "cli/options.h"

#include <check.h>
#include <stdio.h>

#include "cli/command.h"

Suite *suite_cli_options(void);

static const struct option_spec specs[] = {
    {"json", OPTION_JSON, OPTION_FLAG, NULL, "", NULL},
    {"name", OPTION_NAME, OPTION_TEXT, "NAME", "", NULL},
    {"after", OPTION_AFTER, OPTION_NUMBER, "N", "", NULL},
    {"param", OPTION_PARAM, OPTION_PAIR, "KEY=VALUE", "", NULL},
    {.name = NULL},
};

static const struct command command = {
    .name = "do",
    .arguments = "THIS [THAT]",
    .summary = "",
    .options = specs,
    .min_arguments = 1,
    .max_arguments = 2,
    .asks_server = true,
};

#define PARSE(options, error, ...) parse((const char *[]){__VA_ARGS__, NULL}, (options), (error))

static enum err parse(const char **words, struct options *o, struct error *error)
{
    static char text[4096]; /* argv is writable, and the views in `o` point into it */
    char *argv[80];
    size_t at = 0;
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        argv[argc] = text + at;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s", words[argc]) + 1;
    }
    return options_parse(&command, argc, argv, o, error);
}

START_TEST(takes_options_before_between_and_behind_arguments)
{
    struct options o;
    ck_assert_int_eq(PARSE(&o, NULL, "--json", "this", "--name", "n", "that", "--after=12"), OK);
    ck_assert(o.given[OPTION_JSON]);
    ck_assert_str_eq(o.text[OPTION_NAME], "n");
    ck_assert_uint_eq(o.number[OPTION_AFTER], 12);
    ck_assert_uint_eq(o.argument_count, 2);
    ck_assert_str_eq(o.arguments[0], "this");
    ck_assert_str_eq(o.arguments[1], "that");
    ck_assert(!o.given[OPTION_WAIT]);
}
END_TEST

START_TEST(a_value_may_hold_anything)
{
    struct options o;
    ck_assert_int_eq(PARSE(&o, NULL, "this", "--name=a=b"), OK);
    ck_assert_str_eq(o.text[OPTION_NAME], "a=b");
    ck_assert_int_eq(PARSE(&o, NULL, "this", "--name", "--json"), OK);
    ck_assert_str_eq(o.text[OPTION_NAME], "--json");
    ck_assert(!o.given[OPTION_JSON]);
    ck_assert_int_eq(PARSE(&o, NULL, "this", "--name="), OK);
    ck_assert_str_eq(o.text[OPTION_NAME], "");
}
END_TEST

START_TEST(the_last_one_wins)
{
    struct options o;
    ck_assert_int_eq(PARSE(&o, NULL, "this", "--name", "a", "--name", "b"), OK);
    ck_assert_str_eq(o.text[OPTION_NAME], "b");
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    struct options o;
    ck_assert_int_eq(PARSE(&o, NULL, "--", "--json", "-x"), OK);
    ck_assert(!o.given[OPTION_JSON]);
    ck_assert_str_eq(o.arguments[0], "--json");
    ck_assert_str_eq(o.arguments[1], "-x");
}
END_TEST

START_TEST(one_dash_and_nothing_are_arguments)
{
    struct options o;
    ck_assert_int_eq(PARSE(&o, NULL, "-", ""), OK);
    ck_assert_str_eq(o.arguments[0], "-");
    ck_assert_str_eq(o.arguments[1], "");
}
END_TEST

START_TEST(pairs_are_kept_in_order)
{
    struct options o;
    ck_assert_int_eq(PARSE(&o, NULL, "this", "--param", "a=1", "--param=b.c=x=y", "--param", "d="),
                     OK);
    ck_assert_uint_eq(o.pair_count, 3);
    ck_assert(str_eq(o.pairs[0].key, STR("a")) && str_eq(o.pairs[0].value, STR("1")));
    ck_assert(str_eq(o.pairs[1].key, STR("b.c")) && str_eq(o.pairs[1].value, STR("x=y")));
    ck_assert(str_eq(o.pairs[2].key, STR("d")) && o.pairs[2].value.len == 0);
    ck_assert_int_eq(o.pairs[2].id, OPTION_PARAM);
}
END_TEST

START_TEST(says_what_is_wrong)
{
    static const struct {
        const char *words[4];
        const char *message;
    } rows[] = {
        {{"this", "--frob"}, "there is no option --frob"},
        {{"this", "-j"}, "there is no option -j"},
        {{"this", "--json=yes"}, "--json takes no value"},
        {{"this", "--name"}, "--name wants NAME"},
        {{"this", "--after", "x"}, "--after wants a number, not \"x\""},
        {{"this", "--after", "-1"}, "--after wants a number, not \"-1\""},
        {{"this", "--after="}, "--after wants a number, not \"\""},
        {{"this", "--after", "18446744073709551616"},
         "--after wants a number, not \"18446744073709551616\""},
        {{"this", "--param", "a"}, "--param wants KEY=VALUE, not \"a\""},
        {{"this", "--param", "=1"}, "--param wants KEY=VALUE, not \"=1\""},
        {{"this", "that", "more"}, "\"more\" is one argument too many"},
        {{"--json"}, "it wants THIS [THAT]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct options o;
        struct error error;
        const char *words[5] = {NULL};
        memcpy(words, rows[i].words, sizeof rows[i].words);
        ck_assert_int_eq(parse(words, &o, &error), ERR_INVALID_REQUEST);
        ck_assert_str_eq(error.message, rows[i].message);
    }
}
END_TEST

START_TEST(pairs_are_bounded)
{
    struct options o;
    struct error error;
    const char *words[OPTIONS_MAX_PAIRS + 3] = {"this"};
    for (size_t i = 1; i <= OPTIONS_MAX_PAIRS; i++)
        words[i] = "--param=a=1";
    ck_assert_int_eq(parse(words, &o, &error), OK);
    ck_assert_uint_eq(o.pair_count, OPTIONS_MAX_PAIRS);
    words[OPTIONS_MAX_PAIRS + 1] = "--param=a=1";
    ck_assert_int_eq(parse(words, &o, &error), ERR_INVALID_REQUEST);
    ck_assert_str_eq(error.message, "there are more than 64 pairs");
}
END_TEST

START_TEST(help_needs_no_arguments)
{
    struct options o;
    ck_assert_int_eq(PARSE(&o, NULL, "--help"), OK);
    ck_assert(o.given[OPTION_HELP]);
    ck_assert_int_eq(PARSE(&o, NULL, "-h"), OK);
    ck_assert(o.given[OPTION_HELP]);
}
END_TEST

START_TEST(only_what_asks_the_server_takes_its_address)
{
    struct options o;
    const struct command offline = {.name = "x", .arguments = "", .summary = ""};
    char *argv[] = {(char[]){"--server"}, (char[]){"http://h"}, NULL};
    ck_assert_int_eq(options_parse(&command_ls, 2, argv, &o, NULL), OK);
    ck_assert_str_eq(o.text[OPTION_SERVER], "http://h");
    ck_assert_int_eq(options_parse(&offline, 2, argv, &o, NULL), ERR_INVALID_REQUEST);
}
END_TEST

Suite *suite_cli_options(void)
{
    Suite *s = suite_create("cli/options");
    TCase *t = tcase_create("parsing");
    tcase_add_test(t, takes_options_before_between_and_behind_arguments);
    tcase_add_test(t, a_value_may_hold_anything);
    tcase_add_test(t, the_last_one_wins);
    tcase_add_test(t, two_dashes_end_the_options);
    tcase_add_test(t, one_dash_and_nothing_are_arguments);
    tcase_add_test(t, pairs_are_kept_in_order);
    tcase_add_test(t, says_what_is_wrong);
    tcase_add_test(t, pairs_are_bounded);
    tcase_add_test(t, help_needs_no_arguments);
    tcase_add_test(t, only_what_asks_the_server_takes_its_address);
    suite_add_tcase(s, t);
    return s;
}
