#ifndef UPSTREAM_SCRIPT_H
#define UPSTREAM_SCRIPT_H
/* A response as a list of steps: bytes to send, waits, gates, faults. Behaviours and requests are
 * compiled into one, the connection plays it. So no behaviour has a state of its own, and any two
 * of them combine. */
#include "behaviour.h"
#include "http.h"

enum step_kind { SEND, WAIT, GATE, FAULT, REPEAT };

struct step {
    enum step_kind kind;
    bool is_token; /* the moment of its sending is kept */
    int64_t n;     /* WAIT: ms; FAULT: which; REPEAT: ms between two rounds */
    size_t off;    /* SEND, REPEAT: bytes of the script */
    size_t len;
};

struct script {
    struct buf bytes;
    struct step *steps;
    size_t count;
    size_t cap;
    int64_t cut; /* bytes after which `cut_fault` happens, -1: none */
    int cut_fault;
    int64_t drip_ms;
    bool close_after;
    int status;
    size_t mark; /* bytes at which the answer is complete: end mark, or the whole JSON body; 0: it
                    never is */
    char *gate;
};

static void script_free(struct script *s)
{
    buf_free(&s->bytes);
    free(s->steps);
    free(s->gate);
    *s = (struct script){0};
}

static struct step *script_step(struct script *s, enum step_kind kind, int64_t n)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->steps = must(realloc(s->steps, s->cap * sizeof *s->steps));
    }
    s->steps[s->count] = (struct step){.kind = kind, .n = n, .off = s->bytes.len};
    return &s->steps[s->count++];
}

/* Adds bytes: to the SEND before, so that they leave in one write, unless `apart`. */
static void script_send(struct script *s, struct slice bytes, bool apart)
{
    struct step *last = s->count ? &s->steps[s->count - 1] : NULL;
    if (apart || last == NULL || last->kind != SEND)
        last = script_step(s, SEND, 0);
    buf_add(&s->bytes, bytes.at, bytes.len);
    last->len += bytes.len;
}

static void script_wait(struct script *s, int64_t ms)
{
    if (ms > 0)
        script_step(s, WAIT, ms);
}

static void script_repeat(struct script *s, struct slice unit, int64_t gap_ms)
{
    struct step *step = script_step(s, REPEAT, gap_ms);
    buf_add(&s->bytes, unit.at, unit.len);
    step->len = unit.len;
}

static void script_fault(struct script *s, const struct behaviour *b, int phase)
{
    if (!behaviour_faults_at(b, phase))
        return;
    script_wait(s, b->pause);
    script_step(s, FAULT, b->fault);
}

/* --- the body, in pieces that leave one by one ------------------------------------------------ */

struct piece {
    size_t off;
    size_t len;
    int64_t wait_ms;
    bool is_token;
    bool is_mark;
};

struct body {
    struct buf bytes;
    struct piece *pieces;
    size_t count;
    size_t cap;
    const char *type;
};

static void body_free(struct body *b)
{
    buf_free(&b->bytes);
    free(b->pieces);
}

/* What was added to b->bytes since the last piece becomes one. */
static struct piece *body_piece(struct body *b, int64_t wait_ms)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->pieces = must(realloc(b->pieces, b->cap * sizeof *b->pieces));
    }
    size_t off = b->count ? b->pieces[b->count - 1].off + b->pieces[b->count - 1].len : 0;
    b->pieces[b->count] = (struct piece){.off = off, .len = b->bytes.len - off, .wait_ms = wait_ms};
    return &b->pieces[b->count++];
}

/* --- chat completions ------------------------------------------------------------------------- */

struct chat {
    bool streams;
    bool wants_usage;
    char *model;     /* escaped, as it came */
    struct buf text; /* of the last user message */
    struct buf answer;
};

static void chat_free(struct chat *c)
{
    free(c->model);
    buf_free(&c->text);
    buf_free(&c->answer);
}

static void chat_content(struct slice content, struct buf *out)
{
    json_text(content, out);
    const char *cursor = NULL;
    struct slice name, part;
    while (content.len > 0 && *content.at == '[' && json_next(content, &cursor, &name, &part))
        json_text(json_member(part, "text"), out);
}

static void chat_read(struct slice body, struct chat *c)
{
    *c = (struct chat){0};
    c->streams = slice_is(json_member(body, "stream"), "true");
    c->wants_usage =
        slice_is(json_member(json_member(body, "stream_options"), "include_usage"), "true");
    struct slice model = json_member(body, "model");
    c->model = model.len >= 2 ? slice_copy((struct slice){model.at + 1, model.len - 2})
                              : slice_copy(slice_of("?"));
    struct slice name, message, last = {NULL, 0}, messages = json_member(body, "messages");
    const char *cursor = NULL;
    while (json_next(messages, &cursor, &name, &message)) {
        if (slice_is(json_member(message, "role"), "\"user\""))
            last = message;
    }
    if (last.at != NULL)
        chat_content(json_member(last, "content"), &c->text);
    buf_adds(&c->text, "");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* A word and the white space after it. */
static struct slice next_token(struct slice *text)
{
    size_t n = 0;
    while (n < text->len && is_space(text->at[n]))
        n++;
    while (n < text->len && !is_space(text->at[n]))
        n++;
    while (n < text->len && is_space(text->at[n]))
        n++;
    struct slice token = {text->at, n};
    *text = slice_from(*text, n);
    return token;
}

/* The whole answer: numbered words, each `size` bytes at least, or the given text, or what the user
 * said. */
static void chat_answer(struct chat *c, const struct behaviour *b)
{
    buf_adds(&c->answer, "");
    if (b->kind == ECHO) {
        buf_add(&c->answer, c->text.data, c->text.len);
    } else if (b->text != NULL) {
        buf_adds(&c->answer, b->text);
    } else {
        for (int64_t i = 0; i < b->tokens; i++) {
            size_t from = c->answer.len;
            buf_addf(&c->answer, "w%lld", (long long)i);
            if ((int64_t)(c->answer.len - from) < b->size)
                buf_fill(&c->answer, 'x', (size_t)b->size - (c->answer.len - from));
            if (i + 1 < b->tokens)
                buf_adds(&c->answer, " ");
        }
    }
}

static size_t count_tokens(struct slice text)
{
    size_t n = 0;
    while (text.len > 0) {
        next_token(&text);
        n++;
    }
    return n;
}

static void chat_usage(struct buf *out, const struct chat *c)
{
    size_t in = count_tokens((struct slice){c->text.data, c->text.len});
    size_t given = count_tokens((struct slice){c->answer.data, c->answer.len});
    buf_addf(out, "{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu}", in,
             given, in + given);
}

static const char *finish_reason(const struct behaviour *b)
{
    return b->finish ? b->finish : b->kind == TOOL_CALL ? "tool_calls" : "stop";
}

static void chat_chunk_open(struct buf *out, const struct chat *c)
{
    buf_addf(
        out,
        "data: {\"id\":\"chatcmpl-up\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"%s\","
        "\"choices\":[{\"index\":0,\"delta\":{",
        c->model);
}

static void chat_chunk_close(struct buf *out, const char *finish)
{
    if (finish)
        buf_addf(out, "},\"finish_reason\":\"%s\"}]}\n\n", finish);
    else
        buf_adds(out, "},\"finish_reason\":null}]}\n\n");
}

static void chat_delta(struct body *out, const struct chat *c, const char *member,
                       struct slice text, int64_t wait_ms)
{
    chat_chunk_open(&out->bytes, c);
    buf_addf(&out->bytes, "\"%s\":", member);
    json_string(&out->bytes, text);
    chat_chunk_close(&out->bytes, NULL);
    body_piece(out, wait_ms)->is_token = true;
}

static void chat_tool_calls(struct body *out, const struct chat *c, const struct behaviour *b)
{
    for (int64_t i = 0; i <= b->tokens; i++) {
        chat_chunk_open(&out->bytes, c);
        buf_adds(&out->bytes, "\"tool_calls\":[{\"index\":0,");
        if (i == 0)
            buf_adds(&out->bytes,
                     "\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"look_up\","
                     "\"arguments\":\"\"}}]");
        else
            buf_addf(&out->bytes, "\"function\":{\"arguments\":\"%s%lld%s\"}}]", i == 1 ? "[" : ",",
                     (long long)i, i == b->tokens ? "]" : "");
        chat_chunk_close(&out->bytes, NULL);
        body_piece(out, i ? b->gap : 0)->is_token = true;
    }
}

static void chat_stream(struct body *out, const struct chat *c, const struct behaviour *b)
{
    out->type = "text/event-stream";
    if (b->role) {
        chat_chunk_open(&out->bytes, c);
        buf_adds(&out->bytes, "\"role\":\"assistant\",\"content\":\"\"");
        chat_chunk_close(&out->bytes, NULL);
        body_piece(out, 0);
    }
    if (b->kind == REASONING) {
        chat_delta(out, c, "reasoning_content", slice_of("let me "), 0);
        chat_delta(out, c, "reasoning_content", slice_of("think"), b->gap);
    }
    if (b->kind == TOOL_CALL) {
        chat_tool_calls(out, c, b);
    } else {
        struct slice text = {c->answer.data, c->answer.len};
        bool is_first = true;
        while (text.len > 0) {
            chat_delta(out, c, "content", next_token(&text), is_first ? 0 : b->gap);
            is_first = false;
        }
    }
    chat_chunk_open(&out->bytes, c);
    chat_chunk_close(&out->bytes, finish_reason(b));
    body_piece(out, 0);
    if (c->wants_usage && b->usage) {
        buf_addf(&out->bytes,
                 "data: {\"id\":\"chatcmpl-up\",\"object\":\"chat.completion.chunk\",\"created\":1,"
                 "\"model\":\"%s\",\"choices\":[],\"usage\":",
                 c->model);
        chat_usage(&out->bytes, c);
        buf_adds(&out->bytes, "}\n\n");
        body_piece(out, 0);
    }
    if (b->kind != NO_DONE) {
        buf_adds(&out->bytes, "data: [DONE]\n\n");
        body_piece(out, 0)->is_mark = true;
    }
}

static void chat_json(struct body *out, const struct chat *c, const struct behaviour *b)
{
    out->type = "application/json";
    buf_addf(
        &out->bytes,
        "{\"id\":\"chatcmpl-up\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"%s\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":",
        c->model);
    if (b->kind == TOOL_CALL)
        buf_adds(
            &out->bytes,
            "null,\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
            "\"look_up\",\"arguments\":\"[1,2,3]\"}}]");
    else
        json_string(&out->bytes, (struct slice){c->answer.data, c->answer.len});
    if (b->kind == REASONING)
        buf_adds(&out->bytes, ",\"reasoning_content\":\"let me think\"");
    body_piece(out, 0)->is_token = true; /* two pieces, so that `after=1` is in the middle of it */
    buf_addf(&out->bytes, "},\"finish_reason\":\"%s\"}]", finish_reason(b));
    if (b->usage) {
        buf_adds(&out->bytes, ",\"usage\":");
        chat_usage(&out->bytes, c);
    }
    buf_adds(&out->bytes, "}");
    struct piece *last = body_piece(out, 0);
    last->is_token = true;
    last->is_mark = true;
}

static void error_body(struct body *out, const struct behaviour *b)
{
    out->type = "application/json";
    buf_addf(&out->bytes,
             "{\"error\":{\"message\":\"scripted %lld\",\"type\":\"%s\",\"param\":null,\"code\":",
             (long long)b->code, b->errtype ? b->errtype : "scripted_error");
    if (b->errcode)
        buf_addf(&out->bytes, "\"%s\"}}", b->errcode);
    else
        buf_adds(&out->bytes, "null}}");
    body_piece(out, 0)->is_mark = true;
}

/* --- head and framing ------------------------------------------------------------------------- */

static void http_date(struct buf *out, time_t at)
{
    struct tm t;
    char text[64];
    gmtime_r(&at, &t);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &t);
    buf_adds(out, text);
}

static void head_lines(struct buf *out, const struct behaviour *b, const struct body *body)
{
    if (body->type)
        buf_addf(out, "Content-Type: %s\r\n", body->type);
    if (b->retry_after)
        buf_addf(out, "Retry-After: %s\r\n", b->retry_after);
    if (b->retry_after_ms)
        buf_addf(out, "retry-after-ms: %s\r\n", b->retry_after_ms);
    if (b->retry_date != INT64_MIN) {
        buf_adds(out, "Retry-After: ");
        http_date(out, time(NULL) + (time_t)b->retry_date);
        buf_adds(out, "\r\n");
    }
    if (b->header)
        buf_addf(out, "%s\r\n", b->header);
    if (b->to)
        buf_addf(out, "Location: %s\r\n", b->to);
    for (int64_t filled = 0, i = 0; b->kind == BIG_HEADERS && filled < b->bytes;
         i++, filled += 8000) {
        buf_addf(out, "X-Big-%lld: ", (long long)i);
        buf_fill(out, 'h', 7980);
        buf_adds(out, "\r\n");
    }
}

static bool status_has_body(int64_t status)
{
    return status >= 200 && status != 204 && status != 304;
}

static int framing_of(const struct behaviour *b, const struct body *body)
{
    if (b->framing != FRAMING_USUAL)
        return b->framing;
    if (b->kind == BAD_CHUNK || b->kind == ENDLESS || b->kind == ENDLESS_LINE)
        return FRAMING_CHUNKED;
    if (b->kind == ERROR_EVENT || b->delta != 0)
        return b->delta ? FRAMING_LENGTH : FRAMING_CHUNKED;
    return strcmp(body->type ? body->type : "", "text/event-stream") == 0 ? FRAMING_CHUNKED
                                                                          : FRAMING_LENGTH;
}

static void script_head(struct script *s, const struct behaviour *b, const struct body *body,
                        int framing)
{
    struct buf head = {0};
    buf_addf(&head, "HTTP/1.1 %d Scripted\r\nServer: upstream\r\n", s->status);
    if (behaviour_faults_at(b, IN_HEADERS)) {
        script_send(s, (struct slice){head.data, head.len}, true);
        script_fault(s, b, IN_HEADERS);
    }
    if (b->kind == ENDLESS_HEADERS) {
        script_send(s, (struct slice){head.data, head.len}, true);
        script_repeat(s, slice_of("X-More: and more\r\n"), b->gap);
    }
    head.len = behaviour_faults_at(b, IN_HEADERS) || b->kind == ENDLESS_HEADERS ? 0 : head.len;
    head_lines(&head, b, body);
    if (framing == FRAMING_CHUNKED)
        buf_adds(&head, "Transfer-Encoding: chunked\r\n");
    else if (framing == FRAMING_LENGTH && status_has_body(s->status))
        buf_addf(&head, "Content-Length: %lld\r\n",
                 (long long)body->bytes.len + (long long)b->delta);
    else if (framing == FRAMING_EOF)
        buf_adds(&head, "Connection: close\r\n");
    buf_adds(&head, "\r\n");
    script_send(s, (struct slice){head.data, head.len}, true);
    buf_free(&head);
}

static void script_chunk(struct script *s, struct slice data, int framing, bool apart)
{
    if (framing == FRAMING_CHUNKED) {
        struct buf chunk = {0};
        buf_addf(&chunk, "%zx\r\n", data.len);
        buf_add(&chunk, data.at, data.len);
        buf_adds(&chunk, "\r\n");
        script_send(s, (struct slice){chunk.data, chunk.len}, apart);
        buf_free(&chunk);
    } else {
        script_send(s, data, apart);
    }
}

/* A unit of an endless body: more text of the same answer, framed. */
static void script_endless(struct script *s, const struct behaviour *b, const struct chat *c,
                           int framing)
{
    struct buf unit = {0}, framed = {0};
    if (b->kind == ENDLESS && c->streams) {
        chat_chunk_open(&unit, c);
        buf_adds(&unit, "\"content\":\"");
        buf_fill(&unit, 'e', (size_t)b->bytes);
        buf_adds(&unit, "\"");
        chat_chunk_close(&unit, NULL);
    } else {
        buf_fill(&unit, 'e', b->bytes > 0 ? (size_t)b->bytes : 1024);
        const char *begin = c->streams ? "data: {\"pad\":\"" : "{\"id\":\"x\",\"pad\":\"";
        script_chunk(s, slice_of(begin), framing, true);
    }
    if (framing == FRAMING_CHUNKED)
        buf_addf(&framed, "%zx\r\n", unit.len);
    buf_add(&framed, unit.data, unit.len);
    if (framing == FRAMING_CHUNKED)
        buf_adds(&framed, "\r\n");
    script_repeat(s, (struct slice){framed.data, framed.len}, b->gap);
    buf_free(&unit);
    buf_free(&framed);
}

static void script_error_event(struct script *s, const struct behaviour *b, int framing)
{
    struct buf event = {0};
    buf_addf(&event,
             "data: {\"error\":{\"message\":\"scripted\",\"type\":\"%s\",\"param\":null,\"code\":",
             b->errtype ? b->errtype : "server_error");
    if (b->errcode)
        buf_addf(&event, "\"%s\"}}\n\n", b->errcode);
    else
        buf_adds(&event, "null}}\n\n");
    script_chunk(s, (struct slice){event.data, event.len}, framing, true);
    buf_free(&event);
}

/* The pieces with what happens between them. True if the body goes on to its end. */
static bool script_pieces(struct script *s, const struct behaviour *b, const struct chat *c,
                          const struct body *body, int framing)
{
    int64_t tokens = 0, after = b->after;
    if (!c->streams && after > (int64_t)body->count - 1)
        after = (int64_t)body->count - 1; /* a JSON body has no tokens: in the middle of it */
    for (size_t i = 0; i < body->count; i++) {
        const struct piece *p = &body->pieces[i];
        bool is_here = p->is_token ? tokens == after : i + 1 == body->count && tokens <= after;
        if (is_here && b->gate)
            script_step(s, GATE, 0);
        if (is_here && b->at == AFTER_TOKENS)
            script_fault(s, b, AFTER_TOKENS);
        if (is_here && b->kind == BAD_CHUNK) {
            script_send(s, slice_of("ZZ\r\nthis is no chunk\r\n"), true);
            script_step(s, FAULT, HANG);
            return false;
        }
        if (is_here && b->kind == ERROR_EVENT) {
            script_error_event(s, b, framing);
            return true;
        }
        if (p->is_token && tokens == 0 && (b->kind == ENDLESS || b->kind == ENDLESS_LINE)) {
            script_endless(s, b, c, framing);
            return false;
        }
        script_wait(s, p->wait_ms);
        script_chunk(s, (struct slice){body->bytes.data + p->off, p->len}, framing,
                     p->is_token || p->wait_ms > 0);
        if (p->is_token)
            s->steps[s->count - 1].is_token = true;
        if (p->is_mark)
            s->mark = s->bytes.len;
        tokens += p->is_token;
    }
    return true;
}

/* Bits of a deflate stream in fixed Huffman codes: one literal, then copies of 258 bytes at
 * distance 1. */
static void gzip_bomb(struct buf *out, size_t copies)
{
    buf_add(out, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
    uint64_t bits = 3; /* final block, fixed codes */
    unsigned held = 3;
    bits |= (uint64_t)0x89 << held; /* literal 'a' is 0x91 in 8 bits, most significant bit first */
    held += 8;
    for (size_t i = 0; i < copies; i++) {
        bits |= (uint64_t)0xa3 << held; /* length 258 is 11000101, distance 1 is 00000 */
        held += 13;
        for (; held >= 8; held -= 8, bits >>= 8) {
            char byte = (char)(bits & 255);
            buf_add(out, &byte, 1);
        }
    }
    held += 7; /* end of block: 0000000; checksum and length are missing, nobody gets that far */
    for (; held > 0; held -= held > 8 ? 8 : held, bits >>= 8) {
        char byte = (char)(bits & 255);
        buf_add(out, &byte, 1);
    }
}

static void script_gzip_bomb(struct script *s)
{
    struct buf bomb = {0}, head = {0};
    gzip_bomb(&bomb, 260000);
    buf_addf(
        &head,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
        bomb.len);
    script_send(s, (struct slice){head.data, head.len}, true);
    script_send(s, (struct slice){bomb.data, bomb.len}, true);
    buf_free(&head);
    buf_free(&bomb);
}

/* Plays `body` with the behaviour's status, framing, waits and faults. */
static void script_respond(struct script *s, const struct behaviour *b, const struct chat *c,
                           const struct body *body)
{
    int framing = framing_of(b, body);
    s->cut = b->cut;
    s->cut_fault = b->fault ? b->fault : CLOSE;
    s->drip_ms = b->drip;
    s->close_after = framing == FRAMING_EOF || b->delta > 0;
    if (b->gate) {
        s->gate = slice_copy(slice_of(b->gate));
        if (b->after < 0)
            script_step(s, GATE, 0);
    }
    script_wait(s, b->delay + (c->streams ? 0 : b->gap * b->tokens));
    script_fault(s, b, BEFORE_STATUS);
    if (b->kind == GARBAGE) {
        script_send(s, slice_of("\x16\x03\x01 SSH-2.0-not-http\r\n\x01\x02\x03\r\n\r\n"), true);
        s->close_after = true;
        return;
    }
    if (b->kind == FLOOD_1XX) {
        script_repeat(s, slice_of("HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"),
                      b->gap);
        return;
    }
    script_head(s, b, body, framing);
    script_fault(s, b, AFTER_HEADERS);
    if (!status_has_body(s->status))
        return;
    if (script_pieces(s, b, c, body, framing) && framing == FRAMING_CHUNKED)
        script_send(s, slice_of("0\r\n\r\n"), false);
}

static void garbage_json(struct body *out, const struct chat *c)
{
    out->type = c->streams ? "text/event-stream" : "application/json";
    buf_adds(&out->bytes, c->streams ? "data: {\"choices\": nonsense]\n\ndata: [DONE]\n\n"
                                     : "{\"choices\": nonsense]");
    body_piece(out, 0)->is_token = true;
}

/* A chat completion request, answered. */
static void script_chat(struct script *s, const struct behaviour *b, struct chat *c, bool asks_gzip)
{
    struct body body = {0};
    chat_answer(c, b);
    s->status = 200;
    if (b->kind == GZIP_BOMB && asks_gzip) {
        s->cut = -1;
        script_gzip_bomb(s);
        return;
    }
    if (b->kind == STATUS || b->kind == REDIRECT) {
        s->status = (int)b->code;
        if (b->code >= 200 && b->code < 300)
            c->streams ? chat_stream(&body, c, b) : chat_json(&body, c, b);
        else
            error_body(&body, b);
    } else if (b->kind == GARBAGE_JSON) {
        garbage_json(&body, c);
    } else if (c->streams) {
        chat_stream(&body, c, b);
    } else {
        chat_json(&body, c, b);
    }
    script_respond(s, b, c, &body);
    body_free(&body);
}

/* A plain JSON document for everything that is not a chat. */
static void script_json(struct script *s, const struct behaviour *b, int status, struct slice json)
{
    struct chat none = {0};
    struct body body = {.type = "application/json"};
    buf_add(&body.bytes, json.at, json.len);
    struct piece *p = body_piece(&body, 0);
    p->is_token = true;
    p->is_mark = true;
    s->status = b->kind == STATUS ? (int)b->code : status;
    script_respond(s, b, &none, &body);
    body_free(&body);
}
#endif
