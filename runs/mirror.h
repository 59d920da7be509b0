#ifndef SLUICE_RUNS_MIRROR_H
#define SLUICE_RUNS_MIRROR_H
/* A live run's events on their way to the loops of its readers.
 *
 *     owner's loop                                  reader's loop
 *     join <----------------------------------------- follower (runs/follow.h)
 *     answers with what its feed holds -------------> follower, now in the loop's mirror of it
 *     publishes: one message a turn and loop -------> mirror -> each follower
 *     the run leaves -------------------------------> mirror -> each follower looks elsewhere
 *
 * Bytes are shared by reference; between two loops only messages pass, in order. Where both are the
 * same loop, the messages are calls. */
#include "base/list.h"
#include "base/loop.h"
#include "base/map.h"
#include "runs/feed.h"

struct run;
struct shard;
struct follow;

/* A follower's question to the run's owner, and the answer. Embedded in the follower. */
struct join {
    struct loop_msg msg;
    struct shard *from, *to;
    struct id id;
    struct str tenant;
    bool wants_slices;                 /* false: only the end is of interest */
    void (*on_joined)(struct join *j); /* on `from` */

    bool found;
    bool is_full;              /* too many readers */
    struct feed_slice *slices; /* what the feed holds and may be told; freed by the receiver, with
                                  their references */
    uint32_t slice_count;
    uint64_t first_seq; /* of the first event that the slices hold, or that is to come */
    uint64_t last_seq;  /* of the last event that was told */
    bool has_ended;     /* it is run.finished */
};

void join_start(struct join *j); /* on `from` */

/* One loop's readers of one run. */
struct mirror {
    struct map_node node;
    struct id id;
    struct shard *owner;
    struct list followers; /* struct follow.mirror_link */
    bool is_delivering;
};

/* Puts a follower that has joined into its loop's mirror; ERR_NOMEM. Takes it out again: the owner
 * hears of it. */
enum err mirror_enter(struct shard *shard, struct follow *f, struct shard *owner) MUST_CHECK;
void mirror_leave(struct shard *shard, struct follow *f, struct shard *owner);

/* From the run's side: sends what may be told now; then that the run is no longer here. */
void mirror_publish(struct run *run);
void mirror_run_gone(struct run *run);
#endif
