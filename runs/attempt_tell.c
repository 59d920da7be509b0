#include "runs/attempt_tell.h"

#include "base/json.h"
#include "model/stamp.h"
#include "runs/attempt.h"
#include "runs/shard.h"

/* With what the next attempt can go on, if this one does not see the end of its work. */
static void add_handle(struct buf *b, const struct attempt *a, const char *state)
{
    bool is_open = strcmp(state, "running") == 0 || strcmp(state, "lost") == 0;
    if (!is_open || !poll_goes_on(&a->poll))
        return;
    buf_add_lit(b, ",\"handle\":");
    buf_add_str(b, buf_str(&a->poll.handle));
    buf_add_lit(b, ",\"key\":");
    buf_add_u64(b, a->key);
}

/* A plain request has none. */
static void add_model(struct buf *b, const struct attempt *a)
{
    json_add_string_or_null(b, a->call.model.len > 0 ? a->call.model : STR_NONE);
}

void attempt_write(struct buf *b, const struct attempt *a, const char *state, struct str error)
{
    buf_add_lit(b, "{\"number\":");
    buf_add_u64(b, a->number);
    buf_add_lit(b, ",\"provider\":");
    json_add_string(b, upstream_name(a->upstream));
    buf_add_lit(b, ",\"model\":");
    add_model(b, a);
    buf_add_lit(b, ",\"state\":\"");
    buf_add_str(b, str_of(state));
    buf_add_lit(b, "\",\"error\":");
    json_add_or_null(b, error);
    buf_add_lit(b, ",\"started_at\":");
    stamp_write(b, a->started_at_ms);
    buf_add_lit(b, ",\"first_byte_ms\":");
    if (a->first_byte_ms != 0)
        buf_add_u64(b, a->first_byte_ms - a->started_ms);
    else
        buf_add_lit(b, "null");
    buf_add_lit(b, ",\"finished_at\":");
    stamp_write(b, a->finished_at_ms);
    buf_add_lit(b, ",\"usage\":");
    usage_write_tokens(b, &a->answer.usage);
    add_handle(b, a, state);
    buf_add_char(b, '}');
}

/* Begins the data of an event of this attempt: {"provider":..,"model":.. */
static struct buf *say(struct attempt *a, enum event_type type)
{
    struct buf *b = run_say(a->task->run, type, a->task, a->number);
    buf_add_lit(b, "{\"provider\":");
    json_add_string(b, upstream_name(a->upstream));
    buf_add_lit(b, ",\"model\":");
    add_model(b, a);
    return b;
}

static void tell(struct attempt *a, enum event_type type, enum save_urgency urgency)
{
    buf_add_char(&a->shard->event, '}');
    run_tell(a->task->run, type, urgency);
}

void attempt_tell_start(struct attempt *a, enum event_type type, enum save_urgency urgency)
{
    say(a, type);
    tell(a, type, urgency);
}

void attempt_tell_end(struct attempt *a, enum event_type type, struct str error)
{
    struct buf *b = say(a, type);
    buf_add_lit(b, ",\"usage\":");
    usage_write_tokens(b, &a->answer.usage);
    if (a->answer.finish_reason[0] != '\0') {
        buf_add_lit(b, ",\"finish_reason\":");
        json_add_string(b, str_of(a->answer.finish_reason));
    }
    if (error.at != NULL) {
        buf_add_lit(b, ",\"error\":");
        buf_add_str(b, error);
    }
    tell(a, type, SAVE_SOON);
}
