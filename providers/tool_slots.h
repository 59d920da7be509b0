#ifndef SLUICE_PROVIDERS_TOOL_SLOTS_H
#define SLUICE_PROVIDERS_TOOL_SLOTS_H
/* Which tool call a piece of one belongs to.
 *
 * Servers say it in different ways: by an index from 0, by one from elsewhere, by an id in the
 * first piece or in each, by nothing but the order; some give every call the index 0 and an id of
 * its own. Here they become 0, 1, 2 in the order in which they begin. Zeroed memory is ready, and
 * needs nothing more until the first call comes: most answers have none. */
#include <stdbool.h>

#include "providers/answer.h"

struct tool_slot {
    uint64_t index; /* the server's */
    uint64_t id;    /* a hash of it; 0: none has come */
    bool has_index;
    bool has_arguments; /* for its owner's use */
};

struct tool_slots {
    struct tool_slot *slots;
    uint32_t count; /* at most ANSWER_MAX_TOOL_CALLS */
    uint32_t cap;
};

void tool_slots_fini(struct tool_slots *t);

/* `index` NULL: none was sent; `id` may be empty. False: there are too many,
 * or no memory. */
bool tool_slots_find(struct tool_slots *t, const uint64_t *index, struct str id,
                     uint32_t *ret_slot) MUST_CHECK;
#endif
