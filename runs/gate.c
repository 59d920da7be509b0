#include "runs/gate.h"

#include "base/log.h"
#include "base/mem.h"

struct gate {
    atomic_uint refs;
    char *name;
    struct loop *home;
    pthread_mutex_t lock;
    struct limiter limiter;
    struct latency latency;
    uint64_t calls, attempts, succeeded, failed;
    atomic_int_fast64_t backlog;
    void (*on_room)(void *ctx);
    void *on_room_ctx;
    void (*on_change)(struct gate *g, void *ctx);
    void *on_change_ctx;
    struct breaker_change changes[GATE_CHANGES]; /* a ring of those that nobody has taken */
    uint32_t change_at, change_count;

    /* The home loop's timer, and the message that asks it to look at it anew. An armed timer and a
     * message under way hold a reference each. */
    struct loop_timer timer;
    struct loop_msg rearm;
    bool rearm_posted;
    uint64_t wake_ms; /* what the timer is, or is about to be, set to */
};

/* What a call into the limiter leads to, gathered under the lock and carried out after it. */
struct outcome {
    struct gate_waiter *verdicts; /* linked by msg.next */
    bool rearm;
    void (*on_room)(void *ctx); /* NULL: there is no need to call it */
    void *on_room_ctx;
    struct breaker_change changes[2];
    int change_count;
    void (*on_change)(struct gate *g, void *ctx);
    void *on_change_ctx;
};

static uint64_t now_of(const struct gate *g)
{
    return clock_mono_ms(loop_clock(g->home));
}

static void on_verdict_arrived(struct loop_msg *msg);
static void on_rearm(struct loop_msg *msg);
static void on_timer(struct loop_timer *timer);

enum err gate_create(struct str name, const struct limiter_policy *policy, struct loop *home,
                     struct gate **ret_gate)
{
    struct gate *g = mem_zalloc(sizeof *g);
    if (g == NULL)
        return ERR_NOMEM;
    atomic_init(&g->refs, 1);
    g->home = home;
    g->wake_ms = UINT64_MAX;
    g->name = mem_strdup(name);
    g->rearm.on_arrive = on_rearm;
    loop_timer_init(&g->timer, home, on_timer);
    latency_init(&g->latency);
    if (g->name == NULL || limiter_init(&g->limiter, policy, now_of(g)) != OK) {
        mem_free(g->name);
        mem_free(g);
        return ERR_NOMEM;
    }
    pthread_mutex_init(&g->lock, NULL);
    *ret_gate = g;
    return OK;
}

struct gate *gate_ref(struct gate *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

struct gate *gate_unref(struct gate *g)
{
    if (g == NULL || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1)
        return NULL;
    limiter_fini(&g->limiter);
    pthread_mutex_destroy(&g->lock);
    mem_free(g->name);
    mem_free(g);
    return NULL;
}

/* --- under the lock, and right after it ------------------------------------------------------- */

static void keep_change(struct gate *g, struct breaker_change change)
{
    if (g->on_change == NULL)
        return;
    if (g->change_count == GATE_CHANGES) {
        g->change_at = (g->change_at + 1) % GATE_CHANGES;
        g->change_count--;
    }
    g->changes[(g->change_at + g->change_count++) % GATE_CHANGES] = change;
}

static void note_change(struct gate *g, struct outcome *o, struct breaker_change change)
{
    if (!breaker_has_changed(change) || o->change_count == 2)
        return;
    keep_change(g, change);
    o->changes[o->change_count++] = change;
    o->on_change = g->on_change;
    o->on_change_ctx = g->on_change_ctx;
}

/* Takes everybody whose wait has ended out of the queue, and says when to look again. */
static void pump(struct gate *g, uint64_t now_ms, struct outcome *o)
{
    struct limiter_ticket *ticket;
    struct limiter_answer answer;
    while (limiter_next(&g->limiter, now_ms, &ticket, &answer)) {
        struct gate_waiter *w = CONTAINER_OF(ticket, struct gate_waiter, ticket);
        note_change(g, o, answer.change);
        w->answer = answer;
        w->posted = true;
        w->msg.next = o->verdicts ? &o->verdicts->msg : NULL;
        o->verdicts = w;
    }
    uint64_t wake_ms = limiter_wake_ms(&g->limiter, now_ms);
    if (wake_ms != g->wake_ms) {
        g->wake_ms = wake_ms;
        o->rearm = !g->rearm_posted;
        if (o->rearm)
            gate_ref(g); /* the message's */
        g->rearm_posted = true;
    }
    bool room = atomic_load_explicit(&g->backlog, memory_order_relaxed) > 0 &&
                g->limiter.queue.count < GATE_LOOKAHEAD / 2;
    o->on_room = room ? g->on_room : NULL;
    o->on_room_ctx = g->on_room_ctx;
}

static void log_change(const struct gate *g, const struct breaker_change *c)
{
    log_info(log_msg("circuit"), log_s("provider", g->name),
             log_s("from", breaker_state_name(c->from)), log_s("to", breaker_state_name(c->to)));
}

/* Verdicts are linked newest first: posting from the oldest keeps the order of the queue. */
static void post_verdicts(struct gate_waiter *newest)
{
    struct loop_msg *first = NULL, *m = newest ? &newest->msg : NULL;
    while (m != NULL) {
        struct loop_msg *next = m->next;
        m->next = first;
        first = m;
        m = next;
    }
    while (first != NULL) {
        struct loop_msg *next = first->next;
        struct gate_waiter *w = CONTAINER_OF(first, struct gate_waiter, msg);
        loop_post(w->loop, first);
        first = next;
    }
}

static void carry_out(struct gate *g, struct outcome *o)
{
    for (int i = 0; i < o->change_count; i++) {
        log_change(g, &o->changes[i]);
        if (o->on_change != NULL)
            o->on_change(g, o->on_change_ctx);
    }
    post_verdicts(o->verdicts);
    if (o->rearm)
        loop_post(g->home, &g->rearm);
    if (o->on_room != NULL)
        o->on_room(o->on_room_ctx);
}

/* --- the timer -------------------------------------------------------------------------------- */

static void arm(struct gate *g, uint64_t at_ms)
{
    if (!loop_timer_is_armed(&g->timer))
        gate_ref(g); /* the timer's */
    loop_timer_start(&g->timer, at_ms);
}

static void disarm(struct gate *g)
{
    bool was_armed = loop_timer_is_armed(&g->timer);
    loop_timer_stop(&g->timer);
    if (was_armed)
        gate_unref(g);
}

static void on_rearm(struct loop_msg *msg)
{
    struct gate *g = CONTAINER_OF(msg, struct gate, rearm);
    pthread_mutex_lock(&g->lock);
    g->rearm_posted = false;
    uint64_t at_ms = g->wake_ms;
    pthread_mutex_unlock(&g->lock);
    if (at_ms == UINT64_MAX)
        disarm(g);
    else
        arm(g, at_ms);
    gate_unref(g);
}

static void on_timer(struct loop_timer *timer)
{
    struct gate *g = CONTAINER_OF(timer, struct gate, timer);
    struct outcome o = {.verdicts = NULL};
    pthread_mutex_lock(&g->lock);
    g->wake_ms = UINT64_MAX; /* so that pump sets it, also to the same time */
    pump(g, now_of(g), &o);
    pthread_mutex_unlock(&g->lock);
    carry_out(g, &o);
    gate_unref(g); /* the timer's: it has fired */
}

/* --- waiters ---------------------------------------------------------------------------------- */

void gate_waiter_init(struct gate_waiter *w, struct loop *loop, uint64_t tenant,
                      uint64_t cost_tokens, gate_verdict_fn *on_verdict,
                      void (*on_idle)(struct gate_waiter *w))
{
    *w = (struct gate_waiter){.loop = loop, .on_verdict = on_verdict, .on_idle = on_idle};
    w->msg.on_arrive = on_verdict_arrived;
    limiter_ticket_init(&w->ticket, tenant, cost_tokens);
}

struct limiter_answer gate_ask(struct gate *g, struct gate_waiter *w)
{
    struct outcome o = {.verdicts = NULL};
    w->gate = g;
    pthread_mutex_lock(&g->lock);
    uint64_t now_ms = now_of(g);
    struct limiter_answer answer = limiter_ask(&g->limiter, &w->ticket, now_ms);
    note_change(g, &o, answer.change);
    if (answer.verdict == LIMITER_GO)
        g->attempts++;
    else if (answer.verdict == LIMITER_WAIT)
        pump(g, now_ms, &o); /* the timer may have to be set */
    pthread_mutex_unlock(&g->lock);
    carry_out(g, &o);
    return answer;
}

struct limiter_answer gate_reason(struct gate *g, const struct gate_waiter *w)
{
    pthread_mutex_lock(&g->lock);
    struct limiter_answer answer = limiter_reason(&g->limiter, &w->ticket, now_of(g));
    pthread_mutex_unlock(&g->lock);
    return answer;
}

/* On the waiter's loop. What was granted to one that was cancelled meanwhile goes to the next at
 * once. */
static void on_verdict_arrived(struct loop_msg *msg)
{
    struct gate_waiter *w = CONTAINER_OF(msg, struct gate_waiter, msg);
    struct gate *g = w->gate;
    struct outcome o = {.verdicts = NULL};
    pthread_mutex_lock(&g->lock);
    w->posted = false;
    bool cancelled = w->cancelled;
    if (cancelled) {
        limiter_cancel(&g->limiter, &w->ticket, now_of(g));
        pump(g, now_of(g), &o);
    } else if (w->answer.verdict == LIMITER_GO) {
        g->attempts++;
    }
    pthread_mutex_unlock(&g->lock);
    carry_out(g, &o);
    if (cancelled)
        w->on_idle(w);
    else
        w->on_verdict(w, &w->answer);
}

void gate_answered(struct gate *g, struct gate_waiter *w)
{
    struct outcome o = {.verdicts = NULL};
    pthread_mutex_lock(&g->lock);
    uint64_t now_ms = now_of(g);
    note_change(g, &o, limiter_answered(&g->limiter, &w->ticket, now_ms));
    if (o.change_count > 0)
        pump(g, now_ms, &o);
    pthread_mutex_unlock(&g->lock);
    carry_out(g, &o);
}

void gate_done(struct gate *g, struct gate_waiter *w, const struct limiter_report *report,
               uint64_t took_ms, struct rng *rng)
{
    struct outcome o = {.verdicts = NULL};
    pthread_mutex_lock(&g->lock);
    uint64_t now_ms = now_of(g);
    note_change(g, &o, limiter_done(&g->limiter, &w->ticket, report, now_ms, rng));
    if (report->outcome == LIMITER_SUCCESS)
        g->succeeded++;
    else if (report->outcome == LIMITER_FAILURE)
        g->failed++;
    latency_add(&g->latency, took_ms, now_ms);
    pump(g, now_ms, &o);
    pthread_mutex_unlock(&g->lock);
    carry_out(g, &o);
}

bool gate_cancel(struct gate *g, struct gate_waiter *w)
{
    if (g == NULL)
        return true;
    struct outcome o = {.verdicts = NULL};
    pthread_mutex_lock(&g->lock);
    bool at_once = !w->posted;
    w->cancelled = true;
    if (at_once && w->ticket.state != LIMITER_IDLE) {
        limiter_cancel(&g->limiter, &w->ticket, now_of(g));
        pump(g, now_of(g), &o);
    }
    pthread_mutex_unlock(&g->lock);
    carry_out(g, &o);
    return at_once;
}

bool gate_give_up(struct gate *g, struct gate_waiter *w, enum limiter_reason *ret_why)
{
    struct outcome o = {.verdicts = NULL};
    pthread_mutex_lock(&g->lock);
    bool waits = !w->posted;
    if (waits) {
        *ret_why = limiter_reason(&g->limiter, &w->ticket, now_of(g)).reason;
        limiter_cancel(&g->limiter, &w->ticket, now_of(g));
        pump(g, now_of(g), &o);
    }
    pthread_mutex_unlock(&g->lock);
    carry_out(g, &o);
    return waits;
}

enum retry_verdict gate_retry(struct gate *g, const struct retry_policy *policy,
                              const struct retry_failure *failure, uint64_t deadline_ms,
                              uint64_t now_ms, struct rng *rng, uint64_t *ret_at_ms)
{
    pthread_mutex_lock(&g->lock);
    enum retry_verdict v =
        limiter_retry(&g->limiter, policy, failure, deadline_ms, now_ms, rng, ret_at_ms);
    pthread_mutex_unlock(&g->lock);
    return v;
}

/* --- the provider as a whole ------------------------------------------------------------------ */

void gate_configure(struct gate *g, const struct limiter_policy *policy)
{
    struct outcome o = {.verdicts = NULL};
    pthread_mutex_lock(&g->lock);
    limiter_configure(&g->limiter, policy, now_of(g));
    pump(g, now_of(g), &o);
    pthread_mutex_unlock(&g->lock);
    carry_out(g, &o);
}

void gate_reset(struct gate *g)
{
    struct outcome o = {.verdicts = NULL};
    pthread_mutex_lock(&g->lock);
    note_change(g, &o, limiter_reset(&g->limiter));
    pump(g, now_of(g), &o);
    pthread_mutex_unlock(&g->lock);
    carry_out(g, &o);
}

void gate_on_room(struct gate *g, void (*on_room)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&g->lock);
    g->on_room = on_room;
    g->on_room_ctx = ctx;
    pthread_mutex_unlock(&g->lock);
}

void gate_on_change(struct gate *g, void (*on_change)(struct gate *g, void *ctx), void *ctx)
{
    pthread_mutex_lock(&g->lock);
    g->on_change = on_change;
    g->on_change_ctx = ctx;
    pthread_mutex_unlock(&g->lock);
}

bool gate_take_change(struct gate *g, struct breaker_change *ret_change)
{
    pthread_mutex_lock(&g->lock);
    bool found = g->change_count > 0;
    if (found) {
        *ret_change = g->changes[g->change_at];
        g->change_at = (g->change_at + 1) % GATE_CHANGES;
        g->change_count--;
    }
    pthread_mutex_unlock(&g->lock);
    return found;
}

struct breaker_saved gate_save(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    struct breaker_saved saved = limiter_save(&g->limiter, now_of(g));
    pthread_mutex_unlock(&g->lock);
    return saved;
}

void gate_restore(struct gate *g, const struct breaker_saved *saved, uint64_t elapsed_ms)
{
    pthread_mutex_lock(&g->lock);
    limiter_restore(&g->limiter, saved, elapsed_ms, now_of(g));
    pthread_mutex_unlock(&g->lock);
}

const char *gate_name(const struct gate *g)
{
    return g->name;
}

void gate_add_backlog(struct gate *g, int64_t runs)
{
    int_fast64_t old = atomic_load_explicit(&g->backlog, memory_order_relaxed), next;
    do {
        next = old + runs > 0 ? old + runs : 0;
    } while (!atomic_compare_exchange_weak_explicit(&g->backlog, &old, next, memory_order_relaxed,
                                                    memory_order_relaxed));
}

uint64_t gate_backlog(const struct gate *g)
{
    return (uint64_t)atomic_load_explicit(&g->backlog, memory_order_relaxed);
}

uint64_t gate_waiting(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    uint64_t n = g->limiter.queue.count;
    pthread_mutex_unlock(&g->lock);
    return n;
}

bool gate_is_full(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    uint64_t backlog = gate_backlog(g);
    bool full = limiter_is_full(&g->limiter, now_of(g)) ||
                (backlog > 0 && g->limiter.queue.count + backlog >= g->limiter.policy.queue);
    pthread_mutex_unlock(&g->lock);
    return full;
}

void gate_count_call(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->calls++;
    pthread_mutex_unlock(&g->lock);
}

void gate_status(struct gate *g, struct gate_status *ret_status)
{
    pthread_mutex_lock(&g->lock);
    uint64_t now_ms = now_of(g);
    *ret_status = (struct gate_status){.limiter = limiter_status(&g->limiter, now_ms),
                                       .calls = g->calls,
                                       .attempts = g->attempts,
                                       .succeeded = g->succeeded,
                                       .failed = g->failed};
    ret_status->has_latency = latency_quantile(&g->latency, 500, now_ms, &ret_status->p50_ms) &&
                              latency_quantile(&g->latency, 990, now_ms, &ret_status->p99_ms);
    pthread_mutex_unlock(&g->lock);
}
