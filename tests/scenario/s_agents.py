"""Agents as resources: made, replaced and removed while the gateway runs, in versions (API §5)."""

import hashlib
import signal

from lib.check import check, check_eq, check_in, check_problem, eventually
from lib.server import merged
from s_reload import change, hang_up, REFUSED

ECHO = {"model": "sim/echo"}
STORY = {"model": "sim/story"}


def put(server, name, body, headers=None, what="agents"):
    return server.ask("PUT", f"/v1/{what}/{name}", body, headers)


def drop(server, name, headers=None, what="agents"):
    return server.ask("DELETE", f"/v1/{what}/{name}", None, headers)


def made(response, status, version):
    """The document of an answer to PUT, which must have that version."""
    check_eq(response.status, status, "status of PUT", response)
    check_eq(response.json()["version"], version, "version", response)
    check_eq(response.header("etag"), f'"{version}"', "ETag", response)
    return response.json()


def test_an_agent_is_made_replaced_and_removed(env):
    server = env.server({"base_path": "/gw"})
    r = put(server, "bird", {**ECHO, "description": "sings"})
    document = made(r, 201, 1)
    check_eq(r.header("location"), "/gw/v1/agents/bird", "Location", r)
    check_eq(document["source"], "api", "source", document)
    check_eq(server.json("/v1/agents/bird"), document, "what is read")
    check_eq([a["name"] for a in server.json("/v1/agents")["data"]], ["bird", "echo", "story"], "the list, by name")
    check_eq(server.run("bird", input="tweet")["output"], "tweet", "the agent works")
    r = put(server, "bird", STORY)
    check_eq(made(r, 200, 2)["description"], "", "a PUT replaces the whole document", r)
    check_eq(r.header("location"), None, "no Location where nothing is new", r)
    r = drop(server, "bird")
    check_eq((r.status, r.body), (204, b""), "DELETE", r)
    check_problem(server.get("/v1/agents/bird"), "not_found")
    check_problem(drop(server, "bird"), "not_found")
    check_problem(server.post("/v1/runs", {"agent": "bird"}), "unknown_agent")
    check_problem(server.post("/v1/agents/bird/runs", {}), "not_found")
    made(put(server, "bird", ECHO), 201, 3)


def test_who_was_told_201_may_use_the_name_at_once_on_any_connection(env):
    server = env.server({"loops": 4})
    connections = [server.connect() for _ in range(12)]
    for i in range(20):
        made(put(server, f"a{i}", {**ECHO, "params": {"sim": {"seed": i}}}), 201, 1)
        for c in connections:
            r = c.ask("GET", f"/v1/agents/a{i}")
            check_eq(r.status, 200, f"agent a{i} on this connection", r)
            r = c.ask("POST", "/v1/runs/validate", {"Content-Type": "application/json"}, {"agent": f"a{i}"})
            check_eq(r.status, 200, f"a run of a{i} on this connection", r)
    for c in connections:
        c.close()


def test_what_was_told_is_there_after_a_kill(env):
    server = env.server()
    for i in range(10):
        made(put(server, "a", {**ECHO, "description": str(i)}), 201 if i == 0 else 200, i + 1)
    made(put(server, "gone", ECHO), 201, 1)
    check_eq(drop(server, "gone").status, 204, "DELETE")
    server.kill()
    server.restart()
    check_eq(server.json("/v1/agents/a")["description"], "9", "the last one that was told")
    check_eq(server.json("/v1/agents/a")["version"], 10, "its version")
    check_problem(server.get("/v1/agents/gone"), "not_found")
    made(put(server, "a", ECHO), 200, 11)
    made(put(server, "gone", ECHO), 201, 2)


def test_of_many_who_replace_one_version_one_wins(env):
    server = env.server({"loops": 4})
    made(put(server, "a", ECHO), 201, 1)
    for version in range(1, 6):
        answers = env.in_threads(12, lambda i: put(server, "a", {**ECHO, "description": str(i)},
                                                   {"If-Match": f'"{version}"'}))
        for r in answers:
            check_in(r.status, (200, 412), "status", r)
        won = [r.json() for r in answers if r.status == 200]
        check_eq(len(won), 1, "how many have won")
        check_eq(server.json("/v1/agents/a"), won[0], "the winner's stands")
    answers = env.in_threads(12, lambda i: put(server, "new", ECHO, {"If-None-Match": "*"}))
    check_eq(sorted(r.status for r in answers), [201] + [412] * 11, "one creates it")


def test_conditions(env):
    server = env.server()
    check_problem(put(server, "a", ECHO, {"If-Match": "*"}), "precondition_failed")
    made(put(server, "a", ECHO, {"If-None-Match": "*"}), 201, 1)
    check_problem(put(server, "a", ECHO, {"If-None-Match": "*"}), "precondition_failed")
    made(put(server, "a", ECHO, {"If-Match": '"9", "1"'}), 200, 2)
    check_problem(put(server, "a", ECHO, {"If-Match": 'W/"2"'}), "precondition_failed")
    check_problem(drop(server, "a", {"If-Match": '"1"'}), "precondition_failed")
    r = server.get("/v1/agents/a", {"If-None-Match": '"2"'})
    check_eq((r.status, r.body, r.header("etag")), (304, b"", '"2"'), "a reader who has it", r)
    check_eq(server.get("/v1/agents/a", {"If-None-Match": '"1"'}).status, 200, "one who has an older one")
    check_eq(server.ask("HEAD", "/v1/agents/a").header("etag"), '"2"', "HEAD")
    twice = [("Content-Type", "application/json"), ("If-Match", '"2"'), ("If-Match", '"3"')]
    check_problem(put(server, "a", ECHO, twice), "invalid_header")
    check_eq(drop(server, "a", {"If-Match": '"2"'}).status, 204, "DELETE")


def test_what_a_client_got_it_edits_and_sends_back(env):
    server = env.server()
    put(server, "a", {**ECHO, "retry": {"attempts": 2}, "timeout_ms": 5000, "output": "json"})
    document = server.json("/v1/agents/a")
    document["description"] = "edited"
    again = made(put(server, "a", document, {"If-Match": '"1"'}), 200, 2)
    check_eq({**again, "version": 1}, document, "all else is as it was")


def test_what_the_configuration_has_is_changed_there(env):
    server = env.server()
    for r in (put(server, "echo", STORY), drop(server, "echo")):
        check_problem(r, "conflict")
    document = server.json("/v1/agents/echo")
    check_eq((document["source"], document["version"]), ("config", 1), "the document", document)


def test_versions_of_the_configurations_agents_go_on_when_they_change(env):
    server = env.server()
    server.stop()
    server.restart()
    check_eq(server.json("/v1/agents/echo")["version"], 1, "after a restart")
    change(server, {"agents": {"echo": {"description": "new"}}})
    check_eq(server.json("/v1/agents/echo")["version"], 2, "after a reload with another document")
    check_eq(server.json("/v1/agents/story")["version"], 1, "the one that stayed as it was")
    server.stop()
    server.config = merged(server.config, {"agents": {"echo": {"description": "newer"}}})
    server.restart()
    check_eq(server.json("/v1/agents/echo")["version"], 3, "after a restart with another document")


def test_the_configuration_hides_what_the_api_made_and_lets_it_go(env):
    server = env.server()
    put(server, "bird", {**ECHO, "description": "mine"})
    said = change(server, {"agents": {"bird": {**STORY, "description": "yours"}}})
    check("hides" in said, "the log warns", said)
    hidden = server.json("/v1/agents/bird")
    check_eq((hidden["source"], hidden["version"]), ("config", 2), "the configuration's is in force", hidden)
    check_problem(put(server, "bird", ECHO), "conflict")
    server.stop()
    server.restart()
    check_eq(server.json("/v1/agents/bird")["description"], "yours", "after a restart")
    change(server, {"agents": {"bird": None}})
    check_eq(server.json("/v1/agents/bird")["description"], "mine", "when the configuration has it no more")
    made(put(server, "bird", STORY), 200, 3)


def test_a_reload_that_is_refused_leaves_what_the_api_made(env):
    server = env.server()
    put(server, "bird", ECHO)
    hang_up(server, "{", REFUSED)
    check_eq(server.run("bird", input="x")["output"], "x", "the agent")
    made(put(server, "bird", ECHO), 200, 2)


def test_changes_and_reloads_at_the_same_time_lose_nothing(env):
    server = env.server({"loops": 4})
    server.write_config()

    def work(i):
        if i == 0:
            for _ in range(20):
                server.signal(signal.SIGHUP)
                server.get("/v1/agents")
        else:
            for n in range(20):
                r = put(server, f"a{i}", {**ECHO, "description": str(n)})
                check_in(r.status, (200, 201), "status", r)
                check_eq(server.json(f"/v1/agents/a{i}")["description"], str(n), "what was just put")
    env.in_threads(5, work)
    eventually(lambda: "reloaded" in server.log(), "the log says reloaded")
    for i in range(1, 5):
        check_eq(server.json(f"/v1/agents/a{i}")["version"], 20, f"a{i}'s version")


def test_who_may(env):
    keys = {"reader": ["read"], "runner": ["run"], "chief": ["admin"]}
    server = env.server({"keys": [{"name": n, "sha256": hashlib.sha256(f"{n}-secret-1".encode()).hexdigest(), "scopes": s}
                                  for n, s in keys.items()]})
    as_ = {n: {"Authorization": f"Bearer {n}-secret-1"} for n in keys}
    for name in ("reader", "runner"):
        check_problem(put(server, "a", ECHO, as_[name]), "forbidden")
        check_problem(drop(server, "echo", as_[name]), "forbidden")
    made(put(server, "a", ECHO, as_["chief"]), 201, 1)
    for name in keys:
        check_eq(server.get("/v1/agents/a", as_[name]).status, 200, f"{name} reads it")
    check_eq(server.post("/v1/runs", {"agent": "a"}, as_["runner"]).status, 202, "every tenant uses it")
    check_problem(put(server, "a", ECHO), "unauthenticated")


def test_a_call_that_has_begun_keeps_its_agent_and_what_comes_later_has_the_new_one(env):
    server, up = env.with_upstream({"up": "ok,gate=g,tokens=3"})
    put(server, "a", {"model": "up/m"})
    first = server.start_run("a", input="x")
    up.wait_held(1)
    put(server, "a", ECHO)
    check_eq(server.run("a", input="now an echo")["output"], "now an echo", "a later run")
    check_eq(drop(server, "a").status, 204, "DELETE while a run uses it")
    up.release("g")
    check(server.check_finished(first["id"])["output"] != "x", "the first was answered by its own provider")


def test_a_call_whose_agent_went_before_it_began_fails(env):
    server, up = env.with_upstream({"up": "ok,gate=g"})
    put(server, "a", ECHO)
    task = {"type": "sequence", "steps": [{"type": "call", "agent": "up", "input": "x"},
                                          {"type": "call", "agent": "a", "input": "y"}]}
    run = server.post("/v1/runs", {"task": task}).json()
    up.wait_held(1)
    check_eq(drop(server, "a").status, 204, "DELETE")
    up.release("g")
    server.check_finished(run["id"], "failed", "unknown_agent")


def test_names_and_bodies_that_are_none(env):
    server = env.server({"limits": {"body_bytes": 10000}})
    for name in ("a.b", "a%20b", "a" * 65):
        check_problem(put(server, name, ECHO), "not_found")
    check_problem(put(server, "a", {"model": "nobody/x"}), "unknown_provider")
    check_problem(put(server, "a", {**ECHO, "instructions": "x" * 11000}), "body_too_large")
    check_problem(put(server, "a", ECHO, {"Content-Type": "text/plain"}), "unsupported_media_type")
    r = server.ask("POST", "/v1/agents/a", ECHO)
    check_problem(r, "method_not_allowed")
    check_eq(r.header("allow"), "GET, HEAD, PUT, DELETE, OPTIONS", "Allow", r)
