"""The event bus, GET /v1/events: everything of a tenant in the order of the commits, resumable from every id (API §8)."""

import hashlib
import threading

from lib.bodies import fails, hanging, sim
from lib.check import Failure, check, check_eq, check_problem, eventually
from lib.env import time_limit
from lib.slow import scaled

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
DELTAS = "output.delta"
KEYS = {"blue": "blue-key-00001", "green": "green-key-0002"}


def bus(server, query="", accept=NDJSON, headers=None, timeout=None, receive_buffer=None):
    c = server.connect(timeout, receive_buffer=receive_buffer)
    c.request("GET", f"/v1/events{query}", server._headers({"Accept": accept, **(headers or {})}, None))
    stream = c.open_stream()
    if stream.status != 200:
        raise Failure("the bus", stream.finish())
    return stream


def until_finished(stream, *runs):
    """All events so far, once each of these runs has ended."""
    left = {run["id"] for run in runs} - {e.json["run_id"] for e in stream.seen if e.type == "run.finished"}
    while left:
        left.discard(stream.until("run.finished").json["run_id"])
    return stream.seen


def read_through(server, *runs, query=""):
    with bus(server, query) as stream:
        return list(until_finished(stream, *runs))


def id_of(event):
    check_eq(list(event.json)[0], "id", "the first member", event.raw)
    return event.json["id"]


def check_same_as_runs(server, events, *runs, deltas=False):
    """What the bus told of each run is what the run's own events are, byte by byte but for the id."""
    for run in runs:
        own = server.follow(run["id"], NDJSON).all()
        told = [b"{" + e.raw.split(b",", 1)[1] for e in events if e.json["run_id"] == run["id"]]
        check_eq(told, [e.raw for e in own if deltas or e.type != DELTAS], f"the events of {run['id']}")


def server_of_tenants(env, config=None):
    keys = [{"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": ["admin"]} for name, key in KEYS.items()]
    return {"keys": keys, **(config or {})}


def as_(name):
    return {"Authorization": f"Bearer {KEYS[name]}"}


# --- order, and what is told


def test_all_events_of_several_runs_come_in_commit_order(env):
    server = env.server()
    with bus(server) as live:
        runs = [server.start_run("story", input="x", params=sim(tokens=5, gap_ms=3)) for _ in range(4)]
        told = list(until_finished(live, *runs))
    check(DELTAS not in [e.type for e in told], "deltas only where they are asked for")
    check_same_as_runs(server, told, *runs)
    ids = [id_of(e) for e in told]
    check_eq(len(set(ids)), len(ids), "every id is there once")
    again = read_through(server, *runs)
    check_eq([e.raw for e in again], [e.raw for e in told], "a later reader gets the same, in the same order")


def test_types_choose_and_deltas_have_to_be_named(env):
    server = env.server()
    run = server.run("story", input="x", params=sim(tokens=6))
    whole = read_through(server, run, query="?types=output.delta,run.queued,run.finished")
    check_eq([e.type for e in whole], ["run.queued"] + [DELTAS] * 6 + ["run.finished"], "what was named")
    own = [e for e in server.events(run["id"]) if e.type == DELTAS]
    check_eq([e.json["seq"] for e in whole if e.type == DELTAS], [e.seq for e in own], "the deltas")
    everything = read_through(server, run, query="?types=" + ",".join(sorted({e.type for e in server.events(run["id"])})))
    check_same_as_runs(server, everything, run, deltas=True)
    with bus(server, "?types=attempt.failed") as none:
        failed = server.run(input="x", params=fails("status", status=400))
        check_eq(none.until("attempt.failed").json["run_id"], failed["id"], "the only one")
        check_eq(len(none.seen), 1, "and nothing else")


def test_run_and_agent_choose(env):
    server = env.server()
    first, second, third = server.run(input="1"), server.run("story", input="2"), server.run(input="3")
    one = read_through(server, second, query=f"?run={second['id']}")
    check_same_as_runs(server, one, second)
    check_eq({e.json["run_id"] for e in one}, {second["id"]}, "one run's events only")
    echoes = read_through(server, first, third, query="?agent=echo")
    check_same_as_runs(server, echoes, first, third)
    check_eq({e.json["run_id"] for e in echoes}, {first["id"], third["id"]}, "one agent's runs only")
    with bus(server, "?agent=nobody&types=run.finished") as none:
        server.run(input="x")
        with bus(server, "?types=run.finished") as sentinel:
            sentinel.until("run.finished")
        check(none.conn.is_quiet(0.1), "an agent that has no runs")


def test_sse_frames_carry_the_cursor(env):
    server = env.server({"limits": {"heartbeat_ms": 300}})
    run = server.run(input="a b")
    with bus(server, accept=SSE) as stream, bus(server) as lines:
        told = until_finished(stream, run)
        check_eq(stream.response.media_type, SSE, "Content-Type")
        check_eq((stream.response.header("cache-control"), stream.response.header("x-accel-buffering")),
                 ("no-cache, no-transform", "no"), "head", stream.response)
        check_eq(stream.retry_ms, 2000, "retry")
        check_eq([e.sse_id for e in told], [id_of(e) for e in told], "id:")
        check_eq([e.raw for e in until_finished(lines, run)], [e.raw for e in told], "SSE and NDJSON say the same")
        for reader, beat in ((stream, b": hb\n\n"), (lines, b'{"type":"heartbeat"}\n')):
            check_eq(reader.next(with_heartbeats=True), "heartbeat", "silence is broken")
            check(bytes(reader.raw).endswith(beat), "the heartbeat", bytes(reader.raw)[-80:])
        next_run = server.run(input="c")
        until_finished(stream, next_run)
    check_eq(server.get("/v1/events", {"Accept": "application/json"}).status, 406, "there is no page of it")


def test_from_now_on(env):
    server = env.server()
    server.run(input="before")
    with bus(server, "?after=now") as stream:
        run = server.run(input="after")
        told = until_finished(stream, run)
        check_eq({e.json["run_id"] for e in told}, {run["id"]}, "nothing of what was before")
        check_same_as_runs(server, told, run)


# --- resuming


def test_resume_from_every_id(env):
    server = env.server()
    runs = [server.start_run("story", input="x", params=sim(tokens=3, gap_ms=2)) for _ in range(3)]
    for run in runs:
        server.wait_run(run["id"])
    query = "?types=run.queued,run.running,task.running,attempt.started,output.delta,task.succeeded,run.finished"
    whole = read_through(server, *runs, query=query)
    for i, e in enumerate(whole[:-1]):
        rest = [x.raw for x in whole[i + 1:]]
        for reader in (bus(server, f"{query}&after={id_of(e)}"), bus(server, query, headers={"Last-Event-ID": id_of(e)}),
                       bus(server, f"{query}&after={id_of(whole[0])}", SSE, {"Last-Event-ID": id_of(e)})):
            with reader:
                check_eq([reader.next().raw for _ in rest], rest, f"behind {id_of(e)}")
    with bus(server, f"{query}&after={id_of(whole[-1])}") as reader:
        run = server.run(input="y")
        check_eq({e.json["run_id"] for e in until_finished(reader, run)}, {run["id"]}, "behind the last")


def test_a_cursor_outlives_a_restart(env):
    server, up = env.with_upstream({"up": "ok,tokens=3,gate=g"})
    first = server.run(input="x")
    run = server.start_run("up", input="x")
    reader = bus(server, accept=SSE)
    reader.until("attempt.started")
    while reader.seen[-1].json["run_id"] != run["id"]:
        reader.until("attempt.started")
    up.wait_held(1)
    server.stop()
    told = reader.all()
    end = told.pop()
    check_eq((end.type, end.sse_id, end.data["reason"]), ("stream.end", None, "drain"), "the reader is told", end.raw)
    check_eq(end.data["after"], id_of(told[-1]), "where to go on", end.raw)
    up.release("g")
    server.restart()
    with bus(server, f"?after={end.data['after']}") as rest:
        together = told + list(until_finished(rest, run))
    check_eq([e.raw for e in together], [e.raw for e in read_through(server, first, run)], "nothing twice, nothing lost")
    check_same_as_runs(server, together, first, run)


@time_limit(120)
def test_a_cursor_outlives_kill_9(env):
    server = env.server()
    told, runs = [], []
    for _ in range(5):
        with bus(server, f"?after={id_of(told[-1])}" if told else "") as reader:
            new = [server.start_run("story", input="x", params=sim(tokens=20, gap_ms=2)) for _ in range(6)]
            runs += new
            for _ in range(15):
                told.append(reader.next())
            server.kill()
            server.restart()
    for run in runs:
        server.wait_run(run["id"])
    with bus(server, f"?after={id_of(told[-1])}") as reader:
        seen = {e.json["run_id"] for e in told if e.type == "run.finished"}
        told += until_finished(reader, *[r for r in runs if r["id"] not in seen])
    check_eq([e.raw for e in told], [e.raw for e in read_through(server, *runs)], "nothing twice, nothing lost")
    check_same_as_runs(server, told, *runs)


def test_removed_runs_vanish_and_a_cursor_goes_on(env):
    server = env.server()
    gone, kept = server.run(input="1"), server.run(input="2")
    whole = read_through(server, gone, kept)
    check_eq(server.ask("DELETE", f"/v1/runs/{gone['id']}").status, 204, "removed")
    behind_removed = id_of(whole[2])
    for after in ("", f"?after={behind_removed}"):
        told = read_through(server, kept, query=after)
        check_eq([e.raw for e in told], [e.raw for e in whole if e.json["run_id"] == kept["id"]], f"what is left {after}")
    last = id_of(whole[-1])
    check_eq(server.ask("DELETE", f"/v1/runs/{kept['id']}").status, 204, "removed")
    server.stop()
    server.restart()
    with bus(server, f"?after={last}") as reader:
        run = server.run(input="3")
        check_same_as_runs(server, until_finished(reader, run), run)


# --- many readers


@time_limit(120)
def test_several_readers_agree_byte_for_byte(env):
    server, up = env.with_upstream({"up": "ok,tokens=30,gap=2"})
    readers = [bus(server, query, accept) for query in ("", "?types=output.delta,run.finished") for accept in (SSE, NDJSON)
               for _ in range(4)]
    told, runs = [None] * len(readers), []

    def read(i):
        told[i] = [e.raw for e in until_finished(readers[i], *runs)]

    runs += [server.start_run("up", input=str(i)) for i in range(12)]
    threads = [threading.Thread(target=read, args=(i,)) for i in range(len(readers))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for half in (told[:8], told[8:]):
        check(half[0] and all(t == half[0] for t in half), "the readers agree", [len(t or []) for t in half])
    for reader in readers:
        reader.close()


@time_limit(120)
def test_a_slow_reader_slows_nobody_and_can_come_back(env):
    server, _ = env.with_upstream({"up": "ok,tokens=600,size=4000"}, {"limits": {"write_stall_ms": 2000}})
    query = "?types=output.delta,run.finished"
    slow = bus(server, query, receive_buffer=4096)
    quick = bus(server, query)
    runs = [server.start_run("up", input=str(i)) for i in range(3)]
    whole = [e.raw for e in until_finished(quick, *runs)]  # 7 MB went by
    check_eq(server.run(input="y")["state"], "succeeded", "others are served")
    got = []
    try:
        for _ in whole:
            e = slow.next()
            if e is None or e.type == "stream.end":
                break
            got.append(e)
    except Failure as e:
        check("ends inside a frame" in str(e), f"a cut stream, not {e}")
    check_eq([e.raw for e in got], whole[:len(got)], "a prefix of the events")
    if len(got) < len(whole):
        with bus(server, f"{query}&after={id_of(got[-1])}" if got else query) as back:
            rest = [back.next().raw for _ in whole[len(got):]]
        check_eq([e.raw for e in got] + rest, whole, "resumed without loss")


# --- tenants and circuits


def test_tenants_are_apart(env):
    server = env.server(server_of_tenants(env))
    streams, runs = {}, {}
    for name in KEYS:
        streams[name] = bus(server, headers=as_(name))
    for name in KEYS:
        r = server.post("/v1/runs", {"agent": "echo", "input": name}, {**as_(name), "Prefer": "wait=30"})
        runs[name] = r.json()
    for name in KEYS:
        told = until_finished(streams[name], runs[name])
        check_eq({e.json["run_id"] for e in told}, {runs[name]["id"]}, f"what {name} hears")
    with bus(server, f"?run={runs['green']['id']}", headers=as_("blue")) as foreign:
        r = server.post("/v1/runs", {"agent": "echo", "input": "z"}, {**as_("blue"), "Prefer": "wait=30"})
        until_finished(streams["blue"], r.json())
        check(foreign.conn.is_quiet(0.1), "another tenant's run")
    check_problem(server.get("/v1/events"), "unauthenticated")


def test_circuits_are_told_to_everybody_with_old_and_new_state(env):
    server, up = env.with_upstream({"up": "@main"}, server_of_tenants(env, {
        "providers": {"up": {"breaker": {"failures": 1, "reset_ms": 200, "max_reset_ms": 200}}}}))
    up.set("main", "status,code=500")
    query = "?types=circuit.open,circuit.half_open,circuit.closed"
    streams = [bus(server, query, accept, as_(name)) for name in KEYS for accept in (SSE, NDJSON)]
    create = {**as_("blue"), "Prefer": "wait=30"}
    check_eq(server.post("/v1/runs", {"agent": "up", "input": "x"}, create).json()["state"], "failed", "it opens")
    up.set("main", "ok")
    check_eq(server.post("/v1/runs", {"agent": "up", "input": "x"}, create).json()["state"], "succeeded", "the probe closes it")
    raws = []
    for stream in streams:
        told = [stream.next() for _ in range(3)]
        raws.append([e.raw for e in told])
        check_eq([(e.type, e.data) for e in told],
                 [(f"circuit.{new}", {"provider": "up", "old_state": old, "new_state": new})
                  for old, new in (("closed", "open"), ("open", "half_open"), ("half_open", "closed"))], "the changes")
        for e in told:
            check_eq([e.json[m] for m in ("seq", "run_id", "task", "attempt")], [None] * 4, "it is of no run", e.raw)
    check_eq(raws, raws[:1] * len(raws), "everybody hears the same")
    server.stop()
    server.restart()
    with bus(server, query, headers=as_("green")) as later:
        check_eq([later.next().raw for _ in range(3)], raws[0], "kept over a restart")
    with bus(server, "?types=circuit.open,run.finished&agent=up", headers=as_("blue")) as of_agent:
        check_eq([of_agent.next().type for _ in range(2)], ["run.finished"] * 2, "an agent's events hold no circuit's")


# --- limits and mistakes


def test_mistakes_are_told(env):
    server = env.server()
    for query in ("after=x", "after=", "after=1", "after=1-", "after=-1-1", "run=x", "run=", "types=", "types=run.nothing",
                  "limit=1", "follow=true", "types=run.queued&types=run.running"):
        check_problem(server.get(f"/v1/events?{query}", {"Accept": NDJSON}), "invalid_query")
    check_problem(server.get("/v1/events", {"Accept": NDJSON, "Last-Event-ID": "x"}), "invalid_header")
    check_problem(server.post("/v1/events", {}), "method_not_allowed")
    run = server.run(input="x")
    check_problem(server.get(f"/v1/runs/{run['id']}/events?types=circuit.open"), "invalid_query")


def test_it_counts_as_a_stream(env):
    server = env.server({"limits": {"streams": 2}})
    run = server.start_run("story", params=hanging())
    first, second = bus(server), server.follow(run["id"])
    r = server.get("/v1/events", {"Accept": NDJSON})
    check_problem(r, "overloaded")
    first.close()
    eventually(lambda: stream_opens(server), "a place is free again", scaled(5))
    second.close()
    server.cancel(run["id"])


def stream_opens(server):
    c = server.connect()
    c.request("GET", "/v1/events", {"Accept": NDJSON})
    stream = c.open_stream()
    stream.close()
    return stream.status == 200
