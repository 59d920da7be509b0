#include "model/task_path.h"

void task_path_add(struct buf *b, struct str parent, uint64_t index)
{
    buf_add_str(b, parent);
    if (parent.len > 0)
        buf_add_char(b, '/');
    buf_add_u64(b, index);
}

bool task_path_next(struct str *path, uint32_t *ret_index)
{
    struct str rest = *path, first = str_cut(&rest, '/');
    uint64_t index;
    bool is_padded = first.len > 1 && first.at[0] == '0';
    bool is_open = rest.at != NULL && rest.len == 0; /* a slash with nothing behind it */
    if (is_padded || is_open || !str_to_u64(first, &index) || index > UINT32_MAX)
        return false;
    *path = rest;
    *ret_index = (uint32_t)index;
    return true;
}

bool task_path_parse(struct str text, struct str *ret)
{
    if (str_eq(text, STR("root"))) {
        *ret = STR("");
        return true;
    }
    struct str rest = text;
    uint32_t index;
    bool is_some = false;
    while (task_path_next(&rest, &index))
        is_some = true;
    if (!is_some || rest.len > 0)
        return false;
    *ret = text;
    return true;
}
