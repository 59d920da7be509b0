#include "base/id.h"

#include <string.h>

#include "base/rng.h"

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void id_source_init(struct id_source *s)
{
    memset(s, 0, sizeof *s);
}

static void take_random(struct id_source *s, uint8_t *at, size_t n)
{
    if (s->pool_left < n) {
        rng_system(s->pool, sizeof s->pool);
        s->pool_left = sizeof s->pool;
    }
    s->pool_left -= n;
    memcpy(at, s->pool + s->pool_left, n);
}

static int64_t time_of(const struct id *id)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id->bytes[i];
    return ms;
}

/* Adds a random step to the 80 low bits, so that a neighbour's id cannot be guessed; a carry into
 * the time is harmless. */
static void step(struct id_source *s)
{
    uint8_t random[4];
    take_random(s, random, sizeof random);
    uint32_t add = (uint32_t)random[0] << 24 | (uint32_t)random[1] << 16 |
                   (uint32_t)random[2] << 8 | random[3];
    take_random(s, &s->last.bytes[15], 1);
    uint64_t rest = (uint64_t)add + 1; /* added above the lowest byte, which was drawn anew */
    for (int i = 14; i >= 0 && rest > 0; i--) {
        uint64_t sum = s->last.bytes[i] + (rest & 0xFF);
        s->last.bytes[i] = (uint8_t)sum;
        rest = (rest >> 8) + (sum >> 8);
    }
}

struct id id_next(struct id_source *s, int64_t wall_ms)
{
    if (wall_ms <= time_of(&s->last)) {
        step(s);
        return s->last;
    }
    for (int i = 5; i >= 0; i--) {
        s->last.bytes[i] = (uint8_t)wall_ms;
        wall_ms >>= 8;
    }
    take_random(s, s->last.bytes + 6, 10);
    s->last.bytes[6] &= 0x7F; /* room for steps within this millisecond */
    return s->last;
}

static uint64_t read_64(const uint8_t *at)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | at[i];
    return v;
}

void id_format(const struct id *id, char ret_text[ID_TEXT])
{
    /* Five bits a character, from the end; the first one has the three that are left. */
    uint64_t high = read_64(id->bytes), low = read_64(id->bytes + 8);
    size_t i = ID_TEXT;
    for (; i > 14; low >>= 5)
        ret_text[--i] = alphabet[low & 31];
    ret_text[--i] = alphabet[(low | high << 4) & 31]; /* four of `low`, one of `high` */
    for (high >>= 1; i > 0; high >>= 5)
        ret_text[--i] = alphabet[high & 31];
}

static int digit_of(char c)
{
    const char *hit = c != '\0' ? strchr(alphabet, c) : NULL;
    return hit ? (int)(hit - alphabet) : -1;
}

bool id_parse(struct str text, struct str prefix, struct id *ret_id)
{
    if (text.len != prefix.len + ID_TEXT || !str_starts(text, prefix) || text.at[prefix.len] > '7')
        return false;
    struct id id;
    unsigned acc = 0, bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < ID_TEXT; i++) {
        int d = digit_of(text.at[prefix.len + i]);
        if (d < 0)
            return false;
        acc = acc << 5 | (unsigned)d;
        bits += i == 0 ? 3 : 5;
        if (bits >= 8) {
            bits -= 8;
            id.bytes[n++] = (uint8_t)(acc >> bits);
        }
    }
    *ret_id = id;
    return true;
}

bool id_eq(const struct id *a, const struct id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

uint64_t id_hash(const struct id *id)
{
    /* The low bytes are random and not chosen by a client: mixing them is enough. */
    uint64_t high, low;
    memcpy(&high, id->bytes, 8);
    memcpy(&low, id->bytes + 8, 8);
    uint64_t h = (high ^ low * 0x9E3779B97F4A7C15u) * 0xBF58476D1CE4E5B9u;
    return h ^ h >> 29;
}
