"""Creating runs: the four ways in, the shorthands, validation, idempotency (API §1)."""

import hashlib
import json

from lib.bodies import hanging, sim
from lib.check import (FINAL_STATES, check, check_eq, check_events, check_in, check_problem, check_run, eventually,
                       stamp_ms, text_of, types)
from lib.slow import scaled

PLAIN = ["run.queued", "run.running", "task.running", "attempt.started", "output.delta", "attempt.succeeded",
         "task.succeeded", "run.finished"]


def test_a_plain_create_answers_202_with_location_and_the_run(env):
    server = env.server()
    r = server.post("/v1/runs", {"agent": "echo", "input": "Say hello"})
    check_eq(r.status, 202, "status", r)
    check_eq(r.media_type, "application/json", "Content-Type", r)
    run = check_run(r.json())
    check_eq(r.header("location"), f"/v1/runs/{run['id']}", "Location", r)
    check_eq(r.header("preference-applied"), None, "Preference-Applied without Prefer", r)
    check_eq(r.header("idempotency-replayed"), None, "Idempotency-Replayed without a key", r)
    for name, value in {"agent": "echo", "workflow": None, "workflow_version": None, "name": None, "parent": None,
                        "retry_of": None, "input": "Say hello", "metadata": {}, "timeout_ms": 3600000}.items():
        check_eq(run[name], value, name, r)
    for name, path in {"self": "", "events": "/events", "tasks": "/tasks", "output": "/output", "cancel": "/cancel"}.items():
        check_eq(run["links"][name], f"/v1/runs/{run['id']}{path}", f"links.{name}", r)
    done = server.check_finished(run["id"])
    check_eq(done["output"], "Say hello", "output", done)
    check_eq((done["usage"]["calls"], done["usage"]["attempts"], done["usage"]["output_tokens"]), (1, 1, 2), "usage", done)
    check_eq(server.get_run(run["id"]), done, "GET again gives the same")


def test_prefer_wait_answers_200_with_the_finished_run(env):
    server = env.server()
    r = server.post("/v1/runs", {"agent": "echo", "input": "a b"}, {"Prefer": "wait=30"})
    check_eq(r.status, 200, "status", r)
    check_eq(r.header("preference-applied"), "wait=30", "Preference-Applied", r)
    run = check_run(r.json())
    check_eq((run["state"], run["output"]), ("succeeded", "a b"), "state and output", r)
    check_eq(r.header("location"), f"/v1/runs/{run['id']}", "Location", r)
    check_eq(server.get_run(run["id"]), run, "GET afterwards")


def test_a_wait_that_elapses_answers_202_and_the_run_goes_on(env):
    server = env.server()
    r = server.post("/v1/runs", {"agent": "story", "params": hanging()}, {"Prefer": "wait=1"})
    check_eq(r.status, 202, "status", r)
    check_eq(r.header("preference-applied"), "wait=1", "Preference-Applied", r)
    run = check_run(r.json())
    check(run["state"] not in FINAL_STATES, "not finished", r)
    check_eq(server.run_id_of(r), run["id"], "Location", r)
    check(server.get_run(run["id"])["state"] not in FINAL_STATES, "an elapsed wait ends nothing")
    server.cancel(run["id"])
    server.check_finished(run["id"], "cancelled")


def test_prefer_zero_or_nonsense_is_ignored_and_other_preferences_do_no_harm(env):
    server = env.server()
    body = {"agent": "story", "params": hanging()}
    for value in ("wait=0", "wait=x", "wait=-1", "wait", "wait=", "wait=1.5", "respond-async", "return=minimal"):
        r = server.post("/v1/runs", body, {"Prefer": value})
        check_eq(r.status, 202, f"status with Prefer: {value}", r)
        check_eq(r.header("preference-applied"), None, f"Preference-Applied with Prefer: {value}", r)
    r = server.post("/v1/runs", {"agent": "echo", "input": "x"}, {"Prefer": "handling=lenient, wait=20"})
    check_eq((r.status, r.header("preference-applied")), (200, "wait=20"), "a list of preferences", r)


def test_a_wait_is_clamped_to_the_limit(env):
    server = env.server({"limits": {"max_wait_ms": 1000, "default_wait_ms": 1000}})
    r = server.post("/v1/runs", {"agent": "story", "params": hanging()}, {"Prefer": "wait=100"})
    check_eq((r.status, r.header("preference-applied")), (202, "wait=1"), "what was used", r)


def check_stream_head(r, media_type):
    check_eq(r.media_type, media_type, "Content-Type", r)
    check_eq(r.header("preference-applied"), None, "Preference-Applied on a stream", r)
    check("no-cache" in (r.header("cache-control") or "") and "no-transform" in r.header("cache-control"),
          "Cache-Control: no-cache, no-transform", r)
    check_eq(r.header("x-accel-buffering"), "no", "X-Accel-Buffering", r)
    check(r.header("x-request-id"), "X-Request-Id", r)


def test_a_streamed_create_gives_all_events_as_sse_and_ndjson(env):
    server = env.server()
    for accept in ("text/event-stream", "application/x-ndjson"):
        for prefer in (None, {"Prefer": "wait=5"}):  # a stream beats a wait
            stream = server.stream_run("echo", accept, prefer, input="Say hello now")
            check_stream_head(stream.response, accept)
            run_id = server.run_id_of(stream.response)
            events = stream.all()
            check_events(events, run_id)
            check_eq(types(events), PLAIN, "order of events", repr(events))
            check_eq(text_of(events), "Say hello now", "the deltas joined")
            check_eq(server.get_run(run_id)["output"], "Say hello now", "output")
            if accept == "text/event-stream":
                check_eq(stream.retry_ms, 2000, "retry:")


def test_accept_chooses_json_by_default(env):
    server = env.server()
    for accept in (None, "*/*", "application/json", "application/*", "text/html, application/json;q=0.9"):
        r = server.post("/v1/runs", {"agent": "echo"}, {"Accept": accept})
        check_eq((r.status, r.media_type), (202, "application/json"), f"answer with Accept: {accept}", r)


def test_the_agents_runs_shorthand(env):
    server = env.server()
    r = server.post("/v1/agents/echo/runs", {"input": "x", "name": "n"})
    check_eq(r.status, 202, "status", r)
    run = check_run(r.json())
    check_eq((run["agent"], run["input"], run["name"]), ("echo", "x", "n"), "run", r)
    check_eq(r.header("location"), f"/v1/runs/{run['id']}", "Location", r)
    r = server.post("/v1/agents/echo/runs", {"input": "x"}, {"Prefer": "wait=20"})
    check_eq((r.status, r.json()["output"]), (200, "x"), "with wait", r)
    check_eq(server.post("/v1/agents/echo/runs", {}).status, 202, "an empty object is a whole body")
    stream = server.stream_run(None, target="/v1/agents/echo/runs", input="y")
    check_eq(text_of(stream.all()), "y", "streamed")
    r = server.post("/v1/agents/echo/runs", {"agent": "echo", "input": "x"})
    check_eq(r.status, 422, "the same body, without agent", r)
    check_problem(server.post("/v1/agents/nobody/runs", {"input": "x"}), "not_found")


def test_the_agents_run_shorthand_waits_and_takes_a_task_text(env):
    server = env.server()
    r = server.post("/v1/agents/echo/run", {"task": "do this"})
    check_eq(r.status, 200, "status", r)
    run = check_run(r.json())
    check_eq((run["state"], run["input"], run["output"]), ("succeeded", "do this", "do this"), "run", r)
    check_eq(server.run_id_of(r), run["id"], "Location", r)
    r = server.post("/v1/agents/echo/run", {"input": {"a": 1}})
    check_eq((r.status, r.json()["input"]), (200, {"a": 1}), "input works too", r)
    r = server.post("/v1/agents/echo/run", {"task": "a", "input": "b"})
    p = check_problem(r, "invalid_request")
    check_in("exclusive", [e["code"] for e in p["errors"]], "task and input", r)
    check_problem(server.post("/v1/agents/nobody/run", {"task": "x"}), "not_found")
    r = server.post("/v1/agents/story/run", {"task": "x", "params": hanging()}, {"Prefer": "wait=1"})
    check_eq((r.status, r.header("preference-applied")), (202, "wait=1"), "told to wait otherwise", r)


def test_the_run_shorthand_waits_the_default_time(env):
    server = env.server({"limits": {"default_wait_ms": 1000}})
    r = server.post("/v1/agents/story/run", {"task": "x", "params": hanging()})
    check_eq(r.status, 202, "status once the default wait is over", r)
    check(r.json()["state"] not in FINAL_STATES, "still running", r)


def test_validate_checks_and_creates_nothing(env):
    server = env.server()
    r = server.post("/v1/runs/validate", {"agent": "echo", "input": "x", "metadata": {"a": "b"}})
    check_eq((r.status, r.json()), (200, {"valid": True}), "a good body", r)
    for body in ({"agent": "nobody"}, {"agent": "echo", "frob": 1}, {}, {"agent": "echo", "timeout_ms": "x"}, []):
        said = server.post("/v1/runs/validate", body)
        created = server.post("/v1/runs", body)
        problems = [{k: v for k, v in r.json().items() if k != "request_id"} for r in (said, created)]
        check_eq(problems[0], problems[1], f"the same problem as create for {body}", said, created)
    check_eq(server.json("/v1/runs")["data"], [], "nothing was created")


def test_any_json_is_an_input_and_comes_back_as_it_was(env):
    server = env.server()
    inputs = ["null", "true", "0", "-0.5", "9007199254740993", "123456789012345678901234567890", "1.10",
              '""', '"a\\u0000b"', '"\\ud83d\\ude00 \\"q\\" \\\\ \\n"', '"é漢字😀"', "[]", "{}",
              '[1,[2,[3,{"a":{"b":null}}]]]', '{"z":1,"a":{"y":[],"b":"x"}}', '"{{input}} {{prev}} {{\\"{{\\"}}"']
    for text in inputs:
        with server.connect() as c:
            r = c.ask("POST", "/v1/runs", {"Content-Type": "application/json", "Prefer": "wait=20"},
                      b'{"agent":"echo","input":' + text.encode() + b"}")
        check_eq(r.status, 200, f"status for {text}", r)
        run = check_run(r.json())
        check_eq(run["state"], "succeeded", f"state for {text}", r)
        check_eq(json.dumps(run["input"]), json.dumps(json.loads(text)), f"input for {text}", r)
        if text.lstrip("-").isdigit():
            check(f'"input":{text}' in r.body.decode().replace(": ", ":"), f"the exact number {text}", r)
        if text[0] == '"':
            check_eq(run["output"], json.loads(text), "the text comes back", r)
        elif text[0] in "[{":
            check_eq(json.loads(run["output"]), json.loads(text), "other JSON is sent as its text", r)
    r = server.post("/v1/runs", {"agent": "echo"})
    check_eq(r.json()["input"], None, "default input", r)


def test_params_are_laid_over_the_agents(env):
    server, up = env.with_upstream({"up": "echo"}, {"agents": {"writer": {
        "model": "up/gpt-x", "instructions": "You write.", "params": {"temperature": 0.2, "max_tokens": 5, "stop": ["a"]}}}})
    run = server.run("writer", input="one two", params={"temperature": 0.9, "top_p": 0.5, "stop": ["b"], "frob": {"x": [1]}})
    check_eq(run["output"], "one two", "output", run)
    entry = up.one(run["id"])
    sent = json.loads(entry["body"])
    for name, value in {"temperature": 0.9, "max_tokens": 5, "top_p": 0.5, "stop": ["b"], "frob": {"x": [1]},
                        "model": "gpt-x", "stream": True}.items():
        check_eq(sent.get(name), value, f"{name} as the provider got it", sent)
    check_eq(sent["messages"], [{"role": "system", "content": "You write."}, {"role": "user", "content": "one two"}],
             "messages", sent)
    check_eq(run["usage"], {"calls": 1, "attempts": 1, "input_tokens": 2, "output_tokens": 2}, "usage as told", run)


def test_a_conversation_is_sent_as_it_is_and_other_json_as_its_text(env):
    server, up = env.with_upstream({"up": "echo"})
    messages = [{"role": "user", "content": "first"}, {"role": "assistant", "content": "yes"},
                {"role": "user", "content": "second", "name": "bob"}]
    run = server.run("up", input={"messages": messages})
    check_eq(run["output"], "second", "output", run)
    check_eq(json.loads(up.one(run["id"])["body"])["messages"], messages, "messages")
    run = server.run("up", input={"q": [1, 2]})
    sent = json.loads(up.one(run["id"])["body"])["messages"]
    check_eq((len(sent), json.loads(sent[0]["content"])), (1, {"q": [1, 2]}), "as text", sent)


def test_upstream_requests_carry_what_the_contract_says_and_no_more(env):
    server, up = env.with_upstream({"up": "ok", "plain": "ok"})
    for agent in ("up", "up_json"):
        run = server.run(agent, input="x")
        check_eq(run["state"], "succeeded", "state", run)
        e = up.one(run["id"])
        check(e["idempotency_key"].startswith(run["id"] + "."), "Idempotency-Key: RUN.TASKPATH.GEN", e)
        check_eq(e["run"], run["id"], "Sluice-Run", e)
        check(e["depth"] is not None and e["depth"].isdigit(), "Sluice-Depth", e)
        parts = (e["traceparent"] or "").split("-")
        check([len(p) for p in parts] == [2, 32, 16, 2], "traceparent", e)
        check_eq(e["authorization"], "Bearer sk-canary-3f1c0a7be5d94e12", "Authorization", e)
        check(e["accept_encoding"] in (None, "", "identity"), "compression must not be asked for", e)
        check_eq(e["expect"], None, "Expect", e)
        check_eq((e["method"], e["content_type"]), ("POST", "application/json"), "method and type", e)
        check_eq(json.loads(e["body"]).get("stream", False), agent == "up", "asked to stream unless told otherwise", e)


def test_json_and_stream_answers_give_the_same_value(env):
    server, _ = env.with_upstream({"up": "ok,tokens=6"})
    for agent in ("up", "up_json"):
        run = server.run(agent, input="x")
        check_eq((run["state"], run["output"]), ("succeeded", "w0 w1 w2 w3 w4 w5"), agent, run)
        check_eq(run["usage"]["output_tokens"], 6, "usage", run)


def test_outputs_of_the_kinds_json_and_message(env):
    server, _ = env.with_upstream(
        {"good": "ok,text=%7B%22a%22:[1]%7D", "bad": "ok,text=no%20json", "tool": "tool_call"},
        {"agents": {"good": {"output": "json"}, "bad": {"output": "json"}, "tool": {"output": "message"}}})
    run = server.run("good", input="x")
    check_eq((run["state"], run["output"]), ("succeeded", {"a": [1]}), "parsed", run)
    run = server.run("bad", input="x")
    check_eq((run["state"], run["error"]["code"]), ("failed", "invalid_output"), "not parsed", run)
    run = server.run("tool", input="x")
    check_eq(run["state"], "succeeded", "state", run)
    call = run["output"]["tool_calls"][0]
    check_eq((call["id"], call["function"]["name"], call["function"]["arguments"]), ("call_1", "look_up", "[1,2,3]"),
             "the tool call put together", run)


def test_name_and_metadata_up_to_their_limits(env):
    server = env.server()
    metadata = {f"k{i}": "v" for i in range(14)}
    metadata.update({"K" * 64: "x" * 512, "é": ""})
    run = server.start_run(name="n" * 128, metadata=metadata, input=None)
    check_eq((run["name"], run["metadata"]), ("n" * 128, metadata), "as given", run)
    done = server.check_finished(run["id"])
    check_eq((done["name"], done["metadata"]), ("n" * 128, metadata), "kept", done)


def test_a_run_that_takes_too_long_is_timed_out(env):
    server, up = env.with_upstream({"up": "hang"})
    ms = int(scaled(1500))
    run = check_run(server.run("up", input="x", timeout_ms=ms))
    check_eq((run["state"], run["error"]["code"], run["timeout_ms"]), ("timed_out", "run_timeout", ms), "state", run)
    up.wait_entry(run["id"], lambda e: e["end"] == "closed_by_peer", "the upstream's connection closed")
    events = server.events(run["id"])
    check_events(events, run["id"])
    check(stamp_ms(run["finished_at"]) - stamp_ms(run["created_at"]) >= ms - 50, "not before its time", run)
    check_eq(types(events)[-2:], ["task.timed_out", "run.finished"], "the last events", repr(events))
    run = server.run("story", params=hanging(), timeout_ms=300)
    check_eq((run["state"], run["error"]["code"]), ("timed_out", "run_timeout"), "with sim", run)
    server.get_run(run["id"])


def test_the_default_timeout_comes_from_the_config(env):
    server = env.server({"limits": {"default_run_timeout_ms": 1000, "max_run_timeout_ms": 5000}})
    run = server.run("story", params=hanging())
    check_eq((run["state"], run["timeout_ms"]), ("timed_out", 1000), "default", run)
    r = server.post("/v1/runs", {"agent": "echo", "timeout_ms": 5001})
    check_problem(r, "invalid_request", errors=[("/timeout_ms", "out_of_range")])
    check_eq(server.post("/v1/runs", {"agent": "echo", "timeout_ms": 5000}).status, 202, "at the limit")


def test_lazy_runs_finish_as_others_do(env):
    server = env.server()
    for prefer in (None, "wait=20"):
        r = server.post("/v1/runs", {"agent": "echo", "input": "x", "durability": "lazy"}, {"Prefer": prefer})
        check_eq(r.status, 200 if prefer else 202, "status", r)
        run = server.check_finished(server.run_id_of(r))
        check_eq(run["output"], "x", "output", run)
    events = server.stream_run(input="a b", durability="lazy").all()
    check_eq(types(events), PLAIN, "events", repr(events))


def test_locations_and_links_carry_the_base_path(env):
    server = env.server({"base_path": "/gw"})
    r = server.post("/v1/runs", {"agent": "echo"})
    if r.status == 404:  # the contract leaves open who strips the prefix
        r = server.post("/gw/v1/runs", {"agent": "echo"})
    run = r.json()
    check_eq(r.header("location"), f"/gw/v1/runs/{run['id']}", "Location", r)
    for name, link in run["links"].items():
        check(link.startswith(f"/gw/v1/runs/{run['id']}"), f"links.{name}: {link}", r)


# --- idempotency

def keyed(server, key, body, headers=None, target="/v1/runs"):
    return server.post(target, body, {"Idempotency-Key": key, **(headers or {})})


def test_the_same_key_and_body_give_the_same_run_in_every_form(env):
    server, up = env.with_upstream({"up": "ok"})
    body = {"agent": "up", "input": "once"}
    first = keyed(server, "k1", body)
    check_eq((first.status, first.header("idempotency-replayed")), (202, None), "first", first)
    run_id = server.run_id_of(first)
    done = server.check_finished(run_id)
    again = keyed(server, "k1", body)
    check_eq((again.status, again.header("idempotency-replayed")), (202, "true"), "plain again", again)
    check_eq((again.json()["id"], server.run_id_of(again)), (run_id, run_id), "the same run", again)
    waited = keyed(server, "k1", body, {"Prefer": "wait=20"})
    check_eq((waited.status, waited.header("idempotency-replayed")), (200, "true"), "with wait", waited)
    check_eq(waited.json(), done, "the finished run", waited)
    for accept in ("text/event-stream", "application/x-ndjson"):
        stream = server.stream_run("up", accept, {"Idempotency-Key": "k1"}, input="once")
        check_eq(stream.response.header("idempotency-replayed"), "true", "streamed", stream.response)
        check_eq(server.run_id_of(stream.response), run_id, "Location", stream.response)
        events = stream.all()
        check_events(events, run_id)
        check_eq(events[0].seq, 1, "from 1")
    check_eq(up.requests(), 1, "one upstream request")


def test_another_body_under_the_same_key_is_a_mismatch(env):
    server = env.server()
    keyed(server, "k", {"agent": "echo", "input": 1})
    check_problem(keyed(server, "k", {"agent": "echo", "input": 2}), "idempotency_mismatch")
    check_problem(keyed(server, "k", '{"agent":"echo", "input":1}'), "idempotency_mismatch")  # the raw body counts
    check_eq(len(server.json("/v1/runs")["data"]), 1, "one run")


def test_the_scope_of_a_key_is_method_and_path(env):
    server = env.server()
    ids = {server.run_id_of(keyed(server, "k", {"input": 1}, target="/v1/agents/echo/runs")),
           server.run_id_of(keyed(server, "k", {"input": 1}, target="/v1/agents/story/runs")),
           server.run_id_of(keyed(server, "k", {"agent": "echo", "input": 1}))}
    check_eq(len(ids), 3, "three paths, three runs")


def test_refused_requests_do_not_use_up_a_key(env):
    server = env.server()
    check_problem(keyed(server, "k", {"agent": "nobody"}), "unknown_agent")
    check_problem(keyed(server, "k", "{nonsense"), "invalid_json")
    r = keyed(server, "k", {"agent": "echo"})
    check_eq((r.status, r.header("idempotency-replayed")), (202, None), "fresh", r)


def test_what_stands_against_a_new_run_does_not_stand_against_a_replay(env):
    """A client that lost its answer came again and was refused: its run was there, and it did not get to know it."""
    key = "blue-key-00001"
    server = env.server({"keys": [{"name": "ops", "sha256": hashlib.sha256(b"ops-key-000001").hexdigest(), "scopes": ["admin"]},
                                  {"name": "blue", "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": ["admin"],
                                   "limits": {"requests": {"rate": 1, "period_ms": 86400000, "burst": 5}}}],
                         "providers": {"sim": {"kind": "sim"}, "narrow": {"kind": "sim", "limits": {"concurrency": 1, "queue": 1}}},
                         "agents": {"echo": {"model": "sim/echo"}, "narrow": {"model": "narrow/echo"}}})
    server.headers = {"Authorization": f"Bearer {key}"}

    def check_replay(run_id, k, body, **options):
        r = keyed(server, k, body, **options)
        check_eq((r.status, r.header("idempotency-replayed"), r.json()["id"]), (202, "true", run_id), f"the replay of {k}", r)
        check_eq(server.run_id_of(r), run_id, "Location", r)
    # an agent that is gone
    check_eq(server.ask("PUT", "/v1/agents/tmp", {"model": "sim/echo"}).status, 201, "an agent")
    gone = {"agent": "tmp", "input": "x"}
    first = server.run_id_of(keyed(server, "gone", gone))
    done = server.check_finished(first)
    check_eq(server.ask("DELETE", "/v1/agents/tmp").status, 204, "without it")
    check_replay(first, "gone", gone)
    check_problem(keyed(server, "gone", {**gone, "input": "y"}), "unknown_agent")
    check_problem(keyed(server, "new", gone), "unknown_agent")
    # a full queue
    bodies = [{"agent": "narrow", "input": i, "params": hanging()} for i in range(3)]
    ids = [server.run_id_of(keyed(server, f"q{i}", bodies[i])) for i in range(2)]
    eventually(lambda: server.json("/v1/providers/narrow")["slots"]["waiting"] == 1, "its queue is full")
    check_problem(keyed(server, "q2", bodies[2]), "queue_full")
    check_replay(ids[1], "q1", bodies[1])
    check_problem(keyed(server, "q1", bodies[2]), "idempotency_mismatch")
    # the key's rate
    while server.post("/v1/runs", {"agent": "echo"}).status == 202:
        pass
    check_problem(keyed(server, "q2", bodies[2]), "rate_limited")
    check_replay(ids[0], "q0", bodies[0])
    check_problem(keyed(server, "q0", bodies[2]), "idempotency_mismatch")
    r = keyed(server, "gone", gone, {"Prefer": "wait=20"})
    check_eq((r.status, r.header("preference-applied"), r.json()), (200, "wait=20", done), "with wait", r)
    stream = server.stream_run("tmp", headers={"Idempotency-Key": "gone"}, input="x")
    check_eq((server.run_id_of(stream.response), stream.all()[-1].type), (first, "run.finished"), "streamed")
    check_problem(keyed(server, "gone", gone, {"Authorization": "Bearer ops-key-000001"}), "unknown_agent")  # another tenant's


def test_concurrent_twins_make_one_run(env):
    server, up = env.with_upstream({"up": "ok,gate=g"})
    answers = env.in_threads(16, lambda i: keyed(server, "twin", {"agent": "up", "input": "x"}))
    check_eq({r.status for r in answers}, {202}, "statuses")
    check_eq(len({r.json()["id"] for r in answers}), 1, "runs")
    check_eq(sorted(r.header("idempotency-replayed") or "" for r in answers), [""] + ["true"] * 15, "replays")
    up.wait_held(1)
    up.stays_at(1, 0.1)
    up.release("g")
    server.check_finished(answers[0].json()["id"])


def test_a_waiting_twin_gets_the_end_of_the_first(env):
    server, up = env.with_upstream({"up": "ok,gate=g"})
    first = keyed(server, "k", {"agent": "up", "input": "x"})
    up.wait_held(1)
    with server.connect() as c:
        c.request("POST", "/v1/runs", {"Content-Type": "application/json", "Idempotency-Key": "k", "Prefer": "wait=30"},
                  json.dumps({"agent": "up", "input": "x"}))
        check(c.is_quiet(0.1), "it waits")
        up.release("g")
        r = c.response()
    check_eq((r.status, r.header("idempotency-replayed"), r.json()["id"]), (200, "true", first.json()["id"]), "twin", r)
    check_eq(up.requests(), 1, "requests")


def test_delete_frees_the_key(env):
    server = env.server()
    first = keyed(server, "k", {"agent": "echo", "input": 1})
    server.check_finished(first.json()["id"])
    r = server.ask("DELETE", f"/v1/runs/{first.json()['id']}")
    check_eq(r.status, 204, "DELETE", r)
    again = keyed(server, "k", {"agent": "echo", "input": 2})
    check_eq((again.status, again.header("idempotency-replayed")), (202, None), "a fresh run, another body", again)
    check(again.json()["id"] != first.json()["id"], "another run", again)


def test_keys_are_1_to_255_visible_ascii_characters(env):
    server = env.server()
    for key in ("x", "~!@#$%^&*()_+{}|:<>?,./;'[]=-`", "k" * 255):
        check_eq(keyed(server, key, {"agent": "echo"}).status, 202, f"status with {key!r}")
    for key in ("k" * 256, "a b", b"\xc3\xa9"):
        check_problem(keyed(server, key, {"agent": "echo"}), "invalid_header")
    check_eq(keyed(server, b"a\x7f", {"agent": "echo"}).status, 400, "a control byte")  # may be refused as no HTTP at all


def test_keys_live_through_a_restart(env):
    server = env.server()
    first = keyed(server, "k", {"agent": "echo", "input": 1})
    server.check_finished(first.json()["id"])
    server.stop()
    server.restart()
    again = keyed(server, "k", {"agent": "echo", "input": 1})
    check_eq((again.status, again.header("idempotency-replayed")), (202, "true"), "after a restart", again)
    check_eq(again.json()["id"], first.json()["id"], "the same run", again)
    check_problem(keyed(server, "k", {"agent": "echo", "input": 2}), "idempotency_mismatch")


def test_get_with_wait_answers_at_the_end_or_after_the_time(env):
    server, up = env.with_upstream({"up": "ok,gate=g"})
    run = server.start_run("up", input="x")
    r = server.get(f"/v1/runs/{run['id']}", {"Prefer": "wait=1"})
    check_eq(r.status, 200, "always 200", r)
    check(r.json()["state"] not in FINAL_STATES, "not yet", r)
    with server.connect() as c:
        c.request("GET", f"/v1/runs/{run['id']}", {"Prefer": "wait=30"})
        check(c.is_quiet(0.1), "it waits")
        up.release("g")
        r = c.response()
    check_eq((r.status, r.json()["state"]), (200, "succeeded"), "at the end", r)


def test_many_clients_wait_for_one_run(env):
    server, up = env.with_upstream({"up": "ok,gate=g"})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    conns = [server.connect().request("GET", f"/v1/runs/{run['id']}", {"Prefer": "wait=60"}) for _ in range(50)]
    check(conns[-1].is_quiet(0.1), "they wait")
    up.release("g")
    for c in conns:
        r = c.response()
        check_eq(r.json()["state"], "succeeded", "state", r)
        c.close()
    check_eq(up.requests(), 1, "requests")


def test_story_is_deterministic_words(env):
    server = env.server()
    a, b = (server.run("story", input="x", params=sim(tokens=7, seed=3)) for _ in range(2))
    check_eq(a["output"], b["output"], "the same seed")
    check_eq(len(a["output"].split()), 7, "words", a)
