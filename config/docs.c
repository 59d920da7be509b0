/* docs/configuration.md, from the table alone. */
#include "config/config.h"
#include "config/schema.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "This page is written by `make docs` from the table that also reads the file\n"
    "(`config/schema.c`); do not edit it.\n"
    "\n"
    "The configuration is one JSON file, given with `sluice serve --config FILE`. `//` and `/* */`\n"
    "comments are allowed. Every key with a default may be left out; without a file all defaults\n"
    "apply, which gives the provider `sim` and the agents `echo` and `story`. A sample is\n"
    "`examples/sluice.json`.\n"
    "\n"
    "An unknown key, a wrong type or a value out of range is an error, reported with line, column\n"
    "and path; the server does not start, or goes on as it was.\n"
    "\n"
    "- `sluice check FILE` reports what is wrong with a file.\n"
    "- `sluice serve --config FILE --print-config` prints the configuration in force, without its\n"
    "  secrets.\n"
    "\n"
    "The file is read when the server starts, and again at SIGHUP\n"
    "([operations.md](operations.md#reload)). A key with `no` under *reload* is read at the start\n"
    "only.\n"
    "\n"
    "Durations are integers in milliseconds and end in `_ms`; sizes are integers in bytes and end\n"
    "in `_bytes`. NAME stands for a name that you choose: 1 to 64 of `A-Z a-z 0-9 _ -`. `[]` stands\n"
    "for an element of a list. A *secret* is `{\"env\": \"NAME\"}` (an environment variable),\n"
    "`{\"file\": \"PATH\"}` (a file, a newline at its end ignored) or the text itself.\n";

static const char agents_text[] =
    "\n"
    "An agent is one call of a model under a name:\n"
    "\n"
    "- `model` (required): `\"PROVIDER/MODEL\"`, or a list of them; a later one is called when those\n"
    "  before it failed.\n"
    "- `instructions`: text that is sent before the input, as the system message.\n"
    "- `params`: an object, sent to the model as it is: `temperature`, `max_tokens`. `\"stream\":\n"
    "  false` asks for the answer in one piece.\n"
    "- `output`: `\"text\"` (default), `\"json\"` (the text, parsed) or `\"message\"` (the whole message,\n"
    "  tool calls included).\n"
    "- `retry`: `{\"attempts\", \"base_ms\", \"factor\", \"max_ms\", \"jitter\", \"on\"}`, instead of the\n"
    "  provider's; `on` is a list of error codes.\n"
    "- `timeout_ms`: for the call with all its attempts.\n"
    "- `description`: text for people.\n";

static const char table_head[] = "\n"
                                 "| key | type | default | allowed | reload | meaning |\n"
                                 "|---|---|---|---|---|---|\n";

static void add_code(struct buf *b, const char *text)
{
    buf_addf(b, "`%s`", text);
}

static void add_type(struct buf *b, const struct schema_row *row)
{
    buf_addf(b, "%s%s", schema_type_words(row->type),
             row->flags & SCHEMA_NULLABLE ? " or null" : "");
}

/* "`3` (sim: `1`)" */
static void add_default(struct buf *b, const struct schema_row *row)
{
    if (row->dflt != NULL)
        add_code(b, row->dflt);
    else if ((row->flags & SCHEMA_OPTIONAL) == 0)
        buf_add_lit(b, "required");
    struct schema_kind_default d;
    bool is_first = row->dflt == NULL;
    for (size_t i = 0; schema_kind_default_at(i, &d); i++) {
        if (strcmp(d.path, row->path) != 0)
            continue;
        buf_addf(b, "%s(%s: `%s`)", is_first ? "" : " ", d.kind, d.dflt);
        is_first = false;
    }
}

static void add_kinds(struct buf *b)
{
    const struct provider_kind *kind;
    for (size_t i = 0; (kind = provider_kind_at(i)) != NULL; i++)
        buf_addf(b, "%s`\"%s\"`", i > 0 ? ", " : "", kind->name);
}

static void add_choices(struct buf *b, const char *const *values)
{
    for (size_t i = 0; values[i] != NULL; i++)
        buf_addf(b, "%s`\"%s\"`", i > 0 ? ", " : "", values[i]);
}

static void add_range(struct buf *b, const struct schema_row *row)
{
    const char *unit = schema_type_unit(row->type);
    if (row->type == SCHEMA_ENUM)
        add_choices(b, row->values);
    else if (row->type == SCHEMA_KIND)
        add_kinds(b);
    else if (unit != NULL)
        buf_addf(b, row->type == SCHEMA_NUMBER ? "%g to %g%s" : "%.0f to %.0f%s", row->min,
                 row->max, unit);
}

/* A section has nothing to change itself: its members say. */
static const char *reload_of(const struct schema_row *row)
{
    if (row->flags & SCHEMA_RELOADS)
        return "yes";
    return row->type == SCHEMA_OBJECT ? "" : "no";
}

static void add_row(struct buf *b, const struct schema_row *row)
{
    buf_add_lit(b, "| ");
    add_code(b, row->path);
    buf_add_lit(b, " | ");
    add_type(b, row);
    buf_add_lit(b, " | ");
    add_default(b, row);
    buf_add_lit(b, " | ");
    add_range(b, row);
    buf_addf(b, " | %s | %s |\n", reload_of(row), row->help);
}

static bool is_below(const struct schema_row *row, const struct schema_row *top)
{
    size_t opened = strlen(top->opens);
    return strncmp(row->path, top->opens, opened) == 0 && row->path[opened] == '.';
}

static void add_table(struct buf *b, const struct schema_row *top)
{
    buf_addf(b, "\n## %s\n\n%s\n%s", top->path, top->help, table_head);
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (is_below(row, top))
            add_row(b, row);
    }
}

static void add_agents(struct buf *b, const struct schema_row *row)
{
    buf_addf(b, "\n## %s\n\n%s\n%s", row->path, row->help, agents_text);
}

void config_write_docs(struct buf *out)
{
    buf_add_str(out, str_of(introduction));
    buf_addf(out, "\n## The file\n%s", table_head);
    const struct schema_row *row;
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (schema_is_in(row, ""))
            add_row(out, row);
    }
    for (size_t i = 0; (row = schema_at(i)) != NULL; i++) {
        if (schema_is_in(row, "") && row->opens != NULL)
            add_table(out, row);
        if (row->type == SCHEMA_AGENTS)
            add_agents(out, row);
    }
}
