#include "runs/claim.h"

#include "base/log.h"
#include "base/mem.h"
#include "runs/engine.h"
#include "runs/lane.h"

enum {
    CLAIM_MAX = 64, /* runs taken at once */
    RETRY_MS = 100, /* until the next look where memory was full, or the store away */
};

static void look(struct lane *lane);

/* --- lanes ------------------------------------------------------------------------------------ */

static void on_due(struct loop_timer *timer)
{
    look(CONTAINER_OF(timer, struct lane, timer));
}

/* Roots and children of the same provider have two lanes, and the gate tells one. */
static void on_room_arrived(struct loop_msg *msg)
{
    struct lane *lane = CONTAINER_OF(msg, struct lane, room);
    atomic_store(&lane->room_posted, false);
    LIST_EACH (it, &lane->claimer->lanes) {
        struct lane *other = CONTAINER_OF(it, struct lane, link);
        other->wants |= other->gate == lane->gate;
    }
    look(lane);
}

/* From the gate, on any thread. */
static void on_room(void *ctx)
{
    struct lane *lane = ctx;
    if (!atomic_exchange(&lane->room_posted, true))
        loop_post(lane->claimer->engine->shards[0].loop, &lane->room);
}

/* The gate of its provider, as the catalog has it now. False: it is the same as before. */
static bool find_gate(struct lane *lane)
{
    struct engine *e = lane->claimer->engine;
    struct upstream *u = catalog_upstream(e->shards[0].catalog, lane_provider(str_of(lane->name)));
    struct gate *gate = u != NULL ? u->gate : NULL, *old = lane->gate;
    if (gate == old)
        return false;
    lane->gate = gate != NULL ? gate_ref(gate) : NULL;
    if (gate != NULL)
        gate_on_room(gate, on_room, lane);
    if (old != NULL)
        gate_on_room(old, NULL, NULL);
    gate_unref(old);
    return true;
}

static struct lane *add_lane(struct claimer *c, struct str name)
{
    struct engine *e = c->engine;
    struct lane *lane = mem_zalloc(sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->claimer = c;
    lane->name = mem_strdup(name);
    if (lane->name == NULL) {
        mem_free(lane);
        return NULL;
    }
    lane->is_of_children = lane_is_of_children(name);
    lane->room.on_arrive = on_room_arrived;
    loop_timer_init(&lane->timer, e->shards[0].loop, on_due);
    list_push_back(&c->lanes, &lane->link);
    IGNORE_RESULT(!find_gate(lane)); /* there may be none */
    return lane;
}

static struct lane *lane_of(struct claimer *c, struct str name)
{
    LIST_EACH (it, &c->lanes) {
        struct lane *lane = CONTAINER_OF(it, struct lane, link);
        if (str_eq(str_of(lane->name), name))
            return lane;
    }
    return add_lane(c, name);
}

/* --- claiming --------------------------------------------------------------------------------- */

struct delivery {
    struct loop_msg msg;
    struct loop_timer again;
    struct claim *claim;
    struct shard *to;
    struct store_claimed *run;
};

/* One claim on its way to the store and back, and then to the shards that take its runs in. */
struct claim {
    struct store_claim base;
    struct lane *lane;
    atomic_uint refs;             /* of the shards that still read its runs */
    struct delivery deliveries[]; /* as many as it asks for */
};

/* Room is taken from the moment at which a run is asked for until it is live, where others see it.
 */
static void give_back(struct lane *lane, uint32_t n)
{
    atomic_fetch_sub_explicit(&lane->coming, n, memory_order_relaxed);
}

static uint32_t coming(const struct claimer *c)
{
    uint32_t n = 0;
    LIST_EACH (it, &c->lanes)
        n += atomic_load_explicit(&CONTAINER_OF(it, struct lane, link)->coming,
                                  memory_order_relaxed);
    return n;
}

static void claim_unref(struct claim *c)
{
    if (atomic_fetch_sub(&c->refs, 1) == 1) {
        arena_fini(&c->base.arena);
        mem_free(c);
    }
}

/* How many runs may be taken in now, of all such lanes: none where memory is full. Roots leave room
 * for the children that wait. Where all that is live waits for children, one of them comes in
 * whatever is full: nothing else could ever end. */
static uint32_t room(const struct claimer *c, bool of_children)
{
    const struct engine_limits *limits = c->engine->shards[0].limits;
    uint32_t taken = engine_busy(c->engine) + coming(c);
    uint32_t least = of_children && taken == 0;
    if (!of_children)
        taken += engine_children_queued(c->engine);
    if (taken >= limits->live_runs || engine_memory(c->engine) >= limits->memory_bytes)
        return least;
    return limits->live_runs - taken;
}

/* How many its provider can soon use. */
static uint32_t appetite(const struct lane *lane)
{
    if (lane->gate == NULL)
        return CLAIM_MAX;
    uint64_t has =
        gate_waiting(lane->gate) + atomic_load_explicit(&lane->coming, memory_order_relaxed);
    uint64_t more = has < GATE_LOOKAHEAD ? GATE_LOOKAHEAD - has : 0;
    return more < CLAIM_MAX ? (uint32_t)more : CLAIM_MAX;
}

static void look_later(struct claimer *c)
{
    atomic_store(&c->is_starved, true);
    if (!loop_timer_is_armed(&c->retry))
        loop_timer_start(&c->retry, loop_now_ms(c->engine->shards[0].loop) + RETRY_MS);
}

static void on_claimed(struct store_op *op);

static bool claim(struct lane *lane, uint32_t n)
{
    struct claimer *c = lane->claimer;
    struct claim *claim =
        n > 0 ? mem_zalloc(sizeof *claim + n * sizeof claim->deliveries[0]) : NULL;
    if (claim == NULL)
        return false;
    claim->lane = lane;
    atomic_init(&claim->refs, 1);
    arena_init(&claim->base.arena, SIZE_MAX / 2);
    claim->base.op = (struct store_op){
        .kind = STORE_CLAIM, .loop = c->engine->shards[0].loop, .on_done = on_claimed};
    claim->base.lane = str_of(lane->name);
    claim->base.max = n;
    claim->base.now_ms = loop_wall_ms(c->engine->shards[0].loop);
    lane->is_claiming = true;
    lane->wants = false;
    atomic_fetch_add_explicit(&lane->coming, n, memory_order_relaxed);
    store_start(c->engine->store, &claim->base.op);
    return true;
}

static bool is_hungry(const struct lane *lane, bool of_children)
{
    return lane->wants && !lane->is_claiming && lane->is_of_children == of_children;
}

/* Claims for a lane; `hungry` is how many share the room with it. */
static void serve_one(struct lane *lane, uint32_t hungry)
{
    struct claimer *c = lane->claimer;
    uint32_t share = room(c, lane->is_of_children), may = appetite(lane);
    if (hungry > 1)
        share = share > hungry ? share / hungry : share > 0;
    if (!claim(lane, share < may ? share : may)) {
        look_later(c);
        return;
    }
    list_remove(&lane->link); /* so that one which could use all room keeps none from the others */
    list_push_back(&c->lanes, &lane->link);
}

/* The lanes that want runs share what room there is; who was served goes to the end of the line. */
static void serve_those(struct claimer *c, bool of_children)
{
    uint32_t hungry = 0;
    struct list *last = c->lanes.prev;
    LIST_EACH (it, &c->lanes)
        hungry += is_hungry(CONTAINER_OF(it, struct lane, link), of_children);
    LIST_EACH_SAFE (it, &c->lanes) {
        struct lane *lane = CONTAINER_OF(it, struct lane, link);
        if (is_hungry(lane, of_children))
            serve_one(lane, hungry--);
        if (it == last)
            break;
    }
}

static void serve(struct claimer *c)
{
    if (c->is_stopped)
        return;
    serve_those(c, true);
    serve_those(c, false);
}

static void look(struct lane *lane)
{
    lane->wants = true;
    serve(lane->claimer);
}

static void take_in(struct delivery *d);

static void on_again(struct loop_timer *timer)
{
    take_in(CONTAINER_OF(timer, struct delivery, again));
}

/* One for which there was no memory is tried again: it is ours, so that nobody else would. One that
 * cannot be read stays ours and is told in the log: nothing else can be done for it. */
static void take_in(struct delivery *d)
{
    struct shard *to = d->to;
    enum err e = run_reopen(to, d->run);
    bool drains = atomic_load_explicit(&to->engine->is_draining, memory_order_relaxed);
    if (e == ERR_NOMEM && !drains && shard_find(to, &d->run->run.id) == NULL) {
        loop_timer_start(&d->again, loop_now_ms(to->loop) + RETRY_MS);
        return;
    }
    give_back(d->claim->lane, 1);
    claim_unref(d->claim);
}

static void on_delivered(struct loop_msg *msg)
{
    take_in(CONTAINER_OF(msg, struct delivery, msg));
}

static void deliver(struct claim *claim)
{
    struct engine *e = claim->lane->claimer->engine;
    atomic_fetch_add(&claim->refs, claim->base.count);
    for (uint32_t i = 0; i < claim->base.count; i++) {
        struct delivery *d = &claim->deliveries[i];
        *d = (struct delivery){.msg.on_arrive = on_delivered,
                               .claim = claim,
                               .to = engine_place(e, &e->shards[i % e->shard_count]),
                               .run = &claim->base.runs[i]};
        loop_timer_init(&d->again, d->to->loop, on_again);
        loop_post(d->to->loop, &d->msg);
    }
}

void claim_count(struct shard *shard, struct str lane, int64_t runs)
{
    struct upstream *u = catalog_upstream(shard->catalog, lane_provider(lane));
    atomic_fetch_add_explicit(&shard->engine->queued, runs, memory_order_relaxed);
    if (lane_is_of_children(lane))
        atomic_fetch_add_explicit(&shard->engine->children_queued, runs, memory_order_relaxed);
    if (u != NULL)
        gate_add_backlog(u->gate, runs);
}

/* What was taken out and had waited for its turn no longer does. Parked runs are not counted: they
 * sleep. */
static void count_out(struct lane *lane, const struct claim *claim)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < claim->base.count; i++)
        n += claim->base.runs[i].run.state == RUN_QUEUED;
    claim_count(&lane->claimer->engine->shards[0], str_of(lane->name), -n);
}

static void sleep_until(struct lane *lane, int64_t wake_at_ms)
{
    struct loop *loop = lane->claimer->engine->shards[0].loop;
    int64_t left_ms = wake_at_ms - loop_wall_ms(loop);
    loop_timer_start(&lane->timer, loop_now_ms(loop) + (left_ms > 0 ? (uint64_t)left_ms : 0) + 1);
}

static void on_claimed(struct store_op *op)
{
    struct claim *claim = CONTAINER_OF(op, struct claim, base.op);
    struct lane *lane = claim->lane;
    struct claimer *c = lane->claimer;
    lane->is_claiming = false;
    if (op->result != STORE_OK) {
        give_back(lane, claim->base.max);
        lane->wants = true;
        look_later(c);
        claim_unref(claim);
        return;
    }
    give_back(lane, claim->base.max - claim->base.count);
    count_out(lane, claim);
    deliver(claim);
    if (claim->base.count == claim->base.max)
        lane->wants = true;
    else if (claim->base.next_wake_ms != 0 && !lane->wants)
        sleep_until(lane, claim->base.next_wake_ms);
    claim_unref(claim);
    serve(c);
}

/* The two lanes of a provider. False: no memory. */
static bool find_lanes(struct claimer *c, struct upstream *u)
{
    struct arena arena;
    arena_init(&arena, 4096);
    struct str of_children = lane_of_child(u, &arena);
    bool fine = of_children.at != NULL && lane_of(c, of_children) != NULL &&
                lane_of(c, lane_provider(of_children)) != NULL;
    arena_fini(&arena);
    return fine;
}

/* A note was lost for want of memory: what it spoke of is in one of these. */
static void look_everywhere(struct claimer *c)
{
    const struct catalog *catalog = c->engine->shards[0].catalog;
    bool fine = find_lanes(c, NULL);
    for (uint32_t i = 0; fine && i < catalog->upstream_count; i++)
        fine = find_lanes(c, catalog->upstreams[i]);
    if (!fine) {
        atomic_store(&c->has_lost_note, true);
        look_later(c);
    }
    LIST_EACH (it, &c->lanes)
        CONTAINER_OF(it, struct lane, link)->wants = true;
}

static void look_again(struct claimer *c)
{
    atomic_store(&c->is_starved, false);
    if (atomic_exchange(&c->has_lost_note, false))
        look_everywhere(c);
    serve(c);
}

static void on_retry(struct loop_timer *timer)
{
    look_again(CONTAINER_OF(timer, struct claimer, retry));
}

/* --- room ------------------------------------------------------------------------------------- */

static void on_room_made(struct loop_msg *msg)
{
    struct claimer *c = CONTAINER_OF(msg, struct claimer, room);
    loop_timer_stop(&c->retry);
    atomic_store(&c->room_posted, false); /* before the look: room that comes after it is told */
    look_again(c);
}

void claim_room(struct engine *e)
{
    struct claimer *c = &e->claimer;
    bool wants = atomic_load(&c->is_starved) || atomic_load(&c->has_lost_note);
    if (wants && !atomic_exchange(&c->room_posted, true))
        loop_post(e->shards[0].loop, &c->room);
}

/* --- notes from the shards -------------------------------------------------------------------- */

struct note {
    struct loop_msg msg;
    struct claimer *claimer;
    int64_t wake_at_ms;
    size_t len;
    char name[];
};

static void on_note(struct loop_msg *msg)
{
    struct note *n = CONTAINER_OF(msg, struct note, msg);
    struct claimer *c = n->claimer;
    struct lane *lane = lane_of(c, (struct str){n->name, n->len});
    struct loop *loop = c->engine->shards[0].loop;
    if (lane == NULL) {
        atomic_store(&c->has_lost_note, true);
        look_later(c);
    } else if (n->wake_at_ms <= loop_wall_ms(loop)) {
        look(lane);
    } else {
        uint64_t at_ms = loop_now_ms(loop) + (uint64_t)(n->wake_at_ms - loop_wall_ms(loop)) + 1;
        if (!loop_timer_is_armed(&lane->timer) || at_ms < lane->timer.node.key)
            loop_timer_start(&lane->timer, at_ms);
    }
    mem_free(n);
}

void claim_note(struct engine *e, struct str lane, int64_t wake_at_ms)
{
    struct note *n = mem_alloc(sizeof *n + lane.len + 1);
    if (n == NULL) {
        atomic_store(&e->claimer.has_lost_note, true);
        claim_room(e);
        return;
    }
    *n = (struct note){.msg.on_arrive = on_note,
                       .claimer = &e->claimer,
                       .wake_at_ms = wake_at_ms,
                       .len = lane.len};
    if (lane.len > 0)
        memcpy(n->name, lane.at, lane.len);
    loop_post(e->shards[0].loop, &n->msg);
}

/* --- beginning and ending --------------------------------------------------------------------- */

static void on_lanes(struct store_op *op)
{
    struct claimer *c = CONTAINER_OF(op, struct claimer, lanes_op.op);
    for (uint32_t i = 0; op->result == STORE_OK && i < c->lanes_op.count; i++) {
        const struct store_lane *found = &c->lanes_op.lanes[i];
        struct lane *lane = lane_of(c, found->name);
        if (lane == NULL)
            continue;
        claim_count(&c->engine->shards[0], found->name, (int64_t)found->waiting);
        log_info(log_msg("unfinished runs in the store"), log_str("lane", found->name),
                 log_u("queued", found->waiting));
        look(lane);
    }
    arena_fini(&c->lanes_op.arena);
    if (op->result != STORE_OK && !c->is_stopped)
        claimer_start(c);
}

enum err claimer_init(struct claimer *c, struct engine *engine)
{
    *c = (struct claimer){.engine = engine};
    list_init(&c->lanes);
    c->room.on_arrive = on_room_made;
    loop_timer_init(&c->retry, engine->shards[0].loop, on_retry);
    return OK;
}

void claimer_start(struct claimer *c)
{
    arena_init(&c->lanes_op.arena, 67108864);
    c->lanes_op.op = (struct store_op){
        .kind = STORE_LANES, .loop = c->engine->shards[0].loop, .on_done = on_lanes};
    store_start(c->engine->store, &c->lanes_op.op);
}

void claimer_take_over(struct claimer *c)
{
    LIST_EACH (it, &c->lanes) {
        struct lane *lane = CONTAINER_OF(it, struct lane, link);
        lane->wants |= find_gate(lane); /* no one else may say any more that there is room */
    }
    serve(c);
}

void claimer_stop(struct claimer *c)
{
    c->is_stopped = true;
    loop_timer_stop(&c->retry);
    LIST_EACH (it, &c->lanes) {
        struct lane *lane = CONTAINER_OF(it, struct lane, link);
        loop_timer_stop(&lane->timer);
        if (lane->gate != NULL)
            gate_on_room(lane->gate, NULL, NULL);
    }
}

void claimer_fini(struct claimer *c)
{
    struct list *link;
    while ((link = list_pop_front(&c->lanes)) != NULL) {
        struct lane *lane = CONTAINER_OF(link, struct lane, link);
        gate_unref(lane->gate);
        mem_free(lane->name);
        mem_free(lane);
    }
}
