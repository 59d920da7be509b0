#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 65536 };

static enum err read_all(int fd, struct buf *b)
{
    for (;;) {
        char *at = buf_reserve(b, PIECE);
        if (at == NULL)
            return buf_ok(b);
        ssize_t n = read(fd, at, PIECE);
        if (n == 0)
            return OK;
        if (n > 0)
            buf_added(b, (size_t)n);
        else if (errno != EINTR)
            return ERR_IO;
    }
}

static enum err explain(enum err e, const char *name, struct error *ret_error)
{
    switch (e) {
    case OK: return OK;
    case ERR_LIMIT: return error_set(ret_error, ERR_INVALID_REQUEST, "%s is too large", name);
    case ERR_IO: return error_set(ret_error, ERR_INVALID_REQUEST, "%s: %s", name, strerror(errno));
    default: return error_set(ret_error, e, "out of memory");
    }
}

enum err file_read(const char *path, struct buf *b, struct error *ret_error)
{
    if (strcmp(path, "-") == 0)
        return explain(read_all(STDIN_FILENO, b), "standard input", ret_error);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return explain(ERR_IO, path, ret_error);
    enum err e = explain(read_all(fd, b), path, ret_error);
    close(fd);
    return e;
}
