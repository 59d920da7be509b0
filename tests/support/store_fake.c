#include "tests/support/store_fake.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/list.h"

struct segment {
    struct segment *next;
    uint64_t key;            /* on the bus */
    struct store_segment is; /* `lines` are its own */
};

struct bulletin {
    struct bulletin *next;
    uint64_t key;
    struct str tenant, line; /* its own */
};

struct row {
    struct row *next; /* in the order of acceptance */
    uint64_t key;
    struct run_record run; /* its texts are its own */
    uint64_t owner;
    char *command;
    struct segment *segments; /* by first_seq */
    struct task **tasks;      /* TASK_BUCKETS chains, by path; made for the first one */
    uint32_t task_count;
    bool has_delivery, is_over;
    struct store_delivery delivery; /* its texts are its own */
};

enum { TASK_BUCKETS = 4096 };

struct task {
    struct task *next;
    struct store_task is; /* its texts are its own */
};

struct kept {
    struct kept *next;
    struct str name, text; /* its own */
};

/* As in store/sqlite_schema.c. */
enum standing { REPLACED, BY_API, BY_CONFIG, IN_QUESTION };

struct definition {
    struct definition *next;
    struct store_definition is; /* its texts are its own; text NULL: only its number is kept */
    enum standing standing;
};

/* What a failed commit left open, as in store/sqlite_internal.h. */
struct doubt {
    struct doubt *next;
    uint64_t key;
    bool erase;
    uint64_t from, to;
};

struct queue {
    struct store_op *head, **tail;
    unsigned count;
};

struct store_fake {
    struct store base;
    pthread_mutex_t lock;
    const struct clock_fake *clock;
    struct row *rows;
    struct kept *notes;
    struct definition *definitions;
    struct bulletin *bulletins; /* by key */
    uint64_t next_key, next_segment;
    uint64_t epoch; /* the database's */
    bool is_open;
    struct doubt *doubts;
    bool is_away, is_full, fails, fails_done;
    bool holds, holds_reads, stalls_reads, fails_reads;
    struct queue writes, reads, stalled;
    uint64_t queue_bytes, queued_bytes;
    unsigned open_ops, commits, row_writes;
    struct list watches;
};

/* The watches are few: they hang on a list by the words that a hash table would use. */
struct watch_entry {
    struct list link;
    struct store_watch *watch;
};

static struct store_fake *self(const struct store *s)
{
    return CONTAINER_OF(s, struct store_fake, base);
}

static void *must_alloc(size_t n)
{
    void *p = calloc(1, n > 0 ? n : 1);
    if (p == NULL)
        abort();
    return p;
}

/* --- texts ------------------------------------------------------------------------------------ */

/* Those that are set once, and those that a save changes. */
enum { FIXED_TEXTS = 8, TEXTS = 13 };

static void texts_of(struct run_record *r, struct str *ret[TEXTS])
{
    struct str *all[TEXTS] = {&r->tenant, &r->agent,      &r->workflow, &r->name, &r->spec,
                              &r->parent, &r->idem_scope, &r->idem_key, &r->lane, &r->attempts,
                              &r->output, &r->error,      &r->reason};
    memcpy(ret, all, sizeof all);
}

static void own(struct str *s)
{
    if (s->at == NULL)
        return;
    char *copy = must_alloc(s->len + 1);
    if (s->len > 0)
        memcpy(copy, s->at, s->len);
    s->at = copy;
}

static void disown(struct str *s)
{
    free((char *)(uintptr_t)s->at);
    *s = STR_NONE;
}

/* --- rows ------------------------------------------------------------------------------------- */

static struct row *row_by_key(struct store_fake *f, uint64_t key)
{
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        if (r->key == key)
            return r;
    }
    return NULL;
}

static struct row *row_by_id(struct store_fake *f, const struct str *tenant, const struct id *id)
{
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        if (id_eq(&r->run.id, id) && (tenant == NULL || str_eq(r->run.tenant, *tenant)))
            return r;
    }
    return NULL;
}

static void free_tasks(struct row *r)
{
    for (unsigned i = 0; r->tasks != NULL && i < TASK_BUCKETS; i++) {
        struct task *next;
        for (struct task *t = r->tasks[i]; t != NULL; t = next) {
            next = t->next;
            disown(&t->is.path);
            disown(&t->is.text);
            disown(&t->is.output);
            free(t);
        }
    }
    free(r->tasks);
}

static void drop_delivery(struct row *r)
{
    disown(&r->delivery.host);
    disown(&r->delivery.receiver);
    r->has_delivery = false;
}

static void free_row(struct row *r)
{
    free_tasks(r);
    drop_delivery(r);
    struct str *texts[TEXTS];
    texts_of(&r->run, texts);
    for (int i = 0; i < TEXTS; i++)
        disown(texts[i]);
    while (r->segments != NULL) {
        struct segment *next = r->segments->next;
        disown(&r->segments->is.lines);
        free(r->segments);
        r->segments = next;
    }
    free(r->command);
    free(r);
}

static void erase(struct store_fake *f, uint64_t key)
{
    for (struct row **at = &f->rows; *at != NULL; at = &(*at)->next) {
        if ((*at)->key != key)
            continue;
        struct row *gone = *at;
        *at = gone->next;
        free_row(gone);
        return;
    }
}

static void add_doubt(struct store_fake *f, struct doubt d)
{
    struct doubt *new = must_alloc(sizeof *new);
    *new = d;
    new->next = f->doubts;
    f->doubts = new;
}

static void settle_doubts(struct store_fake *f)
{
    while (f->doubts != NULL) {
        struct doubt *d = f->doubts;
        f->doubts = d->next;
        struct row *r = row_by_key(f, d->key);
        if (d->erase)
            erase(f, d->key);
        else if (r != NULL && r->owner == d->from && !run_state_is_terminal(r->run.state))
            r->owner = d->to;
        free(d);
    }
}

/* --- agents and workflows --------------------------------------------------------------------- */

static bool is_of(const struct definition *d, enum definition_kind kind, struct str name)
{
    return d->is.kind == kind && str_eq(d->is.name, name);
}

static struct definition *definition_at(struct store_fake *f, enum definition_kind kind,
                                        struct str name, int64_t version)
{
    for (struct definition *d = f->definitions; d != NULL; d = d->next) {
        if (is_of(d, kind, name) && d->is.version == version)
            return d;
    }
    return NULL;
}

static struct definition *standing_at(struct store_fake *f, enum standing standing,
                                      const struct store_definition *like)
{
    for (struct definition *d = f->definitions; d != NULL; d = d->next) {
        if (is_of(d, like->kind, like->name) && d->standing == standing)
            return d;
    }
    return NULL;
}

static int64_t last_version(struct store_fake *f, enum definition_kind kind, struct str name)
{
    int64_t last = 0;
    for (struct definition *d = f->definitions; d != NULL; d = d->next) {
        if (is_of(d, kind, name) && d->is.version > last)
            last = d->is.version;
    }
    return last;
}

static void add_definition(struct store_fake *f, const struct store_definition *is,
                           enum standing standing)
{
    struct definition *d = must_alloc(sizeof *d);
    *d = (struct definition){.next = f->definitions, .is = *is, .standing = standing};
    own(&d->is.name);
    own(&d->is.description);
    own(&d->is.text);
    f->definitions = d;
}

static void free_definition(struct definition *d)
{
    disown(&d->is.name);
    disown(&d->is.description);
    disown(&d->is.text);
    free(d);
}

static bool has_runs(struct store_fake *f, const struct store_definition *d)
{
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        if (d->kind == DEFINITION_WORKFLOW && r->run.workflow.at != NULL &&
            str_eq(r->run.workflow, d->name) && r->run.workflow_version == d->version)
            return true;
    }
    return false;
}

static void prune(struct store_fake *f, enum definition_kind kind, struct str name)
{
    int64_t last = last_version(f, kind, name);
    struct definition **at = &f->definitions;
    while (*at != NULL) {
        struct definition *d = *at;
        bool is_unused =
            is_of(d, kind, name) && d->standing == REPLACED && !has_runs(f, &d->is);
        if (is_unused && d->is.version < last) {
            *at = d->next;
            free_definition(d);
            continue;
        }
        if (is_unused) {
            disown(&d->is.text);
            disown(&d->is.description);
        }
        at = &d->next;
    }
}

static void do_define(struct store_fake *f, struct store_define *define)
{
    struct store_definition *is = &define->is;
    struct definition *old = standing_at(f, BY_API, is);
    if ((old != NULL ? old->is.version : 0) != define->replaces) {
        define->op.result = STORE_CONFLICT;
        return;
    }
    if (old != NULL)
        old->standing = REPLACED;
    if (is->text.at != NULL) {
        is->version = last_version(f, is->kind, is->name) + 1;
        add_definition(f, is, BY_API);
    }
    prune(f, is->kind, is->name);
}

static bool is_same_text(struct str a, struct str b)
{
    return (a.at == NULL) == (b.at == NULL) && (a.at == NULL || str_eq(a, b));
}

static void stand_all(struct store_fake *f, enum standing from, enum standing to)
{
    for (struct definition *d = f->definitions; d != NULL; d = d->next) {
        if (d->standing == from)
            d->standing = to;
    }
}

static void do_seed(struct store_fake *f, struct store_seed *seed)
{
    stand_all(f, BY_CONFIG, IN_QUESTION);
    for (uint32_t i = 0; i < seed->count; i++) {
        struct store_definition *is = &seed->seeds[i];
        struct definition *old = standing_at(f, IN_QUESTION, is);
        bool stays = old != NULL && is_same_text(old->is.text, is->text) &&
                     is_same_text(old->is.description, is->description);
        is->version = stays ? old->is.version : last_version(f, is->kind, is->name) + 1;
        if (stays)
            old->standing = BY_CONFIG;
        else
            add_definition(f, is, BY_CONFIG);
    }
    stand_all(f, IN_QUESTION, REPLACED);
}

static void keep_version(struct store_fake *f, const struct run_record *run)
{
    struct definition *d =
        definition_at(f, DEFINITION_WORKFLOW, run->workflow, run->workflow_version);
    struct store_definition is = {.kind = DEFINITION_WORKFLOW,
                                  .name = run->workflow,
                                  .version = run->workflow_version,
                                  .text = run->definition};
    if (d == NULL) {
        add_definition(f, &is, REPLACED);
    } else if (d->is.text.at == NULL) {
        d->is.text = run->definition;
        own(&d->is.text);
    }
}

void store_fake_forget_definitions(struct store_fake *f)
{
    for (struct definition *d = f->definitions; d != NULL; d = d->next)
        disown(&d->is.text);
}

/* The task of the run's workflow into the arena, as the reads that promise it give it. */
static bool read_definition(struct store_fake *f, struct arena *arena, struct run_record *run)
{
    struct definition *d =
        run->workflow.at == NULL
            ? NULL
            : definition_at(f, DEFINITION_WORKFLOW, run->workflow, run->workflow_version);
    run->definition = STR_NONE;
    if (d == NULL || d->is.text.at == NULL)
        return true;
    run->definition = arena_str(arena, d->is.text);
    return run->definition.at != NULL;
}

/* --- changes ---------------------------------------------------------------------------------- */

static struct row *find_twin(struct store_fake *f, const struct run_record *run)
{
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        if (r->run.idem_key.len > 0 && str_eq(r->run.tenant, run->tenant) &&
            str_eq(r->run.idem_scope, run->idem_scope) && str_eq(r->run.idem_key, run->idem_key))
            return r;
    }
    return NULL;
}

static struct row *add_row(struct store_fake *f, const struct run_record *run, uint64_t owner)
{
    struct row *r = must_alloc(sizeof *r), **at = &f->rows;
    if (run->workflow.at != NULL && run->definition.at != NULL)
        keep_version(f, run);
    r->key = f->next_key++;
    r->run = *run;
    r->run.definition = STR_NONE;
    r->run.input = r->run.metadata = STR_NONE; /* parts of the spec: found again when it is read */
    r->owner = owner;
    struct str *texts[TEXTS];
    texts_of(&r->run, texts);
    assert(r->run.lane.at != NULL && r->run.spec.at != NULL &&
           r->run.tenant.at != NULL); /* NOT NULL */
    for (int i = 0; i < TEXTS; i++)
        own(texts[i]);
    while (*at != NULL)
        at = &(*at)->next;
    *at = r;
    return r;
}

static struct row *accept(struct store_fake *f, struct store_change *c)
{
    struct row *twin = c->run->idem_key.len > 0 ? find_twin(f, c->run) : NULL;
    if (twin != NULL) {
        c->existing = twin->run.id;
        c->same_body =
            memcmp(twin->run.idem_digest, c->run->idem_digest, sizeof c->run->idem_digest) == 0;
        c->result = STORE_EXISTS;
        return NULL;
    }
    struct row *r = add_row(f, c->run, c->release ? 0 : c->epoch);
    c->ref = r->key;
    return r;
}

static void update(struct row *r, const struct run_record *run)
{
    struct run_record next = *run;
    struct str *mine[TEXTS], *theirs[TEXTS];
    texts_of(&r->run, mine);
    texts_of(&next, theirs);
    assert(run->lane.at != NULL);
    for (int i = FIXED_TEXTS; i < TEXTS; i++) {
        disown(mine[i]);
        *mine[i] = *theirs[i];
        own(mine[i]);
    }
    r->run.state = run->state;
    r->run.task_state = run->task_state;
    r->run.wake_at_ms = run->wake_at_ms;
    r->run.seq = run->seq;
    r->run.started_at_ms = run->started_at_ms;
    r->run.finished_at_ms = run->finished_at_ms;
    r->run.usage = run->usage;
}

static struct row *save(struct store_fake *f, struct store_change *c)
{
    struct row *r = row_by_key(f, c->ref);
    bool again = r != NULL && r->owner == 0 && c->release && r->run.seq == c->run->seq;
    if (r == NULL || (r->owner != c->epoch && !again)) {
        c->result = STORE_FENCED;
        return NULL;
    }
    if (c->only_events) {
        r->run.seq = c->run->seq;
        return r;
    }
    f->row_writes++;
    update(r, c->run);
    r->owner = c->release ? 0 : c->epoch;
    return r;
}

static void put_segment(struct store_fake *f, struct row *r, const struct store_segment *s)
{
    struct store_segment rest = *s;
    struct segment **at = &r->segments;
    while (*at != NULL && (*at)->is.first_seq <= rest.first_seq) {
        if ((*at)->is.first_seq == rest.first_seq)
            rest = store_segment_after(&rest, (*at)->is.last_seq);
        at = &(*at)->next;
    }
    if (rest.first_seq > rest.last_seq)
        return;
    struct segment *new = must_alloc(sizeof *new);
    new->key = f->next_segment++;
    new->is = rest;
    own(&new->is.lines);
    new->next = *at;
    *at = new;
}

static uint64_t hash_of(struct str s)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.at[i]) * 0x100000001B3u;
    return h ^ h >> 32;
}

/* The task of that path; a new one where there is none. */
static struct task *task_at(struct row *r, struct str path)
{
    if (r->tasks == NULL)
        r->tasks = must_alloc(TASK_BUCKETS * sizeof(struct task *));
    struct task **chain = &r->tasks[hash_of(path) % TASK_BUCKETS];
    for (struct task *t = *chain; t != NULL; t = t->next) {
        if (str_eq(t->is.path, path))
            return t;
    }
    struct task *new = must_alloc(sizeof *new);
    new->is.path = path;
    own(&new->is.path);
    new->next = *chain;
    *chain = new;
    r->task_count++;
    return new;
}

static void put_task(struct row *r, const struct store_task *s)
{
    struct task *t = task_at(r, s->path);
    disown(&t->is.text);
    disown(&t->is.output);
    t->is = (struct store_task){t->is.path, s->text, s->output};
    own(&t->is.text);
    own(&t->is.output);
}

static void put_delivery(struct row *r, const struct store_telling *t)
{
    struct store_delivery *d = &r->delivery;
    if (r->has_delivery) {
        d->last = t->last > d->last ? t->last : d->last;
        return;
    }
    *d = (struct store_delivery){.ref = r->key,
                                 .id = r->run.id,
                                 .host = t->host,
                                 .receiver = t->receiver,
                                 .done = t->first - 1,
                                 .last = t->last,
                                 .due_at_ms = t->at_ms};
    own(&d->host);
    own(&d->receiver);
    r->has_delivery = true;
}

/* What a change says of other runs. */
static void do_family(struct store_fake *f, struct row *r, struct store_change *c)
{
    for (uint32_t i = 0; i < c->child_count; i++) {
        const struct store_child *child = &c->children[i];
        if (row_by_id(f, &child->run->tenant, &child->run->id) == NULL)
            put_segment(f, add_row(f, child->run, 0), &child->segment);
    }
    for (uint32_t i = 0; i < c->wait_count; i++) {
        struct row *child = row_by_id(f, &c->run->tenant, &c->waits_for[i]);
        c->is_due |= child == NULL || run_state_is_terminal(child->run.state);
    }
    if (c->is_due)
        r->run.wake_at_ms = 0;
    struct row *parent = c->wakes != NULL ? row_by_id(f, &c->run->tenant, c->wakes) : NULL;
    if (parent == NULL || parent->owner != 0 || run_state_is_terminal(parent->run.state))
        return;
    parent->run.wake_at_ms = 0;
    c->has_woken = true;
    str_copy(c->woken_lane, sizeof c->woken_lane, parent->run.lane);
}

static void do_batch(struct store_fake *f, struct store_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct store_change *c = &b->changes[i];
        c->result = STORE_OK;
        c->is_due = c->has_woken = false;
        struct row *r = c->accept ? accept(f, c) : save(f, c);
        for (uint32_t s = 0; r != NULL && s < c->segment_count; s++)
            put_segment(f, r, &c->segments[s]);
        for (uint32_t t = 0; r != NULL && t < c->task_count; t++)
            put_task(r, &c->tasks[t]);
        if (r != NULL && c->telling.last > 0)
            put_delivery(r, &c->telling);
        if (r != NULL)
            do_family(f, r, c);
    }
}

/* --- claims ----------------------------------------------------------------------------------- */

/* The row's texts go into the caller's arena. False where that is full. */
static bool read_row(const struct row *row, struct arena *arena, struct run_record *ret)
{
    struct str *texts[TEXTS];
    *ret = row->run;
    texts_of(ret, texts);
    for (int i = 0; i < TEXTS; i++) {
        if (texts[i]->at == NULL)
            continue;
        *texts[i] = arena_str(arena, *texts[i]);
        if (texts[i]->at == NULL)
            return false;
    }
    ret->idem_scope = ret->idem_key = STR_NONE;
    memset(ret->idem_digest, 0, sizeof ret->idem_digest);
    return run_record_read_spec(ret);
}

static bool copy_text(struct arena *arena, struct str from, struct str *ret)
{
    *ret = from.at != NULL ? arena_str(arena, from) : STR_NONE;
    return from.at == NULL || ret->at != NULL;
}

static bool copy_task(struct arena *arena, const struct store_task *from, struct store_task *to)
{
    return copy_text(arena, from->path, &to->path) && copy_text(arena, from->text, &to->text) &&
           copy_text(arena, from->output, &to->output);
}

static bool read_tasks(const struct row *r, struct arena *arena, struct store_task **ret,
                       uint32_t *ret_count)
{
    *ret_count = 0;
    if ((r->run.flags & RUN_IS_TREE) == 0 || r->tasks == NULL)
        return true;
    *ret = arena_alloc(arena, r->task_count * sizeof **ret);
    for (unsigned i = 0; *ret != NULL && i < TASK_BUCKETS; i++) {
        for (const struct task *t = r->tasks[i]; t != NULL; t = t->next) {
            if (!copy_task(arena, &t->is, &(*ret)[(*ret_count)++]))
                return false;
        }
    }
    return *ret != NULL;
}

static bool take(struct store_fake *f, struct store_claim *c, struct row *r)
{
    struct store_claimed *to = &c->runs[c->count];
    *to = (struct store_claimed){.ref = r->key, .owner = r->owner};
    if (!read_row(r, &c->arena, &to->run) || !read_definition(f, &c->arena, &to->run) ||
        !read_tasks(r, &c->arena, &to->tasks, &to->task_count))
        return false;
    to->lost_owner = r->owner != 0 && r->owner != f->base.epoch;
    to->cancel_asked = r->command != NULL;
    if (to->cancel_asked) {
        to->cancel_note = arena_str(&c->arena, str_of(r->command));
        if (to->cancel_note.at == NULL)
            return false;
    }
    r->owner = f->base.epoch;
    c->count++;
    return true;
}

/* The row that is due first of those that belong to `owner`. */
static struct row *first_due(struct store_fake *f, const struct store_claim *c, uint64_t owner,
                             int64_t due_ms)
{
    struct row *best = NULL;
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        if (!run_state_is_terminal(r->run.state) && r->owner == owner &&
            str_eq(r->run.lane, c->lane) && r->run.wake_at_ms <= due_ms &&
            (best == NULL || r->run.wake_at_ms < best->run.wake_at_ms))
            best = r;
    }
    return best;
}

static uint64_t next_dead(struct store_fake *f, uint64_t after)
{
    uint64_t found = 0;
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        if (!run_state_is_terminal(r->run.state) && r->owner > after && r->owner < f->base.epoch &&
            (found == 0 || r->owner < found))
            found = r->owner;
    }
    return found;
}

static void claim_of(struct store_fake *f, struct store_claim *c, uint64_t owner, int64_t due_ms)
{
    struct row *r;
    while (c->count < c->max && (r = first_due(f, c, owner, due_ms)) != NULL) {
        if (!take(f, c, r))
            return;
    }
}

static void claim_lane(struct store_fake *f, struct store_claim *c)
{
    for (uint64_t dead = next_dead(f, 0); dead != 0 && c->count < c->max; dead = next_dead(f, dead))
        claim_of(f, c, dead, INT64_MAX);
    claim_of(f, c, 0, c->now_ms);
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        int64_t wake_ms = r->run.wake_at_ms > 0 ? r->run.wake_at_ms : 1;
        if (!run_state_is_terminal(r->run.state) && r->owner == 0 && str_eq(r->run.lane, c->lane) &&
            (c->next_wake_ms == 0 || wake_ms < c->next_wake_ms))
            c->next_wake_ms = wake_ms;
    }
}

static void do_claim(struct store_fake *f, struct store_claim *c)
{
    c->count = 0;
    c->next_wake_ms = 0;
    if (c->by_id)
        c->max = 1;
    c->runs = arena_alloc(&c->arena, c->max * sizeof *c->runs);
    if (c->runs == NULL) {
        c->op.result = STORE_UNAVAILABLE;
        return;
    }
    if (!c->by_id) {
        claim_lane(f, c);
        return;
    }
    struct row *r = row_by_id(f, &c->tenant, &c->id);
    if (r != NULL && !run_state_is_terminal(r->run.state) && r->owner < f->base.epoch)
        (void)take(f, c, r); /* the count tells */
    if (c->count == 0)
        c->op.result = r == NULL                               ? STORE_ABSENT
                       : run_state_is_terminal(r->run.state) ? STORE_CONFLICT
                                                             : STORE_EXISTS;
}

/* --- commands and deletion -------------------------------------------------------------------- */

static void do_command(struct store_fake *f, struct store_command *c)
{
    struct row *r = row_by_id(f, &c->tenant, &c->id);
    if (r == NULL || run_state_is_terminal(r->run.state)) {
        c->op.result = r == NULL ? STORE_ABSENT : STORE_CONFLICT;
        return;
    }
    struct str note = c->note.at != NULL ? c->note : STR("");
    own(&note);
    free(r->command);
    r->command = (char *)(uintptr_t)note.at;
    if (r->owner == 0)
        r->run.wake_at_ms = 0;
}

static void do_delete(struct store_fake *f, struct store_delete *d)
{
    struct row *r = row_by_id(f, &d->tenant, &d->id);
    if (r == NULL)
        d->op.result = STORE_ABSENT;
    else if (!run_state_is_terminal(r->run.state))
        d->op.result = STORE_CONFLICT;
    else
        erase(f, r->key);
}

/* --- deliveries ------------------------------------------------------------------------------- */

static void do_settle(struct store_fake *f, struct store_settle *s)
{
    struct row *r = row_by_key(f, s->ref);
    if (r == NULL || !r->has_delivery || r->is_over) {
        s->op.result = STORE_ABSENT;
        return;
    }
    r->is_over = s->is_over;
    if (s->is_over)
        return;
    r->delivery.done = s->done;
    r->delivery.due_at_ms = s->due_at_ms;
    r->delivery.tries = s->tries;
    r->delivery.failing_since_ms = s->failing_since_ms;
    if (r->delivery.last <= s->done)
        drop_delivery(r);
}

static bool waits(const struct row *r)
{
    return r->has_delivery && !r->is_over;
}

static struct str next_host(struct store_fake *f, struct str after)
{
    struct str best = STR_NONE;
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        if (waits(r) && str_cmp(r->delivery.host, after) > 0 &&
            (best.at == NULL || str_cmp(r->delivery.host, best) < 0))
            best = r->delivery.host;
    }
    return best;
}

/* The first of a host behind that one (NULL: of all), by its time and the order of the rows. */
static struct row *next_waiting(struct store_fake *f, struct str host, const struct row *after)
{
    struct row *best = NULL;
    bool is_past = after == NULL;
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        int64_t due_ms = r->delivery.due_at_ms;
        bool is_behind = after == NULL || due_ms > after->delivery.due_at_ms ||
                         (is_past && due_ms == after->delivery.due_at_ms);
        is_past |= r == after;
        if (waits(r) && r != after && is_behind && str_eq(r->delivery.host, host) &&
            (best == NULL || due_ms < best->delivery.due_at_ms))
            best = r;
    }
    return best;
}

static bool take_delivery(struct store_due *d, const struct row *r)
{
    struct store_delivery *to = &d->deliveries[d->count++];
    *to = r->delivery;
    return copy_text(&d->arena, r->run.tenant, &to->tenant) &&
           copy_text(&d->arena, r->delivery.host, &to->host) &&
           copy_text(&d->arena, r->delivery.receiver, &to->receiver);
}

static bool take_host(struct store_fake *f, struct store_due *d, struct str host)
{
    struct row *r = NULL;
    for (uint32_t n = 0; n < d->per_host && (r = next_waiting(f, host, r)) != NULL; n++) {
        if (r->delivery.due_at_ms > d->now_ms) {
            if (d->next_ms == 0 || r->delivery.due_at_ms < d->next_ms)
                d->next_ms = r->delivery.due_at_ms;
            break;
        }
        if (!take_delivery(d, r))
            return false;
    }
    return copy_text(&d->arena, host, &d->last_host);
}

static void do_due(struct store_fake *f, struct store_due *d)
{
    int hosts = 0;
    struct str host;
    d->count = 0;
    d->next_ms = 0;
    d->total = 0;
    d->last_host = d->after_host;
    d->deliveries =
        arena_alloc(&d->arena, (size_t)STORE_DUE_HOSTS * d->per_host * sizeof *d->deliveries);
    bool fine = d->deliveries != NULL;
    while (fine && hosts < STORE_DUE_HOSTS && (host = next_host(f, d->last_host)).at != NULL) {
        fine = take_host(f, d, host);
        hosts++;
    }
    d->more = hosts == STORE_DUE_HOSTS;
    for (struct row *r = f->rows; d->counts && r != NULL; r = r->next)
        d->total += waits(r);
    if (!fine)
        d->op.result = STORE_UNAVAILABLE;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void do_get(struct store_fake *f, struct store_get *g)
{
    struct row *r = row_by_id(f, g->any_tenant ? NULL : &g->tenant, &g->id);
    if (r == NULL)
        g->op.result = STORE_ABSENT;
    else if (!read_row(r, &g->arena, &g->run) || !read_definition(f, &g->arena, &g->run))
        g->op.result = STORE_UNAVAILABLE;
    else
        g->is_owned = r->owner == f->base.epoch;
}

static void do_tasks(struct store_fake *f, struct store_tasks *t)
{
    struct row *r = row_by_id(f, &t->tenant, &t->id);
    t->count = 0;
    if (r == NULL)
        t->op.result = STORE_ABSENT;
    else if (!read_row(r, &t->arena, &t->run) || !read_definition(f, &t->arena, &t->run) ||
             !read_tasks(r, &t->arena, &t->tasks, &t->count))
        t->op.result = STORE_UNAVAILABLE;
}

static void do_events(struct store_fake *f, struct store_events *e)
{
    struct row *r = row_by_id(f, &e->tenant, &e->id);
    if (r == NULL) {
        e->op.result = STORE_ABSENT;
        return;
    }
    e->committed_seq = r->run.seq;
    e->state = r->run.state;
    for (struct segment *s = r->segments; s != NULL && e->lines.len < e->max_bytes; s = s->next) {
        if (s->is.last_seq > e->after)
            buf_add_str(&e->lines, s->is.lines);
    }
    if (buf_ok(&e->lines) != OK)
        e->op.result = STORE_UNAVAILABLE;
}

static bool has_pair(struct json metadata, struct str key, struct str value)
{
    return json_string_is(json_get(metadata, key), value);
}

static bool has_metadata(const struct row *r, const struct store_filter *filter)
{
    struct json_doc doc;
    if (filter->metadata_count == 0)
        return true;
    json_doc_init(&doc);
    bool fine = json_parse(&doc, r->run.spec, NULL) == OK;
    for (uint32_t i = 0; fine && i < filter->metadata_count; i++)
        fine = has_pair(json_get_lit(json_root(&doc), "metadata"), filter->metadata_keys[i],
                        filter->metadata_values[i]);
    json_doc_fini(&doc);
    return fine;
}

static bool is_wanted(struct str value, struct str wanted)
{
    return wanted.at == NULL || (value.at != NULL && str_eq(value, wanted));
}

static bool matches(const struct row *r, const struct store_list *l)
{
    const struct store_filter *filter = &l->filter;
    const struct run_record *run = &r->run;
    return str_eq(run->tenant, l->tenant) && (!filter->has_state || run->state == filter->state) &&
           is_wanted(run->agent, filter->agent) && is_wanted(run->workflow, filter->workflow) &&
           is_wanted(run->name, filter->name) &&
           (filter->created_after_ms == 0 || run->created_at_ms > filter->created_after_ms) &&
           (filter->created_before_ms == 0 || run->created_at_ms < filter->created_before_ms) &&
           has_metadata(r, filter);
}

/* The newest match before `before` (NULL: of all). */
static struct row *newest(struct store_fake *f, const struct store_list *l, const struct id *before)
{
    struct row *best = NULL;
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        bool fits =
            before == NULL || memcmp(r->run.id.bytes, before->bytes, sizeof before->bytes) < 0;
        if (fits && matches(r, l) &&
            (best == NULL ||
             memcmp(r->run.id.bytes, best->run.id.bytes, sizeof best->run.id.bytes) > 0))
            best = r;
    }
    return best;
}

static void do_list(struct store_fake *f, struct store_list *l)
{
    l->count = 0;
    l->more = false;
    l->runs = arena_alloc(&l->arena, (l->limit + 1) * sizeof *l->runs);
    struct row *r = newest(f, l, l->has_before ? &l->before : NULL);
    for (; l->runs != NULL && r != NULL && l->count < l->limit; r = newest(f, l, &l->resume)) {
        if (!read_row(r, &l->arena, &l->runs[l->count]))
            break;
        l->resume = r->run.id;
        l->count++;
    }
    l->more = r != NULL && l->count == l->limit;
    if (l->runs == NULL || (r != NULL && !l->more))
        l->op.result = STORE_UNAVAILABLE;
}

static struct store_lane *lane_of(struct store_lanes *l, struct str name)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (str_eq(l->lanes[i].name, name))
            return &l->lanes[i];
    }
    l->lanes[l->count] = (struct store_lane){.name = arena_str(&l->arena, name)};
    return l->lanes[l->count].name.at != NULL ? &l->lanes[l->count++] : NULL;
}

static void do_lanes(struct store_fake *f, struct store_lanes *l)
{
    l->count = 0;
    l->lanes = arena_alloc(&l->arena, (store_fake_rows(f) + 1) * sizeof *l->lanes);
    for (struct row *r = f->rows; r != NULL && l->op.result == STORE_OK; r = r->next) {
        if (run_state_is_terminal(r->run.state))
            continue;
        struct store_lane *lane = l->lanes != NULL ? lane_of(l, r->run.lane) : NULL;
        if (lane == NULL)
            l->op.result = STORE_UNAVAILABLE;
        else
            lane->waiting += r->run.state == RUN_QUEUED && r->owner != f->base.epoch;
    }
}

/* --- notes ------------------------------------------------------------------------------------ */

static void drop_note(struct store_fake *f, struct str name)
{
    for (struct kept **at = &f->notes; *at != NULL; at = &(*at)->next) {
        struct kept *k = *at;
        if (!str_eq(k->name, name))
            continue;
        *at = k->next;
        disown(&k->name);
        disown(&k->text);
        free(k);
        return;
    }
}

static void add_bulletin(struct store_fake *f, const struct store_note *n)
{
    struct bulletin *new = must_alloc(sizeof *new), **at = &f->bulletins;
    *new = (struct bulletin){.key = f->next_segment++, .tenant = n->event_tenant, .line = n->event};
    own(&new->tenant);
    own(&new->line);
    while (*at != NULL)
        at = &(*at)->next;
    *at = new;
}

static void drop_bulletin(struct store_fake *f)
{
    struct bulletin *first = f->bulletins;
    f->bulletins = first->next;
    disown(&first->tenant);
    disown(&first->line);
    free(first);
}

static void do_note(struct store_fake *f, struct store_note *n)
{
    if (n->event.at != NULL)
        add_bulletin(f, n);
    drop_note(f, n->name);
    if (n->text.at == NULL)
        return;
    struct kept *k = must_alloc(sizeof *k);
    *k = (struct kept){.next = f->notes, .name = n->name, .text = n->text};
    own(&k->name);
    own(&k->text);
    f->notes = k;
}

/* The first name behind `after` that begins so; NULL: there is none. */
static const struct kept *next_note(const struct store_fake *f, struct str prefix, struct str after)
{
    const struct kept *next = NULL;
    for (const struct kept *k = f->notes; k != NULL; k = k->next) {
        if (str_starts(k->name, prefix) && str_cmp(k->name, after) > 0 &&
            (next == NULL || str_cmp(k->name, next->name) < 0))
            next = k;
    }
    return next;
}

static void do_notes(struct store_fake *f, struct store_notes *n)
{
    struct str after = n->after.at != NULL ? n->after : STR("");
    const struct kept *k;
    n->count = 0;
    n->notes = arena_alloc(&n->arena, n->limit * sizeof *n->notes);
    if (n->notes == NULL) {
        n->op.result = STORE_UNAVAILABLE;
        return;
    }
    while (n->count < n->limit && (k = next_note(f, n->prefix, after)) != NULL) {
        n->notes[n->count++] =
            (struct store_kept){arena_str(&n->arena, k->name), arena_str(&n->arena, k->text)};
        after = k->name;
    }
    n->more = n->count == n->limit;
}

/* --- what is made by the API ------------------------------------------------------------------ */

static int compare_definitions(const void *a, const void *b)
{
    const struct store_definition *x = a, *y = b;
    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) : str_cmp(x->name, y->name);
}

static bool copy_definition(struct arena *arena, const struct store_definition *from,
                            struct store_definition *to)
{
    *to = *from;
    return copy_text(arena, from->name, &to->name) &&
           copy_text(arena, from->description, &to->description) &&
           copy_text(arena, from->text, &to->text);
}

static void do_definitions(struct store_fake *f, struct store_definitions *l)
{
    size_t most = 1;
    for (struct definition *d = f->definitions; d != NULL; d = d->next)
        most++;
    l->count = 0;
    l->definitions = arena_alloc(&l->arena, most * sizeof *l->definitions);
    bool fits = l->definitions != NULL;
    for (struct definition *d = f->definitions; d != NULL && fits; d = d->next) {
        if (d->standing == BY_API)
            fits = copy_definition(&l->arena, &d->is, &l->definitions[l->count++]);
    }
    if (fits)
        qsort(l->definitions, l->count, sizeof *l->definitions, compare_definitions);
    else
        l->op.result = STORE_UNAVAILABLE;
}

/* --- the bus ---------------------------------------------------------------------------------- */

/* What stands under a key; the lines are NULL where they are not wanted. */
struct entry {
    uint64_t key; /* 0: there is none */
    struct str lines;
};

static bool is_on_bus(const struct row *r, const struct store_bus *b)
{
    return str_eq(r->run.tenant, b->tenant) && is_wanted(r->run.agent, b->agent) &&
           (!b->has_run || id_eq(&r->run.id, &b->run));
}

/* The entry with the smallest key from `from` on. */
static struct entry next_entry(struct store_fake *f, const struct store_bus *b, uint64_t from)
{
    struct entry best = {0, STR_NONE};
    for (struct row *r = f->rows; r != NULL; r = r->next) {
        for (struct segment *s = r->segments; s != NULL; s = s->next) {
            if (s->key >= from && (best.key == 0 || s->key < best.key))
                best = (struct entry){s->key, is_on_bus(r, b) ? s->is.lines : STR_NONE};
        }
    }
    for (struct bulletin *l = f->bulletins; l != NULL; l = l->next) {
        bool wanted = !b->has_run && b->agent.at == NULL && is_wanted(b->tenant, l->tenant);
        if (l->key >= from && (best.key == 0 || l->key < best.key))
            best = (struct entry){l->key, wanted ? l->line : STR_NONE};
    }
    return best;
}

static void do_bus(struct store_fake *f, struct store_bus *b)
{
    b->next = b->at_end ? (struct bus_cursor){.key = f->next_segment} : b->after;
    b->more = false;
    while (!b->at_end && !b->more) {
        struct entry e = next_entry(f, b, b->next.key > 0 ? b->next.key : 1);
        if (e.key == 0)
            break;
        bus_add_segment(&b->lines, &b->after, b->types, e.key, e.lines);
        b->next = (struct bus_cursor){.key = e.key + 1};
        b->more = b->lines.len >= b->max_bytes;
    }
    if (buf_ok(&b->lines) != OK)
        b->op.result = STORE_UNAVAILABLE;
}

/* --- watches ---------------------------------------------------------------------------------- */

static void on_hint(struct loop_msg *msg)
{
    struct store_watch *w = CONTAINER_OF(msg, struct store_watch, msg);
    struct store_fake *f = self(w->store);
    pthread_mutex_lock(&f->lock);
    w->posted = false;
    pthread_mutex_unlock(&f->lock);
    if (w->closing)
        w->on_closed(w);
    else
        w->on_change(w);
}

static void watch(struct store *s, struct store_watch *w)
{
    struct store_fake *f = self(s);
    struct watch_entry *e = must_alloc(sizeof *e);
    w->store = s;
    w->msg.on_arrive = on_hint;
    w->posted = w->closing = false;
    e->watch = w;
    pthread_mutex_lock(&f->lock);
    list_push_back(&f->watches, &e->link);
    pthread_mutex_unlock(&f->lock);
}

static void unwatch(struct store *s, struct store_watch *w)
{
    struct store_fake *f = self(s);
    pthread_mutex_lock(&f->lock);
    LIST_EACH_SAFE (it, &f->watches) {
        struct watch_entry *e = CONTAINER_OF(it, struct watch_entry, link);
        if (e->watch == w) {
            list_remove(it);
            free(e);
        }
    }
    w->closing = true;
    if (!w->posted)
        loop_post(w->loop, &w->msg);
    w->posted = true;
    pthread_mutex_unlock(&f->lock);
}

static void tell(struct store_fake *f, const struct id *id)
{
    LIST_EACH (it, &f->watches) {
        struct store_watch *w = CONTAINER_OF(it, struct watch_entry, link)->watch;
        if (w->posted || w->is_of_bus || !id_eq(&w->id, id))
            continue;
        w->posted = true;
        loop_post(w->loop, &w->msg);
    }
}

static void tell_bus(struct store_fake *f)
{
    LIST_EACH (it, &f->watches) {
        struct store_watch *w = CONTAINER_OF(it, struct watch_entry, link)->watch;
        if (w->posted || !w->is_of_bus)
            continue;
        w->posted = true;
        loop_post(w->loop, &w->msg);
    }
}

static void tell_op(struct store_fake *f, struct store_op *op)
{
    if (op->kind == STORE_BATCH) {
        struct store_batch *b = CONTAINER_OF(op, struct store_batch, op);
        for (uint32_t i = 0; i < b->count; i++)
            tell(f, &b->changes[i].run->id);
        tell_bus(f);
    } else if (op->kind == STORE_CLAIM) {
        struct store_claim *c = CONTAINER_OF(op, struct store_claim, op);
        for (uint32_t i = 0; i < c->count; i++)
            tell(f, &c->runs[i].run.id);
    } else if (op->kind == STORE_COMMAND) {
        tell(f, &CONTAINER_OF(op, struct store_command, op)->id);
    } else if (op->kind == STORE_DELETE) {
        tell(f, &CONTAINER_OF(op, struct store_delete, op)->id);
    } else if (op->kind == STORE_NOTE) {
        tell_bus(f);
    }
}

static void do_twin(struct store_fake *f, struct store_twin *t)
{
    struct run_record key = {.tenant = t->tenant, .idem_scope = t->scope, .idem_key = t->key};
    struct row *twin = find_twin(f, &key);
    if (twin == NULL) {
        t->op.result = STORE_ABSENT;
        return;
    }
    t->id = twin->run.id;
    t->same_body = memcmp(twin->run.idem_digest, t->digest, sizeof t->digest) == 0;
}

/* --- committing ------------------------------------------------------------------------------- */

static void apply(struct store_fake *f, struct store_op *op)
{
    op->result = STORE_OK;
    switch (op->kind) {
    case STORE_BATCH: do_batch(f, CONTAINER_OF(op, struct store_batch, op)); break;
    case STORE_CLAIM: do_claim(f, CONTAINER_OF(op, struct store_claim, op)); break;
    case STORE_COMMAND: do_command(f, CONTAINER_OF(op, struct store_command, op)); break;
    case STORE_DELETE: do_delete(f, CONTAINER_OF(op, struct store_delete, op)); break;
    case STORE_NOTE: do_note(f, CONTAINER_OF(op, struct store_note, op)); break;
    case STORE_SETTLE: do_settle(f, CONTAINER_OF(op, struct store_settle, op)); break;
    case STORE_DUE: do_due(f, CONTAINER_OF(op, struct store_due, op)); break;
    case STORE_DEFINE: do_define(f, CONTAINER_OF(op, struct store_define, op)); break;
    case STORE_BACKUP: op->result = STORE_UNAVAILABLE; break; /* there is no file */
    case STORE_SEED: do_seed(f, CONTAINER_OF(op, struct store_seed, op)); break;
    case STORE_DEFINITIONS: do_definitions(f, CONTAINER_OF(op, struct store_definitions, op)); break;
    case STORE_NOTES: do_notes(f, CONTAINER_OF(op, struct store_notes, op)); break;
    case STORE_GET: do_get(f, CONTAINER_OF(op, struct store_get, op)); break;
    case STORE_TWIN: do_twin(f, CONTAINER_OF(op, struct store_twin, op)); break;
    case STORE_TASKS: do_tasks(f, CONTAINER_OF(op, struct store_tasks, op)); break;
    case STORE_EVENTS: do_events(f, CONTAINER_OF(op, struct store_events, op)); break;
    case STORE_BUS: do_bus(f, CONTAINER_OF(op, struct store_bus, op)); break;
    case STORE_LIST: do_list(f, CONTAINER_OF(op, struct store_list, op)); break;
    case STORE_LANES: do_lanes(f, CONTAINER_OF(op, struct store_lanes, op)); break;
    }
}

static void give_back(struct store_fake *f, struct store_op *op)
{
    f->open_ops--;
    loop_post(op->loop, &op->msg);
}

/* Not done, for whatever reason. */
static void refuse(struct store_op *op, enum store_result of_op, enum store_result of_changes)
{
    op->result = of_op;
    if (op->kind == STORE_CLAIM)
        CONTAINER_OF(op, struct store_claim, op)->count = 0;
    if (op->kind != STORE_BATCH)
        return;
    struct store_batch *b = CONTAINER_OF(op, struct store_batch, op);
    for (uint32_t i = 0; i < b->count; i++)
        b->changes[i].result = of_changes;
}

static void doubt_batch(struct store_fake *f, struct store_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct store_change *c = &b->changes[i];
        if (c->accept && c->result == STORE_OK)
            add_doubt(f, (struct doubt){.key = c->ref, .erase = true});
        else if (!c->accept && c->release)
            add_doubt(f, (struct doubt){.key = c->ref, .to = c->epoch});
    }
}

/* Was done, and nobody is told so. */
static void doubt_op(struct store_fake *f, struct store_op *op)
{
    if (op->kind == STORE_BATCH)
        doubt_batch(f, CONTAINER_OF(op, struct store_batch, op));
    if (op->kind != STORE_CLAIM)
        return;
    struct store_claim *c = CONTAINER_OF(op, struct store_claim, op);
    for (uint32_t i = 0; i < c->count; i++)
        add_doubt(f, (struct doubt){
                         .key = c->runs[i].ref, .from = f->base.epoch, .to = c->runs[i].owner});
}

static void fail_commit(struct store_fake *f, struct store_op *ops)
{
    bool done = f->fails_done;
    f->fails = false;
    f->is_away = true;
    while (ops != NULL) {
        struct store_op *op = ops;
        ops = op->next;
        if (done) {
            apply(f, op);
            doubt_op(f, op);
        }
        refuse(op, STORE_UNKNOWN, STORE_UNKNOWN);
        give_back(f, op);
    }
}

static void commit(struct store_fake *f, struct store_op *ops)
{
    bool fenced = f->epoch != f->base.epoch;
    if (f->fails && !fenced && !f->is_away) {
        fail_commit(f, ops);
        return;
    }
    f->commits += !fenced && !f->is_away;
    while (ops != NULL) {
        struct store_op *op = ops;
        ops = op->next;
        if (fenced || f->is_away) {
            refuse(op, STORE_UNAVAILABLE, fenced ? STORE_FENCED : STORE_UNAVAILABLE);
        } else {
            apply(f, op);
            tell_op(f, op);
        }
        give_back(f, op);
    }
}

/* --- the queues ------------------------------------------------------------------------------- */

static void queue_init(struct queue *q)
{
    *q = (struct queue){.tail = &q->head};
}

static void push(struct queue *q, struct store_op *op)
{
    op->next = NULL;
    *q->tail = op;
    q->tail = &op->next;
    q->count++;
}

static struct store_op *take_all(struct queue *q)
{
    struct store_op *ops = q->head;
    queue_init(q);
    return ops;
}

static struct store_op *take_one(struct queue *q)
{
    struct store_op *op = q->head;
    if (op == NULL)
        return NULL;
    q->head = op->next;
    if (q->head == NULL)
        q->tail = &q->head;
    q->count--;
    op->next = NULL;
    return op;
}

static uint64_t bytes_of(const struct store_op *ops)
{
    uint64_t n = 0;
    for (const struct store_op *op = ops; op != NULL; op = op->next) {
        if (op->kind == STORE_BATCH)
            n += CONTAINER_OF(op, const struct store_batch, op)->bytes;
    }
    return n;
}

static void write_all(struct store_fake *f, struct store_op *ops)
{
    f->queued_bytes -= bytes_of(ops);
    if (ops != NULL)
        commit(f, ops);
}

static void read_all(struct store_fake *f, struct store_op *ops)
{
    while (ops != NULL) {
        struct store_op *op = ops;
        ops = op->next;
        if (f->fails_reads)
            op->result = STORE_UNAVAILABLE;
        else
            apply(f, op);
        if (f->stalls_reads)
            push(&f->stalled, op);
        else
            give_back(f, op);
    }
}

/* --- the interface ---------------------------------------------------------------------------- */

static void on_op_done(struct loop_msg *msg)
{
    struct store_op *op = CONTAINER_OF(msg, struct store_op, msg);
    op->on_done(op);
}

static bool is_write(const struct store_op *op)
{
    return op->kind == STORE_BATCH || op->kind == STORE_CLAIM || op->kind == STORE_COMMAND ||
           op->kind == STORE_DELETE || op->kind == STORE_NOTE || op->kind == STORE_SETTLE ||
           op->kind == STORE_DEFINE || op->kind == STORE_SEED;
}

static void start(struct store *s, struct store_op *op)
{
    struct store_fake *f = self(s);
    op->msg.on_arrive = on_op_done;
    op->next = NULL;
    pthread_mutex_lock(&f->lock);
    f->open_ops++;
    push(is_write(op) ? &f->writes : &f->reads, op);
    f->queued_bytes += bytes_of(op);
    if (is_write(op) && !f->holds)
        write_all(f, take_all(&f->writes));
    else if (!is_write(op) && !f->holds_reads)
        read_all(f, take_all(&f->reads));
    pthread_mutex_unlock(&f->lock);
}

static bool is_available(const struct store *s)
{
    struct store_fake *f = self(s);
    pthread_mutex_lock(&f->lock);
    bool available = !f->is_away && f->epoch == f->base.epoch;
    pthread_mutex_unlock(&f->lock);
    return available;
}

static bool is_full(const struct store *s)
{
    struct store_fake *f = self(s);
    pthread_mutex_lock(&f->lock);
    bool full = f->is_full || f->queued_bytes >= f->queue_bytes;
    pthread_mutex_unlock(&f->lock);
    return full;
}

static bool is_idle(const struct store *s)
{
    struct store_fake *f = self(s);
    pthread_mutex_lock(&f->lock);
    bool idle = f->open_ops == 0;
    pthread_mutex_unlock(&f->lock);
    return idle;
}

static enum err renew(struct store *s)
{
    struct store_fake *f = self(s);
    pthread_mutex_lock(&f->lock);
    bool ours = f->epoch == f->base.epoch;
    pthread_mutex_unlock(&f->lock);
    return ours ? OK : ERR_BUSY;
}

static void close_store(struct store *s)
{
    struct store_fake *f = self(s);
    assert(f->is_open && f->writes.head == NULL && f->reads.head == NULL);
    f->is_open = false;
}

static const struct store_ops ops = {
    .start = start,
    .watch = watch,
    .unwatch = unwatch,
    .is_available = is_available,
    .is_full = is_full,
    .is_idle = is_idle,
    .renew = renew,
    .close = close_store,
};

struct store_fake *store_fake_create(const struct clock_fake *clock)
{
    struct store_fake *f = must_alloc(sizeof *f);
    f->base.ops = &ops;
    f->clock = clock;
    f->next_key = f->next_segment = 1;
    f->queue_bytes = 67108864;
    pthread_mutex_init(&f->lock, NULL);
    list_init(&f->watches);
    queue_init(&f->writes);
    queue_init(&f->reads);
    queue_init(&f->stalled);
    return f;
}

void store_fake_destroy(struct store_fake *f)
{
    assert(!f->is_open && list_is_empty(&f->watches));
    while (f->rows != NULL)
        erase(f, f->rows->key);
    while (f->notes != NULL)
        drop_note(f, f->notes->name);
    while (f->bulletins != NULL)
        drop_bulletin(f);
    while (f->definitions != NULL) {
        struct definition *next = f->definitions->next;
        free_definition(f->definitions);
        f->definitions = next;
    }
    settle_doubts(f);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

struct store *store_fake_open(struct store_fake *f)
{
    assert(!f->is_open);
    f->is_open = true;
    f->is_away = f->fails = false;
    f->base.epoch = ++f->epoch;
    return &f->base;
}

/* --- faults ----------------------------------------------------------------------------------- */

void store_fake_fail_commit(struct store_fake *f, bool done)
{
    pthread_mutex_lock(&f->lock);
    f->fails = true;
    f->fails_done = done;
    pthread_mutex_unlock(&f->lock);
}

void store_fake_heal(struct store_fake *f)
{
    pthread_mutex_lock(&f->lock);
    settle_doubts(f);
    f->is_away = false;
    pthread_mutex_unlock(&f->lock);
}

bool store_fake_is_whole(const struct store_fake *f)
{
    return !f->is_away;
}

void store_fake_go_away(struct store_fake *f)
{
    pthread_mutex_lock(&f->lock);
    f->is_away = true;
    pthread_mutex_unlock(&f->lock);
}

void store_fake_take_over(struct store_fake *f)
{
    pthread_mutex_lock(&f->lock);
    f->epoch++;
    pthread_mutex_unlock(&f->lock);
}

void store_fake_set_queue_bytes(struct store_fake *f, uint64_t bytes)
{
    pthread_mutex_lock(&f->lock);
    f->queue_bytes = bytes;
    pthread_mutex_unlock(&f->lock);
}

void store_fake_set_full(struct store_fake *f, bool is_full_now)
{
    pthread_mutex_lock(&f->lock);
    f->is_full = is_full_now;
    pthread_mutex_unlock(&f->lock);
}

void store_fake_hold(struct store_fake *f)
{
    pthread_mutex_lock(&f->lock);
    f->holds = true;
    pthread_mutex_unlock(&f->lock);
}

void store_fake_let_go(struct store_fake *f)
{
    pthread_mutex_lock(&f->lock);
    f->holds = false;
    write_all(f, take_all(&f->writes));
    pthread_mutex_unlock(&f->lock);
}

void store_fake_let_one_go(struct store_fake *f)
{
    pthread_mutex_lock(&f->lock);
    write_all(f, take_one(&f->writes));
    pthread_mutex_unlock(&f->lock);
}

void store_fake_hold_reads(struct store_fake *f)
{
    pthread_mutex_lock(&f->lock);
    f->holds_reads = true;
    pthread_mutex_unlock(&f->lock);
}

void store_fake_stall_reads(struct store_fake *f)
{
    pthread_mutex_lock(&f->lock);
    f->stalls_reads = true;
    pthread_mutex_unlock(&f->lock);
}

void store_fake_let_reads_go(struct store_fake *f)
{
    pthread_mutex_lock(&f->lock);
    f->holds_reads = f->stalls_reads = false;
    read_all(f, take_all(&f->reads));
    for (struct store_op *op = take_all(&f->stalled), *next; op != NULL; op = next) {
        next = op->next;
        give_back(f, op);
    }
    pthread_mutex_unlock(&f->lock);
}

void store_fake_fail_reads(struct store_fake *f, bool fails)
{
    pthread_mutex_lock(&f->lock);
    f->fails_reads = fails;
    pthread_mutex_unlock(&f->lock);
}

/* --- looking ---------------------------------------------------------------------------------- */

unsigned store_fake_row_writes(const struct store_fake *f)
{
    return f->row_writes;
}

unsigned store_fake_commits(const struct store_fake *f)
{
    return f->commits;
}

unsigned store_fake_rows(const struct store_fake *f)
{
    unsigned n = 0;
    for (const struct row *r = f->rows; r != NULL; r = r->next)
        n++;
    return n;
}

unsigned store_fake_held(const struct store_fake *f)
{
    return f->writes.count;
}

unsigned store_fake_held_reads(const struct store_fake *f)
{
    return f->reads.count;
}

const struct run_record *store_fake_row(struct store_fake *f, const struct id *id,
                                        uint64_t *ret_owner)
{
    struct row *r = row_by_id(f, NULL, id);
    if (r == NULL)
        return NULL;
    if (ret_owner != NULL)
        *ret_owner = r->owner;
    return &r->run;
}
