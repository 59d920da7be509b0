#include "api/headers.h"

#include <stddef.h>

static const struct {
    struct str name;
    size_t offset;
    bool may_repeat; /* not ours to refuse: as many as there is place for count */
    unsigned lines;  /* of a list; else 1 */
} known[] = {
#define KNOWN_LINES(text, field, repeat, lines)                                                    \
    {                                                                                              \
        {text, sizeof(text) - 1}, offsetof(struct headers, field), repeat, lines                   \
    }
#define KNOWN(text, field, repeat) KNOWN_LINES(text, field, repeat, 1)
#define KNOWN_LIST(text, field)    KNOWN_LINES(text, field, true, HEADER_LINES)
    KNOWN_LIST("accept", accept),
    KNOWN("authorization", authorization, false),
    KNOWN("x-api-key", api_key, false),
    KNOWN("content-type", content_type, false),
    KNOWN("content-encoding", content_encoding, true),
    KNOWN("idempotency-key", idempotency_key, false),
    KNOWN("last-event-id", last_event_id, false),
    KNOWN_LIST("prefer", prefer),
    KNOWN("x-request-id", request_id, true),
    KNOWN("traceparent", traceparent, true),
    KNOWN("sluice-depth", depth, false),
    KNOWN("if-match", if_match, false),
    KNOWN("if-none-match", if_none_match, false),
#undef KNOWN_LIST
#undef KNOWN
#undef KNOWN_LINES
};

bool headers_note(struct headers *h, struct str name, struct str value)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (name.len != known[i].name.len || !str_eq_nocase(name, known[i].name))
            continue;
        struct str *slot = (struct str *)(void *)((char *)h + known[i].offset);
        for (unsigned k = 0; k < known[i].lines; k++) {
            if (slot[k].at == NULL) {
                slot[k] = str_trim(value);
                return true;
            }
        }
        return known[i].may_repeat;
    }
    return true;
}

/* The next element of all lines, from (0, the first line) on; false behind the last. */
static bool next_element(const struct header_list *list, unsigned *line, struct str *rest,
                         struct str *ret_element)
{
    while (rest->at == NULL) {
        if (++*line == HEADER_LINES)
            return false;
        *rest = list->lines[*line];
    }
    *ret_element = str_cut(rest, ',');
    return true;
}

/* --- Accept ----------------------------------------------------------------------------------- */

/* "q=0.8" in thousandths; 1000 where there is none, 0 where it is not a number. */
static unsigned quality(struct str params)
{
    while (params.at != NULL) {
        struct str p = str_trim(str_cut(&params, ';'));
        if (p.len < 2 || (p.at[0] | 32) != 'q' || p.at[1] != '=')
            continue;
        unsigned q = 0, scale = 1000;
        for (size_t i = 2; i < p.len && scale > 0; i++) {
            if (p.at[i] == '.')
                continue;
            if (p.at[i] < '0' || p.at[i] > '9')
                return 0;
            q += (unsigned)(p.at[i] - '0') * scale;
            scale /= 10;
        }
        return q > 1000 ? 1000 : q;
    }
    return 1000;
}

/* How well a media range names a type: 3 exactly, 2 TYPE/\*, 1 anything, 0 not. */
static unsigned specificity(struct str range, struct str type, struct str type_star)
{
    if (str_eq_nocase(range, type))
        return 3;
    if (str_eq_nocase(range, type_star))
        return 2;
    return str_eq(range, STR("*/*")) ? 1 : 0;
}

/* The quality that the header gives a type: that of the range which names it best. */
static unsigned quality_of(const struct header_list *accept, struct str type, struct str type_star,
                           unsigned *ret_specificity)
{
    unsigned best = 0, q = 0, line = 0;
    struct str rest = accept->lines[0], params;
    while (next_element(accept, &line, &rest, &params)) {
        struct str range = str_trim(str_cut(&params, ';'));
        unsigned s = specificity(range, type, type_star);
        if (s > best) {
            best = s;
            q = quality(params);
        }
    }
    *ret_specificity = best;
    return q;
}

/* Is it offered, for a range that names it so well? */
static bool is_offered(enum accepted a, enum offered offered, unsigned specificity_of_range)
{
    switch (offered) {
    case OFFERS_JSON: return a == ACCEPTS_JSON;
    case OFFERS_JSON_AND_STREAMS: return a == ACCEPTS_JSON || specificity_of_range == 3;
    case OFFERS_STREAMS: return a != ACCEPTS_JSON;
    }
    return false;
}

static bool is_empty(const struct header_list *list)
{
    size_t len = 0;
    for (unsigned i = 0; i < HEADER_LINES; i++)
        len += list->lines[i].len;
    return len == 0;
}

enum accepted headers_accept(const struct headers *h, enum offered offered)
{
    static const struct {
        struct str type, star;
        enum accepted is;
    } types[] = {
        {{"application/json", 16}, {"application/*", 13}, ACCEPTS_JSON},
        {{"text/event-stream", 17}, {"text/*", 6}, ACCEPTS_SSE},
        {{"application/x-ndjson", 20}, {"application/*", 13}, ACCEPTS_NDJSON},
    };
    enum accepted best = ACCEPTS_NOTHING;
    unsigned best_q = 0, best_s = 0;
    if (is_empty(&h->accept))
        return offered == OFFERS_STREAMS ? ACCEPTS_SSE : ACCEPTS_JSON;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        unsigned s, q = quality_of(&h->accept, types[i].type, types[i].star, &s);
        if (s == 0 || q == 0 || !is_offered(types[i].is, offered, s))
            continue;
        if (q > best_q || (q == best_q && s > best_s)) {
            best = types[i].is;
            best_q = q;
            best_s = s;
        }
    }
    return best;
}

/* --- Prefer ----------------------------------------------------------------------------------- */

uint64_t headers_wait_ms(const struct headers *h)
{
    unsigned line = 0;
    struct str rest = h->prefer.lines[0], params;
    while (next_element(&h->prefer, &line, &rest, &params)) {
        struct str value = str_trim(str_cut(&params, ';'));
        struct str name = str_trim(str_cut(&value, '='));
        uint64_t seconds;
        if (!str_eq_nocase(name, STR("wait")))
            continue;
        value = str_trim(value);
        if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
            value = (struct str){value.at + 1, value.len - 2};
        return str_to_u64_capped(value, 86400, &seconds) ? seconds * 1000 : 0;
    }
    return 0;
}

/* --- the body --------------------------------------------------------------------------------- */

bool headers_body_is_json(const struct headers *h)
{
    struct str rest = h->content_type;
    struct str type = str_trim(str_cut(&rest, ';'));
    if (h->content_encoding.len > 0)
        return false;
    if (type.len == 0)
        return true;
    if (str_eq_nocase(type, STR("application/json")))
        return true;
    struct str tail = {type.at + type.len - 5, 5};
    return type.len > 12 && str_eq_nocase((struct str){type.at, 12}, STR("application/")) &&
           str_eq_nocase(tail, STR("+json"));
}
