#ifndef SLUICE_API_CREATE_H
#define SLUICE_API_CREATE_H
/* What every way to create runs has in common: headers, keys, the check of a body, the key's rate.
 */
#include "api/api.h"

enum { CREATE_SCOPE = 96 /* bytes: a method and a path */ };

/* May this be an Idempotency-Key? 1 to 255 visible ASCII characters. */
bool create_key_is_valid(struct str key);

/* How deep the creator is itself in runs (Sluice-Depth). NULL, or what is wrong with the header. */
const char *create_read_depth(const struct api_request *r, unsigned *ret_depth) MUST_CHECK;

/* Checks a body on the shard's tape. False: `problem` says why. */
bool create_check(const struct api_request *r, struct str body, const struct run_target *target,
                  struct problem *problem, struct run_spec *ret_spec) MUST_CHECK;

/* May the API key create one more run now? False: `problem` says when. */
bool create_is_within_rate(const struct api_request *r, struct problem *problem) MUST_CHECK;

/* Gives the create its key, of the request's own method and path. `scope` stays in place. */
void create_set_key(struct accept *a, const struct api_request *r, struct str key, struct str body,
                    char scope[CREATE_SCOPE]);
#endif
