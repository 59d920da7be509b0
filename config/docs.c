/* docs/configuration.md, from the table alone. */
#include "config/config.h"
#include "config/schema.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "Written by `sluice serve --print-config-docs`; do not edit.\n"
    "\n"
    "One JSON file, with `//` and `/* */` comments: `sluice serve --config FILE`. What has a\n"
    "default may be left out. Unknown keys, wrong types and values out of range are errors, told\n"
    "with line, column and path; `sluice check FILE` looks for them, `sluice serve --print-config`\n"
    "shows the configuration in force. Without a file the defaults stand alone, with the provider\n"
    "`sim` and the agents `echo` and `story`.\n"
    "\n"
    "Durations are integers in milliseconds and end in `_ms`, sizes end in `_bytes`. NAME is 1 to\n"
    "64 of `A-Z a-z 0-9 _ -`. A secret is `\"TEXT\"`, `{\"env\": \"NAME\"}` or `{\"file\": \"PATH\"}`, the\n"
    "newline at the file's end left out. SIGHUP reloads the file, whole or not at all; what is not\n"
    "marked under *reload* is read at the start only.\n";

static const char table_head[] = "\n"
                                 "| key | type | default | range | reload | |\n"
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
        buf_add_lit(b, "must be there");
    struct schema_kind_default d;
    for (size_t i = 0; schema_kind_default_at(i, &d); i++) {
        if (strcmp(d.path, row->path) == 0)
            buf_addf(b, "%s(%s: `%s`)", row->dflt != NULL ? " " : "", d.kind, d.dflt);
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
        buf_addf(b, row->type == SCHEMA_NUMBER ? "%g .. %g%s" : "%.0f .. %.0f%s", row->min,
                 row->max, unit);
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
    buf_addf(b, " | %s | %s |\n", row->flags & SCHEMA_RELOADS ? "yes" : "", row->help);
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
    }
}
