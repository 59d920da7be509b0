#ifndef SLUICE_SERVER_EDGE_INTERNAL_H
#define SLUICE_SERVER_EDGE_INTERNAL_H
/* What edge.c, exchange.c, framing.c and stream.c share. Nobody else includes this. */
#include <microhttpd.h>

#include "server/edge.h"

struct conn;

/* A streamed answer while the edge writes it itself. */
struct stream {
    const struct api_stream *source; /* NULL: this answer is none */
    enum {
        STREAM_HEAD,   /* the daemon still sends the head */
        STREAM_OPEN,   /* the socket is ours */
        STREAM_DONE,   /* all was written: the daemon sends the last chunk */
        STREAM_BROKEN, /* it cannot be ended properly: the connection is closed */
    } phase;
    bool is_chunked;         /* HTTP/1.1; else the answer ends with its connection */
    bool is_cut;             /* its last words are in `out` */
    bool lasts;              /* it has been there for a while */
    struct loop_msg lent;    /* the socket is ours: begin */
    bool is_lent;            /* that message is on its way */
    struct buf out;          /* framed, on its way to the socket */
    size_t sent;             /* of `out` */
    uint64_t quiet_since_ms; /* all that the source had was sent */
    struct loop_timer heartbeat;
    struct loop_timer stall;
};

/* One request and its answer. A connection has one, used again for each request. */
struct exchange {
    struct api_request request;
    struct conn *conn;
    struct MHD_Connection *mhd;
    struct MHD_Response *response; /* ready, to be queued when the daemon asks again */
    int status;
    char *uri;           /* raw: as it came */
    const char *uri_end; /* where the daemon has read it */
    struct buf body;
    uint64_t body_expected; /* Content-Length; UINT64_MAX if chunked */
    uint64_t body_seen;
    uint64_t body_max;  /* as it was when the request began */
    uint64_t head_size; /* bytes of the request line and the headers */
    bool is_active;     /* from its URI to its completion */
    bool is_seen;       /* its head was looked at */
    bool is_too_large;  /* what comes of the body is thrown away, then refused */
    bool is_handled;    /* the API has it */
    bool is_answered;
    bool is_suspended;
    bool is_gone; /* its client left while it waited */
    bool is_queued;
    struct stream stream;
    struct list waiting; /* on the edge's list while it is suspended without being watched */
    uint64_t waiting_since_ms;
};

enum conn_phase { CONN_HEAD, CONN_BODY, CONN_HANDLED, CONN_WRITING, CONN_IDLE };

struct conn {
    struct list link;
    struct loop_deferred garbage;
    struct edge *edge;
    int fd;
    struct loop_watch *watch; /* opened when it is first needed */
    enum conn_phase phase;
    uint64_t deadline_ms; /* of the phase; UINT64_MAX: none */
    struct loop_timer timer;
    uint64_t received; /* bytes of the requests so far */
    int unsent;        /* bytes in the socket when the deadline last passed */
    struct exchange exchange;
};

struct edge {
    struct loop *loop;
    struct shard *shard;
    struct api *api;
    const struct settings *settings; /* in force */
    struct MHD_Daemon *daemon;
    size_t pool_bytes;        /* the daemon's memory for a connection */
    struct loop_watch *watch; /* of the daemon's epoll descriptor */
    struct loop_msg again, drain, hurry;
    bool needs_run, is_running, again_is_posted;
    struct list conns;
    struct list waiting; /* exchanges, the longest wait first */
    struct loop_timer sweep;
    atomic_uint count;
    unsigned closes; /* connections that have ended, ever */
    bool is_draining;
    bool is_closing;
};

/* edge.c */
void edge_run_later(struct edge *e);
void conn_enter(struct conn *c, enum conn_phase phase);
void conn_recount(struct conn *c);
enum err conn_watch(struct conn *c, unsigned events); /* LOOP_GONE, LOOP_WRITE; 0: nothing */

/* exchange.c: the daemon's callbacks, and what the connection has to tell. */
void *exchange_on_uri(void *edge, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result exchange_on_request(void *edge, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version, const char *upload,
                                    size_t *upload_size, void **ctx);
void exchange_on_completed(void *edge, struct MHD_Connection *mhd, void **ctx,
                           enum MHD_RequestTerminationCode code);
void exchange_init(struct exchange *x, struct conn *conn);
void exchange_fini(struct exchange *x);
void exchange_on_client_gone(struct exchange *x);
void exchange_hurry(struct exchange *x);
void exchange_resume(struct exchange *x);
void exchange_suspend(struct exchange *x);

/* framing.c: is the head of this request one that no other server could read differently (RFC
 * 9112)? Notes the headers that the API knows. OK, or what is wrong with it: the connection is then
 * closed after the answer. */
enum err framing_check(struct exchange *x, const char *method, const char *version,
                       struct problem *problem) MUST_CHECK;

/* access_log.c: the request is about to be answered. */
void access_log(const struct exchange *x, int status);

/* stream.c */
void stream_init(struct exchange *x);
void stream_fini(struct exchange *x);
struct MHD_Response *stream_open(struct exchange *x, const struct api_stream *source);
void stream_wake(struct exchange *x);
void stream_on_io(struct exchange *x, unsigned events);
void stream_cut(struct exchange *x, const char *reason);
void stream_abandon(struct exchange *x); /* the connection has ended under it */
#endif
