#include "runs/feed.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/resilience/property.h"

Suite *suite_runs_feed(void);

/* --- a few events ----------------------------------------------------------------------------- */

static struct feed feed;

static void add(enum event_kind kind, const char *line)
{
    ck_assert_int_eq(feed_append(&feed, kind, str_of(line)), OK);
}

static void fact(void)
{
    add(EVENT_FACT, "fact\n");
}

static void news(void)
{
    add(EVENT_NEWS, "news\n");
}

static uint64_t published(void)
{
    feed_publish(&feed);
    return feed.published.seq;
}

static void save(void)
{
    feed_save_begin(&feed);
    feed_save_done(&feed);
}

static void set_up(void)
{
    feed_init(&feed, 0);
}

static void tear_down(void)
{
    feed_fini(&feed);
    ck_assert_int_eq(mem_live(), 0);
}

START_TEST(an_empty_feed_has_nothing)
{
    ck_assert_uint_eq(published(), 0);
    ck_assert_uint_eq(feed_next_seq(&feed), 1);
    ck_assert_uint_eq(feed_uncommitted(&feed), 0);
    struct feed_pos start = feed.published, end = feed_end(&feed);
    ck_assert_uint_eq(feed_count(&feed, &start, &end), 0);
    save();
    feed_trim(&feed);
}
END_TEST

START_TEST(news_is_published_at_once)
{
    news();
    news();
    ck_assert_uint_eq(published(), 2);
}
END_TEST

START_TEST(a_fact_is_published_after_its_commit)
{
    fact();
    ck_assert_uint_eq(published(), 0);
    feed_save_begin(&feed);
    ck_assert_uint_eq(published(), 0);
    feed_save_done(&feed);
    ck_assert_uint_eq(published(), 1);
}
END_TEST

START_TEST(news_does_not_pass_a_fact_that_waits)
{
    news();
    fact();
    news();
    ck_assert_uint_eq(published(), 1);
    feed_save_begin(&feed);
    news();
    ck_assert_uint_eq(published(), 1);
    feed_save_done(&feed);
    ck_assert_uint_eq(published(),
                      4); /* what came meanwhile is news, and nothing waits before it */
}
END_TEST

START_TEST(a_fact_that_came_during_a_save_waits_for_the_next)
{
    fact();
    feed_save_begin(&feed);
    news();
    fact();
    feed_save_done(&feed);
    ck_assert_uint_eq(published(), 2);
    save();
    ck_assert_uint_eq(published(), 3);
}
END_TEST

START_TEST(a_save_that_failed_leaves_its_facts_waiting)
{
    fact();
    feed_save_begin(&feed);
    news();
    fact();
    feed_save_failed(&feed);
    ck_assert_uint_eq(published(), 0);
    ck_assert_uint_eq(feed_uncommitted(&feed), 3);
    save();
    ck_assert_uint_eq(published(), 3);
    ck_assert_uint_eq(feed_uncommitted(&feed), 0);
}
END_TEST

START_TEST(a_save_without_facts_that_failed_forgets_none)
{
    news();
    feed_save_begin(&feed);
    fact();
    feed_save_failed(&feed);
    ck_assert_uint_eq(published(), 1);
}
END_TEST

START_TEST(a_lazy_feed_publishes_everything_until_its_first_save)
{
    feed.is_lazy = true;
    fact();
    news();
    ck_assert_uint_eq(published(), 2);
    feed.is_lazy = false; /* as the outbox does when it sends it */
    feed_save_begin(&feed);
    fact();
    ck_assert_uint_eq(published(), 2);
    feed_save_done(&feed);
    ck_assert_uint_eq(published(), 2);
    save();
    ck_assert_uint_eq(published(), 3);
}
END_TEST

START_TEST(a_feed_goes_on_where_the_last_life_of_its_run_ended)
{
    feed_fini(&feed);
    feed_init(&feed, 4100);
    ck_assert_uint_eq(feed_next_seq(&feed), 4101);
    ck_assert_uint_eq(published(), 4100);
    news();
    ck_assert_uint_eq(published(), 4101);
    struct feed_pos start = {.block = NULL, .seq = feed.head_seq};
    struct feed_slice slice;
    ck_assert_uint_eq(feed_count(&feed, &start, &feed.published), 1);
    feed_slices(&feed, &start, &feed.published, &slice);
    ck_assert(slice.first_seq == 4101 && slice.last_seq == 4101);
}
END_TEST

START_TEST(a_line_longer_than_any_block_has_one_of_its_own)
{
    static char line[200000];
    memset(line, 'l', sizeof line - 1);
    news();
    add(EVENT_NEWS, line);
    news();
    ck_assert_uint_eq(published(), 3);
    struct feed_pos start = {.seq = 0};
    ck_assert_uint_eq(feed_count(&feed, &start, &feed.published), 3);
    ck_assert_uint_ge(feed.bytes, sizeof line - 1);
    save();
    feed_trim(&feed);
    ck_assert_uint_lt(feed.bytes, 100000);
}
END_TEST

START_TEST(without_memory_nothing_is_added)
{
    mem_fail_nth(1);
    ck_assert_int_eq(feed_append(&feed, EVENT_FACT, STR("x")), ERR_NOMEM);
    mem_fail_nth(0);
    ck_assert_uint_eq(feed.last_seq, 0);
    ck_assert_uint_eq(published(), 0);
    news();
    ck_assert_uint_eq(published(), 1); /* no fact is waited for that is not there */
}
END_TEST

/* The place before a fact that opens a block used to yield a slice with nothing in it. */
START_TEST(no_slice_is_empty)
{
    static char line[3001]; /* as much as the first block holds */
    memset(line, 'l', sizeof line - 1);
    add(EVENT_NEWS, line);
    fact();
    ck_assert_uint_eq(published(), 1);
    struct feed_pos start = {.seq = 0};
    struct feed_slice slices[2];
    ck_assert_uint_eq(feed_count(&feed, &start, &feed.published), 1);
    feed_slices(&feed, &start, &feed.published, slices);
    ck_assert(slices[0].first_seq == 1 && slices[0].last_seq == 1 &&
              slices[0].lines.len == sizeof line - 1);
    save();
    struct feed_pos before = feed_publish(&feed);
    ck_assert_uint_eq(feed_count(&feed, &before, &feed.published), 1);
    feed_slices(&feed, &before, &feed.published, slices);
    ck_assert(slices[0].first_seq == 2 && slices[0].last_seq == 2);
    ck_assert(str_eq(slices[0].lines, STR("fact\n")));
}
END_TEST

/* --- against a model -------------------------------------------------------------------------- */

enum { EVENTS = 3000, HELD = 40 };

static struct {
    enum event_kind kind;
    uint32_t len;
} events[EVENTS + 1]; /* by seq */

static uint64_t base; /* seq before the first */

/* The bytes of an event follow from its seq. */
static char byte_of(uint64_t seq, uint32_t i)
{
    return (char)('a' + (seq * 7 + i) % 26);
}

static void make_line(uint64_t seq, uint32_t len, char *ret)
{
    for (uint32_t i = 0; i < len; i++)
        ret[i] = byte_of(seq, i);
}

/* A slice that somebody keeps, to be looked at again later. */
static struct feed_slice held[HELD];
static int held_count;

static void must_hold(const struct feed_slice *s, uint64_t seed)
{
    size_t at = 0;
    MUST(s->first_seq <= s->last_seq);
    for (uint64_t seq = s->first_seq; seq <= s->last_seq; seq++) {
        uint32_t len = events[seq - base].len;
        MUST(at + len <= s->lines.len);
        for (uint32_t i = 0; i < len; i += 1 + len / 7)
            MUST(s->lines.at[at + i] == byte_of(seq, i));
        at += len;
    }
    MUST(at == s->lines.len);
}

/* Slices from one place to another cover exactly what lies between. */
static void must_cover(const struct feed_pos *from, const struct feed_pos *to, struct rng *rng,
                       uint64_t seed)
{
    static struct feed_slice slices[EVENTS];
    uint32_t n = feed_count(&feed, from, to);
    uint64_t next = from->seq + 1;
    MUST(n <= EVENTS);
    MUST((n == 0) == (from->seq == to->seq));
    feed_slices(&feed, from, to, slices);
    for (uint32_t i = 0; i < n; i++) {
        MUST(slices[i].first_seq == next);
        must_hold(&slices[i], seed);
        next = slices[i].last_seq + 1;
    }
    MUST(next == to->seq + 1);
    if (n > 0 && held_count < HELD && property_chance(rng, 0.3)) {
        held[held_count] = slices[rng_below(rng, n)];
        feed_slice_ref(&held[held_count++]);
    }
}

static void let_go(int i, uint64_t seed)
{
    must_hold(&held[i], seed);
    feed_slice_unref(&held[i]);
    held[i] = held[--held_count];
}

/* How far it may be published: everything before the first fact that is not committed. */
static uint64_t allowed(uint64_t committed)
{
    for (uint64_t seq = committed + 1; seq <= feed.last_seq; seq++) {
        if (events[seq - base].kind == EVENT_FACT && !feed.is_lazy)
            return seq - 1;
    }
    return feed.last_seq;
}

static void append_random(struct rng *rng, uint64_t seed)
{
    static char line[90000];
    uint64_t seq = feed_next_seq(&feed);
    if (seq - base > EVENTS)
        return;
    uint32_t len =
        (uint32_t)property_between(rng, 1, property_chance(rng, 0.02) ? sizeof line : 400);
    events[seq - base].kind = property_chance(rng, 0.15) ? EVENT_FACT : EVENT_NEWS;
    events[seq - base].len = len;
    make_line(seq, len, line);
    MUST(feed_append(&feed, events[seq - base].kind, (struct str){line, len}) == OK);
}

static void publish_random(uint64_t committed, struct rng *rng, uint64_t seed)
{
    uint64_t was = feed.published.seq;
    struct feed_pos before = feed_publish(&feed);
    uint64_t limit = allowed(committed);
    MUST(before.seq == was);
    MUST(feed.published.seq == (limit > was ? limit : was));
    must_cover(&before, &feed.published, rng, seed);
    struct feed_pos head = {.seq = feed.head_seq};
    if (feed.head_seq <= feed.published.seq)
        must_cover(&head, &feed.published, rng, seed);
}

static void trim_random(uint64_t committed, uint64_t seed)
{
    size_t bytes = 0;
    feed_trim(&feed);
    MUST(feed.head_seq <= committed && feed.head_seq <= feed.published.seq);
    for (struct feed_block *b = feed.head; b != NULL; b = b->next) {
        MUST(b == feed.tail || b->last_seq > committed || b->last_seq > feed.published.seq);
        bytes += b->cap;
    }
    MUST(bytes == feed.bytes);
}

static void run_trace(uint64_t seed)
{
    struct rng rng = {.state = seed};
    base = property_chance(&rng, 0.5) ? 0 : rng_below(&rng, 1 << 20);
    uint64_t committed = base, saving = base;
    feed_init(&feed, base);
    feed.is_lazy = property_chance(&rng, 0.3);
    held_count = 0;
    for (int step = 0; step < 1500; step++) {
        switch (rng_below(&rng, 8)) {
        case 0:
        case 1:
        case 2: append_random(&rng, seed); break;
        case 3:
            if (!feed.is_saving) {
                struct feed_pos end = feed_end(&feed);
                must_cover(&feed.committed, &end, &rng, seed); /* what is stored */
                feed.is_lazy = false;
                feed_save_begin(&feed);
                saving = feed.last_seq;
            }
            break;
        case 4:
            if (feed.is_saving && property_chance(&rng, 0.8)) {
                feed_save_done(&feed);
                committed = saving;
            } else if (feed.is_saving) {
                feed_save_failed(&feed);
            }
            break;
        case 5: publish_random(committed, &rng, seed); break;
        case 6: trim_random(committed, seed); break;
        case 7:
            if (held_count > 0)
                let_go((int)rng_below(&rng, (uint64_t)held_count), seed);
            break;
        }
        MUST(feed.committed.seq == committed);
        MUST(feed_uncommitted(&feed) == feed.last_seq - committed);
    }
    feed_fini(&feed);
    while (held_count > 0)
        let_go(0, seed); /* they outlive the feed */
    MUST(mem_live() == 0);
}

START_TEST(whatever_happens_a_feed_is_what_its_model_says)
{
    uint64_t seed = property_seed();
    for (int i = 0; i < 60; i++)
        run_trace(seed + (uint64_t)i);
}
END_TEST

Suite *suite_runs_feed(void)
{
    Suite *s = suite_create("runs/feed");
    TCase *t = tcase_create("events");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, an_empty_feed_has_nothing);
    tcase_add_test(t, news_is_published_at_once);
    tcase_add_test(t, a_fact_is_published_after_its_commit);
    tcase_add_test(t, news_does_not_pass_a_fact_that_waits);
    tcase_add_test(t, a_fact_that_came_during_a_save_waits_for_the_next);
    tcase_add_test(t, a_save_that_failed_leaves_its_facts_waiting);
    tcase_add_test(t, a_save_without_facts_that_failed_forgets_none);
    tcase_add_test(t, a_lazy_feed_publishes_everything_until_its_first_save);
    tcase_add_test(t, a_feed_goes_on_where_the_last_life_of_its_run_ended);
    tcase_add_test(t, a_line_longer_than_any_block_has_one_of_its_own);
    tcase_add_test(t, without_memory_nothing_is_added);
    tcase_add_test(t, no_slice_is_empty);
    suite_add_tcase(s, t);
    t = tcase_create("model");
    tcase_set_timeout(t, PROPERTY_TIMEOUT_S);
    tcase_add_test(t, whatever_happens_a_feed_is_what_its_model_says);
    suite_add_tcase(s, t);
    return s;
}
