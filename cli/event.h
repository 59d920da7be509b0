#ifndef SLUICE_CLI_EVENT_H
#define SLUICE_CLI_EVENT_H
/* An event of a run, as the stream brings it (API §3), taken apart. Stateless. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"

/* Views and cursors are borrowed from the text and the arena. */
struct event {
    struct str type;
    struct str task; /* path; NULL: an event of the run */
    bool has_seq;    /* stream.end has none */
    uint64_t seq;
    int64_t at_ms;   /* wall, by the gateway's clock; 0: not told */
    int64_t attempt; /* 0: none */
    struct json data;
};

/* False: it is no event. */
bool event_read(struct json root, struct arena *arena, struct event *ret);

/* A string member, "" where there is none. As valid as the arena. */
struct str event_text(struct json object, struct str name, struct arena *arena);
#endif
