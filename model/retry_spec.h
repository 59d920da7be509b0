#ifndef SLUICE_MODEL_RETRY_SPEC_H
#define SLUICE_MODEL_RETRY_SPEC_H
/* A retry policy as it is written by a client or in the configuration (API §4). Plain data. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/check.h"

struct retry_spec {
    uint32_t attempts; /* the first included, >= 1 */
    uint32_t base_ms;
    double factor;
    uint32_t max_ms;
    bool full_jitter;
    bool has_on;
    uint64_t on; /* bit per enum err; only where has_on */
};

_Static_assert(ERR_COUNT_ <= 64, "retry_spec.on has a bit for each error");

/* Members that are left out keep what `ret` holds before. */
bool retry_spec_check(struct check *c, struct json v, const struct doc_path *at,
                      struct retry_spec *ret);

/* What a retry object that names nothing means: API §7's numbers. */
struct retry_spec retry_spec_default(void);
#endif
