/* What a change says of other runs: the children that a run's tasks make, and the parent that waits
 * for one.
 *
 * A child is made with the row that names it, and a parked parent is due with its child's end, so
 * that no crash comes in between. Each statement finds its own work done where a change is sent
 * again. */
#include "store/sqlite_internal.h"

/* One that is there already was made by this change, when its outcome was unknown. */
static bool apply_child(struct sqlite_store *s, const struct store_child *child)
{
    int64_t key;
    bool ended;
    if (!apply_find_state(s, child->run->tenant, &child->run->id, &key, &ended))
        return false;
    if (key != 0)
        return true;
    key = s->next_key++;
    return apply_insert(s, key, child->run, 0) && apply_segment(s, (uint64_t)key, &child->segment);
}

static bool make_due(struct sqlite_store *s, int64_t key)
{
    db_bind_int(s->st.make_due, 1, key);
    return db_run(s->st.make_due);
}

static bool apply_wait(struct sqlite_store *s, struct store_change *c)
{
    for (uint32_t i = 0; !c->is_due && i < c->wait_count; i++) {
        int64_t key;
        bool ended;
        if (!apply_find_state(s, c->run->tenant, &c->waits_for[i], &key, &ended))
            return false;
        c->is_due = key == 0 || ended;
    }
    return !c->is_due || make_due(s, (int64_t)c->ref);
}

static bool apply_wake(struct sqlite_store *s, struct store_change *c)
{
    sqlite3_stmt *st = s->st.find_parked;
    db_bind_text(st, 1, c->run->tenant);
    db_bind_blob(st, 2, c->wakes->bytes, sizeof c->wakes->bytes);
    int rc = sqlite3_step(st);
    int64_t key = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    c->has_woken = rc == SQLITE_ROW;
    if (c->has_woken)
        str_copy(c->woken_lane, sizeof c->woken_lane, db_column_view(st, 1));
    db_reset(st);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE;
    return make_due(s, key);
}

bool apply_family(struct sqlite_store *s, struct store_change *c)
{
    for (uint32_t i = 0; i < c->child_count; i++) {
        if (!apply_child(s, &c->children[i]))
            return false;
    }
    return apply_wait(s, c) && (c->wakes == NULL || apply_wake(s, c));
}
