/* The table of commands, their help, and the way from a command line to what runs it. */
#include "cli/cli.h"

#include <signal.h>
#include <string.h>

#include "cli/command.h"

/* --- the server's own commands: run in server/main.c, known here for help and completion ------ */

static const struct option_spec serve_options[] = {
    {"config", OPTION_CONFIG, OPTION_TEXT, "FILE",
     "the configuration (default: built in, with the simulated provider)", NULL},
    {"listen", OPTION_LISTEN, OPTION_TEXT, "ADDRESS",
     "HOST:PORT, [V6]:PORT or unix:/PATH, in place of the configured ones", NULL},
    {"db", OPTION_DB, OPTION_TEXT, "FILE", "the database, in place of the configured one", NULL},
    {"print-config", OPTION_PRINT_CONFIG, OPTION_FLAG, NULL,
     "print the effective configuration, and do not start", NULL},
    {"print-config-docs", OPTION_PRINT_CONFIG_DOCS, OPTION_FLAG, NULL,
     "print the page that documents it", NULL},
    {.name = NULL},
};

static const struct command command_serve = {
    .name = "serve", .arguments = "", .summary = "run the gateway", .options = serve_options};
static const struct command command_check = {.name = "check",
                                             .arguments = "[FILE]",
                                             .summary = "check a configuration file",
                                             .max_arguments = 1};
static const struct option_spec doctor_options[] = {
    {"config", OPTION_CONFIG, OPTION_TEXT, "FILE", "the configuration", NULL},
    {"db", OPTION_DB, OPTION_TEXT, "FILE", "the database; instead of the configured one", NULL},
    {"server", OPTION_SERVER, OPTION_TEXT, "URL", "a gateway that has to answer there", NULL},
    {.name = NULL},
};
static const struct command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "say what is wrong with configuration, database and machine",
    .options = doctor_options};
static const struct command command_version = {
    .name = "version", .arguments = "", .summary = "print the version"};

/* --- the table -------------------------------------------------------------------------------- */

static const struct command *const commands[] = {
    &command_serve,     &command_run,       &command_watch,      &command_ls,
    &command_show,      &command_cancel,    &command_retry,      &command_agents,
    &command_workflows, &command_providers, &command_check,      &command_backup,
    &command_doctor,    &command_version,   &command_completion, &command_help,
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

const struct command *command_at(uint32_t i)
{
    return i < COMMAND_COUNT ? commands[i] : NULL;
}

const struct command *command_find(const char *name)
{
    const struct command *c;
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

bool cli_knows(const char *command)
{
    const struct command *c = command_find(command);
    return c != NULL && c->run != NULL;
}

/* --- help ------------------------------------------------------------------------------------- */

void cli_usage(FILE *out)
{
    const struct command *c;
    fputs("usage: sluice COMMAND [ARGUMENTS] [OPTIONS]\n\n"
          "An HTTP/JSON gateway for async agents, and its client.\n\n",
          out);
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++)
        fprintf(out, "  %-12s %s\n", c->name, c->summary);
    fputs(
        "\n\"sluice COMMAND --help\" explains a command.\n\n"
        "environment:\n"
        "  SLUICE_URL   where the gateway is: http://HOST:PORT or unix:/PATH (default http://127.0.0.1:8080)\n"
        "  SLUICE_KEY   the API key, where the gateway wants one\n\n"
        "exit codes: 0 succeeded, 1 run failed, 2 usage, 3 no server, 4 cancelled, 5 timed out,\n"
        "130 left while the run goes on\n",
        out);
}

static void print_options(const struct command *c, FILE *out)
{
    const struct option_spec *o;
    fputs("\noptions:\n", out);
    for (uint32_t i = 0; (o = options_at(c, i)) != NULL; i++) {
        char name[64];
        snprintf(name, sizeof name, "--%s%s%s", o->name, o->value != NULL ? " " : "",
                 o->value != NULL ? o->value : "");
        fprintf(out, "  %-22s %s\n", name, o->help);
    }
}

static void print_help(const struct command *c, FILE *out)
{
    fprintf(out, "usage: sluice %s%s%s [OPTIONS]\n\n%s\n", c->name,
            c->arguments[0] != '\0' ? " " : "", c->arguments, c->summary);
    print_options(c, out);
    if (c->notes != NULL)
        fprintf(out, "\n%s\n", c->notes);
}

bool cli_help(const char *command, FILE *out)
{
    const struct command *c = command_find(command);
    if (c != NULL)
        print_help(c, out);
    return c != NULL;
}

/* --- running ---------------------------------------------------------------------------------- */

int cli_main(const char *command, int argc, char **argv)
{
    const struct command *c = command_find(command);
    struct options options;
    struct error error;
    if (c == NULL || c->run == NULL) {
        fputs("sluice: there is no such command\n\"sluice --help\" lists them\n", stderr);
        return CLI_USAGE;
    }
    if (options_parse(c, argc, argv, &options, &error) != OK) {
        fprintf(stderr, "sluice %s: %s\n\"sluice %s --help\" says more\n", command, error.message,
                command);
        return CLI_USAGE;
    }
    if (options.given[OPTION_HELP]) {
        print_help(c, stdout);
        return CLI_SUCCEEDED;
    }
    signal(SIGPIPE, SIG_IGN); /* a write that fails says so itself */
    return c->run(&options);
}
