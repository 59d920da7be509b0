#include "runs/attempt.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "runs/attempt_internal.h"
#include "runs/attempt_tell.h"
#include "runs/withdraw.h"

enum { BYTES_PER_TOKEN = 4 }; /* for the estimate before a call */

/* --- its memory ------------------------------------------------------------------------------- */

static void destroy(struct loop_deferred *garbage)
{
    struct attempt *a = CONTAINER_OF(garbage, struct attempt, garbage);
    attempt_sim_fini(a);
    attempt_http_fini(a);
    answer_fini(&a->answer);
    json_doc_fini(&a->params_doc);
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

static struct attempt *new_attempt(struct task *t, struct upstream *u)
{
    const struct provider_kind *kind = u->provider->kind;
    size_t own = kind->is_local ? sizeof(struct local_play) : kind->decoder_size;
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
    loop_timer_init(&a->patience, a->loop, on_impatient);
    attempt_http_init(a);
    attempt_sim_init(a);
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

/* --- going ------------------------------------------------------------------------------------ */

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

void attempt_send(struct attempt *a)
{
    struct error error = {.message = ""};
    enum err e =
        attempt_kind(a)->is_local ? attempt_sim_start(a, &error) : attempt_http_start(a, &error);
    if (e == OK)
        return;
    struct attempt_outcome o = {.code = e, .message = str_of(error.message), .is_final = true};
    attempt_conclude(a, &o);
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
        attempt_tell_start(a, EVENT_ATTEMPT_RESTARTED, SAVE_SOON);
    }
    bool commit_first = (run->spec.flags & RUN_FAIL_ON_CRASH) != 0;
    attempt_tell_start(a, EVENT_ATTEMPT_STARTED, commit_first ? SAVE_NOW : SAVE_SOON);
    if (!commit_first) {
        attempt_send(a);
        return;
    }
    /* A call that must not be made twice: the store has to know of it before the provider does. */
    a->send_after_seq = run->feed.last_seq;
    list_push_back(&run->after_save, &a->after_save);
}

void attempt_on_saved(struct attempt *a)
{
    list_remove(&a->after_save);
    attempt_send(a);
}

/* --- the end ---------------------------------------------------------------------------------- */

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
        withdraw_start(a->shard, a->upstream, buf_str(&a->poll.handle), a->key);
}

/* The only exit of one that was granted and not cancelled. */
void attempt_conclude(struct attempt *a, const struct attempt_outcome *o)
{
    struct task *t = a->task;
    struct buf error;
    buf_init(&error, 65536);
    a->transfer = NULL;
    if (o->code == ERR_PROVIDER_TIMEOUT)
        withdraw(a);
    attempt_settle(a, o);
    shard_count(a->shard, SERIES_ATTEMPTS, a->upstream->label,
                o->code == OK ? OUTCOME_SUCCEEDED : OUTCOME_FAILED, 1);
    struct str text = o->code != OK ? write_error(&error, a, o) : STR_NONE;
    call_close_attempt(t, a, o->code == OK ? "succeeded" : "failed", text);
    attempt_tell_end(a, o->code == OK ? EVENT_ATTEMPT_SUCCEEDED : EVENT_ATTEMPT_FAILED, text);
    buf_fini(&error);
    leave(a);
    call_on_attempt_end(t, a, o);
    let_go(a);
}

void attempt_conclude_verdict(struct attempt *a, const struct verdict *v, bool was_answered,
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
    attempt_conclude(a, &o);
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
        sim_usage(&a->own.local.sim, &a->own.local.step, &a->answer.usage);
    struct attempt_outcome o = {.code = ERR_CANCELLED};
    attempt_settle(a, &o);
    shard_count(a->shard, SERIES_ATTEMPTS, a->upstream->label, outcome, 1);
    call_close_attempt(t, a, state, STR_NONE);
    attempt_tell_end(a, type, STR_NONE);
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

void attempt_on_first_byte(struct attempt *a)
{
    if (a->first_byte_ms != 0)
        return; /* of an earlier answer */
    a->first_byte_ms = loop_now_ms(a->loop);
    outbox_want(a->task->run, SAVE_SOON); /* the row has it */
}

bool attempt_on_delta(void *ctx, const struct delta *d)
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
    else
        attempt_sim_resume(a);
}
