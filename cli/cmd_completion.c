/* sluice completion: a script that teaches a shell the commands and their options, made from the
 * table. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

/* --- bash ------------------------------------------------------------------------------------- */

static void bash_command_names(void)
{
    const struct command *c;
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++)
        printf("%s%s", i > 0 ? " " : "", c->name);
}

static void bash_option_names(const struct command *c)
{
    const struct option_spec *o;
    for (uint32_t i = 0; (o = options_at(c, i)) != NULL; i++)
        printf("%s--%s", i > 0 ? " " : "", o->name);
}

static void bash_choices(const struct command *c)
{
    const struct option_spec *o;
    if (c->actions != NULL)
        printf("    '%s %s') words='%s' ;;\n", c->name, c->name, c->actions);
    for (uint32_t i = 0; (o = options_at(c, i)) != NULL; i++) {
        if (o->choices != NULL)
            printf("    '%s --%s') words='%s' ;;\n", c->name, o->name, o->choices);
    }
}

static void print_bash(void)
{
    const struct command *c;
    fputs("# bash completion for sluice:  source <(sluice completion bash)\n"
          "_sluice() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        words='",
          stdout);
    bash_command_names();
    fputs(" --help'\n"
          "    else\n"
          "        case $command in\n",
          stdout);
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++) {
        printf("        %s) [ \"${cur:0:1}\" = - ] && words='", c->name);
        bash_option_names(c);
        fputs("' ;;\n", stdout);
    }
    fputs("        esac\n"
          "    fi\n"
          "    case \"$command ${COMP_WORDS[COMP_CWORD-1]}\" in\n",
          stdout);
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++)
        bash_choices(c);
    fputs("    'help help') words='", stdout);
    bash_command_names();
    fputs("' ;;\n"
          "    esac\n"
          "    [ -n \"$words\" ] && COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "}\n"
          "complete -o default -F _sluice sluice\n",
          stdout);
}

/* --- zsh -------------------------------------------------------------------------------------- */

/* Text within single quotes, for _arguments and _describe: a colon or bracket would end a part of
 * it. */
static void zsh_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr(":[]\\", *text) != NULL)
            putchar('\\');
        if (*text == '\'')
            fputs("'\\'", stdout);
        putchar(*text);
    }
}

static void zsh_option(const struct option_spec *o)
{
    printf("            '%s--%s[", o->kind == OPTION_PAIR ? "*" : "", o->name);
    zsh_text(o->help);
    putchar(']');
    if (o->value != NULL) {
        printf(":%s:", o->value);
        if (o->choices != NULL)
            printf("(%s)", o->choices);
        else if (strcmp(o->value, "FILE") == 0)
            fputs("_files", stdout);
    }
    fputs("' \\\n", stdout);
}

static void zsh_command(const struct command *c)
{
    const struct option_spec *o;
    printf("    %s)\n        _arguments \\\n", c->name);
    for (uint32_t i = 0; (o = options_at(c, i)) != NULL; i++)
        zsh_option(o);
    if (c->actions != NULL)
        printf("            '1:what:(%s)' \\\n", c->actions);
    fputs("            '*:argument:_files'\n        ;;\n", stdout);
}

static void print_zsh(void)
{
    const struct command *c;
    fputs(
        "#compdef sluice\n"
        "# zsh completion for sluice:  sluice completion zsh > ~/.zfunc/_sluice  (a directory in $fpath)\n"
        "_sluice() {\n"
        "    local -a commands\n"
        "    commands=(\n",
        stdout);
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++) {
        printf("        '%s:", c->name);
        zsh_text(c->summary);
        fputs("'\n", stdout);
    }
    fputs("    )\n"
          "    if (( CURRENT == 2 )); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    local command=$words[2]\n"
          "    shift words\n"
          "    (( CURRENT-- ))\n"
          "    case $command in\n",
          stdout);
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++)
        zsh_command(c);
    fputs("    esac\n"
          "}\n"
          "if [ \"$funcstack[1]\" = _sluice ]; then\n"
          "    _sluice \"$@\"\n"
          "else\n"
          "    compdef _sluice sluice\n"
          "fi\n",
          stdout);
}

/* --- fish ------------------------------------------------------------------------------------- */

static void fish_quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void fish_options(const struct command *c)
{
    const struct option_spec *o;
    for (uint32_t i = 0; (o = options_at(c, i)) != NULL; i++) {
        printf("complete -c sluice -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
        if (o->kind != OPTION_FLAG)
            fputs(" -r", stdout);
        if (o->choices != NULL)
            printf(" -f -a '%s'", o->choices);
        fputs(" -d ", stdout);
        fish_quoted(o->help);
        putchar('\n');
    }
}

static void print_fish(void)
{
    const struct command *c;
    fputs(
        "# fish completion for sluice:  sluice completion fish > ~/.config/fish/completions/sluice.fish\n",
        stdout);
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++) {
        printf("complete -c sluice -n __fish_use_subcommand -f -a %s -d ", c->name);
        fish_quoted(c->summary);
        putchar('\n');
    }
    for (uint32_t i = 0; (c = command_at(i)) != NULL; i++) {
        fish_options(c);
        if (c->actions != NULL)
            printf("complete -c sluice -n '__fish_seen_subcommand_from %s' -a '%s'\n", c->name,
                   c->actions);
    }
}

/* --- the command ------------------------------------------------------------------------------ */

static const struct {
    const char *shell;
    void (*print)(void);
} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

static int run(const struct options *o)
{
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(o->arguments[0], shells[i].shell) != 0)
            continue;
        shells[i].print();
        return fflush(stdout) == 0 ? CLI_SUCCEEDED : CLI_FAILED;
    }
    fputs("sluice completion: bash, zsh and fish are known\n", stderr);
    return CLI_USAGE;
}

const struct command command_completion = {
    .name = "completion",
    .arguments = "bash|zsh|fish",
    .actions = "bash zsh fish",
    .summary = "print a script that completes this command line",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
