#ifndef SLUICE_RESILIENCE_KEY_RING_H
#define SLUICE_RESILIENCE_KEY_RING_H
/* The API keys of one provider: they take turns, and one that the provider does not want rests
 * while the others serve.
 *
 * Pure data; keys are numbers from 0. Time is passed in (monotonic ms). No lock inside: its owner
 * holds one. Life: key_ring_init, then any calls, no end. */
#include <stdbool.h>
#include <stdint.h>

enum {
    KEY_RING_MAX = 32,
    KEY_RING_REFUSED_MS =
        600000, /* the rest of a key that is not valid, or whose quota is used up */
    KEY_RING_LIMITED_MS = 30000, /* of one whose rate is limited, where the provider does not say */
    KEY_RING_MAX_MS = 3600000,   /* a provider that asks for more is taken to ask for this */
};

struct key_ring {
    uint32_t count;
    uint32_t next;
    uint64_t rests_until_ms[KEY_RING_MAX]; /* 0: it has not rested yet */
};

/* `count` <= KEY_RING_MAX; 0 is a provider without keys. */
void key_ring_init(struct key_ring *r, uint32_t count);

/* Whose turn it is: the next that does not rest; where all do, the one that is awake first. 0 where
 * there are none. */
uint32_t key_ring_take(struct key_ring *r, uint64_t now_ms);

/* It is not valid (401, 403), or its quota is used up for long. */
void key_ring_refused(struct key_ring *r, uint32_t key, uint64_t now_ms);

/* Its rate is limited (429). `hint_ms`: the provider's Retry-After, 0 if none. */
void key_ring_limited(struct key_ring *r, uint32_t key, uint64_t hint_ms, uint64_t now_ms);

/* Is there one that does not rest? */
bool key_ring_is_awake(const struct key_ring *r, uint64_t now_ms);
#endif
