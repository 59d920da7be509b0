#include "cli/creation.h"

#include "cli/await.h"
#include "cli/render.h"
#include "cli/stream.h"

enum { DETACH_LIMIT_MS = 60000 };

static int detach(struct session *s, const struct creation *creation)
{
    struct client_request request = {.method = "POST",
                                     .path = creation->path,
                                     .body = creation->body,
                                     .limit_ms = DETACH_LIMIT_MS};
    struct document d;
    struct buf line;
    int code;
    if (!session_ask(s, &request, &d, &code))
        return code;
    buf_init(&line, 1024);
    render_value(&line, json_get_lit(document_root(&d), "id"));
    buf_add_char(&line, '\n');
    session_print(s, &line);
    buf_fini(&line);
    document_fini(&d);
    return session_end(s, CLI_SUCCEEDED);
}

static int refuse(struct session *s)
{
    struct error error;
    return session_fail(
        s, error_set(&error, ERR_INVALID_REQUEST, "--detach and --json do not go together"),
        &error);
}

int creation_run(struct session *s, const struct options *options, const struct creation *creation)
{
    struct stream_options stream = {.creation = creation};
    if (options->given[OPTION_DETACH] && options->given[OPTION_JSON])
        return refuse(s);
    if (options->given[OPTION_DETACH])
        return detach(s, creation);
    if (options->given[OPTION_JSON])
        return await_run(s, creation);
    return stream_run(s, &stream);
}
