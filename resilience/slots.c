#include "resilience/slots.h"

#include <assert.h>

void slots_init(struct slots *s, uint32_t total)
{
    *s = (struct slots){.total = total};
}

void slots_resize(struct slots *s, uint32_t total)
{
    s->total = total;
}

bool slots_take(struct slots *s)
{
    if (!slots_has_free(s))
        return false;
    s->borrowed++;
    return true;
}

void slots_give(struct slots *s)
{
    assert(s->borrowed > 0);
    s->borrowed--;
}
