#include "runs/child_draft.h"

#include "base/json.h"
#include "base/mem.h"
#include "runs/claim.h"
#include "runs/lane.h"
#include "runs/shard.h"

enum { ARENA_BYTES = 65536 /* beside the input */ };

/* --- texts ------------------------------------------------------------------------------------ */

static struct str keep(struct child_draft *d, struct buf *b)
{
    struct str text = buf_ok(b) == OK ? arena_str(&d->arena, buf_str(b)) : STR_NONE;
    buf_fini(b);
    return text;
}

/* As a client would have written it. */
static struct str write_spec(struct child_draft *d, struct str input)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    buf_add_lit(&b, "{\"workflow\":");
    json_add_string(&b, d->version->name);
    buf_add_lit(&b, ",\"input\":");
    buf_add_str(&b, input);
    buf_add_char(&b, '}');
    return keep(d, &b);
}

static struct str write_parent(struct child_draft *d)
{
    struct buf b;
    buf_init(&b, ARENA_BYTES);
    buf_add_lit(&b, "{\"run_id\":");
    json_add_string(&b, (struct str){d->task->run->text, RUN_ID_TEXT});
    buf_add_lit(&b, ",\"task\":");
    json_add_string(&b, d->task->path);
    buf_add_char(&b, '}');
    return keep(d, &b);
}

static struct str write_reason(struct child_draft *d)
{
    struct reason reason = {.code = REASON_ADMISSION, .since_ms = d->record.created_at_ms};
    struct buf b;
    buf_init(&b, ARENA_BYTES);
    reason_write(&b, &reason);
    return keep(d, &b);
}

static struct str write_event(struct child_draft *d)
{
    char id[RUN_ID_TEXT];
    run_id_format(&d->record.id, id);
    struct event_head head = {.seq = 1,
                              .type = EVENT_RUN_QUEUED,
                              .run = {id, sizeof id},
                              .at_ms = d->record.created_at_ms};
    struct buf b;
    buf_init(&b, ARENA_BYTES);
    event_begin(&b, &head);
    buf_add_lit(&b, "{\"reason\":");
    buf_add_str(&b, d->record.reason);
    buf_add_char(&b, '}');
    event_end(&b);
    return keep(d, &b);
}

/* --- the record ------------------------------------------------------------------------------- */

/* What is left of the task's time, or of its run's. */
static int64_t timeout_of(const struct task *t)
{
    const struct shard *shard = t->run->shard;
    uint64_t now_ms = loop_now_ms(shard->loop);
    int64_t most = shard->limits->spec.max_run_timeout_ms;
    if (t->deadline_ms == UINT64_MAX)
        return most;
    int64_t left_ms = t->deadline_ms > now_ms ? (int64_t)(t->deadline_ms - now_ms) : 1;
    return left_ms < most ? left_ms : most;
}

static unsigned flags_of(const struct run *parent, const struct workflow *version)
{
    unsigned inherited = RUN_FAIL_ON_CRASH | RUN_MAY_RESTART | RUN_DEPTH_MAX << RUN_DEPTH_SHIFT;
    return (parent->spec.flags & inherited) | (run_is_tree(version->task) ? RUN_IS_TREE : 0) |
           (run_nesting(parent) + 1) << RUN_NESTING_SHIFT;
}

static bool fill_in(struct child_draft *d, struct str input)
{
    struct run *parent = d->task->run;
    struct shard *shard = parent->shard;
    struct run_record *r = &d->record;
    const struct workflow *w = d->version;
    int64_t now_ms = loop_wall_ms(shard->loop);
    *r = (struct run_record){.id = id_next(&shard->ids, now_ms),
                             .tenant = parent->tenant,
                             .state = RUN_QUEUED,
                             .task_state = TASK_PENDING,
                             .seq = 1,
                             .created_at_ms = now_ms,
                             .timeout_ms = timeout_of(d->task),
                             .flags = flags_of(parent, w),
                             .workflow = w->name,
                             .workflow_version = w->version,
                             .definition = w->text,
                             .attempts = STR("[]")};
    r->spec = write_spec(d, input);
    r->parent = write_parent(d);
    r->reason = write_reason(d);
    r->lane = lane_of_child(lane_upstream(shard, w->task, STR_NONE), &d->arena);
    d->line = write_event(d);
    return r->spec.at != NULL && r->parent.at != NULL && r->reason.at != NULL &&
           r->lane.at != NULL && d->line.at != NULL;
}

enum err child_draft_make(struct task *t, struct workflow *version, struct str input,
                          struct id *ret_id)
{
    struct child_draft *d = mem_zalloc(sizeof *d);
    if (d == NULL)
        return ERR_NOMEM;
    d->task = t;
    d->version = workflow_ref(version);
    arena_init(&d->arena, input.len + ARENA_BYTES);
    enum err e = fill_in(d, input) ? OK : ERR_NOMEM;
    if (e == OK)
        e = json_parse(&t->run->shard->scratch, d->record.spec, NULL); /* one level deeper now */
    if (e != OK) {
        child_draft_destroy(d);
        return e == ERR_NOMEM ? e : ERR_TEMPLATE_ERROR;
    }
    list_push_back(&t->run->children.drafts, &d->link);
    claim_count(t->run->shard, d->record.lane, 1);
    *ret_id = d->record.id;
    return OK;
}

void child_draft_destroy(struct child_draft *d)
{
    workflow_unref(d->version);
    arena_fini(&d->arena);
    mem_free(d);
}
