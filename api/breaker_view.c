#include "api/breaker_view.h"

#include "base/clock.h"

void breaker_view_write(struct buf *b, enum breaker_state state, uint32_t failures,
                        uint64_t opens_until_ms, const struct loop *loop)
{
    uint64_t now_ms = loop_now_ms(loop);
    char text[CLOCK_TEXT];
    buf_addf(b, "\"state\":\"%s\",\"failures\":%u,\"opens_until\":", breaker_state_name(state),
             (unsigned)failures);
    if (opens_until_ms <= now_ms) {
        buf_add_lit(b, "null");
        return;
    }
    clock_format(loop_wall_ms(loop) + (int64_t)(opens_until_ms - now_ms), text);
    buf_addf(b, "\"%.*s\"", CLOCK_TEXT, text);
}
