#include "cli/result.h"

#include "cli/render.h"
#include "model/state.h"

static bool read_state(struct json run, enum run_state *ret_state)
{
    struct str raw = json_raw(json_get_lit(run, "state")); /* no state's name is escaped */
    return raw.len > 2 && run_state_parse((struct str){raw.at + 1, raw.len - 2}, ret_state);
}

bool result_is_final(struct json run)
{
    enum run_state state;
    return read_state(run, &state) && run_state_is_terminal(state);
}

int result_exit(struct json run)
{
    enum run_state state;
    if (!read_state(run, &state))
        return CLI_FAILED;
    switch (state) {
    case RUN_SUCCEEDED: return CLI_SUCCEEDED;
    case RUN_CANCELLED: return CLI_CANCELLED;
    case RUN_TIMED_OUT: return CLI_TIMED_OUT;
    case RUN_QUEUED:
    case RUN_RUNNING:
    case RUN_WAITING:
    case RUN_CANCELLING:
    case RUN_FAILED: break;
    }
    return CLI_FAILED;
}

/* --- errors ----------------------------------------------------------------------------------- */

static void add_one(struct buf *b, const char *before, struct json task, struct json error)
{
    buf_add_str(b, str_of(before));
    if (json_raw(task).len > 2) { /* the root's path is empty: two quotes */
        buf_add_char(b, '[');
        render_value(b, task);
        buf_add_lit(b, "] ");
    }
    render_value(b, json_get_lit(error, "code"));
    buf_add_lit(b, ": ");
    render_value(b, json_get_lit(error, "message"));
    buf_add_char(b, '\n');
}

void result_add_error(struct buf *b, struct json error)
{
    struct json group = json_get_lit(error, "errors");
    if (!json_is(error, JSON_OBJECT))
        return;
    add_one(b, "", JSON_NONE, error);
    for (struct json e = json_first(group); json_exists(e); e = json_next(group, e))
        add_one(b, "  ", json_get_lit(e, "task"), e);
}

/* On standard error, `what` in front of the first line. */
static void say_error(struct screen *screen, const char *what, struct json error)
{
    struct buf text;
    buf_init(&text, SIZE_MAX);
    result_add_error(&text, error);
    struct str rest = buf_str(&text);
    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        screen_say(screen, "%s%.*s", what, STR_ARG(line));
        what = "";
    }
    buf_fini(&text);
}

/* --- output ----------------------------------------------------------------------------------- */

/* {"$ref": .., "bytes": ..}: maybe an output that looks so. What is fetched then is the same. */
static bool is_reference(struct json v)
{
    return json_count(v) == 2 && json_is(json_get_lit(v, "$ref"), JSON_STRING) &&
           json_is(json_get_lit(v, "bytes"), JSON_NUMBER);
}

static void print_value(struct session *s, struct json v)
{
    if (!json_is(v, JSON_STRING)) {
        session_print_json(s, v);
        return;
    }
    struct buf text;
    buf_init(&text, SIZE_MAX);
    render_value(&text, v);
    session_print(s, &text);
    screen_end_line(&s->screen);
    buf_fini(&text);
}

static bool fetch_output(struct session *s, struct json run, struct document *ret, int *ret_exit)
{
    struct buf id, path;
    buf_init(&id, 1024);
    render_value(&id, json_get_lit(run, "id"));
    buf_add_char(&id, '\0');
    session_run_path(&path, buf_ok(&id) == OK ? id.data : "", "/output");
    bool fine = buf_ok(&path) == OK && session_get(s, path.data, ret, ret_exit);
    buf_fini(&path);
    buf_fini(&id);
    return fine;
}

bool result_print_output(struct session *s, struct json run, int *ret_exit)
{
    struct json output = json_get_lit(run, "output");
    struct document whole;
    if (!is_reference(output)) {
        print_value(s, output);
        return true;
    }
    *ret_exit = CLI_FAILED;
    if (!fetch_output(s, run, &whole, ret_exit))
        return false;
    print_value(s, document_root(&whole));
    document_fini(&whole);
    return true;
}

int result_show(struct session *s, struct json run, bool wants_output)
{
    struct json error = json_get_lit(run, "error");
    int code = result_exit(run), failure;
    switch (code) {
    case CLI_SUCCEEDED:
        if (wants_output && !result_print_output(s, run, &failure))
            return failure;
        break;
    case CLI_CANCELLED: say_error(&s->screen, "", error); break; /* its code says it */
    case CLI_TIMED_OUT: say_error(&s->screen, "timed out: ", error); break;
    default: say_error(&s->screen, "error: ", error); break;
    }
    return code;
}
