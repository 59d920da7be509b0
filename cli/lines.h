#ifndef SLUICE_CLI_LINES_H
#define SLUICE_CLI_LINES_H
/* Lines of harmless text, each with a tone for its first word: what a canvas shows.
 *
 * Life: lines_init, lines_begin before the text of each line, which is then appended to `text`,
 * lines_end behind it; lines_next takes them off a view; lines_fini. One thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum tone {
    TONE_NONE,
    TONE_QUIET, /* has not begun, or does not matter any more */
    TONE_BUSY,
    TONE_HELD, /* waits */
    TONE_GOOD,
    TONE_BAD,
};

struct lines {
    struct buf text; /* of each line: its tone as a letter, its text, a line feed */
    uint32_t count;
    size_t start; /* of the line that is being written */
};

void lines_init(struct lines *l);
void lines_fini(struct lines *l);
void lines_clear(struct lines *l);

void lines_begin(struct lines *l, enum tone tone);

/* Cuts the line at `width` columns, the last of them an ellipsis then; 0: never. */
void lines_end(struct lines *l, uint32_t width);

/* Takes the first line off. False: there is none. */
bool lines_next(struct str *lines, enum tone *ret_tone, struct str *ret_text);
#endif
