#ifndef SLUICE_TESTS_SUPPORT_SQLITE_STEPS_H
#define SLUICE_TESTS_SUPPORT_SQLITE_STEPS_H
/* How much SQLite does: the steps of its machine, in statements that have ended. What a time would
 * show, without the noise. */

enum sqlite_steps_of {
    SQLITE_STEPS_OF_READERS, /* statements of connections that only read */
    SQLITE_STEPS_OF_WRITES,  /* statements that write */
};

/* Counts on all connections that are opened from now on, until sqlite_steps_end. */
void sqlite_steps_begin(enum sqlite_steps_of of);
void sqlite_steps_end(void);

/* Since the last call. Any thread. */
int sqlite_steps_take(void);
#endif
