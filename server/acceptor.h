#ifndef SLUICE_SERVER_ACCEPTOR_H
#define SLUICE_SERVER_ACCEPTOR_H
/* Takes connections off the listening sockets and hands each to the edge that has the fewest.
 *
 * At `max_connections` it stops accepting: what comes then waits in the kernel's backlog, until one
 * has closed. (One acceptor instead of a socket for each loop: SO_REUSEPORT spreads few connections
 * badly, and unix sockets have none.) Belongs to one loop. */
#include "base/loop.h"
#include "server/edge.h"
#include "server/listener.h"

struct acceptor {
    struct loop *loop;
    struct edge **edges;
    uint32_t edge_count;
    uint32_t max_connections;
    struct listener *listeners;
    struct loop_watch **watches;
    uint32_t listener_count;
    bool is_paused;
    struct loop_timer timer; /* while paused: has one closed? */
    uint32_t next;           /* among edges that have as few, in turn */
};

/* The listeners and edges stay in place. */
enum err acceptor_start(struct acceptor *a, struct loop *loop, struct listener *listeners,
                        uint32_t listener_count, struct edge **edges, uint32_t edge_count,
                        uint32_t max_connections) MUST_CHECK;
void acceptor_stop(struct acceptor *a);
#endif
