#include "cli/options.h"

#include "cli/command.h"

static const struct option_spec common_options[] = {
    {"server", OPTION_SERVER, OPTION_TEXT, "URL",
     "the gateway: http://HOST:PORT or unix:/PATH (default: SLUICE_URL)", NULL},
    {"help", OPTION_HELP, OPTION_FLAG, NULL, "print this help", NULL},
};

enum { COMMON_COUNT = sizeof common_options / sizeof common_options[0] };

const struct option_spec *options_at(const struct command *command, uint32_t i)
{
    uint32_t own = 0;
    while (command->options != NULL && command->options[own].name != NULL)
        own++;
    if (i < own)
        return &command->options[i];
    uint32_t common = i - own + (command->asks_server ? 0 : 1);
    return common < COMMON_COUNT ? &common_options[common] : NULL;
}

static const struct option_spec *find(const struct command *command, struct str name)
{
    const struct option_spec *o;
    for (uint32_t i = 0; (o = options_at(command, i)) != NULL; i++) {
        if (str_eq(str_of(o->name), name))
            return o;
    }
    return NULL;
}

static enum err take_pair(struct options *ret, const struct option_spec *o, const char *value,
                          struct error *ret_error)
{
    struct str v = str_of(value), key = str_cut(&v, '=');
    if (v.at == NULL || key.len == 0)
        return error_set(ret_error, ERR_INVALID_REQUEST, "--%s wants %s, not \"%s\"", o->name,
                         o->value, value);
    if (ret->pair_count == OPTIONS_MAX_PAIRS)
        return error_set(ret_error, ERR_INVALID_REQUEST, "there are more than %d pairs",
                         OPTIONS_MAX_PAIRS);
    ret->pairs[ret->pair_count++] = (struct option_pair){o->id, key, v};
    return OK;
}

static enum err take_value(struct options *ret, const struct option_spec *o, const char *value,
                           struct error *ret_error)
{
    if (o->kind == OPTION_PAIR)
        return take_pair(ret, o, value, ret_error);
    if (o->kind == OPTION_NUMBER && !str_to_u64(str_of(value), &ret->number[o->id]))
        return error_set(ret_error, ERR_INVALID_REQUEST, "--%s wants a number, not \"%s\"", o->name,
                         value);
    ret->text[o->id] = value;
    return OK;
}

/* `word` begins with two dashes. Moves `*i` over the value where that is a word of its own. */
static enum err take_option(const struct command *command, int argc, char **argv, int *i,
                            struct options *ret, struct error *ret_error)
{
    struct str value = {argv[*i] + 2, strlen(argv[*i] + 2)}, name = str_cut(&value, '=');
    const struct option_spec *o = find(command, name);
    if (o == NULL)
        return error_set(ret_error, ERR_INVALID_REQUEST, "there is no option --%.*s",
                         STR_ARG(name));
    ret->given[o->id] = true;
    if (o->kind == OPTION_FLAG) {
        if (value.at == NULL)
            return OK;
        return error_set(ret_error, ERR_INVALID_REQUEST, "--%s takes no value", o->name);
    }
    if (value.at != NULL)
        return take_value(ret, o, value.at, ret_error);
    if (*i + 1 == argc)
        return error_set(ret_error, ERR_INVALID_REQUEST, "--%s wants %s", o->name, o->value);
    return take_value(ret, o, argv[++*i], ret_error);
}

static enum err take_argument(const struct command *command, const char *word, struct options *ret,
                              struct error *ret_error)
{
    if (ret->argument_count == command->max_arguments)
        return error_set(ret_error, ERR_INVALID_REQUEST, "\"%s\" is one argument too many", word);
    ret->arguments[ret->argument_count++] = word;
    return OK;
}

static enum err check_count(const struct command *command, const struct options *o,
                            struct error *ret_error)
{
    if (o->given[OPTION_HELP] || o->argument_count >= command->min_arguments)
        return OK;
    return error_set(ret_error, ERR_INVALID_REQUEST, "it wants %s", command->arguments);
}

enum err options_parse(const struct command *command, int argc, char **argv, struct options *ret,
                       struct error *ret_error)
{
    bool only_arguments = false;
    enum err e = OK;
    *ret = (struct options){.pair_count = 0};
    for (int i = 0; i < argc && e == OK; i++) {
        const char *word = argv[i];
        if (only_arguments || word[0] != '-' || word[1] == '\0')
            e = take_argument(command, word, ret, ret_error);
        else if (strcmp(word, "--") == 0)
            only_arguments = true;
        else if (strcmp(word, "-h") == 0)
            ret->given[OPTION_HELP] = true;
        else if (word[1] == '-')
            e = take_option(command, argc, argv, &i, ret, ret_error);
        else
            e = error_set(ret_error, ERR_INVALID_REQUEST, "there is no option %s", word);
    }
    return e == OK ? check_count(command, ret, ret_error) : e;
}
