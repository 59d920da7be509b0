#ifndef SLUICE_TESTS_SUPPORT_API_RIG_H
#define SLUICE_TESTS_SUPPORT_API_RIG_H
/* The API over a rig, with no socket: a test says what a client sends, and looks at what it gets.
 *
 * Life: api_rig_start on a rig that was started; api_ask, then whatever moves the rig; api_hang_up
 * where the client goes away, api_done for every request; api_rig_stop before the rig's end. */
#include "api/api.h"
#include "tests/support/engine_rig.h"

struct api_rig {
    struct rig *rig;
    struct api api;
    struct api_rules rules; /* of all loops */
};

void api_rig_start(struct api_rig *a, struct rig *rig);
void api_rig_stop(struct api_rig *a);

/* One request and its answer. */
struct asked_api {
    struct api_request request;
    char path[512];
    unsigned answers; /* exactly one comes, unless the client went away first */
    int status;
    struct api_reply reply;          /* of a stream: its head */
    const struct api_stream *stream; /* NULL: it is none */
    struct buf body;                 /* what was sent so far */
    bool is_over;
};

/* "POST /v1/runs?x=y", then headers as "Name: value" lines (NULL: none) and a body (NULL: none).
 * Not settled. */
void api_ask(struct api_rig *a, uint32_t shard, const char *line, const char *headers,
             const char *body, struct asked_api *ret);

/* The client goes away. */
void api_hang_up(struct asked_api *r);

/* Frees what the answer held; a stream that is not over is ended by its client. */
void api_done(struct asked_api *r);

/* The value of the answer's header, NULL if it has none. */
const char *api_header(const struct asked_api *r, const char *name);
#endif
