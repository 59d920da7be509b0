/* The configuration in force: whole, masked, and fit to be loaded again. */
#include "base/json.h"
#include "config/schema.h"
#include "tests/unit/base/oom.h"
#include "tests/unit/config/support.h"

Suite *suite_config_print(void);

static const char everything[] =
    "{\"listen\": [\"127.0.0.1:1\", \"unix:/run/s\"], \"base_path\": \"/gate\", \"loops\": 3,\n"
    " \"store\": {\"path\": \"x\\n.db\", \"retain\": {\"days\": 7, \"max_bytes\": 0}},\n"
    " \"limits\": {\"body_bytes\": 123456, \"default_wait_ms\": 0},\n"
    " \"keys\": [{\"name\": \"ci\", \"scopes\": [\"run\"], \"limits\": {\"requests\": {\"rate\": "
    "5, \"burst\": 9}}, \"sha256\": "
    "\"00000000000000000000000000000000000000000000000000000000000000Ab\"},"
    "{\"name\": \"root\", \"scopes\": [\"admin\"], \"sha256\": "
    "\"0000000000000000000000000000000000000000000000000000000000000002\"}],\n"
    " \"allow_unauthenticated\": true, \"trusted_proxies\": [\"10.0.0.0/8\", \"fd00::1\"],\n"
    " \"log\": {\"format\": \"json\", \"level\": \"debug\"}, \"drain_ms\": 1,\n"
    " \"webhooks\": {\"secret\": \"whsec_c2stY2FuYXJ5LTU=\", \"old_secret\": \"sk-canary-6\"},\n"
    " \"providers\": {\"up\": {\"kind\": \"openai\", \"base_url\": \"http://127.0.0.1:9/v1\",\n"
    "   \"api_keys\": [\"sk-canary-1\", {\"file\": \"secret\"}],\n"
    "   \"headers\": {\"X-Key\": \"sk-canary-2\"}, \"query\": {\"a\\\"b\": \"sk-canary-3\"},\n"
    "   \"ca_file\": \"secret\",\n"
    "   \"limits\": {\"requests\": {\"rate\": 5}, \"concurrency\": 2},\n"
    "   \"retry\": {\"factor\": 1.5, \"jitter\": \"none\", \"budget\": 0.1},\n"
    "   \"breaker\": {\"failures\": null, \"ratio\": 0.25, \"on_open\": \"fail\"}}},\n"
    " \"agents\": {\"w\": {\"model\": [\"up/a\", \"sim/echo\"], \"description\": \"d\",\n"
    "   \"instructions\": \"be \\\"kind\\\"\", \"params\": {\"n\": 12345678901234567890},\n"
    "   \"output\": \"json\", \"retry\": {\"attempts\": 2, \"on\": [\"provider_error\"]},\n"
    "   \"timeout_ms\": 5}}}";

static struct config *load_everything(void)
{
    support_write("secret", "sk-canary-4\n");
    return support_load(everything);
}

/* The value that is shown at a pointer, without the white space in it. */
static void assert_shown(struct str text, const char *pointer, const char *expected)
{
    struct json_doc doc;
    struct buf b;
    json_doc_init(&doc);
    buf_init(&b, 1 << 16);
    ck_assert_int_eq(json_parse(&doc, text, NULL), OK);
    json_add_compact(&b, json_pointer(json_root(&doc), str_of(pointer)));
    ck_assert_msg(str_eq(buf_str(&b), str_of(expected)), "%s: %.*s", pointer, (int)b.len, b.data);
    buf_fini(&b);
    json_doc_fini(&doc);
}

START_TEST(shows_what_was_written_and_what_was_not)
{
    struct config *c = load_everything();
    struct buf out;
    struct str text = support_print(c, &out);
    static const struct {
        const char *pointer, *value;
    } rows[] = {
        {"/listen", "[\"127.0.0.1:1\",\"unix:/run/s\"]"},
        {"/base_path", "\"/gate\""},
        {"/loops", "3"},
        {"/store/path", "\"x\\n.db\""},
        {"/store/kind", "\"sqlite\""},
        {"/store/retain", "{\"days\":7,\"max_bytes\":0}"},
        {"/limits/body_bytes", "123456"},
        {"/limits/header_bytes", "32768"},
        {"/limits/default_wait_ms", "0"},
        {"/keys/0/limits", "{\"requests\":{\"rate\":5,\"period_ms\":60000,\"burst\":9}}"},
        {"/keys/0/scopes", "[\"read\",\"run\"]"},
        {"/keys/0/sha256", "\"00000000000000000000000000000000000000000000000000000000000000ab\""},
        {"/keys/1/limits", "{\"requests\":null}"},
        {"/keys/1/scopes", "[\"read\",\"run\",\"admin\"]"},
        {"/allow_unauthenticated", "true"},
        {"/trusted_proxies", "[\"10.0.0.0/8\",\"fd00::1/128\"]"},
        {"/log", "{\"format\":\"json\",\"level\":\"debug\"}"},
        {"/webhooks/secret", "\"***\""},
        {"/webhooks/old_secret", "\"***\""},
        {"/webhooks/allow_private", "false"},
        {"/providers/up/api_keys", "[\"***\",\"***\"]"},
        {"/providers/up/api_key", ""},
        {"/providers/up/poll", ""},
        {"/providers/up/headers", "{\"X-Key\":\"***\"}"},
        {"/providers/up/query", "{\"a\\\"b\":\"***\"}"},
        {"/providers/up/ca_file", "\"secret\""},
        {"/providers/up/limits/requests", "{\"rate\":5,\"period_ms\":60000,\"burst\":5}"},
        {"/providers/up/limits/tokens", "null"},
        {"/providers/up/retry/factor", "1.5"},
        {"/providers/up/retry/budget", "0.1"},
        {"/providers/up/retry/jitter", "\"none\""},
        {"/providers/up/breaker/failures", "null"},
        {"/providers/up/breaker/ratio", "0.25"},
        {"/providers/up/breaker/on_open", "\"fail\""},
        {"/providers/up/timeouts/connect_ms", "5000"},
        {"/providers/sim/retry/attempts", "1"},
        {"/providers/sim/base_url", ""},
        {"/providers/sim/ca_file", "null"},
        {"/agents/w/model", "[\"up/a\",\"sim/echo\"]"},
        {"/agents/w/params", "{\"n\":12345678901234567890}"},
        {"/agents/w/timeout_ms", "5"},
        {"/agents/w/name", ""},
        {"/agents/w/version", ""},
        {"/workflows", "{}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_shown(text, rows[i].pointer, rows[i].value);
    buf_fini(&out);
    config_destroy(c);
}
END_TEST

START_TEST(secrets_are_masked)
{
    struct config *c = load_everything();
    struct buf out;
    support_print(c, &out);
    buf_add_char(&out, '\0');
    ck_assert_ptr_null(strstr(out.data, "canary"));
    buf_fini(&out);
    config_destroy(c);
}
END_TEST

/* What is shown, loaded, shows the same. */
static void assert_round_trip(struct config *c)
{
    struct buf one, other;
    support_print(c, &one);
    buf_add_char(&one, '\0');
    struct config *again = support_load(one.data);
    support_print(again, &other);
    buf_add_char(&other, '\0');
    ck_assert_str_eq(one.data, other.data);
    buf_fini(&one);
    buf_fini(&other);
    config_destroy(again);
}

START_TEST(what_is_shown_can_be_loaded_and_shows_the_same)
{
    struct config *c = load_everything();
    assert_round_trip(c);
    config_destroy(c);
    c = support_load("{}");
    assert_round_trip(c);
    config_destroy(c);
}
END_TEST

START_TEST(every_default_of_the_contract_is_shown)
{
    struct config *c = support_load("{\"providers\": {\"up\": {\"kind\": \"openai\"}}}");
    struct buf out;
    struct str text = support_print(c, &out);
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        bool is_plain = schema_is_integer(row->type) || row->type == SCHEMA_ENUM ||
                        row->type == SCHEMA_BOOL || row->type == SCHEMA_LISTEN ||
                        row->type == SCHEMA_CIDRS || row->type == SCHEMA_PATH;
        if (!is_plain || row->dflt == NULL || strstr(row->path, "requests") != NULL ||
            strstr(row->path, ".poll.") != NULL || strstr(row->path, "tokens") != NULL)
            continue;
        char pointer[128] = "/";
        const char *name = strstr(row->path, "NAME");
        if (name != NULL)
            snprintf(pointer, sizeof pointer, "/providers/up%s", name + 4);
        else
            snprintf(pointer, sizeof pointer, "/%s", row->path);
        for (char *dot = pointer; (dot = strchr(dot, '.')) != NULL;)
            *dot = '/';
        assert_shown(text, pointer, row->dflt);
    }
    buf_fini(&out);
    config_destroy(c);
}
END_TEST

static enum err print_once(void *arg)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    enum err e = config_print(arg, &out);
    buf_fini(&out);
    return e;
}

START_TEST(survives_every_lack_of_memory)
{
    struct config *c = load_everything();
    ck_assert_uint_gt(oom_rounds(print_once, c), 20);
    config_destroy(c);
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
    struct config *c = support_load("{}");
    struct buf out;
    buf_init(&out, 100);
    ck_assert_int_eq(config_print(c, &out), ERR_LIMIT);
    buf_fini(&out);
    config_destroy(c);
}
END_TEST

static void assert_fixed(const char *running, const char *next, const char *expected)
{
    struct config *a = support_load(running), *b = support_load(next);
    struct buf out;
    buf_init(&out, 4096);
    config_list_fixed(a, b, &out);
    ck_assert_msg(str_eq(buf_str(&out), str_of(expected)), "%.*s", (int)out.len, out.data);
    buf_fini(&out);
    config_destroy(a);
    config_destroy(b);
}

START_TEST(what_a_reload_cannot_change_is_listed)
{
    assert_fixed("{}", "{}", "");
    assert_fixed("{}", "{\"listen\": [\"127.0.0.1:8080\"], \"loops\": 0}", "");
    assert_fixed("{}",
                 "{\"drain_ms\": 1, \"log\": {\"level\": \"debug\"}, \"agents\": {}, "
                 "\"limits\": {\"live_runs\": 7}, \"providers\": {\"sim\": {\"kind\": "
                 "\"sim\", \"retry\": {\"attempts\": 9}}}}",
                 "");
    assert_fixed("{}",
                 "{\"listen\": [\"127.0.0.1:1\"], \"store\": {\"path\": \"y\", \"retain\": "
                 "{\"days\": 1}}, \"limits\": {\"connections\": 3}}",
                 "listen, store.path, store.retain.days, limits.connections");
    assert_fixed("{}",
                 "{\"keys\": [{\"name\": \"k\", \"scopes\": [\"run\"], \"sha256\": "
                 "\"0000000000000000000000000000000000000000000000000000000000000001\"}]}",
                 "");
}
END_TEST

START_TEST(what_a_reload_cannot_change_is_kept)
{
    struct config *running = support_load("{\"listen\": [\"127.0.0.1:1\", \"127.0.0.1:2\"]}");
    struct config *next = support_load(
        "{\"base_path\": \"/x\", \"drain_ms\": 7, \"limits\": {\"uncommitted_events\": 16}}");
    struct buf out;
    buf_init(&out, 4096);
    config_keep_fixed(running, next);
    config_list_fixed(running, next, &out);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_uint_eq(next->listen_count, 2);
    ck_assert_uint_eq(next->base_path.len, 0);
    ck_assert_uint_eq(next->engine.uncommitted_events, 4096);
    ck_assert_uint_eq(next->drain_ms, 7);
    buf_fini(&out);
    config_destroy(next);
    config_destroy(running);
}
END_TEST

Suite *suite_config_print(void)
{
    Suite *s = suite_create("config_print");
    TCase *t = tcase_create("print");
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, shows_what_was_written_and_what_was_not);
    tcase_add_test(t, secrets_are_masked);
    tcase_add_test(t, what_is_shown_can_be_loaded_and_shows_the_same);
    tcase_add_test(t, every_default_of_the_contract_is_shown);
    tcase_add_test(t, survives_every_lack_of_memory);
    tcase_add_test(t, a_full_buffer_is_told);
    tcase_add_test(t, what_a_reload_cannot_change_is_listed);
    tcase_add_test(t, what_a_reload_cannot_change_is_kept);
    suite_add_tcase(s, t);
    return s;
}
