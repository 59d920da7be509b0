#include "cli/await.h"

#include "cli/answer.h"
#include "cli/pursuit.h"
#include "cli/result.h"

/* A proxy in between seldom lets an answer take longer than a minute. */
enum { WAIT_S = 30, CREATE_LIMIT_MS = 60000, WAIT_LIMIT_MS = WAIT_S * 1000 + 30000 };

struct await {
    const struct creation *creation;
    bool is_created;
    struct buf path;
    struct buf run; /* the last answer */
    struct json_doc doc;
};

/* The create does not wait: its answer names the run at once, and Ctrl-C knows what to cancel. */
static void ask(void *ctx, const char *run_id, struct client_request *r)
{
    struct await *w = ctx;
    w->is_created = run_id[0] != '\0';
    if (!w->is_created) {
        r->method = "POST";
        r->path = w->creation->path;
        r->body = w->creation->body;
        r->limit_ms = CREATE_LIMIT_MS;
        return;
    }
    buf_fini(&w->path);
    session_run_path(&w->path, run_id, "");
    r->path = buf_ok(&w->path) == OK ? w->path.data : "/";
    r->wait_s = WAIT_S;
    r->limit_ms = WAIT_LIMIT_MS;
}

static enum pursuit_step take(void *ctx, const struct answer *a)
{
    struct await *w = ctx;
    if (!answer_is_good(a))
        return STEP_BROKEN;
    buf_clear(&w->run);
    buf_add_str(&w->run, buf_str(&a->body));
    if (buf_ok(&w->run) != OK || json_parse(&w->doc, buf_str(&w->run), NULL) != OK)
        return STEP_BROKEN;
    if (result_is_final(json_root(&w->doc)))
        return STEP_ENDED;
    return w->is_created ? STEP_LATER : STEP_NEXT;
}

static void on_cancel(void *ctx)
{
    (void)ctx; /* nothing that is shown changes */
}

static const struct pursuit_way way = {.ask = ask, .take = take, .on_cancel = on_cancel};

int await_run(struct session *s, const struct creation *creation)
{
    struct await w = {.creation = creation};
    struct pursuit p = {
        .client = s->client, .screen = &s->screen, .way = &way, .ctx = &w, .is_own = true};
    int code = CLI_FAILED;
    buf_init(&w.path, 65536);
    buf_init(&w.run, CLIENT_MAX_BODY);
    answer_doc_init(&w.doc);
    if (pursue(&p, &code)) {
        session_print_json(s, json_root(&w.doc));
        code = session_end(s, result_exit(json_root(&w.doc)));
    }
    json_doc_fini(&w.doc);
    buf_fini(&w.run);
    buf_fini(&w.path);
    return code;
}
