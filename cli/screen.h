#ifndef SLUICE_CLI_SCREEN_H
#define SLUICE_CLI_SCREEN_H
/* Standard output for what was asked for, standard error for what is said about it, in the order in
 * which it was written.
 *
 * What goes to a terminal is made harmless; what goes elsewhere stays as it is. Lines on standard
 * error are always one line of harmless text. Where both are terminals, a line about begins on a
 * line of its own.
 *
 * Lines may be drawn below all that was written, and again as they change: what is written later
 * takes their place, until they are drawn again.
 *
 * Life: screen_init, any calls, screen_flush (what is written is held back until then, or until
 * much has come), screen_fini. One thread. A failed write, as to a pipe that was closed, sticks:
 * later output is dropped. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/canvas.h"

struct screen {
    int out, err; /* descriptors, borrowed */
    bool out_is_terminal, err_is_terminal;
    bool is_styled; /* the terminal may be told to dim its text */
    bool can_draw;  /* both are terminals, of which lines can be written over */
    uint32_t width; /* columns of the terminal at `out`; 0: it is none */

    struct buf pending;
    int pending_fd;
    bool is_mid_line; /* text on `out` has not been ended with a line feed */
    bool is_dim;
    bool has_failed;

    struct canvas canvas;   /* at the end of what is on the terminal; its text comes and goes */
    uint32_t columns, rows; /* the terminal's size when that was drawn */
};

void screen_init(struct screen *s, int out, int err);
void screen_fini(struct screen *s);

void screen_out(struct screen *s, struct str text);

/* Text beside the answer: dimmed where that can be. */
void screen_aside(struct screen *s, struct str text);

/* Ends a line on `out` that has begun. */
void screen_end_line(struct screen *s);

/* A line on `err`, without its end. */
void screen_say(struct screen *s, const char *format, ...) PRINTF_LIKE(2, 3);

/* The terminal has shown something of its own, as the ^C that was typed: a line about begins on a
 * new line. */
void screen_on_echo(struct screen *s);

/* How many columns and rows there are for lines that are drawn. Only where `can_draw`. */
void screen_measure(struct screen *s, uint32_t *ret_width, uint32_t *ret_height);

/* Draws lines that fit, at once. */
void screen_draw(struct screen *s, const struct lines *lines);

/* What is drawn stays for good. */
void screen_leave_drawing(struct screen *s);

/* False: output was lost, or there is nobody left to read it. */
bool screen_flush(struct screen *s);
#endif
