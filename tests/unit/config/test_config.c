/* What a configuration says as a whole: who could reach it, and how many loops it runs. */
#include "config/config.h"

#include "config/cpus.h"
#include "tests/unit/config/support.h"

Suite *suite_config_config(void);

#define KEY                                                                                        \
    "\"keys\": [{\"name\": \"k\", \"scopes\": [\"run\"], \"sha256\": "                             \
    "\"0000000000000000000000000000000000000000000000000000000000000001\"}]"

START_TEST(listening_beyond_loopback_needs_keys_or_a_clear_word)
{
    static const struct {
        const char *text;
        bool is_fine;
    } rows[] = {
        {"{}", true},
        {"{\"listen\": [\"127.0.0.1:1\", \"[::1]:1\", \"localhost:1\", \"unix:/x\"]}", true},
        {"{\"listen\": [\"0.0.0.0:1\"]}", false},
        {"{\"listen\": [\"[::]:1\"]}", false},
        {"{\"listen\": [\"10.0.0.1:1\"]}", false},
        {"{\"listen\": [\"gate.example:1\"]}", false},
        {"{\"listen\": [\"127.0.0.1:1\", \"0.0.0.0:2\"]}", false},
        {"{\"listen\": [\"0.0.0.0:1\"], " KEY "}", true},
        {"{\"listen\": [\"0.0.0.0:1\"], \"keys\": []}", false},
        {"{\"listen\": [\"0.0.0.0:1\"], \"allow_unauthenticated\": true}", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config *c = support_load(rows[i].text);
        struct error error;
        enum err e = config_check_exposure(c, &error);
        ck_assert_msg(e == (rows[i].is_fine ? OK : ERR_CONFIG), "%s", rows[i].text);
        config_destroy(c);
    }
}
END_TEST

START_TEST(the_refusal_names_the_address_and_what_to_do)
{
    struct config *c = support_load("{\"listen\": [\"127.0.0.1:1\", \"0.0.0.0:8080\"]}");
    struct error error;
    ck_assert_int_eq(config_check_exposure(c, &error), ERR_CONFIG);
    ck_assert_str_eq(error.message,
                     "0.0.0.0:8080 can be reached from other machines, and there are no keys: add "
                     "\"keys\", listen on 127.0.0.1, or set \"allow_unauthenticated\": true where "
                     "something else keeps strangers away");
    config_destroy(c);
}
END_TEST

START_TEST(an_address_from_the_command_line_counts_too)
{
    static const char *const listen[] = {"0.0.0.0:1"};
    struct config_overrides o = {.listen = listen, .listen_count = 1};
    struct config *c = NULL;
    ck_assert_int_eq(config_load(NULL, &o, &c, &support_report), OK);
    ck_assert_int_eq(config_check_exposure(c, NULL), ERR_CONFIG);
    config_destroy(c);
}
END_TEST

START_TEST(loops_are_as_written_or_one_for_each_cpu)
{
    struct config *c = support_load("{\"loops\": 8}");
    ck_assert_uint_eq(config_loop_count(c), 8);
    config_destroy(c);
    c = support_load("{}");
    uint32_t cpus = cpus_usable("");
    ck_assert_uint_eq(config_loop_count(c), cpus < MAX_LOOPS ? cpus : MAX_LOOPS);
    ck_assert_uint_ge(config_loop_count(c), 1);
    config_destroy(c);
}
END_TEST

START_TEST(nothing_can_be_destroyed)
{
    config_destroy(NULL);
}
END_TEST

Suite *suite_config_config(void)
{
    Suite *s = suite_create("config_config");
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, listening_beyond_loopback_needs_keys_or_a_clear_word);
    tcase_add_test(t, the_refusal_names_the_address_and_what_to_do);
    tcase_add_test(t, an_address_from_the_command_line_counts_too);
    tcase_add_test(t, loops_are_as_written_or_one_for_each_cpu);
    tcase_add_test(t, nothing_can_be_destroyed);
    suite_add_tcase(s, t);
    return s;
}
