/* GET /metrics: what was counted, and what is derived from what is live at this moment. */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/routes.h"
#include "model/series.h"

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u); /* cannot fail for oneself */
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_fds(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL)
        return 0;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 3; /* "." and "..", and the directory itself */
}

/* What is told of the providers that share a label: more than one where it is "other". */
struct totals {
    double borrowed, waiting, open;
};

static void add_totals(struct totals *t, struct upstream *u)
{
    struct gate_status s;
    gate_status(u->gate, &s);
    t->borrowed += s.limiter.borrowed;
    t->waiting += (double)(s.limiter.waiting + gate_backlog(u->gate));
    t->open += s.limiter.state == BREAKER_CLOSED ? 0 : 1;
}

/* A label whose provider is not configured any more stands at 0. */
static void set_providers(struct metrics *m, const struct catalog *c, uint32_t labels)
{
    struct totals totals[API_PROVIDER_LABELS] = {{.borrowed = 0}};
    for (uint32_t i = 0; i < c->upstream_count; i++)
        add_totals(&totals[c->upstreams[i]->label], c->upstreams[i]);
    for (uint32_t i = 0; i < labels; i++) {
        metrics_set(m, SERIES_SLOTS_BORROWED, i, 0, totals[i].borrowed);
        metrics_set(m, SERIES_WAITING, i, 0, totals[i].waiting);
        metrics_set(m, SERIES_BREAKER_OPEN, i, 0, totals[i].open);
    }
}

void handle_metrics(struct api_request *r)
{
    struct metrics *m = r->api->metrics;
    struct engine *e = r->api->engine;
    struct api_reply reply;
    metrics_set(m, SERIES_STREAMS, 0, 0, atomic_load(&r->api->streams));
    metrics_set(m, SERIES_RUNS_LIVE, 0, 0, engine_live(e));
    metrics_set(m, SERIES_RUNS_QUEUED, 0, 0, (double)atomic_load(&e->queued));
    metrics_set(m, SERIES_RUN_MEMORY, 0, 0, (double)engine_memory(e));
    metrics_set(m, SERIES_WEBHOOKS_WAITING, 0, 0, (double)atomic_load(&e->courier.waits));
    metrics_set(m, SERIES_STORE_AVAILABLE, 0, 0, store_is_available(e->store) ? 1 : 0);
    metrics_set(m, SERIES_PROCESS_CPU, 0, 0, cpu_seconds());
    metrics_set(m, SERIES_PROCESS_MEMORY, 0, 0, resident_bytes());
    metrics_set(m, SERIES_PROCESS_FDS, 0, 0, open_fds());
    set_providers(m, r->shard->catalog, r->api->provider_labels);
    reply_init(&reply, 200);
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(m, &reply.body);
    api_send(r, &reply);
}
