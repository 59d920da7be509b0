"""Random trees and kill -9 at random moments: the result is that of an undisturbed run, and what a reader has seen to
succeed was not called again, by the upstream's own count (issue 5).

Nothing in these trees is decided by who comes first, so that each has one result, however long anything takes."""

import json
import os
import random
import threading
import time

from lib.bodies import sim
from lib.check import Failure, check, check_eq
from lib.env import alone, rounds
from lib.http1 import ConnectionGone, TooSlow
from lib.slow import scaled
from s_crash import check_told, replay

TREES, KILLS = 4, 3  # at once; of each

# --- trees


class Grower:
    def __init__(self, rng, nodes=30):
        self.rng, self.left = rng, nodes

    def one_in(self, n):
        return self.rng.randrange(n) == 0

    def tree(self):
        """Its root is a group, so that there is always something to lose."""
        return self.group(5, False)

    def task(self, depth, is_retried):
        self.left -= 1
        if depth <= 1 or self.left <= 0 or self.one_in(3):
            return self.with_members(self.leaf(is_retried))
        return self.with_members(self.group(depth, is_retried))

    def with_members(self, task):
        if self.one_in(4):
            task["on_error"] = "continue"
        if self.one_in(8):
            task["finally"] = {**self.sim_call(), "timeout_ms": 60000}
        return task

    def leaf(self, is_retried):
        kind = self.rng.choice(["value", "sleep", "sim", "sim", "up", "up", "up"])
        if kind == "value":
            return {"type": "value", "value": {"at": "{{task.path}}", "n": self.rng.randrange(100)}}
        if kind == "sleep":
            return {"type": "sleep", "duration_ms": self.rng.randrange(120)}
        if kind == "sim" or is_retried:  # a call below a group that is tried again may be made again
            return self.sim_call()
        return {"type": "call", "agent": "up", "input": "{{task.path}}"}

    def sim_call(self):
        call = {"type": "call", "model": self.rng.choice(["sim/echo", "sim/story"]), "input": "I am {{task.path}}"}
        params = {"first_ms": self.rng.randrange(60), "gap_ms": self.rng.randrange(15), "seed": self.rng.randrange(1000)}
        if call["model"] == "sim/story":
            params["tokens"] = 1 + self.rng.randrange(4)
        if self.one_in(4):
            call["retry"] = {"attempts": 2, "base_ms": self.rng.randrange(40), "jitter": "none"}
            params["fail"] = [{"as": "status", "status": 500, **({"attempt": 1} if self.one_in(2) else {})}]
        elif self.one_in(5):
            params["fail"] = [{"as": self.rng.choice(["reset", "garbage"])}]
        return {**call, "params": sim(**params)}

    def tasks(self, depth, is_retried):
        return [self.task(depth - 1, is_retried) for _ in range(1 + self.rng.randrange(4))]

    def group(self, depth, is_retried):
        group = {}
        if self.one_in(6):
            group["retry"] = {"attempts": 2, "base_ms": self.rng.randrange(60), "jitter": "none"}
            is_retried = True
        kind = self.rng.choice(["sequence", "sequence", "parallel", "settle", "map", "dag", "shield", "circuit"])
        group["type"] = kind
        if kind == "sequence":
            steps = self.tasks(depth, is_retried)
            group["steps"] = steps + [{"type": "value", "value": ["{{prev | \"none\"}}"]}]
        elif kind in ("parallel", "settle"):
            group |= {"tasks": self.tasks(depth, is_retried), "limit": 1 + self.rng.randrange(3)}
        elif kind == "map":
            group |= {"over": list(range(self.rng.randrange(5))), "limit": 1 + self.rng.randrange(3),
                      "errors": self.rng.choice(["collect", "settle"]), "task": self.task(depth - 1, is_retried)}
        elif kind == "dag":
            group["steps"] = {f"s{i}": step for i, step in enumerate(self.tasks(depth, is_retried))}
            for i in range(1, len(group["steps"])):
                group["steps"][f"s{i}"] |= {"depends_on": [f"s{self.rng.randrange(i)}"],
                                            "when": self.rng.choice(["all_succeeded", "any_succeeded", "all_done"])}
        else:
            group["task"] = self.task(depth - 1, is_retried)
            group |= {"timeout_ms": 600000} if kind == "shield" else {"circuit": f"c{self.rng.randrange(10 ** 9)}", "fail_max": 1000}
        if kind == "parallel":
            group["errors"] = "collect"
        return group


# --- looking at runs


class Reader:
    """Follows a run until the server is gone."""

    def __init__(self, server, run_id):
        self.seen = []
        self.stream = server.follow(run_id, "application/x-ndjson", timeout=scaled(30))
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            self.seen += [e for e in self.stream if e.type != "stream.end"]
        except (OSError, ConnectionGone, TooSlow):
            pass
        except Failure as e:
            if "ends inside a frame" not in str(e):
                raise
        finally:
            self.seen = [e for e in self.stream.seen if e.type != "stream.end"]

    def told(self):
        self.thread.join(scaled(30))
        check(not self.thread.is_alive(), "a reader hangs although the server is gone")
        self.stream.close()
        return self.seen


def calls_of(up, run_id):
    """How often the upstream was called for each task of a run: its key is RUN.TASKPATH.GEN."""
    counts = {}
    for entry in up.log(run_id):
        path = entry["idempotency_key"].split(".")[1]
        counts[path] = counts.get(path, 0) + 1
    return counts


def without_attempts(value):
    """How often a call was tried is not part of the result: one that was lost counts."""
    if isinstance(value, dict):
        return {k: without_attempts(v) for k, v in value.items() if k != "attempts"}
    return [without_attempts(v) for v in value] if isinstance(value, list) else value


def result_of(run):
    return json.dumps(without_attempts([run["state"], run["output"], run["error"]]))


def create(server, tree):
    r = server.post("/v1/runs", {"task": tree, "restart": True})
    check_eq(r.status, 202, "status of a create", json.dumps(tree), r)
    return r.json()["id"]


class Round:
    """Some trees side by side, undisturbed and then disturbed."""

    def __init__(self, server, up, rng):
        self.server, self.up, self.rng = server, up, rng
        self.trees = [Grower(rng).tree() for _ in range(TREES)]
        self.lost = self.proved = 0

    def undisturbed(self):
        began = time.monotonic()
        runs = [self.server.wait_run(run_id) for run_id in [create(self.server, tree) for tree in self.trees]]
        self.took = time.monotonic() - began
        self.results = [result_of(run) for run in runs]
        self.calls = [calls_of(self.up, run["id"]) for run in runs]

    def disturbed(self):
        self.ids = [create(self.server, tree) for tree in self.trees]
        self.told = {run_id: [] for run_id in self.ids}
        self.counted = {run_id: {} for run_id in self.ids}  # path -> calls, once its success was seen
        for _ in range(KILLS):
            readers = {run_id: Reader(self.server, run_id) for run_id in self.ids}
            time.sleep(self.rng.uniform(0, self.took))
            self.server.kill()
            for run_id, reader in readers.items():
                self.note(run_id, reader.told())
            self.server.restart()

    def note(self, run_id, seen):
        self.told[run_id] += seen
        calls = calls_of(self.up, run_id)
        for e in seen:
            if e.type == "task.succeeded" and e.task in calls:
                self.counted[run_id].setdefault(e.task, calls[e.task])

    def check(self):
        for i, run_id in enumerate(self.ids):
            run = self.server.wait_run(run_id)
            check_eq(result_of(run), self.results[i], f"{run_id}: the result", json.dumps(self.trees[i]), run)
            events = replay(self.server, run_id)
            check_told({"told": self.told[run_id]}, events, run_id)
            self.check_calls(run_id, events, self.calls[i])

    def check_calls(self, run_id, events, undisturbed):
        calls = calls_of(self.up, run_id)
        crashes = [e.type for e in events].count("stream.gap")  # that a call had begun may be what one of them took
        self.lost += [e.type for e in events].count("attempt.lost")
        check_eq(sorted(calls), sorted(undisturbed), f"{run_id}: which tasks called", repr(events))
        for path, n in self.counted[run_id].items():
            check_eq(calls[path], n, f"{run_id}: {path} was seen to succeed, and was called again", repr(events))
            self.proved += n == 1
        for path, n in calls.items():
            check(n <= 1 + crashes, f"{run_id}: {path} was called {n} times in {crashes} crashes", repr(events))


@alone
@rounds(5, 15)
def test_crash_of_random_trees_changes_no_result_and_calls_nothing_again(env):
    seed = int(os.environ.get("SLUICE_SEED", time.time_ns() % 1000000))
    n = env.rounds(test_crash_of_random_trees_changes_no_result_and_calls_nothing_again)
    server, up = env.with_upstream({"up": "ok,tokens=3,gap=4"}, {
        "providers": {"sim": {"kind": "sim", "retry": {"budget": 100}, "breaker": {"failures": 100000}}}})
    lost = proved = 0
    for i in range(n):
        print(f"round {i} of {n}, seed {seed}: {lost} attempts lost, {proved} calls seen to succeed and made once", flush=True)
        this = Round(server, up, random.Random(seed + i))
        this.undisturbed()
        this.disturbed()
        this.check()
        lost, proved = lost + this.lost, proved + this.proved
        up.reset()
    print(f"{n} rounds of {TREES} trees and {KILLS} kills, seed {seed}: {lost} attempts lost, {proved} calls proved")
    check(lost > 0 and proved > n, f"a fault test in which nothing fired: {lost} lost, {proved} proved, seed {seed}")
