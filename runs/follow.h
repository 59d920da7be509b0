#ifndef SLUICE_RUNS_FOLLOW_H
#define SLUICE_RUNS_FOLLOW_H
/* A reader of a run: every event once, in order, from any seq, wherever the run is: live on any
 * loop, parked, queued, or ended.
 *
 *     look -- live ------> join its owner: what that still holds, then one message a turn
 *          |               (what lies before that is read from the store first)
 *          |- not live --> read the store, page by page -> run.finished: over
 *                                    | nothing more: watch the store for a change -> look
 *
 * Output is pulled: follow_pull writes frames as long as there is room; on_ready says that there is
 * more, or that it is over. A reader that does not pull costs at most reader_bytes: past that its
 * queue is dropped, and it is served from the store when it pulls again. Owned by its opener, on
 * one loop; its memory goes when nothing that it started is under way. */
#include "model/event.h"
#include "net/frame.h"
#include "runs/mirror.h"
#include "store/store.h"

struct shard;

struct follow_options {
    struct str tenant;
    struct id id;
    uint64_t after;
    event_set types;
    enum frame_format format;
    bool to_the_end; /* false: only what is there now */
    bool only_end;   /* no events are pulled: just wait for the end */
    void (*on_opened)(struct follow *f, void *ctx); /* once: f->opened says how */
    void (*on_ready)(struct follow *f, void *ctx);  /* any number of times, after on_opened */
    void *ctx;
};

struct follow {
    struct shard *shard;
    struct follow_options options;
    char *tenant;    /* owned */
    uint64_t cursor; /* the last event that was pulled, or skipped */
    enum err opened; /* OK, ERR_NOT_FOUND, ERR_OVERLOADED, ERR_STORAGE_UNAVAILABLE */
    bool is_opened;
    bool is_over;
    bool is_past_end; /* the run has ended, and nothing lies behind `after` */

    /* private */
    bool is_begun;   /* the frame that comes before all others was written */
    bool is_waiting; /* pulled dry: on_ready is due when something comes */
    bool is_posted;  /* a callback is on its way */
    bool is_closed;
    bool is_behind; /* fell behind: reads the store to its end before it joins again */
    unsigned busy;  /* joins, reads and watches under way */

    struct join join;
    bool is_joining;
    struct shard *owner; /* joined: in the mirror of the run that lives there */
    struct list mirror_link;
    uint64_t live_from;       /* the first event that came, or will come, from the owner */
    struct feed_slice *queue; /* a ring of slices from the owner */
    uint32_t queue_at, queue_count, queue_cap;
    size_t queue_bytes;
    size_t slice_offset; /* how much of the first one was pulled */

    struct store_events read;
    bool is_reading;
    struct buf replay; /* lines from the store */
    size_t replay_offset;

    struct store_watch watch;
    bool is_watching;
    bool has_hint;

    struct loop_msg ready;
    struct loop_timer again; /* the store was away */
};

/* Never calls back within the call. */
enum err follow_open(struct shard *shard, const struct follow_options *options,
                     struct follow **ret_follow) MUST_CHECK;

/* Appends frames until `out` holds `max_bytes` or nothing more is there now; the last may pass it.
 */
void follow_pull(struct follow *f, struct buf *out, size_t max_bytes);

/* Nothing more comes: all was pulled, up to the end or to what was there. */
static inline bool follow_is_over(const struct follow *f)
{
    return f->is_over;
}

void follow_close(struct follow *f); /* NULL is fine */

/* From the mirror: events; the run has left its loop. */
void follow_on_news(struct follow *f, const struct feed_slice *slices, uint32_t count,
                    bool has_ended);
void follow_on_gone(struct follow *f);
#endif
