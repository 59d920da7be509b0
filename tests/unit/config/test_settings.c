/* What a reload replaces, as one snapshot. */
#include "config/settings.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "tests/unit/base/oom.h"
#include "tests/unit/config/support.h"

Suite *suite_config_settings(void);

static struct loop *loop;
static struct tenants tenants;

static void set_up(void)
{
    support_set_up();
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
}

static void tear_down(void)
{
    while (loop_turn(loop)) {
    }
    loop_destroy(loop);
    tenants_fini(&tenants);
    support_tear_down();
}

static struct settings *make(const char *text, const struct settings *old)
{
    struct config *c = support_load(text);
    struct settings_home home = {.loop = loop, .loop_count = 2, .tenants = &tenants};
    struct settings *s = NULL;
    ck_assert_int_eq(settings_create(c, old, &home, &s, &support_report), OK);
    config_destroy(c); /* they stand alone */
    return s;
}

#define KEY(rate)                                                                                  \
    "{\"name\": \"k\", \"scopes\": [\"run\"], \"sha256\": "                                        \
    "\"0000000000000000000000000000000000000000000000000000000000000001\", "                       \
    "\"limits\": {\"requests\": {\"rate\": " rate "}}}"

static enum err take(struct settings *s)
{
    uint64_t wait_ms;
    return auth_take(s->api.auth.keys[0].tenant, 1, clock_mono_ms(NULL), &wait_ms);
}

START_TEST(hold_all_that_a_reload_changes)
{
    struct settings *s = make("{\"limits\": {\"live_runs\": 7, \"idle_ms\": 777, \"streams\": 5}, "
                              "\"keys\": [" KEY("1") "], \"agents\": {}}",
                              NULL);
    ck_assert_uint_eq(s->engine.live_runs, 7);
    ck_assert_uint_eq(s->http.idle_ms, 777);
    ck_assert_uint_eq(s->api.limits.streams, 5);
    ck_assert_uint_eq(s->api.auth.count, 1);
    ck_assert_uint_eq(s->catalog->upstream_count, 1);
    ck_assert_ptr_null(settings_unref(s));
}
END_TEST

START_TEST(change_nothing_until_they_are_enforced)
{
    struct settings *old = make("{\"keys\": [" KEY("1") "]}", NULL);
    settings_enforce(old);
    ck_assert_int_eq(take(old), OK);
    ck_assert_int_eq(take(old), ERR_RATE_LIMITED);
    struct settings *new = make(
        "{\"keys\": [" KEY("5000000") "], \"providers\": {\"sim\": "
                                      "{\"kind\": \"sim\", \"limits\": {\"concurrency\": 3}}}}",
        old);
    struct gate_status status;
    gate_status(old->catalog->upstreams[0]->gate, &status);
    ck_assert_uint_eq(status.limiter.total, 100);
    ck_assert_int_eq(take(old), ERR_RATE_LIMITED);
    settings_enforce(new);
    gate_status(old->catalog->upstreams[0]->gate, &status);
    ck_assert_uint_eq(status.limiter.total, 3);
    settings_unref(old);
    for (int i = 0; i < 1000 && take(new) != OK; i++)
        usleep(100);
    ck_assert_int_eq(take(new), OK); /* at the new rate, which fills it at once */
    settings_unref(new);
}
END_TEST

static bool trusts(const struct settings *s, const char *address)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    ck_assert_int_eq(inet_pton(AF_INET, address, &a.sin_addr), 1);
    return settings_trust(s, (const struct sockaddr *)&a);
}

START_TEST(know_whose_word_counts)
{
    struct settings *s = make("{\"trusted_proxies\": [\"10.0.0.0/8\", \"192.0.2.7\"]}", NULL);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    ck_assert(trusts(s, "10.1.2.3") && trusts(s, "192.0.2.7"));
    ck_assert(!trusts(s, "192.0.2.8") && !trusts(s, "127.0.0.1"));
    ck_assert(settings_trust(s, (const struct sockaddr *)&local));
    settings_unref(s);
    s = make("{\"trusted_proxies\": []}", NULL);
    ck_assert(!trusts(s, "127.0.0.1"));
    settings_unref(s);
    s = make("{}", NULL);
    ck_assert(trusts(s, "127.0.0.1") && !trusts(s, "127.0.0.2"));
    settings_unref(s);
}
END_TEST

static enum err make_once(void *arg)
{
    struct tenants own = {.first = NULL};
    struct settings_home home = {.loop = loop, .loop_count = 2, .tenants = &own};
    struct settings *s;
    struct buf report;
    buf_init(&report, 4096);
    enum err e = settings_create(arg, NULL, &home, &s, &report);
    if (e == OK)
        settings_unref(s);
    tenants_fini(&own);
    buf_fini(&report);
    return e;
}

START_TEST(survive_every_lack_of_memory)
{
    struct config *c = support_load("{\"keys\": [" KEY("1") "]}");
    ck_assert_uint_gt(oom_rounds(make_once, c), 6);
    config_destroy(c);
}
END_TEST

Suite *suite_config_settings(void)
{
    Suite *s = suite_create("config_settings");
    TCase *t = tcase_create("settings");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, hold_all_that_a_reload_changes);
    tcase_add_test(t, change_nothing_until_they_are_enforced);
    tcase_add_test(t, know_whose_word_counts);
    tcase_add_test(t, survive_every_lack_of_memory);
    suite_add_tcase(s, t);
    return s;
}
