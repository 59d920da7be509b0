#ifndef SLUICE_PROVIDERS_HTTP_H
#define SLUICE_PROVIDERS_HTTP_H
/* The parts of the adapter for any HTTP/JSON API. Private to providers/http*.c; the calls of the
 * decoder are those of struct provider_kind.
 *
 * An answer is JSON (its value is the document, narrowed by a pointer), text, or a stream of events
 * or lines, each of which is a delta. Where the provider polls, a JSON answer may say that the work
 * goes on, and where; that is a handle: {"url":..,"cancel_url":..}. */
#include "providers/http_form.h"
#include "providers/intake.h"
#include "providers/outlet.h"

/* --- the request (providers/http_request.c) --------------------------------------------------- */

enum err http_kind_build(const struct provider *p, const struct call *call, uint32_t key,
                         struct buf *body, struct json_doc *scratch,
                         struct http_request *ret_request, struct error *ret_error);

/* --- work that goes on (providers/http_poll.c) ------------------------------------------------ */

enum poll_state { POLL_PENDING, POLL_DONE, POLL_FAILED };

/* What a document says about the work. */
enum poll_state http_poll_state(const struct http_poll *poll, struct json root);

/* Appends the handle that a document brings; what it does not say is taken from `before` (may be
 * empty). OK; ERR_PROVIDER_BAD_RESPONSE with the reason where it does not say where to ask, or
 * names another server: our credentials go to base_url alone. */
enum err http_poll_add_handle(struct buf *b, const struct provider *p, struct json root,
                              struct str before, struct error *ret_error) MUST_CHECK;

enum err http_kind_build_poll(const struct provider *p, struct str handle, enum poll_ask ask,
                              uint32_t key, struct buf *body, struct json_doc *scratch,
                              struct http_request *ret_request, struct error *ret_error);

/* --- the answer (providers/http_answer.c) ----------------------------------------------------- */

struct http_decoder {
    struct outlet out;
    struct intake intake; /* of JSON and of streams */
    const struct call *call;
    struct str before; /* the handle that was asked with; empty: none */
    struct buf handle; /* where the work goes on; empty: it does not */
    enum http_response form;
    int status;
    char tail[4]; /* of a text: the first bytes of a character */
    uint32_t tail_len;
    bool is_done; /* the stream's end mark has come */
};

void http_decoder_init(struct decoder *d, const struct decoder_setup *setup);
void http_decoder_fini(struct decoder *d);
void http_decoder_begin(struct decoder *d, const struct answer_head *head);
bool http_decoder_feed(struct decoder *d, const char *bytes, size_t len);
bool http_decoder_is_complete(const struct decoder *d);
void http_decoder_end(struct decoder *d, struct verdict *ret_verdict);
struct str http_decoder_handle(const struct decoder *d);
#endif
