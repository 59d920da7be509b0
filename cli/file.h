#ifndef SLUICE_CLI_FILE_H
#define SLUICE_CLI_FILE_H
/* Reading a file, or standard input, whole. Stateless. */
#include "base/buf.h"

/* Appends what is in `path` ("-": standard input) to `b`, whose cap bounds it. ERR_INVALID_REQUEST
 * with a message that names the file; ERR_NOMEM. */
enum err file_read(const char *path, struct buf *b, struct error *ret_error) MUST_CHECK;
#endif
