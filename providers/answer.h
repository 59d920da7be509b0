#ifndef SLUICE_PROVIDERS_ANSWER_H
#define SLUICE_PROVIDERS_ANSWER_H
/* What comes out of a call, whatever the wire format was: deltas while it runs, and the whole at
 * its end.
 *
 * An answer gathers text and tool calls from deltas. Owned by one attempt, on its loop. Bounded:
 * past `max_bytes` of text and arguments together it fails. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "model/usage.h"

enum delta_kind { DELTA_TEXT, DELTA_REASONING, DELTA_TOOL_CALL };

/* One delta of the provider is one delta here. Views are valid during the call. */
struct delta {
    enum delta_kind kind;
    struct str text;      /* of text and reasoning */
    uint32_t index;       /* of a tool call */
    struct str id, name;  /* NULL where this delta does not bring them */
    struct str arguments; /* a piece of JSON text; may be empty */
};

/* The `data` of the delta's event: {"text":..}, {"reasoning":..} or {"tool_call":{..}}. */
void delta_write(struct buf *b, const struct delta *d);

enum { ANSWER_MAX_TOOL_CALLS = 128 };

struct tool_call {
    struct buf id, name, arguments;
};

struct answer {
    struct buf text;
    bool is_json; /* the text is JSON, and the call's value as it is */
    struct tool_call *tool_calls;
    uint32_t tool_call_count;
    size_t bytes;       /* of text, names and arguments together */
    size_t max_bytes;   /* for them */
    struct usage usage; /* tokens as the provider reports them */
    bool has_usage;
    char finish_reason[32]; /* empty: not told */
};

void answer_init(struct answer *a, size_t max_bytes);
void answer_fini(struct answer *a);

/* OK, ERR_LIMIT_EXCEEDED past the bound, ERR_NOMEM. */
enum err answer_add(struct answer *a, const struct delta *d) MUST_CHECK;
/* The answer is a value, not a text: its JSON, without white space. As answer_add. */
enum err answer_set_json(struct answer *a, struct json value) MUST_CHECK;
void answer_set_finish_reason(struct answer *a, struct str reason);

/* {"role":"assistant","content":..,"tool_calls":[..]}: the whole message. */
void answer_write_message(struct buf *b, const struct answer *a);
#endif
