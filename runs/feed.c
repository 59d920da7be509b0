#include "runs/feed.h"

#include <assert.h>

#include "base/mem.h"

/* A plain call's events fill the first block; streams grow into larger ones. */
enum { FIRST_BLOCK = 3000, NEXT_BLOCK = 8100, LARGE_BLOCK = 65000 };

static void block_unref(struct feed_block *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        mem_free(b);
}

void feed_slice_ref(const struct feed_slice *s)
{
    atomic_fetch_add_explicit(&s->block->refs, 1, memory_order_relaxed);
}

void feed_slice_unref(const struct feed_slice *s)
{
    block_unref(s->block);
}

void feed_init(struct feed *f, uint64_t after)
{
    *f = (struct feed){.head_seq = after, .last_seq = after};
    f->committed.seq = f->saving.seq = f->published.seq = after;
}

void feed_fini(struct feed *f)
{
    while (f->head != NULL) {
        struct feed_block *next = f->head->next;
        block_unref(f->head);
        f->head = next;
    }
    f->tail = NULL;
}

static bool add_block(struct feed *f, size_t need)
{
    size_t cap = f->tail == NULL             ? FIRST_BLOCK
                 : f->tail->cap < NEXT_BLOCK ? NEXT_BLOCK
                                             : LARGE_BLOCK;
    if (cap < need)
        cap = need;
    if (cap > UINT32_MAX)
        return false;
    struct feed_block *b = mem_alloc(sizeof *b + cap);
    if (b == NULL)
        return false;
    atomic_init(&b->refs, 1);
    b->cap = (uint32_t)cap;
    b->len = 0;
    b->last_seq = f->last_seq;
    b->next = NULL;
    if (f->tail != NULL)
        f->tail->next = b;
    else
        f->head = b;
    f->tail = b;
    f->bytes += cap;
    return true;
}

struct feed_pos feed_end(const struct feed *f)
{
    return (struct feed_pos){
        .block = f->tail, .offset = f->tail ? f->tail->len : 0, .seq = f->last_seq};
}

enum err feed_append(struct feed *f, enum event_kind kind, struct str line)
{
    if (f->tail == NULL || f->tail->cap - f->tail->len < line.len) {
        if (!add_block(f, line.len))
            return ERR_NOMEM;
    }
    if (kind == EVENT_FACT && f->first_fact_new.block == NULL)
        f->first_fact_new = feed_end(f);
    memcpy(f->tail->data + f->tail->len, line.at, line.len);
    f->tail->len += (uint32_t)line.len;
    f->tail->last_seq = ++f->last_seq;
    return OK;
}

/* --- slices ----------------------------------------------------------------------------------- */

/* The first block that holds something behind `from`. */
static struct feed_block *block_after(const struct feed *f, const struct feed_pos *from)
{
    if (from->block == NULL)
        return f->head;
    return from->offset < from->block->len ? from->block : from->block->next;
}

/* The first block of which nothing lies before `to`. A place before a fact may be the start of its
 * block. */
static const struct feed_block *block_behind(const struct feed_pos *to)
{
    return to->offset > 0 ? to->block->next : to->block;
}

uint32_t feed_count(const struct feed *f, const struct feed_pos *from, const struct feed_pos *to)
{
    uint32_t n = 0;
    if (from->seq == to->seq)
        return 0;
    for (struct feed_block *b = block_after(f, from); b != block_behind(to); b = b->next)
        n++;
    return n;
}

void feed_slices(const struct feed *f, const struct feed_pos *from, const struct feed_pos *to,
                 struct feed_slice *ret_slices)
{
    uint64_t seq = from->seq;
    if (from->seq == to->seq)
        return;
    for (struct feed_block *b = block_after(f, from); b != NULL && b != block_behind(to);
         b = b->next, ret_slices++) {
        uint32_t start = b == from->block ? from->offset : 0;
        uint32_t end = b == to->block ? to->offset : b->len;
        *ret_slices = (struct feed_slice){
            .block = b, .lines = {b->data + start, end - start}, .first_seq = seq + 1};
        seq = ret_slices->last_seq = b == to->block ? to->seq : b->last_seq;
    }
}

/* --- saving and publishing -------------------------------------------------------------------- */

static const struct feed_pos nowhere = {.block = NULL};

void feed_save_begin(struct feed *f)
{
    assert(!f->is_saving);
    f->is_saving = true;
    f->saving = feed_end(f);
    f->first_fact_saving = f->first_fact_new;
    f->first_fact_new = nowhere;
}

void feed_save_done(struct feed *f)
{
    assert(f->is_saving);
    f->is_saving = false;
    f->committed = f->saving;
    f->first_fact_saving = nowhere;
}

void feed_save_failed(struct feed *f)
{
    assert(f->is_saving);
    f->is_saving = false;
    if (f->first_fact_saving.block != NULL)
        f->first_fact_new = f->first_fact_saving;
    f->first_fact_saving = nowhere;
}

struct feed_pos feed_publish(struct feed *f)
{
    struct feed_pos before = f->published;
    struct feed_pos limit = feed_end(f);
    if (!f->is_lazy && f->first_fact_new.block != NULL)
        limit = f->first_fact_new;
    if (!f->is_lazy && f->first_fact_saving.block != NULL)
        limit = f->first_fact_saving;
    if (limit.seq > f->published.seq)
        f->published = limit;
    return before;
}

/* The block in which the later of two needed places lies stays, and all behind it. */
void feed_trim(struct feed *f)
{
    uint64_t done = f->committed.seq < f->published.seq ? f->committed.seq : f->published.seq;
    while (f->head != NULL && f->head != f->tail && f->head->last_seq <= done) {
        struct feed_block *b = f->head;
        struct feed_pos *places[] = {&f->committed, &f->saving, &f->published};
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            if (places[i]->block == b)
                places[i]->block = NULL; /* "before the first" is where it is now */
        }
        f->head = b->next;
        f->head_seq = b->last_seq;
        f->bytes -= b->cap;
        block_unref(b);
    }
}
