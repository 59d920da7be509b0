"""Requests as only an attacker or a broken client writes them, byte by byte (DESIGN §10, §13; reliability N1, N7).

After every one the server must be alive, and nothing that stood behind the broken place may have been taken for a request:
every variant carries, or could be read as carrying, a create with a mark in its metadata.
"""

import threading
import time

from lib.bodies import hanging
from lib.check import Failure, check, check_eq, check_in, eventually
from lib.http1 import ConnectionGone, TooSlow
from lib.env import time_limit
from lib.slow import scaled

BODY = b'{"agent":"echo","metadata":{"mark":"body"}}'
SMUGGLED = (b"POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 47\r\n\r\n"
            b'{"agent":"echo","metadata":{"mark":"smuggled"}}')
assert len(b'{"agent":"echo","metadata":{"mark":"smuggled"}}') == 47


def post(*headers, body=BODY, version=b"HTTP/1.1", host=b"Host: x\r\n"):
    lines = b"".join(h + b"\r\n" for h in headers)
    return b"POST /v1/runs " + version + b"\r\n" + host + b"Content-Type: application/json\r\n" + lines + b"\r\n" + body


def get(*headers, target=b"/livez", version=b"HTTP/1.1", host=b"Host: x\r\n", method=b"GET"):
    return method + b" " + target + b" " + version + b"\r\n" + host + b"".join(h + b"\r\n" for h in headers) + b"\r\n"


LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

# (name, bytes, statuses that are right; the connection must be closed after a 400 or 5xx of these)
REFUSED = [
    ("length and chunked", post(LENGTH, CHUNKED, body=CHUNKS + SMUGGLED), {400}),
    ("chunked and length", post(CHUNKED, b"Content-Length: 4", body=CHUNKS + SMUGGLED), {400}),
    ("chunked and length 0", post(CHUNKED, b"Content-Length: 0", body=CHUNKS), {400}),
    ("two lengths that differ", post(LENGTH, b"Content-Length: 0", body=BODY + SMUGGLED), {400}),
    ("two lengths that differ, short first", post(b"Content-Length: 0", LENGTH, body=SMUGGLED), {400}),
    ("two equal lengths", post(LENGTH, LENGTH), {400}),
    ("a list of lengths", post(b"Content-Length: 5, 5", body=b"{   }" + SMUGGLED), {400}),
    ("a negative length", post(b"Content-Length: -1"), {400}),
    ("a signed length", post(b"Content-Length: +" + LENGTH[16:]), {400}),
    ("a hex length", post(b"Content-Length: 0x2b"), {400}),
    ("a length with a blank inside", post(b"Content-Length: 4 3"), {400}),
    ("an empty length", post(b"Content-Length:"), {400}),
    ("a length beyond 64 bits", post(b"Content-Length: 18446744073709551659"), {400, 413}),
    ("gzip coding", post(b"Transfer-Encoding: gzip"), {400, 501}),
    ("gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", body=CHUNKS), {400, 501}),
    ("chunked, gzip", post(b"Transfer-Encoding: chunked, gzip", body=CHUNKS), {400, 501}),
    ("identity", post(b"Transfer-Encoding: identity", LENGTH), {400, 501}),
    ("chunked twice in one line", post(b"Transfer-Encoding: chunked, chunked", body=CHUNKS), {400, 501}),
    ("chunked on two lines", post(CHUNKED, CHUNKED, body=CHUNKS), {400, 501}),
    ("xchunked", post(b"Transfer-Encoding: xchunked", body=CHUNKS), {400, 501}),
    ("chunked;q=1", post(b"Transfer-Encoding: chunked;q=1", body=CHUNKS), {400, 501}),
    ("an empty coding", post(b"Transfer-Encoding:", body=CHUNKS), {400, 501}),
    ("vertical tab before chunked", post(b"Transfer-Encoding: \x0bchunked", body=CHUNKS), {400, 501}),
    ("chunked in 1.0", post(CHUNKED, body=CHUNKS, version=b"HTTP/1.0"), {400, 501, 505}),
    ("no Host", post(LENGTH, host=b""), {400}),
    ("two Hosts", post(LENGTH, b"Host: y"), {400}),
    ("two equal Hosts", post(LENGTH, b"Host: x"), {400}),
    ("a Host with a blank", post(LENGTH, host=b"Host: a b\r\n"), {400}),
    ("a NUL in a value", post(LENGTH, b"X-A: a\x00b"), {400}),
    ("a NUL in a name", post(LENGTH, b"X-\x00A: b"), {400}),
    ("a NUL in the target", get(target=b"/livez\x00x"), {400, 404}),
    ("a folded header", post(LENGTH, b"X-A: a", b" folded: b"), {400}),
    ("a folded length", post(b"X-A: a", b"\tContent-Length: 3", LENGTH), {400}),
    ("a blank before the first header", b"GET /livez HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n", {400}),
    ("a blank before a colon", post(b"Content-Length : %d" % len(BODY)), {400}),
    ("a blank in a name", post(LENGTH, b"X A: b"), {400}),
    ("a line without a colon", post(LENGTH, b"nonsense"), {400}),
    ("an empty name", post(LENGTH, b": b"), {400}),
    ("a bracket in a name", post(LENGTH, b"X(A): b"), {400}),
    ("HTTP/2.0", get(version=b"HTTP/2.0"), {400, 505}),
    ("HTTP/0.9 with a version", get(version=b"HTTP/0.9"), {400, 505}),
    ("HTTP/1.x", get(version=b"HTTP/1.x"), {400, 505}),
    ("HTTP/11", get(version=b"HTTP/11"), {400, 505}),
    ("http/1.1 in small letters", get(version=b"http/1.1"), {400, 505}),
    ("HTP/1.1", get(version=b"HTP/1.1"), {400, 505}),
    ("no version", b"GET /livez\r\nHost: x\r\n\r\n", {400, 505}),
    ("no target", b"GET  HTTP/1.1\r\nHost: x\r\n\r\n", {400, 404, 505}),
    ("a blank in the target", get(target=b"/livez x"), {400, 404, 505}),
    ("a target without a slash", get(target=b"livez"), {400, 404}),
    ("CONNECT", get(method=b"CONNECT", target=b"x:80"), {400, 404, 405, 501}),
    ("TRACE", get(method=b"TRACE"), {400, 405, 501}),
    ("a method in small letters", get(method=b"get"), {400, 405, 501}),
    ("a method with a bracket", get(method=b"G(T"), {400, 405, 501}),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n", {400, 505}),
    ("an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 405, 501, 505}),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", {400, 505}),
    ("a chunk size that is none", post(CHUNKED, body=b"g\r\n" + BODY + b"\r\n0\r\n\r\n"), {400}),
    ("a negative chunk size", post(CHUNKED, body=b"-1\r\n" + BODY + b"\r\n0\r\n\r\n"), {400}),
    ("a chunk size with 0x", post(CHUNKED, body=b"0x2b\r\n" + BODY + b"\r\n0\r\n\r\n"), {400}),
    ("a chunk size beyond 64 bits", post(CHUNKED, body=b"1000000000000002b\r\n" + BODY + b"\r\n0\r\n\r\n"), {400, 413}),
    ("an empty chunk size", post(CHUNKED, body=b"\r\n" + BODY + b"\r\n0\r\n\r\n"), {400}),
    ("no CRLF after a chunk", post(CHUNKED, body=b"%x\r\n%sXX0\r\n\r\n" % (len(BODY), BODY)), {400}),
]


BROKEN = (400, 413, 501, 505)  # what stands behind such a request may not be read as another: the connection must close


def exchange(server, data):
    """Sends the bytes. (statuses of all answers, was the connection closed)"""
    statuses = []
    with server.connect() as c:
        c.send(data)
        try:
            while True:
                r = c.response(method="GET")
                statuses.append(r.status)
                if r.status in BROKEN:
                    c.wait_closed(scaled(10))
                    return statuses, True
                if c.is_quiet(0.05):
                    return statuses, False
        except ConnectionGone:
            return statuses, True
        except TooSlow:
            raise Failure(f"neither an answer nor a closed connection (answers so far: {statuses})", data) from None
        except Failure:  # an answer without proper framing: libraries write their own here
            return statuses or [0], True


def marks(server):
    return [r["metadata"].get("mark") for r in server.json("/v1/runs?limit=200")["data"]]


def test_broken_requests_are_refused_and_the_connection_closed(env):
    server = env.server({"limits": {"header_ms": 2000, "body_ms": 2000}})
    probe = server.connect()
    for name, data, right in REFUSED:
        statuses, closed = exchange(server, data)
        check(closed or statuses[0] not in BROKEN, f"{name}: the connection must be closed", data)
        if statuses:  # closing without a word is right as well
            check_in(statuses[0], right, f"{name}: status", data)
            check_eq(len(statuses), 1, f"{name}: answers", data)
        check_eq(probe.ask("GET", "/livez").status, 200, f"alive after {name}")
        check_eq(marks(server), [], f"{name}: nothing may be created", data)
    probe.close()


ACCEPTED = [
    ("chunked", post(CHUNKED, body=CHUNKS)),
    ("a size in capital letters", post(CHUNKED, body=CHUNKS.replace(b"%x" % len(BODY), b"%X" % len(BODY), 1))),
    ("an extension", post(CHUNKED, body=CHUNKS.replace(b"\r\n", b";a=b;c\r\n", 1))),
    ("a trailer", post(CHUNKED, body=CHUNKS[:-2] + b"X-T: 1\r\n\r\n")),
    ("chunks of one byte", post(CHUNKED, body=b"".join(b"1\r\n%c\r\n" % b for b in BODY) + b"0\r\n\r\n")),
    ("no blank after a colon", post(LENGTH.replace(b" ", b""))),
    ("header names in any letters", post(LENGTH.upper())),
]

# The RFC allows these, a careful server may refuse them; what it may not do is read them in another way.
EITHER = [
    ("Chunked in other letters", post(b"transfer-encoding: Chunked", body=CHUNKS)),
    ("blanks around chunked", post(b"Transfer-Encoding:  chunked ", body=CHUNKS)),
    ("zeros before a size", post(CHUNKED, body=b"000" + CHUNKS)),
    ("zeros before a length", post(b"Content-Length: 00%d" % len(BODY))),
    ("latin-1 in a value", post(LENGTH, b"X-A: caf\xe9")),
    ("a control byte in a value", post(LENGTH, b"X-A: a\x01b")),
    ("a bare CR in a value", post(LENGTH, b"X-A: a\rX-B: b")),
    ("an empty line before the request", b"\r\n" + post(LENGTH)),
]


def test_unusual_but_good_requests_are_served(env):
    server = env.server()
    for name, data in ACCEPTED:
        with server.connect() as c:
            c.methods.extend(["POST", "GET"])
            c.send(data + get())
            r = c.response()
            check_eq(r.status, 202, f"{name}: status", data, r)
            check_eq(c.response().status, 200, f"{name}: the request behind it", data)
    check_eq(marks(server), ["body"] * len(ACCEPTED), "runs")


def test_borderline_requests_are_served_or_refused_but_never_misread(env):
    server = env.server()
    for name, data in EITHER:
        before = len(marks(server))
        statuses, _ = exchange(server, data)
        check_in(statuses[:1], ([], [202], [400], [501]), f"{name}: status", data)
        check_eq(len(marks(server)) - before, statuses.count(202), f"{name}: runs", data)
    check_eq(set(marks(server)) - {"body"}, set(), "marks")


def test_bytes_may_come_one_by_one(env):
    server = env.server()
    with server.connect() as c:
        c.methods.append("POST")
        for byte in post(CHUNKED, body=CHUNKS):
            c.send(bytes([byte]))
        check_eq(c.response().status, 202, "status")


def test_http_1_0_is_served_and_closed(env):
    server = env.server()
    for data in (get(version=b"HTTP/1.0"), get(version=b"HTTP/1.0", host=b""), post(LENGTH, version=b"HTTP/1.0")):
        with server.connect() as c:
            c.send(data)
            r = c.response(method="GET")
            check_in(r.status, (200, 202), "status", data, r)
            check(not r.all("transfer-encoding"), "no chunks for a 1.0 client", r)
            c.wait_closed()


def test_an_http_1_0_client_may_follow_a_run(env):
    server = env.server()
    run = server.run(input="a b")
    with server.connect() as c:
        c.send(get(b"Accept: application/x-ndjson", target=b"/v1/runs/" + run["id"].encode() + b"/events", version=b"HTTP/1.0"))
        stream = c.open_stream()
        check(not stream.response.all("transfer-encoding"), "no chunks for a 1.0 client", stream.response)
        check_eq(stream.all()[-1].type, "run.finished", "the last event")


def test_connection_close_is_obeyed(env):
    server = env.server()
    with server.connect() as c:
        r = c.ask("GET", "/livez", {"Connection": "close"})
        check_eq((r.header("connection") or "").lower(), "close", "Connection", r)
        check_eq(c.wait_closed(), b"", "nothing more comes")


def test_absolute_targets_and_odd_paths_are_told_apart(env):
    server = env.server()
    for target, right in ((b"http://localhost/livez", {200, 400}), (b"/livez/", {200, 404}), (b"//livez", {400, 404}),
                          (b"/./livez", {400, 404}), (b"/v1/../livez", {400, 404}), (b"/v1/%2e%2e/livez", {400, 404}),
                          (b"/livez%00", {400, 404}), (b"/v1%2fruns", {400, 404}), (b"/livez?", {200, 400}),
                          (b"/livez#x", {200, 400, 404}), (b"/%6civez", {200, 404}), (b"/livez%zz", {400, 404})):
        statuses, _ = exchange(server, get(b"Connection: close", target=target))
        check(statuses, f"an answer to {target!r}")
        check_in(statuses[0], right, f"status of {target!r}")


def test_a_cut_upload_creates_nothing(env):
    server = env.server()
    for data in (post(CHUNKED, body=CHUNKS[:-5]), post(CHUNKED, body=CHUNKS[:-2]), post(CHUNKED, body=CHUNKS[:20]),
                 post(LENGTH, body=BODY[:-1]), post(b"Content-Length: 1000")):
        with server.connect() as c:
            c.send(data)
            c.shut_write()
            c.wait_closed()
    check_eq(marks(server), [], "runs")


def test_expect_100_continue(env):
    server = env.server()
    with server.connect() as c:
        c.methods.append("POST")
        c.send(post(LENGTH, b"Expect: 100-continue", body=b""))
        check(c.fill(time.monotonic() + scaled(10)), "100 Continue")
        check(bytes(c.buffer).startswith(b"HTTP/1.1 100"), f"100 Continue, not {bytes(c.buffer)[:80]!r}")
        c.send(BODY)
        check_eq(c.response().status, 202, "status")
    with server.connect() as c:
        c.methods.append("POST")
        c.send(post(LENGTH, b"Expect: something-else"))
        check_in(c.response().status, (202, 417), "an unknown expectation")


def dripped(server, first, piece, every):
    """Sends `first`, then a piece at a time until the server closes. (seconds from the first byte, what it said)"""
    c = server.connect()
    began = time.monotonic()
    c.send(first)
    try:
        while time.monotonic() - began < scaled(30):
            if not c.is_quiet(every):
                said = c.wait_closed()
                return time.monotonic() - began, said
            try:
                c.sock.send(piece)
            except OSError:
                return time.monotonic() - began, b""
        raise Failure("dripped for 30 s and was never cut")
    finally:
        c.close()


def test_a_dripped_header_is_cut_at_its_deadline(env):
    server = env.server({"limits": {"header_ms": 1000}})
    probe = server.connect()
    check_eq(probe.ask("GET", "/livez").status, 200, "the probe's first")
    seconds, said = dripped(server, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: ", b"a", 0.1)
    check(seconds > 0.7, f"not before its time: {seconds:.2f} s")
    check(not said or said.startswith(b"HTTP/1.1 4"), f"a 4xx or nothing, not {said[:60]!r}")
    check_eq(probe.ask("GET", "/livez").status, 200, "an honest connection is not touched")
    probe.close()
    # the deadline holds for later requests of a connection too
    c = server.connect()
    check_eq(c.ask("GET", "/livez").status, 200, "the first request")
    c.send(b"GET /livez HTT")
    c.wait_closed(scaled(10))
    c.close()


def test_a_dripped_body_is_cut_at_its_deadline(env):
    server = env.server({"limits": {"body_ms": 1000}})
    for first in (post(b"Content-Length: 1000", body=b"{"), post(CHUNKED, body=b"3e8\r\n{")):
        seconds, said = dripped(server, first, b" ", 0.1)
        check(seconds > 0.7, f"not before its time: {seconds:.2f} s")
        check(not said or said.startswith(b"HTTP/1.1 4"), f"a 4xx or nothing, not {said[:60]!r}")
    check_eq(server.json("/v1/runs")["data"], [], "nothing was created")


def test_many_drippers_do_not_disturb_an_honest_client(env):
    server = env.server({"limits": {"header_ms": 3000}})
    drippers = [server.connect() for _ in range(200)]
    for d in drippers:
        d.send(b"GET /livez HTTP/1.1\r\nX-A: ")
    for _ in range(50):
        check_eq(server.run(input="x")["state"], "succeeded", "an honest run")
    for d in drippers:
        d.wait_closed(scaled(20))
        d.close()


@time_limit(40)
def test_pipelined_creates_are_stored_without_waiting_for_a_timer(env):
    """Each was stored only when some timer woke the loop, up to 250 ms later: 400 of them took minutes."""
    server = env.server()
    with server.connect() as c:
        c.methods.extend(["POST"] * 400)
        c.send(post(LENGTH) * 400)
        check_eq({c.response().status for _ in range(400)}, {202}, "statuses")


def test_an_idle_connection_is_closed_after_its_time(env):
    server = env.server({"limits": {"idle_ms": 1000}})
    with server.connect() as c:
        check_eq(c.ask("GET", "/livez").status, 200, "status")
        began = time.monotonic()
        check_eq(c.wait_closed(scaled(15)), b"", "closed without a word")
        check(time.monotonic() - began > 0.7, "not before its time")


def test_a_stream_or_a_wait_is_not_idle(env):
    server = env.server({"limits": {"idle_ms": 1000, "header_ms": 1000, "body_ms": 1000}})
    run = server.start_run("story", params=hanging())
    with server.connect() as waiting, server.follow(run["id"]) as stream:
        waiting.request("GET", f"/v1/runs/{run['id']}", {"Prefer": "wait=60"})
        stream.until("attempt.started")
        check(waiting.is_quiet(2.5), "the wait goes on past idle_ms")
        server.cancel(run["id"])
        check_eq(waiting.response().json()["state"], "cancelled", "the waiting client")
        check_eq(stream.all()[-1].type, "run.finished", "the streaming client")


def test_an_open_stream_is_unaffected_by_broken_requests(env):
    server, up = env.with_upstream({"up": "ok,tokens=40,gap=20"})
    stream = server.stream_run("up", input="x")
    stop = threading.Event()

    def attack():
        i = 0
        while not stop.is_set():
            exchange(server, REFUSED[i % len(REFUSED)][1])
            i += 1
    attacker = threading.Thread(target=attack, daemon=True)
    attacker.start()
    try:
        events = stream.all()
    finally:
        stop.set()
        attacker.join(scaled(30))
    check_eq(events[-1].data["run"]["state"], "succeeded", "state")
    check_eq(len([e for e in events if e.type == "output.delta" and e.data.get("text")]), 40, "deltas")


def test_connections_do_not_leak(env):
    from lib import process
    server = env.server()
    server.get("/livez")
    before = process.open_files(server.pid)
    for name, data, _ in REFUSED:
        exchange(server, data)
    for _ in range(50):
        server.connect().reset()
    eventually(lambda: process.open_files(server.pid) <= before + 4, "all descriptors are closed again")
