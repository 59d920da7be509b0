#include "cli/session.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/answer.h"
#include "cli/render.h"
#include "net/http.h"

enum { LIMIT_MS = 60000 };

static void close_session(struct session *s)
{
    client_close(s->client);
    screen_flush(&s->screen);
    screen_fini(&s->screen);
}

static bool open_session(struct session *s, const struct options *options, int *ret_exit)
{
    struct endpoint endpoint;
    struct error error;
    *s = (struct session){.client = NULL};
    screen_init(&s->screen, STDOUT_FILENO, STDERR_FILENO);
    enum err e = endpoint_choose(options->text[OPTION_SERVER], &endpoint, &error);
    if (e == OK)
        e = client_open(&endpoint, getenv("SLUICE_KEY"), &s->client, &error);
    if (e == OK)
        return true;
    *ret_exit = session_fail(s, e, &error);
    close_session(s);
    return false;
}

int session_run(const struct options *options, session_fn *act)
{
    struct session s;
    int code;
    if (!open_session(&s, options, &code))
        return code;
    code = act(&s, options);
    close_session(&s);
    return code;
}

static bool is_run_id(const char *text)
{
    struct id id;
    return id_parse(str_of(text), RUN_ID_PREFIX, &id);
}

static int refuse_id(struct session *s, const char *text)
{
    struct error error;
    enum err e = error_set(&error, ERR_INVALID_REQUEST, "\"%s\" is no run's id", text);
    return session_fail(s, e, &error);
}

int session_run_on_id(const struct options *options, session_fn *act)
{
    const char *run_id = options->arguments[0];
    struct session s;
    int code;
    if (!open_session(&s, options, &code))
        return code;
    code = is_run_id(run_id) ? act(&s, options) : refuse_id(&s, run_id);
    close_session(&s);
    return code;
}

int session_fail(struct session *s, enum err e, const struct error *error)
{
    screen_say(&s->screen, "error: %s", error->message);
    return e == ERR_INVALID_REQUEST ? CLI_USAGE : CLI_FAILED;
}

static void say_answer(struct session *s, const struct answer *a)
{
    struct buf why;
    buf_init(&why, 65536);
    answer_describe(&why, a, client_name(s->client));
    screen_say(&s->screen, "error: %.*s", STR_ARG(buf_str(&why)));
    buf_fini(&why);
}

static bool read_document(struct session *s, struct document *d, int *ret_exit)
{
    struct json_fault fault;
    answer_doc_init(&d->doc);
    if (json_parse(&d->doc, buf_str(&d->text), &fault) == OK)
        return true;
    screen_say(&s->screen, "error: the answer of %s cannot be read: %s", client_name(s->client),
               fault.what);
    document_fini(d);
    *ret_exit = CLI_FAILED;
    return false;
}

/* The body of a good answer, which the caller frees. */
static bool ask(struct session *s, const struct client_request *request, struct buf *ret_body,
                int *ret_exit)
{
    struct answer a;
    if (client_ask(s->client, request, &a) != OK) {
        screen_say(&s->screen, "error: out of memory");
        *ret_exit = CLI_FAILED;
        return false;
    }
    if (answer_is_good(&a)) {
        *ret_body = a.body;
        return true;
    }
    say_answer(s, &a);
    buf_fini(&a.body);
    *ret_exit = answer_exit(&a);
    return false;
}

bool session_ask(struct session *s, const struct client_request *request, struct document *ret,
                 int *ret_exit)
{
    return ask(s, request, &ret->text, ret_exit) && read_document(s, ret, ret_exit);
}

bool session_order(struct session *s, const struct client_request *request, int *ret_exit)
{
    struct buf body;
    if (!ask(s, request, &body, ret_exit))
        return false;
    buf_fini(&body);
    return true;
}

bool session_get(struct session *s, const char *path, struct document *ret, int *ret_exit)
{
    struct client_request request = {.method = "GET", .path = path, .limit_ms = LIMIT_MS};
    return session_ask(s, &request, ret, ret_exit);
}

void session_print_json(struct session *s, struct json v)
{
    struct buf text;
    buf_init(&text, SIZE_MAX);
    if (s->screen.out_is_terminal)
        render_json(&text, v);
    else
        json_add_compact(&text, v);
    buf_add_char(&text, '\n');
    session_print(s, &text);
    buf_fini(&text);
}

void session_print(struct session *s, const struct buf *b)
{
    s->screen.has_failed |= buf_ok(b) != OK;
    screen_out(&s->screen, buf_str(b));
}

int session_end(struct session *s, int code)
{
    if (screen_flush(&s->screen) || code != CLI_SUCCEEDED)
        return code;
    screen_say(&s->screen, "error: the output cannot be written");
    return CLI_FAILED;
}

struct json document_root(const struct document *d)
{
    return json_root(&d->doc);
}

void document_fini(struct document *d)
{
    json_doc_fini(&d->doc);
    buf_fini(&d->text);
}

void session_run_path(struct buf *b, const char *run_id, const char *suffix)
{
    buf_init(b, 65536);
    buf_add_lit(b, "/v1/runs/");
    http_add_encoded(b, str_of(run_id));
    buf_add_str(b, str_of(suffix));
    buf_add_char(b, '\0');
}
