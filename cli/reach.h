#ifndef SLUICE_CLI_REACH_H
#define SLUICE_CLI_REACH_H
/* Does a gateway answer there? For `sluice doctor`. Blocks for some seconds at most. */
#include "base/err.h"

/* `server` as --server takes it. OK: it answers and is ready. ERR_IO: nobody answers. ERR_DRAINING:
 * somebody does, and says something else; `ret_error` says what. */
enum err cli_reach(const char *server, struct error *ret_error) MUST_CHECK;
#endif
