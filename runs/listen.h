#ifndef SLUICE_RUNS_LISTEN_H
#define SLUICE_RUNS_LISTEN_H
/* A reader of the event bus: everything that was committed of a tenant behind its cursor, once, in
 * the order of the commits (store/bus.h), and on as it is committed. It has no end.
 *
 *     dry --- a commit ---> in line --- its turn ---> reading --- a page ---> has it --- pulled -,
 *      ^                       ^                         |  nothing, and more to look through    |
 *      |                       '-------------------------+---------------------------------------'
 *      '----------------------------- nothing new, and no commit since --------------------------'
 *
 * Output is pulled, and nothing is read for a reader that has not pulled what it has: a slow one
 * costs a page and slows nobody. Of one loop's readers one reads at a time, in turns: however many
 * listen, lists and replays find the store's readers free; and of each commit a loop hears once.
 *
 * Owned by its opener, on one loop; its memory goes when nothing that it started is under way. */
#include "base/list.h"
#include "net/frame.h"
#include "store/store.h"

struct shard;
struct listen;

struct listen_options {
    struct str tenant;
    event_set types;
    bool has_run; /* only this one's events */
    struct id run;
    struct str agent; /* only events of this one's runs; NULL: all, and what is of no run */
    struct bus_cursor after;
    bool from_end; /* not `after`, but what comes from now on */
    enum frame_format format;
    void (*on_opened)(struct listen *l, void *ctx); /* once: l->opened says how */
    void (*on_ready)(struct listen *l, void *ctx);  /* any number of times, after on_opened */
    void *ctx;
};

enum listen_state { LISTEN_DRY, LISTEN_IN_LINE, LISTEN_READING, LISTEN_HAS_PAGE };

struct listen {
    struct shard *shard;
    struct listen_options options;
    enum err opened;        /* OK, ERR_STORAGE_UNAVAILABLE */
    struct bus_cursor told; /* the last event that was pulled, or where it began */

    /* private */
    char *tenant, *agent; /* owned */
    enum listen_state state;
    struct list link;         /* among those that are dry, or in line */
    struct bus_cursor cursor; /* where it reads on */
    uint64_t commits;         /* heard of by its loop before its last read */
    bool has_seen_all;        /* its last read had found all there was */
    struct buf page;          /* bus lines */
    size_t page_offset;
    bool is_opened, is_closed;
    bool is_begun;   /* the frame that comes before all others was written */
    bool is_waiting; /* pulled dry: on_ready is due when something comes */
    bool is_posted;  /* a callback is on its way */
    struct loop_msg ready;
};

/* Never calls back within the call. ERR_NOMEM. */
enum err listen_open(struct shard *shard, const struct listen_options *options,
                     struct listen **ret_listen) MUST_CHECK;

/* Appends frames until `out` holds `max_bytes` or nothing more is there now; the last may pass it.
 */
void listen_pull(struct listen *l, struct buf *out, size_t max_bytes);

void listen_close(struct listen *l); /* NULL is fine */

/* One loop's readers, and what they share: a place in the shard. */
struct listeners {
    struct shard *shard;
    unsigned count;        /* open ones */
    struct list dry, line; /* struct listen.link; `line` in the order of their turns */
    struct listen *reader; /* whose turn it is; NULL: nobody's */
    struct store_bus read; /* under way for it */
    struct store_watch watch;
    bool is_watching, is_unwatching;
    uint64_t commits;        /* that this loop has heard of */
    struct loop_timer again; /* the store was away */
};

void listeners_init(struct listeners *h, struct shard *shard);
void listeners_fini(struct listeners *h);
#endif
