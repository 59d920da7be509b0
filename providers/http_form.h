#ifndef SLUICE_PROVIDERS_HTTP_FORM_H
#define SLUICE_PROVIDERS_HTTP_FORM_H
/* A request of the kind `http` as it is written: {method, path, query, headers, body}.
 *
 * A provider's form holds references in the syntax of API §4 ({{input.city}}, {{model}},
 * {{instructions}}, {{params.lang | "en"}}); it is read once, at configuration, and filled in for
 * each call. A task's own request was filled in before it came here: it is data, and what looks
 * like a reference in it is not one.
 *
 * Plain data, read-only once made; any thread. What it points to lives in the arena of its check
 * and in the text that it was read from. Bounds: HTTP_FORM_REFERENCES; a writer bounds the rest. */
#include "model/template.h"

enum { HTTP_FORM_REFERENCES = 1000, HTTP_FORM_HEADERS = 16 };

enum http_form_kind { HTTP_FORM_TEMPLATE, HTTP_FORM_DATA };

/* What a reference may begin with: its `step`. */
enum http_word { HTTP_WORD_INPUT, HTTP_WORD_MODEL, HTTP_WORD_INSTRUCTIONS, HTTP_WORD_PARAMS };

struct http_pair {
    struct str name;
    struct template value;
};

struct http_form {
    const char *method;        /* static; NULL: it is none that there is */
    struct template path;      /* empty where it is left out */
    struct http_pair *query;   /* without those that are null */
    struct http_pair *headers; /* likewise */
    uint32_t query_count, header_count;
    bool has_body;         /* false also for null */
    struct template body;  /* as JSON */
    struct template plain; /* a body that is a string, where the headers say that it is not JSON */
    bool has_plain;
};

/* False: there are findings in the check's problem, or it had no memory. */
bool http_form_read(struct check *c, struct json v, const struct doc_path *at,
                    enum http_form_kind kind, struct http_form *ret);

/* May a call set this header? Not where it frames the message: that is the gateway's business. */
bool http_form_may_set(struct str header);
#endif
