#include "tests/support/temp_dir.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void temp_dir_make(struct temp_dir *d)
{
    const char *base = getenv("TMPDIR");
    if (base == NULL)
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(d->path, sizeof d->path, "%s/sluice-unit-XXXXXX", base);
    ck_assert_ptr_nonnull(mkdtemp(d->path));
}

void temp_dir_remove(struct temp_dir *d)
{
    DIR *dir = opendir(d->path);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[TEMP_PATH];
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlink(temp_dir_file(d, entry->d_name, path));
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(d->path);
}

const char *temp_dir_file(const struct temp_dir *d, const char *name, char ret_path[TEMP_PATH])
{
    int n = snprintf(ret_path, TEMP_PATH, "%s/%s", d->path, name);
    ck_assert(n > 0 && n < TEMP_PATH);
    return ret_path;
}
