#include "cli/screen.h"

#include "tests/unit/cli/capture.h"

Suite *suite_cli_screen(void);

START_TEST(elsewhere_than_on_a_terminal_text_stays_as_it_is)
{
    struct capture c;
    capture_start(&c);
    screen_out(&c.screen, STR("a\x1B[31m\r\n"));
    screen_aside(&c.screen, STR("b"));
    ck_assert_str_eq(capture_out(&c), "a\x1B[31m\r\nb");
    ck_assert_uint_eq(c.screen.width, 0);
    capture_end(&c);
}
END_TEST

START_TEST(on_a_terminal_it_is_made_harmless)
{
    struct capture c;
    capture_start(&c);
    capture_terminal(&c);
    screen_out(&c.screen, STR("a\x1B[31m\r\n"));
    ck_assert_str_eq(capture_out(&c), "a[31m\n");
    capture_end(&c);
}
END_TEST

START_TEST(what_is_said_is_one_harmless_line_anywhere)
{
    struct capture c;
    capture_start(&c);
    screen_say(&c.screen, "error: %s", "a\nb\x1B[2J");
    ck_assert_str_eq(capture_err(&c), "error: a b[2J\n");
    capture_end(&c);
}
END_TEST

START_TEST(an_aside_is_dimmed_and_ends_before_anything_else)
{
    struct capture c;
    capture_start(&c);
    capture_terminal(&c);
    screen_aside(&c.screen, STR("hm"));
    screen_aside(&c.screen, STR("m\n"));
    screen_out(&c.screen, STR("text"));
    screen_aside(&c.screen, STR("x"));
    screen_say(&c.screen, "said");
    ck_assert_str_eq(capture_out(&c), "\x1B[2mhmm\n\x1B[22mtext\x1B[2mx\x1B[22m");
    capture_end(&c);
}
END_TEST

START_TEST(a_line_about_begins_on_a_line_of_its_own)
{
    struct capture c;
    capture_start(&c);
    capture_terminal(&c);
    screen_out(&c.screen, STR("some"));
    screen_say(&c.screen, "waiting");
    screen_say(&c.screen, "waiting");
    screen_out(&c.screen, STR("more\n"));
    screen_say(&c.screen, "done");
    screen_on_echo(&c.screen);
    screen_say(&c.screen, "left");
    ck_assert_str_eq(capture_err(&c), "\nwaiting\nwaiting\ndone\n\nleft\n");
    ck_assert_str_eq(capture_out(&c), "somemore\n");
    capture_end(&c);
}
END_TEST

START_TEST(in_a_pipe_the_answer_is_not_broken_by_what_is_said)
{
    struct capture c;
    capture_start(&c);
    c.screen.err_is_terminal = true;
    screen_out(&c.screen, STR("some"));
    screen_say(&c.screen, "waiting");
    screen_out(&c.screen, STR(" more"));
    screen_end_line(&c.screen);
    screen_end_line(&c.screen);
    ck_assert_str_eq(capture_err(&c), "waiting\n");
    ck_assert_str_eq(capture_out(&c), "some more\n");
    capture_end(&c);
}
END_TEST

START_TEST(a_failed_write_sticks)
{
    struct capture c;
    capture_start(&c);
    c.screen.out = -1;
    c.screen.pending_fd = -1;
    ck_assert(screen_flush(&c.screen));
    screen_out(&c.screen, STR("lost"));
    ck_assert(!screen_flush(&c.screen));
    screen_say(&c.screen, "still said");
    ck_assert(!screen_flush(&c.screen));
    char text[64];
    ck_assert_str_eq(capture_read(c.err, text, sizeof text), "still said\n");
    capture_end(&c);
}
END_TEST

/* Draws "one" and "two"; what that wrote is not looked at. */
static void draw(struct capture *c)
{
    struct lines l;
    lines_init(&l);
    for (int i = 0; i < 2; i++) {
        lines_begin(&l, TONE_NONE);
        buf_addf(&l.text, i == 0 ? "one" : "two");
        lines_end(&l, 0);
    }
    screen_draw(&c->screen, &l);
    lines_fini(&l);
    ck_assert_int_eq(ftruncate(c->err, 0), 0);
    ck_assert_int_eq(lseek(c->err, 0, SEEK_SET), 0);
}

START_TEST(what_is_written_takes_the_place_of_what_is_drawn)
{
    struct capture c;
    capture_start(&c);
    capture_terminal(&c);
    draw(&c);
    screen_say(&c.screen, "said");
    screen_say(&c.screen, "more");
    ck_assert_str_eq(capture_err(&c), "\r\x1B[Jsaid\nmore\n");
    capture_end(&c);
    capture_start(&c);
    capture_terminal(&c);
    draw(&c);
    screen_out(&c.screen, STR("text"));
    ck_assert_str_eq(capture_err(&c), "\r\x1B[J");
    ck_assert_str_eq(capture_out(&c), "text");
    capture_end(&c);
}
END_TEST

START_TEST(what_is_drawn_can_be_left)
{
    struct capture c;
    capture_start(&c);
    capture_terminal(&c);
    draw(&c);
    screen_leave_drawing(&c.screen);
    screen_say(&c.screen, "said");
    ck_assert_str_eq(capture_err(&c), "\x1B[?7l\rone\x1B[K\x1B[1B\r\n\x1B[?7hsaid\n");
    capture_end(&c);
}
END_TEST

START_TEST(a_typed_character_on_what_is_drawn_breaks_no_line)
{
    struct capture c;
    capture_start(&c);
    capture_terminal(&c);
    draw(&c);
    screen_on_echo(&c.screen);
    screen_say(&c.screen, "said");
    ck_assert_str_eq(capture_err(&c), "\r\x1B[Jsaid\n");
    capture_end(&c);
}
END_TEST

Suite *suite_cli_screen(void)
{
    Suite *s = suite_create("cli/screen");
    TCase *t = tcase_create("output");
    tcase_add_test(t, elsewhere_than_on_a_terminal_text_stays_as_it_is);
    tcase_add_test(t, on_a_terminal_it_is_made_harmless);
    tcase_add_test(t, what_is_said_is_one_harmless_line_anywhere);
    tcase_add_test(t, an_aside_is_dimmed_and_ends_before_anything_else);
    tcase_add_test(t, a_line_about_begins_on_a_line_of_its_own);
    tcase_add_test(t, in_a_pipe_the_answer_is_not_broken_by_what_is_said);
    tcase_add_test(t, a_failed_write_sticks);
    tcase_add_test(t, what_is_written_takes_the_place_of_what_is_drawn);
    tcase_add_test(t, what_is_drawn_can_be_left);
    tcase_add_test(t, a_typed_character_on_what_is_drawn_breaks_no_line);
    suite_add_tcase(s, t);
    return s;
}
