/* sluice agents, sluice providers: what the gateway is configured with, and how it does. */
#include "cli/render.h"
#include "cli/session.h"
#include "cli/table.h"

static const struct option_spec options[] = {
    {"json", OPTION_JSON, OPTION_FLAG, NULL, "print them as JSON, one a line", NULL},
    {.name = NULL},
};

struct column {
    const char *header;  /* as table.h has it */
    const char *pointer; /* of the value within an item */
};

struct listing {
    const char *path;
    struct column columns[TABLE_MAX_COLUMNS];
};

static const struct listing agents = {
    .path = "/v1/agents",
    .columns = {{"NAME", "/name"},
                {"MODEL", "/model"},
                {"SOURCE", "/source"},
                {"DESCRIPTION", "/description"}},
};

static const struct listing providers = {
    .path = "/v1/providers",
    .columns = {{"NAME", "/name"},
                {"KIND", "/kind"},
                {"BREAKER", "/breaker/state"},
                {">BUSY", "/slots/borrowed"},
                {">SLOTS", "/slots/total"},
                {">WAITING", "/slots/waiting"},
                {">CALLS", "/counts/calls"},
                {">FAILED", "/counts/failed"},
                {">P50 MS", "/latency/p50_ms"},
                {">P99 MS", "/latency/p99_ms"}},
};

/* A list (the models to fall back through) is shown with commas. */
static void render_cell(struct buf *b, struct json v)
{
    const char *mark = "";
    if (json_is(v, JSON_NULL))
        return;
    if (!json_is(v, JSON_ARRAY))
        render_value(b, v);
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
        buf_add_str(b, str_of(mark));
        render_value(b, e);
        mark = ", ";
    }
}

static void add_row(struct table *t, const struct listing *l, struct json item)
{
    struct buf cell;
    buf_init(&cell, SIZE_MAX);
    for (uint32_t i = 0; i < t->columns; i++) {
        render_cell(&cell, json_pointer(item, str_of(l->columns[i].pointer)));
        table_cell(t, buf_str(&cell));
        buf_clear(&cell);
    }
    buf_fini(&cell);
}

static void print_table(struct session *s, const struct listing *l, struct json items)
{
    const char *headers[TABLE_MAX_COLUMNS + 1] = {NULL};
    struct table t;
    struct buf text;
    for (size_t i = 0; i < TABLE_MAX_COLUMNS; i++)
        headers[i] = l->columns[i].header;
    table_init(&t, headers);
    buf_init(&text, SIZE_MAX);
    for (struct json item = json_first(items); json_exists(item); item = json_next(items, item))
        add_row(&t, l, item);
    table_print(&t, s->screen.width, &text);
    session_print(s, &text);
    buf_fini(&text);
    table_fini(&t);
}

static void print_lines(struct session *s, struct json items)
{
    for (struct json item = json_first(items); json_exists(item); item = json_next(items, item))
        session_print_json(s, item);
}

static int list(struct session *s, const struct options *o, const struct listing *l)
{
    struct document d;
    int code;
    if (!session_get(s, l->path, &d, &code))
        return code;
    struct json items = json_get_lit(document_root(&d), "data");
    if (o->given[OPTION_JSON])
        print_lines(s, items);
    else
        print_table(s, l, items);
    document_fini(&d);
    return session_end(s, CLI_SUCCEEDED);
}

static int list_agents(struct session *s, const struct options *o)
{
    return list(s, o, &agents);
}

static int run_agents(const struct options *o)
{
    return session_run(o, list_agents);
}

static int list_providers(struct session *s, const struct options *o)
{
    return list(s, o, &providers);
}

static int run_providers(const struct options *o)
{
    return session_run(o, list_providers);
}

const struct command command_agents = {
    .name = "agents",
    .arguments = "",
    .summary = "list agents",
    .options = options,
    .asks_server = true,
    .run = run_agents,
};

const struct command command_providers = {
    .name = "providers",
    .arguments = "",
    .summary = "list providers: breaker, slots, calls, latency",
    .options = options,
    .asks_server = true,
    .run = run_providers,
};
