/* API keys. */
#include "tests/unit/config/support.h"

Suite *suite_config_read_keys(void);

#define HEX_A                "00000000000000000000000000000000000000000000000000000000000000fF"
#define HEX_B                "0000000000000000000000000000000000000000000000000000000000000001"
#define KEY(name, hex, rest) "{\"name\": \"" name "\", \"sha256\": \"" hex "\"" rest "}"
#define KEYS(list)           "{\"keys\": [" list "]}"

START_TEST(a_key_has_a_name_a_digest_and_scopes)
{
    struct config *c = support_load(KEYS(KEY("ci", HEX_A, ", \"scopes\": [\"run\"]")));
    ck_assert_uint_eq(c->key_count, 1);
    ck_assert(str_eq(c->keys[0].name, STR("ci")));
    ck_assert_uint_eq(c->keys[0].digest[0], 0);
    ck_assert_uint_eq(c->keys[0].digest[31], 0xFF);
    ck_assert_int_eq(c->keys[0].scope, SCOPE_RUN);
    ck_assert_uint_eq(c->keys[0].requests.rate, 0);
    config_destroy(c);
}
END_TEST

START_TEST(the_highest_scope_counts)
{
    static const struct {
        const char *text;
        enum scope scope;
    } rows[] = {
        {KEYS(KEY("k", HEX_A, ", \"scopes\": [\"read\"]")), SCOPE_READ},
        {KEYS(KEY("k", HEX_A, ", \"scopes\": [\"read\", \"run\"]")), SCOPE_RUN},
        {KEYS(KEY("k", HEX_A, ", \"scopes\": [\"run\", \"read\"]")), SCOPE_RUN},
        {KEYS(KEY("k", HEX_A, ", \"scopes\": [\"admin\"]")), SCOPE_ADMIN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config *c = support_load(rows[i].text);
        ck_assert_int_eq(c->keys[0].scope, rows[i].scope);
        config_destroy(c);
    }
}
END_TEST

START_TEST(a_limit_has_a_period_of_a_minute_and_the_rate_as_its_burst_unless_told)
{
    struct config *c = support_load(KEYS(
        KEY("a", HEX_A, ", \"scopes\": [\"run\"], \"limits\": {\"requests\": {\"rate\": 7}}") ", " KEY(
            "b", HEX_B,
            ", \"scopes\": [\"run\"], \"limits\": {\"requests\": {\"rate\": "
            "7, \"period_ms\": 10, \"burst\": 3}}")));
    ck_assert_uint_eq(c->keys[0].requests.rate, 7);
    ck_assert_uint_eq(c->keys[0].requests.period_ms, 60000);
    ck_assert_uint_eq(c->keys[0].requests.burst, 7);
    ck_assert_uint_eq(c->keys[1].requests.period_ms, 10);
    ck_assert_uint_eq(c->keys[1].requests.burst, 3);
    config_destroy(c);
    c = support_load(KEYS(KEY("a", HEX_A,
                              ", \"scopes\": [\"run\"], \"limits\": {\"requests\": "
                              "null}")));
    ck_assert_uint_eq(c->keys[0].requests.rate, 0);
    config_destroy(c);
}
END_TEST

#define SCOPES ", \"scopes\": [\"run\"]"
#define NAMED  "{\"name\": \"k\", \"sha256\": "

START_TEST(bad_parts_are_told)
{
    static const struct support_refusal rows[] = {
        {KEYS("{\"name\": ^\"a b\", \"sha256\": \"" HEX_A "\"" SCOPES "}"),
         "keys[0].name must be 1 to 64 of A-Z a-z 0-9 _ -"},
        {KEYS("{\"name\": ^\"\", \"sha256\": \"" HEX_A "\"" SCOPES "}"),
         "keys[0].name must be 1 to 64 bytes long"},
        {KEYS(NAMED "^\"short\"" SCOPES "}"), "keys[0].sha256 must be 64 hex digits"},
        {KEYS(NAMED "^\"" HEX_A "0\"" SCOPES "}"), "keys[0].sha256 must be 64 hex digits"},
        {KEYS(NAMED "^7" SCOPES "}"), "keys[0].sha256 must be 64 hex digits"},
        {KEYS("^{\"name\": \"k\"" SCOPES "}"), "keys[0].sha256 must be there"},
        {KEYS("^" KEY("k", HEX_A, "")), "keys[0].scopes must be there"},
        {KEYS("^{\"sha256\": \"" HEX_A "\"" SCOPES "}"), "keys[0].name must be there"},
        {KEYS(KEY("k", HEX_A, ", \"scopes\": ^[]")), "keys[0].scopes must hold 1 to 3 entries"},
        {KEYS(KEY("k", HEX_A, ", \"scopes\": [^\"everything\"]")),
         "keys[0].scopes[0] must be one of \"read\", \"run\", \"admin\""},
        {KEYS(KEY("k", HEX_A, ", \"scopes\": ^\"run\"")),
         "keys[0].scopes must be a list of strings"},
        {KEYS(KEY("k", HEX_A, SCOPES ", \"limits\": {\"requests\": ^{}}")),
         "keys[0].limits.requests.rate must be there"},
        {KEYS(KEY("k", HEX_A, SCOPES ", \"limits\": {^\"tokens\": null}")),
         "keys[0].limits.tokens is not a known key"},
        {KEYS("^7"), "keys[0] must be an object"},
    };
    support_refuses_all_at(rows, sizeof rows / sizeof rows[0]);
}
END_TEST

START_TEST(names_and_digests_are_unique)
{
    support_refuses_at(
        KEYS(KEY("a", HEX_A, SCOPES) ", {\"name\": ^\"a\", \"sha256\": \"" HEX_B "\"" SCOPES "}"),
        "keys[1].name is that of keys[0] already");
    support_refuses_at(
        KEYS(KEY("a", HEX_A, SCOPES) ", {\"name\": \"b\", \"sha256\": ^\"" HEX_A "\"" SCOPES "}"),
        "keys[1].sha256 is that of keys[0] already");
}
END_TEST

START_TEST(there_are_at_most_a_thousand)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    for (unsigned n = 1000; n <= 1001; n++) {
        buf_clear(&text);
        buf_add_lit(&text, "{\"keys\": [");
        for (unsigned i = 0; i < n; i++)
            buf_addf(&text, "%s{\"name\": \"k%u\", \"sha256\": \"%064x\", \"scopes\": [\"run\"]}",
                     i > 0 ? "," : "", i, i);
        buf_add_lit(&text, "]}");
        buf_add_char(&text, '\0');
        if (n == 1000)
            config_destroy(support_load(text.data));
        else
            support_refuses(text.data, "c.json:1:10: keys must hold 0 to 1000 keys\n");
    }
    buf_fini(&text);
}
END_TEST

Suite *suite_config_read_keys(void)
{
    Suite *s = suite_create("config_read_keys");
    TCase *t = tcase_create("read_keys");
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, a_key_has_a_name_a_digest_and_scopes);
    tcase_add_test(t, the_highest_scope_counts);
    tcase_add_test(t, a_limit_has_a_period_of_a_minute_and_the_rate_as_its_burst_unless_told);
    tcase_add_test(t, bad_parts_are_told);
    tcase_add_test(t, names_and_digests_are_unique);
    tcase_add_test(t, there_are_at_most_a_thousand);
    suite_add_tcase(s, t);
    return s;
}
