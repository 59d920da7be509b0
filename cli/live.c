#include "cli/live.h"

#include "base/clock.h"
#include "cli/answer.h"
#include "cli/session.h"
#include "cli/tree_lines.h"

enum {
    DRAW_EVERY_MS = 100,
    LOOK_EVERY_MS = 1000,
    LOOK_SHARE = 10, /* a look that took long is made again after so many times that */
    LOOK_LIMIT_MS = 30000,
};

void live_init(struct live *l, struct screen *screen, bool is_wanted, bool is_new)
{
    *l = (struct live){.screen = screen,
                       .is_wanted = is_wanted && screen->can_draw,
                       .is_new = is_new,
                       .ahead_ms = INT64_MAX};
    task_tree_init(&l->tree);
    lines_init(&l->lines);
    buf_init(&l->path, 65536);
}

void live_fini(struct live *l)
{
    exchange_end(l->look);
    task_tree_fini(&l->tree);
    lines_fini(&l->lines);
    buf_fini(&l->path);
}

bool live_is_shown(const struct live *l)
{
    return l->is_wanted && task_tree_is_composite(&l->tree);
}

/* --- the gateway's clock ---------------------------------------------------------------------- */

/* An event comes after it was told: the smallest difference between the clocks is nearest to the
 * truth. Of a run that is merely watched all events may be old: then it only shows a clock that is
 * behind. */
static void compare_clocks(struct live *l, int64_t at_ms)
{
    int64_t ahead = clock_wall_ms(NULL) - at_ms;
    if (!l->is_new && ahead > 0)
        ahead = 0;
    if (at_ms > 0 && ahead < l->ahead_ms)
        l->ahead_ms = ahead;
}

static int64_t gateway_now_ms(const struct live *l)
{
    return clock_wall_ms(NULL) - (l->ahead_ms != INT64_MAX ? l->ahead_ms : 0);
}

void live_take(struct live *l, const struct event *e)
{
    if (!l->is_wanted)
        return;
    compare_clocks(l, e->at_ms);
    task_tree_take(&l->tree, e);
}

/* --- drawing ---------------------------------------------------------------------------------- */

static void draw(struct live *l)
{
    struct tree_look look = {.now_ms = gateway_now_ms(l)};
    screen_measure(l->screen, &look.width, &look.height);
    lines_clear(&l->lines);
    tree_lines_write(&l->tree, &look, &l->lines);
    screen_draw(l->screen, &l->lines);
}

/* --- looking at the whole tree ---------------------------------------------------------------- */

static void begin_look(struct live *l, struct client *client, const char *run_id, uint64_t now)
{
    buf_fini(&l->path);
    session_run_path(&l->path, run_id, "/tasks");
    l->look_at_ms = now + LOOK_EVERY_MS;
    if (buf_ok(&l->path) != OK)
        return;
    struct client_request request = {
        .method = "GET", .path = l->path.data, .limit_ms = LOOK_LIMIT_MS};
    l->look = exchange_start(client, &request);
    l->look_began_ms = now;
    l->tree.wants_learning = l->look == NULL;
}

/* What cannot be had is not shown: the events alone tell enough. */
static void end_look(struct live *l, const struct answer *a, uint64_t now)
{
    struct json_doc doc;
    answer_doc_init(&doc);
    if (answer_is_good(a) && json_parse(&doc, buf_str(&a->body), NULL) == OK)
        task_tree_learn(&l->tree, json_root(&doc));
    json_doc_fini(&doc);
    exchange_end(l->look);
    l->look = NULL;
    uint64_t pause = (now - l->look_began_ms) * LOOK_SHARE;
    l->look_at_ms = now + (pause > LOOK_EVERY_MS ? pause : LOOK_EVERY_MS);
}

static void drive_look(struct live *l, struct client *client, const char *run_id, uint64_t now)
{
    const struct answer *a = l->look != NULL ? exchange_answer(l->look) : NULL;
    if (a != NULL)
        end_look(l, a, now);
    if (l->look == NULL && l->tree.wants_learning && run_id[0] != '\0' && now >= l->look_at_ms)
        begin_look(l, client, run_id, now);
}

int live_turn(struct live *l, struct client *client, const char *run_id)
{
    uint64_t now = clock_mono_ms(NULL);
    if (!live_is_shown(l))
        return -1;
    drive_look(l, client, run_id, now);
    if (now >= l->draw_at_ms) {
        draw(l);
        l->draw_at_ms = now + DRAW_EVERY_MS;
    }
    return (int)(l->draw_at_ms - now);
}

void live_end(struct live *l)
{
    if (!live_is_shown(l))
        return;
    draw(l);
    screen_leave_drawing(l->screen);
    l->is_wanted = false;
}
