#ifndef SLUICE_API_RUN_STREAM_H
#define SLUICE_API_RUN_STREAM_H
/* A run's events as the answer to a request: used by creates and by GET .../events. */
#include "api/streams.h"
#include "runs/follow.h"

struct run_stream_options {
    struct id id;
    uint64_t after;
    event_set types;
    enum frame_format format;
    bool to_the_end;
    bool cancel_on_gone; /* on_disconnect of the run that this request created */
};

/* Answers `r`, now or later: with a stream whose head is `head` (its status is set here), with 204
 * where a run that has ended holds nothing behind `after`, or with a problem. */
void run_stream_start(struct api_request *r, const struct run_stream_options *options,
                      struct api_reply *head);

/* Cancels a run because its creator went away; nobody waits for the outcome. `tenant` stays. */
void run_cancel_for_gone(struct shard *shard, struct str tenant, const struct id *run);
#endif
