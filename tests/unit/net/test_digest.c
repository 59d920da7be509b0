/* SHA-256 by the vectors of FIPS 180-4 and NIST's examples. */
#include "net/digest.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_net_digest(void);

static void assert_digest(struct str in, const char *hex)
{
    uint8_t got[DIGEST_BYTES], want[DIGEST_BYTES];
    ck_assert(str_from_hex(str_of(hex), want, sizeof want));
    digest_sha256(in, got);
    ck_assert_msg(digest_eq(got, want), "%s", hex);
}

START_TEST(known_texts_have_their_known_digests)
{
    static const struct {
        const char *in;
        const char *hex;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
         "nopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_digest(str_of(rows[i].in), rows[i].hex);
    assert_digest(STR_NONE, rows[0].hex);
}
END_TEST

START_TEST(a_million_times_a_has_its_known_digest)
{
    char *text = malloc(1000000);
    ck_assert_ptr_nonnull(text);
    memset(text, 'a', 1000000);
    assert_digest((struct str){text, 1000000},
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(text);
}
END_TEST

START_TEST(digests_differ_by_any_bit)
{
    uint8_t a[DIGEST_BYTES] = {0}, b[DIGEST_BYTES] = {0};
    ck_assert(digest_eq(a, b));
    for (size_t i = 0; i < 8 * sizeof a; i++) {
        b[i / 8] = (uint8_t)(1u << i % 8);
        ck_assert(!digest_eq(a, b));
        b[i / 8] = 0;
    }
}
END_TEST

Suite *suite_net_digest(void)
{
    Suite *s = suite_create("net_digest");
    TCase *t = tcase_create("digest");
    tcase_add_test(t, known_texts_have_their_known_digests);
    tcase_add_test(t, a_million_times_a_has_its_known_digest);
    tcase_add_test(t, digests_differ_by_any_bit);
    suite_add_tcase(s, t);
    return s;
}
