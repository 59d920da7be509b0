/* A change of one name: judged against what is in force, stored, handed to every loop. */
#include "base/json.h"
#include "runs/engine.h"

enum {
    SCRATCH_BYTES = 16777216, /* of a check, beside the document */
    TRIES = 5,                /* of a change that others overtake in the store */
};

static struct library_change *now(const struct library *l)
{
    return CONTAINER_OF(l->now, struct library_change, job);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_home(struct loop_msg *msg)
{
    struct library_job *job = CONTAINER_OF(msg, struct library_job, msg);
    struct library_change *c = CONTAINER_OF(job, struct library_change, job);
    c->on_done(c);
}

static void drop_next(struct library_change *c)
{
    c->next_made = definitions_unref(c->next_made);
    c->next = definitions_unref(c->next);
}

static void drop_made(struct library_change *c)
{
    if (c->has_made)
        definition_unref(&c->made);
    c->has_made = false;
}

static void give_back(struct library *l, struct library_change *c, enum err result)
{
    c->result = result;
    if (result != OK && c->problem.code == OK)
        c->problem.code = result == ERR_NOMEM ? ERR_OVERLOADED : result;
    drop_next(c);
    c->job.msg.on_arrive = on_home;
    loop_post(c->from->loop, &c->job.msg);
    atomic_fetch_sub(&l->open, 1); /* after the post: who sees 0 knows that all are on their way */
}

static void finish(struct library *l, enum err result)
{
    give_back(l, now(l), result);
    library_end(l);
}

static void turn_away(struct library_job *job)
{
    give_back(job->library, CONTAINER_OF(job, struct library_change, job), ERR_OVERLOADED);
}

/* --- judging ---------------------------------------------------------------------------------- */

static enum err refuse(struct library_change *c, enum err code, const char *before,
                       const char *after)
{
    return problem_set(&c->problem, code, "%s %s%s", before, definition_kind_name(c->kind), after);
}

/* Before the document is looked at (RFC 9110, 13.2.1). */
static enum err may_change(const struct library *l, struct library_change *c)
{
    struct definition d;
    bool is_there = definitions_find(l->current, c->kind, c->name, &d);
    if (atomic_load(&l->engine->is_draining))
        return ERR_DRAINING;
    if (!is_there && c->body.at == NULL)
        return refuse(c, ERR_NOT_FOUND, "there is no", " of that name");
    if (is_there && definition_is_from_config(&d))
        return refuse(c, ERR_CONFLICT, "the configuration has this", ": it is changed there");
    if (!c->allows(c, is_there ? definition_version(&d) : 0))
        return ERR_PRECONDITION_FAILED;
    c->is_new = !is_there;
    c->write.replaces = is_there ? definition_version(&d) : 0;
    return OK;
}

static enum err make(const struct library *l, struct library_change *c)
{
    struct shard *home = library_home(l);
    struct vocabulary words = {.catalog = home->catalog, .definitions = l->current};
    struct name_lookup names = vocabulary_lookup(&words);
    struct doc_path root = {.up = NULL};
    struct arena scratch;
    arena_init(&scratch, c->body.len + SCRATCH_BYTES);
    struct check check = {.problem = &c->problem, .arena = &scratch, .takes_back = true};
    enum err e = check_parse(&home->scratch, c->body, &c->problem);
    if (e == OK)
        e = definition_create(c->kind, &check, json_root(&home->scratch), &root, c->name,
                              &home->limits->spec, &names, &c->made);
    c->has_made = e == OK;
    arena_fini(&scratch);
    if (e != OK && words.no_memory) { /* what was found may not be so */
        problem_init(&c->problem);
        e = ERR_NOMEM;
    }
    return e;
}

static size_t bytes_of(const struct definitions *d)
{
    size_t n = 0;
    for (int kind = DEFINITION_AGENT; kind <= DEFINITION_WORKFLOW; kind++) {
        for (uint32_t i = 0; i < definitions_count(d, (enum definition_kind)kind); i++) {
            struct definition one = definitions_at(d, (enum definition_kind)kind, i);
            n += definition_bytes(&one);
        }
    }
    return n;
}

static enum err has_room(const struct library *l, struct library_change *c)
{
    if (c->is_new && definitions_count(l->made, c->kind) >= LIBRARY_MAX_EACH)
        return refuse(c, ERR_CONFLICT, "there is no room for another", ": remove one first");
    if (bytes_of(c->next_made) > LIBRARY_MAX_BYTES)
        return refuse(c, ERR_CONFLICT, "all together would be too large with this", "");
    return OK;
}

/* What is in force once it is stored: from then on nothing can fail any more. */
static enum err prepare(const struct library *l, struct library_change *c)
{
    static const struct definitions none;
    struct definition old;
    enum err e;
    if (c->body.at != NULL)
        e = definitions_put(l->made, &c->made, &c->next_made);
    else
        e = definitions_find(l->made, c->kind, c->name, &old)
                ? definitions_lay(&none, l->made, &old, &c->next_made)
                : ERR_NOT_FOUND;
    if (e == OK)
        e = definitions_lay(l->seeds, c->next_made, NULL, &c->next);
    if (e == OK && c->body.at != NULL)
        e = has_room(l, c);
    if (e == OK && c->body.at != NULL)
        e = definition_store(&c->made, &c->arena, &c->write.is);
    return e;
}

/* --- storing ---------------------------------------------------------------------------------- */

static void begin(struct library_job *job);

static void on_handed_out(struct library *l)
{
    finish(l, OK);
}

static void adopt(struct library *l, struct library_change *c)
{
    struct definitions *next = c->next;
    if (c->has_made)
        definition_set_version(&c->made, c->write.is.version);
    definitions_unref(l->made);
    l->made = c->next_made;
    c->next_made = c->next = NULL;
    library_hand_out(l, next, on_handed_out);
}

/* Another gateway was faster: it is judged again, against what there is now. */
static void judge_again(struct library *l, struct library_change *c)
{
    drop_next(c);
    drop_made(c);
    library_doubt(l);
    if (++c->tries < TRIES)
        begin(&c->job);
    else
        finish(l, ERR_CONFLICT);
}

static void on_written(struct store_op *op)
{
    struct library_change *c =
        CONTAINER_OF(CONTAINER_OF(op, struct store_define, op), struct library_change, write);
    struct library *l = c->job.library;
    if (op->result == STORE_OK) {
        adopt(l, c);
    } else if (op->result == STORE_CONFLICT) {
        judge_again(l, c);
    } else {
        if (op->result == STORE_UNKNOWN)
            library_doubt(l);
        finish(l, ERR_STORAGE_UNAVAILABLE);
    }
}

static void write(struct library *l, struct library_change *c)
{
    c->write.op = (struct store_op){
        .kind = STORE_DEFINE, .loop = library_home(l)->loop, .on_done = on_written};
    c->write.is.kind = c->kind;
    c->write.is.name = c->name;
    store_start(library_home(l)->store, &c->write.op);
}

static void judge(struct library *l, struct library_change *c)
{
    enum err e = may_change(l, c);
    if (e == OK && c->body.at != NULL)
        e = make(l, c);
    if (e == OK)
        e = prepare(l, c);
    if (e == OK)
        write(l, c);
    else
        finish(l, e);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void on_refreshed(struct library *l, enum err result)
{
    if (result == OK)
        judge(l, now(l));
    else
        finish(l, result);
}

static void begin(struct library_job *job)
{
    struct library *l = job->library;
    struct library_change *c = CONTAINER_OF(job, struct library_change, job);
    if (l->is_stale)
        library_refresh(l, on_refreshed);
    else
        judge(l, c);
}

void library_change_start(struct library_change *c)
{
    problem_init(&c->problem);
    arena_init(&c->arena, SIZE_MAX / 2);
    c->result = OK;
    c->job.begin = begin;
    c->job.refuse = turn_away;
    library_submit(&c->from->engine->library, &c->job);
}

void library_change_fini(struct library_change *c)
{
    drop_made(c);
    arena_fini(&c->arena);
}
