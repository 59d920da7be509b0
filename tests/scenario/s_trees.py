"""Task trees over HTTP (API §4): each type, references, scopes, one task looked at and cancelled, a retry, and kill -9."""

import http.server
import json
import random
import threading
import time

from lib.bodies import hanging, sim
from lib.check import check, check_eq, check_events, check_problem, eventually, types
from lib.env import alone, rounds
from lib.slow import scaled


def value(v, **members):
    return {"type": "value", "value": v, **members}


def call(text="x", first_ms=0, **members):
    return {"type": "call", "model": "sim/echo", "input": text, "params": sim(first_ms=first_ms), **members}


def bad(**members):
    return {"type": "call", "model": "sim/echo", "input": "x", "params": sim(fail=[{"as": "status", "status": 500}]), **members}


def hangs(**members):
    return {"type": "call", "model": "sim/story", "params": hanging(), **members}


def sequence(*steps, **members):
    return {"type": "sequence", "steps": list(steps), **members}


def parallel(*tasks, **members):
    return {"type": "parallel", "tasks": list(tasks), **members}


def patient(env, **config):
    """Failures that are asked for open no breaker."""
    return env.server({"providers": {"sim": {"kind": "sim", "breaker": {"failures": 1000}}}, **config})


def start_tree(server, tree, **members):
    r = server.post("/v1/runs", {"task": tree, **members})
    check_eq(r.status, 202, "status of a create", r)
    return r.json()


def run_tree(server, tree, **members):
    return server.wait_run(start_tree(server, tree, **members)["id"])


def paths(events, kind):
    return [e.json["task"] for e in events if e.type == kind]


OUTPUTS = [
    (sequence(), []),
    (sequence(value(1), value(["{{prev}}", 2])), [1, [1, 2]]),
    (sequence(value({"big": 12345678901234567890}, name="a"), value("{{steps.a.output.big}}")),
     [{"big": 12345678901234567890}, 12345678901234567890]),
    (parallel(call("slow", 200), value(2), limit=1), ["slow", 2]),
    ({"type": "settle", "tasks": [value(1)]}, [{"status": "fulfilled", "value": 1}]),
    ({"type": "race", "tasks": [hangs(), call("fast")]}, "fast"),
    ({"type": "first_success", "tasks": [bad(), call("good", 50), hangs()]}, "good"),
    ({"type": "map", "over": "{{input.list}}", "limit": 2, "task": call("{{index}}:{{item}}")}, ["0:a", "1:b", "2:c"]),
    ({"type": "dag", "steps": {"b": value("{{steps.a.output}}", depends_on=["a"]), "a": value(1)}}, {"b": 1, "a": 1}),
    ({"type": "circuit", "circuit": "c", "task": value(1)}, 1),
    ({"type": "shield", "timeout_ms": 1000, "task": value(1)}, 1),
    ({"type": "sleep", "duration_ms": 50}, None),
    (sequence(bad(on_error="continue"), value("{{prev | \"none\"}}")), [None, "none"]),
    (value(1, **{"finally": call("undo", timeout_ms=1000)}), 1),
]


def test_each_type_has_its_value(env):
    server = patient(env)
    for tree, output in OUTPUTS:
        run = run_tree(server, tree, input={"list": ["a", "b", "c"]})
        check_eq((run["state"], run["output"]), ("succeeded", output), json.dumps(tree), run)
        check_events(server.events(run["id"]), run["id"])


def test_an_error_group_names_every_leaf(env):
    server = patient(env)
    run = run_tree(server, parallel(bad(), sequence(value(1), bad()), call("fine"), bad(on_error="continue"), errors="collect"))
    check_eq((run["state"], run["error"]["code"]), ("failed", "error_group"), "run", run)
    check_eq([(e["task"], e["code"]) for e in run["error"]["errors"]], [("0", "provider_error"), ("1/1", "provider_error")],
             "errors", run)
    first = run_tree(server, parallel(hangs(), bad(), hangs()))
    check_eq((first["error"]["code"], first["error"]["task"]), ("provider_error", "1"), "the first failure's own", first)
    check_eq([e["task"] for e in first["error"]["errors"]], ["1"], "what was cancelled is not listed", first)


def test_a_cancel_closes_every_upstream_of_a_tree(env):
    server, up = env.with_upstream({"up": "ok,tokens=100000,gap=10"})
    ask = {"type": "call", "model": "up/m", "input": "x"}
    run = start_tree(server, parallel(ask, sequence(ask), {"type": "map", "over": [1, 2, 3], "task": ask}))
    up.wait_active(5)
    check_eq(server.cancel(run["id"]).status, 202, "status")
    up.wait_active(0)
    done = server.check_finished(run["id"], "cancelled", "cancelled")
    events = server.events(done["id"])
    ended = paths(events, "task.cancelled")
    check(ended.index("1/0") < ended.index("1") and ended[-1] == "", "leaves first", ended)


def test_a_scope_that_times_out_leaves_nothing_in_flight(env):
    server, up = env.with_upstream({"up": "ok,tokens=100000,gap=10"})
    ask = {"type": "call", "model": "up/m", "input": "x"}
    run = run_tree(server, sequence(parallel(ask, ask, timeout_ms=300, on_error="continue"), value("after")))
    check_eq((run["state"], run["output"]), ("succeeded", [None, "after"]), "run", run)
    up.wait_active(0)


class Api:
    """Answers what it was asked, as JSON."""

    def __init__(self, env):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                text = json.dumps({"asked": {"method": self.command, "path": self.path, "topic": self.headers.get("X-Topic"),
                                             "body": json.loads(body) if body else None}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        env.defer(self.server.shutdown)
        self.provider = {"kind": "http", "base_url": f"http://127.0.0.1:{self.server.server_port}/base"}


def test_a_plain_request_is_filled_in(env):
    api = Api(env)
    server = env.server({"providers": {"web": api.provider, "sim": {"kind": "sim"}}})
    run = run_tree(server, {"type": "call", "provider": "web", "result": "/asked", "request": {
        "method": "POST", "path": "/things/{{input.name}}", "query": {"q": "{{input.q}}", "none": None},
        "headers": {"X-Topic": "about {{input.q}}"}, "body": {"n": "{{input.n}}"}}},
        input={"name": "a b/c", "q": "x&y", "n": 7})
    check_eq(run["output"], {"method": "POST", "path": "/base/things/a%20b%2Fc?q=x%26y", "topic": "about x&y",
                             "body": {"n": 7}}, "what was asked", run)
    nothing = run_tree(server, {"type": "call", "provider": "web", "request": {"path": "/"}, "result": "/no/such"})
    check_eq((nothing["state"], nothing["error"]["code"]), ("failed", "invalid_output"), "nothing there", nothing)


def test_a_circuit_is_shared_by_runs(env):
    server = patient(env)
    tree = {"type": "circuit", "circuit": "billing", "fail_max": 3, "task": bad()}
    codes = [run_tree(server, tree)["error"]["code"] for _ in range(5)]
    check_eq(codes, ["provider_error"] * 3 + ["breaker_open"] * 2, "codes")
    other = run_tree(server, {"type": "circuit", "circuit": "other", "task": value(1)})
    check_eq(other["state"], "succeeded", "another circuit")


def test_tasks_are_shown_waited_for_and_cancelled(env):
    server = patient(env)
    run = start_tree(server, sequence(call("a", name="first"), parallel(hangs(name="h"), value(2)), value(3)))
    base = f"/v1/runs/{run['id']}/tasks"
    first = server.get(base + "/0", {"Prefer": "wait=10"}).json()
    check_eq((first["name"], first["state"], first["output"]), ("first", "succeeded", "a"), "the first", first)
    eventually(lambda: server.json(base + "/1/0")["state"] == "running", "it hangs")
    tree = server.json(base)
    check_eq([c["state"] for c in tree["children"]], ["succeeded", "running", "pending"], "states", tree)
    check_problem(server.get(base + "/7"), "not_found", 404)
    check_eq(server.post(base + "/1/0/cancel").status, 202, "cancelled")
    done = server.wait_run(run["id"])
    check_eq((done["state"], done["error"]["code"], done["error"]["task"]), ("failed", "cancelled", "1/0"), "run", done)
    check_eq(server.post(base + "/1/0/cancel").status, 200, "again")
    check_problem(server.post(base + "/0/cancel"), "conflict", 409)
    check_eq(server.json(base + "/2")["state"], "skipped", "not reached")


def test_a_retry_calls_only_what_has_not_succeeded(env):
    server, up = env.with_upstream({"up": "ok,tokens=2", "held": "ok,tokens=2,gate=g"})
    tree = parallel({"type": "call", "model": "up/m", "input": "x"}, {"type": "call", "model": "held/m", "input": "x"})
    run = start_tree(server, tree)
    server.get(f"/v1/runs/{run['id']}/tasks/0", {"Prefer": "wait=10"})
    up.wait_held(1)
    server.cancel(run["id"])
    server.check_finished(run["id"], "cancelled", "cancelled")
    up.release("g")
    r = server.post(f"/v1/runs/{run['id']}/retry", None, {"Prefer": "wait=20"})
    check_eq((r.status, r.json()["retry_of"], r.json()["output"]), (200, run["id"], ["w0 w1", "w0 w1"]), "the retry", r)
    check_eq(up.requests(), 3, "requests to the upstream")
    check_eq(r.json()["usage"]["calls"], 1, "usage of the retry", r)
    check_problem(server.post(f"/v1/runs/{r.json()['id']}/retry"), "conflict", 409)


def test_a_sleep_keeps_its_end_over_a_crash(env):
    server = patient(env)
    run = start_tree(server, sequence(value(1), {"type": "sleep", "duration_ms": 4000}, value(2)))
    began = time.monotonic()
    server.wait_state(run["id"], "waiting")
    server.kill()
    server.restart()
    done = server.wait_run(run["id"])
    took = time.monotonic() - began
    check_eq(done["output"], [1, None, 2], "output", done)
    check(took < 4 + scaled(3), f"it slept anew: {took:.1f} s")


@alone
@rounds(5, 10)
def test_crashes_call_nothing_again_that_has_ended(env):
    """Whatever moment: the result is the same, and a call whose success was stored is made once."""
    server, up = env.with_upstream({"up": "ok,tokens=3,gap=5"})
    rng = random.Random(5)
    ask = {"type": "call", "model": "up/m", "input": "{{task.path}}"}
    tree = sequence({"type": "map", "over": list(range(40)), "limit": 4, "task": ask},
                    {"type": "dag", "steps": {"a": ask, "b": {**ask, "depends_on": ["a"]}}})
    for _ in range(env.rounds(test_crashes_call_nothing_again_that_has_ended)):
        run = start_tree(server, tree)
        for _ in range(3):
            time.sleep(rng.random() * 0.15)
            server.kill()
            server.restart()
        done = server.check_finished(run["id"])
        check_eq(done["output"], [["w0 w1 w2"] * 40, {"a": "w0 w1 w2", "b": "w0 w1 w2"}], "output", done)
        events = server.events(run["id"])
        check_events(events, run["id"])
        succeeded = paths(events, "task.succeeded")
        check_eq(len(succeeded), len(set(succeeded)), "each ends once", succeeded)
        starts, lost = paths(events, "attempt.started"), paths(events, "attempt.lost")
        for path in set(starts):
            check(starts.count(path) <= 1 + lost.count(path), f"{path} was called again", types(events))
