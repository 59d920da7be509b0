#ifndef SLUICE_PROVIDERS_SIM_H
#define SLUICE_PROVIDERS_SIM_H
/* `sim`, the provider that is always there: answers without a key and without a network, and fails
 * on demand (API §7).
 *
 * A script says, step by step, what happens and after which pause; whoever plays it owns the clock.
 * It is deterministic in seed and task path, pauses and faults also in the attempt. sim/echo says
 * the input's text, sim/story deterministic words. A token is a word with the white space behind it
 * (and before the first), so that the deltas joined are the text.
 *
 * Embedded by the attempt that plays it. Life: sim_init, sim_next until it is not SIM_TOKEN,
 * sim_fini. */
#include "base/rng.h"
#include "providers/provider.h"

enum { SIM_MAX_FAULTS = 16 };

enum sim_fault_kind { SIM_STATUS, SIM_RESET, SIM_HANG, SIM_TRUNCATE, SIM_GARBAGE };

struct sim_fault {
    enum sim_fault_kind kind;
    uint32_t attempt; /* 0: every */
    int status;
    uint64_t retry_after_ms;
    uint64_t after_tokens;
};

enum sim_step_kind {
    SIM_TOKEN,   /* `text` comes */
    SIM_END,     /* the answer is whole */
    SIM_FAIL,    /* as `verdict` says */
    SIM_SILENCE, /* nothing comes any more */
};

struct sim_step {
    enum sim_step_kind kind;
    uint64_t after_ms; /* the pause before it */
    struct str text;
    struct verdict verdict;
    bool is_status;          /* of a failure: it stands for an HTTP status */
    uint64_t retry_after_ms; /* of a failure: the provider's hint, 0 if none */
};

struct sim {
    struct rng words, pauses;
    bool is_story;
    uint64_t tokens; /* of a story */
    uint64_t first_ms, gap_ms;
    double jitter;
    struct sim_fault faults[SIM_MAX_FAULTS];
    uint32_t fault_count;
    const struct sim_fault *fault; /* the one that strikes this attempt; NULL: none */
    struct buf text;               /* what echo says */
    size_t at;                     /* how much of it has been said */
    uint64_t said;                 /* tokens */
    uint64_t input_tokens;
    char word[64];
};

/* OK; ERR_UNKNOWN_MODEL; ERR_BAD_REQUEST where `params.sim` is not as it should be. */
enum err sim_init(struct sim *s, const struct call *call, struct json_doc *scratch,
                  struct error *ret_error) MUST_CHECK;
void sim_fini(struct sim *s);

/* What happens next. After a step that is no token there is none. */
void sim_next(struct sim *s, struct sim_step *ret_step);

/* Does the step stand for a definite answer of an HTTP server? */
bool sim_was_answered(const struct sim_step *step);

/* Tokens taken in and given out so far; `pending` is a step that was not carried out, NULL if there
 * is none. */
void sim_usage(const struct sim *s, const struct sim_step *pending, struct usage *ret_usage);
#endif
