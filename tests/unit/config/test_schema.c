/* The table itself: what every row of it must be like. */
#include "config/schema.h"

#include <check.h>
#include <stdlib.h>

#include "base/json.h"

Suite *suite_config_schema(void);

static const struct schema_row *row_of(const char *path)
{
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (strcmp(row->path, path) == 0)
            return row;
    }
    ck_abort_msg("no row %s", path);
}

/* Every key that API §7 shows. A new one is put here too. */
static const char *const contract[] = {
    "listen",
    "base_path",
    "loops",
    "store",
    "store.kind",
    "store.path",
    "store.flush_ms",
    "store.queue_bytes",
    "store.readers",
    "store.retain",
    "store.retain.days",
    "store.retain.max_bytes",
    "limits",
    "limits.body_bytes",
    "limits.header_bytes",
    "limits.headers",
    "limits.uri_bytes",
    "limits.header_ms",
    "limits.body_ms",
    "limits.idle_ms",
    "limits.connections",
    "limits.streams",
    "limits.readers_per_run",
    "limits.reader_bytes",
    "limits.write_stall_ms",
    "limits.heartbeat_ms",
    "limits.live_runs",
    "limits.queue_runs",
    "limits.memory_bytes",
    "limits.run_bytes",
    "limits.default_wait_ms",
    "limits.max_wait_ms",
    "limits.default_run_timeout_ms",
    "limits.max_run_timeout_ms",
    "limits.uncommitted_events",
    "limits.tree_depth",
    "limits.tree_nodes",
    "limits.input_bytes",
    "limits.output_bytes",
    "keys",
    "keys[].name",
    "keys[].sha256",
    "keys[].scopes",
    "keys[].limits",
    "keys[].limits.requests",
    "keys[].limits.requests.rate",
    "keys[].limits.requests.period_ms",
    "keys[].limits.requests.burst",
    "allow_unauthenticated",
    "trusted_proxies",
    "log",
    "log.format",
    "log.level",
    "drain_ms",
    "webhooks",
    "webhooks.secret",
    "webhooks.old_secret",
    "webhooks.allow_private",
    "webhooks.concurrency",
    "webhooks.concurrency_per_host",
    "webhooks.timeout_ms",
    "webhooks.retry_ms",
    "webhooks.give_up_ms",
    "providers",
    "providers.NAME.kind",
    "providers.NAME.base_url",
    "providers.NAME.api_key",
    "providers.NAME.api_keys",
    "providers.NAME.auth_header",
    "providers.NAME.auth_prefix",
    "providers.NAME.max_tokens",
    "providers.NAME.headers",
    "providers.NAME.query",
    "providers.NAME.ca_file",
    "providers.NAME.pool",
    "providers.NAME.pool.max_idle",
    "providers.NAME.pool.idle_ms",
    "providers.NAME.pool.max_age_ms",
    "providers.NAME.limits",
    "providers.NAME.limits.requests",
    "providers.NAME.limits.requests.rate",
    "providers.NAME.limits.requests.period_ms",
    "providers.NAME.limits.requests.burst",
    "providers.NAME.limits.tokens",
    "providers.NAME.limits.tokens.rate",
    "providers.NAME.limits.tokens.period_ms",
    "providers.NAME.limits.tokens.burst",
    "providers.NAME.limits.concurrency",
    "providers.NAME.limits.queue",
    "providers.NAME.retry",
    "providers.NAME.retry.attempts",
    "providers.NAME.retry.base_ms",
    "providers.NAME.retry.factor",
    "providers.NAME.retry.max_ms",
    "providers.NAME.retry.jitter",
    "providers.NAME.retry.budget",
    "providers.NAME.breaker",
    "providers.NAME.breaker.failures",
    "providers.NAME.breaker.window_ms",
    "providers.NAME.breaker.ratio",
    "providers.NAME.breaker.min_calls",
    "providers.NAME.breaker.reset_ms",
    "providers.NAME.breaker.max_reset_ms",
    "providers.NAME.breaker.on_open",
    "providers.NAME.timeouts",
    "providers.NAME.timeouts.connect_ms",
    "providers.NAME.timeouts.first_byte_ms",
    "providers.NAME.timeouts.idle_ms",
    "providers.NAME.timeouts.total_ms",
    "providers.NAME.fallback_wait_ms",
    "providers.NAME.request",
    "providers.NAME.result",
    "providers.NAME.response",
    "providers.NAME.delta",
    "providers.NAME.end",
    "providers.NAME.success",
    "providers.NAME.poll",
    "providers.NAME.poll.status",
    "providers.NAME.poll.done",
    "providers.NAME.poll.failed",
    "providers.NAME.poll.url",
    "providers.NAME.poll.cancel_url",
    "providers.NAME.poll.cancel_method",
    "providers.NAME.poll.every_ms",
    "agents",
    "workflows",
};

START_TEST(it_holds_the_contracts_keys_in_their_order_and_no_others)
{
    size_t n = sizeof contract / sizeof contract[0];
    for (size_t i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(schema_at(i));
        ck_assert_str_eq(schema_at(i)->path, contract[i]);
    }
    ck_assert_ptr_null(schema_at(n));
}
END_TEST

START_TEST(every_default_is_json_and_within_its_bounds)
{
    struct json_doc doc;
    json_doc_init(&doc);
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (row->dflt == NULL)
            continue;
        ck_assert_msg(json_parse(&doc, str_of(row->dflt), NULL) == OK, "%s", row->path);
        double value;
        if (json_double(json_root(&doc), &value))
            ck_assert_msg(value >= row->min && value <= row->max, "%s", row->path);
    }
    json_doc_fini(&doc);
}
END_TEST

/* What a person reads: a sentence that does not break the manual's table. */
START_TEST(every_row_has_a_sentence_of_help)
{
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        size_t n = strlen(row->help);
        ck_assert_msg(n > 5 && row->help[n - 1] == '.', "%s", row->path);
        ck_assert_msg(strpbrk(row->help, "\n") == NULL, "%s", row->path);
    }
}
END_TEST

START_TEST(a_number_fits_its_field)
{
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (!schema_is_integer(row->type))
            continue;
        ck_assert_msg(row->max >= row->min && row->min >= 0, "%s", row->path);
        ck_assert_msg(row->max <= 9007199254740992.0, "%s", row->path);
        if (row->field.size == sizeof(uint32_t))
            ck_assert_msg(row->max <= UINT32_MAX, "%s", row->path);
        else
            ck_assert_msg(row->field.size == sizeof(uint64_t), "%s", row->path);
    }
}
END_TEST

START_TEST(a_section_is_what_is_before_the_last_dot)
{
    const struct schema_row *row = row_of("providers.NAME.retry.base_ms");
    ck_assert_str_eq(schema_leaf(row), "base_ms");
    ck_assert(schema_is_in(row, "providers.NAME.retry"));
    ck_assert(!schema_is_in(row, "providers.NAME"));
    ck_assert(schema_is_in(row_of("loops"), ""));
    ck_assert_ptr_eq(schema_find("providers.NAME.retry", STR("base_ms")), row);
    ck_assert_ptr_null(schema_find("providers.NAME", STR("base_ms")));
    ck_assert_ptr_null(schema_find("", STR("limits.headers")));
}
END_TEST

START_TEST(every_section_is_opened_by_a_row_before_it)
{
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        bool is_open = schema_is_in(row, "");
        for (size_t j = 0; j < i && !is_open; j++)
            is_open = schema_at(j)->opens != NULL && schema_is_in(row, schema_at(j)->opens);
        ck_assert_msg(is_open, "%s", row->path);
    }
}
END_TEST

START_TEST(a_default_may_depend_on_the_providers_kind)
{
    const struct schema_row *attempts = row_of("providers.NAME.retry.attempts");
    ck_assert_str_eq(schema_default(attempts, STR("sim")), "1");
    ck_assert_str_eq(schema_default(attempts, STR("openai")), "3");
    ck_assert_str_eq(schema_default(attempts, STR_NONE), "3");
    const struct schema_row *url = row_of("providers.NAME.base_url");
    ck_assert_str_eq(schema_default(url, STR("openai")), "\"https://api.openai.com/v1\"");
    ck_assert_ptr_null(schema_default(url, STR("sim")));
}
END_TEST

Suite *suite_config_schema(void)
{
    Suite *s = suite_create("config_schema");
    TCase *t = tcase_create("schema");
    tcase_add_test(t, it_holds_the_contracts_keys_in_their_order_and_no_others);
    tcase_add_test(t, every_default_is_json_and_within_its_bounds);
    tcase_add_test(t, every_row_has_a_sentence_of_help);
    tcase_add_test(t, a_number_fits_its_field);
    tcase_add_test(t, a_section_is_what_is_before_the_last_dot);
    tcase_add_test(t, every_section_is_opened_by_a_row_before_it);
    tcase_add_test(t, a_default_may_depend_on_the_providers_kind);
    suite_add_tcase(s, t);
    return s;
}
