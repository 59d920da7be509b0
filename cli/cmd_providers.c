/* sluice providers: what the gateway is configured with, and how it does. */
#include "cli/listing.h"

static const struct option_spec options[] = {
    {"json", OPTION_JSON, OPTION_FLAG, NULL, "print them as JSON, one a line", NULL},
    {.name = NULL},
};

static const struct listing providers = {
    .path = "/v1/providers",
    .columns = {{"NAME", "/name", NULL},
                {"KIND", "/kind", NULL},
                {"BREAKER", "/breaker/state", NULL},
                {">BUSY", "/slots/borrowed", NULL},
                {">SLOTS", "/slots/total", NULL},
                {">WAITING", "/slots/waiting", NULL},
                {">CALLS", "/counts/calls", NULL},
                {">FAILED", "/counts/failed", NULL},
                {">P50 MS", "/latency/p50_ms", NULL},
                {">P99 MS", "/latency/p99_ms", NULL}},
};

static int list(struct session *s, const struct options *o)
{
    return listing_show(s, o, &providers);
}

static int run(const struct options *o)
{
    return session_run(o, list);
}

const struct command command_providers = {
    .name = "providers",
    .arguments = "",
    .summary = "list providers: breaker, slots, calls, latency",
    .options = options,
    .asks_server = true,
    .run = run,
};
