/* What the engine and the API are made with; and what a reload keeps. */
#include "tests/unit/base/oom.h"
#include "tests/unit/config/support.h"

Suite *suite_config_compose(void);

static struct loop *loop;

static void set_up(void)
{
    support_set_up();
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
}

/* A gate is gone when its catalogs are and the loop has turned. */
static void tear_down(void)
{
    while (loop_turn(loop)) {
    }
    loop_destroy(loop);
    support_tear_down();
}

static struct catalog *make(const struct config *c, const struct catalog *old)
{
    struct catalog *catalog = NULL;
    enum err e = config_make_catalog(c, old, loop, 2, &catalog, &support_report);
    ck_assert_msg(e == OK, "%s", support_said());
    return catalog;
}

START_TEST(a_catalog_has_the_providers)
{
    struct config *c =
        support_load("{\"providers\": {\"up\": {\"kind\": \"openai\", \"pool\": {\"max_idle\": 5}, "
                     "\"timeouts\": {\"idle_ms\": 7}, \"fallback_wait_ms\": 9}}}");
    struct catalog *catalog = make(c, NULL);
    ck_assert_uint_eq(catalog->upstream_count, 2);
    struct upstream *up = catalog_upstream(catalog, STR("up"));
    ck_assert_str_eq(up->provider->kind->name, "openai");
    ck_assert_uint_eq(up->timeouts.idle_ms, 7);
    ck_assert_uint_eq(up->fallback_wait_ms, 9);
    ck_assert_uint_eq(up->pool_options.max_idle, 3); /* of each of two loops */
    ck_assert_ptr_nonnull(catalog_upstream(catalog, STR("sim")));
    config_destroy(c); /* the catalog stands alone */
    ck_assert(str_eq(upstream_name(up), STR("up")));
    catalog_unref(catalog);
}
END_TEST

#define FLOW(name, called) "\"" name "\": {\"task\": {\"type\": \"call\", " called "}}"

START_TEST(definitions_are_the_agents_and_workflows_by_name)
{
    struct config *c = support_load("{\"workflows\": {" FLOW("z", "\"workflow\": \"a\"") ", " FLOW(
        "a", "\"agent\": \"echo\", \"input\": \"x\"") "}}");
    struct definitions *d = NULL;
    ck_assert_int_eq(config_make_definitions(c, &d), OK);
    config_destroy(c); /* they stand alone */
    ck_assert_uint_eq(d->agent_count, 2);
    ck_assert(definitions_agent(d, STR("echo"))->from_config);
    ck_assert(str_eq(definitions_agent(d, STR("story"))->models[0], STR("sim/story")));
    ck_assert_ptr_null(definitions_agent(d, STR("a")));
    ck_assert_uint_eq(d->workflow_count, 2);
    ck_assert(str_eq(d->workflows[0]->name, STR("a")));
    ck_assert(definitions_workflow(d, STR("z"))->from_config);
    ck_assert_ptr_null(definitions_workflow(d, STR("b")));
    definitions_unref(d);
}
END_TEST

START_TEST(without_agents_definitions_are_fine_too)
{
    struct config *c = support_load("{\"agents\": {}}");
    struct definitions *d = NULL;
    ck_assert_int_eq(config_make_definitions(c, &d), OK);
    ck_assert_uint_eq(d->agent_count, 0);
    ck_assert_ptr_null(definitions_agent(d, STR("echo")));
    definitions_unref(d);
    config_destroy(c);
}
END_TEST

static uint64_t slots(const struct upstream *u)
{
    struct gate_status status;
    gate_status(u->gate, &status);
    return status.limiter.total;
}

START_TEST(a_reload_keeps_the_gates_by_name_and_gives_them_new_numbers)
{
    struct config *first = support_load("{\"providers\": {\"a\": {\"kind\": \"sim\"}, \"b\": "
                                        "{\"kind\": \"sim\"}}}");
    struct config *second = support_load(
        "{\"providers\": {\"a\": {\"kind\": \"openai\", \"limits\": {\"concurrency\": 7}}, \"c\": "
        "{\"kind\": \"sim\"}}}");
    struct catalog *old = make(first, NULL);
    struct gate *gate = catalog_upstream(old, STR("a"))->gate;
    ck_assert_uint_eq(slots(catalog_upstream(old, STR("a"))), 100);
    struct catalog *new = make(second, old);
    ck_assert_uint_eq(slots(catalog_upstream(old, STR("a"))), 100); /* not in force yet */
    catalog_configure(new);
    ck_assert_ptr_eq(catalog_upstream(new, STR("a"))->gate, gate);
    ck_assert_uint_eq(slots(catalog_upstream(new, STR("a"))), 7);
    ck_assert_ptr_null(catalog_upstream(new, STR("b")));
    ck_assert_ptr_nonnull(catalog_upstream(new, STR("c")));
    ck_assert_ptr_eq(catalog_upstream(new, STR("sim"))->gate,
                     catalog_upstream(old, STR("sim"))->gate);
    catalog_unref(old);
    ck_assert_uint_eq(slots(catalog_upstream(new, STR("a"))), 7);
    catalog_unref(new);
    config_destroy(first);
    config_destroy(second);
}
END_TEST

/* Whole or not at all. */
START_TEST(a_reload_that_fails_leaves_the_gates_as_they_were)
{
    struct config *first = support_load("{}");
    struct config *second = support_load("{\"providers\": {\"sim\": {\"kind\": \"sim\", "
                                         "\"limits\": {\"concurrency\": 7}}}}");
    struct catalog *old = make(first, NULL), *new = NULL;
    unsigned long n = 1;
    for (;; n++) {
        mem_fail_nth(n);
        enum err e = config_make_catalog(second, old, loop, 2, &new, &support_report);
        mem_fail_nth(0);
        if (e == OK)
            break;
        ck_assert_int_eq(e, ERR_NOMEM);
        ck_assert_uint_eq(slots(catalog_upstream(old, STR("sim"))), 100);
    }
    ck_assert_uint_gt(n, 3);
    catalog_configure(new);
    ck_assert_uint_eq(slots(catalog_upstream(old, STR("sim"))), 7);
    catalog_unref(old);
    catalog_unref(new);
    config_destroy(first);
    config_destroy(second);
}
END_TEST

static enum err make_once(void *arg)
{
    struct catalog *catalog;
    struct buf report;
    buf_init(&report, 4096);
    enum err e = config_make_catalog(arg, NULL, loop, 1, &catalog, &report);
    buf_fini(&report);
    if (e == OK)
        catalog_unref(catalog);
    return e;
}

START_TEST(a_catalog_survives_every_lack_of_memory)
{
    struct config *c = support_load("{\"providers\": {\"up\": {\"kind\": \"openai\"}}}");
    ck_assert_uint_gt(oom_rounds(make_once, c), 5);
    config_destroy(c);
}
END_TEST

/* The options are checked when they are loaded; who makes them by hand may still be refused. */
START_TEST(a_provider_that_cannot_be_made_is_named)
{
    struct config *c = support_load("{}");
    struct catalog *catalog = NULL;
    c->providers[0].provider.kind = STR("nothing");
    ck_assert_int_eq(config_make_catalog(c, NULL, loop, 1, &catalog, &support_report), ERR_CONFIG);
    ck_assert_str_eq(support_said(), "c.json: providers.sim cannot be used: \"nothing\" is no kind "
                                     "of provider\n");
    config_destroy(c);
}
END_TEST

#define DIGEST "000000000000000000000000000000000000000000000000000000000000000"
#define KEY(name, digit, rest)                                                                     \
    "{\"name\": \"" name "\", \"sha256\": \"" DIGEST digit "\", \"scopes\": [\"admin\"]" rest "}"

START_TEST(keys_stand_alone_and_begin_with_full_buckets)
{
    struct config *c = support_load("{\"keys\": [" KEY("one", "1", "") ", " KEY(
        "two", "2", ", \"limits\": {\"requests\": {\"rate\": 2}}") "]}");
    struct tenants tenants = {.first = NULL};
    struct auth auth;
    ck_assert_int_eq(config_make_auth(c, &tenants, &auth), OK);
    config_destroy(c);
    ck_assert_uint_eq(auth.count, 2);
    ck_assert(str_eq(auth.keys[0].tenant->name, STR("one")));
    ck_assert(str_eq(auth.keys[1].tenant->name, STR("two")));
    ck_assert_int_eq(auth.keys[0].scope, SCOPE_ADMIN);
    ck_assert_uint_eq(auth.keys[1].digest[31], 2);
    uint64_t wait_ms, now_ms = clock_mono_ms(NULL);
    auth_configure(&auth, now_ms);
    ck_assert(!auth.keys[0].tenant->is_limited && auth.keys[1].tenant->is_limited);
    ck_assert_int_eq(auth_take(auth.keys[1].tenant, 2, now_ms, &wait_ms), OK);
    ck_assert_int_eq(auth_take(auth.keys[1].tenant, 1, now_ms, &wait_ms), ERR_RATE_LIMITED);
    ck_assert_int_eq(auth_take(auth.keys[0].tenant, 1000, now_ms, &wait_ms), OK);
    mem_free(auth.keys);
    tenants_fini(&tenants);
}
END_TEST

static enum err make_auth_once(void *arg)
{
    struct tenants tenants = {.first = NULL};
    struct auth auth;
    enum err e = config_make_auth(arg, &tenants, &auth);
    if (e == OK)
        mem_free(auth.keys);
    tenants_fini(&tenants);
    return e;
}

START_TEST(no_keys_are_fine_and_no_memory_is_told)
{
    struct config *c = support_load("{}");
    ck_assert_int_eq(make_auth_once(c), OK);
    config_destroy(c);
    c = support_load("{\"keys\": [" KEY("one", "1", "") ", " KEY("two", "2", "") "]}");
    ck_assert_uint_gt(oom_rounds(make_auth_once, c), 2);
    config_destroy(c);
}
END_TEST

Suite *suite_config_compose(void)
{
    Suite *s = suite_create("config_compose");
    TCase *t = tcase_create("compose");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_catalog_has_the_providers);
    tcase_add_test(t, definitions_are_the_agents_and_workflows_by_name);
    tcase_add_test(t, without_agents_definitions_are_fine_too);
    tcase_add_test(t, a_reload_keeps_the_gates_by_name_and_gives_them_new_numbers);
    tcase_add_test(t, a_reload_that_fails_leaves_the_gates_as_they_were);
    tcase_add_test(t, a_catalog_survives_every_lack_of_memory);
    tcase_add_test(t, a_provider_that_cannot_be_made_is_named);
    tcase_add_test(t, keys_stand_alone_and_begin_with_full_buckets);
    tcase_add_test(t, no_keys_are_fine_and_no_memory_is_told);
    suite_add_tcase(s, t);
    return s;
}
