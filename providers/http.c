/* Any HTTP/JSON API: the adapter's table, and which statuses are answers. */
#include "providers/http.h"

#include "providers/request.h"

static bool serves(struct str model)
{
    return model.len > 0;
}

static const char input_alone[] = "{\"method\":\"POST\",\"body\":\"{{input}}\"}";

/* What every call is made from that brings no request of its own. */
static enum err read_form(struct provider *p, struct error *ret_error)
{
    struct problem problem;
    struct json_doc doc;
    struct check c = {.problem = &problem, .arena = &p->arena};
    struct doc_path at = {.up = NULL};
    struct str text =
        p->options.http.request.at != NULL ? p->options.http.request : str_of(input_alone);
    struct http_form *form = arena_zalloc(&p->arena, sizeof *form);
    problem_init(&problem);
    json_doc_init(&doc);
    enum err e = form != NULL ? json_parse(&doc, text, NULL) : ERR_NOMEM;
    if (e != OK)
        error_set(ret_error, e, "request cannot be read");
    else if (!http_form_read(&c, json_root(&doc), &at, HTTP_FORM_TEMPLATE, form))
        e = error_set(ret_error, c.no_memory ? ERR_NOMEM : ERR_CONFIG, "request%s %s",
                      problem.fields[0].pointer, problem.fields[0].detail);
    p->form = form;
    json_doc_fini(&doc);
    return e;
}

static enum err prepare(struct provider *p, struct error *ret_error)
{
    if (p->options.base_url.at == NULL)
        return error_set(ret_error, ERR_CONFIG, "base_url must be there");
    enum err e = request_prepare(p, STR_NONE, STR(""), STR("Bearer "), ret_error);
    return e == OK ? read_form(p, ret_error) : e;
}

static bool accepts(const struct provider *p, int status)
{
    const struct http_codes *codes = &p->options.http.success;
    for (uint32_t i = 0; i < codes->count; i++) {
        if (codes->at[i] == (uint32_t)status)
            return true;
    }
    return codes->count == 0 && status >= 200 && status <= 299;
}

static void judge(const struct provider *p, int status, struct str body, struct json_doc *scratch,
                  struct verdict *ret_verdict)
{
    verdict_of_body(ret_verdict, p, body, scratch, status);
}

const struct provider_kind provider_http = {
    .name = "http",
    .serves = serves,
    .prepare = prepare,
    .build = http_kind_build,
    .accepts = accepts,
    .decoder_size = sizeof(struct http_decoder),
    .decoder_init = http_decoder_init,
    .decoder_fini = http_decoder_fini,
    .decoder_begin = http_decoder_begin,
    .decoder_feed = http_decoder_feed,
    .decoder_is_complete = http_decoder_is_complete,
    .decoder_end = http_decoder_end,
    .judge = judge,
    .decoder_handle = http_decoder_handle,
    .build_poll = http_kind_build_poll,
};
