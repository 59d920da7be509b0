/* The answer of any HTTP API: JSON, text, events or lines. */
#include "providers/http.h"

static struct http_decoder *of(struct decoder *d)
{
    return (struct http_decoder *)(void *)d;
}

static const struct http_options *options(const struct http_decoder *d)
{
    return &d->out.provider->options.http;
}

static bool is_polled(const struct http_decoder *d)
{
    return options(d)->poll.every_ms > 0;
}

void http_decoder_init(struct decoder *d, const struct decoder_setup *setup)
{
    outlet_init(&of(d)->out, setup);
    of(d)->call = setup->call;
    of(d)->before = setup->handle;
    buf_init(&of(d)->handle, 65536);
}

void http_decoder_fini(struct decoder *d)
{
    intake_fini(&of(d)->intake);
    buf_fini(&of(d)->handle);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static bool take_value(struct http_decoder *d, struct json root)
{
    struct str pointer = d->call->result.at != NULL ? d->call->result : options(d)->result;
    struct json value = pointer.at != NULL ? json_pointer(root, pointer) : root;
    if (!json_exists(value))
        return outlet_fail(&d->out, ERR_INVALID_OUTPUT,
                           STR("result points at nothing in the answer"));
    enum err e = answer_set_json(d->out.sink.answer, value);
    return e == OK || outlet_check_feed(&d->out, e == ERR_NOMEM ? e : ERR_LIMIT);
}

static bool take_pending(struct http_decoder *d, struct json root)
{
    struct error error = {.message = ""};
    buf_clear(&d->handle);
    enum err e = http_poll_add_handle(&d->handle, d->out.provider, root, d->before, &error);
    return e == OK ||
           outlet_fail(&d->out, e == ERR_NOMEM ? ERR_LIMIT_EXCEEDED : e, str_of(error.message));
}

static bool take_state(struct http_decoder *d, struct json root)
{
    switch (http_poll_state(&options(d)->poll, root)) {
    case POLL_DONE: return take_value(d, root);
    case POLL_PENDING: return take_pending(d, root);
    case POLL_FAILED: break;
    }
    struct json error = verdict_find_error(root, true);
    outlet_fail_error(&d->out, error);
    if (d->out.verdict.message[0] == '\0')
        verdict_set(&d->out.verdict, d->out.provider, d->out.verdict.code,
                    STR("the provider says that the work has failed"));
    return false;
}

static bool take_document(struct http_decoder *d, struct str text)
{
    struct json root;
    /* no content is the value null; of work that goes on: nothing new */
    struct str body = str_trim(text).len > 0 ? text : STR("null");
    bool may_be_empty = d->status == 204 || d->status == 205 || is_polled(d);
    if (body.at != text.at && !may_be_empty)
        return outlet_fail(&d->out, ERR_PROVIDER_BAD_RESPONSE, STR("the answer is empty"));
    if (!outlet_open(&d->out, body, &root))
        return false;
    bool goes_on = is_polled(d) ? take_state(d, root) : take_value(d, root);
    return outlet_close(&d->out) && goes_on;
}

/* --- streams ---------------------------------------------------------------------------------- */

/* Without a pointer an event is a line of text. */
static bool take_line(struct http_decoder *d, struct str data)
{
    struct buf line;
    buf_init(&line, data.len + 1);
    buf_add_str(&line, data);
    buf_add_char(&line, '\n');
    bool goes_on =
        buf_ok(&line) == OK
            ? outlet_give(&d->out, &(struct delta){.kind = DELTA_TEXT, .text = buf_str(&line)})
            : outlet_check_feed(&d->out, ERR_NOMEM);
    buf_fini(&line);
    return goes_on;
}

static bool take_pointed(struct http_decoder *d, struct json root)
{
    struct json error = verdict_find_error(root, false);
    struct json v = json_pointer(root, options(d)->delta);
    if (json_exists(error))
        return outlet_fail_error(&d->out, error);
    if (json_is(v, JSON_STRING) || !json_exists(v) || json_is(v, JSON_NULL))
        return outlet_give_text(&d->out, DELTA_TEXT, v);
    return outlet_give(&d->out, &(struct delta){.kind = DELTA_TEXT, .text = json_raw(v)});
}

static bool take_event(struct http_decoder *d, struct str data)
{
    struct json root;
    if (options(d)->end.at != NULL && str_eq(data, options(d)->end)) {
        d->is_done = true;
        return false;
    }
    if (options(d)->delta.at == NULL)
        return take_line(d, data);
    if (!outlet_open(&d->out, data, &root))
        return false;
    bool goes_on = take_pointed(d, root);
    return outlet_close(&d->out) && goes_on;
}

static bool on_piece(void *ctx, struct str type, struct str data)
{
    struct http_decoder *d = ctx;
    (void)type;
    return d->form == HTTP_JSON ? take_document(d, data) : take_event(d, data);
}

/* --- text ------------------------------------------------------------------------------------- */

/* Where the last, unfinished character begins; the length if it is whole. */
static size_t whole_characters(const char *text, size_t len)
{
    size_t at = len;
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        uint8_t c = (uint8_t)text[len - back];
        size_t needs = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 0;
        if (needs > back)
            at = len - back;
        if (c < 0x80 || c >= 0xC0)
            break;
    }
    return at;
}

static bool give(struct http_decoder *d, const char *text, size_t len)
{
    if (len == 0)
        return true;
    return outlet_give(&d->out, &(struct delta){.kind = DELTA_TEXT, .text = {text, len}});
}

/* Whole characters only: what is cut waits for its rest. */
static bool feed_text(struct http_decoder *d, const char *bytes, size_t len)
{
    while (d->tail_len > 0 && len > 0) {
        d->tail[d->tail_len++] = *bytes++;
        len--;
        size_t whole = whole_characters(d->tail, d->tail_len);
        if (whole < d->tail_len && d->tail_len < sizeof d->tail)
            continue;
        size_t n = d->tail_len;
        d->tail_len = 0;
        if (!give(d, d->tail, n))
            return false;
    }
    size_t whole = whole_characters(bytes, len);
    if (len > whole)
        memcpy(d->tail, bytes + whole, len - whole);
    if (len > 0)
        d->tail_len = (uint32_t)(len - whole);
    return give(d, bytes, whole);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static bool is_json_type(struct str content_type)
{
    return content_type.len > 0 && memmem(content_type.at, content_type.len, "json", 4) != NULL;
}

static enum http_response form_of(const struct http_decoder *d, struct str content_type)
{
    enum http_response form = (enum http_response)options(d)->response;
    if (is_polled(d))
        return HTTP_JSON;
    if (form != HTTP_AUTO)
        return form;
    switch (intake_form_of(content_type)) {
    case INTAKE_SSE: return HTTP_SSE;
    case INTAKE_NDJSON: return HTTP_NDJSON;
    case INTAKE_DOCUMENT: break;
    }
    bool is_empty = d->status == 204 || d->status == 205;
    return is_json_type(content_type) || is_empty ? HTTP_JSON : HTTP_TEXT;
}

void http_decoder_begin(struct decoder *d, const struct answer_head *head)
{
    struct http_decoder *h = of(d);
    h->status = head->status;
    h->form = form_of(h, head->content_type);
    if (h->form == HTTP_TEXT)
        return;
    enum intake_form form = h->form == HTTP_SSE      ? INTAKE_SSE
                            : h->form == HTTP_NDJSON ? INTAKE_NDJSON
                                                     : INTAKE_DOCUMENT;
    intake_open(&h->intake, form, h->out.max_bytes, on_piece, d);
}

bool http_decoder_feed(struct decoder *d, const char *bytes, size_t len)
{
    struct http_decoder *h = of(d);
    if (h->form == HTTP_TEXT)
        return feed_text(h, bytes, len);
    return outlet_check_feed(&h->out, intake_feed(&h->intake, bytes, len));
}

/* Without an end mark of its own a stream ends with its body. */
bool http_decoder_is_complete(const struct decoder *d)
{
    return ((const struct http_decoder *)(const void *)d)->is_done;
}

static void end_text(struct http_decoder *d)
{
    struct str pointer = d->call->result.at != NULL ? d->call->result : options(d)->result;
    size_t n = d->tail_len;
    d->tail_len = 0;
    if (pointer.len > 0)
        outlet_fail(&d->out, ERR_INVALID_OUTPUT,
                    STR("the answer is text: result points at nothing"));
    else
        give(d, d->tail, n);
}

void http_decoder_end(struct decoder *d, struct verdict *ret_verdict)
{
    struct http_decoder *h = of(d);
    bool is_stream = h->form == HTTP_SSE || h->form == HTTP_NDJSON;
    if (h->form == HTTP_TEXT && !h->out.has_verdict)
        end_text(h);
    else if (!h->out.has_verdict)
        intake_end(&h->intake);
    bool is_whole = !is_stream || h->is_done || options(h)->end.at == NULL;
    outlet_finish(&h->out, is_whole, ret_verdict);
}

struct str http_decoder_handle(const struct decoder *d)
{
    return buf_str(&((const struct http_decoder *)(const void *)d)->handle);
}
