/* Who is to be told of a run's events. */
#include "model/webhook.h"

#include <check.h>

#include "base/mem.h"
#include "model/run_spec.h"
#include "tests/unit/base/oom.h"
#include "tests/unit/model/findings.h"

Suite *suite_model_webhook(void);

static struct json_doc doc;
static struct arena arena;
static struct problem problem;
static struct webhook webhook;

static void set_up(void)
{
    json_doc_init(&doc);
    arena_init(&arena, 1 << 20);
}

static void tear_down(void)
{
    json_doc_fini(&doc);
    arena_fini(&arena);
    ck_assert_int_eq(mem_live(), 0);
}

static const char *url_fault(struct str url)
{
    return str_eq(url, STR("http://bad/")) ? "is bad" : NULL;
}

static const char *check_with(const char *text, bool can_sign)
{
    struct check c = {.problem = &problem, .arena = &arena};
    struct doc_path root = {.up = NULL}, at = doc_path_name(&root, STR("webhook"));
    problem_init(&problem);
    ck_assert_int_eq(json_parse(&doc, str_of(text), NULL), OK);
    webhook_check(&c, json_root(&doc), &at, url_fault, can_sign, &webhook);
    return findings_text(&problem);
}

static const char *check(const char *text)
{
    return check_with(text, true);
}

START_TEST(the_end_is_told_unless_other_events_are_named)
{
    ck_assert_str_eq(check("{\"url\":\"http:\\/\\/a\\/\"}"), "ok");
    ck_assert(str_eq(webhook.url, STR("http://a/")));
    ck_assert_uint_eq(webhook.events, event_set_of(EVENT_RUN_FINISHED));
    ck_assert_str_eq(check("{\"events\":[\"task.failed\",\"output.delta\",\"task.failed\"],"
                           "\"url\":\"http://a/\"}"),
                     "ok");
    ck_assert_uint_eq(webhook.events,
                      event_set_of(EVENT_TASK_FAILED) | event_set_of(EVENT_OUTPUT_DELTA));
}
END_TEST

START_TEST(every_type_of_a_run_may_be_named_and_no_other)
{
    char text[128];
    for (int t = 0; t < EVENT_TYPE_COUNT; t++) {
        snprintf(text, sizeof text, "{\"url\":\"http://a/\",\"events\":[\"%s\"]}",
                 event_type_name((enum event_type)t));
        ck_assert_str_eq(check(text), t <= EVENT_RUN_FINISHED
                                          ? "ok"
                                          : "invalid_request: /webhook/events/0 not_in_enum");
    }
}
END_TEST

START_TEST(each_mistake_has_its_place)
{
    static const struct {
        const char *text, *findings;
    } rows[] = {
        {"null", "/webhook wrong_type"},
        {"\"http://a/\"", "/webhook wrong_type"},
        {"{}", "/webhook/url missing"},
        {"{\"url\":7}", "/webhook/url wrong_type"},
        {"{\"url\":\"http://bad/\"}", "/webhook/url bad_reference"},
        {"{\"url\":\"http://a/\",\"method\":\"PUT\"}", "/webhook/method unknown_field"},
        {"{\"url\":\"http://a/\",\"events\":\"run.finished\"}", "/webhook/events wrong_type"},
        {"{\"url\":\"http://a/\",\"events\":null}", "/webhook/events wrong_type"},
        {"{\"url\":\"http://a/\",\"events\":[]}", "/webhook/events out_of_range"},
        {"{\"url\":\"http://a/\",\"events\":[\"run.finished\",1,\"*\",\"stream.end\"]}",
         "/webhook/events/1 wrong_type, /webhook/events/2 not_in_enum, /webhook/events/3 "
         "not_in_enum"},
    };
    char wanted[256];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(wanted, sizeof wanted, "invalid_request: %s", rows[i].findings);
        ck_assert_str_eq(check(rows[i].text), wanted);
    }
}
END_TEST

START_TEST(lengths_have_their_bounds)
{
    char text[WEBHOOK_URL_MAX + 64] = "{\"url\":\"", list[1024] = "{\"url\":\"a\",\"events\":[";
    memset(text + 8, 'a', WEBHOOK_URL_MAX + 1);
    strcpy(text + 8 + WEBHOOK_URL_MAX, "\"}");
    ck_assert_str_eq(check(text), "ok");
    strcpy(text + 8 + WEBHOOK_URL_MAX, "a\"}");
    ck_assert_str_eq(check(text), "invalid_request: /webhook/url too_long");
    for (int i = 0; i < WEBHOOK_EVENTS_MAX; i++)
        strcat(list, i > 0 ? ",\"run.queued\"" : "\"run.queued\"");
    strcat(list, "]}");
    ck_assert_str_eq(check(list), "ok");
    strcpy(list + strlen(list) - 2, ",\"run.queued\"]}");
    ck_assert_str_eq(check(list), "invalid_request: /webhook/events too_long");
}
END_TEST

START_TEST(a_gateway_that_sends_none_says_so)
{
    ck_assert_str_eq(check_with("{\"url\":\"http://a/\"}", false),
                     "invalid_request: /webhook bad_reference");
    ck_assert_str_eq(check_with("{\"url\":\"http://bad/\"}", false), /* its own mistakes first */
                     "invalid_request: /webhook/url bad_reference");
    ck_assert_str_eq(check_with("7", false), "invalid_request: /webhook wrong_type");
}
END_TEST

/* --- as a part of a run ----------------------------------------------------------------------- */

#define BODY                                                                                       \
    "{\"agent\":\"echo\", \"webhook\": {\"url\": \"http://a/\", \"events\": [\"task.running\"]}}"

static struct spec_limits limits(bool can_sign)
{
    return (struct spec_limits){.max_run_timeout_ms = 1000,
                                .default_run_timeout_ms = 1000,
                                .input_bytes = 1000,
                                .webhook_url_fault = url_fault,
                                .can_sign_webhooks = can_sign};
}

static enum err make(const char *body, bool can_sign, struct run_spec *ret)
{
    struct run_target target = {.agent = STR_NONE};
    struct spec_limits l = limits(can_sign);
    problem_init(&problem);
    return run_spec_create(str_of(body), &doc, &target, &l, &world, &problem, ret);
}

START_TEST(a_run_keeps_it_and_a_stored_run_is_not_judged_again)
{
    struct run_spec spec, again;
    ck_assert_int_eq(make(BODY, true, &spec), OK);
    ck_assert(str_eq(spec.webhook.url, STR("http://a/")));
    ck_assert(
        str_eq(spec.webhook_text, STR("{\"url\":\"http://a/\",\"events\":[\"task.running\"]}")));
    struct run_record record = {
        .spec = STR("{\"agent\":\"echo\",\"webhook\":{\"url\":\"http://bad/\"}}"), .timeout_ms = 1};
    ck_assert_int_eq(run_spec_reopen(&record, NULL, &again), OK);
    ck_assert(str_eq(again.webhook.url, STR("http://bad/")));
    run_spec_fini(&spec);
    run_spec_fini(&again);
    ck_assert_int_eq(make("{\"agent\":\"echo\"}", false, &spec), OK);
    ck_assert_ptr_null(spec.webhook.url.at);
    run_spec_fini(&spec);
    ck_assert_int_eq(make(BODY, false, &spec), ERR_INVALID_REQUEST);
    ck_assert_str_eq(findings_text(&problem), "invalid_request: /webhook bad_reference");
}
END_TEST

/* --- stored ----------------------------------------------------------------------------------- */

START_TEST(what_was_kept_is_read_again)
{
    ck_assert_int_eq(webhook_read(STR("{\"url\":\"http://bad\\/\",\"events\":[\"run.queued\"]}"),
                                  &arena, &webhook),
                     OK);
    ck_assert(str_eq(webhook.url, STR("http://bad/")));
    ck_assert_uint_eq(webhook.events, event_set_of(EVENT_RUN_QUEUED));
    ck_assert_int_eq(webhook_read(STR("{\"url\":1}"), &arena, &webhook), ERR_IO);
    ck_assert_int_eq(webhook_read(STR("{"), &arena, &webhook), ERR_IO);
}
END_TEST

static enum err read_one(void *arg)
{
    struct arena own;
    (void)arg;
    arena_init(&own, 1 << 20);
    enum err e = webhook_read(STR("{\"url\":\"http:\\/\\/a\"}"), &own, &webhook);
    arena_fini(&own);
    return e;
}

START_TEST(no_memory_is_told_apart_from_damage)
{
    ck_assert_uint_gt(oom_rounds(read_one, NULL), 2);
}
END_TEST

Suite *suite_model_webhook(void)
{
    Suite *s = suite_create("model_webhook");
    TCase *t = tcase_create("webhook");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_end_is_told_unless_other_events_are_named);
    tcase_add_test(t, every_type_of_a_run_may_be_named_and_no_other);
    tcase_add_test(t, each_mistake_has_its_place);
    tcase_add_test(t, lengths_have_their_bounds);
    tcase_add_test(t, a_gateway_that_sends_none_says_so);
    tcase_add_test(t, a_run_keeps_it_and_a_stored_run_is_not_judged_again);
    tcase_add_test(t, what_was_kept_is_read_again);
    tcase_add_test(t, no_memory_is_told_apart_from_damage);
    suite_add_tcase(s, t);
    return s;
}
