#include "resilience/retry.h"

#include <check.h>

#include "tests/unit/resilience/property.h"

Suite *suite_resilience_retry(void);

static struct rng rng = {.state = 1};

static struct retry_policy without_jitter(void)
{
    struct retry_policy p = retry_policy_default();
    p.backoff.jitter = BACKOFF_NONE;
    return p;
}

/* Decides at time 1000, without a budget. */
static enum retry_verdict decide(const struct retry_policy *policy, struct retry_failure failure,
                                 uint64_t deadline_ms, uint64_t *ret_at_ms)
{
    return retry_decide(policy, &failure, deadline_ms, NULL, 1000, &rng, ret_at_ms);
}

START_TEST(the_default_is_three_attempts_for_failures_of_the_provider)
{
    struct retry_policy p = retry_policy_default();
    ck_assert_uint_eq(p.attempts, 3);
    ck_assert_uint_eq(p.backoff.base_ms, 1000);
    ck_assert_uint_eq(p.backoff.max_ms, 30000);
    ck_assert(p.backoff.factor == 2.0);
    ck_assert_int_eq(p.backoff.jitter, BACKOFF_FULL);
    ck_assert_uint_eq(p.max_hint_ms, 3600000);
    for (enum err e = 0; e < ERR_COUNT_; e++) {
        bool expected = e == ERR_PROVIDER_UNREACHABLE || e == ERR_PROVIDER_RATE_LIMITED ||
                        e == ERR_PROVIDER_OVERLOADED || e == ERR_PROVIDER_ERROR ||
                        e == ERR_PROVIDER_TIMEOUT || e == ERR_PROVIDER_BAD_RESPONSE;
        ck_assert_int_eq((p.on & RETRY_ON(e)) != 0, expected);
    }
}
END_TEST

START_TEST(tries_again_after_the_backoff_of_its_attempt)
{
    struct retry_policy p = without_jitter();
    uint64_t at_ms;
    p.attempts = 10;
    static const uint64_t expected[] = {2000, 3000, 5000, 9000, 17000, 31000, 31000};
    for (uint32_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct retry_failure failure = {ERR_PROVIDER_ERROR, i + 1, 0, false};
        ck_assert_int_eq(decide(&p, failure, UINT64_MAX, &at_ms), RETRY_AGAIN);
        ck_assert_uint_eq(at_ms, expected[i]);
    }
}
END_TEST

START_TEST(gives_up_for_a_reason)
{
    static const struct {
        enum err code;
        uint32_t attempt;
        uint64_t hint_ms, deadline_ms;
        enum retry_verdict verdict;
    } rows[] = {
        {ERR_PROVIDER_TIMEOUT, 1, 0, UINT64_MAX, RETRY_AGAIN},
        {ERR_PROVIDER_TIMEOUT, 2, 0, UINT64_MAX, RETRY_AGAIN},
        {ERR_PROVIDER_TIMEOUT, 3, 0, UINT64_MAX, RETRY_EXHAUSTED},
        {ERR_PROVIDER_TIMEOUT, 9, 0, UINT64_MAX, RETRY_EXHAUSTED},
        {ERR_PROVIDER_AUTH, 1, 0, UINT64_MAX, RETRY_NOT_RETRYABLE},
        {ERR_BAD_REQUEST, 1, 0, UINT64_MAX, RETRY_NOT_RETRYABLE},
        {ERR_CANCELLED, 3, 0, UINT64_MAX, RETRY_NOT_RETRYABLE},
        {ERR_PROVIDER_TIMEOUT, 1, 0, 2001, RETRY_AGAIN},
        {ERR_PROVIDER_TIMEOUT, 1, 0, 2000, RETRY_PAST_DEADLINE},
        {ERR_PROVIDER_TIMEOUT, 1, 0, 500, RETRY_PAST_DEADLINE},
        {ERR_PROVIDER_RATE_LIMITED, 1, 5000, 6001, RETRY_AGAIN},
        {ERR_PROVIDER_RATE_LIMITED, 1, 5000, 6000, RETRY_PAST_DEADLINE},
    };
    struct retry_policy p = without_jitter();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct retry_failure failure = {rows[i].code, rows[i].attempt, rows[i].hint_ms, false};
        uint64_t at_ms;
        ck_assert_int_eq(decide(&p, failure, rows[i].deadline_ms, &at_ms), rows[i].verdict);
    }
}
END_TEST

START_TEST(one_attempt_means_no_retry)
{
    struct retry_policy p = without_jitter();
    struct retry_failure failure = {ERR_PROVIDER_ERROR, 1, 0, false};
    uint64_t at_ms;
    for (p.attempts = 0; p.attempts <= 1; p.attempts++)
        ck_assert_int_eq(decide(&p, failure, UINT64_MAX, &at_ms), RETRY_EXHAUSTED);
}
END_TEST

START_TEST(a_policy_names_what_it_retries_on)
{
    struct retry_policy p = without_jitter();
    uint64_t at_ms;
    p.on = RETRY_ON(ERR_INVALID_OUTPUT);
    struct retry_failure bad_output = {ERR_INVALID_OUTPUT, 1, 0, false};
    struct retry_failure overloaded = {ERR_PROVIDER_OVERLOADED, 1, 0, false};
    ck_assert_int_eq(decide(&p, bad_output, UINT64_MAX, &at_ms), RETRY_AGAIN);
    ck_assert_int_eq(decide(&p, overloaded, UINT64_MAX, &at_ms), RETRY_NOT_RETRYABLE);
}
END_TEST

START_TEST(what_passes_is_retried_unless_the_policy_names_its_codes)
{
    struct retry_policy p = without_jitter();
    struct retry_failure conflict = {ERR_BAD_REQUEST, 1, 0, true};
    struct retry_failure third = {ERR_BAD_REQUEST, 3, 0, true};
    uint64_t at_ms;
    ck_assert_int_eq(decide(&p, conflict, UINT64_MAX, &at_ms), RETRY_AGAIN);
    ck_assert_int_eq(decide(&p, third, UINT64_MAX, &at_ms), RETRY_EXHAUSTED);
    p.on = RETRY_ON(ERR_PROVIDER_OVERLOADED);
    ck_assert_int_eq(decide(&p, conflict, UINT64_MAX, &at_ms), RETRY_NOT_RETRYABLE);
    p.on = RETRY_ON(ERR_BAD_REQUEST);
    ck_assert_int_eq(decide(&p, conflict, UINT64_MAX, &at_ms), RETRY_AGAIN);
}
END_TEST

START_TEST(an_absurd_hint_is_cut_to_the_policy)
{
    struct retry_policy p = without_jitter();
    struct retry_failure failure = {ERR_PROVIDER_RATE_LIMITED, 1, UINT64_MAX, false};
    uint64_t at_ms;
    ck_assert_int_eq(decide(&p, failure, UINT64_MAX, &at_ms), RETRY_AGAIN);
    ck_assert_uint_eq(at_ms, 1000 + 3600000);
    p.max_hint_ms = 5000;
    ck_assert_int_eq(decide(&p, failure, UINT64_MAX, &at_ms), RETRY_AGAIN);
    ck_assert_uint_eq(at_ms, 1000 + 5000);
}
END_TEST

START_TEST(an_empty_budget_is_the_last_reason)
{
    struct retry_policy p = without_jitter();
    struct retry_budget budget;
    retry_budget_init(&budget, 0.2);
    struct retry_failure failure = {ERR_PROVIDER_ERROR, 1, 0, false};
    struct retry_failure last = {ERR_PROVIDER_ERROR, 3, 0, false};
    uint64_t at_ms;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(retry_decide(&p, &failure, 0, &budget, 0, &rng, &at_ms),
                         RETRY_PAST_DEADLINE); /* costs nothing */
        ck_assert_int_eq(retry_decide(&p, &last, 9999, &budget, 0, &rng, &at_ms), RETRY_EXHAUSTED);
        ck_assert_int_eq(retry_decide(&p, &failure, 9999, &budget, 0, &rng, &at_ms), RETRY_AGAIN);
    }
    ck_assert_int_eq(retry_decide(&p, &failure, 9999, &budget, 0, &rng, &at_ms),
                     RETRY_BUDGET_EMPTY);
    ck_assert_int_eq(retry_decide(&p, &last, 9999, &budget, 0, &rng, &at_ms), RETRY_EXHAUSTED);
}
END_TEST

START_TEST(never_starts_before_the_hint_nor_at_or_past_the_deadline)
{
    uint64_t seed = property_seed();
    rng_seed(&rng, seed);
    struct retry_policy p = retry_policy_default();
    int again = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = rng_below(&rng, 100000);
        uint64_t deadline = rng_below(&rng, 150000);
        struct retry_failure failure = {ERR_PROVIDER_OVERLOADED, 1 + (uint32_t)rng_below(&rng, 2),
                                        property_chance(&rng, 0.5) ? rng_below(&rng, 30000) : 0,
                                        false};
        uint64_t at_ms = 0;
        enum retry_verdict v = retry_decide(&p, &failure, deadline, NULL, now, &rng, &at_ms);
        if (v == RETRY_AGAIN) {
            again++;
            MUST(at_ms >= now + failure.hint_ms);
            MUST(at_ms < deadline);
        } else {
            MUST(v == RETRY_PAST_DEADLINE);
            MUST(now + failure.hint_ms >= deadline); /* no draw could have been earlier */
        }
    }
    MUST(again > 1000);
}
END_TEST

START_TEST(an_outage_is_not_multiplied)
{
    uint64_t seed = property_seed();
    rng_seed(&rng, seed);
    struct retry_policy p = retry_policy_default();
    p.attempts = 10;
    struct retry_budget budget;
    retry_budget_init(&budget, 0.2);
    uint64_t attempts = 0, now = 0;
    const uint64_t calls = 5000;
    for (uint64_t call = 0; call < calls; call++) {
        retry_budget_call(&budget, now);
        attempts++;
        for (uint32_t attempt = 1; attempt <= 10; attempt++) { /* everything fails */
            struct retry_failure failure = {ERR_PROVIDER_OVERLOADED, attempt, 0, false};
            uint64_t at_ms;
            if (retry_decide(&p, &failure, UINT64_MAX, &budget, now, &rng, &at_ms) != RETRY_AGAIN)
                break;
            attempts++;
        }
        now += rng_below(&rng, 50);
    }
    MUST(attempts <= calls + calls / 5 + 10);
    MUST(attempts >= calls + calls / 5); /* and the budget is there to be used */
}
END_TEST

Suite *suite_resilience_retry(void)
{
    Suite *s = suite_create("resilience_retry");
    TCase *t = tcase_create("retry");
    tcase_add_test(t, the_default_is_three_attempts_for_failures_of_the_provider);
    tcase_add_test(t, tries_again_after_the_backoff_of_its_attempt);
    tcase_add_test(t, gives_up_for_a_reason);
    tcase_add_test(t, one_attempt_means_no_retry);
    tcase_add_test(t, a_policy_names_what_it_retries_on);
    tcase_add_test(t, what_passes_is_retried_unless_the_policy_names_its_codes);
    tcase_add_test(t, an_absurd_hint_is_cut_to_the_policy);
    tcase_add_test(t, an_empty_budget_is_the_last_reason);
    suite_add_tcase(s, t);
    TCase *laws = tcase_create("laws");
    tcase_set_timeout(laws, PROPERTY_TIMEOUT_S);
    tcase_add_test(laws, never_starts_before_the_hint_nor_at_or_past_the_deadline);
    tcase_add_test(laws, an_outage_is_not_multiplied);
    suite_add_tcase(s, laws);
    return s;
}
