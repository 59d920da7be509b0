#ifndef SLUICE_CLI_TABLE_H
#define SLUICE_CLI_TABLE_H
/* Rows of text in aligned columns.
 *
 * Life: table_init, table_cell for every cell from left to right and row by row, table_print,
 * table_fini. Cells are copied and made harmless on the way in; an empty one shows as "-". One
 * thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { TABLE_MAX_COLUMNS = 12 };

struct table {
    const char *const *headers;
    uint32_t columns;
    uint32_t widths[TABLE_MAX_COLUMNS];
    struct buf cells; /* each ends with a NUL */
    uint32_t cell_count;
};

/* `headers` end with NULL, 1 to TABLE_MAX_COLUMNS, static. A header that begins with '>' stands
 * over numbers: its column is aligned at the right, and the mark is not shown. */
void table_init(struct table *t, const char *const *headers);
void table_fini(struct table *t);

void table_cell(struct table *t, struct str text);

/* A line for the headers and one for each row, cut at `width` columns (0: never). `b` has failed
 * then where a cell could not be kept. */
void table_print(const struct table *t, uint32_t width, struct buf *b);
#endif
