"""Named circuits over HTTP (API §4, §8): their state, who sees it, who resets it, what is told, and kill -9."""

import datetime
import hashlib

from lib.bodies import sim
from lib.check import check, check_eq, check_problem, check_stamp, eventually

NDJSON = "application/x-ndjson"
KEYS = {"blue": ("blue-key-00001", "admin"), "green": ("green-key-0002", "admin"), "runner": ("runner-key-003", "run")}
NUMBERS = {"fail_max": 2, "window_ms": 60000, "reset_timeout_ms": 60000}


def patient(env, **config):
    """Failures that are asked for open no provider's breaker."""
    return env.server({"providers": {"sim": {"kind": "sim", "breaker": {"failures": 1000}}}, **config})


def of_tenants(env):
    return patient(env, keys=[{"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": [scope]}
                              for name, (key, scope) in KEYS.items()])


def as_(name):
    return {"Authorization": f"Bearer {KEYS[name][0]}"} if name else {}


def run(server, name, well, key=None, **numbers):
    task = {"type": "value", "value": 1} if well else {
        "type": "call", "model": "sim/echo", "input": "x", "params": sim(fail=[{"as": "status", "status": 500}])}
    tree = {"type": "circuit", "circuit": name, **{**NUMBERS, **numbers}, "task": task}
    r = server.post("/v1/runs", {"task": tree}, headers={"Prefer": "wait=30", **as_(key)})
    check_eq(r.status, 200, "a run of a circuit", r)
    return r.json()


def blow(server, name, key=None, **numbers):
    for _ in range({**NUMBERS, **numbers}["fail_max"]):
        check_eq(run(server, name, False, key, **numbers)["error"]["code"], "provider_error", "a failure")


def circuit(server, name, key=None):
    return server.json(f"/v1/circuits/{name}", headers=as_(key))


def seconds(stamp):
    return datetime.datetime.fromisoformat(stamp).timestamp()


def told(server, count, key=None):
    """The first circuit events of a tenant, as (name, from, to)."""
    c = server.connect()
    c.request("GET", "/v1/events?types=circuit.open,circuit.half_open,circuit.closed",
              {"Host": "localhost", "Accept": NDJSON, **as_(key)})
    changes = []
    with c.open_stream() as stream:
        while len(changes) < count:
            event = stream.next().json
            check_eq(event["type"], "circuit." + event["data"]["new_state"], "its type")
            check_eq((event["run_id"], event["seq"]), (None, None), "an event of no run")
            changes.append((event["data"]["circuit"], event["data"]["old_state"], event["data"]["new_state"]))
    return changes


def test_a_circuit_is_seen_and_reset(env):
    server = patient(env)
    check_eq(server.json("/v1/circuits"), {"data": []}, "nobody has named any")
    check_problem(server.get("/v1/circuits/billing"), "not_found", 404)
    check_problem(server.post("/v1/circuits/billing/reset"), "not_found", 404)
    check_eq(run(server, "billing", True)["state"], "succeeded", "closed")
    blow(server, "billing")
    refused = run(server, "billing", True)
    check_eq(refused["error"]["code"], "breaker_open", "open")
    check("billing" in refused["error"]["message"], "the error names the circuit", refused["error"])
    seen = circuit(server, "billing")
    check_stamp(seen.pop("opens_until"), "opens_until")
    check_eq(seen, {"name": "billing", "state": "open", "failures": 2, **NUMBERS,
                    "counts": {"started": 3, "succeeded": 1, "failed": 2, "refused": 1, "opened": 1}}, "the circuit")
    run(server, "archive", True)
    check_eq([c["name"] for c in server.json("/v1/circuits")["data"]], ["archive", "billing"], "by name")
    r = server.post("/v1/circuits/billing/reset")
    check_eq(r.status, 200, "a reset", r)
    check_eq({k: r.json()[k] for k in ("state", "failures", "opens_until")},
             {"state": "closed", "failures": 0, "opens_until": None}, "the circuit")
    check_eq(run(server, "billing", True)["state"], "succeeded", "after the reset")


def test_the_probe_decides_and_all_is_told_in_order(env):
    server = patient(env)
    blow(server, "c", reset_timeout_ms=1)
    eventually(lambda: circuit(server, "c")["opens_until"] is None, "the open time passes")
    check_eq(run(server, "c", False, reset_timeout_ms=1)["error"]["code"], "provider_error", "the probe")
    check_eq(circuit(server, "c")["state"], "open", "it failed")
    eventually(lambda: circuit(server, "c")["opens_until"] is None, "the open time passes again")
    check_eq(run(server, "c", True)["state"], "succeeded", "the second probe")
    check_eq(circuit(server, "c")["state"], "closed", "it went well")
    check_eq(told(server, 5), [("c", "closed", "open"), ("c", "open", "half_open"), ("c", "half_open", "open"),
                               ("c", "open", "half_open"), ("c", "half_open", "closed")], "the changes")


def test_two_tenants_circuits_of_one_name_are_two(env):
    server = of_tenants(env)
    blow(server, "same", "blue")
    check_eq(run(server, "same", True, "blue")["error"]["code"], "breaker_open", "blue's is open")
    check_eq(run(server, "same", True, "green")["state"], "succeeded", "green's is not")
    blow(server, "same", "green")
    check_problem(server.get("/v1/circuits/same", headers=as_("runner")), "not_found", 404)
    check_eq(server.json("/v1/circuits", headers=as_("runner")), {"data": []}, "another tenant's list")
    check_problem(server.post("/v1/circuits/same/reset", headers=as_("runner")), "forbidden", 403)
    check_eq(server.post("/v1/circuits/same/reset", headers=as_("green")).status, 200, "green resets its own")
    check_eq(circuit(server, "same", "blue")["state"], "open", "blue's is still open")
    check_eq(circuit(server, "same", "green")["state"], "closed", "green's is closed")
    blow(server, "last", "blue")
    check_eq(told(server, 2, "blue"), [("same", "closed", "open"), ("last", "closed", "open")], "blue hears of its own only")
    check_eq(told(server, 2, "green"), [("same", "closed", "open"), ("same", "open", "closed")], "so does green")


def test_kill_9_keeps_an_open_circuit_open_and_a_closed_one_closed(env):
    server = patient(env)
    blow(server, "open")
    blow(server, "reset")
    check_eq(server.post("/v1/circuits/reset/reset").status, 200, "a reset")
    before = circuit(server, "open")
    told(server, 3)  # all of it is stored
    server.kill()
    server.restart()
    after = circuit(server, "open")
    check_eq((after["state"], after["failures"], after["fail_max"]), ("open", 2, 2), "after the crash", after)
    check(abs(seconds(after["opens_until"]) - seconds(before["opens_until"])) < 10, "the open time goes on", before, after)
    check_eq(after["counts"]["failed"], 0, "counts are the process's", after)
    check_eq(run(server, "open", True)["error"]["code"], "breaker_open", "it lets nobody through")
    check_problem(server.get("/v1/circuits/reset"), "not_found", 404)
    check_eq(run(server, "reset", True)["state"], "succeeded", "closed")


def test_open_time_that_passes_while_the_gateway_is_down_counts(env):
    server = patient(env)
    blow(server, "c", reset_timeout_ms=1)
    told(server, 1)
    server.kill()
    server.restart()
    check_eq(circuit(server, "c")["state"], "open", "after the crash")
    eventually(lambda: circuit(server, "c")["opens_until"] is None, "the open time is over")
    check_eq(run(server, "c", True)["state"], "succeeded", "the probe")
    check_eq(told(server, 3), [("c", "closed", "open"), ("c", "open", "half_open"), ("c", "half_open", "closed")], "told")
