/* The store's contract, on SQLite and on the fake that the engine is tested with. */
#include "tests/support/faulty_vfs.h"
#include "tests/support/sqlite_rig.h"
#include "tests/support/store_contract.h"
#include "tests/support/store_fake.h"

Suite *suite_store_contract(void);

/* --- SQLite ----------------------------------------------------------------------------------- */

static void create_sqlite(void)
{
    sqlite_rig_make();
    sqlite_rig_options.queue_bytes = CONTRACT_QUEUE_BYTES;
}

/* The log's fsync fails: the frames are there, and found when the database is opened again; or they
 * never were. */
static void fail_sqlite_commit(bool done)
{
    struct fault fault = {.file = FAULT_WAL,
                          .call = done ? FAULT_SYNC : FAULT_WRITE,
                          .times = 1,
                          .code = done ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE,
                          .done = done};
    faulty_vfs_arm(&fault);
}

static void heal_sqlite(void)
{
    ck_assert_uint_eq(faulty_vfs_strikes(), 1);
    faulty_vfs_disarm();
}

static void take_sqlite_over(void)
{
    sqlite_rig_sql("UPDATE gateway SET epoch = epoch + 1");
}

static const struct contract_subject on_sqlite = {
    .create = create_sqlite,
    .destroy = sqlite_rig_remove,
    .open = sqlite_rig_open,
    .fail_commit = fail_sqlite_commit,
    .heal = heal_sqlite,
    .take_over = take_sqlite_over,
    .hold = faulty_vfs_hold,
    .wait_held = faulty_vfs_wait_held,
    .let_go = faulty_vfs_let_go,
};

static void set_up_sqlite(void)
{
    contract_set_up(&on_sqlite);
}

/* --- the fake --------------------------------------------------------------------------------- */

static struct store_fake *fake;

static void create_fake(void)
{
    fake = store_fake_create(NULL);
    store_fake_set_queue_bytes(fake, CONTRACT_QUEUE_BYTES);
}

static void destroy_fake(void)
{
    store_fake_destroy(fake);
}

static struct store *open_fake(void)
{
    return store_fake_open(fake);
}

static void fail_fake_commit(bool done)
{
    store_fake_fail_commit(fake, done);
}

static void heal_fake(void)
{
    ck_assert(!store_fake_is_whole(fake));
    store_fake_heal(fake);
}

static void take_fake_over(void)
{
    store_fake_take_over(fake);
}

static void hold_fake(void)
{
    store_fake_hold(fake);
}

static void wait_fake_held(void)
{
    ck_assert_uint_gt(store_fake_held(fake), 0);
}

static void let_fake_go(void)
{
    store_fake_let_go(fake);
}

static const struct contract_subject on_fake = {
    .create = create_fake,
    .destroy = destroy_fake,
    .open = open_fake,
    .fail_commit = fail_fake_commit,
    .heal = heal_fake,
    .take_over = take_fake_over,
    .hold = hold_fake,
    .wait_held = wait_fake_held,
    .let_go = let_fake_go,
};

static void set_up_fake(void)
{
    contract_set_up(&on_fake);
}

Suite *suite_store_contract(void)
{
    Suite *s = suite_create("store/contract");
    contract_add(s, "sqlite", set_up_sqlite, contract_tear_down);
    contract_add(s, "fake", set_up_fake, contract_tear_down);
    return s;
}
