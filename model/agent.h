#ifndef SLUICE_MODEL_AGENT_H
#define SLUICE_MODEL_AGENT_H
/* An agent: a named call (API §5). One call, not a tool loop.
 *
 * Made from JSON by agent_create and immutable from then on; shared by reference count between the
 * catalog and the runs that call it. Any thread may hold one. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/check.h"
#include "model/retry_spec.h"

enum { AGENT_MAX_MODELS = 16, AGENT_TEXT_MAX = 262144 };

enum output_kind { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_MESSAGE };
const char *output_kind_name(enum output_kind k);

struct agent {
    atomic_uint refs;
    struct arena arena; /* owns every string here */
    struct str name;
    struct str description;
    struct str models[AGENT_MAX_MODELS]; /* "provider/model": fall back in order */
    uint32_t model_count;
    struct str instructions;    /* empty: none */
    struct str params;          /* JSON object; NULL: {} */
    struct json_doc params_doc; /* the tape over `params`; read-only from agent_create on */
    enum output_kind output;
    bool has_retry;
    struct retry_spec retry;
    int64_t timeout_ms; /* 0: none */
    int64_t version;
    bool from_config;
};

/* Does a name of this sort exist? Asked while a document is checked, so that model/ need not know
 * where names live. */
struct name_lookup {
    void *ctx;
    bool (*agent)(void *ctx, struct str name);
    bool (*workflow)(void *ctx, struct str name);
    /* OK, ERR_UNKNOWN_PROVIDER, or ERR_UNKNOWN_MODEL ("provider/model" that is not of that form, or
     * not served) */
    enum err (*model)(void *ctx, struct str model);
    /* The rest is asked of task trees only; NULL: there is none. */
    bool (*provider)(void *ctx, struct str name); /* one that takes plain requests */
    /* Does the workflow call `target`, itself or through others? */
    bool (*leads_to)(void *ctx, struct str workflow, struct str target);
};

/* Every name exists, and nothing is a cycle: for what was valid once and is not judged anew. */
extern const struct name_lookup name_lookup_any;

/* Checks `v` (an agent's document; `name` may be given by the path instead) and makes an agent of
 * it. Findings go to c->problem: then the answer is its code. */
enum err agent_create(struct check *c, struct json v, const struct doc_path *at, struct str name,
                      const struct name_lookup *names, struct agent **ret_agent) MUST_CHECK;

struct agent *agent_ref(struct agent *a);
struct agent *agent_unref(struct agent *a); /* NULL is fine; returns NULL */

/* {"name":..,"description":..,"model":..,...,"version":..,"source":..} */
void agent_write(struct buf *b, const struct agent *a);
/* The same without what a client cannot say, version and source: agent_create makes it again. */
void agent_write_document(struct buf *b, const struct agent *a);

/* A model or a list of them, from JSON; shared with task_spec. Strings are copied into the check's
 * arena. */
void check_models(struct check *c, struct json v, const struct doc_path *at,
                  const struct name_lookup *names, struct str *ret_models, uint32_t *ret_count);
#endif
