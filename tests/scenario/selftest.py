"""Tests of the tests: the framework's client and the scripted upstream against each other. `run --selftest`."""

import json
import socket
import threading
import time
import zlib

from lib import check as c
from lib import http1, process
from lib.check import Failure, check, check_eq
from lib.http1 import Connection, ConnectionGone, TooSlow


def chat_body(text="hello there", stream=True, usage=True):
    body = {"model": "m", "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": text}], "stream": stream}
    if usage and stream:
        body["stream_options"] = {"include_usage": True}
    return body


def ask(up, spec, stream=True, text="hello there", conn=None, headers=None):
    conn = conn or Connection(up.address, 5)
    headers = {"Content-Type": "application/json", **(headers or {})}
    return conn.ask("POST", f"/b/{spec}/v1/chat/completions", headers, chat_body(text, stream))


def sse_data(r):
    return [line[6:] for line in r.body.decode().split("\n") if line.startswith("data: ")]


def deltas(r):
    found = []
    for data in sse_data(r):
        if data != "[DONE]":
            for choice in json.loads(data)["choices"]:
                found.append(choice["delta"].get("content", ""))
    return [d for d in found if d]


def expect_gone(call):
    try:
        r = call()
    except (ConnectionGone, ConnectionError):
        return
    raise Failure("the response came whole", r)


def test_ok_answers_json_and_stream_on_one_connection(env):
    up = env.upstream()
    with Connection(up.address, 5) as conn:
        r = ask(up, "ok,tokens=4", False, conn=conn)
        check_eq(r.json()["choices"][0]["message"]["content"], "w0 w1 w2 w3", "text", r)
        check_eq(r.json()["usage"], {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}, "usage", r)
        r = ask(up, "ok,tokens=4", True, conn=conn)
        check_eq(deltas(r), ["w0 ", "w1 ", "w2 ", "w3"], "deltas", r)
        check_eq(sse_data(r)[-1], "[DONE]", "the end", r)
        check_eq(json.loads(sse_data(r)[-2])["usage"]["completion_tokens"], 4, "usage", r)
    log = up.log()
    check_eq([(e["conn"], e["conn_request"]) for e in log], [(log[0]["conn"], 1), (log[0]["conn"], 2)], "connections")
    check_eq([e["end"] for e in log], ["done", "done"], "ends", log)
    check(len(log[1]["token_ms"]) == 4 and log[1]["mark"] <= log[1]["sent"], "token times and mark", log[1])


def test_echo_gives_the_text_back_with_its_escapes(env):
    up = env.upstream()
    text = 'say "hi" \\ ünï\n\ttab 😀 end'
    r = ask(up, "echo", False, text)
    check_eq(r.json()["choices"][0]["message"]["content"], text, "echo", r)
    r = ask(up, "echo", True, text)
    check_eq("".join(deltas(r)), text, "echo", r)


def test_a_directive_in_the_message_wins_over_the_path(env):
    up = env.upstream()
    r = ask(up, "ok", False, "please [[b:status,code=429,retry_after=7]] now")
    check_eq((r.status, r.header("retry-after")), (429, "7"), "status and Retry-After", r)
    check_eq(up.log()[0]["behaviour"], "status,code=429,retry_after=7", "behaviour")
    check_eq(up.requests("ok"), 1, "counted under the path's behaviour")


def test_every_status_can_be_had(env):
    up = env.upstream()
    with Connection(up.address, 5) as conn:
        for code in range(200, 600):
            r = ask(up, f"status,code={code},errcode=e{code}", False, conn=conn)
            check_eq(r.status, code, "status", r)
            if code >= 300 and code != 304:
                check_eq(r.json()["error"]["code"], f"e{code}", "code", r)
    check_eq(up.requests(), 400, "requests")


def test_retry_after_forms(env):
    up = env.upstream()
    r = ask(up, "status,code=503,retry_after=1%2C2%20x,retry_after_ms=1500", False)
    check_eq((r.header("retry-after"), r.header("retry-after-ms")), ("1,2 x", "1500"), "headers", r)
    r = ask(up, "status,code=503,retry_date=60", False)
    check(r.header("retry-after").endswith(" GMT"), "a date", r)


def test_hang_reset_and_close_at_each_phase(env):
    up = env.upstream()
    for stream in (False, True):
        for at in ("at=before_status", "at=in_headers", "at=after_headers", "after=1"):
            for how in ("close", "reset"):
                expect_gone(lambda: ask(up, f"{how},{at}", stream))
            conn = Connection(up.address, 0.15)
            try:
                r = ask(up, f"hang,{at}", stream, conn=conn)
                raise Failure("an answer", r)
            except TooSlow:
                pass
            conn.close()
            e = up.wait_stats(lambda s: s["active"] == 0, "nothing active") and up.log()[-1]
            check_eq(e["end"], "closed_by_peer", "end", e)
            check(e["closed_by_peer_ms"] >= e["received_ms"], "times", e)


def test_faults_at_accept_have_their_own_ports(env):
    up = env.upstream()
    for port in ("reset", "close"):
        def call():
            with Connection(("127.0.0.1", up.ports[port]), 5) as conn:
                return conn.ask("GET", "/")
        expect_gone(call)
    with Connection(("127.0.0.1", up.ports["hang"]), 5) as conn:
        conn.request("GET", "/")
        check(conn.is_quiet(0.1), "silence")
    try:
        Connection(("127.0.0.1", up.ports["refused"]), 5)
        raise Failure("connected")
    except ConnectionRefusedError:
        pass
    s = socket.socket()
    s.settimeout(0.3)
    try:
        s.connect(("127.0.0.1", up.ports["blackhole"]))
        raise Failure("connected")
    except (TimeoutError, socket.timeout):
        pass
    s.close()


def test_cut_sends_exactly_that_many_bytes(env):
    up = env.upstream()
    for framing in ("length", "chunked", "eof"):
        for stream in (False, True):
            whole = up.wait_requests(0) and ask(up, f"ok,framing={framing}", stream)
            check_eq(whole.framing, framing, "framing", whole)
            total = up.log()[-1]["sent"]
            for n in (0, 1, 20, total // 2, total - 1, total):
                with Connection(up.address, 5) as conn:
                    conn.request("POST", f"/b/cut,cut={n},framing={framing}/v1/chat/completions", {}, chat_body("x", stream))
                    data = conn.wait_closed()
                check_eq(len(data), n, f"bytes with {framing}")


def test_wrong_lengths_chunks_and_garbage(env):
    up = env.upstream()
    expect_gone(lambda: ask(up, "length,delta=10", False))
    with Connection(up.address, 5) as conn:
        r = ask(up, "length,delta=-10", False, conn=conn)
        check(r.body.endswith(b"t") or len(r.body) > 10, "a short body", r)
        check(conn.buffer or not conn.is_quiet(0.2), "bytes are left over")
    for spec in ("bad_chunk,after=1", "garbage"):
        try:
            ask(up, spec, True)
            raise Failure("accepted")
        except (Failure, ConnectionGone) as e:
            check("accepted" not in str(e), spec)
    for stream in (False, True):
        r = ask(up, "garbage_json", stream)
        check(b"nonsense]" in r.body, "garbage", r)


def test_drip_delay_and_gap_take_their_time(env):
    up = env.upstream()
    r = ask(up, "ok,delay=60,tokens=3,gap=40", True)
    log = up.log()[-1]
    check(log["first_byte_ms"] - log["received_ms"] >= 60, "delay", log)
    check(log["token_ms"][2] - log["token_ms"][0] >= 80, "gaps", log)
    r = ask(up, "ok,tokens=1,drip=1", False)
    log = up.log()[-1]
    check(log["last_byte_ms"] - log["first_byte_ms"] >= log["sent"] - 2, "drip", log)
    check_eq(r.json()["choices"][0]["message"]["content"], "w0", "text", r)


def test_a_pause_lets_what_was_sent_be_read_before_a_reset(env):
    up = env.upstream()
    with Connection(up.address, 5) as conn:
        conn.request("POST", "/b/reset,after=2,pause=50/v1/chat/completions", {}, chat_body())
        stream = conn.open_stream()
        while stream.more():
            pass
        check(b"w1" in stream.raw and b"w2" not in stream.raw and not stream.response.complete,
              "two tokens, then the cut", bytes(stream.raw))
    check_eq(up.log()[0]["end"], "reset", "end")


def test_endless_things_go_on_until_the_client_leaves(env):
    up = env.upstream()
    for spec in ("endless", "endless_line", "endless_headers", "flood_1xx", "endless,bytes=100,gap=1"):
        for stream in (False, True):
            with Connection(up.address, 5) as conn:
                conn.request("POST", f"/b/{spec}/v1/chat/completions", {}, chat_body("x", stream))
                while len(conn.buffer) < (3000 if "gap" in spec else 1000000):
                    check(conn.fill(time.monotonic() + 5), "it goes on")
            up.wait_active(0)
            check_eq(up.log()[-1]["end"], "closed_by_peer", "end")
    r = ask(up, "big_headers", False)
    check(sum(len(v) for _, v in r.headers) > 390000, "400 KB of headers")


def test_gzip_bomb_only_on_request(env):
    up = env.upstream()
    r = ask(up, "gzip_bomb", False)
    check_eq(r.json()["choices"][0]["message"]["content"], "w0 w1 w2", "plain", r)
    r = ask(up, "gzip_bomb", False, headers={"Accept-Encoding": "gzip"})
    check_eq(r.header("content-encoding"), "gzip", "coding")
    data = zlib.decompressobj(31).decompress(r.body)
    check(len(data) > 60 << 20 and len(r.body) < 500000, f"{len(r.body)} -> {len(data)}")


def test_first_then_and_named_behaviours(env):
    up = env.upstream()
    codes = [ask(up, "status,code=503,first=2", False).status for _ in range(4)]
    check_eq(codes, [503, 503, 200, 200], "statuses")
    codes = [ask(up, "status,code=500,first=1,per=key,then=status%2Ccode=418", False, headers={"Idempotency-Key": k}).status
             for k in ("a", "b", "a")]
    check_eq(codes, [500, 500, 418], "statuses per key")
    check_eq(ask(up, "@main", False).status, 200, "a name that was never set")
    up.set("main", "status,code=502")
    check_eq(ask(up, "@main", False).status, 502, "named")
    check_eq(up.stats()["by_key"]["a"]["requests"], 2, "by key")
    up.reset()
    check_eq(ask(up, "@main", False).status, 200, "forgotten")
    check_eq(up.requests(), 1, "requests since the reset")


def test_gates_hold_requests_until_released(env):
    up = env.upstream()
    results = []
    threads = [threading.Thread(target=lambda: results.append(ask(up, "ok,gate=g", True))) for _ in range(3)]
    for t in threads:
        t.start()
    s = up.wait_held(3)
    check_eq((s["active"], s["by_behaviour"]["ok,gate=g"]["max_active"]), (3, 3), "active")
    up.release("g", 1)
    up.wait_stats(lambda s: s["held"] == 2 and s["active"] == 2, "one went")
    up.release("g")
    for t in threads:
        t.join(5)
    check_eq(len(results), 3, "answers")
    with Connection(up.address, 5) as conn:
        conn.request("POST", "/b/ok,gate=h,after=2/v1/chat/completions", {}, chat_body())
        stream = conn.open_stream()
        while b"w1" not in stream.raw:
            stream.more()
        check(b"w2" not in stream.raw, "the third token is held")
        up.release("h")
        r = stream.finish()
        check_eq(deltas(r), ["w0 ", "w1 ", "w2"], "deltas", r)


def test_the_protocol_ends_can_be_left_out_or_spoilt(env):
    up = env.upstream()
    r = ask(up, "no_done", True)
    check("[DONE]" not in sse_data(r) and r.complete, "no [DONE]", r)
    r = ask(up, "error_event,after=1,errcode=overloaded", True)
    check_eq(deltas_of_partial(r), ["w0 "], "deltas", r)
    check_eq(json.loads(sse_data(r)[-1])["error"]["code"], "overloaded", "the error", r)
    r = ask(up, "tool_call", True)
    parts = [json.loads(d)["choices"][0]["delta"].get("tool_calls") for d in sse_data(r)[:-2]]
    check_eq("".join(p[0]["function"].get("arguments", "") for p in parts if p), "[1,2,3]", "arguments", r)
    check_eq(ask(up, "tool_call", False).json()["choices"][0]["finish_reason"], "tool_calls", "finish")
    r = ask(up, "redirect", False)
    check_eq((r.status, r.header("location")), (302, "/b/ok/v1/chat/completions"), "redirect", r)


def deltas_of_partial(r):
    found = [json.loads(d) for d in sse_data(r)]
    return [d["choices"][0]["delta"]["content"] for d in found if "choices" in d and d["choices"][0]["delta"].get("content")]


def test_an_unknown_behaviour_fails_the_test_that_asked(env):
    up = env.upstream()
    check_eq(ask(up, "nonsense", False).status, 418, "status")
    check_eq(ask(up, "ok,tokenz=1", False).status, 418, "status")
    check_eq(up.stats()["unknown"], 2, "unknown")
    try:
        up.stop()
    except Failure:
        env.upstreams.clear()
        return
    raise Failure("nobody complained")


def test_pipelined_split_and_chunked_requests(env):
    up = env.upstream()
    one = http1.encode_request("POST", "/b/ok/v1/chat/completions", {}, chat_body("x", False))
    with Connection(up.address, 5) as conn:
        conn.send(one * 3)
        for _ in range(3):
            check_eq(conn.response().status, 200, "status")
        for i in range(len(one)):
            conn.send(one[i:i + 1])
        check_eq(conn.response().status, 200, "status")
        conn.send(b"POST /b/echo/v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        data = json.dumps(chat_body("chunked words", False)).encode()
        for i in range(0, len(data), 7):
            piece = data[i:i + 7]
            conn.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        conn.send(b"0\r\n\r\n")
        r = conn.response()
        check_eq(r.json()["choices"][0]["message"]["content"], "chunked words", "echo", r)
        conn.send(one.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n", 1).split(b"{")[0])
        check(conn.fill(time.monotonic() + 5), "100")
        check(bytes(conn.buffer).startswith(b"HTTP/1.1 100 "), "100 Continue")
        conn.send(one[one.index(b"{"):])
        check_eq(conn.response().status, 200, "after the 100")
    check_eq(up.stats()["continues"], 1, "continues")


def test_http_echo_and_polled_jobs(env):
    up = env.upstream()
    with Connection(up.address, 5) as conn:
        r = conn.ask("PUT", "/echo/x?q=1", {"X-Y": "z"}, "body")
        check_eq({k: r.json()[k] for k in ("method", "path", "query", "body")},
                 {"method": "PUT", "path": "/echo/x", "query": "q=1", "body": "body"}, "echo", r)
        check_eq(r.json()["headers"]["X-Y"], "z", "header", r)
        r = conn.ask("POST", "/poll/start?polls=2", {}, "{}")
        job = r.json()
        check_eq((r.status, job["status"]), (202, "queued"), "start", r)
        path = "/" + job["urls"]["get"].split("/", 3)[3]
        check_eq([conn.ask("GET", path).json()["status"] for _ in range(2)], ["running", "succeeded"], "polls")
        job = conn.ask("POST", "/poll/start?polls=9", {}, "{}").json()
        conn.ask("POST", "/" + job["urls"]["cancel"].split("/", 3)[3], {}, "")
        check_eq(conn.ask("GET", f"/poll/status/{job['id']}").json()["status"], "cancelled", "cancelled")
        check_eq(conn.ask("GET", "/poll/status/none").status, 404, "unknown job")
    check_eq(up.stats()["jobs_cancelled"], 1, "cancelled jobs")


def test_twelve_thousand_connections(env):
    up = env.upstream()
    import resource
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    n = min(12000, hard - 200)
    request = http1.encode_request("POST", "/b/ok,gate=all/v1/chat/completions", {"Idempotency-Key": "k"},
                                   chat_body("x", False))
    socks = []
    for _ in range(n):
        s = http1.connect(up.address)
        s.sendall(request)
        socks.append(s)
    s = up.wait_held(n, 20)
    check_eq((s["active"], s["by_key"]["k"]["requests"]), (n, n), "active")
    up.release("all")
    for s in socks:
        check(s.recv(65536).startswith(b"HTTP/1.1 200"), "an answer")
        s.close()
    up.wait_active(0)
    check(process.pss_bytes(up.process.pid) < 400 << 20, f"{process.pss_bytes(up.process.pid)} bytes")


def test_idle_connections_can_be_closed(env):
    up = env.upstream()
    with Connection(up.address, 5) as conn:
        ask(up, "ok", conn=conn)
        check_eq(up.stats()["open"], 1, "open")
        up.close_idle()
        check_eq(conn.wait_closed(), b"", "closed")
    check_eq(up.stats()["open"], 0, "open")


# --- the framework

def served(payload, call):
    """Gives `payload` as the answer to whatever asks, and calls call(connection)."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def serve():
        s, _ = listener.accept()
        s.recv(65536)
        for part in payload if isinstance(payload, list) else [payload]:
            s.sendall(part)
            time.sleep(0.01)
        s.close()
    t = threading.Thread(target=serve)
    t.start()
    with Connection(listener.getsockname(), 5) as conn:
        conn.request("GET", "/")
        try:
            return call(conn)
        finally:
            t.join()
            listener.close()


def test_the_client_refuses_bad_answers(env):
    bad = [b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
           b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
           b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
           b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
           b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
           b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n"]
    for payload in bad:
        try:
            served(payload, lambda conn: conn.response())
        except Failure:
            continue
        raise Failure("accepted", payload)
    for payload in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"):
        try:
            served(payload, lambda conn: conn.response())
        except ConnectionGone:
            continue
        raise Failure("accepted", payload)


def test_the_client_times_each_chunk_and_parses_events(env):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    frames = [b"retry: 2000\n\n", b'id: 1\nevent: run.queued\ndata: {"seq":1,"type":"run.queued"}\n\n', b": hb\n\n",
              b'event: stream.end\ndata: {"type":"stream.end","data":{}}\n\n']
    chunks = [b"%x\r\n%s\r\n" % (len(f), f) for f in frames] + [b"0\r\n\r\n"]

    def read(conn):
        stream = conn.open_stream()
        return stream, stream.all()
    stream, events = served([head] + chunks, read)
    check_eq([(e.seq, e.type, e.sse_id) for e in events], [(1, "run.queued", "1"), (None, "stream.end", None)], "events")
    check_eq((stream.retry_ms, len(stream.heartbeats)), (2000, 1), "retry and heartbeats")
    check(events[1].at - events[0].at > 0.015, "times of arrival")
    for frame in (b'event: a\nid: 1\ndata: {}\n\n', b'id: 1\ndata: {}\n\n', b'id: 1\nevent: a\ndata: {"type":"b"}\n\n'):
        try:
            served([head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(frame), frame)], read)
        except Failure:
            continue
        raise Failure("accepted", frame)
    lines = b'{"seq":1,"type":"x"}\n{"type":"heartbeat"}\n{"seq":2,"type":"y"}\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    halves = [lines[:30], lines[30:]]
    stream, events = served([head] + [b"%x\r\n%s\r\n" % (len(h), h) for h in halves] + [b"0\r\n\r\n"], read)
    check_eq([e.type for e in events], ["x", "y"], "events")


def test_the_checks_find_what_they_should(env):
    def event(seq, kind, **data):
        return http1.Event(json.dumps({"seq": seq, "type": kind, "data": data, "task": "", "run_id": "r",
                                       "at": "2026-01-01T00:00:00.000Z"}).encode(), 0)
    good = [event(1, "run.queued"), event(5, "stream.gap", **{"from": 2, "to": 4}), event(6, "run.finished")]
    c.check_events(good, "r")
    bad = [[good[0], good[2]], [good[0], event(5, "stream.gap", **{"from": 3, "to": 4}), good[2]], good[:2],
           good + [event(7, "run.finished")], [good[2]]]
    for events in bad:
        try:
            c.check_events(events, "r")
        except Failure:
            continue
        raise Failure("accepted", repr(events))


def test_leftover_processes_are_found_by_pid_and_start(env):
    p = process.spawn(["sleep", "100"])
    journal = f"{env.tmp}/processes"
    check(f"{p.pid} " in open(journal).read(), "written down")
    with open(f"{env.tmp}/other", "w") as f:
        f.write(f"{p.pid} 1\n")
    check_eq(process.kill_leftovers(f"{env.tmp}/other"), [], "another process of that pid is left alone")
    check_eq(process.kill_leftovers(journal), [p.pid], "killed")
    check_eq(p.wait(5), -9, "exit")
