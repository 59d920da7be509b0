/* The named circuits over HTTP: seen by their tenant, reset by whoever may. */
#include <check.h>

#include "base/mem.h"
#include "tests/support/api_rig.h"
#include "tests/support/rig_ops.h"

Suite *suite_api_circuits(void);

static struct rig rig;
static struct api_rig api;

#define CIRCUIT(name, task)                                                                        \
    "{\"task\":{\"type\":\"circuit\",\"circuit\":\"" name                                          \
    "\",\"fail_max\":1,\"window_ms\":5000,\"reset_timeout_ms\":10000,\"task\":" task "}}"
#define GOOD "{\"type\":\"value\",\"value\":1}"
#define BAD                                                                                        \
    "{\"type\":\"call\",\"model\":\"sim/echo\",\"retry\":{\"attempts\":1},\"params\":{\"sim\":{"   \
    "\"fail\":[{\"as\":\"status\"}]}}}"

static void must_answer(const char *line, const char *body, int status, const char *answer)
{
    struct asked_api asked;
    api_ask(&api, 0, line, NULL, body, &asked);
    rig_settle(&rig);
    ck_assert_msg(asked.status == status && rig_text_has(buf_str(&asked.body), answer),
                  "%s: %d %.*s", line, asked.status, STR_ARG(buf_str(&asked.body)));
    api_done(&asked);
}

static void setup(void)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    api_rig_start(&api, &rig);
}

static void teardown(void)
{
    rig_settle(&rig);
    api_rig_stop(&api);
    rig_stop(&rig);
}

static void run(const char *body)
{
    must_answer("POST /v1/runs", body, 202, "\"id\"");
    rig_advance(&rig, 50);
}

START_TEST(without_tasks_that_name_any_there_are_none)
{
    must_answer("GET /v1/circuits", NULL, 200, "{\"data\":[]}");
    must_answer("GET /v1/circuits/x", NULL, 404, "\"not_found\"");
    must_answer("POST /v1/circuits/x/reset", NULL, 404, "\"not_found\"");
}
END_TEST

START_TEST(a_circuit_is_shown_with_its_numbers_and_counts)
{
    run(CIRCUIT("x", GOOD));
    must_answer(
        "GET /v1/circuits/x", NULL, 200,
        "{\"name\":\"x\",\"state\":\"closed\",\"failures\":0,\"opens_until\":null,"
        "\"fail_max\":1,\"window_ms\":5000,\"reset_timeout_ms\":10000,"
        "\"counts\":{\"started\":1,\"succeeded\":1,\"failed\":0,\"refused\":0,\"opened\":0}}");
    run(CIRCUIT("x", BAD));
    run(CIRCUIT("x", GOOD));
    must_answer("GET /v1/circuits/x", NULL, 200,
                "{\"name\":\"x\",\"state\":\"open\",\"failures\":1,\"opens_until\":\"20");
    must_answer(
        "GET /v1/circuits/x", NULL, 200,
        "\"counts\":{\"started\":2,\"succeeded\":1,\"failed\":1,\"refused\":1,\"opened\":1}}");
}
END_TEST

START_TEST(a_list_has_all_by_name)
{
    run(CIRCUIT("b", GOOD));
    run(CIRCUIT("a", BAD));
    must_answer("GET /v1/circuits", NULL, 200, "{\"data\":[{\"name\":\"a\",\"state\":\"open\"");
    must_answer("GET /v1/circuits", NULL, 200, "},{\"name\":\"b\",\"state\":\"closed\"");
    must_answer("GET /v1/circuits?limit=1", NULL, 400, "\"invalid_query\"");
}
END_TEST

START_TEST(a_reset_closes_it)
{
    run(CIRCUIT("x", BAD));
    must_answer("POST /v1/circuits/x/reset", NULL, 200,
                "{\"name\":\"x\",\"state\":\"closed\",\"failures\":0,\"opens_until\":null,");
    run(CIRCUIT("x", GOOD));
    must_answer("GET /v1/circuits/x", NULL, 200, "\"refused\":0");
    must_answer("GET /v1/circuits/x/reset", NULL, 405, "\"method_not_allowed\"");
}
END_TEST

START_TEST(without_memory_a_list_is_refused)
{
    run(CIRCUIT("x", GOOD));
    for (unsigned long n = 1;; n++) {
        struct asked_api asked;
        mem_fail_nth(n);
        api_ask(&api, 0, "GET /v1/circuits", NULL, NULL, &asked);
        mem_fail_nth(0);
        int status = asked.status;
        ck_assert_uint_eq(asked.answers, 1);
        api_done(&asked);
        if (status == 200)
            break;
        ck_assert_int_eq(status, 503);
        ck_assert_uint_lt(n, 50);
    }
}
END_TEST

Suite *suite_api_circuits(void)
{
    Suite *s = suite_create("api/circuits");
    TCase *t = tcase_create("named circuits");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, without_tasks_that_name_any_there_are_none);
    tcase_add_test(t, a_circuit_is_shown_with_its_numbers_and_counts);
    tcase_add_test(t, a_list_has_all_by_name);
    tcase_add_test(t, a_reset_closes_it);
    tcase_add_test(t, without_memory_a_list_is_refused);
    suite_add_tcase(s, t);
    return s;
}
