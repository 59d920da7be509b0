#include "runs/follow.h"

#include <assert.h>

#include "base/mem.h"
#include "runs/engine.h"
#include "runs/shard.h"

enum {
    READ_BYTES = 65536, /* asked of the store at once */
    AGAIN_MS = 500,     /* between two looks while the store is away */
};

static void advance(struct follow *f);

/* --- its memory ------------------------------------------------------------------------------- */

static void drop_queue(struct follow *f)
{
    for (uint32_t i = 0; i < f->queue_count; i++)
        feed_slice_unref(&f->queue[(f->queue_at + i) % f->queue_cap]);
    f->queue_count = f->queue_at = 0;
    f->queue_bytes = f->slice_offset = 0;
}

static void leave(struct follow *f)
{
    if (f->owner != NULL)
        mirror_leave(f->shard, f, f->owner);
    f->owner = NULL;
}

static void unwatch(struct follow *f)
{
    if (!f->is_watching)
        return;
    f->is_watching = false;
    store_unwatch(f->shard->store, &f->watch);
}

static void free_if_done(struct follow *f)
{
    if (!f->is_closed || f->busy > 0 || f->is_posted)
        return;
    buf_fini(&f->replay);
    buf_fini(&f->read.lines);
    mem_free(f->queue);
    mem_free(f->tenant);
    mem_free(f);
}

void follow_close(struct follow *f)
{
    if (f == NULL)
        return;
    f->is_closed = true;
    loop_timer_stop(&f->again);
    leave(f);
    drop_queue(f);
    unwatch(f);
    free_if_done(f);
}

static void on_read(struct store_op *op);
static void read_on(struct follow *f);

/* --- telling the opener ----------------------------------------------------------------------- */

static void on_ready_arrived(struct loop_msg *msg)
{
    struct follow *f = CONTAINER_OF(msg, struct follow, ready);
    f->is_posted = false;
    if (f->is_closed) {
        free_if_done(f);
    } else if (!f->is_opened) {
        f->is_opened = true;
        f->options.on_opened(f, f->options.ctx);
    } else {
        f->options.on_ready(f, f->options.ctx);
    }
}

static void post(struct follow *f)
{
    if (f->is_posted || f->is_closed)
        return;
    f->is_posted = true;
    loop_soon(f->shard->loop, &f->ready);
}

static void refuse(struct follow *f, enum err e)
{
    f->opened = e;
    f->is_over = true;
    post(f);
}

/* The run is there: said once. */
static void tell_open(struct follow *f)
{
    if (!f->is_opened)
        post(f);
}

/* There is something to pull, for one who has pulled all there was; or it is over. */
static void tell(struct follow *f)
{
    if (!f->is_opened || f->options.only_end) {
        post(f);
    } else if (f->is_waiting) {
        f->is_waiting = false;
        post(f);
    }
}

static void end(struct follow *f)
{
    leave(f);
    unwatch(f);
    drop_queue(f);
    f->is_over = true;
    tell(f);
}

/* --- from the run's owner --------------------------------------------------------------------- */

static bool make_room(struct follow *f)
{
    if (f->queue_count < f->queue_cap)
        return true;
    uint32_t cap = f->queue_cap ? f->queue_cap * 2 : 4;
    struct feed_slice *grown = mem_alloc(cap * sizeof *grown);
    if (grown == NULL)
        return false;
    for (uint32_t i = 0; f->queue_cap > 0 && i < f->queue_count; i++)
        grown[i] = f->queue[(f->queue_at + i) % f->queue_cap];
    mem_free(f->queue);
    f->queue = grown;
    f->queue_cap = cap;
    f->queue_at = 0;
    return true;
}

/* Too much waits for a reader that does not pull: it gets it from the store once it does. */
static void fall_behind(struct follow *f)
{
    drop_queue(f);
    leave(f);
    f->is_behind = true;
}

static void enqueue(struct follow *f, const struct feed_slice *slices, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (slices[i].last_seq <= f->cursor)
            continue;
        if (!make_room(f)) {
            fall_behind(f);
            return;
        }
        f->queue[(f->queue_at + f->queue_count++) % f->queue_cap] = slices[i];
        feed_slice_ref(&slices[i]);
        f->queue_bytes += slices[i].lines.len;
    }
}

void follow_on_news(struct follow *f, const struct feed_slice *slices, uint32_t count,
                    bool has_ended)
{
    if (f->options.only_end) {
        if (has_ended)
            end(f);
        return;
    }
    if (f->queue_bytes > f->shard->limits->reader_bytes)
        fall_behind(f);
    else
        enqueue(f, slices, count);
    if (f->is_waiting)
        advance(f);
}

void follow_on_gone(struct follow *f)
{
    f->owner =
        NULL; /* what it has sent stays in the queue; the rest, if there is any, is in the store */
    if (f->is_waiting || f->options.only_end)
        advance(f);
}

static void free_slices(struct join *j)
{
    for (uint32_t i = 0; i < j->slice_count; i++)
        feed_slice_unref(&j->slices[i]);
    mem_free(j->slices);
    j->slices = NULL;
    j->slice_count = 0;
}

static void take_join(struct follow *f)
{
    struct join *j = &f->join;
    if (mirror_enter(f->shard, f, j->to) != OK) {
        refuse(f, ERR_OVERLOADED);
        return;
    }
    f->owner = j->to;
    f->live_from = j->first_seq;
    bool is_past = j->has_ended && f->cursor >= j->last_seq;
    f->is_past_end = is_past && !f->is_opened;
    if (is_past || (f->options.only_end && j->has_ended))
        end(f);
    else if (!f->options.only_end)
        enqueue(f, j->slices, j->slice_count);
}

static void on_joined(struct join *j)
{
    struct follow *f = CONTAINER_OF(j, struct follow, join);
    bool counted = j->found && !j->is_full;
    f->busy--;
    f->is_joining = false;
    if (f->is_closed) {
        if (counted) { /* as a reader, by an owner that has to hear that it is none */
            f->owner = j->to;
            leave(f);
        }
        free_slices(j);
        free_if_done(f);
        return;
    }
    if (counted)
        take_join(f);
    else if (j->is_full)
        refuse(f, ERR_OVERLOADED);
    free_slices(j);
    if (!j->found)
        read_on(f); /* it has left since it was looked for: what it told is in the store */
    else if (!f->is_over)
        advance(f);
}

static void join_owner(struct follow *f, uint32_t shard)
{
    f->is_joining = true;
    f->busy++;
    f->join.from = f->shard;
    f->join.to = &f->shard->engine->shards[shard];
    f->join.id = f->options.id;
    f->join.tenant = str_of(f->tenant);
    f->join.wants_slices = !f->options.only_end;
    f->join.on_joined = on_joined;
    join_start(&f->join);
}

/* --- from the store --------------------------------------------------------------------------- */

static void read_on(struct follow *f)
{
    f->is_reading = true;
    f->busy++;
    buf_clear(&f->read.lines);
    f->read.op =
        (struct store_op){.kind = STORE_EVENTS, .loop = f->shard->loop, .on_done = on_read};
    f->read.tenant = str_of(f->tenant);
    f->read.id = f->options.id;
    f->read.after = f->cursor;
    f->read.max_bytes = f->options.only_end ? 0 : READ_BYTES;
    store_start(f->shard->store, &f->read.op);
}

/* All that is stored was pulled, and the run has not ended: wait for a change. The watch is set
 * before the last look, so that nothing falls between the two. */
static void wait_for_change(struct follow *f)
{
    if (!f->options.to_the_end) {
        end(f);
        return;
    }
    bool look_again = f->has_hint || !f->is_watching || f->is_behind;
    f->has_hint = false;
    f->is_behind = false;
    if (!f->is_watching) {
        f->is_watching = true;
        f->busy++;
        f->watch.id = f->options.id;
        store_watch(f->shard->store, &f->watch);
    }
    if (look_again)
        advance(f);
    else
        tell_open(f); /* it is there, though there is nothing to pull yet */
}

static void on_page(struct follow *f)
{
    bool ended = run_state_is_terminal(f->read.state);
    struct buf page = f->read.lines;
    f->read.lines = f->replay;
    f->replay = page;
    f->replay_offset = 0;
    if (ended && (f->options.only_end || f->cursor >= f->read.committed_seq)) {
        f->is_past_end = !f->is_opened;
        end(f);
    } else if (page.len > 0) {
        tell(f);
    } else if (f->owner != NULL) {
        f->live_from = f->cursor + 1; /* nothing lies between */
        advance(f);
    } else {
        wait_for_change(f);
    }
}

static void on_read(struct store_op *op)
{
    struct follow *f = CONTAINER_OF(op, struct follow, read.op);
    f->busy--;
    f->is_reading = false;
    if (f->is_closed)
        free_if_done(f);
    else if (op->result == STORE_OK)
        on_page(f);
    else if (op->result == STORE_ABSENT && !f->is_opened)
        refuse(f, ERR_NOT_FOUND);
    else if (op->result == STORE_ABSENT)
        end(f); /* it was deleted */
    else if (!f->is_opened)
        refuse(f, ERR_STORAGE_UNAVAILABLE);
    else
        loop_timer_start(&f->again, loop_now_ms(f->shard->loop) + AGAIN_MS);
}

static void on_again(struct loop_timer *timer)
{
    advance(CONTAINER_OF(timer, struct follow, again));
}

static void on_hint(struct store_watch *w)
{
    struct follow *f = CONTAINER_OF(w, struct follow, watch);
    f->has_hint = true;
    if (f->is_waiting || f->options.only_end)
        advance(f);
}

static void on_watch_closed(struct store_watch *w)
{
    struct follow *f = CONTAINER_OF(w, struct follow, watch);
    f->busy--;
    free_if_done(f);
}

/* --- where to go on --------------------------------------------------------------------------- */

/* Everything at hand was pulled, or something has changed. */
static void advance(struct follow *f)
{
    struct directory_hit hit;
    if (f->is_over || f->is_joining || f->is_reading)
        return;
    uint64_t next = f->cursor + 1;
    if (f->replay_offset < f->replay.len) {
        tell(f);
    } else if (f->queue_count > 0) {
        if (f->queue[f->queue_at].first_seq <= next)
            tell(f);
        else
            read_on(f);
    } else if (f->owner != NULL) {
        if (f->live_from > next && !f->options.only_end)
            read_on(f);
        else
            tell_open(f);
    } else if (!f->is_behind && f->options.to_the_end &&
               directory_find(&f->shard->engine->directory, str_of(f->tenant), &f->options.id,
                              &hit)) {
        join_owner(f, hit.shard);
    } else {
        read_on(f);
    }
}

enum err follow_open(struct shard *shard, const struct follow_options *options,
                     struct follow **ret_follow)
{
    struct follow *f = mem_zalloc(sizeof *f);
    if (f == NULL)
        return ERR_NOMEM;
    f->tenant = mem_strdup(options->tenant);
    if (f->tenant == NULL) {
        mem_free(f);
        return ERR_NOMEM;
    }
    f->shard = shard;
    f->options = *options;
    f->options.tenant = str_of(f->tenant);
    f->cursor = options->after;
    list_init(&f->mirror_link);
    buf_init(&f->replay, SIZE_MAX / 2);
    buf_init(&f->read.lines, SIZE_MAX / 2);
    f->ready.on_arrive = on_ready_arrived;
    loop_timer_init(&f->again, shard->loop, on_again);
    f->watch.loop = shard->loop;
    f->watch.on_change = on_hint;
    f->watch.on_closed = on_watch_closed;
    advance(f);
    *ret_follow = f;
    return OK;
}

/* --- pulling ---------------------------------------------------------------------------------- */

static bool wants(const struct follow *f, struct str type)
{
    enum event_type t;
    return f->options.types == EVENT_SET_ALL ||
           (event_type_parse(type, &t) && (f->options.types & event_set_of(t)) != 0);
}

/* Writes the lines that are still to come and moves `offset` behind them. False: the run's end was
 * among them. */
static bool pull_lines(struct follow *f, struct str lines, size_t *offset, struct buf *out,
                       size_t max_bytes)
{
    struct str rest = {lines.at + *offset, lines.len - *offset};
    struct event_line line;
    bool ended = false;
    while (!ended && out->len < max_bytes && event_next_line(&rest, &line)) {
        if (line.seq <= f->cursor)
            continue;
        f->cursor = line.seq;
        if (wants(f, line.type))
            frame_event(out, f->options.format, line.seq, line.type, line.json);
        ended = str_eq(line.type, STR("run.finished"));
    }
    *offset = lines.len - rest.len;
    return !ended;
}

static bool pull_queue(struct follow *f, struct buf *out, size_t max_bytes)
{
    struct feed_slice *s = &f->queue[f->queue_at];
    if (!pull_lines(f, s->lines, &f->slice_offset, out, max_bytes))
        return false;
    if (f->slice_offset == s->lines.len) {
        f->queue_bytes -= s->lines.len;
        feed_slice_unref(s);
        f->queue_at = (f->queue_at + 1) % f->queue_cap;
        f->queue_count--;
        f->slice_offset = 0;
    }
    return true;
}

/* Something lies at hand that comes next. */
static bool has_more(const struct follow *f)
{
    return f->replay_offset < f->replay.len ||
           (f->queue_count > 0 && f->queue[f->queue_at].first_seq <= f->cursor + 1);
}

void follow_pull(struct follow *f, struct buf *out, size_t max_bytes)
{
    bool goes_on = true;
    if (!f->is_begun)
        frame_begin(out, f->options.format);
    f->is_begun = true;
    while (goes_on && out->len < max_bytes && !f->is_over && has_more(f)) {
        if (f->replay_offset < f->replay.len)
            goes_on = pull_lines(f, buf_str(&f->replay), &f->replay_offset, out, max_bytes);
        else
            goes_on = pull_queue(f, out, max_bytes);
    }
    if (!goes_on) {
        end(f);
    } else if (!f->is_over && !has_more(f)) {
        buf_clear(&f->replay);
        f->replay_offset = 0;
        f->is_waiting = true;
        advance(f);
    }
}
