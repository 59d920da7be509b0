#ifndef SLUICE_TESTS_UNIT_BASE_OOM_H
#define SLUICE_TESTS_UNIT_BASE_OOM_H
/* Runs something with its first allocation failing, then its second, and so on, until it passes. */
#include <check.h>

#include "base/err.h"
#include "base/mem.h"

typedef enum err oom_fn(void *arg);

/* Each failing round must say ERR_NOMEM and leave nothing behind. Returns how many rounds it took:
 * 1 + allocations. */
static inline unsigned long oom_rounds(oom_fn *run, void *arg)
{
    for (unsigned long n = 1;; n++) {
        long live = mem_live();
        mem_fail_nth(n);
        enum err e = run(arg);
        mem_fail_nth(0);
        ck_assert_int_eq(mem_live(), live);
        if (e == OK)
            return n;
        ck_assert_int_eq(e, ERR_NOMEM);
        ck_assert_uint_lt(n, 100000);
    }
}
#endif
