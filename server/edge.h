#ifndef SLUICE_SERVER_EDGE_H
#define SLUICE_SERVER_EDGE_H
/* One loop's HTTP edge: a libmicrohttpd daemon without a listener, driven by the loop.
 *
 *     acceptor --fd--> edge_add -> connection -> requests, one after the other -> api
 *
 * The daemon parses requests and writes whole answers. While an answer is not there yet its
 * connection is suspended. A streamed answer goes past the daemon: it sends the head, suspends, and
 * lends its socket to server/stream.c, which writes the chunks itself; at the end the daemon is
 * resumed and writes the last one. So an event costs one send, and a thousand quiet streams cost
 * nothing when one of them moves.
 *
 * The daemon's own timeout measures inactivity only and its suspended connections notice nothing,
 * so deadlines and watches for clients that leave are kept here. microhttpd.h is included in
 * server/ only. One loop's thread; edge_add, edge_drain and the counters may be used from any. */
#include <stdatomic.h>

#include "api/api.h"
#include "base/loop.h"
#include "config/settings.h"

struct edge;

/* `settings` stay in place until edge_take_over brings others. */
enum err edge_create(struct loop *loop, struct shard *shard, struct api *api,
                     const struct settings *settings, struct edge **ret_edge) MUST_CHECK;

/* From now on these settings; deadlines that run already stay as they are. On the loop's thread. */
void edge_take_over(struct edge *e, const struct settings *settings);

/* Ends all connections: on the loop's thread, before the loop stops. Freed with the loop. */
void edge_close(struct edge *e);
void edge_destroy(struct edge *e);

/* A new connection; the edge owns the descriptor from here on. Any thread. */
void edge_add(struct edge *e, int fd);

/* Connections that are open, or about to be. Any thread. */
unsigned edge_connections(const struct edge *e);

/* First: every stream is told that it ends, and every answer that its connection does. Any thread,
 * once. */
void edge_drain(struct edge *e);

/* Last: whoever waits for a run is answered with what there is, and idle connections are closed.
 * Any thread, once. */
void edge_hurry(struct edge *e);
#endif
