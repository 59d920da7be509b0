/* Requests of calls by provider (API §4): what they may say, and the target that is made of them.
 */
#include "model/request_spec.h"

#include "tests/unit/model/tree.h"

Suite *suite_model_request_spec(void);

static struct request_spec *request_of(const char *request)
{
    char text[2048];
    snprintf(text, sizeof text, "{'type':'call','provider':'weather','request':%s}", request);
    return tree_of(text)->request;
}

START_TEST(a_full_request_is_read)
{
    struct request_spec *r = request_of(
        "{'method':'POST','path':'/v1/{{input.id}}','query':{'q':'{{input.city}}','n':5,'b':true,'none':null},"
        "'headers':{'X-Tag':'a {{input.tag}}'},'body':{'a':['{{input}}',1.00]}}");
    ck_assert(str_eq(r->method.source, STR("POST")));
    ck_assert_uint_eq(r->path.count, 2);
    ck_assert_uint_eq(r->query_count, 3);
    ck_assert(str_eq(r->query[1].name, STR("n")));
    ck_assert(str_eq(r->query[1].value.source, STR("5")));
    ck_assert_uint_eq(r->header_count, 1);
    ck_assert_int_eq(r->headers[0].value.form, TEMPLATE_HEADER);
    ck_assert(r->has_body);
    ck_assert_uint_eq(r->body.count, 3);
    ck_assert(!request_of("{'path':'/','body':null}")->has_body);
    ck_assert_uint_eq(request_of("{'path':'/','method':'{{input.m}}'}")->method.count, 1);
}
END_TEST

#define REQUEST(members) "{'type':'call','provider':'weather','request':" members "}"

START_TEST(what_is_wrong_is_found_at_its_place)
{
    static const struct tree_row rows[] = {
        {REQUEST("[]"), "/request wrong_type"},
        {REQUEST("{}"), "/request/path missing"},
        {REQUEST("{'path':7,'method':'get','x':1}"),
         "/request/path wrong_type, /request/method not_in_enum, /request/x unknown_field"},
        {REQUEST("{'path':'/','method':5,'query':[],'headers':'x'}"),
         "/request/method wrong_type, /request/query wrong_type, /request/headers wrong_type"},
        {REQUEST("{'path':''}"), "/request/path out_of_range"},
        {REQUEST("{'path':'a'}"), "/request/path out_of_range"},
        {REQUEST("{'path':'{{input.path}}'}"), "/request/path out_of_range"},
        {REQUEST("{'path':'/a b'}"), "/request/path out_of_range"},
        {REQUEST("{'path':'/a#b'}"), "/request/path out_of_range"},
        {REQUEST("{'path':'/{{input}}\\u0000'}"), "/request/path out_of_range"},
        {REQUEST("{'path':'/{{\\'\\\\n\\'}}'}"), "/request/path out_of_range"},
        {REQUEST("{'path':'/{{x}}'}"), "/request/path bad_reference"},
        {REQUEST(
             "{'path':'/','method':'{{x}}','query':{'a':'{{x}}','b':[],'c':{}},'headers':{'A':'{{x}}'},"
             "'body':['{{x}}']}"),
         "/request/method bad_reference, /request/query/a bad_reference, /request/query/b wrong_type, "
         "/request/query/c wrong_type, /request/headers/A bad_reference, /request/body/0 bad_reference"},
        {REQUEST(
             "{'path':'/','headers':{'a b':'x','':'x','content-length':'1','X-A':1,'X-B':'a\\r\\nb','X-C':'a\\tb',"
             "'X-D':'\\u00e4'}}"),
         "/request/headers/a b out_of_range, /request/headers/ out_of_range, "
         "/request/headers/content-length out_of_range, /request/headers/X-A wrong_type, "
         "/request/headers/X-B out_of_range"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

static struct str with_members(const char *member, unsigned count)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_addf(&b, "{\"type\":\"call\",\"provider\":\"weather\",\"request\":{\"path\":\"/\",\"%s\":{",
             member);
    for (unsigned i = 0; i < count; i++)
        buf_addf(&b, "%s\"m%u\":\"\"", i > 0 ? "," : "", i);
    buf_add_lit(&b, "}}}");
    struct str text = arena_str(&tree_arena, buf_str(&b));
    buf_fini(&b);
    return text;
}

START_TEST(a_method_that_no_call_could_use_is_refused_at_once)
{
    static const struct tree_row rows[] = {
        {REQUEST("{'path':'/','method':'HEAD'}"), "/request/method not_in_enum"},
        {REQUEST("{'path':'/','method':'OPTIONS'}"), "/request/method not_in_enum"},
    };
    TREE_CHECK_ROWS(rows);
    ck_assert(str_eq(request_of("{'path':'/','method':'PATCH'}")->method.source, STR("PATCH")));
}
END_TEST

START_TEST(there_are_so_many_members_and_no_more)
{
    ck_assert_ptr_nonnull(tree_check_str(with_members("query", REQUEST_QUERY_MAX)));
    ck_assert_ptr_null(tree_check_str(with_members("query", REQUEST_QUERY_MAX + 1)));
    ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /request/query too_long");
    ck_assert_ptr_nonnull(tree_check_str(with_members("headers", REQUEST_HEADERS_MAX)));
    ck_assert_ptr_null(tree_check_str(with_members("headers", REQUEST_HEADERS_MAX + 1)));
    ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /request/headers too_long");
}
END_TEST

static enum err get_input(void *ctx, const struct reference *r, struct template_value *ret)
{
    (void)r;
    *ret = (struct template_value){.kind = VALUE_TEXT, .text = str_of(ctx)};
    return OK;
}

START_TEST(the_target_is_made_of_path_and_query)
{
    static const struct {
        const char *request;
        char input[16];
        const char *target; /* NULL: a template_error */
    } rows[] = {
        {"{'path':'/v1/now','query':{'q':'{{input}}','u':'b c','n':1e+5,'t':true,'z':null}}",
         "a&b=/", "/v1/now?q=a%26b%3D%2F&u=b%20c&n=1e%2B5&t=true"},
        {"{'path':'/a?x=1','query':{'a b':''}}", "", "/a?x=1&a%20b="},
        {"{'path':'/{{input}}/b','query':{'q':'{{input}}'}}", "\xC3\xA4/?#",
         "/%C3%A4%2F%3F%23/b?q=%C3%A4%2F%3F%23"},
        {"{'path':'/a/../b'}", "", "/a/../b"},
        {"{'path':'/a/{{input}}/b'}", "..", NULL},
        {"{'path':'/a/.{{input}}'}", ".", NULL},
        {"{'path':'/a/{{input}}?b=/../'}", ".", NULL},
        {"{'path':'/a/{{input}}?b=/../'}", "...", "/a/...?b=/../"},
        {"{'path':'/a','query':{'q':'{{input}}'}}", "..", "/a?q=.."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char input[16];
        memcpy(input, rows[i].input, sizeof input);
        struct lookup lookup;
        struct template_values values = {.ctx = input, .get = get_input, .lookup = &lookup};
        struct request_spec *r = request_of(rows[i].request);
        struct buf b;
        buf_init(&b, 256);
        lookup_init(&lookup, &tree_doc);
        enum err e = request_spec_write_target(r, &values, &b, NULL);
        ck_assert_int_eq(e, rows[i].target != NULL ? OK : ERR_TEMPLATE_ERROR);
        if (rows[i].target != NULL)
            ck_assert_msg(str_eq(buf_str(&b), str_of(rows[i].target)), "%.*s",
                          STR_ARG(buf_str(&b)));
        buf_fini(&b);
    }
}
END_TEST

START_TEST(a_target_that_does_not_fit_is_told)
{
    struct template_values values = {.ctx = NULL, .get = get_input};
    struct request_spec *r = request_of("{'path':'/abc','query':{'q':'1'}}");
    struct buf b;
    buf_init(&b, 7);
    ck_assert_int_eq(request_spec_write_target(r, &values, &b, NULL), ERR_LIMIT);
    buf_fini(&b);
    buf_init(&b, 2);
    ck_assert_int_eq(request_spec_write_target(r, &values, &b, NULL), ERR_LIMIT);
    buf_fini(&b);
}
END_TEST

START_TEST(methods_are_known_by_their_names)
{
    ck_assert(request_method_is_known(STR("GET")));
    ck_assert(request_method_is_known(STR("DELETE")));
    ck_assert(!request_method_is_known(STR("OPTIONS")));
    ck_assert(!request_method_is_known(STR("get")));
    ck_assert(!request_method_is_known(STR("CONNECT")));
    ck_assert(!request_method_is_known(STR("")));
}
END_TEST

Suite *suite_model_request_spec(void)
{
    TCase *t;
    Suite *s = tree_suite("model_request_spec", &t);
    tcase_add_test(t, a_full_request_is_read);
    tcase_add_test(t, what_is_wrong_is_found_at_its_place);
    tcase_add_test(t, a_method_that_no_call_could_use_is_refused_at_once);
    tcase_add_test(t, there_are_so_many_members_and_no_more);
    tcase_add_test(t, the_target_is_made_of_path_and_query);
    tcase_add_test(t, a_target_that_does_not_fit_is_told);
    tcase_add_test(t, methods_are_known_by_their_names);
    return s;
}
