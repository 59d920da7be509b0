/* Runs every unit suite, or those whose name holds one of the arguments: `build/test/unit
 * base_json`. A process for each CPU takes its share of the suites. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUITE(name) Suite *suite_##name(void);
#include "suites.h"
#undef SUITE

struct entry {
    const char *name;
    Suite *(*make)(void);
};

static const struct entry entries[] = {
#define SUITE(name) {#name, suite_##name},
#include "suites.h"
#undef SUITE
};

enum { ENTRIES = sizeof entries / sizeof entries[0], MAX_PROCESSES = 8 };

struct count {
    int run, failed;
};

/* One that runs its share. */
struct worker {
    pid_t pid;
    int counts;   /* a pipe: its struct count */
    FILE *output; /* shown when it has ended */
};

static int is_wanted(const char *name, int argc, char **argv)
{
    if (argc < 2)
        return 1;
    for (int i = 1; i < argc; i++) {
        if (strstr(name, argv[i]) != NULL)
            return 1;
    }
    return 0;
}

/* Every `of`th suite that is wanted, from the one with that number on. */
static struct count run_share(int number, int of, int argc, char **argv)
{
    SRunner *runner = srunner_create(NULL);
    struct count count = {0, 0};
    int seen = 0;
    for (size_t i = 0; i < ENTRIES; i++) {
        if (is_wanted(entries[i].name, argc, argv) && seen++ % of == number)
            srunner_add_suite(runner, entries[i].make());
    }
    srunner_run_all(runner, CK_ENV);
    count.run = srunner_ntests_run(runner);
    count.failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return count;
}

static void start(struct worker *w, int number, int of, int argc, char **argv)
{
    int ends[2];
    w->output = tmpfile();
    if (w->output == NULL || pipe(ends) != 0 || (w->pid = fork()) < 0) {
        perror("unit");
        exit(2);
    }
    w->counts = ends[0];
    if (w->pid > 0) {
        close(ends[1]);
        return;
    }
    dup2(fileno(w->output), STDOUT_FILENO);
    dup2(fileno(w->output), STDERR_FILENO);
    struct count count = run_share(number, of, argc, argv);
    fflush(stdout);
    _exit(write(ends[1], &count, sizeof count) == sizeof count ? 0 : 2);
}

/* Adds what it has counted; a process that died has failed. */
static void finish(struct worker *w, struct count *sum)
{
    struct count count = {1, 1};
    char text[4096];
    size_t n;
    if (read(w->counts, &count, sizeof count) != sizeof count)
        count = (struct count){1, 1};
    close(w->counts);
    waitpid(w->pid, NULL, 0);
    rewind(w->output);
    while ((n = fread(text, 1, sizeof text, w->output)) > 0)
        fwrite(text, 1, n, stdout);
    fclose(w->output);
    sum->run += count.run;
    sum->failed += count.failed;
}

int main(int argc, char **argv)
{
    struct worker workers[MAX_PROCESSES];
    struct count sum = {0, 0};
    int wanted = 0;
    for (size_t i = 0; i < ENTRIES; i++)
        wanted += is_wanted(entries[i].name, argc, argv);
    if (wanted == 0) {
        fprintf(stderr, "no suite of that name\n");
        return 2;
    }
    setenv("CK_DEFAULT_TIMEOUT", "120", 0); /* its own 4 s are too few under a sanitizer */
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int of = cpus < 1 ? 1 : cpus > MAX_PROCESSES ? MAX_PROCESSES : (int)cpus;
    of = wanted < of ? wanted : of;
    fflush(stdout);
    for (int i = 0; i < of; i++)
        start(&workers[i], i, of, argc, argv);
    for (int i = 0; i < of; i++)
        finish(&workers[i], &sum);
    printf("unit: %d passed, %d failed\n", sum.run - sum.failed, sum.failed);
    return sum.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
