#include "cli/restore.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { TEXT_BYTES = 32 };

/* What the handler writes stays whole while the next one is made: there are two of them. */
static char texts[2][TEXT_BYTES];
static const char *_Atomic armed; /* NULL: nothing is drawn */
static volatile sig_atomic_t terminal, used;
static bool is_set;
static unsigned turn; /* whose text is next */

void restore_now(void)
{
    const char *text = atomic_exchange(&armed, NULL);
    size_t len = 0;
    while (text != NULL && text[len] != '\0')
        len++;
    if (len == 0)
        return;
    used = 1;
    ssize_t n = write(terminal, text, len);
    (void)n; /* a terminal that is gone needs no cursor */
}

static void on_end(int number)
{
    restore_now();
    signal(number, SIG_DFL);
    raise(number); /* comes when this handler has returned */
}

static void on_stop(int number)
{
    int saved = errno;
    (void)number;
    restore_now();
    raise(SIGSTOP);
    errno = saved;
}

/* A signal that is ignored, as by nohup, stays so. */
static void take(int number, void (*handler)(int))
{
    struct sigaction old, action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        sigaction(number, &action, NULL);
}

static void take_signals(void)
{
    is_set = true;
    take(SIGTERM, on_end);
    take(SIGHUP, on_end);
    take(SIGQUIT, on_end);
    take(SIGTSTP, on_stop);
}

void restore_arm(int fd, uint32_t rows)
{
    if (!is_set)
        take_signals();
    if (rows == 0) {
        restore_disarm();
        return;
    }
    char *text = texts[turn++ % 2];
    if (rows > 1)
        snprintf(text, TEXT_BYTES, "\x1B[%uB\r\n", (unsigned)(rows - 1));
    else
        snprintf(text, TEXT_BYTES, "\r\n");
    terminal = fd;
    atomic_store(&armed, text);
}

void restore_disarm(void)
{
    atomic_store(&armed, NULL);
}

bool restore_was_used(void)
{
    bool was = used != 0;
    used = 0;
    return was;
}
