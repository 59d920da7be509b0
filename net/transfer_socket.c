/* The descriptors of which curl wants to hear, on the loop. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/transfer_internal.h"

/* What an idle connection says is no answer to whatever is asked next, but curl only looks whether
 * it has been closed, and would take it for one: a 408 that a proxy sent before it hung up, or
 * worse. So it is closed for curl to see. Idle TLS connections may talk among themselves (HTTP/2).
 */
static void spoil(int fd)
{
    char waste[4096];
    shutdown(fd, SHUT_RDWR);
    for (int i = 0; i < 16 && recv(fd, waste, sizeof waste, MSG_DONTWAIT) > 0; i++)
        continue;
}

static void on_socket_io(void *owner, int fd, unsigned events)
{
    struct transfer_socket *s = owner;
    if (!s->in_use) {
        loop_watch_set(s->watch, 0); /* curl finds out when it wants to use the connection again */
        if (!s->is_paused && !s->multi->pool->is_tls)
            spoil(fd);
        return;
    }
    int curl_events = 0;
    if (events & LOOP_READ)
        curl_events |= CURL_CSELECT_IN;
    if (events & LOOP_WRITE)
        curl_events |= CURL_CSELECT_OUT;
    transfer_multi_run(s->multi, fd, curl_events);
}

static bool is_fd(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct transfer_socket, node)->fd == *(const int *)key;
}

static struct transfer_socket *socket_at(const struct transfer_multi *m, int fd)
{
    struct map_node *node = map_find(&m->sockets, (uint64_t)fd, &fd, is_fd);
    return node != NULL ? CONTAINER_OF(node, struct transfer_socket, node) : NULL;
}

static struct transfer_socket *add_socket(struct transfer_multi *m, int fd)
{
    struct transfer_socket *s = mem_zalloc(sizeof *s);
    if (s == NULL)
        return NULL;
    s->multi = m;
    s->fd = fd;
    if (loop_watch_open(m->pool->loop, fd, on_socket_io, s, &s->watch) != OK) {
        mem_free(s);
        return NULL;
    }
    map_insert(&m->sockets, &s->node, (uint64_t)fd);
    return s;
}

static void forget(struct transfer_socket *s)
{
    if (s == NULL)
        return;
    map_remove(&s->multi->sockets, &s->node);
    s->multi->connections -= s->is_connection;
    s->multi->pool->connections -= s->is_connection;
    loop_watch_close(s->watch);
    mem_free(s);
}

void transfer_socket_forget_all(struct transfer_multi *m)
{
    struct map_node *node;
    while ((node = map_next(&m->sockets, NULL)) != NULL)
        forget(CONTAINER_OF(node, struct transfer_socket, node));
}

/* curl 7.88 closes a socket that never got connected without asking for it (curl#11439), tells so
 * afterwards or never, and may be given the same number for the next address, which it then
 * believes to be watched already: so the new one takes over what was asked of the old. */
bool transfer_socket_adopt(struct transfer_multi *m, int fd)
{
    struct transfer_socket *old = socket_at(m, fd);
    bool in_use = old != NULL && old->in_use;
    unsigned events = old != NULL ? loop_watch_events(old->watch) : 0;
    struct stat stat;
    forget(old);
    struct transfer_socket *s = fstat(fd, &stat) == 0 ? add_socket(m, fd) : NULL;
    if (s == NULL)
        return false;
    s->is_connection = true;
    s->inode = stat.st_ino;
    s->in_use = in_use;
    loop_watch_set(s->watch, events);
    m->connections++;
    m->pool->connections++;
    return true;
}

/* Has curl closed it already? See above. */
static bool is_stale(const struct transfer_socket *s)
{
    struct stat stat;
    return !s->was_read && (fstat(s->fd, &stat) != 0 || stat.st_ino != s->inode);
}

int transfer_socket_close(void *ctx, curl_socket_t fd)
{
    forget(socket_at(ctx, fd)); /* the watch has to go before the descriptor */
    return close(fd);
}

static void unuse(struct transfer_socket *s, const struct transfer *t)
{
    if (s == NULL)
        return;
    if (!s->is_connection || is_stale(s)) {
        forget(s);
        return;
    }
    s->in_use = false;
    s->is_paused = t != NULL && t->paused; /* curl itself has transfers that are not ours */
    loop_watch_set(s->watch, LOOP_READ);
}

int transfer_socket_on_curl(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned)
{
    struct transfer_multi *m = ctx;
    struct transfer_socket *s = socket_at(m, fd);
    (void)assigned;
    if (what == CURL_POLL_REMOVE) {
        unuse(s, transfer_of(easy));
        return 0;
    }
    if (s == NULL)
        s = add_socket(m, fd);
    if (s == NULL) {
        transfer_fail_for_memory(transfer_of(easy));
        return 0; /* -1 would end all transfers of the pool */
    }
    s->in_use = true;
    unsigned events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= LOOP_READ;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= LOOP_WRITE;
    s->was_read |= (events & LOOP_READ) != 0;
    loop_watch_set(s->watch, events);
    return 0;
}
