/* GET of agents: those of the configuration. */
#include "api/routes.h"

void handle_agents_list(struct api_request *r)
{
    const struct definitions *d = r->shard->definitions;
    struct api_reply reply;
    reply_init(&reply, 200);
    buf_add_lit(&reply.body, "{\"data\":[");
    for (uint32_t i = 0; i < d->agent_count; i++) {
        json_add_comma(&reply.body);
        agent_write(&reply.body, d->agents[i]);
    }
    buf_add_lit(&reply.body, "]}");
    api_send(r, &reply);
}

void handle_agent_get(struct api_request *r)
{
    const struct agent *a = definitions_agent(r->shard->definitions, r->params.name);
    struct api_reply reply;
    if (a == NULL) {
        api_fail(r, ERR_NOT_FOUND, "there is no agent of that name");
        return;
    }
    reply_init(&reply, 200);
    reply_header(&reply, "ETag", "\"%lld\"", (long long)a->version);
    agent_write(&reply.body, a);
    api_send(r, &reply);
}
