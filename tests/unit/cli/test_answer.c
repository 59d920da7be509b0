#include "cli/answer.h"

#include <check.h>

Suite *suite_cli_answer(void);

static void says(const struct answer *a, const char *line)
{
    struct buf b;
    buf_init(&b, 65536);
    answer_describe(&b, a, "http://h:1");
    ck_assert_msg(str_eq(buf_str(&b), str_of(line)), "\"%.*s\" is not \"%s\"", STR_ARG(buf_str(&b)),
                  line);
    buf_fini(&b);
}

static void problem_says(const char *problem, const char *line)
{
    struct answer a = {.fate = ANSWER_WHOLE, .status = 422};
    buf_init(&a.body, 65536);
    buf_add_str(&a.body, str_of(problem));
    says(&a, line);
    buf_fini(&a.body);
}

START_TEST(the_status_gives_the_exit_code)
{
    static const struct {
        long status;
        int exit;
    } rows[] = {
        {400, CLI_USAGE},  {401, CLI_FAILED},    {403, CLI_FAILED},    {404, CLI_USAGE},
        {405, CLI_USAGE},  {409, CLI_USAGE},     {413, CLI_USAGE},     {415, CLI_USAGE},
        {422, CLI_USAGE},  {429, CLI_FAILED},    {500, CLI_FAILED},    {503, CLI_NO_SERVER},
        {302, CLI_FAILED}, {504, CLI_NO_SERVER}, {502, CLI_NO_SERVER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a = {.fate = ANSWER_WHOLE, .status = rows[i].status};
        ck_assert_msg(answer_exit(&a) == rows[i].exit, "%ld", rows[i].status);
        ck_assert(!answer_is_good(&a));
        ck_assert_int_eq(answer_is_passing(&a), rows[i].exit == CLI_NO_SERVER);
    }
}
END_TEST

START_TEST(a_connection_that_fails_or_breaks_is_no_server)
{
    struct answer a = {.fate = ANSWER_NO_SERVER, .failure = "Connection refused"};
    ck_assert_int_eq(answer_exit(&a), CLI_NO_SERVER);
    says(&a, "no gateway at http://h:1: Connection refused");
    a = (struct answer){.fate = ANSWER_BROKEN, .status = 200, .failure = "reset"};
    ck_assert_int_eq(answer_exit(&a), CLI_NO_SERVER);
    ck_assert(!answer_is_good(&a));
    ck_assert(answer_is_passing(&a));
    says(&a, "the connection to http://h:1 broke: reset");
}
END_TEST

START_TEST(a_problem_is_one_line)
{
    problem_says(
        "{\"code\":\"unknown_agent\",\"title\":\"T\",\"detail\":\"There is none\",\"errors\":[]}",
        "unknown_agent: There is none");
    problem_says(
        "{\"code\":\"invalid_request\",\"detail\":\"The request is not valid\",\"errors\":["
        "{\"pointer\":\"/task/type\",\"code\":\"unknown_type\",\"detail\":\"is none\"},"
        "{\"pointer\":\"\",\"code\":\"exclusive\"}]}",
        "invalid_request: The request is not valid (/task/type: unknown_type: is none; the body: exclusive)");
    problem_says(
        "{\"code\":\"invalid_json\",\"detail\":\"a comma was expected\",\"line\":3,\"column\":7}",
        "invalid_json: a comma was expected (line 3, column 7 of the body)");
    problem_says("{\"code\":\"internal\",\"title\":\"Something went wrong\"}",
                 "internal: Something went wrong");
}
END_TEST

START_TEST(what_is_no_problem_is_named_by_its_status)
{
    static const char *const bodies[] = {"", "<html>", "{}", "[1]", "{\"code\":5}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        problem_says(bodies[i], "http://h:1 answers with HTTP status 422: is it a Sluice gateway?");
}
END_TEST

Suite *suite_cli_answer(void)
{
    Suite *s = suite_create("cli/answer");
    TCase *t = tcase_create("answers that are no success");
    tcase_add_test(t, the_status_gives_the_exit_code);
    tcase_add_test(t, a_connection_that_fails_or_breaks_is_no_server);
    tcase_add_test(t, a_problem_is_one_line);
    tcase_add_test(t, what_is_no_problem_is_named_by_its_status);
    suite_add_tcase(s, t);
    return s;
}
