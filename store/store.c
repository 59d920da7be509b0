#include "store/store.h"

struct store_segment store_segment_after(const struct store_segment *s, uint64_t seq)
{
    struct event_line line;
    struct str rest = s->lines, here = rest;
    while (rest.len > 0 && event_next_line(&rest, &line) && line.seq <= seq)
        here = rest;
    return (struct store_segment){
        .first_seq = seq + 1, .last_seq = s->last_seq, .lines = here.at != NULL ? here : STR("")};
}

const char *store_result_name(enum store_result r)
{
    switch (r) {
    case STORE_OK: return "ok";
    case STORE_EXISTS: return "exists";
    case STORE_FENCED: return "fenced";
    case STORE_ABSENT: return "absent";
    case STORE_CONFLICT: return "conflict";
    case STORE_UNKNOWN: return "unknown";
    case STORE_UNAVAILABLE: return "unavailable";
    }
    return "";
}
