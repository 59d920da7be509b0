#include "api/event_types.h"

enum err query_event_types(const struct query *q, event_set known, event_set otherwise,
                           event_set *ret_types, struct error *ret_error)
{
    struct str list = query_get(q, "types");
    event_set wanted = list.at != NULL ? 0 : otherwise;
    while (list.at != NULL) {
        enum event_type t;
        struct str name = str_cut(&list, ',');
        if (!event_type_parse(name, &t) || (known & event_set_of(t)) == 0)
            return error_set(ret_error, ERR_INVALID_QUERY,
                             "\"types\": there are no events of type \"%.*s\"", STR_ARG(name));
        wanted |= event_set_of(t);
    }
    *ret_types = wanted;
    return OK;
}
