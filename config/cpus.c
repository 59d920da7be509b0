/* A process finds its cgroup in /proc/self/cgroup: "0::/PATH" for v2, "N:cpu,cpuacct:/PATH" for v1.
 * Inside a container that PATH is often the host's and cannot be seen; what can be is mounted at
 * the top. So every folder from PATH up to the top is looked at, and the tightest quota counts, as
 * it does for the kernel. */
#include "config/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/small_file.h"

enum { FILE_MAX = 65536 };

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Of two quotas, 0 being none. */
static uint32_t tighter(uint32_t a, uint32_t b)
{
    return a == 0 ? b : b == 0 ? a : smaller(a, b);
}

static uint32_t whole_cpus(uint64_t quota_us, uint64_t period_us)
{
    if (quota_us == 0 || period_us == 0)
        return 0;
    uint64_t cpus = quota_us / period_us + (quota_us % period_us != 0);
    return cpus < UINT32_MAX ? (uint32_t)cpus : 0;
}

/* --- files that may not be there -------------------------------------------------------------- */

/* The first line of FOLDER/NAME into `line`; false where it cannot be had. */
static bool read_line(const char *folder, const char *name, char *line, size_t size)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return false;
    struct buf b;
    buf_init(&b, FILE_MAX);
    bool fine = small_file_read(path, &b) == OK && b.len > 0;
    if (fine) {
        struct str rest = buf_str(&b);
        str_copy(line, size, str_cut(&rest, '\n'));
    }
    buf_fini(&b);
    return fine;
}

static bool read_number(const char *folder, const char *name, uint64_t *ret_value)
{
    char line[64];
    return read_line(folder, name, line, sizeof line) && str_to_u64(str_of(line), ret_value);
}

/* --- one folder of a hierarchy ---------------------------------------------------------------- */

/* "QUOTA PERIOD", or "max PERIOD". */
static uint32_t quota_v2(const char *folder)
{
    char line[64];
    if (!read_line(folder, "cpu.max", line, sizeof line))
        return 0;
    struct str period = str_of(line);
    struct str quota = str_cut(&period, ' ');
    uint64_t quota_us, period_us;
    bool fine = str_to_u64(quota, &quota_us) && str_to_u64(period, &period_us);
    return fine ? whole_cpus(quota_us, period_us) : 0;
}

/* No quota is "-1", which is no number here. */
static uint32_t quota_v1(const char *folder)
{
    uint64_t quota_us, period_us;
    bool fine = read_number(folder, "cpu.cfs_quota_us", &quota_us) &&
                read_number(folder, "cpu.cfs_period_us", &period_us);
    return fine ? whole_cpus(quota_us, period_us) : 0;
}

/* From TOP/PATH up to TOP. */
static uint32_t quota_upwards(const char *top, struct str path, uint32_t (*quota_of)(const char *))
{
    char folder[PATH_MAX];
    int n = snprintf(folder, sizeof folder, "%s%.*s", top, STR_ARG(path));
    if (n < 0 || (size_t)n >= sizeof folder)
        return quota_of(top);
    uint32_t quota = 0;
    size_t top_len = strlen(top);
    for (;;) {
        quota = tighter(quota, quota_of(folder));
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= top_len || slash == NULL)
            return quota;
        *slash = '\0';
    }
}

/* --- /proc/self/cgroup ------------------------------------------------------------------------ */

static bool names_cpu(struct str controllers)
{
    while (controllers.at != NULL) {
        if (str_eq(str_cut(&controllers, ','), STR("cpu")))
            return true;
    }
    return false;
}

/* "ID:CONTROLLERS:PATH" */
static uint32_t quota_of_line(const char *root, struct str line)
{
    struct str id = str_cut(&line, ':');
    struct str controllers = str_cut(&line, ':');
    char top[PATH_MAX];
    if (str_eq(id, STR("0")) && controllers.len == 0) {
        snprintf(top, sizeof top, "%s/sys/fs/cgroup", root);
        return quota_upwards(top, line, quota_v2);
    }
    if (!names_cpu(controllers))
        return 0;
    snprintf(top, sizeof top, "%s/sys/fs/cgroup/%.*s", root, STR_ARG(controllers));
    return quota_upwards(top, line, quota_v1);
}

uint32_t cpus_quota(const char *root)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    struct buf b;
    buf_init(&b, FILE_MAX);
    uint32_t quota = 0;
    if (small_file_read(path, &b) == OK) {
        struct str rest = buf_str(&b);
        while (rest.len > 0)
            quota = tighter(quota, quota_of_line(root, str_cut(&rest, '\n')));
    }
    buf_fini(&b);
    return quota;
}

/* --- all of it -------------------------------------------------------------------------------- */

static uint32_t cpus_allowed(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (uint32_t)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than a cpu_set_t holds */
    return online > 0 ? (uint32_t)online : 1;
}

uint32_t cpus_usable(const char *root)
{
    uint32_t cpus = tighter(cpus_allowed(), cpus_quota(root));
    return cpus > 0 ? cpus : 1;
}
