#ifndef SLUICE_BENCH_CONNS_H
#define SLUICE_BENCH_CONNS_H
/* The connections, as many as the options say, each with one request under way: it sends, reads the
 * answer to its end, checks it and sends the next one.
 *
 * conns_open, conns_start for each, conns_handle over and over; conns_count switches what is
 * counted; after conns_end no further request is sent. One thread, one epoll. */
#include <stdint.h>

#include "load/tally.h"

enum failure { FAIL_CONNECT, FAIL_CUT, FAIL_STATUS, FAIL_FRAMING, FAIL_SHORT, FAIL_NOT_OK, FAILS };
extern const char *const failure_names[FAILS];

struct conns_told {
    uint32_t busy, peak_busy; /* have a request under way, now and at most */
    uint32_t finished;        /* connections that send no more */
    uint64_t reconnects;
    uint64_t failures[FAILS], all_failures;
    char first_failure[512]; /* what a person wants to see: the beginning of that answer, in a line
                              */
};

void conns_open(void);
void conns_start(uint32_t index);

/* Waits for events, at most until then, and handles them. Ends the program where the answers are
 * wrong over and over: what would be measured is meaningless. */
void conns_handle(uint64_t until_ns);

/* Counts into it from now on; NULL: nothing is counted. */
void conns_count(struct tally *into);

void conns_end(void);
const struct conns_told *conns_tell(void);
#endif
