#include "cli/screen.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/render.h"
#include "cli/restore.h"

enum { HELD_BACK = 65536, USUAL_WIDTH = 80, USUAL_HEIGHT = 24, NARROWEST = 20 };

static void read_size(int fd, uint32_t *ret_columns, uint32_t *ret_rows)
{
    struct winsize size = {.ws_col = 0};
    bool fine = ioctl(fd, TIOCGWINSZ, &size) == 0;
    *ret_columns = fine && size.ws_col > 0 ? size.ws_col : USUAL_WIDTH;
    *ret_rows = fine && size.ws_row > 0 ? size.ws_row : USUAL_HEIGHT;
}

static uint32_t width_of(int fd)
{
    uint32_t columns, rows;
    read_size(fd, &columns, &rows);
    return columns < NARROWEST ? NARROWEST : columns;
}

static bool knows_escapes(void)
{
    const char *term = getenv("TERM");
    return term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

/* https://no-color.org */
static bool wants_colour(void)
{
    const char *plain = getenv("NO_COLOR");
    return plain == NULL || plain[0] == '\0';
}

void screen_init(struct screen *s, int out, int err)
{
    *s = (struct screen){.out = out, .err = err, .pending_fd = out};
    s->out_is_terminal = isatty(out) == 1;
    s->err_is_terminal = isatty(err) == 1;
    s->is_styled = s->out_is_terminal && knows_escapes() && wants_colour();
    s->can_draw = s->out_is_terminal && s->err_is_terminal && knows_escapes();
    s->width = s->out_is_terminal ? width_of(out) : 0;
    buf_init(&s->pending, SIZE_MAX);
    canvas_init(&s->canvas, s->is_styled);
}

void screen_fini(struct screen *s)
{
    canvas_fini(&s->canvas);
    buf_fini(&s->pending);
}

/* A descriptor that somebody made non-blocking is waited for. */
static bool write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* What is said on `err` may get lost: it decides nothing. */
bool screen_flush(struct screen *s)
{
    bool lost =
        buf_ok(&s->pending) != OK || !write_all(s->pending_fd, s->pending.data, s->pending.len);
    if (lost && s->pending_fd == s->out)
        s->has_failed = true;
    buf_clear(&s->pending);
    return !s->has_failed;
}

/* The place to append to; flushes what must come out before. */
static struct buf *reach(struct screen *s, int fd)
{
    if (s->pending_fd != fd || s->pending.len > HELD_BACK)
        screen_flush(s);
    s->pending_fd = fd;
    return &s->pending;
}

/* The same for text, which takes the place of what is drawn. */
static struct buf *target(struct screen *s, int fd)
{
    if (s->canvas.rows > 0) {
        canvas_erase(&s->canvas, reach(s, s->err));
        screen_flush(s);
        restore_disarm();
    }
    return reach(s, fd);
}

static void set_dim(struct screen *s, bool dim)
{
    if (s->is_dim == dim)
        return;
    s->is_dim = dim;
    buf_add_str(target(s, s->out), dim ? STR("\x1B[2m") : STR("\x1B[22m"));
}

static void put(struct screen *s, struct str text)
{
    struct buf *b = target(s, s->out);
    if (text.len == 0 || s->has_failed)
        return;
    if (s->out_is_terminal)
        render_safe(b, text);
    else
        buf_add_str(b, text);
    s->is_mid_line = text.at[text.len - 1] != '\n';
}

void screen_out(struct screen *s, struct str text)
{
    set_dim(s, false);
    put(s, text);
}

void screen_aside(struct screen *s, struct str text)
{
    set_dim(s, s->is_styled);
    put(s, text);
}

void screen_end_line(struct screen *s)
{
    set_dim(s, false);
    if (s->is_mid_line)
        put(s, STR("\n"));
}

void screen_on_echo(struct screen *s)
{
    s->is_mid_line |= s->out_is_terminal && s->canvas.rows == 0; /* that will be erased with it */
}

void screen_say(struct screen *s, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    set_dim(s, false);
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return;
    struct buf *b = target(s, s->err);
    if (s->is_mid_line && s->out_is_terminal && s->err_is_terminal) {
        buf_add_char(b, '\n');
        s->is_mid_line = false;
    }
    render_line(b, (struct str){text, (size_t)n});
    buf_add_char(b, '\n');
    free(text);
}

/* --- drawing ---------------------------------------------------------------------------------- */

/* One column stays free, so that the cursor never stands beyond the last one, and one row, so that
 * the first line is not scrolled away. */
void screen_measure(struct screen *s, uint32_t *ret_width, uint32_t *ret_height)
{
    uint32_t columns, rows;
    read_size(s->err, &columns, &rows);
    if (columns != s->columns || rows != s->rows)
        canvas_erase(&s->canvas, reach(s, s->err));
    s->columns = columns;
    s->rows = rows;
    *ret_width = columns > 2 ? columns - 1 : 2;
    *ret_height = rows > 2 ? rows - 1 : 1;
}

void screen_draw(struct screen *s, const struct lines *lines)
{
    screen_end_line(s);
    if (restore_was_used())
        canvas_forget(&s->canvas);
    uint32_t before = s->canvas.rows;
    canvas_draw(&s->canvas, lines, reach(s, s->err));
    /* a signal may come while they are written: rows that are not there yet are passed, too */
    restore_arm(s->err, before > s->canvas.rows ? before : s->canvas.rows);
    screen_flush(s);
    restore_arm(s->err, s->canvas.rows);
}

void screen_leave_drawing(struct screen *s)
{
    if (s->canvas.rows == 0)
        return;
    canvas_leave(&s->canvas, reach(s, s->err));
    screen_flush(s);
    restore_disarm();
}
