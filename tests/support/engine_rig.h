#ifndef SLUICE_TESTS_SUPPORT_ENGINE_RIG_H
#define SLUICE_TESTS_SUPPORT_ENGINE_RIG_H
/* A whole engine on a test's own thread: its loops are turned by the test, and time stands still
 * until it is moved.
 *
 * The store is the fake, or SQLite on a file of its own. The provider `sim` is always there. Life:
 * rig_options_default, rig_start, anything below, rig_stop. One at a time. */
#include "runs/accept.h"
#include "runs/engine.h"
#include "runs/follow.h"
#include "tests/support/store_fake.h"

enum { RIG_MAX_PROVIDERS = 4 };

struct rig_provider {
    const char *name; /* NULL: no more */
    struct limiter_policy limiter;
    struct retry_policy retry; /* where neither task nor agent has one */
    struct upstream_timeouts timeouts;
    const char *base_url; /* NULL: it is of the kind `sim`; else an `openai` that is there */
};

struct rig_options {
    uint32_t loops;
    bool on_sqlite;
    struct engine_limits limits;
    uint32_t tasks_max; /* of one run */
    struct rig_provider providers[RIG_MAX_PROVIDERS];
    const char *agents;    /* JSON: {NAME: agent} */
    const char *workflows; /* JSON: {NAME: workflow}; NULL: none */
};

struct rig {
    struct rig_options options;
    struct clock_fake clock;
    struct store_fake *fake; /* NULL on SQLite */
    struct store *store;
    struct loop *loops[MAX_LOOPS];
    struct engine *engine;
};

/* Two loops, the limits of API §7, the agents echo and story. */
struct rig_options rig_options_default(void);

void rig_start(struct rig *r, const struct rig_options *options);

/* Drains and parks, then takes all of it apart; nothing may be left behind. */
void rig_stop(struct rig *r);

/* The gateway dies: nothing that is not committed is written any more, and another one comes, with
 * a lease of its own. */
void rig_crash(struct rig *r);

/* The gateway stops in order, and comes again. */
void rig_restart(struct rig *r);

/* Other providers, agents and limits, as a reload brings them: gates carry over by name. Settled.
 */
void rig_take_over(struct rig *r, const struct rig_options *options);

/* From now on, and in the gateways that come, a run makes no more tasks than that. */
void rig_bound_tasks(struct rig *r, uint32_t most);

/* Turns all loops until nothing happens any more, at this moment. */
void rig_settle(struct rig *r);
/* Moves time on by `ms`, from timer to timer, settling at each. */
void rig_advance(struct rig *r, uint64_t ms);

static inline struct shard *rig_shard(struct rig *r, uint32_t index)
{
    return &r->engine->shards[index];
}

/* --- creating runs ---------------------------------------------------------------------------- */

struct created {
    struct accept accept;
    unsigned accepted, ended; /* how often that was told */
    enum run_state end_state;
    uint64_t end_seq;
    char output[256]; /* of the end, cut */
};

enum way { PLAIN, WAITS, STREAMS };

/* Accepts a run of tenant "t" from the body; what accept_start says. `key` may be NULL: an
 * Idempotency-Key. */
enum err rig_create(struct rig *r, uint32_t shard, const char *body, enum way way, const char *key,
                    struct created *ret);

/* The same, settled: it must be accepted. Its id. */
struct id rig_run(struct rig *r, uint32_t shard, const char *body, enum way way,
                  struct created *ret);

/* Frees what a creation holds, told or not. */
void rig_forget(struct created *c);

/* The run where it lives; NULL if it does nowhere. */
struct run *rig_live(struct rig *r, const struct id *id);

/* Its row. */
const struct run_record *rig_row(struct rig *r, const struct id *id);

/* --- reading events --------------------------------------------------------------------------- */

struct reader {
    struct follow *follow;
    struct buf out;    /* what was pulled, as NDJSON: the events' own lines */
    unsigned opened;   /* how often that was told */
    bool pulls;        /* takes what there is as soon as it hears of it */
    size_t pull_bytes; /* at once; 0: all */
};

void rig_read(struct rig *r, uint32_t shard, const struct id *id, uint64_t after, bool pulls,
              struct reader *ret);
void rig_pull(struct reader *reader); /* all there is */
void rig_close(struct reader *reader);

/* "run.queued run.running task.running ..." of lines. Deltas in a row are one "output.delta". The
 * seqs must be gapless but for what a stream.gap covers. */
const char *rig_types(struct str lines);

/* All events of a run, as a reader that comes after the end would get them. The text is valid until
 * the next call. */
struct str rig_events(struct rig *r, const struct id *id);
#endif
