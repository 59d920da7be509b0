#include "tests/support/store_contract.h"

#include <stdio.h>

#include "tests/support/store_calls.h"
#include "tests/support/store_contract_internal.h"

static const struct contract_subject *subject;
static struct store *store;
static struct loop *loop;

void contract_set_up(const struct contract_subject *of)
{
    subject = of;
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
    subject->create();
    store = subject->open();
}

void contract_tear_down(void)
{
    ck_assert(store_is_idle(store));
    store_close(store);
    subject->destroy();
    loop_destroy(loop);
}

/* The gateway ends, or dies: the next one has a lease of its own. */
static void reopen(void)
{
    store_close(store);
    store = subject->open();
}

/* Heals, and waits until the store takes writes again. */
static void heal(void)
{
    subject->heal();
    while (!store_is_available(store))
        calls_turn(loop);
}

/* --- for the cases in other files --------------------------------------------------------------
 */

struct store *contract_store(void)
{
    return store;
}

struct loop *contract_loop(void)
{
    return loop;
}

void contract_reopen(void)
{
    reopen();
}

void contract_fail_commit(bool is_done)
{
    subject->fail_commit(is_done);
}

void contract_heal(void)
{
    heal();
}

/* --- in short --------------------------------------------------------------------------------- */

static uint64_t accept(const struct run_record *run)
{
    uint64_t ref = 0;
    ck_assert_int_eq(calls_accept(store, loop, run, &ref), STORE_OK);
    ck_assert_uint_ne(ref, 0);
    return ref;
}

static uint64_t accept_released(const struct run_record *run)
{
    return calls_accept_released(store, loop, run);
}

/* Saves the row, without events. */
static enum store_result save(const struct run_record *run, uint64_t ref, bool release)
{
    return calls_save(store, loop, run, ref, store->epoch, release, UINT64_MAX);
}

static uint64_t accept_ended(struct run_record *run, enum run_state state)
{
    uint64_t ref = accept(run);
    run->state = state;
    ck_assert_int_eq(save(run, ref, true), STORE_OK);
    return ref;
}

static enum store_result state_of(const struct run_record *run, enum run_state *ret_state,
                                  bool *ret_owned)
{
    struct store_get g;
    enum store_result result = calls_get(store, loop, run, &g);
    if (result == STORE_OK) {
        *ret_state = g.run.state;
        *ret_owned = g.is_owned;
    }
    arena_fini(&g.arena);
    return result;
}

static void must_be(const struct run_record *run, enum run_state wanted, bool wanted_owned)
{
    enum run_state state;
    bool owned;
    ck_assert_int_eq(state_of(run, &state, &owned), STORE_OK);
    ck_assert_int_eq(state, wanted);
    ck_assert_int_eq(owned, wanted_owned);
}

static void must_be_absent(const struct run_record *run)
{
    enum run_state state;
    bool owned;
    ck_assert_int_eq(state_of(run, &state, &owned), STORE_ABSENT);
}

/* How many runs a claim of that lane takes; their numbers, in order. */
static uint32_t claim(const char *lane, uint32_t max, uint64_t *ret_ids)
{
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, lane, max, &c), STORE_OK);
    ck_assert_uint_le(c.count, max);
    for (uint32_t i = 0; i < c.count; i++)
        ret_ids[i] = c.runs[i].run.id.bytes[15];
    uint32_t count = c.count;
    arena_fini(&c.arena);
    return count;
}

static bool str_is(struct str s, const char *text)
{
    return s.at != NULL && str_eq(s, str_of(text));
}

/* Does a read after `after` yield exactly the events `first` to `last`, as calls_lines made them?
 */
static void must_read(const struct run_record *run, uint64_t after, size_t max_bytes,
                      uint64_t first, uint64_t last)
{
    struct store_events e;
    struct buf wanted;
    buf_init(&wanted, 1 << 24);
    calls_lines(&wanted, first, last);
    ck_assert_int_eq(calls_events(store, loop, run, after, max_bytes, &e), STORE_OK);
    ck_assert_uint_eq(e.lines.len, wanted.len);
    ck_assert(str_eq(buf_str(&e.lines), buf_str(&wanted)));
    buf_fini(&e.lines);
    buf_fini(&wanted);
}

static void must_read_nothing(const struct run_record *run, uint64_t after)
{
    must_read(run, after, 1000, 1, 0);
}

/* --- accepting -------------------------------------------------------------------------------- */

START_TEST(an_accepted_run_is_read_back_whole)
{
    struct run_record run = calls_run(1);
    run.task_state = TASK_RUNNING;
    run.state = RUN_RUNNING;
    run.seq = 3;
    run.started_at_ms = 20;
    run.finished_at_ms = 30;
    run.flags = RUN_FAIL_ON_CRASH | 7 << 8;
    run.name = STR("a name");
    run.spec = STR("{\"agent\":\"echo\",\"input\":[1,\"\\u00e9\"],\"metadata\":{\"k\":\"v\"}}");
    run.metadata = STR("{\"k\":\"v\"}");
    run.workflow = STR("w");
    run.workflow_version = 5;
    run.parent = STR("{\"run_id\":\"x\",\"task\":\"\"}");
    run.retry_of = calls_id(77);
    run.has_retry_of = true;
    run.attempts = STR("[{}]");
    run.output = STR("\"o\"");
    run.error = STR("{\"e\":1}");
    run.reason = STR("{\"code\":\"timer\"}");
    run.usage = (struct usage){.calls = 1, .attempts = 2, .input_tokens = 3, .output_tokens = 4};
    run.wake_at_ms = 99;
    accept(&run);
    struct store_get g;
    ck_assert_int_eq(calls_get(store, loop, &run, &g), STORE_OK);
    const struct run_record *r = &g.run;
    ck_assert(id_eq(&r->id, &run.id) && id_eq(&r->retry_of, &run.retry_of) && r->has_retry_of);
    ck_assert(str_is(r->tenant, "t") && str_is(r->agent, "echo") && str_is(r->workflow, "w") &&
              str_is(r->name, "a name"));
    ck_assert(str_eq(r->spec, run.spec) && str_is(r->input, "[1,\"\\u00e9\"]") &&
              str_is(r->metadata, "{\"k\":\"v\"}"));
    ck_assert(str_eq(r->parent, run.parent) && str_eq(r->attempts, run.attempts) &&
              str_eq(r->output, run.output));
    ck_assert(str_eq(r->error, run.error) && str_eq(r->reason, run.reason) &&
              str_is(r->lane, "sim"));
    ck_assert(r->state == RUN_RUNNING && r->task_state == TASK_RUNNING && r->seq == 3 &&
              r->flags == run.flags);
    ck_assert(r->created_at_ms == 1 && r->started_at_ms == 20 && r->finished_at_ms == 30 &&
              r->timeout_ms == 1000);
    ck_assert(r->usage.calls == 1 && r->usage.attempts == 2 && r->usage.input_tokens == 3 &&
              r->usage.output_tokens == 4);
    ck_assert(r->workflow_version == 5 && r->wake_at_ms == 99 && g.is_owned);
    arena_fini(&g.arena);
}
END_TEST

START_TEST(what_is_left_out_stays_null)
{
    struct run_record run = calls_run(1);
    run.agent = STR_NONE;
    run.spec = STR("{\"input\":null}");
    accept(&run);
    struct store_get g;
    ck_assert_int_eq(calls_get(store, loop, &run, &g), STORE_OK);
    const struct run_record *r = &g.run;
    ck_assert(r->agent.at == NULL && r->workflow.at == NULL && r->name.at == NULL &&
              r->parent.at == NULL);
    ck_assert(r->output.at == NULL && r->error.at == NULL && r->reason.at == NULL &&
              r->attempts.at == NULL);
    ck_assert(!r->has_retry_of && r->metadata.at == NULL && str_is(r->input, "null"));
    arena_fini(&g.arena);
}
END_TEST

START_TEST(a_run_is_its_tenants_own)
{
    struct run_record run = calls_run(1), seen_by_other = run;
    accept(&run);
    seen_by_other.tenant = STR("other");
    must_be_absent(&seen_by_other);
    struct store_events e;
    ck_assert_int_eq(calls_events(store, loop, &seen_by_other, 0, 1000, &e), STORE_ABSENT);
    buf_fini(&e.lines);
    ck_assert_int_eq(calls_command(store, loop, &seen_by_other, ""), STORE_ABSENT);
    ck_assert_int_eq(calls_delete(store, loop, &seen_by_other), STORE_ABSENT);
}
END_TEST

START_TEST(any_tenant_finds_it_wherever_it_is)
{
    static const char *const tenants[] = {"", "a", "b", "zz"};
    for (uint64_t i = 0; i < 4; i++) {
        struct run_record run = calls_run(i + 1);
        run.tenant = str_of(tenants[i]);
        accept(&run);
    }
    for (uint64_t i = 0; i < 5; i++) {
        struct store_get g = {.op.kind = STORE_GET, .any_tenant = true, .id = calls_id(i + 1)};
        arena_init(&g.arena, 65536);
        ck_assert_int_eq(calls_do(store, loop, &g.op), i < 4 ? STORE_OK : STORE_ABSENT);
        if (i < 4)
            ck_assert(str_is(g.run.tenant, tenants[i]));
        arena_fini(&g.arena);
    }
}
END_TEST

static struct run_record keyed(uint64_t n, const char *tenant, const char *scope, const char *key,
                               uint8_t body)
{
    struct run_record run = calls_run(n);
    run.tenant = str_of(tenant);
    run.idem_scope = str_of(scope);
    run.idem_key = str_of(key);
    run.idem_digest[0] = body;
    return run;
}

static struct store_change accept_keyed(const struct run_record *run)
{
    struct store_change c = {.accept = true, .run = run, .epoch = store->epoch};
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = &c, .count = 1};
    ck_assert_int_eq(calls_do(store, loop, &b.op), STORE_OK);
    return c;
}

START_TEST(an_idempotency_key_names_the_run_that_has_it)
{
    struct run_record first = keyed(1, "t", "POST /v1/runs", "k", 1),
                      again = keyed(2, "t", "POST /v1/runs", "k", 1);
    struct run_record other_body = keyed(3, "t", "POST /v1/runs", "k", 2);
    ck_assert_int_eq(accept_keyed(&first).result, STORE_OK);
    struct store_change c = accept_keyed(&again);
    ck_assert_int_eq(c.result, STORE_EXISTS);
    ck_assert(id_eq(&c.existing, &first.id) && c.same_body);
    c = accept_keyed(&other_body);
    ck_assert_int_eq(c.result, STORE_EXISTS);
    ck_assert(id_eq(&c.existing, &first.id) && !c.same_body);
    must_be_absent(&again);
    must_be_absent(&other_body);
}
END_TEST

START_TEST(a_key_is_known_per_tenant_and_scope)
{
    struct run_record runs[] = {
        keyed(1, "t", "POST /v1/runs", "k", 1), keyed(2, "u", "POST /v1/runs", "k", 1),
        keyed(3, "t", "POST /v1/agents/a/runs", "k", 1), keyed(4, "t", "POST /v1/runs", "K", 1)};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(accept_keyed(&runs[i]).result, STORE_OK);
}
END_TEST

static enum store_result look_for_twin(const struct run_record *of, struct store_twin *ret)
{
    *ret = (struct store_twin){.op.kind = STORE_TWIN,
                               .tenant = of->tenant,
                               .scope = of->idem_scope,
                               .key = of->idem_key};
    memcpy(ret->digest, of->idem_digest, sizeof ret->digest);
    return calls_do(store, loop, &ret->op);
}

START_TEST(a_key_can_be_looked_for_without_making_a_run)
{
    struct run_record first = keyed(1, "t", "s", "k", 1), other_body = keyed(2, "t", "s", "k", 2);
    struct run_record others[] = {keyed(3, "u", "s", "k", 1), keyed(4, "t", "S", "k", 1),
                                  keyed(5, "t", "s", "K", 1)};
    struct store_twin twin;
    ck_assert_int_eq(look_for_twin(&first, &twin), STORE_ABSENT);
    ck_assert_int_eq(accept_keyed(&first).result, STORE_OK);
    ck_assert_int_eq(look_for_twin(&first, &twin), STORE_OK);
    ck_assert(id_eq(&twin.id, &first.id) && twin.same_body);
    ck_assert_int_eq(look_for_twin(&other_body, &twin), STORE_OK);
    ck_assert(id_eq(&twin.id, &first.id) && !twin.same_body);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(look_for_twin(&others[i], &twin), STORE_ABSENT);
}
END_TEST

START_TEST(of_twins_in_one_batch_one_is_made)
{
    struct run_record runs[] = {keyed(1, "t", "s", "k", 1), keyed(2, "t", "s", "k", 1)};
    struct store_change c[2] = {{.accept = true, .run = &runs[0], .epoch = store->epoch},
                                {.accept = true, .run = &runs[1], .epoch = store->epoch}};
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = c, .count = 2};
    ck_assert_int_eq(calls_do(store, loop, &b.op), STORE_OK);
    ck_assert_int_eq(c[0].result, STORE_OK);
    ck_assert_int_eq(c[1].result, STORE_EXISTS);
    ck_assert(id_eq(&c[1].existing, &runs[0].id) && c[1].same_body);
    must_be_absent(&runs[1]);
}
END_TEST

START_TEST(a_key_outlives_the_gateway)
{
    struct run_record first = keyed(1, "t", "s", "k", 1), again = keyed(2, "t", "s", "k", 1);
    accept_keyed(&first);
    reopen();
    ck_assert_int_eq(accept_keyed(&again).result, STORE_EXISTS);
}
END_TEST

START_TEST(removing_a_run_frees_its_key)
{
    struct run_record first = keyed(1, "t", "s", "k", 1), next = keyed(2, "t", "s", "k", 2);
    struct store_change c = accept_keyed(&first);
    first.state = RUN_SUCCEEDED;
    ck_assert_int_eq(save(&first, c.ref, true), STORE_OK);
    ck_assert_int_eq(accept_keyed(&next).result, STORE_EXISTS);
    ck_assert_int_eq(calls_delete(store, loop, &first), STORE_OK);
    ck_assert_int_eq(accept_keyed(&next).result, STORE_OK);
}
END_TEST

/* --- saving ----------------------------------------------------------------------------------- */

START_TEST(a_save_writes_what_may_change)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run);
    run.state = RUN_WAITING;
    run.task_state = TASK_RETRYING;
    run.seq = 9;
    run.started_at_ms = 5;
    run.output = STR("1");
    run.reason = STR("{}");
    run.attempts = STR("[1]");
    run.usage.attempts = 2;
    run.lane = STR("elsewhere");
    ck_assert_int_eq(save(&run, ref, false), STORE_OK);
    struct store_get g;
    ck_assert_int_eq(calls_get(store, loop, &run, &g), STORE_OK);
    ck_assert(g.run.state == RUN_WAITING && g.run.task_state == TASK_RETRYING && g.run.seq == 9 &&
              g.is_owned);
    ck_assert(str_is(g.run.output, "1") && str_is(g.run.reason, "{}") &&
              str_is(g.run.attempts, "[1]"));
    ck_assert(g.run.started_at_ms == 5 && g.run.usage.attempts == 2 &&
              str_is(g.run.lane, "elsewhere"));
    arena_fini(&g.arena);
}
END_TEST

START_TEST(a_save_leaves_what_never_changes)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run);
    struct run_record wrong = run;
    wrong.spec = STR("{}");
    wrong.agent = STR("another");
    wrong.created_at_ms = 77;
    wrong.timeout_ms = 78;
    ck_assert_int_eq(save(&wrong, ref, false), STORE_OK);
    struct store_get g;
    ck_assert_int_eq(calls_get(store, loop, &run, &g), STORE_OK);
    ck_assert(str_eq(g.run.spec, run.spec) && str_is(g.run.agent, "echo"));
    ck_assert(g.run.created_at_ms == 1 && g.run.timeout_ms == 1000);
    arena_fini(&g.arena);
}
END_TEST

static uint64_t listed_seq(void)
{
    struct store_list l = {.op.kind = STORE_LIST, .tenant = STR("t"), .limit = 2};
    arena_init(&l.arena, 1 << 20);
    ck_assert_int_eq(calls_do(store, loop, &l.op), STORE_OK);
    ck_assert_uint_eq(l.count, 1);
    uint64_t seq = l.runs[0].seq;
    arena_fini(&l.arena);
    return seq;
}

START_TEST(events_alone_leave_the_row_and_move_its_seq)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run);
    struct run_record row = run;
    run.state = RUN_FAILED; /* is not read */
    run.seq = 8;
    ck_assert_int_eq(calls_save_events(store, loop, &run, ref, store->epoch, 2), STORE_OK);
    run.seq = 11;
    ck_assert_int_eq(calls_save_events(store, loop, &run, ref, store->epoch, 9), STORE_OK);
    must_read(&run, 0, 1000, 1, 11);
    ck_assert_uint_eq(listed_seq(), 11);
    struct store_events e;
    ck_assert_int_eq(calls_events(store, loop, &run, 11, 1000, &e), STORE_OK);
    ck_assert(e.committed_seq == 11 && e.state == row.state);
    buf_fini(&e.lines);
    reopen(); /* its owner dies: whoever takes it goes on behind the last event */
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, "sim", 1, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 1);
    ck_assert(c.runs[0].run.seq == 11 && c.runs[0].run.state == row.state);
    run.state = RUN_SUCCEEDED;
    run.seq = 12;
    ck_assert_int_eq(calls_save(store, loop, &run, c.runs[0].ref, store->epoch, true, 12),
                     STORE_OK);
    must_be(&run, RUN_SUCCEEDED, false);
    must_read(&run, 0, 1000, 1, 12);
    ck_assert_uint_eq(listed_seq(), 12);
    arena_fini(&c.arena);
}
END_TEST

START_TEST(events_alone_are_fenced_as_a_save_is)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run);
    run.seq = 2;
    ck_assert_int_eq(calls_save_events(store, loop, &run, ref, store->epoch + 1, 2), STORE_FENCED);
    ck_assert_int_eq(calls_save_events(store, loop, &run, ref + 1, store->epoch, 2), STORE_FENCED);
    must_read(&run, 0, 1000, 1, 1);
    run.state = RUN_SUCCEEDED;
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, true, 2), STORE_OK);
    run.seq = 3;
    ck_assert_int_eq(calls_save_events(store, loop, &run, ref, store->epoch, 3), STORE_FENCED);
    must_read(&run, 0, 1000, 1, 2);
}
END_TEST

START_TEST(a_save_under_another_lease_is_fenced_and_writes_nothing)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run);
    run.state = RUN_RUNNING;
    run.seq = 2;
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch + 1, false, 2), STORE_FENCED);
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch - 1, true, 2), STORE_FENCED);
    must_be(&run, RUN_QUEUED, true);
    must_read(&run, 0, 1000, 1, 1);
}
END_TEST

START_TEST(a_dead_gateways_save_is_fenced_once_its_run_was_claimed)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run), dead = store->epoch, ids[1];
    reopen();
    ck_assert_uint_eq(claim("sim", 1, ids), 1);
    run.state = RUN_RUNNING;
    ck_assert_int_eq(calls_save(store, loop, &run, ref, dead, false, UINT64_MAX), STORE_FENCED);
    must_be(&run, RUN_QUEUED, true);
}
END_TEST

START_TEST(a_released_run_is_nobodys)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run);
    run.state = RUN_WAITING;
    ck_assert_int_eq(save(&run, ref, true), STORE_OK);
    must_be(&run, RUN_WAITING, false);
    run.seq = 2;
    ck_assert_int_eq(save(&run, ref, false), STORE_FENCED);
    ck_assert_int_eq(save(&run, ref, true), STORE_FENCED);
}
END_TEST

START_TEST(a_release_that_is_sent_again_finds_itself_done)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run);
    run.state = RUN_SUCCEEDED;
    run.seq = 2;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, true, 2), STORE_OK);
    must_be(&run, RUN_SUCCEEDED, false);
    must_read(&run, 0, 1000, 1, 2);
}
END_TEST

/* --- events ----------------------------------------------------------------------------------- */

/* A run with a segment of 10 events for each of `n` saves. */
static uint64_t accept_segments(struct run_record *run, uint64_t n)
{
    run->seq = 10;
    uint64_t ref = accept(run);
    for (uint64_t i = 1; i < n; i++) {
        run->seq += 10;
        ck_assert_int_eq(calls_save(store, loop, run, ref, store->epoch, false, run->seq - 9),
                         STORE_OK);
    }
    return ref;
}

START_TEST(events_come_back_in_order)
{
    struct run_record run = calls_run(1);
    accept_segments(&run, 5);
    must_read(&run, 0, 1 << 20, 1, 50);
}
END_TEST

START_TEST(a_read_takes_whole_segments_until_it_is_full_and_at_least_one)
{
    struct run_record run = calls_run(1);
    accept_segments(&run, 5);
    must_read(&run, 0, 1, 1, 10);
    struct buf segment;
    buf_init(&segment, 65536);
    calls_lines(&segment, 1, 10);
    must_read(&run, 0, segment.len, 1, 10);
    must_read(&run, 0, segment.len + 1, 1, 20);
    buf_fini(&segment);
}
END_TEST

START_TEST(the_first_segment_may_begin_before_what_was_asked_for)
{
    struct run_record run = calls_run(1);
    accept_segments(&run, 3);
    must_read(&run, 4, 1 << 20, 1, 30);
    must_read(&run, 10, 1 << 20, 11, 30);
    must_read(&run, 19, 1 << 20, 11, 30);
    must_read(&run, 29, 1 << 20, 21, 30);
}
END_TEST

START_TEST(behind_the_end_there_are_no_events_and_the_run_is_told)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept_segments(&run, 2);
    run.state = RUN_FAILED;
    ck_assert_int_eq(save(&run, ref, true), STORE_OK);
    must_read_nothing(&run, 20);
    must_read_nothing(&run, UINT64_MAX);
    struct store_events e;
    ck_assert_int_eq(calls_events(store, loop, &run, 1000, 1000, &e), STORE_OK);
    ck_assert_uint_eq(e.committed_seq, 20);
    ck_assert_int_eq(e.state, RUN_FAILED);
    buf_fini(&e.lines);
}
END_TEST

START_TEST(a_hole_in_the_events_is_read_over)
{
    struct run_record run = calls_run(1);
    run.seq = 5;
    uint64_t ref = accept(&run);
    run.seq = 110;
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, false, 101), STORE_OK);
    must_read(&run, 5, 1000, 101, 110);
    must_read(&run, 50, 1000, 101, 110);
    must_read(&run, 104, 1000, 101, 110);
}
END_TEST

START_TEST(events_of_a_run_that_is_not_there_are_absent)
{
    struct run_record run = calls_run(1);
    struct store_events e;
    ck_assert_int_eq(calls_events(store, loop, &run, 0, 1000, &e), STORE_ABSENT);
    buf_fini(&e.lines);
}
END_TEST

START_TEST(the_events_of_neighbours_stay_apart)
{
    struct run_record a = calls_run(1), b = calls_run(2);
    accept_segments(&a, 2);
    accept_segments(&b, 3);
    must_read(&a, 0, 1 << 20, 1, 20);
    must_read(&b, 0, 1 << 20, 1, 30);
}
END_TEST

/* --- commits of unknown outcome (done: 0, 1) -------------------------------------------------- */

START_TEST(an_accept_of_unknown_outcome_is_erased)
{
    struct run_record run = keyed(1, "t", "s", "k", 1), next = keyed(2, "t", "s", "k", 1);
    subject->fail_commit(_i == 1);
    ck_assert_int_eq(calls_accept(store, loop, &run, NULL), STORE_UNKNOWN);
    heal();
    must_be_absent(&run);
    ck_assert_int_eq(accept_keyed(&next).result, STORE_OK);
    reopen();
    must_be_absent(&run);
    must_be(&next, RUN_QUEUED, false);
}
END_TEST

START_TEST(a_save_of_unknown_outcome_is_sent_again)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run);
    run.state = RUN_RUNNING;
    run.seq = 5;
    subject->fail_commit(_i == 1);
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, false, 2), STORE_UNKNOWN);
    heal();
    run.seq =
        8; /* more has happened meanwhile: the segment begins where the first did and is longer */
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, false, 2), STORE_OK);
    must_be(&run, RUN_RUNNING, true);
    must_read(&run, 0, 1000, 1, 8);
}
END_TEST

START_TEST(a_release_of_unknown_outcome_leaves_the_run_with_its_owner)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run), ids[1];
    run.state = RUN_WAITING;
    run.seq = 2;
    subject->fail_commit(_i == 1);
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, true, 2), STORE_UNKNOWN);
    heal();
    ck_assert_uint_eq(claim("sim", 1, ids), 0); /* or it would be there twice */
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, true, 2), STORE_OK);
    must_be(&run, RUN_WAITING, false);
    ck_assert_uint_eq(claim("sim", 1, ids), 1);
}
END_TEST

START_TEST(an_end_of_unknown_outcome_is_sent_again)
{
    struct run_record run = calls_run(1);
    uint64_t ref = accept(&run);
    run.state = RUN_SUCCEEDED;
    run.seq = 2;
    subject->fail_commit(_i == 1);
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, true, 2), STORE_UNKNOWN);
    heal();
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, true, 2), STORE_OK);
    must_be(&run, RUN_SUCCEEDED, false);
    must_read(&run, 0, 1000, 1, 2);
}
END_TEST

START_TEST(a_claim_of_unknown_outcome_is_undone)
{
    struct run_record free_one = calls_run(1), dead_one = calls_run(2);
    accept_released(&free_one);
    dead_one.state = RUN_RUNNING;
    accept(&dead_one);
    reopen();
    struct store_claim c;
    subject->fail_commit(_i == 1);
    ck_assert_int_eq(calls_claim(store, loop, "sim", 10, &c), STORE_UNKNOWN);
    ck_assert_uint_eq(c.count, 0);
    arena_fini(&c.arena);
    heal();
    ck_assert_int_eq(calls_claim(store, loop, "sim", 10, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 2);
    for (uint32_t i = 0; i < 2; i++) /* and whose it was is not forgotten */
        ck_assert_int_eq(c.runs[i].lost_owner, id_eq(&c.runs[i].run.id, &dead_one.id));
    arena_fini(&c.arena);
}
END_TEST

START_TEST(nothing_is_taken_until_the_store_has_healed)
{
    struct run_record run = calls_run(1), next = calls_run(2);
    ck_assert(store_is_available(store));
    subject->fail_commit(_i == 1);
    ck_assert_int_eq(calls_accept(store, loop, &run, NULL), STORE_UNKNOWN);
    heal();
    ck_assert(store_is_available(store));
    accept(&next);
    must_be(&next, RUN_QUEUED, true);
}
END_TEST

/* --- claiming --------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    return clock_wall_ms(NULL);
}

static struct run_record due_at(uint64_t n, int64_t wake_at_ms)
{
    struct run_record run = calls_run(n);
    run.wake_at_ms = wake_at_ms;
    return run;
}

START_TEST(a_lane_is_claimed_in_the_order_of_its_runs_times)
{
    static const int64_t times[] = {500, 100, 300, 200, 400};
    uint64_t ids[5];
    for (uint64_t i = 0; i < 5; i++) {
        struct run_record run = due_at(i + 1, times[i]);
        accept_released(&run);
    }
    ck_assert_uint_eq(claim("sim", 2, ids), 2);
    ck_assert(ids[0] == 2 && ids[1] == 4);
    ck_assert_uint_eq(claim("sim", 10, ids), 3);
    ck_assert(ids[0] == 3 && ids[1] == 5 && ids[2] == 1);
    ck_assert_uint_eq(claim("sim", 10, ids), 0);
}
END_TEST

START_TEST(what_is_claimed_is_ours_and_comes_whole)
{
    struct run_record run = due_at(1, 100);
    run.state = RUN_WAITING;
    run.attempts = STR("[{}]");
    uint64_t ref = accept_released(&run);
    must_be(&run, RUN_WAITING, false);
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, "sim", 4, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 1);
    ck_assert(c.runs[0].ref == ref && !c.runs[0].lost_owner && !c.runs[0].cancel_asked);
    ck_assert(id_eq(&c.runs[0].run.id, &run.id) && str_is(c.runs[0].run.attempts, "[{}]"));
    arena_fini(&c.arena);
    must_be(&run, RUN_WAITING, true);
    ck_assert_int_eq(save(&run, ref, false), STORE_OK);
}
END_TEST

START_TEST(lanes_are_claimed_apart)
{
    struct run_record a = calls_run(1), b = calls_run(2);
    uint64_t ids[2];
    b.lane = STR("other");
    accept_released(&a);
    accept_released(&b);
    ck_assert_uint_eq(claim("nothing", 2, ids), 0);
    ck_assert_uint_eq(claim("other", 2, ids), 1);
    ck_assert_uint_eq(ids[0], 2);
}
END_TEST

START_TEST(what_is_not_due_waits_and_its_time_is_told)
{
    int64_t later = now_ms() + 3600000;
    struct run_record sooner = due_at(1, later), due = due_at(2, 5), last = due_at(3, later + 1);
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, "sim", 4, &c), STORE_OK);
    ck_assert_int_eq(c.next_wake_ms, 0); /* none waits */
    arena_fini(&c.arena);
    accept_released(&last);
    accept_released(&sooner);
    accept_released(&due);
    ck_assert_int_eq(calls_claim(store, loop, "sim", 4, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 1);
    ck_assert(id_eq(&c.runs[0].run.id, &due.id));
    ck_assert_int_eq(c.next_wake_ms, later);
    arena_fini(&c.arena);
}
END_TEST

START_TEST(runs_that_are_left_over_are_told_by_their_time)
{
    struct run_record a = due_at(1, 0), b = due_at(2, 0);
    struct store_claim c;
    accept_released(&a);
    accept_released(&b);
    ck_assert_int_eq(calls_claim(store, loop, "sim", 1, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 1);
    ck_assert_int_eq(c.next_wake_ms,
                     1); /* the other is due already, and 0 would say that there is none */
    arena_fini(&c.arena);
}
END_TEST

START_TEST(ended_runs_are_not_claimed)
{
    struct run_record run = calls_run(1);
    uint64_t ids[1];
    accept_ended(&run, RUN_SUCCEEDED);
    ck_assert_uint_eq(claim("sim", 1, ids), 0);
    reopen();
    ck_assert_uint_eq(claim("sim", 1, ids), 0);
}
END_TEST

START_TEST(our_own_runs_are_not_claimed)
{
    struct run_record run = calls_run(1);
    uint64_t ids[1];
    accept(&run);
    ck_assert_uint_eq(claim("sim", 1, ids), 0);
}
END_TEST

START_TEST(a_dead_gateways_runs_are_claimed_whatever_their_time)
{
    struct run_record mine = due_at(1, now_ms() + 3600000), free_one = calls_run(2);
    mine.state = RUN_RUNNING;
    accept(&mine);
    accept_released(&free_one);
    reopen();
    must_be(&mine, RUN_RUNNING, false);
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, "sim", 4, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 2);
    ck_assert(id_eq(&c.runs[0].run.id, &mine.id) && c.runs[0].lost_owner);
    ck_assert(id_eq(&c.runs[1].run.id, &free_one.id) && !c.runs[1].lost_owner);
    arena_fini(&c.arena);
}
END_TEST

START_TEST(the_runs_of_several_dead_gateways_are_claimed)
{
    uint64_t ids[4];
    for (uint64_t i = 1; i <= 3; i++) {
        struct run_record run = calls_run(i);
        run.lane = i == 2 ? STR("other") : STR("sim");
        accept(&run);
        reopen();
    }
    ck_assert_uint_eq(claim("sim", 4, ids), 2);
    ck_assert(ids[0] == 1 && ids[1] == 3);
    ck_assert_uint_eq(claim("other", 4, ids), 1);
    ck_assert_uint_eq(claim("sim", 4, ids), 0);
}
END_TEST

START_TEST(a_run_is_claimed_by_its_id_due_or_not)
{
    struct run_record run = due_at(1, now_ms() + 3600000);
    accept_released(&run);
    struct store_claim c;
    ck_assert_int_eq(calls_claim_id(store, loop, &run, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 1);
    ck_assert(id_eq(&c.runs[0].run.id, &run.id) && !c.runs[0].lost_owner);
    arena_fini(&c.arena);
    ck_assert_int_eq(calls_claim_id(store, loop, &run, &c), STORE_EXISTS); /* it is ours now */
    arena_fini(&c.arena);
    reopen();
    ck_assert_int_eq(calls_claim_id(store, loop, &run, &c), STORE_OK);
    ck_assert(c.runs[0].lost_owner);
    arena_fini(&c.arena);
}
END_TEST

START_TEST(by_its_id_only_a_run_of_that_tenant_that_has_not_ended_is_claimed)
{
    struct run_record run = calls_run(1), ended = calls_run(2), other = run;
    struct store_claim c;
    accept_released(&run);
    accept_ended(&ended, RUN_CANCELLED);
    other.tenant = STR("other");
    ck_assert_int_eq(calls_claim_id(store, loop, &other, &c), STORE_ABSENT);
    arena_fini(&c.arena);
    ck_assert_int_eq(calls_claim_id(store, loop, &ended, &c), STORE_CONFLICT);
    arena_fini(&c.arena);
}
END_TEST

/* --- commands --------------------------------------------------------------------------------- */

START_TEST(a_command_makes_a_run_due_and_is_told_with_it)
{
    struct run_record run = due_at(1, now_ms() + 3600000);
    accept_released(&run);
    ck_assert_int_eq(calls_command(store, loop, &run, "no longer needed"), STORE_OK);
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, "sim", 4, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 1);
    ck_assert(c.runs[0].cancel_asked && str_is(c.runs[0].cancel_note, "no longer needed"));
    arena_fini(&c.arena);
}
END_TEST

START_TEST(a_command_without_words_is_one)
{
    struct run_record run = calls_run(1);
    accept_released(&run);
    ck_assert_int_eq(calls_command(store, loop, &run, NULL), STORE_OK);
    struct store_claim c;
    ck_assert_int_eq(calls_claim_id(store, loop, &run, &c), STORE_OK);
    ck_assert(c.runs[0].cancel_asked && c.runs[0].cancel_note.len == 0);
    arena_fini(&c.arena);
}
END_TEST

START_TEST(a_command_waits_for_the_owner_of_a_run)
{
    struct run_record run = due_at(1, now_ms() + 3600000);
    uint64_t ref = accept(&run);
    ck_assert_int_eq(calls_command(store, loop, &run, "x"), STORE_OK);
    must_be(&run, RUN_QUEUED, true);
    ck_assert_int_eq(save(&run, ref, true), STORE_OK);
    struct store_claim c;
    ck_assert_int_eq(calls_claim_id(store, loop, &run, &c), STORE_OK);
    ck_assert(c.runs[0].cancel_asked);
    arena_fini(&c.arena);
}
END_TEST

START_TEST(a_command_to_an_ended_run_is_a_conflict_and_to_none_absent)
{
    struct run_record run = calls_run(1), none = calls_run(2);
    accept_ended(&run, RUN_FAILED);
    ck_assert_int_eq(calls_command(store, loop, &run, ""), STORE_CONFLICT);
    ck_assert_int_eq(calls_command(store, loop, &none, ""), STORE_ABSENT);
}
END_TEST

/* --- removing --------------------------------------------------------------------------------- */

START_TEST(an_ended_run_goes_with_its_events)
{
    struct run_record run = calls_run(1), neighbour = calls_run(2);
    run.spec = neighbour.spec = STR("{\"agent\":\"echo\",\"metadata\":{\"a\":\"b\"}}");
    run.metadata = neighbour.metadata = STR("{\"a\":\"b\"}");
    accept_ended(&run, RUN_TIMED_OUT);
    accept(&neighbour);
    ck_assert_int_eq(calls_delete(store, loop, &run), STORE_OK);
    must_be_absent(&run);
    struct store_events e;
    ck_assert_int_eq(calls_events(store, loop, &run, 0, 1000, &e), STORE_ABSENT);
    buf_fini(&e.lines);
    ck_assert_int_eq(calls_delete(store, loop, &run), STORE_ABSENT);
    must_read(&neighbour, 0, 1000, 1, 1);
    accept(&run); /* nothing of it is left in the way */
    must_read(&run, 0, 1000, 1, 1);
}
END_TEST

START_TEST(a_run_that_has_not_ended_is_not_removed)
{
    static const enum run_state states[] = {RUN_QUEUED, RUN_RUNNING, RUN_WAITING, RUN_CANCELLING};
    for (uint64_t i = 0; i < 4; i++) {
        struct run_record run = calls_run(i + 1);
        run.state = states[i];
        accept(&run);
        ck_assert_int_eq(calls_delete(store, loop, &run), STORE_CONFLICT);
        must_be(&run, states[i], true);
    }
}
END_TEST

/* --- lists ------------------------------------------------------------------------------------ */

/* Which of the runs 1 to 60 a list names, as bits; they must come newest first. */
static uint64_t list(struct store_list *l)
{
    uint64_t seen = 0;
    l->op.kind = STORE_LIST;
    l->tenant = STR("t");
    arena_init(&l->arena, 1 << 20);
    ck_assert_int_eq(calls_do(store, loop, &l->op), STORE_OK);
    ck_assert_uint_le(l->count, l->limit);
    for (uint32_t i = 0; i < l->count; i++) {
        unsigned n = l->runs[i].id.bytes[15];
        if (i > 0)
            ck_assert_uint_lt(n, l->runs[i - 1].id.bytes[15]);
        seen |= UINT64_C(1) << n;
    }
    arena_fini(&l->arena);
    return seen;
}

static uint64_t list_all(const struct store_filter *filter)
{
    struct store_list l = {.limit = 100, .filter = *filter};
    uint64_t seen = list(&l);
    ck_assert(!l.more);
    return seen;
}

/* The same through pages of `limit`, following the cursor. */
static uint64_t list_pages(const struct store_filter *filter, uint32_t limit)
{
    struct store_list l = {.limit = limit, .filter = *filter};
    uint64_t seen = 0;
    do {
        uint64_t page = list(&l);
        ck_assert_uint_eq(seen & page, 0);
        seen |= page;
        l.has_before = true;
        l.before = l.resume;
    } while (l.more);
    return seen;
}

static const struct {
    enum run_state state;
    const char *agent, *workflow, *name, *metadata;
} many[] = {
    {RUN_QUEUED, "a", NULL, NULL, NULL},
    {RUN_RUNNING, "a", NULL, "n", "{\"k\":\"v\"}"},
    {RUN_WAITING, "b", NULL, "n", "{\"k\":\"w\",\"l\":\"v\"}"},
    {RUN_CANCELLING, "b", NULL, NULL, "{\"k\":\"v\",\"l\":\"v\"}"},
    {RUN_SUCCEEDED, "a", NULL, "m", "{\"k\":\"v\",\"l\":\"x\"}"},
    {RUN_FAILED, NULL, "f", NULL, "{\"l\":\"v\"}"},
    {RUN_CANCELLED, NULL, "f", "n", "{\"k\":\"v\"}"},
    {RUN_TIMED_OUT, NULL, "g", NULL, "{\"\\u006b\":\"v\"}"},
};

enum { MANY = sizeof many / sizeof many[0] };

/* Runs 1 to 48: the table six times over; every seventh is another tenant's. */
static void accept_many(void)
{
    char specs[MANY][128];
    for (uint64_t n = 1; n <= 48; n++) {
        struct run_record run = calls_run(n);
        size_t i = n % MANY;
        snprintf(specs[i], sizeof specs[i], "{\"agent\":\"x\",\"metadata\":%s}",
                 many[i].metadata ? many[i].metadata : "{}");
        run.state = many[i].state;
        run.agent = str_of(many[i].agent);
        run.workflow = str_of(many[i].workflow);
        run.name = str_of(many[i].name);
        run.spec = str_of(specs[i]);
        run.metadata = str_of(many[i].metadata);
        run.tenant = n % 7 == 0 ? STR("u") : STR("t");
        run.created_at_ms = 1000 + (int64_t)n;
        if (run_state_is_terminal(run.state))
            accept_released(&run);
        else
            accept(&run);
    }
}

/* Which runs of tenant "t" the table says. */
static uint64_t of_those(bool (*is_one)(size_t row, uint64_t n))
{
    uint64_t wanted = 0;
    for (uint64_t n = 1; n <= 48; n++)
        wanted |= n % 7 != 0 && is_one(n % MANY, n) ? UINT64_C(1) << n : 0;
    return wanted;
}

static bool is_any(size_t row, uint64_t n)
{
    (void)row, (void)n;
    return true;
}
static bool is_of_agent_a(size_t row, uint64_t n)
{
    (void)n;
    return many[row].agent != NULL && strcmp(many[row].agent, "a") == 0;
}
static bool is_of_workflow_f(size_t row, uint64_t n)
{
    (void)n;
    return many[row].workflow != NULL && strcmp(many[row].workflow, "f") == 0;
}
static bool is_named_n(size_t row, uint64_t n)
{
    (void)n;
    return many[row].name != NULL && strcmp(many[row].name, "n") == 0;
}
static bool has_k_v(size_t row, uint64_t n)
{
    (void)n;
    return row == 1 || row == 3 || row == 4 || row == 6 || row == 7;
}
static bool has_k_v_and_l_v(size_t row, uint64_t n)
{
    (void)n;
    return row == 3;
}
static bool is_between(size_t row, uint64_t n)
{
    (void)row;
    return n > 10 && n < 20;
}
static bool is_failed_of_f(size_t row, uint64_t n)
{
    (void)n;
    return row == 5;
}
static bool is_running_with_k_v(size_t row, uint64_t n)
{
    (void)n;
    return row == 1;
}

START_TEST(a_list_names_a_tenants_runs_newest_first)
{
    accept_many();
    ck_assert_uint_eq(list_all(&(struct store_filter){.has_state = false}), of_those(is_any));
}
END_TEST

START_TEST(a_list_is_filtered)
{
    const struct {
        struct store_filter filter;
        bool (*is_one)(size_t row, uint64_t n);
    } cases[] = {
        {{.agent = STR("a")}, is_of_agent_a},
        {{.workflow = STR("f")}, is_of_workflow_f},
        {{.name = STR("n")}, is_named_n},
        {{.metadata_count = 1, .metadata_keys = {STR("k")}, .metadata_values = {STR("v")}},
         has_k_v},
        {{.metadata_count = 2,
          .metadata_keys = {STR("k"), STR("l")},
          .metadata_values = {STR("v"), STR("v")}},
         has_k_v_and_l_v},
        {{.metadata_count = 2,
          .metadata_keys = {STR("l"), STR("k")},
          .metadata_values = {STR("v"), STR("v")}},
         has_k_v_and_l_v},
        {{.created_after_ms = 1010, .created_before_ms = 1020}, is_between},
        {{.has_state = true, .state = RUN_FAILED, .workflow = STR("f")}, is_failed_of_f},
        {{.has_state = true,
          .state = RUN_RUNNING,
          .metadata_count = 1,
          .metadata_keys = {STR("k")},
          .metadata_values = {STR("v")}},
         is_running_with_k_v},
    };
    accept_many();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t wanted = of_those(cases[i].is_one);
        ck_assert_uint_ne(wanted, 0);
        ck_assert_uint_eq(list_all(&cases[i].filter), wanted);
        ck_assert_uint_eq(list_pages(&cases[i].filter, 2), wanted);
    }
}
END_TEST

START_TEST(a_list_is_filtered_by_every_state)
{
    accept_many();
    for (size_t row = 0; row < MANY; row++) {
        struct store_filter filter = {.has_state = true, .state = many[row].state};
        uint64_t wanted = 0;
        for (uint64_t n = 1; n <= 48; n++)
            wanted |= n % 7 != 0 && n % MANY == row ? UINT64_C(1) << n : 0;
        ck_assert_uint_eq(list_all(&filter), wanted);
        ck_assert_uint_eq(list_pages(&filter, 1), wanted);
    }
}
END_TEST

START_TEST(a_filter_that_nothing_matches_gives_an_empty_list)
{
    struct store_list l = {.limit = 10, .filter = {.agent = STR("nobody")}};
    accept_many();
    ck_assert_uint_eq(list(&l), 0);
    ck_assert(!l.more);
}
END_TEST

START_TEST(pages_follow_each_other_without_gap_or_overlap)
{
    struct store_filter none = {.has_state = false};
    accept_many();
    for (uint32_t limit = 1; limit <= 50; limit += limit < 5 ? 1 : 9)
        ck_assert_uint_eq(list_pages(&none, limit), of_those(is_any));
}
END_TEST

START_TEST(a_cursor_stands_while_newer_runs_come)
{
    struct store_list l = {.limit = 20};
    accept_many();
    uint64_t seen = list(&l);
    struct run_record newer = calls_run(60);
    accept(&newer);
    l.has_before = true;
    l.before = l.resume;
    while (l.more) {
        seen |= list(&l);
        l.before = l.resume;
    }
    ck_assert_uint_eq(seen, of_those(is_any));
}
END_TEST

START_TEST(a_full_page_that_is_the_last_says_so)
{
    struct store_list l = {.limit = 3};
    for (uint64_t n = 1; n <= 3; n++) {
        struct run_record run = calls_run(n);
        accept(&run);
    }
    ck_assert_uint_eq(list(&l), 0xE);
    ck_assert(!l.more);
    l.limit = 2;
    ck_assert_uint_eq(list(&l), 0xC);
    ck_assert(l.more);
}
END_TEST

/* --- lanes ------------------------------------------------------------------------------------ */

/* How many wait in that lane; -1: there is no such lane. */
static int waiting_in(const char *lane)
{
    struct store_lanes l = {.op.kind = STORE_LANES};
    int found = -1;
    arena_init(&l.arena, 1 << 20);
    ck_assert_int_eq(calls_do(store, loop, &l.op), STORE_OK);
    for (uint32_t i = 0; i < l.count; i++) {
        if (str_is(l.lanes[i].name, lane))
            found = (int)l.lanes[i].waiting;
    }
    arena_fini(&l.arena);
    return found;
}

START_TEST(lanes_tell_how_many_queued_runs_wait_for_somebody)
{
    struct run_record queued = calls_run(1), dead = calls_run(2), parked = calls_run(3),
                      ended = calls_run(4);
    struct run_record ours = calls_run(5);
    ck_assert_int_eq(waiting_in("sim"), -1);
    accept_released(&queued);
    accept(&dead);
    parked.state = RUN_WAITING;
    parked.lane = STR("other");
    accept_released(&parked);
    ended.lane = STR("done");
    accept_ended(&ended, RUN_SUCCEEDED);
    reopen();
    accept(&ours);
    ck_assert_int_eq(waiting_in("sim"), 2);
    ck_assert_int_eq(waiting_in("other"), 0);
    ck_assert_int_eq(waiting_in("done"), -1);
}
END_TEST

/* --- notes ------------------------------------------------------------------------------------ */

static void note(const char *name, const char *text)
{
    struct store_note n = {.op.kind = STORE_NOTE,
                           .name = str_of(name),
                           .text = text != NULL ? str_of(text) : STR_NONE};
    ck_assert_int_eq(calls_do(store, loop, &n.op), STORE_OK);
}

/* "NAME=TEXT " of those that begin so, behind a name (NULL: all), at most so many; "+": there may be
 * more. */
static const char *notes_behind(const char *prefix, const char *after, uint32_t limit)
{
    static char all[256];
    struct store_notes n = {.op.kind = STORE_NOTES,
                            .prefix = str_of(prefix),
                            .after = after != NULL ? str_of(after) : STR_NONE,
                            .limit = limit};
    size_t len = 0;
    all[0] = '\0';
    arena_init(&n.arena, 1 << 20);
    ck_assert_int_eq(calls_do(store, loop, &n.op), STORE_OK);
    for (uint32_t i = 0; i < n.count; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%.*s=%.*s ", STR_ARG(n.notes[i].name),
                                STR_ARG(n.notes[i].text));
    if (n.more)
        snprintf(all + len, sizeof all - len, "+");
    arena_fini(&n.arena);
    return all;
}

static const char *notes(const char *prefix)
{
    return notes_behind(prefix, NULL, 100);
}

START_TEST(a_note_is_kept_and_the_latest_stands)
{
    ck_assert_str_eq(notes(""), "");
    note("breaker:a", "1");
    note("breaker:a", "2");
    note("other:b", "3");
    ck_assert_str_eq(notes("breaker:"), "breaker:a=2 ");
    reopen();
    ck_assert_str_eq(notes("breaker:"), "breaker:a=2 ");
    ck_assert_str_eq(notes("other:"), "other:b=3 ");
    ck_assert_str_eq(notes("breaker:a:"), "");
}
END_TEST

START_TEST(notes_are_read_by_name_and_in_pages)
{
    note("x:c", "3");
    note("x:a", "1");
    note("y:a", "4");
    note("x:b", "2");
    ck_assert_str_eq(notes("x:"), "x:a=1 x:b=2 x:c=3 ");
    ck_assert_str_eq(notes_behind("x:", NULL, 2), "x:a=1 x:b=2 +");
    ck_assert_str_eq(notes_behind("x:", "x:b", 2), "x:c=3 ");
    ck_assert_str_eq(notes_behind("x:", "x:c", 2), "");
    ck_assert_str_eq(notes_behind("x:", "x:aa", 2), "x:b=2 x:c=3 +");
}
END_TEST

START_TEST(a_note_without_text_is_forgotten)
{
    note("x", "1");
    note("x", NULL);
    note("never", NULL);
    ck_assert_str_eq(notes(""), "");
}
END_TEST

/* --- watches ---------------------------------------------------------------------------------- */

struct eye {
    struct store_watch watch;
    unsigned changes;
    unsigned closed;
};

static void on_change(struct store_watch *w)
{
    CONTAINER_OF(w, struct eye, watch)->changes++;
}

static void on_closed(struct store_watch *w)
{
    CONTAINER_OF(w, struct eye, watch)->closed++;
}

static void open_eye(struct eye *e, uint64_t n)
{
    *e = (struct eye){
        .watch = {.id = calls_id(n), .loop = loop, .on_change = on_change, .on_closed = on_closed}};
    store_watch(store, &e->watch);
}

/* Returns what it has seen since the last look. A hint is posted before the result that the caller
 * has seen. */
static unsigned look(struct eye *e)
{
    while (loop_turn(loop)) {
    }
    unsigned seen = e->changes;
    e->changes = 0;
    return seen;
}

static void close_eye(struct eye *e)
{
    store_unwatch(store, &e->watch);
    ck_assert_uint_eq(e->closed, 0); /* never from within the call */
    while (e->closed == 0)
        calls_turn(loop);
}

START_TEST(a_watch_is_told_of_every_commit_that_touched_its_run)
{
    struct run_record run = calls_run(1), other = calls_run(2);
    struct eye eye;
    open_eye(&eye, 1);
    uint64_t ref = accept(&run);
    ck_assert_uint_eq(look(&eye), 1);
    accept(&other);
    ck_assert_uint_eq(look(&eye), 0);
    run.state = RUN_WAITING;
    ck_assert_int_eq(save(&run, ref, true), STORE_OK);
    ck_assert_uint_eq(look(&eye), 1);
    uint64_t ids[1];
    ck_assert_uint_eq(claim("sim", 1, ids), 1);
    ck_assert_uint_eq(look(&eye), 1);
    ck_assert_int_eq(calls_command(store, loop, &run, ""), STORE_OK);
    ck_assert_uint_eq(look(&eye), 1);
    run.state = RUN_CANCELLED;
    ck_assert_int_eq(save(&run, ref, true), STORE_OK);
    ck_assert_uint_eq(look(&eye), 1);
    ck_assert_int_eq(calls_delete(store, loop, &run), STORE_OK);
    ck_assert_uint_eq(look(&eye), 1);
    close_eye(&eye);
}
END_TEST

START_TEST(several_watches_of_a_run_are_all_told)
{
    struct run_record run = calls_run(1);
    struct eye eyes[3];
    for (int i = 0; i < 3; i++)
        open_eye(&eyes[i], i < 2 ? 1 : 2);
    accept(&run);
    ck_assert_uint_eq(look(&eyes[0]), 1);
    ck_assert_uint_eq(look(&eyes[1]), 1);
    ck_assert_uint_eq(look(&eyes[2]), 0);
    for (int i = 0; i < 3; i++)
        close_eye(&eyes[i]);
}
END_TEST

START_TEST(a_watch_that_is_closed_is_told_nothing_more)
{
    struct run_record run = calls_run(1);
    struct eye eye;
    open_eye(&eye, 1);
    close_eye(&eye);
    accept(&run);
    ck_assert_uint_eq(look(&eye), 0);
    ck_assert_uint_eq(eye.closed, 1);
    open_eye(&eye, 1); /* and may be used again */
    close_eye(&eye);
}
END_TEST

static void on_held_done(struct store_op *op)
{
    (void)op;
}

START_TEST(a_watch_may_be_closed_while_a_hint_is_on_its_way)
{
    struct run_record run = calls_run(1);
    struct store_change c = {.accept = true, .run = &run, .epoch = store->epoch};
    struct store_batch b = {.op = {.kind = STORE_BATCH, .loop = loop, .on_done = on_held_done},
                            .changes = &c,
                            .count = 1};
    struct eye eye;
    open_eye(&eye, 1);
    store_start(store, &b.op);
    while (!store_is_idle(store)) {
    } /* hint and result are in the loop's mailbox, unread */
    store_unwatch(store, &eye.watch);
    while (loop_turn(loop)) {
    }
    ck_assert_uint_eq(eye.closed, 1);
    ck_assert_uint_eq(eye.changes, 0);
}
END_TEST

/* --- batches ---------------------------------------------------------------------------------- */

START_TEST(the_changes_of_a_batch_have_each_its_own_result)
{
    struct run_record taken = keyed(1, "t", "s", "k", 1),
                      runs[4] = {calls_run(2), keyed(3, "t", "s", "k", 2)};
    struct run_record parked = calls_run(4), lost = calls_run(5);
    accept_keyed(&taken);
    uint64_t parked_ref = accept(&parked), lost_ref = accept(&lost);
    parked.state = lost.state = RUN_RUNNING;
    struct store_change c[4] = {
        {.accept = true, .run = &runs[0], .epoch = store->epoch},
        {.accept = true, .run = &runs[1], .epoch = store->epoch},
        {.run = &parked, .epoch = store->epoch, .ref = parked_ref, .release = true},
        {.run = &lost, .epoch = store->epoch + 7, .ref = lost_ref},
    };
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = c, .count = 4};
    ck_assert_int_eq(calls_do(store, loop, &b.op), STORE_OK);
    ck_assert_int_eq(c[0].result, STORE_OK);
    ck_assert_int_eq(c[1].result, STORE_EXISTS);
    ck_assert_int_eq(c[2].result, STORE_OK);
    ck_assert_int_eq(c[3].result, STORE_FENCED);
    must_be(&runs[0], RUN_QUEUED, true);
    must_be(&parked, RUN_RUNNING, false);
    must_be(&lost, RUN_QUEUED, true);
}
END_TEST

enum { BATCHES = 20, RUNS = 30 };

struct numbered {
    struct store_batch base;
    struct store_change changes[RUNS];
    struct run_record runs[RUNS];
    unsigned place; /* at which it came back */
};

static unsigned came_back;

static void on_numbered_done(struct store_op *op)
{
    CONTAINER_OF(op, struct numbered, base.op)->place = came_back++;
}

START_TEST(results_come_back_in_the_order_of_their_loop)
{
    static struct numbered batches[BATCHES];
    came_back = 0;
    for (unsigned i = 0; i < BATCHES; i++) {
        struct numbered *n = &batches[i];
        n->base = (struct store_batch){
            .op = {.kind = STORE_BATCH, .loop = loop, .on_done = on_numbered_done},
            .changes = n->changes,
            .count = RUNS};
        for (unsigned k = 0; k < RUNS; k++) {
            n->runs[k] = calls_run(1 + i * RUNS + k);
            n->changes[k] =
                (struct store_change){.accept = true, .run = &n->runs[k], .epoch = store->epoch};
        }
        store_start(store, &n->base.op);
    }
    while (came_back < BATCHES)
        calls_turn(loop);
    for (unsigned i = 0; i < BATCHES; i++) {
        ck_assert_uint_eq(batches[i].place, i);
        for (unsigned k = 0; k < RUNS; k++)
            ck_assert_int_eq(batches[i].changes[k].result, STORE_OK);
    }
    must_be(&batches[BATCHES - 1].runs[RUNS - 1], RUN_QUEUED, true);
}
END_TEST

START_TEST(what_one_loop_writes_is_carried_out_in_order)
{
    struct run_record first = calls_run(1), then = first;
    struct store_change c[2] = {{.accept = true, .run = &first, .epoch = store->epoch}};
    then.state = RUN_SUCCEEDED;
    struct store_batch b[2];
    uint64_t ref = accept(&first);
    first.state = RUN_RUNNING;
    c[0] = (struct store_change){.run = &first, .epoch = store->epoch, .ref = ref};
    c[1] = (struct store_change){.run = &then, .epoch = store->epoch, .ref = ref, .release = true};
    struct store_delete d = {.op.kind = STORE_DELETE, .tenant = first.tenant, .id = first.id};
    for (int i = 0; i < 2; i++) {
        b[i] =
            (struct store_batch){.op = {.kind = STORE_BATCH, .loop = loop, .on_done = on_held_done},
                                 .changes = &c[i],
                                 .count = 1};
        store_start(store, &b[i].op);
    }
    ck_assert_int_eq(calls_do(store, loop, &d.op), STORE_OK); /* it had ended by then */
    ck_assert(c[0].result == STORE_OK && c[1].result == STORE_OK);
}
END_TEST

START_TEST(a_batch_of_unknown_outcome_is_unknown_in_all_its_changes)
{
    struct run_record old = calls_run(1), runs[2] = {calls_run(2), calls_run(3)};
    uint64_t ref = accept(&old);
    old.state = RUN_RUNNING;
    struct store_change c[3] = {{.accept = true, .run = &runs[0], .epoch = store->epoch},
                                {.run = &old, .epoch = store->epoch, .ref = ref},
                                {.accept = true, .run = &runs[1], .epoch = store->epoch}};
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = c, .count = 3};
    subject->fail_commit(_i == 1);
    calls_do(store, loop, &b.op);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(c[i].result, STORE_UNKNOWN);
    heal();
    must_be_absent(&runs[0]);
    must_be_absent(&runs[1]);
    must_be(&old, _i == 1 ? RUN_RUNNING : RUN_QUEUED, true);
}
END_TEST

/* --- the store as a whole --------------------------------------------------------------------- */

START_TEST(it_is_full_while_as_much_waits_as_may)
{
    struct run_record runs[3] = {calls_run(1), calls_run(2), calls_run(3)};
    struct store_change c[3];
    struct store_batch b[3];
    ck_assert(!store_is_full(store) && store_is_idle(store));
    subject->hold();
    for (int i = 0; i < 3; i++) {
        c[i] = (struct store_change){.accept = true, .run = &runs[i], .epoch = store->epoch};
        b[i] =
            (struct store_batch){.op = {.kind = STORE_BATCH, .loop = loop, .on_done = on_held_done},
                                 .changes = &c[i],
                                 .count = 1,
                                 .bytes = CONTRACT_QUEUE_BYTES - 1};
        store_start(store, &b[i].op);
        if (i == 0)
            subject->wait_held(); /* what is being committed no longer waits, or still does */
    }
    ck_assert(store_is_full(store) && !store_is_idle(store));
    subject->let_go();
    while (!store_is_idle(store))
        calls_turn(loop);
    while (loop_turn(loop)) {
    }
    ck_assert(!store_is_full(store));
    for (int i = 0; i < 3; i++)
        must_be(&runs[i], RUN_QUEUED, true);
}
END_TEST

START_TEST(reads_do_not_wait_for_a_commit)
{
    struct run_record run = calls_run(1), next = calls_run(2);
    uint64_t ref = accept(&run);
    must_be(&run, RUN_QUEUED, true); /* so that the reader is there */
    subject->hold();
    struct run_record later = run;
    later.state = RUN_RUNNING;
    struct store_change c[2] = {{.run = &later, .ref = ref, .epoch = store->epoch},
                                {.accept = true, .run = &next, .epoch = store->epoch}};
    struct store_batch b = {.op = {.kind = STORE_BATCH, .loop = loop, .on_done = on_held_done},
                            .changes = c,
                            .count = 2};
    store_start(store, &b.op);
    subject->wait_held();
    must_be(&run, RUN_QUEUED, true);
    must_be_absent(&next);
    subject->let_go();
    while (!store_is_idle(store))
        calls_turn(loop);
    while (loop_turn(loop)) {
    }
    must_be(&run, RUN_RUNNING, true);
    must_be(&next, RUN_QUEUED, true);
}
END_TEST

START_TEST(a_gateway_whose_database_was_taken_over_writes_nothing_more)
{
    struct run_record run = calls_run(1), next = calls_run(2);
    uint64_t ref = accept(&run);
    ck_assert_int_eq(store_renew(store), OK);
    subject->take_over();
    run.state = RUN_RUNNING;
    ck_assert_int_eq(save(&run, ref, false), STORE_FENCED);
    ck_assert_int_eq(calls_accept(store, loop, &next, NULL), STORE_FENCED);
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, "sim", 1, &c), STORE_UNAVAILABLE);
    ck_assert_uint_eq(c.count, 0);
    arena_fini(&c.arena);
    ck_assert_int_eq(calls_command(store, loop, &run, ""), STORE_UNAVAILABLE);
    ck_assert_int_eq(store_renew(store), ERR_BUSY);
    ck_assert(!store_is_available(store));
    struct store_get g;
    ck_assert_int_eq(calls_get(store, loop, &run, &g), STORE_OK);
    ck_assert_int_eq(g.run.state, RUN_QUEUED);
    arena_fini(&g.arena);
}
END_TEST

START_TEST(each_opening_is_a_new_lease)
{
    uint64_t last = 0;
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_gt(store->epoch, last);
        last = store->epoch;
        reopen();
    }
}
END_TEST

START_TEST(what_was_stored_is_there_after_reopening)
{
    struct run_record run = calls_run(1);
    accept_segments(&run, 3);
    reopen();
    must_be(&run, RUN_QUEUED, false);
    must_read(&run, 0, 1 << 20, 1, 30);
}
END_TEST

/* --- tasks ------------------------------------------------------------------------------------ */

static enum store_result save_tasks(const struct run_record *run, uint64_t ref, uint64_t epoch,
                                    struct store_task *tasks, uint32_t count)
{
    struct store_change c = {
        .run = run, .ref = ref, .epoch = epoch, .tasks = tasks, .task_count = count};
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = &c, .count = 1};
    enum store_result result = calls_do(store, loop, &b.op);
    return result == STORE_OK ? c.result : result;
}

static enum store_result read_tasks(const struct run_record *run, struct store_tasks *ret)
{
    *ret = (struct store_tasks){.op.kind = STORE_TASKS, .tenant = run->tenant, .id = run->id};
    arena_init(&ret->arena, 1 << 20);
    return calls_do(store, loop, &ret->op);
}

static const struct store_task *task_at(const struct store_task *tasks, uint32_t count,
                                        const char *path)
{
    for (uint32_t i = 0; i < count; i++) {
        if (str_is(tasks[i].path, path))
            return &tasks[i];
    }
    ck_abort_msg("there is no task %s", path);
}

static struct run_record a_tree(uint64_t n)
{
    struct run_record run = calls_run(n);
    run.flags |= RUN_IS_TREE;
    return run;
}

START_TEST(tasks_are_read_back_and_the_latest_stands)
{
    struct run_record run = a_tree(1);
    uint64_t ref = accept(&run);
    struct store_task first[] = {{STR("0"), STR("{\"n\":1}"), STR_NONE},
                                 {STR(""), STR("{\"n\":2}"), STR("[1]")}};
    struct store_task second[] = {{STR("0"), STR("{\"n\":3}"), STR("7")},
                                  {STR("0/10"), STR("{}"), STR_NONE}};
    ck_assert_int_eq(save_tasks(&run, ref, store->epoch, first, 2), STORE_OK);
    ck_assert_int_eq(save_tasks(&run, ref, store->epoch, second, 2), STORE_OK);
    struct store_tasks t;
    ck_assert_int_eq(read_tasks(&run, &t), STORE_OK);
    ck_assert_uint_eq(t.count, 3);
    ck_assert(str_is(task_at(t.tasks, t.count, "0")->text, "{\"n\":3}"));
    ck_assert(str_is(task_at(t.tasks, t.count, "0")->output, "7"));
    ck_assert(str_is(task_at(t.tasks, t.count, "")->output, "[1]"));
    ck_assert_ptr_null(task_at(t.tasks, t.count, "0/10")->output.at);
    ck_assert(id_eq(&t.run.id, &run.id));
    arena_fini(&t.arena);
}
END_TEST

START_TEST(tasks_come_with_the_run_that_is_claimed)
{
    struct run_record run = a_tree(1), other = a_tree(2);
    uint64_t ref = accept(&run);
    accept(&other);
    struct store_task task = {STR("0"), STR("{}"), STR("true")};
    ck_assert_int_eq(save_tasks(&run, ref, store->epoch, &task, 1), STORE_OK);
    reopen();
    struct store_claim c;
    ck_assert_int_eq(calls_claim_id(store, loop, &run, &c), STORE_OK);
    ck_assert_uint_eq(c.runs[0].task_count, 1);
    ck_assert(str_is(c.runs[0].tasks[0].output, "true"));
    arena_fini(&c.arena);
    ck_assert_int_eq(calls_claim_id(store, loop, &other, &c), STORE_OK);
    ck_assert_uint_eq(c.runs[0].task_count, 0);
    arena_fini(&c.arena);
}
END_TEST

START_TEST(tasks_of_a_fenced_save_are_not_written)
{
    struct run_record run = a_tree(1);
    uint64_t ref = accept(&run);
    struct store_task task = {STR("0"), STR("{}"), STR_NONE};
    ck_assert_int_eq(save_tasks(&run, ref, store->epoch + 1, &task, 1), STORE_FENCED);
    struct store_tasks t;
    ck_assert_int_eq(read_tasks(&run, &t), STORE_OK);
    ck_assert_uint_eq(t.count, 0);
    arena_fini(&t.arena);
}
END_TEST

START_TEST(tasks_of_a_run_that_is_not_there_are_absent)
{
    struct run_record run = a_tree(1), gone = a_tree(2);
    uint64_t ref = accept(&gone);
    struct store_task task = {STR("0"), STR("{}"), STR_NONE};
    gone.state = RUN_SUCCEEDED;
    ck_assert_int_eq(save_tasks(&gone, ref, store->epoch, &task, 1), STORE_OK);
    ck_assert_int_eq(calls_delete(store, loop, &gone), STORE_OK);
    struct store_tasks t;
    ck_assert_int_eq(read_tasks(&run, &t), STORE_ABSENT);
    arena_fini(&t.arena);
    ck_assert_int_eq(read_tasks(&gone, &t), STORE_ABSENT);
    arena_fini(&t.arena);
}
END_TEST

START_TEST(tasks_of_unknown_outcome_are_sent_again)
{
    struct run_record run = a_tree(1);
    uint64_t ref = accept(&run);
    struct store_task task = {STR("0"), STR("{}"), STR("1")};
    subject->fail_commit(_i == 1);
    ck_assert_int_eq(save_tasks(&run, ref, store->epoch, &task, 1), STORE_UNKNOWN);
    heal();
    ck_assert_int_eq(save_tasks(&run, ref, store->epoch, &task, 1), STORE_OK);
    struct store_tasks t;
    ck_assert_int_eq(read_tasks(&run, &t), STORE_OK);
    ck_assert_uint_eq(t.count, 1);
    arena_fini(&t.arena);
}
END_TEST

/* --- children and parents --------------------------------------------------------------------- */

/* Saves `parent` with one child, as a task makes it. */
static enum store_result save_with_child(const struct run_record *parent, uint64_t ref,
                                         uint64_t epoch, const struct run_record *run)
{
    struct buf lines;
    buf_init(&lines, CALLS_EVENT_BYTES);
    calls_lines(&lines, 1, 1);
    struct store_child child = {.run = run, .segment = {1, 1, buf_str(&lines)}};
    struct store_change c = {
        .run = parent, .ref = ref, .epoch = epoch, .children = &child, .child_count = 1};
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = &c, .count = 1, .bytes = 1};
    calls_do(store, loop, &b.op);
    buf_fini(&lines);
    return c.result;
}

static struct run_record a_child(uint64_t n)
{
    struct run_record run = calls_run(n);
    run.lane = STR("+");
    run.parent = STR("{\"run_id\":\"run_1\",\"task\":\"0\"}");
    return run;
}

START_TEST(a_child_is_made_with_its_parents_change)
{
    struct run_record parent = calls_run(1), child = a_child(2);
    uint64_t ref = accept(&parent), ids[4];
    parent.seq = 2;
    ck_assert_int_eq(save_with_child(&parent, ref, store->epoch, &child), STORE_OK);
    must_be(&child, RUN_QUEUED, false);
    must_read(&child, 0, SIZE_MAX, 1, 1);
    ck_assert_uint_eq(claim("+", 4, ids), 1);
    ck_assert_uint_eq(ids[0], 2);
}
END_TEST

START_TEST(a_child_of_a_fenced_change_is_not_made)
{
    struct run_record parent = calls_run(1), child = a_child(2);
    uint64_t ref = accept(&parent);
    parent.seq = 2;
    ck_assert_int_eq(save_with_child(&parent, ref, store->epoch + 1, &child), STORE_FENCED);
    must_be_absent(&child);
}
END_TEST

/* The change is sent again: the child is made once, and left as it has become. */
START_TEST(a_child_of_unknown_outcome_is_made_once)
{
    struct run_record parent = calls_run(1), child = a_child(2);
    uint64_t ref = accept(&parent), ids[4];
    parent.seq = 2;
    subject->fail_commit(_i == 1);
    ck_assert_int_eq(save_with_child(&parent, ref, store->epoch, &child), STORE_UNKNOWN);
    heal();
    ck_assert_int_eq(save_with_child(&parent, ref, store->epoch, &child), STORE_OK);
    ck_assert_uint_eq(claim("+", 4, ids), 1);
    ck_assert_int_eq(save_with_child(&parent, ref, store->epoch, &child), STORE_OK);
    must_be(&child, RUN_QUEUED, true);
    must_read(&child, 0, SIZE_MAX, 1, 1);
}
END_TEST

/* Parks `parent` until a moment that never comes, unless a child has ended; was it due? */
static bool park_for(const struct run_record *parent, uint64_t ref, const struct id *child)
{
    struct store_change c = {.run = parent,
                             .ref = ref,
                             .epoch = store->epoch,
                             .release = true,
                             .waits_for = child,
                             .wait_count = 1};
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = &c, .count = 1, .bytes = 1};
    calls_do(store, loop, &b.op);
    ck_assert_int_eq(c.result, STORE_OK);
    return c.is_due;
}

static struct run_record a_waiting_one(uint64_t n)
{
    struct run_record run = calls_run(n);
    run.state = RUN_WAITING;
    run.seq = 2;
    run.wake_at_ms = now_ms() + 1000000;
    return run;
}

/* Ends `child`; was `parent` woken by it, and in which lane? */
static bool end_for(struct run_record *child, uint64_t ref, const struct id *parent,
                    char ret_lane[STORE_LANE_MAX])
{
    child->state = RUN_SUCCEEDED;
    child->seq++;
    struct store_change c = {
        .run = child, .ref = ref, .epoch = store->epoch, .release = true, .wakes = parent};
    struct store_batch b = {.op.kind = STORE_BATCH, .changes = &c, .count = 1, .bytes = 1};
    calls_do(store, loop, &b.op);
    ck_assert_int_eq(c.result, STORE_OK);
    memcpy(ret_lane, c.woken_lane, STORE_LANE_MAX);
    return c.has_woken;
}

START_TEST(the_end_of_a_child_makes_its_parked_parent_due)
{
    struct run_record parent = a_waiting_one(1), child = a_child(2);
    uint64_t ref = accept(&parent), of_child = accept(&child), ids[4];
    char lane[STORE_LANE_MAX];
    ck_assert(!park_for(&parent, ref, &child.id));
    ck_assert_uint_eq(claim("sim", 4, ids), 0);
    ck_assert(end_for(&child, of_child, &parent.id, lane));
    ck_assert_str_eq(lane, "sim");
    ck_assert_uint_eq(claim("sim", 4, ids), 1);
    ck_assert_uint_eq(ids[0], 1);
}
END_TEST

START_TEST(a_run_that_is_parked_for_an_ended_child_is_due)
{
    struct run_record parent = a_waiting_one(1), child = a_child(2);
    uint64_t ref = accept(&parent), of_child = accept(&child), ids[4];
    char lane[STORE_LANE_MAX];
    ck_assert(!end_for(&child, of_child, &parent.id, lane)); /* it has an owner: that one is told */
    ck_assert(park_for(&parent, ref, &child.id));
    ck_assert_uint_eq(claim("sim", 4, ids), 1);
}
END_TEST

START_TEST(a_run_that_is_parked_for_a_child_that_is_gone_is_due)
{
    struct run_record parent = a_waiting_one(1);
    uint64_t ref = accept(&parent), ids[4];
    struct id gone = calls_id(7);
    ck_assert(park_for(&parent, ref, &gone));
    ck_assert_uint_eq(claim("sim", 4, ids), 1);
}
END_TEST

START_TEST(nobody_is_woken_where_there_is_no_parent)
{
    struct run_record child = a_child(2), other = a_waiting_one(1);
    uint64_t of_child = accept(&child), ref = accept(&other);
    struct id gone = calls_id(7);
    char lane[STORE_LANE_MAX];
    ck_assert(!park_for(&other, ref, &child.id));
    ck_assert(!end_for(&child, of_child, &gone, lane));
}
END_TEST

void contract_add(Suite *suite, const char *name, void (*set_up)(void), void (*tear_down)(void))
{
    TCase *t = tcase_create(name);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, an_accepted_run_is_read_back_whole);
    tcase_add_test(t, what_is_left_out_stays_null);
    tcase_add_test(t, a_run_is_its_tenants_own);
    tcase_add_test(t, any_tenant_finds_it_wherever_it_is);
    tcase_add_test(t, an_idempotency_key_names_the_run_that_has_it);
    tcase_add_test(t, a_key_is_known_per_tenant_and_scope);
    tcase_add_test(t, a_key_can_be_looked_for_without_making_a_run);
    tcase_add_test(t, of_twins_in_one_batch_one_is_made);
    tcase_add_test(t, a_key_outlives_the_gateway);
    tcase_add_test(t, removing_a_run_frees_its_key);
    tcase_add_test(t, a_save_writes_what_may_change);
    tcase_add_test(t, a_save_leaves_what_never_changes);
    tcase_add_test(t, events_alone_leave_the_row_and_move_its_seq);
    tcase_add_test(t, events_alone_are_fenced_as_a_save_is);
    tcase_add_test(t, a_save_under_another_lease_is_fenced_and_writes_nothing);
    tcase_add_test(t, a_dead_gateways_save_is_fenced_once_its_run_was_claimed);
    tcase_add_test(t, a_released_run_is_nobodys);
    tcase_add_test(t, a_release_that_is_sent_again_finds_itself_done);
    tcase_add_test(t, events_come_back_in_order);
    tcase_add_test(t, a_read_takes_whole_segments_until_it_is_full_and_at_least_one);
    tcase_add_test(t, the_first_segment_may_begin_before_what_was_asked_for);
    tcase_add_test(t, behind_the_end_there_are_no_events_and_the_run_is_told);
    tcase_add_test(t, a_hole_in_the_events_is_read_over);
    tcase_add_test(t, events_of_a_run_that_is_not_there_are_absent);
    tcase_add_test(t, the_events_of_neighbours_stay_apart);
    tcase_add_loop_test(t, an_accept_of_unknown_outcome_is_erased, 0, 2);
    tcase_add_loop_test(t, a_save_of_unknown_outcome_is_sent_again, 0, 2);
    tcase_add_loop_test(t, a_release_of_unknown_outcome_leaves_the_run_with_its_owner, 0, 2);
    tcase_add_loop_test(t, an_end_of_unknown_outcome_is_sent_again, 0, 2);
    tcase_add_loop_test(t, a_claim_of_unknown_outcome_is_undone, 0, 2);
    tcase_add_loop_test(t, nothing_is_taken_until_the_store_has_healed, 0, 2);
    tcase_add_test(t, a_lane_is_claimed_in_the_order_of_its_runs_times);
    tcase_add_test(t, what_is_claimed_is_ours_and_comes_whole);
    tcase_add_test(t, lanes_are_claimed_apart);
    tcase_add_test(t, what_is_not_due_waits_and_its_time_is_told);
    tcase_add_test(t, runs_that_are_left_over_are_told_by_their_time);
    tcase_add_test(t, ended_runs_are_not_claimed);
    tcase_add_test(t, our_own_runs_are_not_claimed);
    tcase_add_test(t, a_dead_gateways_runs_are_claimed_whatever_their_time);
    tcase_add_test(t, the_runs_of_several_dead_gateways_are_claimed);
    tcase_add_test(t, a_run_is_claimed_by_its_id_due_or_not);
    tcase_add_test(t, by_its_id_only_a_run_of_that_tenant_that_has_not_ended_is_claimed);
    tcase_add_test(t, a_command_makes_a_run_due_and_is_told_with_it);
    tcase_add_test(t, a_command_without_words_is_one);
    tcase_add_test(t, a_command_waits_for_the_owner_of_a_run);
    tcase_add_test(t, a_command_to_an_ended_run_is_a_conflict_and_to_none_absent);
    tcase_add_test(t, an_ended_run_goes_with_its_events);
    tcase_add_test(t, a_run_that_has_not_ended_is_not_removed);
    tcase_add_test(t, a_list_names_a_tenants_runs_newest_first);
    tcase_add_test(t, a_list_is_filtered);
    tcase_add_test(t, a_list_is_filtered_by_every_state);
    tcase_add_test(t, a_filter_that_nothing_matches_gives_an_empty_list);
    tcase_add_test(t, pages_follow_each_other_without_gap_or_overlap);
    tcase_add_test(t, a_cursor_stands_while_newer_runs_come);
    tcase_add_test(t, a_full_page_that_is_the_last_says_so);
    tcase_add_test(t, lanes_tell_how_many_queued_runs_wait_for_somebody);
    tcase_add_test(t, a_note_is_kept_and_the_latest_stands);
    tcase_add_test(t, notes_are_read_by_name_and_in_pages);
    tcase_add_test(t, a_note_without_text_is_forgotten);
    tcase_add_test(t, a_watch_is_told_of_every_commit_that_touched_its_run);
    tcase_add_test(t, several_watches_of_a_run_are_all_told);
    tcase_add_test(t, a_watch_that_is_closed_is_told_nothing_more);
    tcase_add_test(t, a_watch_may_be_closed_while_a_hint_is_on_its_way);
    tcase_add_test(t, the_changes_of_a_batch_have_each_its_own_result);
    tcase_add_test(t, results_come_back_in_the_order_of_their_loop);
    tcase_add_test(t, what_one_loop_writes_is_carried_out_in_order);
    tcase_add_loop_test(t, a_batch_of_unknown_outcome_is_unknown_in_all_its_changes, 0, 2);
    tcase_add_test(t, it_is_full_while_as_much_waits_as_may);
    tcase_add_test(t, reads_do_not_wait_for_a_commit);
    tcase_add_test(t, a_gateway_whose_database_was_taken_over_writes_nothing_more);
    tcase_add_test(t, each_opening_is_a_new_lease);
    tcase_add_test(t, what_was_stored_is_there_after_reopening);
    contract_add_bus(t);
    contract_add_due(t);
    contract_add_define(t);
    tcase_add_test(t, tasks_are_read_back_and_the_latest_stands);
    tcase_add_test(t, tasks_come_with_the_run_that_is_claimed);
    tcase_add_test(t, tasks_of_a_fenced_save_are_not_written);
    tcase_add_test(t, tasks_of_a_run_that_is_not_there_are_absent);
    tcase_add_test(t, a_child_is_made_with_its_parents_change);
    tcase_add_test(t, a_child_of_a_fenced_change_is_not_made);
    tcase_add_loop_test(t, a_child_of_unknown_outcome_is_made_once, 0, 2);
    tcase_add_test(t, the_end_of_a_child_makes_its_parked_parent_due);
    tcase_add_test(t, a_run_that_is_parked_for_an_ended_child_is_due);
    tcase_add_test(t, a_run_that_is_parked_for_a_child_that_is_gone_is_due);
    tcase_add_test(t, nobody_is_woken_where_there_is_no_parent);
    tcase_add_loop_test(t, tasks_of_unknown_outcome_are_sent_again, 0, 2);
    suite_add_tcase(suite, t);
}
