#ifndef SLUICE_TESTS_SUPPORT_RIG_OPS_H
#define SLUICE_TESTS_SUPPORT_RIG_OPS_H
/* The operations of runs/ops.h, started on a rig's shard and settled: each answers with what its
 * callback was told. All are of tenant "t". */
#include "runs/ops.h"
#include "tests/support/engine_rig.h"

/* A cancel. It must have been answered when everything has settled. */
enum err rig_cancel(struct rig *r, uint32_t shard, const struct id *id);

/* Of one task, which is not the root. */
enum err rig_cancel_task(struct rig *r, uint32_t shard, const struct id *id, const char *path);

/* A cancel that is answered later. */
struct asked {
    struct run_stop stop;
    unsigned answers;
};
void rig_ask_cancel(struct rig *r, uint32_t shard, const struct id *id, struct asked *ret);
void rig_ask_cancel_task(struct rig *r, uint32_t shard, const struct id *id, const char *path,
                         struct asked *ret);

/* The state as a GET sees it, and the highest seq that was told. */
enum err rig_get(struct rig *r, uint32_t shard, const struct id *id, enum run_state *ret_state,
                 uint64_t *ret_last_seq);

/* What the store has, read on the first loop; the arena is freed by the caller. */
enum store_result rig_tasks(struct rig *r, struct store_tasks *t);
enum store_result rig_list(struct rig *r, struct store_list *l);

enum err rig_delete(struct rig *r, uint32_t shard, const struct id *id);

/* What a text holds, and how often. */
bool rig_text_has(struct str text, const char *part);
unsigned rig_count_of(struct str text, const char *part);
#endif
