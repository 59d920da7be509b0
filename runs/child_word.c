/* The child's side of a child run: who its parent is, and the word that it has ended. */
#include "base/json.h"
#include "base/mem.h"
#include "runs/engine.h"

struct child_word {
    struct loop_msg msg;
    struct shard *to;
    struct id parent, child;
    size_t len;
    char path[]; /* of the parent's task */
};

/* --- who it is -------------------------------------------------------------------------------- */

static enum err make_word(struct run *run, struct str path)
{
    struct child_word *w = mem_zalloc(sizeof *w + path.len + 1);
    if (w == NULL)
        return ERR_NOMEM;
    w->parent = run->parent_id;
    w->child = run->id;
    w->len = path.len;
    if (path.len > 0)
        memcpy(w->path, path.at, path.len);
    run->word = w;
    return OK;
}

enum err child_adopt(struct run *run, const struct run_record *record)
{
    struct json_doc *doc = &run->shard->scratch;
    struct str id, path;
    run->parent = arena_str(&run->spec.arena, record->parent);
    if (run->parent.at == NULL)
        return ERR_NOMEM;
    enum err e = json_parse(doc, run->parent, NULL);
    if (e != OK)
        return e;
    struct json name = json_get_lit(json_root(doc), "run_id"),
                task = json_get_lit(json_root(doc), "task");
    if (!json_is(name, JSON_STRING) || !json_is(task, JSON_STRING))
        return ERR_INVALID_JSON;
    if (!json_string(name, &run->spec.arena, &id) || !json_string(task, &run->spec.arena, &path))
        return ERR_NOMEM;
    return id_parse(id, RUN_ID_PREFIX, &run->parent_id) ? make_word(run, path) : ERR_INVALID_JSON;
}

void child_forget_word(struct run *run)
{
    mem_free(run->word);
    run->word = NULL;
}

/* --- telling ---------------------------------------------------------------------------------- */

/* A parent that is not here any more was parked, and is due (store_change.waits_for). */
static void on_word(struct loop_msg *msg)
{
    struct child_word *w = CONTAINER_OF(msg, struct child_word, msg);
    struct run *run = shard_find(w->to, &w->parent);
    if (run != NULL)
        child_on_word(run, (struct str){w->path, w->len}, &w->child);
    mem_free(w);
}

void child_tell_end(struct run *run)
{
    struct engine *e = run->shard->engine;
    struct child_word *w = run->word;
    struct directory_hit hit;
    if (w == NULL || !directory_find(&e->directory, run->tenant, &run->parent_id, &hit))
        return; /* the store has woken it, or will find that it is due */
    run->word = NULL;
    w->to = &e->shards[hit.shard];
    w->msg.on_arrive = on_word;
    loop_post(w->to->loop, &w->msg);
}
