#ifndef SLUICE_BENCH_ANSWER_H
#define SLUICE_BENCH_ANSWER_H
/* An HTTP/1 answer that is read as it comes: its status, and where its body is. Framing that is
 * wrong is found; header fields other than those of the framing are not looked at.
 *
 * Embedded by a connection, all zero at first: answer_begin before each request, answer_feed with
 * all that is received, answer_fini at the end. One thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum answer_state {
    ANSWER_HEAD,        /* not complete yet */
    ANSWER_BODY,        /* `left` bytes of a known length */
    ANSWER_CHUNK_SIZE,  /* reading its digits into `left` */
    ANSWER_CHUNK_EXTRA, /* behind the digits, up to the line's end */
    ANSWER_CHUNK_DATA,  /* `left` bytes of it */
    ANSWER_CHUNK_END,   /* its CR LF */
    ANSWER_TRAILER,     /* after the last chunk, up to an empty line */
    ANSWER_TO_THE_END,  /* no length told: the body ends with the connection */
    ANSWER_COMPLETE,
    ANSWER_WRONG /* no HTTP/1, broken framing, or bytes behind the end */
};

struct answer {
    enum answer_state state;
    bool close_after; /* it said Connection: close */
    uint16_t status;  /* 0 until the head is complete */
    uint32_t line_len;
    uint64_t left;
    char *head; /* an incomplete head waits here */
    size_t head_len;
};

/* Called with each piece of the body, in order. */
typedef void (*answer_body_fn)(void *context, const char *bytes, size_t len);

void answer_begin(struct answer *a);

/* Returns the state it has come to: ANSWER_COMPLETE and ANSWER_WRONG are the ends. */
enum answer_state answer_feed(struct answer *a, const char *bytes, size_t len, answer_body_fn body,
                              void *context);

/* Frees what it keeps; it may begin again. */
void answer_fini(struct answer *a);
#endif
