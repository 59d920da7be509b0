"""Lists, single runs, tasks, outputs, deletion (API §2)."""

import time
import urllib.parse

from lib.bodies import fails, hanging, sim
from lib.check import check, check_eq, check_error, check_problem, check_run, check_stamp, eventually


def listed(server, **query):
    names = {k.replace("metadata_", "metadata."): v for k, v in query.items()}
    page = server.json("/v1/runs?" + urllib.parse.urlencode(names))
    check_eq(set(page), {"data", "next_cursor"}, "members of a list", page)
    for run in page["data"]:
        check_run(run)
    return page


def ids(page):
    return [r["id"] for r in page["data"]]


def start_apart(server, n, **members):
    """n runs whose ids differ in their milliseconds, so that their order is no matter of luck."""
    made = []
    for i in range(n):
        made.append(server.start_run(input=i, **{k: v(i) if callable(v) else v for k, v in members.items()})["id"])
        time.sleep(0.002)
    return made


def test_lists_are_newest_first_and_default_to_50(env):
    server = env.server()
    check_eq(listed(server), {"data": [], "next_cursor": None}, "an empty list")
    made = start_apart(server, 60)
    page = listed(server)
    check_eq(ids(page), made[:9:-1], "the newest 50")
    check(page["next_cursor"], "there is more", page)
    check_eq(ids(listed(server, limit=200)), made[::-1], "all of them")
    check_eq(listed(server, limit=200)["next_cursor"], None, "the end")
    check_eq(len(listed(server, limit=1)["data"]), 1, "one")


def test_cursors_walk_the_whole_list_while_new_runs_come(env):
    server = env.server()
    made = start_apart(server, 25)
    found, cursor = [], None
    while True:
        page = listed(server, limit=4, **({"cursor": cursor} if cursor else {}))
        found += ids(page)
        server.start_run(input="in between")
        cursor = page["next_cursor"]
        if cursor is None:
            break
    check_eq(found, made[::-1], "no run twice, none missing")


def test_filters(env):
    server = env.server()
    done = server.run(input="x", name="alpha", metadata={"team": "blue", "env": "test"})
    time.sleep(0.002)  # created_after and created_before tell milliseconds apart
    failed = server.run("story", params=fails("status", status=400), name="beta", metadata={"team": "red"})
    time.sleep(0.002)
    timed_out = server.run("story", params=hanging(), timeout_ms=200)
    cancelled = server.start_run("story", params=hanging())
    server.cancel(cancelled["id"])
    server.check_finished(cancelled["id"], "cancelled")
    going = server.start_run("story", params=hanging(), metadata={"team": "blue", "odd key/é": "a=b&c d"})
    stream = server.follow(going["id"])
    stream.until("attempt.started")
    eventually(lambda: server.get_run(going["id"])["state"] == "running", "running")
    for query, expected in (({"state": "succeeded"}, [done]), ({"state": "failed"}, [failed]),
                            ({"state": "timed_out"}, [timed_out]),
                            ({"state": "cancelled"}, [cancelled]), ({"state": "running"}, [going]), ({"state": "waiting"}, []),
                            ({"agent": "echo"}, [done]), ({"agent": "nobody"}, []), ({"name": "beta"},
                                [failed]), ({"name": "alph"}, []),
                            ({"metadata_team": "blue"}, [going, done]), ({"metadata_team": "blue",
                                "metadata_env": "test"}, [done]),
                            ({"metadata_team": "Blue"}, []), ({"metadata_odd key/é": "a=b&c d"},
                                [going]), ({"workflow": "w"}, []),
                            ({"agent": "story", "state": "failed", "name": "beta"}, [failed])):
        check_eq(ids(listed(server, **query)), [r["id"] for r in expected], f"filter {query}")
    for name in ("created_after", "created_before"):
        page = listed(server, **{name: failed["created_at"]})
        others = [r["id"] for r in ((going, cancelled, timed_out) if name == "created_after" else (done,))]
        check_eq([i for i in ids(page) if i != failed["id"]], others, name)
    check_eq(ids(listed(server, created_after="2000-01-01T00:00:00.000Z", limit=200)),
             [r["id"] for r in (going, cancelled, timed_out, failed, done)], "everything")


def test_filters_work_with_cursors(env):
    server = env.server()
    made = start_apart(server, 30, metadata=lambda i: {"k": str(i % 3)})
    found, cursor = [], None
    while True:
        page = listed(server, limit=3, metadata_k="1", **({"cursor": cursor} if cursor else {}))
        found += ids(page)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    check_eq(found, [i for n, i in enumerate(made) if n % 3 == 1][::-1], "filtered pages")


def test_delete_removes_a_finished_run_wholly(env):
    server = env.server()
    run, other = server.run(input="x"), server.run(input="y")
    r = server.ask("DELETE", f"/v1/runs/{run['id']}")
    check_eq((r.status, r.body), (204, b""), "DELETE", r)
    for path in ("", "/events", "/output", "/tasks", "/tasks/root"):
        check_problem(server.get(f"/v1/runs/{run['id']}{path}"), "not_found")
    check_problem(server.ask("DELETE", f"/v1/runs/{run['id']}"), "not_found")
    check_problem(server.cancel(run["id"]), "not_found")
    check_eq(ids(listed(server)), [other["id"]], "the list")
    server.stop()
    server.restart()
    check_problem(server.get(f"/v1/runs/{run['id']}"), "not_found")
    check_eq(server.get_run(other["id"])["output"], "y", "the other one is there")


def test_delete_of_an_unfinished_run_is_refused(env):
    server = env.server()
    run = server.start_run("story", params=hanging())
    check_problem(server.ask("DELETE", f"/v1/runs/{run['id']}"), "run_not_finished")
    server.cancel(run["id"])
    server.check_finished(run["id"], "cancelled")
    check_eq(server.ask("DELETE", f"/v1/runs/{run['id']}").status, 204, "once it is finished")


def test_the_output_alone(env):
    server, _ = env.with_upstream({"json": "ok,text=%7B%22a%22:[1%2C2]%7D"}, {"agents": {"json": {"output": "json"}}})
    for run, value in ((server.run(input="a \"b\" é"), "a \"b\" é"), (server.run("json", input="x"), {"a": [1, 2]}),
                       (server.run(input=""), "")):
        r = server.get(f"/v1/runs/{run['id']}/output")
        check_eq((r.status, r.media_type, r.json()), (200, "application/json", value), "the output", r)
    run = server.run("story", params=fails("status", status=400))
    check_problem(server.get(f"/v1/runs/{run['id']}/output"), "conflict")


def check_task(task, *shown):
    for name in ("path", "name", "type", "state", "reason", "started_at", "finished_at", "output", "error", "usage", "attempts",
                 "children"):
        check(name in task, f"task.{name} is missing", task, *shown)
    check_eq((task["path"], task["type"], task["children"]), ("", "call", []), "a plain call is its own root", task)
    for a in task["attempts"]:
        for name in ("number", "provider", "model", "state", "error", "started_at", "first_byte_ms", "finished_at", "usage"):
            check(name in a, f"attempt.{name} is missing", task)
        check_stamp(a["started_at"], "attempt.started_at", task)
    return task


def test_the_task_of_a_plain_call(env):
    server = env.server()
    run = server.run(input="a b c")
    task = check_task(server.json(f"/v1/runs/{run['id']}/tasks"))
    check_eq((task["state"], task["output"], task["error"], task["reason"]), ("succeeded", "a b c", None, None), "task", task)
    attempt = task["attempts"][0]
    check_eq((len(task["attempts"]), attempt["number"], attempt["provider"], attempt["model"], attempt["state"]),
             (1, 1, "sim", "echo", "succeeded"), "attempt", task)
    check_stamp(attempt["finished_at"], "finished_at", task)
    check(isinstance(attempt["first_byte_ms"], int), "first_byte_ms", task)
    check_eq(attempt["usage"]["output_tokens"], 3, "usage", task)
    check_eq(server.json(f"/v1/runs/{run['id']}/tasks/root"), task, "the root is addressed as root")


def test_tasks_of_runs_that_did_not_succeed(env):
    server = env.server()
    run = server.run("story", params=fails("status", status=500))
    task = check_task(server.json(f"/v1/runs/{run['id']}/tasks"))
    check_eq((task["state"], task["attempts"][0]["state"]), ("failed", "failed"), "states", task)
    check_eq(check_error(task["error"], task)["code"], "provider_error", "task.error", task)
    check_eq(task["attempts"][0]["error"]["code"], "provider_error", "attempt.error", task)
    run = server.start_run("story", params=hanging())
    stream = server.follow(run["id"])
    stream.until("attempt.started")
    task = eventually(lambda: (lambda t: t if t["attempts"] else None)(server.json(f"/v1/runs/{run['id']}/tasks")),
                      "an attempt")
    check_eq((check_task(task)["state"], task["attempts"][0]["state"]), ("running", "running"), "states", task)
    with server.connect() as c:
        c.request("GET", f"/v1/runs/{run['id']}/tasks/root", {"Prefer": "wait=60"})
        check(c.is_quiet(0.1), "a task can be waited for")
        server.cancel(run["id"])
        r = c.response()
    check_eq((r.status, r.json()["state"]), (200, "cancelled"), "its end", r)
    check_eq(r.json()["attempts"][0]["state"], "cancelled", "its attempt", r)


def test_runs_outlive_a_restart_unchanged(env):
    server = env.server()
    runs = [server.run(input="x", name="n", metadata={"a": "b"}), server.run("story", params=fails("status", status=400)),
            server.run("story", params=hanging(), timeout_ms=200), server.run("story", input="y", params=sim(tokens=30))]
    before = {r["id"]: (server.get_run(r["id"]), server.json(f"/v1/runs/{r['id']}/tasks"),
                        server.json(f"/v1/runs/{r['id']}/events?limit=1000")) for r in runs}
    page = listed(server)
    server.stop()
    server.restart()
    for run_id, (run, task, events) in before.items():
        check_eq(server.get_run(run_id), run, "the run")
        check_eq(server.json(f"/v1/runs/{run_id}/tasks"), task, "its task")
        check_eq(server.json(f"/v1/runs/{run_id}/events?limit=1000"), events, "its events")
    check_eq(listed(server), page, "the list")


def test_ids_are_ordered_by_time(env):
    server = env.server()
    made = []
    for i in range(30):
        made.append(server.start_run(input=i)["id"])
    stamps = [r["created_at"] for r in listed(server, limit=200)["data"]][::-1]
    check_eq(stamps, sorted(stamps), "created_at")
    check_eq(len(set(made)), 30, "ids are unique")
    check_eq([i[:14] for i in made], sorted(i[:14] for i in made), "the time part of the ids goes up")
