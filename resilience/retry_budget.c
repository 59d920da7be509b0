#include "resilience/retry_budget.h"

enum { CALLS };

#define RETRY 1000000u /* one whole retry in the unit of the account */

static uint64_t deposit_of(double ratio)
{
    if (!(ratio > 0))
        return 0;
    return (uint64_t)((ratio < 100 ? ratio : 100) * RETRY + 0.5);
}

void retry_budget_init(struct retry_budget *b, double ratio)
{
    *b = (struct retry_budget){
        .deposit = deposit_of(ratio),
        .balance = (uint64_t)RETRY_BUDGET_RESERVE * RETRY,
    };
    window_init(&b->calls, RETRY_BUDGET_WINDOW_MS);
}

void retry_budget_configure(struct retry_budget *b, double ratio)
{
    b->deposit = deposit_of(ratio);
}

static void forget_old_savings(struct retry_budget *b, uint64_t now_ms)
{
    uint64_t recent = window_sum(&b->calls, CALLS, now_ms);
    uint64_t most = (uint64_t)RETRY_BUDGET_RESERVE * RETRY + b->deposit * recent;
    if (b->balance > most)
        b->balance = most;
}

void retry_budget_call(struct retry_budget *b, uint64_t now_ms)
{
    window_add(&b->calls, CALLS, 1, now_ms);
    b->balance += b->deposit;
    forget_old_savings(b, now_ms);
}

bool retry_budget_take(struct retry_budget *b, uint64_t now_ms)
{
    forget_old_savings(b, now_ms);
    if (b->balance < RETRY)
        return false;
    b->balance -= RETRY;
    return true;
}
