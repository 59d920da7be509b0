#ifndef SLUICE_TESTS_UNIT_MODEL_FINDINGS_H
#define SLUICE_TESTS_UNIT_MODEL_FINDINGS_H
/* What a check has found, as one line of text; and a small world of names to check against. */
#include <check.h>
#include <stdio.h>

#include "model/agent.h"

/* "invalid_request: /a unknown_field, /b missing"; "ok" where there is nothing. */
static inline const char *findings_text(const struct problem *p)
{
    static char text[16384];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", err_code(p->code));
    for (uint32_t i = 0; i < p->field_count; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s %s %s", i == 0 ? ":" : ",",
                              p->fields[i].pointer, field_code_name(p->fields[i].code));
    return text;
}

static inline bool world_has_agent(void *ctx, struct str name)
{
    (void)ctx;
    return str_eq(name, STR("echo")) || str_eq(name, STR("writer"));
}

static inline bool world_has_workflow(void *ctx, struct str name)
{
    (void)ctx;
    return str_eq(name, STR("flow"));
}

static inline enum err world_has_model(void *ctx, struct str model)
{
    (void)ctx;
    if (str_starts(model, STR("sim/")))
        return OK;
    return str_starts(model, STR("nobody/")) ? ERR_UNKNOWN_PROVIDER : ERR_UNKNOWN_MODEL;
}

static inline bool world_has_provider(void *ctx, struct str name)
{
    (void)ctx;
    return str_eq(name, STR("weather"));
}

static const struct name_lookup world = {.agent = world_has_agent,
                                         .workflow = world_has_workflow,
                                         .model = world_has_model,
                                         .provider = world_has_provider};
#endif
