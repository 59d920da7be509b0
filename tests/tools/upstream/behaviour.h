#ifndef UPSTREAM_BEHAVIOUR_H
#define UPSTREAM_BEHAVIOUR_H
/* What the upstream shall do with a request, as a person writes it: a name and parameters,
 * `hang,at=after_tokens,after=2`.
 *
 * It stands in the path (/b/SPEC/v1/chat/completions), or in the last user message as [[b:SPEC]],
 * which then wins. In a path a comma or slash inside a value is percent-encoded. `@NAME` stands for
 * what POST /control/name/NAME last set. */
#include "text.h"

enum kind {
    OK,
    ECHO,
    STATUS,
    REDIRECT,
    GARBAGE,
    GARBAGE_JSON,
    BIG_HEADERS,
    ENDLESS_HEADERS,
    ENDLESS,
    ENDLESS_LINE,
    FLOOD_1XX,
    GZIP_BOMB,
    NO_DONE,
    ERROR_EVENT,
    BAD_CHUNK,
    TOOL_CALL,
    REASONING,
};

enum fault { NO_FAULT, HANG, RESET, CLOSE };
enum phase { BEFORE_STATUS, IN_HEADERS, AFTER_HEADERS, AFTER_TOKENS };
enum framing { FRAMING_USUAL, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_EOF };
enum scope { PER_ALL, PER_KEY, PER_RUN, PER_CONN };

struct behaviour {
    int kind;
    int fault; /* what happens at `at`, or after `cut` bytes */
    int at;
    int64_t after;  /* tokens before the fault or the gate, -1: none */
    int64_t cut;    /* bytes of the response that are sent, -1: all */
    int64_t tokens; /* of the answer */
    int64_t gap;    /* ms before each token but the first; `gap_first` before that too */
    int64_t delay;  /* ms before the status line */
    int64_t
        pause;    /* ms between what was sent and the fault, so that a reset does not overtake it */
    int64_t drip; /* ms between single bytes, 0: no drip */
    int64_t size; /* bytes of each token at least */
    int64_t delta; /* what is wrong with Content-Length */
    int64_t code;  /* of `status` and `redirect` */
    int64_t bytes; /* of `big_headers`, and of each unit of `endless` */
    int64_t usage; /* 0: never tell any */
    int64_t role;  /* 0: no opening delta with the role */
    int64_t first; /* the behaviour is for the first so many requests only, `then` comes after; -1:
                      for all */
    int64_t retry_date; /* Retry-After as a date so many seconds from now, INT64_MIN: none */
    int per;
    int framing;
    char *then;
    char *gate; /* held back until POST /control/gate/NAME; before the status, or after `after`
                   tokens */
    char *retry_after; /* header values, verbatim */
    char *retry_after_ms;
    char *header;  /* one more response header line */
    char *to;      /* Location */
    char *text;    /* the answer's text instead of numbered words */
    char *finish;  /* finish_reason */
    char *errcode; /* error.code of an error body */
    char *errtype;
};

/* The table of names. Presets save the test author from spelling parameters. */
static const struct {
    const char *name;
    int kind;
    int fault;
    const char *help;
} behaviours[] = {
    {"ok", OK, NO_FAULT, "tokens=3 gap=0 delay=0 size=0: a good answer, JSON or stream as asked"},
    {"echo", ECHO, NO_FAULT, "the last user message comes back, a word a delta"},
    {"status", STATUS, NO_FAULT,
     "code=500 retry_after= retry_after_ms= retry_date= errcode= errtype="},
    {"redirect", REDIRECT, NO_FAULT,
     "code=302 to=URL (default: a path here that would answer well)"},
    {"hang", OK, HANG, "at=before_status|in_headers|after_headers|after_tokens after=N: silence"},
    {"reset", OK, RESET, "the same with RST"},
    {"close", OK, CLOSE, "the same with FIN"},
    {"cut", OK, CLOSE, "cut=BYTES by=close|reset|hang, framing=length|chunked|eof"},
    {"length", OK, NO_FAULT, "delta=+N|-N: a wrong Content-Length"},
    {"bad_chunk", BAD_CHUNK, NO_FAULT, "after=N: a chunk size that is none"},
    {"garbage", GARBAGE, NO_FAULT, "bytes that are not HTTP"},
    {"garbage_json", GARBAGE_JSON, NO_FAULT, "a 200 whose JSON (or event data) is none"},
    {"big_headers", BIG_HEADERS, NO_FAULT, "bytes=400000 of headers, then a good answer"},
    {"endless_headers", ENDLESS_HEADERS, NO_FAULT, "headers without end"},
    {"endless", ENDLESS, NO_FAULT, "bytes=1024 gap=0: a body without end"},
    {"endless_line", ENDLESS_LINE, NO_FAULT, "a body without end and without a line's end"},
    {"flood_1xx", FLOOD_1XX, NO_FAULT, "interim 103 answers without end"},
    {"gzip_bomb", GZIP_BOMB, NO_FAULT,
     "64 MB in a few KB, if compression was asked for; else a good answer"},
    {"no_done", NO_DONE, NO_FAULT, "a stream that ends well but for its [DONE]"},
    {"error_event", ERROR_EVENT, NO_FAULT,
     "after=N: an error object inside a stream that began with 200"},
    {"tool_call", TOOL_CALL, NO_FAULT,
     "the answer is a tool call, its arguments in tokens=3 pieces"},
    {"reasoning", REASONING, NO_FAULT, "two reasoning deltas, then the answer"},
};

static const char *const fault_words[] = {"none", "hang", "reset", "close", NULL};
static const char *const phase_words[] = {"before_status", "in_headers", "after_headers",
                                          "after_tokens", NULL};
static const char *const framing_words[] = {"usual", "length", "chunked", "eof", NULL};
static const char *const scope_words[] = {"all", "key", "run", "conn", NULL};

static const struct {
    const char *name;
    size_t offset;
    enum { NUMBER, TEXT, WORD } type;
    const char *const *words;
} parameters[] = {
#define FIELD(f) offsetof(struct behaviour, f)
    {"after", FIELD(after), NUMBER, NULL},
    {"at", FIELD(at), WORD, phase_words},
    {"by", FIELD(fault), WORD, fault_words},
    {"bytes", FIELD(bytes), NUMBER, NULL},
    {"code", FIELD(code), NUMBER, NULL},
    {"cut", FIELD(cut), NUMBER, NULL},
    {"delay", FIELD(delay), NUMBER, NULL},
    {"delta", FIELD(delta), NUMBER, NULL},
    {"drip", FIELD(drip), NUMBER, NULL},
    {"errcode", FIELD(errcode), TEXT, NULL},
    {"errtype", FIELD(errtype), TEXT, NULL},
    {"finish", FIELD(finish), TEXT, NULL},
    {"first", FIELD(first), NUMBER, NULL},
    {"framing", FIELD(framing), WORD, framing_words},
    {"gap", FIELD(gap), NUMBER, NULL},
    {"gate", FIELD(gate), TEXT, NULL},
    {"header", FIELD(header), TEXT, NULL},
    {"pause", FIELD(pause), NUMBER, NULL},
    {"per", FIELD(per), WORD, scope_words},
    {"retry_after", FIELD(retry_after), TEXT, NULL},
    {"retry_after_ms", FIELD(retry_after_ms), TEXT, NULL},
    {"retry_date", FIELD(retry_date), NUMBER, NULL},
    {"role", FIELD(role), NUMBER, NULL},
    {"size", FIELD(size), NUMBER, NULL},
    {"text", FIELD(text), TEXT, NULL},
    {"then", FIELD(then), TEXT, NULL},
    {"to", FIELD(to), TEXT, NULL},
    {"tokens", FIELD(tokens), NUMBER, NULL},
    {"usage", FIELD(usage), NUMBER, NULL},
#undef FIELD
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void behaviour_free(struct behaviour *b)
{
    char *texts[] = {b->then, b->gate, b->retry_after, b->retry_after_ms, b->header,
                     b->to,   b->text, b->finish,      b->errcode,        b->errtype};
    for (size_t i = 0; i < COUNT(texts); i++)
        free(texts[i]);
    *b = (struct behaviour){0};
}

static int word_index(const char *const *words, struct slice s)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (slice_is(s, words[i]))
            return i;
    }
    return -1;
}

static bool parameter_set(struct behaviour *b, struct slice name, struct slice value)
{
    for (size_t i = 0; i < COUNT(parameters); i++) {
        if (!slice_is(name, parameters[i].name))
            continue;
        char *field = (char *)b + parameters[i].offset;
        bool ok = true;
        if (parameters[i].type == NUMBER) {
            int64_t n = slice_int(value, &ok);
            memcpy(field, &n, sizeof n);
        } else if (parameters[i].type == WORD) {
            int n = word_index(parameters[i].words, value);
            ok = n >= 0;
            memcpy(field, &n, sizeof n);
        } else {
            struct buf text = {0};
            buf_adds(&text, "");
            percent_decode(value, &text);
            char *old;
            memcpy(&old, field, sizeof old);
            free(old);
            memcpy(field, &text.data, sizeof text.data);
        }
        return ok;
    }
    return false;
}

/* False if the spec says something unknown: a typing error in a test must not pass as a good
 * answer. */
static bool behaviour_parse(struct slice spec, struct behaviour *ret)
{
    struct behaviour b = {.after = -1,
                          .cut = -1,
                          .tokens = 3,
                          .code = 500,
                          .first = -1,
                          .usage = 1,
                          .role = 1,
                          .at = BEFORE_STATUS,
                          .retry_date = INT64_MIN};
    struct slice name = slice_split(&spec, ',');
    bool ok = false;
    for (size_t i = 0; i < COUNT(behaviours) && !ok; i++) {
        ok = slice_is(name, behaviours[i].name);
        b.kind = behaviours[i].kind;
        b.fault = behaviours[i].fault;
    }
    if (b.kind == BIG_HEADERS)
        b.bytes = 400000;
    if (b.kind == ENDLESS)
        b.bytes = 1024;
    if (b.kind == REDIRECT)
        b.code = 302;
    while (ok && spec.len > 0) {
        struct slice pair = slice_split(&spec, ',');
        struct slice key = slice_split(&pair, '=');
        ok = parameter_set(&b, key, pair);
    }
    if (!ok) {
        behaviour_free(&b);
        return false;
    }
    if (b.after >= 0 && b.at == BEFORE_STATUS)
        b.at = AFTER_TOKENS;
    if (b.kind == REDIRECT && b.to == NULL)
        b.to = slice_copy(slice_of("/b/ok/v1/chat/completions"));
    *ret = b;
    return true;
}

/* `cut` is a fault after so many bytes, every other fault comes at its phase. */
static bool behaviour_faults_at(const struct behaviour *b, int phase)
{
    return b->fault != NO_FAULT && b->cut < 0 && b->at == phase;
}

static void behaviour_help(void)
{
    for (size_t i = 0; i < COUNT(behaviours); i++)
        printf("  %-16s %s\n", behaviours[i].name, behaviours[i].help);
    puts(
        "  everywhere: delay gap drip pause tokens size text finish usage role framing header gate first/per/then");
}
#endif
