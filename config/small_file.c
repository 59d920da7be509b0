#include "config/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CHUNK = 4096 };

static enum err read_all(int fd, struct buf *b)
{
    for (;;) {
        char chunk[CHUNK];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (n == 0)
            return buf_ok(b);
        buf_add(b, chunk, (size_t)n);
        if (b->failed)
            return buf_ok(b);
    }
}

enum err small_file_read(const char *path, struct buf *ret_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    enum err e = read_all(fd, ret_bytes);
    int saved = errno;
    close(fd); /* nothing was written: its result says nothing */
    errno = saved;
    return e;
}
