/* sluice agents, sluice workflows: lists, shows, puts and removes them. */
#include "cli/body.h"
#include "cli/listing.h"
#include "cli/render.h"

enum { LIMIT_MS = 60000, PATH_BYTES = 65536 };

static const struct option_spec options[] = {
    {"json", OPTION_JSON, OPTION_FLAG, NULL, "print them as JSON, one a line", NULL},
    {"if-match", OPTION_IF_MATCH, OPTION_NUMBER, "VERSION",
     "put, rm: only where that is the version that is there", NULL},
    {.name = NULL},
};

static const char arguments[] = "[ls | show NAME | put [NAME] FILE | rm NAME]";
static const char notes[] =
    "\"ls\" is what it does without a word. FILE holds the document as JSON, \"-\" is standard input;\n"
    "its name is NAME, or the document's own. To put and to remove needs a key with the scope admin;\n"
    "what the gateway's configuration has cannot be changed (exit code 2).";

/* Members of a task that hold values, not tasks. */
static bool holds_values(struct json name)
{
    static const char *const names[] = {"input", "over", "params", "request", "value"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_string_is(name, str_of(names[i])))
            return true;
    }
    return false;
}

/* How many tasks were written in it. As deep as the parser lets a document be. */
static uint32_t count_tasks(struct json v)
{
    uint32_t n = json_is(json_get_lit(v, "type"), JSON_STRING) ? 1 : 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e))
        n += count_tasks(e);
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m))
        n += holds_values(m.name) ? 0 : count_tasks(m.value);
    return n;
}

static void write_tasks(struct buf *b, struct json item)
{
    buf_add_u64(b, count_tasks(json_get_lit(item, "task")));
}

static const struct listing agents = {
    .path = "/v1/agents",
    .columns = {{"NAME", "/name", NULL},
                {"MODEL", "/model", NULL},
                {">VERSION", "/version", NULL},
                {"SOURCE", "/source", NULL},
                {"DESCRIPTION", "/description", NULL}},
};

static const struct listing workflows = {
    .path = "/v1/workflows",
    .columns = {{"NAME", "/name", NULL},
                {">VERSION", "/version", NULL},
                {">TASKS", NULL, write_tasks},
                {"SOURCE", "/source", NULL},
                {"DESCRIPTION", "/description", NULL}},
};

/* What one command line asks for. */
struct act {
    const struct listing *listing;
    const struct options *options;
    const char *name; /* NULL: not told */
    struct body body; /* of put */
    struct buf path;
};

/* --- one of them ------------------------------------------------------------------------------ */

static enum err make_path(struct act *a, struct str name, struct error *ret_error)
{
    if (!str_is_name(name))
        return error_set(ret_error, ERR_INVALID_REQUEST,
                         "\"%.*s\" is no name: 1 to 64 letters, digits, _ and -", STR_ARG(name));
    buf_addf(&a->path, "%s/%.*s", a->listing->path, STR_ARG(name));
    buf_add_char(&a->path, '\0');
    return buf_ok(&a->path) == OK ? OK : error_set(ret_error, ERR_NOMEM, "out of memory");
}

static struct client_request request_of(const struct act *a, const char *method)
{
    return (struct client_request){.method = method,
                                   .path = a->path.data,
                                   .has_if_match = a->options->given[OPTION_IF_MATCH],
                                   .if_match = a->options->number[OPTION_IF_MATCH],
                                   .limit_ms = LIMIT_MS};
}

static int show(struct session *s, struct act *a)
{
    struct document d;
    struct error error;
    int code;
    enum err e = make_path(a, str_of(a->name), &error);
    if (e != OK)
        return session_fail(s, e, &error);
    if (!session_get(s, a->path.data, &d, &code))
        return code;
    session_print_json(s, document_root(&d));
    document_fini(&d);
    return session_end(s, CLI_SUCCEEDED);
}

static int drop(struct session *s, struct act *a)
{
    struct error error;
    int code;
    enum err e = make_path(a, str_of(a->name), &error);
    if (e != OK)
        return session_fail(s, e, &error);
    struct client_request request = request_of(a, "DELETE");
    return session_order(s, &request, &code) ? CLI_SUCCEEDED : code;
}

/* --- put -------------------------------------------------------------------------------------- */

/* The path from the command line's name, or from the document's. */
static enum err name_it(struct act *a, struct error *ret_error)
{
    struct json_doc doc;
    struct buf name;
    if (a->name != NULL)
        return make_path(a, str_of(a->name), ret_error);
    json_doc_init(&doc);
    buf_init(&name, PATH_BYTES);
    enum err e = json_parse(&doc, buf_str(&a->body.text), NULL);
    struct json told = e == OK ? json_get_lit(json_root(&doc), "name") : JSON_NONE;
    if (e != OK)
        e = error_set(ret_error, e, "out of memory");
    else if (!json_is(told, JSON_STRING))
        e = error_set(ret_error, ERR_INVALID_REQUEST, "the document has no name: put NAME FILE");
    if (e == OK) {
        render_value(&name, told);
        e = make_path(a, name.len > 0 ? buf_str(&name) : STR(""), ret_error);
    }
    buf_fini(&name);
    json_doc_fini(&doc);
    return e;
}

/* "writer version 3" */
static int print_version(struct session *s, struct json item)
{
    struct buf line;
    buf_init(&line, PATH_BYTES);
    render_value(&line, json_get_lit(item, "name"));
    buf_add_lit(&line, " version ");
    render_value(&line, json_get_lit(item, "version"));
    buf_add_char(&line, '\n');
    session_print(s, &line);
    buf_fini(&line);
    return session_end(s, CLI_SUCCEEDED);
}

static int put_file(struct session *s, struct act *a, const char *path)
{
    struct document d;
    struct error error;
    int code;
    enum err e = body_load_file(&a->body, path, &error);
    if (e == OK)
        e = name_it(a, &error);
    if (e != OK)
        return session_fail(s, e, &error);
    struct client_request request = request_of(a, "PUT");
    request.body = buf_str(&a->body.text);
    if (!session_ask(s, &request, &d, &code))
        return code;
    code = print_version(s, document_root(&d));
    document_fini(&d);
    return code;
}

/* `put FILE` or `put NAME FILE`. */
static int put(struct session *s, struct act *a)
{
    bool is_named = a->options->argument_count == 3;
    if (!is_named)
        a->name = NULL;
    return put_file(s, a, a->options->arguments[is_named ? 2 : 1]);
}

/* --- which ------------------------------------------------------------------------------------ */

static int list(struct session *s, struct act *a)
{
    return listing_show(s, a->options, a->listing);
}

static const struct action {
    const char *word;
    uint32_t min_arguments, max_arguments; /* behind the word */
    int (*act)(struct session *s, struct act *a);
} actions[] = {{"ls", 0, 0, list}, {"show", 1, 1, show}, {"put", 1, 2, put}, {"rm", 1, 1, drop}};

static const struct action *find_action(const struct options *o)
{
    const char *word = o->argument_count > 0 ? o->arguments[0] : "ls";
    uint32_t behind = o->argument_count > 0 ? o->argument_count - 1 : 0;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        const struct action *a = &actions[i];
        if (strcmp(word, a->word) == 0 && behind >= a->min_arguments && behind <= a->max_arguments)
            return a;
    }
    return NULL;
}

static int act_on(struct session *s, const struct options *o, const struct listing *listing)
{
    const struct action *action = find_action(o);
    struct error error;
    if (action == NULL)
        return session_fail(s, error_set(&error, ERR_INVALID_REQUEST, "it wants %s", arguments),
                            &error);
    struct act a = {
        .listing = listing, .options = o, .name = o->argument_count > 1 ? o->arguments[1] : NULL};
    body_init(&a.body);
    buf_init(&a.path, PATH_BYTES);
    int code = action->act(s, &a);
    buf_fini(&a.path);
    body_fini(&a.body);
    return code;
}

static int act_on_agents(struct session *s, const struct options *o)
{
    return act_on(s, o, &agents);
}

static int run_agents(const struct options *o)
{
    return session_run(o, act_on_agents);
}

static int act_on_workflows(struct session *s, const struct options *o)
{
    return act_on(s, o, &workflows);
}

static int run_workflows(const struct options *o)
{
    return session_run(o, act_on_workflows);
}

const struct command command_agents = {
    .name = "agents",
    .arguments = arguments,
    .actions = "ls show put rm",
    .summary = "list agents, show, put or remove one",
    .notes = notes,
    .options = options,
    .max_arguments = 3,
    .asks_server = true,
    .run = run_agents,
};

const struct command command_workflows = {
    .name = "workflows",
    .arguments = arguments,
    .actions = "ls show put rm",
    .summary = "list workflows, show, put or remove one",
    .notes = notes,
    .options = options,
    .max_arguments = 3,
    .asks_server = true,
    .run = run_workflows,
};
