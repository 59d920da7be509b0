"""POST /v1/runs/batch (API §1): order, keys, bounds, and all of it or nothing."""

import hashlib
import os
import random
import signal
import time

from lib.bodies import hanging, sim
from lib.check import check, check_eq, check_problem, check_run, eventually
from lib.env import rounds
from lib.http1 import ConnectionGone

BATCH = "/v1/runs/batch"


def echo(text="x", **members):
    return {"agent": "echo", "input": text, **members}


def batch(server, runs, **options):
    r = server.post(BATCH, {"runs": runs}, **options)
    check_eq(r.status, 207, "status of a batch", r)
    results = r.json()["results"]
    check_eq(len(results), len(runs), "a result for each", r)
    return results


def accepted(results):
    check_eq([x["status"] for x in results if x["status"] != 202], [], "all are accepted")
    return [x["run"] for x in results]


def all_runs(server, headers=None, query=""):
    found, cursor = [], ""
    while cursor is not None:
        page = server.json(f"/v1/runs?limit=200{query}{cursor and '&cursor=' + cursor}", headers=headers)
        found += page["data"]
        cursor = page["next_cursor"]
    return found


def test_results_come_in_order_and_each_stands_for_itself(env):
    server = env.server()
    bad = {"agent": "echo", "input": 1, "inptu": 2}
    results = batch(server, [echo("a"), bad, {"agent": "nobody"}, 7, echo("b"), {"task": {"type": "value", "value": 3}}])
    check_eq([x["status"] for x in results], [202, 422, 422, 422, 202, 202], "statuses")
    runs = [x["run"] for x in results if "run" in x]
    for run in runs:
        check_run(run)
    problems = [x["problem"] for x in results if "problem" in x]
    check_eq([p["code"] for p in problems], ["invalid_request", "unknown_agent", "invalid_request"], "codes")
    check_eq([(e["pointer"], e["code"]) for p in problems for e in p["errors"]],
             [("/inptu", "unknown_field"), ("/agent", "unknown_name"), ("", "wrong_type")], "pointers of each run's own body")
    check_eq([server.wait_run(run["id"])["output"] for run in runs], ["a", "b", 3], "outputs")
    check_eq(server.json(f"/v1/runs/{runs[0]['id']}")["input"], "a", "the run itself")
    # the same as a create alone would say
    alone = server.post("/v1/runs", bad).json()
    check_eq({k: v for k, v in problems[0].items() if k != "request_id"},
             {k: v for k, v in alone.items() if k != "request_id"}, "the problem")


def test_a_thousand_and_one_more(env):
    server = env.server()
    runs = accepted(batch(server, [echo(str(i)) for i in range(1000)]))
    check_eq([run["input"] for run in runs], [str(i) for i in range(1000)], "in order")
    check_eq(len({run["id"] for run in runs}), 1000, "a run each")
    check_problem(server.post(BATCH, {"runs": [echo()] * 1001}), "invalid_request", 422, errors=[("/runs", "too_long")])
    check_eq(batch(server, []), [], "none at all")
    eventually(lambda: server.json("/v1/runs?state=succeeded&limit=1")["data"] and
               not any(server.json(f"/v1/runs?state={s}&limit=1")["data"] for s in ("queued", "running", "waiting")), "all of them end")
    check_eq(len(all_runs(server)), 1000, "and there are no more")


def test_the_envelope_is_refused_as_a_whole(env):
    server = env.server()
    check_problem(server.post(BATCH, {"runs": [echo()]}, headers={"Idempotency-Key": "k"}), "invalid_header", 400)
    check_problem(server.post(BATCH, {"runs": 1}), "invalid_request", 422, errors=[("/runs", "wrong_type")])
    check_problem(server.post(BATCH, {}), "invalid_request", 422, errors=[("/runs", "missing")])
    check_problem(server.post(BATCH, {"runs": [echo()]}, headers={"Accept": "text/event-stream"}), "not_acceptable", 406)
    check_problem(server.get(BATCH), "method_not_allowed", 405)
    check_problem(server.ask("PUT", BATCH), "method_not_allowed", 405)
    check_eq(all_runs(server), [], "nothing was created")


def test_keys_of_a_batch(env):
    server = env.server()
    items = [echo(str(i), idempotency_key=f"k{i}") for i in range(3)]
    first = accepted(batch(server, items))
    for run in first:
        server.wait_run(run["id"])
    again = batch(server, [items[2], echo("new"), {**items[0], "input": "other"}, items[1], items[1]])
    check_eq([x["status"] for x in again], [202, 202, 422, 202, 202], "statuses")
    check_eq([again[i]["run"]["id"] for i in (0, 3, 4)], [first[i]["id"] for i in (2, 1, 1)], "the runs that are there")
    check_eq(again[0]["run"]["output"], "2", "as they are now")
    check_eq(again[2]["problem"]["code"], "idempotency_mismatch", "another body")
    twins = batch(server, [echo("t", idempotency_key="twin"), echo("t", idempotency_key="twin"), echo("u", idempotency_key="twin")])
    check_eq([x["status"] for x in twins], [202, 202, 422], "twins in one batch")
    check_eq(twins[0]["run"]["id"], twins[1]["run"]["id"], "one run")
    server.wait_run(twins[0]["run"]["id"])
    check_eq(server.ask("DELETE", f"/v1/runs/{twins[0]['run']['id']}").status, 204, "a DELETE")
    check(accepted(batch(server, [echo("u", idempotency_key="twin")]))[0]["id"] != twins[0]["run"]["id"], "it frees the key")
    server.kill()
    server.restart()
    check_eq(accepted(batch(server, items[:1]))[0]["id"], first[0]["id"], "keys outlive a crash")


def test_kill_9_after_the_answer_keeps_every_run(env):
    server = env.server()
    runs = accepted(batch(server, [echo(str(i), params=sim(first_ms=300)) for i in range(500)]))
    server.kill()
    server.restart()
    for i, run in enumerate(runs):
        check_eq(server.wait_run(run["id"])["output"], str(i), "a run of the batch")
    check_eq(len(all_runs(server)), 500, "and no others")


@rounds(6, seconds=20)
def test_kill_9_at_any_moment_leaves_all_or_none(env):
    server = env.server()  # of a full queue some runs would be refused: these need no provider
    dice = random.Random(os.environ.get("SLUICE_SEED", "batch"))
    for i in range(env.rounds(test_kill_9_at_any_moment_leaves_all_or_none)):
        name = f"round{i}"
        with server.connect() as c:
            c.request("POST", BATCH, server._headers({}, "x"), {"runs": [{"name": name, "task": {"type": "value", "value": i}}] * 1000})
            if i % 2 == 0:
                eventually(lambda: server.json(f"/v1/runs?name={name}&limit=1")["data"], "something is stored")
            else:
                time.sleep(dice.uniform(0, 0.1))  # any moment, from the first byte on
            server.kill()
        server.restart()
        found = len(all_runs(server, query=f"&name={name}"))
        check(found == 1000 or (found == 0 and i % 2), f"all or none: {found} in round {i}")


def test_each_tenant_has_its_own(env):
    keys = {"blue": "blue-key-00001", "green": "green-key-0002"}
    server = env.server({"keys": [{"name": n, "sha256": hashlib.sha256(k.encode()).hexdigest(), "scopes": ["run"]} for n, k in keys.items()]})
    as_ = {n: {"Authorization": f"Bearer {k}"} for n, k in keys.items()}
    item = echo(idempotency_key="same")
    ids = {n: accepted(batch(server, [item], headers=h))[0]["id"] for n, h in as_.items()}
    check(ids["blue"] != ids["green"], "one key, two tenants, two runs")
    check_problem(server.get(f"/v1/runs/{ids['blue']}", headers=as_["green"]), "not_found", 404)
    check_eq([run["id"] for run in all_runs(server, as_["blue"])], [ids["blue"]], "blue's runs")


def test_a_keys_rate_counts_each_run(env):
    key = "blue-key-00001"
    server = env.server({"keys": [{"name": "blue", "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": ["run"],
                                   "limits": {"requests": {"rate": 1, "period_ms": 86400000, "burst": 3}}}]})
    results = batch(server, [echo(), {"agent": "nobody"}, echo(), echo(), echo()], headers={"Authorization": f"Bearer {key}"})
    check_eq([x["status"] for x in results], [202, 422, 202, 202, 429], "what is refused for its body is not counted")
    check_eq(results[4]["problem"]["code"], "rate_limited", "the fourth")


def test_a_full_queue_does_not_stand_against_what_is_there(env):
    server = env.server({"providers": {"sim": {"kind": "sim"},
                                       "narrow": {"kind": "sim", "limits": {"concurrency": 1, "queue": 1}}},
                         "agents": {"echo": {"model": "sim/echo"}, "narrow": {"model": "narrow/echo"}}})
    items = [{"agent": "narrow", "input": i, "params": hanging(), "idempotency_key": f"k{i}"} for i in range(3)]
    runs = accepted(batch(server, items[:2]))
    eventually(lambda: server.json("/v1/providers/narrow")["slots"]["waiting"] == 1, "its queue is full")
    results = batch(server, [items[2], items[1], {**items[0], "input": 9}, items[0], echo("x")])
    check_eq([x["status"] for x in results], [429, 202, 422, 202, 202], "statuses")
    check_eq([results[i]["problem"]["code"] for i in (0, 2)], ["queue_full", "idempotency_mismatch"], "codes")
    check_eq([results[i]["run"]["id"] for i in (1, 3)], [runs[1]["id"], runs[0]["id"]], "the runs that are there")
    again = batch(server, [items[0]])
    check_eq((again[0]["status"], again[0]["run"]["id"]), (202, runs[0]["id"]), "alone")


def test_a_full_queue_refuses_its_own_only(env):
    server = env.server({"providers": {"sim": {"kind": "sim"},
                                       "narrow": {"kind": "sim", "limits": {"concurrency": 1, "queue": 1}}},
                         "agents": {"echo": {"model": "sim/echo"}, "narrow": {"model": "narrow/echo"}}})
    for _ in range(2):
        server.start_run("narrow", input="x", params=hanging())
    eventually(lambda: server.json("/v1/providers/narrow")["slots"]["waiting"] == 1, "its queue is full")
    results = batch(server, [echo(), {"agent": "narrow", "input": "x"}, echo()])
    check_eq([x["status"] for x in results], [202, 429, 202], "statuses")
    check_eq(results[1]["problem"]["code"], "queue_full", "the one in the middle")


def test_a_gateway_that_drains_refuses_the_whole(env):
    server = env.server({"drain_ms": 60000})
    run = server.start_run("story", input="x", params=sim(first_ms=100000, tokens=1))
    server.wait_state(run["id"], "running")
    with server.connect() as looks, server.connect() as asks:
        check_eq((looks.ask("GET", "/readyz").status, asks.ask("GET", "/readyz").status), (200, 200), "it is ready")
        server.signal(signal.SIGTERM)
        try:  # a kept connection may still be served: then it must say so
            eventually(lambda: looks.ask("GET", "/readyz").status == 503, "it drains")
            r = asks.ask("POST", BATCH, server._headers({}, "x"), {"runs": [echo()]})
            check_problem(r, "draining", 503)
        except (ConnectionGone, OSError):
            pass
    server.kill()
