/* agents{}: named calls. model/agent.h checks each; its findings are told as all others are. */
#include "config/reader.h"

enum { SCRATCH_MAX = 4194304 };

/* --- what a model can be ---------------------------------------------------------------------- */

static const struct provider_options *provider_of(const struct config *c, struct str name)
{
    for (uint32_t i = 0; i < c->provider_count; i++) {
        if (str_eq(c->providers[i].provider.name, name))
            return &c->providers[i].provider;
    }
    return NULL;
}

static enum err has_model(void *ctx, struct str model)
{
    struct str rest = model;
    struct str name = str_cut(&rest, '/');
    if (name.len == 0 || rest.len == 0)
        return ERR_UNKNOWN_MODEL;
    const struct provider_options *provider = provider_of(ctx, name);
    if (provider == NULL)
        return ERR_UNKNOWN_PROVIDER;
    const struct provider_kind *kind = provider_kind_find(provider->kind);
    bool is_served = kind == NULL || kind->serves == NULL || kind->serves(rest);
    return is_served ? OK : ERR_UNKNOWN_MODEL;
}

/* --- findings --------------------------------------------------------------------------------- */

/* Where a pointer leads: its frames, and the value there or, where it ends in something that is
 * absent, the last one on the way. */
struct trail {
    struct doc_path frames[JSON_MAX_DEPTH + 2];
    char names[256]; /* of the frames */
    uint32_t count;
    struct json value;
    bool is_absent;
};

static struct str unescape(struct str segment, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < segment.len; i++) {
        bool is_escape = segment.at[i] == '~' && i + 1 < segment.len;
        out[n++] = !is_escape ? segment.at[i] : segment.at[++i] == '0' ? '~' : '/';
    }
    return (struct str){out, n};
}

static struct json step_into(struct json v, struct str segment)
{
    char text[260] = "/";
    memcpy(text + 1, segment.at, segment.len);
    return json_pointer(v, (struct str){text, segment.len + 1});
}

/* The frames are linked to one another: a trail stays where it is. */
static void follow(struct trail *t, struct json root, const char *pointer)
{
    *t = (struct trail){.value = root, .count = 1};
    struct str rest = str_of(pointer);
    char *names = t->names;
    str_cut(&rest, '/'); /* what is before the first one: nothing */
    while (rest.at != NULL && !t->is_absent && t->count < JSON_MAX_DEPTH + 2) {
        struct str segment = str_cut(&rest, '/');
        const struct doc_path *up = &t->frames[t->count - 1];
        struct doc_path frame = doc_path_name(up, unescape(segment, names));
        if (json_is(t->value, JSON_ARRAY) && str_to_u64(segment, &frame.index))
            frame.name = STR_NONE;
        t->frames[t->count++] = frame;
        names += segment.len;
        struct json next = step_into(t->value, segment);
        t->is_absent = !json_exists(next);
        t->value = t->is_absent ? t->value : next;
    }
}

static void add_finding(struct reader *r, struct json root, const struct field_error *f)
{
    struct trail t;
    follow(&t, root, f->pointer);
    const struct doc_path *at = &t.frames[t.count - 1];
    struct json name = {t.value.doc, t.value.at - 1}; /* of a member: stands before its value */
    if (f->code == FIELD_UNKNOWN_FIELD)
        reader_fault(r, t.is_absent ? t.value : name, at, "is not a known key");
    else if (f->code == FIELD_UNKNOWN_NAME)
        reader_fault(r, t.value, at, "%.*s %s", STR_ARG(json_raw(t.value)), f->detail);
    else
        reader_fault(r, t.value, at, "%s", f->detail);
}

/* --- agents ----------------------------------------------------------------------------------- */

static enum err make_agent(struct reader *r, struct json v, const struct doc_path *at,
                           struct str name, struct arena *scratch, struct agent **ret_agent)
{
    struct problem problem;
    problem_init(&problem);
    struct check check = {.problem = &problem, .arena = scratch};
    struct name_lookup names = {.ctx = r->config, .model = has_model};
    enum err e = agent_create(&check, v, at, name, &names, ret_agent);
    for (uint32_t i = 0; i < problem.field_count; i++)
        add_finding(r, json_root(v.doc), &problem.fields[i]);
    r->no_memory |= e == ERR_NOMEM || check.no_memory;
    return e;
}

static void add_agent(struct reader *r, struct json_member m, const struct doc_path *object_at)
{
    struct config *c = r->config;
    struct str name;
    if (!reader_name(r, m.name, object_at, &name))
        return;
    struct doc_path here = doc_path_name(object_at, name);
    struct arena scratch;
    arena_init(&scratch, SCRATCH_MAX);
    struct agent *agent;
    if (make_agent(r, m.value, &here, name, &scratch, &agent) == OK) {
        agent->from_config = true;
        c->agents[c->agent_count++] = agent;
    }
    arena_fini(&scratch);
}

void read_agents(struct reader *r, const struct schema_row *row, struct json v,
                 const struct doc_path *at, void *base)
{
    struct config *c = base;
    if (!reader_count(r, row, v, JSON_OBJECT, at) || c->providers == NULL)
        return; /* without providers every model would be another mistake */
    c->agents = reader_alloc(r, json_count(v), sizeof(struct agent *));
    if (c->agents == NULL)
        return;
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m))
        add_agent(r, m, at);
}
