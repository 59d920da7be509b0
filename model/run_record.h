#ifndef SLUICE_MODEL_RUN_RECORD_H
#define SLUICE_MODEL_RUN_RECORD_H
/* A run as data: what the store keeps of it in one row, and its JSON form (API §2).
 *
 * Plain data; every view is borrowed from whoever filled the record (a live run, or the arena of a
 * store read). Times are wall ms, 0 where they have not come yet. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "model/state.h"
#include "model/usage.h"

/* A value whose JSON is longer is told as {"$ref": PATH, "bytes": n} in events and lists. */
enum { VALUE_INLINE_MAX = 32768 };

enum run_flag {
    RUN_CANCEL_ON_DISCONNECT = 1,
    RUN_FAIL_ON_CRASH = 2,
    RUN_MAY_RESTART = 4, /* attempts may be retried after output was published */
    RUN_LAZY = 8,
    RUN_IS_TREE = 16, /* there are tasks beside its root, which are stored one by one */
};

struct run_record {
    struct id id;
    struct str tenant;
    enum run_state state;
    uint64_t seq; /* the last event that belongs to this state */
    int64_t created_at_ms;
    int64_t started_at_ms;
    int64_t finished_at_ms;
    int64_t timeout_ms;
    unsigned flags; /* enum run_flag */

    struct str agent;    /* NULL where the run has another target */
    struct str workflow; /* likewise */
    int64_t workflow_version;
    struct str definition; /* the task of that version, JSON; NULL: not looked up, or no workflow */
    struct str name;
    struct str
        spec; /* the create body, compact JSON: holds `input`, `params`, `metadata`, `task` */
    struct str input;    /* JSON, a part of `spec` */
    struct str metadata; /* JSON object, a part of `spec`; NULL: {} */
    struct str parent;   /* JSON {"run_id","task"}; NULL: null */
    struct id retry_of;
    bool has_retry_of;

    /* of the root task */
    enum task_state task_state;
    struct str attempts; /* JSON array as in API §2 */
    struct str output;   /* JSON; NULL until it succeeded */
    struct str error;    /* JSON; NULL unless it ended otherwise */
    struct str reason;   /* JSON; NULL: null */
    struct usage usage;

    /* where it waits for its turn */
    struct str lane;    /* the provider its root calls; "" where the root is no call */
    int64_t wake_at_ms; /* parked or queued: when it may be claimed */

    /* Idempotency-Key, empty if it has none */
    struct str idem_scope; /* method and path */
    struct str idem_key;
    uint8_t idem_digest[32];
};

#define RUN_ID_PREFIX STR("run_")
enum { RUN_ID_TEXT = 4 + ID_TEXT };
void run_id_format(const struct id *id, char ret_text[RUN_ID_TEXT]); /* no NUL */

/* Appends the run's JSON. `brief` replaces large values by references, as events and lists do.
 * `last_seq` is told in place of record->seq, since more may be published than is committed.
 * `base_path` goes in front of every link. */
void run_record_write(struct buf *b, const struct run_record *r, uint64_t last_seq, bool brief,
                      struct str base_path);

/* Appends a value, or the reference that stands for it where it is large. */
void run_record_write_value(struct buf *b, struct str json, const struct id *run,
                            const char *suffix, struct str base_path);

/* The root task with its attempts (API §2, tasks). `name`: as the tree has it, NULL: none. */
void run_record_write_root(struct buf *b, const struct run_record *r, struct str name, bool brief,
                           struct str base_path);

/* Points input and metadata of a record into its spec. False if the spec is damaged, or there is no
 * memory. */
bool run_record_read_spec(struct run_record *r);
#endif
