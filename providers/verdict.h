#ifndef SLUICE_PROVIDERS_VERDICT_H
#define SLUICE_PROVIDERS_VERDICT_H
/* How an attempt ended, judged; and what a server's error says, whatever shape it has.
 *
 * What a person reads of it may come from the server, which may repeat what we have sent: every
 * secret of the provider is replaced by *** before a message is cut to its bound. Pure; any thread.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

struct provider;

enum { VERDICT_TEXT = 256 };

struct verdict {
    enum err code; /* OK: succeeded */
    bool is_final; /* trying again cannot help, although the code is retryable (a quota is used up)
                    */
    bool passes;   /* it can help, although the code is not retryable (a conflict, too early) */
    char message[VERDICT_TEXT];
};

/* `message` is for a person, from wherever; STR_NONE: none. */
void verdict_set(struct verdict *v, const struct provider *p, enum err code, struct str message);

/* The error in a document, in any shape that servers are known for: {"error":{..}}, {"error":".."},
 * {"errors":[..]}, {"detail":..}, {"message":..}, or one of them within a list. `is_failure`: the
 * status says already that it is one; otherwise only what cannot be anything else counts.
 * JSON_NONE: none. */
struct json verdict_find_error(struct json root, bool is_failure);

/* Judges such an error. `status` is the answer's, 0 where the error came in the middle of a good
 * one. What the status says about the provider's health stands. */
void verdict_of_error(struct verdict *v, const struct provider *p, struct json error, int status);

/* The whole body of an answer whose status is a failure. */
void verdict_of_body(struct verdict *v, const struct provider *p, struct str body,
                     struct json_doc *scratch, int status);

/* What the statuses mean that mean the same everywhere (API §6). Those of success are not asked. */
enum err verdict_status_code(int status);

/* 409 and 425 refuse the request, but only for the time being (RFC 9110 section 15.5.10, RFC 8470
 * section 5.2). */
bool verdict_status_passes(int status);
#endif
