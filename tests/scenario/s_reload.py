"""SIGHUP: the configuration is taken over whole or not at all, while the gateway runs (DESIGN §12)."""

import hashlib
import json
import re
import signal
import time

from lib.check import check, check_eq, check_problem, eventually, types
from lib.server import merged
from lib.slow import scaled
from s_ops import read_metrics

DONE = r'msg"?[=:]"?reloaded'  # in either format
REFUSED = 'msg="the configuration was not reloaded"'


def hang_up(server, text=None, said=DONE):
    """Writes the configuration, asks for a reload, and waits until the log says what came of it. Returns what was logged."""
    before = len(server.log())
    server.write_config(text)
    server.signal(signal.SIGHUP)
    eventually(lambda: re.search(said, server.log()[before:]), f"the log says {said}")
    return server.log()[before:]


def change(server, over):
    """The same, with `over` laid on the configuration; and every loop has it."""
    server.config = merged(server.config, over)
    said = hang_up(server)
    settle(server)
    return said


def settle(server):
    """Each loop has had a turn since: several connections, so that all of them are asked."""
    for connection in [server.connect() for _ in range(8)]:
        with connection as c:
            c.ask("GET", "/livez")


def provider_of(server, name="up"):
    return server.json(f"/v1/providers/{name}")


def key(name, secret, scope="run", **members):
    return {"name": name, "sha256": hashlib.sha256(secret.encode()).hexdigest(), "scopes": [scope], **members}


def test_a_new_agent_can_be_asked_and_one_that_went_cannot(env):
    server = env.server()
    check_problem(server.post("/v1/runs", {"agent": "parrot"}), "unknown_agent")
    change(server, {"agents": {"parrot": {"model": "sim/echo"}, "story": None}})
    check_eq(server.run("parrot", input="hello")["output"], "hello", "the new agent")
    check_problem(server.post("/v1/runs", {"agent": "story"}), "unknown_agent")
    check_eq(server.run("echo", input="still")["output"], "still", "the one that stayed")


def test_a_run_keeps_the_agent_that_it_began_with(env):
    server, up = env.with_upstream({"up": "ok,gate=g,tokens=3"})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    change(server, {"agents": {"up": {"model": "sim/echo"}}})
    check_eq(server.run("up", input="now it is an echo")["output"], "now it is an echo", "the new agent")
    up.release("g")
    done = server.check_finished(run["id"])
    check(done["output"] != "x", "the first was answered by the provider that it had called", done)


def test_more_slots_are_there_at_once_for_those_that_wait(env):
    server, up = env.with_upstream({"up": "ok,gate=g"}, {"providers": {"up": {"limits": {"concurrency": 1}}}})
    runs = [server.start_run("up", input="0")]
    up.wait_held(1)
    runs += [server.start_run("up", input=str(i)) for i in range(1, 4)]
    for run in runs[1:]:
        server.wait_state(run["id"], "waiting")
    change(server, {"providers": {"up": {"limits": {"concurrency": 3}}}})
    up.wait_held(3)
    slots = provider_of(server)["slots"]
    check_eq(slots, {"borrowed": 3, "total": 3, "waiting": 1}, "slots", slots)
    change(server, {"providers": {"up": {"limits": {"concurrency": 1}}}})
    check_eq(provider_of(server)["slots"]["borrowed"], 3, "what is out stays out")
    up.release("g")
    for run in runs:
        server.check_finished(run["id"])


def test_a_breaker_stays_as_it_is(env):
    server, up = env.with_upstream({"up": "@main"}, {"providers": {"up": {"breaker": {"failures": 2, "reset_ms": 60000}}}})
    up.set("main", "status,code=500")
    for i in range(2):
        server.run("up", input=str(i))
    opened = provider_of(server)["breaker"]
    check_eq(opened["state"], "open", "before", opened)
    run = server.start_run("up", input="x")
    server.wait_state(run["id"], "waiting")
    change(server, {"providers": {"up": {"breaker": {"failures": 7}, "limits": {"concurrency": 9}}}})
    breaker = provider_of(server)["breaker"]
    check_eq((breaker["state"], breaker["failures"]), ("open", opened["failures"]), "after", breaker)
    check_eq(server.get_run(run["id"])["reason"]["code"], "breaker_open", "who waits")
    up.set("main", "ok")
    server.post("/v1/providers/up/breaker/reset")
    server.check_finished(run["id"])


def test_a_breaker_that_goes_on_after_a_reload_is_still_stored(env):
    server, up = env.with_upstream({"up": "@main"}, {"providers": {"new": {"kind": "sim"}}})
    breaker = {"failures": 1, "reset_ms": 600000, "max_reset_ms": 600000}
    up.set("main", "status,code=500")
    change(server, {"providers": {"late": up.provider("@main", breaker=breaker)}, "agents": {"late": {"model": "late/m"}}})
    server.run("late", input="x")
    check_eq(provider_of(server, "late")["breaker"]["state"], "open", "of a provider that came with the reload")
    server.stop()
    server.restart()
    check_eq(provider_of(server, "late")["breaker"]["state"], "open", "after a restart")


def test_a_removed_provider_finishes_what_is_in_flight(env):
    server, up = env.with_upstream({"up": "ok,gate=g,tokens=3"}, {"providers": {"up": {"limits": {"concurrency": 2}}}})
    runs = [server.start_run("up", input=str(i)) for i in range(2)]
    up.wait_held(2)
    runs.append(server.start_run("up", input="2"))
    server.wait_state(runs[2]["id"], "waiting")
    change(server, {"providers": {"up": None}, "agents": {"up": None, "up_json": None}})
    check_problem(server.get("/v1/providers/up"), "not_found")
    check_problem(server.post("/v1/runs", {"agent": "up"}), "unknown_agent")
    up.release("g")
    for run in runs:
        server.check_finished(run["id"])
    up.wait_active(0)
    check_eq(up.requests(), 3, "who waited for its turn had it")
    eventually(lambda: up.stats()["open"] == 0, "its connections are closed when nobody uses them")


def test_a_provider_that_comes_back_is_another_one(env):
    server, up = env.with_upstream({"up": "ok"})
    whole = dict(server.config["providers"]["up"])
    change(server, {"providers": {"up": None}, "agents": {"up": None, "up_json": None}})
    change(server, {"providers": {"up": {**whole, "limits": {"concurrency": 2}}}, "agents": {"up": {"model": "up/m"}}})
    check_eq(server.run("up", input="x")["state"], "succeeded", "it is called")
    check_eq(provider_of(server)["slots"]["total"], 2, "slots")


def test_a_bad_file_changes_nothing_and_every_mistake_is_told(env):
    server = env.server()
    shown = server.get("/v1/agents").body
    said = hang_up(server, json.dumps({**server.config, "agents": {"new": {"model": "sim/echo"}}, "drain_ms": "soon",
                                       "limits": {"nonsense": 1}}, indent=1), REFUSED)
    eventually(lambda: len(re.findall(REFUSED, server.log())) == 2, "a line for each")
    said = server.log()
    check(re.search(r"sluice\.json:\d+:\d+: drain_ms must be", said), "the first mistake, with its place", said[-2000:])
    check(re.search(r"sluice\.json:\d+:\d+: limits\.nonsense", said), "the second", said[-2000:])
    check(not re.search(DONE, said), "it is not taken over", said[-2000:])
    check_eq(server.get("/v1/agents").body, shown, "the agents")
    hang_up(server, "{ this is no JSON", REFUSED)
    check_eq(server.run("echo", input="x")["output"], "x", "it goes on")
    hang_up(server)


def test_a_file_that_would_open_the_gateway_to_everybody_is_refused(env):
    server = env.new_server({"keys": [key("a", "first-secret-first")]})
    server.config["listen"] = [f"0.0.0.0:{server.address[1]}"]
    server.headers = {"Authorization": "Bearer first-secret-first"}
    server.start()
    check("there are no keys" in hang_up(server, json.dumps({**server.config, "keys": []}), REFUSED), "it says why")
    check_eq(server.get("/v1/runs", {"Authorization": None}).status, 401, "a key is still asked for")


def test_what_needs_a_restart_is_said_and_the_rest_is_taken(env):
    server = env.server()
    said = change(server, {"loops": 1, "store": {"flush_ms": 7}, "limits": {"connections": 77},
                           "agents": {"parrot": {"model": "sim/echo"}}})
    eventually(lambda: "needs a restart" in server.log(), "the warning")
    line = next(line for line in server.log().split("\n") if "needs a restart" in line)
    check('keys="loops, store.flush_ms, limits.connections"' in line, "all that do not reload", line, said)
    check_eq(server.run("parrot", input="x")["output"], "x", "what reloads")
    hang_up(server)
    eventually(lambda: server.log().count("needs a restart") == 2, "it is compared with what is in force")


def test_new_keys_are_let_in_and_a_removed_one_is_refused(env):
    first, second = "first-secret-first", "second-secret-second"
    server = env.new_server({"keys": [key("a", first)]})
    server.headers = {"Authorization": f"Bearer {first}"}
    server.start()
    run = server.start_run(params={"sim": {"first_ms": 0, "fail": [{"as": "hang", "after_tokens": 1}]}}, input="a b")
    stream = server.follow(run["id"])
    stream.until("attempt.started")
    check_eq(server.get("/v1/runs", {"Authorization": f"Bearer {second}"}).status, 401, "not yet")
    server.config["keys"] = [key("b", second)]
    hang_up(server)
    other = {"Authorization": f"Bearer {second}"}
    eventually(lambda: server.get("/v1/runs", other).status == 200, "the new key")
    settle(server)
    for _ in range(4):  # on any loop
        check_problem(server.get("/v1/runs"), "unauthenticated")
    check_problem(server.get(f"/v1/runs/{run['id']}", other), "not_found")
    server.config["keys"] = [key("a", first), key("b", second)]
    hang_up(server)
    settle(server)
    check_eq(server.cancel(run["id"]).status, 202, "its runs are still its own")
    check_eq(types(stream.all())[-1], "run.finished", "who was following goes on")


def test_a_reload_does_not_give_a_key_its_runs_back(env):
    secret = "first-secret-first"
    limits = {"requests": {"rate": 2, "period_ms": 600000}}
    server = env.new_server({"keys": [key("a", secret, limits=limits)]})
    server.headers = {"Authorization": f"Bearer {secret}"}
    server.start()
    check_eq([server.post("/v1/runs", {"agent": "echo"}).status for _ in range(3)], [202, 202, 429], "its limit")
    server.config["keys"] = [key("a", secret, scope="admin", limits={"requests": {"rate": 3, "period_ms": 600000}})]
    hang_up(server)
    settle(server)
    check_eq(server.post("/v1/providers/sim/breaker/reset").status, 200, "the new scope")
    check_problem(server.post("/v1/runs", {"agent": "echo"}), "rate_limited")


def test_limits_hold_for_the_next_request(env):
    server = env.server()
    with server.connect() as kept:
        body = {"agent": "echo", "input": "x" * 1500}
        headers = {"Content-Type": "application/json"}
        check_eq(kept.ask("POST", "/v1/runs", headers, body).status, 202, "before")
        change(server, {"limits": {"body_bytes": 1024, "max_wait_ms": 5000}})
        check_problem(kept.ask("POST", "/v1/runs", headers, body), "body_too_large")
        change(server, {"limits": {"body_bytes": 100000, "input_bytes": 1024}})
        check_problem(kept.ask("POST", "/v1/runs", headers, body), "invalid_request")
    r = server.post("/v1/runs", {"agent": "echo", "input": "x"}, {"Prefer": "wait=60"})
    check_eq(r.header("preference-applied"), "wait=5", "max_wait_ms", r)


def test_a_new_provider_has_metrics_and_one_too_many_shares_them(env):
    server = env.server()
    check('sluice_provider_waiting{provider="late"}' not in read_metrics(server), "before")
    change(server, {"providers": {"late": {"kind": "sim"}}, "agents": {"late": {"model": "late/echo"}}})
    server.run("late", input="x")
    after = read_metrics(server)
    check_eq(after['sluice_attempts_total{provider="late",outcome="succeeded"}'], 1, "counted under its name")
    many = {f"p{i}": {"kind": "sim"} for i in range(20)}
    change(server, {"providers": many, "agents": {"last": {"model": "p19/echo"}}})
    server.run("last", input="x")
    after = read_metrics(server)
    check_eq(after['sluice_attempts_total{provider="other",outcome="succeeded"}'], 1, "one that came too late")
    check('sluice_attempts_total{provider="p19",outcome="succeeded"}' not in after, "no series of its own")
    change(server, {"providers": {"late": None}, "agents": {"late": None}})
    after = read_metrics(server)
    check_eq(after['sluice_attempts_total{provider="late",outcome="succeeded"}'], 1, "a counter never goes back")
    check_eq(after['sluice_provider_slots_borrowed{provider="late"}'], 0, "a gauge of what is not there")


def test_the_log_level_reloads(env):
    server = env.server()
    change(server, {"log": {"format": "json", "level": "debug"}})
    check(any(line["msg"] == "reloaded" for line in server.logged()), "the new format", server.logged())


def test_reloads_under_load_lose_nothing(env):
    """Many at once, while runs come, wait, stream and end: nobody sees half of a configuration."""
    server, up = env.with_upstream({"up": "ok,tokens=3"}, {"providers": {"up": {"limits": {"concurrency": 4}}}})
    stop = time.monotonic() + scaled(3)

    def work(i):
        n = 0
        while time.monotonic() < stop:
            if i == 0:
                n += 1
                server.config = merged(server.config, {"providers": {"up": {"limits": {"concurrency": 1 + n % 5}}},
                                                       "agents": {f"a{n}": {"model": "up/m"}}})
                server.write_config()
                server.signal(signal.SIGHUP)
                time.sleep(0.02)
            elif i == 1:
                server.json("/v1/providers")
                server.get("/metrics")
            else:
                events = server.stream_run("up", input=str(i)).all()
                check_eq(events[-1].data["run"]["state"] if "run" in events[-1].data else "succeeded", "succeeded", "run")
        return n
    asked = env.in_threads(6, work)[0]
    check(asked > 5, f"reloads: {asked}")
    eventually(lambda: up.stats()["active"] == 0, "nothing is left")
    check(re.search(DONE, server.log()), "they were taken over")
    check_eq(server.run("up", input="x")["state"], "succeeded", "afterwards")
