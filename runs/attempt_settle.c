/* What an attempt gives back when it ends: its slot and its tokens, to the provider's gate; what it
 * has used, to its task; what it took, to the metrics. */
#include "runs/attempt_internal.h"

static enum limiter_outcome health_of(enum err code)
{
    switch (code) {
    case OK: return LIMITER_SUCCESS;
    case ERR_PROVIDER_UNREACHABLE:
    case ERR_PROVIDER_TIMEOUT:
    case ERR_PROVIDER_ERROR:
    case ERR_PROVIDER_OVERLOADED:
    case ERR_PROVIDER_BAD_RESPONSE: return LIMITER_FAILURE;
    default: return LIMITER_NEUTRAL;
    }
}

/* What the call has cost, for the token bucket. */
static uint64_t cost_of(const struct attempt *a, const struct attempt_outcome *o)
{
    if (a->answer.has_usage)
        return usage_sum(a->answer.usage.input_tokens, a->answer.usage.output_tokens);
    bool refused = o->was_answered && o->code != OK;
    return refused || o->code == ERR_PROVIDER_UNREACHABLE ? 0 : LIMITER_TOKENS_UNKNOWN;
}

static void observe(struct attempt *a)
{
    struct shard *s = a->shard;
    uint32_t label = a->upstream->label;
    shard_observe(s, SERIES_ATTEMPT_SECONDS, label, loop_now_ms(a->loop) - a->started_ms);
    if (a->first_byte_ms != 0)
        shard_observe(s, SERIES_FIRST_BYTE_SECONDS, label, a->first_byte_ms - a->started_ms);
    shard_count(s, SERIES_TOKENS, label, DIRECTION_INPUT, (int64_t)a->answer.usage.input_tokens);
    shard_count(s, SERIES_TOKENS, label, DIRECTION_OUTPUT, (int64_t)a->answer.usage.output_tokens);
}

void attempt_settle(struct attempt *a, const struct attempt_outcome *o)
{
    struct limiter_report report = {
        .outcome = health_of(o->code),
        .hint_ms = o->hint_ms,
        .hold = o->hint_ms > 0 && !o->has_other_key &&
                (o->code == ERR_PROVIDER_RATE_LIMITED || o->code == ERR_PROVIDER_OVERLOADED),
        .used_tokens = cost_of(a, o)};
    a->finished_at_ms = loop_wall_ms(a->loop);
    struct task *t = a->task;
    observe(a);
    task_use(t, &(struct usage){.input_tokens = a->answer.usage.input_tokens,
                                .output_tokens = a->answer.usage.output_tokens});
    t->run->in_flight--;
    gate_done(a->upstream->gate, &a->waiter, &report, loop_now_ms(a->loop) - a->started_ms,
              &a->shard->rng);
}
