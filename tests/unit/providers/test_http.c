/* Any HTTP API: requests from templates and from tasks, and every form of an answer. */
#include "tests/unit/providers/transcript.h"

Suite *suite_providers_http(void);

static struct provider_options options;

/* Before `again`: change `options`. */
static void again(void)
{
    transcript_drop();
    transcript_use(&options);
}

static void set_up(void)
{
    options = transcript_options("http");
    options.api_key_count = 1;
    transcript_use(&options);
}

static void tear_down(void)
{
    transcript_drop();
}

static void request_is(const char *request, const char *expected)
{
    transcript_call.request = str_of(request);
    transcript_request_is(&(struct transcript_call){.model = ""}, expected);
    transcript_call.request = STR_NONE;
}

static void template_gives(const char *template, const struct transcript_call *call,
                           const char *expected)
{
    options.http.request = str_of(template);
    again();
    transcript_request_is(call, expected);
}

/* --- requests --------------------------------------------------------------------------------- */

START_TEST(without_a_template_the_input_is_posted)
{
    transcript_request_is(&(struct transcript_call){.input = "{\"a\": 1e2}"},
                          "POST http://x/v1\nAuthorization: Bearer key-one\n"
                          "Content-Type: application/json\n\n{\"a\":1e2}");
}
END_TEST

START_TEST(a_tasks_request_is_data)
{
    request_is("{\"method\":\"GET\",\"path\":\"/now\",\"query\":{\"q\":\"a b&\",\"n\":1.50,\"x\":"
               "null},\"headers\":{\"X-A\":\"b\"},\"body\":null}",
               "GET http://x/v1/now?q=a%20b%26&n=1.50\nAuthorization: Bearer key-one\nX-A: b\n\n");
    request_is("{\"method\":\"PUT\",\"body\":{\"t\":\"{{input}}\"}}",
               "PUT http://x/v1\nAuthorization: Bearer key-one\nContent-Type: application/json\n\n"
               "{\"t\":\"{{input}}\"}");
    request_is("{\"path\":\"/a?b=c\",\"query\":{\"d\":\"e\"}}",
               "GET http://x/v1/a?b=c&d=e\nAuthorization: Bearer key-one\n\n");
    request_is(
        "{\"method\":\"POST\",\"headers\":{\"Content-Type\":\"text/plain\"},\"body\":\"a\\n\"}",
        "POST http://x/v1\nAuthorization: Bearer key-one\nContent-Type: text/plain\n\na\n");
    request_is("{\"method\":\"DELETE\",\"path\":\"\"}",
               "DELETE http://x/v1\nAuthorization: Bearer key-one\n\n");
}
END_TEST

START_TEST(a_template_is_filled_in)
{
    static const char template[] =
        "{\"method\":\"POST\",\"path\":\"/{{model}}/{{input.id}}\",\"query\":{\"lang\":"
        "\"{{params.lang | \\\"en\\\"}}\"},\"headers\":{\"X-I\":\"<{{instructions}}>\"},\"body\":"
        "{\"city\":\"{{input.city}}\",\"first\":\"{{input.list[0].a}}\",\"all\":[\"{{input.list}}\","
        "true,\"{{\\\"{{\\\"}}x}}\"],\"text\":\"in {{input.city}}, {{input.n}} {{input.list}}\","
        "\"none\":\"a{{input.nothing}}b\"}}";
    template_gives(
        template,
        &(struct transcript_call){
            .model = "m/1",
            .instructions = "be",
            .input = "{\"id\":\"a/b ?\",\"city\":\"Z\\u00fcrich\",\"n\":1.0,\"nothing\":"
                     "null,\"list\":[{\"a\": 7e0}]}"},
        "POST http://x/v1/m%2F1/a%2Fb%20%3F?lang=en\nAuthorization: Bearer key-one\n"
        "X-I: <be>\nContent-Type: application/json\n\n"
        "{\"city\":\"Z\\u00fcrich\",\"first\":7e0,\"all\":[[{\"a\":7e0}],true,\"{{x}}\"],"
        "\"text\":\"in Z\xC3\xBCrich, 1.0 [{\\\"a\\\":7e0}]\",\"none\":\"ab\"}");
    template_gives(
        "{\"path\":\"/{{params.a}}\"}",
        &(struct transcript_call){.agent_params = "{\"a\":1}", .run_params = "{\"a\":2}"},
        "GET http://x/v1/2\nAuthorization: Bearer key-one\n\n");
}
END_TEST

START_TEST(what_is_filled_in_is_not_looked_at_again)
{
    template_gives("{\"body\":\"{{input}}\"}", &(struct transcript_call){.input = "\"{{model}}\""},
                   "POST http://x/v1\nAuthorization: Bearer key-one\n"
                   "Content-Type: application/json\n\n\"{{model}}\"");
}
END_TEST

START_TEST(references_that_lead_nowhere_are_said)
{
    static const struct {
        const char *template, *said;
    } rows[] = {
        {"{\"body\":\"{{input.a}}\"}", "template_error: {{input.a}} has no value"},
        {"{\"body\":\"{{params.a}}\"}", "template_error: {{params.a}} has no value"},
        {"{\"path\":\"/{{model.a}}\"}", "template_error: {{model.a}} has no value"},
        {"{\"path\":\"/{{input[0]}}\"}", "template_error: {{input[0]}} has no value"},
        {"{\"headers\":{\"A\":\"{{instructions}}\"}}",
         "template_error: {{instructions}} has a line break, which a header must not have"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        options.http.request = str_of(rows[i].template);
        again();
        char *text =
            transcript_build(&(struct transcript_call){.input = "{}", .instructions = "a\nb"}, 0);
        ck_assert_str_eq(text, rows[i].said);
        free(text);
    }
}
END_TEST

START_TEST(templates_that_no_call_could_fill_are_refused_at_once)
{
    static const struct {
        const char *template, *said;
    } rows[] = {
        {"{\"body\":\"x{{nobody}}\"}", "request/body refers to nothing that there is"},
        {"{\"body\":[\"{{}}\"]}", "request/body/0 refers to nothing that there is"},
        {"{\"body\":\"{{input\"}", "request/body a reference ends with }}"},
        {"{\"body\":\"{{input.a | nonsense}}\"}",
         "request/body what stands in the braces is not valid JSON where it should be"},
        {"{\"path\":\"/{{input.a[x]}}\"}",
         "request/path an index is digits in brackets, without a leading zero"},
        {"{\"path\":7}", "request/path must be a string"},
        {"{\"method\":\"TRACE\"}", "request/method must be one of GET, POST, PUT, PATCH, DELETE"},
        {"{\"headers\":{\"Host\":\"x\"}}",
         "request/headers/Host is no header that a request may set"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct provider *p = NULL;
        struct error error = {.message = ""};
        options.http.request = str_of(rows[i].template);
        ck_assert_int_eq(provider_create(&options, &p, &error), ERR_CONFIG);
        ck_assert_ptr_null(p);
        ck_assert_str_eq(error.message, rows[i].said);
    }
}
END_TEST

START_TEST(a_body_that_is_not_json_is_filled_in_as_text)
{
    static const char template[] = "{\"method\":\"POST\",\"headers\":{\"Content-Type\":"
                                   "\"{{params.type}}\",\"X-None\":null},\"body\":\"a={{input}}\"}";
    const struct transcript_call text = {.input = "\"x\\\"y\"",
                                         .run_params = "{\"type\":\"text/plain\"}"};
    template_gives(template, &text,
                   "POST http://x/v1\nAuthorization: Bearer key-one\nContent-Type: "
                   "text/plain\n\na=x\"y");
    const struct transcript_call json = {.input = "\"x\\\"y\"",
                                         .run_params = "{\"type\":\"application/json\"}"};
    template_gives(template, &json,
                   "POST http://x/v1\nAuthorization: Bearer key-one\nContent-Type: "
                   "application/json\n\n\"a=x\\\"y\"");
}
END_TEST

START_TEST(requests_that_would_leave_the_provider_are_refused)
{
    static const struct {
        const char *request, *said;
    } rows[] = {
        {"{\"path\":\"now\"}", "the path of the request is not valid"},
        {"{\"path\":\"@evil/\"}", "the path of the request is not valid"},
        {"{\"path\":\"/a/../b\"}", "the path of the request is not valid"},
        {"{\"path\":\"/%2e%2E/b\"}", "the path of the request is not valid"},
        {"{\"path\":\"/a/.\"}", "the path of the request is not valid"},
        {"{\"path\":\"/a b\"}", "the path of the request is not valid"},
        {"{\"path\":\"/a\\r\\nX: y\"}", "the path of the request is not valid"},
        {"{\"path\":\"/a#b\"}", "the path of the request is not valid"},
        {"{\"method\":\"CONNECT\"}",
         "the method of the request is none of GET, POST, PUT, PATCH, DELETE"},
        {"{\"headers\":{\"A\":\"b\\r\\nX: y\"}}", "a header of the request is not valid"},
        {"{\"headers\":{\"A b\":\"c\"}}", "a header of the request is not valid"},
        {"{\"headers\":{\"Host\":\"evil\"}}", "a header of the request is not valid"},
        {"{\"headers\":{\"content-LENGTH\":\"1\"}}", "a header of the request is not valid"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[256];
        snprintf(expected, sizeof expected, "bad_request: %s", rows[i].said);
        request_is(rows[i].request, expected);
    }
}
END_TEST

START_TEST(a_filled_in_path_cannot_climb)
{
    template_gives("{\"path\":\"/a/{{input}}/b\"}", &(struct transcript_call){.input = "\"..\""},
                   "bad_request: the path of the request is not valid");
}
END_TEST

START_TEST(what_is_configured_wins)
{
    options.headers[0] = (struct http_header){STR("X-Key"), STR("secret-secret")};
    options.header_count = 1;
    options.query[0] = (struct http_header){STR("v"), STR("1")};
    options.query_count = 1;
    again();
    request_is("{\"path\":\"/a\",\"query\":{\"q\":\"2\"},\"headers\":{\"x-key\":\"mine\","
               "\"Authorization\":\"mine\",\"X-B\":\"c\"}}",
               "GET http://x/v1/a?q=2&v=1\nAuthorization: Bearer key-one\nX-Key: secret-secret\n"
               "X-B: c\n\n");
}
END_TEST

START_TEST(a_url_has_a_bound)
{
    static char request[10000];
    size_t room = 8192 - strlen("http://x/v1/");
    for (size_t more = 0; more < 2; more++) {
        memset(request, 'a', sizeof request);
        memcpy(request, "{\"path\":\"/", 10);
        strcpy(request + 10 + room + more, "\"}");
        transcript_call.request = str_of(request);
        char *text = transcript_build(&(struct transcript_call){.model = ""}, 0);
        if (more)
            ck_assert_str_eq(text, "bad_request: the URL is longer than 8192 bytes");
        else
            ck_assert_int_eq(strncmp(text, "GET http://x/v1/aaa", 19), 0);
        free(text);
    }
    transcript_call.request = STR_NONE;
}
END_TEST

START_TEST(headers_have_a_bound)
{
    for (unsigned n = 16; n <= 17; n++) {
        char request[1024] = "{\"headers\":{";
        for (unsigned i = 0; i < n; i++)
            snprintf(request + strlen(request), 32, "%s\"X-%u\":\"v\"", i > 0 ? "," : "", i);
        strcat(request, "}}");
        transcript_call.request = str_of(request);
        char *text = transcript_build(&(struct transcript_call){.model = ""}, 0);
        ck_assert_int_eq(strcmp(text, "bad_request: the request has too many headers") == 0,
                         n > 16);
        free(text);
    }
    transcript_call.request = STR_NONE;
}
END_TEST

/* --- answers ---------------------------------------------------------------------------------- */

/* The value, in place of deltas: "= JSON". */
static void value_is(const char *body, const char *expected)
{
    struct transcript_log l = {.deltas = 0};
    struct json_doc scratch;
    struct verdict v;
    json_doc_init(&scratch);
    buf_init(&l.text, 65536);
    answer_init(&l.answer, 1 << 16);
    struct decoder *d = transcript_decoder(&l, &scratch, 1 << 16);
    provider_http.decoder_begin(d, &(struct answer_head){200, STR("application/json")});
    transcript_feed(d, str_of(body), 0, 3);
    provider_http.decoder_end(d, &v);
    if (v.code == OK)
        buf_add_str(&l.text, buf_str(&l.answer.text));
    else
        transcript_add_verdict(&l, &v);
    ck_assert(v.code != OK || l.answer.is_json);
    buf_add_char(&l.text, '\0');
    ck_assert_str_eq(l.text.data, expected);
    provider_http.decoder_fini(d);
    free(d);
    answer_fini(&l.answer);
    buf_fini(&l.text);
    json_doc_fini(&scratch);
}

START_TEST(json_is_the_value_and_result_narrows_it)
{
    value_is(" {\"a\": [1, 2.50]} \n", "{\"a\":[1,2.50]}");
    options.http.result = STR("/a/1");
    again();
    value_is("{\"a\": [1, 2.50]}", "2.50");
    value_is("{\"a\": [1]}", "invalid_output: result points at nothing in the answer");
    transcript_call.result = STR("/b");
    value_is("{\"b\": null}", "null");
    value_is("{\"b\": ", "provider_bad_response: the answer is not valid JSON");
    value_is("", "provider_bad_response: the answer is empty");
    transcript_call.result = STR_NONE;
}
END_TEST

START_TEST(no_content_is_null)
{
    transcript_gives(&(struct transcript){.status = 204, .body = STR("")}, "ok  0/0");
}
END_TEST

START_TEST(text_never_splits_a_character)
{
    const struct transcript t = {.content_type = "text/plain; charset=utf-8",
                                 .body = STR("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z\xFF\x80\xC3")};
    for (size_t step = 1; step < 8; step++) {
        char *text = transcript_run(&t, 0, step);
        char joined[256] = "";
        for (const char *at = text; (at = strstr(at, "{\"text\":\"")) != NULL; at++)
            strncat(joined, at + 9, strcspn(at + 9, "\""));
        ck_assert_msg(strstr(joined, "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z\xEF\xBF\xBD") ==
                          joined,
                      "%s", text);
        ck_assert_ptr_nonnull(strstr(text, "ok  0/0"));
        free(text);
    }
    options.http.result = STR("/a");
    again();
    transcript_gives(&(struct transcript){.content_type = "text/plain", .body = STR("")},
                     "invalid_output: the answer is text: result points at nothing");
}
END_TEST

START_TEST(lines_and_events_are_deltas)
{
    options.http.delta = STR("/d/0/t");
    options.http.end = STR("END");
    again();
    transcript_stream_gives("data: {\"d\":[{\"t\":\"a\\n\"}]}\n\ndata: {\"e\":1}\n\ndata: "
                            "{\"d\":[{\"t\":7}]}\n\ndata: END\n\ndata: x\n\n",
                            "{\"text\":\"a\\n\"}\n{\"text\":\"7\"}\nok  0/0");
    transcript_stream_gives("data: {\"d\":[{\"t\":\"a\"}]}\n\n",
                            "{\"text\":\"a\"}\nprovider_bad_response: the answer ended without its "
                            "end mark");
    transcript_stream_gives("data: {\"error\":{\"message\":\"m\",\"code\":429}}\n\n",
                            "provider_rate_limited: m");
    options.http.end = STR_NONE;
    again();
    transcript_gives(&(struct transcript){.content_type = "application/x-ndjson",
                                          .body = STR("{\"d\":[{\"t\":\"a\"}]}\r\n\n{\"d\":[{"
                                                      "\"t\":\"b\"}]}")},
                     "{\"text\":\"a\"}\n{\"text\":\"b\"}\nok  0/0");
    transcript_gives(
        &(struct transcript){.content_type = "application/x-ndjson", .body = STR("{\"d\"\n")},
        "provider_bad_response: the answer is not valid JSON");
}
END_TEST

START_TEST(without_a_pointer_each_is_a_line)
{
    transcript_stream_gives("data: a\ndata: b\n\ndata: c\n\n",
                            "{\"text\":\"a\\nb\\n\"}\n{\"text\":\"c\\n\"}\nok  0/0");
    options.http.response = HTTP_NDJSON;
    again();
    transcript_gives(&(struct transcript){.content_type = NULL, .body = STR("a\n{}\n")},
                     "{\"text\":\"a\\n\"}\n{\"text\":\"{}\\n\"}\nok  0/0");
}
END_TEST

START_TEST(success_is_what_the_configuration_says)
{
    for (int status = 199; status <= 300; status++)
        ck_assert_int_eq(provider_accepts(transcript_provider, status),
                         status >= 200 && status <= 299);
    options.http.success = (struct http_codes){.at = {200, 404}, .count = 2};
    again();
    ck_assert(provider_accepts(transcript_provider, 404));
    ck_assert(!provider_accepts(transcript_provider, 201));
    transcript_failure_gives(201, "", "provider_bad_response: ");
    transcript_failure_gives(500, "{\"message\":\"m\"}", "provider_error: m");
}
END_TEST

/* --- work that goes on ------------------------------------------------------------------------ */

static void use_poll(void)
{
    options.http.poll = (struct http_poll){.status = STR("/status"),
                                           .done = {.at = {STR("ok"), STR("1")}, .count = 2},
                                           .failed = {.at = {STR("bad"), STR("true")}, .count = 2},
                                           .url = STR("/urls/get"),
                                           .cancel_url = STR("/urls/cancel"),
                                           .every_ms = 500};
    options.http.result = STR("/out");
    again();
}

/* The handle after such an answer, or the verdict, or the value behind "= ". */
static void poll_gives(const char *before, const char *body, const char *expected)
{
    struct transcript_log l = {.deltas = 0};
    struct json_doc scratch;
    struct verdict v;
    json_doc_init(&scratch);
    buf_init(&l.text, 65536);
    answer_init(&l.answer, 1 << 16);
    struct decoder_setup setup = {
        .provider = transcript_provider,
        .call = &transcript_call,
        .sink = {.ctx = &l, .on_delta = transcript_on_delta, .answer = &l.answer},
        .scratch = &scratch,
        .max_bytes = 1 << 16,
        .handle = str_of(before)};
    struct decoder *d = calloc(1, provider_http.decoder_size);
    provider_http.decoder_init(d, &setup);
    provider_http.decoder_begin(d, &(struct answer_head){202, STR_NONE});
    transcript_feed(d, str_of(body), 0, 3);
    provider_http.decoder_end(d, &v);
    if (v.code != OK) {
        transcript_add_verdict(&l, &v);
    } else if (provider_http.decoder_handle(d).len > 0) {
        buf_add_str(&l.text, provider_http.decoder_handle(d));
    } else {
        buf_add_lit(&l.text, "= ");
        buf_add_str(&l.text, buf_str(&l.answer.text));
    }
    buf_add_char(&l.text, '\0');
    ck_assert_str_eq(l.text.data, expected);
    provider_http.decoder_fini(d);
    free(d);
    answer_fini(&l.answer);
    buf_fini(&l.text);
    json_doc_fini(&scratch);
}

#define HANDLE "{\"url\":\"/v1/p/1\",\"cancel_url\":null}"

START_TEST(an_answer_says_whether_the_work_goes_on)
{
    use_poll();
    poll_gives("",
               "{\"status\":\"starting\",\"urls\":{\"get\":\"http://x/p/1?a=b\",\"cancel\":\"/p/1/"
               "c\"}}",
               "{\"url\":\"http://x/p/1?a=b\",\"cancel_url\":\"/p/1/c\"}");
    poll_gives(HANDLE, "{\"status\":\"running\"}", HANDLE);
    poll_gives(HANDLE, "{}", HANDLE);
    poll_gives(HANDLE, "", HANDLE);
    poll_gives(HANDLE, "{\"urls\":{\"get\":\"/other\"}}",
               "{\"url\":\"/other\",\"cancel_url\":null}");
    poll_gives("", "{\"status\":\"ok\",\"out\":{\"a\": 1}}", "= {\"a\":1}");
    poll_gives(HANDLE, "{\"status\":1,\"out\":7}", "= 7");
    poll_gives(HANDLE, "{\"status\":\"ok\"}",
               "invalid_output: result points at nothing in the answer");
    poll_gives(HANDLE, "{\"status\":\"bad\",\"error\":\"boom\"}", "provider_error: boom");
    poll_gives(HANDLE, "{\"status\":\"bad\",\"error\":{\"code\":\"content_filter\"}}",
               "content_refused: the provider says that the work has failed");
    poll_gives(HANDLE, "{\"status\":true}",
               "provider_error: the provider says that the work has failed");
    poll_gives("", "{\"status\":\"starting\"}",
               "provider_bad_response: the answer does not say where to ask");
    poll_gives(HANDLE, "<html>", "provider_bad_response: the answer is not valid JSON");
}
END_TEST

START_TEST(credentials_go_to_no_other_server)
{
    static const char *const bad[] = {
        "http://y/p", "https://x/p", "http://x.evil/p", "http://x@y/p", "//y/p", "p/1",
        "",           "/a b",        "/a\\r\\nX: y",    "http://x:81/"};
    use_poll();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"urls\":{\"get\":\"%s\"}}", bad[i]);
        poll_gives("", body,
                   "provider_bad_response: the answer says to ask at another server than base_url");
        snprintf(body, sizeof body, "{\"urls\":{\"get\":\"/a\",\"cancel\":\"%s\"}}", bad[i]);
        poll_gives("", body, "{\"url\":\"/a\",\"cancel_url\":null}");
    }
}
END_TEST

static void asks(const char *handle, enum poll_ask ask, const char *expected)
{
    struct json_doc scratch;
    struct buf body, text;
    struct http_request r = {.method = NULL};
    struct error error = {.message = ""};
    json_doc_init(&scratch);
    buf_init(&body, 65536);
    buf_init(&text, 65536);
    enum err e = provider_http.build_poll(transcript_provider, str_of(handle), ask, 0, &body,
                                          &scratch, &r, &error);
    if (e == OK)
        buf_addf(&text, "%s %s %u", r.method, r.url, r.header_count);
    else
        buf_addf(&text, "%s: %s", err_code(e), error.message);
    buf_add_char(&text, '\0');
    ck_assert_str_eq(text.data, expected);
    ck_assert_ptr_null(r.body.at);
    buf_fini(&body);
    buf_fini(&text);
    json_doc_fini(&scratch);
}

START_TEST(a_handle_makes_requests)
{
    options.query[0] = (struct http_header){STR("v"), STR("1")};
    options.query_count = 1;
    use_poll();
    asks("{\"url\":\"/p/1\",\"cancel_url\":\"http://x/c\"}", POLL_ASK, "GET http://x/p/1?v=1 1");
    asks("{\"url\":\"/p/1?k=2\",\"cancel_url\":null}", POLL_ASK, "GET http://x/p/1?k=2 1");
    asks("{\"url\":\"/p/1\",\"cancel_url\":\"http://x/c\"}", POLL_CANCEL, "POST http://x/c?v=1 1");
    asks("{\"url\":\"/p/1\",\"cancel_url\":null}", POLL_CANCEL,
         "not_found: the server has not said where");
    asks("nonsense", POLL_ASK, "not_found: the server has not said where");
    options.http.poll.cancel_method = HTTP_CANCEL_DELETE;
    again();
    asks("{\"url\":\"/p/1\",\"cancel_url\":\"/c\"}", POLL_CANCEL, "DELETE http://x/c?v=1 1");
}
END_TEST

Suite *suite_providers_http(void)
{
    Suite *s = suite_create("providers_http");
    TCase *t = tcase_create("http");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, without_a_template_the_input_is_posted);
    tcase_add_test(t, a_tasks_request_is_data);
    tcase_add_test(t, a_template_is_filled_in);
    tcase_add_test(t, what_is_filled_in_is_not_looked_at_again);
    tcase_add_test(t, references_that_lead_nowhere_are_said);
    tcase_add_test(t, templates_that_no_call_could_fill_are_refused_at_once);
    tcase_add_test(t, a_body_that_is_not_json_is_filled_in_as_text);
    tcase_add_test(t, requests_that_would_leave_the_provider_are_refused);
    tcase_add_test(t, a_filled_in_path_cannot_climb);
    tcase_add_test(t, what_is_configured_wins);
    tcase_add_test(t, a_url_has_a_bound);
    tcase_add_test(t, headers_have_a_bound);
    tcase_add_test(t, json_is_the_value_and_result_narrows_it);
    tcase_add_test(t, no_content_is_null);
    tcase_add_test(t, text_never_splits_a_character);
    tcase_add_test(t, lines_and_events_are_deltas);
    tcase_add_test(t, without_a_pointer_each_is_a_line);
    tcase_add_test(t, success_is_what_the_configuration_says);
    tcase_add_test(t, an_answer_says_whether_the_work_goes_on);
    tcase_add_test(t, credentials_go_to_no_other_server);
    tcase_add_test(t, a_handle_makes_requests);
    suite_add_tcase(s, t);
    return s;
}
