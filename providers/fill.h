#ifndef SLUICE_PROVIDERS_FILL_H
#define SLUICE_PROVIDERS_FILL_H
/* JSON with references in its strings, filled in from a document (API §4's syntax).
 *
 *     "{{input.city}}"           a string that is one reference takes the value with its type
 *     "in {{input.city}}"        otherwise its text: a string's own, others as JSON, null as
 * nothing
 *     {{input.list[0].a}}        members and elements
 *     {{input.lang | "en"}}      instead of a value that is missing or null
 *     {{"{{"}}                   a literal
 *
 * What is filled in is data and is not looked at again. Pure; bounded by the buffer. */
#include "base/json.h"

/* A value, every string in it filled in. OK; ERR_TEMPLATE_ERROR with the reason; ERR_NOMEM. */
enum err fill_value(struct buf *b, struct json template, struct json scope,
                    struct error *ret_error) MUST_CHECK;

/* A string as text, without quotes. `encode`: what is filled in is percent-encoded. Scalars of
 * other types are their JSON. */
enum err fill_text(struct buf *b, struct json template, struct json scope, bool encode,
                   struct error *ret_error) MUST_CHECK;
#endif
