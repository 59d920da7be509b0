/* Providers: what they are by default, and what goes together. */
#include "tests/unit/config/support.h"

Suite *suite_config_read_providers(void);

#define UP(members) "{\"providers\": {\"up\": {\"kind\": \"openai\"" members "}}}"

static const struct upstream_options *provider(const struct config *c, const char *name)
{
    for (uint32_t i = 0; i < c->provider_count; i++) {
        if (str_eq(c->providers[i].provider.name, str_of(name)))
            return &c->providers[i];
    }
    return NULL;
}

/* API §7, number by number. */
START_TEST(the_defaults_are_the_contracts)
{
    struct config *c = support_load(UP(""));
    const struct upstream_options *u = provider(c, "up");
    ck_assert(str_eq(u->provider.kind, STR("openai")));
    ck_assert(str_eq(u->provider.base_url, STR("https://api.openai.com/v1")));
    ck_assert_uint_eq(
        u->provider.api_key_count + u->provider.header_count + u->provider.query_count, 0);
    ck_assert_ptr_null(u->provider.ca_file.at);
    ck_assert_uint_eq(u->pool.max_idle, 20);
    ck_assert_uint_eq(u->pool.idle_ms, 60000);
    ck_assert_uint_eq(u->pool.max_age_ms, 3600000);
    ck_assert_uint_eq(u->limiter.requests.rate, 0);
    ck_assert_uint_eq(u->limiter.tokens.rate, 0);
    ck_assert_uint_eq(u->limiter.concurrency, 100);
    ck_assert_uint_eq(u->limiter.queue, 1000);
    ck_assert_uint_eq(u->retry.attempts, 3);
    ck_assert_uint_eq(u->retry.backoff.base_ms, 1000);
    ck_assert(u->retry.backoff.factor >= 2.0 && u->retry.backoff.factor <= 2.0);
    ck_assert_uint_eq(u->retry.backoff.max_ms, 30000);
    ck_assert_int_eq(u->retry.backoff.jitter, BACKOFF_FULL);
    ck_assert(u->limiter.retry_budget >= 0.2 && u->limiter.retry_budget <= 0.2);
    ck_assert_uint_eq(u->limiter.breaker.failures, 5);
    ck_assert_uint_eq(u->limiter.breaker.window_ms, 30000);
    ck_assert(u->limiter.breaker.ratio <= 0);
    ck_assert_uint_eq(u->limiter.breaker.min_calls, 20);
    ck_assert_uint_eq(u->limiter.breaker.reset_ms, 60000);
    ck_assert_uint_eq(u->limiter.breaker.max_reset_ms, 600000);
    ck_assert_int_eq(u->limiter.on_open, LIMITER_ON_OPEN_WAIT);
    ck_assert_uint_eq(u->timeouts.connect_ms, 5000);
    ck_assert_uint_eq(u->timeouts.first_byte_ms, 600000);
    ck_assert_uint_eq(u->timeouts.idle_ms, 60000);
    ck_assert_uint_eq(u->timeouts.total_ms, 1800000);
    ck_assert_uint_eq(u->fallback_wait_ms, 10000);
    config_destroy(c);
}
END_TEST

/* What no key is for stays as resilience/ has it; what a key is for agrees with it. */
START_TEST(the_modules_defaults_are_the_same)
{
    struct config *c = support_load(UP(""));
    const struct upstream_options *u = provider(c, "up");
    struct limiter_policy limiter = limiter_policy_default();
    struct retry_policy retry = retry_policy_default();
    ck_assert_uint_eq(u->limiter.max_hint_ms, limiter.max_hint_ms);
    ck_assert_uint_eq(u->retry.max_hint_ms, retry.max_hint_ms);
    ck_assert_uint_eq(u->retry.on, retry.on);
    ck_assert_uint_eq(u->retry.attempts, retry.attempts);
    ck_assert_uint_eq(u->limiter.concurrency, limiter.concurrency);
    ck_assert_uint_eq(u->limiter.queue, limiter.queue);
    ck_assert_uint_eq(u->limiter.breaker.failures, limiter.breaker.failures);
    config_destroy(c);
}
END_TEST

START_TEST(sim_is_always_there_unless_another_has_its_name)
{
    struct config *c = support_load(UP(""));
    ck_assert_uint_eq(c->provider_count, 2);
    ck_assert(str_eq(provider(c, "sim")->provider.kind, STR("sim")));
    config_destroy(c);
    c = support_load("{\"providers\": {}}");
    ck_assert_ptr_nonnull(provider(c, "sim"));
    config_destroy(c);
    c = support_load("{\"providers\": {\"sim\": {\"kind\": \"openai\"}}}");
    ck_assert_uint_eq(c->provider_count, 1);
    ck_assert(str_eq(provider(c, "sim")->provider.kind, STR("openai")));
    config_destroy(c);
}
END_TEST

START_TEST(calls_of_the_kind_sim_are_tried_once_unless_told)
{
    struct config *c =
        support_load("{\"providers\": {\"a\": {\"kind\": \"sim\"}, \"b\": {\"kind\": "
                     "\"sim\", \"retry\": {\"attempts\": 4}}, \"c\": {\"kind\": "
                     "\"openai\", \"retry\": {\"base_ms\": 1}}}}");
    ck_assert_uint_eq(provider(c, "a")->retry.attempts, 1);
    ck_assert_uint_eq(provider(c, "b")->retry.attempts, 4);
    ck_assert_uint_eq(provider(c, "c")->retry.attempts, 3);
    ck_assert_uint_eq(provider(c, "sim")->retry.attempts, 1);
    config_destroy(c);
}
END_TEST

START_TEST(a_left_out_burst_is_the_rate_and_null_is_off)
{
    struct config *c = support_load(
        UP(", \"limits\": {\"requests\": {\"rate\": 7}, \"tokens\": {\"rate\": 9, \"period_ms\": "
           "5, \"burst\": 2}}"));
    const struct upstream_options *u = provider(c, "up");
    ck_assert_uint_eq(u->limiter.requests.rate, 7);
    ck_assert_uint_eq(u->limiter.requests.burst, 7);
    ck_assert_uint_eq(u->limiter.requests.period_ms, 60000);
    ck_assert_uint_eq(u->limiter.tokens.period_ms, 5);
    ck_assert_uint_eq(u->limiter.tokens.burst, 2);
    config_destroy(c);
    c = support_load(UP(", \"limits\": {\"requests\": null, \"concurrency\": 1}"));
    ck_assert_uint_eq(provider(c, "up")->limiter.requests.rate, 0);
    ck_assert_uint_eq(provider(c, "up")->limiter.concurrency, 1);
    config_destroy(c);
    support_refuses_at(UP(", \"limits\": {\"requests\": ^{\"burst\": 1}}"),
                       "providers.up.limits.requests.rate must be there");
}
END_TEST

START_TEST(one_of_the_breakers_rules_must_count)
{
    struct config *c = support_load(UP(", \"breaker\": {\"failures\": null, \"ratio\": 0.5}"));
    ck_assert_uint_eq(provider(c, "up")->limiter.breaker.failures, 0);
    ck_assert(provider(c, "up")->limiter.breaker.ratio >= 0.5);
    config_destroy(c);
    c = support_load(UP(", \"breaker\": {\"ratio\": 1}"));
    ck_assert_uint_eq(provider(c, "up")->limiter.breaker.failures, 5);
    config_destroy(c);
    support_refuses_at(UP(", \"breaker\": {\"failures\": ^null}"),
                       "providers.up.breaker.failures can be null only where ratio is "
                       "set");
    support_refuses_at(UP(", \"breaker\": {\"ratio\": null, \"failures\": ^null}"),
                       "providers.up.breaker.failures can be null only where ratio is "
                       "set");
}
END_TEST

START_TEST(a_provider_says_what_kind_it_is)
{
    static const struct support_refusal rows[] = {
        {"{\"providers\": {\"up\": ^{}}}", "providers.up.kind must be there"},
        {"{\"providers\": {\"up\": {\"kind\": ^7}}}",
         "providers.up.kind must be one of \"openai\", \"anthropic\", \"http\", \"sim\""},
        {"{\"providers\": {\"up\": {\"kind\": ^\"nothing\"}}}",
         "providers.up.kind must be one of \"openai\", \"anthropic\", \"http\", \"sim\""},
        {"{\"providers\": {\"up\": ^7}}", "providers.up must be an object"},
        {"{\"providers\": {^\"a b\": {\"kind\": \"sim\"}}}",
         "providers.a b is not a name: 1 to 64 of A-Z a-z 0-9 _ -"},
        {"{\"providers\": {^\"\": {\"kind\": \"sim\"}}}",
         "providers.\"\" is not a name: 1 to 64 of A-Z a-z 0-9 _ -"},
    };
    struct config *c = support_load("{}");
    ck_assert_str_eq(provider_kind_at(0)->name, "openai"); /* else the messages change */
    ck_assert_str_eq(provider_kind_at(1)->name, "anthropic");
    ck_assert_str_eq(provider_kind_at(2)->name, "http");
    ck_assert_str_eq(provider_kind_at(3)->name, "sim");
    config_destroy(c);
    support_refuses_all_at(rows, sizeof rows / sizeof rows[0]);
}
END_TEST

START_TEST(a_base_url_is_one_to_which_a_path_can_be_added)
{
    static const char *const good[] = {"http://127.0.0.1:9/v1", "https://x", "https://x/",
                                       "http://[::1]:8080/a/b"};
    static const char *const bad[] = {
        "ftp://x/",      "x",           "https://",      "https:///v1",
        "https://x?a=b", "https://x#a", "https://u:p@x", "http://x y",
        "http://x/\\n",  "HTTPS://x",   "http://\\u00e9"};
    char text[256];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, UP(", \"base_url\": \"%s\""), good[i]);
        struct config *c = support_load(text);
        ck_assert(str_eq(provider(c, "up")->provider.base_url, str_of(good[i])));
        config_destroy(c);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, UP(", \"base_url\": ^\"%s\""), bad[i]);
        support_refuses_at(text, "providers.up.base_url must be an http:// or https:// "
                                 "URL without query, fragment, user and blanks");
    }
}
END_TEST

START_TEST(a_ca_file_can_be_read)
{
    support_write("ca.pem", "x");
    struct config *c = support_load(UP(", \"ca_file\": \"ca.pem\""));
    ck_assert(str_eq(provider(c, "up")->provider.ca_file, STR("ca.pem")));
    config_destroy(c);
    c = support_load(UP(", \"ca_file\": null"));
    ck_assert_ptr_null(provider(c, "up")->provider.ca_file.at);
    config_destroy(c);
    support_refuses_at(UP(", \"ca_file\": ^\"none.pem\""),
                       "providers.up.ca_file names the file none.pem, which cannot be "
                       "read: No such file or directory");
}
END_TEST

#define HTTP(members)                                                                              \
    "{\"providers\": {\"up\": {\"kind\": \"http\", \"base_url\": \"http://x\"" members "}}}"

START_TEST(an_http_provider_has_keys_of_its_own)
{
    struct config *c = support_load(HTTP(
        ", \"request\": {\"path\": \"/a\", \"body\": \"{{input}}\"}, \"result\": \"/b\", "
        "\"response\": \"ndjson\", \"delta\": \"/d\", \"end\": \"E\", \"success\": [200, 202]"));
    const struct http_options *o = &provider(c, "up")->provider.http;
    ck_assert(str_eq(o->request, STR("{\"path\":\"/a\",\"body\":\"{{input}}\"}")));
    ck_assert(str_eq(o->result, STR("/b")) && str_eq(o->delta, STR("/d")));
    ck_assert(str_eq(o->end, STR("E")));
    ck_assert_uint_eq(o->response, HTTP_NDJSON);
    ck_assert_uint_eq(o->success.count, 2);
    ck_assert_uint_eq(o->success.at[1], 202);
    ck_assert_uint_eq(o->poll.every_ms, 0);
    config_destroy(c);
}
END_TEST

START_TEST(poll_has_defaults_once_it_is_there)
{
    struct config *c = support_load(HTTP(", \"poll\": {}"));
    const struct http_poll *poll = &provider(c, "up")->provider.http.poll;
    ck_assert(str_eq(poll->status, STR("/status")) && str_eq(poll->url, STR("/urls/get")));
    ck_assert_ptr_null(poll->cancel_url.at);
    ck_assert_uint_eq(poll->done.count + poll->failed.count, 2);
    ck_assert(str_eq(poll->done.at[0], STR("succeeded")));
    ck_assert_uint_eq(poll->every_ms, 500);
    config_destroy(c);
    c = support_load(
        HTTP(", \"poll\": {\"status\": \"/s\", \"done\": [\"a\", \"b\"], \"failed\": [], \"url\": "
             "\"/u\", \"cancel_url\": \"/c\", \"cancel_method\": \"DELETE\", \"every_ms\": 10}"));
    poll = &provider(c, "up")->provider.http.poll;
    ck_assert_uint_eq(poll->done.count, 2);
    ck_assert_uint_eq(poll->failed.count, 0);
    ck_assert(str_eq(poll->cancel_url, STR("/c")));
    ck_assert_uint_eq(poll->cancel_method, HTTP_CANCEL_DELETE);
    ck_assert_uint_eq(poll->every_ms, 10);
    config_destroy(c);
}
END_TEST

START_TEST(what_an_http_provider_cannot_have)
{
    support_refuses_at(UP(", \"poll\": ^{\"status\": \"/s\"}"),
                       "providers.up.poll goes with the kind \"http\" only");
    support_refuses_at(UP(", \"result\": ^\"/s\""),
                       "providers.up.result goes with the kind \"http\" only");
    support_refuses_at(
        HTTP(", \"result\": ^\"s\""),
        "providers.up.result must be a JSON pointer: empty, or with a slash in front");
    support_refuses_at(HTTP(", \"success\": [200, ^99]"),
                       "providers.up.success[1] must be a status between 200 and 599");
    support_refuses_at(HTTP(", \"poll\": {\"done\": ^[]}"),
                       "providers.up.poll.done must hold 1 to 16 entries");
    support_refuses_at(HTTP(", \"request\": ^7"), "providers.up.request must be an object");
    support_refuses_at(HTTP(", \"request\": {^\"url\": 7}"),
                       "providers.up.request.url is not a known key");
    support_refuses_at(HTTP(", \"request\": {\"body\": {\"a\": [^\"{{inptu}}\"]}}"),
                       "providers.up.request.body.a[0] refers to nothing that there is");
    support_refuses_at(HTTP(", \"request\": {\"path\": ^7}"),
                       "providers.up.request.path must be a string");
    support_refuses_at("{\"providers\": {\"up\": ^{\"kind\": \"http\"}}}",
                       "providers.up cannot be used: base_url must be there");
}
END_TEST

/* Bug of others: what only the adapter can judge shows up when the first call is made. */
START_TEST(the_adapter_is_asked_before_it_is_too_late)
{
    struct buf text;
    struct config *c = NULL;
    buf_init(&text, 1 << 20);
    buf_add_lit(&text, "{\"providers\": {\"up\": {\"kind\": \"openai\", \"query\": {");
    for (unsigned i = 0; i < 16; i++)
        buf_addf(&text, "%s\"%0200u\": \"%0500u\"", i > 0 ? "," : "", i, i);
    buf_add_lit(&text, "}}}}");
    buf_add_char(&text, '\0');
    ck_assert_int_ne(support_try(text.data, &c), OK);
    ck_assert_ptr_null(c);
    buf_fini(&text);
}
END_TEST

Suite *suite_config_read_providers(void)
{
    Suite *s = suite_create("config_read_providers");
    TCase *t = tcase_create("read_providers");
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, the_defaults_are_the_contracts);
    tcase_add_test(t, the_modules_defaults_are_the_same);
    tcase_add_test(t, sim_is_always_there_unless_another_has_its_name);
    tcase_add_test(t, calls_of_the_kind_sim_are_tried_once_unless_told);
    tcase_add_test(t, a_left_out_burst_is_the_rate_and_null_is_off);
    tcase_add_test(t, one_of_the_breakers_rules_must_count);
    tcase_add_test(t, a_provider_says_what_kind_it_is);
    tcase_add_test(t, a_base_url_is_one_to_which_a_path_can_be_added);
    tcase_add_test(t, a_ca_file_can_be_read);
    tcase_add_test(t, an_http_provider_has_keys_of_its_own);
    tcase_add_test(t, poll_has_defaults_once_it_is_there);
    tcase_add_test(t, what_an_http_provider_cannot_have);
    tcase_add_test(t, the_adapter_is_asked_before_it_is_too_late);
    suite_add_tcase(s, t);
    return s;
}
