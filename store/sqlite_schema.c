#include "store/sqlite_schema.h"

#include <stdio.h>

/* "SLUI": tells our files from other SQLite databases. */
#define APPLICATION_ID 0x534C5549

static const char *const migrations[] = {
    /* 1: runs, their tasks and their events.
     *
     * run.key is the store's own short name for a run; it is given by the writer in the order of
     * acceptance and never again within a process. `owner` is the epoch under which a gateway has
     * it, 0: nobody. run_open holds the runs that have not ended: the claims read nothing else.
     * Ended runs other than the succeeded ones are few and are looked for. */
    "CREATE TABLE gateway (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL) STRICT;"
    "INSERT INTO gateway (one, epoch) VALUES (1, 0);"
    "CREATE TABLE run ("
    "  key INTEGER PRIMARY KEY,"
    "  tenant TEXT NOT NULL,"
    "  id BLOB NOT NULL,"
    "  state INTEGER NOT NULL,"
    "  task_state INTEGER NOT NULL,"
    "  owner INTEGER NOT NULL,"
    "  lane TEXT NOT NULL,"
    "  wake_at INTEGER NOT NULL,"
    "  seq INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  started_at INTEGER NOT NULL,"
    "  finished_at INTEGER NOT NULL,"
    "  timeout_ms INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL,"
    "  calls INTEGER NOT NULL,"
    "  attempt_count INTEGER NOT NULL,"
    "  input_tokens INTEGER NOT NULL,"
    "  output_tokens INTEGER NOT NULL,"
    "  workflow_version INTEGER NOT NULL,"
    "  agent TEXT,"
    "  workflow TEXT,"
    "  name TEXT,"
    "  retry_of BLOB,"
    "  parent TEXT,"
    "  reason TEXT,"
    "  error TEXT,"
    "  attempts TEXT,"
    "  idem_scope TEXT,"
    "  idem_key TEXT,"
    "  idem_digest BLOB,"
    "  command TEXT,"
    "  spec TEXT NOT NULL,"
    "  output TEXT"
    ") STRICT;"
    "CREATE UNIQUE INDEX run_id ON run (tenant, id);"
    "CREATE INDEX run_open ON run (owner, lane, wake_at) WHERE state < 10;"
    "CREATE INDEX run_ended_badly ON run (tenant, state, id) WHERE state > 10;"
    "CREATE UNIQUE INDEX run_idem ON run (tenant, idem_scope, idem_key) WHERE idem_key IS NOT NULL;"
    "CREATE TABLE segment ("
    "  key INTEGER PRIMARY KEY," /* in the order of commits */
    "  run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,"
    "  first INTEGER NOT NULL,"
    "  last INTEGER NOT NULL,"
    "  lines TEXT NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX segment_run ON segment (run, first);"
    "CREATE TABLE task (" /* of the runs that are trees */
    "  run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,"
    "  path TEXT NOT NULL,"
    "  text TEXT NOT NULL,"
    "  output TEXT,"
    "  PRIMARY KEY (run, path)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE label (" /* metadata, for the lists' filter */
    "  tenant TEXT NOT NULL,"
    "  key TEXT NOT NULL,"
    "  value TEXT NOT NULL,"
    "  id BLOB NOT NULL,"
    "  run INTEGER NOT NULL REFERENCES run (key) ON DELETE CASCADE,"
    "  PRIMARY KEY (tenant, key, value, id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX label_run ON label (run);"
    "CREATE TABLE note (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;",

    /* 2: the bus. A bulletin is an event of no run; its key is one of the order in which the
     * segments have theirs. gateway.next_segment is a floor for the next key, raised where segments
     * are removed: a key is never given twice. */
    "ALTER TABLE gateway ADD COLUMN next_segment INTEGER NOT NULL DEFAULT 1;"
    "CREATE TABLE bulletin ("
    "  key INTEGER PRIMARY KEY,"
    "  tenant TEXT," /* NULL: everybody's */
    "  line TEXT NOT NULL"
    ") STRICT;",

    /* 3: deliveries: what is to be told of a run's events, and to whom. due_at NULL: the receiver
     * wants to hear no more. */
    "CREATE TABLE delivery ("
    "  run INTEGER PRIMARY KEY REFERENCES run (key) ON DELETE CASCADE,"
    "  host TEXT NOT NULL,"
    "  receiver TEXT NOT NULL,"
    "  done INTEGER NOT NULL,"
    "  last INTEGER NOT NULL,"
    "  due_at INTEGER,"
    "  tries INTEGER NOT NULL DEFAULT 0,"
    "  failing_since INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE INDEX delivery_due ON delivery (host, due_at) WHERE due_at IS NOT NULL;",
    /* 4: agents and workflows. `standing`: 0 replaced or removed, 1 made by the API, 2 the
     * configuration's, 3 the same while it is compared with what it says now. Of what was replaced
     * a version stays while there are runs of it, and the last one of a name for its number, then
     * without a text. gateway.definition_floor is what the version of a new name must be above:
     * raised where such numbers are forgotten. */
    "ALTER TABLE gateway ADD COLUMN definition_floor INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE definition ("
    "  key INTEGER PRIMARY KEY,"
    "  kind INTEGER NOT NULL," /* 0 agent, 1 workflow */
    "  name TEXT NOT NULL,"
    "  version INTEGER NOT NULL,"
    "  standing INTEGER NOT NULL,"
    "  description TEXT,"
    "  text TEXT"
    ") STRICT;"
    "CREATE UNIQUE INDEX definition_version ON definition (kind, name, version);"
    "CREATE INDEX definition_standing ON definition (standing, kind, name) WHERE standing > 0;"
    "CREATE INDEX definition_replaced ON definition (standing)"
    "  WHERE standing = 0 AND text IS NOT NULL;"
    "CREATE INDEX definition_number ON definition (version) WHERE text IS NULL;"
    "CREATE INDEX run_workflow ON run (workflow, workflow_version) WHERE workflow IS NOT NULL;",
};

enum { LATEST = sizeof migrations / sizeof migrations[0] };

static enum err read_int(sqlite3 *db, const char *sql, int64_t *ret_value, struct error *ret_error)
{
    sqlite3_stmt *stmt = db_prepare(db, sql);
    if (stmt == NULL || sqlite3_step(stmt) != SQLITE_ROW) {
        sqlite3_finalize(stmt);
        return error_set(ret_error, ERR_IO, "%s", sqlite3_errmsg(db));
    }
    *ret_value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return OK;
}

static enum err migrate_to(sqlite3 *db, int version, struct error *ret_error)
{
    char stamp[96];
    snprintf(stamp, sizeof stamp, "PRAGMA user_version=%d; PRAGMA application_id=%d; COMMIT;",
             version, APPLICATION_ID);
    enum err e = db_exec(db, "BEGIN IMMEDIATE", ret_error);
    if (e == OK)
        e = db_exec(db, migrations[version - 1], ret_error);
    if (e == OK)
        e = db_exec(db, stamp, ret_error);
    if (e != OK)
        IGNORE_RESULT(db_exec(db, "ROLLBACK", NULL) != OK); /* the first error is the one to tell */
    return e;
}

enum err schema_recognise(sqlite3 *db, struct error *ret_error)
{
    int64_t version = 0, application = 0, tables = 0;
    enum err e = read_int(db, "PRAGMA user_version", &version, ret_error);
    if (e == OK)
        e = read_int(db, "PRAGMA application_id", &application, ret_error);
    if (e == OK)
        e = read_int(db, "SELECT count(*) FROM sqlite_master", &tables, ret_error);
    if (e != OK)
        return e;
    bool is_empty = version == 0 && application == 0 && tables == 0;
    if (!is_empty && application != APPLICATION_ID)
        return error_set(ret_error, ERR_IO, "the file is another program's database");
    if (version > LATEST)
        return error_set(ret_error, ERR_IO,
                         "the database has version %lld, this program knows %d: use a newer one",
                         (long long)version, (int)LATEST);
    return OK;
}

enum err schema_migrate(sqlite3 *db, struct error *ret_error)
{
    int64_t version = 0;
    enum err e = read_int(db, "PRAGMA user_version", &version, ret_error);
    for (int next = (int)version + 1; e == OK && next <= LATEST; next++)
        e = migrate_to(db, next, ret_error);
    return e;
}

enum err schema_next_epoch(sqlite3 *db, uint64_t *ret_epoch, struct error *ret_error)
{
    enum err e = db_exec(db, "UPDATE gateway SET epoch = epoch + 1", ret_error);
    int64_t epoch = 0;
    if (e == OK)
        e = read_int(db, "SELECT epoch FROM gateway", &epoch, ret_error);
    if (e == OK)
        *ret_epoch = (uint64_t)epoch;
    return e;
}
