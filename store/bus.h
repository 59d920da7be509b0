#ifndef SLUICE_STORE_BUS_H
#define SLUICE_STORE_BUS_H
/* The event bus as the store keeps it: the segments of all runs, and the events of no run, in the
 * order in which they were committed.
 *
 * Each segment has a key that is larger than that of any segment committed before, and that is
 * never given twice, not even when its run is gone. A segment is never changed. So a place on the
 * bus is a key and how many of that segment's events lie behind it; it stays good for ever, and
 * what has been removed is read over.
 *
 * A bus line is an event's line (model/event.h) with its cursor as the first member:
 * {"id":"7-2","seq":5,"type":"output.delta",..}. Whoever is above the store takes the cursor's text
 * as it is. Pure data; any thread. */
#include "base/buf.h"
#include "model/event.h"

/* Behind the first `count` events of the segment `key`; {0, 0}: before everything. */
struct bus_cursor {
    uint64_t key; /* <= INT64_MAX */
    uint32_t count;
};

enum { BUS_CURSOR_TEXT = 32 }; /* bytes that a cursor's text never passes */

/* Returns how many bytes were written. */
size_t bus_cursor_format(const struct bus_cursor *c, char ret_text[BUS_CURSOR_TEXT]);
bool bus_cursor_parse(struct str text, struct bus_cursor *ret_cursor);

/* Appends bus lines of a segment's events: those behind `after` whose type is in `types`. */
void bus_add_segment(struct buf *out, const struct bus_cursor *after, event_set types, uint64_t key,
                     struct str lines);

/* A bus line taken apart again, as far as framing needs it. */
struct bus_line {
    struct str id, type;
    struct str json; /* the line without its newline */
};

/* Takes the first line off `lines`, as bus_add_segment wrote it. False at the end. */
bool bus_next_line(struct str *lines, struct bus_line *ret_line);
#endif
