"""Workflows and child runs (API §1, §2, §4): runs of a workflow, calls of one in a tree, links both ways, cancel, room, kill -9."""

import random
import time

from lib.bodies import sim
from lib.check import check, check_eq, check_events, check_problem, eventually
from lib.env import alone, rounds


def call(model, text="x", **members):
    return {"type": "call", "model": model, "input": text, **members}


def run_of(name, data=None, **members):
    return {"type": "call", "workflow": name, "input": data, **members}


def sequence(*steps, **members):
    return {"type": "sequence", "steps": list(steps), **members}


def parallel(*tasks, **members):
    return {"type": "parallel", "tasks": list(tasks), **members}


def value(v):
    return {"type": "value", "value": v}


def sleep(ms):
    return {"type": "sleep", "duration_ms": ms}


FLOWS = {
    "greet": {"task": call("sim/echo", "Hello {{input}}")},
    "nap": {"task": sequence(sleep(60000), value(1))},
    "outer": {"task": sequence(run_of("nap"), value(2))},
    "bad": {"task": parallel(sequence(value(1), call("sim/echo", params=sim(fail=[{"as": "status", "status": 500}]))))},
}


def family(env, **config):
    return env.server({"workflows": FLOWS, **config})


def start_tree(server, tree, **members):
    r = server.post("/v1/runs", {"task": tree, **members})
    check_eq(r.status, 202, "status of a create", r)
    return r.json()["id"]


def task_of(server, run_id, path="root"):
    return server.json(f"/v1/runs/{run_id}/tasks/{path}")


def child_of(server, run_id, path="root"):
    """The child of a task, once there is one."""
    return eventually(lambda: task_of(server, run_id, path).get("child_run"), f"a child of {run_id} at {path}")


def list_all(server, query=""):
    found, cursor = [], ""
    while cursor is not None:
        page = server.json(f"/v1/runs?limit=200{query}" + (f"&cursor={cursor}" if cursor else ""))
        found += page["data"]
        cursor = page["next_cursor"]
    return found


def live(server):
    text = server.get("/metrics").body.decode()
    return int(next(line.split()[-1] for line in text.splitlines() if line.startswith("sluice_runs_live ")))


def test_a_workflow_is_run_by_its_name(env):
    server = family(env)
    r = server.post("/v1/workflows/greet/runs", {"input": "Ada"}, {"Prefer": "wait=10"})
    check_eq((r.status, r.json()["output"]), (200, "Hello Ada"), "by the path", r)
    check_eq((r.json()["workflow"], r.json()["workflow_version"], r.json()["agent"]), ("greet", 1, None), "what it is of", r)
    r = server.post("/v1/runs", {"workflow": "greet", "input": "Bob"}, {"Prefer": "wait=10"})
    check_eq((r.status, r.json()["output"]), (200, "Hello Bob"), "by the body", r)
    check_problem(server.post("/v1/workflows/none/runs", {}), "not_found", 404)
    check_problem(server.post("/v1/runs", {"workflow": "none"}), "unknown_workflow", 422)
    server.post("/v1/runs", {"agent": "echo", "input": "x"}, {"Prefer": "wait=10"})
    check_eq(len(list_all(server, "&workflow=greet")), 2, "runs of it")


def test_a_child_is_linked_both_ways(env):
    server = family(env)
    run = start_tree(server, sequence(run_of("greet", "{{input}}"), value("{{prev}}!")), input="Ada")
    done = server.check_finished(run)
    check_eq(done["output"], ["Hello Ada", "Hello Ada!"], "output", done)
    check_eq((done["parent"], done["usage"]["calls"]), (None, 0), "the parent's own", done)
    check("child_run" not in task_of(server, run, "1"), "a task that calls no workflow")
    child = server.check_finished(child_of(server, run, "0"))
    check_eq(child["parent"], {"run_id": run, "task": "0"}, "the link back", child)
    check_eq((child["input"], child["name"], child["metadata"], child["usage"]["calls"]), ("Ada", None, {}, 1), "the child", child)
    check_eq({r["id"] for r in list_all(server)}, {run, child["id"]}, "listed")
    for each in (run, child["id"]):
        check_events(server.events(each), each)
    # both may go, and what points at them stays
    check_eq(server.ask("DELETE", f"/v1/runs/{child['id']}").status, 204, "the child is removed")
    check_eq(task_of(server, run, "0")["child_run"], child["id"], "the link stays")
    check_problem(server.get(f"/v1/runs/{child['id']}"), "not_found", 404)
    check_eq(server.ask("DELETE", f"/v1/runs/{run}").status, 204, "the parent is removed")


def test_a_childs_error_stands_at_the_calling_task(env):
    server = family(env)
    done = server.wait_run(start_tree(server, sequence(value(0), run_of("bad"))))
    error = done["error"]
    check_eq((done["state"], error["code"], error["task"]), ("failed", "provider_error", "1"), "the error", done)
    check_eq([e["task"] for e in error["errors"]], ["1"], "its group", done)


def test_a_parent_is_parked_while_its_child_sleeps(env):
    server = family(env)
    run = start_tree(server, sequence(run_of("outer")))
    server.wait_state(run, "waiting")
    check_eq(server.get_run(run)["reason"]["code"], "dependency", "what it waits for")
    check_eq(task_of(server, run, "0")["state"], "running", "the calling task")
    eventually(lambda: live(server) == 0, "nobody is in memory")
    server.kill()
    server.restart()
    check_eq(server.get_run(run)["state"], "waiting", "after a crash")
    server.cancel(run)
    server.check_finished(run, "cancelled", "cancelled")


def test_a_cancel_reaches_the_last_grandchild(env):
    server, up = env.with_upstream(
        {"held": "ok,gate=never"},
        {"workflows": {"inner": {"task": call("held/m")}, "middle": {"task": parallel(run_of("inner"), run_of("inner"))}}})
    run = start_tree(server, sequence(run_of("middle")))
    up.wait_held(2)
    server.cancel(run)
    server.check_finished(run, "cancelled", "cancelled")
    up.wait_active(0)
    found = list_all(server)
    check_eq(sorted(r["state"] for r in found), ["cancelled"] * 4, "all of the family", found)
    for r in found:
        if r["parent"] is not None:
            check(r["finished_at"] <= server.get_run(r["parent"]["run_id"])["finished_at"], "no child outlives its parent", found)


def test_a_child_is_cancelled_on_its_own(env):
    server = family(env)
    run = start_tree(server, {"type": "settle", "tasks": [run_of("nap"), value(1)]})
    server.cancel(child_of(server, run, "0"))
    done = server.check_finished(run)
    check_eq((done["output"][0]["error"]["code"], done["output"][1]["value"]), ("cancelled", 1), "what came of it", done)


def test_a_time_limit_reaches_the_child(env):
    server = family(env)
    run = start_tree(server, sequence(parallel(run_of("nap"), timeout_ms=1500, on_error="continue"), value("{{prev}}")))
    child = child_of(server, run, "0/0")
    check(server.get_run(child)["timeout_ms"] <= 1500, "its time is what is left of its parent's")
    done = server.check_finished(run)
    check_eq(done["output"], [None, None], "output", done)
    check(server.get_run(child)["state"] in ("cancelled", "timed_out"), "the child is over")


def test_a_retry_makes_only_what_failed(env):
    server, up = env.with_upstream(
        {"up": "ok,tokens=2", "held": "ok,tokens=2,gate=g"},
        {"workflows": {"good": {"task": call("up/m")}, "late": {"task": call("held/m")}}})
    run = start_tree(server, parallel(run_of("good"), run_of("late")))
    server.get(f"/v1/runs/{run}/tasks/0", {"Prefer": "wait=10"})
    up.wait_held(1)
    server.cancel(run)
    server.check_finished(run, "cancelled", "cancelled")
    up.release("g")
    r = server.post(f"/v1/runs/{run}/retry", None, {"Prefer": "wait=20"})
    check_eq((r.status, r.json()["output"]), (200, ["w0 w1", "w0 w1"]), "the retry", r)
    again = r.json()["id"]
    check_eq(task_of(server, again, "0")["child_run"], task_of(server, run, "0")["child_run"], "what succeeded is taken over")
    check(task_of(server, again, "1")["child_run"] != task_of(server, run, "1")["child_run"], "what did not is made anew")
    check_eq(up.requests(), 3, "requests to the upstream")


def test_a_thousand_parents_in_a_room_for_ten(env):
    """Each waits for a child that waits for a child: if waiting took room, nobody would ever have any."""
    server = env.server({"limits": {"live_runs": 10}, "workflows": {
        "leaf": {"task": value("{{input}}")}, "middle": {"task": sequence(run_of("leaf", "{{input}}"))}}})

    def create(part):
        for i in range(part, 1000, 4):
            start_tree(server, sequence(run_of("middle", "{{input}}")), input=i)
    env.in_threads(4, create)
    streamed = server.stream_run(agent=None, task=sequence(run_of("middle", -1)))
    check_eq(list(streamed)[-1].type, "run.finished", "one that is watched the while")
    eventually(lambda: len(list_all(server, "&state=succeeded")) == 3003, "all of them end", timeout=120)
    outputs = sorted(r["output"][0][0] for r in list_all(server, "&state=succeeded") if r["parent"] is None)
    check_eq(outputs, [-1, *range(1000)], "each its own value")


@alone
@rounds(5, 12)
def test_crashes_lose_no_child_and_double_none(env):
    """Whatever moment: the result is the same, there are as many runs as calls, and what had ended is not called again."""
    server, up = env.with_upstream(
        {"up": "ok,tokens=3,gap=5"},
        {"limits": {"live_runs": 20}, "workflows": {
            "ask": {"task": sequence(call("up/m", "{{input}}"), sleep(20))},
            "both": {"task": parallel(run_of("ask", "a"), call("up/m", "b"), run_of("ask", "c"))}}})
    rng = random.Random(7)
    tree = {"type": "map", "over": list(range(8)), "limit": 4, "task": run_of("both", "{{item}}")}
    for _ in range(env.rounds(test_crashes_lose_no_child_and_double_none)):
        run = start_tree(server, tree)
        settled = {}
        for _ in range(4):
            time.sleep(rng.random() * 0.15)
            for r in list_all(server, "&state=succeeded"):
                settled.setdefault(r["id"], len(up.log(r["id"])))
            server.kill()
            server.restart()
        done = server.check_finished(run)
        answer = "w0 w1 w2"
        check_eq(done["output"], [[[answer, None], answer, [answer, None]]] * 8, "output", done)
        found = {r["id"]: r for r in list_all(server)}
        ours = [r for r in found.values() if root_of(found, r) == run]
        check_eq(len(ours), 1 + 8 + 16, "runs of the family")
        for r in ours:
            check_eq(r["state"], "succeeded", "each has succeeded", r)
            check_events(server.events(r["id"]), r["id"])
        for each, requests in settled.items():
            check_eq(len(up.log(each)), requests, f"requests of {each}, which had ended")


def root_of(found, r):
    while r["parent"] is not None:
        r = found[r["parent"]["run_id"]]
    return r["id"]
