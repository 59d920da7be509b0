/* sluice ls: the newest runs, a line each. */
#include "base/clock.h"
#include "cli/render.h"
#include "cli/session.h"
#include "cli/table.h"
#include "net/http.h"

enum { USUAL_LIMIT = 20, PAGE = 200 /* the most that the API gives at once */, URL_BYTES = 65536 };

const char command_states[] =
    "queued running waiting cancelling succeeded failed cancelled timed_out";

static const struct option_spec options[] = {
    {"state", OPTION_STATE, OPTION_TEXT, "S", "only runs in this state", command_states},
    {"agent", OPTION_AGENT, OPTION_TEXT, "A", "only runs of this agent", NULL},
    {"limit", OPTION_LIMIT, OPTION_NUMBER, "N", "at most so many (default 20)", NULL},
    {"json", OPTION_JSON, OPTION_FLAG, NULL, "print the runs as JSON, one a line", NULL},
    {.name = NULL},
};

static const char *const headers[] = {"ID",        "STATE",  "AGENT", "CREATED",
                                      ">DURATION", "REASON", NULL};

struct list {
    struct session *session;
    const struct options *options;
    uint64_t left; /* runs that are still wanted */
    struct buf cursor;
    struct table table;
    int64_t now_ms;
};

/* --- a row ------------------------------------------------------------------------------------ */

static void add_cell(struct list *l, struct buf *cell)
{
    table_cell(&l->table, buf_str(cell));
    buf_clear(cell);
}

static void render_target(struct buf *b, struct json run)
{
    struct json agent = json_get_lit(run, "agent"), workflow = json_get_lit(run, "workflow");
    if (json_is(agent, JSON_STRING))
        render_value(b, agent);
    else if (json_is(workflow, JSON_STRING))
        render_value(b, workflow);
    else
        buf_add_lit(b, "(task)");
}

/* Up to now where it has not ended, by this machine's clock. */
static void render_age(struct buf *b, const struct list *l, struct json run, int64_t created_ms)
{
    int64_t end_ms;
    if (!render_read_time(json_get_lit(run, "finished_at"), &end_ms))
        end_ms = l->now_ms;
    render_duration(b, end_ms - created_ms);
}

static void render_why(struct buf *b, struct json run)
{
    struct json error = json_get_lit(run, "error"), code = json_get_lit(error, "code");
    if (json_string_is(code, STR("cancelled"))) /* as its state says already */
        render_value(b, json_get_lit(error, "message"));
    else if (json_exists(code))
        render_value(b, code);
    else
        render_reason(b, json_get_lit(run, "reason"), 0);
}

static void add_row(struct list *l, struct json run)
{
    struct buf cell;
    int64_t created_ms;
    bool has_time = render_read_time(json_get_lit(run, "created_at"), &created_ms);
    buf_init(&cell, SIZE_MAX);
    render_value(&cell, json_get_lit(run, "id"));
    add_cell(l, &cell);
    render_value(&cell, json_get_lit(run, "state"));
    add_cell(l, &cell);
    render_target(&cell, run);
    add_cell(l, &cell);
    if (has_time)
        render_time(&cell, created_ms);
    add_cell(l, &cell);
    if (has_time)
        render_age(&cell, l, run, created_ms);
    add_cell(l, &cell);
    render_why(&cell, run);
    add_cell(l, &cell);
    buf_fini(&cell);
}

/* --- pages ------------------------------------------------------------------------------------ */

static void add_query(struct buf *url, const char *name, struct str value)
{
    if (value.len == 0)
        return;
    buf_addf(url, "&%s=", name);
    http_add_encoded(url, value);
}

static void make_url(const struct list *l, struct buf *url)
{
    buf_init(url, URL_BYTES);
    buf_addf(url, "/v1/runs?limit=%llu", (unsigned long long)(l->left < PAGE ? l->left : PAGE));
    add_query(url, "state", str_of(l->options->text[OPTION_STATE]));
    add_query(url, "agent", str_of(l->options->text[OPTION_AGENT]));
    add_query(url, "cursor", buf_str(&l->cursor));
    buf_add_char(url, '\0');
}

static void take_page(struct list *l, struct json page)
{
    struct json runs = json_get_lit(page, "data"), next = json_get_lit(page, "next_cursor");
    for (struct json r = json_first(runs); json_exists(r) && l->left > 0; r = json_next(runs, r)) {
        if (l->options->given[OPTION_JSON])
            session_print_json(l->session, r);
        else
            add_row(l, r);
        l->left--;
    }
    buf_clear(&l->cursor);
    if (json_is(next, JSON_STRING))
        render_value(&l->cursor, next);
    else
        l->left = 0;
}

static bool fetch_page(struct list *l, int *ret_exit)
{
    struct buf url;
    struct document d;
    make_url(l, &url);
    *ret_exit = CLI_FAILED;
    bool fine = buf_ok(&url) == OK && session_get(l->session, url.data, &d, ret_exit);
    buf_fini(&url);
    if (!fine)
        return false;
    take_page(l, document_root(&d));
    document_fini(&d);
    return true;
}

static int list(struct session *s, const struct options *o)
{
    struct list l = {.session = s, .options = o, .now_ms = clock_wall_ms(NULL)};
    struct buf text;
    int code = CLI_SUCCEEDED;
    l.left = o->given[OPTION_LIMIT] ? o->number[OPTION_LIMIT] : USUAL_LIMIT;
    buf_init(&l.cursor, URL_BYTES);
    buf_init(&text, SIZE_MAX);
    table_init(&l.table, headers);
    bool fine = true;
    while (fine && l.left > 0)
        fine = fetch_page(&l, &code);
    if (fine && !o->given[OPTION_JSON]) {
        table_print(&l.table, s->screen.width, &text);
        session_print(s, &text);
    }
    table_fini(&l.table);
    buf_fini(&text);
    buf_fini(&l.cursor);
    return fine ? session_end(s, CLI_SUCCEEDED) : code;
}

static int run(const struct options *o)
{
    return session_run(o, list);
}

const struct command command_ls = {
    .name = "ls",
    .arguments = "",
    .summary = "list runs, newest first",
    .options = options,
    .asks_server = true,
    .run = run,
};
