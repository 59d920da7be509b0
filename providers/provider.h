#ifndef SLUICE_PROVIDERS_PROVIDER_H
#define SLUICE_PROVIDERS_PROVIDER_H
/* A provider: an outbound endpoint with its wire format, and the adapter that speaks it.
 *
 * An adapter translates, without I/O: it builds the request of a call, eats the bytes of the answer
 * and gives out neutral deltas, and judges failures. Its tests are recorded transcripts. `sim` has
 * no wire: it says what happens next and after which pause (providers/sim.h).
 *
 * A provider is made from its options once and immutable from then on; any thread. A decoder
 * belongs to one attempt. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "net/http.h"
#include "providers/answer.h"
#include "providers/http_options.h"
#include "providers/verdict.h"

enum { PROVIDER_MAX_KEYS = 32, PROVIDER_MAX_EXTRAS = 16 };

struct provider_kind;
struct http_form;

struct provider_options {
    struct str name;
    struct str kind; /* "openai", "sim", ... */
    struct str base_url;
    struct str api_keys[PROVIDER_MAX_KEYS];
    uint32_t api_key_count;
    struct http_header headers[PROVIDER_MAX_EXTRAS]; /* sent with every request */
    uint32_t header_count;
    struct http_header query[PROVIDER_MAX_EXTRAS]; /* added to every URL */
    uint32_t query_count;
    struct str ca_file; /* NULL: the system's */
    /* The header that carries the API key, and what stands before the key in it. NULL: the kind's
     * own. */
    struct str auth_header, auth_prefix;
    uint32_t max_tokens; /* of an answer, where the wire format must have it and the call does not
                            say; 0: the kind's own */
    struct http_options http; /* of the kind "http" */
};

struct provider {
    const struct provider_kind *kind;
    struct arena arena; /* owns all strings */
    struct provider_options options;
    const char *url;                    /* of the call; made by the adapter */
    struct str auth[PROVIDER_MAX_KEYS]; /* the value of the header that carries each key */
    const struct http_form *form;       /* of the kind "http"; made by its adapter */
};

/* A call, neutral. Views are borrowed for the time of the attempt. */
struct call {
    struct str model; /* without the provider's name */
    struct str instructions;
    struct str input;         /* JSON */
    struct json agent_params; /* an object, or JSON_NONE */
    struct json run_params;   /* laid over them, member by member; or JSON_NONE */
    struct str task_path;
    uint32_t attempt; /* from 1 */
    /* of the kind "http", with every reference filled in; NULL: as the provider has it */
    struct str request; /* JSON object {method, path, query, headers, body} */
    struct str result;  /* pointer to the value within the answer */
};

/* Where a decoder gives out what it has read. */
struct decoder_sink {
    void *ctx;
    bool (*on_delta)(void *ctx, const struct delta *delta); /* false: stop, the attempt is over */
    struct answer *answer; /* usage and finish reason go there directly, and the text of an answer
                              that is not streamed */
};

struct decoder; /* as the kind defines it */

/* All that a decoder needs; what is pointed to outlives it. */
struct decoder_setup {
    const struct provider *provider;
    const struct call *call;
    struct decoder_sink sink;
    struct json_doc *scratch; /* a tape that may be used within each call of the decoder */
    size_t max_bytes;
    struct str handle; /* of the work that was asked after; empty: none */
};

/* The head of an answer. Views are valid during the call. */
struct answer_head {
    int status;
    struct str content_type; /* STR_NONE: none came */
};

/* What is said to a server about work that goes on there. */
enum poll_ask { POLL_ASK, POLL_CANCEL };

struct provider_kind {
    const char *name;
    bool is_local;                    /* no HTTP: `sim` */
    bool (*serves)(struct str model); /* is that one of its models? NULL: only the provider knows */

    /* Makes what every request shares (url, auth) in p->arena. */
    enum err (*prepare)(struct provider *p, struct error *ret_error);

    /* Writes the request of a call. The body goes into `body`, which outlives the request; `key` is
     * the index of the API key to use. ERR_BAD_REQUEST with the reason where the call is none for
     * this provider. */
    enum err (*build)(const struct provider *p, const struct call *call, uint32_t key,
                      struct buf *body, struct json_doc *scratch, struct http_request *ret_request,
                      struct error *ret_error);

    /* Does a response of this status hold an answer? NULL: 200 alone. */
    bool (*accepts)(const struct provider *p, int status);

    /* A decoder for the answer to such a request, in `decoder_size` bytes of zeroed memory. */
    size_t decoder_size;
    void (*decoder_init)(struct decoder *d, const struct decoder_setup *setup);
    void (*decoder_fini)(struct decoder *d);
    /* The first bytes of an answer have come, with a status that is a success. */
    void (*decoder_begin)(struct decoder *d, const struct answer_head *head);
    /* False: there is a verdict already, nothing more is wanted. */
    bool (*decoder_feed)(struct decoder *d, const char *bytes, size_t len);
    /* Has the protocol's own end mark come? What happens to the connection afterwards does not
     * matter. */
    bool (*decoder_is_complete)(const struct decoder *d);
    /* No more bytes come: was the answer whole? */
    void (*decoder_end)(struct decoder *d, struct verdict *ret_verdict);

    /* What a status that is no success means, with what came as its body (cut at 64 KiB). */
    void (*judge)(const struct provider *p, int status, struct str body, struct json_doc *scratch,
                  struct verdict *ret_verdict);

    /* Work that goes on after its answer ("202 and poll me"); both NULL: the kind has none.
     * After a decoder_end that said OK: the handle, as text to be stored, with which to ask again;
     * valid as long as the decoder. Empty: the answer is there. */
    struct str (*decoder_handle)(const struct decoder *d);
    /* The next request to such work, like `build`. ERR_NOT_FOUND: it cannot be cancelled. */
    enum err (*build_poll)(const struct provider *p, struct str handle, enum poll_ask ask,
                           uint32_t key, struct buf *body, struct json_doc *scratch,
                           struct http_request *ret_request, struct error *ret_error);
};

/* The table of adapters. NULL: there is no such kind. */
const struct provider_kind *provider_kind_find(struct str name);
const struct provider_kind *provider_kind_at(size_t index); /* NULL behind the last */

/* ERR_CONFIG with the reason where the options do not make a provider. Copies them. */
enum err provider_create(const struct provider_options *options, struct provider **ret_provider,
                         struct error *ret_error) MUST_CHECK;
void provider_destroy(struct provider *p);

/* Does a response of this status hold an answer, or only a reason? */
bool provider_accepts(const struct provider *p, int status);

/* A member of the call's params: the run's, else the agent's. JSON_NONE if neither has it. */
struct json call_param(const struct call *call, const char *name);

/* Each param once: the agent's that the run does not replace, then the run's. False: no memory. */
typedef void call_param_fn(void *ctx, struct json_member param);
bool call_each_param(const struct call *call, call_param_fn *on_param, void *ctx) MUST_CHECK;

/* The adapters. */
extern const struct provider_kind provider_openai;
extern const struct provider_kind provider_anthropic;
extern const struct provider_kind provider_http;
extern const struct provider_kind provider_sim;
#endif
