#ifndef SLUICE_BENCH_TOOL_H
#define SLUICE_BENCH_TOOL_H
/* The few lines that the bench's programs share. They are one-thread programs that stand alone:
 * nothing of the product is linked into what measures it. Loopback only. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

_Noreturn static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* As many descriptors as the system lets us have: a bench opens 10,000 connections and a proxy
 * twice that. */
static inline void raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("setrlimit");
}

/* A number of a command line, 0..max; ends the program with a word about `name` where it is not
 * one. */
static inline uint32_t number(const char *name, const char *text, uint32_t max)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n > max) {
        fprintf(stderr, "%s: not a number from 0 to %u: %s\n", name, max, text);
        exit(2);
    }
    return (uint32_t)n;
}

static inline struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static inline struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) {
        fprintf(stderr, "path too long: %s\n", path);
        exit(2);
    }
    strcpy(a.sun_path, path);
    return a;
}

static inline void set_nodelay(int fd)
{
    int on = 1; /* fails on a unix socket, which has no Nagle to turn off */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* A listening non-blocking socket; `unix_path` NULL is TCP on loopback, port 0 a free one. Tells
 * the port on stdout, so that whoever started us need not guess a free one. */
static inline int listen_on(uint16_t port, const char *unix_path)
{
    int fd = socket(unix_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    struct sockaddr_in in = loopback(port);
    struct sockaddr_un un = unix_address(unix_path ? unix_path : "");
    const void *at = unix_path ? (const void *)&un : (const void *)&in;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at, unix_path ? sizeof un : sizeof in) != 0)
        die("bind");
    if (listen(fd, 4096) != 0)
        die("listen");
    socklen_t len = sizeof in;
    if (!unix_path && getsockname(fd, (struct sockaddr *)&in, &len) != 0)
        die("getsockname");
    printf("port=%u\n", unix_path ? 0U : (unsigned)ntohs(in.sin_port));
    fflush(stdout);
    return fd;
}
#endif
