/* An attempt of a local provider: its script is played, step by step. */
#include "runs/attempt_internal.h"

enum { STEPS_AT_ONCE = 64 }; /* before others get their turn */

static void on_step(struct loop_timer *timer);

void attempt_sim_init(struct attempt *a)
{
    loop_timer_init(&a->step_timer, a->loop, on_step);
}

void attempt_sim_fini(struct attempt *a)
{
    if (a->has_sim)
        sim_fini(&a->own.local.sim);
}

static uint64_t silence_ms(const struct attempt *a)
{
    const struct upstream_timeouts *t = &a->upstream->timeouts;
    return a->first_byte_ms == 0 ? t->first_byte_ms : t->idle_ms;
}

/* Waits for the next step, but no longer than a real provider would be waited for. */
static void wait_for_step(struct attempt *a)
{
    uint64_t now_ms = loop_now_ms(a->loop);
    uint64_t end_ms = attempt_end_ms(a);
    uint64_t at_ms =
        a->own.local.step.kind == SIM_SILENCE ? UINT64_MAX : now_ms + a->own.local.step.after_ms;
    uint64_t limit_ms = now_ms + silence_ms(a) < end_ms ? now_ms + silence_ms(a) : end_ms;
    a->step_is_late = at_ms > limit_ms;
    loop_timer_start(&a->step_timer, a->step_is_late ? limit_ms : at_ms);
}

static void end_of_play(struct attempt *a)
{
    struct verdict v = a->own.local.step.kind == SIM_FAIL ? a->own.local.step.verdict
                                                          : (struct verdict){.code = OK};
    sim_usage(&a->own.local.sim, NULL, &a->answer.usage);
    a->answer.has_usage = v.code == OK;
    if (v.code == OK)
        answer_set_finish_reason(&a->answer, STR("stop"));
    if (a->stop_code != OK)
        v = (struct verdict){.code = a->stop_code};
    attempt_conclude_verdict(a, &v, v.code == OK || sim_was_answered(&a->own.local.step),
                             a->own.local.step.retry_after_ms);
}

/* Does what the script says next, as far as it is due. */
static void play(struct attempt *a)
{
    for (int i = 0; i < STEPS_AT_ONCE && !a->is_paused; i++) {
        if (a->first_byte_ms == 0 && a->own.local.step.kind != SIM_SILENCE &&
            a->own.local.step.kind != SIM_FAIL)
            attempt_on_first_byte(a);
        bool goes_on = a->own.local.step.kind == SIM_TOKEN &&
                       attempt_on_delta(
                           a, &(struct delta){.kind = DELTA_TEXT, .text = a->own.local.step.text});
        if (!goes_on) {
            end_of_play(a);
            return;
        }
        sim_next(&a->own.local.sim, &a->own.local.step);
        if (a->own.local.step.after_ms > 0 || a->own.local.step.kind == SIM_SILENCE) {
            wait_for_step(a);
            return;
        }
    }
    if (!a->is_paused)
        loop_timer_start(&a->step_timer, loop_now_ms(a->loop));
}

static void on_step(struct loop_timer *timer)
{
    struct attempt *a = CONTAINER_OF(timer, struct attempt, step_timer);
    if (a->step_is_late) {
        struct attempt_outcome o = {.code = ERR_PROVIDER_TIMEOUT,
                                    .message = STR("sim said nothing in time")};
        sim_usage(&a->own.local.sim, &a->own.local.step, &a->answer.usage);
        attempt_conclude(a, &o);
        return;
    }
    play(a);
}

enum err attempt_sim_start(struct attempt *a, struct error *error)
{
    enum err e = sim_init(&a->own.local.sim, &a->call, &a->shard->scratch, error);
    a->has_sim = true;
    if (e != OK)
        return e;
    sim_next(&a->own.local.sim, &a->own.local.step);
    wait_for_step(a);
    return OK;
}

void attempt_sim_resume(struct attempt *a)
{
    if (a->has_sim && !loop_timer_is_armed(&a->step_timer))
        loop_timer_start(&a->step_timer, loop_now_ms(a->loop));
}
