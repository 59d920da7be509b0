/* POST /v1/backup {"path": "/a/new/file"}: a copy of the store on the gateway's machine, answered
 * once it is whole. A client that goes away, or a gateway that stops, leaves no file behind. */
#include "api/body.h"
#include "api/routes.h"
#include "base/mem.h"

enum { PATH_BYTES = 4000 };

struct copying {
    struct api_request *r; /* NULL: the client is gone */
    struct store_backup op;
    bool is_hurried; /* the gateway is about to stop */
    char path[PATH_BYTES + 1];
};

static void on_path(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct str *path = out;
    if (!check_string(c, v, at, PATH_BYTES, path))
        return;
    bool is_file = path->len > 1 && path->at[0] == '/' && path->at[path->len - 1] != '/';
    if (!is_file || memchr(path->at, '\0', path->len) != NULL)
        problem_add(c->problem, at, FIELD_OUT_OF_RANGE, "must be the absolute path of a file");
}

static void check_body(struct check *c, struct json root, void *out)
{
    static const struct check_rule rules[] = {{"path", on_path}};
    struct doc_path at = {.up = NULL};
    if (!check_object(c, root, &at))
        return;
    if (!json_exists(json_get_lit(root, "path")))
        check_missing(c, &at, "path");
    check_members(c, root, &at, rules, 1, out);
}

static void answer(struct api_request *r, const struct copying *b)
{
    struct api_reply reply;
    reply_init(&reply, 200);
    buf_add_lit(&reply.body, "{\"path\":");
    json_add_string(&reply.body, str_of(b->path));
    buf_addf(&reply.body, ",\"bytes\":%llu}", (unsigned long long)b->op.bytes);
    api_send(r, &reply);
}

/* Where it cannot be made it is the path that is wrong. */
static void refuse_path(struct api_request *r, const struct copying *b)
{
    struct problem problem;
    struct doc_path root = {.up = NULL}, at = doc_path_name(&root, STR("path"));
    problem_init(&problem);
    problem_add(&problem, &at, FIELD_BAD_REFERENCE, b->op.error.message);
    api_problem(r, &problem);
}

static void fail(struct api_request *r, const struct copying *b)
{
    switch (b->op.op.result) {
    case STORE_ABSENT: refuse_path(r, b); break;
    case STORE_EXISTS:
    case STORE_CONFLICT: api_fail(r, ERR_CONFLICT, b->op.error.message); break;
    default:
        api_fail(r, b->is_hurried ? ERR_DRAINING : ERR_STORAGE_UNAVAILABLE, b->op.error.message);
    }
}

static void on_done(struct store_op *op)
{
    struct copying *b = CONTAINER_OF(op, struct copying, op.op);
    struct api_request *r = b->r;
    if (r != NULL) {
        r->on_gone = NULL;
        r->on_hurry = NULL;
        if (op->result == STORE_OK)
            answer(r, b);
        else
            fail(r, b);
    }
    mem_free(b);
}

static void on_gone(struct api_request *r)
{
    struct copying *b = r->state;
    query_fini(&r->query);
    b->r = NULL;
    atomic_store(&b->op.must_stop, true);
}

static void on_hurry(struct api_request *r)
{
    struct copying *b = r->state;
    b->is_hurried = true;
    atomic_store(&b->op.must_stop, true);
}

void handle_backup(struct api_request *r)
{
    struct str path = STR_NONE;
    if (!body_read(r, check_body, &path))
        return;
    struct copying *b = mem_zalloc(sizeof *b);
    if (b == NULL) {
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    b->r = r;
    str_copy(b->path, sizeof b->path, path);
    b->op.op = (struct store_op){.kind = STORE_BACKUP, .loop = r->shard->loop, .on_done = on_done};
    b->op.path = b->path;
    r->state = b;
    r->on_gone = on_gone;
    r->on_hurry = on_hurry;
    store_start(r->shard->store, &b->op.op);
}
