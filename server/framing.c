/* Is this request framed in the one way that every server on its path understands alike (RFC 9110,
 * 9112)?
 *
 * The daemon is generous: it takes Content-Length beside Transfer-Encoding, two lengths that
 * differ, any word as a transfer coding, folded lines. Each of these lets one server see two
 * requests where another sees one. */
#include "net/http.h"
#include "server/edge_internal.h"

struct head {
    struct exchange *x;
    unsigned count, hosts, lengths, codings;
    struct str length, coding;
    const char *end;   /* of what was read last */
    const char *fault; /* the first thing that is wrong */
};

/* uri-host [":" port] (RFC 3986), by its bytes; it may be empty. */
static bool is_host(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (strchr(" \t\"#/<>?@\\^`{|}", value.at[i]) != NULL)
            return false;
    }
    return true;
}

/* Only what ends a header line may lie between two headers, which the daemon leaves where it has
 * read them, with NULs in place of what it recognised. This is how a line shows that it skipped, or
 * a NUL within a value, at which it stopped. */
static bool is_blank(const char *from, const char *to)
{
    if (to < from)
        return false;
    for (; from < to; from++) {
        if (*from != '\0' && *from != '\r' && *from != '\n' && *from != ' ' && *from != '\t')
            return false;
    }
    return true;
}

static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind, const char *name_at,
                                 size_t name_len, const char *value_at, size_t value_len)
{
    struct head *h = ctx;
    struct str name = {name_at, name_len},
               value = {value_at ? value_at : "", value_at ? value_len : 0};
    (void)kind;
    h->count++;
    if (!is_blank(h->end, name_at)) {
        h->fault = "a header line is not one";
    } else if (!http_name_is_valid(name)) {
        h->fault = "a header name is not a token";
    } else if (!http_value_is_valid(value)) {
        h->fault = "a header value holds a control byte";
    } else if (str_eq_nocase(name, STR("Host"))) {
        h->hosts++;
        if (!is_host(value))
            h->fault = "Host is not a host";
    } else if (str_eq_nocase(name, STR("Content-Length"))) {
        h->lengths++;
        h->length = value;
    } else if (str_eq_nocase(name, STR("Transfer-Encoding"))) {
        h->codings++;
        h->coding = value;
    } else if (!headers_note(&h->x->request.headers, name, value)) {
        h->fault = "a header that may come once came twice";
    }
    h->end = value.at + value.len;
    return h->fault == NULL ? MHD_YES : MHD_NO;
}

static const char *judge(const struct head *h, bool is_11, uint64_t *ret_length)
{
    *ret_length = h->codings > 0 ? UINT64_MAX : 0;
    if (h->fault != NULL)
        return h->fault;
    if (h->hosts > 1 || (is_11 && h->hosts == 0))
        return "there must be one Host header";
    if (h->lengths > 1)
        return "there is more than one Content-Length";
    if (h->lengths > 0 && h->codings > 0)
        return "Content-Length and Transfer-Encoding do not go together";
    if (h->codings > 1 ||
        (h->codings == 1 && (!is_11 || !str_eq_nocase(h->coding, STR("chunked")))))
        return "the only Transfer-Encoding is chunked";
    if (h->lengths == 1 && !str_to_u64(h->length, ret_length))
        return "Content-Length is not a number";
    return NULL;
}

/* Bytes that no path needs: they are read differently by different servers. */
static const char *judge_uri(struct str uri)
{
    if (uri.len == 0 || uri.at[0] != '/')
        return "the request target must begin with a slash";
    for (size_t i = 0; i < uri.len; i++) {
        uint8_t c = (uint8_t)uri.at[i];
        if (c <= 0x20 || c >= 0x7F || c == '#')
            return "the request target holds a byte that has to be encoded";
    }
    return NULL;
}

/* The method and the version lie where the daemon has read them; it ends the target at a NUL. */
static const char *judge_line(const struct exchange *x, const char *version)
{
    bool is_known = strcmp(version, "HTTP/1.1") == 0 || strcmp(version, "HTTP/1.0") == 0;
    if (!is_known)
        return "the version is neither HTTP/1.1 nor HTTP/1.0";
    if (!is_blank(x->uri_end, version))
        return "the request target holds a NUL";
    return judge_uri(str_of(x->uri));
}

static const char *judge_headers(struct exchange *x, const char *method, const char *version,
                                 struct head *h)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    h->end = version + strlen(version);
    x->head_size = info != NULL ? info->header_size : 0;
    MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, on_header, h);
    if (h->fault == NULL && !is_blank(h->end, method + x->head_size))
        return "a header line is not one";
    return judge(h, strcmp(version, "HTTP/1.1") == 0, &x->body_expected);
}

enum err framing_check(struct exchange *x, const char *method, const char *version,
                       struct problem *problem)
{
    struct head h = {.x = x};
    const struct http_limits *limits = &x->conn->edge->settings->http;
    const char *fault = judge_line(x, version);
    if (fault == NULL)
        fault = judge_headers(x, method, version, &h);
    if (strlen(x->uri) > limits->uri_bytes)
        return problem_set(problem, ERR_URI_TOO_LONG, "the URI is longer than limits.uri_bytes");
    if (x->head_size > limits->header_bytes || h.count > limits->headers)
        return problem_set(problem, ERR_HEADERS_TOO_LARGE,
                           "the header is larger than limits.header_bytes or limits.headers");
    return fault == NULL ? OK : problem_set(problem, ERR_INVALID_HEADER, "%s", fault);
}
