#ifndef SLUICE_TESTS_UNIT_CLI_CAPTURE_H
#define SLUICE_TESTS_UNIT_CLI_CAPTURE_H
/* A screen whose two descriptors are files in memory, to see what was written. */
#include <check.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/screen.h"

struct capture {
    struct screen screen;
    int out, err;
    char text[2][4096];
};

static inline void capture_start(struct capture *c)
{
    c->out = memfd_create("out", 0);
    c->err = memfd_create("err", 0);
    ck_assert_int_ge(c->out, 0);
    ck_assert_int_ge(c->err, 0);
    screen_init(&c->screen, c->out, c->err);
}

/* As if both were one terminal. */
static inline void capture_terminal(struct capture *c)
{
    c->screen.out_is_terminal = c->screen.err_is_terminal = c->screen.is_styled = true;
    c->screen.can_draw = true;
}

static inline const char *capture_read(int fd, char *text, size_t size)
{
    ssize_t n = pread(fd, text, size - 1, 0);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    return text;
}

static inline const char *capture_out(struct capture *c)
{
    ck_assert(screen_flush(&c->screen));
    return capture_read(c->out, c->text[0], sizeof c->text[0]);
}

static inline const char *capture_err(struct capture *c)
{
    ck_assert(screen_flush(&c->screen));
    return capture_read(c->err, c->text[1], sizeof c->text[1]);
}

static inline void capture_end(struct capture *c)
{
    screen_fini(&c->screen);
    close(c->out);
    close(c->err);
}
#endif
