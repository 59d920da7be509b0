#ifndef SLUICE_CLI_OPTIONS_H
#define SLUICE_CLI_OPTIONS_H
/* A command line taken apart by its command's table of options.
 *
 * `--name value` and `--name=value` are the same, `--` ends the options, options may stand behind
 * arguments, a single `-` is an argument. The last one wins where an option that takes one value
 * comes again. Plain data; every view is borrowed from argv. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum option_id {
    OPTION_AFTER,
    OPTION_AGENT,
    OPTION_CONFIG,
    OPTION_DB,
    OPTION_DETACH,
    OPTION_HELP,
    OPTION_IF_MATCH,
    OPTION_INPUT,
    OPTION_JSON,
    OPTION_JSON_INPUT,
    OPTION_LIMIT,
    OPTION_LISTEN,
    OPTION_METADATA,
    OPTION_NAME,
    OPTION_PARAM,
    OPTION_PRINT_CONFIG,
    OPTION_PRINT_CONFIG_DOCS,
    OPTION_REASON,
    OPTION_SERVER,
    OPTION_STATE,
    OPTION_TIMEOUT_MS,
    OPTION_WAIT,
    OPTION_COUNT
};

enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_NUMBER, /* decimal, 64 bits */
    OPTION_PAIR,   /* KEY=VALUE, may come again and again */
};

struct option_spec {
    const char *name; /* without the dashes; NULL ends a table */
    enum option_id id;
    enum option_kind kind;
    const char *value;   /* what help calls its value; NULL for a flag */
    const char *help;    /* one line */
    const char *choices; /* words between blanks, for completion; NULL: any */
};

enum { OPTIONS_MAX_PAIRS = 64, OPTIONS_MAX_ARGUMENTS = 3 };

struct option_pair {
    enum option_id id;
    struct str key, value;
};

struct options {
    bool given[OPTION_COUNT];
    const char *text[OPTION_COUNT]; /* of OPTION_TEXT */
    uint64_t number[OPTION_COUNT];  /* of OPTION_NUMBER */
    struct option_pair pairs[OPTIONS_MAX_PAIRS];
    uint32_t pair_count;
    const char *arguments[OPTIONS_MAX_ARGUMENTS];
    uint32_t argument_count;
};

struct command;

/* OK, or ERR_INVALID_REQUEST with a message for whoever typed it. With --help the arguments are not
 * counted. */
enum err options_parse(const struct command *command, int argc, char **argv, struct options *ret,
                       struct error *ret_error) MUST_CHECK;

/* The options of a command, one after the other: its own, then those that all commands take. NULL
 * behind the last. */
const struct option_spec *options_at(const struct command *command, uint32_t i);
#endif
