#include "tests/support/engine_rig.h"

#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "runs/catalog.h"
#include "tests/support/sqlite_rig.h"

enum { PATIENCE_MS = 60000 /* real ones, without an end: a test that hangs */ };

/* --- options ---------------------------------------------------------------------------------- */

static struct engine_limits default_limits(void)
{
    return (struct engine_limits){.live_runs = 50000,
                                  .queue_runs = 100000,
                                  .memory_bytes = 1073741824,
                                  .run_bytes = 268435456,
                                  .output_bytes = 16777216,
                                  .uncommitted_events = 4096,
                                  .reader_bytes = 262144,
                                  .readers_per_run = 2000,
                                  .flush_ms = 20,
                                  .spec = {.max_run_timeout_ms = 86400000,
                                           .default_run_timeout_ms = 3600000,
                                           .input_bytes = 1048576,
                                           .tree_depth = 32,
                                           .tree_nodes = 10000,
                                           .allow_trees = true}};
}

static struct rig_provider default_provider(const char *name)
{
    struct rig_provider p = {
        .name = name,
        .limiter = limiter_policy_default(),
        .retry = retry_policy_default(),
        .timeouts = {
            .connect_ms = 5000, .first_byte_ms = 600000, .idle_ms = 60000, .total_ms = 1800000}};
    p.retry.attempts = 1; /* as `sim` has it without any retry */
    return p;
}

struct rig_options rig_options_default(void)
{
    return (struct rig_options){
        .loops = 2,
        .limits = default_limits(),
        .tasks_max = TASKS_MAX,
        .providers = {default_provider("sim")},
        .agents = "{\"echo\":{\"model\":\"sim/echo\"},\"story\":{\"model\":\"sim/story\"}}"};
}

/* --- building --------------------------------------------------------------------------------- */

static struct upstream *make_upstream(struct rig *r, const struct rig_provider *p)
{
    const struct catalog *old = r->engine != NULL ? r->engine->shards[0].catalog : NULL;
    struct upstream *before = old != NULL ? catalog_upstream(old, str_of(p->name)) : NULL;
    struct provider_options kind = {.name = str_of(p->name),
                                    .kind = p->base_url != NULL ? STR("openai") : STR("sim"),
                                    .base_url = str_of(p->base_url)};
    struct upstream_options o = {.provider = kind,
                                 .limiter = p->limiter,
                                 .retry = p->retry,
                                 .timeouts = p->timeouts,
                                 .pool = {.max_idle = 1},
                                 .fallback_wait_ms = 10000};
    struct upstream *u;
    struct error error;
    ck_assert_int_eq(upstream_create(&o, before != NULL ? before->gate : NULL, r->loops[0],
                                     r->options.loops, &u, &error),
                     OK);
    return u;
}

static struct agent *make_agent(struct json_member m, const struct name_lookup *names,
                                struct arena *arena)
{
    struct problem problem;
    struct agent *agent;
    struct str name;
    problem_init(&problem);
    struct check c = {.problem = &problem, .arena = arena};
    struct doc_path root = {.up = NULL};
    ck_assert(json_string(m.name, arena, &name));
    ck_assert_msg(agent_create(&c, m.value, &root, name, names, &agent) == OK, "%s",
                  problem.fields[0].detail);
    return agent;
}

static struct catalog *make_catalog(struct rig *r)
{
    struct upstream **upstreams = mem_zalloc(RIG_MAX_PROVIDERS * sizeof(struct upstream *));
    uint32_t count = 0;
    for (; count < RIG_MAX_PROVIDERS && r->options.providers[count].name != NULL; count++)
        upstreams[count] = make_upstream(r, &r->options.providers[count]);
    struct catalog *catalog;
    ck_assert_int_eq(catalog_create(upstreams, count, &catalog), OK);
    return catalog;
}

static struct workflow *make_workflow(struct rig *r, struct json_member m,
                                      const struct name_lookup *names, struct arena *arena)
{
    struct problem problem;
    struct workflow *workflow;
    struct str name;
    problem_init(&problem);
    struct check c = {.problem = &problem, .arena = arena};
    struct doc_path root = {.up = NULL};
    ck_assert(json_string(m.name, arena, &name));
    ck_assert_msg(
        workflow_create(&c, m.value, &root, name, &r->options.limits.spec, names, &workflow) == OK,
        "%s", problem.fields[0].detail);
    return workflow;
}

/* Where it is found from now on. */
static void add_workflow(struct definitions *d, struct workflow *w)
{
    uint32_t at = d->workflow_count++;
    for (; at > 0 && str_cmp(d->workflows[at - 1]->name, w->name) > 0; at--)
        d->workflows[at] = d->workflows[at - 1];
    d->workflows[at] = w;
}

/* A workflow may call agents, and those workflows that stand before it. */
static struct definitions *make_definitions(struct rig *r, struct catalog *catalog)
{
    struct definitions d = {.agent_count = 0};
    struct vocabulary words = {.catalog = catalog, .definitions = &d};
    struct name_lookup names = vocabulary_lookup(&words);
    struct json_doc doc;
    struct arena arena;
    json_doc_init(&doc);
    arena_init(&arena, 65536);
    ck_assert_int_eq(json_parse(&doc, str_of(r->options.agents), NULL), OK);
    struct json root = json_root(&doc);
    d.agents = mem_zalloc((json_count(root) + 1) * sizeof(struct agent *));
    for (struct json_member m = json_first_member(root); json_exists(m.value);
         m = json_next_member(root, m))
        d.agents[d.agent_count++] = make_agent(m, &names, &arena);
    const char *workflows = r->options.workflows != NULL ? r->options.workflows : "{}";
    ck_assert_int_eq(json_parse(&doc, str_of(workflows), NULL), OK);
    root = json_root(&doc);
    d.workflows = mem_zalloc((json_count(root) + 1) * sizeof(struct workflow *));
    for (struct json_member m = json_first_member(root); json_exists(m.value);
         m = json_next_member(root, m))
        add_workflow(&d, make_workflow(r, m, &names, &arena));
    json_doc_fini(&doc);
    arena_fini(&arena);
    struct definitions *definitions;
    ck_assert_int_eq(
        definitions_create(d.agents, d.agent_count, d.workflows, d.workflow_count, &definitions),
        OK);
    return definitions;
}

void rig_bound_tasks(struct rig *r, uint32_t most)
{
    r->options.tasks_max = most;
    for (uint32_t i = 0; i < r->options.loops; i++)
        r->engine->shards[i].tasks_max = most;
}

static void start_engine(struct rig *r)
{
    for (uint32_t i = 0; i < r->options.loops; i++)
        ck_assert_int_eq(loop_create(&r->clock, &r->loops[i]), OK);
    struct catalog *catalog = make_catalog(r);
    struct engine_options o = {.loops = r->loops,
                               .loop_count = r->options.loops,
                               .store = r->store,
                               .catalog = catalog,
                               .definitions = make_definitions(r, catalog),
                               .limits = r->options.limits,
                               .base_path = STR("")};
    ck_assert_int_eq(engine_create(&o, &r->engine), OK);
    rig_bound_tasks(r, r->options.tasks_max);
    engine_start(r->engine);
    rig_settle(r);
}

static void on_reseeded(struct library_reseed *reseed)
{
    (void)reseed; /* looked at when all has settled */
}

static void on_gone_on(struct library_reseed *reseed)
{
    (void)reseed; /* likewise */
}

void rig_take_over(struct rig *r, const struct rig_options *options)
{
    r->options = *options;
    struct catalog *catalog = make_catalog(r);
    struct definitions *definitions = make_definitions(r, catalog);
    catalog_configure(catalog);
    struct library_reseed reseed = {.engine = r->engine,
                                    .seeds = definitions,
                                    .on_done = on_reseeded,
                                    .on_gone_on = on_gone_on};
    library_reseed_start(&reseed);
    rig_settle(r);
    ck_assert_int_eq(reseed.result, OK);
    for (uint32_t i = 0; i < r->options.loops; i++) {
        struct takeover *t = mem_zalloc(sizeof *t);
        ck_assert_ptr_nonnull(t);
        t->catalog = catalog_ref(catalog);
        t->definitions = definitions_ref(reseed.current);
        t->limits = &r->options.limits;
        shard_take_over(&r->engine->shards[i], t);
    }
    catalog_unref(catalog);
    definitions_unref(definitions);
    definitions_unref(reseed.current);
    library_go_on(&reseed);
    rig_settle(r);
}

/* The connections of those that are not `sim`. */
static void drop_pools(struct rig *r)
{
    for (uint32_t i = 0; i < r->options.loops; i++)
        shard_drop_pools(&r->engine->shards[i]);
    rig_settle(r);
}

static void stop_engine(struct rig *r)
{
    engine_drain(r->engine);
    rig_settle(r);
    engine_park(r->engine);
    for (int i = 0; !engine_is_parked(r->engine); i++) {
        rig_advance(r, 250);
        ck_assert_int_lt(i, 1000);
    }
    rig_settle(r);
    ck_assert_uint_eq(engine_live(r->engine), 0);
    ck_assert_uint_eq(engine_memory(r->engine), 0);
    ck_assert(store_is_idle(r->store));
    drop_pools(r);
    engine_destroy(r->engine);
    for (uint32_t i = 0; i < r->options.loops; i++)
        loop_destroy(r->loops[i]);
    r->engine = NULL;
}

static void open_store(struct rig *r)
{
    r->store = r->fake != NULL ? store_fake_open(r->fake) : sqlite_rig_open();
}

void rig_start(struct rig *r, const struct rig_options *options)
{
    log_to_fd(-1);
    *r = (struct rig){.options = *options,
                      .clock = {.mono_ns = 1000000000000, .wall_ms = 1785585600000}};
    if (options->on_sqlite)
        sqlite_rig_make();
    else
        r->fake = store_fake_create(&r->clock);
    open_store(r);
    start_engine(r);
}

void rig_stop(struct rig *r)
{
    stop_engine(r);
    store_close(r->store);
    if (r->fake != NULL)
        store_fake_destroy(r->fake);
    else
        sqlite_rig_remove();
    ck_assert_int_eq(mem_live(), 0);
}

void rig_restart(struct rig *r)
{
    stop_engine(r);
    store_close(r->store);
    open_store(r);
    start_engine(r);
}

void rig_crash(struct rig *r)
{
    if (r->fake != NULL)
        store_fake_take_over(r->fake);
    else
        sqlite_rig_sql("UPDATE gateway SET epoch = epoch + 1");
    rig_restart(r);
}

/* --- turning ---------------------------------------------------------------------------------- */

static bool turn_all(struct rig *r)
{
    bool busy = false;
    for (uint32_t i = 0; i < r->options.loops; i++)
        busy |= loop_turn(r->loops[i]);
    return busy;
}

static bool store_works(const struct rig *r)
{
    return r->fake == NULL && !store_is_idle(r->store);
}

/* A turn may start what the store works on, and what it has done is seen by the turn after: also
 * where it has begun and ended between two looks. So it has to be quiet twice. */
void rig_settle(struct rig *r)
{
    uint64_t until_ms = clock_mono_ms(NULL) + PATIENCE_MS;
    bool was_quiet = false;
    while (clock_mono_ms(NULL) < until_ms) {
        bool waits = store_works(r);
        bool busy = turn_all(r);
        waits |= store_works(r);
        if (was_quiet && !busy && !waits)
            return;
        was_quiet = !busy && !waits;
        if (waits)
            sched_yield(); /* the store's threads have something to do */
    }
    ck_abort_msg("it does not settle");
}

/* The next moment at which something is due, at most `until_ms`. */
static uint64_t next_moment_ms(const struct rig *r, uint64_t until_ms)
{
    uint64_t next = until_ms, now_ms = clock_mono_ms(&r->clock);
    for (uint32_t i = 0; i < r->options.loops; i++) {
        uint64_t at = loop_next_timer_ms(r->loops[i]);
        if (at < next)
            next = at;
    }
    return next > now_ms ? next : now_ms;
}

void rig_advance(struct rig *r, uint64_t ms)
{
    uint64_t until_ms = clock_mono_ms(&r->clock) + ms;
    rig_settle(r);
    while (clock_mono_ms(&r->clock) < until_ms) {
        uint64_t step_ms = next_moment_ms(r, until_ms) - clock_mono_ms(&r->clock);
        r->clock.mono_ns += step_ms * 1000000;
        r->clock.wall_ms += (int64_t)step_ms;
        rig_settle(r);
    }
}

/* --- creating runs ---------------------------------------------------------------------------- */

static void on_accepted(struct accept *a)
{
    CONTAINER_OF(a, struct created, accept)->accepted++;
}

static void on_ended(struct accept *a, const struct run_record *record)
{
    struct created *c = CONTAINER_OF(a, struct created, accept);
    c->ended++;
    if (record == NULL)
        return;
    c->end_state = record->state;
    c->end_seq = record->seq;
    str_copy(c->output, sizeof c->output, record->output);
}

enum err rig_create(struct rig *r, uint32_t shard, const char *body, enum way way, const char *key,
                    struct created *ret)
{
    struct shard *s = rig_shard(r, shard);
    struct run_target target = {.agent = STR_NONE};
    struct vocabulary words = shard_vocabulary(s);
    struct name_lookup names = vocabulary_lookup(&words);
    struct problem problem;
    problem_init(&problem);
    *ret = (struct created){.accept = {.tenant = STR("t"),
                                       .waits = way == WAITS,
                                       .streams = way == STREAMS,
                                       .on_accepted = on_accepted,
                                       .on_ended = on_ended}};
    buf_init(&ret->accept.json, 0);
    enum err e = run_spec_create(str_of(body), &s->scratch, &target, &s->limits->spec, &names,
                                 &problem, &ret->accept.spec);
    if (e == ERR_NOMEM)
        return e;
    ck_assert_msg(e == OK, "%s", problem.detail);
    if (key != NULL) {
        ret->accept.idem_scope = STR("POST /v1/runs");
        ret->accept.idem_key = str_of(key);
    }
    return accept_start(&ret->accept, s);
}

struct id rig_run(struct rig *r, uint32_t shard, const char *body, enum way way,
                  struct created *ret)
{
    ck_assert_int_eq(rig_create(r, shard, body, way, NULL, ret), OK);
    rig_settle(r);
    return ret->accept.id;
}

void rig_forget(struct created *c)
{
    accept_detach(&c->accept);
    accept_fini(&c->accept);
}

struct run *rig_live(struct rig *r, const struct id *id)
{
    struct run *run = NULL;
    for (uint32_t i = 0; i < r->options.loops && run == NULL; i++)
        run = shard_find(rig_shard(r, i), id);
    return run;
}

const struct run_record *rig_row(struct rig *r, const struct id *id)
{
    return store_fake_row(r->fake, id, NULL);
}

/* --- reading events --------------------------------------------------------------------------- */

void rig_pull(struct reader *reader)
{
    size_t before;
    do {
        before = reader->out.len;
        follow_pull(reader->follow, &reader->out,
                    reader->pull_bytes > 0 ? before + reader->pull_bytes : SIZE_MAX);
    } while (reader->out.len > before);
}

static void on_opened(struct follow *f, void *ctx)
{
    struct reader *reader = ctx;
    reader->opened++;
    if (reader->pulls && f->opened == OK && !f->is_past_end)
        rig_pull(reader);
}

static void on_ready(struct follow *f, void *ctx)
{
    struct reader *reader = ctx;
    ck_assert_uint_eq(reader->opened, 1);
    (void)f;
    if (reader->pulls)
        rig_pull(reader);
}

void rig_read(struct rig *r, uint32_t shard, const struct id *id, uint64_t after, bool pulls,
              struct reader *ret)
{
    struct follow_options o = {.tenant = STR("t"),
                               .id = *id,
                               .after = after,
                               .types = EVENT_SET_ALL,
                               .format = FRAME_NDJSON,
                               .to_the_end = true,
                               .on_opened = on_opened,
                               .on_ready = on_ready,
                               .ctx = ret};
    *ret = (struct reader){.pulls = pulls};
    buf_init(&ret->out, SIZE_MAX / 2);
    ck_assert_int_eq(follow_open(rig_shard(r, shard), &o, &ret->follow), OK);
    ck_assert_uint_eq(ret->opened, 0); /* never from within the call */
}

void rig_close(struct reader *reader)
{
    follow_close(reader->follow);
    buf_fini(&reader->out);
    reader->follow = NULL;
}

/* --- events ----------------------------------------------------------------------------------- */

/* What a stream.gap says of itself: the seq that was before it. */
static uint64_t seq_before_gap(struct str json)
{
    struct json_doc doc;
    int64_t from = 0, to = 0;
    json_doc_init(&doc);
    ck_assert_int_eq(json_parse(&doc, json, NULL), OK);
    struct json data = json_get_lit(json_root(&doc), "data");
    ck_assert_int_eq(json_int(json_get_lit(data, "from"), 1, INT64_MAX, &from), OK);
    ck_assert_int_eq(json_int(json_get_lit(data, "to"), 1, INT64_MAX, &to), OK);
    json_doc_fini(&doc);
    ck_assert_int_ge(to, from);
    return (uint64_t)from - 1;
}

const char *rig_types(struct str lines)
{
    static char text[16384];
    size_t n = 0;
    uint64_t last = 0;
    struct str last_type = STR_NONE;
    struct event_line line;
    text[0] = '\0';
    while (event_next_line(&lines, &line)) {
        uint64_t before = line.seq - 1;
        if (str_eq(line.type, STR("stream.gap")))
            before = seq_before_gap(line.json);
        ck_assert_msg(last == 0 || before == last, "seq %llu follows %llu",
                      (unsigned long long)line.seq, (unsigned long long)last);
        last = line.seq;
        bool again = str_eq(line.type, STR("output.delta")) && str_eq(last_type, line.type);
        last_type = line.type;
        if (again)
            continue;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", n > 0 ? " " : "",
                              STR_ARG(line.type));
        ck_assert_uint_lt(n, sizeof text);
    }
    return text;
}

struct str rig_events(struct rig *r, const struct id *id)
{
    static char *kept;
    static size_t kept_cap;
    struct reader reader;
    rig_read(r, 0, id, 0, true, &reader);
    rig_settle(r);
    ck_assert_int_eq(reader.follow->opened, OK);
    size_t len = reader.out.len;
    if (kept_cap < len + 1) {
        kept = realloc(kept, len + 1);
        kept_cap = len + 1;
    }
    if (len > 0)
        memcpy(kept, reader.out.data, len);
    rig_close(&reader);
    rig_settle(r);
    return (struct str){kept, len};
}
