#ifndef SLUICE_SERVER_LISTENER_H
#define SLUICE_SERVER_LISTENER_H
/* Listening sockets: TCP and unix, opened from the configuration. */
#include "base/err.h"
#include "config/config.h"

enum { LISTENER_NAME = 160 };

struct listener {
    int fd;
    char name[LISTENER_NAME]; /* what was bound: "127.0.0.1:8080", with the port that the kernel
                                 chose for 0 */
    const char *unlink_path;  /* of a unix socket; NULL: none */
};

enum err listener_open(const struct listen_address *address, struct listener *ret_listener,
                       struct error *ret_error) MUST_CHECK;
void listener_close(struct listener *l);
#endif
