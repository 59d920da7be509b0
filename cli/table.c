#include "cli/table.h"

#include <assert.h>

#include "cli/render.h"

enum { GAP = 2 };

static bool is_right(const char *header)
{
    return header[0] == '>';
}

static struct str title(const char *header)
{
    return str_of(is_right(header) ? header + 1 : header);
}

void table_init(struct table *t, const char *const *headers)
{
    *t = (struct table){.headers = headers};
    buf_init(&t->cells, SIZE_MAX);
    for (; headers[t->columns] != NULL; t->columns++) {
        assert(t->columns < TABLE_MAX_COLUMNS);
        t->widths[t->columns] = render_width(title(headers[t->columns]));
    }
}

void table_fini(struct table *t)
{
    buf_fini(&t->cells);
}

void table_cell(struct table *t, struct str text)
{
    uint32_t *widest = &t->widths[t->cell_count++ % t->columns];
    size_t start = t->cells.len;
    render_line(&t->cells, text.len > 0 ? text : STR("-"));
    buf_add_char(&t->cells, '\0');
    if (buf_ok(&t->cells) != OK)
        return;
    uint32_t width = render_width(str_of(t->cells.data + start));
    if (width > *widest)
        *widest = width;
}

static void add_blanks(struct buf *b, uint32_t n)
{
    while (n-- > 0)
        buf_add_char(b, ' ');
}

/* No blanks behind the last column, so that nothing wraps and a copied line is clean. */
static void add_cell(const struct table *t, uint32_t column, struct str text, struct buf *line)
{
    uint32_t blanks = t->widths[column] - render_width(text);
    bool right = is_right(t->headers[column]);
    if (column > 0)
        add_blanks(line, GAP);
    if (right)
        add_blanks(line, blanks);
    buf_add_str(line, text);
    if (!right && column + 1 < t->columns)
        add_blanks(line, blanks);
}

static void print_line(struct buf *line, uint32_t width, struct buf *b)
{
    struct str text = buf_str(line);
    bool fits = width == 0 || render_width(text) <= width;
    if (!fits)
        text.len = render_fit(text, width - 1);
    buf_add_str(b, text);
    buf_add_str(b, fits ? STR("\n") : STR("\xE2\x80\xA6\n")); /* an ellipsis */
    buf_clear(line);
}

void table_print(const struct table *t, uint32_t width, struct buf *b)
{
    struct buf line;
    struct str cells = buf_str(&t->cells);
    buf_init(&line, SIZE_MAX);
    for (uint32_t i = 0; i < t->columns; i++)
        add_cell(t, i, title(t->headers[i]), &line);
    print_line(&line, width, b);
    while (cells.len > 0) {
        for (uint32_t i = 0; i < t->columns; i++)
            add_cell(t, i, str_cut(&cells, '\0'), &line);
        print_line(&line, width, b);
    }
    b->failed |= line.failed || t->cells.failed;
    buf_fini(&line);
}
