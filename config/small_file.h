#ifndef SLUICE_CONFIG_SMALL_FILE_H
#define SLUICE_CONFIG_SMALL_FILE_H
/* Reading a small file whole: the configuration, a secret, what the kernel says of a cgroup.
 *
 * Blocks, so only at the start and for a reload. Any thread. */
#include <stddef.h>

#include "base/buf.h"

/* Appends what is in the file, pipes included. OK; ERR_IO with the reason in errno; ERR_LIMIT where
 * it does not fit into what `ret_bytes` may hold; ERR_NOMEM. */
enum err small_file_read(const char *path, struct buf *ret_bytes) MUST_CHECK;
#endif
