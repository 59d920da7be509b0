#ifndef SLUICE_TESTS_SUPPORT_STORE_FAKE_H
#define SLUICE_TESTS_SUPPORT_STORE_FAKE_H
/* A store in memory, with faults on demand: what store/store.h promises, decided at once and
 * without a thread.
 *
 * A `store_fake` is the database: it stays while gateways come and go. store_fake_open gives a
 * gateway's store, with a new lease; store_close ends it, or, as far as the database can tell,
 * kills it. Operations are carried out within store_start and posted to their loops, unless they
 * are held. Nothing here comes from mem_alloc, so that a test that makes allocations fail makes
 * only those of the engine fail.
 *
 * Faults may be set on any thread. */
#include "store/store.h"

struct store_fake;

/* `clock` (may be NULL) judges wake-up times. */
struct store_fake *store_fake_create(const struct clock_fake *clock);
void store_fake_destroy(struct store_fake *f);

struct store *store_fake_open(struct store_fake *f); /* one at a time */

/* The next commit fails with an outcome that is unknown: it was done, or not. From then on the
 * store is unavailable, until store_fake_heal, which settles what is in doubt. */
void store_fake_fail_commit(struct store_fake *f, bool done);
void store_fake_heal(struct store_fake *f);
bool store_fake_is_whole(const struct store_fake *f); /* nothing is to be healed */

/* It takes nothing until it is healed. */
void store_fake_go_away(struct store_fake *f);

/* Another gateway takes the database over. */
void store_fake_take_over(struct store_fake *f);

void store_fake_set_queue_bytes(struct store_fake *f, uint64_t bytes); /* past it store_is_full */
void store_fake_set_full(struct store_fake *f, bool is_full);          /* whatever waits */

/* Writes (reads) wait from now on. Letting go carries all writes that wait out as one commit;
 * _let_one_go the oldest alone. */
void store_fake_hold(struct store_fake *f);
void store_fake_let_go(struct store_fake *f);
void store_fake_let_one_go(struct store_fake *f);
void store_fake_hold_reads(struct store_fake *f);
void store_fake_stall_reads(struct store_fake *f); /* they are carried out, and given back later */
void store_fake_let_reads_go(struct store_fake *f);
void store_fake_fail_reads(struct store_fake *f, bool fails); /* from now on they are unavailable */

/* As if it had never kept what versions of workflows were. */
void store_fake_forget_definitions(struct store_fake *f);

/* What a test may count: commits that were made, rows that they wrote again, rows that are there,
 * writes and reads that wait. */
unsigned store_fake_commits(const struct store_fake *f);
unsigned store_fake_row_writes(const struct store_fake *f);
unsigned store_fake_rows(const struct store_fake *f);
unsigned store_fake_held(const struct store_fake *f);
unsigned store_fake_held_reads(const struct store_fake *f);

/* A row as it is, NULL if there is none: borrowed until the next commit. Whose it is; 0: nobody's.
 */
const struct run_record *store_fake_row(struct store_fake *f, const struct id *id,
                                        uint64_t *ret_owner);
#endif
