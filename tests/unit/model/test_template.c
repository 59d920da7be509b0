/* Templates: what is filled in where, exactly (API §4). */
#include "model/template.h"

#include <check.h>

#include "base/mem.h"
#include "tests/unit/base/oom.h"
#include "tests/unit/model/findings.h"

Suite *suite_model_template(void);

static struct json_doc doc, scratch, input_doc;
static struct arena arena;
static struct problem problem;
static struct lookup lookup;

static void set_up(void)
{
    json_doc_init(&doc);
    json_doc_init(&scratch);
    json_doc_init(&input_doc);
    lookup_init(&lookup, &scratch);
    arena_init(&arena, 1 << 24);
}

static void tear_down(void)
{
    lookup_fini(&lookup);
    json_doc_fini(&doc);
    json_doc_fini(&scratch);
    json_doc_fini(&input_doc);
    arena_fini(&arena);
    ck_assert_int_eq(mem_live(), 0);
}

/* --- a small world of values ------------------------------------------------------------------ */

#define INPUT                                                                                            \
    "{\"s\":\"a\\\"b\\n\\u00e4\",\"n\":12345678901234567890.10,\"z\":null,\"t\":true,\"o\":{\"k\": [1, " \
    "{\"deep\": -0.0}]},\"l\":[10,[20,21],\"x y/z\"],\"e\":\"\",\"crlf\":\"a\\r\\nb\",\"braces\":\"{{input.n}}\"}"

static const char *resolve(void *ctx, enum reference_root root, struct str name,
                           struct reference *ret)
{
    (void)ctx;
    ret->up = 1;
    ret->step = root == ROOT_STEP && str_eq(name, STR("gone")) ? 1 : 0;
    return root == ROOT_STEP && !str_eq(name, STR("one")) && !str_eq(name, STR("gone"))
               ? "there is no such step"
               : NULL;
}

static enum err get(void *ctx, const struct reference *r, struct template_value *ret)
{
    (void)ctx;
    switch (r->source) {
    case REFERENCE_INPUT:
        *ret = (struct template_value){.kind = VALUE_JSON, .json = json_root(&input_doc)};
        break;
    case REFERENCE_OUTPUT:
        if (r->step == 0)
            *ret = (struct template_value){.kind = VALUE_RAW,
                                           .text = STR("{\"a\":\"\\u0041\",\"b\":[1.50]}")};
        break;
    case REFERENCE_ERROR:
        *ret = (struct template_value){.kind = VALUE_RAW, .text = STR("null")};
        break;
    case REFERENCE_STATE:
        *ret = (struct template_value){.kind = VALUE_TEXT, .text = STR("succeeded")};
        break;
    case REFERENCE_ITEM:
        *ret = (struct template_value){.kind = VALUE_RAW, .text = STR("\"it\\\"em\"")};
        break;
    case REFERENCE_INDEX:
        *ret = (struct template_value){.kind = VALUE_INTEGER, .integer = 7};
        break;
    case REFERENCE_RUN_ID:
        *ret = (struct template_value){.kind = VALUE_TEXT, .text = STR("run_1")};
        break;
    case REFERENCE_TASK_PATH:
        *ret = (struct template_value){.kind = VALUE_TEXT, .text = STR("0/2")};
        break;
    case REFERENCE_WORD:
        *ret = (struct template_value){.kind = VALUE_INTEGER, .integer = r->step};
        break;
    }
    return OK;
}

static const struct template_values values = {.get = get, .lookup = &lookup};

static bool read_json(const char *json, struct template *ret)
{
    struct check c = {.problem = &problem, .arena = &arena};
    struct reference_scope scope = {.resolve = resolve, .left = 10};
    struct doc_path root = {.up = NULL};
    problem_init(&problem);
    ck_assert_msg(json_parse(&doc, str_of(json), NULL) == OK, "%s", json);
    bool fine = template_read_json(&c, json_root(&doc), &root, &scope, ret);
    ck_assert(!c.no_memory);
    ck_assert_int_eq(fine, problem.code == OK);
    return fine;
}

static bool read_text(const char *text, enum template_form form, struct template *ret)
{
    struct check c = {.problem = &problem, .arena = &arena};
    struct reference_scope scope = {.resolve = resolve, .left = 10};
    struct doc_path root = {.up = NULL};
    problem_init(&problem);
    return template_read_text(&c, str_of(text), &root, form, &scope, ret);
}

static void assert_becomes(const struct template *t, const char *source, const char *want)
{
    struct buf b;
    struct error error = {.code = OK};
    buf_init(&b, 4096);
    ck_assert_int_eq(json_parse(&input_doc, STR(INPUT), NULL), OK);
    enum err e = template_write(t, &values, &b, &error);
    ck_assert_msg(e == OK, "%s: %s", source, error.message);
    ck_assert_msg(str_eq(buf_str(&b), str_of(want)), "%s became %.*s", source,
                  STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

struct row {
    const char *template, *want;
};

START_TEST(a_string_that_is_one_reference_takes_the_value_itself)
{
    static const struct row rows[] = {
        {"\"{{input.n}}\"", "12345678901234567890.10"},
        {"\"{{ input.n }}\"", "12345678901234567890.10"},
        {"\"{{\\tinput.t\\r\\n}}\"", "true"},
        {"\"{{input.z}}\"", "null"},
        {"\"{{input.s}}\"", "\"a\\\"b\\n\\u00e4\""},
        {"\"{{input.e}}\"", "\"\""},
        {"\"{{input.o}}\"", "{\"k\":[1,{\"deep\":-0.0}]}"},
        {"\"{{input.o.k[1].deep}}\"", "-0.0"},
        {"\"{{input.l[1][0]}}\"", "20"},
        {"\"\\u007b\\u007Binput.l[1]}}\"", "[20,21]"},
        {"\"{{prev}}\"", "{\"a\":\"\\u0041\",\"b\":[1.50]}"},
        {"\"{{steps.one.output.b[0]}}\"", "1.50"},
        {"\"{{steps.one.error}}\"", "null"},
        {"\"{{steps.one.state}}\"", "\"succeeded\""},
        {"\"{{item}}\"", "\"it\\\"em\""},
        {"\"{{index}}\"", "7"},
        {"\"{{run.id}}\"", "\"run_1\""},
        {"\"{{task.path}}\"", "\"0/2\""},
        {"\"{{input.braces}}\"", "\"{{input.n}}\""},
        {"{\"a\":[\"{{index}}\",\"x\"],\"{{index}}\":{\"b\":\"{{input.t}}\"}}",
         "{\"a\":[7,\"x\"],\"{{index}}\":{\"b\":true}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct template t;
        ck_assert_msg(read_json(rows[i].template, &t), "%s: %s", rows[i].template,
                      findings_text(&problem));
        assert_becomes(&t, rows[i].template, rows[i].want);
    }
}
END_TEST

START_TEST(in_any_other_string_values_are_filled_in_as_text)
{
    static const struct row rows[] = {
        {"\"n={{input.n}}\"", "\"n=12345678901234567890.10\""},
        {"\" {{input.n}}\"", "\" 12345678901234567890.10\""},
        {"\"{{input.n}} \"", "\"12345678901234567890.10 \""},
        {"\"<{{input.z}}>\"", "\"<>\""},
        {"\"<{{input.s}}>\"", "\"<a\\\"b\\n\xC3\xA4>\""},
        {"\"<{{input.o}}>\"", "\"<{\\\"k\\\":[1,{\\\"deep\\\":-0.0}]}>\""},
        {"\"{{prev.a}}{{item}}{{index}}\"", "\"Ait\\\"em7\""},
        {"\"{{steps.one.state}}, {{run.id}} {{task.path}}!\"", "\"succeeded, run_1 0/2!\""},
        {"\"\\\"\\u000a{{index}}\\\\\"", "\"\\\"\\n7\\\\\""},
        {"\"{ {a}} } {{index}}}}\"", "\"{ {a}} } 7}}\""},
        {"\"{{input.braces}}.\"", "\"{{input.n}}.\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct template t;
        ck_assert_msg(read_json(rows[i].template, &t), "%s: %s", rows[i].template,
                      findings_text(&problem));
        assert_becomes(&t, rows[i].template, rows[i].want);
    }
}
END_TEST

START_TEST(a_missing_or_null_value_takes_the_default)
{
    static const struct row rows[] = {
        {"\"{{input.lang | \\\"en\\\"}}\"", "\"en\""},
        {"\"{{input.lang|\\\"e\\\\u006e\\\"}}\"", "\"e\\u006e\""},
        {"\"in {{input.lang | \\\"e\\\\u006e\\\"}}\"", "\"in en\""},
        {"\"{{input.z | 5.0}}\"", "5.0"},
        {"\"{{input.t | 5}}\"", "true"},
        {"\"{{input.q | null}}\"", "null"},
        {"\"<{{input.q | null}}>\"", "\"<>\""},
        {"\"{{input.q | [ 1, {\\\"a\\\": {}} ] }}\"", "[1,{\"a\":{}}]"},
        {"\"{{input.q|{}}}\"", "{}"},
        {"\"{{input.q|false}}-{{input.q|\\\"}}\\\"}}\"", "\"false-}}\""},
        {"\"{{steps.gone.output | 1}}\"", "1"},
        {"\"{{steps.one.error | \\\"none\\\"}}\"", "\"none\""},
        {"\"{{steps.one.error.code | \\\"none\\\"}}\"", "\"none\""},
        {"\"{{input.l[3] | 0}}{{input.o[0] | 0}}{{input.l.x | 0}}{{input.n.x | 0}}\"", "\"0000\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct template t;
        ck_assert_msg(read_json(rows[i].template, &t), "%s: %s", rows[i].template,
                      findings_text(&problem));
        assert_becomes(&t, rows[i].template, rows[i].want);
    }
}
END_TEST

START_TEST(a_missing_value_without_one_is_a_template_error)
{
    static const char *const rows[] = {
        "\"{{input.q}}\"",
        "\"a {{input.q}}\"",
        "\"{{input.l[3]}}\"",
        "\"{{input.z.a}}\"",
        "\"{{prev.c}}\"",
        "\"{{item.x}}\"",
        "\"{{steps.gone.output}}\"",
        "\"{{steps.one.error.code}}\"",
        "[\"{{input.o.k.deep}}\"]",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct template t;
        struct buf b;
        struct error error = {.code = OK};
        buf_init(&b, 4096);
        ck_assert_int_eq(json_parse(&input_doc, STR(INPUT), NULL), OK);
        ck_assert(read_json(rows[i], &t));
        ck_assert_int_eq(template_write(&t, &values, &b, &error), ERR_TEMPLATE_ERROR);
        ck_assert_ptr_nonnull(strstr(error.message, "}} has no value"));
        buf_fini(&b);
    }
}
END_TEST

START_TEST(braces_may_stand_for_themselves)
{
    static const struct row rows[] = {
        {"\"{{\\\"{{\\\"}}\"", "\"{{\""},
        {"\"a {{ \\\"{{\\\" }}b}}\"", "\"a {{b}}\""},
        {"\"{{\\\"{{\\\"}}index}} is {{index}}\"", "\"{{index}} is 7\""},
        {"\"{{\\\"\\\"}}\"", "\"\""},
        {"\"{{\\\"\\\\u0022\\\"}}\"", "\"\\\"\""},
    };
    struct template t;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_msg(read_json(rows[i].template, &t), "%s: %s", rows[i].template,
                      findings_text(&problem));
        assert_becomes(&t, rows[i].template, rows[i].want);
    }
    ck_assert(read_text("{{\"\"}}", TEMPLATE_TEXT, &t));
    assert_becomes(&t, "an empty text", "");
    ck_assert(read_text("{{\"{{\"}}", TEMPLATE_TEXT, &t));
    ck_assert_uint_eq(t.count, 0);
    assert_becomes(&t, "braces alone", "{{");
}
END_TEST

START_TEST(what_has_no_reference_stays_as_it_is)
{
    static const char *const rows[] = {"1.00", "\"a}}b{\"", "{\"{{x\":1}", "[\"\\u0041\",{}]",
                                       "null"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct template t;
        ck_assert(read_json(rows[i], &t));
        ck_assert_uint_eq(t.count, 0);
        assert_becomes(&t, rows[i], rows[i]);
    }
}
END_TEST

START_TEST(text_is_encoded_for_its_place)
{
    static const struct {
        const char *template;
        enum template_form form;
        const char *want;
    } rows[] = {
        {"Say {{input.s}}: {{input.l}}", TEMPLATE_TEXT,
         "Say a\"b\n\xC3\xA4: [10,[20,21],\"x y/z\"]"},
        {"{{input.z}}", TEMPLATE_TEXT, ""},
        {"{{item}}", TEMPLATE_TEXT, "it\"em"},
        {"/v1/{{input.l[2]}}/a b", TEMPLATE_PATH, "/v1/x%20y%2Fz/a b"},
        {"/{{input.s}}", TEMPLATE_PATH, "/a%22b%0A%C3%A4"},
        {"a b~{{input.l[2]}}&", TEMPLATE_QUERY, "a%20b~x%20y%2Fz%26"},
        {"a b&=+", TEMPLATE_QUERY, "a%20b%26%3D%2B"},
        {"v {{input.l[2]}}", TEMPLATE_HEADER, "v x y/z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct template t;
        ck_assert(read_text(rows[i].template, rows[i].form, &t));
        assert_becomes(&t, rows[i].template, rows[i].want);
    }
}
END_TEST

START_TEST(a_line_break_in_a_header_fails)
{
    struct template t;
    struct buf b;
    struct error error;
    buf_init(&b, 4096);
    ck_assert_int_eq(json_parse(&input_doc, STR(INPUT), NULL), OK);
    ck_assert(read_text("x {{input.crlf}}", TEMPLATE_HEADER, &t));
    ck_assert_int_eq(template_write(&t, &values, &b, &error), ERR_TEMPLATE_ERROR);
    ck_assert_str_eq(error.message,
                     "{{input.crlf}} has a line break, which a header must not have");
    buf_fini(&b);
}
END_TEST

START_TEST(what_is_no_reference_is_refused_at_its_string)
{
    static const char *const rows[] = {
        "{{",
        "{{}}",
        "{{ }}",
        "{{input",
        "{{input}",
        "{{input.}}",
        "{{input..a}}",
        "{{.a}}",
        "{{inputs}}",
        "{{Input}}",
        "{{input a}}",
        "{{input[}}",
        "{{input[]}}",
        "{{input[x]}}",
        "{{input[01]}}",
        "{{input[-1]}}",
        "{{input[1234567890]}}",
        "{{input[0}}",
        "{{input |}}",
        "{{input | en}}",
        "{{input | \\\"a}}",
        "{{input | [1}}",
        "{{input | 1 2}}",
        "{{input | 1 | 2}}",
        "{{steps}}",
        "{{steps.}}",
        "{{steps.one}}",
        "{{steps.one.}}",
        "{{steps.one.outputs}}",
        "{{steps.one.state.x}}",
        "{{steps.two.output}}",
        "{{index.a}}",
        "{{index[0]}}",
        "{{run}}",
        "{{run.name}}",
        "{{run.id.x}}",
        "{{task}}",
        "{{task.name}}",
        "{{task.path[0]}}",
        "{{\\\"a\\\" | 1}}",
        "{{\\\"a}}",
        "{{\\\"\\\\x\\\"}}",
        "{{{input}}}",
        "{{input.{{a}}}}",
        "{{error}}",
        "a {{input}} {{x}}",
        "{{input}} {{x}}",
        "{{input.a\\u0000}}",
        "{{input | \\\"\\\\ud800\\\"}}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char json[256];
        struct template t;
        snprintf(json, sizeof json, "{\"a\":[1,\"%s\"]}", rows[i]);
        ck_assert_msg(!read_json(json, &t), "%s", rows[i]);
        ck_assert_str_eq(findings_text(&problem), "invalid_request: /a/1 bad_reference");
    }
}
END_TEST

START_TEST(each_string_has_its_own_finding)
{
    struct template t;
    ck_assert(!read_json("[\"{{x}} {{y}}\",{\"a/b\":\"{{z}}\"},\"{{index}}\"]", &t));
    ck_assert_str_eq(findings_text(&problem),
                     "invalid_request: /0 bad_reference, /1/a~1b bad_reference");
}
END_TEST

START_TEST(a_tree_has_so_many_references_and_no_more)
{
    struct template t;
    ck_assert(read_json(
        "\"{{index}}{{index}}{{index}}{{index}}{{index}}{{index}}{{index}}{{index}}{{index}}"
        "{{index}}\"",
        &t));
    ck_assert_uint_eq(t.count, 12); /* the quotes are two parts more */
    ck_assert(!read_json(
        "[\"{{index}}{{index}}{{index}}{{index}}{{index}}{{index}}{{index}}{{index}}{{index}}\","
        "\"{{index}}{{index}}\"]",
        &t));
    ck_assert_str_eq(findings_text(&problem), "invalid_request: /1 too_long");
}
END_TEST

START_TEST(a_path_is_as_deep_as_json_and_no_deeper)
{
    char text[256] = "\"{{input";
    struct template t;
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        strcat(text, ".a");
    size_t len = strlen(text);
    strcat(text, "}}\"");
    ck_assert(read_json(text, &t));
    strcpy(text + len, ".a}}\"");
    ck_assert(!read_json(text, &t));
}
END_TEST

START_TEST(it_grows_no_larger_than_the_buffer_may)
{
    struct template t;
    struct buf b;
    ck_assert_int_eq(json_parse(&input_doc, STR(INPUT), NULL), OK);
    ck_assert(read_json("\"{{run.id}}:{{index}}\"", &t));
    buf_init(&b, 9);
    ck_assert_int_eq(template_write(&t, &values, &b, NULL), OK);
    buf_fini(&b);
    buf_init(&b, 8);
    ck_assert_int_eq(template_write(&t, &values, &b, NULL), ERR_LIMIT);
    buf_fini(&b);
}
END_TEST

static enum err get_deep(void *ctx, const struct reference *r, struct template_value *ret)
{
    static char text[2 * (JSON_MAX_DEPTH + 1)];
    (void)ctx, (void)r;
    memset(text, '[', sizeof text / 2);
    memset(text + sizeof text / 2, ']', sizeof text / 2);
    *ret = (struct template_value){.kind = VALUE_RAW, .text = {text, sizeof text}};
    return OK;
}

START_TEST(a_value_that_is_too_deep_to_be_read_is_a_template_error)
{
    struct template_values deep = {.get = get_deep, .lookup = &lookup};
    struct template t;
    struct buf b;
    buf_init(&b, 4096);
    ck_assert(read_json("\"{{prev[0]}}\"", &t));
    ck_assert_int_eq(template_write(&t, &deep, &b, NULL), ERR_TEMPLATE_ERROR);
    buf_clear(&b);
    ck_assert(read_json("\"{{prev}}\"", &t));
    ck_assert_int_eq(template_write(&t, &deep, &b, NULL), OK); /* nobody had to look inside */
    buf_fini(&b);
}
END_TEST

/* prev and steps.gone: two values. */
static enum err get_two(void *ctx, const struct reference *r, struct template_value *ret)
{
    static const char first[] = "{\"x\":1}", second[] = "{\"x\":2}";
    (void)ctx;
    *ret =
        (struct template_value){.kind = VALUE_RAW, .text = str_of(r->step == 0 ? first : second)};
    return OK;
}

START_TEST(a_value_was_parsed_anew_for_every_reference_to_it)
{
    enum { REFERENCES = 300 };
    struct template_values two = {.get = get_two, .lookup = &lookup};
    struct check c = {.problem = &problem, .arena = &arena};
    struct reference_scope scope = {.resolve = resolve, .left = 2 * REFERENCES};
    struct doc_path root = {.up = NULL};
    struct template t;
    struct buf b;
    buf_init(&b, 65536);
    for (int i = 0; i < REFERENCES; i++)
        buf_add_lit(&b, "{{prev.x}}{{steps.gone.output.x}}");
    problem_init(&problem);
    ck_assert(template_read_text(&c, buf_str(&b), &root, TEMPLATE_TEXT, &scope, &t));
    buf_clear(&b);
    ck_assert_int_eq(template_write(&t, &two, &b, NULL), OK);
    ck_assert_uint_eq(b.len, 2 * REFERENCES);
    ck_assert(str_starts(buf_str(&b), STR("121212")));
    ck_assert_uint_eq(lookup.parses, 2);
    buf_fini(&b);
}
END_TEST

START_TEST(references_that_read_too_much_are_over_a_limit)
{
    struct template t;
    struct buf b;
    struct error error = {.code = OK};
    buf_init(&b, 4096);
    ck_assert_int_eq(json_parse(&input_doc, STR(INPUT), NULL), OK);
    lookup.steps = LOOKUP_STEPS_MAX - 7; /* five members and two elements */
    ck_assert(read_text("{{input.l[2]}}", TEMPLATE_TEXT, &t));
    ck_assert_int_eq(template_write(&t, &values, &b, &error), OK);
    lookup.steps = LOOKUP_STEPS_MAX - 6;
    ck_assert_int_eq(template_write(&t, &values, &b, &error), ERR_LIMIT_EXCEEDED);
    ck_assert_ptr_nonnull(strstr(error.message, "33554432 elements and members"));
    buf_fini(&b);
}
END_TEST

START_TEST(a_scope_may_have_words_of_its_own)
{
    static const char *const words[] = {"input", "city", NULL};
    struct check c = {.problem = &problem, .arena = &arena};
    struct reference_scope scope = {.words = words, .left = 10};
    struct doc_path root = {.up = NULL};
    struct template t;
    problem_init(&problem);
    ck_assert(template_read_text(&c, STR("{{input.a}}/{{city[1].b | 2}}"), &root, TEMPLATE_TEXT,
                                 &scope, &t));
    ck_assert_int_eq(t.parts[0].reference->source, REFERENCE_WORD);
    ck_assert(str_eq(t.parts[2].reference->path, STR("[1].b")));
    assert_becomes(&t, "words", "0/1");
    ck_assert(!template_read_text(&c, STR("{{run.id}}"), &root, TEMPLATE_TEXT, &scope, &t));
    ck_assert_int_eq(problem.fields[0].code, FIELD_BAD_REFERENCE);
}
END_TEST

static enum err read_and_write(void *arg)
{
    static const char json[] =
        "{\"a\":\"x {{input.lang | [ 1, \\\"\\\\u0041\\\" ]}} {{prev.a}}\",\"\\u0062\":\"{{\\\"\\\\n\\\"}}\"}";
    struct arena own;
    struct check c = {.problem = &problem, .arena = &own};
    struct reference_scope scope = {.resolve = resolve, .left = 10};
    struct doc_path root = {.up = NULL};
    struct template t;
    struct json_doc d, tape;
    struct lookup own_lookup;
    struct template_values all = {.get = get, .lookup = &own_lookup};
    struct buf b;
    (void)arg;
    problem_init(&problem);
    arena_init(&own, 1 << 20);
    json_doc_init(&d);
    json_doc_init(&tape);
    lookup_init(&own_lookup, &tape);
    buf_init(&b, 4096);
    enum err e = json_parse(&d, str_of(json), NULL);
    if (e == OK && !template_read_json(&c, json_root(&d), &root, &scope, &t)) {
        ck_assert(c.no_memory);
        e = ERR_NOMEM;
    }
    ck_assert_uint_eq(problem.found, 0);
    if (e == OK)
        e = template_write(&t, &all, &b, NULL);
    if (e == OK)
        ck_assert(
            str_eq(buf_str(&b), STR("{\"a\":\"x [1,\\\"\\\\u0041\\\"] A\",\"\\u0062\":\"\\n\"}")));
    buf_fini(&b);
    lookup_fini(&own_lookup);
    json_doc_fini(&tape);
    json_doc_fini(&d);
    arena_fini(&own);
    return e;
}

START_TEST(without_memory_there_is_no_finding)
{
    ck_assert_int_eq(json_parse(&input_doc, STR(INPUT), NULL), OK);
    ck_assert_uint_gt(oom_rounds(read_and_write, NULL), 5);
}
END_TEST

Suite *suite_model_template(void)
{
    Suite *s = suite_create("model_template");
    TCase *t = tcase_create("template");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_string_that_is_one_reference_takes_the_value_itself);
    tcase_add_test(t, in_any_other_string_values_are_filled_in_as_text);
    tcase_add_test(t, a_missing_or_null_value_takes_the_default);
    tcase_add_test(t, a_missing_value_without_one_is_a_template_error);
    tcase_add_test(t, braces_may_stand_for_themselves);
    tcase_add_test(t, what_has_no_reference_stays_as_it_is);
    tcase_add_test(t, text_is_encoded_for_its_place);
    tcase_add_test(t, a_line_break_in_a_header_fails);
    tcase_add_test(t, what_is_no_reference_is_refused_at_its_string);
    tcase_add_test(t, each_string_has_its_own_finding);
    tcase_add_test(t, a_tree_has_so_many_references_and_no_more);
    tcase_add_test(t, a_path_is_as_deep_as_json_and_no_deeper);
    tcase_add_test(t, it_grows_no_larger_than_the_buffer_may);
    tcase_add_test(t, a_value_that_is_too_deep_to_be_read_is_a_template_error);
    tcase_add_test(t, a_value_was_parsed_anew_for_every_reference_to_it);
    tcase_add_test(t, references_that_read_too_much_are_over_a_limit);
    tcase_add_test(t, a_scope_may_have_words_of_its_own);
    tcase_add_test(t, without_memory_there_is_no_finding);
    suite_add_tcase(s, t);
    return s;
}
