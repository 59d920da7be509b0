#include "runs/outbox.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/url_guard.h"
#include "runs/accept.h"
#include "runs/engine.h"

enum {
    BATCH_MAX = 512,      /* runs in one batch, but for those that belong together */
    ENDED_MAX = 16,       /* lazy runs that gather: larger commits stand in the way of others */
    AGAIN_AFTER_MS = 250, /* between two tries while the store is unavailable */
    ROOM_AFTER_MS = 50    /* between two looks while it is full */
};

/* One message to the store. */
struct save_batch {
    struct store_batch base;
    struct outbox *outbox;
    struct arena arena; /* what was written out for it */
    struct run **runs;
    struct store_change *changes;
    uint64_t sent_ms;
};

static void on_turn_end(struct loop_hook *hook);
static void on_flush(struct loop_timer *timer);
static void on_again(struct loop_timer *timer);
static void on_room(struct loop_timer *timer);

void outbox_init(struct outbox *o, struct shard *shard)
{
    *o = (struct outbox){.shard = shard};
    list_init(&o->now);
    list_init(&o->soon);
    list_init(&o->ended);
    list_init(&o->failed);
    list_init(&o->held);
    loop_timer_init(&o->flush, shard->loop, on_flush);
    loop_timer_init(&o->again, shard->loop, on_again);
    loop_timer_init(&o->room, shard->loop, on_room);
    o->hook.on_turn_end = on_turn_end;
    loop_hook_add(shard->loop, &o->hook);
}

void outbox_fini(struct outbox *o)
{
    loop_timer_stop(&o->flush);
    loop_timer_stop(&o->again);
    loop_timer_stop(&o->room);
    loop_hook_remove(&o->hook);
}

static struct run *first_of(struct list *list)
{
    return CONTAINER_OF(list->next, struct run, outbox_link);
}

static void arm_flush(struct outbox *o)
{
    if (!loop_timer_is_armed(&o->flush))
        loop_timer_start(&o->flush, loop_now_ms(o->shard->loop) + o->shard->limits->flush_ms);
}

/* Puts a run that wants to be saved on the list of its urgency. */
static void enlist(struct run *run)
{
    struct outbox *o = &run->shard->outbox;
    list_remove(&run->outbox_link);
    if (run->wanted == SAVE_NOW) {
        list_push_back(&o->now, &run->outbox_link);
        return;
    }
    list_push_back(&o->soon, &run->outbox_link);
    arm_flush(o);
}

void outbox_want(struct run *run, int urgency)
{
    run->row_changed = true;
    outbox_want_events(run, urgency);
}

void outbox_want_events(struct run *run, int urgency)
{
    if (urgency <= (int)run->wanted)
        return;
    run->wanted = (enum save_urgency)urgency;
    if (!run->is_saving)
        enlist(run);
}

static void all_now(struct outbox *o, struct list *from)
{
    LIST_EACH (it, from)
        CONTAINER_OF(it, struct run, outbox_link)->wanted = SAVE_NOW;
    list_append_all(&o->now, from);
}

static void ended_now(struct outbox *o)
{
    all_now(o, &o->ended);
    o->ended_count = 0;
}

void outbox_want_end(struct run *run)
{
    struct outbox *o = &run->shard->outbox;
    if (run->wanted == SAVE_NOW)
        return;
    run->wanted = SAVE_SOON;
    list_remove(&run->outbox_link);
    list_push_back(&o->ended, &run->outbox_link);
    arm_flush(o);
    if (++o->ended_count >= ENDED_MAX || engine_is_crowded(o->shard->engine))
        ended_now(o);
}

static void on_flush(struct loop_timer *timer)
{
    struct outbox *o = CONTAINER_OF(timer, struct outbox, flush);
    all_now(o, &o->soon);
    ended_now(o);
}

static void on_again(struct loop_timer *timer)
{
    struct outbox *o = CONTAINER_OF(timer, struct outbox, again);
    all_now(o, &o->failed);
}

void outbox_hold(struct run *run)
{
    struct outbox *o = &run->shard->outbox;
    if (!list_is_linked(&run->held_link))
        list_push_back(&o->held, &run->held_link);
    if (!loop_timer_is_armed(&o->room))
        loop_timer_start(&o->room, loop_now_ms(o->shard->loop) + ROOM_AFTER_MS);
}

/* Those for which there is no room yet hold again. */
static void on_room(struct loop_timer *timer)
{
    struct outbox *o = CONTAINER_OF(timer, struct outbox, room);
    struct list held, *link;
    list_init(&held);
    list_append_all(&held, &o->held);
    while ((link = list_pop_front(&held)) != NULL)
        run_go_on(CONTAINER_OF(link, struct run, held_link));
}

void outbox_flush(struct outbox *o)
{
    all_now(o, &o->soon);
    ended_now(o);
    all_now(o, &o->failed);
}

/* --- sending ---------------------------------------------------------------------------------- */

static enum err add_segments(struct run *run, struct arena *arena, struct store_change *c)
{
    struct feed_pos end = feed_end(&run->feed);
    uint32_t n = feed_count(&run->feed, &run->feed.committed, &end);
    if (n == 0)
        return OK;
    struct feed_slice *slices = arena_alloc(arena, n * sizeof *slices);
    c->segments = arena_alloc(arena, n * sizeof *c->segments);
    if (slices == NULL || c->segments == NULL)
        return ERR_NOMEM;
    feed_slices(&run->feed, &run->feed.committed, &end, slices);
    for (uint32_t i = 0; i < n; i++)
        c->segments[i] =
            (struct store_segment){slices[i].first_seq, slices[i].last_seq, slices[i].lines};
    c->segment_count = n;
    return OK;
}

/* Looks for events that somebody is to be told of. */
static void scan_segment(struct store_telling *t, event_set wanted, struct str lines)
{
    struct event_line line;
    enum event_type type;
    while (event_next_line(&lines, &line)) {
        if (!event_type_parse(line.type, &type) || (event_set_of(type) & wanted) == 0)
            continue;
        if (t->first == 0)
            t->first = line.seq;
        t->last = line.seq;
    }
}

static enum err add_telling(const struct run *run, struct arena *arena, struct store_change *c)
{
    const struct run_spec *spec = &run->spec;
    struct store_telling *t = &c->telling;
    char host[URL_HOST_MAX];
    if (spec->webhook.url.at == NULL)
        return OK;
    for (uint32_t i = 0; i < c->segment_count; i++)
        scan_segment(t, spec->webhook.events, c->segments[i].lines);
    if (t->last == 0 || !url_guard_host(spec->webhook.url, host)) {
        t->last = 0; /* judged when the run was made: so this is no URL that was taken in */
        return OK;
    }
    t->host = arena_str(arena, str_of(host));
    t->receiver = spec->webhook_text;
    t->at_ms = loop_wall_ms(run->shard->loop);
    return t->host.at != NULL ? OK : ERR_NOMEM;
}

static bool is_only_events(const struct run *run, const struct store_change *c)
{
    bool has_family = c->child_count > 0 || c->wait_count > 0 || c->wakes != NULL;
    return !run->row_changed && !c->accept && !c->release && !has_family && c->task_count == 0;
}

static enum err add_row(struct run *run, struct arena *arena, struct store_change *c)
{
    struct run_record *record = arena_alloc(arena, sizeof *record);
    if (record == NULL)
        return ERR_NOMEM;
    c->run = record;
    c->only_events = is_only_events(run, c);
    if (!c->only_events)
        return run_record(run, arena, record);
    *record = (struct run_record){.id = run->id, .seq = run->feed.last_seq};
    return OK;
}

static size_t bytes_of(const struct store_change *c)
{
    size_t bytes = sizeof *c->run + (c->accept ? c->run->spec.len : 0) + c->run->output.len +
                   c->run->attempts.len;
    for (uint32_t i = 0; i < c->segment_count; i++)
        bytes += c->segments[i].lines.len;
    for (uint32_t i = 0; i < c->child_count; i++)
        bytes += sizeof *c->children + c->children[i].run->spec.len;
    for (uint32_t i = 0; i < c->task_count; i++)
        bytes += c->tasks[i].text.len + c->tasks[i].output.len;
    return bytes;
}

/* Writes one run's change. The bytes that it points to stay in place: the run does not go while it
 * is being saved. */
static enum err add_change(struct save_batch *b, struct run *run, struct store_change *c)
{
    struct arena *arena = &b->arena;
    *c = (struct store_change){.accept = !run->is_stored,
                               .release = run->release,
                               .epoch = run->shard->store->epoch,
                               .ref = run->store_ref};
    enum err e = add_segments(run, arena, c);
    if (e == OK)
        e = add_telling(run, arena, c);
    if (e == OK)
        e = children_add(run, arena, c);
    if (e == OK)
        e = tree_rows(run, arena, &c->tasks, &c->task_count);
    if (e == OK)
        e = add_row(run, arena, c);
    if (e == OK)
        b->base.bytes += bytes_of(c);
    return e;
}

static void on_batch_done(struct store_op *op);

/* How many runs the next batch takes. What was accepted together is not split. */
static uint32_t batch_size(const struct outbox *o)
{
    const struct run *last = NULL;
    uint32_t n = 0;
    LIST_EACH (it, &o->now) {
        const struct run *run = CONTAINER_OF(it, const struct run, outbox_link);
        if (n >= BATCH_MAX && !accept_is_joint(last->accept, run->accept))
            break;
        last = run;
        n++;
    }
    return n;
}

static struct save_batch *new_batch(struct outbox *o, uint32_t size)
{
    struct save_batch *b = mem_zalloc(sizeof *b);
    if (b == NULL)
        return NULL;
    arena_init(&b->arena, SIZE_MAX / 2);
    b->outbox = o;
    b->base.op =
        (struct store_op){.kind = STORE_BATCH, .loop = o->shard->loop, .on_done = on_batch_done};
    b->runs = arena_alloc(&b->arena, size * sizeof(struct run *));
    b->changes = arena_alloc(&b->arena, size * sizeof *b->changes);
    if (b->runs == NULL || b->changes == NULL) {
        arena_fini(&b->arena);
        mem_free(b);
        return NULL;
    }
    b->base.changes = b->changes;
    return b;
}

static void fail_later(struct run *run)
{
    struct outbox *o = &run->shard->outbox;
    run->wanted = SAVE_NOW;
    run->row_changed = true; /* as far as can be known */
    list_remove(&run->outbox_link);
    list_push_back(&o->failed, &run->outbox_link);
    if (!loop_timer_is_armed(&o->again))
        loop_timer_start(&o->again, loop_now_ms(o->shard->loop) + AGAIN_AFTER_MS);
}

/* Out of memory: once more when there may be some. What was accepted together with others cannot
 * come later than they do. */
static void leave_out(struct run *run)
{
    if (accept_is_joint(run->accept, run->accept))
        run_on_refused(run, ERR_OVERLOADED, NULL, false);
    else
        fail_later(run);
}

static void send_batch(struct outbox *o)
{
    uint32_t size = batch_size(o);
    struct save_batch *b = new_batch(o, size);
    while (!list_is_empty(&o->now) && (b == NULL || b->base.count < size)) {
        struct run *run = first_of(&o->now);
        run_before_save(run);
        if (b == NULL || add_change(b, run, &b->changes[b->base.count]) != OK) {
            leave_out(run);
            continue;
        }
        b->runs[b->base.count++] = run;
        list_remove(&run->outbox_link);
        run->wanted = SAVE_NOTHING;
        run->row_changed = false;
        run->is_saving = true;
        run->feed.is_lazy = false;
        feed_save_begin(&run->feed);
        tree_save_begin(run);
        children_save_begin(run);
        if (run->release && !run_state_is_terminal(run->state))
            run_hide(run); /* from here on it is found in the store only */
    }
    if (b == NULL)
        return;
    if (b->base.count == 0) {
        arena_fini(&b->arena);
        mem_free(b);
        return;
    }
    o->batches++;
    b->sent_ms = loop_now_ms(o->shard->loop);
    shard_count(o->shard, SERIES_BATCHES, 0, 0, 1);
    store_start(o->shard->store, &b->base.op);
}

static void on_turn_end(struct loop_hook *hook)
{
    struct outbox *o = CONTAINER_OF(hook, struct outbox, hook);
    while (!list_is_empty(&o->now))
        send_batch(o);
}

/* --- coming back ------------------------------------------------------------------------------ */

static void on_saved(struct run *run, const struct store_change *c)
{
    feed_save_done(&run->feed);
    tree_save_end(run, true);
    children_save_end(run, true);
    if (c->is_due)
        run->wake_at_ms = 0;
    if (c->has_woken && !run->shard->is_parking)
        claim_note(run->shard->engine, str_of(c->woken_lane), 0);
    if (c->accept) {
        run->is_stored = true;
        run->store_ref = c->ref;
        atomic_store_explicit(&run->entry.is_stored, true, memory_order_release);
    }
    if (c->telling.last > 0)
        courier_hint(&run->shard->engine->courier);
    run_on_saved(run, c->run->seq);
}

static void on_result(struct run *run, const struct store_change *c)
{
    run->is_saving = false;
    switch (c->result) {
    case STORE_OK: on_saved(run, c); return;
    case STORE_EXISTS: run_on_refused(run, OK, &c->existing, c->same_body); return;
    case STORE_FENCED:
    case STORE_ABSENT:
    case STORE_CONFLICT:
        log_error(log_msg("a run belongs to another gateway"),
                  log_str("run", (struct str){run->text, RUN_ID_TEXT}));
        run_on_lost(run);
        return;
    case STORE_UNKNOWN:
    case STORE_UNAVAILABLE:
        feed_save_failed(&run->feed);
        tree_save_end(run, false);
        children_save_end(run, false);
        if (c->accept)
            run_on_refused(run, ERR_STORAGE_UNAVAILABLE, NULL, false);
        else
            fail_later(run);
        return;
    }
}

static void on_batch_done(struct store_op *op)
{
    struct save_batch *b = CONTAINER_OF(op, struct save_batch, base.op);
    b->outbox->batches--;
    shard_observe(b->outbox->shard, SERIES_SAVE_SECONDS, 0,
                  loop_now_ms(b->outbox->shard->loop) - b->sent_ms);
    for (uint32_t i = 0; i < b->base.count; i++) {
        struct run *run = b->runs[i];
        on_result(run, &b->changes[i]);
        if (!run->is_gone && !run->is_saving && run->wanted != SAVE_NOTHING &&
            !list_is_linked(&run->outbox_link))
            enlist(run); /* what happened meanwhile */
    }
    arena_fini(&b->arena);
    mem_free(b);
}
