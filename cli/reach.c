#include "cli/reach.h"

#include "cli/answer.h"

enum { LIMIT_MS = 5000 };

static enum err judge(const struct client *c, const struct answer *a, struct error *ret_error)
{
    struct buf why;
    if (answer_is_good(a))
        return OK;
    buf_init(&why, 65536);
    answer_describe(&why, a, client_name(c));
    enum err e = error_set(ret_error, a->fate == ANSWER_NO_SERVER ? ERR_IO : ERR_DRAINING, "%.*s",
                           STR_ARG(buf_str(&why)));
    buf_fini(&why);
    return e;
}

enum err cli_reach(const char *server, struct error *ret_error)
{
    struct endpoint endpoint;
    struct client *c;
    struct answer a;
    enum err e = endpoint_parse(str_of(server), &endpoint, ret_error);
    if (e == OK)
        e = client_open(&endpoint, NULL, &c, ret_error); /* whoever asks this needs no key */
    if (e != OK)
        return e;
    struct client_request request = {.method = "GET", .path = "/readyz", .limit_ms = LIMIT_MS};
    e = client_ask(c, &request, &a);
    if (e != OK) {
        e = error_set(ret_error, e, "out of memory");
    } else {
        e = judge(c, &a, ret_error);
        buf_fini(&a.body);
    }
    client_close(c);
    return e;
}
