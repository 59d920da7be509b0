#include "providers/outlet.h"

void outlet_init(struct outlet *o, const struct decoder_setup *setup)
{
    *o = (struct outlet){.sink = setup->sink,
                         .provider = setup->provider,
                         .scratch = setup->scratch,
                         .max_bytes = setup->max_bytes};
}

bool outlet_fail(struct outlet *o, enum err code, struct str message)
{
    if (!o->has_verdict)
        verdict_set(&o->verdict, o->provider, code, message);
    o->has_verdict = true;
    return false;
}

bool outlet_fail_error(struct outlet *o, struct json error)
{
    if (!o->has_verdict)
        verdict_of_error(&o->verdict, o->provider, error, 0);
    o->has_verdict = true;
    return false;
}

bool outlet_check_feed(struct outlet *o, enum err e)
{
    if (e == ERR_LIMIT)
        return outlet_fail(o, ERR_LIMIT_EXCEEDED,
                           STR("the answer is larger than limits.output_bytes"));
    if (e != OK)
        return outlet_fail(o, ERR_LIMIT_EXCEEDED, STR("no memory for the answer"));
    return !o->has_verdict;
}

bool outlet_open(struct outlet *o, struct str text, struct json *ret_root)
{
    enum err e = json_parse(o->scratch, text, NULL);
    if (e == ERR_INVALID_JSON)
        return outlet_fail(o, ERR_PROVIDER_BAD_RESPONSE, STR("the answer is not valid JSON"));
    if (e != OK)
        return outlet_check_feed(o, e);
    arena_init(&o->arena, o->max_bytes + 4096);
    *ret_root = json_root(o->scratch);
    return true;
}

bool outlet_close(struct outlet *o)
{
    arena_fini(&o->arena);
    return o->no_memory ? outlet_check_feed(o, ERR_NOMEM) : !o->has_verdict;
}

struct str outlet_text(struct outlet *o, struct json v)
{
    struct str s;
    if (!json_is(v, JSON_STRING))
        return STR_NONE;
    if (json_string(v, &o->arena, &s))
        return s;
    o->no_memory = true;
    return STR_NONE;
}

bool outlet_give(struct outlet *o, const struct delta *delta)
{
    if (o->no_memory) /* a part of it is missing */
        return outlet_check_feed(o, ERR_NOMEM);
    if (o->sink.on_delta(o->sink.ctx, delta))
        return true;
    return outlet_fail(o, ERR_CANCELLED, STR_NONE); /* whoever said stop has his reason */
}

bool outlet_give_text(struct outlet *o, enum delta_kind kind, struct json v)
{
    struct str text = outlet_text(o, v);
    if (text.len == 0 && !o->no_memory)
        return true;
    return outlet_give(o, &(struct delta){.kind = kind, .text = text});
}

void outlet_finish(struct outlet *o, bool is_whole, struct verdict *ret_verdict)
{
    if (!is_whole)
        outlet_fail(o, ERR_PROVIDER_BAD_RESPONSE, STR("the answer ended without its end mark"));
    *ret_verdict = o->has_verdict ? o->verdict : (struct verdict){.code = OK};
}

uint64_t outlet_count(struct json v)
{
    int64_t n;
    return json_exists(v) && json_int(v, 0, (int64_t)1 << 53, &n) == OK ? (uint64_t)n : 0;
}
