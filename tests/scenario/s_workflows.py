"""Workflows as resources: named task trees in versions (API §5)."""

from lib.check import check_eq, check_problem
from s_agents import drop, made, put


def value(v):
    return {"task": {"type": "value", "value": v}}


def call(name):
    return {"task": {"type": "call", "workflow": name}}


def put_workflow(server, name, body, headers=None):
    return put(server, name, body, headers, "workflows")


def drop_workflow(server, name, headers=None):
    return drop(server, name, headers, "workflows")


def test_a_workflow_is_made_replaced_and_removed(env):
    server = env.server({"workflows": {"fixed": value(0)}})
    document = made(put_workflow(server, "w", {**value(1), "description": "one"}), 201, 1)
    check_eq(document, {"name": "w", "description": "one", **value(1), "version": 1, "source": "api"}, "the document")
    check_eq(server.json("/v1/workflows/w"), document, "what is read")
    check_eq([w["name"] for w in server.json("/v1/workflows")["data"]], ["fixed", "w"], "the list, by name")
    made(put_workflow(server, "w", value(2), {"If-Match": '"1"'}), 200, 2)
    check_problem(put_workflow(server, "fixed", value(2)), "conflict")
    check_eq(drop_workflow(server, "w").status, 204, "DELETE")
    check_problem(server.get("/v1/workflows/w"), "not_found")
    check_problem(drop_workflow(server, "w"), "not_found")
    check_problem(drop_workflow(server, "fixed"), "conflict")
    made(put_workflow(server, "w", value(3)), 201, 3)
    server.kill()
    server.restart()
    check_eq(server.json("/v1/workflows/w")["task"]["value"], 3, "after a crash")
    check_eq(server.json("/v1/workflows/fixed")["version"], 1, "the configuration's")


def test_numbers_and_texts_of_a_task_stay_as_they_were_sent(env):
    server = env.server()
    raw = b'{"task": {"type": "value", "value": [1.00, 12345678901234567890, "\\u00e4\\n", {}]}}'
    r = server.ask("PUT", "/v1/workflows/w", raw, [("Content-Type", "application/json")])
    check_eq(r.status, 201, "status", r)
    server.stop()
    server.restart()
    body = server.get("/v1/workflows/w").body
    part = b'"value":[1.00,12345678901234567890,"\\u00e4\\n",{}]'
    check_eq(part in body, True, "the value, byte for byte", body)


def test_what_a_workflow_calls_must_be_there_and_no_cycle(env):
    server = env.server({"workflows": {"fixed": value(0)}})
    for body, code in ((call("nobody"), "unknown_workflow"),
                       ({"task": {"type": "call", "agent": "nobody"}}, "unknown_agent"),
                       ({"task": {"type": "call", "model": "sim/x"}}, "unknown_model")):
        check_problem(put_workflow(server, "w", body), code)
    r = put_workflow(server, "w", call("w"))
    check_problem(r, "invalid_request")
    check_eq([(e["pointer"], e["code"]) for e in r.json()["errors"]], [("/task/workflow", "cycle")], "its own caller", r)
    made(put_workflow(server, "a", call("fixed")), 201, 1)
    made(put_workflow(server, "b", call("a")), 201, 1)
    made(put_workflow(server, "c", {"task": {"type": "sequence", "steps": [value(1)["task"], call("b")["task"]]}}), 201, 1)
    r = put_workflow(server, "a", {"task": {"type": "parallel", "tasks": [call("fixed")["task"], call("c")["task"]]}})
    check_eq([(e["pointer"], e["code"]) for e in r.json()["errors"]], [("/task/tasks/1/workflow", "cycle")], "through others", r)
    check_eq(server.json("/v1/workflows/a")["version"], 1, "what is refused changes nothing")
    check_eq(drop_workflow(server, "b").status, 204, "one that another calls")
    made(put_workflow(server, "a", call("c")), 200, 2)
    check_problem(put_workflow(server, "b", call("a")), "invalid_request")


def test_concurrent_puts_close_no_cycle(env):
    """a -> b and b -> a, each fine alone: one of them comes second."""
    server = env.server({"loops": 4})
    for i in range(10):
        a, b = f"a{i}", f"b{i}"
        put_workflow(server, a, value(1))
        put_workflow(server, b, value(1))
        answers = env.in_threads(2, lambda n, a=a, b=b: put_workflow(server, [a, b][n], call([b, a][n])))
        check_eq(sorted(r.status for r in answers), [200, 422], "one is refused")
