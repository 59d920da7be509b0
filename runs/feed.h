#ifndef SLUICE_RUNS_FEED_H
#define SLUICE_RUNS_FEED_H
/* The events of a live run: made here, kept until they are committed, and handed to readers as
 * shared bytes.
 *
 *     seq   1 . . . . . . . . . . . . . . . . . . . . n
 *           |-- committed --|-- saving --|-- new -----|
 *           |-- published --------|-- waits for a fact's commit
 *
 * An event that states a fact is published after its commit; news at once, but never past an
 * earlier fact that still waits. A lazy feed publishes everything at once until its first save. At
 * most one save is under way.
 *
 * Lines lie in blocks of bytes that only grow; slices of them are passed to readers on any loop by
 * reference. Blocks are released once committed, except by those who still hold a slice. The feed
 * itself belongs to its run's loop. Bounds: the caller watches feed_uncommitted and pauses whoever
 * produces. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/event.h"

struct feed_block {
    atomic_uint refs;
    uint32_t cap;
    uint32_t len;      /* the owner's */
    uint64_t last_seq; /* of the events in it so far; likewise */
    struct feed_block *next;
    char data[];
};

/* Consecutive events within one block. Whoever keeps one holds a reference to its block. */
struct feed_slice {
    struct feed_block *block;
    struct str lines;
    uint64_t first_seq, last_seq;
};

void feed_slice_ref(const struct feed_slice *s);
void feed_slice_unref(const struct feed_slice *s);

/* A place between two events. */
struct feed_pos {
    struct feed_block *block; /* NULL: before the first */
    uint32_t offset;
    uint64_t seq; /* of the last event before it */
};

struct feed {
    struct feed_block *head, *tail; /* head: the block of `committed`, or the first */
    struct feed_pos committed, saving, published;
    struct feed_pos
        first_fact_saving; /* the place before the first fact that is being saved; seq 0: none */
    struct feed_pos first_fact_new; /* likewise of those that are not being saved yet */
    uint64_t head_seq;              /* of the last event before `head` */
    uint64_t last_seq;
    bool is_saving;
    bool is_lazy;
    size_t bytes; /* held in blocks, for the memory account */
};

/* `after`: the last seq that was used before (a run that is loaded again). */
void feed_init(struct feed *f, uint64_t after);
void feed_fini(struct feed *f);

/* Adds the line of the event with seq last_seq + 1. ERR_NOMEM: nothing was added. */
enum err feed_append(struct feed *f, enum event_kind kind, struct str line) MUST_CHECK;

static inline uint64_t feed_next_seq(const struct feed *f)
{
    return f->last_seq + 1;
}
/* How many events are not committed. */
static inline uint64_t feed_uncommitted(const struct feed *f)
{
    return f->last_seq - f->committed.seq;
}

/* How many slices lie between two places, and the slices themselves. */
uint32_t feed_count(const struct feed *f, const struct feed_pos *from, const struct feed_pos *to);
void feed_slices(const struct feed *f, const struct feed_pos *from, const struct feed_pos *to,
                 struct feed_slice *ret_slices);
struct feed_pos feed_end(const struct feed *f);

/* Everything up to the end is being saved; then that it was, or that it has to be saved again. */
void feed_save_begin(struct feed *f);
void feed_save_done(struct feed *f);
void feed_save_failed(struct feed *f);

/* Moves `published` as far as it may go; the place where it was before. */
struct feed_pos feed_publish(struct feed *f);

/* Gives back blocks that are committed and published: after those who read have their slices. */
void feed_trim(struct feed *f);
#endif
