"""Every refusal of API §6: status, code, pointers, order, line and column. Tables are looped over one server."""

import json
import time

from lib import http1
from lib.bodies import hanging
from lib.check import REQUEST_ID, check, check_eq, check_in, check_problem
from lib.http1 import ConnectionGone

JSON = {"Content-Type": "application/json"}


def after(text, mark):
    """Line and column of the first byte after the last `mark` in text, as the contract counts: bytes, from 1."""
    at = text.rindex(mark) + len(mark)
    line = text.count(b"\n", 0, at) + 1
    return line, at - (text.rfind(b"\n", 0, at) + 1) + 1


# (body, a piece of it: the offending byte is the first one after the last place where that stands)
BAD_JSON = [
    (b"", b""),
    (b"  \n ", b"\n "),
    (b"{", b"{"),
    (b'{"agent": "echo",}', b","),
    (b'{"agent": "echo"', b'"echo"'),
    (b'{"agent" "echo"}', b'"agent" '),
    (b'{"agent": echo}', b": "),
    (b'{"agent": tru}', b"tru"),
    (b'{\n  "agent": "echo",\n  "input": nul!\n}', b"nul"),
    (b'{"agent": "echo"} x', b"} "),
    (b'{"agent": "echo"}{}', b'"echo"}'),
    (b'{"agent": "ec\nho"}', b'"ec'),
    (b'{"agent": "\\x41"}', b'"\\'),
    (b'{"agent": "\xff"}', b': "'),
    (b'{"agent": "a\xc3"}', b'"a'),  # the sequence is bad from its first byte on
    (b'{"timeout_ms": 01}', b": 0"),
    (b'{"timeout_ms": +1}', b": "),
    (b'{"timeout_ms": .5}', b": "),
    (b'{"timeout_ms": 1.}', b"1."),
    (b'{"timeout_ms": 1e}', b"1e"),
    (b'{"timeout_ms": NaN}', b": "),
    (b"{'agent': 1}", b"{"),
    (b'{agent: 1}', b"{"),
    (b"\xef\xbb\xbf{}", b""),
    (b'{"agent": "echo", /* */ "input": 1}', b", "),
    (b'{"agent": "echo", "input": 1, "agent": "story"}', b"1, "),
    (b'{"agent": "echo", "input": {"a": 1,\n "b": {}, "a": 2}}', b"{}, "),
    (b'{"agent": "echo", "input": {"a": 1, "\\u0061": 2}}', b"1, "),
    (b'{"agent": "echo", "input": [1, 2}', b"2"),
    (b'{"agent": "echo"\x00}', b'"echo"'),
]


def test_bad_json_is_refused_with_line_and_column(env):
    server = env.server()
    with server.connect() as c:
        for body, mark in BAD_JSON:
            line, column = after(body, mark) if mark else (1, 1)
            r = c.ask("POST", "/v1/runs", JSON, body)
            check_problem(r, "invalid_json", line=line, column=column)
    check_eq(server.json("/v1/runs")["data"], [], "nothing was created")


def test_bad_utf8_of_every_kind_is_refused(env):
    server = env.server()
    with server.connect() as c:
        for bad in (b"\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80",
                    b"\xe2\x28\xa1", b"\xfe"):
            check_problem(c.ask("POST", "/v1/runs", JSON, b'{"agent":"echo","input":"' + bad + b'"}'), "invalid_json")


def test_json_deeper_than_64_is_refused(env):
    server = env.server()

    def body(depth):  # the root is 1
        return '{"agent":"echo","input":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"
    r = server.post("/v1/runs", body(64))
    check_eq(r.status, 202, "a depth of 64", r)
    check_problem(server.post("/v1/runs", body(65)), "invalid_json", line=1, column=len('{"agent":"echo","input":') + 64)
    check_problem(server.post("/v1/runs", body(5000)), "invalid_json")


# (body, code, [(pointer, code)] in order)
BAD_RUNS = [
    ([], "invalid_request", [("", "wrong_type")]),
    ("x", "invalid_request", [("", "wrong_type")]),
    (None, "invalid_request", [("", "wrong_type")]),
    ({}, "invalid_request", [("", "exclusive")]),
    ({"input": "x"}, "invalid_request", [("", "exclusive")]),
    ({"frob": 1}, "invalid_request", [("", "exclusive"), ("/frob", "unknown_field")]),
    ({"agent": "nobody"}, "unknown_agent", [("/agent", "unknown_name")]),
    ({"workflow": "nothing"}, "unknown_workflow", [("/workflow", "unknown_name")]),
    ({"agent": "nobody", "frob": 1}, "invalid_request", [("/agent", "unknown_name"), ("/frob", "unknown_field")]),
    ({"frob": 1, "agent": "nobody"}, "invalid_request", [("/frob", "unknown_field"), ("/agent", "unknown_name")]),
    ({"agent": 5}, "invalid_request", [("/agent", "wrong_type")]),
    ({"agent": "echo", "frob": 1}, "invalid_request", [("/frob", "unknown_field")]),
    ({"agent": "echo", "Input": 1}, "invalid_request", [("/Input", "unknown_field")]),
    ({"agent": "echo", "a/b~c": 1}, "invalid_request", [("/a~1b~0c", "unknown_field")]),
    ({"agent": "echo", "name": 5}, "invalid_request", [("/name", "wrong_type")]),
    ({"agent": "echo", "name": "n" * 129}, "invalid_request", [("/name", "too_long")]),
    ({"agent": "echo", "name": "é" * 65}, "invalid_request", [("/name", "too_long")]),
    ({"agent": "echo", "metadata": []}, "invalid_request", [("/metadata", "wrong_type")]),
    ({"agent": "echo", "metadata": {f"k{i}": "" for i in range(17)}}, "invalid_request", [("/metadata", "too_long")]),
    ({"agent": "echo", "metadata": {"K" * 65: ""}}, "invalid_request", [("/metadata/" + "K" * 65, "too_long")]),
    ({"agent": "echo", "metadata": {"k": "v" * 513}}, "invalid_request", [("/metadata/k", "too_long")]),
    ({"agent": "echo", "metadata": {"k": 1}}, "invalid_request", [("/metadata/k", "wrong_type")]),
    ({"agent": "echo", "metadata": {"k": None}}, "invalid_request", [("/metadata/k", "wrong_type")]),
    ({"agent": "echo", "timeout_ms": "5"}, "invalid_request", [("/timeout_ms", "wrong_type")]),
    ({"agent": "echo", "timeout_ms": 1.5}, "invalid_request", [("/timeout_ms", "wrong_type")]),
    ({"agent": "echo", "timeout_ms": True}, "invalid_request", [("/timeout_ms", "wrong_type")]),
    ({"agent": "echo", "timeout_ms": 0}, "invalid_request", [("/timeout_ms", "out_of_range")]),
    ({"agent": "echo", "timeout_ms": -1}, "invalid_request", [("/timeout_ms", "out_of_range")]),
    ({"agent": "echo", "timeout_ms": 86400001}, "invalid_request", [("/timeout_ms", "out_of_range")]),
    ({"agent": "echo", "timeout_ms": 10 ** 30}, "invalid_request", [("/timeout_ms", "out_of_range")]),
    ({"agent": "echo", "on_disconnect": "maybe"}, "invalid_request", [("/on_disconnect", "not_in_enum")]),
    ({"agent": "echo", "on_disconnect": "Cancel"}, "invalid_request", [("/on_disconnect", "not_in_enum")]),
    ({"agent": "echo", "on_disconnect": 5}, "invalid_request", [("/on_disconnect", "wrong_type")]),
    ({"agent": "echo", "on_crash": "ignore"}, "invalid_request", [("/on_crash", "not_in_enum")]),
    ({"agent": "echo", "restart": "yes"}, "invalid_request", [("/restart", "wrong_type")]),
    ({"agent": "echo", "restart": 1}, "invalid_request", [("/restart", "wrong_type")]),
    ({"agent": "echo", "durability": "never"}, "invalid_request", [("/durability", "not_in_enum")]),
    ({"agent": "echo", "params": []}, "invalid_request", [("/params", "wrong_type")]),
    ({"agent": "echo", "params": "x"}, "invalid_request", [("/params", "wrong_type")]),
    ({"name": 1, "zzz": 1, "agent": 5, "timeout_ms": 0, "restart": "x"}, "invalid_request",
     [("", "exclusive"), ("/name", "wrong_type"), ("/zzz", "unknown_field"), ("/agent", "wrong_type"),
      ("/timeout_ms", "out_of_range"), ("/restart", "wrong_type")]),
]


def test_bad_runs_are_refused_with_pointers_in_document_order(env):
    server = env.server()
    for target in ("/v1/runs", "/v1/runs/validate"):
        for body, code, errors in BAD_RUNS:
            r = server.post(target, json.dumps(body))
            p = check_problem(r, code)
            found = [(e["pointer"], e["code"]) for e in p["errors"]]
            # A member of the wrong type may or may not count as given in "exactly one of": both readings pass.
            if errors[0] == ("", "exclusive") and len(errors) > 2 and found[:1] != errors[:1]:
                errors = errors[1:]
            check_eq(found, errors, f"errors of {json.dumps(body)[:100]}", r)
    check_eq(server.json("/v1/runs")["data"], [], "nothing was created")


def test_exactly_one_of_agent_workflow_task(env):
    server = env.server()
    value = {"type": "value", "value": 1}
    for body in ({"agent": "echo", "workflow": "w"}, {"agent": "echo", "task": value}, {"workflow": "w", "task": value}):
        r = server.post("/v1/runs", body)
        p = check_problem(r, "invalid_request")
        check_eq((p["errors"][0]["pointer"], p["errors"][0]["code"]), ("", "exclusive"), "the first error", r)
    r = server.post("/v1/runs", {"task": value, "params": {}})
    p = check_problem(r, "invalid_request")
    check_in(("/params", "exclusive"), [(e["pointer"], e["code"]) for e in p["errors"]], "params without agent", r)


def test_at_most_20_errors(env):
    server = env.server()
    r = server.post("/v1/runs", {"agent": "echo", **{f"x{i:02}": 1 for i in range(25)}})
    check_problem(r, "invalid_request", errors=[(f"/x{i:02}", "unknown_field") for i in range(20)])


def test_an_input_past_its_limit_is_too_long(env):
    server = env.server({"limits": {"input_bytes": 65536}})
    check_eq(server.post("/v1/runs", {"agent": "echo", "input": "x" * 65500}).status, 202, "below the limit")
    check_problem(server.post("/v1/runs", {"agent": "echo", "input": "x" * 65600}), "invalid_request",
                  errors=[("/input", "too_long")])
    check_problem(server.post("/v1/runs", {"agent": "echo", "input": ["x" * 65600]}), "invalid_request",
                  errors=[("/input", "too_long")])


def test_shorthands_refuse_as_create_does(env):
    server = env.server()
    for target in ("/v1/agents/echo/runs", "/v1/agents/echo/run"):
        for body, code, errors in ((None, "invalid_request", [("", "wrong_type")]),
                                   ({"frob": 1}, "invalid_request", [("/frob", "unknown_field")]),
                                   ({"timeout_ms": 0}, "invalid_request", [("/timeout_ms", "out_of_range")])):
            check_problem(server.post(target, json.dumps(body)), code, errors=errors)
        check_problem(server.post(target, b""), "invalid_json", line=1, column=1)
    check_problem(server.post("/v1/agents/echo/runs", {"task": "x"}), "invalid_request")


UNKNOWN_RUN = "run_01JD3Y00000000000000000000"
NOT_FOUND = ["/", "/v1", "/v1/nothing", "/v2/runs", f"/v1/runs/{UNKNOWN_RUN}", f"/v1/runs/{UNKNOWN_RUN}/events",
             f"/v1/runs/{UNKNOWN_RUN}/tasks", f"/v1/runs/{UNKNOWN_RUN}/output", f"/v1/runs/{UNKNOWN_RUN}/tasks/root",
             "/v1/runs/run_x", "/v1/runs/01JD3Y00000000000000000000", "/v1/runs/" + UNKNOWN_RUN.lower(),
             f"/v1/runs/{UNKNOWN_RUN}/nothing", "/v1/runs/run_%00", "/v1/providers/nobody", "/livez/x"]


def test_unknown_things_are_404(env):
    server = env.server()
    for target in NOT_FOUND:
        check_problem(server.get(target), "not_found")
    check_problem(server.ask("DELETE", f"/v1/runs/{UNKNOWN_RUN}"), "not_found")
    check_problem(server.cancel(UNKNOWN_RUN), "not_found")
    check_problem(server.get(f"/v1/runs/{UNKNOWN_RUN}/events", {"Accept": "text/event-stream"}), "not_found")
    run = server.run(input="x")
    check_problem(server.get(f"/v1/runs/{run['id']}/tasks/0"), "not_found")
    check_problem(server.get(f"/v1/runs/{run['id']}/tasks/x"), "not_found")


def test_405_names_what_is_allowed(env):
    server = env.server()
    run = server.run(input="x")
    rid = run["id"]
    for method, target, allowed in (("PATCH", "/v1/runs", {"GET", "POST"}), ("DELETE", "/v1/runs", {"GET", "POST"}),
                                    ("POST", f"/v1/runs/{rid}", {"GET", "DELETE"}), ("PUT", f"/v1/runs/{rid}",
                                        {"GET", "DELETE"}),
                                    ("GET", f"/v1/runs/{rid}/cancel", {"POST"}), ("POST", f"/v1/runs/{rid}/events", {"GET"}),
                                    ("DELETE", f"/v1/runs/{rid}/output", {"GET"}), ("POST", "/livez", {"GET"}),
                                    ("DELETE", "/metrics", {"GET"}), ("GET", "/v1/agents/echo/runs", {"POST"}),
                                    ("POST", "/openapi.json", {"GET"}), ("FROB", "/v1/runs", {"GET", "POST"})):
        r = server.ask(method, target)
        if method == "FROB" and r.status == 501:
            continue
        check_problem(r, "method_not_allowed")
        got = {m.strip() for m in (r.header("allow") or "").split(",")}
        check(allowed <= got, f"Allow of {method} {target}: {got}", r)
        check(method not in got, f"Allow must not name {method}", r)


def test_406_for_what_we_cannot_write(env):
    server = env.server()
    run = server.run(input="x")
    for accept in ("text/html", "image/png, text/css", "application/xml", "application/json;q=0"):
        check_problem(server.post("/v1/runs", {"agent": "echo"}, {"Accept": accept}), "not_acceptable")
        check_problem(server.get(f"/v1/runs/{run['id']}", {"Accept": accept}), "not_acceptable")
        check_problem(server.get(f"/v1/runs/{run['id']}/events", {"Accept": accept}), "not_acceptable")
    check_eq(len(server.json("/v1/runs")["data"]), 1, "nothing was created")


def test_415_for_other_types_and_any_encoding(env):
    server = env.server()
    body = b'{"agent":"echo"}'
    with server.connect() as c:
        for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "text/json", "nonsense",
                     "multipart/form-data; boundary=x", "application/jsonx"):
            check_problem(c.ask("POST", "/v1/runs", {"Content-Type": kind}, body), "unsupported_media_type")
        for coding in ("gzip", "br", "deflate", "zstd", "gzip, gzip"):
            check_problem(c.ask("POST", "/v1/runs", {**JSON, "Content-Encoding": coding}, body), "unsupported_media_type")
        for kind in (None, "application/json", "application/json; charset=utf-8", "Application/JSON"):
            r = c.ask("POST", "/v1/runs", {"Content-Type": kind}, body)
            check_eq(r.status, 202, f"status with Content-Type: {kind}", r)


def test_413_for_bodies_past_the_limit(env):
    server = env.server({"limits": {"body_bytes": 65536}})
    body = b'{"agent":"echo"}'
    r = server.post("/v1/runs", body + b" " * (65536 - len(body)))
    check_eq(r.status, 202, "at the limit", r)
    check_problem(server.post("/v1/runs", body + b" " * (65537 - len(body))), "body_too_large")
    with server.connect() as c:  # told at once, the body need not come
        c.methods.append("POST")
        c.send(b"POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n")
        check_problem(c.response(), "body_too_large")
    with server.connect() as c:
        c.methods.append("POST")
        c.send(b"POST /v1/runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n"
               b"Expect: 100-continue\r\n\r\n")
        check_eq(c.head().status, 413, "no 100 Continue for what will be refused")
    for extra, status in ((0, 202), (1, 413)):
        with server.connect() as c:
            c.methods.append("POST")
            c.send(b"POST /v1/runs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            data = body + b" " * (65536 + extra - len(body))
            for i in range(0, len(data), 8192):
                piece = data[i:i + 8192]
                c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            c.send(b"0\r\n\r\n")
            r = c.response()
            check_eq(r.status, status, f"chunked, {extra} past the limit", r)
            if status == 413:
                check_problem(r, "body_too_large")
    check_eq(len(server.json("/v1/runs")["data"]), 2, "the refused ones created nothing")


def test_414_and_431_for_long_lines_and_many_headers(env):
    server = env.server()
    base = "/v1/runs?name="
    r = server.get(base + "a" * (8192 - len(base)))
    check_eq(r.status, 200, "a target at the limit", r)
    check_problem(server.get(base + "a" * (8193 - len(base))), "uri_too_long")
    check_problem(server.get(base + "a" * 20000), "uri_too_long")
    check_eq(server.get("/livez", {"X-A": "h" * 30000}).status, 200, "headers below the limit")
    check_problem(server.get("/livez", {"X-A": "h" * 33000}), "headers_too_large")
    check_problem(server.get("/livez", [("X-A", "h" * 8000) for _ in range(6)]), "headers_too_large")
    check_eq(server.get("/livez", [(f"X-{i}", "v") for i in range(99)]).status, 200, "100 headers, Host included")
    check_problem(server.get("/livez", [(f"X-{i}", "v") for i in range(100)]), "headers_too_large")
    try:  # far past anything: a bare answer or a closed connection are right too, a hang is not
        check_in(server.get("/livez", {"X-A": "h" * 2000000}).status, (431, 400), "2 MB of headers")
    except ConnectionGone:
        pass
    check_eq(server.get("/livez").status, 200, "alive")


def test_bad_queries_are_refused_on_any_route(env):
    server = env.server()
    rid = server.run(input="x")["id"]
    for target in ("/v1/runs?frob=1", "/v1/runs?state=nope", "/v1/runs?limit=0", "/v1/runs?limit=201", "/v1/runs?limit=x",
                   "/v1/runs?limit=1.5", "/v1/runs?limit=-1", "/v1/runs?limit=", "/v1/runs?limit=5&limit=5",
                   "/v1/runs?state=failed&state=failed", "/v1/runs?cursor=nonsense", "/v1/runs?created_after=yesterday",
                   "/v1/runs?created_before=12", f"/v1/runs/{rid}?x=1", f"/v1/runs/{rid}/output?x=1", "/livez?x=1",
                   f"/v1/runs/{rid}/tasks?x=1", "/readyz?x=1", "/metrics?x=1", f"/v1/runs/{rid}/events?limit=0",
                   f"/v1/runs/{rid}/events?limit=1001", f"/v1/runs/{rid}/events?limit=x", f"/v1/runs/{rid}/events?after=-1",
                   f"/v1/runs/{rid}/events?after=x", f"/v1/runs/{rid}/events?after=1.5", f"/v1/runs/{rid}/events?after=",
                   f"/v1/runs/{rid}/events?after=1&after=2", f"/v1/runs/{rid}/events?follow=maybe",
                   f"/v1/runs/{rid}/events?frob=1"):
        check_problem(server.get(target, {"Accept": "application/json"}), "invalid_query")
    for accept in ("text/event-stream", "application/x-ndjson"):
        check_problem(server.get(f"/v1/runs/{rid}/events?after=x", {"Accept": accept}), "invalid_query")
    for target in ("/v1/runs?x=1", "/v1/runs/validate?x=1", "/v1/agents/echo/runs?x=1", f"/v1/runs/{rid}/cancel?x=1"):
        check_problem(server.post(target, {"agent": "echo"} if "cancel" not in target and "agents" not in target else {}),
                      "invalid_query")
    check_eq(len(server.json("/v1/runs")["data"]), 1, "nothing was created")


def test_a_bad_last_event_id_is_an_invalid_header(env):
    server = env.server()
    rid = server.run(input="x")["id"]
    for value in ("x", "-1", "1.5", "1 2", "0x1"):
        for accept in ("text/event-stream", "application/x-ndjson", "application/json"):
            check_problem(server.get(f"/v1/runs/{rid}/events", {"Last-Event-ID": value, "Accept": accept}), "invalid_header")


def test_conflicts_name_the_state(env):
    server = env.server()
    run = server.start_run("story", params=hanging())
    check_problem(server.get(f"/v1/runs/{run['id']}/output"), "run_not_finished")
    check_problem(server.ask("DELETE", f"/v1/runs/{run['id']}"), "run_not_finished")
    server.cancel(run["id"])
    server.check_finished(run["id"], "cancelled")
    check_problem(server.get(f"/v1/runs/{run['id']}/output"), "conflict")
    done = server.run(input="x")
    check_problem(server.cancel(done["id"]), "run_finished")


def test_every_answer_carries_a_request_id(env):
    server = env.server()
    rid = server.run(input="x")["id"]
    asks = [("GET", "/livez", None, {}), ("GET", "/readyz", None, {}), ("GET", "/metrics", None, {}),
            ("GET", "/nothing", None, {}), ("PATCH", "/v1/runs", None, {}), ("GET", f"/v1/runs/{rid}", None, {}),
            ("POST", "/v1/runs", {"agent": "echo"}, {}), ("POST", "/v1/runs", b"{", {}), ("GET", "/v1/runs?x=1", None, {}),
            ("GET", f"/v1/runs/{rid}", None, {"Accept": "text/html"}),
            ("GET", f"/v1/runs/{rid}/events?after=999", None, {"Accept": "text/event-stream"}),
            ("POST", "/v1/runs", b"x", {"Content-Type": "text/plain"}), ("GET", "/v1/runs?name=" + "a" * 9000, None, {}),
            ("GET", "/livez", None, {"X-A": "h" * 33000}), ("OPTIONS", "/v1/runs", None, {}), ("HEAD", "/livez", None, {})]
    for method, target, body, headers in asks:
        for given in ("my-Id_1.2", "A" * 128):
            r = server.ask(method, target, body, {**headers, "X-Request-Id": given})
            check_eq(r.header("x-request-id"), given, f"X-Request-Id echoed by {method} {target[:40]}", r)
        seen = set()
        for given in (None, "A" * 129, "a b", "a/b", "ä".encode()):
            r = server.ask(method, target, body, {**headers, "X-Request-Id": given})
            value = r.header("x-request-id")
            check(value and REQUEST_ID.fullmatch(value), f"X-Request-Id made for {given!r}: {value!r}", r)
            seen.add(value)
        check_eq(len(seen), 5, "each one fresh")


def test_half_requests_harm_nobody(env):
    server = env.server()
    whole = http1.encode_request("POST", "/v1/runs", JSON, b'{"agent":"echo","input":"half"}')
    for n in (1, 5, 20, whole.index(b"\r\n\r\n") + 2, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
        for how in ("close", "reset", "shut"):
            c = server.connect()
            c.send(whole[:n])
            if how == "shut":
                c.shut_write()
                c.wait_closed()
            (c.reset if how == "reset" else c.close)()
        check_eq(server.get("/livez").status, 200, "alive")
    check_eq(server.json("/v1/runs")["data"], [], "nothing was created of half a body")


def test_pipelined_requests_are_answered_in_order(env):
    server = env.server()
    with server.connect() as c:
        for i in range(5):
            c.methods.append("GET")
        c.send(b"".join(http1.encode_request("GET", f"/livez", {"X-Request-Id": f"p{i}"}) for i in range(5)))
        for i in range(5):
            r = c.response()
            check_eq((r.status, r.header("x-request-id")), (200, f"p{i}"), "pipelined GET", r)
        c.methods.extend(["POST", "GET", "POST"])
        post = http1.encode_request("POST", "/v1/runs", JSON, b'{"agent":"echo"}')
        c.send(post + http1.encode_request("GET", "/nothing") + post)
        check_eq([c.response().status for _ in range(3)], [202, 404, 202], "mixed")
    check_eq(len(server.json("/v1/runs")["data"]), 2, "runs")


def test_errors_keep_the_connection_where_nothing_is_left_over(env):
    server = env.server()
    with server.connect() as c:
        for target, status in (("/nothing", 404), ("/v1/runs?x=1", 400), ("/livez", 200)):
            check_eq(c.ask("GET", target).status, status, target)
        check_eq(c.ask("POST", "/v1/runs", JSON, b"{").status, 400, "bad JSON")
        check_eq(c.ask("POST", "/v1/runs", JSON, b"{}").status, 422, "bad run")
        check_eq(c.ask("PATCH", "/v1/runs", JSON, b"{}").status, 405, "bad method")
        check_eq(c.ask("POST", "/nothing", JSON, b"{}").status, 404, "a body for nobody")
        check_eq(c.ask("GET", "/livez").status, 200, "still the same connection")


def test_head_has_the_heads_of_get_and_no_body(env):
    server = env.server()
    rid = server.run(input="x")["id"]
    with server.connect() as c:
        for target, accept in (("/livez", None), ("/readyz", None), ("/metrics", None), ("/openapi.json", None),
                               ("/v1/runs", None),
                               (f"/v1/runs/{rid}", None), (f"/v1/runs/{rid}/output", None),
                               (f"/v1/runs/{rid}/events", "application/json"), (f"/v1/runs/{rid}/events", "text/event-stream"),
                               (f"/v1/runs/{rid}/events", "application/x-ndjson"), ("/nothing", None)):
            for _ in range(3):
                head = c.ask("HEAD", target, {"Accept": accept})
                get = c.ask("GET", target, {"Accept": accept})
                check_eq((head.status, head.body), (get.status, b""), f"HEAD {target}", head, get)
                check_eq(head.media_type, get.media_type, f"Content-Type of HEAD {target}", head, get)
        check_eq(c.ask("HEAD", f"/v1/runs/{rid}/cancel").status, 405, "HEAD where there is no GET")


def test_head_of_an_event_stream_does_not_follow(env):
    server = env.server()
    run = server.start_run("story", params=hanging())
    with server.connect() as c:
        r = c.ask("HEAD", f"/v1/runs/{run['id']}/events", {"Accept": "text/event-stream"})
        check_eq((r.status, r.body), (200, b""), "HEAD", r)
        check_eq(c.ask("GET", "/livez").status, 200, "the connection goes on")


def test_options_tells_what_is_allowed(env):
    server = env.server()
    rid = server.run(input="x")["id"]
    for target, methods in (("/v1/runs", {"GET", "POST"}), (f"/v1/runs/{rid}", {"GET", "DELETE"}), ("/livez", {"GET"}),
                            (f"/v1/runs/{rid}/cancel", {"POST"})):
        r = server.ask("OPTIONS", target)
        check_in(r.status, (200, 204), "status of OPTIONS", r)
        check(methods <= {m.strip() for m in (r.header("allow") or "").split(",")}, f"Allow of {target}", r)
    check_problem(server.ask("OPTIONS", "/nothing"), "not_found")


def test_refusals_are_quick_and_leave_no_run(env):
    server = env.server()
    began = time.monotonic()
    for _ in range(200):
        server.post("/v1/runs", {"agent": "nobody"})
    check(time.monotonic() - began < 60, "200 refusals")
    check_eq(server.json("/v1/runs")["data"], [], "nothing is stored")
