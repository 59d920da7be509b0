#include "cli/task_tree.h"

#include "base/mem.h"
#include "cli/render.h"
#include "model/task_path.h"

enum { FIRST_SLOTS = 4 };

void task_tree_init(struct task_tree *t)
{
    *t = (struct task_tree){.wants_learning = true};
}

/* --- nodes ------------------------------------------------------------------------------------ */

static void count_below(struct tree_node *n, uint32_t more, uint32_t less)
{
    for (struct tree_node *up = n; up != NULL; up = up->parent)
        up->below += more - less;
}

static void drop_children(struct task_tree *t, struct tree_node *n);

static void destroy(struct task_tree *t, struct tree_node *n)
{
    if (n == NULL)
        return;
    drop_children(t, n);
    mem_free(n->name);
    mem_free(n->model);
    mem_free(n->note);
    mem_free(n);
    t->tasks--;
}

/* As deep as the tree. */
static void drop_children(struct task_tree *t, struct tree_node *n)
{
    for (uint32_t i = 0; i < n->slots; i++)
        destroy(t, n->children[i]);
    mem_free(n->children);
    count_below(n, 0, n->below);
    t->slots -= n->slots;
    n->children = NULL;
    n->slots = n->known = n->done = 0;
    n->is_counted = false;
}

void task_tree_fini(struct task_tree *t)
{
    destroy(t, t->root);
    mem_free(t->run_note);
}

static bool make_room(struct task_tree *t, struct tree_node *n, uint32_t index)
{
    uint32_t slots = n->slots > 0 ? 2 * n->slots : FIRST_SLOTS;
    if (index < n->slots)
        return true;
    if (slots <= index)
        slots = index + 1;
    if (index >= TREE_MAX_TASKS || t->slots + (slots - n->slots) > TREE_MAX_SLOTS)
        return false;
    struct tree_node **children = mem_realloc(n->children, slots * sizeof *children);
    if (children == NULL)
        return false;
    memset(children + n->slots, 0, (slots - n->slots) * sizeof *children);
    t->slots += slots - n->slots;
    n->children = children;
    n->slots = slots;
    return true;
}

static struct tree_node *make(struct task_tree *t, struct tree_node *parent, uint32_t index)
{
    struct tree_node *n = NULL;
    if (t->tasks < TREE_MAX_TASKS && (parent == NULL || parent->depth < TREE_MAX_DEPTH))
        n = mem_zalloc(sizeof *n);
    if (n == NULL)
        return NULL;
    *n = (struct tree_node){.parent = parent, .index = index, .state = TASK_PENDING};
    t->tasks++;
    if (parent == NULL)
        return n;
    n->depth = parent->depth + 1;
    parent->known++;
    count_below(parent, 1, 0);
    return n;
}

static struct tree_node *child(struct task_tree *t, struct tree_node *parent, uint32_t index)
{
    if (!make_room(t, parent, index))
        return NULL;
    struct tree_node **slot = &parent->children[index];
    if (*slot == NULL)
        *slot = make(t, parent, index);
    return *slot;
}

static struct tree_node *root(struct task_tree *t)
{
    if (t->root == NULL)
        t->root = make(t, NULL, 0);
    return t->root;
}

/* NULL: it is no path, or cannot be kept. */
static struct tree_node *at_path(struct task_tree *t, struct str path)
{
    struct tree_node *n = root(t);
    uint32_t index;
    while (n != NULL && task_path_next(&path, &index))
        n = child(t, n, index);
    return path.len == 0 ? n : NULL;
}

const struct tree_node *tree_node_next(const struct tree_node *n, uint32_t *i)
{
    while (*i < n->slots) {
        const struct tree_node *c = n->children[(*i)++];
        if (c != NULL)
            return c;
    }
    return NULL;
}

bool task_tree_is_composite(const struct task_tree *t)
{
    return t->root != NULL &&
           (t->root->known > 0 || (t->root->type[0] != '\0' && strcmp(t->root->type, "call") != 0));
}

/* --- what is said of one ---------------------------------------------------------------------- */

/* NULL where it is empty, or there is no memory: then it is not shown. */
static void set_text(char **text, struct str s)
{
    mem_free(*text);
    if (s.len > TREE_MAX_NOTE)
        s.len = str_utf8_floor(s.at, TREE_MAX_NOTE);
    *text = s.len > 0 ? mem_strdup(s) : NULL;
}

static void set_note(struct tree_node *n, struct str note, int64_t until_ms)
{
    set_text(&n->note, note);
    n->until_ms = until_ms;
}

static void enter(struct tree_node *n, enum task_state state)
{
    if (n->parent != NULL)
        n->parent->done +=
            (uint32_t)task_state_is_terminal(state) - (uint32_t)task_state_is_terminal(n->state);
    n->state = state;
}

/* "rate limited at provider:openai", and when that is over. */
static void read_reason(struct json reason, char **note, int64_t *ret_until_ms)
{
    struct buf b;
    buf_init(&b, 4096);
    render_reason(&b, reason, 0);
    set_text(note, buf_str(&b));
    if (!render_read_time(json_get_lit(reason, "until"), ret_until_ms))
        *ret_until_ms = 0;
    buf_fini(&b);
}

/* "provider_error: HTTP 500". A cancel's state says it. */
static void read_error(struct tree_node *n, struct json error)
{
    struct json code = json_get_lit(error, "code");
    struct buf b;
    if (!json_is(code, JSON_STRING))
        return;
    buf_init(&b, 65536);
    render_value(&b, code);
    buf_add_lit(&b, ": ");
    render_value(&b, json_get_lit(error, "message"));
    if (!json_string_is(code, STR("cancelled")))
        set_note(n, buf_str(&b), 0);
    buf_fini(&b);
}

static void read_model(struct tree_node *n, struct json attempt)
{
    struct json provider = json_get_lit(attempt, "provider"),
                model = json_get_lit(attempt, "model");
    struct buf b;
    buf_init(&b, 65536);
    if (json_is(provider, JSON_STRING))
        render_value(&b, provider);
    if (json_is(provider, JSON_STRING) && json_is(model, JSON_STRING))
        buf_add_char(&b, '/');
    if (json_is(model, JSON_STRING))
        render_value(&b, model);
    set_text(&n->model, buf_str(&b));
    buf_fini(&b);
}

static void read_identity(struct tree_node *n, struct json object)
{
    struct json name = json_get_lit(object, "name"), type = json_get_lit(object, "type");
    struct buf b;
    buf_init(&b, 65536);
    if (n->name == NULL && json_is(name, JSON_STRING)) {
        render_value(&b, name);
        set_text(&n->name, buf_str(&b));
        buf_clear(&b);
    }
    if (n->type[0] == '\0' && json_is(type, JSON_STRING)) {
        render_value(&b, type);
        str_copy(n->type, sizeof n->type, buf_str(&b));
    }
    buf_fini(&b);
}

/* --- events of a task ------------------------------------------------------------------------- */

static bool is_map(const struct tree_node *n)
{
    return strcmp(n->type, "map") == 0;
}

/* How many elements it has is not known before it runs, and no event tells. */
static bool is_uncounted_map(const struct tree_node *n)
{
    return is_map(n) && !n->is_counted && n->state == TASK_RUNNING;
}

/* What is around a task that is at work is at work itself: a composite that is tried again says so
 * by its children only. */
static void wake_parent(struct task_tree *t, struct tree_node *n)
{
    struct tree_node *up = n->parent;
    if (up == NULL || up->state == TASK_RUNNING || task_state_is_terminal(up->state))
        return;
    enter(up, TASK_RUNNING);
    set_note(up, STR_NONE, 0);
    t->wants_learning |= is_uncounted_map(up);
}

static void on_running(struct task_tree *t, struct tree_node *n, const struct event *e)
{
    wake_parent(t, n);
    enter(n, TASK_RUNNING);
    set_note(n, STR_NONE, 0);
    n->started_ms = e->at_ms;
    n->finished_ms = 0;
    t->wants_learning |= is_uncounted_map(n);
}

/* It is as if it had never begun. Of a map's elements not even that is known: the list may be
 * another one this time. As deep as the tree. */
static void begin_anew(struct task_tree *t, struct tree_node *n)
{
    if (is_map(n))
        drop_children(t, n);
    for (uint32_t i = 0; i < n->slots; i++) {
        struct tree_node *c = n->children[i];
        if (c == NULL)
            continue;
        enter(c, TASK_PENDING);
        c->started_ms = c->finished_ms = 0;
        set_note(c, STR_NONE, 0);
        begin_anew(t, c);
    }
}

static void on_retrying(struct task_tree *t, struct tree_node *n, const struct event *e)
{
    int64_t in_ms;
    enter(n, TASK_RETRYING);
    if (n->note == NULL)
        set_note(n, STR("tries again"), 0);
    if (json_int(json_get_lit(e->data, "retry_in_ms"), 0, INT64_MAX / 2, &in_ms) == OK &&
        e->at_ms > 0)
        n->until_ms = e->at_ms + in_ms;
    begin_anew(t, n);
}

static void on_blocked(struct task_tree *t, struct tree_node *n, const struct event *e)
{
    wake_parent(t, n);
    enter(n, TASK_BLOCKED);
    read_reason(json_get_lit(e->data, "reason"), &n->note, &n->until_ms);
}

static void on_end(struct task_tree *t, struct tree_node *n, const struct event *e)
{
    enum task_state state = n->state;
    struct str name = e->type;
    (void)t;
    str_cut(&name, '.');
    if (!task_state_parse(name, &state))
        return;
    enter(n, state);
    n->finished_ms = e->at_ms;
    set_note(n, STR_NONE, 0);
    read_error(n, json_get_lit(e->data, "error"));
    if (state == TASK_SKIPPED)
        read_reason(json_get_lit(e->data, "reason"), &n->note, &n->until_ms);
}

static void on_attempt(struct task_tree *t, struct tree_node *n, const struct event *e)
{
    (void)t;
    n->attempts = e->attempt;
    read_model(n, e->data);
    if (task_state_is_terminal(n->state))
        return;
    enter(n, TASK_RUNNING);
    set_note(n, STR_NONE, 0);
}

static void on_attempt_failed(struct task_tree *t, struct tree_node *n, const struct event *e)
{
    (void)t;
    if (!task_state_is_terminal(n->state))
        read_error(n, json_get_lit(e->data, "error"));
}

static void on_attempt_lost(struct task_tree *t, struct tree_node *n, const struct event *e)
{
    (void)t;
    (void)e;
    if (!task_state_is_terminal(n->state))
        set_note(n, STR("lost when the gateway stopped"), 0);
}

static const struct {
    const char *type;
    void (*on)(struct task_tree *t, struct tree_node *n, const struct event *e);
} task_events[] = {
    {"task.running", on_running},      {"task.retrying", on_retrying},
    {"task.blocked", on_blocked},      {"task.succeeded", on_end},
    {"task.failed", on_end},           {"task.cancelled", on_end},
    {"task.timed_out", on_end},        {"task.skipped", on_end},
    {"attempt.started", on_attempt},   {"attempt.failed", on_attempt_failed},
    {"attempt.lost", on_attempt_lost},
};

static void take_of_task(struct task_tree *t, const struct event *e)
{
    for (size_t i = 0; i < sizeof task_events / sizeof task_events[0]; i++) {
        if (!str_eq(e->type, str_of(task_events[i].type)))
            continue;
        struct tree_node *n = at_path(t, e->task);
        if (n == NULL) {
            t->lost++;
            return;
        }
        if (str_starts(e->type, STR("task.")))
            read_identity(n, e->data);
        n->is_told = true;
        task_events[i].on(t, n, e);
    }
}

/* --- events of the run ------------------------------------------------------------------------ */

static void take_of_run(struct task_tree *t, const struct event *e)
{
    if (str_eq(e->type, STR("run.waiting"))) {
        read_reason(json_get_lit(e->data, "reason"), &t->run_note, &t->run_until_ms);
    } else if (str_eq(e->type, STR("run.running")) || str_eq(e->type, STR("run.finished"))) {
        set_text(&t->run_note, STR_NONE);
        t->is_cancelled = false;
    } else if (str_eq(e->type, STR("run.cancelling"))) {
        read_reason(json_get_lit(e->data, "reason"), &t->run_note, &t->run_until_ms);
        t->is_cancelled = true;
    }
}

void task_tree_take(struct task_tree *t, const struct event *e)
{
    if (e->task.at != NULL)
        take_of_task(t, e);
    else
        take_of_run(t, e);
}

/* --- the whole tree --------------------------------------------------------------------------- */

static void learn_attempts(struct tree_node *n, struct json attempts)
{
    struct json last = JSON_NONE;
    for (struct json a = json_first(attempts); json_exists(a); a = json_next(attempts, a))
        last = a;
    if (json_int(json_get_lit(last, "number"), 0, INT64_MAX, &n->attempts) == OK)
        read_model(n, last);
}

static void learn_state(struct tree_node *n, struct json task)
{
    struct str raw = json_raw(json_get_lit(task, "state")); /* no state's name is escaped */
    enum task_state state;
    if (raw.len < 2 || !task_state_parse((struct str){raw.at + 1, raw.len - 2}, &state))
        return;
    enter(n, state);
    if (!render_read_time(json_get_lit(task, "started_at"), &n->started_ms))
        n->started_ms = 0;
    if (!render_read_time(json_get_lit(task, "finished_at"), &n->finished_ms))
        n->finished_ms = 0;
    read_reason(json_get_lit(task, "reason"), &n->note, &n->until_ms);
    read_error(n, json_get_lit(task, "error"));
    learn_attempts(n, json_get_lit(task, "attempts"));
}

/* Of a map that has not begun the elements are not known to the gateway either. */
static bool is_count_known(const struct tree_node *n, struct json task)
{
    return !is_map(n) || !json_string_is(json_get_lit(task, "state"), STR("pending"));
}

/* Its place among its siblings: the last part of its path. Those that never were are left out. */
static bool read_index(struct json task, uint32_t *ret_index)
{
    struct str raw = json_raw(json_get_lit(task, "path")), path;
    if (raw.len < 2)
        return false;
    path = (struct str){raw.at + 1, raw.len - 2};
    bool any = false;
    while (task_path_next(&path, ret_index))
        any = true;
    return any && path.len == 0;
}

/* As deep as the tree. */
static void learn(struct task_tree *t, struct tree_node *n, struct json task)
{
    struct json children = json_get_lit(task, "children");
    uint32_t index;
    read_identity(n, task);
    if (!n->is_told)
        learn_state(n, task);
    for (struct json c = json_first(children); json_exists(c); c = json_next(children, c)) {
        struct tree_node *below = read_index(c, &index) ? child(t, n, index) : NULL;
        if (below != NULL)
            learn(t, below, c);
        else
            t->lost++;
    }
    n->is_counted |= is_count_known(n, task);
    t->wants_learning |= is_uncounted_map(n);
}

void task_tree_learn(struct task_tree *t, struct json task)
{
    struct tree_node *n = root(t);
    if (n != NULL && json_is(task, JSON_OBJECT))
        learn(t, n, task);
}
