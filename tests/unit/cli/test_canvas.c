#include "cli/canvas.h"

#include <check.h>

Suite *suite_cli_canvas(void);

static struct canvas c;
static struct lines l;
static struct buf out;

static void start(bool is_coloured)
{
    canvas_init(&c, is_coloured);
    lines_init(&l);
    buf_init(&out, 65536);
}

static void end(void)
{
    canvas_fini(&c);
    lines_fini(&l);
    buf_fini(&out);
}

static void add(enum tone tone, const char *text)
{
    lines_begin(&l, tone);
    buf_add_str(&l.text, str_of(text));
    lines_end(&l, 0);
}

/* What is written to turn what is shown into these lines (NULL: no more), without the frame's start
 * and end. */
static const char *draw(const char *a, const char *b, const char *d)
{
    const char *const texts[] = {a, b, d};
    lines_clear(&l);
    buf_clear(&out);
    for (size_t i = 0; i < 3 && texts[i] != NULL; i++)
        add(TONE_NONE, texts[i]);
    canvas_draw(&c, &l, &out);
    ck_assert_uint_eq(c.rows, l.count);
    buf_add_char(&out, '\0');
    return out.data;
}

START_TEST(the_cursor_comes_back_to_the_first_line)
{
    start(false);
    ck_assert_str_eq(draw("a", "b", "c"),
                     "\x1B[?7l\ra\x1B[K\r\nb\x1B[K\r\nc\x1B[K\r\x1B[2A\x1B[?7h");
    end();
    start(false);
    ck_assert_str_eq(draw("a", NULL, NULL), "\x1B[?7l\ra\x1B[K\r\x1B[?7h");
    end();
}
END_TEST

START_TEST(only_what_has_changed_is_written)
{
    start(false);
    draw("a", "b", "c");
    ck_assert_str_eq(draw("a", "b", "c"), "");
    ck_assert_str_eq(draw("a", "x", "c"), "\x1B[?7l\r\r\nx\x1B[K\r\n\r\x1B[2A\x1B[?7h");
    end();
}
END_TEST

START_TEST(more_and_fewer_lines)
{
    start(false);
    draw("a", NULL, NULL);
    ck_assert_str_eq(draw("a", "b", NULL), "\x1B[?7l\r\r\nb\x1B[K\r\x1B[1A\x1B[?7h");
    ck_assert_str_eq(draw("a", NULL, NULL), "\x1B[?7l\r\r\n\x1B[J\r\x1B[1A\x1B[?7h");
    ck_assert_str_eq(draw(NULL, NULL, NULL), "\r\x1B[J");
    ck_assert_str_eq(draw(NULL, NULL, NULL), "");
    end();
}
END_TEST

START_TEST(what_is_erased_is_drawn_anew)
{
    start(false);
    draw("a", "b", NULL);
    buf_clear(&out);
    canvas_erase(&c, &out);
    ck_assert(str_eq(buf_str(&out), STR("\r\x1B[J")));
    canvas_erase(&c, &out);
    ck_assert_uint_eq(out.len, 4);
    ck_assert_str_eq(draw("a", "b", NULL), "\x1B[?7l\ra\x1B[K\r\nb\x1B[K\r\x1B[1A\x1B[?7h");
    end();
}
END_TEST

/* Bug: the terminal had shown a typed ^C over the first line. */
START_TEST(what_is_left_stands_above_what_comes_next)
{
    start(false);
    draw("a", "b", NULL);
    buf_clear(&out);
    canvas_leave(&c, &out);
    ck_assert(str_eq(buf_str(&out), STR("\x1B[?7l\ra\x1B[K\x1B[1B\r\n\x1B[?7h")));
    ck_assert_uint_eq(c.rows, 0);
    buf_clear(&out);
    canvas_leave(&c, &out);
    ck_assert_uint_eq(out.len, 0);
    end();
}
END_TEST

START_TEST(the_first_word_has_its_tone_and_a_new_tone_is_a_change)
{
    start(true);
    add(TONE_GOOD, "done now");
    add(TONE_NONE, "none");
    add(TONE_BAD, "  x");
    canvas_draw(&c, &l, &out);
    buf_add_char(&out, '\0');
    ck_assert_str_eq(out.data, "\x1B[?7l\r\x1B[32mdone\x1B[m now\x1B[K\r\nnone\x1B[K\r\n"
                               "\x1B[31m\x1B[m  x\x1B[K\r\x1B[2A\x1B[?7h");
    lines_clear(&l);
    buf_clear(&out);
    add(TONE_BAD, "done now");
    add(TONE_NONE, "none");
    add(TONE_BAD, "  x");
    canvas_draw(&c, &l, &out);
    buf_add_char(&out, '\0');
    ck_assert_str_eq(out.data, "\x1B[?7l\r\x1B[31mdone\x1B[m now\x1B[K\r\n\r\n\r\x1B[2A\x1B[?7h");
    end();
}
END_TEST

START_TEST(lines_are_cut_at_a_width)
{
    struct str rest, text;
    enum tone tone;
    start(false);
    lines_begin(&l, TONE_HELD);
    buf_add_lit(&l.text, "12345");
    lines_end(&l, 5);
    lines_begin(&l, TONE_BUSY);
    buf_add_lit(&l.text, "123456");
    lines_end(&l, 5);
    rest = buf_str(&l.text);
    ck_assert(lines_next(&rest, &tone, &text));
    ck_assert(tone == TONE_HELD && str_eq(text, STR("12345")));
    ck_assert(lines_next(&rest, &tone, &text));
    ck_assert(tone == TONE_BUSY && str_eq(text, STR("1234\xE2\x80\xA6")));
    ck_assert(!lines_next(&rest, &tone, &text));
    end();
}
END_TEST

Suite *suite_cli_canvas(void)
{
    Suite *s = suite_create("cli/canvas");
    TCase *t = tcase_create("lines in their place");
    tcase_add_test(t, the_cursor_comes_back_to_the_first_line);
    tcase_add_test(t, only_what_has_changed_is_written);
    tcase_add_test(t, more_and_fewer_lines);
    tcase_add_test(t, what_is_erased_is_drawn_anew);
    tcase_add_test(t, what_is_left_stands_above_what_comes_next);
    tcase_add_test(t, the_first_word_has_its_tone_and_a_new_tone_is_a_change);
    tcase_add_test(t, lines_are_cut_at_a_width);
    suite_add_tcase(s, t);
    return s;
}
