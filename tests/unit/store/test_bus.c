/* Cursors and lines of the bus. What a store makes of them: store_contract_bus.c. */
#include "store/bus.h"

#include <check.h>

Suite *suite_store_bus(void);

static const char lines[] = "{\"seq\":5,\"type\":\"run.running\",\"data\":{}}\n"
                            "{\"seq\":6,\"type\":\"output.delta\",\"data\":{\"text\":\"a\"}}\n"
                            "{\"seq\":7,\"type\":\"run.finished\",\"data\":{}}\n";

START_TEST(a_cursor_reads_back_what_it_was)
{
    static const struct bus_cursor cursors[] = {{0, 0}, {7, 2}, {INT64_MAX, UINT32_MAX}};
    for (size_t i = 0; i < sizeof cursors / sizeof cursors[0]; i++) {
        char text[BUS_CURSOR_TEXT];
        struct bus_cursor back;
        size_t n = bus_cursor_format(&cursors[i], text);
        ck_assert(n < BUS_CURSOR_TEXT && bus_cursor_parse((struct str){text, n}, &back));
        ck_assert(back.key == cursors[i].key && back.count == cursors[i].count);
    }
}
END_TEST

START_TEST(what_no_bus_gave_is_no_cursor)
{
    static const char *const texts[] = {"",
                                        "-",
                                        "7",
                                        "7-",
                                        "-2",
                                        "7-2-1",
                                        "7-2 ",
                                        "a-1",
                                        "7-x",
                                        "-7-2",
                                        "+7-2",
                                        "7.2",
                                        "9223372036854775808-0",
                                        "1-4294967296"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bus_cursor c;
        ck_assert_msg(!bus_cursor_parse(str_of(texts[i]), &c), "%s", texts[i]);
    }
}
END_TEST

static struct buf take(struct bus_cursor after, event_set types)
{
    struct buf b;
    buf_init(&b, 65536);
    bus_add_segment(&b, &after, types, 9, str_of(lines));
    return b;
}

START_TEST(a_line_gets_its_cursor_as_the_first_member)
{
    struct buf b =
        take((struct bus_cursor){9, 1}, EVENT_SET_ALL & ~event_set_of(EVENT_OUTPUT_DELTA));
    ck_assert(str_eq(buf_str(&b),
                     STR("{\"id\":\"9-3\",\"seq\":7,\"type\":\"run.finished\",\"data\":{}}\n")));
    struct str rest = buf_str(&b);
    struct bus_line line;
    ck_assert(bus_next_line(&rest, &line));
    ck_assert(str_eq(line.id, STR("9-3")) && str_eq(line.type, STR("run.finished")));
    ck_assert_uint_eq(line.json.len, b.len - 1);
    ck_assert(!bus_next_line(&rest, &line));
    buf_fini(&b);
}
END_TEST

START_TEST(a_cursor_counts_events_of_its_own_segment_only)
{
    static const struct {
        struct bus_cursor after;
        size_t first; /* of the three; 3: none */
    } cases[] = {{{0, 0}, 0}, {{8, 2}, 0}, {{9, 0}, 0}, {{9, 1}, 1}, {{9, 3}, 3}, {{9, 99}, 3}};
    struct buf whole = take((struct bus_cursor){0, 0}, EVENT_SET_ALL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = take(cases[i].after, EVENT_SET_ALL);
        struct str rest = buf_str(&whole);
        for (size_t skipped = 0; skipped < cases[i].first; skipped++)
            str_cut(&rest, '\n');
        ck_assert_msg(str_eq(buf_str(&b), rest), "%zu", i);
        buf_fini(&b);
    }
    buf_fini(&whole);
}
END_TEST

Suite *suite_store_bus(void)
{
    Suite *s = suite_create("store/bus");
    TCase *t = tcase_create("cursors");
    tcase_add_test(t, a_cursor_reads_back_what_it_was);
    tcase_add_test(t, what_no_bus_gave_is_no_cursor);
    tcase_add_test(t, a_line_gets_its_cursor_as_the_first_member);
    tcase_add_test(t, a_cursor_counts_events_of_its_own_segment_only);
    suite_add_tcase(s, t);
    return s;
}
