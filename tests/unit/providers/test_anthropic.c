/* Anthropic's Messages API: conversations translated, and what recorded answers mean. */
#include "tests/unit/providers/transcript.h"

Suite *suite_providers_anthropic(void);

static void set_up(void)
{
    struct provider_options o = transcript_options("anthropic");
    transcript_use(&o);
}

static void tear_down(void)
{
    transcript_drop();
}

/* --- the request ------------------------------------------------------------------------------ */

START_TEST(a_text_becomes_a_users_message)
{
    transcript_request_is(
        &(struct transcript_call){.model = "claude", .instructions = "Be brief."},
        "POST http://x/v1/messages\nanthropic-version: 2023-06-01\nx-api-key: key-one\n"
        "Content-Type: application/json\n\n"
        "{\"model\":\"claude\",\"system\":[{\"type\":\"text\",\"text\":\"Be brief.\"}],"
        "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":4096,"
        "\"stream\":true}");
}
END_TEST

START_TEST(version_and_beta_are_headers_of_the_configuration)
{
    struct provider_options o = transcript_options("anthropic");
    o.headers[0] = (struct http_header){STR("Anthropic-Version"), STR("2099-01-01")};
    o.headers[1] = (struct http_header){STR("anthropic-beta"), STR("a,b")};
    o.header_count = 2;
    o.max_tokens = 7;
    transcript_drop();
    transcript_use(&o);
    transcript_request_is(&(struct transcript_call){.model = "c"},
                          "POST http://x/v1/messages\nx-api-key: key-one\n"
                          "Content-Type: application/json\nAnthropic-Version: 2099-01-01\n"
                          "anthropic-beta: a,b\n\n{\"model\":\"c\",\"messages\":[{\"role\":"
                          "\"user\",\"content\":\"hi\"}],\"max_tokens\":7,\"stream\":true}");
}
END_TEST

#define BODY(messages) "{\"model\":\"m\"" messages ",\"max_tokens\":4096,\"stream\":true}"

START_TEST(conversations_are_translated)
{
    static const struct {
        const char *messages, *body;
    } rows[] = {
        {"[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"developer\",\"content\":[{\"type\":"
         "\"text\",\"text\":\"d\"}]},{\"role\":\"user\",\"content\":\"u\\n\",\"name\":\"x\"}]",
         BODY(",\"system\":[{\"type\":\"text\",\"text\":\"s\"},{\"type\":\"text\",\"text\":\"d\"}],"
              "\"messages\":[{\"role\":\"user\",\"content\":\"u\\n\"}]")},
        {"[{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"id\":\"t1\",\"type\":"
         "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"n\\\":1e2}\"}},{\"id\":"
         "\"t2\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},"
         "{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"r1\"},"
         "{\"role\":\"tool\",\"tool_call_id\":\"t2\",\"content\":[{\"type\":\"text\",\"text\":"
         "\"r2\"}]},{\"role\":\"user\",\"content\":\"go on\"}]",
         BODY(",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":"
              "\"a\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"n\":1e2}},"
              "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}}]},"
              "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","
              "\"content\":\"r1\"},{\"type\":\"tool_result\",\"tool_use_id\":\"t2\",\"content\":[{"
              "\"type\":\"text\",\"text\":\"r2\"}]}]},{\"role\":\"user\",\"content\":\"go on\"}]")},
        {"[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t\",\"function\":"
         "{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},{\"role\":\"tool\",\"tool_call_id\":\"t\","
         "\"content\":\"\"}]",
         BODY(",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"
              "\"t\",\"name\":\"f\",\"input\":{\"a\":1}}]},{\"role\":\"user\",\"content\":[{"
              "\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"\"}]}]")},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},{\"type\":"
         "\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBOR/+=\"}},{\"type\":"
         "\"image_url\",\"image_url\":{\"url\":\"https:\\/\\/x/a.png\"}},{\"type\":\"file\","
         "\"file\":{\"filename\":\"f\",\"file_data\":\"data:application/pdf;base64,JVB\"}},"
         "{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"f1\"}}]}]",
         BODY(",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},"
              "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
              "\"data\":\"iVBOR/+=\"}},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
              "\"https://x/a.png\"}},{\"type\":\"document\",\"source\":{\"type\":\"base64\","
              "\"media_type\":\"application/pdf\",\"data\":\"JVB\"}},{\"type\":\"image\","
              "\"source\":{\"type\":\"file\",\"file_id\":\"f1\"}}]}]")},
        {"[{\"role\":\"other\",\"x\":1}]", BODY(",\"messages\":[{\"role\":\"other\",\"x\":1}]")},
        {"[]", BODY(",\"messages\":[]")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char input[2048];
        snprintf(input, sizeof input, "{\"messages\":%s}", rows[i].messages);
        transcript_body_is(&(struct transcript_call){.input = input}, rows[i].body);
    }
}
END_TEST

START_TEST(what_cannot_be_translated_is_said)
{
    static const struct {
        const char *message, *said;
    } rows[] = {
        {"{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":\"{\"}}]}",
         "bad_request: the arguments of a tool call are not a JSON object"},
        {"{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"arguments\":\"[1]\"}}]}",
         "bad_request: the arguments of a tool call are not a JSON object"},
        {"{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}",
         "bad_request: an image or a file of a message has no URL"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char input[512];
        snprintf(input, sizeof input, "{\"messages\":[%s]}", rows[i].message);
        transcript_request_is(&(struct transcript_call){.input = input}, rows[i].said);
    }
}
END_TEST

START_TEST(params_are_translated_or_pass_untouched)
{
    static const struct {
        const char *params, *rest;
    } rows[] = {
        {"{\"max_tokens\":9,\"temperature\":0.10,\"thinking\":{\"type\":\"enabled\"},\"top_k\":"
         "12345678901234567890}",
         ",\"max_tokens\":9,\"temperature\":0.10,\"thinking\":{\"type\":\"enabled\"},\"top_k\":"
         "12345678901234567890,\"stream\":true"},
        {"{\"max_completion_tokens\":8,\"stop\":\"x\",\"user\":\"u\",\"stream_options\":{}}",
         ",\"max_tokens\":8,\"stop_sequences\":[\"x\"],\"metadata\":{\"user_id\":\"u\"},"
         "\"stream\":true"},
        {"{\"stop\":[\"x\",\"y\"],\"stream\":false}",
         ",\"max_tokens\":4096,\"stop_sequences\":[\"x\",\"y\"],\"stream\":false"},
        {"{\"stop\":\"x\",\"stop_sequences\":[\"y\"],\"max_tokens\":null}",
         ",\"max_tokens\":4096,\"stop_sequences\":[\"y\"],\"stream\":true"},
        {"{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
         "\"parameters\":{\"type\":\"object\",\"properties\":{}}}},{\"type\":\"function\","
         "\"function\":{\"name\":\"g\"}},{\"type\":\"web_search\",\"name\":\"w\"}]}",
         ",\"max_tokens\":4096,\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{"
         "\"type\":\"object\",\"properties\":{}}},{\"name\":\"g\",\"input_schema\":{\"type\":"
         "\"object\"}},{\"type\":\"web_search\",\"name\":\"w\"}],\"stream\":true"},
        {"{\"tool_choice\":\"required\",\"parallel_tool_calls\":false}",
         ",\"max_tokens\":4096,\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":"
         "true},\"stream\":true"},
        {"{\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}}",
         ",\"max_tokens\":4096,\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"},\"stream\":true"},
        {"{\"tool_choice\":\"none\",\"parallel_tool_calls\":false}",
         ",\"max_tokens\":4096,\"tool_choice\":{\"type\":\"none\"},\"stream\":true"},
        {"{\"tool_choice\":{\"type\":\"any\"}}",
         ",\"max_tokens\":4096,\"tool_choice\":{\"type\":\"any\"},\"stream\":true"},
        {"{\"parallel_tool_calls\":false}",
         ",\"max_tokens\":4096,\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":"
         "true},\"stream\":true"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[1024];
        snprintf(expected, sizeof expected,
                 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]%s}",
                 rows[i].rest);
        transcript_body_is(&(struct transcript_call){.run_params = rows[i].params}, expected);
    }
}
END_TEST

START_TEST(a_system_param_comes_behind_the_instructions)
{
    transcript_body_is(
        &(struct transcript_call){.instructions = "a", .run_params = "{\"system\":\"b\"}"},
        BODY(",\"system\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}],"
             "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"));
}
END_TEST

/* --- streams ---------------------------------------------------------------------------------- */

#define START                                                                                       \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg\",\"type\":" \
    "\"message\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":10,"               \
    "\"cache_creation_input_tokens\":2,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n"
#define BEGIN(index, block)                                                                        \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":" index         \
    ",\"content_block\":" block "}\n\n"
#define DELTA(index, delta)                                                                        \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" index         \
    ",\"delta\":" delta "}\n\n"
#define TEXT(index, text) DELTA(index, "{\"type\":\"text_delta\",\"text\":\"" text "\"}")
#define END(index)                                                                                 \
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" index "}\n\n"
#define STOP(reason)                                                                               \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason \
    "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\nevent: message_stop\ndata: {" \
    "\"type\":\"message_stop\"}\n\n"
#define PING "event: ping\ndata: {\"type\": \"ping\"}\n\n"

START_TEST(a_stream_of_text)
{
    transcript_stream_gives(START BEGIN("0", "{\"type\":\"text\",\"text\":\"\"}")
                                PING TEXT("0", "Hel") TEXT("0", "lo") END("0") STOP("end_turn"),
                            "{\"text\":\"Hel\"}\n{\"text\":\"lo\"}\nok stop 15/15");
}
END_TEST

START_TEST(thinking_is_reasoning)
{
    transcript_stream_gives(
        START BEGIN("0", "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")
            DELTA("0", "{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}")
                DELTA("0", "{\"type\":\"signature_delta\",\"signature\":\"Eq\"}") END("0")
                    BEGIN("1", "{\"type\":\"redacted_thinking\",\"data\":\"x\"}") END("1")
                        BEGIN("2", "{\"type\":\"text\",\"text\":\"\"}") TEXT("2", "a") END("2")
                            STOP("stop_sequence"),
        "{\"reasoning\":\"hm\"}\n{\"text\":\"a\"}\nok stop 15/15");
}
END_TEST

#define TOOL(id, name)                                                                             \
    "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}}"
#define JSON_PIECE(index, text)                                                                    \
    DELTA(index, "{\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"}")

START_TEST(tool_uses_are_tool_calls_from_0)
{
    transcript_stream_gives(
        START BEGIN("0", "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"w\",\"input\":{}}")
            JSON_PIECE("0", "{}") END("0") BEGIN("1", TOOL("a", "f")) JSON_PIECE("1", "")
                JSON_PIECE("1", "{\\\"x\\\":") JSON_PIECE("1", "1}") END("1")
                    BEGIN("2", TOOL("b", "g")) END("2") STOP("tool_use"),
        "{\"tool_call\":{\"index\":0,\"id\":\"a\",\"name\":\"f\",\"arguments\":\"\"}}\n"
        "{\"tool_call\":{\"index\":0,\"arguments\":\"{\\\"x\\\":\"}}\n"
        "{\"tool_call\":{\"index\":0,\"arguments\":\"1}\"}}\n"
        "{\"tool_call\":{\"index\":1,\"id\":\"b\",\"name\":\"g\",\"arguments\":\"\"}}\n"
        "{\"tool_call\":{\"index\":1,\"arguments\":\"{}\"}}\n"
        "ok tool_calls 15/15\n"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":"
        "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":"
        "\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}");
}
END_TEST

START_TEST(the_reasons_to_stop)
{
    transcript_stream_gives(START STOP("max_tokens"), "ok length 15/15");
    transcript_stream_gives(START STOP("pause_turn"), "ok pause_turn 15/15");
    transcript_stream_gives(START STOP("refusal"), "content_refused: the model refused to answer");
}
END_TEST

START_TEST(errors_in_the_middle_of_a_stream)
{
    static const struct {
        const char *type, *verdict;
    } rows[] = {
        {"overloaded_error", "provider_overloaded: m"},
        {"rate_limit_error", "provider_rate_limited: m"},
        {"api_error", "provider_error: m"},
        {"timeout_error", "provider_timeout: m"},
        {"authentication_error", "provider_auth: m"},
        {"permission_error", "provider_auth: m"},
        {"invalid_request_error", "bad_request: m"},
        {"not_found_error", "bad_request: m"},
        {"request_too_large", "context_too_long: m"},
        {"a_new_one", "provider_error: m"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[1024], expected[128];
        snprintf(body, sizeof body,
                 START BEGIN("0", "{\"type\":\"text\",\"text\":\"\"}") TEXT(
                     "0", "a") "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"%s\","
                               "\"message\":\"m\"},\"request_id\":\"r\"}\n\n",
                 rows[i].type);
        snprintf(expected, sizeof expected, "{\"text\":\"a\"}\n%s", rows[i].verdict);
        transcript_stream_gives(body, expected);
    }
}
END_TEST

START_TEST(a_stream_without_its_end_mark_is_cut)
{
    static const char cut[] = "provider_bad_response: the answer ended without its end mark";
    transcript_stream_gives(START BEGIN("0", "{\"type\":\"text\",\"text\":\"\"}") END("0"), cut);
    transcript_stream_gives("", cut);
    transcript_stream_gives("data: nonsense\n\n",
                            "provider_bad_response: the answer is not valid JSON");
}
END_TEST

/* --- documents and statuses ------------------------------------------------------------------- */

START_TEST(an_answer_may_be_one_document)
{
    transcript_document_gives(
        "{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":"
        "\"text\",\"text\":\"a\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{"
        "\"n\": 1e2}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":4,"
        "\"output_tokens\":5}}",
        "{\"reasoning\":\"hm\"}\n{\"text\":\"a\"}\n"
        "{\"tool_call\":{\"index\":0,\"id\":\"t\",\"name\":\"f\",\"arguments\":\"{\\\"n\\\": "
        "1e2}\"}}\n"
        "ok tool_calls 4/5\n{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"id\":"
        "\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"n\\\": "
        "1e2}\"}}]}");
}
END_TEST

START_TEST(documents_that_are_no_answer)
{
    transcript_document_gives("{}", "provider_bad_response: the answer holds no message");
    transcript_document_gives("", "provider_bad_response: the answer is not valid JSON");
    transcript_document_gives("{\"type\":\"message\",\"content\":[]",
                              "provider_bad_response: the answer is not valid JSON");
    transcript_document_gives(
        "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
        "provider_overloaded: Overloaded");
    transcript_document_gives("{\"type\":\"message\",\"content\":[],\"stop_reason\":\"refusal\"}",
                              "content_refused: the model refused to answer");
}
END_TEST

START_TEST(failures)
{
#define ERROR(type) "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"m\"}}"
    static const struct {
        int status;
        const char *body, *verdict;
    } rows[] = {
        {400, ERROR("invalid_request_error"), "bad_request: m"},
        {400,
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt "
         "is too long: 9 tokens > 8 maximum\"}}",
         "context_too_long: prompt is too long: 9 tokens > 8 maximum"},
        {401, ERROR("authentication_error"), "provider_auth: m"},
        {403, ERROR("permission_error"), "provider_auth: m"},
        {404, ERROR("not_found_error"), "bad_request: m"},
        {413, ERROR("request_too_large"), "context_too_long: m"},
        {429, ERROR("rate_limit_error"), "provider_rate_limited: m"},
        {500, ERROR("api_error"), "provider_error: m"},
        {529, ERROR("overloaded_error"), "provider_overloaded: m"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        transcript_failure_gives(rows[i].status, rows[i].body, rows[i].verdict);
}
END_TEST

Suite *suite_providers_anthropic(void)
{
    Suite *s = suite_create("providers_anthropic");
    TCase *t = tcase_create("anthropic");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_text_becomes_a_users_message);
    tcase_add_test(t, version_and_beta_are_headers_of_the_configuration);
    tcase_add_test(t, conversations_are_translated);
    tcase_add_test(t, what_cannot_be_translated_is_said);
    tcase_add_test(t, params_are_translated_or_pass_untouched);
    tcase_add_test(t, a_system_param_comes_behind_the_instructions);
    tcase_add_test(t, a_stream_of_text);
    tcase_add_test(t, thinking_is_reasoning);
    tcase_add_test(t, tool_uses_are_tool_calls_from_0);
    tcase_add_test(t, the_reasons_to_stop);
    tcase_add_test(t, errors_in_the_middle_of_a_stream);
    tcase_add_test(t, a_stream_without_its_end_mark_is_cut);
    tcase_add_test(t, an_answer_may_be_one_document);
    tcase_add_test(t, documents_that_are_no_answer);
    tcase_add_test(t, failures);
    suite_add_tcase(s, t);
    return s;
}
