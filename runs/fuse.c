#include "runs/fuse.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

enum { DOUBLINGS = 10 /* the longest open time, in first ones */ };

struct fuse_tenant {
    struct map_node node;
    struct map fuses;
    char name[FUSE_NAME + 1];
};

struct fuse {
    struct map_node node;
    struct list changed; /* linked while it has changes that nobody has taken */
    struct fuse_tenant *tenant;
    struct breaker breaker;
    struct fuse_policy policy;
    struct fuse_counts counts;
    struct breaker_change changes[FUSE_CHANGES]; /* a ring */
    uint32_t change_at, change_count;
    uint32_t held;   /* tasks that have a pass */
    bool is_dropped; /* there only for its changes */
    char name[FUSE_NAME + 1];
};

static void tenant_destroy(struct fuse_tenant *t)
{
    struct map_node *node = t->fuses.buckets != NULL ? map_next(&t->fuses, NULL) : NULL;
    while (node != NULL) {
        struct map_node *next = map_next(&t->fuses, node);
        struct fuse *fuse = CONTAINER_OF(node, struct fuse, node);
        list_remove(&fuse->changed);
        mem_free(fuse);
        node = next;
    }
    map_fini(&t->fuses);
    mem_free(t);
}

enum err fuses_init(struct fuses *f)
{
    pthread_mutex_init(&f->lock, NULL);
    list_init(&f->changed);
    return map_init(&f->tenants);
}

void fuses_fini(struct fuses *f)
{
    struct list *dropped;
    if (f->changed.next == NULL)
        return; /* never initialised */
    struct map_node *node = f->tenants.buckets != NULL ? map_next(&f->tenants, NULL) : NULL;
    while (node != NULL) {
        struct map_node *next = map_next(&f->tenants, node);
        tenant_destroy(CONTAINER_OF(node, struct fuse_tenant, node));
        node = next;
    }
    while ((dropped = list_pop_front(&f->changed)) != NULL)
        mem_free(CONTAINER_OF(dropped, struct fuse, changed));
    map_fini(&f->tenants);
    pthread_mutex_destroy(&f->lock);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void note_change(struct fuses *f, struct fuse *fuse, struct breaker_change change)
{
    if (!breaker_has_changed(change))
        return;
    fuse->counts.opened += change.to == BREAKER_OPEN;
    if (f->on_change == NULL)
        return;
    if (fuse->change_count == FUSE_CHANGES) {
        fuse->change_at = (fuse->change_at + 1) % FUSE_CHANGES;
        fuse->change_count--;
    }
    fuse->changes[(fuse->change_at + fuse->change_count++) % FUSE_CHANGES] = change;
    if (!list_is_linked(&fuse->changed))
        list_push_back(&f->changed, &fuse->changed);
    f->has_news = true;
}

static void unlock_and_tell(struct fuses *f)
{
    bool has_news = f->has_news;
    f->has_news = false;
    pthread_mutex_unlock(&f->lock);
    if (has_news)
        f->on_change(f->on_change_ctx);
}

void fuses_on_change(struct fuses *f, void (*on_change)(void *ctx), void *ctx)
{
    f->on_change = on_change;
    f->on_change_ctx = ctx;
}

static void take_first(struct fuse *fuse, uint64_t now_ms, struct fuse_news *ret)
{
    str_copy(ret->tenant, sizeof ret->tenant, str_of(fuse->tenant->name));
    str_copy(ret->name, sizeof ret->name, str_of(fuse->name));
    ret->change = fuse->changes[fuse->change_at];
    ret->saved = breaker_save(&fuse->breaker, now_ms);
    ret->policy = fuse->policy;
    fuse->change_at = (fuse->change_at + 1) % FUSE_CHANGES;
    fuse->change_count--;
}

bool fuses_take_change(struct fuses *f, uint64_t now_ms, struct fuse_news *ret_news)
{
    struct fuse *gone = NULL;
    pthread_mutex_lock(&f->lock);
    bool found = !list_is_empty(&f->changed);
    if (found) {
        struct fuse *fuse = CONTAINER_OF(f->changed.next, struct fuse, changed);
        take_first(fuse, now_ms, ret_news);
        if (fuse->change_count == 0) {
            list_remove(&fuse->changed);
            gone = fuse->is_dropped ? fuse : NULL;
        }
    }
    pthread_mutex_unlock(&f->lock);
    mem_free(gone);
    return found;
}

/* --- finding ---------------------------------------------------------------------------------- */

static bool is_tenant(const struct map_node *node, const void *name)
{
    const struct fuse_tenant *t = CONTAINER_OF(node, const struct fuse_tenant, node);
    return str_eq(str_of(t->name), *(const struct str *)name);
}

static bool is_fuse(const struct map_node *node, const void *name)
{
    const struct fuse *fuse = CONTAINER_OF(node, const struct fuse, node);
    return str_eq(str_of(fuse->name), *(const struct str *)name);
}

/* NULL: nobody of that tenant has named one yet. */
static struct fuse_tenant *find_tenant(const struct fuses *f, struct str name)
{
    struct map_node *node = map_find(&f->tenants, str_hash(name), &name, is_tenant);
    return node != NULL ? CONTAINER_OF(node, struct fuse_tenant, node) : NULL;
}

static struct fuse *find(const struct fuse_tenant *t, struct str name)
{
    struct map_node *node = t != NULL ? map_find(&t->fuses, str_hash(name), &name, is_fuse) : NULL;
    return node != NULL ? CONTAINER_OF(node, struct fuse, node) : NULL;
}

/* --- coming and going ------------------------------------------------------------------------- */

/* The one with least to tell, NULL: all are needed. */
static struct fuse *choose_victim(const struct fuse_tenant *t, uint64_t now_ms)
{
    struct fuse *due = NULL;
    for (struct map_node *it = map_next(&t->fuses, NULL); it != NULL;
         it = map_next(&t->fuses, it)) {
        struct fuse *fuse = CONTAINER_OF(it, struct fuse, node);
        bool is_closed = breaker_state(&fuse->breaker) == BREAKER_CLOSED;
        if (fuse->held > 0)
            continue;
        if (is_closed && breaker_failures(&fuse->breaker, now_ms) == 0)
            return fuse;
        if (!is_closed && breaker_wait_ms(&fuse->breaker, now_ms) == 0)
            due = fuse;
    }
    return due;
}

/* Who names it again finds it closed. */
static bool make_room(struct fuses *f, struct fuse_tenant *t, uint64_t now_ms)
{
    struct fuse *fuse = choose_victim(t, now_ms);
    if (fuse == NULL)
        return false;
    note_change(f, fuse, breaker_reset(&fuse->breaker));
    map_remove(&t->fuses, &fuse->node);
    if (list_is_linked(&fuse->changed))
        fuse->is_dropped = true;
    else
        mem_free(fuse);
    return true;
}

static struct fuse_tenant *add_tenant(struct fuses *f, struct str name)
{
    assert(name.len <= FUSE_NAME);
    struct fuse_tenant *t = mem_zalloc(sizeof *t);
    if (t == NULL)
        return NULL;
    if (map_init(&t->fuses) != OK) {
        mem_free(t);
        return NULL;
    }
    str_copy(t->name, sizeof t->name, name);
    map_insert(&f->tenants, &t->node, str_hash(name));
    return t;
}

static struct breaker_policy breaker_policy_of(const struct fuse_policy *p)
{
    uint64_t most_ms = (uint64_t)p->reset_ms * DOUBLINGS;
    return (struct breaker_policy){.failures = p->failures,
                                   .window_ms = p->window_ms,
                                   .reset_ms = p->reset_ms,
                                   .max_reset_ms =
                                       most_ms < UINT32_MAX ? (uint32_t)most_ms : UINT32_MAX};
}

static enum err add(struct fuses *f, struct fuse_tenant *t, struct str name,
                    const struct fuse_policy *policy, uint64_t now_ms, struct fuse **ret)
{
    assert(name.len <= FUSE_NAME);
    if (t->fuses.count >= FUSES_MAX && !make_room(f, t, now_ms))
        return ERR_LIMIT_EXCEEDED;
    struct fuse *fuse = mem_zalloc(sizeof *fuse);
    if (fuse == NULL)
        return ERR_OVERLOADED;
    struct breaker_policy numbers = breaker_policy_of(policy);
    list_init(&fuse->changed);
    fuse->tenant = t;
    fuse->policy = *policy;
    str_copy(fuse->name, sizeof fuse->name, name);
    breaker_init(&fuse->breaker, &numbers);
    map_insert(&t->fuses, &fuse->node, str_hash(name));
    *ret = fuse;
    return OK;
}

static void configure(struct fuse *fuse, const struct fuse_policy *policy, uint64_t now_ms)
{
    struct breaker_policy numbers = breaker_policy_of(policy);
    fuse->policy = *policy;
    breaker_configure(&fuse->breaker, &numbers, now_ms);
}

/* The fuse of that name, new where there is none, with these numbers. */
static enum err provide(struct fuses *f, struct str tenant, struct str name,
                        const struct fuse_policy *policy, uint64_t now_ms, struct fuse **ret)
{
    struct fuse_tenant *t = find_tenant(f, tenant);
    if (t == NULL)
        t = add_tenant(f, tenant);
    if (t == NULL)
        return ERR_OVERLOADED;
    struct fuse *fuse = find(t, name);
    if (fuse == NULL)
        return add(f, t, name, policy, now_ms, ret);
    configure(fuse, policy, now_ms);
    *ret = fuse;
    return OK;
}

/* --- asking and telling ----------------------------------------------------------------------- */

static bool pass(struct fuses *f, struct fuse *fuse, uint64_t now_ms, struct breaker_pass *ret_pass)
{
    struct breaker_change change;
    if (!breaker_allow(&fuse->breaker, now_ms, ret_pass, &change))
        return false;
    note_change(f, fuse, change);
    fuse->counts.started++;
    fuse->held++;
    return true;
}

enum err fuse_take(struct fuses *f, struct str tenant, struct str name,
                   const struct fuse_policy *policy, uint64_t now_ms, struct fuse **ret_fuse,
                   struct breaker_pass *ret_pass)
{
    struct fuse *fuse;
    pthread_mutex_lock(&f->lock);
    enum err e = provide(f, tenant, name, policy, now_ms, &fuse);
    if (e == OK && !pass(f, fuse, now_ms, ret_pass)) {
        fuse->counts.refused++;
        e = ERR_BREAKER_OPEN;
    }
    if (e == OK)
        *ret_fuse = fuse;
    unlock_and_tell(f);
    return e;
}

void fuse_leave(struct fuses *f, struct fuse *fuse, struct breaker_pass pass)
{
    pthread_mutex_lock(&f->lock);
    breaker_forget(&fuse->breaker, pass);
    fuse->counts.started--;
    fuse->held--;
    pthread_mutex_unlock(&f->lock);
}

/* The numbers of one that is there stay those of the task that came last. */
bool fuse_return(struct fuses *f, struct str tenant, struct str name,
                 const struct fuse_policy *policy, uint64_t now_ms, struct fuse **ret_fuse,
                 struct breaker_pass *ret_pass)
{
    pthread_mutex_lock(&f->lock);
    struct fuse *fuse = find(find_tenant(f, tenant), name);
    bool is_there = fuse != NULL || provide(f, tenant, name, policy, now_ms, &fuse) == OK;
    bool is_held = is_there && breaker_state(&fuse->breaker) != BREAKER_OPEN &&
                   pass(f, fuse, now_ms, ret_pass);
    if (is_held)
        *ret_fuse = fuse;
    unlock_and_tell(f);
    return is_held;
}

/* API §4: what speaks of the provider's health. */
static bool counts(enum err code)
{
    return code == ERR_PROVIDER_UNREACHABLE || code == ERR_PROVIDER_TIMEOUT ||
           code == ERR_PROVIDER_ERROR || code == ERR_PROVIDER_OVERLOADED ||
           code == ERR_PROVIDER_BAD_RESPONSE;
}

void fuse_give(struct fuses *f, struct fuse *fuse, struct breaker_pass pass, enum err code,
               uint64_t now_ms, struct rng *rng)
{
    pthread_mutex_lock(&f->lock);
    if (code == OK) {
        fuse->counts.succeeded++;
        note_change(f, fuse, breaker_success(&fuse->breaker, pass, now_ms));
    } else if (counts(code)) {
        fuse->counts.failed++;
        note_change(f, fuse, breaker_failure(&fuse->breaker, pass, now_ms, 0, rng));
    } else {
        breaker_forget(&fuse->breaker, pass);
    }
    fuse->held--;
    unlock_and_tell(f);
}

/* --- who looks, and who resets ---------------------------------------------------------------- */

static void describe(const struct fuse *fuse, uint64_t now_ms, struct fuse_status *ret)
{
    *ret = (struct fuse_status){.state = breaker_state(&fuse->breaker),
                                .failures = breaker_failures(&fuse->breaker, now_ms),
                                .opens_until_ms = breaker_open_until_ms(&fuse->breaker),
                                .policy = fuse->policy,
                                .counts = fuse->counts};
    str_copy(ret->name, sizeof ret->name, str_of(fuse->name));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct fuse_status *)a)->name, ((const struct fuse_status *)b)->name);
}

static enum err list_locked(const struct fuse_tenant *t, uint64_t now_ms,
                            struct fuse_status **ret_list, uint32_t *ret_count)
{
    size_t count = t != NULL ? t->fuses.count : 0;
    struct fuse_status *list = mem_alloc((count + 1) * sizeof *list);
    uint32_t n = 0;
    if (list == NULL)
        return ERR_OVERLOADED;
    for (struct map_node *it = count > 0 ? map_next(&t->fuses, NULL) : NULL; it != NULL;
         it = map_next(&t->fuses, it))
        describe(CONTAINER_OF(it, struct fuse, node), now_ms, &list[n++]);
    *ret_list = list;
    *ret_count = n;
    return OK;
}

enum err fuses_list(struct fuses *f, struct str tenant, uint64_t now_ms,
                    struct fuse_status **ret_list, uint32_t *ret_count)
{
    pthread_mutex_lock(&f->lock);
    enum err e = list_locked(find_tenant(f, tenant), now_ms, ret_list, ret_count);
    pthread_mutex_unlock(&f->lock);
    if (e == OK)
        qsort(*ret_list, *ret_count, sizeof **ret_list, compare_names);
    return e;
}

bool fuse_get(struct fuses *f, struct str tenant, struct str name, uint64_t now_ms,
              struct fuse_status *ret_status)
{
    pthread_mutex_lock(&f->lock);
    const struct fuse *fuse = find(find_tenant(f, tenant), name);
    if (fuse != NULL)
        describe(fuse, now_ms, ret_status);
    pthread_mutex_unlock(&f->lock);
    return fuse != NULL;
}

bool fuse_reset(struct fuses *f, struct str tenant, struct str name, uint64_t now_ms,
                struct fuse_status *ret_status)
{
    pthread_mutex_lock(&f->lock);
    struct fuse *fuse = find(find_tenant(f, tenant), name);
    if (fuse != NULL) {
        note_change(f, fuse, breaker_reset(&fuse->breaker));
        describe(fuse, now_ms, ret_status);
    }
    unlock_and_tell(f);
    return fuse != NULL;
}

enum err fuse_restore(struct fuses *f, struct str tenant, struct str name,
                      const struct fuse_policy *policy, const struct breaker_saved *saved,
                      uint64_t elapsed_ms, uint64_t now_ms)
{
    struct fuse *fuse;
    pthread_mutex_lock(&f->lock);
    enum err e = provide(f, tenant, name, policy, now_ms, &fuse);
    if (e == OK)
        breaker_restore(&fuse->breaker, saved, elapsed_ms, now_ms);
    unlock_and_tell(f);
    return e;
}
