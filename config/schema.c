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
static const char *const responses[] = {"auto", "json", "text", "sse", "ndjson", NULL};
static const char *const cancel_methods[] = {"POST", "DELETE", NULL};
static const char *const on_open[] = {"wait", "fail", NULL};

_Static_assert(LOG_LOGFMT == 0 && LOG_JSON == 1, "log_formats is in the order of enum log_format");
_Static_assert(LOG_DEBUG == 0 && LOG_ERROR == 3, "log_levels is in the order of enum log_level");
_Static_assert(BACKOFF_FULL == 0 && BACKOFF_NONE == 1, "jitters is in the order of backoff_jitter");
_Static_assert(HTTP_AUTO == 0 && HTTP_NDJSON == 4, "responses is in the order of http_response");
_Static_assert(HTTP_CANCEL_POST == 0 && HTTP_CANCEL_DELETE == 1, "cancel_methods likewise");
_Static_assert(LIMITER_ON_OPEN_WAIT == 0 && LIMITER_ON_OPEN_FAIL == 1, "on_open likewise");

#define BUCKET_TOKENS ((double)TOKEN_BUCKET_MAX_TOKENS)
#define BUCKET_PERIOD ((double)TOKEN_BUCKET_MAX_PERIOD_MS)

static const struct schema_row rows[] = {
    ROW("listen", LISTEN, 0, "[\"127.0.0.1:8080\"]", 1, 16, IN_CONFIG(listen),
        "Addresses to listen on: HOST:PORT, [V6]:PORT or unix:/PATH. An address beyond "
        "loopback needs keys, or allow_unauthenticated."),
    ROW("base_path", BASE_PATH, 0, "\"\"", 0, 128, IN_CONFIG(base_path),
        "The path under which a reverse proxy publishes the gateway; the prefix of every "
        "Location and link."),
    ROW("loops", INT, 0, "0", 0, MAX_LOOPS, IN_CONFIG(loops),
        "Event loops, one thread each. 0: one per usable CPU (a cgroup's quota counts), at "
        "most 8."),

    SECTION("store", "Where runs and their events are kept."),
    CHOICE("store.kind", 0, "\"sqlite\"", stores, IN_CONFIG(store_kind), "The kind of store."),
    ROW("store.path", PATH, 0, "\"sluice.db\"", 1, 4000, IN_CONFIG(store.path),
        "The database file. A relative path starts at the working directory."),
    ROW("store.flush_ms", MS, 0, "20", 1, 10000, IN_CONFIG(engine.flush_ms),
        "How long changes that nobody waits for may gather before they are committed. A crash may "
        "lose the output.delta events of this time."),
    ROW("store.queue_bytes", BYTES, 0, "67108864", MIB, 16 * GIB, IN_CONFIG(store.queue_bytes),
        "Changes that may wait for the disk. Beyond it new runs get 503 and answers of "
        "providers are not read."),
    ROW("store.readers", INT, 0, "2", 1, 64, IN_CONFIG(store.readers),
        "Threads that read the database for lists, replays and old runs."),
    SECTION("store.retain", "When finished runs are deleted, oldest first."),
    ROW("store.retain.days", DAYS, 0, "30", 0, 36500, IN_CONFIG(store.retain_ms),
        "Finished runs are kept for this long. 0: for ever."),
    ROW("store.retain.max_bytes", BYTES, 0, "10737418240", 0, 1024 * TIB,
        IN_CONFIG(store.retain_bytes), "Largest size of the database. 0: no limit."),

    SECTION("limits", "Bounds of what the gateway holds for its clients and runs."),
    ROW("limits.body_bytes", BYTES, RELOADS, "4194304", KIB, GIB, IN_CONFIG(http.body_bytes),
        "Largest request body. Beyond it: 413."),
    ROW("limits.header_bytes", BYTES, 0, "32768", KIB, MIB, IN_CONFIG(http.header_bytes),
        "Request line and headers together. Beyond it: 431."),
    ROW("limits.headers", INT, RELOADS, "100", 8, 1000, IN_CONFIG(http.headers),
        "Number of request headers. Beyond it: 431."),
    ROW("limits.uri_bytes", BYTES, RELOADS, "8192", 256, 65536, IN_CONFIG(http.uri_bytes),
        "Length of the request target. Beyond it: 414."),
    ROW("limits.header_ms", MS, RELOADS, "10000", 100, HOUR_MS, IN_CONFIG(http.header_ms),
        "Time from the first byte of a request to the end of its headers."),
    ROW("limits.body_ms", MS, RELOADS, "30000", 100, HOUR_MS, IN_CONFIG(http.body_ms),
        "Time from the end of the headers to the end of the body."),
    ROW("limits.idle_ms", MS, RELOADS, "90000", 100, HOUR_MS, IN_CONFIG(http.idle_ms),
        "An idle connection is closed after this time. Keep it longer than the reverse "
        "proxy's own."),
    ROW("limits.connections", INT, 0, "20000", 1, MILLIONS, IN_CONFIG(http.connections),
        "Open client connections. Lower where the limit on open files demands it."),
    ROW("limits.streams", INT, RELOADS, "15000", 1, MILLIONS, IN_CONFIG(http.streams),
        "Open event streams. Beyond it: 503."),
    ROW("limits.readers_per_run", INT, RELOADS, "2000", 1, MILLIONS,
        IN_CONFIG(engine.readers_per_run), "Readers that follow one run at the same time."),
    ROW("limits.reader_bytes", BYTES, RELOADS, "262144", 16 * KIB, GIB,
        IN_CONFIG(http.reader_bytes),
        "Bytes kept for one reader that is slower than its run. Beyond it they are dropped, "
        "and read from the database when the reader takes more."),
    ROW("limits.write_stall_ms", MS, RELOADS, "60000", 100, HOUR_MS, IN_CONFIG(http.write_stall_ms),
        "A client that takes no byte for this long is disconnected."),
    ROW("limits.heartbeat_ms", MS, RELOADS, "15000", 100, HOUR_MS, IN_CONFIG(http.heartbeat_ms),
        "Longest silence on a stream; a heartbeat breaks it."),
    ROW("limits.live_runs", INT, RELOADS, "50000", 1, 10 * MILLIONS, IN_CONFIG(engine.live_runs),
        "Runs held in memory. Further runs wait in the database."),
    ROW("limits.queue_runs", INT, RELOADS, "100000", 0, 100 * MILLIONS,
        IN_CONFIG(engine.queue_runs),
        "Accepted runs that wait in the database for a place in memory. Beyond it: 503."),
    ROW("limits.memory_bytes", BYTES, RELOADS, "1073741824", MIB, TIB,
        IN_CONFIG(engine.memory_bytes), "Memory of all live runs."),
    ROW("limits.run_bytes", BYTES, RELOADS, "268435456", MIB, TIB, IN_CONFIG(engine.run_bytes),
        "Memory of one run's tasks with their outputs. A task whose output would pass it fails "
        "with limit_exceeded; errors may take half as much again."),
    ROW("limits.default_wait_ms", MS, RELOADS, "30000", 0, DAY_MS, IN_CONFIG(api.default_wait_ms),
        "How long POST /v1/agents/NAME/run waits if the request does not say. At most "
        "max_wait_ms."),
    ROW("limits.max_wait_ms", MS, RELOADS, "300000", 1, DAY_MS, IN_CONFIG(api.max_wait_ms),
        "The longest wait a request can ask for."),
    ROW("limits.default_run_timeout_ms", MS, RELOADS, "3600000", 1, 366 * DAY_MS,
        IN_CONFIG(engine.spec.default_run_timeout_ms),
        "timeout_ms of a run whose request does not say. At most max_run_timeout_ms."),
    ROW("limits.max_run_timeout_ms", MS, RELOADS, "86400000", 1, 366 * DAY_MS,
        IN_CONFIG(engine.spec.max_run_timeout_ms), "The largest timeout_ms of a run."),
    ROW("limits.uncommitted_events", INT, 0, "4096", 16, UNCOMMITTED_EVENTS_MAX,
        IN_CONFIG(engine.uncommitted_events),
        "Events of one run that may be published before they are stored. Beyond it its "
        "provider is not read."),
    ROW("limits.tree_depth", INT, RELOADS, "32", 1, JSON_MAX_DEPTH,
        IN_CONFIG(engine.spec.tree_depth),
        "Depth of nested tasks, and of gateways that call gateways."),
    ROW("limits.tree_nodes", INT, RELOADS, "10000", 1, MILLIONS, IN_CONFIG(engine.spec.tree_nodes),
        "Tasks of one run."),
    ROW("limits.input_bytes", BYTES, RELOADS, "1048576", KIB, GIB,
        IN_CONFIG(engine.spec.input_bytes), "Size of a run's input as JSON."),
    ROW("limits.output_bytes", BYTES, RELOADS, "16777216", KIB, GIB, IN_CONFIG(engine.output_bytes),
        "Size of one answer of a provider. Beyond it the call fails with limit_exceeded."),

    GROUP("keys", KEYS, RELOADS, "[]", 1000, "keys[]",
          "Who may use the API. Without any key no key is asked for, and only loopback "
          "addresses and unix sockets may be listened on."),
    ROW("keys[].name", NAME, RELOADS, NULL, 1, 64, IN_KEY(name),
        "The tenant's name, unique. A tenant sees its own runs only."),
    ROW("keys[].sha256", DIGEST, RELOADS, NULL, 64, 64, IN_KEY(digest),
        "SHA-256 of the key as 64 hex digits, unique. No newline is part of the key."),
    ROW("keys[].scopes", SCOPES, RELOADS, NULL, 1, 3, IN_KEY(scope),
        "What the key may do: \"read\", \"run\", \"admin\". Each includes those before it."),
    SECTION("keys[].limits", "Limits of this key."),
    SWITCH("keys[].limits.requests", RELOADS, IN_KEY(requests),
           "Rate at which the key may create runs. Beyond it: 429. null: no limit."),
    ROW("keys[].limits.requests.rate", INT, RELOADS, NULL, 1, BUCKET_TOKENS, IN_KEY(requests.rate),
        "Runs in each period."),
    ROW("keys[].limits.requests.period_ms", MS, RELOADS, "60000", 1, BUCKET_PERIOD,
        IN_KEY(requests.period_ms), "Length of the period."),
    ROW("keys[].limits.requests.burst", INT, RELOADS | OPTIONAL, NULL, 1, BUCKET_TOKENS,
        IN_KEY(requests.burst), "Runs that may come at once. Left out: the rate."),
    ROW("allow_unauthenticated", BOOL, 0, "false", 0, 0, IN_CONFIG(allow_unauthenticated),
        "true: listen beyond loopback without keys, for example in a container behind a proxy that "
        "authenticates."),
    ROW("trusted_proxies", CIDRS, RELOADS, "[\"127.0.0.1/32\"]", 0, 64, IN_CONFIG(trusted_proxies),
        "Peers that are believed in X-Forwarded-For, or else Forwarded, whose request they pass on: "
        "addresses, or blocks as ADDRESS/BITS. A unix socket's peer always is."),

    SECTION("log", "The log, on standard error, one line per entry."),
    CHOICE("log.format", RELOADS, "\"logfmt\"", log_formats, IN_CONFIG(log_format),
           "key=value pairs, or one JSON object per line."),
    CHOICE("log.level", RELOADS, "\"info\"", log_levels, IN_CONFIG(log_level),
           "The lowest level that is logged."),
    ROW("drain_ms", MS, RELOADS, "30000", 0, HOUR_MS, IN_CONFIG(drain_ms),
        "How long running runs may go on after SIGTERM before they are parked for the next "
        "start."),

    SECTION("webhooks", "Who is told of a run's events: the webhook of its create body."),
    ROW("webhooks.secret", SIGNING_KEY, RELOADS | OPTIONAL, NULL, 1, 1024,
        IN_CONFIG(engine.webhooks.key),
        "Signs them (Standard Webhooks): `whsec_` and base64, or any other text for its own bytes. "
        "Left out: none are sent, and runs that ask for one are refused."),
    ROW("webhooks.old_secret", SIGNING_KEY, RELOADS | OPTIONAL, NULL, 1, 1024,
        IN_CONFIG(engine.webhooks.old_key),
        "Signs them too, beside secret, while receivers are being told of a new one."),
    ROW("webhooks.allow_private", BOOL, RELOADS, "false", 0, 0,
        IN_CONFIG(engine.webhooks.allow_private),
        "true: they may be sent to loopback, private and other special addresses. Whoever may create "
        "runs can then reach what the gateway can reach."),
    ROW("webhooks.concurrency", INT, RELOADS, "64", 1, 1024, IN_CONFIG(engine.webhooks.concurrency),
        "Webhooks under way at the same time."),
    ROW("webhooks.concurrency_per_host", INT, RELOADS, "8", 1, STORE_DUE_PER_HOST,
        IN_CONFIG(engine.webhooks.per_host),
        "Of them, to one host and port, while it answers well. One that fails gets one at a time."),
    ROW("webhooks.timeout_ms", MS, RELOADS, "15000", 10, HOUR_MS,
        IN_CONFIG(engine.webhooks.timeout_ms), "How long one try may take."),
    ROW("webhooks.retry_ms", MS, RELOADS, "5000", 1, HOUR_MS, IN_CONFIG(engine.webhooks.retry_ms),
        "Longest pause before the second try; grows threefold with each one, up to two hours. A "
        "Retry-After makes it longer, by an hour at most."),
    ROW("webhooks.give_up_ms", MS, RELOADS, "86400000", 0, 30 * DAY_MS,
        IN_CONFIG(engine.webhooks.give_up_ms),
        "A receiver that has failed for this long is given up, for that run."),

    GROUP("providers", PROVIDERS, RELOADS, "{\"sim\":{\"kind\":\"sim\"}}", 256, "providers.NAME",
          "Upstream services by name. `sim` is always there, unless a provider of that name is "
          "configured."),
    ROW("providers.NAME.kind", KIND, RELOADS, NULL, 0, 0, IN_PROVIDER(provider.kind),
        "The protocol it speaks. \"sim\" is built in and needs no network."),
    ROW("providers.NAME.base_url", URL, RELOADS | OPTIONAL, NULL, 1, 2048,
        IN_PROVIDER(provider.base_url),
        "Its address: http:// or https://, without user, query and fragment."),
    ROW("providers.NAME.api_key", SECRET, RELOADS | OPTIONAL, NULL, 1, 4096, NO_FIELD,
        "The key sent to it. `--print-config` shows it as api_keys."),
    ROW("providers.NAME.api_keys", SECRETS, RELOADS, "[]", 1, 4096, NO_FIELD,
        "Up to 32 keys, used in turn, instead of api_key."),
    ROW("providers.NAME.auth_header", TEXT, RELOADS | OPTIONAL, NULL, 1, 256,
        IN_PROVIDER(provider.auth_header),
        "The header that carries the key. Left out: the kind's own, x-api-key for anthropic, "
        "Authorization elsewhere."),
    ROW("providers.NAME.auth_prefix", TEXT, RELOADS | OPTIONAL, NULL, 0, 256,
        IN_PROVIDER(provider.auth_prefix),
        "What stands before the key there. Left out: nothing for anthropic, `Bearer ` elsewhere."),
    ROW("providers.NAME.max_tokens", INT, RELOADS | OPTIONAL, NULL, 1, MILLIONS,
        IN_PROVIDER(provider.max_tokens),
        "The length of an answer where neither agent nor run has max_tokens; for the wire formats "
        "that must have one."),
    ROW("providers.NAME.headers", HEADERS, RELOADS, "{}", 0, 4096, NO_FIELD,
        "Headers sent with every request, at most 16."),
    ROW("providers.NAME.query", QUERY, RELOADS, "{}", 0, 4096, NO_FIELD,
        "Query parameters added to every URL, at most 16."),
    ROW("providers.NAME.ca_file", FILE, RELOADS | NULLABLE, "null", 1, 4000,
        IN_PROVIDER(provider.ca_file),
        "PEM file of the authorities that may sign its certificate. null: the system's."),
    SECTION("providers.NAME.pool", "Its connections, of all loops together."),
    ROW("providers.NAME.pool.max_idle", INT, RELOADS, "20", 0, 10000, IN_PROVIDER(pool.max_idle),
        "Idle connections that are kept open."),
    ROW("providers.NAME.pool.idle_ms", MS, RELOADS, "60000", 1, DAY_MS, IN_PROVIDER(pool.idle_ms),
        "A connection that was idle for this long is not used again."),
    ROW("providers.NAME.pool.max_age_ms", MS, RELOADS, "3600000", 1, DAY_MS,
        IN_PROVIDER(pool.max_age_ms), "A connection of this age is not used again."),
    SECTION("providers.NAME.limits", "What may be asked of it. Calls beyond it wait."),
    SWITCH("providers.NAME.limits.requests", RELOADS, IN_PROVIDER(limiter.requests),
           "Rate of calls. null: no limit."),
    ROW("providers.NAME.limits.requests.rate", INT, RELOADS, NULL, 1, BUCKET_TOKENS,
        IN_PROVIDER(limiter.requests.rate), "Calls in each period."),
    ROW("providers.NAME.limits.requests.period_ms", MS, RELOADS, "60000", 1, BUCKET_PERIOD,
        IN_PROVIDER(limiter.requests.period_ms), "Length of the period."),
    ROW("providers.NAME.limits.requests.burst", INT, RELOADS | OPTIONAL, NULL, 1, BUCKET_TOKENS,
        IN_PROVIDER(limiter.requests.burst), "Calls that may go at once. Left out: the rate."),
    SWITCH("providers.NAME.limits.tokens", RELOADS, IN_PROVIDER(limiter.tokens),
           "Rate of model tokens, prompt and answer. null: no limit."),
    ROW("providers.NAME.limits.tokens.rate", INT, RELOADS, NULL, 1, BUCKET_TOKENS,
        IN_PROVIDER(limiter.tokens.rate), "Tokens in each period."),
    ROW("providers.NAME.limits.tokens.period_ms", MS, RELOADS, "60000", 1, BUCKET_PERIOD,
        IN_PROVIDER(limiter.tokens.period_ms), "Length of the period."),
    ROW("providers.NAME.limits.tokens.burst", INT, RELOADS | OPTIONAL, NULL, 1, BUCKET_TOKENS,
        IN_PROVIDER(limiter.tokens.burst), "Tokens that may be used at once. Left out: the rate."),
    ROW("providers.NAME.limits.concurrency", INT, RELOADS, "100", 1, LIMITER_MAX_WAITERS,
        IN_PROVIDER(limiter.concurrency), "Calls in flight."),
    ROW("providers.NAME.limits.queue", INT, RELOADS, "1000", 0, LIMITER_MAX_WAITERS,
        IN_PROVIDER(limiter.queue),
        "Calls that wait. Beyond it a new run whose root is a call gets 429."),
    SECTION("providers.NAME.retry",
            "Retries of failed calls, unless the task or the agent says otherwise."),
    ROW("providers.NAME.retry.attempts", INT, RELOADS, "3", 1, 100, IN_PROVIDER(retry.attempts),
        "Attempts, the first included."),
    ROW("providers.NAME.retry.base_ms", MS, RELOADS, "1000", 0, HOUR_MS,
        IN_PROVIDER(retry.backoff.base_ms), "Upper bound of the pause before the second attempt."),
    ROW("providers.NAME.retry.factor", NUMBER, RELOADS, "2.0", 1, 100,
        IN_PROVIDER(retry.backoff.factor), "Growth of that bound with each further attempt."),
    ROW("providers.NAME.retry.max_ms", MS, RELOADS, "30000", 0, DAY_MS,
        IN_PROVIDER(retry.backoff.max_ms), "Largest value of that bound."),
    CHOICE("providers.NAME.retry.jitter", RELOADS, "\"full\"", jitters,
           IN_PROVIDER(retry.backoff.jitter),
           "\"full\": a pause is drawn between 0 and its bound. \"none\": it is the bound."),
    ROW("providers.NAME.retry.budget", NUMBER, RELOADS, "0.2", 0, 100,
        IN_PROVIDER(limiter.retry_budget),
        "Retries per call, counted over all calls of the provider and beside a reserve of "
        "10, so that an outage is not multiplied."),
    SECTION("providers.NAME.breaker", "When calls to a failing provider are held back."),
    ROW("providers.NAME.breaker.failures", INT, RELOADS | NULLABLE, "5", 1, MILLIONS,
        IN_PROVIDER(limiter.breaker.failures),
        "Failures in a row that open the breaker. null: not counted; then ratio must be set."),
    ROW("providers.NAME.breaker.window_ms", MS, RELOADS, "30000", 1, DAY_MS,
        IN_PROVIDER(limiter.breaker.window_ms), "Failures further apart than this do not add up."),
    ROW("providers.NAME.breaker.ratio", NUMBER, RELOADS | NULLABLE, "null", 0.01, 1,
        IN_PROVIDER(limiter.breaker.ratio),
        "Share of failed calls that opens the breaker. null: not counted."),
    ROW("providers.NAME.breaker.min_calls", INT, RELOADS, "20", 1, MILLIONS,
        IN_PROVIDER(limiter.breaker.min_calls), "Calls needed before the ratio counts."),
    ROW("providers.NAME.breaker.reset_ms", MS, RELOADS, "60000", 1, DAY_MS,
        IN_PROVIDER(limiter.breaker.reset_ms),
        "How long it stays open; doubles with each failed probe."),
    ROW("providers.NAME.breaker.max_reset_ms", MS, RELOADS, "600000", 1, DAY_MS,
        IN_PROVIDER(limiter.breaker.max_reset_ms), "Largest time it stays open."),
    CHOICE("providers.NAME.breaker.on_open", RELOADS, "\"wait\"", on_open,
           IN_PROVIDER(limiter.on_open),
           "What calls do while it is open: wait up to their deadline, or fail with "
           "breaker_open."),
    SECTION("providers.NAME.timeouts", "Time limits of one attempt."),
    ROW("providers.NAME.timeouts.connect_ms", MS, RELOADS, "5000", 1, HOUR_MS,
        IN_PROVIDER(timeouts.connect_ms), "Name look-up, TCP and TLS."),
    ROW("providers.NAME.timeouts.first_byte_ms", MS, RELOADS, "600000", 1, DAY_MS,
        IN_PROVIDER(timeouts.first_byte_ms),
        "From the connection to the first byte of the answer's body."),
    ROW("providers.NAME.timeouts.idle_ms", MS, RELOADS, "60000", 1, DAY_MS,
        IN_PROVIDER(timeouts.idle_ms), "Between two bytes of the body."),
    ROW("providers.NAME.timeouts.total_ms", MS, RELOADS, "1800000", 1, DAY_MS,
        IN_PROVIDER(timeouts.total_ms), "The whole attempt."),
    ROW("providers.NAME.fallback_wait_ms", MS, RELOADS, "10000", 0, DAY_MS,
        IN_PROVIDER(fallback_wait_ms),
        "A call with another model to fall back to waits this long for its turn here, then "
        "moves on."),
    ROW("providers.NAME.request", TEMPLATE, RELOADS | OPTIONAL, NULL, 0, 0,
        IN_PROVIDER(provider.http.request),
        "Kind http: {method, path, query, headers, body} of a call that brings none of its own. "
        "Strings may hold {{input}}, {{model}}, {{instructions}}, {{params.NAME}}. Left out: the "
        "input is POSTed to base_url."),
    ROW("providers.NAME.result", POINTER, RELOADS | OPTIONAL, NULL, 0, 1024,
        IN_PROVIDER(provider.http.result),
        "Kind http: the value within a JSON answer. Left out: all of it."),
    CHOICE("providers.NAME.response", RELOADS | OPTIONAL, NULL, responses,
           IN_PROVIDER(provider.http.response),
           "Kind http: how an answer is read. Left out: auto, by its Content-Type."),
    ROW("providers.NAME.delta", POINTER, RELOADS | OPTIONAL, NULL, 0, 1024,
        IN_PROVIDER(provider.http.delta),
        "Kind http: the text within each event of a stream. Left out: each is a line of text."),
    ROW("providers.NAME.end", TEXT, RELOADS | OPTIONAL, NULL, 1, 256,
        IN_PROVIDER(provider.http.end),
        "Kind http: the data of the event that ends a stream. Left out: the end of its body."),
    ROW("providers.NAME.success", CODES, RELOADS | OPTIONAL, NULL, 0, HTTP_LIST_MAX,
        IN_PROVIDER(provider.http.success),
        "Kind http: the statuses of an answer. Left out: every 2xx."),
    SWITCH("providers.NAME.poll", RELOADS | OPTIONAL, IN_PROVIDER(provider.http.poll),
           "Kind http: a request begins work, whose state is asked after until it has ended. null: "
           "the answer is the answer."),
    ROW("providers.NAME.poll.status", POINTER, RELOADS, "\"/status\"", 0, 1024,
        IN_PROVIDER(provider.http.poll.status), "The work's state within each answer."),
    ROW("providers.NAME.poll.done", WORDS, RELOADS, "[\"succeeded\"]", 1, HTTP_LIST_MAX,
        IN_PROVIDER(provider.http.poll.done), "States in which it has succeeded."),
    ROW("providers.NAME.poll.failed", WORDS, RELOADS, "[\"failed\"]", 0, HTTP_LIST_MAX,
        IN_PROVIDER(provider.http.poll.failed),
        "States in which it has failed. All others: not yet."),
    ROW("providers.NAME.poll.url", POINTER, RELOADS, "\"/urls/get\"", 0, 1024,
        IN_PROVIDER(provider.http.poll.url),
        "Where to ask: a URL at the server of base_url, or a path there."),
    ROW("providers.NAME.poll.cancel_url", POINTER, RELOADS | OPTIONAL, NULL, 0, 1024,
        IN_PROVIDER(provider.http.poll.cancel_url),
        "Where to cancel it, likewise. Left out: nowhere."),
    CHOICE("providers.NAME.poll.cancel_method", RELOADS, "\"POST\"", cancel_methods,
           IN_PROVIDER(provider.http.poll.cancel_method), "With which method."),
    ROW("providers.NAME.poll.every_ms", MS, RELOADS, "500", 10, HOUR_MS,
        IN_PROVIDER(provider.http.poll.every_ms),
        "Between two questions, and before the first; a Retry-After makes it longer."),

    GROUP(
        "agents", AGENTS, RELOADS,
        "{\"echo\":{\"model\":\"sim/echo\"},"
        "\"story\":{\"model\":\"sim/story\"}}",
        10000, NULL,
        "Named calls. The API shows them, and does not change them. A file without this member has "
        "`echo` and `story`."),
    GROUP(
        "workflows", WORKFLOWS, RELOADS, "{}", 10000, NULL,
        "Named task trees, each `{\"description\": .., \"task\": ..}`. The API shows them, and does not "
        "change them."),
};

static const struct schema_kind_default kind_defaults[] = {
    {"openai", "providers.NAME.base_url", "\"https://api.openai.com/v1\""},
    {"anthropic", "providers.NAME.base_url", "\"https://api.anthropic.com/v1\""},
    {"anthropic", "providers.NAME.max_tokens", "4096"},
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
