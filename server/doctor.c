#include "server/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/descriptors.h"

enum { PATH_BYTES = 4096, MIB = 1024 * 1024, FEW_CONNECTIONS = 1000 };

static const int64_t clock_slack_ms = 60000;           /* a run may be stamped by another machine */
static const uint64_t disk_floor_bytes = 256ULL * MIB; /* the log alone may take 64 */

struct doctor {
    const struct doctor_options *options;
    struct config *config; /* NULL: it could not be read */
    struct sqlite_facts facts;
    bool knows_facts;
    bool is_ill;
};

/* --- a line for each -------------------------------------------------------------------------- */

static void say(struct doctor *d, bool fine, const char *what, const char *format, ...)
    PRINTF_LIKE(4, 5);

static void say(struct doctor *d, bool fine, const char *what, const char *format, ...)
{
    va_list list;
    printf("%-5s  %-8s  ", fine ? "ok" : "WRONG", what);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
    d->is_ill = d->is_ill || !fine;
}

/* --- what is looked at ------------------------------------------------------------------------ */

static void look_at_config(struct doctor *d)
{
    struct buf report;
    struct error error;
    buf_init(&report, 65536);
    enum err e = config_load(d->options->config, d->options->overrides, &d->config, &report);
    if (e != OK) {
        struct str rest = buf_str(&report), line;
        d->config = NULL;
        while (rest.at != NULL && (line = str_cut(&rest, '\n')).len > 0)
            say(d, false, "config", "%.*s", STR_ARG(line));
    } else if (config_check_exposure(d->config, &error) != OK) {
        say(d, false, "config", "%s", error.message);
    } else {
        say(d, true, "config", "%s", d->config->source);
    }
    buf_fini(&report);
}

/* The directory of the database. */
static void directory_of(const char *path, char ret[static PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        str_copy(ret, PATH_BYTES, STR("."));
    else
        str_copy(ret, PATH_BYTES, (struct str){path, (size_t)(slash - path) + 1});
}

static void look_at_missing_database(struct doctor *d, const char *path)
{
    char directory[PATH_BYTES];
    directory_of(path, directory);
    if (access(directory, W_OK | X_OK) == 0)
        say(d, true, "database", "%s is not there yet: the first start makes it", path);
    else
        say(d, false, "database", "%s cannot be made in %s: %s", path, directory, strerror(errno));
}

static void look_at_database(struct doctor *d)
{
    const char *path = d->config->store.path;
    struct error error;
    d->knows_facts = sqlite_store_examine(path, &d->facts, &error) == OK;
    if (!d->knows_facts)
        say(d, false, "database", "%s: %s", path, error.message);
    else if (d->facts.is_in_use)
        say(d, true, "database", "%s is in use by the process with pid %ld", path, d->facts.pid);
    else if (!d->facts.exists)
        look_at_missing_database(d, path);
    else if (access(path, W_OK) != 0)
        say(d, false, "database", "%s cannot be written: %s", path, strerror(errno));
    else
        say(d, true, "database", "%s is sound, version %lld, %lld runs, not in use", path,
            (long long)d->facts.version, (long long)d->facts.runs);
}

/* That nobody answers is wrong only where somebody should: the database is in use. */
static void look_at_server(struct doctor *d)
{
    struct error error;
    const char *address =
        d->options->address != NULL ? d->options->address : d->config->listen[0].text;
    enum err e = d->options->reach(address, &error);
    bool is_in_use = d->knows_facts && d->facts.is_in_use;
    bool may_be_away = e == ERR_IO && d->options->address == NULL && !is_in_use;
    if (e == OK)
        say(d, true, "server", "%s answers and is ready", address);
    else if (may_be_away)
        say(d, true, "server", "none is running at %s", address);
    else
        say(d, false, "server", "%s", error.message);
}

static void look_at_clock(struct doctor *d)
{
    int64_t now_ms = clock_wall_ms(NULL);
    int64_t newest_ms = d->knows_facts ? d->facts.newest_ms : 0;
    if (now_ms < CLOCK_FLOOR_MS)
        say(d, false, "clock", "it is behind: this program was made later");
    else if (newest_ms > now_ms + clock_slack_ms)
        say(d, false, "clock", "it is behind: the newest run was created %lld s later",
            (long long)((newest_ms - now_ms) / 1000));
    else
        say(d, true, "clock", "not behind what is stored");
}

/* Fewer than are configured is what serve makes do with; so few that clients would notice is not.
 */
static void look_at_descriptors(struct doctor *d)
{
    uint32_t wanted = d->config->http.connections, allowed = descriptors_allow(wanted);
    bool fine = allowed == wanted || allowed >= FEW_CONNECTIONS;
    say(d, fine, "files",
        "the limit on open files allows %u of %u connections (limits.connections)",
        (unsigned)allowed, (unsigned)wanted);
}

static void look_at_disk(struct doctor *d)
{
    char directory[PATH_BYTES];
    struct statvfs disk;
    directory_of(d->config->store.path, directory);
    if (statvfs(directory, &disk) != 0) {
        say(d, false, "disk", "%s: %s", directory, strerror(errno));
        return;
    }
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    bool is_full = free_bytes < disk_floor_bytes || (disk.f_files > 0 && disk.f_favail == 0);
    say(d, !is_full, "disk", "%s has %llu MiB left%s", directory,
        (unsigned long long)(free_bytes / MIB),
        disk.f_files > 0 && disk.f_favail == 0 ? ", and room for no further file" : "");
}

int doctor(const struct doctor_options *options)
{
    struct doctor d = {.options = options};
    look_at_config(&d);
    if (d.config != NULL) {
        look_at_database(&d);
        look_at_server(&d);
        look_at_clock(&d);
        look_at_descriptors(&d);
        look_at_disk(&d);
        config_destroy(d.config);
    }
    return d.is_ill ? 1 : 0;
}
