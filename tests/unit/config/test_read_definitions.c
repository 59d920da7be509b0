/* Agents and workflows: what they name is looked up, and what model/ finds is told with its place.
 */
#include "tests/unit/config/support.h"

Suite *suite_config_read_definitions(void);

#define AGENT(members) "{\"agents\": {\"a\": {" members "}}}"

START_TEST(a_file_with_agents_has_these_only)
{
    struct config *c = support_load(AGENT("\"model\": \"sim/story\", \"params\": {\"n\": 1}"));
    ck_assert_uint_eq(c->agent_count, 1);
    ck_assert(str_eq(c->agents[0]->name, STR("a")));
    ck_assert(str_eq(c->agents[0]->params, STR("{\"n\": 1}")));
    ck_assert(c->agents[0]->from_config);
    config_destroy(c);
    c = support_load("{\"agents\": {}}");
    ck_assert_uint_eq(c->agent_count, 0);
    config_destroy(c);
    c = support_load("{\"drain_ms\": 1}");
    ck_assert_uint_eq(c->agent_count, 2);
    config_destroy(c);
}
END_TEST

START_TEST(a_model_may_be_of_a_provider_further_down)
{
    struct config *c =
        support_load("{\"agents\": {\"a\": {\"model\": [\"up/gpt/4\", \"sim/echo\"]}},"
                     " \"providers\": {\"up\": {\"kind\": \"openai\"}}}");
    ck_assert_uint_eq(c->agents[0]->model_count, 2);
    ck_assert(str_eq(c->agents[0]->models[0], STR("up/gpt/4")));
    config_destroy(c);
}
END_TEST

START_TEST(a_model_that_is_not_there_is_told_with_its_name)
{
    static const struct support_refusal rows[] = {
        {AGENT("\"model\": ^\"nobody/m\""),
         "agents.a.model \"nobody/m\" names a provider that is not configured"},
        {AGENT("\n\"model\": [\"sim/echo\",\n ^\"nobody/m\"]"),
         "agents.a.model[1] \"nobody/m\" names a provider that is not configured"},
        {AGENT("\"model\": ^\"echo\""),
         "agents.a.model \"echo\" names no model, as \"provider/model\", that is served"},
        {AGENT("\"model\": ^\"sim/\""),
         "agents.a.model \"sim/\" names no model, as \"provider/model\", that is served"},
    };
    support_refuses_all_at(rows, sizeof rows / sizeof rows[0]);
    struct config *c = NULL;
    ck_assert_int_eq(support_try(AGENT("\"model\": \"sim/nothing\""), &c), ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(support_said(), "c.json:1:28: agents.a.model \"sim/nothing\" "));
}
END_TEST

START_TEST(every_finding_has_its_place)
{
    static const struct support_refusal rows[] = {
        {"{\"agents\": {\"a\": ^{}}}", "agents.a.model must be there"},
        {"{\"agents\": {\"a\": ^7}}", "agents.a must be an object"},
        {"{\"agents\": ^[]}", "agents must be an object of agents"},
        {"{\"agents\": {^\"a/b\": {}}}", "agents.a/b is not a name: 1 to 64 of A-Z a-z 0-9 _ -"},
        {AGENT("\"model\": \"sim/echo\",\n\"timeout_ms\": ^0"),
         "agents.a.timeout_ms must be between 1 and 86400000"},
        {AGENT("\"model\": \"sim/echo\",\n\"retry\": {\"on\": [\"crashed\", ^\"zzz\"]}"),
         "agents.a.retry.on[1] is no error code of a run"},
        {AGENT("\"model\": \"sim/echo\",\n\"retry\": {^\"attempt\": 1}"),
         "agents.a.retry.attempt is not a known key"},
        {AGENT("\"model\": \"sim/echo\",\n^\"a/b~c\": 1"), "agents.a.a/b~c is not a known key"},
        {AGENT("\"model\": \"sim/echo\",\n\"name\": ^\"b\""),
         "agents.a.name is not the name in the path"},
        {AGENT("\"model\": \"sim/echo\",\n\"output\": ^\"html\""),
         "agents.a.output must be one of \"text\", \"json\", \"message\""},
    };
    support_refuses_all_at(rows, sizeof rows / sizeof rows[0]);
}
END_TEST

START_TEST(several_findings_of_one_agent_are_all_told)
{
    support_refuses(AGENT("\"frob\": 1,\n\"model\": 5,\n\"params\": []"),
                    "c.json:1:19: agents.a.frob is not a known key\n"
                    "c.json:2:10: agents.a.model must be a string\n"
                    "c.json:3:11: agents.a.params must be an object\n");
}
END_TEST

/* Bug: the pointer of a finding is cut at 255 bytes; what is left of it leads nowhere. */
START_TEST(a_name_too_long_for_a_pointer_is_told_at_what_holds_it)
{
    char text[2048], name[1024];
    struct config *c = NULL;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(text, sizeof text, AGENT("\"model\": \"sim/echo\", \"%s\": 1"), name);
    ck_assert_int_eq(support_try(text, &c), ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(support_said(), "c.json:1:18: agents.a.xxx"));
}
END_TEST

START_TEST(the_default_agents_need_no_sim_of_the_kind_sim)
{
    struct config *c = support_load("{\"providers\": {\"sim\": {\"kind\": \"openai\"}}}");
    ck_assert_uint_eq(c->agent_count, 2);
    config_destroy(c);
}
END_TEST

START_TEST(a_bad_provider_is_not_told_once_more_for_each_agent)
{
    support_refuses_at("{\"providers\": ^7, \"agents\": {\"a\": {\"model\": \"up/m\"}}}",
                       "providers must be an object of providers");
    support_refuses_at(
        "{\"providers\": {\"up\": {\"kind\": ^\"x\"}}, \"agents\": {\"a\": {\"model\": "
        "\"up/m\"}}}",
        "providers.up.kind must be one of \"openai\", \"anthropic\", \"http\", \"sim\"");
}
END_TEST

#define CALL(called) "{\"task\": {\"type\": \"call\", " called "}}"

START_TEST(a_workflow_may_call_what_the_file_has)
{
    struct config *c = support_load("{\"workflows\": {\"a\": " CALL("\"workflow\": \"b\"") ", \"b\": " CALL(
        "\"agent\": \"echo\", \"input\": \"x\"") ", \"c\": " CALL("\"provider\": \"web\", \"request\": "
                                                                  "{\"path\": \"/x\"}") "}, "
                                                                                        "\"providers\": "
                                                                                        "{\"web\": {\"kind\": "
                                                                                        "\"http\", "
                                                                                        "\"base_url\": "
                                                                                        "\"http://h\"}}}");
    ck_assert_uint_eq(c->workflow_count, 3);
    ck_assert(str_eq(c->workflows[0]->name, STR("a")));
    ck_assert(c->workflows[0]->from_config);
    config_destroy(c);
}
END_TEST

START_TEST(what_a_workflow_cannot_call_is_told_with_its_place)
{
    static const struct support_refusal rows[] = {
        {"{\"workflows\": {\"a\": " CALL("\"agent\": ^\"nobody\"") "}}",
         "workflows.a.task.agent \"nobody\" names an agent that does not exist"},
        {"{\"workflows\": {\"a\": " CALL("\"workflow\": ^\"b\"") "}}",
         "workflows.a.task.workflow \"b\" names a workflow that does not exist"},
        {"{\"workflows\": {\"a\": " CALL("\"workflow\": ^\"a\"") "}}",
         "workflows.a.task.workflow the workflow would call itself"},
        {"{\"workflows\": {\"a\": " CALL("\"workflow\": \"b\"") ", \"b\": " CALL(
             "\"workflow\": ^\"a\"") "}}",
         "workflows.b.task.workflow the workflow would call itself"},
        {"{\"workflows\": {\"a\": ^7}}", "workflows.a must be an object"},
        {"{\"workflows\": {\"a\": ^{}}}", "workflows.a.task must be there"},
        {"{\"workflows\": ^[]}", "workflows must be an object of workflows"},
    };
    support_refuses_all_at(rows, sizeof rows / sizeof rows[0]);
}
END_TEST

Suite *suite_config_read_definitions(void)
{
    Suite *s = suite_create("config_read_definitions");
    TCase *t = tcase_create("read_definitions");
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, a_file_with_agents_has_these_only);
    tcase_add_test(t, a_model_may_be_of_a_provider_further_down);
    tcase_add_test(t, a_model_that_is_not_there_is_told_with_its_name);
    tcase_add_test(t, every_finding_has_its_place);
    tcase_add_test(t, several_findings_of_one_agent_are_all_told);
    tcase_add_test(t, a_name_too_long_for_a_pointer_is_told_at_what_holds_it);
    tcase_add_test(t, the_default_agents_need_no_sim_of_the_kind_sim);
    tcase_add_test(t, a_bad_provider_is_not_told_once_more_for_each_agent);
    tcase_add_test(t, a_workflow_may_call_what_the_file_has);
    tcase_add_test(t, what_a_workflow_cannot_call_is_told_with_its_place);
    suite_add_tcase(s, t);
    return s;
}
