#include "runs/courier.h"

#include "base/mem.h"
#include "runs/engine.h"
#include "runs/errand.h"

enum {
    AGAIN_MS = 500,           /* until the next look where the store or the memory has said no */
    PAUSE_FACTOR = 9,         /* a pause is so many times the look before it: a tenth of a reader */
    PAGE_MAX = 16777216,      /* bytes of one page of what is due */
    LOOKUPS_MAX = 32,         /* names looked up at once */
    IDLE_CONNECTIONS = 16,    /* of each scheme */
    IDLE_MS = 10000,          /* how long they are kept */
    CONNECTION_AGE_MS = 60000 /* so that a name that leads elsewhere is noticed */
};

const struct courier_options *courier_options(const struct courier *c)
{
    return &c->engine->shards[0].limits->webhooks;
}

/* --- hosts ------------------------------------------------------------------------------------ */

static bool is_named(const struct map_node *node, const void *key)
{
    const struct str *name = key;
    return str_eq(str_of(CONTAINER_OF(node, const struct courier_host, by_name)->name), *name);
}

/* A host that nothing is known of has one place. NULL: no memory. */
static struct courier_host *host_of(struct courier *c, struct str name)
{
    struct map_node *node = map_find(&c->hosts, str_hash(name), &name, is_named);
    if (node != NULL)
        return CONTAINER_OF(node, struct courier_host, by_name);
    struct courier_host *h = mem_zalloc(sizeof *h);
    if (h == NULL)
        return NULL;
    h->places = 1;
    h->name = mem_strdup(name);
    if (h->name == NULL) {
        mem_free(h);
        return NULL;
    }
    map_insert(&c->hosts, &h->by_name, str_hash(name));
    return h;
}

static void drop_host(struct courier *c, struct courier_host *h)
{
    map_remove(&c->hosts, &h->by_name);
    mem_free(h->name);
    mem_free(h);
}

static void drop_idle_hosts(struct courier *c)
{
    struct map_node *node = map_next(&c->hosts, NULL);
    while (node != NULL) {
        struct courier_host *h = CONTAINER_OF(node, struct courier_host, by_name);
        node = map_next(&c->hosts, node);
        if (h->under_way == 0)
            drop_host(c, h);
    }
}

/* One that answers well gets more places, one that does not gets back to one. */
static void judge_host(struct courier *c, struct courier_host *h, enum errand_end end)
{
    h->under_way--;
    if (end == ERRAND_TOLD && h->places < courier_options(c)->per_host)
        h->places++;
    else if (end == ERRAND_FAILED || end == ERRAND_DROPPED)
        h->places = 1;
}

/* --- errands ---------------------------------------------------------------------------------- */

static uint64_t hash_of_run(uint64_t ref)
{
    return ref * 0x9E3779B97F4A7C15u;
}

static bool is_of_run(const struct map_node *node, const void *ref)
{
    return CONTAINER_OF(node, const struct errand, by_run)->delivery.ref == *(const uint64_t *)ref;
}

static bool is_full(const struct courier *c)
{
    return c->sent >= courier_options(c)->concurrency;
}

/* ERR_NOMEM; OK also where it is not its turn. */
static enum err send_one(struct courier *c, const struct store_delivery *d)
{
    struct errand *e;
    if (is_full(c) || map_find(&c->errands, hash_of_run(d->ref), &d->ref, is_of_run) != NULL)
        return OK;
    struct courier_host *h = host_of(c, d->host);
    if (h == NULL)
        return ERR_NOMEM;
    if (h->under_way >= h->places)
        return OK;
    enum err rc = errand_start(c, d, &e);
    if (rc != OK)
        return rc;
    e->host = h;
    h->under_way++;
    map_insert(&c->errands, &e->by_run, hash_of_run(d->ref));
    c->sent++;
    atomic_fetch_add(&c->under_way, 1);
    return OK;
}

static void look(struct courier *c);

static void pause_for(struct courier *c, uint64_t ms)
{
    uint64_t until_ms = loop_now_ms(c->loop) + ms;
    if (until_ms > c->pause_until_ms)
        c->pause_until_ms = until_ms;
}

/* The store or the memory has said no. */
static void rest(struct courier *c)
{
    pause_for(c, AGAIN_MS);
    c->looks_again = true;
}

static void forget(struct courier *c, struct errand *e)
{
    map_remove(&c->errands, &e->by_run);
    errand_destroy(e);
}

static void forget_ended(struct courier *c)
{
    struct list *link;
    while ((link = list_pop_front(&c->ended)) != NULL)
        forget(c, CONTAINER_OF(link, struct errand, ended_link));
}

static const enum outcome outcomes[] = {
    [ERRAND_TOLD] = OUTCOME_SUCCEEDED,
    [ERRAND_FAILED] = OUTCOME_FAILED,
    [ERRAND_DROPPED] = OUTCOME_LOST,
};

void courier_on_end(struct courier *c, struct errand *e, enum errand_end end)
{
    c->sent--;
    judge_host(c, e->host, end);
    if (end <= ERRAND_DROPPED)
        shard_count(&c->engine->shards[0], SERIES_WEBHOOKS, outcomes[end], 0, 1);
    if (end == ERRAND_UNSENT)
        rest(c);
    atomic_fetch_sub(&c->under_way, 1);
    if (c->is_looking)
        list_push_back(&c->ended, &e->ended_link);
    else
        forget(c, e);
    look(c);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void on_due(struct store_op *op);

static void read_page(struct courier *c, struct str after_host)
{
    c->due = (struct store_due){
        .op = {.kind = STORE_DUE, .loop = c->loop, .on_done = on_due},
        .after_host = after_host,
        .per_host = courier_options(c)->per_host,
        .now_ms = loop_wall_ms(c->loop),
        .counts = after_host.len == 0,
        .arena = c->due.arena,
    };
    store_start(c->engine->store, &c->due.op);
}

/* When there may be something to do again. */
static void look_later(struct courier *c)
{
    uint64_t now_ms = loop_now_ms(c->loop);
    int64_t wait_ms = c->next_ms - loop_wall_ms(c->loop);
    uint64_t at_ms = UINT64_MAX;
    if (c->next_ms != 0)
        at_ms = now_ms + (wait_ms > 0 ? (uint64_t)wait_ms : 0);
    if (at_ms != UINT64_MAX)
        loop_timer_start(&c->timer, at_ms > c->pause_until_ms ? at_ms : c->pause_until_ms);
}

/* A look visits every host for which something waits. However many those are, and however often
 * something happens, the reader has most of its time for others. */
static void pause_after_look(struct courier *c)
{
    pause_for(c, PAUSE_FACTOR * (loop_now_ms(c->loop) - c->began_ms));
}

static void end_look(struct courier *c)
{
    arena_fini(&c->due.arena);
    c->is_looking = false;
    atomic_fetch_sub(&c->under_way, 1);
    pause_after_look(c);
    if (!c->looks_again)
        drop_idle_hosts(c);
    if (!c->is_running)
        return;
    if (c->looks_again)
        look(c);
    else
        look_later(c);
}

static void take_page(struct courier *c)
{
    const struct store_due *d = &c->due;
    enum err e = OK;
    if (d->counts)
        atomic_store(&c->waits, d->total);
    if (d->next_ms != 0 && (c->next_ms == 0 || d->next_ms < c->next_ms))
        c->next_ms = d->next_ms;
    for (uint32_t i = 0; e == OK && !is_full(c) && i < d->count; i++) {
        e = send_one(c, &d->deliveries[i]);
        str_copy(c->from, sizeof c->from, d->deliveries[i].host);
    }
    if (e != OK)
        rest(c);
}

/* The page behind this one; the first, behind the last. Its memory is the next one's. */
static void next_page(struct courier *c)
{
    char host[URL_HOST_MAX];
    str_copy(host, sizeof host, c->due.more ? c->due.last_host : STR(""));
    c->is_wrapped |= !c->due.more;
    arena_fini(&c->due.arena);
    arena_init(&c->due.arena, PAGE_MAX);
    struct str after = arena_str(&c->due.arena, str_of(host));
    if (after.at != NULL) {
        read_page(c, after);
        return;
    }
    rest(c);
    end_look(c);
}

static void go_on(struct courier *c)
{
    if (is_full(c)) {
        end_look(c);
    } else if (c->due.more || !c->is_wrapped) {
        next_page(c);
    } else {
        c->from[0] = '\0'; /* all of them were looked at */
        end_look(c);
    }
}

static void on_due(struct store_op *op)
{
    struct courier *c = CONTAINER_OF(op, struct courier, due.op);
    bool is_read = op->result == STORE_OK;
    if (is_read && c->is_running)
        take_page(c);
    forget_ended(c); /* what is asked for from here on knows of their end */
    if (!is_read)
        rest(c);
    if (is_read && c->is_running)
        go_on(c);
    else
        end_look(c);
}

/* One at a time; none while there is no place, or nothing can be signed. */
static void look(struct courier *c)
{
    if (c->is_looking) {
        c->looks_again = true;
        return;
    }
    if (!c->is_running || is_full(c) || courier_options(c)->key.len == 0)
        return;
    c->looks_again = false;
    if (loop_now_ms(c->loop) < c->pause_until_ms) {
        loop_timer_start(&c->timer, c->pause_until_ms);
        return;
    }
    c->is_looking = true;
    c->began_ms = loop_now_ms(c->loop);
    c->next_ms = 0;
    loop_timer_stop(&c->timer);
    atomic_fetch_add(&c->under_way, 1);
    c->is_wrapped = c->from[0] == '\0';
    arena_init(&c->due.arena, PAGE_MAX);
    read_page(c, str_of(c->from));
}

static void on_timer(struct loop_timer *timer)
{
    look(CONTAINER_OF(timer, struct courier, timer));
}

static void on_hint(struct loop_msg *msg)
{
    struct courier *c = CONTAINER_OF(msg, struct courier, hint);
    atomic_store(&c->is_hinted,
                 false); /* before the look: what is committed from here on hints anew */
    look(c);
}

void courier_hint(struct courier *c)
{
    if (!atomic_exchange(&c->is_hinted, true))
        loop_post(c->loop, &c->hint);
}

/* --- connections ------------------------------------------------------------------------------ */

static bool may_connect(void *guard, const struct sockaddr *address)
{
    const struct courier *c = guard;
    return courier_options(c)->allow_private || url_guard_is_public(address);
}

enum err courier_pool(struct courier *c, bool is_tls, struct transfer_pool **ret_pool)
{
    struct transfer_pool **pool = &c->pools[is_tls ? COURIER_HTTPS : COURIER_HTTP];
    const struct transfer_pool_options options = {.max_idle = IDLE_CONNECTIONS,
                                                  .idle_ms = IDLE_MS,
                                                  .max_age_ms = CONNECTION_AGE_MS,
                                                  .max_lookups = LOOKUPS_MAX,
                                                  .may_connect = may_connect,
                                                  .guard = c};
    enum err e = *pool != NULL ? OK : transfer_pool_create(c->loop, &options, pool);
    *ret_pool = *pool;
    return e;
}

void courier_drop_pools(struct courier *c)
{
    for (int i = 0; i < COURIER_POOLS; i++) {
        transfer_pool_destroy(c->pools[i]);
        c->pools[i] = NULL;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

enum err courier_init(struct courier *c, struct engine *engine)
{
    c->engine = engine;
    c->loop = engine->shards[0].loop;
    c->hint.on_arrive = on_hint;
    list_init(&c->ended);
    loop_timer_init(&c->timer, c->loop, on_timer);
    enum err e = map_init(&c->hosts);
    return e == OK ? map_init(&c->errands) : e;
}

void courier_fini(struct courier *c)
{
    if (c->loop == NULL)
        return;
    loop_timer_stop(&c->timer);
    forget_ended(c);
    drop_idle_hosts(c);
    map_fini(&c->hosts);
    map_fini(&c->errands);
}

void courier_start(struct courier *c)
{
    c->is_running = true;
    look(c);
}

void courier_take_over(struct courier *c)
{
    look(c);
}

void courier_drain(struct courier *c)
{
    c->is_running = false;
    loop_timer_stop(&c->timer);
}

void courier_park(struct courier *c)
{
    courier_drain(c);
    struct map_node *node = map_next(&c->errands, NULL);
    while (node != NULL) {
        struct errand *e = CONTAINER_OF(node, struct errand, by_run);
        node = map_next(&c->errands, node);
        if (e->state != ERRAND_OVER)
            errand_stop(e);
    }
}
