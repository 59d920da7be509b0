/* sluice show: one run, in full. */
#include "base/clock.h"
#include "cli/render.h"
#include "cli/result.h"
#include "cli/table.h"
#include "cli/tree_lines.h"

static const struct option_spec options[] = {
    {"json", OPTION_JSON, OPTION_FLAG, NULL, "print the run as JSON", NULL},
    {.name = NULL},
};

static const char *const headers[] = {"ATTEMPT",     "TASK",      "PROVIDER", "MODEL", "STATE",
                                      ">FIRST BYTE", ">DURATION", "ERROR",    NULL};

struct page {
    struct session *session;
    struct json run;
    struct buf text;
};

/* --- lines ------------------------------------------------------------------------------------ */

static void add_label(struct page *p, const char *label)
{
    buf_addf(&p->text, "  %-10s", label);
}

static void add_value(struct page *p, const char *label, struct json v)
{
    struct buf value;
    if (!json_exists(v) || json_is(v, JSON_NULL))
        return;
    buf_init(&value, SIZE_MAX);
    render_value(&value, v);
    add_label(p, label);
    render_line(&p->text, buf_str(&value)); /* it is one line, whatever is in it */
    buf_add_char(&p->text, '\n');
    buf_fini(&value);
}

/* The time, and how long after another one it was. */
static void add_time(struct page *p, const char *label, const char *name, const char *since,
                     const char *word)
{
    int64_t at_ms, since_ms;
    if (!render_read_time(json_get(p->run, str_of(name)), &at_ms))
        return;
    add_label(p, label);
    render_time(&p->text, at_ms);
    if (since != NULL && render_read_time(json_get(p->run, str_of(since)), &since_ms)) {
        buf_addf(&p->text, " (%s ", word);
        render_duration(&p->text, at_ms - since_ms);
        buf_add_char(&p->text, ')');
    }
    buf_add_char(&p->text, '\n');
}

static void add_reason(struct page *p)
{
    struct json reason = json_get_lit(p->run, "reason");
    int64_t since_ms;
    if (!json_is(reason, JSON_OBJECT))
        return;
    if (!render_read_time(json_get_lit(reason, "since"), &since_ms))
        since_ms = 0;
    add_label(p, "reason");
    render_reason(&p->text, reason, since_ms);
    buf_add_char(&p->text, '\n');
    add_value(p, "", json_get_lit(reason, "message"));
}

static void add_usage(struct page *p)
{
    static const struct {
        const char *name, *words;
    } parts[] = {{"calls", "calls"},
                 {"attempts", "attempts"},
                 {"input_tokens", "tokens in"},
                 {"output_tokens", "out"}};
    struct json usage = json_get_lit(p->run, "usage");
    const char *mark = "";
    if (!json_is(usage, JSON_OBJECT))
        return;
    add_label(p, "usage");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct json v = json_get(usage, str_of(parts[i].name));
        if (!json_exists(v))
            continue;
        buf_addf(&p->text, "%s%s ", mark, parts[i].words);
        render_value(&p->text, v);
        mark = ", ";
    }
    buf_add_char(&p->text, '\n');
}

static void add_metadata(struct page *p)
{
    struct json metadata = json_get_lit(p->run, "metadata");
    if (json_count(metadata) > 0)
        add_value(p, "metadata", metadata);
}

static void add_summary(struct page *p)
{
    struct json run = p->run;
    render_value(&p->text, json_get_lit(run, "id"));
    buf_add_char(&p->text, '\n');
    add_value(p, "state", json_get_lit(run, "state"));
    add_reason(p);
    add_value(p, "agent", json_get_lit(run, "agent"));
    add_value(p, "workflow", json_get_lit(run, "workflow"));
    add_value(p, "name", json_get_lit(run, "name"));
    add_value(p, "retry of", json_get_lit(run, "retry_of"));
    add_value(p, "parent", json_get_lit(json_get_lit(run, "parent"), "run_id"));
    add_metadata(p);
    add_time(p, "created", "created_at", NULL, NULL);
    add_time(p, "started", "started_at", "created_at", "after");
    add_time(p, "finished", "finished_at", "created_at", "took");
    add_usage(p);
}

/* --- attempts --------------------------------------------------------------------------------- */

static void add_cell(struct table *t, struct json v)
{
    struct buf cell;
    buf_init(&cell, SIZE_MAX);
    if (!json_is(v, JSON_NULL))
        render_value(&cell, v);
    table_cell(t, buf_str(&cell));
    buf_fini(&cell);
}

static void add_duration_cell(struct table *t, bool is_known, int64_t ms)
{
    struct buf cell;
    buf_init(&cell, 64);
    if (is_known)
        render_duration(&cell, ms);
    table_cell(t, buf_str(&cell));
    buf_fini(&cell);
}

static void add_attempt(struct table *t, struct json task, struct json attempt)
{
    struct json path = json_get_lit(task, "path");
    int64_t first_ms = 0, started_ms = 0, finished_ms = 0;
    bool has_first =
        json_int(json_get_lit(attempt, "first_byte_ms"), 0, INT64_MAX, &first_ms) == OK;
    bool has_times = render_read_time(json_get_lit(attempt, "started_at"), &started_ms) &&
                     render_read_time(json_get_lit(attempt, "finished_at"), &finished_ms);
    add_cell(t, json_get_lit(attempt, "number"));
    if (json_string_is(path, STR("")))
        table_cell(t, STR("root"));
    else
        add_cell(t, path);
    add_cell(t, json_get_lit(attempt, "provider"));
    add_cell(t, json_get_lit(attempt, "model"));
    add_cell(t, json_get_lit(attempt, "state"));
    add_duration_cell(t, has_first, first_ms);
    add_duration_cell(t, has_times, finished_ms - started_ms);
    add_cell(t, json_get_lit(json_get_lit(attempt, "error"), "code"));
}

/* As deep as the parser lets a document be. */
static void add_attempts(struct table *t, struct json task)
{
    struct json attempts = json_get_lit(task, "attempts"),
                children = json_get_lit(task, "children");
    for (struct json a = json_first(attempts); json_exists(a); a = json_next(attempts, a))
        add_attempt(t, task, a);
    for (struct json c = json_first(children); json_exists(c); c = json_next(children, c))
        add_attempts(t, c);
}

static void add_attempts_table(struct page *p, struct json root)
{
    struct table t;
    table_init(&t, headers);
    add_attempts(&t, root);
    if (t.cell_count > 0) {
        buf_add_char(&p->text, '\n');
        table_print(&t, p->session->screen.width, &p->text);
    }
    table_fini(&t);
}

/* --- the tree --------------------------------------------------------------------------------- */

/* As "sluice run" shows it, but all of it. */
static void add_tree(struct page *p, struct json root)
{
    struct tree_look look = {.width = p->session->screen.width, .now_ms = clock_wall_ms(NULL)};
    struct task_tree tree;
    struct lines lines;
    enum tone tone;
    struct str text;
    task_tree_init(&tree);
    lines_init(&lines);
    task_tree_learn(&tree, root);
    if (task_tree_is_composite(&tree))
        tree_lines_write(&tree, &look, &lines);
    p->text.failed |= lines.text.failed;
    struct str rest = buf_str(&lines.text);
    if (rest.len > 0)
        buf_add_lit(&p->text, "\n");
    while (lines_next(&rest, &tone, &text)) {
        buf_add_str(&p->text, text);
        buf_add_char(&p->text, '\n');
    }
    lines_fini(&lines);
    task_tree_fini(&tree);
}

/* --- the page --------------------------------------------------------------------------------- */

static int print_page(struct page *p)
{
    struct session *s = p->session;
    int code = CLI_SUCCEEDED;
    struct json error = json_get_lit(p->run, "error"), output = json_get_lit(p->run, "output");
    if (json_is(error, JSON_OBJECT))
        buf_add_lit(&p->text, "\nerror\n");
    result_add_error(&p->text, error);
    session_print(s, &p->text);
    if (json_exists(output) && !json_is(output, JSON_NULL)) {
        screen_out(&s->screen, STR("\noutput\n"));
        if (!result_print_output(s, p->run, &code))
            return code;
    }
    return session_end(s, CLI_SUCCEEDED);
}

static int show(struct session *s, const char *run_id, struct json run)
{
    struct page p = {.session = s, .run = run};
    struct document tasks;
    struct buf path;
    int code = CLI_FAILED;
    buf_init(&p.text, SIZE_MAX);
    add_summary(&p);
    session_run_path(&path, run_id, "/tasks");
    if (buf_ok(&path) == OK && session_get(s, path.data, &tasks, &code)) {
        add_tree(&p, document_root(&tasks));
        add_attempts_table(&p, document_root(&tasks));
        document_fini(&tasks);
        code = print_page(&p);
    }
    buf_fini(&path);
    buf_fini(&p.text);
    return code;
}

static int fetch(struct session *s, const struct options *o)
{
    struct document d;
    struct buf path;
    int code = CLI_FAILED;
    session_run_path(&path, o->arguments[0], "");
    bool fine = buf_ok(&path) == OK && session_get(s, path.data, &d, &code);
    buf_fini(&path);
    if (!fine)
        return code;
    if (o->given[OPTION_JSON]) {
        session_print_json(s, document_root(&d));
        code = session_end(s, CLI_SUCCEEDED);
    } else {
        code = show(s, o->arguments[0], document_root(&d));
    }
    document_fini(&d);
    return code;
}

static int run(const struct options *o)
{
    return session_run_on_id(o, fetch);
}

const struct command command_show = {
    .name = "show",
    .arguments = "ID",
    .summary = "show a run: its state, tasks, attempts, output or error",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .asks_server = true,
    .run = run,
};
