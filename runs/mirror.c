#include "runs/mirror.h"

#include "base/mem.h"
#include "runs/engine.h"
#include "runs/follow.h"
#include "runs/run.h"
#include "runs/shard.h"

/* --- joining ---------------------------------------------------------------------------------- */

static bool has_finished(const struct run *run)
{
    return run_state_is_terminal(run->state) && run->feed.published.seq == run->feed.last_seq;
}

/* Everything that the feed still holds and may tell, from its first block on. */
static enum err give_slices(struct join *j, struct run *run)
{
    struct feed_pos start = {.block = NULL, .seq = run->feed.head_seq};
    struct feed_pos end = run->feed.published;
    j->first_seq = start.seq + 1;
    uint32_t n = start.seq < end.seq ? feed_count(&run->feed, &start, &end) : 0;
    if (n == 0 || !j->wants_slices)
        return OK;
    j->slices = mem_alloc(n * sizeof *j->slices);
    if (j->slices == NULL)
        return ERR_NOMEM;
    feed_slices(&run->feed, &start, &end, j->slices);
    j->slice_count = n;
    for (uint32_t i = 0; i < n; i++)
        feed_slice_ref(&j->slices[i]);
    return OK;
}

static void answer(struct join *j)
{
    struct shard *shard = j->to;
    struct run *run = shard_find(shard, &j->id);
    if (run == NULL || !str_eq(run->tenant, j->tenant))
        return;
    mirror_publish(run); /* so that those who joined before and this one stand at the same place */
    j->found = true;
    j->is_full = run->subscriber_count >= shard->limits->readers_per_run;
    if (j->is_full || give_slices(j, run) != OK) {
        j->is_full = true;
        return;
    }
    j->has_ended = has_finished(run);
    j->last_seq = run->feed.published.seq;
    run->subscribers[j->from->index]++;
    run->subscriber_count++;
    if (!run->is_saving && feed_uncommitted(&run->feed) > 0)
        outbox_want(run, SAVE_NOW); /* facts that wait were not worth a hurry until now */
    else if (run->is_saving)
        outbox_want(run, SAVE_SOON);
}

static void on_answered(struct loop_msg *msg)
{
    struct join *j = CONTAINER_OF(msg, struct join, msg);
    j->on_joined(j);
}

static void on_asked(struct loop_msg *msg)
{
    struct join *j = CONTAINER_OF(msg, struct join, msg);
    answer(j);
    j->msg.on_arrive = on_answered;
    loop_post(j->from->loop, &j->msg);
}

void join_start(struct join *j)
{
    j->found = j->is_full = j->has_ended = false;
    j->slices = NULL;
    j->slice_count = 0;
    if (j->from == j->to) { /* at once, as the run's news and its leaving are told */
        answer(j);
        j->on_joined(j);
        return;
    }
    j->msg.on_arrive = on_asked;
    loop_post(j->to->loop, &j->msg);
}

/* --- the mirror of a loop --------------------------------------------------------------------- */

static bool is_same(const struct map_node *node, const void *id)
{
    return id_eq(&CONTAINER_OF(node, const struct mirror, node)->id, id);
}

static struct mirror *find(struct shard *shard, const struct id *id)
{
    struct map_node *node = map_find(&shard->mirrors, id_hash(id), id, is_same);
    return node != NULL ? CONTAINER_OF(node, struct mirror, node) : NULL;
}

enum err mirror_enter(struct shard *shard, struct follow *f, struct shard *owner)
{
    struct mirror *m = find(shard, &f->options.id);
    if (m == NULL) {
        m = mem_zalloc(sizeof *m);
        if (m == NULL)
            return ERR_NOMEM;
        m->id = f->options.id;
        list_init(&m->followers);
        map_insert(&shard->mirrors, &m->node, id_hash(&m->id));
    }
    m->owner = owner;
    list_push_back(&m->followers, &f->mirror_link);
    return OK;
}

/* A message that takes one reader, or the news of one turn, from loop to loop. */
struct parting {
    struct loop_msg msg;
    struct shard *to;
    uint32_t from;
    struct id id;
};

static void forget_reader(struct shard *shard, const struct id *id, uint32_t from)
{
    struct run *run = shard_find(shard, id);
    if (run == NULL || run->subscribers[from] == 0)
        return;
    run->subscribers[from]--;
    run->subscriber_count--;
    if (run_may_park(run))
        outbox_want(run, SAVE_SOON); /* nobody looks any more */
}

static void on_parting(struct loop_msg *msg)
{
    struct parting *p = CONTAINER_OF(msg, struct parting, msg);
    forget_reader(p->to, &p->id, p->from);
    mem_free(p);
}

static void remove_if_empty(struct shard *shard, struct mirror *m)
{
    if (m->is_delivering || !list_is_empty(&m->followers))
        return;
    map_remove(&shard->mirrors, &m->node);
    mem_free(m);
}

void mirror_leave(struct shard *shard, struct follow *f, struct shard *owner)
{
    struct mirror *m = find(shard, &f->options.id);
    list_remove(&f->mirror_link);
    if (m != NULL)
        remove_if_empty(shard, m);
    if (owner == shard) {
        forget_reader(shard, &f->options.id, shard->index);
        return;
    }
    struct parting *p = mem_alloc(sizeof *p);
    if (p == NULL)
        return; /* the run keeps one reader too many on its account: it only is not parked */
    *p = (struct parting){
        .msg.on_arrive = on_parting, .to = owner, .from = shard->index, .id = f->options.id};
    loop_post(owner->loop, &p->msg);
}

static void deliver(struct shard *shard, const struct id *id, const struct feed_slice *slices,
                    uint32_t count, bool has_ended, bool gone)
{
    struct mirror *m = find(shard, id);
    if (m == NULL)
        return;
    if (gone) { /* they leave it themselves, and may come again at once: not into this one */
        struct list leaving;
        list_init(&leaving);
        list_append_all(&leaving, &m->followers);
        map_remove(&shard->mirrors, &m->node);
        mem_free(m);
        LIST_EACH_SAFE (it, &leaving) {
            list_remove(it);
            follow_on_gone(CONTAINER_OF(it, struct follow, mirror_link));
        }
        return;
    }
    m->is_delivering = true; /* the last of them may leave */
    LIST_EACH_SAFE (it, &m->followers)
        follow_on_news(CONTAINER_OF(it, struct follow, mirror_link), slices, count, has_ended);
    m->is_delivering = false;
    remove_if_empty(shard, m);
}

/* --- from the run ----------------------------------------------------------------------------- */

struct news {
    struct loop_msg msg;
    struct shard *to;
    struct id id;
    bool has_ended, gone;
    uint32_t count;
    struct feed_slice slices[];
};

static void on_news(struct loop_msg *msg)
{
    struct news *n = CONTAINER_OF(msg, struct news, msg);
    deliver(n->to, &n->id, n->slices, n->count, n->has_ended, n->gone);
    for (uint32_t i = 0; i < n->count; i++)
        feed_slice_unref(&n->slices[i]);
    mem_free(n);
}

static void send(struct run *run, struct shard *to, const struct feed_slice *slices, uint32_t count,
                 bool gone)
{
    bool ended = has_finished(run);
    if (to == run->shard) {
        deliver(to, &run->id, slices, count, ended, gone);
        return;
    }
    struct news *n = mem_alloc(sizeof *n + count * sizeof *slices);
    if (n == NULL) {
        run->is_wrecked = true; /* its readers have to find it again */
        return;
    }
    *n = (struct news){.msg.on_arrive = on_news,
                       .to = to,
                       .id = run->id,
                       .has_ended = ended,
                       .gone = gone,
                       .count = count};
    for (uint32_t i = 0; i < count; i++) {
        n->slices[i] = slices[i];
        feed_slice_ref(&slices[i]);
    }
    loop_post(to->loop, &n->msg);
}

static void send_to_all(struct run *run, const struct feed_slice *slices, uint32_t count, bool gone)
{
    struct engine *e = run->shard->engine;
    for (uint32_t i = 0; i < e->shard_count; i++) {
        if (run->subscribers[i] > 0)
            send(run, &e->shards[i], slices, count, gone);
    }
}

enum { SLICES_ON_STACK = 16 };

void mirror_publish(struct run *run)
{
    if (feed_uncommitted(&run->feed) > run->shard->limits->uncommitted_events && !run->feed.is_lazy)
        return; /* a crash would reuse what is told beyond that: wait for a commit */
    struct feed_pos before = feed_publish(&run->feed);
    if (run->feed.published.seq == before.seq)
        return;
    atomic_store_explicit(&run->entry.published_seq, run->feed.published.seq, memory_order_relaxed);
    if (run->subscriber_count > 0) {
        struct feed_slice some[SLICES_ON_STACK];
        uint32_t n = feed_count(&run->feed, &before, &run->feed.published);
        struct feed_slice *slices = n <= SLICES_ON_STACK ? some : mem_alloc(n * sizeof *slices);
        if (slices == NULL) {
            run->feed.published = before; /* later, when there is memory */
            shard_publish_later(run);
            return;
        }
        feed_slices(&run->feed, &before, &run->feed.published, slices);
        send_to_all(run, slices, n, false);
        if (slices != some)
            mem_free(slices);
    }
    feed_trim(&run->feed);
}

void mirror_run_gone(struct run *run)
{
    if (run->subscriber_count > 0)
        send_to_all(run, NULL, 0, true);
    memset(run->subscribers, 0, sizeof run->subscribers);
    run->subscriber_count = 0;
}
