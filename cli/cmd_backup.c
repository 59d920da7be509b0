/* sluice backup: asks the gateway for a copy of its store in a new file. */
#include <unistd.h>

#include "cli/body.h"
#include "cli/render.h"
#include "cli/session.h"

enum { MAX_PATH = 4096, MAX_TEXT = 8192 };

static const struct option_spec options[] = {
    {.name = NULL},
};

/* The gateway has another working directory than we have. */
static enum err add_absolute(struct buf *b, const char *file, struct error *ret_error)
{
    char here[MAX_PATH];
    if (file[0] != '/' && getcwd(here, sizeof here) == NULL)
        return error_set(ret_error, ERR_IO, "the working directory has no name");
    buf_addf(b, "%s%s%s", file[0] == '/' ? "" : here, file[0] == '/' ? "" : "/", file);
    return buf_ok(b) == OK ? OK : error_set(ret_error, ERR_NOMEM, "out of memory");
}

static int print_size(struct session *s, struct json answer)
{
    struct buf line;
    buf_init(&line, 16384);
    render_value(&line, json_get_lit(answer, "path"));
    buf_add_lit(&line, ": ");
    render_value(&line, json_get_lit(answer, "bytes"));
    buf_add_lit(&line, " bytes\n");
    session_print(s, &line);
    buf_fini(&line);
    return session_end(s, CLI_SUCCEEDED);
}

static int ask(struct session *s, struct str body)
{
    struct client_request request = {.method = "POST", .path = "/v1/backup", .body = body};
    struct document d;
    int code;
    if (!session_ask(s, &request, &d, &code))
        return code;
    code = print_size(s, document_root(&d));
    document_fini(&d);
    return code;
}

static int backup(struct session *s, const struct options *o)
{
    struct body body;
    struct buf path;
    struct error error;
    body_init(&body);
    buf_init(&path, MAX_TEXT);
    enum err e = add_absolute(&path, o->arguments[0], &error);
    if (e == OK)
        e = body_set_text(&body, "path", buf_str(&path), &error);
    int code = e == OK ? ask(s, buf_str(&body.text)) : session_fail(s, e, &error);
    buf_fini(&path);
    body_fini(&body);
    return code;
}

static int run(const struct options *o)
{
    return session_run(o, backup);
}

const struct command command_backup = {
    .name = "backup",
    .arguments = "FILE",
    .summary = "copy the gateway's database to a new file, while it runs",
    .notes =
        "The gateway writes the file, on its machine and as its user; nothing may have that name yet.\n"
        "It is there once the copy is whole. Wants a key with the scope admin.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .asks_server = true,
    .run = run,
};
