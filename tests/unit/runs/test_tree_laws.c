/* What holds for every tree, on many that are made up: a task ends once; nothing of it is told
 * before it begins or after it has ended; usage adds up; and a
 * gateway that dies at any moment changes no outcome. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/random_tree.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_tree_laws(void);

enum { NODES = 40, DEPTH = 5, LONG_ENOUGH_MS = 600000 };

static struct rig rig;
static struct created created;
static struct id id;
static struct buf body;

static void start_run(uint64_t seed, bool races, const char *more, enum way way, bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.breaker.failures = 0;
    o.on_sqlite = on_sqlite;
    rig_start(&rig, &o);
    buf_init(&body, 1 << 22);
    buf_addf(&body, "{%s\"task\":", more);
    random_tree_write(&body, seed, races, NODES, DEPTH);
    buf_addf(&body, "}%c", '\0');
    ck_assert_int_eq(buf_ok(&body), OK);
    id = rig_run(&rig, 0, body.data, way, &created);
}

static void finish(void)
{
    buf_fini(&body);
    rig_stop(&rig);
}

/* --- what the events of a run say ------------------------------------------------------------- */

enum { MAX_SEEN = 4096 };

struct seen {
    char path[64];
    bool is_running, has_ended;
    unsigned attempts;
};

static struct seen *seen;
static unsigned seen_count, attempts, calls;

static struct seen *of(struct str path)
{
    for (unsigned i = 0; i < seen_count; i++) {
        if (str_eq(str_of(seen[i].path), path))
            return &seen[i];
    }
    ck_assert_uint_lt(seen_count, MAX_SEEN);
    struct seen *s = &seen[seen_count++];
    *s = (struct seen){.path = ""};
    str_copy(s->path, sizeof s->path, path);
    return s;
}

static struct seen *parent_of(const struct seen *s)
{
    const char *slash = strrchr(s->path, '/');
    if (s->path[0] == '\0')
        return NULL;
    return of((struct str){s->path, slash != NULL ? (size_t)(slash - s->path) : 0});
}

/* A composite begins anew: so do all below. */
static void forget_below(const struct seen *s)
{
    size_t len = strlen(s->path);
    for (unsigned i = 0; i < seen_count; i++) {
        bool is_below = strncmp(seen[i].path, s->path, len) == 0 &&
                        (len == 0 ? seen[i].path[0] != '\0' : seen[i].path[len] == '/');
        if (!is_below)
            continue;
        ck_assert_msg(!seen[i].is_running || seen[i].has_ended, "%s goes on", seen[i].path);
        seen[i].is_running = seen[i].has_ended = false;
    }
}

static void begins(struct seen *s)
{
    struct seen *parent = parent_of(s);
    ck_assert_msg(!s->is_running && !s->has_ended, "%s begins twice", s->path);
    ck_assert_msg(parent == NULL || (parent->is_running && !parent->has_ended),
                  "%s begins outside its parent", s->path);
    s->is_running = true;
}

static void ends(struct seen *s)
{
    size_t len = strlen(s->path);
    ck_assert_msg(!s->has_ended, "%s ends twice", s->path);
    s->has_ended = true;
    for (unsigned i = 0; i < seen_count; i++) {
        bool is_below = strncmp(seen[i].path, s->path, len) == 0 && strlen(seen[i].path) > len &&
                        (len == 0 || seen[i].path[len] == '/');
        ck_assert_msg(!is_below || !seen[i].is_running || seen[i].has_ended, "%s outlives %s",
                      seen[i].path, s->path);
    }
}

static void look_at_task(struct seen *s, struct str type)
{
    if (str_eq(type, STR("task.running")))
        begins(s);
    else if (str_eq(type, STR("task.retrying")))
        forget_below(s);
    else if (!str_eq(type, STR("task.blocked")))
        ends(s);
}

static void look_at_attempt(struct seen *s, struct str type)
{
    ck_assert_msg(s->is_running && !s->has_ended, "%s has an attempt", s->path);
    if (!str_eq(type, STR("attempt.started")))
        return;
    attempts++;
    calls += s->attempts++ == 0;
}

static void look_at(struct event_line *line, struct json_doc *doc)
{
    ck_assert_int_eq(json_parse(doc, line->json, NULL), OK);
    struct str raw = json_raw(json_get_lit(json_root(doc), "task"));
    if (raw.len < 2 || raw.at[0] != '"')
        return;
    struct seen *s = of((struct str){raw.at + 1, raw.len - 2});
    if (line->type.len > 5 && memcmp(line->type.at, "task.", 5) == 0)
        look_at_task(s, line->type);
    else
        look_at_attempt(s, line->type);
}

static void check_laws(struct str lines)
{
    struct event_line line;
    struct json_doc doc;
    json_doc_init(&doc);
    seen = calloc(MAX_SEEN, sizeof *seen);
    ck_assert_ptr_nonnull(seen);
    seen_count = attempts = calls = 0;
    while (event_next_line(&lines, &line))
        look_at(&line, &doc);
    for (unsigned i = 0; i < seen_count; i++)
        ck_assert_msg(seen[i].has_ended || !seen[i].is_running, "%s has not ended", seen[i].path);
    free(seen);
    json_doc_fini(&doc);
}

START_TEST(the_laws_hold)
{
    for (uint64_t seed = (uint64_t)_i * 25; seed < (uint64_t)_i * 25 + 25; seed++) {
        start_run(seed, true, "", WAITS, false);
        rig_advance(&rig, LONG_ENOUGH_MS);
        ck_assert_msg(created.ended == 1, "seed %llu has not ended", (unsigned long long)seed);
        check_laws(rig_events(&rig, &id));
        ck_assert_uint_eq(rig_row(&rig, &id)->usage.attempts, attempts);
        ck_assert_uint_eq(rig_row(&rig, &id)->usage.calls, calls);
        rig_forget(&created);
        finish();
    }
}
END_TEST

START_TEST(they_hold_under_a_cancel_at_any_moment)
{
    for (uint64_t seed = (uint64_t)_i * 25; seed < (uint64_t)_i * 25 + 25; seed++) {
        start_run(seed, true, "", WAITS, false);
        rig_advance(&rig, 1 + seed * 37 % 2000);
        if (created.ended == 0)
            ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
        rig_advance(&rig, LONG_ENOUGH_MS * 2);
        ck_assert_msg(created.ended == 1, "seed %llu has not ended", (unsigned long long)seed);
        check_laws(rig_events(&rig, &id));
        ck_assert_uint_eq(rig_row(&rig, &id)->usage.attempts, attempts);
        rig_forget(&created);
        finish();
    }
}
END_TEST

/* --- crashes ---------------------------------------------------------------------------------- */

/* How a run ended; texts from malloc, since they outlive their rig. */
struct ending {
    enum run_state state;
    char *output, *error;
};

/* How often a call was tried is not part of the outcome: one that was lost counts. */
static void add_without_attempts(struct buf *b, struct str s)
{
    static const char mark[] = "\"attempts\":";
    for (size_t i = 0; i < s.len; i++) {
        buf_add_char(b, s.at[i]);
        size_t n = sizeof mark - 1;
        bool is_mark = i + 1 >= n && memcmp(s.at + i + 1 - n, mark, n) == 0;
        while (is_mark && i + 1 < s.len && s.at[i + 1] >= '0' && s.at[i + 1] <= '9')
            i++;
    }
}

static char *copy_without_attempts(struct str s)
{
    struct buf b;
    buf_init(&b, 1 << 22);
    add_without_attempts(&b, s.at != NULL ? s : STR("null"));
    ck_assert_int_eq(buf_ok(&b), OK);
    char *copy = strndup(b.data, b.len);
    buf_fini(&b);
    return copy;
}

static struct ending read_end(void)
{
    const struct run_record *r = rig_row(&rig, &id);
    return (struct ending){r->state, copy_without_attempts(r->output),
                           copy_without_attempts(r->error)};
}

static void forget_end(struct ending *e)
{
    free(e->output);
    free(e->error);
}

static void die_at_random(struct rng *rng)
{
    for (int n = 0; n < 6; n++) {
        rig_advance(&rig, rng_below(rng, 700));
        if (rng_below(rng, 4) == 0)
            rig_restart(&rig);
        else
            rig_crash(&rig);
    }
}

static void compare(uint64_t seed, const struct ending *first, const struct ending *second)
{
    unsigned long long n = seed;
    ck_assert_msg(second->state == first->state, "seed %llu: %s, not %s", n,
                  run_state_name(second->state), run_state_name(first->state));
    ck_assert_msg(strcmp(second->output, first->output) == 0, "seed %llu:\n%s\nnot\n%s", n,
                  second->output, first->output);
    ck_assert_msg(strcmp(second->error, first->error) == 0, "seed %llu:\n%s\nnot\n%s", n,
                  second->error, first->error);
}

static void crash_one(uint64_t seed)
{
    struct rng rng;
    rng_seed(&rng, seed + 1000);
    start_run(seed, false, "", PLAIN, false);
    rig_forget(&created);
    rig_advance(&rig, LONG_ENOUGH_MS);
    struct ending first = read_end();
    finish();
    start_run(seed, false, "", PLAIN, false);
    rig_forget(&created);
    die_at_random(&rng);
    rig_advance(&rig, LONG_ENOUGH_MS);
    check_laws(rig_events(&rig, &id));
    struct ending second = read_end();
    compare(seed, &first, &second);
    forget_end(&first);
    forget_end(&second);
    finish();
}

START_TEST(a_gateway_that_dies_changes_no_outcome)
{
    for (uint64_t seed = (uint64_t)_i * 10; seed < (uint64_t)_i * 10 + 10; seed++)
        crash_one(seed);
}
END_TEST

Suite *suite_runs_tree_laws(void)
{
    Suite *s = suite_create("runs/tree_laws");
    TCase *t = tcase_create("laws");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, the_laws_hold, 0, 8);
    tcase_add_loop_test(t, they_hold_under_a_cancel_at_any_moment, 0, 8);
    tcase_add_loop_test(t, a_gateway_that_dies_changes_no_outcome, 0, 20);
    suite_add_tcase(s, t);
    return s;
}
