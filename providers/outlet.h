#ifndef SLUICE_PROVIDERS_OUTLET_H
#define SLUICE_PROVIDERS_OUTLET_H
/* What every decoder does the same way: reads documents, gives out deltas, and keeps the first
 * verdict.
 *
 * Embedded by a decoder. Life: outlet_init; then for each document outlet_open, any reads of its
 * values, outlet_close; outlet_finish at the end. Strings of a document live until its
 * outlet_close. Functions that say false mean that there is a verdict, and nothing more is wanted.
 */
#include "providers/provider.h"

struct outlet {
    struct decoder_sink sink;
    const struct provider *provider;
    struct json_doc *scratch;
    size_t max_bytes; /* of the strings of one document */
    struct arena arena;
    bool no_memory; /* for a string of the document at hand */
    bool has_verdict;
    struct verdict verdict;
};

void outlet_init(struct outlet *o, const struct decoder_setup *setup);

/* The first verdict stands. Always false. */
bool outlet_fail(struct outlet *o, enum err code, struct str message);
bool outlet_fail_error(struct outlet *o, struct json error); /* as the server has put it */
bool outlet_check_feed(struct outlet *o, enum err e);        /* of intake_feed */

/* An object, or there is a verdict; where it was opened it has to be closed. */
bool outlet_open(struct outlet *o, struct str text, struct json *ret_root);
bool outlet_close(struct outlet *o);

/* A string of the open document; STR_NONE if it is none. */
struct str outlet_text(struct outlet *o, struct json v);

bool outlet_give(struct outlet *o, const struct delta *delta);
bool outlet_give_text(struct outlet *o, enum delta_kind kind, struct json v); /* no text: nothing */

/* `is_whole`: the protocol's own end mark has come. */
void outlet_finish(struct outlet *o, bool is_whole, struct verdict *ret_verdict);

/* A count as servers report it; 0 where it is none. */
uint64_t outlet_count(struct json v);
#endif
