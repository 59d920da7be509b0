/* One line for each answered request, at the level debug. Never the path itself, the query, a body
 * or a key: the route, and whose request it was. */
#include "api/routes.h"
#include "base/log.h"
#include "server/client_address.h"
#include "server/edge_internal.h"

enum { HEADER_MAX = 65536 /* a longer list is not looked at */ };

/* A header's values, several lines joined with commas. */
struct gathered {
    const char *name;
    struct buf text;
    bool is_there;
};

static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    struct gathered *g = ctx;
    (void)kind;
    if (!str_eq_nocase(str_of(name), str_of(g->name)))
        return MHD_YES;
    if (g->is_there)
        buf_add_char(&g->text, ',');
    g->is_there = true;
    buf_add_str(&g->text, value != NULL ? str_of(value) : STR(""));
    return MHD_YES;
}

static struct str gather(const struct exchange *x, struct gathered *g)
{
    buf_init(&g->text, HEADER_MAX);
    MHD_get_connection_values(x->mhd, MHD_HEADER_KIND, on_header, g);
    if (!g->is_there || buf_ok(&g->text) != OK)
        return STR_NONE;
    return g->text.len > 0 ? buf_str(&g->text) : STR("");
}

static void find_client(const struct exchange *x, char ret_text[CLIENT_ADDRESS_TEXT])
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *peer = info != NULL ? info->client_addr : &nobody;
    struct gathered plain = {.name = "X-Forwarded-For"}, standard = {.name = "Forwarded"};
    struct str x_forwarded_for = gather(x, &plain), forwarded = gather(x, &standard);
    client_address(x->conn->edge->settings, peer, x_forwarded_for, forwarded, ret_text);
    buf_fini(&plain.text);
    buf_fini(&standard.text);
}

void access_log(const struct exchange *x, int status)
{
    const struct api_request *r = &x->request;
    char client[CLIENT_ADDRESS_TEXT];
    if (!log_is_on(LOG_DEBUG))
        return;
    find_client(x, client);
    log_debug(log_msg("request"), log_str("method", r->method),
              log_s("route", r->route != NULL ? r->route->path : "-"), log_i("status", status),
              log_u("duration_us", r->started_us > 0 ? api_elapsed_us(r) : 0),
              log_str("tenant", r->tenant), log_s("request_id", r->request_id),
              log_s("client", client));
}
