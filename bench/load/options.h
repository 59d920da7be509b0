#ifndef SLUICE_BENCH_OPTIONS_H
#define SLUICE_BENCH_OPTIONS_H
/* What is asked for on the command line: read once at the start, then the same to the end. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "load/needle.h"

enum { PIDS_MAX = 64 };

struct pids {
    pid_t at[PIDS_MAX];
    uint32_t count;
};

struct options {
    uint16_t port;
    const char *unix_path; /* NULL: the port on loopback */
    uint32_t connections, window_ms, warmup_ms, ramp_ms, drain_ms;
    bool once;
    char *request; /* as it is sent, head and body */
    size_t request_len;
    uint32_t status;
    const struct needle *count, *ok; /* NULL: nothing is counted, everything is right */
    uint32_t expect;                 /* tokens in each answer; 0: any */
    uint32_t gap_ms;
    uint32_t total, rate; /* 0: no end, no pace */
    struct pids pids, beside;
};

extern struct options want;

/* Ends the program with a word where they are not right, and with the help where that is wanted. */
void options_read(int argc, char **argv);
#endif
