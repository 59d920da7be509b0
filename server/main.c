/* The one binary: `sluice COMMAND`. The gateway itself, what checks its configuration, and the
 * client commands. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/reach.h"
#include "server/doctor.h"
#include "server/serve.h"
#include "version.h"

enum { EXIT_USAGE = 2 };

static const char serve_help[] =
    "usage: sluice serve [--config FILE] [--listen ADDRESS]... [--db FILE]\n"
    "\n"
    "Starts the gateway. Without a configuration it listens on 127.0.0.1:8080, keeps runs in\n"
    "./sluice.db and has the built-in provider sim with the agents echo and story.\n"
    "\n"
    "  --config FILE      the configuration (JSON with comments)\n"
    "  --listen ADDRESS   host:port, [v6]:port or unix:/path; instead of the configured ones\n"
    "  --db FILE          the database; instead of the configured one\n"
    "  --print-config     print the effective configuration, and do not start\n"
    "  --print-config-docs  print the page that documents it\n";

static const char check_help[] =
    "usage: sluice check [FILE]\n"
    "\n"
    "Reads a configuration as serve would, and says what is wrong with it.\n";

static const char doctor_help[] =
    "usage: sluice doctor [--config FILE] [--db FILE] [--server URL]\n"
    "\n"
    "Looks at the configuration, the database, the gateway, the clock, the limit on open files and\n"
    "the disk, and says in a line each what is fine and what is not. Changes nothing. A database\n"
    "that no gateway uses is read whole. Exits with 0 where all is fine, with 1 where it is not.\n"
    "\n"
    "  --config FILE      the configuration, as for serve\n"
    "  --db FILE          the database; instead of the configured one\n"
    "  --server URL       a gateway that has to answer there (or SLUICE_URL); otherwise one is\n"
    "                     looked for at the first address of the configuration\n";

enum { MAX_LISTEN = 16 };

/* What the command line of serve, or of doctor, says. */
struct arguments {
    const char *config;
    const char *server; /* of doctor */
    const char *listen[MAX_LISTEN];
    struct config_overrides overrides;
    bool is_doctor, print, print_docs, help;
    const char *wrong; /* the argument that is none */
};

static const char *value_of(int argc, char **argv, int *i)
{
    const char *equals = strchr(argv[*i], '=');
    if (equals != NULL)
        return equals + 1;
    return *i + 1 < argc ? argv[++*i] : NULL;
}

static bool is_flag(const char *arg, const char *flag)
{
    size_t n = strlen(flag);
    return strncmp(arg, flag, n) == 0 && (arg[n] == '\0' || arg[n] == '=');
}

static void read_flag(struct arguments *a, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    const char *value = "";
    if (is_flag(arg, "--config"))
        a->config = value = value_of(argc, argv, i);
    else if (is_flag(arg, "--db"))
        a->overrides.db = value = value_of(argc, argv, i);
    else if (a->is_doctor && is_flag(arg, "--server"))
        a->server = value = value_of(argc, argv, i);
    else if (a->is_doctor && strcmp(arg, "--help") != 0 && strcmp(arg, "-h") != 0)
        value = NULL; /* the rest is of serve alone */
    else if (is_flag(arg, "--listen") && a->overrides.listen_count < MAX_LISTEN)
        a->listen[a->overrides.listen_count++] = value = value_of(argc, argv, i);
    else if (strcmp(arg, "--print-config") == 0)
        a->print = true;
    else if (strcmp(arg, "--print-config-docs") == 0)
        a->print_docs = true;
    else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
        a->help = true;
    else
        value = NULL;
    if (value == NULL)
        a->wrong = arg;
}

static int report_config(enum err e, struct buf *report)
{
    if (e != OK)
        fprintf(stderr, "%.*s", (int)report->len, report->data ? report->data : "");
    buf_fini(report);
    return e == OK ? 0 : EXIT_USAGE;
}

static int print(const struct config *config)
{
    struct buf out;
    buf_init(&out, 1048576);
    enum err e = config_print(config, &out);
    buf_add_char(&out, '\n');
    if (e == OK && buf_ok(&out) == OK)
        fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    return e == OK ? 0 : 1;
}

static int print_docs(void)
{
    struct buf out;
    buf_init(&out, 1048576);
    config_write_docs(&out);
    if (buf_ok(&out) == OK)
        fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    return 0;
}

/* A thread's heap grows and shrinks by a system call and a flush of the other threads' TLBs, by
 * default at about each request: in larger steps it is rare. What is not touched is not resident.
 */
static void set_heap_steps(void)
{
    mallopt(M_TOP_PAD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
}

static int main_serve(int argc, char **argv)
{
    struct arguments a = {.config = NULL};
    struct config *config;
    struct buf report;
    struct error error;
    a.overrides.listen = a.listen;
    for (int i = 0; i < argc && a.wrong == NULL; i++)
        read_flag(&a, argc, argv, &i);
    if (a.help || a.wrong != NULL) {
        if (a.wrong != NULL)
            fprintf(stderr, "sluice serve: what is \"%s\"?\n", a.wrong);
        fputs(serve_help, a.wrong != NULL ? stderr : stdout);
        return a.wrong != NULL ? EXIT_USAGE : 0;
    }
    if (a.print_docs)
        return print_docs();
    buf_init(&report, 65536);
    int rc = report_config(config_load(a.config, &a.overrides, &config, &report), &report);
    if (rc != 0)
        return rc;
    if (a.print) {
        rc = print(config);
        config_destroy(config);
        return rc;
    }
    if (config_check_exposure(config, &error) != OK) {
        fprintf(stderr, "sluice: %s\n", error.message);
        config_destroy(config);
        return EXIT_USAGE;
    }
    log_configure(config->log_format, config->log_level);
    set_heap_steps();
    return serve(config, &(struct serve_options){a.config, &a.overrides});
}

static int main_check(int argc, char **argv)
{
    struct config *config;
    struct buf report;
    struct error error;
    if (argc > 1 || (argc == 1 && argv[0][0] == '-')) {
        bool help = strcmp(argv[0], "--help") == 0;
        fputs(check_help, help ? stdout : stderr);
        return help ? 0 : EXIT_USAGE;
    }
    buf_init(&report, 65536);
    int rc =
        report_config(config_load(argc == 1 ? argv[0] : NULL, NULL, &config, &report), &report);
    if (rc != 0)
        return rc;
    rc = config_check_exposure(config, &error) == OK ? 0 : EXIT_USAGE;
    if (rc == 0)
        printf("%s: fine\n", config->source);
    else
        fprintf(stderr, "sluice: %s\n", error.message);
    config_destroy(config);
    return rc;
}

static int main_doctor(int argc, char **argv)
{
    struct arguments a = {.is_doctor = true};
    for (int i = 0; i < argc && a.wrong == NULL; i++)
        read_flag(&a, argc, argv, &i);
    if (a.help || a.wrong != NULL) {
        if (a.wrong != NULL)
            fprintf(stderr, "sluice doctor: what is \"%s\"?\n", a.wrong);
        fputs(doctor_help, a.wrong != NULL ? stderr : stdout);
        return a.wrong != NULL ? EXIT_USAGE : 0;
    }
    const char *set = getenv("SLUICE_URL");
    return doctor(&(struct doctor_options){
        .config = a.config,
        .overrides = &a.overrides,
        .address = a.server != NULL || set == NULL || set[0] == '\0' ? a.server : set,
        .reach = cli_reach});
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "serve") == 0)
        return main_serve(argc - 2, argv + 2);
    if (strcmp(command, "check") == 0)
        return main_check(argc - 2, argv + 2);
    if (strcmp(command, "doctor") == 0)
        return main_doctor(argc - 2, argv + 2);
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        printf("sluice %s (%s)\n", SLUICE_VERSION, SLUICE_COMMIT);
        return 0;
    }
    if (cli_knows(command))
        return cli_main(command, argc - 2, argv + 2);
    bool help = strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 ||
                strcmp(command, "help") == 0;
    if (!help && command[0] != '\0')
        fprintf(stderr, "sluice: there is no command \"%s\"\n", command);
    cli_usage(help ? stdout : stderr);
    return help ? 0 : EXIT_USAGE;
}
