/* Every key at its bounds and one past them, from the table; and what strings and lists may be. */
#include "base/buf.h"
#include "config/schema.h"
#include "tests/unit/config/support.h"

Suite *suite_config_read_value(void);

/* --- every number ----------------------------------------------------------------------------- */

#define DIGEST "0000000000000000000000000000000000000000000000000000000000000001"

static bool is_of_http(const struct schema_row *row)
{
    return strncmp(row->help, "Kind http:", 10) == 0 || strstr(row->path, ".poll.") != NULL;
}

/* A document in which `row` has the value `json`, and all that must stand beside it. */
static void write_document(struct buf *b, const struct schema_row *row, const char *json)
{
    char path[128];
    int depth = 1, brackets = 0;
    str_copy(path, sizeof path, str_of(row->path));
    buf_add_char(b, '{');
    for (char *part = strtok(path, "."); part != NULL; part = strtok(NULL, ".")) {
        if (strcmp(part, schema_leaf(row)) == 0)
            break;
        if (strcmp(part, "keys[]") == 0) {
            buf_add_lit(b, "\"keys\":[{\"name\":\"k\",\"scopes\":[\"run\"],\"sha256\":\"" DIGEST
                           "\",");
            brackets = 1;
        } else if (strcmp(part, "NAME") == 0) {
            buf_add_str(b, is_of_http(row)
                               ? STR("\"up\":{\"kind\":\"http\",\"base_url\":\"http://x\",")
                               : STR("\"up\":{\"kind\":\"openai\","));
        } else {
            buf_addf(b, "\"%s\":{", part);
        }
        depth++;
        if ((strcmp(part, "requests") == 0 || strcmp(part, "tokens") == 0) &&
            strcmp(schema_leaf(row), "rate") != 0)
            buf_add_lit(b, "\"rate\":1,");
    }
    if (strcmp(row->path, "limits.default_wait_ms") == 0)
        buf_add_lit(b, "\"max_wait_ms\":86400000,");
    if (strcmp(row->path, "limits.default_run_timeout_ms") == 0)
        buf_add_lit(b, "\"max_run_timeout_ms\":31622400000,");
    buf_addf(b, "\"%s\":%s", schema_leaf(row), json);
    for (int i = 0; i < depth; i++)
        buf_add_str(b, i == depth - 2 && brackets ? STR("}]") : STR("}"));
    buf_add_char(b, '\0');
}

static const void *base_of(const struct schema_row *row, const struct config *c)
{
    if (strstr(row->path, "keys[]") != NULL)
        return &c->keys[0];
    return strstr(row->path, "NAME") != NULL ? (const void *)&c->providers[0] : c;
}

static double value_of(const struct schema_row *row, const struct config *c)
{
    const char *field = (const char *)base_of(row, c) + row->field.offset;
    uint32_t narrow;
    uint64_t wide;
    double real;
    if (row->type == SCHEMA_NUMBER) {
        memcpy(&real, field, sizeof real);
        return real;
    }
    if (row->field.size == sizeof narrow) {
        memcpy(&narrow, field, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, field, sizeof wide);
    return (double)wide;
}

static void format(char json[32], const struct schema_row *row, double value)
{
    snprintf(json, 32, row->type == SCHEMA_NUMBER ? "%g" : "%.0f", value);
}

static void assert_taken(const struct schema_row *row, double value)
{
    char json[32];
    struct buf text;
    buf_init(&text, 4096);
    format(json, row, value);
    write_document(&text, row, json);
    struct config *c = support_load(text.data);
    double unit = row->type == SCHEMA_DAYS ? 86400000 : 1;
    ck_assert_msg(value_of(row, c) == value * unit, "%s", text.data);
    config_destroy(c);
    buf_fini(&text);
}

/* The message names the path, with the names that the document chose. */
static void assert_refused(const struct schema_row *row, const char *json)
{
    struct buf text;
    struct config *c = NULL;
    char path[128];
    buf_init(&text, 4096);
    write_document(&text, row, json);
    ck_assert_msg(support_try(text.data, &c) == ERR_CONFIG, "%s", text.data);
    const char *name = strstr(row->path, "NAME"), *keys = strstr(row->path, "[]");
    if (name != NULL)
        snprintf(path, sizeof path, "providers.up%s must be ", name + 4);
    else if (keys != NULL)
        snprintf(path, sizeof path, "keys[0]%s must be ", keys + 2);
    else
        snprintf(path, sizeof path, "%s must be ", row->path);
    ck_assert_msg(strstr(support_said(), path) != NULL, "%s\n%s", text.data, support_said());
    ck_assert_ptr_eq(strchr(support_said(), '\n'), strrchr(support_said(), '\n'));
    buf_fini(&text);
}

START_TEST(every_number_is_taken_at_its_bounds_and_refused_past_them)
{
    const struct schema_row *row;
    unsigned seen = 0;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (!schema_is_integer(row->type) && row->type != SCHEMA_NUMBER)
            continue;
        char past[32];
        assert_taken(row, row->min);
        assert_taken(row, row->max);
        double step = row->type == SCHEMA_NUMBER ? 0.01 : 1;
        format(past, row, row->max + step);
        assert_refused(row, past);
        format(past, row, row->min - step);
        assert_refused(row, past);
        seen++;
    }
    ck_assert_uint_gt(seen, 50);
}
END_TEST

START_TEST(every_number_refuses_other_types)
{
    static const char *const others[] = {"\"1\"", "true", "[]", "{}"};
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (!schema_is_integer(row->type) && row->type != SCHEMA_NUMBER)
            continue;
        for (size_t j = 0; j < sizeof others / sizeof others[0]; j++)
            assert_refused(row, others[j]);
        if (schema_is_integer(row->type))
            assert_refused(row, "16.5");
        if ((row->flags & SCHEMA_NULLABLE) == 0)
            assert_refused(row, "null");
    }
}
END_TEST

START_TEST(every_object_refuses_other_types)
{
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        bool is_object = row->type == SCHEMA_OBJECT || row->type == SCHEMA_PROVIDERS ||
                         row->type == SCHEMA_AGENTS;
        if (!is_object && row->type != SCHEMA_KEYS)
            continue;
        assert_refused(row, "7");
        assert_refused(row, is_object ? "[]" : "{}");
    }
}
END_TEST

START_TEST(every_choice_is_taken_and_nothing_else)
{
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (row->type != SCHEMA_ENUM)
            continue;
        for (size_t j = 0; row->values[j] != NULL; j++) {
            char json[32];
            struct buf text;
            buf_init(&text, 4096);
            snprintf(json, sizeof json, "\"%s\"", row->values[j]);
            write_document(&text, row, json);
            struct config *c = support_load(text.data);
            ck_assert_uint_eq((size_t)value_of(row, c), j);
            config_destroy(c);
            buf_fini(&text);
        }
        assert_refused(row, "\"other\"");
        assert_refused(row, "0");
        assert_refused(row, "null");
    }
}
END_TEST

START_TEST(one_dot_zero_is_an_integer)
{
    struct config *c = support_load("{\"loops\": 2.0, \"drain_ms\": 1e3}");
    ck_assert_uint_eq(c->loops, 2);
    ck_assert_uint_eq(c->drain_ms, 1000);
    config_destroy(c);
}
END_TEST

/* --- the others ------------------------------------------------------------------------------- */

START_TEST(a_boolean_is_true_or_false)
{
    struct config *c = support_load("{\"allow_unauthenticated\": true}");
    ck_assert(c->allow_unauthenticated);
    config_destroy(c);
    c = support_load("{\"allow_unauthenticated\": false}");
    ck_assert(!c->allow_unauthenticated);
    config_destroy(c);
    support_refuses("{\"allow_unauthenticated\": 1}",
                    "c.json:1:27: allow_unauthenticated must be true or false\n");
}
END_TEST

START_TEST(a_base_path_begins_with_a_slash_and_does_not_end_with_one)
{
    static const char *const good[] = {"", "/a", "/a/b-1.2_~", "/A"};
    static const char *const bad[] = {"a",    "/",    "/a/",      "//a",   "/a//b",
                                      "/a b", "/a?b", "/\\u00e9", "/a%20", "/a\\r\\nX: y"};
    char text[256];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "{\"base_path\": \"%s\"}", good[i]);
        struct config *c = support_load(text);
        ck_assert(str_eq(c->base_path, str_of(good[i])));
        config_destroy(c);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct config *c = NULL;
        snprintf(text, sizeof text, "{\"base_path\": \"%s\"}", bad[i]);
        ck_assert_msg(support_try(text, &c) == ERR_CONFIG, "%s", text);
        ck_assert_ptr_nonnull(strstr(support_said(), "c.json:1:15: base_path must be empty, or "));
    }
}
END_TEST

START_TEST(a_string_has_bounds_too)
{
    char text[300] = "{\"base_path\": \"/";
    size_t start = strlen(text);
    memset(text + start, 'a', 127);
    strcpy(text + start + 127, "\"}");
    config_destroy(support_load(text));
    strcpy(text + start + 127, "a\"}");
    support_refuses(text, "c.json:1:15: base_path must be 0 to 128 bytes long\n");
    support_refuses("{\"store\": {\"path\": \"\"}}",
                    "c.json:1:20: store.path must be 1 to 4000 bytes long\n");
    support_refuses("{\"store\": {\"path\": \"a\\u0000b\"}}",
                    "c.json:1:20: store.path must not hold a NUL\n");
    support_refuses("{\"store\": {\"path\": 7}}", "c.json:1:20: store.path must be a string\n");
}
END_TEST

START_TEST(escapes_in_names_and_values_are_undone)
{
    struct config *c = support_load("{\"st\\u006fre\": {\"path\": \"\\u0061/b\"}}");
    ck_assert_str_eq(c->store.path, "a/b");
    config_destroy(c);
}
END_TEST

START_TEST(addresses_are_checked_one_by_one)
{
    struct config *c = support_load("{\"listen\": [\"127.0.0.1:1\", \"[::1]:2\", \"unix:/run/s\"], "
                                    "\"trusted_proxies\": [\"10.0.0.0/8\", \"fd00::1\"]}");
    ck_assert_uint_eq(c->listen_count, 3);
    ck_assert_str_eq(c->listen[2].path, "/run/s");
    ck_assert_uint_eq(c->trusted_proxy_count, 2);
    config_destroy(c);
    c = support_load("{\"trusted_proxies\": []}");
    ck_assert_uint_eq(c->trusted_proxy_count, 0);
    config_destroy(c);
    static const struct support_refusal rows[] = {
        {"{\"listen\": \"127.0.0.1:1\"}", "c.json:1:12: listen must be a list of strings"},
        {"{\"listen\": []}", "c.json:1:12: listen must hold 1 to 16 entries"},
        {"{\"listen\": [\"nonsense\"]}", "c.json:1:13: listen[0] " LISTEN_FORMS},
        {"{\"listen\": [\"a:1\", 5]}", "c.json:1:20: listen[1] " LISTEN_FORMS},
        {"{\"listen\": [\"a:1\", \"a:1\"]}", "c.json:1:20: listen[1] is listed already"},
        {"{\"trusted_proxies\": [\"::1\", \"10.0.0.1/8\"]}",
         "c.json:1:29: trusted_proxies[1] " CIDR_FORM},
        {"{\"trusted_proxies\": [null]}", "c.json:1:22: trusted_proxies[0] " CIDR_FORM},
    };
    support_refuses_all(rows, sizeof rows / sizeof rows[0]);
}
END_TEST

/* A list of n addresses, no two alike. */
static void list_addresses(struct buf *b, const char *key, unsigned n)
{
    buf_clear(b);
    buf_addf(b, "{\"%s\": [", key);
    for (unsigned i = 0; i < n; i++)
        buf_addf(b, "%s\"127.0.0.1%s%u\"", i > 0 ? "," : "", key[0] == 'l' ? ":" : "0/3", i % 3);
    buf_add_lit(b, "]}");
    buf_add_char(b, '\0');
}

START_TEST(lists_have_bounds_too)
{
    struct buf text;
    struct config *c = NULL;
    buf_init(&text, 65536);
    list_addresses(&text, "listen", 17);
    support_refuses(text.data, "c.json:1:12: listen must hold 1 to 16 entries\n");
    list_addresses(&text, "trusted_proxies", 65);
    support_refuses(text.data, "c.json:1:21: trusted_proxies must hold 0 to 64 entries\n");
    list_addresses(&text, "trusted_proxies", 64);
    ck_assert_int_eq(support_try(text.data, &c), ERR_CONFIG); /* but not for their number */
    ck_assert_ptr_null(strstr(support_said(), "must hold"));
    buf_fini(&text);
}
END_TEST

Suite *suite_config_read_value(void)
{
    Suite *s = suite_create("config_read_value");
    TCase *t = tcase_create("read_value");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, every_number_is_taken_at_its_bounds_and_refused_past_them);
    tcase_add_test(t, every_number_refuses_other_types);
    tcase_add_test(t, every_object_refuses_other_types);
    tcase_add_test(t, every_choice_is_taken_and_nothing_else);
    tcase_add_test(t, one_dot_zero_is_an_integer);
    tcase_add_test(t, a_boolean_is_true_or_false);
    tcase_add_test(t, a_base_path_begins_with_a_slash_and_does_not_end_with_one);
    tcase_add_test(t, a_string_has_bounds_too);
    tcase_add_test(t, escapes_in_names_and_values_are_undone);
    tcase_add_test(t, addresses_are_checked_one_by_one);
    tcase_add_test(t, lists_have_bounds_too);
    suite_add_tcase(s, t);
    return s;
}
