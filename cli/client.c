#include "cli/client.h"

#include <curl/curl.h>
#include <stdio.h>

#include "base/mem.h"
#include "net/http.h"

enum {
    CONNECT_MS = 10000,
    KEEPALIVE_S =
        30, /* the gateway itself breaks a silence more often; this finds a peer that is gone */
    STEP_MS = 60000,
};

struct client {
    struct endpoint endpoint;
    CURLM *multi;
    char *key; /* NULL: none */
};

struct exchange {
    struct client *client;
    struct client_request request;
    CURL *easy;
    struct curl_slist *headers;
    struct answer answer;
    char error[CURL_ERROR_SIZE];
    bool is_over;
};

/* --- the client ------------------------------------------------------------------------------- */

enum err client_open(const struct endpoint *endpoint, const char *key, struct client **ret_client,
                     struct error *ret_error)
{
    if (key != NULL && (key[0] == '\0' || !http_value_is_valid(str_of(key))))
        return error_set(ret_error, ERR_INVALID_REQUEST,
                         "SLUICE_KEY is empty or holds what no header may");
    struct client *c = mem_zalloc(sizeof *c);
    if (c == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        mem_free(c);
        return error_set(ret_error, ERR_NOMEM, "out of memory");
    }
    c->endpoint = *endpoint;
    c->multi = curl_multi_init();
    c->key = key != NULL ? mem_strdup(str_of(key)) : NULL;
    if (c->multi == NULL || (key != NULL && c->key == NULL)) {
        client_close(c);
        return error_set(ret_error, ERR_NOMEM, "out of memory");
    }
    *ret_client = c;
    return OK;
}

void client_close(struct client *c)
{
    if (c == NULL)
        return;
    curl_multi_cleanup(c->multi);
    curl_global_cleanup();
    mem_free(c->key);
    mem_free(c);
}

const char *client_name(const struct client *c)
{
    return endpoint_name(&c->endpoint);
}

/* --- what comes in ---------------------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    size_t n = size * count;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->answer.status);
    if (x->request.on_bytes != NULL && x->answer.status == 200)
        return x->request.on_bytes(x->request.ctx, (struct str){bytes, n}) ? n
                                                                           : CURL_WRITEFUNC_ERROR;
    buf_add(&x->answer.body, bytes, n);
    return buf_ok(&x->answer.body) == OK ? n : CURL_WRITEFUNC_ERROR;
}

/* "/v1/runs/run_..", with whatever the gateway's base path puts in front. */
static void take_location(struct answer *a, struct str location)
{
    struct id id;
    if (location.len < RUN_ID_TEXT)
        return;
    struct str last = {location.at + location.len - RUN_ID_TEXT, RUN_ID_TEXT};
    if (id_parse(last, RUN_ID_PREFIX, &id))
        str_copy(a->run_id, sizeof a->run_id, last);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *x = ctx;
    struct str value = {bytes, size * count};
    while (value.len > 0 && (value.at[value.len - 1] == '\n' || value.at[value.len - 1] == '\r'))
        value.len--;
    struct str name = str_cut(&value, ':');
    if (str_eq_nocase(name, STR("location")))
        take_location(&x->answer, str_trim(value));
    return size * count;
}

/* What the system said of the connection, else what curl says. */
static void explain(struct exchange *x, CURLcode result)
{
    struct answer *a = &x->answer;
    long os_error = 0;
    curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os_error);
    const char *text = x->error[0] != '\0' ? x->error : curl_easy_strerror(result);
    if (result == CURLE_COULDNT_CONNECT && os_error != 0)
        text = strerror((int)os_error);
    str_copy(a->failure, sizeof a->failure, str_of(text));
}

static void on_over(struct exchange *x, CURLcode result)
{
    struct answer *a = &x->answer;
    curl_off_t sent_after_us = 0;
    x->is_over = true;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &a->status);
    if (result == CURLE_OK) {
        a->fate = ANSWER_WHOLE;
        return;
    }
    curl_easy_getinfo(x->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_after_us);
    a->fate = sent_after_us > 0 ? ANSWER_BROKEN : ANSWER_NO_SERVER;
    explain(x, result);
}

/* True: something has come to its end. */
static bool collect(struct client *c)
{
    CURLMsg *m;
    int left;
    bool any = false;
    while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct exchange *x = NULL;
        if (m->msg != CURLMSG_DONE ||
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x) != CURLE_OK)
            continue;
        on_over(x, m->data.result);
        any = true;
    }
    return any;
}

void client_step(struct client *c, int timeout_ms, int wake_fd)
{
    struct curl_waitfd wake = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
    int running;
    /* Errors of the multi handle itself are misuse or lack of memory; each exchange's own end tells
     * of the latter. */
    curl_multi_perform(c->multi, &running);
    if (!collect(c))
        curl_multi_poll(c->multi, &wake, wake_fd >= 0 ? 1 : 0, timeout_ms, NULL);
}

/* --- what goes out ---------------------------------------------------------------------------- */

static bool add_header(struct exchange *x, const char *name, const char *value)
{
    struct buf line;
    buf_init(&line, 65536);
    buf_addf(&line, "%s: %s", name, value);
    buf_add_char(&line, '\0');
    struct curl_slist *list = buf_ok(&line) == OK ? curl_slist_append(x->headers, line.data) : NULL;
    buf_fini(&line);
    if (list == NULL)
        return false;
    x->headers = list;
    return true;
}

static bool add_authorization(struct exchange *x)
{
    struct buf value;
    buf_init(&value, 65536);
    buf_addf(&value, "Bearer %s", x->client->key);
    buf_add_char(&value, '\0');
    bool fine = buf_ok(&value) == OK && add_header(x, "Authorization", value.data);
    buf_fini(&value);
    return fine;
}

static bool add_headers(struct exchange *x)
{
    const struct client_request *r = &x->request;
    char number[32];
    if (!add_header(x, "Accept", r->accept != NULL ? r->accept : "application/json") ||
        !add_header(x, "Expect", ""))
        return false;
    if (x->client->key != NULL && !add_authorization(x))
        return false;
    if (r->body.at != NULL && !add_header(x, "Content-Type", "application/json"))
        return false;
    snprintf(number, sizeof number, "\"%llu\"", (unsigned long long)r->if_match);
    if (r->has_if_match && !add_header(x, "If-Match", number))
        return false;
    snprintf(number, sizeof number, "wait=%u", (unsigned)r->wait_s);
    if (r->wait_s > 0 && !add_header(x, "Prefer", number))
        return false;
    snprintf(number, sizeof number, "%llu", (unsigned long long)r->last_event_id);
    return !r->resumes || add_header(x, "Last-Event-ID", number);
}

static bool set_url(struct exchange *x)
{
    struct buf url;
    buf_init(&url, 65536);
    buf_addf(&url, "%s%s", x->client->endpoint.url, x->request.path);
    buf_add_char(&url, '\0');
    bool fine = buf_ok(&url) == OK && curl_easy_setopt(x->easy, CURLOPT_URL, url.data) == CURLE_OK;
    buf_fini(&url);
    return fine;
}

/* A POST or PUT without a body has an empty one. */
static bool set_method(struct exchange *x)
{
    const struct client_request *r = &x->request;
    if (strcmp(r->method, "GET") == 0)
        return true;
    if (strcmp(r->method, "DELETE") == 0)
        return curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK;
    struct str body = r->body.at != NULL ? r->body : STR("");
    return curl_easy_setopt(x->easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK &&
           curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) ==
               CURLE_OK &&
           curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, body.at) == CURLE_OK;
}

/* These options fail for want of memory only, or are refused by a curl built without them. */
static void set_options(struct exchange *x)
{
    const char *socket = x->client->endpoint.socket;
    CURL *e = x->easy;
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->error);
    curl_easy_setopt(e, CURLOPT_PRIVATE, x);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_USERAGENT, "sluice");
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)x->request.limit_ms);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
    if (socket[0] != '\0')
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, socket);
}

struct exchange *exchange_start(struct client *c, const struct client_request *request)
{
    struct exchange *x = mem_zalloc(sizeof *x);
    if (x == NULL)
        return NULL;
    x->client = c;
    x->request = *request;
    buf_init(&x->answer.body, CLIENT_MAX_BODY);
    x->easy = curl_easy_init();
    bool fine = x->easy != NULL && add_headers(x) && set_url(x) && set_method(x);
    if (fine) {
        set_options(x);
        fine = curl_multi_add_handle(c->multi, x->easy) == CURLM_OK;
    }
    if (fine)
        return x;
    exchange_end(x);
    return NULL;
}

const struct answer *exchange_answer(const struct exchange *x)
{
    return x->is_over ? &x->answer : NULL;
}

const char *exchange_run_id(const struct exchange *x)
{
    return x->answer.run_id;
}

void exchange_end(struct exchange *x)
{
    if (x == NULL)
        return;
    if (x->easy != NULL)
        curl_multi_remove_handle(x->client->multi, x->easy);
    curl_easy_cleanup(x->easy);
    curl_slist_free_all(x->headers);
    buf_fini(&x->answer.body);
    mem_free(x);
}

enum err client_ask(struct client *c, const struct client_request *request,
                    struct answer *ret_answer)
{
    struct exchange *x = exchange_start(c, request);
    if (x == NULL)
        return ERR_NOMEM;
    while (!x->is_over)
        client_step(c, STEP_MS, -1);
    *ret_answer = x->answer;
    buf_init(&x->answer.body, CLIENT_MAX_BODY); /* the bytes are the caller's now */
    exchange_end(x);
    return OK;
}
