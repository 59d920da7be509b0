/* What a checker of model/ or providers/ found in a part of the file: told as all else is, with the
 * place of what its pointer names. */
#include "config/reader.h"

/* Where a pointer leads: its frames, and the value there or, where it ends in something that is
 * absent, the last one on the way. */
struct trail {
    struct doc_path frames[JSON_MAX_DEPTH + 2];
    char names[256]; /* of the frames */
    uint32_t count;
    struct json value;
    bool is_absent;
};

static struct str unescape(struct str segment, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < segment.len; i++) {
        bool is_escape = segment.at[i] == '~' && i + 1 < segment.len;
        out[n++] = !is_escape ? segment.at[i] : segment.at[++i] == '0' ? '~' : '/';
    }
    return (struct str){out, n};
}

static struct json step_into(struct json v, struct str segment)
{
    char text[260] = "/";
    memcpy(text + 1, segment.at, segment.len);
    return json_pointer(v, (struct str){text, segment.len + 1});
}

/* The frames are linked to one another: a trail stays where it is. */
static void follow(struct trail *t, struct json root, const char *pointer)
{
    *t = (struct trail){.value = root, .count = 1};
    struct str rest = str_of(pointer);
    char *names = t->names;
    str_cut(&rest, '/'); /* what is before the first one: nothing */
    while (rest.at != NULL && !t->is_absent && t->count < JSON_MAX_DEPTH + 2) {
        struct str segment = str_cut(&rest, '/');
        const struct doc_path *up = &t->frames[t->count - 1];
        struct doc_path frame = doc_path_name(up, unescape(segment, names));
        if (json_is(t->value, JSON_ARRAY) && str_to_u64(segment, &frame.index))
            frame.name = STR_NONE;
        t->frames[t->count++] = frame;
        names += segment.len;
        struct json next = step_into(t->value, segment);
        t->is_absent = !json_exists(next);
        t->value = t->is_absent ? t->value : next;
    }
}

static void add_finding(struct reader *r, struct json root, const struct field_error *f)
{
    struct trail t;
    follow(&t, root, f->pointer);
    const struct doc_path *at = &t.frames[t.count - 1];
    struct json name = {t.value.doc, t.value.at - 1}; /* of a member: stands before its value */
    if (f->code == FIELD_UNKNOWN_FIELD)
        reader_fault(r, t.is_absent ? t.value : name, at, "is not a known key");
    else if (f->code == FIELD_UNKNOWN_NAME)
        reader_fault(r, t.value, at, "%.*s %s", STR_ARG(json_raw(t.value)), f->detail);
    else
        reader_fault(r, t.value, at, "%s", f->detail);
}

void reader_problem(struct reader *r, struct json root, const struct problem *problem)
{
    for (uint32_t i = 0; i < problem->field_count; i++)
        add_finding(r, root, &problem->fields[i]);
}
