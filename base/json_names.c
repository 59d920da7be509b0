#include "base/json_names.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "base/rng.h"

enum { FIRST_NAMES = 128 };

static const uint32_t none = UINT32_MAX;

/* --- SipHash-1-3 (Aumasson, Bernstein, 2012), fed by bytes ------------------------------------ */

struct sip {
    uint64_t v0, v1, v2, v3;
    uint64_t word;
    uint64_t len;
};

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static void sip_mix(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

static void sip_init(struct sip *s, const uint64_t key[2])
{
    *s = (struct sip){
        .v0 = key[0] ^ 0x736F6D6570736575u,
        .v1 = key[1] ^ 0x646F72616E646F6Du,
        .v2 = key[0] ^ 0x6C7967656E657261u,
        .v3 = key[1] ^ 0x7465646279746573u,
    };
}

static void sip_add(struct sip *s, uint8_t byte)
{
    s->word |= (uint64_t)byte << 8 * (s->len++ & 7);
    if ((s->len & 7) != 0)
        return;
    sip_mix(s, s->word);
    s->word = 0;
}

static uint64_t sip_end(struct sip *s)
{
    sip_mix(s, s->word | s->len << 56);
    s->v2 ^= 0xFF;
    for (int i = 0; i < 3; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* --- the names -------------------------------------------------------------------------------- */

/* The object is part of the hash: the same names in an outer and an inner object do not share
 * chains. */
static uint32_t hash_of(const struct json_names *n, const struct json_doc *doc, uint32_t owner,
                        uint32_t token)
{
    struct sip s;
    sip_init(&s, n->key);
    sip_mix(&s, owner);
    struct json_chars c = json_chars_of(doc->text, &doc->tokens[token]);
    for (int byte = json_chars_next(&c); byte >= 0; byte = json_chars_next(&c))
        sip_add(&s, (uint8_t)byte);
    return (uint32_t)sip_end(&s);
}

bool json_names_eq(const char *text, const struct json_token *a, const struct json_token *b)
{
    if (!a->escaped && !b->escaped)
        return str_eq(json_inside(text, a), json_inside(text, b));
    struct json_chars x = json_chars_of(text, a), y = json_chars_of(text, b);
    for (;;) {
        int c = json_chars_next(&x);
        if (c != json_chars_next(&y))
            return false;
        if (c < 0)
            return true;
    }
}

void json_names_init(struct json_names *n)
{
    *n = (struct json_names){0};
}

void json_names_fini(struct json_names *n)
{
    mem_free(n->heads);
    mem_free(n->stack);
}

static uint32_t *head_of(const struct json_names *n, uint32_t hash)
{
    return &n->heads[hash & (n->cap - 1)];
}

static bool grow(struct json_names *n)
{
    uint32_t cap = n->cap ? n->cap * 2 : FIRST_NAMES;
    struct json_name *stack = mem_realloc(n->stack, cap * sizeof *stack);
    if (stack == NULL)
        return false;
    n->stack = stack;
    uint32_t *heads = mem_realloc(n->heads, cap * sizeof *heads);
    if (heads == NULL)
        return false;
    if (n->cap == 0)
        rng_system(n->key, sizeof n->key);
    n->heads = heads;
    n->cap = cap;
    memset(heads, 0xFF, cap * sizeof *heads); /* none */
    for (uint32_t i = 0; i < n->count; i++) {
        uint32_t *head = head_of(n, stack[i].hash);
        stack[i].next = *head;
        *head = i;
    }
    return true;
}

enum err json_names_add(struct json_names *n, const struct json_doc *doc, uint32_t owner,
                        uint32_t token, bool *ret_repeats)
{
    if (n->count == n->cap && !grow(n))
        return ERR_NOMEM;
    uint32_t hash = hash_of(n, doc, owner, token);
    uint32_t *head = head_of(n, hash);
    for (uint32_t i = *head; i != none; i = n->stack[i].next) {
        const struct json_name *old = &n->stack[i];
        if (old->hash == hash && old->owner == owner &&
            json_names_eq(doc->text, &doc->tokens[old->token], &doc->tokens[token])) {
            *ret_repeats = true;
            return OK;
        }
    }
    n->stack[n->count] = (struct json_name){token, owner, hash, *head};
    *head = n->count++;
    *ret_repeats = false;
    return OK;
}

void json_names_drop(struct json_names *n, uint32_t owner)
{
    while (n->count > 0 && n->stack[n->count - 1].owner == owner) {
        const struct json_name *newest = &n->stack[--n->count];
        *head_of(n, newest->hash) = newest->next;
    }
}
