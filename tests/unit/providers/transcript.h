#ifndef SLUICE_TESTS_UNIT_PROVIDERS_TRANSCRIPT_H
#define SLUICE_TESTS_UNIT_PROVIDERS_TRANSCRIPT_H
/* What an adapter makes of a recorded answer, as text, however its bytes are cut:
 *
 *     {"text":"Hel"}
 *     {"text":"lo"}
 *     ok stop 12/2            or: provider_error: message  (final)
 *
 * and what it makes of a call. One provider at a time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "providers/provider.h"

static struct provider *transcript_provider;
static struct call transcript_call;

static inline void transcript_use(const struct provider_options *options)
{
    struct error error = {.message = ""};
    ck_assert_msg(provider_create(options, &transcript_provider, &error) == OK, "%s",
                  error.message);
    transcript_call = (struct call){.model = STR("m"), .input = STR("\"hi\"")};
}

static inline void transcript_drop(void)
{
    provider_destroy(transcript_provider);
    transcript_provider = NULL;
    ck_assert_int_eq(mem_live(), 0);
}

struct transcript_log {
    struct buf text;
    struct answer answer;
    unsigned deltas, stop_after; /* 0: never */
};

static inline bool transcript_on_delta(void *ctx, const struct delta *delta)
{
    struct transcript_log *l = ctx;
    delta_write(&l->text, delta);
    buf_add_char(&l->text, '\n');
    return answer_add(&l->answer, delta) == OK && ++l->deltas != l->stop_after;
}

static inline void transcript_add_verdict(struct transcript_log *l, const struct verdict *v)
{
    const struct answer *a = &l->answer;
    if (v->code != OK) {
        buf_addf(&l->text, "%s: %s%s", err_code(v->code), v->message,
                 v->is_final ? " (final)"
                 : v->passes ? " (passes)"
                             : "");
        return;
    }
    buf_addf(&l->text, "ok %s %llu/%llu", a->finish_reason,
             (unsigned long long)a->usage.input_tokens, (unsigned long long)a->usage.output_tokens);
}

static inline struct decoder *transcript_decoder(struct transcript_log *l, struct json_doc *scratch,
                                                 size_t max_bytes)
{
    const struct provider_kind *kind = transcript_provider->kind;
    struct decoder_setup setup = {
        .provider = transcript_provider,
        .call = &transcript_call,
        .sink = {.ctx = l, .on_delta = transcript_on_delta, .answer = &l->answer},
        .scratch = scratch,
        .max_bytes = max_bytes};
    struct decoder *d = calloc(1, kind->decoder_size);
    ck_assert_ptr_nonnull(d);
    kind->decoder_init(d, &setup);
    return d;
}

/* In steps of `step` bytes, or in two where `cut` says; each piece in a block of exactly its size.
 */
static inline void transcript_feed(struct decoder *d, struct str body, size_t cut, size_t step)
{
    const struct provider_kind *kind = transcript_provider->kind;
    bool goes_on = true;
    for (size_t at = 0; at < body.len && goes_on;) {
        size_t n = step > 0 ? step : at < cut ? cut : body.len - at;
        n = n < body.len - at ? n : body.len - at;
        char *copy = malloc(n);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, body.at + at, n);
        goes_on = kind->decoder_feed(d, copy, n);
        memset(copy, '#', n);
        free(copy);
        at += n;
    }
}

struct transcript {
    const char *content_type;
    struct str body;
    int status;          /* 0: 200 */
    unsigned stop_after; /* deltas */
    size_t max_bytes;    /* 0: plenty */
};

/* The caller frees it. */
static inline char *transcript_run(const struct transcript *t, size_t cut, size_t step)
{
    const struct provider_kind *kind = transcript_provider->kind;
    struct transcript_log l = {.stop_after = t->stop_after};
    struct json_doc scratch;
    struct verdict v;
    json_doc_init(&scratch);
    buf_init(&l.text, 1 << 24);
    answer_init(&l.answer, t->max_bytes > 0 ? t->max_bytes : 1 << 20);
    struct decoder *d = transcript_decoder(&l, &scratch, t->max_bytes > 0 ? t->max_bytes : 1 << 20);
    kind->decoder_begin(d, &(struct answer_head){.status = t->status != 0 ? t->status : 200,
                                                 .content_type = str_of(t->content_type)});
    transcript_feed(d, t->body, cut, step);
    kind->decoder_end(d, &v);
    transcript_add_verdict(&l, &v);
    if (v.code == OK && l.answer.tool_call_count > 0) {
        buf_add_char(&l.text, '\n');
        answer_write_message(&l.text, &l.answer);
    }
    buf_add_char(&l.text, '\0');
    ck_assert_int_eq(buf_ok(&l.text), OK);
    char *text = strdup(l.text.data);
    kind->decoder_fini(d);
    free(d);
    answer_fini(&l.answer);
    buf_fini(&l.text);
    json_doc_fini(&scratch);
    return text;
}

static inline void transcript_is(const struct transcript *t, const char *expected, size_t cut,
                                 size_t step)
{
    char *text = transcript_run(t, cut, step);
    ck_assert_msg(strcmp(text, expected) == 0, "cut at %zu, in steps of %zu:\n%s\nnot\n%s", cut,
                  step, text, expected);
    free(text);
}

/* Whole, split at each byte, and byte by byte. */
static inline void transcript_gives(const struct transcript *t, const char *expected)
{
    for (size_t cut = 0; cut <= t->body.len; cut++)
        transcript_is(t, expected, cut, 0);
    transcript_is(t, expected, 0, 1);
    transcript_is(t, expected, 0, 7);
}

static inline void transcript_stream_gives(const char *body, const char *expected)
{
    transcript_gives(
        &(struct transcript){.content_type = "text/event-stream", .body = str_of(body)}, expected);
}

static inline void transcript_document_gives(const char *body, const char *expected)
{
    transcript_gives(&(struct transcript){.content_type = "application/json", .body = str_of(body)},
                     expected);
}

/* What a status that is no success means: "code: message (final)". */
static inline void transcript_failure_gives(int status, const char *body, const char *expected)
{
    struct transcript_log l = {.deltas = 0};
    struct json_doc scratch;
    struct verdict v;
    json_doc_init(&scratch);
    buf_init(&l.text, 4096);
    transcript_provider->kind->judge(transcript_provider, status, str_of(body), &scratch, &v);
    transcript_add_verdict(&l, &v);
    buf_add_char(&l.text, '\0');
    ck_assert_msg(strcmp(l.text.data, expected) == 0, "%d %s: %s, not %s", status, body,
                  l.text.data, expected);
    buf_fini(&l.text);
    json_doc_fini(&scratch);
}

/* --- requests --------------------------------------------------------------------------------- */

/* A call as JSON members: input, instructions, agent, run. */
struct transcript_call {
    const char *model, *input, *instructions, *agent_params, *run_params;
};

struct transcript_docs {
    struct json_doc agent, run;
};

static inline struct json transcript_params(struct json_doc *doc, const char *text)
{
    if (text == NULL)
        return JSON_NONE;
    ck_assert_int_eq(json_parse(doc, str_of(text), NULL), OK);
    return json_root(doc);
}

/* "METHOD URL\nName: value\n...\n\nbody", or "code: message". The caller frees it. */
static inline char *transcript_build(const struct transcript_call *c, uint32_t key)
{
    struct transcript_docs docs;
    struct json_doc scratch;
    struct buf body, text;
    struct http_request r = {.method = NULL};
    struct error error = {.message = ""};
    json_doc_init(&docs.agent);
    json_doc_init(&docs.run);
    json_doc_init(&scratch);
    buf_init(&body, 1 << 20);
    buf_init(&text, 1 << 21);
    struct call call = transcript_call;
    call.model = c->model != NULL ? str_of(c->model) : STR("m");
    call.input = c->input != NULL ? str_of(c->input) : STR("\"hi\"");
    call.instructions = str_of(c->instructions);
    call.agent_params = transcript_params(&docs.agent, c->agent_params);
    call.run_params = transcript_params(&docs.run, c->run_params);
    enum err e = transcript_provider->kind->build(transcript_provider, &call, key, &body, &scratch,
                                                  &r, &error);
    if (e != OK) {
        buf_addf(&text, "%s: %s", err_code(e), error.message);
    } else {
        buf_addf(&text, "%s %s\n", r.method, r.url);
        for (uint32_t i = 0; i < r.header_count; i++)
            buf_addf(&text, "%.*s: %.*s\n", STR_ARG(r.headers[i].name),
                     STR_ARG(r.headers[i].value));
        buf_add_char(&text, '\n');
        buf_add_str(&text, r.body);
    }
    buf_add_char(&text, '\0');
    char *copy = strdup(text.data);
    buf_fini(&text);
    buf_fini(&body);
    json_doc_fini(&scratch);
    json_doc_fini(&docs.agent);
    json_doc_fini(&docs.run);
    return copy;
}

static inline void transcript_request_is(const struct transcript_call *c, const char *expected)
{
    char *text = transcript_build(c, 0);
    ck_assert_str_eq(text, expected);
    free(text);
}

static inline void transcript_body_is(const struct transcript_call *c, const char *expected)
{
    char *text = transcript_build(c, 0);
    char *body = strstr(text, "\n\n");
    ck_assert_str_eq(body != NULL ? body + 2 : text, expected);
    free(text);
}

static inline struct provider_options transcript_options(const char *kind)
{
    return (struct provider_options){.name = STR("up"),
                                     .kind = str_of(kind),
                                     .base_url = STR("http://x/v1"),
                                     .api_keys = {STR("key-one"), STR("key-two")},
                                     .api_key_count = 2};
}
#endif
