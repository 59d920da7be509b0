/* What a transfer sends, as curl wants to be told. */
#include "base/mem.h"
#include "net/transfer_internal.h"

enum { KEPT_URL_MAX = 512 }; /* a longer one is read each time, so that spare handles stay small */

enum { MORE_HEADERS = 1 }; /* Expect */

static size_t nodes_bytes(const struct http_request *r)
{
    return (r->header_count + MORE_HEADERS) * sizeof(struct curl_slist);
}

static size_t text_bytes(const struct http_request *r)
{
    size_t bytes = sizeof "Expect:";
    for (uint32_t i = 0; i < r->header_count; i++)
        bytes += r->headers[i].name.len + r->headers[i].value.len + 3;
    return bytes;
}

/* curl wants a linked list of lines. It is one piece of memory, so that no line costs an
 * allocation. "Name;" sends an empty value, "Name:" none at all: that is how the `Expect:` header,
 * and the wait for a 100 that it brings, is switched off. */
bool transfer_write_headers(struct transfer *t, const struct http_request *r)
{
    struct curl_slist *node = mem_alloc(nodes_bytes(r) + text_bytes(r));
    if (node == NULL)
        return false;
    t->headers = node;
    char *at = (char *)node + nodes_bytes(r);
    for (uint32_t i = 0; i < r->header_count; i++, node++) {
        const struct http_header *h = &r->headers[i];
        *node = (struct curl_slist){.data = at, .next = node + 1};
        memcpy(at, h->name.at, h->name.len);
        at += h->name.len;
        if (str_trim(h->value).len == 0) {
            *at++ = ';';
        } else {
            *at++ = ':';
            *at++ = ' ';
            memcpy(at, h->value.at, h->value.len);
            at += h->value.len;
        }
        *at++ = '\0';
    }
    memcpy(at, "Expect:", sizeof "Expect:");
    *node = (struct curl_slist){.data = at, .next = NULL};
    return true;
}

/* curl says itself what is wrong with a text that it cannot read. */
static CURLcode use_text(struct transfer *t, const char *url)
{
    CURLcode rc = curl_easy_setopt(t->easy, CURLOPT_CURLU, NULL);
    return rc == CURLE_OK ? curl_easy_setopt(t->easy, CURLOPT_URL, url) : rc;
}

/* Without a text, curl also forgets the one that it has composed of the last URL. */
static CURLcode use_read_url(struct transfer *t, const char *url)
{
    CURLcode rc = curl_easy_setopt(t->easy, CURLOPT_CURLU, t->url);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(t->easy, CURLOPT_URL, NULL);
    if (rc != CURLE_OK)
        return rc;
    t->url_text = mem_strdup(str_of(url));
    return t->url_text != NULL ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* curl reads a text, and composes it again, for each transfer. An URL that it is given as read it
 * takes as it is: so a handle keeps its last one, which is mostly the next one's as well. */
static CURLcode set_url(struct transfer *t, const char *url)
{
    if (t->url_text != NULL && strcmp(t->url_text, url) == 0)
        return CURLE_OK;
    mem_free(t->url_text);
    t->url_text = NULL;
    bool is_read = strlen(url) <= KEPT_URL_MAX &&
                   curl_url_set(t->url, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
    return is_read ? use_read_url(t, url) : use_text(t, url);
}

static bool is_tls(struct str url)
{
    const struct str scheme = STR("https:");
    return url.len > scheme.len && str_eq_nocase((struct str){url.at, scheme.len}, scheme);
}

bool transfer_set_request(struct transfer *t, const struct http_request *r)
{
    bool has_body = r->body.at != NULL, is_head = strcmp(r->method, "HEAD") == 0;
    bool is_usual = strcmp(r->method, has_body ? "POST" : "GET") == 0;
    t->pool->is_tls = is_tls(str_of(r->url));
    /* HTTP/2 with TLS only. Without, curl would hold all requests back until the first is answered,
     * to see whether the server speaks it. */
    long version = t->pool->is_tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
    CURL *e = t->easy;
    CURLcode rc = set_url(t, r->url);
#define SET(option, value) rc = rc == CURLE_OK ? curl_easy_setopt(e, option, value) : rc
    SET(CURLOPT_HTTP_VERSION, version);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_NOBODY, 0L);
    SET(CURLOPT_HTTPGET, 1L);
    if (has_body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        SET(CURLOPT_POSTFIELDS, r->body.at);
    }
    if (is_head)
        SET(CURLOPT_NOBODY, 1L); /* its answer has none, whatever length it tells */
    SET(CURLOPT_CUSTOMREQUEST, is_usual ? NULL : r->method);
#undef SET
    return rc == CURLE_OK;
}
