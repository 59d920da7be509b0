/* The table. A default stands as it would be written in the file, so that there is one form of it
 * for reading, for showing and for the manual. */
#include "config/schema.h"

#include "config/config.h"

enum { RELOADS = SCHEMA_RELOADS, NULLABLE = SCHEMA_NULLABLE, OPTIONAL = SCHEMA_OPTIONAL };

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

#define HOUR_MS  3600000.0
#define DAY_MS   86400000.0
#define MILLIONS 1000000.0

#define FIELD(type, member)                                                                        \
    {                                                                                              \
        offsetof(type, member), sizeof(((type *)NULL)->member)                                     \
    }
#define NO_FIELD                                                                                   \
    {                                                                                              \
        0, 0                                                                                       \
    }
#define IN_CONFIG(member)   FIELD(struct config, member)
#define IN_KEY(member)      FIELD(struct config_key, member)
#define IN_PROVIDER(member) FIELD(struct upstream_options, member)

/* A value. `lowest` and `highest` are its bounds. */
#define ROW(path_, type_, flags_, dflt_, lowest, highest, field_, help_)                           \
    {                                                                                              \
        .path = path_, .type = SCHEMA_##type_, .flags = flags_, .dflt = dflt_, .min = lowest,      \
        .max = highest, .field = field_, .help = help_                                             \
    }

#define CHOICE(path_, flags_, dflt_, values_, field_, help_)                                       \
    {                                                                                              \
        .path = path_, .type = SCHEMA_ENUM, .flags = flags_, .dflt = dflt_, .values = values_,     \
        .field = field_, .help = help_                                                             \
    }

/* An object of rows whose values go into the same struct. */
#define SECTION(path_, help_)                                                                      \
    {                                                                                              \
        .path = path_, .type = SCHEMA_OBJECT, .dflt = "{}", .opens = path_, .help = help_          \
    }

/* One that may be null: `field_` is all that its members fill. */
#define SWITCH(path_, flags_, field_, help_)                                                       \
    {                                                                                              \
        .path = path_, .type = SCHEMA_OBJECT, .flags = NULLABLE | (flags_), .dflt = "null",        \
        .field = field_, .opens = path_, .help = help_                                             \
    }

#define GROUP(path_, type_, flags_, dflt_, highest, opens_, help_)                                 \
    {                                                                                              \
        .path = path_, .type = SCHEMA_##type_, .flags = flags_, .dflt = dflt_, .max = highest,     \
        .opens = opens_, .help = help_                                                             \
    }

static const char *const stores[] = {"sqlite", NULL};
static const char *const log_formats[] = {"logfmt", "json", NULL};
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const jitters[] = {"full", "none", NULL};
static const char *const on_open[] = {"wait", "fail", NULL};

_Static_assert(LOG_LOGFMT == 0 && LOG_JSON == 1, "log_formats is in the order of enum log_format");
_Static_assert(LOG_DEBUG == 0 && LOG_ERROR == 3, "log_levels is in the order of enum log_level");
_Static_assert(BACKOFF_FULL == 0 && BACKOFF_NONE == 1, "jitters is in the order of backoff_jitter");
_Static_assert(LIMITER_ON_OPEN_WAIT == 0 && LIMITER_ON_OPEN_FAIL == 1, "on_open likewise");

#define BUCKET_TOKENS ((double)TOKEN_BUCKET_MAX_TOKENS)
#define BUCKET_PERIOD ((double)TOKEN_BUCKET_MAX_PERIOD_MS)

static const struct schema_row rows[] = {
    ROW("listen", LISTEN, 0, "[\"127.0.0.1:8080\"]", 1, 16, IN_CONFIG(listen),
        "Where clients come in: HOST:PORT, [V6]:PORT or unix:/PATH. Beyond loopback only with "
        "keys, or with allow_unauthenticated."),
    ROW("base_path", BASE_PATH, 0, "\"\"", 0, 128, IN_CONFIG(base_path),
        "The path under which a reverse proxy shows the gateway: the prefix of every Location and "
        "link."),
    ROW("loops", INT, 0, "0", 0, MAX_LOOPS, IN_CONFIG(loops),
        "Event loops, each a thread. 0: one for each usable CPU, the quota of the cgroup counted, "
        "at most 8."),

    SECTION("store", "Where runs and their events are kept."),
    CHOICE("store.kind", 0, "\"sqlite\"", stores, IN_CONFIG(store_kind), "The kind of store."),
    ROW("store.path", PATH, 0, "\"sluice.db\"", 1, 4000, IN_CONFIG(store.path),
        "The database file. From the working directory, unless it begins with a slash."),
    ROW("store.flush_ms", MS, 0, "20", 1, 10000, IN_CONFIG(engine.flush_ms),
        "How long changes that nobody waits for may gather before they are committed; what a crash "
        "may cost of an answer's text."),
    ROW("store.queue_bytes", BYTES, 0, "67108864", MIB, 16 * GIB, IN_CONFIG(store.queue_bytes),
        "What may wait for the disk. Beyond it new runs get 503 and providers are not read."),
    ROW("store.readers", INT, 0, "2", 1, 64, IN_CONFIG(store.readers),
        "Threads that read for lists, replays and old runs."),
    SECTION("store.retain", "What is deleted, oldest first, of the runs that have ended."),
    ROW("store.retain.days", DAYS, 0, "30", 0, 36500, IN_CONFIG(store.retain_ms),
        "Ended runs are kept so long. 0: for ever."),
    ROW("store.retain.max_bytes", BYTES, 0, "10737418240", 0, 1024 * TIB,
        IN_CONFIG(store.retain_bytes), "The database may grow so large. 0: without limit."),

    SECTION("limits", "What the gateway bears before it says no."),
    ROW("limits.body_bytes", BYTES, RELOADS, "4194304", KIB, GIB, IN_CONFIG(http.body_bytes),
        "Of a request's body. Beyond it: 413."),
    ROW("limits.header_bytes", BYTES, 0, "32768", KIB, MIB, IN_CONFIG(http.header_bytes),
        "Of all headers of a request with its first line. Beyond it: 431."),
    ROW("limits.headers", INT, RELOADS, "100", 8, 1000, IN_CONFIG(http.headers),
        "Headers of a request. Beyond it: 431."),
    ROW("limits.uri_bytes", BYTES, RELOADS, "8192", 256, 65536, IN_CONFIG(http.uri_bytes),
        "Of a request's target. Beyond it: 414."),
    ROW("limits.header_ms", MS, RELOADS, "10000", 100, HOUR_MS, IN_CONFIG(http.header_ms),
        "From a request's first byte to the end of its headers."),
    ROW("limits.body_ms", MS, RELOADS, "30000", 100, HOUR_MS, IN_CONFIG(http.body_ms),
        "From there to the end of its body."),
    ROW("limits.idle_ms", MS, RELOADS, "90000", 100, HOUR_MS, IN_CONFIG(http.idle_ms),
        "Of a connection between two requests. Longer than a reverse proxy keeps its own."),
    ROW("limits.connections", INT, 0, "20000", 1, MILLIONS, IN_CONFIG(http.connections),
        "Open at once; fewer where the system allows fewer open files."),
    ROW("limits.streams", INT, RELOADS, "15000", 1, MILLIONS, IN_CONFIG(http.streams),
        "Streams open at once. Beyond it: 503."),
    ROW("limits.readers_per_run", INT, RELOADS, "2000", 1, MILLIONS,
        IN_CONFIG(engine.readers_per_run), "Who follows one run at once."),
    ROW("limits.reader_bytes", BYTES, RELOADS, "262144", 16 * KIB, GIB,
        IN_CONFIG(http.reader_bytes),
        "What is held for one reader that is slower than its run. Beyond it the stream is cut; it "
        "can be resumed."),
    ROW("limits.write_stall_ms", MS, RELOADS, "60000", 100, HOUR_MS, IN_CONFIG(http.write_stall_ms),
        "A client that takes nothing for so long is cut off."),
    ROW("limits.heartbeat_ms", MS, RELOADS, "15000", 100, HOUR_MS, IN_CONFIG(http.heartbeat_ms),
        "A stream is never silent for longer."),
    ROW("limits.live_runs", INT, RELOADS, "50000", 1, 10 * MILLIONS, IN_CONFIG(engine.live_runs),
        "Runs in memory."),
    ROW("limits.queue_runs", INT, RELOADS, "100000", 0, 100 * MILLIONS,
        IN_CONFIG(engine.queue_runs),
        "Accepted runs that wait in the store for room in memory. Beyond it: 503."),
    ROW("limits.memory_bytes", BYTES, RELOADS, "1073741824", MIB, TIB,
        IN_CONFIG(engine.memory_bytes), "What live runs may hold."),
    ROW("limits.default_wait_ms", MS, RELOADS, "30000", 0, DAY_MS, IN_CONFIG(api.default_wait_ms),
        "How long POST /v1/agents/NAME/run waits where the client does not say. Not above "
        "max_wait_ms; left out, not above it either."),
    ROW("limits.max_wait_ms", MS, RELOADS, "300000", 1, DAY_MS, IN_CONFIG(api.max_wait_ms),
        "The longest wait that a client can ask for."),
    ROW("limits.default_run_timeout_ms", MS, RELOADS, "3600000", 1, 366 * DAY_MS,
        IN_CONFIG(engine.spec.default_run_timeout_ms),
        "A run's timeout_ms where the client does not say. Not above max_run_timeout_ms; left out, "
        "not above it either."),
    ROW("limits.max_run_timeout_ms", MS, RELOADS, "86400000", 1, 366 * DAY_MS,
        IN_CONFIG(engine.spec.max_run_timeout_ms), "The longest timeout_ms of a run."),
    ROW("limits.uncommitted_events", INT, 0, "4096", 16, 65536,
        IN_CONFIG(engine.uncommitted_events),
        "Events of a run that may be told before they are stored; beyond it its provider is not "
        "read. To be lowered only after a clean stop: recovery counts on it."),
    ROW("limits.tree_depth", INT, RELOADS, "32", 1, JSON_MAX_DEPTH,
        IN_CONFIG(engine.spec.tree_depth), "Tasks within tasks, and gateways behind gateways."),
    ROW("limits.tree_nodes", INT, RELOADS, "10000", 1, MILLIONS, IN_CONFIG(engine.spec.tree_nodes),
        "Tasks of one run."),
    ROW("limits.input_bytes", BYTES, RELOADS, "1048576", KIB, GIB,
        IN_CONFIG(engine.spec.input_bytes), "Of a run's input."),
    ROW("limits.output_bytes", BYTES, RELOADS, "16777216", KIB, GIB, IN_CONFIG(engine.output_bytes),
        "Of one answer of a provider. Beyond it the call fails with limit_exceeded."),

    GROUP("keys", KEYS, 0, "[]", 1000, "keys[]",
          "Who may use the API. Without any key everybody may, from this machine only."),
    ROW("keys[].name", NAME, 0, NULL, 1, 64, IN_KEY(name),
        "The tenant: it sees its own runs only. Unique."),
    ROW("keys[].sha256", DIGEST, 0, NULL, 64, 64, IN_KEY(digest),
        "SHA-256 of the key, without a newline behind it: 64 hex digits. Unique."),
    ROW("keys[].scopes", SCOPES, 0, NULL, 1, 3, IN_KEY(scope),
        "What it may do: \"read\", \"run\", \"admin\"; each holds those before it."),
    SECTION("keys[].limits", "What the key may do in a time."),
    SWITCH("keys[].limits.requests", 0, IN_KEY(requests),
           "How many runs it may create. Beyond it: 429. null: any number."),
    ROW("keys[].limits.requests.rate", INT, 0, NULL, 1, BUCKET_TOKENS, IN_KEY(requests.rate),
        "So many in each period."),
    ROW("keys[].limits.requests.period_ms", MS, 0, "60000", 1, BUCKET_PERIOD,
        IN_KEY(requests.period_ms), "The period."),
    ROW("keys[].limits.requests.burst", INT, OPTIONAL, NULL, 1, BUCKET_TOKENS,
        IN_KEY(requests.burst), "So many at once. Left out: the rate."),
    ROW("allow_unauthenticated", BOOL, 0, "false", 0, 0, IN_CONFIG(allow_unauthenticated),
        "true: listen beyond loopback without keys, as in a container behind a proxy that "
        "authenticates. Said loudly in the log."),
    ROW("trusted_proxies", CIDRS, RELOADS, "[\"127.0.0.1/32\"]", 0, 64, IN_CONFIG(trusted_proxies),
        "Whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are believed: addresses, or blocks "
        "as ADDRESS/BITS."),

    SECTION("log", "One line for each thing worth knowing, on standard error."),
    CHOICE("log.format", RELOADS, "\"logfmt\"", log_formats, IN_CONFIG(log_format),
           "key=value, or a JSON object a line."),
    CHOICE("log.level", RELOADS, "\"info\"", log_levels, IN_CONFIG(log_level),
           "The least that is told."),
    ROW("drain_ms", MS, RELOADS, "30000", 0, HOUR_MS, IN_CONFIG(drain_ms),
        "How long running runs may go on after SIGTERM before they are parked for the next start."),

    GROUP("providers", PROVIDERS, RELOADS, "{\"sim\":{\"kind\":\"sim\"}}", 256, "providers.NAME",
          "Whom the gateway calls, by name. `sim` is always there, unless a provider of that name "
          "is configured."),
    ROW("providers.NAME.kind", KIND, RELOADS, NULL, 0, 0, IN_PROVIDER(provider.kind),
        "The wire format. \"sim\" answers by itself, without a network."),
    ROW("providers.NAME.base_url", URL, RELOADS | OPTIONAL, NULL, 1, 2048,
        IN_PROVIDER(provider.base_url),
        "Where it is: http:// or https://, without query, fragment and user."),
    ROW("providers.NAME.api_key", SECRET, RELOADS | OPTIONAL, NULL, 1, 4096, NO_FIELD,
        "The key that it wants to see. Shown as api_keys."),
    ROW("providers.NAME.api_keys", SECRETS, RELOADS, "[]", 1, 4096, NO_FIELD,
        "Several, at most 32, that take turns; in place of api_key."),
    ROW("providers.NAME.headers", HEADERS, RELOADS, "{}", 0, 4096, NO_FIELD,
        "Sent with every request, at most 16."),
    ROW("providers.NAME.query", QUERY, RELOADS, "{}", 0, 4096, NO_FIELD,
        "Added to every URL, at most 16."),
    ROW("providers.NAME.ca_file", FILE, RELOADS | NULLABLE, "null", 1, 4000,
        IN_PROVIDER(provider.ca_file), "PEM of who vouches for it. null: the system's."),
    SECTION("providers.NAME.pool", "Its connections, of all loops together."),
    ROW("providers.NAME.pool.max_idle", INT, RELOADS, "20", 0, 10000, IN_PROVIDER(pool.max_idle),
        "Kept open though nobody uses them."),
    ROW("providers.NAME.pool.idle_ms", MS, RELOADS, "60000", 1, DAY_MS, IN_PROVIDER(pool.idle_ms),
        "One that was not used for so long is not used again."),
    ROW("providers.NAME.pool.max_age_ms", MS, RELOADS, "3600000", 1, DAY_MS,
        IN_PROVIDER(pool.max_age_ms), "Nor one that is older."),
    SECTION("providers.NAME.limits", "What it is asked at most. Calls beyond that wait."),
    SWITCH("providers.NAME.limits.requests", RELOADS, IN_PROVIDER(limiter.requests),
           "Calls in a time. null: any number."),
    ROW("providers.NAME.limits.requests.rate", INT, RELOADS, NULL, 1, BUCKET_TOKENS,
        IN_PROVIDER(limiter.requests.rate), "So many in each period."),
    ROW("providers.NAME.limits.requests.period_ms", MS, RELOADS, "60000", 1, BUCKET_PERIOD,
        IN_PROVIDER(limiter.requests.period_ms), "The period."),
    ROW("providers.NAME.limits.requests.burst", INT, RELOADS | OPTIONAL, NULL, 1, BUCKET_TOKENS,
        IN_PROVIDER(limiter.requests.burst), "So many at once. Left out: the rate."),
    SWITCH("providers.NAME.limits.tokens", RELOADS, IN_PROVIDER(limiter.tokens),
           "Model tokens in a time, prompt and answer. null: any number."),
    ROW("providers.NAME.limits.tokens.rate", INT, RELOADS, NULL, 1, BUCKET_TOKENS,
        IN_PROVIDER(limiter.tokens.rate), "So many in each period."),
    ROW("providers.NAME.limits.tokens.period_ms", MS, RELOADS, "60000", 1, BUCKET_PERIOD,
        IN_PROVIDER(limiter.tokens.period_ms), "The period."),
    ROW("providers.NAME.limits.tokens.burst", INT, RELOADS | OPTIONAL, NULL, 1, BUCKET_TOKENS,
        IN_PROVIDER(limiter.tokens.burst), "So many at once. Left out: the rate."),
    ROW("providers.NAME.limits.concurrency", INT, RELOADS, "100", 1, LIMITER_MAX_WAITERS,
        IN_PROVIDER(limiter.concurrency), "Calls under way at once."),
    ROW("providers.NAME.limits.queue", INT, RELOADS, "1000", 0, LIMITER_MAX_WAITERS,
        IN_PROVIDER(limiter.queue),
        "Calls that wait. Beyond it a new run whose root is a call gets 429."),
    SECTION("providers.NAME.retry", "Failed calls, where neither task nor agent says otherwise."),
    ROW("providers.NAME.retry.attempts", INT, RELOADS, "3", 1, 100, IN_PROVIDER(retry.attempts),
        "The first one included."),
    ROW("providers.NAME.retry.base_ms", MS, RELOADS, "1000", 0, HOUR_MS,
        IN_PROVIDER(retry.backoff.base_ms), "The longest pause before the second attempt."),
    ROW("providers.NAME.retry.factor", NUMBER, RELOADS, "2.0", 1, 100,
        IN_PROVIDER(retry.backoff.factor), "By which it grows with each attempt."),
    ROW("providers.NAME.retry.max_ms", MS, RELOADS, "30000", 0, DAY_MS,
        IN_PROVIDER(retry.backoff.max_ms), "Where it stops growing."),
    CHOICE("providers.NAME.retry.jitter", RELOADS, "\"full\"", jitters,
           IN_PROVIDER(retry.backoff.jitter), "Pauses are drawn from 0 up to it, or exactly it."),
    ROW("providers.NAME.retry.budget", NUMBER, RELOADS, "0.2", 0, 100,
        IN_PROVIDER(limiter.retry_budget),
        "Retries for each call, of all calls together and beside a reserve of 10, so that an "
        "outage is not multiplied."),
    SECTION("providers.NAME.breaker", "When it is left alone for a while, because it is not well."),
    ROW("providers.NAME.breaker.failures", INT, RELOADS | NULLABLE, "5", 1, MILLIONS,
        IN_PROVIDER(limiter.breaker.failures),
        "In a row that open it. null: does not count; then ratio must be set."),
    ROW("providers.NAME.breaker.window_ms", MS, RELOADS, "30000", 1, DAY_MS,
        IN_PROVIDER(limiter.breaker.window_ms), "What is further apart does not add up."),
    ROW("providers.NAME.breaker.ratio", NUMBER, RELOADS | NULLABLE, "null", 0.01, 1,
        IN_PROVIDER(limiter.breaker.ratio),
        "Share of calls that open it by failing. null: does not count."),
    ROW("providers.NAME.breaker.min_calls", INT, RELOADS, "20", 1, MILLIONS,
        IN_PROVIDER(limiter.breaker.min_calls), "Before the ratio is judged."),
    ROW("providers.NAME.breaker.reset_ms", MS, RELOADS, "60000", 1, DAY_MS,
        IN_PROVIDER(limiter.breaker.reset_ms),
        "How long it stays open; doubles with every probe that fails."),
    ROW("providers.NAME.breaker.max_reset_ms", MS, RELOADS, "600000", 1, DAY_MS,
        IN_PROVIDER(limiter.breaker.max_reset_ms), "Where the doubling ends."),
    CHOICE("providers.NAME.breaker.on_open", RELOADS, "\"wait\"", on_open,
           IN_PROVIDER(limiter.on_open),
           "What calls do meanwhile: wait up to their deadline, or fail with breaker_open."),
    SECTION("providers.NAME.timeouts", "Of one attempt."),
    ROW("providers.NAME.timeouts.connect_ms", MS, RELOADS, "5000", 1, HOUR_MS,
        IN_PROVIDER(timeouts.connect_ms), "Name, TCP and TLS."),
    ROW("providers.NAME.timeouts.first_byte_ms", MS, RELOADS, "600000", 1, DAY_MS,
        IN_PROVIDER(timeouts.first_byte_ms), "From there to the answer's first byte."),
    ROW("providers.NAME.timeouts.idle_ms", MS, RELOADS, "60000", 1, DAY_MS,
        IN_PROVIDER(timeouts.idle_ms), "Between two bytes."),
    ROW("providers.NAME.timeouts.total_ms", MS, RELOADS, "1800000", 1, DAY_MS,
        IN_PROVIDER(timeouts.total_ms), "All of it."),
    ROW("providers.NAME.fallback_wait_ms", MS, RELOADS, "10000", 0, DAY_MS,
        IN_PROVIDER(fallback_wait_ms),
        "A call that has another model to fall back to waits so long for its turn here."),
    GROUP("providers.NAME.poll", LATER, RELOADS | OPTIONAL, NULL, 0, NULL,
          "Goes with the kind \"http\" only, which this version does not have."),

    GROUP(
        "agents", AGENTS, RELOADS,
        "{\"echo\":{\"model\":\"sim/echo\"},"
        "\"story\":{\"model\":\"sim/story\"}}",
        10000, NULL,
        "Named calls, each as PUT /v1/agents/NAME takes it. Shown by the API as read-only. A file "
        "without this member has `echo` and `story`."),
    GROUP("workflows", EMPTY, RELOADS, "{}", 0, NULL,
          "Must be empty: this version has no workflows."),
};

static const struct schema_kind_default kind_defaults[] = {
    {"openai", "providers.NAME.base_url", "\"https://api.openai.com/v1\""},
    {"sim", "providers.NAME.retry.attempts", "1"},
};

const struct schema_row *schema_at(size_t i)
{
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}

const char *schema_leaf(const struct schema_row *row)
{
    const char *dot = strrchr(row->path, '.');
    return dot != NULL ? dot + 1 : row->path;
}

bool schema_is_in(const struct schema_row *row, const char *section)
{
    const char *leaf = schema_leaf(row);
    size_t len = leaf > row->path ? (size_t)(leaf - row->path) - 1 : 0; /* without the dot */
    return strlen(section) == len && memcmp(row->path, section, len) == 0;
}

const struct schema_row *schema_find(const char *section, struct str leaf)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (schema_is_in(&rows[i], section) && str_eq(str_of(schema_leaf(&rows[i])), leaf))
            return &rows[i];
    }
    return NULL;
}

bool schema_kind_default_at(size_t i, struct schema_kind_default *ret)
{
    if (i >= sizeof kind_defaults / sizeof kind_defaults[0])
        return false;
    *ret = kind_defaults[i];
    return true;
}

const char *schema_default(const struct schema_row *row, struct str kind)
{
    struct schema_kind_default d;
    for (size_t i = 0; schema_kind_default_at(i, &d); i++) {
        if (str_eq(str_of(d.kind), kind) && strcmp(d.path, row->path) == 0)
            return d.dflt;
    }
    return row->dflt;
}

struct type_words {
    const char *words, *unit;
};

static const struct type_words types[] = {
#define SCHEMA_WORDS(symbol, words, unit) {words, unit},
    SCHEMA_TYPES(SCHEMA_WORDS)
#undef SCHEMA_WORDS
};

const char *schema_type_words(enum schema_type t)
{
    return types[t].words;
}

const char *schema_type_unit(enum schema_type t)
{
    return types[t].unit;
}
