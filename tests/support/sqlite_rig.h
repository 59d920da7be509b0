#ifndef SLUICE_TESTS_SUPPORT_SQLITE_RIG_H
#define SLUICE_TESTS_SUPPORT_SQLITE_RIG_H
/* A database of a test's own, on the file layer that fails on demand. One at a time. */
#include <sqlite3.h>

#include "store/sqlite.h"

extern struct sqlite_options
    sqlite_rig_options; /* with which it is opened; reset by sqlite_rig_make */

void sqlite_rig_make(void);
void sqlite_rig_remove(void);
const char *sqlite_rig_path(void);

struct store *sqlite_rig_open(void); /* must succeed */
enum err sqlite_rig_try_open(struct store **ret_store, struct error *ret_error) MUST_CHECK;

/* What somebody else does with the file: runs SQL on a connection of its own; the first column of
 * the first row, -1 if there is none. */
int64_t sqlite_rig_sql(const char *sql);
#endif
