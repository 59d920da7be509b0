#include "server/descriptors.h"

#include <sys/resource.h>

#include "base/err.h"

enum { KEPT_FDS = 256 }; /* for the database, logs, look-ups: not for connections */

uint32_t descriptors_allow(uint32_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    limit.rlim_cur = limit.rlim_max;
    IGNORE_RESULT(setrlimit(RLIMIT_NOFILE, &limit) != 0); /* what there is is read again next */
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return wanted;
    uint64_t allowed =
        limit.rlim_cur > (rlim_t)2 * KEPT_FDS ? (limit.rlim_cur - KEPT_FDS) / 2 : KEPT_FDS / 4;
    return allowed < wanted ? (uint32_t)allowed : wanted;
}
