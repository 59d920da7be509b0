#ifndef SLUICE_SERVER_SERVER_H
#define SLUICE_SERVER_SERVER_H
/* The running gateway, as serve.c puts it together and reload.c changes it. Nobody else includes
 * this. The main thread's, but for what a worker's loop has taken over. */
#include <pthread.h>

#include "server/acceptor.h"
#include "server/edge.h"
#include "server/labels.h"
#include "server/listener.h"
#include "server/serve.h"

enum { MAX_LISTENERS = 16 };

/* One worker: a loop, its thread, and what lives on it. */
struct worker {
    struct loop *loop;
    struct edge *edge;
    pthread_t thread;
    bool is_running;
    struct loop_msg close, stop;
    struct server *server;
    uint32_t index;
    struct settings *settings; /* a reference, to those in force here; the loop's once it runs */
    atomic_bool is_closed;
};

enum stage { STARTING, SERVING, DRAINING, PARKING, LEAVING, CLOSING, STOPPED };

struct server {
    const struct serve_options *options;
    struct config *config;     /* of the start: what no reload changes is borrowed from it */
    struct config *running;    /* in force; the same one until a reload */
    struct settings *settings; /* a reference, to what was made of it */
    struct loop *loop;         /* the main thread's */
    struct store *store;
    struct engine *engine;
    struct labels labels;
    struct tenants tenants;
    struct api api;
    struct worker workers[MAX_LOOPS];
    uint32_t worker_count;
    struct listener listeners[MAX_LISTENERS];
    uint32_t listener_count;
    struct acceptor acceptor;
    struct edge *edges[MAX_LOOPS]; /* the acceptor holds on to them */
    bool is_accepting;
    int signal_fd;
    struct loop_watch *signals;
    enum stage stage;
    struct reload *reload; /* one that is under way */
    bool must_reload;      /* asked for while it was starting, or while one was under way */
    uint64_t stage_until_ms;
    struct loop_timer tick;
    int exit_code;
};

/* Whom settings are made for. */
struct settings_home server_home(struct server *s);

/* Reads the configuration again, and takes it over whole or not at all; says in the log what came
 * of it. Blocks while it reads; what it stores is done later. One at a time: asked for meanwhile,
 * another one follows. */
void server_reload(struct server *s);
#endif
