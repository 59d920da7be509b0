/* The manual page. */
#include "config/schema.h"
#include "tests/unit/config/support.h"

Suite *suite_config_docs(void);

static struct buf page;

static void set_up(void)
{
    buf_init(&page, 1 << 20);
    config_write_docs(&page);
    buf_add_char(&page, '\0');
    ck_assert_int_eq(buf_ok(&page), OK);
}

static void tear_down(void)
{
    buf_fini(&page);
    ck_assert_int_eq(mem_live(), 0);
}

static const char *line_of(const char *start)
{
    const char *at = strstr(page.data, start);
    ck_assert_msg(at != NULL, "%s", start);
    static char line[1024];
    str_copy(line, sizeof line, (struct str){at, strcspn(at, "\n")});
    return line;
}

START_TEST(mentions_every_key_once_with_its_default)
{
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        char start[128];
        snprintf(start, sizeof start, "\n| `%s` |", row->path);
        const char *at = strstr(page.data, start);
        ck_assert_msg(at != NULL, "%s", row->path);
        ck_assert_msg(strstr(at + 1, start) == NULL, "%s", row->path);
        const char *line = line_of(start + 1);
        if (row->dflt != NULL)
            ck_assert_msg(strstr(line, row->dflt) != NULL, "%s", line);
        ck_assert_msg(strstr(line, row->help) != NULL, "%s", line);
    }
}
END_TEST

START_TEST(every_line_of_a_table_has_six_columns)
{
    for (char *line = strtok(page.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        unsigned bars = 0;
        for (const char *c = line; *c != '\0'; c++)
            bars += *c == '|' && (c == line || c[-1] != '\\');
        ck_assert_msg(bars == 0 || bars == 7, "%s", line);
    }
}
END_TEST

START_TEST(says_what_a_key_may_be)
{
    ck_assert_str_eq(line_of("| `limits.body_bytes`"),
                     "| `limits.body_bytes` | integer | `4194304` | 1024 to 1073741824 bytes | "
                     "yes | Largest request body. Beyond it: 413. |");
    ck_assert_str_eq(line_of("| `log.format`"),
                     "| `log.format` | string | `\"logfmt\"` | `\"logfmt\"`, `\"json\"` | "
                     "yes | key=value pairs, or one JSON object per line. |");
    ck_assert_str_eq(line_of("| `store.readers`"),
                     "| `store.readers` | integer | `2` | 1 to 64 | no | Threads that read the "
                     "database for lists, replays and old runs. |");
    ck_assert_str_eq(line_of("| `providers.NAME.retry.attempts`"),
                     "| `providers.NAME.retry.attempts` | integer | `3` (sim: `1`) | 1 to 100 | "
                     "yes | Attempts, the first included. |");
    ck_assert_str_eq(line_of("| `providers.NAME.breaker.ratio`"),
                     "| `providers.NAME.breaker.ratio` | number or null | `null` | 0.01 to 1 | "
                     "yes | Share of failed calls that opens the breaker. null: not counted. |");
    ck_assert_str_eq(line_of("| `limits` "),
                     "| `limits` | object | `{}` |  |  | Bounds of what the gateway holds for its "
                     "clients and runs. |");
    ck_assert_ptr_nonnull(strstr(line_of("| `providers.NAME.kind`"),
                                 "`\"openai\"`, `\"anthropic\"`, `\"http\"`, `\"sim\"`"));
    ck_assert_ptr_nonnull(strstr(line_of("| `keys[].name`"), "| required |"));
}
END_TEST

START_TEST(explains_every_member_of_an_agent)
{
    static const char *const members[] = {"description", "instructions", "model",     "output",
                                          "params",      "retry",        "timeout_ms"};
    const char *section = strstr(page.data, "\n## agents\n");
    ck_assert_ptr_nonnull(section);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        char start[64];
        snprintf(start, sizeof start, "\n- `%s`", members[i]);
        ck_assert_msg(strstr(section, start) != NULL, "%s", members[i]);
    }
}
END_TEST

Suite *suite_config_docs(void)
{
    Suite *s = suite_create("config_docs");
    TCase *t = tcase_create("docs");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, mentions_every_key_once_with_its_default);
    tcase_add_test(t, every_line_of_a_table_has_six_columns);
    tcase_add_test(t, says_what_a_key_may_be);
    tcase_add_test(t, explains_every_member_of_an_agent);
    suite_add_tcase(s, t);
    return s;
}
