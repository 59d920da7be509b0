#include "tests/support/rig_ops.h"

#include <check.h>
#include <string.h>

static void on_stopped(struct run_stop *s)
{
    struct asked *a = s->ctx;
    a->answers++;
}

void rig_ask_cancel_task(struct rig *r, uint32_t shard, const struct id *id, const char *path,
                         struct asked *ret)
{
    *ret = (struct asked){
        .stop = {.shard = rig_shard(r, shard),
                 .tenant = STR("t"),
                 .id = *id,
                 .path = str_of(path),
                 .reason = {.code = REASON_CLIENT_REQUEST, .since_ms = clock_wall_ms(&r->clock)},
                 .on_done = on_stopped,
                 .ctx = ret}};
    run_stop_start(&ret->stop);
}

void rig_ask_cancel(struct rig *r, uint32_t shard, const struct id *id, struct asked *ret)
{
    rig_ask_cancel_task(r, shard, id, "", ret);
}

enum err rig_cancel_task(struct rig *r, uint32_t shard, const struct id *id, const char *path)
{
    struct asked a;
    rig_ask_cancel_task(r, shard, id, path, &a);
    rig_settle(r);
    ck_assert_uint_eq(a.answers, 1);
    return a.stop.result;
}

enum err rig_cancel(struct rig *r, uint32_t shard, const struct id *id)
{
    return rig_cancel_task(r, shard, id, "");
}

static bool is_read;

static void on_read(struct store_op *op)
{
    (void)op;
    is_read = true;
}

static enum store_result read_store(struct rig *r, struct store_op *op, enum store_op_kind kind)
{
    *op = (struct store_op){.kind = kind, .loop = r->loops[0], .on_done = on_read};
    is_read = false;
    store_start(r->store, op);
    rig_settle(r);
    ck_assert(is_read);
    return op->result;
}

enum store_result rig_tasks(struct rig *r, struct store_tasks *t)
{
    arena_init(&t->arena, SIZE_MAX / 2);
    return read_store(r, &t->op, STORE_TASKS);
}

enum store_result rig_list(struct rig *r, struct store_list *l)
{
    arena_init(&l->arena, SIZE_MAX / 2);
    return read_store(r, &l->op, STORE_LIST);
}

static void on_got(struct run_get *g)
{
    ck_assert_ptr_null(g->ctx);
    g->ctx = g;
}

enum err rig_get(struct rig *r, uint32_t shard, const struct id *id, enum run_state *ret_state,
                 uint64_t *ret_last_seq)
{
    struct run_get g = {
        .shard = rig_shard(r, shard), .tenant = STR("t"), .id = *id, .on_done = on_got};
    run_get_start(&g);
    rig_settle(r);
    ck_assert_ptr_eq(g.ctx, &g);
    if (ret_state != NULL)
        *ret_state = g.read.run.state;
    if (ret_last_seq != NULL)
        *ret_last_seq = g.last_seq;
    run_get_fini(&g);
    return g.result;
}

static void on_deleted(struct run_delete *d)
{
    ck_assert_ptr_null(d->ctx);
    d->ctx = d;
}

enum err rig_delete(struct rig *r, uint32_t shard, const struct id *id)
{
    struct run_delete d = {
        .shard = rig_shard(r, shard), .tenant = STR("t"), .id = *id, .on_done = on_deleted};
    run_delete_start(&d);
    rig_settle(r);
    ck_assert_ptr_eq(d.ctx, &d);
    return d.result;
}

bool rig_text_has(struct str text, const char *part)
{
    return rig_count_of(text, part) > 0;
}

unsigned rig_count_of(struct str text, const char *part)
{
    unsigned n = 0;
    for (size_t len = strlen(part); text.at != NULL && text.len >= len; text.at++, text.len--)
        n += memcmp(text.at, part, len) == 0;
    return n;
}
