/* sluice run: creates a run and streams its answer, waits for it, or leaves it alone. */
#include "cli/body.h"
#include "cli/creation.h"
#include "cli/file.h"

static const struct option_spec options[] = {
    CREATION_OPTIONS,
    {"input", OPTION_INPUT, OPTION_TEXT, "INPUT", "the input, in place of the argument", NULL},
    {"json-input", OPTION_JSON_INPUT, OPTION_FLAG, NULL, "INPUT is JSON, not text", NULL},
    {"param", OPTION_PARAM, OPTION_PAIR, "KEY=VALUE", "a parameter for the agent, may be repeated",
     NULL},
    {"metadata", OPTION_METADATA, OPTION_PAIR, "KEY=VALUE",
     "a label to filter lists by, may be repeated", NULL},
    {"name", OPTION_NAME, OPTION_TEXT, "NAME", "a name for the run", NULL},
    {"timeout-ms", OPTION_TIMEOUT_MS, OPTION_NUMBER, "N", "how long the run may take", NULL},
    {.name = NULL},
};

static const char notes[] =
    "AGENT is an agent's name. A file, known by its .json or a slash, holds the body of a create\n"
    "request, an object with agent, workflow or task, or a tree of tasks alone; what the command line\n"
    "says is laid over it.\n"
    "INPUT is text, JSON with --json-input; \"-\" reads it from standard input. A parameter's VALUE is\n"
    "JSON if it parses, otherwise text; a dot in its KEY goes into an object: --param sim.gap_ms=5.\n"
    "\n"
    "The answer streams to standard output, what the run waits for is told on standard error. Of a tree\n"
    "of tasks a terminal shows each task with its state while it runs, and the output at the end;\n"
    "elsewhere each event of a task is a line on standard error. If the connection breaks the client\n"
    "comes back and goes on where it was. What was printed cannot be taken back: where a later attempt\n"
    "begins anew that is told, and --json has the result alone. NO_COLOR turns colours off, TERM=dumb\n"
    "the tree.\n"
    "\n"
    "Ctrl-C cancels the run; pressed twice, the client leaves and the run stays as it is (exit\n"
    "code 130).";

/* --- the request ------------------------------------------------------------------------------ */

static bool is_file(const char *target)
{
    size_t n = strlen(target);
    return strchr(target, '/') != NULL || (n > 5 && strcmp(target + n - 5, ".json") == 0);
}

static enum err set_target(struct body *b, const char *target, struct error *ret_error)
{
    if (is_file(target)) {
        enum err e = body_load_file(b, target, ret_error);
        return e == OK ? body_take_tree(b, ret_error) : e;
    }
    if (!str_is_name(str_of(target)))
        return error_set(ret_error, ERR_INVALID_REQUEST,
                         "\"%s\" is no agent's name, and no file that ends with .json", target);
    return body_set_text(b, "agent", str_of(target), ret_error);
}

/* NULL: there is none. */
static const char *input_of(const struct options *o)
{
    return o->argument_count == 2 ? o->arguments[1] : o->text[OPTION_INPUT];
}

static enum err set_input(struct body *b, const struct options *o, struct error *ret_error)
{
    struct buf read;
    struct str input = str_of(input_of(o));
    if (input.at == NULL)
        return OK;
    enum err e = OK;
    buf_init(&read, BODY_MAX_BYTES);
    if (str_eq(input, STR("-"))) {
        e = file_read("-", &read, ret_error);
        input = read.len > 0 ? buf_str(&read) : STR("");
    }
    if (e == OK && o->given[OPTION_JSON_INPUT]) {
        struct error why;
        e = body_set_json(b, "input", input, &why);
        if (e != OK)
            error_set(ret_error, e, "INPUT is no JSON: %s", why.message);
    } else if (e == OK) {
        e = body_set_text(b, "input", input, ret_error);
    }
    buf_fini(&read);
    return e;
}

static enum err set_pairs(struct body *b, const struct options *o, struct error *ret_error)
{
    enum err e = OK;
    for (uint32_t i = 0; i < o->pair_count && e == OK; i++) {
        const struct option_pair *p = &o->pairs[i];
        e = p->id == OPTION_PARAM ? body_set_param(b, p->key, p->value, ret_error)
                                  : body_set_metadata(b, p->key, p->value, ret_error);
    }
    return e;
}

static enum err make_body(struct body *b, const struct options *o, struct error *ret_error)
{
    if (o->given[OPTION_INPUT] && o->argument_count == 2)
        return error_set(ret_error, ERR_INVALID_REQUEST, "--input and INPUT do not go together");
    if (o->given[OPTION_JSON_INPUT] && input_of(o) == NULL)
        return error_set(ret_error, ERR_INVALID_REQUEST, "--json-input wants INPUT");
    enum err e = set_target(b, o->arguments[0], ret_error);
    if (e == OK)
        e = set_input(b, o, ret_error);
    if (e == OK)
        e = set_pairs(b, o, ret_error);
    if (e == OK && o->given[OPTION_NAME])
        e = body_set_text(b, "name", str_of(o->text[OPTION_NAME]), ret_error);
    if (e == OK && o->given[OPTION_TIMEOUT_MS])
        e = body_set_number(b, "timeout_ms", o->number[OPTION_TIMEOUT_MS], ret_error);
    return e;
}

/* --- the run ---------------------------------------------------------------------------------- */

static int create(struct session *s, const struct options *o)
{
    struct body body;
    struct error error;
    int code;
    body_init(&body);
    enum err e = make_body(&body, o, &error);
    struct creation creation = {.path = "/v1/runs", .body = buf_str(&body.text)};
    code = e == OK ? creation_run(s, o, &creation) : session_fail(s, e, &error);
    body_fini(&body);
    return code;
}

static int run(const struct options *o)
{
    return session_run(o, create);
}

const struct command command_run = {
    .name = "run",
    .arguments = "AGENT|FILE.json [INPUT]",
    .summary = "create a run and show how it gets on",
    .notes = notes,
    .options = options,
    .min_arguments = 1,
    .max_arguments = 2,
    .asks_server = true,
    .run = run,
};
