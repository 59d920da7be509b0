#include "cli/canvas.h"

/* ECMA-48, and DEC's autowrap mode (DECAWM). */
#define CLEAR_BELOW "\x1B[J"
#define CLEAR_RIGHT "\x1B[K"
#define WRAP_OFF    "\x1B[?7l"
#define WRAP_ON     "\x1B[?7h"

void canvas_init(struct canvas *c, bool is_coloured)
{
    *c = (struct canvas){.is_coloured = is_coloured};
    buf_init(&c->shown, SIZE_MAX);
}

void canvas_fini(struct canvas *c)
{
    buf_fini(&c->shown);
}

static const char *colour_of(enum tone tone)
{
    switch (tone) {
    case TONE_QUIET: return "2"; /* dim */
    case TONE_BUSY: return "36"; /* cyan */
    case TONE_HELD: return "33"; /* yellow */
    case TONE_GOOD: return "32"; /* green */
    case TONE_BAD: return "31";  /* red */
    case TONE_NONE: break;
    }
    return NULL;
}

/* The tone is that of the first word. */
static void write_line(const struct canvas *c, enum tone tone, struct str text, struct buf *ret)
{
    const char *colour = c->is_coloured ? colour_of(tone) : NULL;
    if (colour != NULL) {
        size_t word = 0;
        while (word < text.len && text.at[word] != ' ')
            word++;
        buf_addf(ret, "\x1B[%sm%.*s\x1B[m", colour, (int)word, text.at);
        text.at += word;
        text.len -= word;
    }
    buf_add_str(ret, text);
    buf_add_lit(ret, CLEAR_RIGHT);
}

static void move_up(uint32_t rows, struct buf *ret)
{
    buf_add_char(ret, '\r');
    if (rows > 0)
        buf_addf(ret, "\x1B[%uA", (unsigned)rows);
}

/* From the first row to the last, of which those that are the same are only passed. Rows below the
 * last one are there on the terminal only if they were drawn before. */
static void write_rows(const struct canvas *c, const struct lines *lines, struct buf *ret)
{
    struct str now = buf_str(&lines->text), before = buf_str(&c->shown), text, old_text;
    enum tone tone, old_tone;
    for (uint32_t row = 0; lines_next(&now, &tone, &text); row++) {
        bool was_there = lines_next(&before, &old_tone, &old_text);
        if (row > 0)
            buf_add_lit(ret, "\r\n");
        if (!was_there || tone != old_tone || !str_eq(text, old_text))
            write_line(c, tone, text, ret);
    }
    if (lines->count < c->rows)
        buf_add_lit(ret, "\r\n" CLEAR_BELOW);
}

/* Where there is no memory for it, all of it is written again the next time. */
static void remember(struct canvas *c, const struct lines *lines)
{
    buf_clear(&c->shown);
    buf_add_str(&c->shown, buf_str(&lines->text));
    if (buf_ok(&c->shown) != OK)
        buf_clear(&c->shown);
    c->rows = lines->count;
}

void canvas_draw(struct canvas *c, const struct lines *lines, struct buf *ret)
{
    if (buf_ok(&lines->text) != OK)
        return;
    if (lines->count == 0) {
        canvas_erase(c, ret);
        return;
    }
    if (c->rows == lines->count && str_eq(buf_str(&c->shown), buf_str(&lines->text)))
        return;
    buf_add_lit(ret, WRAP_OFF "\r");
    write_rows(c, lines, ret);
    move_up(lines->count - (lines->count < c->rows ? 0 : 1), ret);
    buf_add_lit(ret, WRAP_ON);
    remember(c, lines);
}

void canvas_erase(struct canvas *c, struct buf *ret)
{
    if (c->rows > 0)
        buf_add_lit(ret, "\r" CLEAR_BELOW);
    canvas_forget(c);
}

void canvas_leave(struct canvas *c, struct buf *ret)
{
    struct str shown = buf_str(&c->shown), text;
    enum tone tone;
    if (c->rows == 0)
        return;
    buf_add_lit(ret, WRAP_OFF "\r");
    if (lines_next(&shown, &tone, &text))
        write_line(c, tone, text, ret);
    if (c->rows > 1)
        buf_addf(ret, "\x1B[%uB", (unsigned)(c->rows - 1));
    buf_add_lit(ret, "\r\n" WRAP_ON);
    canvas_forget(c);
}

void canvas_forget(struct canvas *c)
{
    buf_clear(&c->shown);
    c->rows = 0;
}
