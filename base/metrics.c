#include "base/metrics.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/list.h"
#include "base/mem.h"

/* The upper bounds of all histograms. A last bucket takes what is above. */
static const struct {
    uint64_t us;
    const char *le; /* the same in seconds */
} bounds[] = {
    {50, "5e-05"},      {100, "0.0001"},    {250, "0.00025"},     {500, "0.0005"},
    {1000, "0.001"},    {2500, "0.0025"},   {5000, "0.005"},      {10000, "0.01"},
    {25000, "0.025"},   {50000, "0.05"},    {100000, "0.1"},      {250000, "0.25"},
    {500000, "0.5"},    {1000000, "1"},     {2500000, "2.5"},     {5000000, "5"},
    {10000000, "10"},   {25000000, "25"},   {50000000, "50"},     {100000000, "100"},
    {250000000, "250"}, {500000000, "500"}, {1000000000, "1000"},
};

enum {
    BOUNDS = sizeof bounds / sizeof bounds[0],
    BUCKETS = BOUNDS + 1,
    HISTOGRAM_CELLS = BUCKETS + 1, /* the last one: the sum in microseconds */
    CACHE_LINE = 64,
};

/* One label, with copies of its values. */
struct label_set {
    const char *name;
    struct str *values;
    size_t count;
};

/* Where a family's cells are, and what its labels can say. */
struct layout {
    const struct metric_family *family;
    const struct label_set *labels[METRICS_MAX_LABELS]; /* NULL: none */
    size_t first;
    size_t width; /* cells of one series */
};

struct metrics {
    pthread_mutex_t lock; /* guards `shards`, `closed` and the names of values: opening, closing,
                             naming, telling */
    struct list shards;
    uint64_t *closed;          /* what closed shards have counted */
    _Atomic(double) *computed; /* by metrics_set */
    struct layout *layouts;
    struct label_set *sets;
    size_t family_count;
    size_t cell_count;
    struct arena names;
};

/* A writer's cells share no cache line with anybody else's. */
struct metrics_shard {
    struct metrics *metrics;
    struct list link;
    char before[CACHE_LINE];
    atomic_uint_least64_t cells[];
};

/* --- life ------------------------------------------------------------------------------------- */

static bool copy_labels(struct arena *a, const struct metric_labels *set, struct label_set *copy)
{
    struct str *values = arena_zalloc(a, set->count * sizeof *values);
    *copy = (struct label_set){set->name, values, set->count};
    if (values == NULL)
        return false;
    for (size_t i = 0; i < set->count; i++) {
        if (set->values[i].at == NULL)
            continue;
        values[i] = arena_str(a, set->values[i]);
        if (values[i].at == NULL)
            return false;
    }
    return true;
}

static size_t values_of(const struct layout *l, size_t label)
{
    return l->labels[label] ? l->labels[label]->count : 1;
}

static enum err lay_out(struct metrics *m, const struct metric_family *family, size_t set_count)
{
    struct layout *l = &m->layouts[m->family_count];
    size_t series = 1, cells;
    l->family = family;
    l->first = m->cell_count;
    l->width = family->type == METRIC_HISTOGRAM ? HISTOGRAM_CELLS : 1;
    for (size_t i = 0; i < METRICS_MAX_LABELS; i++) {
        assert(family->labels[i] <= set_count);
        l->labels[i] = family->labels[i] ? &m->sets[family->labels[i] - 1] : NULL;
        if (__builtin_mul_overflow(series, values_of(l, i), &series))
            return ERR_LIMIT;
    }
    if (__builtin_mul_overflow(series, l->width, &cells) ||
        cells > METRICS_MAX_CELLS - m->cell_count)
        return ERR_LIMIT;
    m->cell_count += cells;
    m->family_count++;
    return OK;
}

static enum err fill(struct metrics *m, const struct metric_family *families, size_t family_count,
                     const struct metric_labels *sets, size_t set_count)
{
    m->sets = arena_zalloc(&m->names, set_count * sizeof *m->sets);
    m->layouts = arena_zalloc(&m->names, family_count * sizeof *m->layouts);
    if (m->sets == NULL || m->layouts == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < set_count; i++) {
        if (!copy_labels(&m->names, &sets[i], &m->sets[i]))
            return ERR_NOMEM;
    }
    for (size_t i = 0; i < family_count; i++) {
        enum err e = lay_out(m, &families[i], set_count);
        if (e != OK)
            return e;
    }
    m->closed = mem_zalloc(m->cell_count * sizeof *m->closed);
    m->computed = mem_zalloc(m->cell_count * sizeof *m->computed); /* zeroed: 0.0 */
    return m->closed && m->computed ? OK : ERR_NOMEM;
}

enum err metrics_create(const struct metric_family *families, size_t family_count,
                        const struct metric_labels *sets, size_t set_count,
                        struct metrics **ret_metrics)
{
    struct metrics *m = mem_zalloc(sizeof *m);
    if (m == NULL)
        return ERR_NOMEM;
    pthread_mutex_init(&m->lock, NULL); /* cannot fail without attributes */
    list_init(&m->shards);
    arena_init(&m->names, SIZE_MAX);
    enum err e = fill(m, families, family_count, sets, set_count);
    if (e != OK) {
        metrics_destroy(m);
        return e;
    }
    *ret_metrics = m;
    return OK;
}

void metrics_destroy(struct metrics *m)
{
    if (m == NULL)
        return;
    assert(list_is_empty(&m->shards));
    mem_free(m->closed);
    mem_free(m->computed);
    arena_fini(&m->names);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

enum err metrics_name(struct metrics *m, unsigned set, size_t value, struct str name)
{
    struct label_set *l = &m->sets[set - 1];
    assert(value < l->count && l->values[value].at == NULL);
    pthread_mutex_lock(&m->lock);
    l->values[value] = arena_str(&m->names, name);
    enum err e = l->values[value].at != NULL ? OK : ERR_NOMEM;
    pthread_mutex_unlock(&m->lock);
    return e;
}

/* --- shards ----------------------------------------------------------------------------------- */

enum err metrics_shard_open(struct metrics *m, struct metrics_shard **ret_shard)
{
    size_t cells = m->cell_count * sizeof(atomic_uint_least64_t);
    struct metrics_shard *s = mem_zalloc(sizeof *s + cells + CACHE_LINE);
    if (s == NULL)
        return ERR_NOMEM;
    s->metrics = m;
    pthread_mutex_lock(&m->lock);
    list_push_back(&m->shards, &s->link);
    pthread_mutex_unlock(&m->lock);
    *ret_shard = s;
    return OK;
}

void metrics_shard_close(struct metrics_shard *s)
{
    if (s == NULL)
        return;
    struct metrics *m = s->metrics;
    pthread_mutex_lock(&m->lock);
    list_remove(&s->link);
    for (size_t i = 0; i < m->cell_count; i++)
        m->closed[i] += atomic_load_explicit(&s->cells[i], memory_order_relaxed);
    pthread_mutex_unlock(&m->lock);
    mem_free(s);
}

/* The first cell of a series. */
static size_t cell_of(const struct metrics *m, size_t family, size_t a, size_t b)
{
    assert(family < m->family_count);
    const struct layout *l = &m->layouts[family];
    assert(a < values_of(l, 0) && b < values_of(l, 1));
    return l->first + (a * values_of(l, 1) + b) * l->width;
}

/* One writer: nothing can come between the load and the store. Relaxed: a cell says nothing about
 * any other memory. */
static void bump(struct metrics_shard *s, size_t cell, uint64_t n)
{
    uint64_t value = atomic_load_explicit(&s->cells[cell], memory_order_relaxed);
    atomic_store_explicit(&s->cells[cell], value + n, memory_order_relaxed);
}

void metrics_add(struct metrics_shard *s, size_t family, size_t a, size_t b, int64_t n)
{
    size_t cell = cell_of(s->metrics, family, a, b);
    assert(s->metrics->layouts[family].width == 1);
    bump(s, cell, (uint64_t)n);
}

void metrics_observe_us(struct metrics_shard *s, size_t family, size_t a, size_t b, uint64_t us)
{
    size_t cell = cell_of(s->metrics, family, a, b);
    assert(s->metrics->layouts[family].width == HISTOGRAM_CELLS);
    size_t bucket = 0;
    while (bucket < BOUNDS && us > bounds[bucket].us)
        bucket++;
    bump(s, cell + bucket, 1);
    bump(s, cell + BUCKETS, us);
}

/* --- telling ---------------------------------------------------------------------------------- */

void metrics_set(struct metrics *m, size_t family, size_t a, size_t b, double value)
{
    size_t cell = cell_of(m, family, a, b);
    assert(m->layouts[family].width == 1);
    atomic_store_explicit(&m->computed[cell], value, memory_order_relaxed);
}

/* Of all shards, modulo 2^64: a gauge below 0 comes out as its two's complement. */
static uint64_t sum_of(const struct metrics *m, size_t cell)
{
    uint64_t sum = m->closed[cell];
    LIST_EACH (it, &m->shards) {
        struct metrics_shard *s = CONTAINER_OF(it, struct metrics_shard, link);
        sum += atomic_load_explicit(&s->cells[cell], memory_order_relaxed);
    }
    return sum;
}

/* HELP texts escape backslashes and line ends, label values also quotes. */
static void add_escaped(struct buf *b, struct str s, bool quoted)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '\\' || (c == '"' && quoted))
            buf_add_char(b, '\\');
        if (c == '\n')
            buf_add_lit(b, "\\n");
        else
            buf_add_char(b, c);
    }
}

static void add_head(struct buf *b, const struct metric_family *family)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    buf_addf(b, "# HELP %s ", family->name);
    add_escaped(b, str_of(family->help), false);
    buf_addf(b, "\n# TYPE %s %s\n", family->name, types[family->type]);
}

static void add_label(struct buf *b, const char *name, struct str value, bool *any)
{
    buf_add_char(b, *any ? ',' : '{');
    *any = true;
    buf_add_str(b, str_of(name));
    buf_add_lit(b, "=\"");
    add_escaped(b, value, true);
    buf_add_char(b, '"');
}

/* The name, its ending and its labels, up to the space before the value. `le` may be NULL. */
static void add_name(struct buf *b, const struct layout *l, const char *ending, size_t series,
                     const char *le)
{
    const size_t values[METRICS_MAX_LABELS] = {series / values_of(l, 1), series % values_of(l, 1)};
    bool any = false;
    buf_add_str(b, str_of(l->family->name));
    buf_add_str(b, str_of(ending));
    for (size_t i = 0; i < METRICS_MAX_LABELS; i++) {
        if (l->labels[i] != NULL)
            add_label(b, l->labels[i]->name, l->labels[i]->values[values[i]], &any);
    }
    if (le != NULL)
        add_label(b, "le", str_of(le), &any);
    buf_add_str(b, str_of(any ? "} " : " "));
}

static void add_histogram(const struct metrics *m, const struct layout *l, size_t series,
                          struct buf *b)
{
    size_t cell = l->first + series * l->width;
    uint64_t count = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        count += sum_of(m, cell + i);
        add_name(b, l, "_bucket", series, i < BOUNDS ? bounds[i].le : "+Inf");
        buf_add_u64(b, count);
        buf_add_char(b, '\n');
    }
    uint64_t us = sum_of(m, cell + BUCKETS);
    add_name(b, l, "_sum", series, NULL);
    buf_addf(b, "%llu.%06llu\n", (unsigned long long)(us / 1000000),
             (unsigned long long)(us % 1000000));
    add_name(b, l, "_count", series, NULL);
    buf_add_u64(b, count);
    buf_add_char(b, '\n');
}

static void add_value(const struct metrics *m, const struct layout *l, size_t series, struct buf *b)
{
    size_t cell = l->first + series;
    uint64_t sum = sum_of(m, cell);
    double computed = atomic_load_explicit(&m->computed[cell], memory_order_relaxed);
    add_name(b, l, "", series, NULL);
    if (!isfinite(computed))
        buf_add_lit(b, "NaN");
    else if (computed != 0)
        json_add_double(b, computed + (double)(int64_t)sum);
    else if (l->family->type == METRIC_GAUGE)
        buf_add_i64(b, (int64_t)sum);
    else
        buf_add_u64(b, sum);
    buf_add_char(b, '\n');
}

/* Do all of its labels have names by now? */
static bool is_named(const struct layout *l, size_t series)
{
    const size_t values[METRICS_MAX_LABELS] = {series / values_of(l, 1), series % values_of(l, 1)};
    for (size_t i = 0; i < METRICS_MAX_LABELS; i++) {
        if (l->labels[i] != NULL && l->labels[i]->values[values[i]].at == NULL)
            return false;
    }
    return true;
}

static void add_family(const struct metrics *m, const struct layout *l, struct buf *b)
{
    size_t series = values_of(l, 0) * values_of(l, 1);
    add_head(b, l->family);
    for (size_t i = 0; i < series; i++) {
        if (!is_named(l, i))
            continue;
        if (l->family->type == METRIC_HISTOGRAM)
            add_histogram(m, l, i, b);
        else
            add_value(m, l, i, b);
    }
}

void metrics_write(struct metrics *m, struct buf *b)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->family_count; i++)
        add_family(m, &m->layouts[i], b);
    pthread_mutex_unlock(&m->lock);
}
