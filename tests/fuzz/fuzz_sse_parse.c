/* Any bytes as an event stream, fed whole and cut in two: the same events, the same result. The
 * first byte says where the cut is, the second how much one event may take. Each chunk stands in a
 * block of its own, so that a view that outlives its chunk is seen. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/sse_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void add_part(struct buf *log, struct str part)
{
    buf_add_u64(log, part.len);
    buf_add_char(log, ':');
    buf_add_str(log, part);
}

static bool on_event(void *ctx, const struct sse_event *e)
{
    struct buf *log = ctx;
    REQUIRE(memchr(e->type.at ? e->type.at : "", '\n', e->type.len) == NULL);
    REQUIRE(memchr(e->id.at ? e->id.at : "", '\0', e->id.len) == NULL);
    add_part(log, e->type);
    add_part(log, e->data);
    add_part(log, e->id);
    return e->data.len != 3; /* some events end the feeding */
}

static enum err feed(struct sse_parser *p, const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    REQUIRE(copy != NULL);
    memcpy(copy, bytes, len);
    enum err e = sse_parse_feed(p, copy, len);
    free(copy);
    return e;
}

static enum err parse(struct str in, size_t cut, size_t max_bytes, struct buf *log)
{
    struct sse_parser p;
    buf_init(log, SIZE_MAX);
    sse_parse_init(&p, max_bytes, on_event, log);
    enum err e = feed(&p, in.at, cut);
    if (e == OK)
        e = feed(&p, in.at + cut, in.len - cut);
    if (e != OK)
        REQUIRE(feed(&p, "data: x\n\n", 9) == e); /* for good */
    sse_parse_fini(&p);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str in = {(const char *)data + 2, size - 2};
    size_t cut = data[0] % (in.len + 1), max_bytes = data[1] < 128 ? SIZE_MAX : data[1] - 112u;
    struct buf whole, halves;
    enum err a = parse(in, in.len, max_bytes, &whole);
    enum err b = parse(in, cut, max_bytes, &halves);
    REQUIRE(a == b && a != ERR_NOMEM);
    REQUIRE(str_eq(buf_str(&whole), buf_str(&halves)));
    buf_fini(&whole);
    buf_fini(&halves);
    return 0;
}
