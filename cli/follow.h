#ifndef SLUICE_CLI_FOLLOW_H
#define SLUICE_CLI_FOLLOW_H
/* A run's events, as they come over the stream, on the screen: as text (tell.h), as a tree that is
 * drawn (live.h), or, as NDJSON, as they are.
 *
 * Life: follow_init, follow_bytes for whatever a connection brings, follow_reconnected before
 * another one's first bytes, follow_fini. One thread. Bound: an event of FOLLOW_MAX_EVENT bytes. */
#include "cli/live.h"
#include "cli/tell.h"
#include "net/sse_parse.h"

enum { FOLLOW_MAX_EVENT = 64 << 20 };

enum follow_form {
    FOLLOW_NEW,   /* a run that was created here, for people */
    FOLLOW_KNOWN, /* one that was there before */
    FOLLOW_JSON,
};

struct follow {
    struct screen *screen;
    bool as_json;
    uint64_t seq;    /* of the last event; where another connection goes on */
    uint64_t events; /* how many have come */
    bool has_ended;
    struct buf run; /* the finished run's JSON, as run.finished told it */
    struct tell tell;
    struct live live;

    /* private */
    struct sse_parser parser;
    struct json_doc doc;
    struct arena arena; /* strings of the event at hand */
};

void follow_init(struct follow *f, struct screen *screen, enum follow_form form, uint64_t after);
void follow_fini(struct follow *f);

/* False where there is no point in going on: it has ended, the output is lost, or these are no
 * events. */
bool follow_bytes(struct follow *f, struct str bytes);

void follow_reconnected(struct follow *f);
#endif
