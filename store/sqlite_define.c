/* Agents and workflows: the writer's part within its transaction, and how they are read.
 *
 * What nobody needs goes at once where that is cheap to see (the versions of the one name that
 * changes), and in small steps of retention where runs of it went later. */
#include "store/sqlite_internal.h"
#include "store/sqlite_rows.h"

enum {
    STEP_VERSIONS = 50,    /* that one step of retention looks at */
    NUMBERS_KEPT = 10000,  /* of names that are gone: past it the floor is raised */
    NUMBERS_DROPPED = 200, /* at most, in one step */
};

/* Of a row, in store/sqlite_schema.c. */
enum standing { REPLACED, BY_API, BY_CONFIG, IN_QUESTION };

/* Of one name (?1, ?2), or the version with a key (?1). */
#define OF_NAME "kind=?1 AND name=?2"
#define OF_KEY  "key=?1"

/* Nobody needs it: it was replaced, and there is no run of it. The plus keeps SQLite from looking
 * for it among what was replaced of all names. */
#define IS_UNUSED                                                                                  \
    "+standing=0 AND (kind=0 OR NOT EXISTS (SELECT 1 FROM run"                                     \
    " WHERE run.workflow=definition.name AND run.workflow_version=definition.version))"

#define DROP_OLDER(which)                                                                          \
    "DELETE FROM definition WHERE " which " AND " IS_UNUSED " AND version < (SELECT max(version)"  \
    " FROM definition AS other WHERE other.kind=definition.kind AND other.name=definition.name)"

#define DROP_TEXT(which)                                                                           \
    "UPDATE definition SET text=NULL, description=NULL"                                            \
    " WHERE text IS NOT NULL AND " which " AND " IS_UNUSED

static const struct db_statement statements[] = {
#define STATEMENT(field, text)                                                                     \
    {                                                                                              \
        offsetof(struct define_statements, field), text                                            \
    }
    STATEMENT(find, "SELECT key, version FROM definition WHERE standing=?1 AND kind=?2 AND name=?3"
                    " AND standing > 0"),
    STATEMENT(find_same,
              "SELECT key, version FROM definition WHERE standing=?1 AND kind=?2 AND name=?3"
              " AND standing > 0 AND text=?4 AND description IS ?5"),
    STATEMENT(next_version,
              "SELECT 1 + max(definition_floor, (SELECT ifnull(max(version), 0) FROM definition"
              " WHERE kind=?1 AND name=?2)) FROM gateway"),
    STATEMENT(insert, "INSERT INTO definition (kind, name, version, standing, description, text)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"),
    STATEMENT(stand, "UPDATE definition SET standing=?2 WHERE key=?1"),
    STATEMENT(stand_all, "UPDATE definition SET standing=?2 WHERE standing=?1 AND standing > 0"),
    STATEMENT(drop_older, DROP_OLDER(OF_NAME)),
    STATEMENT(drop_text, DROP_TEXT(OF_NAME)),
    STATEMENT(drop_older_one, DROP_OLDER(OF_KEY)),
    STATEMENT(drop_text_one, DROP_TEXT(OF_KEY)),
    STATEMENT(keep, "INSERT INTO definition (kind, name, version, standing, text)"
                    " VALUES (1, ?1, ?2, 0, ?3) ON CONFLICT (kind, name, version)"
                    " DO UPDATE SET text=?3 WHERE text IS NULL"),
    STATEMENT(next_replaced, "SELECT key FROM definition WHERE standing=0 AND text IS NOT NULL"
                             " AND key > ?1 ORDER BY key LIMIT 1"),
    STATEMENT(raise_floor,
              "UPDATE gateway SET definition_floor=max(definition_floor, ifnull((SELECT version"
              " FROM definition WHERE text IS NULL ORDER BY version DESC LIMIT 1 OFFSET ?1), 0))"),
    STATEMENT(drop_numbers,
              "DELETE FROM definition WHERE key IN (SELECT key FROM definition WHERE text IS NULL"
              " ORDER BY version DESC LIMIT ?2 OFFSET ?1)"),
#undef STATEMENT
};

bool define_prepare(sqlite3 *db, struct define_statements *ret_st)
{
    return db_prepare_all(db, statements, sizeof statements / sizeof statements[0], ret_st);
}

/* --- one name --------------------------------------------------------------------------------- */

/* The row that `st` finds; key 0, version 0: there is none. */
static bool read_found(sqlite3_stmt *st, int64_t *ret_key, int64_t *ret_version)
{
    int rc = sqlite3_step(st);
    *ret_key = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    *ret_version = rc == SQLITE_ROW ? sqlite3_column_int64(st, 1) : 0;
    db_reset(st);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static void bind_name(sqlite3_stmt *st, enum standing standing, const struct store_definition *d)
{
    db_bind_int(st, 1, standing);
    db_bind_int(st, 2, d->kind);
    db_bind_text(st, 3, d->name);
}

static bool next_version(const struct define_statements *st, struct store_definition *d)
{
    db_bind_int(st->next_version, 1, d->kind);
    db_bind_text(st->next_version, 2, d->name);
    bool found = sqlite3_step(st->next_version) == SQLITE_ROW;
    if (found)
        d->version = sqlite3_column_int64(st->next_version, 0);
    db_reset(st->next_version);
    return found;
}

static bool insert(const struct define_statements *st, struct store_definition *d,
                   enum standing standing)
{
    if (!next_version(st, d))
        return false;
    db_bind_int(st->insert, 1, d->kind);
    db_bind_text(st->insert, 2, d->name);
    db_bind_int(st->insert, 3, d->version);
    db_bind_int(st->insert, 4, standing);
    db_bind_text(st->insert, 5, d->description);
    db_bind_text(st->insert, 6, d->text);
    return db_run(st->insert);
}

static bool stand(const struct define_statements *st, int64_t key, enum standing standing)
{
    db_bind_int(st->stand, 1, key);
    db_bind_int(st->stand, 2, standing);
    return db_run(st->stand);
}

/* Of the versions that were replaced those go of which there is no run; the last one of the name
 * leaves its number. */
static bool prune_name(const struct define_statements *st, enum definition_kind kind,
                       struct str name)
{
    sqlite3_stmt *both[] = {st->drop_older, st->drop_text};
    bool fine = true;
    for (size_t i = 0; fine && i < 2; i++) {
        db_bind_int(both[i], 1, kind);
        db_bind_text(both[i], 2, name);
        fine = db_run(both[i]);
    }
    return fine;
}

/* The same for one version. */
static bool prune_one(const struct define_statements *st, int64_t key)
{
    db_bind_int(st->drop_older_one, 1, key);
    db_bind_int(st->drop_text_one, 1, key);
    return db_run(st->drop_older_one) && db_run(st->drop_text_one);
}

/* --- the operations --------------------------------------------------------------------------- */

bool apply_define(struct sqlite_store *s, struct store_define *d)
{
    const struct define_statements *st = &s->define;
    int64_t key, version;
    bind_name(st->find, BY_API, &d->is);
    if (!read_found(st->find, &key, &version))
        return false;
    d->op.result = version == d->replaces ? STORE_OK : STORE_CONFLICT;
    if (d->op.result != STORE_OK)
        return true;
    if (key != 0 && !stand(st, key, REPLACED))
        return false;
    if (d->is.text.at != NULL && !insert(st, &d->is, BY_API))
        return false;
    return prune_name(st, d->is.kind, d->is.name);
}

static bool stand_all(const struct define_statements *st, enum standing from, enum standing to)
{
    db_bind_int(st->stand_all, 1, from);
    db_bind_int(st->stand_all, 2, to);
    return db_run(st->stand_all);
}

static bool apply_one_seed(const struct define_statements *st, struct store_definition *d)
{
    int64_t key, version;
    bind_name(st->find_same, IN_QUESTION, d);
    db_bind_text(st->find_same, 4, d->text);
    db_bind_text(st->find_same, 5, d->description);
    if (!read_found(st->find_same, &key, &version))
        return false;
    if (key == 0)
        return insert(st, d, BY_CONFIG) && prune_name(st, d->kind, d->name);
    d->version = version;
    return stand(st, key, BY_CONFIG);
}

/* What it does not say any more is found by retention; a number that a name had left goes when a
 * new version has the next one. */
bool apply_seed(struct sqlite_store *s, struct store_seed *seed)
{
    const struct define_statements *st = &s->define;
    bool fine = stand_all(st, BY_CONFIG, IN_QUESTION);
    for (uint32_t i = 0; fine && i < seed->count; i++)
        fine = apply_one_seed(st, &seed->seeds[i]);
    seed->op.result = STORE_OK;
    return fine && stand_all(st, IN_QUESTION, REPLACED);
}

bool apply_keep_version(struct sqlite_store *s, const struct run_record *run)
{
    sqlite3_stmt *st = s->define.keep;
    db_bind_text(st, 1, run->workflow);
    db_bind_int(st, 2, run->workflow_version);
    db_bind_text(st, 3, run->definition);
    return db_run(st);
}

/* --- retention -------------------------------------------------------------------------------- */

/* The next version behind `retire_from` that was replaced; false in ret_found: there is none. */
static bool prune_next(struct sqlite_store *s, bool *ret_found)
{
    sqlite3_stmt *st = s->define.next_replaced;
    db_bind_int(st, 1, s->retire_from);
    int rc = sqlite3_step(st);
    *ret_found = rc == SQLITE_ROW;
    if (*ret_found)
        s->retire_from = sqlite3_column_int64(st, 0);
    db_reset(st);
    return rc == SQLITE_DONE || (*ret_found && prune_one(&s->define, s->retire_from));
}

static bool forget_numbers(struct sqlite_store *s)
{
    db_bind_int(s->define.raise_floor, 1, NUMBERS_KEPT);
    db_bind_int(s->define.drop_numbers, 1, NUMBERS_KEPT);
    db_bind_int(s->define.drop_numbers, 2, NUMBERS_DROPPED);
    return db_run(s->define.raise_floor) && db_run(s->define.drop_numbers);
}

bool retain_definitions(struct sqlite_store *s, bool *ret_more)
{
    *ret_more = true;
    for (int i = 0; *ret_more && i < STEP_VERSIONS; i++) {
        if (!prune_next(s, ret_more))
            return false;
    }
    if (*ret_more)
        return true;
    s->retire_from = 0; /* the next round begins with the oldest again */
    return forget_numbers(s);
}

/* --- reading ---------------------------------------------------------------------------------- */

static const char read_sql[] =
    "SELECT kind, name, version, description, text,"
    " (SELECT count(*) FROM definition WHERE standing=1 AND standing > 0)"
    " FROM definition WHERE standing=1 AND standing > 0"
    " ORDER BY kind, name";

static bool read_row(sqlite3_stmt *st, struct arena *arena, struct store_definition *ret)
{
    *ret = (struct store_definition){.kind = (enum definition_kind)sqlite3_column_int(st, 0),
                                     .version = sqlite3_column_int64(st, 2)};
    return rows_copy_text(st, 1, arena, &ret->name) &&
           rows_copy_text(st, 3, arena, &ret->description) &&
           rows_copy_text(st, 4, arena, &ret->text);
}

static bool reserve(sqlite3_stmt *st, struct store_definitions *d)
{
    size_t n = (size_t)sqlite3_column_int64(st, 5);
    d->definitions = arena_alloc(&d->arena, n * sizeof *d->definitions);
    return d->definitions != NULL;
}

void read_definitions(sqlite3 *db, struct store_definitions *d)
{
    sqlite3_stmt *st = db_prepare(db, read_sql);
    d->count = 0;
    d->op.result = STORE_UNAVAILABLE;
    if (st == NULL)
        return;
    int rc;
    bool fits = true;
    while (fits && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        fits =
            (d->count > 0 || reserve(st, d)) && read_row(st, &d->arena, &d->definitions[d->count]);
        d->count += fits;
    }
    sqlite3_finalize(st);
    if (fits && rc == SQLITE_DONE)
        d->op.result = STORE_OK;
}
