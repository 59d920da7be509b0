#include "cli/listing.h"

#include "cli/render.h"

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
        const struct column *c = &l->columns[i];
        if (c->pointer != NULL)
            render_cell(&cell, json_pointer(item, str_of(c->pointer)));
        else
            c->write(&cell, item);
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

int listing_show(struct session *s, const struct options *o, const struct listing *l)
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
