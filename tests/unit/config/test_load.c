/* From a file to a configuration: what is said of mistakes, and what stands without a file. */
#include "config/config.h"

#include "config/small_file.h"
#include "tests/unit/base/oom.h"
#include "tests/unit/config/support.h"

Suite *suite_config_load(void);

START_TEST(without_a_file_the_defaults_stand_alone)
{
    struct config *c = NULL;
    ck_assert_int_eq(config_load(NULL, NULL, &c, &support_report), OK);
    ck_assert_str_eq(c->source, "built-in defaults");
    ck_assert_uint_eq(c->listen_count, 1);
    ck_assert_str_eq(c->listen[0].text, "127.0.0.1:8080");
    ck_assert_str_eq(c->listen[0].host, "127.0.0.1");
    ck_assert_uint_eq(c->listen[0].port, 8080);
    ck_assert(c->listen[0].is_loopback);
    ck_assert_str_eq(c->store.path, "sluice.db");
    ck_assert_uint_eq(c->provider_count, 1);
    ck_assert(str_eq(c->providers[0].provider.name, STR("sim")));
    ck_assert(str_eq(c->providers[0].provider.kind, STR("sim")));
    ck_assert_uint_eq(c->agent_count, 2);
    ck_assert(str_eq(c->agents[0]->name, STR("echo")));
    ck_assert(str_eq(c->agents[0]->models[0], STR("sim/echo")));
    ck_assert(str_eq(c->agents[1]->name, STR("story")));
    ck_assert(c->agents[0]->from_config);
    config_destroy(c);
}
END_TEST

START_TEST(an_empty_object_is_as_good_as_no_file)
{
    struct config *a = NULL, *b = support_load("// nothing\n{ /* at all */ }\n");
    ck_assert_int_eq(config_load(NULL, NULL, &a, &support_report), OK);
    struct buf one, other;
    ck_assert(str_eq(support_print(a, &one), support_print(b, &other)));
    ck_assert_str_eq(b->source, "c.json");
    buf_fini(&one);
    buf_fini(&other);
    config_destroy(a);
    config_destroy(b);
}
END_TEST

/* API §7, number by number. */
START_TEST(the_defaults_are_the_contracts)
{
    struct config *c = support_load("{}");
    ck_assert_uint_eq(c->loops, 0);
    ck_assert_uint_eq(c->base_path.len, 0);
    ck_assert_uint_eq(c->engine.flush_ms, 20);
    ck_assert_uint_eq(c->store.queue_bytes, 67108864);
    ck_assert_uint_eq(c->store.readers, 2);
    ck_assert_int_eq(c->store.retain_ms, 30ll * 86400000);
    ck_assert_uint_eq(c->store.retain_bytes, 10737418240);
    ck_assert_uint_eq(c->http.body_bytes, 4194304);
    ck_assert_uint_eq(c->http.header_bytes, 32768);
    ck_assert_uint_eq(c->http.headers, 100);
    ck_assert_uint_eq(c->http.uri_bytes, 8192);
    ck_assert_uint_eq(c->http.header_ms, 10000);
    ck_assert_uint_eq(c->http.body_ms, 30000);
    ck_assert_uint_eq(c->http.idle_ms, 90000);
    ck_assert_uint_eq(c->http.connections, 20000);
    ck_assert_uint_eq(c->http.streams, 15000);
    ck_assert_uint_eq(c->api.streams, 15000);
    ck_assert_uint_eq(c->engine.readers_per_run, 2000);
    ck_assert_uint_eq(c->engine.reader_bytes, 262144);
    ck_assert_uint_eq(c->http.reader_bytes, 262144);
    ck_assert_uint_eq(c->http.write_stall_ms, 60000);
    ck_assert_uint_eq(c->http.heartbeat_ms, 15000);
    ck_assert_uint_eq(c->engine.live_runs, 50000);
    ck_assert_uint_eq(c->engine.queue_runs, 100000);
    ck_assert_uint_eq(c->engine.memory_bytes, 1073741824);
    ck_assert_uint_eq(c->engine.run_bytes, 268435456);
    ck_assert_uint_eq(c->api.default_wait_ms, 30000);
    ck_assert_uint_eq(c->api.max_wait_ms, 300000);
    ck_assert_int_eq(c->engine.spec.default_run_timeout_ms, 3600000);
    ck_assert_int_eq(c->engine.spec.max_run_timeout_ms, 86400000);
    ck_assert_uint_eq(c->engine.uncommitted_events, 4096);
    ck_assert_uint_eq(c->engine.spec.tree_depth, 32);
    ck_assert_uint_eq(c->engine.spec.tree_nodes, 10000);
    ck_assert_uint_eq(c->engine.spec.input_bytes, 1048576);
    ck_assert_uint_eq(c->engine.output_bytes, 16777216);
    ck_assert_uint_eq(c->key_count, 0);
    ck_assert(!c->allow_unauthenticated);
    ck_assert_uint_eq(c->trusted_proxy_count, 1);
    ck_assert(c->trusted_proxies[0].is_v4 && c->trusted_proxies[0].bits == 32);
    ck_assert_int_eq(c->log_format, LOG_LOGFMT);
    ck_assert_int_eq(c->log_level, LOG_INFO);
    ck_assert_uint_eq(c->drain_ms, 30000);
    config_destroy(c);
}
END_TEST

START_TEST(every_mistake_is_told_with_its_place)
{
    support_refuses("{\n"
                    "  \"limits\": {\n"
                    "    \"body_bytes\": 5,\n"
                    "    \"headers\": \"many\"\n"
                    "  },\n"
                    "  \"loops\": 9, \"frob\": 1\n"
                    "}\n",
                    "c.json:3:19: limits.body_bytes must be an integer between 1024 and "
                    "1073741824 bytes\n"
                    "c.json:4:16: limits.headers must be an integer between 8 and 1000\n"
                    "c.json:6:12: loops must be an integer between 0 and 8\n"
                    "c.json:6:15: frob is not a known key\n");
}
END_TEST

/* Agents are looked at after providers, wherever they stand. */
START_TEST(mistakes_are_told_in_the_order_of_the_file)
{
    support_refuses("{\"agents\": {\"a\": {}},\n"
                    " \"drain_ms\": 1.5,\n"
                    " \"listen\": []}",
                    "c.json:1:18: agents.a.model must be there\n"
                    "c.json:2:14: drain_ms must be an integer between 0 and 3600000 ms\n"
                    "c.json:3:12: listen must hold 1 to 16 entries\n");
}
END_TEST

START_TEST(twenty_mistakes_are_told_and_the_rest_counted)
{
    char text[1024] = "{", lines[2048] = "";
    for (int i = 0; i < 23; i++) {
        snprintf(text + strlen(text), 32, "%s\n\"zzzz%02d\": 1", i > 0 ? "," : "", i);
        if (i < 20)
            snprintf(lines + strlen(lines), 64, "c.json:%d:1: zzzz%02d is not a known key\n", i + 2,
                     i);
    }
    strcat(text, "}");
    strcat(lines, "and 3 more\n");
    support_refuses(text, lines);
}
END_TEST

START_TEST(an_unknown_key_is_refused_with_the_one_that_was_meant)
{
    static const struct support_refusal rows[] = {
        {"{\"frob\": 1}", "c.json:1:2: frob is not a known key"},
        {"{\"lisen\": 1}", "c.json:1:2: lisen is not a known key; did you mean \"listen\"?"},
        {"{\"limits\": {\"body_byte\": 1}}",
         "c.json:1:13: limits.body_byte is not a known key; did you mean \"body_bytes\"?"},
        {"{\"limits\": {\"bodybytes\": 1}}",
         "c.json:1:13: limits.bodybytes is not a known key; did you mean \"body_bytes\"?"},
        {"{\"kyes\": []}", "c.json:1:2: kyes is not a known key; did you mean \"keys\"?"},
        {"{\"body_bytes\": 1}", "c.json:1:2: body_bytes is not a known key"},
        {"{\"store\": {\"retain\": {\"day\": 1}}}",
         "c.json:1:23: store.retain.day is not a known key; did you mean \"days\"?"},
        {"{\"webhook\": {\"secret\": \"x\"}}",
         "c.json:1:2: webhook is not a known key; did you mean \"webhooks\"?"},
        {"{\"\": 1}", "c.json:1:2: \"\" is not a known key"},
        {"{\"a\\u001bb\": 1}", "c.json:1:2: a?b is not a known key"},
        {"{\"providers\": {\"up\": {\"kind\": \"sim\",\n\"timeouts\": {\"conect_ms\": 5}}}}",
         "c.json:2:14: providers.up.timeouts.conect_ms is not a known key; did you mean "
         "\"connect_ms\"?"},
        {"{\"keys\": [{\"name\": \"a\", \"sha256\": "
         "\"0000000000000000000000000000000000000000000000000000000000000000\", "
         "\"scopes\": [\"run\"], \"scope\": 1}]}",
         "c.json:1:122: keys[0].scope is not a known key; did you mean \"scopes\"?"},
        {"{\"agents\": {\"a\": {\"model\": \"sim/echo\", \"modle\": 1}}}",
         "c.json:1:40: agents.a.modle is not a known key"},
    };
    support_refuses_all(rows, sizeof rows / sizeof rows[0]);
}
END_TEST

START_TEST(what_is_no_json_is_told_with_its_place)
{
    static const struct support_refusal rows[] = {
        {"{\n  \"loops\": 1,\n}", "c.json:3:1: a member name was expected"},
        {"{\n \"loops\": }", "c.json:2:11: a value was expected"},
        {"{\"loops\": 1,\n \"loops\": 2}",
         "c.json:2:2: the object has a member of that name already"},
        {"{} {}", "c.json:1:4: nothing may follow the value"},
        {"[]", "c.json:1:1: the configuration must be an object"},
        {"// {}\n", "c.json:2:1: the text ends too early"},
        {"", "c.json:1:1: the text ends too early"},
    };
    support_refuses_all(rows, sizeof rows / sizeof rows[0]);
}
END_TEST

START_TEST(comments_keep_the_places_of_what_is_behind_them)
{
    support_refuses("/* one\n   two */ { // three\n  /* four */ \"loops\": /* five */ -1\n}",
                    "c.json:3:34: loops must be an integer between 0 and 8\n");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named)
{
    struct config *c = NULL;
    ck_assert_int_eq(config_load("missing.json", NULL, &c, &support_report), ERR_IO);
    ck_assert_str_eq(support_said(), "missing.json: No such file or directory\n");
    buf_clear(&support_report);
    ck_assert_int_eq(config_load(".", NULL, &c, &support_report), ERR_IO);
    ck_assert_str_eq(support_said(), ".: Is a directory\n");
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(a_file_beyond_16_mib_is_refused)
{
    char *text = malloc(16777216 + 2);
    memset(text, ' ', 16777216 + 1);
    text[16777217] = '\0';
    text[0] = '{', text[1] = '}';
    support_refuses(text, "c.json: is larger than 16 MiB\n");
    text[16777216] = '\0';
    config_destroy(support_load(text));
    free(text);
}
END_TEST

START_TEST(the_command_line_wins_over_the_file)
{
    static const char *const listen[] = {"[::1]:9", "unix:/run/s"};
    struct config_overrides o = {.listen = listen, .listen_count = 2, .db = "/tmp/o.db"};
    support_write("c.json", "{\"listen\": [\"127.0.0.1:1\"], \"store\": {\"path\": \"x.db\"}}");
    struct config *c = NULL;
    ck_assert_int_eq(config_load("c.json", &o, &c, &support_report), OK);
    ck_assert_uint_eq(c->listen_count, 2);
    ck_assert_str_eq(c->listen[0].host, "::1");
    ck_assert_str_eq(c->listen[1].path, "/run/s");
    ck_assert_str_eq(c->store.path, "/tmp/o.db");
    config_destroy(c);
    ck_assert_int_eq(
        config_load("c.json", &(struct config_overrides){.db = NULL}, &c, &support_report), OK);
    ck_assert_str_eq(c->listen[0].text, "127.0.0.1:1");
    ck_assert_str_eq(c->store.path, "x.db");
    config_destroy(c);
}
END_TEST

START_TEST(a_bad_address_on_the_command_line_has_no_place_in_the_file)
{
    static const char *const listen[] = {"nonsense"};
    struct config_overrides o = {.listen = listen, .listen_count = 1};
    struct config *c = NULL;
    ck_assert_int_eq(config_load(NULL, &o, &c, &support_report), ERR_CONFIG);
    ck_assert_str_eq(support_said(), "--listen must be HOST:PORT, [V6]:PORT or unix:/PATH (at most "
                                     "107 bytes)\n");
}
END_TEST

START_TEST(a_default_wait_gives_way_to_its_limit_unless_it_was_written)
{
    struct config *c = support_load("{\"limits\": {\"max_wait_ms\": 1000, "
                                    "\"max_run_timeout_ms\": 5000}}");
    ck_assert_uint_eq(c->api.default_wait_ms, 1000);
    ck_assert_int_eq(c->engine.spec.default_run_timeout_ms, 5000);
    config_destroy(c);
    c = support_load("{\"limits\": {\"max_wait_ms\": 1000, \"default_wait_ms\": 1000}}");
    ck_assert_uint_eq(c->api.default_wait_ms, 1000);
    config_destroy(c);
    support_refuses("{\"limits\": {\"max_wait_ms\": 1000, \"default_wait_ms\": 1001}}",
                    "c.json:1:53: limits.default_wait_ms must not be above limits.max_wait_ms, "
                    "which is 1000\n");
    support_refuses("{\"limits\": {\"default_run_timeout_ms\": 86400001}}",
                    "c.json:1:39: limits.default_run_timeout_ms must not be above "
                    "limits.max_run_timeout_ms, which is 86400000\n");
}
END_TEST

static char *sample(void)
{
    char path[sizeof support_root + 32];
    struct buf b;
    size_t len;
    snprintf(path, sizeof path, "%s/examples/sluice.json", support_root);
    buf_init(&b, 1 << 20);
    ck_assert_int_eq(small_file_read(path, &b), OK);
    buf_add_char(&b, '\0');
    return buf_take(&b, &len);
}

START_TEST(the_sample_loads_as_it_is)
{
    char *text = sample();
    struct config *c = support_load(text);
    ck_assert_uint_eq(c->provider_count, 2);
    ck_assert_uint_eq(c->agent_count, 3);
    ck_assert_int_eq(config_check_exposure(c, NULL), OK);
    config_destroy(c);
    mem_free(text);
}
END_TEST

/* "//" at the beginning of a line, with no blank behind it. */
START_TEST(the_sample_loads_with_all_that_is_switched_off_in_it)
{
    char *text = sample();
    setenv("OPENAI_API_KEY", "sk", 1);
    for (char *at = text; (at = strstr(at, "//")) != NULL; at += 2) {
        bool is_first = at == text || at[-1] == ' ' || at[-1] == '\n';
        if (is_first && at[2] != ' ' && at[2] != '\n')
            memset(at, ' ', 2);
    }
    struct config *c = support_load(text);
    ck_assert_uint_eq(c->listen_count, 2);
    ck_assert_uint_eq(c->key_count, 1);
    ck_assert_uint_eq(c->provider_count, 3);
    config_destroy(c);
    mem_free(text);
}
END_TEST

static const char everything[] =
    "{\"listen\": [\"127.0.0.1:1\", \"unix:/x\"], \"base_path\": \"/a\", \"trusted_proxies\": "
    "[\"10.0.0.0/8\"],"
    " \"keys\": [{\"name\": \"k\\u0061\", \"sha256\": "
    "\"0000000000000000000000000000000000000000000000000000000000000001\", \"scopes\": [\"run\"],"
    " \"limits\": {\"requests\": {\"rate\": 5}}}],"
    " \"providers\": {\"p\": {\"kind\": \"openai\", \"api_keys\": [\"a\", {\"file\": \"f\"}],"
    " \"headers\": {\"x\": {\"file\": \"f\"}}, \"query\": {\"q\": \"\\u0062\"},"
    " \"limits\": {\"tokens\": {\"rate\": 9}}}},"
    " \"agents\": {\"a\": {\"model\": [\"p/\\u0061\", \"sim/echo\"], \"params\": {\"n\": 1},"
    " \"instructions\": \"i\"}}}";

static enum err load_once(void *arg)
{
    struct config **ret = arg;
    struct config *c = NULL;
    struct buf report;
    buf_init(&report, 1 << 16);
    enum err e = config_load("c.json", NULL, &c, &report);
    buf_fini(&report);
    config_destroy(c);
    *ret = NULL;
    return e;
}

START_TEST(a_load_survives_every_lack_of_memory)
{
    struct config *unused;
    support_write("f", "secret\n");
    support_write("c.json", everything);
    ck_assert_uint_gt(oom_rounds(load_once, &unused), 20);
}
END_TEST

Suite *suite_config_load(void)
{
    Suite *s = suite_create("config_load");
    TCase *t = tcase_create("load");
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, without_a_file_the_defaults_stand_alone);
    tcase_add_test(t, an_empty_object_is_as_good_as_no_file);
    tcase_add_test(t, the_defaults_are_the_contracts);
    tcase_add_test(t, every_mistake_is_told_with_its_place);
    tcase_add_test(t, mistakes_are_told_in_the_order_of_the_file);
    tcase_add_test(t, twenty_mistakes_are_told_and_the_rest_counted);
    tcase_add_test(t, an_unknown_key_is_refused_with_the_one_that_was_meant);
    tcase_add_test(t, what_is_no_json_is_told_with_its_place);
    tcase_add_test(t, comments_keep_the_places_of_what_is_behind_them);
    tcase_add_test(t, a_file_that_cannot_be_read_is_named);
    tcase_add_test(t, a_file_beyond_16_mib_is_refused);
    tcase_add_test(t, the_command_line_wins_over_the_file);
    tcase_add_test(t, a_bad_address_on_the_command_line_has_no_place_in_the_file);
    tcase_add_test(t, a_default_wait_gives_way_to_its_limit_unless_it_was_written);
    tcase_add_test(t, the_sample_loads_as_it_is);
    tcase_add_test(t, the_sample_loads_with_all_that_is_switched_off_in_it);
    tcase_add_test(t, a_load_survives_every_lack_of_memory);
    suite_add_tcase(s, t);
    return s;
}
