/* API keys that take turns, and rest. */
#include "resilience/key_ring.h"

#include <check.h>

Suite *suite_resilience_key_ring(void);

static void takes(struct key_ring *r, uint64_t now_ms, const char *expected)
{
    for (const char *at = expected; *at != '\0'; at++)
        ck_assert_uint_eq(key_ring_take(r, now_ms), (uint32_t)(*at - '0'));
}

START_TEST(keys_take_turns)
{
    struct key_ring r;
    key_ring_init(&r, 3);
    takes(&r, 1, "0120120");
    key_ring_init(&r, 1);
    takes(&r, 1, "000");
}
END_TEST

START_TEST(a_provider_without_keys_has_none_awake)
{
    struct key_ring r;
    key_ring_init(&r, 0);
    takes(&r, 1, "00");
    ck_assert(!key_ring_is_awake(&r, 1));
    key_ring_refused(&r, 0, 1);
}
END_TEST

START_TEST(one_that_is_refused_rests_while_the_others_serve)
{
    struct key_ring r;
    key_ring_init(&r, 3);
    key_ring_refused(&r, 1, 1000);
    takes(&r, 1000, "0202");
    takes(&r, 1000 + KEY_RING_REFUSED_MS - 1, "02");
    takes(&r, 1000 + KEY_RING_REFUSED_MS, "0120");
}
END_TEST

START_TEST(one_that_is_limited_rests_as_long_as_the_provider_says)
{
    struct key_ring r;
    key_ring_init(&r, 2);
    key_ring_limited(&r, 0, 500, 1000);
    takes(&r, 1499, "11");
    takes(&r, 1500, "01");
    key_ring_limited(&r, 0, 0, 2000);
    takes(&r, 2000 + KEY_RING_LIMITED_MS - 1, "11");
    takes(&r, 2000 + KEY_RING_LIMITED_MS, "0");
    key_ring_limited(&r, 0, UINT64_MAX, 100000);
    takes(&r, 100000 + KEY_RING_MAX_MS - 1, "11");
    takes(&r, 100000 + KEY_RING_MAX_MS, "0");
}
END_TEST

START_TEST(a_shorter_rest_does_not_end_a_longer_one)
{
    struct key_ring r;
    key_ring_init(&r, 2);
    key_ring_refused(&r, 0, 1000);
    key_ring_limited(&r, 0, 1, 1000);
    takes(&r, 5000, "11");
}
END_TEST

START_TEST(where_all_rest_the_first_to_wake_is_taken)
{
    struct key_ring r;
    key_ring_init(&r, 3);
    key_ring_limited(&r, 0, 3000, 1000);
    key_ring_limited(&r, 1, 1000, 1000);
    ck_assert(key_ring_is_awake(&r, 1000));
    key_ring_limited(&r, 2, 2000, 1000);
    ck_assert(!key_ring_is_awake(&r, 1999));
    takes(&r, 1000, "11");
    ck_assert(key_ring_is_awake(&r, 2000));
}
END_TEST

Suite *suite_resilience_key_ring(void)
{
    Suite *s = suite_create("resilience_key_ring");
    TCase *t = tcase_create("key_ring");
    tcase_add_test(t, keys_take_turns);
    tcase_add_test(t, a_provider_without_keys_has_none_awake);
    tcase_add_test(t, one_that_is_refused_rests_while_the_others_serve);
    tcase_add_test(t, one_that_is_limited_rests_as_long_as_the_provider_says);
    tcase_add_test(t, a_shorter_rest_does_not_end_a_longer_one);
    tcase_add_test(t, where_all_rest_the_first_to_wake_is_taken);
    suite_add_tcase(s, t);
    return s;
}
