#include "runs/hint.h"

#include "base/clock.h"
#include "resilience/retry_hint.h"

static void on_header(void *ctx, struct str name, struct str value)
{
    retry_hint_header(ctx, name, value, clock_wall_ms(NULL));
}

uint64_t hint_of_answer(struct transfer *t)
{
    struct retry_hint hint;
    retry_hint_init(&hint);
    transfer_each_header(t, on_header, &hint);
    return retry_hint_ms(&hint);
}
