#include "server/acceptor.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum {
    ACCEPT_AT_ONCE = 64, /* per turn and listener */
    PAUSE_MS = 20,       /* between looks for room */
};

static uint32_t connections(const struct acceptor *a)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->edge_count; i++)
        n += edge_connections(a->edges[i]);
    return n;
}

static struct edge *least_loaded(struct acceptor *a)
{
    struct edge *best = NULL;
    for (uint32_t i = 0; i < a->edge_count; i++) {
        struct edge *e = a->edges[(a->next + i) % a->edge_count];
        if (best == NULL || edge_connections(e) < edge_connections(best))
            best = e;
    }
    a->next++;
    return best;
}

static void pause_accepting(struct acceptor *a)
{
    a->is_paused = true;
    for (uint32_t i = 0; i < a->listener_count; i++)
        loop_watch_set(a->watches[i], 0);
    loop_timer_start(&a->timer, loop_now_ms(a->loop) + PAUSE_MS);
}

static void on_timer(struct loop_timer *timer)
{
    struct acceptor *a = CONTAINER_OF(timer, struct acceptor, timer);
    if (connections(a) >= a->max_connections) {
        loop_timer_start(timer, loop_now_ms(a->loop) + PAUSE_MS);
        return;
    }
    a->is_paused = false;
    for (uint32_t i = 0; i < a->listener_count; i++)
        loop_watch_set(a->watches[i], LOOP_READ);
}

static void on_connection(void *owner, int fd, unsigned events)
{
    struct acceptor *a = owner;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE && !a->is_paused; i++) {
        if (connections(a) >= a->max_connections) {
            pause_accepting(a);
            return;
        }
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0 &&
            (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            log_warn(log_msg("cannot accept"), log_s("error", strerror(errno)));
            pause_accepting(a);
        }
        if (client < 0)
            return;
        int on = 1;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on,
                   sizeof on); /* a unix socket says no, and needs none */
        edge_add(least_loaded(a), client);
    }
}

enum err acceptor_start(struct acceptor *a, struct loop *loop, struct listener *listeners,
                        uint32_t listener_count, struct edge **edges, uint32_t edge_count,
                        uint32_t max_connections)
{
    *a = (struct acceptor){.loop = loop,
                           .edges = edges,
                           .edge_count = edge_count,
                           .max_connections = max_connections,
                           .listeners = listeners};
    loop_timer_init(&a->timer, loop, on_timer);
    a->watches = mem_zalloc(listener_count * sizeof(struct loop_watch *));
    if (a->watches == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < listener_count; i++) {
        enum err e = loop_watch_open(loop, listeners[i].fd, on_connection, a, &a->watches[i]);
        if (e != OK) {
            acceptor_stop(a);
            return e;
        }
        a->listener_count++;
        loop_watch_set(a->watches[i], LOOP_READ);
    }
    return OK;
}

void acceptor_stop(struct acceptor *a)
{
    loop_timer_stop(&a->timer);
    for (uint32_t i = 0; i < a->listener_count; i++)
        loop_watch_close(a->watches[i]);
    a->listener_count = 0;
    mem_free(a->watches);
    a->watches = NULL;
}
