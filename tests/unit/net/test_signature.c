/* Signatures, by the vector of the Standard Webhooks libraries and those of RFC 4231. */
#include "net/signature.h"

#include <check.h>
#include <stdio.h>

#include "net/digest.h"

Suite *suite_net_signature(void);

START_TEST(the_vector_of_standard_webhooks)
{
    struct signing_key key;
    char text[SIGNATURE_TEXT];
    ck_assert(signing_key_read(STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &key));
    ck_assert_uint_eq(key.len, 24);
    signature_make(&key, STR("msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}"),
                   text);
    ck_assert_str_eq(text, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}
END_TEST

START_TEST(any_other_secret_is_its_own_bytes)
{
    struct signing_key key;
    char text[SIGNATURE_TEXT];
    ck_assert(signing_key_read(STR("Jefe"), &key));
    signature_make(&key, STR("what do ya want for nothing?"), text);
    /* 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843 */
    ck_assert_str_eq(text, "v1,W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
    static const char *const bad[] = {"",
                                      "whsec_",
                                      "whsec_A",
                                      "whsec_AAA",
                                      "whsec_AA==AAAA",
                                      "whsec_!!!!",
                                      "whsec_ AAA",
                                      "whsec_AAAA\n\n\n\n",
                                      "whsec_====",
                                      "whsec_A===",
                                      "whsec_AB==",
                                      "whsec_MfKQ9r8GK",
                                      "whsec_MfKQ-r8_"};
    struct signing_key key = {.len = 7};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!signing_key_read(str_of(bad[i]), &key), "%s", bad[i]);
        ck_assert_uint_eq(key.len, 7); /* untouched */
    }
}
END_TEST

START_TEST(a_key_has_a_bound)
{
    struct signing_key key;
    char text[6 + 400];
    memset(text, 'a', sizeof text);
    ck_assert(signing_key_read((struct str){text, SIGNING_KEY_MAX}, &key));
    ck_assert(!signing_key_read((struct str){text, SIGNING_KEY_MAX + 1}, &key));
    memset(text, 'A', sizeof text);
    memcpy(text, "whsec_", 6);
    ck_assert(signing_key_read((struct str){text, 6 + 340}, &key)); /* 255 bytes */
    ck_assert_uint_eq(key.len, 255);
    ck_assert(!signing_key_read((struct str){text, 6 + 344}, &key)); /* 258 */
    ck_assert(!signing_key_read((struct str){text, 6 + 400}, &key));
}
END_TEST

Suite *suite_net_signature(void)
{
    Suite *s = suite_create("net_signature");
    TCase *t = tcase_create("signature");
    tcase_add_test(t, the_vector_of_standard_webhooks);
    tcase_add_test(t, any_other_secret_is_its_own_bytes);
    tcase_add_test(t, what_is_no_key_is_refused);
    tcase_add_test(t, a_key_has_a_bound);
    suite_add_tcase(s, t);
    return s;
}
