#include "cli/tree_lines.h"

#include "cli/render.h"

enum { STATE_COLUMNS = 11, INDENT = 2 };

/* How much a task is worth showing where there is no room for all; the first is the most. */
enum rank { RANK_AT_WORK, RANK_FAILED, RANK_PENDING, RANK_ENDED, RANK_COUNT };

static enum rank rank_of(enum task_state state)
{
    switch (state) {
    case TASK_RUNNING:
    case TASK_RETRYING:
    case TASK_BLOCKED: return RANK_AT_WORK;
    case TASK_FAILED:
    case TASK_TIMED_OUT: return RANK_FAILED;
    case TASK_PENDING: return RANK_PENDING;
    case TASK_SUCCEEDED:
    case TASK_CANCELLED:
    case TASK_SKIPPED: break;
    }
    return RANK_ENDED;
}

static enum tone tone_of(enum task_state state)
{
    switch (state) {
    case TASK_RUNNING: return TONE_BUSY;
    case TASK_RETRYING:
    case TASK_BLOCKED: return TONE_HELD;
    case TASK_FAILED:
    case TASK_TIMED_OUT: return TONE_BAD;
    case TASK_SUCCEEDED: return TONE_GOOD;
    case TASK_PENDING:
    case TASK_CANCELLED:
    case TASK_SKIPPED: break;
    }
    return TONE_QUIET;
}

/* --- a line ----------------------------------------------------------------------------------- */

static void add_blanks(struct buf *b, uint32_t n)
{
    while (n-- > 0)
        buf_add_char(b, ' ');
}

static void add_part(struct buf *b, size_t start)
{
    if (b->len > start)
        buf_add_lit(b, ", ");
}

/* "12/40". Once it has ended, all children that there ever were are known. */
static void add_progress(struct buf *b, const struct tree_node *n)
{
    if (n->known > 0 && (n->is_counted || task_state_is_terminal(n->state)))
        buf_addf(b, "%u/%u", (unsigned)n->done, (unsigned)n->known);
    else if (n->done > 0)
        buf_addf(b, "%u done", (unsigned)n->done);
}

/* Of what goes on in steps that an eye can follow. */
static void add_time(struct buf *b, const struct tree_node *n, int64_t now_ms, size_t start)
{
    if (n->started_ms == 0)
        return;
    add_part(b, start);
    if (n->finished_ms > 0)
        render_duration(b, n->finished_ms - n->started_ms);
    else
        render_duration(b, (now_ms - n->started_ms) / 100 * 100);
}

static void add_left(struct buf *b, int64_t until_ms, int64_t now_ms)
{
    if (until_ms <= now_ms)
        return;
    buf_add_lit(b, " (");
    render_duration(b, (until_ms - now_ms + 99) / 100 * 100);
    buf_add_char(b, ')');
}

static void add_attempts(struct buf *b, const struct tree_node *n, size_t start)
{
    if (n->attempts < 2)
        return;
    add_part(b, start);
    buf_addf(b, "attempt %lld", (long long)n->attempts);
    if (n->model == NULL)
        return;
    buf_add_lit(b, " (");
    render_line(b, str_of(n->model));
    buf_add_char(b, ')');
}

static void add_note(struct buf *b, const struct tree_node *n, int64_t now_ms, size_t start)
{
    if (n->note == NULL)
        return;
    add_part(b, start);
    render_line(b, str_of(n->note));
    add_left(b, n->until_ms, now_ms);
}

void tree_lines_add_details(const struct tree_node *n, int64_t now_ms, struct buf *b)
{
    size_t start = b->len;
    add_progress(b, n);
    add_time(b, n, now_ms, start);
    add_attempts(b, n, start);
    add_note(b, n, now_ms, start);
}

/* "1 draft call" */
static void add_label(struct buf *b, const struct tree_node *n)
{
    const char *mark = "";
    if (n->parent != NULL) {
        buf_addf(b, "%u", (unsigned)n->index);
        mark = " ";
    }
    if (n->name != NULL) {
        buf_addf(b, "%s", mark);
        render_line(b, str_of(n->name));
        mark = " ";
    }
    if (n->type[0] != '\0') {
        buf_addf(b, "%s", mark);
        render_line(b, str_of(n->type));
    }
}

static void add_state(struct buf *b, const char *state)
{
    buf_addf(b, "%-*s", STATE_COLUMNS, state);
}

/* What is said of the run as a whole stands beside its root. */
static void add_run(struct buf *b, const struct task_tree *t, int64_t now_ms, size_t start)
{
    if (t->run_note != NULL && !task_state_is_terminal(t->root->state)) {
        add_part(b, start);
        buf_add_str(b, t->is_cancelled ? STR("") : STR("waiting: "));
        render_line(b, str_of(t->run_note));
        add_left(b, t->run_until_ms, now_ms);
    }
    if (t->lost > 0) {
        add_part(b, start);
        buf_add_lit(b, "not all tasks are shown");
    }
}

static void write_node(const struct task_tree *t, const struct tree_node *n,
                       const struct tree_look *look, struct lines *ret)
{
    struct buf *b = &ret->text;
    bool is_root = n->parent == NULL, is_over = task_state_is_terminal(n->state);
    bool stops = is_root && t->is_cancelled && !is_over;
    lines_begin(ret, stops ? TONE_BAD : tone_of(n->state));
    add_state(b, stops ? "cancelling" : task_state_name(n->state));
    add_blanks(b, n->depth * INDENT);
    add_label(b, n);
    size_t label_end = b->len;
    buf_add_lit(b, ", ");
    size_t start = b->len;
    tree_lines_add_details(n, look->now_ms, b);
    if (is_root)
        add_run(b, t, look->now_ms, start);
    if (b->len == start && !b->failed)
        b->len = label_end;
    lines_end(ret, look->width);
}

/* --- choosing --------------------------------------------------------------------------------- */

/* Which children of a task are shown, and how many lines what is below them gets. */
struct choice {
    uint32_t room[RANK_COUNT]; /* how many of each rank may still be shown */
    uint32_t below[2];  /* lines that are left for what is below: of those at work, of others */
    uint32_t takers[2]; /* shown children that have something below them, likewise */
};

struct census {
    uint32_t count[RANK_COUNT], parents[RANK_COUNT];
    uint32_t below_at_work;
};

static uint32_t min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void count_children(const struct tree_node *n, struct census *ret)
{
    const struct tree_node *c;
    *ret = (struct census){.below_at_work = 0};
    for (uint32_t i = 0; (c = tree_node_next(n, &i)) != NULL;) {
        enum rank rank = rank_of(c->state);
        ret->count[rank]++;
        ret->parents[rank] += c->below > 0;
        if (rank == RANK_AT_WORK)
            ret->below_at_work += c->below;
    }
}

/* Those at work and what is below them come first, but leave a third for the others. Returns how
 * many are shown. */
static uint32_t share_out(const struct census *all, uint32_t known, uint32_t lines,
                          struct choice *ret)
{
    uint32_t at_work = min(all->count[RANK_AT_WORK], lines);
    uint32_t others = known - all->count[RANK_AT_WORK], left = lines - at_work;
    uint32_t inside = min(all->below_at_work, left - min(min(others, lines / 3), left));
    uint32_t shown = at_work, room = left - inside;
    *ret = (struct choice){.room[RANK_AT_WORK] = at_work, .below[0] = inside};
    ret->takers[0] = min(all->parents[RANK_AT_WORK], at_work);
    for (enum rank r = RANK_FAILED; r < RANK_COUNT; r++) {
        ret->room[r] = min(all->count[r], room);
        ret->takers[1] += min(all->parents[r], ret->room[r]);
        room -= ret->room[r];
        shown += ret->room[r];
    }
    ret->below[1] = room;
    return shown;
}

/* The lines for what is below this one. */
static uint32_t give(struct choice *c, enum rank rank, uint32_t below)
{
    uint32_t group = rank == RANK_AT_WORK ? 0 : 1;
    if (below == 0 || c->takers[group] == 0)
        return 0;
    uint32_t lines = min(below, (c->below[group] + c->takers[group] - 1) / c->takers[group]);
    lines = min(lines, c->below[group]);
    c->below[group] -= lines;
    c->takers[group]--;
    return lines;
}

/* "… 28 more: 20 succeeded, 8 pending" */
static void write_rest(const struct tree_node *parent, const uint32_t *hidden, uint32_t count,
                       const struct tree_look *look, struct lines *ret)
{
    static const enum task_state order[] = {TASK_RUNNING,   TASK_RETRYING,  TASK_BLOCKED,
                                            TASK_FAILED,    TASK_TIMED_OUT, TASK_PENDING,
                                            TASK_SUCCEEDED, TASK_SKIPPED,   TASK_CANCELLED};
    struct buf *b = &ret->text;
    const char *mark = ": ";
    lines_begin(ret, TONE_NONE);
    add_state(b, "");
    add_blanks(b, (parent->depth + 1) * INDENT);
    buf_addf(b, "\xE2\x80\xA6 %u more", (unsigned)count);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (hidden[order[i]] == 0)
            continue;
        buf_addf(b, "%s%u %s", mark, (unsigned)hidden[order[i]], task_state_name(order[i]));
        mark = ", ";
    }
    lines_end(ret, look->width);
}

static void write_tree(const struct task_tree *t, const struct tree_node *n, uint32_t lines,
                       const struct tree_look *look, struct lines *ret);

static void write_all(const struct task_tree *t, const struct tree_node *n,
                      const struct tree_look *look, struct lines *ret)
{
    const struct tree_node *c;
    for (uint32_t i = 0; (c = tree_node_next(n, &i)) != NULL;)
        write_tree(t, c, c->below + 1, look, ret);
}

/* `lines` are less than there are tasks below. A single one is for a task at work, if there is one:
 * how many there are stands beside their parent. */
static void write_some(const struct task_tree *t, const struct tree_node *n, uint32_t lines,
                       const struct tree_look *look, struct lines *ret)
{
    const struct tree_node *c;
    struct census all;
    struct choice choice;
    uint32_t hidden[TASK_SKIPPED + 1] = {0}, count = 0;
    count_children(n, &all);
    bool tells_rest = share_out(&all, n->known, lines, &choice) < n->known &&
                      (lines > 1 || all.count[RANK_AT_WORK] == 0);
    if (tells_rest)
        share_out(&all, n->known, lines - 1, &choice);
    for (uint32_t i = 0; (c = tree_node_next(n, &i)) != NULL;) {
        enum rank rank = rank_of(c->state);
        if (choice.room[rank] == 0) {
            hidden[c->state]++;
            count++;
            continue;
        }
        choice.room[rank]--;
        write_tree(t, c, 1 + give(&choice, rank, c->below), look, ret);
    }
    if (tells_rest)
        write_rest(n, hidden, count, look, ret);
}

/* As deep as the tree. At most `lines` >= 1 of them. */
static void write_tree(const struct task_tree *t, const struct tree_node *n, uint32_t lines,
                       const struct tree_look *look, struct lines *ret)
{
    write_node(t, n, look, ret);
    if (n->below < lines)
        write_all(t, n, look, ret);
    else if (lines > 1)
        write_some(t, n, lines - 1, look, ret);
}

void tree_lines_write(const struct task_tree *t, const struct tree_look *look, struct lines *ret)
{
    if (t->root != NULL)
        write_tree(t, t->root, look->height > 0 ? look->height : UINT32_MAX, look, ret);
}
