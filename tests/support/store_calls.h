#ifndef SLUICE_TESTS_SUPPORT_STORE_CALLS_H
#define SLUICE_TESTS_SUPPORT_STORE_CALLS_H
/* A store's operations as plain calls, and runs made up to be stored.
 *
 * The loop is turned by the test's own thread until the operation is back. */
#include "store/store.h"

enum { CALLS_EVENT_BYTES = 64 }; /* of a line as calls_lines makes it, at most */

/* Starts `op`, whose kind is set, and turns `loop` until it is back. */
enum store_result calls_do(struct store *s, struct loop *loop, struct store_op *op);

/* Turns it once; for whoever waits for something else. Lets other threads run. */
void calls_turn(struct loop *loop);

/* --- runs ------------------------------------------------------------------------------------- */

/* The id with that number: they order as the numbers do. */
struct id calls_id(uint64_t n);

/* A queued run of tenant "t" in lane "sim", made at n; every text is a literal, spec
 * {"agent":"echo"}. */
struct run_record calls_run(uint64_t n);

/* Lines of the events `first` to `last`, made up; appends to `b`. */
void calls_lines(struct buf *b, uint64_t first, uint64_t last);

/* --- changes ---------------------------------------------------------------------------------- */

/* Stores the run as new, with event 1 (and up to its seq), and gives the store's name for it. */
enum store_result calls_accept(struct store *s, struct loop *loop, const struct run_record *run,
                               uint64_t *ret_ref);

/* The same, owned by nobody. */
uint64_t calls_accept_released(struct store *s, struct loop *loop, const struct run_record *run);

/* Writes the run's row under that lease, with the events after `first` up to its seq (first > seq:
 * none). */
enum store_result calls_save(struct store *s, struct loop *loop, const struct run_record *run,
                             uint64_t ref, uint64_t epoch, bool release, uint64_t first);

/* Saves nothing but those events. */
enum store_result calls_save_events(struct store *s, struct loop *loop,
                                    const struct run_record *run, uint64_t ref, uint64_t epoch,
                                    uint64_t first);

/* A claim's and a read's memory is freed by arena_fini (buf_fini). */
enum store_result calls_claim(struct store *s, struct loop *loop, const char *lane, uint32_t max,
                              struct store_claim *ret);
enum store_result calls_claim_id(struct store *s, struct loop *loop, const struct run_record *run,
                                 struct store_claim *ret);
enum store_result calls_get(struct store *s, struct loop *loop, const struct run_record *run,
                            struct store_get *ret);
enum store_result calls_events(struct store *s, struct loop *loop, const struct run_record *run,
                               uint64_t after, size_t max_bytes, struct store_events *ret);
enum store_result calls_command(struct store *s, struct loop *loop, const struct run_record *run,
                                const char *note);
enum store_result calls_delete(struct store *s, struct loop *loop, const struct run_record *run);
#endif
