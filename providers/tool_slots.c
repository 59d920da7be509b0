#include "providers/tool_slots.h"

#include "base/mem.h"

enum { FIRST_SLOTS = 4 };

void tool_slots_fini(struct tool_slots *t)
{
    mem_free(t->slots);
    *t = (struct tool_slots){.count = 0};
}

static uint64_t hash_of(struct str id)
{
    return id.len == 0 ? 0 : str_hash(id) | 1;
}

static bool fits(const struct tool_slot *s, const uint64_t *index, uint64_t id)
{
    bool same_index = index == NULL || (s->has_index && s->index == *index);
    bool same_id = id == 0 || s->id == 0 || s->id == id;
    return same_index && same_id;
}

static bool make_room(struct tool_slots *t)
{
    if (t->count < t->cap)
        return true;
    if (t->count == ANSWER_MAX_TOOL_CALLS)
        return false;
    uint32_t cap = t->cap == 0 ? FIRST_SLOTS : 2 * t->cap;
    struct tool_slot *slots = mem_realloc(t->slots, cap * sizeof *slots);
    if (slots == NULL)
        return false;
    t->slots = slots;
    t->cap = cap;
    return true;
}

bool tool_slots_find(struct tool_slots *t, const uint64_t *index, struct str id, uint32_t *ret_slot)
{
    uint64_t hash = hash_of(id);
    for (uint32_t i = t->count; i-- > 0;) {
        struct tool_slot *s = &t->slots[i];
        if (!fits(s, index, hash))
            continue;
        s->id = s->id != 0 ? s->id : hash;
        *ret_slot = i;
        return true;
    }
    if (!make_room(t))
        return false;
    struct tool_slot *s = &t->slots[t->count];
    *s = (struct tool_slot){.id = hash, .has_index = index != NULL};
    s->index = index != NULL ? *index : 0;
    *ret_slot = t->count++;
    return true;
}
