#include "runs/circuit.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "runs/engine.h"

enum { NOTE_BYTES = 1024, PAGE = 1000 /* notes that are read at once */, PAGE_BYTES = 4 << 20 };

#define PROVIDERS "breaker:"
#define NAMED     "circuit:" /* TENANT:NAME; neither has a colon */

/* --- one change, on its way to the store ------------------------------------------------------ */

struct change {
    struct store_note note;
    struct buf name, text, event;
    char tenant[FUSE_NAME + 1];
};

static void destroy(struct change *c)
{
    buf_fini(&c->name);
    buf_fini(&c->text);
    buf_fini(&c->event);
    mem_free(c);
}

static void on_noted(struct store_op *op)
{
    struct change *c = CONTAINER_OF(CONTAINER_OF(op, struct store_note, op), struct change, note);
    if (op->result != STORE_OK)
        log_warn(log_msg("a circuit's state was not stored"), log_str("note", buf_str(&c->name)),
                 log_s("result", store_result_name(op->result)));
    destroy(c);
}

/* NULL: no memory. */
static struct change *create(void)
{
    struct change *c = mem_zalloc(sizeof *c);
    if (c == NULL)
        return NULL;
    buf_init(&c->name, NOTE_BYTES);
    buf_init(&c->text, NOTE_BYTES);
    buf_init(&c->event, NOTE_BYTES);
    return c;
}

static struct str text_or_none(const struct buf *b)
{
    return b->len > 0 ? buf_str(b) : STR_NONE;
}

/* Without a text the note is forgotten; without an event nobody is told. `tenant` NULL: everybody
 * is. */
static void send(struct shard *s, struct change *c, const char *tenant)
{
    if (buf_ok(&c->name) != OK || buf_ok(&c->text) != OK || buf_ok(&c->event) != OK) {
        destroy(c);
        return;
    }
    c->note = (struct store_note){.op = {.kind = STORE_NOTE, .loop = s->loop, .on_done = on_noted},
                                  .name = buf_str(&c->name),
                                  .text = text_or_none(&c->text),
                                  .event = text_or_none(&c->event)};
    if (tenant != NULL) {
        str_copy(c->tenant, sizeof c->tenant, str_of(tenant));
        c->note.event_tenant = str_of(c->tenant);
    }
    store_start(s->store, &c->note.op);
}

static void add_number(struct buf *b, const char *name, uint64_t n)
{
    buf_add_lit(b, ",\"");
    buf_add_str(b, str_of(name));
    buf_add_lit(b, "\":");
    buf_add_u64(b, n);
}

/* What a start takes up again: the state now, which may be newer than the change. The object stays
 * open for what else belongs to it. */
static void begin_state(struct buf *b, const struct breaker_saved *s, int64_t wall_ms)
{
    buf_add_lit(b, "{\"state\":");
    json_add_string(b, str_of(breaker_state_name(s->state)));
    add_number(b, "failures", s->failures);
    add_number(b, "openings", s->openings);
    add_number(b, "open_left_ms", s->open_left_ms);
    add_number(b, "at_ms", (uint64_t)wall_ms);
}

static const enum event_type type_of[] = {
    [BREAKER_CLOSED] = EVENT_CIRCUIT_CLOSED,
    [BREAKER_OPEN] = EVENT_CIRCUIT_OPEN,
    [BREAKER_HALF_OPEN] = EVENT_CIRCUIT_HALF_OPEN,
};

/* What the bus tells: the change itself. `what` is "provider" or "circuit". */
static void write_event(struct buf *b, const char *what, const char *name,
                        struct breaker_change change, int64_t wall_ms)
{
    struct event_head head = {.type = type_of[change.to], .at_ms = wall_ms};
    event_begin(b, &head);
    buf_addf(b, "{\"%s\":", what);
    json_add_string(b, str_of(name));
    buf_addf(b, ",\"old_state\":\"%s\",\"new_state\":\"%s\"}", breaker_state_name(change.from),
             breaker_state_name(change.to));
    event_end(b);
}

/* --- providers -------------------------------------------------------------------------------- */

static void note_provider(struct shard *s, struct gate *g, struct breaker_change change)
{
    int64_t wall_ms = loop_wall_ms(s->loop);
    struct breaker_saved saved = gate_save(g);
    struct change *c = create();
    if (c == NULL)
        return;
    buf_addf(&c->name, PROVIDERS "%s", gate_name(g));
    begin_state(&c->text, &saved, wall_ms);
    buf_add_char(&c->text, '}');
    write_event(&c->event, "provider", gate_name(g), change, wall_ms);
    send(s, c, NULL);
}

struct hint {
    struct loop_msg msg;
    struct engine *engine;
    struct gate *gate;
};

/* On the first loop. Takes all there is: another hint may have been overtaken, or lost. */
static void on_hint_arrived(struct loop_msg *msg)
{
    struct hint *h = CONTAINER_OF(msg, struct hint, msg);
    struct breaker_change change;
    while (gate_take_change(h->gate, &change))
        note_provider(&h->engine->shards[0], h->gate, change);
    gate_unref(h->gate);
    mem_free(h);
}

static void on_gate_changed(struct gate *g, void *ctx)
{
    struct engine *e = ctx;
    struct hint *h = mem_alloc(sizeof *h);
    if (h == NULL)
        return;
    *h = (struct hint){.msg.on_arrive = on_hint_arrived, .engine = e, .gate = gate_ref(g)};
    loop_post(e->shards[0].loop, &h->msg);
}

void circuits_watch(struct engine *e, struct catalog *catalog)
{
    for (uint32_t i = 0; i < catalog->upstream_count; i++)
        gate_on_change(catalog->upstreams[i]->gate, on_gate_changed, e);
}

/* --- those that tasks name -------------------------------------------------------------------- */

/* Nothing, which forgets the note, of one that is closed. */
static void write_fuse(struct buf *b, const struct fuse_news *n, int64_t wall_ms)
{
    if (n->saved.state == BREAKER_CLOSED)
        return;
    begin_state(b, &n->saved, wall_ms);
    add_number(b, "fail_max", n->policy.failures);
    add_number(b, "window_ms", n->policy.window_ms);
    add_number(b, "reset_timeout_ms", n->policy.reset_ms);
    buf_add_char(b, '}');
}

static void note_fuse(struct shard *s, const struct fuse_news *n)
{
    int64_t wall_ms = loop_wall_ms(s->loop);
    log_info(log_msg("circuit"), log_s("circuit", n->name), log_s("tenant", n->tenant),
             log_s("from", breaker_state_name(n->change.from)),
             log_s("to", breaker_state_name(n->change.to)));
    struct change *c = create();
    if (c == NULL)
        return;
    buf_addf(&c->name, NAMED "%s:%s", n->tenant, n->name);
    write_fuse(&c->text, n, wall_ms);
    write_event(&c->event, "circuit", n->name, n->change, wall_ms);
    send(s, c, n->tenant);
}

/* On the first loop. A change that comes from now on posts anew: the flag goes before the look. */
static void on_fuse_hint_arrived(struct loop_msg *msg)
{
    struct engine *e =
        CONTAINER_OF(CONTAINER_OF(msg, struct fuse_hint, msg), struct engine, fuse_hint);
    struct shard *s = &e->shards[0];
    struct fuse_news news;
    atomic_store(&e->fuse_hint.is_posted, false);
    while (fuses_take_change(&e->fuses, loop_now_ms(s->loop), &news))
        note_fuse(s, &news);
}

static void on_fuses_changed(void *ctx)
{
    struct engine *e = ctx;
    if (!atomic_exchange(&e->fuse_hint.is_posted, true))
        loop_post(e->shards[0].loop, &e->fuse_hint.msg);
}

void circuits_watch_named(struct engine *e)
{
    e->fuse_hint.msg.on_arrive = on_fuse_hint_arrived;
    fuses_on_change(&e->fuses, on_fuses_changed, e);
}

/* --- at the start ----------------------------------------------------------------------------- */

struct restore {
    struct store_notes notes;
    struct engine *engine;
    const struct kind *kind; /* whose turn it is */
    char last[NOTE_BYTES];   /* name that was read; "": begins */
    void (*on_done)(struct engine *e);
};

static enum breaker_state read_state(struct json v)
{
    for (int s = BREAKER_CLOSED; s <= BREAKER_HALF_OPEN; s++) {
        if (json_string_is(v, str_of(breaker_state_name((enum breaker_state)s))))
            return (enum breaker_state)s;
    }
    return BREAKER_CLOSED;
}

static int64_t number(struct json root, const char *name)
{
    int64_t value = 0;
    return json_int(json_get(root, str_of(name)), 0, INT64_MAX, &value) == OK ? value : 0;
}

static uint32_t number32(struct json root, const char *name)
{
    int64_t value = number(root, name);
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static struct breaker_saved read_saved(struct json root)
{
    return (struct breaker_saved){.state = read_state(json_get_lit(root, "state")),
                                  .failures = number32(root, "failures"),
                                  .openings = number32(root, "openings"),
                                  .open_left_ms = (uint64_t)number(root, "open_left_ms")};
}

static uint64_t elapsed_ms(struct shard *s, struct json root)
{
    int64_t ms = loop_wall_ms(s->loop) - number(root, "at_ms");
    return ms > 0 ? (uint64_t)ms : 0;
}

/* A note that cannot be read is none. */
static void take_provider(struct shard *s, struct str name, struct str text)
{
    struct upstream *u = catalog_upstream(s->catalog, name);
    if (u == NULL || json_parse(&s->scratch, text, NULL) != OK)
        return;
    struct json root = json_root(&s->scratch);
    struct breaker_saved saved = read_saved(root);
    gate_restore(u->gate, &saved, elapsed_ms(s, root));
}

static void forget(struct shard *s, struct str tenant, struct str name)
{
    struct change *c = create();
    if (c == NULL)
        return;
    buf_addf(&c->name, NAMED "%.*s:%.*s", STR_ARG(tenant), STR_ARG(name));
    send(s, c, NULL);
}

static bool restore_fuse(struct shard *s, struct str tenant, struct str name, struct str text)
{
    if (json_parse(&s->scratch, text, NULL) != OK)
        return false;
    struct json root = json_root(&s->scratch);
    struct breaker_saved saved = read_saved(root);
    struct fuse_policy policy = {.failures = number32(root, "fail_max"),
                                 .window_ms = number32(root, "window_ms"),
                                 .reset_ms = number32(root, "reset_timeout_ms")};
    return saved.state != BREAKER_CLOSED &&
           fuse_restore(&s->engine->fuses, tenant, name, &policy, &saved, elapsed_ms(s, root),
                        loop_now_ms(s->loop)) == OK;
}

/* A note that nobody can take up goes: it would stay for ever. */
static void take_fuse(struct shard *s, struct str name, struct str text)
{
    struct str tenant = str_cut(&name, ':');
    if (!restore_fuse(s, tenant, name, text))
        forget(s, tenant, name);
}

static const struct kind {
    const char *prefix;
    void (*take)(struct shard *s, struct str name, struct str text);
} kinds[] = {{PROVIDERS, take_provider}, {NAMED, take_fuse}};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void take_note(struct restore *r, const struct store_kept *kept)
{
    size_t prefix = r->notes.prefix.len;
    r->kind->take(&r->engine->shards[0],
                  (struct str){kept->name.at + prefix, kept->name.len - prefix}, kept->text);
}

static void finish(struct restore *r)
{
    struct engine *e = r->engine;
    void (*on_done)(struct engine *) = r->on_done;
    mem_free(r);
    on_done(e);
}

static void read_page(struct restore *r);

static void on_read(struct store_op *op)
{
    struct restore *r =
        CONTAINER_OF(CONTAINER_OF(op, struct store_notes, op), struct restore, notes);
    const struct store_notes *n = &r->notes;
    bool is_read = op->result == STORE_OK;
    bool has_more = is_read && n->more;
    if (!is_read)
        log_warn(log_msg("the circuits' states cannot be read"));
    for (uint32_t i = 0; is_read && i < n->count; i++)
        take_note(r, &n->notes[i]);
    str_copy(r->last, sizeof r->last, has_more ? n->notes[n->count - 1].name : STR(""));
    arena_fini(&r->notes.arena);
    if (!has_more)
        r->kind++;
    if (r->kind < kinds + KINDS)
        read_page(r);
    else
        finish(r);
}

static void read_page(struct restore *r)
{
    r->notes = (struct store_notes){
        .op = {.kind = STORE_NOTES, .loop = r->engine->shards[0].loop, .on_done = on_read},
        .prefix = str_of(r->kind->prefix),
        .after = str_of(r->last),
        .limit = PAGE};
    arena_init(&r->notes.arena, PAGE_BYTES);
    store_start(r->engine->store, &r->notes.op);
}

void circuits_restore(struct engine *e, void (*on_done)(struct engine *e))
{
    struct restore *r = mem_zalloc(sizeof *r);
    if (r == NULL) {
        on_done(e);
        return;
    }
    r->engine = e;
    r->on_done = on_done;
    r->kind = kinds;
    read_page(r);
}
