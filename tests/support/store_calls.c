#include "tests/support/store_calls.h"

#include <check.h>
#include <sched.h>

static struct store_op *awaited;
static bool is_back;

static void on_done(struct store_op *op)
{
    ck_assert_ptr_eq(op, awaited);
    is_back = true;
}

void calls_turn(struct loop *loop)
{
    if (!loop_turn(loop))
        sched_yield();
}

enum store_result calls_do(struct store *s, struct loop *loop, struct store_op *op)
{
    op->loop = loop;
    op->on_done = on_done;
    awaited = op;
    is_back = false;
    store_start(s, op);
    while (!is_back)
        calls_turn(loop);
    return op->result;
}

/* --- runs ------------------------------------------------------------------------------------- */

struct id calls_id(uint64_t n)
{
    struct id id = {.bytes = {1}};
    for (int i = 15; i > 7; i--) {
        id.bytes[i] = (uint8_t)n;
        n >>= 8;
    }
    return id;
}

struct run_record calls_run(uint64_t n)
{
    return (struct run_record){.id = calls_id(n),
                               .tenant = STR("t"),
                               .state = RUN_QUEUED,
                               .seq = 1,
                               .created_at_ms = (int64_t)n,
                               .timeout_ms = 1000,
                               .agent = STR("echo"),
                               .spec = STR("{\"agent\":\"echo\"}"),
                               .lane = STR("sim")};
}

void calls_lines(struct buf *b, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++)
        buf_addf(b, "{\"seq\":%llu,\"type\":\"output.delta\"}\n", (unsigned long long)seq);
}

/* --- changes ---------------------------------------------------------------------------------- */

static enum store_result do_change(struct store *s, struct loop *loop, struct store_change *c)
{
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = c, .count = 1, .bytes = 1};
    enum store_result of_batch = calls_do(s, loop, &b.op);
    ck_assert(of_batch == STORE_OK || of_batch == STORE_UNAVAILABLE || of_batch == STORE_UNKNOWN);
    return c->result; /* each change has its own */
}

/* Saves the change with the events `first` to the run's seq as one segment. */
static enum store_result do_change_with_events(struct store *s, struct loop *loop,
                                               struct store_change *c, uint64_t first)
{
    struct buf lines;
    buf_init(&lines, 1 << 20);
    calls_lines(&lines, first, c->run->seq);
    struct store_segment segment = {
        .first_seq = first, .last_seq = c->run->seq, .lines = buf_str(&lines)};
    c->segments = &segment;
    c->segment_count = first <= c->run->seq;
    enum store_result result = do_change(s, loop, c);
    buf_fini(&lines);
    return result;
}

enum store_result calls_accept(struct store *s, struct loop *loop, const struct run_record *run,
                               uint64_t *ret_ref)
{
    struct store_change c = {.accept = true, .run = run, .epoch = s->epoch};
    enum store_result result = do_change_with_events(s, loop, &c, 1);
    if (ret_ref != NULL)
        *ret_ref = c.ref;
    return result;
}

uint64_t calls_accept_released(struct store *s, struct loop *loop, const struct run_record *run)
{
    struct store_change c = {.accept = true, .release = true, .run = run, .epoch = s->epoch};
    ck_assert_int_eq(do_change_with_events(s, loop, &c, 1), STORE_OK);
    return c.ref;
}

enum store_result calls_save(struct store *s, struct loop *loop, const struct run_record *run,
                             uint64_t ref, uint64_t epoch, bool release, uint64_t first)
{
    struct store_change c = {.release = release, .run = run, .epoch = epoch, .ref = ref};
    return do_change_with_events(s, loop, &c, first);
}

enum store_result calls_save_events(struct store *s, struct loop *loop,
                                    const struct run_record *run, uint64_t ref, uint64_t epoch,
                                    uint64_t first)
{
    struct store_change c = {.only_events = true, .run = run, .epoch = epoch, .ref = ref};
    return do_change_with_events(s, loop, &c, first);
}

enum store_result calls_claim(struct store *s, struct loop *loop, const char *lane, uint32_t max,
                              struct store_claim *ret)
{
    *ret = (struct store_claim){
        .op.kind = STORE_CLAIM, .lane = str_of(lane), .max = max, .now_ms = clock_wall_ms(NULL)};
    arena_init(&ret->arena, 1 << 20);
    return calls_do(s, loop, &ret->op);
}

enum store_result calls_claim_id(struct store *s, struct loop *loop, const struct run_record *run,
                                 struct store_claim *ret)
{
    *ret = (struct store_claim){
        .op.kind = STORE_CLAIM, .by_id = true, .tenant = run->tenant, .id = run->id};
    arena_init(&ret->arena, 1 << 20);
    return calls_do(s, loop, &ret->op);
}

enum store_result calls_get(struct store *s, struct loop *loop, const struct run_record *run,
                            struct store_get *ret)
{
    *ret = (struct store_get){.op.kind = STORE_GET, .tenant = run->tenant, .id = run->id};
    arena_init(&ret->arena, 1 << 20);
    return calls_do(s, loop, &ret->op);
}

enum store_result calls_events(struct store *s, struct loop *loop, const struct run_record *run,
                               uint64_t after, size_t max_bytes, struct store_events *ret)
{
    *ret = (struct store_events){.op.kind = STORE_EVENTS,
                                 .tenant = run->tenant,
                                 .id = run->id,
                                 .after = after,
                                 .max_bytes = max_bytes};
    buf_init(&ret->lines, 1 << 24);
    return calls_do(s, loop, &ret->op);
}

enum store_result calls_command(struct store *s, struct loop *loop, const struct run_record *run,
                                const char *note)
{
    struct store_command c = {
        .op.kind = STORE_COMMAND, .tenant = run->tenant, .id = run->id, .note = str_of(note)};
    return calls_do(s, loop, &c.op);
}

enum store_result calls_delete(struct store *s, struct loop *loop, const struct run_record *run)
{
    struct store_delete d = {.op.kind = STORE_DELETE, .tenant = run->tenant, .id = run->id};
    return calls_do(s, loop, &d.op);
}
