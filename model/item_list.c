#include "model/item_list.h"

#include <assert.h>

#include "base/mem.h"

void item_list_init(struct item_list *l)
{
    *l = (struct item_list){.text = NULL};
    json_doc_init(&l->doc);
}

void item_list_fini(struct item_list *l)
{
    json_doc_fini(&l->doc);
    mem_free(l->text);
    mem_free(l->at);
    item_list_init(l);
}

static enum err find_elements(struct item_list *l, uint32_t most)
{
    struct json array = json_root(&l->doc);
    if (!json_is(array, JSON_ARRAY))
        return ERR_TEMPLATE_ERROR;
    uint32_t count = json_count(array);
    if (count > most)
        return ERR_LIMIT_EXCEEDED;
    l->at = mem_alloc((count + (size_t)1) * sizeof *l->at);
    if (l->at == NULL)
        return ERR_NOMEM;
    for (struct json e = json_first(array); json_exists(e); e = json_next(array, e))
        l->at[l->count++] = e.at;
    return OK;
}

enum err item_list_read(struct item_list *l, char *text, size_t len, uint32_t most)
{
    assert(l->text == NULL);
    l->text = text;
    l->len = len;
    enum err e = json_parse(&l->doc, (struct str){text, len}, NULL);
    if (e == ERR_NOMEM)
        return e;
    return e == OK ? find_elements(l, most) : ERR_TEMPLATE_ERROR;
}

size_t item_list_bytes(const struct item_list *l)
{
    return l->len + l->doc.cap * sizeof *l->doc.tokens + l->count * sizeof *l->at;
}

struct json item_list_get(const struct item_list *l, uint32_t index)
{
    assert(index < l->count);
    return (struct json){&l->doc, l->at[index]};
}
