#include "load/tally.h"

#include <stdio.h>

#include "tool.h"

void tally_answer(struct tally *t, uint64_t ns)
{
    t->requests++;
    histogram_add(&t->latency, ns);
}

static void count_token(struct tally *t, uint64_t now_ns)
{
    t->tokens++;
    if (t->first_token_ns == 0)
        t->first_token_ns = now_ns;
    t->last_token_ns = now_ns;
}

void tally_first_token(struct tally *t, uint64_t ns, uint64_t now_ns)
{
    count_token(t, now_ns);
    histogram_add(&t->first_token, ns);
}

void tally_token(struct tally *t, uint64_t ns, uint64_t now_ns, uint32_t gap_ms)
{
    count_token(t, now_ns);
    histogram_add(&t->gap, ns);
    t->stalls_10x += gap_ms && ns > gap_ms * 10 * NS_PER_MS;
    t->stalls_100ms += ns > (gap_ms + 100) * NS_PER_MS;
}

static void print_times(const char *name, const struct histogram *h)
{
    if (h->total == 0)
        return;
    printf("%s_p50_us=%lu\n%s_p90_us=%lu\n%s_p99_us=%lu\n%s_max_us=%lu\n", name,
           histogram_at(h, 0.50), name, histogram_at(h, 0.90), name, histogram_at(h, 0.99), name,
           h->max);
}

void tally_print_times(const struct tally *t)
{
    print_times("latency", &t->latency);
    print_times("first_token", &t->first_token);
    print_times("gap", &t->gap);
}
