/* Secrets: written out, from the environment, from a file; and never in a message. */
#include "tests/unit/config/support.h"

Suite *suite_config_read_secrets(void);

#define UP(members) "{\"providers\": {\"up\": {\"kind\": \"openai\", " members "}}}"

static const struct provider_options *load_up(const char *text, struct config **ret)
{
    *ret = support_load(text);
    return &(*ret)->providers[0].provider;
}

START_TEST(a_key_is_taken_from_the_text_the_environment_or_a_file)
{
    static const char *const rows[] = {
        UP("\"api_key\": \"sk-1\""),
        UP("\"api_key\": {\"env\": \"SLUICE_TEST_SECRET\"}"),
        UP("\"api_key\": {\"file\": \"secret\"}"),
        UP("\"api_keys\": [\"sk-1\"]"),
        UP("\"api_keys\": [{\"file\": \"secret\"}]"),
    };
    setenv("SLUICE_TEST_SECRET", "sk-1", 1);
    support_write("secret", "sk-1\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config *c;
        const struct provider_options *o = load_up(rows[i], &c);
        ck_assert_uint_eq(o->api_key_count, 1);
        ck_assert(str_eq(o->api_keys[0], STR("sk-1")));
        config_destroy(c);
    }
}
END_TEST

START_TEST(one_newline_at_a_files_end_is_not_part_of_it)
{
    static const struct {
        const char *content, *secret;
    } rows[] = {
        {"a", "a"}, {"a\n", "a"}, {"a\r\n", "a"}, {"a ", "a "}, {" a\n", " a"}, {"\ta\n", "\ta"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config *c;
        support_write("secret", rows[i].content);
        const struct provider_options *o = load_up(UP("\"api_key\": {\"file\": \"secret\"}"), &c);
        ck_assert(str_eq(o->api_keys[0], str_of(rows[i].secret)));
        config_destroy(c);
    }
}
END_TEST

START_TEST(a_secret_that_is_missing_is_named_and_one_that_is_there_is_not_told)
{
    static const struct support_refusal rows[] = {
        {UP("\n\"api_key\": ^{\"env\": \"SLUICE_TEST_MISSING\"}"),
         "providers.up.api_key needs the environment variable SLUICE_TEST_MISSING, "
         "which is not set"},
        {UP("\"api_key\": ^{\"env\": \"SLUICE_TEST_EMPTY\"}"),
         "providers.up.api_key needs the environment variable SLUICE_TEST_EMPTY, "
         "which is empty"},
        {UP("\"api_key\": ^{\"file\": \"/missing\"}"),
         "providers.up.api_key needs the file /missing, which cannot be used: No such "
         "file or directory"},
        {UP("\"api_key\": ^{\"file\": \".\"}"),
         "providers.up.api_key needs the file ., which cannot be used: Is a directory"},
        {UP("\"api_key\": ^{\"file\": \"empty\"}"),
         "providers.up.api_key needs the file empty, which cannot be used: it is "
         "empty"},
        {UP("\"api_key\": ^{\"file\": \"newline\"}"),
         "providers.up.api_key needs the file newline, which cannot be used: it is "
         "empty"},
        {UP("\"api_key\": ^{\"file\": \"lines\"}"),
         "providers.up.api_key holds a byte that cannot stand in a header"},
        {UP("\"api_key\": ^\"sk-\\r\\nX: y\""),
         "providers.up.api_key holds a byte that cannot stand in a header"},
        {UP("\"api_key\": ^\"\""), "providers.up.api_key must be 1 to 4096 bytes long"},
        {UP("\"api_key\": ^{\"file\": \"large\"}"),
         "providers.up.api_key needs the file large, which cannot be used: it is "
         "larger than 64 KiB"},
        {UP("\"api_key\": ^{\"file\": \"long\"}"),
         "providers.up.api_key must be 1 to 4096 bytes long"},
    };
    static char large[65538], longer[4098];
    memset(large, 'x', sizeof large - 1);
    memset(longer, 'x', sizeof longer - 1);
    support_write("empty", "");
    support_write("newline", "\n");
    support_write("lines", "a\nb\n");
    support_write("large", large);
    support_write("long", longer);
    setenv("SLUICE_TEST_EMPTY", "", 1);
    unsetenv("SLUICE_TEST_MISSING");
    support_refuses_all_at(rows, sizeof rows / sizeof rows[0]);
}
END_TEST

START_TEST(a_secret_of_another_form_is_refused_without_repeating_it)
{
    static const char *const rows[] = {
        "7",
        "null",
        "[]",
        "{}",
        "{\"sk-live\": \"x\"}",
        "{\"env\": \"A\", \"file\": \"b\"}",
        "{\"env\": \"A\", \"x\": 1}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, UP("\"api_key\": ^%s"), rows[i]);
        support_refuses_at(text, "providers.up.api_key must be \"TEXT\", {\"env\": "
                                 "\"NAME\"} or {\"file\": \"PATH\"}");
    }
    support_refuses_at(UP("\"api_key\": {\"env\": ^5}"),
                       "providers.up.api_key.env must be a string");
    support_refuses_at(UP("\"api_key\": {\"file\": ^\"\"}"),
                       "providers.up.api_key.file must be 1 to 4000 bytes long");
}
END_TEST

static const struct courier_options *webhooks(const struct config *c)
{
    return &c->engine.webhooks;
}

START_TEST(a_key_that_signs_is_text_or_base64)
{
    struct config *c = support_load("{\"webhooks\": {\"secret\": \"whsec_YWJj\"}}");
    ck_assert_uint_eq(webhooks(c)->key.len, 3);
    ck_assert_int_eq(memcmp(webhooks(c)->key.bytes, "abc", 3), 0);
    ck_assert_uint_eq(webhooks(c)->old_key.len, 0);
    config_destroy(c);
    support_write("secret", "a\x01 b\n"); /* any bytes: it stands in no header */
    c = support_load("{\"webhooks\": {\"old_secret\": {\"file\": \"secret\"}}}");
    ck_assert_uint_eq(webhooks(c)->key.len, 0);
    ck_assert_uint_eq(webhooks(c)->old_key.len, 4);
    config_destroy(c);
    static const char *const bad[] = {"whsec_", "whsec_YWJ", "whsec_****"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"webhooks\": {\"secret\": ^\"%s\"}}", bad[i]);
        support_refuses_at(text,
                           "webhooks.secret must be \"whsec_\" and base64, or text, of at most "
                           "256 bytes");
    }
}
END_TEST

/* What a run may ask for follows from it. */
START_TEST(the_secret_and_allow_private_decide_what_a_webhook_may_be)
{
    struct config *c = support_load("{\"webhooks\": {\"allow_private\": true}}");
    ck_assert(!c->engine.spec.can_sign_webhooks);
    ck_assert(c->engine.spec.webhook_url_fault == url_guard_fault_any_address);
    config_destroy(c);
    c = support_load("{\"webhooks\": {\"secret\": \"a\"}}");
    ck_assert(c->engine.spec.can_sign_webhooks);
    ck_assert(c->engine.spec.webhook_url_fault == url_guard_fault);
    config_destroy(c);
    c = support_load("{\"webhooks\": {\"secret\": \"a\", \"allow_private\": true}}");
    ck_assert(c->engine.spec.webhook_url_fault == url_guard_fault_any_address);
    config_destroy(c);
}
END_TEST

START_TEST(a_key_that_cannot_be_sent_is_not_told)
{
    struct config *c = NULL;
    support_write("secret", "sk-secret\x01\n");
    ck_assert_int_eq(support_try(UP("\"api_key\": {\"file\": \"secret\"}"), &c), ERR_CONFIG);
    ck_assert_ptr_null(strstr(support_said(), "sk-secret"));
    ck_assert_int_eq(support_try(UP("\"headers\": {\"x\": \"sk-secret\\u0001\"}"), &c), ERR_CONFIG);
    ck_assert_ptr_null(strstr(support_said(), "sk-secret"));
}
END_TEST

START_TEST(several_keys_take_the_place_of_one)
{
    struct config *c;
    const struct provider_options *o = load_up(UP("\"api_keys\": [\"a\", \"b\", \"c\"]"), &c);
    ck_assert_uint_eq(o->api_key_count, 3);
    ck_assert(str_eq(o->api_keys[2], STR("c")));
    config_destroy(c);
    o = load_up(UP("\"api_keys\": []"), &c);
    ck_assert_uint_eq(o->api_key_count, 0);
    config_destroy(c);
    support_refuses_at(UP("\"api_key\": \"a\", \"api_keys\": ^[\"b\"]"),
                       "providers.up.api_keys does not go together with api_key");
    support_refuses_at(UP("\"api_keys\": [\"a\", ^\"\"]"),
                       "providers.up.api_keys[1] must be 1 to 4096 bytes long");
    support_refuses_at(UP("\"api_keys\": ^\"a\""),
                       "providers.up.api_keys must be a list of at most 32 secrets");
}
END_TEST

/* {"providers": {"up": {"kind": "openai", "KEY": [or { n members ] or } }}} */
static void with_many(struct buf *b, const char *key, const char *member, unsigned n)
{
    bool is_list = member[0] == '"' && strchr(member, ':') == NULL;
    buf_clear(b);
    buf_addf(b, "{\"providers\": {\"up\": {\"kind\": \"openai\", \"%s\": %c", key,
             is_list ? '[' : '{');
    for (unsigned i = 0; i < n; i++) {
        if (i > 0)
            buf_add_char(b, ',');
        if (is_list)
            buf_addf(b, "%s", member);
        else
            buf_addf(b, "\"m%u\": \"v\"", i);
    }
    buf_addf(b, "%c}}}", is_list ? ']' : '}');
    buf_add_char(b, '\0');
}

static void assert_too_many(const char *text, const char *message)
{
    struct config *c = NULL;
    ck_assert_int_eq(support_try(text, &c), ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(support_said(), message));
}

START_TEST(there_are_at_most_32_keys_and_16_headers_and_query_members)
{
    struct buf text;
    buf_init(&text, 65536);
    with_many(&text, "api_keys", "\"k\"", 32);
    config_destroy(support_load(text.data));
    with_many(&text, "api_keys", "\"k\"", 33);
    assert_too_many(text.data, "providers.up.api_keys must be a list of at most 32 secrets");
    static const char *const keys[] = {"headers", "query"};
    for (size_t i = 0; i < 2; i++) {
        char line[128];
        with_many(&text, keys[i], ":", 16);
        config_destroy(support_load(text.data));
        with_many(&text, keys[i], ":", 17);
        snprintf(line, sizeof line, "providers.up.%s must be an object of at most 16 secrets",
                 keys[i]);
        assert_too_many(text.data, line);
    }
    buf_fini(&text);
}
END_TEST

START_TEST(headers_and_query_are_pairs_of_a_name_and_a_secret)
{
    struct config *c;
    support_write("secret", "s\n");
    const struct provider_options *o =
        load_up(UP("\"headers\": {\"X-A\": \"1\", \"X-B\": {\"file\": \"secret\"}, \"X-C\": \"\"}, "
                   "\"query\": {\"a b\": \"\\n\", \"c\": {\"file\": \"secret\"}}"),
                &c);
    ck_assert_uint_eq(o->header_count, 3);
    ck_assert(str_eq(o->headers[0].name, STR("X-A")));
    ck_assert(str_eq(o->headers[1].value, STR("s")));
    ck_assert_uint_eq(o->headers[2].value.len, 0);
    ck_assert_uint_eq(o->query_count, 2);
    ck_assert(str_eq(o->query[0].name, STR("a b")));
    ck_assert(str_eq(o->query[0].value, STR("\n"))); /* percent-encoded when it is sent */
    config_destroy(c);
    static const struct support_refusal rows[] = {
        {UP("\"headers\": {^\"X A\": \"1\"}"),
         "providers.up.headers.X A is not the name of a header"},
        {UP("\"headers\": {^\"\": \"1\"}"), "providers.up.headers must be 1 to 256 bytes long"},
        {UP("\"headers\": {\"x-a\": \"1\", ^\"X-A\": \"2\"}"),
         "providers.up.headers.X-A is there already"},
        {UP("\"headers\": {\"X-A\": ^7}"),
         "providers.up.headers.X-A must be \"TEXT\", {\"env\": \"NAME\"} or "
         "{\"file\": \"PATH\"}"},
        {UP("\"headers\": {\"X-A\": ^{\"env\": \"SLUICE_TEST_MISSING\"}}"),
         "providers.up.headers.X-A needs the environment variable "
         "SLUICE_TEST_MISSING, which is not set"},
        {UP("\"headers\": ^[]"), "providers.up.headers must be an object of at most 16 secrets"},
        {UP("\"query\": {\"a\": ^[]}"),
         "providers.up.query.a must be \"TEXT\", {\"env\": \"NAME\"} or "
         "{\"file\": \"PATH\"}"},
    };
    support_refuses_all_at(rows, sizeof rows / sizeof rows[0]);
}
END_TEST

Suite *suite_config_read_secrets(void)
{
    Suite *s = suite_create("config_read_secrets");
    TCase *t = tcase_create("read_secrets");
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, a_key_is_taken_from_the_text_the_environment_or_a_file);
    tcase_add_test(t, one_newline_at_a_files_end_is_not_part_of_it);
    tcase_add_test(t, a_secret_that_is_missing_is_named_and_one_that_is_there_is_not_told);
    tcase_add_test(t, a_secret_of_another_form_is_refused_without_repeating_it);
    tcase_add_test(t, a_key_that_signs_is_text_or_base64);
    tcase_add_test(t, the_secret_and_allow_private_decide_what_a_webhook_may_be);
    tcase_add_test(t, a_key_that_cannot_be_sent_is_not_told);
    tcase_add_test(t, several_keys_take_the_place_of_one);
    tcase_add_test(t, there_are_at_most_32_keys_and_16_headers_and_query_members);
    tcase_add_test(t, headers_and_query_are_pairs_of_a_name_and_a_secret);
    suite_add_tcase(s, t);
    return s;
}
