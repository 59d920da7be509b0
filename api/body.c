#include "api/body.h"

enum { UNESCAPED_BYTES = 65536, REASON_BYTES = 512 };

bool body_read(struct api_request *r, body_check_fn check, void *out)
{
    struct problem problem;
    struct json_doc *doc = &r->shard->scratch;
    struct check c = {.problem = &problem, .arena = &r->query.arena};
    problem_init(&problem);
    r->query.arena.max_bytes = UNESCAPED_BYTES;
    enum err e = check_parse(doc, r->body, &problem);
    if (e == OK)
        check(&c, json_root(doc), out);
    if (e == ERR_NOMEM || (problem.code == OK && c.no_memory))
        problem_set(&problem, ERR_OVERLOADED, "out of memory");
    if (problem.code != OK)
        api_problem(r, &problem);
    return problem.code == OK;
}

static void on_reason(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct reason *reason = out;
    struct str s;
    if (check_string(c, v, at, REASON_BYTES, &s))
        str_copy(reason->note, sizeof reason->note, s);
}

static void check_reason(struct check *c, struct json root, void *out)
{
    static const struct check_rule rules[] = {{"reason", on_reason}};
    struct doc_path at = {.up = NULL};
    if (check_object(c, root, &at))
        check_members(c, root, &at, rules, 1, out);
}

bool body_read_reason(struct api_request *r, struct reason *ret_reason)
{
    return r->body.len == 0 || body_read(r, check_reason, ret_reason);
}
