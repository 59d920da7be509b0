/* Agents and workflows as resources: read from the snapshot that this loop has, changed through the
 * library. Their versions are their entity tags. */
#include "api/conditions.h"
#include "api/routes.h"
#include "base/mem.h"
#include "runs/library.h"

static const char *plural(enum definition_kind kind)
{
    return kind == DEFINITION_AGENT ? "agents" : "workflows";
}

static void add_etag(struct api_reply *reply, int64_t version)
{
    reply_header(reply, "ETag", "\"%lld\"", (long long)version);
}

static struct conditions conditions_of(const struct api_request *r)
{
    return (struct conditions){r->headers.if_match, r->headers.if_none_match};
}

/* --- GET -------------------------------------------------------------------------------------- */

static void list(struct api_request *r, enum definition_kind kind)
{
    const struct definitions *d = r->shard->definitions;
    uint32_t count = definitions_count(d, kind);
    struct api_reply reply;
    reply_init(&reply, 200);
    buf_add_lit(&reply.body, "{\"data\":[");
    for (uint32_t i = 0; i < count; i++) {
        struct definition one = definitions_at(d, kind, i);
        json_add_comma(&reply.body);
        definition_write(&reply.body, &one);
    }
    buf_add_lit(&reply.body, "]}");
    api_send(r, &reply);
}

static void fail_unknown(struct api_request *r, enum definition_kind kind)
{
    api_fail(r, ERR_NOT_FOUND,
             kind == DEFINITION_AGENT ? "there is no agent of that name"
                                      : "there is no workflow of that name");
}

static void get(struct api_request *r, enum definition_kind kind)
{
    struct conditions conditions = conditions_of(r);
    struct definition d;
    struct api_reply reply;
    if (!definitions_find(r->shard->definitions, kind, r->params.name, &d)) {
        fail_unknown(r, kind);
        return;
    }
    int64_t version = definition_version(&d);
    if (!conditions_match(&conditions, version)) {
        api_fail(r, ERR_PRECONDITION_FAILED, NULL);
        return;
    }
    bool is_known = !conditions_none_match(&conditions, version);
    reply_init(&reply, is_known ? 304 : 200);
    add_etag(&reply, version);
    if (!is_known)
        definition_write(&reply.body, &d);
    api_send(r, &reply);
}

/* --- PUT and DELETE --------------------------------------------------------------------------- */

struct edit {
    struct api_request *r; /* NULL: the client is gone; the change goes on */
    struct library_change op;
    struct conditions conditions;
    struct arena texts; /* what the change needs of the request */
};

static void destroy(struct edit *e)
{
    library_change_fini(&e->op);
    arena_fini(&e->texts);
    mem_free(e);
}

static void on_gone(struct api_request *r)
{
    struct edit *e = r->state;
    query_fini(&r->query);
    e->r = NULL;
}

/* On the library's loop. */
static bool allows(const struct library_change *c, int64_t version)
{
    const struct edit *e = CONTAINER_OF(c, const struct edit, op);
    return conditions_match(&e->conditions, version) &&
           conditions_none_match(&e->conditions, version);
}

static void answer_put(struct api_request *r, const struct library_change *c)
{
    struct api_reply reply;
    reply_init(&reply, c->is_new ? 201 : 200);
    if (c->is_new)
        reply_header(&reply, "Location", "%.*s/v1/%s/%.*s", STR_ARG(r->api->base_path),
                     plural(c->kind), STR_ARG(c->name));
    add_etag(&reply, definition_version(&c->made));
    definition_write(&reply.body, &c->made);
    api_send(r, &reply);
}

static void answer_delete(struct api_request *r)
{
    struct api_reply reply;
    reply_init(&reply, 204);
    api_send(r, &reply);
}

static void on_done(struct library_change *c)
{
    struct edit *e = CONTAINER_OF(c, struct edit, op);
    struct api_request *r = e->r;
    if (r != NULL) {
        r->on_gone = NULL;
        if (c->result != OK)
            api_problem(r, &c->problem);
        else if (c->body.at != NULL)
            answer_put(r, c);
        else
            answer_delete(r);
    }
    destroy(e);
}

/* The request may go before the change is done. */
static bool copy(struct edit *e, struct str from, struct str *ret)
{
    *ret = from.at != NULL ? arena_str(&e->texts, from) : STR_NONE;
    return from.at == NULL || ret->at != NULL;
}

static void start(struct api_request *r, struct edit *e)
{
    e->r = r;
    e->op.from = r->shard;
    e->op.allows = allows;
    e->op.on_done = on_done;
    r->state = e;
    r->on_gone = on_gone;
    library_change_start(&e->op);
}

static void change(struct api_request *r, enum definition_kind kind, struct str body)
{
    struct conditions sent = conditions_of(r);
    if (!str_is_name(r->params.name)) { /* there cannot be one */
        fail_unknown(r, kind);
        return;
    }
    struct edit *e = mem_zalloc(sizeof *e);
    if (e == NULL) {
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    arena_init(&e->texts, SIZE_MAX / 2);
    e->op.kind = kind;
    if (copy(e, r->params.name, &e->op.name) && copy(e, body, &e->op.body) &&
        copy(e, sent.if_match, &e->conditions.if_match) &&
        copy(e, sent.if_none_match, &e->conditions.if_none_match)) {
        start(r, e);
        return;
    }
    destroy(e);
    api_fail(r, ERR_OVERLOADED, NULL);
}

static void put(struct api_request *r, enum definition_kind kind)
{
    change(r, kind, r->body.at != NULL ? r->body : STR(""));
}

/* --- the routes ------------------------------------------------------------------------------- */

void handle_agents_list(struct api_request *r)
{
    list(r, DEFINITION_AGENT);
}

void handle_agent_get(struct api_request *r)
{
    get(r, DEFINITION_AGENT);
}

void handle_agent_put(struct api_request *r)
{
    put(r, DEFINITION_AGENT);
}

void handle_agent_delete(struct api_request *r)
{
    change(r, DEFINITION_AGENT, STR_NONE);
}

void handle_workflows_list(struct api_request *r)
{
    list(r, DEFINITION_WORKFLOW);
}

void handle_workflow_get(struct api_request *r)
{
    get(r, DEFINITION_WORKFLOW);
}

void handle_workflow_put(struct api_request *r)
{
    put(r, DEFINITION_WORKFLOW);
}

void handle_workflow_delete(struct api_request *r)
{
    change(r, DEFINITION_WORKFLOW, STR_NONE);
}
