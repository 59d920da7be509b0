#include "runs/lane.h"

#include "runs/shard.h"

struct upstream *lane_upstream(const struct shard *shard, const struct task_spec *root,
                               struct str agent)
{
    const struct str *models = NULL;
    struct upstream *u;
    struct str model;
    if (root != NULL && root->type != TASK_CALL)
        return NULL;
    if (root != NULL && root->call == CALL_PROVIDER)
        return catalog_upstream(shard->catalog, root->provider);
    struct str agent_name = root != NULL ? root->agent : agent;
    if (agent_name.at != NULL) {
        struct agent *found = definitions_agent(shard->definitions, agent_name);
        models = found != NULL ? found->models : NULL;
    } else if (root != NULL) {
        models = root->models;
    }
    if (models == NULL || catalog_resolve(shard->catalog, models[0], &u, &model) != OK)
        return NULL;
    return u;
}

struct str lane_of_child(const struct upstream *u, struct arena *arena)
{
    struct str name = u != NULL ? upstream_name(u) : STR("");
    char *text = arena_alloc(arena, name.len + 1);
    if (text == NULL)
        return STR_NONE;
    text[0] = '+';
    if (name.len > 0)
        memcpy(text + 1, name.at, name.len);
    return (struct str){text, name.len + 1};
}
