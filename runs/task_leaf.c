/* value and sleep: leaves that ask nobody. */
#include "base/mem.h"
#include "runs/run.h"
#include "runs/shard.h"
#include "runs/task_kind.h"
#include "runs/task_values.h"

static void begin_value(struct task *t)
{
    struct error error = {.message = ""};
    struct str value;
    enum err e = task_fill(t, &t->spec->value, &value, &error);
    if (e == OK) {
        task_succeed(t, value);
    } else if (e == ERR_NOMEM) {
        run_lacks_memory(t->run);
    } else {
        task_fail(t, TASK_FAILED,
                  &(struct failure){.code = e, .message = str_of(error.message), .task = t->path});
    }
}

const struct task_kind task_kind_value = {.begin = begin_value};

/* --- sleep ------------------------------------------------------------------------------------ */

static void wake_up(struct task *t)
{
    char *null = mem_strdup(STR("null"));
    if (null != NULL) {
        task_succeed(t, (struct str){null, 4});
        return;
    }
    run_lacks_memory(t->run);
}

/* Until a moment of the wall clock, so that time during which the gateway is down counts; called
 * again when the timer has fired, to look at that clock. */
static void begin_sleep(struct task *t)
{
    struct loop *loop = t->run->shard->loop;
    struct reason reason = {.code = REASON_TIMER, .since_ms = t->started_at_ms};
    int64_t now_ms = loop_wall_ms(loop);
    reason.until_ms = t->started_at_ms + t->spec->duration_ms;
    if (reason.until_ms <= now_ms) {
        wake_up(t);
        return;
    }
    task_wait(t, &reason);
    loop_timer_start(&t->wake, loop_now_ms(loop) + (uint64_t)(reason.until_ms - now_ms));
    run_review(t->run);
}

const struct task_kind task_kind_sleep = {.begin = begin_sleep, .wake = begin_sleep};
