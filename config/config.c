#include "config/config.h"

#include "base/mem.h"
#include "config/cpus.h"

void config_destroy(struct config *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 0; i < c->agent_count; i++)
        agent_unref(c->agents[i]);
    for (uint32_t i = 0; i < c->workflow_count; i++)
        workflow_unref(c->workflows[i]);
    arena_fini(&c->arena);
    mem_free(c);
}

uint32_t config_loop_count(const struct config *c)
{
    if (c->loops > 0)
        return c->loops;
    uint32_t cpus = cpus_usable("");
    return cpus < MAX_LOOPS ? cpus : MAX_LOOPS;
}

const char *config_exposed(const struct config *c)
{
    for (uint32_t i = 0; c->key_count == 0 && i < c->listen_count; i++) {
        if (!c->listen[i].is_loopback)
            return c->listen[i].text;
    }
    return NULL;
}

enum err config_check_exposure(const struct config *c, struct error *ret_error)
{
    const char *address = config_exposed(c);
    if (address == NULL || c->allow_unauthenticated)
        return OK;
    return error_set(ret_error, ERR_CONFIG,
                     "%s can be reached from other machines, and there are no keys: add \"keys\", "
                     "listen on 127.0.0.1, or set \"allow_unauthenticated\": true where something "
                     "else keeps strangers away",
                     address);
}
