/* Sums that a provider's nonsense cannot make wrap. */
#include "model/usage.h"

#include <check.h>

Suite *suite_model_usage(void);

static const uint64_t most = (uint64_t)1 << 53;

START_TEST(sums_saturate_where_json_readers_stop_being_exact)
{
    const struct {
        uint64_t a, b, sum;
    } rows[] = {
        {0, 0, 0},
        {1, 2, 3},
        {most - 1, 1, most},
        {most, 0, most},
        {most, 1, most},
        {most - 1, 2, most},
        {1, most, most},
        {most, most, most},
        {UINT64_MAX, UINT64_MAX, most},
        {0, UINT64_MAX, most},
        {UINT64_MAX, 0, most},
        {1, UINT64_MAX - 1, most},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_uint_eq(usage_sum(rows[i].a, rows[i].b), rows[i].sum);
        ck_assert_uint_eq(usage_sum(rows[i].b, rows[i].a), rows[i].sum);
    }
}
END_TEST

START_TEST(each_member_is_added_to_its_own)
{
    struct usage sum = {1, 2, 3, 4};
    usage_add(&sum, &(struct usage){10, 20, 30, UINT64_MAX});
    ck_assert_uint_eq(sum.calls, 11);
    ck_assert_uint_eq(sum.attempts, 22);
    ck_assert_uint_eq(sum.input_tokens, 33);
    ck_assert_uint_eq(sum.output_tokens, most);
}
END_TEST

START_TEST(it_is_written_as_the_api_says)
{
    struct usage u = {1, 2, 12, 11};
    struct buf b;
    buf_init(&b, 256);
    usage_write(&b, &u);
    ck_assert(str_eq(buf_str(&b),
                     STR("{\"calls\":1,\"attempts\":2,\"input_tokens\":12,\"output_tokens\":11}")));
    buf_clear(&b);
    usage_write_tokens(&b, &u);
    ck_assert(str_eq(buf_str(&b), STR("{\"input_tokens\":12,\"output_tokens\":11}")));
    buf_fini(&b);
}
END_TEST

Suite *suite_model_usage(void)
{
    Suite *s = suite_create("model_usage");
    TCase *t = tcase_create("usage");
    tcase_add_test(t, sums_saturate_where_json_readers_stop_being_exact);
    tcase_add_test(t, each_member_is_added_to_its_own);
    tcase_add_test(t, it_is_written_as_the_api_says);
    suite_add_tcase(s, t);
    return s;
}
