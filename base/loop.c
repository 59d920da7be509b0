#include "base/loop.h"

#include <assert.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/mem.h"

/* Rounds of messages-to-itself within one end of turn: answers to the messages of one round are the
 * next. Past it the loop polls (without blocking) before it goes on, so that two parties that
 * answer each other for ever cannot lock descriptors and timers out. */
enum { MAX_ROUNDS = 64 };

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t turn_end;
    uv_idle_t spin; /* active: the next poll must not block */
    uv_timer_t alarm;
    uint64_t alarm_at_ms; /* what `alarm` is set to, UINT64_MAX: off */
    struct heap timers;
    _Atomic(struct loop_msg *) inbox; /* newest first */
    struct loop_msg *soon_head, **soon_tail;
    struct list hooks;
    struct loop_deferred *deferred;
    const struct clock_fake *fake;
    int64_t wall_ahead_ms; /* of steady time */
    atomic_bool stopping;
    bool busy; /* something happened in this turn */
};

struct loop_watch {
    uv_poll_t poll;
    loop_watch_fn *on_io;
    void *owner;
    int fd;
    unsigned events;
};

static void on_wake(uv_async_t *wake);
static void on_turn_end(uv_prepare_t *prepare);
static void on_alarm(uv_timer_t *alarm);

static void on_spin(uv_idle_t *spin)
{
    (void)spin; /* being active is all that it is for */
}

enum err loop_create(const struct clock_fake *fake, struct loop **ret_loop)
{
    struct loop *l = mem_zalloc(sizeof *l);
    if (l == NULL)
        return ERR_NOMEM;
    if (uv_loop_init(&l->uv) != 0) {
        mem_free(l);
        return ERR_IO;
    }
    l->fake = fake;
    l->wall_ahead_ms = clock_wall_ahead_ms(fake);
    l->alarm_at_ms = UINT64_MAX;
    l->soon_tail = &l->soon_head;
    heap_init(&l->timers);
    list_init(&l->hooks);
    l->uv.data = l;
    if (uv_async_init(&l->uv, &l->wake, on_wake) != 0) {
        uv_loop_close(&l->uv);
        mem_free(l);
        return ERR_IO;
    }
    /* These three only link a struct into the loop. */
    uv_prepare_init(&l->uv, &l->turn_end);
    uv_idle_init(&l->uv, &l->spin);
    uv_timer_init(&l->uv, &l->alarm);
    uv_prepare_start(&l->turn_end, on_turn_end);
    *ret_loop = l;
    return OK;
}

void loop_destroy(struct loop *l)
{
    if (l == NULL)
        return;
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->turn_end, NULL);
    uv_close((uv_handle_t *)&l->spin, NULL);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0); /* a watch is still open */
    (void)rc;
    while (l->deferred != NULL) {
        struct loop_deferred *d = l->deferred;
        l->deferred = d->next;
        d->destroy(d);
    }
    mem_free(l);
}

void loop_run(struct loop *l)
{
    while (!atomic_load(&l->stopping))
        uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stopping, true);
    uv_async_send(&l->wake);
}

bool loop_turn(struct loop *l)
{
    l->busy = false;
    if (l->fake != NULL && loop_next_timer_ms(l) <= loop_now_ms(l))
        on_alarm(&l->alarm);
    uv_run(&l->uv, UV_RUN_NOWAIT);
    return l->busy;
}

uint64_t loop_now_ms(const struct loop *l)
{
    return l->fake ? clock_mono_ms(l->fake) : uv_now(&l->uv);
}

int64_t loop_wall_ms(const struct loop *l)
{
    return l->wall_ahead_ms + clock_steady_ms(l->fake);
}

const struct clock_fake *loop_clock(const struct loop *l)
{
    return l->fake;
}

/* --- timers ----------------------------------------------------------------------------------- */

void loop_timer_init(struct loop_timer *t, struct loop *loop, loop_timer_fn *on_fire)
{
    *t = (struct loop_timer){.loop = loop, .on_fire = on_fire};
}

/* What is due already is due now, behind all that is: see fire_due. */
void loop_timer_start(struct loop_timer *t, uint64_t at_ms)
{
    uint64_t now = loop_now_ms(t->loop);
    if (at_ms < now)
        at_ms = now;
    if (t->node.linked && t->node.key == at_ms)
        return;
    heap_remove(&t->loop->timers, &t->node);
    heap_insert(&t->loop->timers, &t->node, at_ms);
}

void loop_timer_stop(struct loop_timer *t)
{
    if (t->node.linked)
        heap_remove(&t->loop->timers, &t->node);
}

uint64_t loop_next_timer_ms(const struct loop *l)
{
    struct heap_node *first = heap_first(&l->timers);
    return first ? first->key : UINT64_MAX;
}

/* Only what was armed before this pass fires in it: a callback that re-arms at once must not starve
 * the loop. Nothing is armed to a time before now, so when a newer timer comes first, no older one
 * is due behind it. */
static void fire_due(struct loop *l)
{
    uint64_t now = loop_now_ms(l);
    uint64_t newest = l->timers.arrivals;
    for (;;) {
        struct heap_node *first = heap_first(&l->timers);
        if (first == NULL || first->key > now || first->order >= newest)
            return;
        heap_remove(&l->timers, first);
        struct loop_timer *t = CONTAINER_OF(first, struct loop_timer, node);
        l->busy = true;
        t->on_fire(t);
    }
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *l = alarm->loop->data;
    l->alarm_at_ms = UINT64_MAX;
    fire_due(l);
}

static void set_alarm(struct loop *l)
{
    uint64_t at = l->fake ? UINT64_MAX : loop_next_timer_ms(l);
    if (at == l->alarm_at_ms)
        return;
    l->alarm_at_ms = at;
    if (at == UINT64_MAX) {
        uv_timer_stop(&l->alarm);
        return;
    }
    uint64_t now = uv_now(&l->uv);
    uv_timer_start(&l->alarm, on_alarm, at > now ? at - now : 0, 0);
}

/* --- messages --------------------------------------------------------------------------------- */

void loop_post(struct loop *l, struct loop_msg *msg)
{
    struct loop_msg *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    do {
        msg->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&l->inbox, &head, msg, memory_order_release,
                                                    memory_order_relaxed));
    /* The push comes before the flag inside uv_async_send, and on_wake takes the list after libuv
     * cleared that flag: a message that on_wake misses has set the flag again. Only the first of a
     * burst needs to send. */
    if (head == NULL)
        uv_async_send(&l->wake);
}

static void on_wake(uv_async_t *wake)
{
    struct loop *l = wake->loop->data;
    if (atomic_load(&l->stopping))
        uv_stop(&l->uv);
    struct loop_msg *newest = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire);
    struct loop_msg *first = NULL;
    while (newest != NULL) {
        struct loop_msg *next = newest->next;
        newest->next = first;
        first = newest;
        newest = next;
    }
    while (first != NULL) {
        struct loop_msg *msg = first;
        first = msg->next;
        l->busy = true;
        msg->on_arrive(msg);
    }
}

void loop_soon(struct loop *l, struct loop_msg *msg)
{
    msg->next = NULL;
    *l->soon_tail = msg;
    l->soon_tail = &msg->next;
}

/* Handles what is queued now; what that queues is left for the next round. Under load a turn has
 * many of them: with the time of its beginning a deadline that is set late in it would seem to have
 * passed when the next one reads the clock. */
static void handle_soon(struct loop *l)
{
    uv_update_time(&l->uv);
    struct loop_msg *msg = l->soon_head;
    l->soon_head = NULL;
    l->soon_tail = &l->soon_head;
    while (msg != NULL) {
        struct loop_msg *next = msg->next;
        l->busy = true;
        msg->on_arrive(msg);
        msg = next;
    }
}

/* --- end of turn ------------------------------------------------------------------------------ */

void loop_hook_add(struct loop *l, struct loop_hook *hook)
{
    list_push_back(&l->hooks, &hook->link);
}

void loop_hook_remove(struct loop_hook *hook)
{
    list_remove(&hook->link);
}

void loop_free_later(struct loop *l, struct loop_deferred *object,
                     void (*destroy)(struct loop_deferred *self))
{
    object->destroy = destroy;
    object->next = l->deferred;
    l->deferred = object;
}

/* A mark in the list stands behind the hook that runs, so that hooks may add and remove any of
 * them. */
static void run_hooks(struct loop *l)
{
    struct list mark;
    list_init(&mark);
    list_push_front(&l->hooks, &mark);
    while (mark.next != &l->hooks) {
        struct loop_hook *hook = CONTAINER_OF(mark.next, struct loop_hook, link);
        list_remove(&mark);
        list_insert_before(hook->link.next, &mark);
        hook->on_turn_end(hook);
    }
    list_remove(&mark);
}

static void free_deferred(struct loop *l)
{
    struct loop_deferred *d = l->deferred;
    l->deferred = NULL;
    while (d != NULL) {
        struct loop_deferred *next = d->next;
        d->destroy(d);
        d = next;
    }
}

static void on_turn_end(uv_prepare_t *prepare)
{
    struct loop *l = prepare->loop->data;
    int rounds = 0;
    do {
        for (; l->soon_head != NULL && rounds < MAX_ROUNDS; rounds++)
            handle_soon(l);
        run_hooks(l);
    } while (l->soon_head != NULL && rounds < MAX_ROUNDS);
    if (l->soon_head == NULL) /* a queued message may belong to what is to be freed */
        free_deferred(l);
    set_alarm(l);
    if (l->soon_head != NULL)
        uv_idle_start(&l->spin, on_spin);
    else
        uv_idle_stop(&l->spin);
}

/* --- descriptors ------------------------------------------------------------------------------ */

static void on_poll(uv_poll_t *poll, int status, int uv_events)
{
    struct loop_watch *w = CONTAINER_OF(poll, struct loop_watch, poll);
    struct loop *l = poll->loop->data;
    unsigned events = 0;
    if (uv_events & UV_READABLE)
        events |= LOOP_READ;
    if (uv_events & UV_WRITABLE)
        events |= LOOP_WRITE;
    if (uv_events & UV_DISCONNECT)
        events |= LOOP_GONE;
    if (status != 0) { /* EPOLLERR: libuv has stopped the handle */
        events = w->events;
        w->events = 0;
    }
    l->busy = true;
    w->on_io(w->owner, w->fd, events);
}

enum err loop_watch_open(struct loop *l, int fd, loop_watch_fn *on_io, void *owner,
                         struct loop_watch **ret_watch)
{
    struct loop_watch *w = mem_zalloc(sizeof *w);
    if (w == NULL)
        return ERR_NOMEM;
    w->on_io = on_io;
    w->owner = owner;
    w->fd = fd;
    if (uv_poll_init(&l->uv, &w->poll, fd) != 0) {
        mem_free(w);
        return ERR_IO;
    }
    *ret_watch = w;
    return OK;
}

void loop_watch_set(struct loop_watch *w, unsigned events)
{
    if (events == w->events)
        return;
    int uv_events = 0;
    if (events & LOOP_READ)
        uv_events |= UV_READABLE;
    if (events & LOOP_WRITE)
        uv_events |= UV_WRITABLE;
    if (events & LOOP_GONE)
        uv_events |= UV_DISCONNECT;
    w->events = events;
    int rc = events ? uv_poll_start(&w->poll, uv_events, on_poll) : uv_poll_stop(&w->poll);
    assert(rc == 0); /* both fail only for a handle that is closing */
    (void)rc;
}

unsigned loop_watch_events(const struct loop_watch *w)
{
    return w->events;
}

void loop_watch_set_owner(struct loop_watch *w, void *owner)
{
    w->owner = owner;
}

static void on_closed(uv_handle_t *handle)
{
    struct loop_watch *w = CONTAINER_OF(handle, struct loop_watch, poll);
    mem_free(w);
}

void loop_watch_close(struct loop_watch *w)
{
    if (w != NULL)
        uv_close((uv_handle_t *)&w->poll, on_closed);
}
