"""kill -9 at any moment: every acknowledged run ends exactly once, and nothing that was told is lost (DESIGN §1.1, §7).

The load keeps its own journal outside the server: what was acknowledged, and which events were told, byte by byte. Page
cache outlives the process, so this tests atomicity and recovery; s_durability looks at fdatasync."""

import json
import os
import random
import threading
import time

from lib import http1
from lib.bodies import hanging, sim
from lib.check import (FINAL_STATES, Failure, check, check_eq, check_events, check_in, check_run, eventually, text_of, types)
from lib.env import alone, rounds, time_limit
from lib.http1 import ConnectionGone, Event
from lib.slow import scaled

# What may be told before it is stored (DESIGN §1.2), so what a stream.gap may cover.
EARLY = {"output.delta", "task.running", "attempt.started", "attempt.succeeded", "attempt.failed", "attempt.cancelled",
         "attempt.restarted", "task.retrying", "task.blocked"}

AGENTS = {
    "echo": {"input": "a few words to say"},
    "story": {"input": "x", "params": sim(tokens=12, gap_ms=4)},
    "retrying": {"input": "x", "params": sim(tokens=4, fail=[{"attempt": 1, "as": "status", "status": 503}])},
    "up": {"input": "x"},
    "slow": {"input": "x"},
}


def crash_server(env):
    return env.with_upstream(
        {"up": "ok,tokens=8,gap=3", "slow": "ok,tokens=2,delay=150"},
        {"agents": {"retrying": {"model": "sim/story", "retry": {"attempts": 3, "base_ms": 20, "max_ms": 40}}},
         # every first attempt of `retrying` fails: with the usual budget and breaker it would not always be retried
         "providers": {"slow": {"limits": {"concurrency": 20}},
                       "sim": {"kind": "sim", "retry": {"budget": 100}, "breaker": {"failures": 1000}}}})


class Load:
    """Clients that create runs in all forms until the server is gone. What they learnt is in `acked` and `tried`."""

    def __init__(self, server, name, seed):
        self.server, self.name = server, name
        self.lock = threading.Lock()
        self.acked = {}  # run id -> {"body", "key", "told": [raw events], "form"}
        self.tried = {}  # idempotency key -> body, of those that got no answer
        self.stop = threading.Event()
        self.surprises = []
        self.threads = [threading.Thread(target=self.client, args=(i, random.Random(f"{seed}/{i}")), daemon=True)
                        for i in range(4)]

    def start(self):
        for t in self.threads:
            t.start()

    def join(self):
        self.stop.set()
        for t in self.threads:
            t.join(scaled(30))
            check(not t.is_alive(), "a load client hangs although the server is gone")
        if self.surprises:
            raise self.surprises[0]

    def client(self, number, rng):
        n = 0
        while not self.stop.is_set() and n < 40:
            n += 1
            agent = rng.choice(list(AGENTS))
            body = {"agent": agent, **AGENTS[agent], "metadata": {"round": self.name, "mark": f"{number}.{n}"}}
            if rng.random() < 0.2:
                body["on_crash"] = "fail"
            key = f"{self.name}.{number}.{n}" if rng.random() < 0.4 else None
            if not key and rng.random() < 0.15:
                body["durability"] = "lazy"
            form = rng.choice(["plain", "plain", "wait", "text/event-stream", "application/x-ndjson"])
            try:
                self.create(json.dumps(body), body, key, form)
            except (OSError, ConnectionGone, http1.TooSlow):
                if key:
                    with self.lock:
                        self.tried.setdefault(key, json.dumps(body))
            except BaseException as e:  # shown by join
                self.surprises.append(e)
                return

    def note(self, run_id, body, key, form):
        entry = {"body": body, "key": key, "told": [], "form": form}
        with self.lock:
            if run_id in self.acked:
                raise Failure(f"{run_id} was given to two creates", entry, self.acked[run_id])
            self.acked[run_id] = entry
        return entry

    def create(self, text, body, key, form):
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        if form == "wait":
            headers["Prefer"] = "wait=20"
        elif form != "plain":
            headers["Accept"] = form
        with self.server.connect(scaled(20)) as c:
            c.request("POST", "/v1/runs", headers, text)
            if form in ("plain", "wait"):
                r = c.response()
                if r.status in (429, 503):
                    return
                check_in(r.status, (200, 202), "status", r)
                self.note(self.server.run_id_of(r), body, key, form)
                return
            stream = c.open_stream()
            check_eq(stream.status, 200, "status", stream.response)
            entry = self.note(self.server.run_id_of(stream.response), body, key, form)
            try:
                for e in stream:
                    if e.type != "stream.end":
                        entry["told"].append(e)
            except Failure as e:
                if "ends inside a frame" not in str(e):
                    raise


def replay(server, run_id):
    """The stored events with their exact bytes, by seq."""
    events = server.follow(run_id, "application/x-ndjson").all()
    check_events(events, run_id)
    return events


def check_told(entry, events, run_id):
    """What was told before the crash is in the replay, byte by byte, or covered by a stream.gap."""
    by_seq = {e.seq: e for e in events}
    gaps = [(e.data["from"], e.data["to"]) for e in events if e.type == "stream.gap"]
    lost = 0
    for told in entry["told"]:
        if told.seq in by_seq:
            check_eq(by_seq[told.seq].raw, told.raw, f"{run_id}: event {told.seq} as it was told")
            continue
        check(any(a <= told.seq <= b for a, b in gaps), f"{run_id}: event {told.seq} is gone and no gap tells", told.raw,
              repr(events))
        check(told.type in EARLY, f"{run_id}: a {told.type} that was told is gone", told.raw, repr(events))
        lost += 1
    return lost


def check_attempts(events, run_id):
    started = [e.attempt for e in events if e.type == "attempt.started"]
    ended = [e.attempt for e in events if e.type in ("attempt.succeeded", "attempt.failed", "attempt.cancelled",
                                                     "attempt.lost")]
    check_eq(len(set(started)), len(started), f"{run_id}: an attempt number was given twice", repr(events))
    check(set(started) <= set(ended) and len(set(ended)) == len(ended), f"{run_id}: every attempt ends once", repr(events))


def check_end(server, up, run_id, entry):
    """One acknowledged run after the restart. Returns (deltas lost, was it in flight)."""
    r = server.get(f"/v1/runs/{run_id}")
    if r.status == 404 and entry["body"].get("durability") == "lazy":
        return 0, False
    check_eq(r.status, 200, f"{run_id} was acknowledged ({entry['form']}, {entry['body']})", r)
    run = check_run(server.wait_run(run_id))
    check_eq(run["metadata"], entry["body"]["metadata"], "metadata", run)
    events = replay(server, run_id)
    lost = check_told(entry, events, run_id)
    check_attempts(events, run_id)
    lost_at = [e.seq for e in events if e.type == "attempt.lost"][:1]
    was_hit = bool(lost_at)
    published = any(e.type == "stream.gap" or (e.type == "output.delta" and was_hit and e.seq < lost_at[0]) for e in events)
    if run["state"] == "failed":
        # after published output and without `restart` the contract can be read either way
        check_eq(run["error"]["code"], "crashed", f"{run_id}: error", run)
        check(was_hit, f"{run_id}: crashed, so an attempt was lost", repr(events))
        check(entry["body"].get("on_crash") == "fail" or published, f"{run_id}: on_crash retry", run, repr(events))
    else:
        check_eq(run["state"], "succeeded", f"{run_id}: state", run, repr(events))
        check(not (was_hit and entry["body"].get("on_crash") == "fail"), f"{run_id}: on_crash fail", run, repr(events))
    check_eq(events[-1].data["run"]["state"], run["state"], f"{run_id}: the state that was told", run)
    check_eq(run["last_seq"], events[-1].seq, f"{run_id}: last_seq", run)
    if entry["body"]["agent"] in ("up", "slow"):
        keys = {e["idempotency_key"] for e in up.log(run_id)}
        check(len(keys) <= 1, f"{run_id}: one upstream key over a crash: {keys}")
    return lost, was_hit


def check_list(server, load):
    """Every run of the round is there once: none doubled, and those nobody was told of end too."""
    found, cursor = [], None
    while True:
        page = server.json(f"/v1/runs?metadata.round={load.name}&limit=200" + (f"&cursor={cursor}" if cursor else ""))
        found += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    marks = [r["metadata"]["mark"] for r in found]
    doubled = {m for m in marks if marks.count(m) > 1}
    check(not doubled, f"created twice: {doubled}", [r for r in found if r["metadata"]["mark"] in doubled])
    for run in found:
        if run["id"] not in load.acked:
            server.wait_run(run["id"])
            replay(server, run["id"])
    return len(found)


def check_keys(server, load):
    """The same key gives the same run after the crash; one that got no answer gives one run now."""
    for run_id, entry in load.acked.items():
        if entry["key"]:
            r = server.post("/v1/runs", json.dumps(entry["body"]), {"Idempotency-Key": entry["key"]})
            check_eq((r.status, r.header("idempotency-replayed")), (202, "true"), "a key after the crash", r)
            check_eq(r.json()["id"], run_id, "its run", r)
    for key, text in load.tried.items():
        first = server.post("/v1/runs", text, {"Idempotency-Key": key})
        again = server.post("/v1/runs", text, {"Idempotency-Key": key})
        check_eq((first.status, again.status), (202, 202), "a key without an answer", first, again)
        check_eq(first.json()["id"], again.json()["id"], "one run")
        server.wait_run(first.json()["id"])


@alone
@rounds(20, 15)
def test_crash_under_load_loses_and_doubles_nothing(env):
    seed = int(os.environ.get("SLUICE_SEED", time.time_ns() % 1000000))
    n = env.rounds(test_crash_under_load_loses_and_doubles_nothing)
    rng = random.Random(seed)
    server, up = crash_server(env)
    acked = lost = hit = 0
    for i in range(n):
        print(f"round {i} of {n}, seed {seed}: {acked} acknowledged, {hit} in flight when killed, {lost} deltas lost",
              flush=True)
        load = Load(server, f"r{seed}-{i}", f"{seed}/{i}")
        load.start()
        time.sleep(scaled(rng.uniform(0.005, 0.5)))
        server.kill()
        load.join()
        server.restart()
        for run_id, entry in load.acked.items():
            l, h = check_end(server, up, run_id, entry)
            lost, hit, acked = lost + l, hit + h, acked + 1
        check_keys(server, load)
        check_list(server, load)
        up.reset()
    check(acked >= n and hit > 0, f"a fault test in which nothing fired: {acked} acknowledged, {hit} in flight, seed {seed}")


@alone
@rounds(5, 15)
def test_crash_again_while_recovering(env):
    seed = int(os.environ.get("SLUICE_SEED", time.time_ns() % 1000000))
    rng = random.Random(seed)
    server, up = crash_server(env)
    for i in range(env.rounds(test_crash_again_while_recovering)):
        print(f"round {i}, seed {seed}", flush=True)
        load = Load(server, f"q{seed}-{i}", f"{seed}/{i}")
        load.start()
        time.sleep(scaled(0.3))
        server.kill()
        load.join()
        for _ in range(4):
            server.start(ready=False)
            time.sleep(scaled(rng.uniform(0.0, 0.15)))
            server.kill()
        server.restart()
        for run_id, entry in load.acked.items():
            check_end(server, up, run_id, entry)
        check_list(server, load)


def test_crash_with_on_crash_fail_ends_as_crashed(env):
    server, up = env.with_upstream({"up": "ok,tokens=4,gate=g,after=2"})
    stream = server.stream_run("up", input="x", on_crash="fail")
    run_id = server.run_id_of(stream.response)
    while text_of(stream.seen) != "w0 w1 ":
        stream.until("output.delta")
    server.kill()
    server.restart()
    run = check_run(server.wait_run(run_id))
    check_eq((run["state"], run["error"]["code"]), ("failed", "crashed"), "state", run)
    events = replay(server, run_id)
    check_told({"told": stream.seen}, events, run_id)
    check_eq(types(events, "output.delta", "stream.gap")[-3:], ["attempt.lost", "task.failed", "run.finished"], "the end",
             repr(events))
    check_eq(up.requests(), 1, "it is not tried again")


def test_crash_before_output_is_tried_again_under_the_same_key(env):
    server, up = env.with_upstream({"up": "ok,tokens=3,gate=g"})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    server.wait_stored(run["id"], "attempt.started")
    server.kill()
    server.restart()
    entries = [up.wait_entry(run["id"], n=n) for n in (1, 2)]
    check_eq(entries[0]["idempotency_key"], entries[1]["idempotency_key"], "the upstream key is stable", entries)
    up.release("g")
    done = server.check_finished(run["id"])
    check_eq((done["output"], done["usage"]["attempts"]), ("w0 w1 w2", 2), "run", done)
    events = replay(server, run["id"])
    check_attempts(events, run["id"])
    check("attempt.lost" in types(events), "the first attempt was lost", repr(events))


def test_crash_with_restart_tries_again_after_output(env):
    server, up = env.with_upstream({"up": "ok,tokens=4,gate=g,after=2"})
    stream = server.stream_run("up", input="x", restart=True)
    run_id = server.run_id_of(stream.response)
    while text_of(stream.seen) != "w0 w1 ":
        stream.until("output.delta")
    server.wait_stored(run_id, "output.delta", n=len([e for e in stream.seen if e.type == "output.delta"]))
    server.kill()
    up.release("g")
    server.restart()
    run = server.check_finished(run_id)
    check_eq(run["output"], "w0 w1 w2 w3", "the second attempt's output", run)
    events = replay(server, run_id)
    check_told({"told": stream.seen}, events, run_id)
    names = types(events)
    at = names.index("attempt.lost")
    check_eq(names[at - 2:at], ["output.delta", "stream.gap"], "the text is there, and what may be lost is told", repr(events))
    check_eq(names[at + 1], "attempt.restarted", "what was told is taken back", repr(events))


def test_crash_of_blocked_waiting_and_retrying_runs(env):
    server, up = env.with_upstream({"up": "ok,gate=g", "down": "status,code=503"}, {"providers": {
        "up": {"limits": {"concurrency": 1}},
        "down": {"retry": {"attempts": 3, "base_ms": 600000, "factor": 1.0, "max_ms": 600000, "jitter": "none"}}}})
    first = server.start_run("up", input="1")
    up.wait_entry(first["id"])
    blocked = server.start_run("up", input="2")
    retrying = server.start_run("down", input="3")
    server.wait_state(blocked["id"], "waiting")
    server.wait_state(retrying["id"], "waiting")
    server.kill()
    server.restart()
    check_in(server.get_run(retrying["id"])["state"], {"queued", "running", "waiting"}, "the retrying run goes on waiting")
    # one of the two has the slot: they may come back on two loops, so which of them is not told
    eventually(lambda: len(up.log(first["id"])) + len(up.log(blocked["id"])) == 2, "the slot is used again")
    up.release("g")
    for run in (first, blocked):
        server.check_finished(run["id"])
        check_attempts(replay(server, run["id"]), run["id"])
    check_eq(len(up.log(retrying["id"])), 1, "its retry is not due")
    server.cancel(retrying["id"])
    server.check_finished(retrying["id"], "cancelled")


def test_crash_time_counts_for_the_timeout(env):
    server, up = env.with_upstream({"up": "hang"})
    run = server.start_run("up", input="x", timeout_ms=int(scaled(1500)))
    up.wait_entry(run["id"])
    created = time.monotonic()
    server.kill()
    time.sleep(max(0, created + scaled(1.6) - time.monotonic()))  # the downtime itself is what is tested
    server.restart()
    server.check_finished(run["id"], "timed_out", "run_timeout")


def test_crash_after_an_acknowledged_cancel_keeps_it(env):
    server = env.server()
    for _ in range(5):
        run = server.start_run("story", params=hanging())
        r = server.cancel(run["id"])
        server.kill()
        check_in(r.json()["state"], {"cancelling", "cancelled"}, "what the cancel told", r)
        server.restart()
        server.check_finished(run["id"], "cancelled", "cancelled")


def test_crash_of_finished_runs_changes_nothing(env):
    server = env.server()
    runs = [server.run("story", input="x", params=sim(tokens=20)) for _ in range(5)]
    before = [[e.raw for e in server.follow(r["id"], "application/x-ndjson").all()] for r in runs]
    server.kill()
    server.restart()
    for run, events in zip(runs, before):
        check_eq(server.get_run(run["id"]), run, "the run")
        check_eq([e.raw for e in server.follow(run["id"], "application/x-ndjson").all()], events, "its events")


@time_limit(90)
def test_crash_loses_at_most_what_a_gap_tells(env):
    """Deltas fly at the moment of the kill: those that were told are there, or a stream.gap names them."""
    server, up = env.with_upstream({"up": "ok,tokens=3000,gap=1"})
    fired = 0
    for i in range(4):
        streams = [server.stream_run("up", accept, input="x", restart=True)
                   for accept in ("application/x-ndjson", "text/event-stream") for _ in range(3)]
        for s in streams:
            for _ in range(20 + 15 * i):
                s.until("output.delta")
        server.kill()
        for s in streams:
            try:
                while s.next() is not None:
                    pass
            except (Failure, ConnectionGone):
                pass
        server.restart()
        for s in streams:
            run_id = server.run_id_of(s.response)
            server.cancel(run_id)
            run = server.wait_run(run_id)
            check_in(run["state"], FINAL_STATES, "state", run)
            fired += check_told({"told": [e for e in s.seen if e.type != "stream.end"]}, replay(server, run_id), run_id)
    print(f"{fired} told deltas were lost and named by gaps")


def test_crash_never_reuses_a_seq(env):
    server, up = env.with_upstream({"up": "ok,tokens=2000,gap=2"})
    stream = server.stream_run("up", "application/x-ndjson", input="x", restart=True)
    run_id = server.run_id_of(stream.response)
    told = {}
    for _ in range(3):
        for _ in range(30):
            e = stream.until("output.delta")
        for e in stream.seen:
            check_eq(told.setdefault(e.seq, e.raw), e.raw, f"seq {e.seq} was given twice")
        last = max(told)
        server.kill()
        server.restart()
        stream = server.follow(run_id, "application/x-ndjson", f"?after={last}")
        first = Event(stream.next().raw, 0)
        check(first.seq > last, f"goes on after {last}: {first}")
    server.cancel(run_id)
    events = replay(server, run_id)
    check_told({"told": [Event(raw, 0) for raw in told.values()]}, events, run_id)
