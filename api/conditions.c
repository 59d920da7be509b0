#include "api/conditions.h"

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == ',';
}

/* Takes the next entity tag off the list, without its quotes. False: there is none, or what stands
 * there is no tag. */
static bool take_tag(struct str *list, struct str *ret_tag, bool *ret_weak)
{
    while (list->len > 0 && is_between(list->at[0]))
        *list = (struct str){list->at + 1, list->len - 1};
    *ret_weak = str_starts(*list, STR("W/"));
    if (*ret_weak)
        *list = (struct str){list->at + 2, list->len - 2};
    if (list->len == 0 || list->at[0] != '"')
        return false;
    *list = (struct str){list->at + 1, list->len - 1};
    size_t whole = list->len;
    *ret_tag = str_cut(list, '"');
    return ret_tag->len < whole; /* it was closed */
}

static bool is_version(struct str tag, int64_t version)
{
    uint64_t n;
    return tag.len > 0 && tag.at[0] != '0' && str_to_u64(tag, &n) && n == (uint64_t)version;
}

static bool names(struct str list, int64_t version, bool weakly)
{
    struct str tag;
    bool weak;
    if (version == 0)
        return false;
    if (str_eq(str_trim(list), STR("*")))
        return true;
    while (take_tag(&list, &tag, &weak)) {
        if ((weakly || !weak) && is_version(tag, version))
            return true;
    }
    return false;
}

bool conditions_match(const struct conditions *c, int64_t version)
{
    return c->if_match.at == NULL || names(c->if_match, version, false);
}

bool conditions_none_match(const struct conditions *c, int64_t version)
{
    return c->if_none_match.at == NULL || !names(c->if_none_match, version, true);
}
