#include "config/settings.h"

#include "base/mem.h"

static enum err copy_proxies(struct settings *s, const struct config *c)
{
    size_t size = c->trusted_proxy_count * sizeof(struct cidr);
    s->trusted_proxies = mem_alloc(size > 0 ? size : 1);
    if (s->trusted_proxies == NULL)
        return ERR_NOMEM;
    if (size > 0)
        memcpy(s->trusted_proxies, c->trusted_proxies, size);
    s->trusted_proxy_count = c->trusted_proxy_count;
    return OK;
}

enum err settings_create(const struct config *c, const struct settings *old,
                         const struct settings_home *home, struct settings **ret_settings,
                         struct buf *report)
{
    struct settings *s = mem_zalloc(sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    atomic_init(&s->refs, 1);
    s->engine = c->engine;
    s->http = c->http;
    s->api.limits = c->api;
    enum err e = copy_proxies(s, c);
    if (e == OK)
        e = config_make_auth(c, home->tenants, &s->api.auth);
    if (e == OK)
        e = config_make_catalog(c, old != NULL ? old->catalog : NULL, home->loop, home->loop_count,
                                &s->catalog, report);
    if (e == OK)
        e = config_make_definitions(c, &s->definitions);
    if (e != OK) {
        settings_unref(s);
        return e;
    }
    *ret_settings = s;
    return OK;
}

struct settings *settings_ref(struct settings *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

struct settings *settings_unref(struct settings *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return NULL;
    catalog_unref(s->catalog);
    definitions_unref(s->definitions);
    mem_free(s->api.auth.keys);
    mem_free(s->trusted_proxies);
    mem_free(s);
    return NULL;
}

void settings_enforce(const struct settings *s)
{
    auth_configure(&s->api.auth, clock_mono_ms(NULL));
    catalog_configure(s->catalog);
}

bool settings_trust(const struct settings *s, const struct sockaddr *address)
{
    if (address->sa_family == AF_UNIX)
        return true;
    for (uint32_t i = 0; i < s->trusted_proxy_count; i++) {
        if (cidr_holds(&s->trusted_proxies[i], address))
            return true;
    }
    return false;
}
