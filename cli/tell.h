#ifndef SLUICE_CLI_TELL_H
#define SLUICE_CLI_TELL_H
/* A run's events as text.
 *
 * The answer's text goes to standard output as it comes; what the run waits for, retries, or loses
 * are lines on standard error. So are the steps of a tree, one for each event of a task:
 * "[0/2 draft] failed: provider_error: HTTP 500". Only the root task's text is the answer: the
 * texts of a tree's leaves would run into each other.
 *
 * Life: tell_init, tell_event for each; no end. One thread. */
#include <stdbool.h>
#include <stdint.h>

#include "cli/event.h"
#include "cli/screen.h"

enum { TELL_FAILURE = 240, TELL_PATH = 256 };

struct tell {
    struct screen *screen;
    bool has_text;     /* some of the answer was shown */
    int64_t attempt;   /* the one whose text that was */
    bool is_thinking;  /* the last text was reasoning */
    bool is_cancelled; /* the user knows of the cancel: it was theirs */

    /* private: why the last attempt failed, until it is known what comes of it, and of which task
     * it was */
    char failure[TELL_FAILURE];
    char failed_task[TELL_PATH];
};

void tell_init(struct tell *t, struct screen *screen);

/* `arena` is for the event's strings. */
void tell_event(struct tell *t, const struct event *e, struct arena *arena);
#endif
