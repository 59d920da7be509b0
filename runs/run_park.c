/* A run leaves memory before its end: it sleeps for long, or the gateway stops. */
#include "runs/attempt.h"
#include "runs/engine.h"
#include "runs/run.h"
#include "runs/shard.h"

static void lose_attempts(struct run *run)
{
    while (!list_is_empty(&run->attempts))
        attempt_lose(CONTAINER_OF(run->attempts.next, struct attempt, of_run));
}

/* When something of it happens by itself, wall: the end of a wait, or of the time that a task, or
 * all of it, has. */
static int64_t next_moment_ms(const struct run *run, const struct reason *reason)
{
    struct loop *loop = run->shard->loop;
    uint64_t now_ms = loop_now_ms(loop), deadline_ms = tree_first_deadline_ms(run);
    if (run->deadline_ms < deadline_ms)
        deadline_ms = run->deadline_ms;
    int64_t at_ms = loop_wall_ms(loop);
    at_ms += deadline_ms > now_ms ? (int64_t)(deadline_ms - now_ms) : 0;
    return reason->until_ms > 0 && reason->until_ms < at_ms ? reason->until_ms : at_ms;
}

/* Of a wait for a child nobody knows how long it is: once it is longer than a short one is. */
static bool is_worth_parking(const struct run *run, const struct reason *reason, bool drains)
{
    int64_t now_ms = loop_wall_ms(run->shard->loop);
    if (reason->until_ms == 0 && !children_are_waited_for(run, reason))
        return false;
    if (next_moment_ms(run, reason) <= now_ms + PARK_AFTER_MS)
        return false;
    return reason->until_ms > 0 || drains || now_ms >= reason->since_ms + PARK_AFTER_MS ||
           engine_is_crowded(run->shard->engine);
}

/* While the gateway drains, who looks and what place it has in a provider's line counts no more. */
bool run_may_park(const struct run *run)
{
    bool drains = atomic_load_explicit(&run->shard->engine->is_draining, memory_order_relaxed);
    const struct reason *reason = run_waits_for(run);
    bool sleeps = run->state == RUN_WAITING && reason != NULL && run->stop == STOP_NONE &&
                  children_may_park(run) && is_worth_parking(run, reason, drains);
    if (drains)
        return sleeps;
    return sleeps && list_is_empty(&run->attempts) && run->accept == NULL &&
           run->subscriber_count == 0;
}

bool run_is_leaving(const struct run *run)
{
    return run->is_hidden || (run->release && !run_state_is_terminal(run->state));
}

/* With the next save, however often that is tried. */
static void leave(struct run *run, int64_t wake_at_ms)
{
    run->release = true;
    run->wake_at_ms = wake_at_ms;
    loop_timer_stop(&run->deadline);
    loop_timer_stop(&run->patience);
    tree_quiet(run);
}

void run_before_save(struct run *run)
{
    if (run->release || !run_may_park(run))
        return;
    bool has_line = (run->spec.flags & RUN_IS_TREE) != 0 && !list_is_empty(&run->attempts);
    int64_t wake_at_ms =
        has_line ? loop_wall_ms(run->shard->loop) : next_moment_ms(run, run_waits_for(run));
    lose_attempts(run); /* what stands in a provider's line */
    leave(run, wake_at_ms);
}

/* A call that was sent, and must not be made twice, has failed. */
static void give_up(struct run *run, struct attempt *a)
{
    struct task *t = a->task;
    bool was_sent = a->number > 0 && !list_is_linked(&a->after_save);
    attempt_lose(a);
    if (was_sent && (run->spec.flags & RUN_FAIL_ON_CRASH) != 0)
        call_crash(t);
}

void run_park(struct run *run)
{
    struct reason reason = {.code = REASON_SHUTDOWN, .since_ms = loop_wall_ms(run->shard->loop)};
    if (run_state_is_terminal(run->state) || run->is_hidden || run->release)
        return;
    while (!list_is_empty(&run->attempts))
        give_up(run, CONTAINER_OF(run->attempts.next, struct attempt, of_run));
    if (run_state_is_terminal(run->state))
        return;
    if (run->state == RUN_RUNNING)
        run_enter(run, RUN_WAITING, &reason);
    run->begin_when_saved = false;
    /* What has ended is stored; what comes of it is the next start's business. */
    leave(run, reason.since_ms);
    outbox_want(run, SAVE_NOW);
}
