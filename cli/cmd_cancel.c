/* sluice cancel: stops a run and prints the state that it is in then. */
#include "cli/body.h"
#include "cli/render.h"
#include "cli/result.h"

enum { WAIT_S = 30, LIMIT_MS = WAIT_S * 1000 + 30000 };

static const struct option_spec options[] = {
    {"reason", OPTION_REASON, OPTION_TEXT, "TEXT", "why, for whoever looks at the run", NULL},
    {"wait", OPTION_WAIT, OPTION_FLAG, NULL, "wait until it has stopped", NULL},
    {.name = NULL},
};

static int print_state(struct session *s, struct json run)
{
    struct buf line;
    buf_init(&line, 4096);
    render_value(&line, json_get_lit(run, "id"));
    buf_add_char(&line, ' ');
    render_value(&line, json_get_lit(run, "state"));
    buf_add_char(&line, '\n');
    session_print(s, &line);
    buf_fini(&line);
    return session_end(s, CLI_SUCCEEDED);
}

/* With --wait the same request is made until it says that the run has stopped: asking again changes
 * nothing. */
static int ask(struct session *s, const struct options *o, struct client_request *request)
{
    struct document d;
    int code = CLI_SUCCEEDED;
    bool is_over = false;
    while (!is_over) {
        if (!session_ask(s, request, &d, &code))
            return code;
        is_over = !o->given[OPTION_WAIT] || result_is_final(document_root(&d));
        if (is_over)
            code = print_state(s, document_root(&d));
        document_fini(&d);
    }
    return code;
}

static int cancel(struct session *s, const struct options *o)
{
    struct client_request request = {.method = "POST", .limit_ms = LIMIT_MS};
    struct body body;
    struct buf path;
    struct error error;
    int code;
    body_init(&body);
    session_run_path(&path, o->arguments[0], "/cancel");
    enum err e = OK;
    if (o->given[OPTION_REASON])
        e = body_set_text(&body, "reason", str_of(o->text[OPTION_REASON]), &error);
    if (e == OK && buf_ok(&path) != OK)
        e = error_set(&error, ERR_NOMEM, "out of memory");
    request.path = path.data;
    request.body = buf_str(&body.text);
    request.wait_s = o->given[OPTION_WAIT] ? WAIT_S : 0;
    code = e == OK ? ask(s, o, &request) : session_fail(s, e, &error);
    buf_fini(&path);
    body_fini(&body);
    return code;
}

static int run(const struct options *o)
{
    return session_run_on_id(o, cancel);
}

const struct command command_cancel = {
    .name = "cancel",
    .arguments = "ID",
    .summary = "cancel a run",
    .notes = "Prints the run's new state. Exits with 0 where the run is cancelled or will be.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .asks_server = true,
    .run = run,
};
