#include "cli/cli.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

Suite *suite_cli_cli(void);

START_TEST(the_servers_own_commands_are_listed_but_not_run)
{
    static const char *const own[] = {"serve", "check", "version"};
    static const char *const client[] = {"run",       "watch",      "ls",     "show",
                                         "cancel",    "retry",      "agents", "workflows",
                                         "providers", "completion", "help"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        ck_assert(!cli_knows(own[i]));
        ck_assert_ptr_nonnull(command_find(own[i]));
    }
    for (size_t i = 0; i < sizeof client / sizeof client[0]; i++)
        ck_assert_msg(cli_knows(client[i]), "%s", client[i]);
    ck_assert(!cli_knows("frob"));
    ck_assert(!cli_knows(""));
}
END_TEST

START_TEST(every_command_explains_itself_and_its_options)
{
    const struct command *c;
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        ck_assert_ptr_nonnull(out);
        ck_assert(cli_help(c->name, out));
        fclose(out);
        ck_assert_ptr_nonnull(strstr(text, c->summary));
        const struct option_spec *o;
        for (uint32_t j = 0; (o = options_at(c, j)) != NULL; j++)
            ck_assert_msg(strstr(text, o->name) != NULL && strstr(text, o->help) != NULL, "%s --%s",
                          c->name, o->name);
        free(text);
    }
    ck_assert(!cli_help("frob", stdout));
}
END_TEST

START_TEST(names_are_told_once)
{
    const struct command *c;
    const struct option_spec *o;
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++) {
        bool seen[OPTION_COUNT] = {false};
        ck_assert_ptr_eq(command_find(c->name), c);
        ck_assert_uint_le(c->max_arguments, OPTIONS_MAX_ARGUMENTS);
        for (uint32_t j = 0; (o = options_at(c, j)) != NULL; j++) {
            ck_assert(!seen[o->id]);
            seen[o->id] = true;
            ck_assert_int_eq(o->value == NULL, o->kind == OPTION_FLAG);
        }
    }
}
END_TEST

Suite *suite_cli_cli(void)
{
    Suite *s = suite_create("cli/cli");
    TCase *t = tcase_create("the table of commands");
    tcase_add_test(t, the_servers_own_commands_are_listed_but_not_run);
    tcase_add_test(t, every_command_explains_itself_and_its_options);
    tcase_add_test(t, names_are_told_once);
    suite_add_tcase(s, t);
    return s;
}
