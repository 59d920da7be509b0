#include "server/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static enum err fail(int fd, const char *what, const char *name, struct error *ret_error)
{
    enum err e = error_set(ret_error, ERR_IO, "%s %s: %s", what, name, strerror(errno));
    if (fd >= 0)
        close(fd);
    return e;
}

/* A socket file that a dead process left behind is in the way; one that answers belongs to a living
 * one. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (dead && lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(address->sun_path);
}

static enum err open_unix(const struct listen_address *a, struct listener *ret,
                          struct error *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(a->path) >= sizeof address.sun_path)
        return error_set(ret_error, ERR_CONFIG, "%s: the path is too long for a socket", a->path);
    memcpy(address.sun_path, a->path, strlen(a->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, "cannot open", a->path, ret_error);
    remove_stale(&address);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0)
        return fail(fd, "cannot listen on", a->path, ret_error);
    ret->fd = fd;
    ret->unlink_path = a->path;
    snprintf(ret->name, sizeof ret->name, "unix:%s", a->path);
    return OK;
}

static void name_socket(struct listener *l)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "?", port[8] = "?";
    if (getsockname(l->fd, (struct sockaddr *)&bound, &len) == 0)
        getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(l->name, sizeof l->name, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static enum err open_tcp(const struct listen_address *a, struct listener *ret,
                         struct error *ret_error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)a->port);
    int rc = getaddrinfo(a->host, port, &hints, &found);
    if (rc != 0)
        return error_set(ret_error, ERR_CONFIG, "cannot resolve %s: %s", a->host, gai_strerror(rc));
    int on = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool fine = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (fine &&
        found->ai_family == AF_INET6) /* each family has its own line in the configuration */
        fine = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    fine = fine && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    freeaddrinfo(found);
    if (!fine) {
        char name[LISTENER_NAME];
        snprintf(name, sizeof name, "%s:%s", a->host, port);
        return fail(fd, "cannot listen on", name, ret_error);
    }
    ret->fd = fd;
    ret->unlink_path = NULL;
    name_socket(ret);
    return OK;
}

enum err listener_open(const struct listen_address *address, struct listener *ret_listener,
                       struct error *ret_error)
{
    return address->kind == LISTEN_UNIX ? open_unix(address, ret_listener, ret_error)
                                        : open_tcp(address, ret_listener, ret_error);
}

void listener_close(struct listener *l)
{
    close(l->fd);
    if (l->unlink_path != NULL)
        unlink(l->unlink_path);
}
