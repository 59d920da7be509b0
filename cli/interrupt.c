#include "cli/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/restore.h"

enum { TOO_MANY = 3 };

static int event_fd = -1;
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    int saved = errno;
    const uint64_t one = 1;
    (void)number;
    caught = caught + 1;
    if (caught >= TOO_MANY) {
        restore_now();
        _exit(CLI_LEFT);
    }
    ssize_t n = write(event_fd, &one, sizeof one);
    (void)n; /* a counter that is full is readable, which is all that is wanted */
    errno = saved;
}

enum err interrupt_catch(void)
{
    struct sigaction action = {.sa_handler =
                                   on_signal}; /* no SA_RESTART: a blocked write is to return */
    event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event_fd < 0)
        return ERR_IO;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGINT, &action, NULL) == 0 ? OK : ERR_IO;
}

int interrupt_fd(void)
{
    return event_fd;
}

uint32_t interrupt_take(void)
{
    uint64_t n = 0;
    if (event_fd < 0 || read(event_fd, &n, sizeof n) != (ssize_t)sizeof n)
        return 0;
    return (uint32_t)n;
}
