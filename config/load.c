/* From a file's name to a configuration: read, parse, walk the table, lay the command line over it,
 * and judge what no row can judge alone. */
#include <errno.h>

#include "base/mem.h"
#include "config/reader.h"
#include "config/small_file.h"

enum { CONFIG_FILE_MAX = 16777216, CONFIG_ARENA_MAX = 67108864 };

static const char built_in[] = "built-in defaults";

static enum err config_create(const char *source, struct config **ret_config)
{
    struct config *c = mem_zalloc(sizeof *c);
    if (c == NULL)
        return ERR_NOMEM;
    arena_init(&c->arena, CONFIG_ARENA_MAX);
    c->source = arena_str(&c->arena, str_of(source)).at;
    if (c->source == NULL) {
        config_destroy(c);
        return ERR_NOMEM;
    }
    *ret_config = c;
    return OK;
}

/* --- the text --------------------------------------------------------------------------------- */

static enum err read_text(const char *path, struct buf *text, struct buf *report)
{
    if (path == NULL) {
        buf_add_lit(text, "{}");
        return buf_ok(text);
    }
    enum err e = small_file_read(path, text);
    if (e == ERR_IO)
        buf_addf(report, "%s: %s\n", path, strerror(errno));
    if (e == ERR_LIMIT)
        buf_addf(report, "%s: is larger than 16 MiB\n", path);
    return e == ERR_LIMIT ? ERR_CONFIG : e;
}

static enum err parse_text(struct reader *r, struct buf *text, struct buf *report)
{
    struct json_fault fault;
    if (text->len > 0)
        json_blank_comments(text->data, text->len);
    enum err e = json_parse(&r->doc, buf_str(text), &fault);
    if (e == OK || e == ERR_NOMEM)
        return e;
    buf_addf(report, "%s:%u:%u: %s\n", r->config->source, (unsigned)fault.line,
             (unsigned)fault.column, fault.what);
    return ERR_CONFIG;
}

/* --- the command line ------------------------------------------------------------------------- */

static void override_listen(struct reader *r, const char *const *texts, uint32_t count)
{
    struct config *c = r->config;
    struct listen_address *listen = reader_alloc(r, count, sizeof *listen);
    if (listen == NULL)
        return;
    for (uint32_t i = 0; i < count; i++) {
        enum err e = listen_parse(str_of(texts[i]), &c->arena, &listen[i]);
        r->no_memory |= e == ERR_NOMEM;
        if (e == ERR_CONFIG)
            findings_add(&r->findings, NULL, STR("--listen " LISTEN_FORMS));
    }
    c->listen = listen;
    c->listen_count = count;
}

static void override(struct reader *r, const struct config_overrides *o)
{
    if (o == NULL)
        return;
    if (o->listen_count > 0)
        override_listen(r, o->listen, o->listen_count);
    if (o->db == NULL)
        return;
    r->config->store.path = arena_str(&r->config->arena, str_of(o->db)).at;
    r->no_memory |= r->config->store.path == NULL;
}

/* --- what no row can judge alone -------------------------------------------------------------- */

/* A default that is above its limit gives way, unless it was written. */
static int64_t within(struct reader *r, struct json limits, const char *name, int64_t value,
                      const char *limit_name, int64_t limit)
{
    struct json written = json_get(limits, str_of(name));
    if (value <= limit)
        return value;
    if (!json_exists(written))
        return limit;
    struct doc_path root = {.up = NULL};
    struct doc_path limits_at = doc_path_name(&root, STR("limits"));
    struct doc_path here = doc_path_name(&limits_at, str_of(name));
    reader_fault(r, written, &here, "must not be above limits.%s, which is %lld", limit_name,
                 (long long)limit);
    return value;
}

static void settle_limits(struct reader *r, struct json limits)
{
    struct api_limits *api = &r->config->api;
    struct spec_limits *spec = &r->config->engine.spec;
    api->default_wait_ms =
        (uint64_t)within(r, limits, "default_wait_ms", (int64_t)api->default_wait_ms, "max_wait_ms",
                         (int64_t)api->max_wait_ms);
    spec->default_run_timeout_ms =
        within(r, limits, "default_run_timeout_ms", spec->default_run_timeout_ms,
               "max_run_timeout_ms", spec->max_run_timeout_ms);
    spec->allow_trees = TASK_TREES_ARE_SERVED;
}

/* Some limits are for two modules; the table fills those of the first. */
static void share_limits(struct config *c)
{
    const struct courier_options *webhooks = &c->engine.webhooks;
    c->engine.spec.webhook_url_fault =
        webhooks->allow_private ? url_guard_fault_any_address : url_guard_fault;
    c->engine.spec.can_sign_webhooks = webhooks->key.len > 0;
    c->api.streams = c->http.streams;
    c->engine.reader_bytes = c->http.reader_bytes;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void read_root(struct reader *r, const struct config_overrides *o)
{
    struct json root = json_root(&r->doc);
    struct doc_path at = {.up = NULL};
    if (!json_is(root, JSON_OBJECT)) {
        reader_fault(r, root, &at, "must be an object");
        return;
    }
    reader_section(r, "", root, &at, r->config);
    override(r, o);
    settle_limits(r, json_get_lit(root, "limits"));
    share_limits(r->config);
}

static enum err read_config(struct reader *r, const char *path, const struct config_overrides *o,
                            struct buf *text, struct buf *report)
{
    enum err e = read_text(path, text, report);
    if (e == OK)
        e = parse_text(r, text, report);
    if (e != OK)
        return e;
    findings_init(&r->findings, r->config->source, buf_str(text));
    read_root(r, o);
    if (r->no_memory)
        return ERR_NOMEM;
    findings_write(&r->findings, report);
    return reader_faults(r) == 0 ? OK : ERR_CONFIG;
}

enum err config_load(const char *path, const struct config_overrides *overrides,
                     struct config **ret_config, struct buf *report)
{
    struct reader r = {.kind = STR_NONE};
    enum err e = config_create(path != NULL ? path : built_in, &r.config);
    if (e == OK) {
        struct buf text; /* what is kept of it is copied */
        buf_init(&text, CONFIG_FILE_MAX);
        json_doc_init(&r.doc);
        e = read_config(&r, path, overrides, &text, report);
        json_doc_fini(&r.doc);
        buf_fini(&text);
    }
    if (e == ERR_NOMEM)
        buf_add_lit(report, "out of memory\n");
    if (e != OK) {
        config_destroy(r.config);
        return e;
    }
    *ret_config = r.config;
    return OK;
}
