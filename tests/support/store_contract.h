#ifndef SLUICE_TESTS_SUPPORT_STORE_CONTRACT_H
#define SLUICE_TESTS_SUPPORT_STORE_CONTRACT_H
/* What store/store.h promises, as test cases that run on any store. */
#include <check.h>

#include "store/store.h"

enum { CONTRACT_QUEUE_BYTES = 1000 }; /* with which a subject is opened */

/* A store under test, and the faults that the contract speaks of. */
struct contract_subject {
    void (*create)(void); /* an empty database */
    void (*destroy)(void);
    struct store *(*open)(void); /* the same database each time */

    void (*fail_commit)(
        bool done);     /* the next one: its outcome is unknown; no read may have come before it */
    void (*heal)(void); /* the store may write again, now or soon */
    void (*take_over)(void); /* another gateway takes the database, while ours is open */
    void (*hold)(void);      /* commits wait */
    void (*wait_held)(void); /* until one does */
    void (*let_go)(void);
};

/* Around each case: a new database, opened, and closed and removed again. */
void contract_set_up(const struct contract_subject *subject);
void contract_tear_down(void);

/* Adds all cases, with fixtures that call the two. */
void contract_add(Suite *suite, const char *name, void (*set_up)(void), void (*tear_down)(void));
#endif
