/* POST /v1/runs/batch: many runs in one request, committed together, each answered as a create of
 * its own would be.
 *
 *     read {"runs": [..]} -> check each -> accept those that are fine, as one group
 *          -> read those whose key was seen before, one after the other, and look whether one of
 *             those that were refused is among them -> 207
 *
 * It goes on when its client leaves: what was accepted is accepted. */
#include "api/body.h"
#include "api/create.h"
#include "api/replay.h"
#include "api/routes.h"
#include "base/mem.h"
#include "runs/ops.h"

enum { MAX_RUNS = 1000 };

#define KEY "idempotency_key"

struct item {
    struct accept accept; /* its `json` becomes the answer: the run, or the problem */
    struct batch *batch;
    struct str text; /* as it was sent; until the handler returns */
    struct str body; /* likewise, without its key: what a create is sent */
    struct str key;  /* NULL: none */
    bool has_bad_key;
    enum field_code bad_key;
    int status;
    bool is_replay;   /* the run is there already, and is to be read */
    enum err refused; /* OK: it is not, or it is known that no run is there */
};

struct batch {
    struct api_request *r; /* NULL: the client is gone */
    struct shard *shard;
    struct str tenant;
    struct arena arena; /* bodies and keys */
    struct item *items;
    uint32_t count, next; /* items before `next` have their answer, but for those not told */
    struct accept **accepts;
    struct accept_group group;
    uint32_t untold;
    struct run_get get;
    struct replay replay;
    char scope[CREATE_SCOPE];
};

static void destroy(struct batch *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        accept_fini(&b->items[i].accept);
    mem_free(b->items);
    mem_free(b->accepts);
    arena_fini(&b->arena);
    mem_free(b);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void add_result(struct buf *out, const struct item *item)
{
    bool has_run = item->status == 202;
    json_add_comma(out);
    buf_addf(out, "{\"status\":%d,\"%s\":", item->status, has_run ? "run" : "problem");
    buf_add_str(out, buf_str(&item->accept.json));
    buf_add_char(out, '}');
    out->failed |= item->accept.json.failed;
}

static void answer(struct batch *b)
{
    struct api_request *r = b->r;
    struct api_reply reply;
    reply_init(&reply, 207);
    buf_add_lit(&reply.body, "{\"results\":[");
    for (uint32_t i = 0; i < b->count; i++)
        add_result(&reply.body, &b->items[i]);
    buf_add_lit(&reply.body, "]}");
    r->on_gone = NULL;
    destroy(b);
    api_send(r, &reply);
}

static void refuse(struct item *item, const struct problem *problem)
{
    struct batch *b = item->batch;
    item->status = err_status(problem->code);
    item->refused = problem->code;
    if (b->r != NULL)
        problem_write(&item->accept.json, problem, str_of(b->r->request_id), STR_NONE);
}

static void refuse_with(struct item *item, enum err code, const char *detail)
{
    struct problem problem;
    problem_init(&problem);
    problem_set(&problem, err_status(code) != 0 ? code : ERR_INTERNAL, "%s", detail);
    refuse(item, &problem);
}

/* --- runs that are there already -------------------------------------------------------------- */

static void go_on(struct batch *b);

static void on_got(struct run_get *g)
{
    struct batch *b = g->ctx;
    struct item *item = &b->items[b->next++];
    if (g->result == OK)
        run_record_write(&item->accept.json, &g->read.run, g->last_seq, true, b->shard->base_path);
    else
        refuse_with(item, g->result == ERR_NOT_FOUND ? ERR_CONFLICT : g->result,
                    "the run cannot be read");
    run_get_fini(g);
    go_on(b);
}

static void read_run(struct batch *b)
{
    b->get = (struct run_get){.shard = b->shard,
                              .tenant = b->tenant,
                              .id = b->items[b->next].accept.id,
                              .on_done = on_got,
                              .ctx = b};
    run_get_start(&b->get);
}

static void on_looked(struct replay *p)
{
    struct batch *b = p->ctx;
    struct item *item = &b->items[b->next];
    item->is_replay = p->found;
    if (p->found) {
        item->status = 202;
        item->accept.id = p->twin.id;
        buf_clear(&item->accept.json);
    } else if (p->problem.code != item->refused) {
        buf_clear(&item->accept.json);
        refuse(item, &p->problem);
    }
    item->refused = OK;
    go_on(b);
}

static void look(struct batch *b)
{
    struct item *item = &b->items[b->next];
    b->replay =
        (struct replay){.shard = b->shard,
                        .twin = {.tenant = b->tenant, .scope = str_of(b->scope), .key = item->key},
                        .problem = {.code = item->refused},
                        .on_done = on_looked,
                        .ctx = b};
    memcpy(b->replay.twin.digest, item->accept.idem_digest, sizeof b->replay.twin.digest);
    replay_start(&b->replay);
}

static bool may_be_there(const struct item *item)
{
    return item->key.at != NULL && item->refused != OK && replay_is_possible(item->refused);
}

static void go_on(struct batch *b)
{
    while (b->next < b->count && !b->items[b->next].is_replay && !may_be_there(&b->items[b->next]))
        b->next++;
    if (b->r == NULL)
        destroy(b);
    else if (b->next == b->count)
        answer(b);
    else if (b->items[b->next].is_replay)
        read_run(b);
    else
        look(b);
}

/* --- what becomes of each --------------------------------------------------------------------- */

static void on_accepted(struct accept *a)
{
    struct item *item = CONTAINER_OF(a, struct item, accept);
    struct batch *b = item->batch;
    item->is_replay = a->exists && a->same_body;
    if (a->refused != OK)
        refuse_with(item, a->refused, "");
    else if (a->exists && !a->same_body)
        refuse_with(item, ERR_IDEMPOTENCY_MISMATCH, "");
    if (--b->untold == 0)
        go_on(b);
}

static void on_gone(struct api_request *r)
{
    struct batch *b = r->state;
    query_fini(&r->query);
    b->r = NULL;
}

/* --- the way in: the envelope ----------------------------------------------------------------- */

static void read_key(struct check *c, struct item *item, struct json key)
{
    struct str text;
    if (!json_is(key, JSON_STRING)) {
        item->has_bad_key = true;
        item->bad_key = FIELD_WRONG_TYPE;
    } else if (!json_string(key, &item->batch->arena, &text)) {
        c->no_memory = true;
    } else if (!create_key_is_valid(text)) {
        item->has_bad_key = true;
        item->bad_key = text.len > 255 ? FIELD_TOO_LONG : FIELD_OUT_OF_RANGE;
    } else {
        item->key = arena_str(&item->batch->arena, text); /* the body goes before the batch does */
        c->no_memory |= item->key.at == NULL;
    }
}

/* The members as they were sent, but for the key. */
static struct str without_key(struct json object, struct arena *arena)
{
    char *text = arena_alloc(arena, json_raw(object).len);
    size_t len = 0;
    if (text == NULL)
        return STR_NONE;
    text[len++] = '{';
    for (struct json_member m = json_first_member(object); json_exists(m.value);
         m = json_next_member(object, m)) {
        struct str name = json_raw(m.name), value = json_raw(m.value);
        if (json_string_is(m.name, STR(KEY)))
            continue;
        if (len > 1)
            text[len++] = ',';
        memcpy(text + len, name.at, name.len);
        len += name.len;
        text[len++] = ':';
        memcpy(text + len, value.at, value.len);
        len += value.len;
    }
    text[len++] = '}';
    return (struct str){text, len};
}

static void read_item(struct check *c, struct item *item, struct json v)
{
    struct json key = json_get_lit(v, KEY);
    item->text = item->body = json_raw(v);
    if (!json_exists(key))
        return;
    read_key(c, item, key);
    item->body = without_key(v, &item->batch->arena);
    c->no_memory |= item->body.at == NULL;
}

static void on_runs(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct batch *b = out;
    uint32_t count = json_count(v), i = 0;
    if (!json_is(v, JSON_ARRAY)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be an array");
        return;
    }
    if (count > MAX_RUNS) {
        problem_add(c->problem, at, FIELD_TOO_LONG, "must not have more than 1000 runs");
        return;
    }
    b->items = mem_zalloc((count + 1) * sizeof *b->items);
    b->accepts = mem_alloc((count + 1) * sizeof(struct accept *));
    if (b->items == NULL || b->accepts == NULL) {
        c->no_memory = true;
        return;
    }
    b->count = count;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e), i++) {
        b->items[i].batch = b;
        buf_init(&b->items[i].accept.json, SIZE_MAX / 2);
        read_item(c, &b->items[i], e);
    }
}

static void check_batch(struct check *c, struct json root, void *out)
{
    static const struct check_rule rules[] = {{"runs", on_runs}};
    struct doc_path at = {.up = NULL};
    if (!check_object(c, root, &at))
        return;
    if (!json_exists(json_get_lit(root, "runs")))
        check_missing(c, &at, "runs");
    check_members(c, root, &at, rules, 1, out);
}

/* --- the way in: each run --------------------------------------------------------------------- */

/* As a create does: the body, then the API key's rate. */
static bool check_item(struct item *item, struct problem *problem)
{
    static const struct run_target target = {.takes_task_text = false};
    static const struct doc_path root = {.up = NULL};
    const struct api_request *r = item->batch->r;
    struct run_spec *spec = &item->accept.spec;
    problem_init(problem);
    if (item->has_bad_key) {
        struct doc_path at = doc_path_name(&root, STR(KEY));
        problem_add(problem, &at, item->bad_key, "must be 1 to 255 visible ASCII characters");
    }
    if (!create_check(r, item->body, &target, problem, spec))
        return false;
    if (create_is_within_rate(r, problem))
        return true;
    run_spec_fini(spec);
    return false;
}

static void prepare(struct item *item, unsigned depth)
{
    struct batch *b = item->batch;
    struct accept *a = &item->accept;
    struct problem problem;
    if (item->key.at != NULL)
        create_set_key(a, b->r, item->key, item->text, b->scope);
    if (!check_item(item, &problem)) {
        refuse(item, &problem);
        return;
    }
    item->status = 202;
    a->spec.flags |= depth << RUN_DEPTH_SHIFT;
    a->tenant = b->tenant;
    a->brief = true;
    a->on_accepted = on_accepted;
    b->accepts[b->untold++] = a;
}

static void start(struct batch *b, unsigned depth)
{
    for (uint32_t i = 0; i < b->count; i++)
        prepare(&b->items[i], depth);
    b->r->state = b;
    b->r->on_gone = on_gone;
    if (b->untold == 0) {
        go_on(b);
        return;
    }
    b->group = (struct accept_group){.items = b->accepts, .count = b->untold};
    accept_start_together(&b->group, b->shard);
}

/* False: answered. */
static bool read_headers(struct api_request *r, unsigned *ret_depth)
{
    const char *wrong = create_read_depth(r, ret_depth);
    if (r->headers.idempotency_key.at != NULL)
        wrong = "a batch has no Idempotency-Key: each of its runs may have an \"" KEY "\"";
    if (wrong != NULL)
        api_fail(r, ERR_INVALID_HEADER, wrong);
    return wrong == NULL;
}

void handle_runs_batch(struct api_request *r)
{
    unsigned depth;
    if (!read_headers(r, &depth))
        return;
    enum err e = accept_is_open(r->shard);
    struct batch *b = e == OK ? mem_zalloc(sizeof *b) : NULL;
    if (b == NULL) {
        api_fail(r, e != OK ? e : ERR_OVERLOADED, NULL);
        return;
    }
    b->r = r;
    b->shard = r->shard;
    b->tenant = r->tenant;
    arena_init(&b->arena, SIZE_MAX / 2); /* each item's bytes once or twice */
    if (body_read(r, check_batch, b))
        start(b, depth);
    else
        destroy(b);
}
