#ifndef SLUICE_TESTS_SUPPORT_FAULTY_VFS_H
#define SLUICE_TESTS_SUPPORT_FAULTY_VFS_H
/* A file layer for SQLite that passes everything on to the system's, but for the faults that a test
 * arms: writes and fsyncs that fail, once or for a while, and fsyncs that wait until the test lets
 * them go.
 *
 * One for the process; any thread. */
#include <stdbool.h>
#include <stdint.h>

#define FAULTY_VFS "faulty"

/* Makes the name known to SQLite, with no faults. */
void faulty_vfs_register(void);

/* Which file of a database, and what is done with it. */
enum fault_file { FAULT_DB, FAULT_WAL };
enum fault_call { FAULT_WRITE, FAULT_SYNC };

struct fault {
    enum fault_file file;
    enum fault_call call;
    unsigned after; /* calls that pass before it strikes */
    unsigned times; /* it strikes; FAULT_FOR_EVER: until it is disarmed */
    int code;       /* SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, ... */
    bool done;      /* it is carried out nevertheless, and only reported as failed */
};
#define FAULT_FOR_EVER (~0u)

void faulty_vfs_arm(const struct fault *fault); /* in place of any other */
void faulty_vfs_disarm(void);
unsigned faulty_vfs_strikes(void); /* since it was armed */

/* From now on an fsync of the log waits. faulty_vfs_wait_held returns once somebody does. */
void faulty_vfs_hold(void);
void faulty_vfs_wait_held(void);
void faulty_vfs_let_go(void);

/* Largest size that the log has had since the last look, in bytes. */
int64_t faulty_vfs_take_wal_peak(void);
#endif
