#include "resilience/key_ring.h"

#include <assert.h>

void key_ring_init(struct key_ring *r, uint32_t count)
{
    assert(count <= KEY_RING_MAX);
    *r = (struct key_ring){.count = count};
}

static bool rests(const struct key_ring *r, uint32_t key, uint64_t now_ms)
{
    return r->rests_until_ms[key] > now_ms;
}

uint32_t key_ring_take(struct key_ring *r, uint64_t now_ms)
{
    uint32_t best = r->next;
    for (uint32_t i = 0; i < r->count; i++) {
        uint32_t key = (r->next + i) % r->count;
        if (!rests(r, key, now_ms)) {
            best = key;
            break;
        }
        if (r->rests_until_ms[key] < r->rests_until_ms[best])
            best = key;
    }
    r->next = r->count > 0 ? (best + 1) % r->count : 0;
    return best;
}

/* The longer of two rests counts. */
static void rest(struct key_ring *r, uint32_t key, uint64_t until_ms)
{
    if (key < r->count && r->rests_until_ms[key] < until_ms)
        r->rests_until_ms[key] = until_ms;
}

void key_ring_refused(struct key_ring *r, uint32_t key, uint64_t now_ms)
{
    rest(r, key, now_ms + KEY_RING_REFUSED_MS);
}

void key_ring_limited(struct key_ring *r, uint32_t key, uint64_t hint_ms, uint64_t now_ms)
{
    uint64_t ms = hint_ms > 0 ? hint_ms : KEY_RING_LIMITED_MS;
    rest(r, key, now_ms + (ms < KEY_RING_MAX_MS ? ms : KEY_RING_MAX_MS));
}

bool key_ring_is_awake(const struct key_ring *r, uint64_t now_ms)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (!rests(r, i, now_ms))
            return true;
    }
    return false;
}
