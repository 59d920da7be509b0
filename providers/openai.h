#ifndef SLUICE_PROVIDERS_OPENAI_H
#define SLUICE_PROVIDERS_OPENAI_H
/* The decoder of chat completions: SSE chunks, or one JSON document, become deltas.
 *
 * A stream is whole when `data: [DONE]` has come, a document when it is one JSON value with a
 * message in it. A refusal is gathered, and fails the call at its end. Private to
 * providers/openai*.c; the calls are those of struct provider_kind. */
#include "providers/intake.h"
#include "providers/outlet.h"
#include "providers/tool_slots.h"

enum { OPENAI_REFUSAL_MAX = 4096 };

struct openai_decoder {
    struct outlet out;
    struct intake intake;
    struct tool_slots tools;
    struct buf refusal; /* as much of it as fits: for a person */
    bool was_refused;
    bool is_done; /* the end mark has come */
};

void openai_decoder_init(struct decoder *d, const struct decoder_setup *setup);
void openai_decoder_fini(struct decoder *d);
void openai_decoder_begin(struct decoder *d, const struct answer_head *head);
bool openai_decoder_feed(struct decoder *d, const char *bytes, size_t len);
bool openai_decoder_is_complete(const struct decoder *d);
void openai_decoder_end(struct decoder *d, struct verdict *ret_verdict);
#endif
