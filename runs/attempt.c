#include "runs/attempt.h"

#include <assert.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/stamp.h"
#include "resilience/retry_hint.h"
#include "runs/run.h"
#include "runs/shard.h"
#include "runs/withdraw.h"

enum {
    ERROR_BODY_MAX = 65536, /* of an answer that is no 200 */
    FRAMING_MAX =
        1048576, /* what an answer's JSON may take beside its text, and twice over for escapes */
    GRACE_MS = 1000,     /* for the connection to end after the answer is complete */
    STEPS_AT_ONCE = 64,  /* of a local provider, before others get their turn */
    BYTES_PER_TOKEN = 4, /* for the estimate before a call */
};

static struct shard *shard_of(const struct attempt *a)
{
    return a->shard;
}

static const struct provider_kind *kind_of(const struct attempt *a)
{
    return a->upstream->provider->kind;
}

/* --- its memory ------------------------------------------------------------------------------- */

static void destroy(struct loop_deferred *garbage)
{
    struct attempt *a = CONTAINER_OF(garbage, struct attempt, garbage);
    if (a->has_sim)
        sim_fini(&a->own.sim);
    if (a->has_decoder)
        kind_of(a)->decoder_fini((struct decoder *)(void *)a->own.decoder);
    answer_fini(&a->answer);
    json_doc_fini(&a->params_doc);
    buf_fini(&a->body);
    buf_fini(&a->error_body);
    poll_fini(&a->poll);
    shard_let_go(a->shard, a->upstream);
    mem_free(a);
}

static void let_go(struct attempt *a)
{
    loop_free_later(a->loop, &a->garbage, destroy);
}

static void on_idle(struct gate_waiter *w)
{
    let_go(CONTAINER_OF(w, struct attempt, waiter));
}

/* Leaves the task: whatever still comes finds nobody. */
static void leave(struct attempt *a)
{
    a->phase = ATTEMPT_OVER;
    a->task->call.attempt = NULL;
    list_remove(&a->of_run);
    list_remove(&a->paused);
    list_remove(&a->after_save);
    loop_timer_stop(&a->patience);
    loop_timer_stop(&a->grace);
    loop_timer_stop(&a->step_timer);
    loop_timer_stop(&a->poll_timer);
}

static void on_impatient(struct loop_timer *timer);
static void on_verdict(struct gate_waiter *w, const struct limiter_answer *answer);
static void on_grace(struct loop_timer *timer);
static void on_step(struct loop_timer *timer);
static void on_poll(struct loop_timer *timer);

static struct attempt *new_attempt(struct task *t, struct upstream *u)
{
    const struct provider_kind *kind = u->provider->kind;
    size_t own = kind->is_local ? sizeof(struct sim) : kind->decoder_size;
    struct attempt *a = mem_zalloc(offsetof(struct attempt, own) + own);
    if (a == NULL)
        return NULL;
    a->task = t;
    a->loop = t->run->shard->loop;
    a->shard = t->run->shard;
    a->upstream = u;
    shard_hold(a->shard, u);
    list_init(&a->of_run);
    list_init(&a->paused);
    list_init(&a->after_save);
    json_doc_init(&a->params_doc);
    answer_init(&a->answer, t->run->shard->limits->output_bytes);
    buf_init(&a->body, 2 * t->run->shard->limits->spec.input_bytes + 67108864);
    buf_init(&a->error_body, ERROR_BODY_MAX);
    loop_timer_init(&a->patience, a->loop, on_impatient);
    loop_timer_init(&a->grace, a->loop, on_grace);
    loop_timer_init(&a->step_timer, a->loop, on_step);
    loop_timer_init(&a->poll_timer, a->loop, on_poll);
    poll_init(&a->poll);
    return a;
}

/* --- the call --------------------------------------------------------------------------------- */

static enum err read_params(struct attempt *a, struct str params, struct json *ret)
{
    *ret = JSON_NONE;
    if (params.at == NULL)
        return OK;
    enum err e = json_parse(&a->params_doc, params, NULL);
    if (e == OK)
        *ret = json_root(&a->params_doc);
    return e;
}

/* The work that an earlier attempt has begun, before the gateway stopped. */
static enum err take_over_work(struct attempt *a)
{
    const struct call_state *c = &a->task->call;
    a->key = c->handle_key;
    return c->handle.at != NULL ? poll_take(&a->poll, c->handle) : OK;
}

static enum err describe(struct attempt *a, struct str model)
{
    const struct task *t = a->task;
    const struct run_spec *run_spec = &t->run->spec;
    const struct agent *agent = t->call.agent;
    a->call = (struct call){.model = model, .task_path = t->path, .agent_params = JSON_NONE};
    if (agent != NULL) {
        a->call.instructions = agent->instructions;
        if (agent->params.at != NULL)
            a->call.agent_params = json_root(&agent->params_doc);
    }
    a->call.input = t->spec != NULL ? t->spec->input : run_spec->input;
    if (t->call.input.at != NULL)
        a->call.input = t->call.input;
    if (t->call.instructions.at != NULL)
        a->call.instructions = t->call.instructions;
    else if (t->spec != NULL && t->spec->instructions.len > 0)
        a->call.instructions = t->spec->instructions;
    a->call.request = t->call.request;
    a->call.result = t->spec != NULL ? t->spec->result : STR_NONE;
    return read_params(a, t->spec != NULL ? t->spec->params : run_spec->params,
                       &a->call.run_params);
}

/* What a call may cost in tokens: its prompt, and the most that it may answer. */
static uint64_t estimate(const struct call *call)
{
    uint64_t prompt = (call->input.len + call->instructions.len) / BYTES_PER_TOKEN;
    struct json max = call_param(call, "max_completion_tokens");
    int64_t answer = 0;
    if (!json_exists(max))
        max = call_param(call, "max_tokens");
    if (json_exists(max) && json_int(max, 0, (int64_t)1 << 40, &answer) != OK)
        answer = 0;
    return prompt + (uint64_t)answer;
}

/* --- the gate --------------------------------------------------------------------------------- */

static void on_granted(struct attempt *a);

static enum reason_code reason_of(enum limiter_reason r)
{
    switch (r) {
    case LIMITER_BREAKER_OPEN: return REASON_BREAKER_OPEN;
    case LIMITER_NO_FREE_SLOT: return REASON_NO_FREE_SLOT;
    case LIMITER_RATE_LIMITED:
    case LIMITER_FREE:
    case LIMITER_TOO_COSTLY:
    case LIMITER_QUEUE_FULL:
    case LIMITER_NO_MEMORY: break;
    }
    return REASON_RATE_LIMITED;
}

static enum err refusal_of(enum limiter_reason r)
{
    switch (r) {
    case LIMITER_BREAKER_OPEN: return ERR_BREAKER_OPEN;
    case LIMITER_TOO_COSTLY: return ERR_LIMIT_EXCEEDED;
    case LIMITER_NO_FREE_SLOT:
    case LIMITER_RATE_LIMITED:
    case LIMITER_FREE:
    case LIMITER_QUEUE_FULL:
    case LIMITER_NO_MEMORY: break;
    }
    return ERR_PROVIDER_OVERLOADED;
}

static void block(struct attempt *a, const struct limiter_answer *answer)
{
    struct reason reason = {.code = reason_of(answer->reason), .since_ms = loop_wall_ms(a->loop)};
    uint64_t now_ms = loop_now_ms(a->loop);
    if (answer->until_ms > now_ms)
        reason.until_ms = reason.since_ms + (int64_t)(answer->until_ms - now_ms);
    snprintf(reason.blocked_on, sizeof reason.blocked_on, "provider:%.*s",
             STR_ARG(upstream_name(a->upstream)));
    a->phase = ATTEMPT_WAITS;
    task_enter(a->task, TASK_BLOCKED, &reason);
    run_review(a->task->run);
}

/* How long it may wait for its turn: to its deadline, but not for long where there is another
 * model.
 */
static uint64_t give_up_ms(const struct attempt *a)
{
    uint64_t deadline_ms = a->task->deadline_ms;
    uint64_t enough_ms = loop_now_ms(a->loop) + a->upstream->fallback_wait_ms;
    return call_has_fallback(a->task) && enough_ms < deadline_ms ? enough_ms : deadline_ms;
}

enum err attempt_start(struct task *t, struct upstream *u, struct str model)
{
    struct attempt *a = new_attempt(t, u);
    if (a == NULL)
        return ERR_OVERLOADED;
    enum err e = describe(a, model);
    if (e == OK)
        e = take_over_work(a);
    if (e != OK) {
        let_go(a);
        return ERR_BAD_REQUEST;
    }
    gate_waiter_init(&a->waiter, a->loop, t->run->tenant_hash, estimate(&a->call), on_verdict,
                     on_idle);
    a->waiter.ticket.is_retry = t->call.attempts > 0;
    a->waiter.ticket.give_up_ms = give_up_ms(a);
    struct limiter_answer answer = gate_ask(u->gate, &a->waiter);
    if (answer.verdict == LIMITER_REFUSE) {
        let_go(a);
        return refusal_of(answer.reason);
    }
    t->call.attempt = a;
    list_push_back(&t->run->attempts, &a->of_run);
    if (answer.verdict == LIMITER_GO)
        on_granted(a);
    else
        block(a, &answer);
    if (answer.verdict != LIMITER_GO && call_has_fallback(t))
        loop_timer_start(&a->patience, a->waiter.ticket.give_up_ms);
    return OK;
}

/* There is no attempt: its call is told why. */
static void give_up(struct attempt *a, enum limiter_reason why)
{
    struct task *t = a->task;
    struct attempt_outcome outcome = {.code = refusal_of(why), .is_final = true};
    leave(a);
    call_on_attempt_end(t, NULL, &outcome);
}

static void on_impatient(struct loop_timer *timer)
{
    struct attempt *a = CONTAINER_OF(timer, struct attempt, patience);
    enum limiter_reason why;
    if (!gate_give_up(a->upstream->gate, &a->waiter, &why))
        return; /* its turn has just come */
    give_up(a, why);
    let_go(a);
}

static void on_verdict(struct gate_waiter *w, const struct limiter_answer *answer)
{
    struct attempt *a = CONTAINER_OF(w, struct attempt, waiter);
    if (answer->verdict == LIMITER_GO) {
        loop_timer_stop(&a->patience);
        on_granted(a);
        return;
    }
    give_up(a, answer->reason);
    let_go(a);
}

/* --- telling ---------------------------------------------------------------------------------- */

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
    buf_add_char(&shard_of(a)->event, '}');
    run_tell(a->task->run, type, urgency);
}

static void tell_end(struct attempt *a, enum event_type type, struct str error)
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

/* --- going ------------------------------------------------------------------------------------ */

static void send_now(struct attempt *a);

static void count(struct attempt *a)
{
    struct task *t = a->task;
    struct call_state *c = &t->call;
    if (c->attempts == 0)
        gate_count_call(a->upstream->gate);
    task_use(t, &(struct usage){.calls = c->attempts == 0, .attempts = 1});
    c->tries++;
    c->last_model = arena_str(&t->run->spec.arena, a->call.model);
    c->handle = STR_NONE; /* it is this attempt's now */
    a->number = ++c->attempts;
    a->call.attempt = a->number;
    t->run->in_flight++;
}

static void on_granted(struct attempt *a)
{
    struct run *run = a->task->run;
    a->phase = ATTEMPT_RUNS;
    count(a);
    run_review(run); /* it is running again, and says so before its attempt does */
    task_enter(a->task, TASK_RUNNING, NULL);
    a->started_at_ms = loop_wall_ms(a->loop);
    a->started_ms = loop_now_ms(a->loop);
    if (a->task->call.is_restart) {
        a->task->call.is_restart = false;
        say(a, EVENT_ATTEMPT_RESTARTED);
        tell(a, EVENT_ATTEMPT_RESTARTED, SAVE_SOON);
    }
    bool commit_first = (run->spec.flags & RUN_FAIL_ON_CRASH) != 0;
    say(a, EVENT_ATTEMPT_STARTED);
    tell(a, EVENT_ATTEMPT_STARTED, commit_first ? SAVE_NOW : SAVE_SOON);
    if (!commit_first) {
        send_now(a);
        return;
    }
    /* A call that must not be made twice: the store has to know of it before the provider does. */
    a->send_after_seq = run->feed.last_seq;
    list_push_back(&run->after_save, &a->after_save);
}

void attempt_on_saved(struct attempt *a)
{
    list_remove(&a->after_save);
    send_now(a);
}

/* --- the end ---------------------------------------------------------------------------------- */

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
    struct shard *s = shard_of(a);
    uint32_t label = a->upstream->label;
    shard_observe(s, SERIES_ATTEMPT_SECONDS, label, loop_now_ms(a->loop) - a->started_ms);
    if (a->first_byte_ms != 0)
        shard_observe(s, SERIES_FIRST_BYTE_SECONDS, label, a->first_byte_ms - a->started_ms);
    shard_count(s, SERIES_TOKENS, label, DIRECTION_INPUT, (int64_t)a->answer.usage.input_tokens);
    shard_count(s, SERIES_TOKENS, label, DIRECTION_OUTPUT, (int64_t)a->answer.usage.output_tokens);
}

/* Gives everything back that was taken for it. */
static void settle(struct attempt *a, const struct attempt_outcome *o)
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
              &shard_of(a)->rng);
}

static struct str write_error(struct buf *b, const struct attempt *a,
                              const struct attempt_outcome *o)
{
    failure_write(b, &(struct failure){.code = o->code,
                                       .message = o->message,
                                       .task = a->task->path,
                                       .provider = upstream_name(a->upstream),
                                       .attempts = a->number});
    return buf_ok(b) == OK ? buf_str(b) : STR_NONE;
}

/* Nobody waits for its end any more. */
static void withdraw(struct attempt *a)
{
    if (poll_goes_on(&a->poll))
        withdraw_start(shard_of(a), a->upstream, buf_str(&a->poll.handle), a->key);
}

/* The only exit of one that was granted and not cancelled. */
static void conclude(struct attempt *a, const struct attempt_outcome *o)
{
    struct task *t = a->task;
    struct buf error;
    buf_init(&error, 65536);
    a->transfer = NULL;
    if (o->code == ERR_PROVIDER_TIMEOUT)
        withdraw(a);
    settle(a, o);
    shard_count(shard_of(a), SERIES_ATTEMPTS, a->upstream->label,
                o->code == OK ? OUTCOME_SUCCEEDED : OUTCOME_FAILED, 1);
    struct str text = o->code != OK ? write_error(&error, a, o) : STR_NONE;
    call_close_attempt(t, a, o->code == OK ? "succeeded" : "failed", text);
    tell_end(a, o->code == OK ? EVENT_ATTEMPT_SUCCEEDED : EVENT_ATTEMPT_FAILED, text);
    buf_fini(&error);
    leave(a);
    call_on_attempt_end(t, a, o);
    let_go(a);
}

static void conclude_verdict(struct attempt *a, const struct verdict *v, bool was_answered,
                             uint64_t hint_ms)
{
    struct attempt_outcome o = {.code = v->code,
                                .message = str_of(v->message),
                                .is_final = v->is_final,
                                .passes = v->passes,
                                .was_answered = was_answered,
                                .hint_ms = hint_ms};
    const struct key_report report = {a->key, v->code, v->is_final, hint_ms};
    o.has_other_key = upstream_rest_key(a->upstream, &report, loop_now_ms(a->loop));
    conclude(a, &o);
}

static void stop_early(struct attempt *a, const char *state, enum event_type type,
                       enum outcome outcome)
{
    struct task *t = a->task;
    if (a->phase != ATTEMPT_RUNS) {
        leave(a);
        if (gate_cancel(a->upstream->gate, &a->waiter))
            let_go(a);
        return;
    }
    transfer_cancel(a->transfer); /* the socket is closed before the loop polls again */
    a->transfer = NULL;
    if (a->has_sim)
        sim_usage(&a->own.sim, &a->step, &a->answer.usage);
    struct attempt_outcome o = {.code = ERR_CANCELLED};
    settle(a, &o);
    shard_count(shard_of(a), SERIES_ATTEMPTS, a->upstream->label, outcome, 1);
    call_close_attempt(t, a, state, STR_NONE);
    tell_end(a, type, STR_NONE);
    leave(a);
    let_go(a);
}

void attempt_cancel(struct attempt *a)
{
    withdraw(a);
    stop_early(a, "cancelled", EVENT_ATTEMPT_CANCELLED, OUTCOME_CANCELLED);
}

void attempt_lose(struct attempt *a)
{
    stop_early(a, "lost", EVENT_ATTEMPT_LOST, OUTCOME_LOST);
}

/* --- what comes ------------------------------------------------------------------------------- */

static void on_first_byte(struct attempt *a)
{
    if (a->first_byte_ms != 0)
        return; /* of an earlier answer */
    a->first_byte_ms = loop_now_ms(a->loop);
}

/* From the decoder, or from `sim`. */
static bool on_delta(void *ctx, const struct delta *d)
{
    struct attempt *a = ctx;
    struct run *run = a->task->run;
    a->stop_code = answer_add(&a->answer, d);
    if (a->stop_code != OK)
        return false;
    if (!a->has_output)
        gate_answered(a->upstream->gate, &a->waiter);
    a->has_output = true;
    struct buf *b = run_say(run, EVENT_OUTPUT_DELTA, a->task, a->number);
    delta_write(b, d);
    run_tell(run, EVENT_OUTPUT_DELTA, SAVE_SOON);
    a->task->call.has_published = true;
    if (run_is_ahead(run))
        attempt_pause(a);
    return !run->is_wrecked;
}

void attempt_pause(struct attempt *a)
{
    if (a->is_paused)
        return;
    a->is_paused = true;
    list_push_back(&a->task->run->paused, &a->paused);
    outbox_want(a->task->run, SAVE_NOW);
    if (a->transfer != NULL)
        transfer_pause(a->transfer);
}

void attempt_unpause(struct attempt *a)
{
    a->is_paused = false;
    list_remove(&a->paused);
    if (a->transfer != NULL)
        transfer_resume(a->transfer);
    else if (a->has_sim && !loop_timer_is_armed(&a->step_timer))
        loop_timer_start(&a->step_timer, loop_now_ms(a->loop));
}

/* --- over HTTP -------------------------------------------------------------------------------- */

static struct decoder *decoder_of(struct attempt *a)
{
    return (struct decoder *)(void *)a->own.decoder;
}

static void begin_answer(struct attempt *a)
{
    a->has_begun = true;
    on_first_byte(a);
    if (!provider_accepts(a->upstream->provider, transfer_status(a->transfer)))
        return;
    struct decoder_setup setup = {.provider = a->upstream->provider,
                                  .call = &a->call,
                                  .sink = {.ctx = a, .on_delta = on_delta, .answer = &a->answer},
                                  .scratch = &shard_of(a)->scratch,
                                  .max_bytes = 2 * shard_of(a)->limits->output_bytes + FRAMING_MAX,
                                  .handle = buf_str(&a->poll.handle)};
    struct answer_head head = {.status = transfer_status(a->transfer),
                               .content_type = transfer_header(a->transfer, "content-type")};
    a->has_decoder = true;
    kind_of(a)->decoder_init(decoder_of(a), &setup);
    kind_of(a)->decoder_begin(decoder_of(a), &head);
}

static bool on_bytes(void *ctx, const char *bytes, size_t len)
{
    struct attempt *a = ctx;
    if (!a->has_begun)
        begin_answer(a);
    if (!a->has_decoder) { /* an error: as much of it as fits */
        size_t room = ERROR_BODY_MAX - a->error_body.len;
        buf_add(&a->error_body, bytes, len < room ? len : room);
        return true;
    }
    if (!kind_of(a)->decoder_feed(decoder_of(a), bytes, len)) {
        a->is_stopped = true;
        return false;
    }
    if (kind_of(a)->decoder_is_complete(decoder_of(a)) && !loop_timer_is_armed(&a->grace))
        loop_timer_start(&a->grace, loop_now_ms(a->loop) + GRACE_MS);
    return true;
}

/* An answer was complete, but its connection neither ends nor can be used again. */
static void on_grace(struct loop_timer *timer)
{
    struct attempt *a = CONTAINER_OF(timer, struct attempt, grace);
    struct verdict v;
    transfer_cancel(a->transfer);
    kind_of(a)->decoder_end(decoder_of(a), &v);
    conclude_verdict(a, &v, true, 0);
}

static void add_hint(void *ctx, struct str name, struct str value)
{
    retry_hint_header(ctx, name, value, clock_wall_ms(NULL));
}

static uint64_t read_hint(struct attempt *a)
{
    struct retry_hint hint;
    retry_hint_init(&hint);
    transfer_each_header(a->transfer, add_hint, &hint);
    return retry_hint_ms(&hint);
}

/* --- work that goes on ------------------------------------------------------------------------ */

static uint64_t end_ms(const struct attempt *a)
{
    return a->started_ms + a->upstream->timeouts.total_ms;
}

/* Ready for the next answer. */
static void forget_answer(struct attempt *a)
{
    if (a->has_decoder) {
        kind_of(a)->decoder_fini(decoder_of(a));
        memset(a->own.decoder, 0, kind_of(a)->decoder_size);
    }
    a->has_decoder = a->has_begun = a->is_stopped = false;
    a->transfer = NULL;
    buf_clear(&a->error_body);
}

static void ask_later(struct attempt *a)
{
    uint64_t every_ms = a->upstream->provider->options.http.poll.every_ms;
    uint64_t at_ms = loop_now_ms(a->loop) + poll_wait_ms(&a->poll, every_ms, read_hint(a));
    forget_answer(a);
    loop_timer_start(&a->poll_timer, at_ms < end_ms(a) ? at_ms : end_ms(a));
}

/* Nobody has answered a question, or not well. True: it will be asked again, which begins nothing
 * twice. */
static bool misses(struct attempt *a, bool is_passing)
{
    if (!is_passing || !poll_miss(&a->poll))
        return false;
    ask_later(a);
    return true;
}

/* True: the answer is that the work goes on. Where to ask is stored at once. */
static bool goes_on(struct attempt *a, struct verdict *v)
{
    if (v->code != OK || kind_of(a)->decoder_handle == NULL)
        return false;
    struct str handle = kind_of(a)->decoder_handle(decoder_of(a));
    if (handle.len == 0)
        return false;
    bool is_news = !str_eq(handle, buf_str(&a->poll.handle));
    if (poll_take(&a->poll, handle) != OK) {
        *v = (struct verdict){.code = ERR_LIMIT_EXCEEDED};
        return false;
    }
    if (is_news) {
        tree_changed(a->task);
        outbox_want(a->task->run, SAVE_NOW);
    }
    ask_later(a);
    return true;
}

static void on_poll(struct loop_timer *timer)
{
    struct attempt *a = CONTAINER_OF(timer, struct attempt, poll_timer);
    if (loop_now_ms(a->loop) < end_ms(a)) {
        send_now(a);
        return;
    }
    struct attempt_outcome o = {.code = ERR_PROVIDER_TIMEOUT,
                                .message = STR("the work was not done in time")};
    conclude(a, &o);
}

/* --- the answer's end ------------------------------------------------------------------------- */

static void conclude_status(struct attempt *a, int status)
{
    struct verdict v;
    kind_of(a)->judge(a->upstream->provider, status, buf_str(&a->error_body), &shard_of(a)->scratch,
                      &v);
    if (v.message[0] == '\0')
        snprintf(v.message, sizeof v.message, "the provider answered with status %d", status);
    if (misses(a, v.passes || err_is_retryable(v.code)))
        return;
    conclude_verdict(a, &v, true, read_hint(a));
}

static void conclude_answer(struct attempt *a)
{
    struct verdict v;
    if (!a->has_begun)
        begin_answer(a); /* an empty body */
    kind_of(a)->decoder_end(decoder_of(a), &v);
    if (a->stop_code != OK)
        v = (struct verdict){.code = a->stop_code == ERR_NOMEM ? ERR_LIMIT_EXCEEDED : a->stop_code};
    if (goes_on(a, &v) || misses(a, v.code == ERR_PROVIDER_BAD_RESPONSE))
        return;
    conclude_verdict(a, &v, true, 0);
}

/* An answer whose end mark has come and whose framing is cut is cut: which of both lies cannot be
 * known. */
static void on_done(void *ctx, const struct transfer_result *result)
{
    struct attempt *a = ctx;
    if (result->status >= 200 && !provider_accepts(a->upstream->provider, result->status)) {
        conclude_status(a, result->status); /* whatever became of its body */
    } else if (result->code == OK || a->is_stopped) {
        conclude_answer(a);
    } else if (!misses(a, err_is_retryable(result->code))) {
        struct attempt_outcome o = {.code = result->code, .message = str_of(result->detail)};
        conclude(a, &o);
    }
}

/* The headers that every provider gets, beside its own: who asks, and the key under which a
 * repetition is known. */
static bool add_headers(struct attempt *a, struct http_request *r, struct attempt_headers *h)
{
    struct run *run = a->task->run;
    int n = snprintf(h->key, sizeof h->key, "%.*s.%.*s.%u", RUN_ID_TEXT, run->text,
                     STR_ARG(a->task->path), a->task->call.generation);
    snprintf(h->depth, sizeof h->depth, "%u", run_depth(run) + 1);
    run_trace(run, h->trace);
    return n < (int)sizeof h->key && http_add_header(r, STR("Idempotency-Key"), str_of(h->key)) &&
           http_add_header(r, STR("Sluice-Run"), (struct str){run->text, RUN_ID_TEXT}) &&
           http_add_header(r, STR("Sluice-Depth"), str_of(h->depth)) &&
           http_add_header(r, STR("traceparent"), str_of(h->trace));
}

/* The request of the call, or the next question after its work. */
static enum err build(struct attempt *a, struct http_request *ret, struct error *error)
{
    struct upstream *u = a->upstream;
    struct json_doc *scratch = &shard_of(a)->scratch;
    if (poll_goes_on(&a->poll))
        return kind_of(a)->build_poll(u->provider, buf_str(&a->poll.handle), POLL_ASK, a->key,
                                      &a->body, scratch, ret, error);
    a->key = upstream_take_key(u, loop_now_ms(a->loop));
    return kind_of(a)->build(u->provider, &a->call, a->key, &a->body, scratch, ret, error);
}

static enum err start_transfer(struct attempt *a, struct error *error)
{
    static const struct transfer_events events = {.on_bytes = on_bytes, .on_done = on_done};
    struct upstream *u = a->upstream;
    struct http_request request = {.header_count = 0};
    struct attempt_headers own;
    struct transfer_pool *pool;
    enum err e = build(a, &request, error);
    if (e != OK)
        return e;
    if (!add_headers(a, &request, &own))
        return error_set(error, ERR_BAD_REQUEST, "the request's headers are not valid");
    e = upstream_pool(u, a->loop, shard_of(a)->index, &pool);
    if (e != OK)
        return error_set(error, ERR_PROVIDER_OVERLOADED, "out of memory");
    struct transfer_deadlines deadlines = {.connect_ms = u->timeouts.connect_ms,
                                           .first_byte_ms = u->timeouts.first_byte_ms,
                                           .idle_ms = u->timeouts.idle_ms,
                                           .end_at_ms = end_ms(a)};
    e = transfer_start(pool, &request, &deadlines, &events, a, &a->transfer);
    return e == OK ? OK : error_set(error, ERR_PROVIDER_OVERLOADED, "out of memory");
}

/* --- of a local provider ---------------------------------------------------------------------- */

static uint64_t silence_ms(const struct attempt *a)
{
    const struct upstream_timeouts *t = &a->upstream->timeouts;
    return a->first_byte_ms == 0 ? t->first_byte_ms : t->idle_ms;
}

/* Waits for the next step, but no longer than a real provider would be waited for. */
static void wait_for_step(struct attempt *a)
{
    uint64_t now_ms = loop_now_ms(a->loop);
    uint64_t end_ms = a->started_ms + a->upstream->timeouts.total_ms;
    uint64_t at_ms = a->step.kind == SIM_SILENCE ? UINT64_MAX : now_ms + a->step.after_ms;
    uint64_t limit_ms = now_ms + silence_ms(a) < end_ms ? now_ms + silence_ms(a) : end_ms;
    a->step_is_late = at_ms > limit_ms;
    loop_timer_start(&a->step_timer, a->step_is_late ? limit_ms : at_ms);
}

static void end_of_play(struct attempt *a)
{
    struct verdict v = a->step.kind == SIM_FAIL ? a->step.verdict : (struct verdict){.code = OK};
    sim_usage(&a->own.sim, NULL, &a->answer.usage);
    a->answer.has_usage = v.code == OK;
    if (v.code == OK)
        answer_set_finish_reason(&a->answer, STR("stop"));
    if (a->stop_code != OK)
        v = (struct verdict){.code = a->stop_code};
    conclude_verdict(a, &v, v.code == OK || sim_was_answered(&a->step), a->step.retry_after_ms);
}

/* Does what the script says next, as far as it is due. */
static void play(struct attempt *a)
{
    for (int i = 0; i < STEPS_AT_ONCE && !a->is_paused; i++) {
        if (a->first_byte_ms == 0 && a->step.kind != SIM_SILENCE && a->step.kind != SIM_FAIL)
            on_first_byte(a);
        bool goes_on = a->step.kind == SIM_TOKEN &&
                       on_delta(a, &(struct delta){.kind = DELTA_TEXT, .text = a->step.text});
        if (!goes_on) {
            end_of_play(a);
            return;
        }
        sim_next(&a->own.sim, &a->step);
        if (a->step.after_ms > 0 || a->step.kind == SIM_SILENCE) {
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
        sim_usage(&a->own.sim, &a->step, &a->answer.usage);
        conclude(a, &o);
        return;
    }
    play(a);
}

static enum err start_play(struct attempt *a, struct error *error)
{
    enum err e = sim_init(&a->own.sim, &a->call, &shard_of(a)->scratch, error);
    a->has_sim = true;
    if (e != OK)
        return e;
    sim_next(&a->own.sim, &a->step);
    wait_for_step(a);
    return OK;
}

static void send_now(struct attempt *a)
{
    struct error error = {.message = ""};
    enum err e = kind_of(a)->is_local ? start_play(a, &error) : start_transfer(a, &error);
    if (e == OK)
        return;
    struct attempt_outcome o = {.code = e, .message = str_of(error.message), .is_final = true};
    conclude(a, &o);
}
