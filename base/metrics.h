#ifndef SLUICE_BASE_METRICS_H
#define SLUICE_BASE_METRICS_H
/* Counters, gauges and histograms that many threads feed, in Prometheus' text format 0.0.4.
 *
 * What can be measured is fixed at the start: a table of families, each with up to two label sets
 * whose values are all known, so the number of series is bounded and each of them is told, also at
 * 0. This folder knows no family: the table and its `enum` (the row numbers) belong to whoever
 * creates the metrics.
 *
 * Each thread feeds a shard of its own. A shard has one writer, so feeding it is a plain load and
 * store, no locked instruction and no shared cache line; metrics_write sums the shards. A gauge may
 * be raised by one thread and lowered by another. A histogram counts
 * seconds in 24 fixed buckets: 50 us to 1000 s in steps of 1, 2.5, 5, and above.
 *
 * Life: metrics_create; each thread metrics_shard_open, feeding, metrics_shard_close (what it
 * counted is kept); metrics_destroy when all shards are closed. metrics_set and metrics_write: any
 * thread, any time. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    METRICS_MAX_LABELS = 2,
    METRICS_MAX_CELLS = 1 << 20, /* of 8 bytes, per shard; a series of a histogram takes 25 */
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* One label and all that it can say. The values are copied by metrics_create. One that is NULL is
 * kept free: its series are not told until metrics_name. */
struct metric_labels {
    const char *name;
    const struct str *values;
    size_t count; /* 0 takes all series of a family that uses it */
};

/* `labels` are indexes into the label sets + 1; 0: none. Families and all names are borrowed for
 * the life of the metrics. */
struct metric_family {
    const char *name; /* "sluice_runs_finished_total"; a histogram ends in "_seconds" */
    const char *help;
    enum metric_type type;
    unsigned labels[METRICS_MAX_LABELS];
};

struct metrics;
struct metrics_shard;

/* OK, ERR_NOMEM, or ERR_LIMIT past METRICS_MAX_CELLS. */
enum err metrics_create(const struct metric_family *families, size_t family_count,
                        const struct metric_labels *sets, size_t set_count,
                        struct metrics **ret_metrics) MUST_CHECK;
void metrics_destroy(struct metrics *m);

/* One for each thread that feeds. Close takes the lock of metrics_write, as open does. NULL is
 * fine. */
enum err metrics_shard_open(struct metrics *m, struct metrics_shard **ret_shard) MUST_CHECK;
void metrics_shard_close(struct metrics_shard *s);

/* Gives a value that was kept free its name. `set` is the index of its label set + 1, as families
 * have it. OK; ERR_NOMEM. Any thread. */
enum err metrics_name(struct metrics *m, unsigned set, size_t value, struct str name) MUST_CHECK;

/* --- feeding ---------------------------------------------------------------------------------- */

/* By the shard's own thread only. `a` and `b` are the indexes of the values of the family's first
 * and second label, 0 where it has none. A counter goes up by n >= 0, a gauge by any n. */
void metrics_add(struct metrics_shard *s, size_t family, size_t a, size_t b, int64_t n);

/* One observation of a histogram, in microseconds. */
void metrics_observe_us(struct metrics_shard *s, size_t family, size_t a, size_t b, uint64_t us);

/* --- telling ---------------------------------------------------------------------------------- */

/* What a gauge (or a counter that is counted elsewhere) stands at, for values that are computed
 * when somebody asks. It is added to what the shards say; what is not finite is told as NaN. */
void metrics_set(struct metrics *m, size_t family, size_t a, size_t b, double value);

/* Appends all series, families in the order of the table. The caller asks buf_ok. */
void metrics_write(struct metrics *m, struct buf *b);
#endif
