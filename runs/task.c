#include "runs/task.h"

#include <assert.h>

#include "base/json.h"
#include "base/mem.h"
#include "runs/run.h"
#include "runs/shard.h"

static void on_deadline(struct loop_timer *timer);

void task_init_root(struct task *t, struct run *run, const struct task_spec *spec)
{
    *t = (struct task){.run = run,
                       .spec = spec,
                       .path = STR(""),
                       .state = TASK_PENDING,
                       .deadline_ms = UINT64_MAX};
    loop_timer_init(&t->deadline, run->shard->loop, on_deadline);
    call_init(t);
}

static void free_text(struct str *s)
{
    union { /* owned text is only viewed as const */
        const char *view;
        char *own;
    } at = {.view = s->at};
    mem_free(at.own);
    *s = STR_NONE;
}

void task_fini(struct task *t)
{
    call_fini(t);
    free_text(&t->output);
    free_text(&t->error);
}

/* --- telling ---------------------------------------------------------------------------------- */

static struct buf *say(struct task *t, enum event_type type)
{
    struct buf *b = run_say(t->run, type, t, 0);
    buf_add_lit(b, "{\"name\":");
    if (t->spec != NULL && t->spec->name.at != NULL)
        json_add_string(b, t->spec->name);
    else
        buf_add_lit(b, "null");
    buf_addf(b, ",\"type\":\"%s\"", task_type_name(t->spec ? t->spec->type : TASK_CALL));
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

static void tell_wait(struct task *t, enum event_type type)
{
    struct buf *b = say(t, type);
    if (type == EVENT_TASK_RETRYING) {
        int64_t in_ms = t->reason.until_ms - loop_wall_ms(t->run->shard->loop);
        buf_add_lit(b, ",\"retry_in_ms\":");
        buf_add_i64(b, in_ms > 0 ? in_ms : 0);
    }
    buf_add_lit(b, ",\"reason\":");
    reason_write(b, &t->reason);
    tell(t, type);
}

/* --- states ----------------------------------------------------------------------------------- */

static void set_state(struct task *t, enum task_state state)
{
    if (t->state == state)
        return;
    assert(task_edge_is_legal(t->state, state));
    t->state = state;
}

void task_enter(struct task *t, enum task_state state, const struct reason *reason)
{
    set_state(t, state);
    t->reason = reason ? *reason : (struct reason){.code = REASON_NONE};
    if (state == TASK_BLOCKED)
        tell_wait(t, EVENT_TASK_BLOCKED);
    else if (state == TASK_RETRYING)
        tell_wait(t, EVENT_TASK_RETRYING);
    /* Going on after a wait is told by attempt.started: task.running comes once. */
}

/* The nearest timeout: the task's own, or its agent's. */
static void arm(struct task *t)
{
    int64_t timeout_ms = t->spec != NULL ? t->spec->timeout_ms : 0;
    if (timeout_ms == 0 && t->call.agent != NULL)
        timeout_ms = t->call.agent->timeout_ms;
    if (timeout_ms == 0)
        return;
    int64_t left_ms = t->started_at_ms + timeout_ms - loop_wall_ms(t->run->shard->loop);
    t->deadline_ms = loop_now_ms(t->run->shard->loop) + (left_ms > 0 ? (uint64_t)left_ms : 0);
    loop_timer_start(&t->deadline, t->deadline_ms);
}

void task_begin(struct task *t)
{
    t->started_at_ms = loop_wall_ms(t->run->shard->loop);
    set_state(t, TASK_RUNNING);
    say(t, EVENT_TASK_RUNNING);
    tell(t, EVENT_TASK_RUNNING);
    call_prepare(t);
    arm(t);
    call_begin(t);
}

void task_resume(struct task *t, bool was_lost)
{
    call_prepare(t);
    arm(t);
    call_resume(t, was_lost);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void end(struct task *t)
{
    loop_timer_stop(&t->deadline);
    t->reason = (struct reason){.code = REASON_NONE};
    run_end(t->run);
}

void task_succeed(struct task *t, struct str output)
{
    t->output = output;
    t->finished_at_ms = loop_wall_ms(t->run->shard->loop);
    set_state(t, TASK_SUCCEEDED);
    struct buf *b = say(t, EVENT_TASK_SUCCEEDED);
    buf_add_lit(b, ",\"output\":");
    run_record_write_value(b, output, &t->run->id, "/output", t->run->shard->base_path);
    tell(t, EVENT_TASK_SUCCEEDED);
    end(t);
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

void task_fail(struct task *t, enum task_state state, const struct failure *failure)
{
    struct buf text;
    buf_init(&text, 1048576);
    failure_write(&text, failure);
    size_t len = 0;
    char *own = buf_take(&text, &len);
    if (own == NULL)
        t->run->is_wrecked = true;
    t->error = (struct str){own, len};
    t->finished_at_ms = loop_wall_ms(t->run->shard->loop);
    set_state(t, state);
    enum event_type type = event_of_end(state);
    struct buf *b = say(t, type);
    buf_add_lit(b, ",\"error\":");
    buf_add_str(b, own != NULL ? t->error : STR("null"));
    tell(t, type);
    end(t);
}

void task_stop(struct task *t, enum err code)
{
    if (task_state_is_terminal(t->state))
        return;
    call_stop(t);
    struct str note = str_of(t->run->stop_reason.note);
    task_fail(t, code == ERR_CANCELLED ? TASK_CANCELLED : TASK_TIMED_OUT,
              &(struct failure){.code = code,
                                .message = code == ERR_CANCELLED ? note : STR(""),
                                .task = t->path,
                                .provider = call_last_provider(t),
                                .attempts = t->call.attempts});
}

static void on_deadline(struct loop_timer *timer)
{
    task_stop(CONTAINER_OF(timer, struct task, deadline), ERR_TASK_TIMEOUT);
}
