#ifndef SLUICE_BASE_LOOP_H
#define SLUICE_BASE_LOOP_H
/* One thread's event loop, on libuv: descriptors, timers, a mailbox, and an end of turn.
 *
 * A turn is: due timers, then what poll(2) reports (descriptors, mailbox), then the end of turn:
 * queued messages to itself are handled one at a time until none is left, then the hooks run in the
 * order in which they were added, then what was given to loop_free_later is freed. Nothing blocks
 * but the poll. Messages that breed messages for more than 64 generations, and timers that re-arm
 * themselves at once, go on in the next turn, which then polls without blocking.
 *
 * Life: loop_create, loop_run on one thread until loop_stop, loop_destroy. Everything below is for
 * the loop's own thread, but for loop_post and loop_stop, which any thread may call. Objects
 * (timers, messages, hooks) are embedded by their owner, who keeps them in place while they are
 * armed or queued. */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"

struct loop;

/* `fake` (may be NULL) makes time stand still until a test moves it; see loop_turn. */
enum err loop_create(const struct clock_fake *fake, struct loop **ret_loop) MUST_CHECK;
void loop_destroy(struct loop *loop); /* all watches are closed, nothing is posted any more */

void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* any thread */

/* One turn without blocking, for tests that own the clock. True while something happened that may
 * lead to more. */
bool loop_turn(struct loop *loop);

/* The time, read once a turn, and once for each generation of its messages. Deadlines are absolute
 * monotonic ms. */
uint64_t loop_now_ms(const struct loop *loop);

/* clock_stamp_ms: the wall time when the process first asked, and what has passed since; all loops
 * agree. A clock that is set meanwhile moves no deadline that is stored as wall time; stamps follow
 * it from the next start on. */
int64_t loop_wall_ms(const struct loop *loop);

/* The clock by which it goes, NULL for the real ones: for what is shared between loops, and needs
 * the time in between. Any thread. */
const struct clock_fake *loop_clock(const struct loop *loop);

/* --- timers ----------------------------------------------------------------------------------- */

struct loop_timer;
typedef void loop_timer_fn(struct loop_timer *timer);

struct loop_timer {
    struct heap_node node;
    struct loop *loop;
    loop_timer_fn *on_fire;
};

void loop_timer_init(struct loop_timer *t, struct loop *loop, loop_timer_fn *on_fire);
/* Moves it where it is armed already. A time that has passed is now; UINT64_MAX is never. */
void loop_timer_start(struct loop_timer *t, uint64_t at_ms);
void loop_timer_stop(struct loop_timer *t); /* nothing where it is not armed */
static inline bool loop_timer_is_armed(const struct loop_timer *t)
{
    return t->node.linked;
}

/* When the next timer is due, UINT64_MAX if none is armed. */
uint64_t loop_next_timer_ms(const struct loop *loop);

/* --- messages --------------------------------------------------------------------------------- */

struct loop_msg;
typedef void loop_msg_fn(struct loop_msg *msg);

/* In flight it belongs to the loop; from on_arrive on it is the receiver's. */
struct loop_msg {
    struct loop_msg *next;
    loop_msg_fn *on_arrive;
};

/* From any thread. Messages of one sender arrive in their order. A burst wakes the loop once. */
void loop_post(struct loop *loop, struct loop_msg *msg);

/* To itself: handled before this turn ends (but see above), after those queued before it. The way
 * in which a callback starts something without re-entering its caller. */
void loop_soon(struct loop *loop, struct loop_msg *msg);

/* --- end of turn ------------------------------------------------------------------------------ */

struct loop_hook {
    struct list link;
    void (*on_turn_end)(struct loop_hook *hook);
};

/* Any time, also from a hook. */
void loop_hook_add(struct loop *loop, struct loop_hook *hook);
void loop_hook_remove(struct loop_hook *hook);

struct loop_deferred {
    struct loop_deferred *next;
    void (*destroy)(struct loop_deferred *self);
};

/* `destroy` is called when this turn ends: until then, a stale pointer on the stack of a callback
 * is harmless. */
void loop_free_later(struct loop *loop, struct loop_deferred *object,
                     void (*destroy)(struct loop_deferred *self));

/* --- descriptors ------------------------------------------------------------------------------ */

enum loop_io {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
    LOOP_GONE = 4 /* the peer closed its side: EPOLLRDHUP */
};

struct loop_watch;
typedef void loop_watch_fn(void *owner, int fd,
                           unsigned events); /* events: a set of enum loop_io */

/* Watches `fd`, which stays its owner's and is closed only after loop_watch_close. Watches nothing
 * until told. An error on the descriptor is reported as everything that is watched.
 * Level-triggered. */
enum err loop_watch_open(struct loop *loop, int fd, loop_watch_fn *on_io, void *owner,
                         struct loop_watch **ret_watch) MUST_CHECK;
void loop_watch_set(struct loop_watch *w, unsigned events); /* 0: nothing */
unsigned loop_watch_events(const struct loop_watch *w);
void loop_watch_set_owner(struct loop_watch *w, void *owner);
void loop_watch_close(
    struct loop_watch *w); /* no more callbacks; its memory goes a turn later. NULL is fine */
#endif
