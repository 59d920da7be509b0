#ifndef SLUICE_RUNS_LIBRARY_H
#define SLUICE_RUNS_LIBRARY_H
/* The library: the one place where agents and workflows change.
 *
 *     check it -> store it -> a new snapshot -> every loop has taken it over -> tell who asked
 *
 * One job after the other, on the first shard's loop: what a change is checked against is what it
 * is laid upon. The store's write is conditional on the version that is replaced, so that gateways
 * which share a store need no lock between them. Whoever is told OK may use the name at once on any
 * loop.
 *
 * What the configuration says and what the API made stand side by side: the former hides the latter
 * as long as it is there.
 *
 * A commit whose outcome is unknown leaves the library stale: it reads what is stored, as soon as
 * the store works again, before anything else is judged.
 *
 * Life: library_init; library_start once the loops run; changes, from any loop; library_fini when
 * the loops have stopped. Bounds: LIBRARY_MAX_EACH agents and as many workflows made by the API,
 * LIBRARY_MAX_BYTES of memory of both; LIBRARY_MAX_WAITING changes wait. */
#include "base/list.h"
#include "model/problem.h"
#include "runs/definitions.h"

struct engine;
struct shard;
struct library;

enum {
    LIBRARY_MAX_EACH = 10000,
    LIBRARY_MAX_BYTES = 67108864,
    LIBRARY_MAX_WAITING = 1000,
};

/* Something that the library does, while nothing else is done. */
struct library_job {
    struct loop_msg msg;
    struct list link;
    struct library *library;
    void (*begin)(struct library_job *job);
    void (*refuse)(struct library_job *job); /* too many wait; NULL: it waits nevertheless */
};

/* --- a change --------------------------------------------------------------------------------- */

/* Put or removal of one name by the API. Its memory is the caller's and stays in place until
 * on_done. */
struct library_change {
    struct shard *from; /* set by the caller, with what follows */
    enum definition_kind kind;
    struct str name; /* str_is_name */
    struct str body; /* the document as the client sent it; NULL: it is to go */
    /* May it be done to this version (0: there is none)? Called on another loop. */
    bool (*allows)(const struct library_change *c, int64_t version);
    void (*on_done)(struct library_change *c); /* on its loop */

    enum err result;
    struct problem problem; /* where the result is not OK */
    struct definition made; /* a put that is OK: a reference, until library_change_fini */
    bool is_new;            /* likewise: the name was not there */

    struct library_job job; /* private, with what follows */
    struct arena arena;
    struct store_define write;
    struct definitions *next_made, *next;
    bool has_made;
    unsigned tries;
};

void library_change_start(struct library_change *c);
void library_change_fini(struct library_change *c);

/* --- another configuration -------------------------------------------------------------------- */

/* What a reload says, whole or not at all. After OK the caller hands `current` to every loop (with
 * all else that the reload changes) and then calls library_go_on: nothing else changes meanwhile.
 * Its memory is the caller's and stays in place until on_done, and after OK until on_gone_on. */
struct library_reseed {
    struct engine *engine;                        /* set by the caller, with what follows */
    struct definitions *seeds;                    /* borrowed; their versions are set */
    void (*on_done)(struct library_reseed *r);    /* on the library's loop */
    void (*on_gone_on)(struct library_reseed *r); /* likewise */

    enum err result;             /* OK; ERR_STORAGE_UNAVAILABLE; ERR_NOMEM */
    struct definitions *current; /* OK: a reference, the caller's */

    struct library_job job; /* private, with what follows */
    struct arena arena;
    struct store_seed write;
    struct definitions *next;
};

void library_reseed_start(struct library_reseed *r); /* any thread */
void library_go_on(struct library_reseed *r);        /* any thread */

/* --- the library ------------------------------------------------------------------------------ */

struct library {
    struct engine *engine;
    struct definitions *seeds;   /* what the configuration says */
    struct definitions *made;    /* by the API */
    struct definitions *current; /* both: in force */
    struct list waiting;         /* jobs */
    unsigned waiting_count;
    struct library_job *now; /* NULL: nothing is done */
    struct loop_msg next;    /* to itself: the next job */
    bool is_next_posted;
    bool is_stale; /* `made` may not be what is stored */

    struct library_reseed first; /* the start's */
    void (*on_started)(struct engine *e);
    bool is_started;
    struct library_job catch_up;
    bool is_catching_up;
    struct loop_timer again; /* for either */

    struct store_definitions read;
    void (*on_refreshed)(struct library *l, enum err result);

    /* a snapshot on its way to every loop */
    struct handout {
        struct loop_msg msg;
        struct shard *to;
        struct definitions *definitions;
        struct library *library;
    } handouts[MAX_LOOPS];
    atomic_uint handouts_left;
    struct loop_msg all_have_it;
    void (*on_handed_out)(struct library *l);

    atomic_uint open; /* jobs that were not given back */
};

/* `seeds`: what the configuration says, taken over also when it fails. */
enum err library_init(struct library *l, struct engine *e, struct definitions *seeds) MUST_CHECK;
void library_fini(struct library *l);

/* Records the seeds and reads what the API made; tries until it has, then every loop has both.
 * On the first shard's loop, as is on_started. */
void library_start(struct library *l, void (*on_started)(struct engine *e));

/* Has every change and every reseed been given back? Any thread. */
bool library_is_idle(const struct library *l);

/* --- for the library's own files; on its loop ------------------------------------------------- */

struct shard *library_home(const struct library *l);

/* From any thread: the job begins when those before it have ended. */
void library_submit(struct library *l, struct library_job *job);

/* What is done `now` has ended: the next one begins in this turn. */
void library_end(struct library *l);

/* Reads what is stored, and hands it to every loop. OK, ERR_STORAGE_UNAVAILABLE, ERR_NOMEM: then it
 * is stale as before. Only within a job. */
void library_refresh(struct library *l, void (*on_refreshed)(struct library *l, enum err result));

/* What is stored may be something else: it is found out as soon as that can be. */
void library_doubt(struct library *l);

/* From now on this snapshot is in force, of which it takes over the reference; on_handed_out when
 * every loop has it. Only within a job. */
void library_hand_out(struct library *l, struct definitions *next,
                      void (*on_handed_out)(struct library *l));
#endif
