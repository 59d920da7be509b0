/* SIGHUP: the configuration as it is now.
 *
 *     read and check -> settings -> a message for each loop
 *     -> agents and workflows are stored (the library)       | nothing has changed yet
 *     -> enforce: gates, buckets, log -> every loop takes over in its own turn
 *
 * What fails before the third line changes nothing. What is replaced goes with the last that uses
 * it: a request within its turn, a run its agent, an attempt its provider. */
#include "base/log.h"
#include "base/mem.h"
#include "runs/circuit.h"
#include "server/server.h"

enum { REPORT_MAX = 65536, NAMES_MAX = 4096 };

/* --- a loop takes over ------------------------------------------------------------------------ */

struct handover {
    struct loop_msg msg;
    struct worker *worker;
    struct settings *settings; /* a reference */
    struct takeover *takeover; /* for the shard */
};

static void drop_handover(struct handover *h)
{
    if (h->takeover != NULL) {
        catalog_unref(h->takeover->catalog);
        definitions_unref(h->takeover->definitions);
    }
    mem_free(h->takeover);
    settings_unref(h->settings);
    mem_free(h);
}

/* Between two events of the loop. */
static void on_handover(struct loop_msg *msg)
{
    struct handover *h = CONTAINER_OF(msg, struct handover, msg);
    struct worker *w = h->worker;
    struct server *s = w->server;
    shard_take_over(&s->engine->shards[w->index], h->takeover);
    s->api.rules[w->index] = &h->settings->api;
    edge_take_over(w->edge, h->settings);
    settings_unref(w->settings);
    w->settings = h->settings;
    mem_free(h);
}

static struct handover *make_handover(struct worker *w, struct settings *settings)
{
    struct handover *h = mem_zalloc(sizeof *h);
    if (h == NULL)
        return NULL;
    h->msg.on_arrive = on_handover;
    h->worker = w;
    h->settings = settings_ref(settings);
    h->takeover = mem_zalloc(sizeof *h->takeover);
    if (h->takeover == NULL) {
        drop_handover(h);
        return NULL;
    }
    h->takeover->catalog = catalog_ref(settings->catalog);
    h->takeover->limits = &settings->engine;
    return h;
}

static enum err make_handovers(struct server *s, struct settings *settings, struct handover **ret)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        ret[i] = make_handover(&s->workers[i], settings);
        if (ret[i] == NULL)
            return ERR_NOMEM;
    }
    return OK;
}

/* --- the main thread -------------------------------------------------------------------------- */

/* Where nobody has said why yet. */
static void add_reason(struct buf *report, const char *why)
{
    if (report->len == 0)
        buf_addf(report, "%s\n", why);
}

/* Of what only a restart changes, it says then what is in force. */
static enum err load(struct server *s, struct config **ret_config, struct buf *fixed,
                     struct buf *report)
{
    const struct serve_options *o = s->options;
    struct error error;
    enum err e = config_load(o->path, o->overrides, ret_config, report);
    if (e != OK)
        return e;
    config_list_fixed(s->running, *ret_config, fixed);
    config_keep_fixed(s->running, *ret_config);
    e = config_check_exposure(*ret_config, &error);
    if (e != OK)
        add_reason(report, error.message);
    return e;
}

/* One that is under way: from SIGHUP until every loop has its message. */
struct reload {
    struct loop_msg msg; /* from the library's loop to the main thread */
    struct server *server;
    struct library_reseed reseed;
    struct config *next;
    struct settings *settings;
    struct handover *handovers[MAX_LOOPS];
    struct buf fixed, report;
};

static void destroy(struct reload *r)
{
    for (uint32_t i = 0; i < MAX_LOOPS; i++) {
        if (r->handovers[i] != NULL)
            drop_handover(r->handovers[i]);
    }
    settings_unref(r->settings);
    config_destroy(r->next);
    buf_fini(&r->fixed);
    buf_fini(&r->report);
    mem_free(r);
}

static void say_refused(const struct buf *report)
{
    struct str rest = buf_str(report);
    while (rest.len > 0)
        log_error(log_msg("the configuration was not reloaded"),
                  log_str("error", str_cut(&rest, '\n')));
}

static void say_done(const struct server *s, const struct buf *fixed)
{
    const struct config *c = s->running;
    log_info(log_msg("reloaded"), log_s("config", c->source), log_u("providers", c->provider_count),
             log_u("agents", c->agent_count), log_u("workflows", c->workflow_count),
             log_u("keys", c->key_count));
    if (fixed->len > 0)
        log_warn(log_msg("changed, but needs a restart"), log_str("keys", buf_str(fixed)));
}

/* Another one may have been asked for meanwhile. */
static void finish(struct reload *r)
{
    struct server *s = r->server;
    destroy(r);
    s->reload = NULL;
    if (s->must_reload && s->stage == SERVING)
        server_reload(s);
}

static void give_up(struct reload *r, const char *why)
{
    add_reason(&r->report, why);
    say_refused(&r->report);
    finish(r);
}

/* Nothing can fail any more. */
static void enforce(struct reload *r)
{
    struct server *s = r->server;
    labels_assign(&s->labels, r->settings->catalog);
    circuits_watch(s->engine, r->settings->catalog);
    settings_enforce(r->settings);
    log_configure(r->next->log_format, r->next->log_level);
    for (uint32_t i = 0; i < s->worker_count; i++) {
        struct handover *h = r->handovers[i];
        r->handovers[i] = NULL;
        h->takeover->definitions = definitions_ref(r->reseed.current);
        loop_post(s->workers[i].loop, &h->msg);
    }
    definitions_unref(r->reseed.current);
    settings_unref(s->settings);
    s->settings = r->settings;
    if (s->running != s->config)
        config_destroy(s->running);
    s->running = r->next;
    r->settings = NULL;
    r->next = NULL;
}

static void on_over(struct loop_msg *msg)
{
    finish(CONTAINER_OF(msg, struct reload, msg));
}

/* On the library's loop. */
static void on_gone_on(struct library_reseed *reseed)
{
    struct reload *r = CONTAINER_OF(reseed, struct reload, reseed);
    r->msg.on_arrive = on_over;
    loop_post(r->server->loop, &r->msg);
}

static void on_seeded(struct loop_msg *msg)
{
    struct reload *r = CONTAINER_OF(msg, struct reload, msg);
    if (r->reseed.result != OK) {
        give_up(r, "agents and workflows could not be stored");
        return;
    }
    enforce(r);
    say_done(r->server, &r->fixed);
    library_go_on(&r->reseed);
}

/* On the library's loop. */
static void on_reseeded(struct library_reseed *reseed)
{
    struct reload *r = CONTAINER_OF(reseed, struct reload, reseed);
    r->msg.on_arrive = on_seeded;
    loop_post(r->server->loop, &r->msg);
}

static enum err prepare(struct reload *r)
{
    struct server *s = r->server;
    struct settings_home home = server_home(s);
    enum err e = load(s, &r->next, &r->fixed, &r->report);
    if (e == OK)
        e = settings_create(r->next, s->settings, &home, &r->settings, &r->report);
    if (e == OK)
        e = make_handovers(s, r->settings, r->handovers);
    return e;
}

void server_reload(struct server *s)
{
    s->must_reload = s->reload != NULL;
    if (s->must_reload)
        return;
    struct reload *r = mem_zalloc(sizeof *r);
    if (r == NULL) {
        log_error(log_msg("the configuration was not reloaded"), log_s("error", "out of memory"));
        return;
    }
    s->reload = r;
    r->server = s;
    buf_init(&r->report, REPORT_MAX);
    buf_init(&r->fixed, NAMES_MAX);
    if (prepare(r) != OK) {
        give_up(r, "out of memory");
        return;
    }
    r->reseed = (struct library_reseed){.engine = s->engine,
                                        .seeds = r->settings->definitions,
                                        .on_done = on_reseeded,
                                        .on_gone_on = on_gone_on};
    library_reseed_start(&r->reseed);
}
