#include "tests/support/set_clock.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_llong ahead_s;

void set_clock_ahead(int64_t ms)
{
    atomic_store(&ahead_s, ms / 1000);
}

int clock_gettime(clockid_t id, struct timespec *ret_time)
{
    long rc = syscall(SYS_clock_gettime, id, ret_time);
    if (rc == 0 && id == CLOCK_REALTIME)
        ret_time->tv_sec += (time_t)atomic_load(&ahead_s);
    return (int)rc;
}
