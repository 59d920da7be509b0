/* OpenAI's chat completions: what is sent, and what recorded answers of many servers mean. */
#include "tests/unit/providers/transcript.h"

Suite *suite_providers_openai(void);

static void set_up(void)
{
    struct provider_options o = transcript_options("openai");
    transcript_use(&o);
}

static void tear_down(void)
{
    transcript_drop();
}

#define CHUNK(delta) "data: {\"choices\":[{\"index\":0,\"delta\":" delta "}]}\n\n"
#define FINISH(reason)                                                                             \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"
#define USAGE(in, out)                                                                             \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":" in ",\"completion_tokens\":" out "}}\n\n"
#define DONE "data: [DONE]\n\n"

/* --- the request ------------------------------------------------------------------------------ */

START_TEST(a_text_becomes_a_users_message)
{
    transcript_request_is(
        &(struct transcript_call){.model = "gpt", .instructions = "Be \"brief\"."},
        "POST http://x/v1/chat/completions\nAuthorization: Bearer key-one\n"
        "Content-Type: application/json\n\n"
        "{\"model\":\"gpt\",\"messages\":[{\"role\":\"system\",\"content\":\"Be \\\"brief\\\".\"},"
        "{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true,"
        "\"stream_options\":{\"include_usage\":true}}");
}
END_TEST

#define BODY(messages, rest) "{\"model\":\"m\",\"messages\":[" messages "]" rest "}"
#define STREAMS              ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"
#define HI                   "{\"role\":\"user\",\"content\":\"hi\"}"

START_TEST(inputs_become_messages)
{
    static const struct {
        const char *input, *messages;
    } rows[] = {
        {"\"a\\u00e4\\n\"", "{\"role\":\"user\",\"content\":\"a\\u00e4\\n\"}"},
        {" \"a\" ", "{\"role\":\"user\",\"content\":\"a\"}"},
        {"null", "{\"role\":\"user\",\"content\":\"null\"}"},
        {"{\"a\":[1,\"x\"]}", "{\"role\":\"user\",\"content\":\"{\\\"a\\\":[1,\\\"x\\\"]}\"}"},
        {"{\"messages\":[]}", ""},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"n\":1e2}]},{}]}",
         "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"n\":1e2}]},{}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[1024];
        snprintf(expected, sizeof expected, BODY("%s", STREAMS), rows[i].messages);
        transcript_body_is(&(struct transcript_call){.input = rows[i].input}, expected);
    }
}
END_TEST

START_TEST(params_pass_untouched_and_the_runs_replace_the_agents)
{
    static const struct {
        const char *agent, *run, *rest;
    } rows[] = {
        {"{\"temperature\":0.10,\"seed\":12345678901234567890,\"x\":{\"y\":[1e-7]}}", NULL,
         ",\"temperature\":0.10,\"seed\":12345678901234567890,\"x\":{\"y\":[1e-7]}" STREAMS},
        {"{\"a\":1,\"b\":2}", "{\"b\":3,\"c\":4}", ",\"a\":1,\"b\":3,\"c\":4" STREAMS},
        {"{\"\\u0061b\":1}", "{\"ab\":2}", ",\"ab\":2" STREAMS},
        {"{\"model\":\"evil\",\"messages\":[],\"sim\":{}}", NULL, STREAMS},
        {NULL, "{\"stream\":false}", ",\"stream\":false"},
        {NULL, "{\"stream\":true}", ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"},
        {"{\"stream_options\":{\"include_usage\":false}}", NULL,
         ",\"stream_options\":{\"include_usage\":false},\"stream\":true"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[1024];
        snprintf(expected, sizeof expected, BODY(HI, "%s"), rows[i].rest);
        transcript_body_is(
            &(struct transcript_call){.agent_params = rows[i].agent, .run_params = rows[i].run},
            expected);
    }
}
END_TEST

START_TEST(azure_is_a_query_and_another_header)
{
    struct provider_options o = transcript_options("openai");
    o.base_url = STR("https://r.openai.azure.com/openai/deployments/d/");
    o.query[0] = (struct http_header){STR("api-version"), STR("2024-10-21 a&b")};
    o.query_count = 1;
    o.auth_header = STR("api-key");
    o.auth_prefix = STR("");
    transcript_drop();
    transcript_use(&o);
    char *text = transcript_build(&(struct transcript_call){.model = NULL}, 1);
    ck_assert_ptr_nonnull(strstr(text, "POST https://r.openai.azure.com/openai/deployments/d/chat/"
                                       "completions?api-version=2024-10-21%20a%26b\n"
                                       "api-key: key-two\nContent-Type: application/json\n\n{"));
    free(text);
}
END_TEST

START_TEST(configured_headers_are_added_and_replace_ours)
{
    struct provider_options o = transcript_options("openai");
    o.headers[0] = (struct http_header){STR("OpenAI-Organization"), STR("org-1")};
    o.headers[1] = (struct http_header){STR("authorization"), STR("Custom abc")};
    o.header_count = 2;
    transcript_drop();
    transcript_use(&o);
    char *text = transcript_build(&(struct transcript_call){.model = NULL}, 0);
    ck_assert_ptr_nonnull(strstr(text, "completions\nContent-Type: application/json\n"
                                       "OpenAI-Organization: org-1\nauthorization: Custom abc\n"));
    ck_assert_ptr_null(strstr(text, "Bearer"));
    free(text);
}
END_TEST

START_TEST(what_makes_no_request_is_said_at_the_start)
{
    struct provider *p;
    struct error error;
    static char name[600];
    struct provider_options o = transcript_options("openai");
    o.base_url = STR("ftp://x");
    ck_assert_int_eq(provider_create(&o, &p, &error), ERR_CONFIG);
    ck_assert_str_eq(error.message, "base_url must begin with https:// or http://");
    o = transcript_options("openai");
    memset(name, 'n', sizeof name);
    o.query_count = PROVIDER_MAX_EXTRAS;
    for (uint32_t i = 0; i < o.query_count; i++)
        o.query[i] = (struct http_header){{name, sizeof name}, STR("v")};
    ck_assert_int_eq(provider_create(&o, &p, &error), ERR_CONFIG);
    ck_assert_str_eq(error.message,
                     "base_url and query together make a URL of more than 8192 bytes");
    o = transcript_options("openai");
    o.api_keys[0] = STR("a\nb");
    ck_assert_int_eq(provider_create(&o, &p, &error), ERR_CONFIG);
    o = transcript_options("openai");
    o.auth_header = STR("a b");
    ck_assert_int_eq(provider_create(&o, &p, &error), ERR_CONFIG);
}
END_TEST

/* --- streams ---------------------------------------------------------------------------------- */

START_TEST(a_stream_of_text)
{
    transcript_stream_gives(
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
        "\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":"
        "null}],\"usage\":null}\n\n" CHUNK("{\"content\":\"Hel\"}") ": keep-alive\n\n" CHUNK(
            "{\"content\":\"lo \\ud83d\\ude00\"}") FINISH("stop") USAGE("12", "2") DONE,
        "{\"text\":\"Hel\"}\n{\"text\":\"lo \xF0\x9F\x98\x80\"}\nok stop 12/2");
}
END_TEST

START_TEST(reasoning_has_several_names)
{
    transcript_stream_gives(
        CHUNK("{\"reasoning_content\":\"a\",\"content\":null}") CHUNK("{\"reasoning\":\"b\"}")
            CHUNK("{\"reasoning_content\":null,\"reasoning\":\"c\"}")
                CHUNK("{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
                      "\"text\":\"d\"}]},{\"type\":\"text\",\"text\":\"e\"}]}") FINISH("stop") DONE,
        "{\"reasoning\":\"a\"}\n{\"reasoning\":\"b\"}\n{\"reasoning\":\"c\"}\n"
        "{\"reasoning\":\"d\"}\n{\"text\":\"e\"}\nok stop 0/0");
}
END_TEST

#define TOOL(index, id, name, arguments)                                                           \
    CHUNK("{\"tool_calls\":[{" index id "\"function\":{" name "\"arguments\":\"" arguments "\"}}]}")
#define CALL(id, name, arguments)                                                                  \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name                      \
    "\",\"arguments\":\"" arguments "\"}}"
#define TWO_CALLS                                                                                  \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("a", "f", "{}") "," CALL(     \
        "b", "g", "[1]") "]}"

START_TEST(pieces_of_tool_calls_are_gathered_however_they_are_numbered)
{
    static const char *const streams[] = {
        /* as OpenAI has it: the index in each, the id in the first */
        TOOL("\"index\":0,", "\"id\":\"a\",", "\"name\":\"f\",", "")
            TOOL("\"index\":0,", "", "", "{}")
                TOOL("\"index\":1,", "\"id\":\"b\",", "\"name\":\"g\",", "")
                    TOOL("\"index\":1,", "", "", "[1]"),
        /* numbered from 1, taking turns */
        TOOL("\"index\":1,", "\"id\":\"a\",", "\"name\":\"f\",", "{")
            TOOL("\"index\":2,", "\"id\":\"b\",", "\"name\":\"g\",", "[1")
                TOOL("\"index\":1,", "", "", "}") TOOL("\"index\":2,", "", "", "]"),
        /* all are number 0, and have an id of their own */
        TOOL("\"index\":0,", "\"id\":\"a\",", "\"name\":\"f\",", "{}")
            TOOL("\"index\":0,", "\"id\":\"b\",", "\"name\":\"g\",", "[1]"),
        /* no number; the id in each, or in the first */
        TOOL("", "\"id\":\"a\",", "\"name\":\"f\",", "{")
            TOOL("", "\"id\":\"a\",", "\"name\":\"f\",", "}")
                TOOL("", "\"id\":\"b\",", "\"name\":\"g\",", "[")
                    TOOL("", "\"id\":\"b\",", "\"name\":null,", "1]"),
        TOOL("", "\"id\":\"a\",", "\"name\":\"f\",", "{") TOOL("", "", "", "}")
            TOOL("", "\"id\":\"b\",", "\"name\":\"g\",", "[1") TOOL("", "\"id\":\"\",", "", "]"),
    };
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        char body[4096];
        snprintf(body, sizeof body, "%s%s", streams[i], FINISH("tool_calls") DONE);
        char *text = transcript_run(
            &(struct transcript){.content_type = "text/event-stream", .body = str_of(body)}, 0, 1);
        ck_assert_msg(strstr(text, "\nok tool_calls 0/0\n" TWO_CALLS) != NULL, "%zu: %s", i, text);
        free(text);
    }
}
END_TEST

START_TEST(one_piece_is_one_delta)
{
    transcript_stream_gives(
        TOOL("\"index\":0,", "\"id\":\"a\",", "\"name\":\"f\",", "")
            TOOL("\"index\":0,", "", "", "{\\\"x\\\":1}") FINISH("tool_calls") DONE,
        "{\"tool_call\":{\"index\":0,\"id\":\"a\",\"name\":\"f\",\"arguments\":\"\"}}\n"
        "{\"tool_call\":{\"index\":0,\"arguments\":\"{\\\"x\\\":1}\"}}\nok tool_calls 0/0\n"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("a", "f",
                                                                         "{\\\"x\\\":1}") "]}");
    transcript_stream_gives(
        CHUNK("{\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}}")
            CHUNK("{\"function_call\":{\"arguments\":\"{}\"}}") FINISH("function_call") DONE,
        "{\"tool_call\":{\"index\":0,\"name\":\"f\",\"arguments\":\"\"}}\n"
        "{\"tool_call\":{\"index\":0,\"arguments\":\"{}\"}}\nok function_call 0/0\n"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("", "f", "{}") "]}");
}
END_TEST

START_TEST(too_many_tool_calls_are_a_limit)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    for (unsigned i = 0; i <= ANSWER_MAX_TOOL_CALLS; i++)
        buf_addf(&body, CHUNK("{\"tool_calls\":[{\"index\":%u,\"function\":{}}]}"), i);
    char *text = transcript_run(
        &(struct transcript){.content_type = "text/event-stream", .body = buf_str(&body)}, 0, 0);
    ck_assert_ptr_nonnull(strstr(text, "limit_exceeded: the answer has too many tool calls"));
    ck_assert_ptr_nonnull(strstr(text, "\"index\":127"));
    free(text);
    buf_fini(&body);
}
END_TEST

START_TEST(a_refusal_is_gathered_and_fails_the_call)
{
    transcript_stream_gives(CHUNK("{\"refusal\":\"I can\"}") CHUNK("{\"refusal\":\"not.\"}")
                                FINISH("stop") USAGE("3", "4") DONE,
                            "content_refused: I cannot.");
    transcript_document_gives("{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"No.\"},"
                              "\"finish_reason\":\"stop\"}]}",
                              "content_refused: No.");
    transcript_stream_gives(CHUNK("{\"content\":\"a\"}") FINISH("content_filter") DONE,
                            "{\"text\":\"a\"}\ncontent_refused: the provider's content filter "
                            "stopped the answer");
}
END_TEST

START_TEST(other_finish_reasons_are_told_as_they_are)
{
    transcript_stream_gives(CHUNK("{\"content\":\"a\"}") FINISH("length") DONE,
                            "{\"text\":\"a\"}\nok length 0/0");
}
END_TEST

START_TEST(usage_comes_in_several_places)
{
    transcript_stream_gives(
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":"
        "{\"prompt_tokens\":5,\"completion_tokens\":6}}}\n\n" DONE,
        "ok stop 5/6");
    transcript_stream_gives(
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":5,"
        "\"completion_tokens\":1}}\n\n" USAGE("5", "2") DONE,
        "{\"text\":\"a\"}\nok  5/2");
    /* nonsense counts nothing */
    transcript_stream_gives("data: {\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":\"x\"}}"
                            "\n\n" DONE,
                            "ok  0/0");
}
END_TEST

START_TEST(what_stands_behind_the_end_mark_does_not_count)
{
    transcript_stream_gives(CHUNK("{\"content\":\"a\"}") DONE "data: garbage\n\n",
                            "{\"text\":\"a\"}\nok  0/0");
}
END_TEST

/* --- streams that fail ------------------------------------------------------------------------ */

START_TEST(errors_in_the_middle_of_a_stream_have_many_shapes)
{
    static const struct {
        const char *event, *verdict;
    } rows[] = {
        {"data: {\"error\":{\"message\":\"Boom\",\"type\":\"server_error\",\"code\":null}}",
         "provider_error: Boom"},
        {"event: error\ndata: {\"error\":{\"message\":\"busy\",\"type\":\"overloaded_error\"}}",
         "provider_overloaded: busy"},
        {"event: error\ndata: {\"message\":\"slow down\",\"code\":\"rate_limit_exceeded\"}",
         "provider_rate_limited: slow down"},
        {"data: {\"error\":\"CUDA out of memory\"}", "provider_error: CUDA out of memory"},
        {"data: {\"object\":\"error\",\"message\":\"bad\",\"type\":\"BadRequestError\",\"code\":"
         "400}",
         "bad_request: bad"},
        {"data: {\"error\":{\"code\":429,\"message\":\"later\"}}", "provider_rate_limited: later"},
        {"data: {\"error\":{\"code\":\"502\",\"message\":\"gone\"}}", "provider_error: gone"},
        {"data: {\"error\":{\"message\":\"quota\",\"code\":\"insufficient_quota\"}}",
         "provider_rate_limited: quota (final)"},
        {"data: {\"error\":{\"message\":\"This model's maximum context length is 8\"}}",
         "context_too_long: This model's maximum context length is 8"},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\",\"error\":"
         "{\"code\":503,\"message\":\"no instances\"}}]}",
         "provider_overloaded: no instances"},
        {"data: {\"error\":{}}", "provider_error: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[1024], expected[512];
        snprintf(body, sizeof body, CHUNK("{\"content\":\"a\"}") "%s\n\n" DONE, rows[i].event);
        snprintf(expected, sizeof expected, "{\"text\":\"a\"}\n%s", rows[i].verdict);
        transcript_stream_gives(body, expected);
    }
}
END_TEST

START_TEST(a_stream_without_its_end_mark_is_cut)
{
    static const char cut[] = "{\"text\":\"a\"}\nprovider_bad_response: the answer ended without "
                              "its end mark";
    transcript_stream_gives(CHUNK("{\"content\":\"a\"}"), cut);
    transcript_stream_gives(CHUNK("{\"content\":\"a\"}") FINISH("stop"), cut);
    transcript_stream_gives(CHUNK("{\"content\":\"a\"}") "data: [DONE]\n", cut);
    transcript_stream_gives("", "provider_bad_response: the answer ended without its end mark");
}
END_TEST

START_TEST(garbage_in_a_stream_is_a_bad_response)
{
    transcript_stream_gives("data: {\"choices\":\n\n",
                            "provider_bad_response: the answer is not valid JSON");
    transcript_stream_gives("data: 7\n\n",
                            "provider_bad_response: an event of the stream is not an object");
}
END_TEST

START_TEST(an_answer_past_the_bound_is_a_limit)
{
    static const char body[] = CHUNK("{\"content\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
    char *text = transcript_run(&(struct transcript){.content_type = "text/event-stream",
                                                     .body = str_of(body),
                                                     .max_bytes = 64},
                                0, 1);
    ck_assert_str_eq(text, "limit_exceeded: the answer is larger than limits.output_bytes");
    free(text);
    text = transcript_run(&(struct transcript){.content_type = "application/json",
                                               .body = STR("{\"choices\":[{\"message\":{}}]}"),
                                               .max_bytes = 16},
                          0, 0);
    ck_assert_str_eq(text, "limit_exceeded: the answer is larger than limits.output_bytes");
    free(text);
}
END_TEST

START_TEST(whoever_takes_the_deltas_can_stop)
{
    char *text = transcript_run(&(struct transcript){.content_type = "text/event-stream",
                                                     .body = STR(CHUNK("{\"content\":\"a\"}") CHUNK(
                                                         "{\"content\":\"b\"}") DONE),
                                                     .stop_after = 1},
                                0, 0);
    ck_assert_str_eq(text, "{\"text\":\"a\"}\ncancelled: ");
    free(text);
}
END_TEST

/* Every allocation fails once: no crash, no leak, no success with something missing. */
START_TEST(out_of_memory_is_never_a_success_with_a_hole)
{
    static const char body[] = CHUNK("{\"content\":\"a\\n\"}")
        CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"a\\n\",\"function\":{\"name\":\"f\\n\","
              "\"arguments\":\"{\\n}\"}}]}") FINISH("stop") DONE;
    const struct transcript t = {.content_type = "text/event-stream", .body = str_of(body)};
    char *whole = transcript_run(&t, 0, 5);
    for (unsigned long n = 1; n < 60; n++) {
        struct transcript_log l = {.deltas = 0};
        struct json_doc scratch;
        struct verdict v;
        json_doc_init(&scratch);
        buf_init(&l.text, 1 << 16);
        buf_add_lit(&l.text, "                                                                  ");
        buf_clear(&l.text);
        answer_init(&l.answer, 1 << 16);
        struct decoder *d = transcript_decoder(&l, &scratch, 1 << 16);
        mem_fail_nth(n);
        provider_openai.decoder_begin(d, &(struct answer_head){200, STR("text/event-stream")});
        transcript_feed(d, t.body, 0, 5);
        provider_openai.decoder_end(d, &v);
        mem_fail_nth(0);
        if (v.code == OK && buf_ok(&l.text) == OK)
            ck_assert_msg(strncmp(whole, l.text.data, l.text.len) == 0, "%lu", n);
        provider_openai.decoder_fini(d);
        free(d);
        answer_fini(&l.answer);
        buf_fini(&l.text);
        json_doc_fini(&scratch);
    }
    free(whole);
}
END_TEST

/* --- documents -------------------------------------------------------------------------------- */

START_TEST(an_answer_may_be_one_document)
{
    transcript_document_gives(
        "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
        "\"Hello\",\"reasoning_content\":\"hm\",\"tool_calls\":[" CALL("a", "f", "{}") "," CALL(
            "b", "g", "[1]") "]},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":7,"
                             "\"completion_tokens\":8}}\n",
        "{\"reasoning\":\"hm\"}\n{\"text\":\"Hello\"}\n"
        "{\"tool_call\":{\"index\":0,\"id\":\"a\",\"name\":\"f\",\"arguments\":\"{}\"}}\n"
        "{\"tool_call\":{\"index\":1,\"id\":\"b\",\"name\":\"g\",\"arguments\":\"[1]\"}}\n"
        "ok tool_calls 7/8\n{\"role\":\"assistant\",\"content\":\"Hello\",\"tool_calls\":[" CALL(
            "a", "f", "{}") "," CALL("b", "g", "[1]") "]}");
}
END_TEST

START_TEST(documents_that_are_no_answer)
{
    static const struct {
        const char *body, *verdict;
    } rows[] = {
        {"", "provider_bad_response: the answer is not valid JSON"},
        {"<html>", "provider_bad_response: the answer is not valid JSON"},
        {"{\"choices\":[{\"message\":{\"content\":\"a\"}}]",
         "provider_bad_response: the answer is not valid JSON"},
        {"{}", "provider_bad_response: the answer holds no message"},
        {"[]", "provider_bad_response: the answer holds no message"},
        {"{\"choices\":[]}", "provider_bad_response: the answer holds no message"},
        {"{\"choices\":[{\"text\":\"a\"}]}", "provider_bad_response: the answer holds no message"},
        {"{\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}", "provider_error: no"},
        {"{\"error\":{\"message\":\"no\",\"code\":401}}", "provider_auth: no"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        transcript_document_gives(rows[i].body, rows[i].verdict);
}
END_TEST

/* --- statuses --------------------------------------------------------------------------------- */

START_TEST(failures_have_many_shapes)
{
    static const struct {
        int status;
        const char *body, *verdict;
    } rows[] = {
        {400, "{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\"}}",
         "bad_request: m"},
        {400, "{\"error\":{\"message\":\"m\",\"code\":\"context_length_exceeded\"}}",
         "context_too_long: m"},
        {400, "{\"error\":{\"message\":\"the prompt is too long: 9 > 8\"}}",
         "context_too_long: the prompt is too long: 9 > 8"},
        {400,
         "{\"error\":{\"message\":\"m\",\"code\":\"bad\",\"innererror\":{\"code\":"
         "\"ResponsibleAIPolicyViolation\"}}}",
         "content_refused: m"},
        {500, "{\"error\":{\"type\":\"exceed_context_size_error\",\"message\":\"m\"}}",
         "context_too_long: m"},
        {401, "{\"error\":{\"message\":\"m\",\"code\":\"context_length_exceeded\"}}",
         "provider_auth: m"},
        {403, "{\"message\":\"m\"}", "provider_auth: m"},
        {404, "{\"error\":{\"message\":\"m\",\"code\":\"model_not_found\"}}", "bad_request: m"},
        {408, "", "provider_timeout: "},
        {409, "", "bad_request:  (passes)"},
        {409, "{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\"}}",
         "bad_request: m (passes)"},
        {409, "{\"error\":{\"message\":\"m\",\"code\":\"context_length_exceeded\"}}",
         "context_too_long: m"},
        {425, "{\"detail\":\"m\"}", "bad_request: m (passes)"},
        {413, "{\"detail\":\"m\"}", "bad_request: m"},
        {422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"m\",\"type\":\"missing\"}]}",
         "bad_request: m"},
        {429, "{\"error\":{\"message\":\"m\",\"type\":\"tokens\"}}", "provider_rate_limited: m"},
        {429,
         "{\"error\":{\"message\":\"m\",\"type\":\"insufficient_quota\",\"code\":"
         "\"insufficient_quota\"}}",
         "provider_rate_limited: m (final)"},
        {500, "{\"error\":\"m\"}", "provider_error: m"},
        {502, "<html>Bad gateway</html>", "provider_error: "},
        {503, "{\"errors\":[{\"code\":7000,\"message\":\"m\"}]}", "provider_overloaded: m"},
        {503, "{\"object\":\"error\",\"message\":\"m\"}", "provider_overloaded: m"},
        {529, "[{\"error\":{\"code\":529,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}]",
         "provider_overloaded: m"},
        {302, "", "provider_bad_response: "},
        {204, "", "provider_bad_response: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        transcript_failure_gives(rows[i].status, rows[i].body, rows[i].verdict);
}
END_TEST

START_TEST(our_secrets_are_not_told_to_clients)
{
    struct provider_options o = transcript_options("openai");
    o.headers[0] = (struct http_header){STR("X-Secret"), STR("Token 0123456789")};
    o.headers[1] = (struct http_header){STR("X-Mode"), STR("fast")};
    o.header_count = 2;
    o.query[0] = (struct http_header){STR("sig"), STR("abcdefghij")};
    o.query_count = 1;
    transcript_drop();
    transcript_use(&o);
    transcript_failure_gives(401, "{\"error\":{\"message\":\"bad key key-one, or key-two!\"}}",
                             "provider_auth: bad key ***, or ***!");
    transcript_failure_gives(400, "{\"error\":\"fast 0123456789 abcdefghij Token 0123456789\"}",
                             "bad_request: fast *** *** ***");
    transcript_stream_gives("data: {\"error\":{\"message\":\"key\\u002done\"}}\n\n",
                            "provider_error: ***");
}
END_TEST

/* A cut message must not end with the first half of a key. */
START_TEST(a_secret_at_the_cut_is_not_told_in_half)
{
    for (int pad = 240; pad < 260; pad++) {
        char body[600], at[300] = "";
        struct json_doc scratch;
        struct verdict v;
        memset(at, 'x', (size_t)pad);
        snprintf(body, sizeof body, "{\"error\":\"%skey-one\"}", at);
        json_doc_init(&scratch);
        provider_openai.judge(transcript_provider, 500, str_of(body), &scratch, &v);
        ck_assert_msg(strstr(v.message, "k") == NULL, "%d: %s", pad, v.message);
        json_doc_fini(&scratch);
    }
}
END_TEST

Suite *suite_providers_openai(void)
{
    Suite *s = suite_create("providers_openai");
    TCase *t = tcase_create("openai");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_text_becomes_a_users_message);
    tcase_add_test(t, inputs_become_messages);
    tcase_add_test(t, params_pass_untouched_and_the_runs_replace_the_agents);
    tcase_add_test(t, azure_is_a_query_and_another_header);
    tcase_add_test(t, configured_headers_are_added_and_replace_ours);
    tcase_add_test(t, what_makes_no_request_is_said_at_the_start);
    tcase_add_test(t, a_stream_of_text);
    tcase_add_test(t, reasoning_has_several_names);
    tcase_add_test(t, pieces_of_tool_calls_are_gathered_however_they_are_numbered);
    tcase_add_test(t, one_piece_is_one_delta);
    tcase_add_test(t, too_many_tool_calls_are_a_limit);
    tcase_add_test(t, a_refusal_is_gathered_and_fails_the_call);
    tcase_add_test(t, other_finish_reasons_are_told_as_they_are);
    tcase_add_test(t, usage_comes_in_several_places);
    tcase_add_test(t, what_stands_behind_the_end_mark_does_not_count);
    tcase_add_test(t, errors_in_the_middle_of_a_stream_have_many_shapes);
    tcase_add_test(t, a_stream_without_its_end_mark_is_cut);
    tcase_add_test(t, garbage_in_a_stream_is_a_bad_response);
    tcase_add_test(t, an_answer_past_the_bound_is_a_limit);
    tcase_add_test(t, whoever_takes_the_deltas_can_stop);
    tcase_add_test(t, out_of_memory_is_never_a_success_with_a_hole);
    tcase_add_test(t, an_answer_may_be_one_document);
    tcase_add_test(t, documents_that_are_no_answer);
    tcase_add_test(t, failures_have_many_shapes);
    tcase_add_test(t, our_secrets_are_not_told_to_clients);
    tcase_add_test(t, a_secret_at_the_cut_is_not_told_in_half);
    suite_add_tcase(s, t);
    return s;
}
