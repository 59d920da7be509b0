/* Who asks, what that key may do, and how often it may create. */
#include "api/auth.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_api_auth(void);

static struct api_key keys[3];
static struct auth auth;
static struct tenants tenants;

static void add(const char *name, const char *secret, enum scope scope)
{
    struct api_key *k = &keys[auth.count++];
    *k = (struct api_key){.scope = scope};
    digest_sha256(str_of(secret), k->digest);
    ck_assert_int_eq(tenants_get(&tenants, str_of(name), &k->tenant), OK);
}

static void set_up(void)
{
    auth = (struct auth){.keys = keys};
    add("reader", "r-secret", SCOPE_READ);
    add("runner", "x-secret", SCOPE_RUN);
    add("boss", "a-secret", SCOPE_ADMIN);
}

static void tear_down(void)
{
    tenants_fini(&tenants);
    ck_assert_int_eq(mem_live(), 0);
}

static const struct {
    const char *authorization, *api_key;
    const char *who; /* NULL: nobody */
} presented[] = {
    {"Bearer r-secret", NULL, "reader"},
    {"bearer r-secret", NULL, "reader"},
    {"BEARER   r-secret", NULL, "reader"},
    {NULL, "r-secret", "reader"},
    {NULL, "x-secret", "runner"},
    {"Bearer r-secret", "x-secret", "reader"}, /* the standard one counts */
    {NULL, NULL, NULL},
    {NULL, "", NULL},
    {"", "r-secret", "reader"},
    {"Bearer", NULL, NULL},
    {"Bearer ", NULL, NULL},
    {"Bearer r-secre", NULL, NULL},
    {"Bearer r-secrets", NULL, NULL},
    {"Bearer R-SECRET", NULL, NULL},
    {"Basic r-secret", NULL, NULL},
    {"Basic x", "r-secret", NULL},
    {"r-secret", NULL, NULL},
    {"Bearer r-secret x-secret", NULL, NULL},
    {"Bearer reader", NULL, NULL}, /* the name is no secret */
};

START_TEST(a_key_is_known_by_its_secret_alone)
{
    struct headers h = {.authorization = str_of(presented[_i].authorization),
                        .api_key = str_of(presented[_i].api_key)};
    const struct api_key *key = &keys[0];
    enum err e = auth_check(&auth, &h, SCOPE_READ, &key);
    if (presented[_i].who == NULL) {
        ck_assert_int_eq(e, ERR_UNAUTHENTICATED);
        ck_assert_ptr_null(key);
    } else {
        ck_assert_int_eq(e, OK);
        ck_assert(str_eq(key->tenant->name, str_of(presented[_i].who)));
    }
}
END_TEST

START_TEST(a_scope_holds_those_below_it)
{
    static const char *const secrets[] = {"r-secret", "x-secret", "a-secret"};
    for (int has = SCOPE_READ; has <= SCOPE_ADMIN; has++) {
        struct headers h = {.api_key = str_of(secrets[has - SCOPE_READ])};
        for (int needed = SCOPE_OPEN; needed <= SCOPE_ADMIN; needed++) {
            const struct api_key *key;
            ck_assert_int_eq(auth_check(&auth, &h, (enum scope)needed, &key),
                             has >= needed ? OK : ERR_FORBIDDEN);
        }
    }
}
END_TEST

START_TEST(what_is_open_needs_no_key)
{
    struct headers h = {.api_key = STR("nonsense")};
    const struct api_key *key;
    ck_assert_int_eq(auth_check(&auth, &h, SCOPE_OPEN, &key), OK);
    ck_assert_ptr_null(key);
}
END_TEST

START_TEST(without_any_key_everybody_may_do_everything)
{
    struct auth none = {.count = 0};
    struct headers h = {.api_key = STR_NONE};
    const struct api_key *key;
    ck_assert_int_eq(auth_check(&none, &h, SCOPE_ADMIN, &key), OK);
    ck_assert_ptr_null(key);
}
END_TEST

static enum err take(struct tenant *t, uint64_t n, uint64_t now_ms)
{
    uint64_t wait_ms;
    return auth_take(t, n, now_ms, &wait_ms);
}

static void limit(struct api_key *key, uint64_t rate, uint64_t now_ms)
{
    key->requests = (struct token_bucket_policy){.rate = rate, .burst = rate, .period_ms = 1000};
    auth_configure(&auth, now_ms);
}

START_TEST(a_limited_key_creates_so_many_in_a_time_and_is_told_how_long_to_wait)
{
    uint64_t wait_ms = 77;
    limit(&keys[0], 2, 0);
    ck_assert_int_eq(take(keys[0].tenant, 1, 0), OK);
    ck_assert_int_eq(take(keys[0].tenant, 1, 0), OK);
    ck_assert_int_eq(auth_take(keys[0].tenant, 1, 0, &wait_ms), ERR_RATE_LIMITED);
    ck_assert_uint_eq(wait_ms, 500);
    ck_assert_int_eq(take(keys[0].tenant, 1, 499), ERR_RATE_LIMITED);
    ck_assert_int_eq(take(keys[0].tenant, 1, 500), OK);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(take(keys[1].tenant, 1, 0), OK); /* another's limit is not mine */
        ck_assert_int_eq(take(NULL, 1, 0), OK);
    }
}
END_TEST

START_TEST(new_keys_do_not_give_back_what_was_used)
{
    struct api_key again = keys[0];
    struct auth next = {.keys = &again, .count = 1};
    limit(&keys[0], 2, 0);
    ck_assert_int_eq(take(keys[0].tenant, 2, 0), OK);
    ck_assert_int_eq(tenants_get(&tenants, STR("reader"), &again.tenant), OK);
    ck_assert_ptr_eq(again.tenant, keys[0].tenant);
    again.requests = (struct token_bucket_policy){.rate = 4, .burst = 4, .period_ms = 1000};
    auth_configure(&next, 0);
    ck_assert_int_eq(take(again.tenant, 1, 0), ERR_RATE_LIMITED);
    ck_assert_int_eq(take(again.tenant, 1, 250), OK); /* the new rate */
    again.requests.rate = 0;
    auth_configure(&next, 250);
    ck_assert_int_eq(take(again.tenant, 1000, 250), OK);
}
END_TEST

Suite *suite_api_auth(void)
{
    Suite *s = suite_create("api/auth");
    TCase *t = tcase_create("auth");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_key_is_known_by_its_secret_alone, 0,
                        sizeof presented / sizeof presented[0]);
    tcase_add_test(t, a_scope_holds_those_below_it);
    tcase_add_test(t, what_is_open_needs_no_key);
    tcase_add_test(t, without_any_key_everybody_may_do_everything);
    tcase_add_test(t, a_limited_key_creates_so_many_in_a_time_and_is_told_how_long_to_wait);
    tcase_add_test(t, new_keys_do_not_give_back_what_was_used);
    suite_add_tcase(s, t);
    return s;
}
