#ifndef SLUICE_CLI_FOLLOW_H
#define SLUICE_CLI_FOLLOW_H
/* A run's events, as they come over the stream, on the screen.
 *
 * The answer's text goes to standard output as it comes; what the run waits for, retries, or loses,
 * and the steps of a tree, are lines on standard error. As NDJSON, events go out as they are. Only
 * the root task's text is the answer: the texts of a tree's leaves would run into each other.
 *
 * Life: follow_init, follow_bytes for whatever a connection brings, follow_reconnected before
 * another one's first bytes, follow_fini. One thread. Bound: an event of FOLLOW_MAX_EVENT bytes. */
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "cli/screen.h"
#include "net/sse_parse.h"

enum { FOLLOW_MAX_EVENT = 64 << 20, FOLLOW_FAILURE = 240 };

struct follow {
    struct screen *screen;
    bool as_json;
    uint64_t seq;      /* of the last event; where another connection goes on */
    uint64_t events;   /* how many have come */
    bool has_text;     /* some of the answer was shown */
    int64_t attempt;   /* the one whose text that was */
    bool is_thinking;  /* the last text was reasoning */
    bool is_cancelled; /* the user knows of the cancel: it was theirs */
    bool has_ended;
    struct buf run; /* the finished run's JSON, as run.finished told it */

    /* private */
    struct sse_parser parser;
    struct json_doc doc;
    struct arena arena;           /* strings of the event at hand */
    char failure[FOLLOW_FAILURE]; /* why the last attempt failed, until it is known what comes of it
                                   */
};

void follow_init(struct follow *f, struct screen *screen, bool as_json, uint64_t after);
void follow_fini(struct follow *f);

/* False where there is no point in going on: it has ended, the output is lost, or these are no
 * events. */
bool follow_bytes(struct follow *f, struct str bytes);

void follow_reconnected(struct follow *f);
#endif
