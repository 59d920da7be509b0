/* The load generator: N keep-alive connections, each with one request under way, from one thread
 * and epoll.
 *
 *     load --port N [options]         prints key=value lines; `load --help` lists the options
 *
 * Every connection sends its request, reads the answer to its end and sends the next (a closed
 * loop). An answer counts when its status is the expected one, it holds what --ok and --expect ask
 * for, and its framing was right; anything else is an error. Streams are answers in which the
 * --count text is found several times: a token each. Time to first token is from the request's
 * send(2) to the recv(2) that brought the first. Times are as this process sees them.
 *
 * A run is: ramp (connections open evenly over it), warm-up, the window of --ms in which
 * everything is counted, then an orderly end: no new requests, open answers are read to their end
 * for at most --drain-ms. With --once there is no window: each connection sends one request and
 * all of it is counted; tokens a second are then those between the first and the last one. With
 * --total the window ends with the last of so many answers. With --rate a connection that is done
 * waits for its turn: so many requests a second are sent as long as the answers keep up. CPU time
 * of the --pid processes, and of the --beside ones apart, is read at both edges of the window from
 * their CPU clocks (what /proc/PID/stat shows, in ns). */
#include "load/conns.h"
#include "load/options.h"
#include "tool.h"

static struct tally in_window;

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_of_pids_ns(const struct pids *pids)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < pids->count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(pids->at[i], &clock) == 0)
            sum += cpu_ns(clock);
    }
    return sum;
}

/* Opens the connections evenly over the ramp while the first ones are at work already. */
static void ramp_up(void)
{
    uint64_t begin = now_ns();
    for (uint32_t started = 0; started < want.connections; started++) {
        uint64_t at = begin + want.ramp_ms * NS_PER_MS * started / want.connections;
        while (want.ramp_ms > 0 && now_ns() < at)
            conns_handle(at);
        conns_start(started);
        if (started % 64 == 63)
            conns_handle(0);
    }
}

static void run_until(uint64_t end_ns)
{
    while (now_ns() < end_ns && conns_tell()->finished < want.connections)
        conns_handle(end_ns);
}

struct window {
    uint64_t ns, cpu_ns, beside_cpu_ns, own_cpu_ns;
};

static struct window edge(void)
{
    return (struct window){now_ns(), cpu_of_pids_ns(&want.pids), cpu_of_pids_ns(&want.beside),
                           cpu_ns(CLOCK_PROCESS_CPUTIME_ID)};
}

/* With --once the ramp belongs to what is measured. Either way the last edge is where counting
 * ends. */
static struct window run(void)
{
    struct window from, to;
    if (want.once) {
        from = edge();
        conns_count(&in_window);
        ramp_up();
        run_until(now_ns() + want.window_ms * NS_PER_MS);
    } else {
        ramp_up();
        run_until(now_ns() + want.warmup_ms * NS_PER_MS);
        from = edge();
        conns_count(&in_window);
        run_until(from.ns + want.window_ms * NS_PER_MS);
    }
    to = edge();
    conns_count(NULL);
    conns_end();
    uint64_t give_up = now_ns() + want.drain_ms * NS_PER_MS;
    while (conns_tell()->busy > 0 && now_ns() < give_up)
        conns_handle(give_up);
    return (struct window){to.ns - from.ns, to.cpu_ns - from.cpu_ns,
                           to.beside_cpu_ns - from.beside_cpu_ns, to.own_cpu_ns - from.own_cpu_ns};
}

static void print(struct window w)
{
    const struct conns_told *told = conns_tell();
    double seconds = (double)w.ns / (double)NS_PER_S;
    printf("seconds=%.4f\nrequests=%lu\nrequests_per_s=%.1f\n", seconds, in_window.requests,
           (double)in_window.requests / seconds);
    uint64_t token_ns = in_window.last_token_ns - in_window.first_token_ns;
    if (want.once && token_ns > 0)
        seconds = (double)token_ns / (double)NS_PER_S;
    printf("tokens=%lu\ntokens_per_s=%.1f\nbytes=%lu\n", in_window.tokens,
           (double)in_window.tokens / seconds, in_window.bytes);
    printf("cpu_us=%lu\nbeside_cpu_us=%lu\nown_cpu_us=%lu\n", w.cpu_ns / 1000,
           w.beside_cpu_ns / 1000, w.own_cpu_ns / 1000);
    printf("peak_open=%u\nunfinished=%u\nreconnects=%lu\nerrors=%lu\n", told->peak_busy, told->busy,
           told->reconnects, told->all_failures);
    for (int i = 0; i < FAILS; i++) {
        if (told->failures[i])
            printf("errors_%s=%lu\n", failure_names[i], told->failures[i]);
    }
    if (told->all_failures)
        printf("first_error=%s\n", told->first_failure);
    tally_print_times(&in_window);
    if (want.count)
        printf("stalls_10x=%lu\nstalls_100ms=%lu\n", in_window.stalls_10x, in_window.stalls_100ms);
}

int main(int argc, char **argv)
{
    options_read(argc, argv);
    raise_files();
    conns_open();
    print(run());
    return 0;
}
