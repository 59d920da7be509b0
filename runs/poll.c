#include "runs/poll.h"

void poll_init(struct poll *p)
{
    *p = (struct poll){.misses = 0};
    buf_init(&p->handle, POLL_HANDLE_MAX);
}

void poll_fini(struct poll *p)
{
    buf_fini(&p->handle);
}

enum err poll_take(struct poll *p, struct str handle)
{
    p->misses = 0;
    buf_clear(&p->handle);
    buf_add_str(&p->handle, handle);
    return buf_ok(&p->handle);
}

bool poll_miss(struct poll *p)
{
    return poll_goes_on(p) && ++p->misses <= POLL_MISSES_MAX;
}

uint64_t poll_wait_ms(const struct poll *p, uint64_t every_ms, uint64_t hint_ms)
{
    uint64_t wait_ms = every_ms << p->misses;
    if (wait_ms > POLL_MISS_MAX_MS)
        wait_ms = every_ms > POLL_MISS_MAX_MS ? every_ms : POLL_MISS_MAX_MS;
    return wait_ms > hint_ms ? wait_ms : hint_ms;
}
