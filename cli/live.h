#ifndef SLUICE_CLI_LIVE_H
#define SLUICE_CLI_LIVE_H
/* A run's tree on the terminal while it runs: drawn again as events come and time passes, ten times
 * a second at most.
 *
 * What has not begun no event tells of: beside the event stream the tree as a whole is asked for,
 * once at the start and whenever a map has got its elements.
 *
 * Shown only where the screen can draw, and from the first event on that tells of more than a call:
 * of a call alone the text is shown instead (tell.h).
 *
 * Life: live_init, live_take for each event, live_turn again and again, live_end at the run's end,
 * live_fini. One thread. */
#include "cli/client.h"
#include "cli/screen.h"
#include "cli/task_tree.h"

struct live {
    struct screen *screen;
    struct task_tree tree;
    struct lines lines;
    bool is_wanted; /* to be shown once it is more than a call */
    bool is_new;    /* the run was created here: its first event is as old as it says */
    int64_t
        ahead_ms; /* by how much the local clock is ahead of the gateway's; INT64_MAX: not known */
    uint64_t draw_at_ms;

    struct exchange *look; /* at the whole tree; NULL: none is under way */
    uint64_t look_began_ms, look_at_ms;
    struct buf path;
};

void live_init(struct live *l, struct screen *screen, bool is_wanted, bool is_new);
void live_fini(struct live *l);

void live_take(struct live *l, const struct event *e);

/* Is the tree shown, so that its steps need no words? */
bool live_is_shown(const struct live *l);

/* Draws and asks, where that is due. Returns in how many ms it wants to be called again; -1: only
 * when something has come. */
int live_turn(struct live *l, struct client *client, const char *run_id);

/* Draws the last time and leaves it there. */
void live_end(struct live *l);
#endif
