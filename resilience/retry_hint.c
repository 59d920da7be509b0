#include "resilience/retry_hint.h"

#include "resilience/retry_after.h"

enum kind { IN_MS, AFTER, RESET_DURATION, RESET_DATE, REMAINING };

enum limit { REQUESTS, TOKENS, INPUT_TOKENS, OUTPUT_TOKENS };

static const struct rule {
    const char *name;
    enum kind kind;
    enum limit limit;
} rules[] = {
    {"retry-after-ms", IN_MS, 0},
    {"retry-after", AFTER, 0},
    {"x-ratelimit-reset-requests", RESET_DURATION, REQUESTS},
    {"x-ratelimit-reset-tokens", RESET_DURATION, TOKENS},
    {"x-ratelimit-remaining-requests", REMAINING, REQUESTS},
    {"x-ratelimit-remaining-tokens", REMAINING, TOKENS},
    {"anthropic-ratelimit-requests-reset", RESET_DATE, REQUESTS},
    {"anthropic-ratelimit-tokens-reset", RESET_DATE, TOKENS},
    {"anthropic-ratelimit-input-tokens-reset", RESET_DATE, INPUT_TOKENS},
    {"anthropic-ratelimit-output-tokens-reset", RESET_DATE, OUTPUT_TOKENS},
    {"anthropic-ratelimit-requests-remaining", REMAINING, REQUESTS},
    {"anthropic-ratelimit-tokens-remaining", REMAINING, TOKENS},
    {"anthropic-ratelimit-input-tokens-remaining", REMAINING, INPUT_TOKENS},
    {"anthropic-ratelimit-output-tokens-remaining", REMAINING, OUTPUT_TOKENS},
};

enum { RULES = sizeof rules / sizeof rules[0] };

void retry_hint_init(struct retry_hint *h)
{
    *h = (struct retry_hint){0};
}

static void raise_to(uint64_t *at_least, uint64_t ms)
{
    if (*at_least < ms)
        *at_least = ms;
}

static void note(struct retry_hint *h, const struct rule *rule, struct str value, int64_t now_ms)
{
    uint64_t ms, left;
    switch (rule->kind) {
    case IN_MS:
        if (retry_after_parse_ms(value, &ms)) {
            h->has_ms = true;
            raise_to(&h->ms, ms);
        }
        break;
    case AFTER:
        if (retry_after_parse(value, now_ms, &ms)) {
            h->has_after = true;
            raise_to(&h->after_ms, ms);
        }
        break;
    case RESET_DURATION:
        if (retry_after_parse_duration(value, &ms))
            raise_to(&h->limits[rule->limit].reset_ms, ms);
        break;
    case RESET_DATE:
        if (retry_after_parse_date(value, now_ms, &ms))
            raise_to(&h->limits[rule->limit].reset_ms, ms);
        break;
    case REMAINING:
        if (str_to_u64(str_trim(value), &left))
            h->limits[rule->limit].has_some_left = left > 0;
        break;
    }
}

void retry_hint_header(struct retry_hint *h, struct str name, struct str value, int64_t now_ms)
{
    for (unsigned i = 0; i < RULES; i++) {
        if (str_eq_nocase(name, str_of(rules[i].name))) {
            note(h, &rules[i], value, now_ms);
            return;
        }
    }
}

uint64_t retry_hint_ms(const struct retry_hint *h)
{
    if (h->has_ms)
        return h->ms;
    if (h->has_after)
        return h->after_ms;
    uint64_t longest_ms = 0;
    for (unsigned i = 0; i < RETRY_HINT_LIMITS; i++) {
        if (!h->limits[i].has_some_left)
            raise_to(&longest_ms, h->limits[i].reset_ms);
    }
    return longest_ms;
}
