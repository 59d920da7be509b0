#ifndef SLUICE_STORE_SQLITE_SCHEMA_H
#define SLUICE_STORE_SQLITE_SCHEMA_H
/* The tables, as numbered migrations: each is one transaction that ends by writing its number into
 * user_version, so that a crash leaves the old version or the new one. A database of a newer
 * version is refused. */
#include "store/sqlite_db.h"

/* Is it an empty file, or one of ours that this program knows? Only reads. */
enum err schema_recognise(sqlite3 *db, struct error *ret_error) MUST_CHECK;

enum err schema_migrate(sqlite3 *db, struct error *ret_error) MUST_CHECK;

/* A new lease: one more than any before. */
enum err schema_next_epoch(sqlite3 *db, uint64_t *ret_epoch, struct error *ret_error) MUST_CHECK;
#endif
