#ifndef SLUICE_TESTS_SUPPORT_TREE_LAWS_H
#define SLUICE_TESTS_SUPPORT_TREE_LAWS_H
/* What the events of a finished run must say, whatever its tree and whatever was stopped meanwhile: a reading of API §3 and
 * §4 of its own, held against what the engine told.
 *
 * A task ends once; nothing of it is told before it begins or after its end; nothing begins outside of the one above, past
 * its limit, before its turn, or once what it becomes is decided; `finally` comes last, and once. What each group becomes
 * follows from what those below it became, by the rules of its type, value and error whole; what each leaf becomes from what
 * it was told to be. So the end of the root is checked as well, from the leaves up, without a second engine: only who was
 * first is taken from the events.
 *
 * Leaves are those of tests/support/random_tree.h, and a call of `sim` that hangs. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { TREE_CUTS_MAX = 8 };

struct tree_case {
    uint64_t seed;     /* told where a law is broken */
    struct str tree;   /* the task, JSON */
    struct str events; /* all of the run, as NDJSON */
    bool is_stopped;   /* the run was cancelled, or timed out */
    bool is_crashed;   /* attempts were lost */
    struct {
        char path[64];
        uint64_t seq; /* what had been told by then */
    } cuts[TREE_CUTS_MAX]; /* tasks that were under way, and were cancelled for themselves */
    unsigned cut_count;
};

/* What the events add up to. */
struct tree_sums {
    unsigned tasks, calls, attempts;
    unsigned words; /* that calls have cost, as their attempts tell it */
};

/* Ends the test, saying what is wrong, where a law is broken. */
void tree_laws_check(const struct tree_case *c, struct tree_sums *ret);
#endif
