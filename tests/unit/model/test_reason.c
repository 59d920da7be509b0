/* Why something waits: its JSON (API §2), written and read back. */
#include "model/reason.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_model_reason(void);

enum { SINCE = 1785585600, UNTIL = 1785585607 }; /* 2026-08-01T12:00:00Z and seven seconds later */

static struct buf b;

static void set_up(void)
{
    buf_init(&b, 4096);
}

static void tear_down(void)
{
    buf_fini(&b);
    ck_assert_int_eq(mem_live(), 0);
}

static void assert_written(const struct reason *r, const char *want)
{
    buf_clear(&b);
    reason_write(&b, r);
    ck_assert_int_eq(buf_ok(&b), OK);
    ck_assert_msg(str_eq(buf_str(&b), str_of(want)), "%.*s", STR_ARG(buf_str(&b)));
}

static void assert_same(const struct reason *a, const struct reason *c)
{
    ck_assert_int_eq(a->code, c->code);
    ck_assert_str_eq(a->blocked_on, c->blocked_on);
    ck_assert_str_eq(a->note, c->note);
    ck_assert_int_eq(a->since_ms, c->since_ms);
    ck_assert_int_eq(a->until_ms, c->until_ms);
}

START_TEST(no_reason_is_null)
{
    struct reason none = {.code = REASON_NONE, .since_ms = 5}, back;
    assert_written(&none, "null");
    reason_read(&back, buf_str(&b));
    assert_same(&back, &(struct reason){.code = REASON_NONE});
}
END_TEST

START_TEST(a_reason_says_why_on_what_since_and_until_when)
{
    struct reason r = {.code = REASON_RATE_LIMITED,
                       .blocked_on = "provider:openai",
                       .since_ms = 1000 * (int64_t)SINCE + 5,
                       .until_ms = 1000 * (int64_t)UNTIL};
    assert_written(&r,
                   "{\"code\":\"rate_limited\",\"blocked_on\":\"provider:openai\","
                   "\"since\":\"2026-08-01T12:00:00.005Z\",\"until\":\"2026-08-01T12:00:07.000Z\","
                   "\"message\":\"waits for the provider's rate limit\"}");
}
END_TEST

START_TEST(what_is_not_known_is_null)
{
    struct reason r = {.code = REASON_TIMER};
    assert_written(
        &r,
        "{\"code\":\"timer\",\"blocked_on\":null,\"since\":null,\"until\":null,\"message\":\"sleeps\"}");
}
END_TEST

START_TEST(a_clients_own_words_stand_in_place_of_the_message)
{
    struct reason r = {.code = REASON_CLIENT_REQUEST, .note = "not \"needed\"\nany more"};
    assert_written(&r,
                   "{\"code\":\"client_request\",\"blocked_on\":null,\"since\":null,\"until\":null,"
                   "\"message\":\"not \\\"needed\\\"\\nany more\"}");
}
END_TEST

START_TEST(every_code_is_the_apis_and_reads_back)
{
    static const char *const codes[] = {"",
                                        "admission",
                                        "rate_limited",
                                        "no_free_slot",
                                        "breaker_open",
                                        "retry_timer",
                                        "dependency",
                                        "timer",
                                        "signal",
                                        "client_request",
                                        "client_gone",
                                        "timeout",
                                        "parent_cancelled",
                                        "shutdown"};
    for (int code = REASON_ADMISSION; code <= REASON_SHUTDOWN; code++) {
        ck_assert_str_eq(reason_code_name((enum reason_code)code), codes[code]);
        for (int with_all = 0; with_all < 2; with_all++) {
            struct reason r = {.code = (enum reason_code)code}, back;
            if (with_all) {
                r.since_ms = 1000 * (int64_t)SINCE;
                r.until_ms = 1000 * (int64_t)UNTIL + 999;
                str_copy(r.blocked_on, sizeof r.blocked_on, STR("provider:\xC3\xA4\t\"x\\"));
                str_copy(r.note, sizeof r.note, STR("a note with \x01 and \xF0\x9F\x98\x80"));
            }
            buf_clear(&b);
            reason_write(&b, &r);
            reason_read(&back, buf_str(&b));
            assert_same(&back, &r);
        }
    }
}
END_TEST

START_TEST(the_longest_texts_read_back)
{
    struct reason r = {.code = REASON_CLIENT_REQUEST}, back;
    memset(r.blocked_on, '\x01', sizeof r.blocked_on - 1);
    memset(r.note, '\x02', sizeof r.note - 1);
    reason_write(&b, &r);
    ck_assert_int_eq(buf_ok(&b), OK);
    reason_read(&back, buf_str(&b));
    assert_same(&back, &r);
}
END_TEST

START_TEST(what_reason_write_did_not_write_is_no_reason)
{
    static const char *const texts[] = {
        "",
        "nul",
        "[]",
        "{}",
        "\"timer\"",
        "{\"code\":\"nonsense\",\"blocked_on\":\"x\",\"since\":\"2026-08-01T12:00:00Z\"}",
        "{\"code\":\"timer\"",
        "{\"code\":null}",
        "{\"code\":\"\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct reason back = {.code = REASON_TIMER, .note = "x"};
        reason_read(&back, str_of(texts[i]));
        assert_same(&back, &(struct reason){.code = REASON_NONE});
    }
    struct reason back;
    reason_read(&back, STR_NONE);
    ck_assert_int_eq(back.code, REASON_NONE);
}
END_TEST

START_TEST(damaged_times_are_not_known)
{
    struct reason back;
    reason_read(
        &back,
        STR("{\"code\":\"timer\",\"since\":\"yesterday\",\"until\":7,\"blocked_on\":3,\"message\":null}"));
    assert_same(&back, &(struct reason){.code = REASON_TIMER});
}
END_TEST

Suite *suite_model_reason(void)
{
    Suite *s = suite_create("model_reason");
    TCase *t = tcase_create("reason");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, no_reason_is_null);
    tcase_add_test(t, a_reason_says_why_on_what_since_and_until_when);
    tcase_add_test(t, what_is_not_known_is_null);
    tcase_add_test(t, a_clients_own_words_stand_in_place_of_the_message);
    tcase_add_test(t, every_code_is_the_apis_and_reads_back);
    tcase_add_test(t, the_longest_texts_read_back);
    tcase_add_test(t, what_reason_write_did_not_write_is_no_reason);
    tcase_add_test(t, damaged_times_are_not_known);
    suite_add_tcase(s, t);
    return s;
}
