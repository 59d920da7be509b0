#ifndef SLUICE_CLI_RENDER_H
#define SLUICE_CLI_RENDER_H
/* Values in the form in which a person reads them, and text made harmless for a terminal.
 * Stateless. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

/* Appends text from somebody who may mean ill: no control characters but line feed and tab (so no
 * escape sequence, and no carriage return that writes over a line), no marks that turn the
 * direction of writing, U+FFFD for bytes that are not UTF-8. */
void render_safe(struct buf *b, struct str text);

/* The same on one line: a line feed or tab becomes a blank. */
void render_line(struct buf *b, struct str text);

/* Columns that harmless text on one line takes on a terminal. */
uint32_t render_width(struct str text);

/* The longest beginning of it that takes at most `width` columns, in bytes. */
size_t render_fit(struct str text, uint32_t width);

/* "850 ms", "1.2 s", "3m 05s", "2h 10m", "4d 03h". */
void render_duration(struct buf *b, int64_t ms);

/* "2026-08-01 12:00:00" in the local time zone. */
void render_time(struct buf *b, int64_t wall_ms);

/* A time as the API writes it; false where there is none. */
bool render_read_time(struct json v, int64_t *ret_wall_ms);

/* The characters of a string; of anything else its JSON. Nothing where there is no value. */
void render_value(struct buf *b, struct json v);

/* JSON over several lines, two blanks a level. */
void render_json(struct buf *b, struct json v);

/* A reason as API §2 has it: "no free slot at provider:openai (for 12.0 s)". Nothing for null.
 * `at_ms` is when it was told: the gateway's own clock, so that a wrong one here does no harm; 0:
 * not known. */
void render_reason(struct buf *b, struct json reason, int64_t at_ms);
#endif
