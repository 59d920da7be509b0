/* SIGHUP: the configuration as it is now.
 *
 *     read and check -> settings -> a message for each loop | nothing has changed yet
 *     -> enforce: gates, buckets, log -> every loop takes over in its own turn
 *
 * What fails before the second line changes nothing. What is replaced goes with the last that uses
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
    h->takeover->definitions = definitions_ref(settings->definitions);
    h->takeover->limits = &settings->engine;
    return h;
}

/* All or none. */
static enum err make_handovers(struct server *s, struct settings *settings, struct handover **ret)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        ret[i] = make_handover(&s->workers[i], settings);
        if (ret[i] != NULL)
            continue;
        while (i-- > 0)
            drop_handover(ret[i]);
        return ERR_NOMEM;
    }
    return OK;
}

/* --- the main thread -------------------------------------------------------------------------- */

static enum err refuse(struct buf *report, enum err e, const char *why)
{
    if (report->len == 0)
        buf_addf(report, "%s\n", why);
    return e;
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
        config_destroy(*ret_config);
    return e == OK ? OK : refuse(report, e, error.message);
}

/* Nothing can fail any more. */
static void enforce(struct server *s, struct config *next, struct settings *settings,
                    struct handover **handovers)
{
    labels_assign(&s->labels, settings->catalog);
    circuits_watch(s->engine, settings->catalog);
    settings_enforce(settings);
    log_configure(next->log_format, next->log_level);
    for (uint32_t i = 0; i < s->worker_count; i++)
        loop_post(s->workers[i].loop, &handovers[i]->msg);
    settings_unref(s->settings);
    s->settings = settings;
    if (s->running != s->config)
        config_destroy(s->running);
    s->running = next;
}

static enum err take_over(struct server *s, struct config *next, struct buf *report)
{
    struct settings_home home = server_home(s);
    struct handover *handovers[MAX_LOOPS] = {NULL};
    struct settings *settings;
    enum err e = settings_create(next, s->settings, &home, &settings, report);
    if (e != OK)
        return refuse(report, e, "out of memory");
    e = make_handovers(s, settings, handovers);
    if (e != OK) {
        settings_unref(settings);
        return refuse(report, e, "out of memory");
    }
    enforce(s, next, settings, handovers);
    return OK;
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

void server_reload(struct server *s)
{
    struct config *next;
    struct buf report, fixed;
    buf_init(&report, REPORT_MAX);
    buf_init(&fixed, NAMES_MAX);
    enum err e = load(s, &next, &fixed, &report);
    if (e == OK) {
        e = take_over(s, next, &report);
        if (e != OK)
            config_destroy(next);
    }
    if (e == OK)
        say_done(s, &fixed);
    else
        say_refused(&report);
    buf_fini(&report);
    buf_fini(&fixed);
}
