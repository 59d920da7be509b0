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
    const char *fault; /* the first thing that is wrong */
};

static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind, const char *name_at,
                                 size_t name_len, const char *value_at, size_t value_len)
{
    struct head *h = ctx;
    struct str name = {name_at, name_len},
               value = {value_at ? value_at : "", value_at ? value_len : 0};
    (void)kind;
    h->count++;
    if (!http_name_is_valid(name)) {
        h->fault = "a header name is not a token";
    } else if (!http_value_is_valid(value)) {
        h->fault = "a header value holds a control byte";
    } else if (str_eq_nocase(name, STR("Host"))) {
        h->hosts++;
    } else if (str_eq_nocase(name, STR("Content-Length"))) {
        h->lengths++;
        h->length = value;
    } else if (str_eq_nocase(name, STR("Transfer-Encoding"))) {
        h->codings++;
        h->coding = value;
    } else if (!headers_note(&h->x->request.headers, name, value)) {
        h->fault = "a header that may come once came twice";
    }
    return h->fault == NULL ? MHD_YES : MHD_NO;
}

static const char *judge(const struct head *h, const char *version, uint64_t *ret_length)
{
    bool is_11 = strcmp(version, "HTTP/1.1") == 0;
    *ret_length = h->codings > 0 ? UINT64_MAX : 0;
    if (h->fault != NULL)
        return h->fault;
    if (!is_11 && strcmp(version, "HTTP/1.0") != 0)
        return "the version is neither HTTP/1.1 nor HTTP/1.0";
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

enum err framing_check(struct exchange *x, const char *version, struct problem *problem)
{
    struct head h = {.x = x};
    const struct http_limits *limits = &x->conn->edge->limits;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct str uri = str_of(x->uri);
    MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, on_header, &h);
    const char *fault = judge(&h, version, &x->body_expected);
    if (fault == NULL)
        fault = judge_uri(uri);
    if (uri.len > limits->uri_bytes)
        return problem_set(problem, ERR_URI_TOO_LONG, "the URI is longer than limits.uri_bytes");
    if ((info != NULL && info->header_size > limits->header_bytes) || h.count > limits->headers)
        return problem_set(problem, ERR_HEADERS_TOO_LARGE,
                           "the header is larger than limits.header_bytes or limits.headers");
    return fault == NULL ? OK : problem_set(problem, ERR_INVALID_HEADER, "%s", fault);
}
