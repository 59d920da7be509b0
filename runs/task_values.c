#include "runs/task_values.h"

#include "base/json.h"
#include "base/mem.h"
#include "runs/run.h"
#include "runs/shard.h"

/* --- what a reference means ------------------------------------------------------------------- */

static struct task *above(struct task *t, uint32_t up)
{
    for (; up > 0; up--)
        t = t->parent;
    return t;
}

/* Parsed once for a run, when the first reference asks. */
static enum err get_input(struct run *run, struct template_value *ret)
{
    struct tree *tree = &run->tree;
    enum err e = tree->has_input ? OK : json_parse(&tree->input, run->spec.input, NULL);
    if (e == OK && !tree->has_input)
        tree_hold(run, tree->input.cap * sizeof *tree->input.tokens);
    tree->has_input = e == OK;
    if (e == OK)
        *ret = (struct template_value){.kind = VALUE_JSON, .json = json_root(&tree->input)};
    return e == ERR_NOMEM ? e : OK;
}

static struct task *step_of(struct task *t, const struct reference *r)
{
    struct group *g = &above(t, r->up)->group;
    return r->step < g->count ? g->at[r->step] : NULL;
}

static void set_raw(struct template_value *ret, struct str json)
{
    *ret = (struct template_value){.kind = VALUE_RAW, .text = json.at != NULL ? json : STR("null")};
}

/* A step that has not begun, or goes on, has no value: only a `finally` can ask for one. */
static void get_step(struct task *t, const struct reference *r, struct template_value *ret)
{
    struct task *step = step_of(t, r);
    if (step == NULL || step->phase != PHASE_ENDED)
        return;
    if (r->source == REFERENCE_STATE)
        *ret = (struct template_value){.kind = VALUE_TEXT,
                                       .text = str_of(task_state_name(step->state))};
    else
        set_raw(ret, r->source == REFERENCE_ERROR ? step->error : step->output);
}

static enum err get(void *ctx, const struct reference *r, struct template_value *ret)
{
    struct task *t = ctx;
    struct task *element;
    switch (r->source) {
    case REFERENCE_INPUT: return get_input(t->run, ret);
    case REFERENCE_OUTPUT:
    case REFERENCE_ERROR:
    case REFERENCE_STATE: get_step(t, r, ret); break;
    case REFERENCE_ITEM:
        element = above(t, r->up);
        *ret = (struct template_value){
            .kind = VALUE_JSON, .json = item_list_get(&element->parent->items, element->index)};
        break;
    case REFERENCE_INDEX:
        *ret = (struct template_value){.kind = VALUE_INTEGER, .integer = above(t, r->up)->index};
        break;
    case REFERENCE_RUN_ID:
        *ret = (struct template_value){.kind = VALUE_TEXT, .text = {t->run->text, RUN_ID_TEXT}};
        break;
    case REFERENCE_TASK_PATH:
        *ret = (struct template_value){.kind = VALUE_TEXT, .text = t->path};
        break;
    case REFERENCE_WORD: break; /* not in a tree */
    }
    return OK;
}

/* --- a request -------------------------------------------------------------------------------- */

/* A text that is filled in, as a JSON string. */
static enum err add_string(const struct template *template, const struct template_values *values,
                           struct buf *b, struct error *ret_error)
{
    struct buf text;
    buf_init(&text, b->max);
    enum err e = template_write(template, values, &text, ret_error);
    if (e == OK)
        json_add_string(b, buf_str(&text));
    buf_fini(&text);
    return e;
}

static enum err add_method(const struct request_spec *r, const struct template_values *values,
                           struct buf *b, struct error *ret_error)
{
    struct buf text;
    buf_init(&text, b->max);
    enum err e = template_write(&r->method, values, &text, ret_error);
    if (e == OK && !request_method_is_known(buf_str(&text)))
        e = error_set(ret_error, ERR_TEMPLATE_ERROR, "the method of the request is none");
    if (e == OK)
        json_add_string(b, buf_str(&text));
    buf_fini(&text);
    return e;
}

static enum err add_target(const struct request_spec *r, const struct template_values *values,
                           struct buf *b, struct error *ret_error)
{
    struct buf text;
    buf_init(&text, b->max);
    enum err e = request_spec_write_target(r, values, &text, ret_error);
    if (e == OK)
        json_add_string(b, buf_str(&text));
    buf_fini(&text);
    return e;
}

static enum err add_headers(const struct request_spec *r, const struct template_values *values,
                            struct buf *b, struct error *ret_error)
{
    enum err e = OK;
    for (uint32_t i = 0; e == OK && i < r->header_count; i++) {
        json_add_comma(b);
        json_add_string(b, r->headers[i].name);
        buf_add_char(b, ':');
        e = add_string(&r->headers[i].value, values, b, ret_error);
    }
    return e;
}

static enum err add_request(const struct request_spec *r, const struct template_values *values,
                            struct buf *b, struct error *ret_error)
{
    buf_add_lit(b, "{\"method\":");
    enum err e = add_method(r, values, b, ret_error);
    buf_add_lit(b, ",\"path\":");
    if (e == OK)
        e = add_target(r, values, b, ret_error);
    buf_add_lit(b, ",\"headers\":{");
    if (e == OK)
        e = add_headers(r, values, b, ret_error);
    buf_add_char(b, '}');
    if (e == OK && r->has_body) {
        buf_add_lit(b, ",\"body\":");
        e = template_write(&r->body, values, b, ret_error);
    }
    buf_add_char(b, '}');
    return e == OK ? buf_ok(b) : e;
}

/* --- all of a task ---------------------------------------------------------------------------- */

enum { BYTES_A_TOKEN = 16 /* that are copied while one is parsed */ };

struct filling {
    struct task *t;
    struct template_values values;
    struct lookup lookup;
    struct buf b;
};

static void begin(struct filling *f, struct task *t, size_t max)
{
    f->t = t;
    lookup_init(&f->lookup, &t->run->shard->scratch);
    f->values = (struct template_values){.ctx = t, .get = get, .lookup = &f->lookup};
    buf_init(&f->b, max);
}

static enum err finish(struct filling *f, enum err e, struct str *ret_text, struct error *ret_error)
{
    size_t len = 0;
    f->t->run->shard->work.effort += f->lookup.tokens + f->lookup.steps + f->b.len / BYTES_A_TOKEN;
    if (e == ERR_LIMIT)
        e = error_set(ret_error, ERR_LIMIT_EXCEEDED,
                      "what references bring is larger than limits.output_bytes");
    char *own = e == OK ? buf_take(&f->b, &len) : NULL;
    buf_fini(&f->b);
    lookup_fini(&f->lookup);
    if (e == OK && own == NULL)
        return ERR_NOMEM;
    if (e == OK)
        *ret_text = (struct str){own, len};
    return e;
}

enum err task_fill(struct task *t, const struct template *template, struct str *ret_text,
                   struct error *ret_error)
{
    struct filling f;
    begin(&f, t, t->run->shard->limits->output_bytes);
    enum err e = template_write(template, &f.values, &f.b, ret_error);
    return finish(&f, e, ret_text, ret_error);
}

enum err task_fill_again(struct task *t, const struct template *template, struct str *ret_text,
                         struct error *ret_error)
{
    struct filling f;
    begin(&f, t, SIZE_MAX / 2);
    enum err e = template_write(template, &f.values, &f.b, ret_error);
    return finish(&f, e, ret_text, ret_error);
}

enum err task_fill_request(struct task *t, const struct request_spec *request, struct str *ret_json,
                           struct error *ret_error)
{
    struct filling f;
    begin(&f, t, t->run->shard->limits->output_bytes);
    enum err e = add_request(request, &f.values, &f.b, ret_error);
    return finish(&f, e, ret_json, ret_error);
}
