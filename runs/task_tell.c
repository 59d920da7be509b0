#include "runs/task_tell.h"

#include <stdio.h>

#include "base/json.h"
#include "runs/run.h"
#include "runs/shard.h"

static struct buf *say(struct task *t, enum event_type type)
{
    struct buf *b = run_say(t->run, type, t, 0);
    buf_add_lit(b, "{\"name\":");
    json_add_string_or_null(b, t->spec != NULL ? t->spec->name : STR_NONE);
    buf_add_lit(b, ",\"type\":\"");
    buf_add_str(b, str_of(task_type_name(t->type)));
    buf_add_char(b, '"');
    if (task_is_child(t) && t->child.has_id) {
        buf_add_lit(b, ",\"child_run\":");
        child_write_id(b, t);
    }
    return b;
}

static enum save_urgency urgency_of(const struct task *t, bool is_fact)
{
    return is_fact && run_is_watched(t->run) ? SAVE_NOW : SAVE_SOON;
}

static void tell(struct task *t, enum event_type type)
{
    buf_add_char(&t->run->shard->event, '}');
    run_tell(t->run, type, urgency_of(t, event_type_kind(type) == EVENT_FACT));
}

void task_tell_begin(struct task *t)
{
    say(t, EVENT_TASK_RUNNING);
    tell(t, EVENT_TASK_RUNNING);
}

void task_tell_wait(struct task *t, enum event_type type)
{
    struct buf *b = say(t, type);
    if (type == EVENT_TASK_RETRYING) {
        int64_t in_ms = task_reason(t)->until_ms - loop_wall_ms(t->run->shard->loop);
        buf_add_lit(b, ",\"retry_in_ms\":");
        buf_add_i64(b, in_ms > 0 ? in_ms : 0);
    }
    buf_add_lit(b, ",\"reason\":");
    reason_write(b, task_reason(t));
    tell(t, type);
}

static enum event_type event_of_end(enum task_state state)
{
    switch (state) {
    case TASK_CANCELLED: return EVENT_TASK_CANCELLED;
    case TASK_TIMED_OUT: return EVENT_TASK_TIMED_OUT;
    case TASK_SKIPPED: return EVENT_TASK_SKIPPED;
    case TASK_SUCCEEDED: return EVENT_TASK_SUCCEEDED;
    case TASK_PENDING:
    case TASK_RUNNING:
    case TASK_RETRYING:
    case TASK_BLOCKED:
    case TASK_FAILED: break;
    }
    return EVENT_TASK_FAILED;
}

static void say_output(struct buf *b, const struct task *t)
{
    struct run *run = t->run;
    if (t->parent == NULL) {
        run_record_write_value(b, t->output, &run->id, "/output", run->shard->base_path);
        return;
    }
    char suffix[512]; /* as deep as a tree can be, and more */
    snprintf(suffix, sizeof suffix, "/tasks/%.*s", STR_ARG(t->path));
    run_record_write_value(b, t->output, &run->id, suffix, run->shard->base_path);
}

void task_tell_end(struct task *t)
{
    enum event_type type = event_of_end(t->state);
    struct buf *b = say(t, type);
    if (t->state == TASK_SUCCEEDED) {
        buf_add_lit(b, ",\"output\":");
        say_output(b, t);
    } else if (t->state == TASK_SKIPPED) {
        buf_add_lit(b, ",\"reason\":");
        reason_write(b, task_reason(t));
    } else {
        buf_add_lit(b, ",\"error\":");
        json_add_or_null(b, t->error);
    }
    tell(t, type);
}
