/* GET /v1/runs: newest first, filtered, a page at a time. The cursor is the id behind which the
 * next page begins. */
#include "api/routes.h"
#include "base/mem.h"

struct listing {
    struct api_request *r; /* NULL: the client is gone */
    struct store_list op;
    struct query query; /* taken over from the request */
};

/* "...T10:00:00+02:00" is easily written without encoding its plus: a space cannot be meant. */
static enum err read_time(const struct query *q, const char *name, int64_t *ret_ms, struct error *e)
{
    struct str value = query_get(q, name);
    char text[64];
    str_copy(text, sizeof text, value);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == ' ' ? '+' : *c;
    if (value.at == NULL || (value.len < sizeof text && clock_parse(str_of(text), ret_ms)))
        return OK;
    return error_set(e, ERR_INVALID_QUERY, "\"%s\" must be a time as in RFC 3339", name);
}

static enum err read_metadata(const struct query *q, struct store_filter *f, struct error *e)
{
    static const struct str prefix = {"metadata.", 9};
    for (uint32_t i = 0; i < q->count; i++) {
        const struct query_pair *p = &q->pairs[i];
        if (!str_starts(p->name, prefix))
            continue;
        if (f->metadata_count == sizeof f->metadata_keys / sizeof f->metadata_keys[0])
            return error_set(e, ERR_INVALID_QUERY, "there are too many metadata parameters");
        f->metadata_keys[f->metadata_count] =
            (struct str){p->name.at + prefix.len, p->name.len - prefix.len};
        f->metadata_values[f->metadata_count++] = p->value;
    }
    return OK;
}

static enum err read_filter(const struct query *q, struct store_filter *f, struct error *e)
{
    struct str state = query_get(q, "state");
    f->agent = query_get(q, "agent");
    f->workflow = query_get(q, "workflow");
    f->name = query_get(q, "name");
    f->has_state = state.at != NULL;
    if (f->has_state && !run_state_parse(state, &f->state))
        return error_set(e, ERR_INVALID_QUERY, "\"state\" is none of a run's states");
    enum err rc = read_time(q, "created_after", &f->created_after_ms, e);
    if (rc == OK)
        rc = read_time(q, "created_before", &f->created_before_ms, e);
    return rc == OK ? read_metadata(q, f, e) : rc;
}

static enum err read_page(const struct query *q, struct store_list *op, struct error *e)
{
    struct str cursor = query_get(q, "cursor");
    uint64_t limit;
    enum err rc = query_int(q, "limit", 1, 200, 50, &limit, e);
    if (rc != OK)
        return rc;
    op->limit = (uint32_t)limit;
    op->has_before = cursor.at != NULL;
    if (op->has_before && !id_parse(cursor, STR("c_"), &op->before))
        return error_set(e, ERR_INVALID_QUERY, "\"cursor\" is not one that a list gave");
    return OK;
}

static void write_page(struct buf *b, const struct store_list *op, struct str base_path)
{
    buf_add_lit(b, "{\"data\":[");
    for (uint32_t i = 0; i < op->count; i++) {
        json_add_comma(b);
        run_record_write(b, &op->runs[i], op->runs[i].seq, true, base_path);
    }
    buf_add_lit(b, "],\"next_cursor\":");
    if (op->more) {
        char text[ID_TEXT];
        id_format(&op->resume, text);
        buf_addf(b, "\"c_%.*s\"}", ID_TEXT, text);
    } else {
        buf_add_lit(b, "null}");
    }
}

static void on_listed(struct store_op *op)
{
    struct listing *l = CONTAINER_OF(op, struct listing, op.op);
    struct api_request *r = l->r;
    if (r != NULL)
        r->on_gone = NULL;
    if (r != NULL && op->result == STORE_OK) {
        struct api_reply reply;
        reply_init(&reply, 200);
        write_page(&reply.body, &l->op, r->api->base_path);
        api_send(r, &reply);
    } else if (r != NULL) {
        api_fail(r, ERR_STORAGE_UNAVAILABLE, NULL);
    }
    query_fini(&l->query);
    arena_fini(&l->op.arena);
    mem_free(l);
}

static void on_gone(struct api_request *r)
{
    struct listing *l = r->state;
    l->r = NULL; /* the filter's text went over to the list */
}

void handle_runs_list(struct api_request *r)
{
    struct error error;
    struct listing *l = mem_zalloc(sizeof *l);
    if (l == NULL) {
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    l->r = r;
    l->op.op = (struct store_op){.kind = STORE_LIST, .loop = r->shard->loop, .on_done = on_listed};
    l->op.tenant = r->tenant;
    enum err e = read_filter(&r->query, &l->op.filter, &error);
    if (e == OK)
        e = read_page(&r->query, &l->op, &error);
    if (e != OK) {
        mem_free(l);
        api_fail(r, e, error.message);
        return;
    }
    l->query =
        r->query; /* the filter points into it, and the request may go before the store answers */
    arena_init(&r->query.arena, 0);
    arena_init(&l->op.arena, 1073741824);
    r->state = l;
    r->on_gone = on_gone;
    store_start(r->shard->store, &l->op.op);
}
