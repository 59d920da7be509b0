#ifndef SLUICE_NET_TRANSFER_INTERNAL_H
#define SLUICE_NET_TRANSFER_INTERNAL_H
/* What the transfer_*.c files share. Nobody else includes this, or curl.h.
 *
 * transfer.c has the life of one transfer, transfer_request.c what it sends; transfer_pool.c says
 * which multi handle it goes to, and has what waits until curl has returned; transfer_multi.c has
 * one multi handle and its timer, transfer_socket.c the descriptors of which it wants to hear. All
 * belongs to the pool's loop. */
#include <curl/curl.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/map.h"
#include "net/transfer.h"

/* A descriptor that curl wants to hear of. A connection's stays watched for reading between two
 * transfers, so that one that is used again needs no system call; what becomes readable while
 * nobody uses it has been closed by the peer, or is not HTTP. Others belong to curl's look-ups and
 * come and go with each. */
struct transfer_socket {
    struct map_node node; /* of its multi's, by descriptor */
    struct transfer_multi *multi;
    struct loop_watch *watch;
    int fd;
    bool in_use;
    bool is_paused; /* not in use, but only for the time being */
    bool is_connection;
    bool was_read; /* so it did connect */
    ino_t inode;   /* of a connection: whether the number still stands for it */
};

/* A multi handle of curl, with connections of its own. curl walks all of them for each transfer:
 * for a free one at its beginning, for one that is done with at its end. So a pool has several,
 * each for a few transfers. */
struct transfer_multi {
    struct list link; /* of the pool's */
    struct list due;  /* likewise, while curl wants to run */
    struct transfer_pool *pool;
    CURLM *curl;
    struct loop_timer timer; /* curl's */
    struct map sockets;
    uint32_t connections;
    uint32_t running;         /* transfers that it was handed */
    uint64_t unused_since_ms; /* where there are none */
};

struct transfer_pool {
    struct loop *loop;
    struct transfer_pool_options options;
    char *ca_file;
    CURLSH *names;        /* that were looked up: its multis share them */
    struct list multis;   /* the first stays as long as the pool */
    struct list due;      /* of them, those in which curl wants to run */
    struct loop_msg kick; /* one of them wants to, or something waits for curl to return */
    bool kicked;
    bool dead;                /* destroyed, but for the kick that is still queued */
    bool in_curl;             /* curl's own calls must not be made from within its callbacks */
    bool is_tls;              /* its provider is spoken to over TLS */
    atomic_uint connections;  /* written by the loop, read by anybody */
    atomic_uint active;       /* likewise: started and not ended */
    atomic_uint running;      /* likewise: of them, handed to curl */
    uint32_t lookups;         /* transfers whose name is being resolved */
    uint64_t name_fresh_till; /* ms */
    struct list transfers;    /* all that are under way */
    struct list starting;     /* to be handed to curl */
    struct list held;         /* wait for a look-up to end */
    struct list doomed;       /* cancelled, to be taken from curl */
    struct list spare;        /* handles for reuse */
    uint32_t spare_count;
};

/* A handle with everything set that does not change between its transfers. */
struct transfer {
    struct list link;
    struct transfer_pool *pool;
    struct transfer_multi *multi; /* while curl has it */
    CURL *easy;
    struct transfer_events events;
    void *ctx;
    struct transfer_deadlines deadlines;
    struct loop_timer timer;
    uint64_t started_ms;
    uint64_t
        quiet_since_ms; /* once it was sent: the sending, the last byte, or the end of a pause */
    enum { IDLE, STARTING, HELD, RUNNING, DOOMED } state;
    bool resolving;
    bool was_sent;
    bool has_head;  /* the answer's header came to its end */
    bool has_bytes; /* of the body */
    bool paused;
    bool refused_resend;
    bool refused_address;
    bool head_too_long;
    size_t head_bytes;
    bool aborted;
    bool no_memory;
    bool finished;  /* on_done was called, or will never be */
    CURLU *url;     /* of the last request, as curl has read it; valid while there is `url_text` */
    char *url_text; /* NULL: the next request's is to be read */
    struct curl_slist *headers; /* the nodes, and their text behind them */
    char error_text[CURL_ERROR_SIZE];
};

/* --- transfer.c ------------------------------------------------------------------------------- */

struct transfer *transfer_of(CURL *easy); /* NULL: a transfer that curl makes for itself */

/* From within curl, which has to return first. NULL is fine. */
void transfer_fail_for_memory(struct transfer *t);

/* The ends: curl has the answer, or what became of it; the only end of one that was not cancelled:
 * taken from curl, told, recycled; taken from curl; its handle is put back for the next transfer.
 */
void transfer_on_complete(struct transfer *t, CURLcode rc);
void transfer_finish(struct transfer *t, const struct transfer_result *result);
void transfer_take_from_curl(struct transfer *t);
void transfer_recycle(struct transfer *t);

/* What recycling does with those that are too many. */
void transfer_free(struct transfer *t);

/* --- transfer_request.c ----------------------------------------------------------------------- */

/* False: out of memory. An URL that curl cannot read fails the transfer, once it runs. */
bool transfer_write_headers(struct transfer *t, const struct http_request *r);
bool transfer_set_request(struct transfer *t, const struct http_request *r);

/* --- transfer_pool.c -------------------------------------------------------------------------- */

/* What waits for curl to return goes on soon. */
void transfer_pool_kick(struct transfer_pool *pool);
/* A multi has run: what became of its transfers, and what waited. It may be gone afterwards. */
void transfer_pool_after_curl(struct transfer_multi *m);
/* Takes what was cancelled from curl. */
void transfer_pool_drop_doomed(struct transfer_pool *pool);
/* A transfer that was handed to curl has ended. */
void transfer_pool_count_out(struct transfer *t);

/* --- transfer_multi.c ------------------------------------------------------------------------- */

struct transfer_multi *transfer_multi_create(struct transfer_pool *pool); /* NULL: out of memory */
/* None of its transfers is left. */
void transfer_multi_destroy(struct transfer_multi *m);

/* curl runs soon. */
void transfer_multi_kick(struct transfer_multi *m);
/* Something has happened on a descriptor, or (CURL_SOCKET_TIMEOUT) in time. It may be gone
 * afterwards. */
void transfer_multi_run(struct transfer_multi *m, curl_socket_t fd, int events);

/* --- transfer_socket.c ------------------------------------------------------------------------ */

/* Callbacks of curl: CURLMOPT_SOCKETFUNCTION, CURLOPT_CLOSESOCKETFUNCTION; `ctx` is the multi. */
int transfer_socket_on_curl(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned);
int transfer_socket_close(void *ctx, curl_socket_t fd);

/* A connection that was just opened. False: no memory, or no such descriptor. */
bool transfer_socket_adopt(struct transfer_multi *m, int fd);
/* They are watched no more. */
void transfer_socket_forget_all(struct transfer_multi *m);
#endif
