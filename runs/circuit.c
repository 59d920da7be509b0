#include "runs/circuit.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "runs/engine.h"

enum { NOTE_BYTES = 1024 };

#define PREFIX "breaker:"

/* --- one change, on its way to the store ------------------------------------------------------ */

struct change {
    struct gate *gate;
    struct store_note note;
    struct buf name, text, event;
};

static void destroy(struct change *c)
{
    gate_unref(c->gate);
    buf_fini(&c->name);
    buf_fini(&c->text);
    buf_fini(&c->event);
    mem_free(c);
}

static void on_noted(struct store_op *op)
{
    struct change *c = CONTAINER_OF(CONTAINER_OF(op, struct store_note, op), struct change, note);
    if (op->result != STORE_OK)
        log_warn(log_msg("a circuit's state was not stored"), log_s("provider", gate_name(c->gate)),
                 log_s("result", store_result_name(op->result)));
    destroy(c);
}

static void add_number(struct buf *b, const char *name, uint64_t n)
{
    buf_add_lit(b, ",\"");
    buf_add_str(b, str_of(name));
    buf_add_lit(b, "\":");
    buf_add_u64(b, n);
}

/* What a start takes up again: the state now, which may be newer than the change. */
static void write_state(struct buf *b, struct gate *g, int64_t wall_ms)
{
    struct breaker_saved s = gate_save(g);
    buf_add_lit(b, "{\"state\":");
    json_add_string(b, str_of(breaker_state_name(s.state)));
    add_number(b, "failures", s.failures);
    add_number(b, "openings", s.openings);
    add_number(b, "open_left_ms", s.open_left_ms);
    add_number(b, "at_ms", (uint64_t)wall_ms);
    buf_add_char(b, '}');
}

static const enum event_type type_of[] = {
    [BREAKER_CLOSED] = EVENT_CIRCUIT_CLOSED,
    [BREAKER_OPEN] = EVENT_CIRCUIT_OPEN,
    [BREAKER_HALF_OPEN] = EVENT_CIRCUIT_HALF_OPEN,
};

/* What the bus tells: the change itself. */
static void write_event(struct buf *b, struct gate *g, struct breaker_change change,
                        int64_t wall_ms)
{
    struct event_head head = {.type = type_of[change.to], .at_ms = wall_ms};
    event_begin(b, &head);
    buf_add_lit(b, "{\"provider\":");
    json_add_string(b, str_of(gate_name(g)));
    buf_addf(b, ",\"old_state\":\"%s\",\"new_state\":\"%s\"}", breaker_state_name(change.from),
             breaker_state_name(change.to));
    event_end(b);
}

static void note_change(struct shard *s, struct gate *g, struct breaker_change change)
{
    int64_t wall_ms = loop_wall_ms(s->loop);
    struct change *c = mem_zalloc(sizeof *c);
    if (c == NULL)
        return;
    c->gate = gate_ref(g);
    buf_init(&c->name, NOTE_BYTES);
    buf_init(&c->text, NOTE_BYTES);
    buf_init(&c->event, NOTE_BYTES);
    buf_add_lit(&c->name, PREFIX);
    buf_add_str(&c->name, str_of(gate_name(g)));
    write_state(&c->text, g, wall_ms);
    write_event(&c->event, g, change, wall_ms);
    if (buf_ok(&c->name) != OK || buf_ok(&c->text) != OK || buf_ok(&c->event) != OK) {
        destroy(c);
        return;
    }
    c->note = (struct store_note){.op = {.kind = STORE_NOTE, .loop = s->loop, .on_done = on_noted},
                                  .name = buf_str(&c->name),
                                  .text = buf_str(&c->text),
                                  .event = buf_str(&c->event)};
    store_start(s->store, &c->note.op);
}

/* --- a gate's word that it has changed -------------------------------------------------------- */

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
        note_change(&h->engine->shards[0], h->gate, change);
    gate_unref(h->gate);
    mem_free(h);
}

static void on_change(struct gate *g, void *ctx)
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
        gate_on_change(catalog->upstreams[i]->gate, on_change, e);
}

/* --- at the start ----------------------------------------------------------------------------- */

struct restore {
    struct store_notes notes;
    struct engine *engine;
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

/* A note that cannot be read is none. */
static void restore_one(struct shard *s, struct gate *g, struct str text)
{
    struct json_doc *doc = &s->scratch;
    if (json_parse(doc, text, NULL) != OK)
        return;
    struct json root = json_root(doc);
    struct breaker_saved saved = {.state = read_state(json_get_lit(root, "state")),
                                  .failures = (uint32_t)number(root, "failures"),
                                  .openings = (uint32_t)number(root, "openings"),
                                  .open_left_ms = (uint64_t)number(root, "open_left_ms")};
    int64_t elapsed_ms = loop_wall_ms(s->loop) - number(root, "at_ms");
    gate_restore(g, &saved, elapsed_ms > 0 ? (uint64_t)elapsed_ms : 0);
}

static void on_read(struct store_op *op)
{
    struct restore *r =
        CONTAINER_OF(CONTAINER_OF(op, struct store_notes, op), struct restore, notes);
    struct engine *e = r->engine;
    void (*on_done)(struct engine *) = r->on_done;
    if (op->result != STORE_OK)
        log_warn(log_msg("the circuits' states cannot be read"));
    for (uint32_t i = 0; op->result == STORE_OK && i < r->notes.count; i++) {
        struct str name = r->notes.notes[i].name;
        struct str provider = {name.at + sizeof PREFIX - 1, name.len - (sizeof PREFIX - 1)};
        struct upstream *u = catalog_upstream(e->shards[0].catalog, provider);
        if (u != NULL)
            restore_one(&e->shards[0], u->gate, r->notes.notes[i].text);
    }
    arena_fini(&r->notes.arena);
    mem_free(r);
    on_done(e);
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
    r->notes = (struct store_notes){
        .op = {.kind = STORE_NOTES, .loop = e->shards[0].loop, .on_done = on_read},
        .prefix = STR(PREFIX),
        .limit = 4096};
    arena_init(&r->notes.arena, 16u << 20);
    store_start(e->store, &r->notes.op);
}
