#ifndef SLUICE_CLI_CANVAS_H
#define SLUICE_CLI_CANVAS_H
/* Lines that stay in their place at the end of a terminal's text, and are written over as they
 * change.
 *
 * Makes the bytes that turn what is shown into what shall be shown: only lines that have changed
 * are written again. Between two drawings the cursor rests at the start of the first line: a
 * terminal that is made narrower and breaks the lines anew keeps it there, so that what was drawn
 * can be removed whatever became of it. A line never wraps, whatever the terminal thinks of its
 * width. No line may be as wide as the terminal, nor there be as many as it is high; when its size
 * changes, what is shown is to be erased.
 *
 * Pure: bytes are appended to a buffer that the caller writes, at once, to the terminal. Life:
 * canvas_init, any calls, canvas_fini. */
#include "cli/lines.h"

struct canvas {
    bool is_coloured;
    uint32_t rows;    /* that are on the terminal */
    struct buf shown; /* as in `struct lines` */
};

void canvas_init(struct canvas *c, bool is_coloured);
void canvas_fini(struct canvas *c);

void canvas_draw(struct canvas *c, const struct lines *lines, struct buf *ret);

/* Removes what is shown, for other text to take its place. */
void canvas_erase(struct canvas *c, struct buf *ret);

/* Leaves it there for good: what comes next begins below. The first line is written again, as the
 * terminal may have shown there what was typed. */
void canvas_leave(struct canvas *c, struct buf *ret);

/* What was shown is not there any more, or somewhere else: nothing is shown. */
void canvas_forget(struct canvas *c);
#endif
