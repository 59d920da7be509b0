#include "cli/stream.h"

#include "cli/follow.h"
#include "cli/pursuit.h"
#include "cli/result.h"

struct stream {
    struct session *session;
    const struct creation *creation; /* NULL: the run exists */
    struct follow follow;
    uint64_t events_before; /* how many had come when the exchange began */
    bool is_past_end;       /* the run ended before the first event that was wanted */
    struct buf path;
};

static bool on_bytes(void *ctx, struct str bytes)
{
    struct stream *s = ctx;
    return follow_bytes(&s->follow, bytes);
}

static void ask(void *ctx, const char *run_id, struct client_request *r)
{
    struct stream *s = ctx;
    s->events_before = s->follow.events;
    r->accept = "text/event-stream";
    r->on_bytes = on_bytes;
    r->ctx = s;
    if (run_id[0] == '\0') {
        r->method = "POST";
        r->path = s->creation->path;
        r->body = s->creation->body;
        return;
    }
    follow_reconnected(&s->follow);
    buf_fini(&s->path);
    session_run_path(&s->path, run_id, "/events");
    r->path = buf_ok(&s->path) == OK ? s->path.data : "/";
    r->resumes = s->follow.seq > 0;
    r->last_event_id = s->follow.seq;
}

/* Once run.finished was seen it does not matter how the connection ended. */
static enum pursuit_step take(void *ctx, const struct answer *a)
{
    struct stream *s = ctx;
    s->is_past_end = answer_is_good(a) && a->status == 204;
    if (s->follow.has_ended || s->is_past_end)
        return STEP_ENDED;
    return s->follow.events > s->events_before ? STEP_NEXT : STEP_BROKEN;
}

static void on_cancel(void *ctx)
{
    struct stream *s = ctx;
    s->follow.tell.is_cancelled = true;
}

static int turn(void *ctx, const char *run_id)
{
    struct stream *s = ctx;
    return live_turn(&s->follow.live, s->session->client, run_id);
}

static const struct pursuit_way way = {
    .ask = ask, .take = take, .on_cancel = on_cancel, .turn = turn};

/* --- the end ---------------------------------------------------------------------------------- */

static int show(struct stream *s, const struct stream_options *o, struct json run)
{
    bool wants_output = o->after == 0 && !s->follow.tell.has_text;
    if (o->as_json)
        return result_exit(run);
    return result_show(s->session, run, wants_output);
}

/* The run as run.finished told it, or as it is where that event was not wanted. */
static int finish(struct stream *s, const struct stream_options *o, const char *run_id)
{
    struct document d;
    int code = CLI_FAILED;
    if (s->is_past_end) {
        buf_fini(&s->path);
        session_run_path(&s->path, run_id, "");
        if (buf_ok(&s->path) != OK || !session_get(s->session, s->path.data, &d, &code))
            return code;
        code = show(s, o, document_root(&d));
        document_fini(&d);
        return code;
    }
    answer_doc_init(&d.doc);
    IGNORE_RESULT(json_parse(&d.doc, buf_str(&s->follow.run), NULL) !=
                  OK); /* then it says: failed */
    code = show(s, o, json_root(&d.doc));
    json_doc_fini(&d.doc);
    return code;
}

int stream_run(struct session *session, const struct stream_options *options)
{
    struct stream s = {.session = session, .creation = options->creation};
    struct pursuit p = {
        .client = session->client, .screen = &session->screen, .way = &way, .ctx = &s};
    int code = CLI_FAILED;
    p.is_own = options->creation != NULL;
    str_copy(p.run_id, sizeof p.run_id, str_of(options->run_id));
    buf_init(&s.path, 65536);
    enum follow_form form = p.is_own ? FOLLOW_NEW : FOLLOW_KNOWN;
    follow_init(&s.follow, &session->screen, options->as_json ? FOLLOW_JSON : form, options->after);
    if (pursue(&p, &code))
        code = session_end(session, finish(&s, options, p.run_id));
    follow_fini(&s.follow);
    buf_fini(&s.path);
    return code;
}
