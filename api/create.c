#include "api/create.h"

#include <stdio.h>

#include "net/digest.h"

bool create_key_is_valid(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.at[i] < 0x21 || key.at[i] > 0x7E)
            return false;
    }
    return key.len >= 1 && key.len <= 255;
}

const char *create_read_depth(const struct api_request *r, unsigned *ret_depth)
{
    uint64_t depth = 0;
    struct str text = r->headers.depth;
    if (text.at != NULL && (!str_to_u64(text, &depth) || depth > r->shard->limits->spec.tree_depth))
        return "Sluice-Depth must be an integer, not above limits.tree_depth";
    *ret_depth = (unsigned)depth;
    return NULL;
}

bool create_check(const struct api_request *r, struct str body, const struct run_target *target,
                  struct problem *problem, struct run_spec *ret_spec)
{
    struct shard *shard = r->shard;
    struct vocabulary words = shard_vocabulary(shard);
    struct name_lookup names = vocabulary_lookup(&words);
    enum err e = run_spec_create(body, &shard->scratch, target, &shard->limits->spec, &names,
                                 problem, ret_spec);
    if (e != OK && problem->code == OK)
        problem->code = ERR_OVERLOADED; /* out of memory */
    return e == OK;
}

bool create_is_within_rate(const struct api_request *r, struct problem *problem)
{
    uint64_t wait_ms;
    if (auth_take(r->owner, 1, clock_mono_ms(NULL), &wait_ms) == OK)
        return true;
    problem_set(problem, ERR_RATE_LIMITED, "this key has created as many runs as it may for now");
    problem->retry_after_s = (uint32_t)((wait_ms + 999) / 1000);
    return false;
}

void create_set_key(struct accept *a, const struct api_request *r, struct str key, struct str body,
                    char scope[CREATE_SCOPE])
{
    snprintf(scope, CREATE_SCOPE, "%.*s %.*s", STR_ARG(r->method), STR_ARG(r->path));
    a->idem_scope = str_of(scope);
    a->idem_key = key;
    digest_sha256(body, a->idem_digest);
}
