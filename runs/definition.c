#include "runs/definition.h"

enum { SCRATCH_BYTES = 16777216 /* of a check: names and strings while it lasts */ };

const char *definition_kind_name(enum definition_kind kind)
{
    return kind == DEFINITION_AGENT ? "agent" : "workflow";
}

void definition_ref(const struct definition *d)
{
    if (d->kind == DEFINITION_AGENT)
        agent_ref(d->agent);
    else
        workflow_ref(d->workflow);
}

void definition_unref(const struct definition *d)
{
    if (d->kind == DEFINITION_AGENT)
        agent_unref(d->agent);
    else
        workflow_unref(d->workflow);
}

struct str definition_name(const struct definition *d)
{
    return d->kind == DEFINITION_AGENT ? d->agent->name : d->workflow->name;
}

int64_t definition_version(const struct definition *d)
{
    return d->kind == DEFINITION_AGENT ? d->agent->version : d->workflow->version;
}

bool definition_is_from_config(const struct definition *d)
{
    return d->kind == DEFINITION_AGENT ? d->agent->from_config : d->workflow->from_config;
}

size_t definition_bytes(const struct definition *d)
{
    return d->kind == DEFINITION_AGENT ? sizeof *d->agent + d->agent->arena.bytes
                                       : sizeof *d->workflow + d->workflow->arena.bytes;
}

void definition_set_version(const struct definition *d, int64_t version)
{
    if (d->kind == DEFINITION_AGENT)
        d->agent->version = version;
    else
        d->workflow->version = version;
}

void definition_set_from_config(const struct definition *d)
{
    if (d->kind == DEFINITION_AGENT)
        d->agent->from_config = true;
    else
        d->workflow->from_config = true;
}

void definition_write(struct buf *b, const struct definition *d)
{
    if (d->kind == DEFINITION_AGENT)
        agent_write(b, d->agent);
    else
        workflow_write(b, d->workflow);
}

enum err definition_create(enum definition_kind kind, struct check *c, struct json v,
                           const struct doc_path *at, struct str name,
                           const struct spec_limits *limits, const struct name_lookup *names,
                           struct definition *ret)
{
    struct definition d = {.kind = kind};
    enum err e = kind == DEFINITION_AGENT
                     ? agent_create(c, v, at, name, names, &d.agent)
                     : workflow_create(c, v, at, name, limits, names, &d.workflow);
    if (e == OK)
        *ret = d;
    return e;
}

/* --- in the store ----------------------------------------------------------------------------- */

static enum err keep_document(const struct agent *a, struct arena *arena, struct str *ret)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    agent_write_document(&b, a);
    enum err e = buf_ok(&b);
    if (e == OK)
        *ret = arena_str(arena, buf_str(&b));
    buf_fini(&b);
    return e == OK && ret->at != NULL ? OK : ERR_NOMEM;
}

enum err definition_store(const struct definition *d, struct arena *arena,
                          struct store_definition *ret)
{
    *ret = (struct store_definition){
        .kind = d->kind, .name = definition_name(d), .version = definition_version(d)};
    if (d->kind == DEFINITION_AGENT)
        return keep_document(d->agent, arena, &ret->text);
    ret->description = d->workflow->description.at != NULL ? d->workflow->description : STR("");
    ret->text = d->workflow->text;
    return OK;
}

/* The document of which it can be made. */
static void compose(const struct store_definition *stored, struct buf *b)
{
    if (stored->kind == DEFINITION_AGENT) {
        buf_add_str(b, stored->text);
        return;
    }
    buf_add_lit(b, "{\"description\":");
    json_add_string(b, stored->description.at != NULL ? stored->description : STR(""));
    buf_add_lit(b, ",\"task\":");
    buf_add_str(b, stored->text);
    buf_add_char(b, '}');
}

static enum err read_document(const struct store_definition *stored, struct str document,
                              struct json_doc *doc, struct definition *ret)
{
    struct doc_path root = {.up = NULL};
    struct arena scratch;
    struct problem problem;
    problem_init(&problem);
    arena_init(&scratch, document.len + SCRATCH_BYTES);
    struct check c = {.problem = &problem, .arena = &scratch};
    enum err e = json_parse(doc, document, NULL);
    if (e == OK)
        e = definition_create(stored->kind, &c, json_root(doc), &root, stored->name,
                              &spec_limits_none, &name_lookup_any, ret);
    arena_fini(&scratch);
    return e == OK || e == ERR_NOMEM ? e : ERR_IO;
}

enum err definition_restore(const struct store_definition *stored, struct definition *ret)
{
    struct json_doc doc;
    struct buf document;
    json_doc_init(&doc);
    buf_init(&document, SIZE_MAX / 2);
    compose(stored, &document);
    enum err e = buf_ok(&document);
    if (e == OK)
        e = read_document(stored, buf_str(&document), &doc, ret);
    if (e == OK)
        definition_set_version(ret, stored->version);
    buf_fini(&document);
    json_doc_fini(&doc);
    return e;
}
