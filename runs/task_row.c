#include "runs/task_row.h"

#include <assert.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/attempt_view.h"
#include "model/run_record.h"
#include "model/stamp.h"
#include "model/task_path.h"
#include "runs/run.h"
#include "runs/shard.h"

enum { NOTE_BYTES = 4096 }; /* of arena, for a note that was written with escapes */

/* --- writing ---------------------------------------------------------------------------------- */

/* `word` needs no escapes. */
static void add_word(struct buf *b, struct str member, const char *word)
{
    buf_add_str(b, member);
    buf_add_char(b, '"');
    buf_add_str(b, str_of(word));
    buf_add_char(b, '"');
}

static void add_number(struct buf *b, struct str member, uint64_t value)
{
    buf_add_str(b, member);
    buf_add_u64(b, value);
}

static void add_shown(struct buf *b, const struct task *t)
{
    buf_add_lit(b, "\"name\":");
    json_add_string_or_null(b, t->spec != NULL ? t->spec->name : STR_NONE);
    add_word(b, STR(",\"type\":"), task_type_name(t->type));
    add_word(b, STR(",\"state\":"), task_state_name(t->state));
    buf_add_lit(b, ",\"reason\":");
    reason_write(b, task_reason(t));
    stamp_write_span(b, t->started_at_ms, t->finished_at_ms);
    buf_add_lit(b, ",\"error\":");
    json_add_or_null(b, t->error);
    buf_add_lit(b, ",\"usage\":");
    usage_write(b, &t->usage);
    buf_add_lit(b, ",\"attempts\":[");
    if (task_is_call(t))
        call_write_attempts(b, t);
    buf_add_char(b, ']');
    if (!task_is_child(t))
        return;
    buf_add_lit(b, ",\"child_run\":");
    child_write_id(b, t);
}

/* {"of","bodies","order","phase","outcome","stop","cut","copy","count","started","finished","note"?}
 */
static void add_own(struct buf *b, const struct task *t)
{
    add_number(b, STR(",\"own\":{\"of\":"), t->of);
    add_number(b, STR(",\"bodies\":"), t->bodies);
    add_number(b, STR(",\"order\":"), t->order);
    add_number(b, STR(",\"phase\":"), t->phase);
    add_number(b, STR(",\"outcome\":"), t->outcome);
    add_word(b, STR(",\"stop\":"), err_code(t->stop));
    add_number(b, STR(",\"cut\":"), t->is_cut);
    add_number(b, STR(",\"copy\":"), t->is_copy);
    add_number(b, STR(",\"count\":"), t->group.count);
    add_number(b, STR(",\"started\":"), (uint64_t)t->started_at_ms);
    add_number(b, STR(",\"finished\":"), (uint64_t)t->finished_at_ms);
    if (t->note != NULL) {
        buf_add_lit(b, ",\"note\":");
        json_add_string(b, str_of(t->note));
    }
    buf_add_char(b, '}');
}

enum err task_row_write(const struct task *t, struct arena *arena, struct store_task *ret_row)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    buf_add_char(&b, '{');
    add_shown(&b, t);
    add_own(&b, t);
    buf_add_char(&b, '}');
    *ret_row = (struct store_task){.output = STR_NONE};
    if (buf_ok(&b) == OK)
        ret_row->text = arena_str(arena, buf_str(&b));
    buf_fini(&b);
    ret_row->path = arena_str(arena, t->path);
    if (t->output.at != NULL)
        ret_row->output = arena_str(arena, t->output);
    bool fits = ret_row->text.at != NULL && ret_row->path.at != NULL &&
                (t->output.at == NULL || ret_row->output.at != NULL);
    return fits ? OK : ERR_NOMEM;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int64_t number(struct json object, const char *name)
{
    int64_t value = 0;
    return json_int(json_get(object, str_of(name)), 0, INT64_MAX, &value) == OK ? value : 0;
}

static enum err code_of(struct json code)
{
    struct str raw = json_raw(code);
    if (raw.len < 2)
        return OK;
    enum err e = err_from_code(raw.at + 1, raw.len - 2);
    return e == ERR_COUNT_ ? ERR_INTERNAL : e;
}

static void read_usage(struct task *t, struct json usage)
{
    t->usage = (struct usage){.calls = (uint64_t)number(usage, "calls"),
                              .attempts = (uint64_t)number(usage, "attempts"),
                              .input_tokens = (uint64_t)number(usage, "input_tokens"),
                              .output_tokens = (uint64_t)number(usage, "output_tokens")};
}

static void read_own(struct task *t, struct json own)
{
    t->of = (uint32_t)number(own, "of");
    t->bodies = (uint32_t)number(own, "bodies");
    t->order = (uint64_t)number(own, "order");
    t->phase = (enum task_phase)number(own, "phase");
    t->outcome = (enum task_state)number(own, "outcome");
    t->stop = code_of(json_get_lit(own, "stop"));
    t->is_cut = number(own, "cut") != 0;
    t->is_copy = number(own, "copy") != 0;
    t->started_at_ms = number(own, "started");
    t->finished_at_ms = number(own, "finished");
}

static bool keep(struct str text, struct str *ret)
{
    char *copy = mem_strdup(text);
    *ret = (struct str){copy, copy != NULL ? text.len : 0};
    return copy != NULL;
}

static enum err read_note(struct task *t, struct json note)
{
    struct arena arena;
    struct str text;
    if (!json_exists(note))
        return OK;
    arena_init(&arena, NOTE_BYTES);
    if (json_string(note, &arena, &text))
        t->note = mem_strdup(text);
    arena_fini(&arena);
    return t->note != NULL ? OK : ERR_NOMEM;
}

static enum err take_output(struct task *t, struct str output)
{
    if (output.at != NULL && !keep(output, &t->output))
        return ERR_NOMEM;
    tree_hold(t->run, t->output.len);
    return OK;
}

static enum err read_outcome(struct task *t, struct json error, struct str output)
{
    if (json_is(error, JSON_OBJECT)) {
        t->code = code_of(json_get_lit(error, "code"));
        if (!keep(json_raw(error), &t->error))
            return ERR_NOMEM;
    }
    tree_hold(t->run, t->error.len);
    return take_output(t, output);
}

static bool parse_state(struct json state, enum task_state *ret)
{
    struct str raw = json_raw(state);
    return raw.len > 2 && task_state_parse((struct str){raw.at + 1, raw.len - 2}, ret);
}

/* The row is of an earlier try of what is around it: nothing of it counts but what was used. */
static bool is_stale(const struct task *t)
{
    return t->parent != NULL && (t->parent->phase == PHASE_PENDING || t->of != t->parent->bodies);
}

/* `attempts` is read last: the tape is used anew for it. */
static void read_attempts(struct task *t, struct str attempts, bool *ret_was_running)
{
    *ret_was_running = false;
    if (task_is_call(t))
        call_reopen(t, attempts, ret_was_running);
}

enum err task_row_read(struct task *t, const struct store_task *row, bool *ret_was_running)
{
    struct json_doc *doc = &t->run->shard->scratch;
    enum err e = json_parse(doc, row->text, NULL);
    if (e != OK)
        return e;
    struct json root = json_root(doc), own = json_get_lit(root, "own");
    struct json attempts = json_get_lit(root, "attempts");
    read_own(t, own);
    if (task_is_child(t))
        child_reopen(t, json_get_lit(root, "child_run"));
    read_usage(t, json_get_lit(root, "usage"));
    uint32_t count = (uint32_t)number(own, "count");
    if (task_is_group(t) && !group_reserve(t, count))
        return ERR_NOMEM;
    if (is_stale(t)) {
        t->phase = PHASE_PENDING;
        t->stop = OK;
        t->is_cut = false;
        t->started_at_ms = t->finished_at_ms = 0;
        read_attempts(t, json_raw(attempts), ret_was_running);
        *ret_was_running = false;
        return t->is_copy ? take_output(t, row->output) : OK;
    }
    if (!parse_state(json_get_lit(root, "state"), &t->state))
        return ERR_INVALID_JSON;
    struct reason reason;
    reason_read(&reason, json_raw(json_get_lit(root, "reason")));
    if (t->order > t->run->tree.ends)
        t->run->tree.ends = t->order;
    if (reason.code != REASON_NONE)
        e = task_set_reason(t, &reason);
    if (e == OK)
        e = read_outcome(t, json_get_lit(root, "error"), row->output);
    if (e == OK)
        e = read_note(t, json_get_lit(own, "note"));
    read_attempts(t, json_raw(attempts), ret_was_running);
    return e;
}

enum err task_row_copy(struct task *t, const struct store_task *row)
{
    bool was_running;
    enum err e = task_row_read(t, row, &was_running);
    if (e != OK)
        return e;
    assert(t->phase == PHASE_PENDING); /* what is above it has not begun */
    t->is_copy = true;
    tree_changed(t);
    return t->output.at != NULL ? OK : take_output(t, row->output);
}

/* --- showing ---------------------------------------------------------------------------------- */

int task_row_order(const void *a, const void *b)
{
    struct str x = ((const struct store_task *)a)->path, y = ((const struct store_task *)b)->path;
    uint32_t i, j;
    for (;;) {
        bool has_x = task_path_next(&x, &i), has_y = task_path_next(&y, &j);
        if (!has_x || !has_y)
            return has_x - has_y;
        if (i != j)
            return i < j ? -1 : 1;
    }
}

struct task_row_facts task_row_facts(const struct store_task *row, struct json_doc *scratch)
{
    struct task_row_facts facts = {.state = TASK_PENDING};
    if (json_parse(scratch, row->text, NULL) != OK)
        return facts;
    struct json root = json_root(scratch);
    IGNORE_RESULT(!parse_state(json_get_lit(root, "state"), &facts.state)); /* pending */
    facts.count = (uint32_t)number(json_get_lit(root, "own"), "count");
    return facts;
}

static void add_output(struct buf *b, const struct store_task *row,
                       const struct task_row_view *view)
{
    char suffix[512] = "/output"; /* a path is shorter: as deep as a tree can be, and more */
    if (row->path.len > 0)
        snprintf(suffix, sizeof suffix, "/tasks/%.*s", STR_ARG(row->path));
    buf_add_lit(b, "\"output\":");
    if (view->is_brief)
        run_record_write_value(b, row->output, view->run, suffix, view->base_path);
    else
        json_add_or_null(b, row->output);
}

bool task_row_show(struct buf *b, const struct store_task *row, const struct task_row_view *view,
                   struct json_doc *scratch)
{
    if (json_parse(scratch, row->text, NULL) != OK)
        return false;
    struct json root = json_root(scratch);
    buf_add_lit(b, "\"path\":\"");
    buf_add_str(b, row->path);
    buf_add_char(b, '"');
    for (struct json_member m = json_first_member(root); json_exists(m.value);
         m = json_next_member(root, m)) {
        if (json_string_is(m.name, STR("own")))
            continue;
        if (json_string_is(m.name, STR("error"))) {
            buf_add_char(b, ',');
            add_output(b, row, view);
        }
        json_add_name(b, m.name);
        if (json_string_is(m.name, STR("attempts")))
            attempts_show(b, m.value);
        else
            buf_add_str(b, json_raw(m.value));
    }
    return true;
}
