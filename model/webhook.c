#include "model/webhook.h"

struct draft {
    struct webhook *webhook;
    webhook_url_fault_fn *url_fault;
};

static void on_url(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct str url;
    if (!check_string(c, v, at, WEBHOOK_URL_MAX, &url))
        return;
    const char *fault = d->url_fault(url);
    if (fault != NULL)
        problem_add(c->problem, at, FIELD_BAD_REFERENCE, fault);
    else
        d->webhook->url = url;
}

/* The events of no run are told on the bus only. */
static bool find_type(struct check *c, struct json v, enum event_type *ret)
{
    struct str name;
    if (!json_string(v, c->arena, &name)) {
        c->no_memory = true;
        return false;
    }
    return event_type_parse(name, ret) && (event_set_of(*ret) & EVENT_SET_RUN) != 0;
}

static void on_events(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    if (!json_is(v, JSON_ARRAY)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be an array of event types");
        return;
    }
    if (json_count(v) == 0)
        problem_add(c->problem, at, FIELD_OUT_OF_RANGE, "must not be empty");
    if (json_count(v) > WEBHOOK_EVENTS_MAX) {
        problem_add(c->problem, at, FIELD_TOO_LONG, "must not have more than 32 types");
        return;
    }
    uint64_t i = 0;
    d->webhook->events = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
        struct doc_path here = doc_path_index(at, i++);
        enum event_type type;
        if (!json_is(e, JSON_STRING))
            problem_add(c->problem, &here, FIELD_WRONG_TYPE, "must be a string");
        else if (!find_type(c, e, &type))
            problem_add(c->problem, &here, FIELD_NOT_IN_ENUM, "is no type of a run's events");
        else
            d->webhook->events |= event_set_of(type);
    }
}

void webhook_check(struct check *c, struct json v, const struct doc_path *at,
                   webhook_url_fault_fn *url_fault, bool can_sign, struct webhook *ret)
{
    static const struct check_rule rules[] = {{"url", on_url}, {"events", on_events}};
    struct draft d = {.webhook = ret, .url_fault = url_fault};
    *ret = (struct webhook){.events = event_set_of(EVENT_RUN_FINISHED)};
    if (!check_object(c, v, at))
        return;
    uint32_t before = c->problem->found;
    if (!json_exists(json_get_lit(v, "url")))
        check_missing(c, at, "url");
    check_members(c, v, at, rules, sizeof rules / sizeof rules[0], &d);
    if (!can_sign && c->problem->found == before)
        problem_add(c->problem, at, FIELD_BAD_REFERENCE,
                    "this gateway sends none: it has no webhooks.secret to sign them with");
}

const char *webhook_no_fault(struct str url)
{
    (void)url;
    return NULL;
}

enum err webhook_read(struct str json, struct arena *arena, struct webhook *ret)
{
    struct json_doc doc;
    struct problem problem;
    struct check c = {.problem = &problem, .arena = arena};
    struct doc_path at = {.up = NULL};
    problem_init(&problem);
    json_doc_init(&doc);
    enum err e = json_parse(&doc, json, NULL);
    if (e == OK)
        webhook_check(&c, json_root(&doc), &at, webhook_no_fault, true, ret);
    if (e == OK && !c.no_memory && problem.code == OK) { /* out of the caller's text */
        ret->url = arena_str(arena, ret->url);
        c.no_memory = ret->url.at == NULL;
    }
    json_doc_fini(&doc);
    if (e == ERR_NOMEM || c.no_memory)
        return ERR_NOMEM;
    return e == OK && problem.code == OK ? OK : ERR_IO;
}
