#ifndef SLUICE_PROVIDERS_ANTHROPIC_H
#define SLUICE_PROVIDERS_ANTHROPIC_H
/* The parts of the Messages API adapter: what goes out, what comes in. Private to
 * providers/anthropic*.c.
 *
 * The neutral form of a conversation is that of chat completions; it is translated block by block.
 * What is not known there passes untouched, so that a caller may also write Anthropic's own blocks,
 * tools and members. A stream is whole when `message_stop` has come. */
#include "providers/intake.h"
#include "providers/outlet.h"
#include "providers/tool_slots.h"

/* --- the request ------------------------------------------------------------------------------ */

/* Appends "system" (where there is any) and "messages" for a call, with a comma in front of each.
 * OK; ERR_BAD_REQUEST with the reason; ERR_INVALID_JSON, ERR_LIMIT, ERR_NOMEM. */
enum err anthropic_add_messages(struct buf *b, const struct call *call, struct json_doc *scratch,
                                struct error *ret_error) MUST_CHECK;

/* Appends the call's params, tools and stop words translated, with a comma in front of each.
 * `max_tokens`: where the call does not say. ERR_NOMEM. */
enum err anthropic_add_params(struct buf *b, const struct call *call,
                              uint32_t max_tokens) MUST_CHECK;

/* --- the answer: the calls are those of struct provider_kind ---------------------------------- */

struct anthropic_decoder {
    struct outlet out;
    struct intake intake;
    struct tool_slots tools; /* by the number of their content block */
    bool was_refused;
    bool is_done; /* message_stop has come */
};

void anthropic_decoder_init(struct decoder *d, const struct decoder_setup *setup);
void anthropic_decoder_fini(struct decoder *d);
void anthropic_decoder_begin(struct decoder *d, const struct answer_head *head);
bool anthropic_decoder_feed(struct decoder *d, const char *bytes, size_t len);
bool anthropic_decoder_is_complete(const struct decoder *d);
void anthropic_decoder_end(struct decoder *d, struct verdict *ret_verdict);
#endif
