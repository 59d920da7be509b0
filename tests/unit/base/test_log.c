#include "base/log.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"

Suite *suite_base_log(void);

static int pipe_fds[2];
static char text[1 << 16];

static void set_up(void)
{
    ck_assert_int_eq(pipe2(pipe_fds, O_NONBLOCK), 0);
    log_to_fd(pipe_fds[1]);
    log_configure(LOG_LOGFMT, LOG_INFO);
}

static void tear_down(void)
{
    log_to_fd(STDERR_FILENO);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* All that was logged. */
static struct str logged(void)
{
    size_t len = 0;
    ssize_t n;
    while ((n = read(pipe_fds[0], text + len, sizeof text - len)) > 0)
        len += (size_t)n;
    return (struct str){text, len};
}

/* The line without its end and without what comes before the first field: time and level. */
static struct str logged_fields(void)
{
    struct str line = logged();
    ck_assert_uint_gt(line.len, 0);
    ck_assert_int_eq(line.at[line.len - 1], '\n');
    ck_assert_ptr_eq(memchr(line.at, '\n', line.len), line.at + line.len - 1); /* one line */
    line.len--;
    const char *fields = memmem(line.at, line.len, " msg=", 5);
    ck_assert_ptr_nonnull(fields);
    return (struct str){fields + 1, (size_t)(line.at + line.len - fields - 1)};
}

static void assert_eq(struct str s, const char *expected)
{
    ck_assert_msg(str_eq(s, str_of(expected)), "%.*s", STR_ARG(s));
}

START_TEST(writes_one_line_of_keys_and_values)
{
    log_info(log_msg("store opened"), log_s("path", "a.db"), log_u("epoch", UINT64_MAX),
             log_i("left", INT64_MIN), log_s("empty", ""), log_s("none", NULL));
    struct str line = logged();
    ck_assert(str_starts(line, STR("time=2")));
    const char *rest = memmem(line.at, line.len, " level=", 7);
    ck_assert_ptr_nonnull(rest);
    assert_eq((struct str){rest, (size_t)(line.at + line.len - rest)},
              " level=info msg=\"store opened\" path=a.db epoch=18446744073709551615 "
              "left=-9223372036854775808 empty=\"\" none=\"\"\n");
}
END_TEST

START_TEST(writes_json_that_parses)
{
    log_configure(LOG_JSON, LOG_INFO);
    log_error(log_msg("it \"broke\""), log_i("n", -1), log_str("raw", STR("a\0b\x01\x7F\\\t")));
    struct str line = logged();
    struct json_doc doc;
    json_doc_init(&doc);
    ck_assert_int_eq(json_parse(&doc, line, NULL), OK);
    struct json root = json_root(&doc);
    ck_assert(json_string_is(json_get_lit(root, "level"), STR("error")));
    ck_assert(json_string_is(json_get_lit(root, "msg"), STR("it \"broke\"")));
    ck_assert(json_string_is(json_get_lit(root, "raw"), STR("a\0b\x01\x7F\\\t")));
    ck_assert(str_eq(json_raw(json_get_lit(root, "n")), STR("-1")));
    json_doc_fini(&doc);
}
END_TEST

static const struct {
    const char *value, *shown;
} hostile[] = {
    {"x\nlevel=error msg=forged", "msg=m v=\"x\\nlevel=error msg=forged\""},
    {"x\r\ny", "msg=m v=\"x\\u000d\\ny\""},
    {"a b", "msg=m v=\"a b\""},
    {"a=b", "msg=m v=\"a=b\""},
    {"\"", "msg=m v=\"\\\"\""},
    {"\" k=v", "msg=m v=\"\\\" k=v\""},
    {"\\", "msg=m v=\"\\\\\""},
    {"\\\"", "msg=m v=\"\\\\\\\"\""},
    {"\x1B[2J", "msg=m v=\"\\u001b[2J\""},
    {"\x7F", "msg=m v=\"\\u007f\""},
    {"\xC3\xA9", "msg=m v=\"\xC3\xA9\""},
    {"\302\2332J", "msg=m v=\"\\u009b2J\""},                        /* CSI in one character */
    {"a\302\205b", "msg=m v=\"a\\u0085b\""},                        /* next line */
    {"a\342\200\250b\342\200\251", "msg=m v=\"a\\u2028b\\u2029\""}, /* line, paragraph separator */
    {"\xC2\xA0", "msg=m v=\"\xC2\xA0\""},
};

START_TEST(a_hostile_value_cannot_forge_a_line)
{
    log_info(log_msg("m"), log_s("v", hostile[_i].value));
    assert_eq(logged_fields(), hostile[_i].shown);
}
END_TEST

START_TEST(a_hostile_value_is_one_json_string)
{
    log_configure(LOG_JSON, LOG_INFO);
    log_info(log_msg("m"), log_s("v", hostile[_i].value));
    struct str line = logged();
    struct json_doc doc;
    json_doc_init(&doc);
    ck_assert_int_eq(json_parse(&doc, line, NULL), OK);
    ck_assert_uint_eq(json_count(json_root(&doc)), 4);
    ck_assert(json_string_is(json_get_lit(json_root(&doc), "v"), str_of(hostile[_i].value)));
    json_doc_fini(&doc);
}
END_TEST

/* Bug: a value without blanks was taken for plain, whatever bytes were in it. */
START_TEST(bytes_that_are_not_utf8_reach_no_line)
{
    static const char *const rows[] = {"\xFF\xFE", "a\xC3", "\xED\xA0\x80", "ok \x80"};
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        log_configure((enum log_format)format, LOG_INFO);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            log_info(log_msg("m"), log_s("v", rows[i]));
            struct str line = logged();
            ck_assert(str_is_utf8(line));
            ck_assert_ptr_nonnull(memmem(line.at, line.len, "\"(not UTF-8)\"", 13));
        }
    }
}
END_TEST

START_TEST(a_long_value_is_cut_between_characters)
{
    char value[3000];
    for (size_t i = 0; i < sizeof value; i += 3)
        memcpy(value + i, "\xE2\x82\xAC", 3);
    log_info(log_msg("m"), log_str("v", (struct str){value, sizeof value}));
    struct str fields = logged_fields();
    ck_assert_uint_eq(fields.len, sizeof "msg=m v=\"\"" - 1 + LOG_VALUE_MAX / 3 * 3);
    ck_assert(str_is_utf8(fields));
}
END_TEST

START_TEST(says_nothing_below_its_level)
{
    log_debug(log_msg("not on"));
    ck_assert_uint_eq(logged().len, 0);
    log_configure(LOG_LOGFMT, LOG_WARN);
    ck_assert(!log_is_on(LOG_INFO));
    ck_assert(log_is_on(LOG_WARN));
    log_info(log_msg("not on"));
    ck_assert_uint_eq(logged().len, 0);
    log_warn(log_msg("on"));
    assert_eq(logged_fields(), "msg=on");
    log_configure(LOG_LOGFMT, LOG_DEBUG);
    log_debug(log_msg("on"));
    assert_eq(logged_fields(), "msg=on");
}
END_TEST

START_TEST(without_memory_a_line_is_lost_and_nothing_else)
{
    mem_fail_nth(1);
    log_info(log_msg("lost"));
    mem_fail_nth(0);
    ck_assert_uint_eq(logged().len, 0);
    log_info(log_msg("kept"));
    assert_eq(logged_fields(), "msg=kept");
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

static void *log_a_lot(void *name)
{
    for (int i = 0; i < 50; i++)
        log_info(log_msg(name), log_i("i", i));
    return NULL;
}

START_TEST(lines_of_several_threads_do_not_mix)
{
    static char names[4][2] = {"a", "b", "c", "d"};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_a_lot, names[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct str all = logged();
    int lines = 0;
    while (all.len > 0) {
        struct str line = str_cut(&all, '\n');
        ck_assert(str_starts(line, STR("time=")));
        ck_assert_ptr_nonnull(memmem(line.at, line.len, " level=info msg=", 16));
        lines++;
    }
    ck_assert_int_eq(lines, 200);
}
END_TEST

Suite *suite_base_log(void)
{
    Suite *s = suite_create("base/log");
    TCase *c = tcase_create("log");
    const int rows = sizeof hostile / sizeof hostile[0];
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, writes_one_line_of_keys_and_values);
    tcase_add_test(c, writes_json_that_parses);
    tcase_add_loop_test(c, a_hostile_value_cannot_forge_a_line, 0, rows);
    tcase_add_loop_test(c, a_hostile_value_is_one_json_string, 0, rows);
    tcase_add_test(c, bytes_that_are_not_utf8_reach_no_line);
    tcase_add_test(c, a_long_value_is_cut_between_characters);
    tcase_add_test(c, says_nothing_below_its_level);
    tcase_add_test(c, without_memory_a_line_is_lost_and_nothing_else);
    tcase_add_test(c, lines_of_several_threads_do_not_mix);
    suite_add_tcase(s, c);
    return s;
}
