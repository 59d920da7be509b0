#include "tests/support/faulty_vfs.h"

#include <check.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

struct file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
    bool is_known;      /* a database or its log: others (none, today) pass */
    enum fault_file kind;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fault fault;
    bool is_armed;
    unsigned passed, strikes;
    bool holds;
    unsigned held;
    int64_t wal_peak;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static sqlite3_vfs *real_vfs;

static sqlite3_file *real(sqlite3_file *f)
{
    return ((struct file *)(void *)f)->real;
}

/* Does the armed fault strike this call? */
static bool strikes(const struct file *f, enum fault_call call, struct fault *ret_fault)
{
    pthread_mutex_lock(&state.lock);
    bool hit = state.is_armed && f->is_known && state.fault.file == f->kind &&
               state.fault.call == call && state.passed++ >= state.fault.after &&
               (state.fault.times == FAULT_FOR_EVER || state.strikes < state.fault.times);
    if (hit) {
        state.strikes++;
        *ret_fault = state.fault;
    }
    pthread_mutex_unlock(&state.lock);
    return hit;
}

/* --- the calls that may fail ------------------------------------------------------------------ */

static void note_size(const struct file *f, int64_t size)
{
    if (!f->is_known || f->kind != FAULT_WAL)
        return;
    pthread_mutex_lock(&state.lock);
    if (state.wal_peak < size)
        state.wal_peak = size;
    pthread_mutex_unlock(&state.lock);
}

static int on_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct file *f = (struct file *)(void *)file;
    struct fault fault;
    bool hit = strikes(f, FAULT_WRITE, &fault);
    if (hit && !fault.done)
        return fault.code;
    note_size(f, at + n);
    int rc = f->real->pMethods->xWrite(f->real, bytes, n, at);
    return hit ? fault.code : rc;
}

static void wait_if_held(const struct file *f)
{
    if (!f->is_known || f->kind != FAULT_WAL)
        return;
    pthread_mutex_lock(&state.lock);
    if (state.holds) {
        state.held++;
        pthread_cond_broadcast(&state.changed);
        while (state.holds)
            pthread_cond_wait(&state.changed, &state.lock);
        state.held--;
    }
    pthread_mutex_unlock(&state.lock);
}

static int on_sync(sqlite3_file *file, int flags)
{
    struct file *f = (struct file *)(void *)file;
    struct fault fault;
    wait_if_held(f);
    bool hit = strikes(f, FAULT_SYNC, &fault);
    if (hit && !fault.done)
        return fault.code;
    int rc = f->real->pMethods->xSync(f->real, flags);
    return hit ? fault.code : rc;
}

/* --- the calls that are passed on ------------------------------------------------------------- */

static int on_close(sqlite3_file *f)
{
    return real(f)->pMethods->xClose(real(f));
}

static int on_read(sqlite3_file *f, void *bytes, int n, sqlite3_int64 at)
{
    return real(f)->pMethods->xRead(real(f), bytes, n, at);
}

static int on_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return real(f)->pMethods->xTruncate(real(f), size);
}

static int on_file_size(sqlite3_file *f, sqlite3_int64 *ret_size)
{
    return real(f)->pMethods->xFileSize(real(f), ret_size);
}

static int on_lock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xLock(real(f), level);
}

static int on_unlock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xUnlock(real(f), level);
}

static int on_check_reserved(sqlite3_file *f, int *ret_locked)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), ret_locked);
}

static int on_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int on_sector_size(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}

static int on_characteristics(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int on_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret_at)
{
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, ret_at);
}

static int on_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *f)
{
    real(f)->pMethods->xShmBarrier(real(f));
}

static int on_shm_unmap(sqlite3_file *f, int delete)
{
    return real(f)->pMethods->xShmUnmap(real(f), delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* without mmap, which the store does not use */
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_file_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_reserved,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                   int *ret_flags)
{
    struct file *f = (struct file *)(void *)file;
    (void)vfs;
    *f = (struct file){.real = (sqlite3_file *)(void *)(f + 1)};
    f->is_known = (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0;
    f->kind = (flags & SQLITE_OPEN_WAL) != 0 ? FAULT_WAL : FAULT_DB;
    int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, ret_flags);
    if (f->real->pMethods != NULL)
        f->base.pMethods = &methods;
    return rc;
}

void faulty_vfs_register(void)
{
    static sqlite3_vfs shim;
    real_vfs = sqlite3_vfs_find(NULL);
    ck_assert_ptr_nonnull(real_vfs);
    shim = *real_vfs;
    shim.pNext = NULL;
    shim.zName = FAULTY_VFS;
    shim.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    shim.xOpen = on_open;
    ck_assert_int_eq(sqlite3_vfs_register(&shim, 0), SQLITE_OK);
    faulty_vfs_disarm();
}

/* --- arming ----------------------------------------------------------------------------------- */

static void set_fault(const struct fault *fault)
{
    pthread_mutex_lock(&state.lock);
    state.is_armed = fault != NULL;
    if (fault != NULL) {
        state.fault = *fault;
        state.passed = state.strikes = 0;
    }
    pthread_mutex_unlock(&state.lock);
}

void faulty_vfs_arm(const struct fault *fault)
{
    set_fault(fault);
}

void faulty_vfs_disarm(void)
{
    set_fault(NULL);
}

unsigned faulty_vfs_strikes(void)
{
    pthread_mutex_lock(&state.lock);
    unsigned n = state.strikes;
    pthread_mutex_unlock(&state.lock);
    return n;
}

void faulty_vfs_hold(void)
{
    pthread_mutex_lock(&state.lock);
    state.holds = true;
    pthread_mutex_unlock(&state.lock);
}

void faulty_vfs_wait_held(void)
{
    pthread_mutex_lock(&state.lock);
    while (state.held == 0)
        pthread_cond_wait(&state.changed, &state.lock);
    pthread_mutex_unlock(&state.lock);
}

void faulty_vfs_let_go(void)
{
    pthread_mutex_lock(&state.lock);
    state.holds = false;
    pthread_cond_broadcast(&state.changed);
    pthread_mutex_unlock(&state.lock);
}

int64_t faulty_vfs_take_wal_peak(void)
{
    pthread_mutex_lock(&state.lock);
    int64_t peak = state.wal_peak;
    state.wal_peak = 0;
    pthread_mutex_unlock(&state.lock);
    return peak;
}
