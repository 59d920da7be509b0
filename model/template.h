#ifndef SLUICE_MODEL_TEMPLATE_H
#define SLUICE_MODEL_TEMPLATE_H
/* A value of a task tree with references in it (API §4): read and checked when the tree is, filled
 * in when the task begins.
 *
 * Of JSON, a string that is one reference takes the value with its type and its exact digits; in
 * any other string, values are filled in as text: strings as they are, null as nothing, the rest as
 * compact JSON. Member names are never expanded, nor is what was filled in. Plain data in the arena
 * of its tree, read-only once made; any thread may write it out, in time linear in the template and
 * in the values that it names, and within the bounds of model/lookup.h. */
#include "model/check.h"
#include "model/lookup.h"
#include "model/reference.h"

/* What it becomes, and how a value is filled into text. */
enum template_form {
    TEMPLATE_JSON,
    TEMPLATE_TEXT,   /* as it is */
    TEMPLATE_PATH,   /* values percent-encoded, but for what RFC 3986 calls unreserved */
    TEMPLATE_QUERY,  /* the author's own text as well */
    TEMPLATE_HEADER, /* a value with CR, LF or NUL fails */
};

struct template_part {
    struct str text;                   /* copied, where there is no reference */
    const struct reference *reference; /* NULL: text */
    bool is_whole;                     /* it is the whole string: takes the value, not its text */
};

struct template
{
    struct str source; /* JSON or text, as written: what it becomes where there are no parts */
    struct template_part *parts;
    uint32_t count; /* 0: there is no reference in it */
    enum template_form form;
};

/* Both answer whether all references were fine, report those that were not (bad_reference, or
 * too_long where the tree has too many, at their string), and count scope->left down. `v` must stay
 * as long as the template. */
bool template_read_json(struct check *c, struct json v, const struct doc_path *at,
                        struct reference_scope *scope, struct template *ret);
bool template_read_text(struct check *c, struct str text, const struct doc_path *at,
                        enum template_form form, struct reference_scope *scope,
                        struct template *ret);

/* A value to fill in, as whoever has it likes best to hand it over. */
struct template_value {
    enum { VALUE_MISSING, VALUE_JSON, VALUE_RAW, VALUE_TEXT, VALUE_INTEGER } kind;
    struct json json; /* VALUE_JSON: a cursor, for what many tasks refer to */
    struct str text;  /* VALUE_RAW: compact JSON, parsed only where it must be; VALUE_TEXT */
    uint64_t integer; /* VALUE_INTEGER */
};

/* Who knows the values. `get` answers OK or an error that ends the task; a value that it leaves
 * VALUE_MISSING takes its default. What it hands over stays in place until all is filled in. */
struct template_values {
    void *ctx;
    enum err (*get)(void *ctx, const struct reference *r, struct template_value *ret);
    struct lookup *lookup; /* of all templates that are filled in together */
};

/* Appends what the template becomes. OK; ERR_TEMPLATE_ERROR with `ret_error` (may be NULL) where
 * something has neither a value nor a default, or must not stand in a header; ERR_LIMIT_EXCEEDED
 * likewise past a bound of model/lookup.h; ERR_LIMIT where `b` is full; ERR_NOMEM. After an error
 * `b` holds a part of it. */
enum err template_write(const struct template *t, const struct template_values *values,
                        struct buf *b, struct error *ret_error) MUST_CHECK;
#endif
