#ifndef SLUICE_CLI_LISTING_H
#define SLUICE_CLI_LISTING_H
/* A list of the gateway's that comes whole, as a table or as JSON. Stateless. */
#include "cli/session.h"
#include "cli/table.h"

struct column {
    const char *header;  /* as table.h has it */
    const char *pointer; /* of the value within an item; NULL: `write` makes the cell */
    void (*write)(struct buf *b, struct json item);
};

struct listing {
    const char *path;
    struct column columns[TABLE_MAX_COLUMNS];
};

/* Asks for it and prints it; with --json an item a line. Returns the exit code. */
int listing_show(struct session *s, const struct options *o, const struct listing *l);
#endif
