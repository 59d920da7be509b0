#ifndef SLUICE_TESTS_UNIT_CONFIG_SUPPORT_H
#define SLUICE_TESTS_UNIT_CONFIG_SUPPORT_H
/* A configuration from a text, through a real file of a fixed name, in a folder of its own. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"

static char support_root[4096]; /* where the tests were started */
static char support_dir[32];
static struct buf support_report;

/* Before each test: an empty folder to work in, so that messages begin with "c.json". */
static inline void support_set_up(void)
{
    ck_assert_ptr_nonnull(getcwd(support_root, sizeof support_root));
    strcpy(support_dir, "/tmp/sluice-config-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(support_dir));
    ck_assert_int_eq(chdir(support_dir), 0);
    buf_init(&support_report, 1 << 20);
}

static inline void support_tear_down(void)
{
    buf_fini(&support_report);
    ck_assert_int_eq(mem_live(), 0);
    ck_assert_int_eq(chdir(support_root), 0);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", support_dir);
    ck_assert_int_eq(system(command), 0);
}

static inline void support_write(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    ck_assert_int_eq(fclose(f), 0);
}

/* What the last load had to say. */
static inline const char *support_said(void)
{
    buf_add_char(&support_report, '\0');
    ck_assert_int_eq(buf_ok(&support_report), OK);
    support_report.len--;
    return support_report.data;
}

static inline enum err support_try(const char *text, struct config **ret)
{
    support_write("c.json", text);
    buf_clear(&support_report);
    return config_load("c.json", NULL, ret, &support_report);
}

static inline struct config *support_load(const char *text)
{
    struct config *c = NULL;
    enum err e = support_try(text, &c);
    ck_assert_msg(e == OK, "%s\n%s", text, support_said());
    ck_assert_uint_eq(support_report.len, 0);
    return c;
}

/* The text is refused, with exactly these lines. */
static inline void support_refuses(const char *text, const char *lines)
{
    struct config *c = NULL;
    ck_assert_msg(support_try(text, &c) == ERR_CONFIG, "%s", text);
    ck_assert_ptr_null(c);
    ck_assert_str_eq(support_said(), lines);
}

/* Each row: a text, and the one line that refuses it. */
struct support_refusal {
    const char *text, *line;
};

static inline void support_refuses_all(const struct support_refusal *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char expected[1024];
        snprintf(expected, sizeof expected, "%s\n", rows[i].line);
        support_refuses(rows[i].text, expected);
    }
}

/* The text is refused with one line, for the place at which a ^ is put into it here. */
static inline void support_refuses_at(const char *marked, const char *message)
{
    const char *mark = strchr(marked, '^');
    ck_assert_msg(mark != NULL, "%s", marked);
    char *text = strdup(marked), expected[1024];
    size_t offset = (size_t)(mark - marked);
    memmove(text + offset, text + offset + 1, strlen(mark));
    struct json_fault place = json_fault_at(str_of(text), offset, NULL);
    snprintf(expected, sizeof expected, "c.json:%u:%u: %s\n", (unsigned)place.line,
             (unsigned)place.column, message);
    support_refuses(text, expected);
    free(text);
}

static inline void support_refuses_all_at(const struct support_refusal *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        support_refuses_at(rows[i].text, rows[i].line);
}

static inline struct str support_print(const struct config *c, struct buf *out)
{
    buf_init(out, 1 << 20);
    ck_assert_int_eq(config_print(c, out), OK);
    return buf_str(out);
}
#endif
