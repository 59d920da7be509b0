#ifndef SLUICE_RUNS_FUSE_H
#define SLUICE_RUNS_FUSE_H
/* The circuits that tasks of the type `circuit` name (API §4): each a breaker that all runs of a
 * tenant share.
 *
 * Shared by the loops, behind one lock that is held for a look-up and a few instructions, and while
 * the circuits of a tenant are copied for a list. A circuit is there from the first task that names
 * it. A tenant has at most FUSES_MAX; for a new one beyond that one goes that is not held: closed
 * without failures, or else due for its probe. There are as many tenants as there are API keys. The
 * numbers of a circuit are those of the task that asked last.
 *
 * Life: fuses_init, fuses_on_change and fuse_restore before the first task; any calls; fuses_fini
 * when nothing holds a fuse. */
#include <pthread.h>

#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "resilience/breaker.h"

enum { FUSES_MAX = 10000, FUSE_NAME = 64 /* bytes, of a tenant's too */ };

struct fuse;

struct fuse_policy {
    uint32_t failures; /* in a row that open it */
    uint32_t window_ms;
    uint32_t reset_ms; /* first open time; doubles to ten times as much */
};

struct fuses {
    pthread_mutex_t lock;
    struct map tenants;
    struct list changed; /* fuses with changes that nobody has taken, the oldest first */
    bool has_news;       /* and on_change has not been told of the newest */
    void (*on_change)(void *ctx);
    void *on_change_ctx;
};

enum err fuses_init(struct fuses *f) MUST_CHECK;
void fuses_fini(struct fuses *f);

/* --- tasks ------------------------------------------------------------------------------------ */

/* May a task begin? OK: it holds the fuse and has a pass, for fuse_give. ERR_BREAKER_OPEN;
 * ERR_LIMIT_EXCEEDED where there are too many; ERR_OVERLOADED without memory. Any thread. */
enum err fuse_take(struct fuses *f, struct str tenant, struct str name,
                   const struct fuse_policy *policy, uint64_t now_ms, struct fuse **ret_fuse,
                   struct breaker_pass *ret_pass) MUST_CHECK;

/* What became of it: OK; an error, of which only those count that speak of the provider's health;
 * ERR_CANCELLED says nothing. Any thread. */
void fuse_give(struct fuses *f, struct fuse *fuse, struct breaker_pass pass, enum err code,
               uint64_t now_ms, struct rng *rng);

/* A task leaves memory in the middle: until it returns it is as if it had not begun, and another
 * one may be the probe. It returns to the state that is by then, without being refused: it has
 * begun. False: it holds nothing, and what becomes of it is not counted, since the circuit is open,
 * or has its probe, or there is no room for it. Any thread. */
void fuse_leave(struct fuses *f, struct fuse *fuse, struct breaker_pass pass);
bool fuse_return(struct fuses *f, struct str tenant, struct str name,
                 const struct fuse_policy *policy, uint64_t now_ms, struct fuse **ret_fuse,
                 struct breaker_pass *ret_pass);

/* --- who looks, and who resets ---------------------------------------------------------------- */

/* Since the gateway started. Who started and neither succeeded nor failed is still at it, or said
 * nothing of the provider's health. */
struct fuse_counts {
    uint64_t started, succeeded, failed, refused;
    uint64_t opened;
};

struct fuse_status {
    char name[FUSE_NAME + 1];
    enum breaker_state state;
    uint32_t failures;
    uint64_t opens_until_ms; /* 0 unless it is open */
    struct fuse_policy policy;
    struct fuse_counts counts;
};

/* All of a tenant, by name, in an array for mem_free. OK; ERR_OVERLOADED without memory. Any
 * thread. */
enum err fuses_list(struct fuses *f, struct str tenant, uint64_t now_ms,
                    struct fuse_status **ret_list, uint32_t *ret_count) MUST_CHECK;

/* False: there is none of that name. Any thread. */
bool fuse_get(struct fuses *f, struct str tenant, struct str name, uint64_t now_ms,
              struct fuse_status *ret_status);
/* An operator says that what is behind it works again. */
bool fuse_reset(struct fuses *f, struct str tenant, struct str name, uint64_t now_ms,
                struct fuse_status *ret_status);

/* --- what outlives the process ---------------------------------------------------------------- */

/* Called after changes of state, from any thread, with no lock held, once for all that nobody has
 * heard of yet. Set before the first task. */
void fuses_on_change(struct fuses *f, void (*on_change)(void *ctx), void *ctx);

/* A change, with what the fuse is by now. */
struct fuse_news {
    char tenant[FUSE_NAME + 1], name[FUSE_NAME + 1];
    struct breaker_change change;
    struct breaker_saved saved;
    struct fuse_policy policy;
};

/* Each change once, those of a fuse in their order. Of more than FUSE_CHANGES of a fuse that nobody
 * takes the oldest are forgotten. False: there is none. */
enum { FUSE_CHANGES = 8 };
bool fuses_take_change(struct fuses *f, uint64_t now_ms, struct fuse_news *ret_news);

/* Before the first task; `elapsed_ms` as of breaker_restore. ERR_LIMIT_EXCEEDED, ERR_OVERLOADED as
 * of fuse_take. */
enum err fuse_restore(struct fuses *f, struct str tenant, struct str name,
                      const struct fuse_policy *policy, const struct breaker_saved *saved,
                      uint64_t elapsed_ms, uint64_t now_ms) MUST_CHECK;
#endif
