#ifndef SLUICE_MODEL_ITEM_LIST_H
#define SLUICE_MODEL_ITEM_LIST_H
/* The elements that a map goes over: its evaluated `over`, parsed once, so that each element is at
 * hand in constant time however many there are.
 *
 * Life: item_list_init, item_list_read once, cursors, item_list_fini. Owned by the map's task; one
 * thread. Holds the text, its tape (16 bytes a value) and 4 bytes an element. */
#include "base/json.h"

struct item_list {
    char *text; /* owned */
    size_t len;
    struct json_doc doc;
    uint32_t *at; /* tokens of the elements */
    uint32_t count;
};

void item_list_init(struct item_list *l);
void item_list_fini(struct item_list *l);

/* Takes `text` (from mem_alloc, `len` bytes) over in any case. OK; ERR_TEMPLATE_ERROR where it is
 * no array, or nested too deeply; ERR_LIMIT_EXCEEDED where it has more than `most` elements;
 * ERR_NOMEM. */
enum err item_list_read(struct item_list *l, char *text, size_t len, uint32_t most) MUST_CHECK;

/* What it holds of memory. */
size_t item_list_bytes(const struct item_list *l);

/* `index` < count. Lives as long as the list. */
struct json item_list_get(const struct item_list *l, uint32_t index);
#endif
