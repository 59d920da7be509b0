#include "config/nearest.h"

#include <stdint.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Three rows of the table of distances between all beginnings of `a` and of `b`. */
struct rows {
    size_t before_last[NEAREST_MAX + 1];
    size_t last[NEAREST_MAX + 1];
    size_t now[NEAREST_MAX + 1];
};

static bool is_swapped(struct str a, size_t i, struct str b, size_t j)
{
    return i > 0 && j > 0 && a.at[i] == b.at[j - 1] && a.at[i - 1] == b.at[j];
}

static void fill_row(struct rows *r, struct str a, size_t i, struct str b)
{
    r->now[0] = i + 1;
    for (size_t j = 0; j < b.len; j++) {
        size_t replaced = r->last[j] + (a.at[i] != b.at[j]);
        size_t best = smaller(replaced, smaller(r->last[j + 1], r->now[j]) + 1);
        r->now[j + 1] = is_swapped(a, i, b, j) ? smaller(best, r->before_last[j - 1] + 1) : best;
    }
}

size_t nearest_distance(struct str a, struct str b)
{
    if (a.len > NEAREST_MAX || b.len > NEAREST_MAX)
        return SIZE_MAX;
    struct rows r = {.last = {0}};
    for (size_t j = 0; j <= b.len; j++)
        r.last[j] = j;
    for (size_t i = 0; i < a.len; i++) {
        fill_row(&r, a, i, b);
        memcpy(r.before_last, r.last, sizeof r.last);
        memcpy(r.last, r.now, sizeof r.now);
    }
    return r.last[b.len];
}

bool nearest_is_slip(struct str name, struct str known, size_t *ret_distance)
{
    size_t allowed = smaller(3, known.len < 6 ? 1 : known.len / 3);
    *ret_distance = nearest_distance(name, known);
    return *ret_distance <= allowed;
}
