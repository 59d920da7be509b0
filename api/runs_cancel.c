/* POST /v1/runs/cancel: many runs at once, by their ids or by a filter. The answer comes when every
 * cancel is stored.
 *
 *     ids --------------------------------> stop them, a few at a time -> answer
 *     filter -> list a page of one state -> stop them -> next page, next state -> answer
 *
 * It goes on when its client leaves: half of a cancel is of no use to anybody. */
#include "api/body.h"
#include "api/routes.h"
#include "base/mem.h"
#include "runs/ops.h"

enum {
    MAX_IDS = 1000,
    AT_ONCE = 64, /* cancels under way */
    PAGE = 200,   /* runs of a filter that are looked up at once */
    FILTER_BYTES = 65536,
    NOT_FOUND_BYTES = 64 * MAX_IDS,
};

/* A run that is told to stop leaves these, so a page that was read does not come again. */
static const enum run_state states[] = {RUN_QUEUED, RUN_RUNNING, RUN_WAITING};
enum { STATES = sizeof states / sizeof states[0] };

struct bulk {
    struct api_request *r; /* NULL: the client is gone */
    struct shard *shard;
    struct str tenant;
    struct id *ids;
    uint32_t count, next; /* of ids; those before `next` were begun */
    uint32_t under_way;
    bool by_filter;
    struct arena arena; /* the filter's text, and the page */
    struct store_list list;
    bool wanted[STATES];
    uint32_t state; /* the one of `states` whose pages are being read */
    uint64_t cancelled;
    enum err failed;
    struct buf not_found;
};

/* One cancel under way. */
struct stop {
    struct run_stop op;
    struct bulk *bulk;
};

static void destroy(struct bulk *b)
{
    mem_free(b->ids);
    buf_fini(&b->not_found);
    arena_fini(&b->list.arena);
    arena_fini(&b->arena);
    mem_free(b);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void answer(struct bulk *b)
{
    struct api_request *r = b->r;
    if (r != NULL)
        r->on_gone = NULL;
    if (r != NULL && b->failed != OK) {
        api_fail(r, b->failed, NULL);
    } else if (r != NULL) {
        struct api_reply reply;
        reply_init(&reply, 200);
        buf_addf(&reply.body, "{\"cancelled\":%llu,\"not_found\":[",
                 (unsigned long long)b->cancelled);
        buf_add_str(&reply.body, buf_str(&b->not_found));
        buf_add_lit(&reply.body, "]}");
        api_send(r, &reply);
    }
    destroy(b);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void go_on(struct bulk *b);

static void add_not_found(struct bulk *b, const struct id *id)
{
    char text[RUN_ID_TEXT];
    run_id_format(id, text);
    json_add_comma(&b->not_found);
    json_add_string(&b->not_found, (struct str){text, sizeof text});
}

static void on_stopped(struct run_stop *op)
{
    struct stop *s = CONTAINER_OF(op, struct stop, op);
    struct bulk *b = s->bulk;
    switch (op->result) {
    case OK: b->cancelled++; break;
    case ERR_RUN_FINISHED: break; /* by itself: there is nothing to cancel, and it is known */
    case ERR_NOT_FOUND:
        if (!b->by_filter)
            add_not_found(b, &op->id);
        break;
    default: b->failed = op->result; break;
    }
    mem_free(s);
    b->under_way--;
    go_on(b);
}

static void stop_one(struct bulk *b)
{
    struct stop *s = mem_zalloc(sizeof *s);
    if (s == NULL) {
        b->failed = ERR_OVERLOADED;
        return;
    }
    s->bulk = b;
    s->op = (struct run_stop){
        .shard = b->shard,
        .tenant = b->tenant,
        .id = b->ids[b->next++],
        .reason = {.code = REASON_CLIENT_REQUEST, .since_ms = loop_wall_ms(b->shard->loop)},
        .on_done = on_stopped};
    b->under_way++;
    run_stop_start(&s->op);
}

/* --- a filter's pages ------------------------------------------------------------------------- */

static void on_listed(struct store_op *op)
{
    struct bulk *b = CONTAINER_OF(CONTAINER_OF(op, struct store_list, op), struct bulk, list);
    b->under_way--;
    b->count = b->next = 0;
    if (op->result != STORE_OK)
        b->failed = ERR_STORAGE_UNAVAILABLE;
    for (uint32_t i = 0; op->result == STORE_OK && i < b->list.count; i++)
        b->ids[b->count++] = b->list.runs[i].id;
    b->list.has_before = op->result == STORE_OK && b->list.more;
    b->list.before = b->list.resume;
    if (!b->list.has_before)
        b->state++;
    arena_fini(&b->list.arena);
    arena_init(&b->list.arena, 1073741824);
    go_on(b);
}

/* True: another page is on its way. */
static bool list_more(struct bulk *b)
{
    while (b->state < STATES && !b->wanted[b->state])
        b->state++;
    if (!b->by_filter || b->state == STATES)
        return false;
    b->list.filter.has_state = true;
    b->list.filter.state = states[b->state];
    b->list.op =
        (struct store_op){.kind = STORE_LIST, .loop = b->shard->loop, .on_done = on_listed};
    b->under_way++;
    store_start(b->shard->store, &b->list.op);
    return true;
}

static void go_on(struct bulk *b)
{
    while (b->failed == OK && b->next < b->count && b->under_way < AT_ONCE)
        stop_one(b);
    if (b->under_way > 0 || (b->failed == OK && list_more(b)))
        return;
    answer(b);
}

/* --- the body --------------------------------------------------------------------------------- */

static void on_ids(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct bulk *b = out;
    uint32_t index = 0, count = json_count(v);
    if (!json_is(v, JSON_ARRAY)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be an array of run ids");
        return;
    }
    if (count > MAX_IDS) {
        problem_add(c->problem, at, FIELD_TOO_LONG, "may hold 1000 ids");
        return;
    }
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e), index++) {
        struct doc_path here = {.up = at, .index = index};
        struct str text;
        if (!check_string(c, e, &here, 64, &text))
            continue;
        struct id id;
        if (!id_parse(text, RUN_ID_PREFIX, &id))
            problem_add(c->problem, &here, FIELD_UNKNOWN_NAME, "is no run's id");
        else
            b->ids[b->count++] = id;
    }
}

static struct str keep(struct check *c, struct bulk *b, struct str s)
{
    struct str kept = arena_str(&b->arena, s);
    c->no_memory |= kept.at == NULL;
    return kept;
}

static void on_text(struct check *c, struct json v, const struct doc_path *at, struct bulk *b,
                    struct str *ret)
{
    struct str s;
    if (check_string(c, v, at, 512, &s))
        *ret = keep(c, b, s);
}

static void on_agent(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct bulk *b = out;
    on_text(c, v, at, b, &b->list.filter.agent);
}

static void on_workflow(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct bulk *b = out;
    on_text(c, v, at, b, &b->list.filter.workflow);
}

static void on_name(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct bulk *b = out;
    on_text(c, v, at, b, &b->list.filter.name);
}

static void on_state(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct bulk *b = out;
    struct str s;
    enum run_state state;
    if (!check_string(c, v, at, 64, &s))
        return;
    if (!run_state_parse(s, &state)) {
        problem_add(c->problem, at, FIELD_NOT_IN_ENUM, "is none of a run's states");
        return;
    }
    for (uint32_t i = 0; i < STATES; i++)
        b->wanted[i] = states[i] == state;
}

static void on_metadata(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct bulk *b = out;
    struct store_filter *f = &b->list.filter;
    const uint32_t most = sizeof f->metadata_keys / sizeof f->metadata_keys[0];
    if (!check_object(c, v, at))
        return;
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m)) {
        struct str name, value;
        if (!json_string(m.name, c->arena, &name)) {
            c->no_memory = true;
            return;
        }
        struct doc_path here = {.up = at, .name = name};
        if (!check_string(c, m.value, &here, 512, &value))
            continue;
        if (f->metadata_count == most) {
            problem_add(c->problem, at, FIELD_TOO_LONG, "may have 16 members");
            return;
        }
        f->metadata_keys[f->metadata_count] = keep(c, b, name);
        f->metadata_values[f->metadata_count++] = keep(c, b, value);
    }
}

static void on_filter(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const struct check_rule rules[] = {{"state", on_state},
                                              {"agent", on_agent},
                                              {"workflow", on_workflow},
                                              {"name", on_name},
                                              {"metadata", on_metadata}};
    struct bulk *b = out;
    b->by_filter = true;
    if (check_object(c, v, at))
        check_members(c, v, at, rules, sizeof rules / sizeof rules[0], out);
}

static void check_body(struct check *c, struct json root, void *out)
{
    struct bulk *b = out;
    static const struct check_rule rules[] = {{"ids", on_ids}, {"filter", on_filter}};
    struct doc_path at = {.up = NULL};
    if (!check_object(c, root, &at))
        return;
    if (json_exists(json_get_lit(root, "ids")) == json_exists(json_get_lit(root, "filter")))
        problem_add(c->problem, &at, FIELD_EXCLUSIVE, "takes exactly one of ids and filter");
    check_members(c, root, &at, rules, sizeof rules / sizeof rules[0], b);
}

/* An id that is there twice is cancelled once. */
static void drop_repeated(struct bulk *b)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t j = 0;
        while (j < kept && !id_eq(&b->ids[j], &b->ids[i]))
            j++;
        if (j == kept)
            b->ids[kept++] = b->ids[i];
    }
    b->count = kept;
}

static void on_gone(struct api_request *r)
{
    struct bulk *b = r->state;
    query_fini(&r->query);
    b->r = NULL;
}

void handle_runs_cancel(struct api_request *r)
{
    struct bulk *b = mem_zalloc(sizeof *b);
    if (b != NULL)
        b->ids = mem_alloc(MAX_IDS * sizeof *b->ids);
    if (b == NULL || b->ids == NULL) {
        mem_free(b);
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    b->r = r;
    b->shard = r->shard;
    b->tenant = r->tenant;
    b->list.tenant = r->tenant;
    b->list.limit = PAGE;
    for (uint32_t i = 0; i < STATES; i++)
        b->wanted[i] = true;
    arena_init(&b->arena, FILTER_BYTES);
    arena_init(&b->list.arena, 1073741824);
    buf_init(&b->not_found, NOT_FOUND_BYTES);
    if (!body_read(r, check_body, b)) {
        destroy(b);
        return;
    }
    drop_repeated(b);
    r->state = b;
    r->on_gone = on_gone;
    go_on(b);
}
