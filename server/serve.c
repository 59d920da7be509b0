#include "server/serve.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "api/routes.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/transfer.h"
#include "server/descriptors.h"
#include "server/server.h"
#include "version.h"

enum {
    START_POLL_MS = 1, /* between looks at whether the engine has started */
    POLL_MS = 10,      /* between looks at how far the draining is */
    PARK_MS = 10000,   /* for everything to be stored when the gateway stops */
    GOODBYE_MS = 500,  /* for last answers to leave */
    MAX_ROUTES = 64,   /* and one for all other requests */
};

/* --- stopping, step by step ------------------------------------------------------------------- */

static void enter(struct server *s, enum stage stage, uint64_t length_ms)
{
    s->stage = stage;
    s->stage_until_ms = loop_now_ms(s->loop) + length_ms;
}

static void begin_drain(struct server *s)
{
    log_info(log_msg("draining"), log_u("live_runs", engine_live(s->engine)),
             log_u("drain_ms", s->running->drain_ms));
    atomic_store(&s->api.is_draining, true);
    for (uint32_t i = 0; i < s->worker_count; i++)
        edge_drain(s->workers[i].edge);
    engine_drain(s->engine);
    enter(s, DRAINING, s->running->drain_ms);
    loop_timer_start(&s->tick, loop_now_ms(s->loop) + POLL_MS);
}

static void begin_park(struct server *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++)
        edge_hurry(s->workers[i].edge);
    engine_park(s->engine);
    enter(s, PARKING, PARK_MS);
}

static void begin_leave(struct server *s)
{
    if (!engine_is_parked(s->engine))
        log_warn(log_msg("not everything could be stored"));
    enter(s, LEAVING, GOODBYE_MS);
}

static bool has_left(const struct server *s)
{
    unsigned connections = 0;
    for (uint32_t i = 0; i < s->worker_count; i++)
        connections += edge_connections(s->workers[i].edge);
    return connections == 0;
}

/* On the worker's loop. */
static void on_close(struct loop_msg *msg)
{
    struct worker *w = CONTAINER_OF(msg, struct worker, close);
    edge_close(w->edge);
    shard_drop_pools(&w->server->engine->shards[w->index]);
    atomic_store(&w->is_closed, true);
}

static void on_stop(struct loop_msg *msg)
{
    loop_stop(CONTAINER_OF(msg, struct worker, stop)->loop);
}

static void begin_close(struct server *s)
{
    if (s->is_accepting)
        acceptor_stop(&s->acceptor);
    s->is_accepting = false;
    for (uint32_t i = 0; i < s->worker_count; i++)
        loop_post(s->workers[i].loop, &s->workers[i].close);
    enter(s, CLOSING, PARK_MS);
}

static bool is_closed(const struct server *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        if (!atomic_load(&s->workers[i].is_closed))
            return false;
    }
    return s->reload == NULL && library_is_idle(&s->engine->library) && store_is_idle(s->store);
}

static void begin_stop(struct server *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++)
        loop_post(s->workers[i].loop, &s->workers[i].stop);
    enter(s, STOPPED, 0);
    loop_timer_stop(&s->tick);
    loop_stop(s->loop);
}

/* --- starting --------------------------------------------------------------------------------- */

static enum err accept_connections(struct server *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++)
        s->edges[i] = s->workers[i].edge;
    enum err e = acceptor_start(&s->acceptor, s->loop, s->listeners, s->listener_count, s->edges,
                                s->worker_count, descriptors_allow(s->config->http.connections));
    s->is_accepting = e == OK;
    for (uint32_t i = 0; e == OK && i < s->listener_count; i++)
        log_info(log_msg("listening"), log_s("addr", s->listeners[i].name));
    const char *exposed = config_exposed(s->config);
    if (exposed != NULL)
        log_warn(log_msg("unauthenticated: whoever reaches this address may do everything"),
                 log_s("addr", exposed), log_s("because", "allow_unauthenticated"));
    return e;
}

/* Connections wait in the backlog until the engine can be asked. */
static void wait_for_start(struct server *s)
{
    if (!engine_is_started(s->engine)) {
        loop_timer_start(&s->tick, loop_now_ms(s->loop) + START_POLL_MS);
        return;
    }
    s->stage = SERVING;
    loop_timer_stop(&s->tick);
    if (s->must_reload)
        server_reload(s);
    if (accept_connections(s) == OK)
        return;
    log_error(log_msg("cannot accept connections"));
    s->exit_code = 1;
    begin_drain(s);
}

/* Each stage ends when what it waits for has come, or its time is over. */
static void on_tick(struct loop_timer *timer)
{
    struct server *s = CONTAINER_OF(timer, struct server, tick);
    bool late = loop_now_ms(s->loop) >= s->stage_until_ms;
    if (s->stage == STARTING) {
        wait_for_start(s);
        return;
    }
    loop_timer_start(timer, loop_now_ms(s->loop) + POLL_MS);
    switch (s->stage) {
    case DRAINING:
        if (late || engine_is_idle(s->engine))
            begin_park(s);
        break;
    case PARKING:
        if (late || engine_is_parked(s->engine))
            begin_leave(s);
        break;
    case LEAVING:
        if (late || has_left(s))
            begin_close(s);
        break;
    case CLOSING:
        if (late || is_closed(s))
            begin_stop(s);
        break;
    case STARTING:
    case SERVING:
    case STOPPED: break;
    }
}

static void stop(struct server *s)
{
    if (s->stage == STARTING || s->stage == SERVING)
        begin_drain(s);
    else if (s->stage == DRAINING)
        s->stage_until_ms = 0; /* asked twice: no more patience */
}

static void reload(struct server *s)
{
    s->must_reload = s->stage == STARTING;
    if (s->stage == SERVING)
        server_reload(s);
}

static void on_signal(void *owner, int fd, unsigned events)
{
    struct server *s = owner;
    struct signalfd_siginfo info;
    (void)events;
    if (read(fd, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP)
        reload(s);
    else
        stop(s);
}

/* --- building --------------------------------------------------------------------------------- */

static enum err block_signals(struct server *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* inherited by all threads */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a write that fails */
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->signal_fd < 0)
        return ERR_IO;
    enum err e = loop_watch_open(s->loop, s->signal_fd, on_signal, s, &s->signals);
    if (e == OK)
        loop_watch_set(s->signals, LOOP_READ);
    return e;
}

struct settings_home server_home(struct server *s)
{
    return (struct settings_home){
        .loop = s->workers[0].loop, .loop_count = s->worker_count, .tenants = &s->tenants};
}

static enum err make_settings(struct server *s, struct buf *report)
{
    struct settings_home home = server_home(s);
    enum err e = settings_create(s->config, NULL, &home, &s->settings, report);
    if (e != OK)
        return e;
    settings_enforce(s->settings);
    for (uint32_t i = 0; i < s->worker_count; i++)
        s->workers[i].settings = settings_ref(s->settings);
    return OK;
}

static enum err make_metrics(struct server *s)
{
    struct str names[MAX_ROUTES];
    char texts[MAX_ROUTES][96];
    size_t n = 0;
    for (; n < route_count && n + 1 < MAX_ROUTES; n++) {
        snprintf(texts[n], sizeof texts[n], "%s %s", routes[n].method, routes[n].path);
        names[n] = str_of(texts[n]);
    }
    names[n++] = STR("other");
    return labels_init(&s->labels, names, n, s->settings->catalog);
}

static enum err make_engine(struct server *s)
{
    struct loop *loops[MAX_LOOPS] = {NULL};
    for (uint32_t i = 0; i < s->worker_count; i++)
        loops[i] = s->workers[i].loop;
    struct engine_options o = {.loops = loops,
                               .loop_count = s->worker_count,
                               .store = s->store,
                               .catalog = catalog_ref(s->settings->catalog),
                               .definitions = definitions_ref(s->settings->definitions),
                               .limits = s->settings->engine,
                               .base_path = s->config->base_path};
    enum err e = engine_create(&o, &s->engine);
    for (uint32_t i = 0; e == OK && i < s->worker_count; i++)
        e = metrics_shard_open(s->labels.metrics, &s->engine->shards[i].metrics);
    return e;
}

static enum err make_workers(struct server *s)
{
    uint32_t count = config_loop_count(s->config);
    for (uint32_t i = 0; i < count; i++) {
        struct worker *w = &s->workers[i];
        enum err e = loop_create(NULL, &w->loop);
        if (e != OK)
            return e;
        w->server = s;
        w->index = i;
        w->close.on_arrive = on_close;
        w->stop.on_arrive = on_stop;
        s->worker_count++;
    }
    return OK;
}

static enum err make_edges(struct server *s)
{
    s->api.engine = s->engine;
    s->api.base_path = s->config->base_path;
    s->api.metrics = s->labels.metrics;
    s->api.provider_labels = s->labels.count;
    enum err e = api_init(&s->api);
    for (uint32_t i = 0; e == OK && i < s->worker_count; i++) {
        struct worker *w = &s->workers[i];
        s->api.rules[i] = &w->settings->api;
        e = edge_create(w->loop, &s->engine->shards[i], &s->api, w->settings, &w->edge);
    }
    return e;
}

/* "loop 0": what top -H, gdb and perf show; at most 15 characters. */
static void name_thread(const struct worker *w)
{
    char name[16];
    snprintf(name, sizeof name, "loop %u", (unsigned)w->index);
    pthread_setname_np(pthread_self(), name);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    name_thread(w);
    loop_run(w->loop);
    return NULL;
}

static enum err start_workers(struct server *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        if (pthread_create(&s->workers[i].thread, NULL, worker_main, &s->workers[i]) != 0)
            return ERR_IO;
        s->workers[i].is_running = true;
    }
    return OK;
}

static enum err open_listeners(struct server *s, struct error *error)
{
    for (uint32_t i = 0; i < s->config->listen_count && i < MAX_LISTENERS; i++) {
        enum err e = listener_open(&s->config->listen[i], &s->listeners[i], error);
        if (e != OK)
            return e;
        s->listener_count++;
    }
    return OK;
}

static int complain(const char *what, const struct error *error)
{
    log_error(log_msg(what), log_s("error", error->message));
    return 1;
}

/* Everything but the listeners' first connection. */
static int build(struct server *s)
{
    struct error error = {.message = "out of memory"};
    struct buf report;
    if (loop_create(NULL, &s->loop) != OK || block_signals(s) != OK || transfer_global_init() != OK)
        return complain("cannot start", &error);
    loop_timer_init(&s->tick, s->loop, on_tick);
    if (open_listeners(s, &error) != OK)
        return complain("cannot listen", &error);
    if (sqlite_store_open(&s->config->store, &s->store, &error) != OK)
        return complain("cannot open the database", &error);
    buf_init(&report, 65536);
    enum err e = make_workers(s);
    if (e == OK)
        e = make_settings(s, &report);
    if (e == OK)
        e = make_metrics(s);
    if (e == OK)
        e = make_engine(s);
    if (e == OK)
        e = make_edges(s);
    if (report.len > 0)
        error_set(&error, e, "%.*s", STR_ARG(buf_str(&report)));
    buf_fini(&report);
    if (e == OK)
        e = start_workers(s);
    return e == OK ? 0 : complain("cannot start", &error);
}

/* --- taking apart ----------------------------------------------------------------------------- */

static void take_apart(struct server *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        if (s->workers[i].is_running)
            pthread_join(s->workers[i].thread, NULL);
    }
    store_close(s->store);
    for (uint32_t i = 0; s->engine != NULL && i < s->engine->shard_count; i++)
        metrics_shard_close(s->engine->shards[i].metrics);
    engine_destroy(s->engine);
    if (s->api.engine != NULL)
        api_fini(&s->api);
    labels_fini(&s->labels);
    settings_unref(s->settings);
    for (uint32_t i = 0; i < s->worker_count; i++) {
        settings_unref(s->workers[i].settings);
        edge_destroy(s->workers[i].edge);
        loop_destroy(s->workers[i].loop);
    }
    if (s->is_accepting)
        acceptor_stop(&s->acceptor);
    for (uint32_t i = 0; i < s->listener_count; i++)
        listener_close(&s->listeners[i]);
    loop_watch_close(s->signals);
    if (s->signal_fd >= 0)
        close(s->signal_fd);
    loop_destroy(s->loop);
    tenants_fini(&s->tenants);
    transfer_global_fini();
}

int serve(struct config *config, const struct serve_options *options)
{
    struct server *s = mem_zalloc(sizeof *s);
    if (s == NULL)
        return 1;
    s->options = options;
    s->config = s->running = config;
    s->signal_fd = -1;
    log_info(log_msg("starting"), log_s("version", SLUICE_VERSION), log_s("commit", SLUICE_COMMIT),
             log_s("config", config->source), log_s("db", config->store.path));
    s->exit_code = build(s);
    if (s->exit_code == 0) {
        engine_start(s->engine);
        loop_timer_start(&s->tick, loop_now_ms(s->loop));
        loop_run(s->loop);
        log_info(log_msg("stopped"));
    }
    take_apart(s);
    int exit_code = s->exit_code;
    if (s->running != config)
        config_destroy(s->running);
    mem_free(s);
    config_destroy(config);
    return exit_code;
}
