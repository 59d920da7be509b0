#ifndef SLUICE_TESTS_SUPPORT_TEMP_DIR_H
#define SLUICE_TESTS_SUPPORT_TEMP_DIR_H
/* A directory of a test's own, and files in it: below $TMPDIR, or in memory where that can be,
 * since nothing here pulls the plug, or below /tmp. */
enum { TEMP_PATH = 512 };

struct temp_dir {
    char path[TEMP_PATH / 2];
};

void temp_dir_make(struct temp_dir *d);
void temp_dir_remove(struct temp_dir *d); /* with the files in it */

/* "DIR/name", in `ret_path`, which is returned. */
const char *temp_dir_file(const struct temp_dir *d, const char *name, char ret_path[TEMP_PATH]);
#endif
