"""Task trees: how many tasks a second, what a task costs as the tree grows, and the memory of a tree."""

import json
import threading
import time

from lib.lane import Column, Lane, same_rounds, spread
from lib.processes import Failed
from lib.server import ECHO, Server
from lib.telling import grouped

TASKS = 10000  # of the large trees
SMALL_TASKS = 5000  # each figure of a small one covers so many
LIMIT = 100
SIZES = (100, 10000)
OVERHEAD = 10  # nodes that are left of the 10,000 that a tree may have, for the composite and what it needs


def call(text):
    return {"type": "call", "model": "sim/echo", "input": text}


def map_tree(n):
    task = {"type": "map", "over": "{{input}}", "limit": LIMIT, "task": call("{{item}}")}
    return {"task": task, "input": [f"element {i}" for i in range(n)]}


def parallel_tree(n):
    return {"task": {"type": "parallel", "limit": LIMIT, "tasks": [call(f"element {i}") for i in range(n)]}}


def sequence_tree(n):
    return {"task": {"type": "sequence", "steps": [call(f"element {i}") for i in range(n)]}}


KINDS = {"map": map_tree, "parallel": parallel_tree, "sequence": sequence_tree}


class Shape:
    """A kind of tree of a size, and its run as the text of a create, durable as is the default."""

    def __init__(self, kind, nodes):
        self.kind, self.nodes = kind, nodes
        self.tasks = nodes if kind == "map" else min(nodes, TASKS - OVERHEAD)
        self.name = f"{kind}, {grouped(nodes)}"
        self.body = json.dumps(KINDS[kind](self.tasks))


class TreesLane(Lane):
    """Each shape in a fresh Sluice in each round."""

    columns = (Column("tasks/s", "rate"), Column("CPU µs/task", "cpu", 1),
               Column("of 100 nodes'", "of_smallest", 2, plain=True), Column("peak added MiB", "peak", 1, plain=True))
    weighed = ("map, 10,000", "parallel, 10,000")

    def __init__(self):
        self.shapes = {s.name: s for s in (Shape(kind, n) for kind in KINDS for n in SIZES)}
        title = f"trees: calls of sim/echo, {LIMIT} at once, durable; small ones are repeated to {grouped(SMALL_TASKS)} tasks"
        super().__init__("trees", title, list(self.shapes))

    def measure(self, bench, row, n):
        shape = self.shapes[row]
        weighed = {"peak": weigh(bench, shape)} if n == 0 and row in self.weighed else {}
        return measure_shape(bench, shape) | weighed

    def summarise(self):
        super().summarise()
        for name, row in self.result.items():
            pairs = same_rounds(row, self.result[f"{self.shapes[name].kind}, {SIZES[0]}"])
            if pairs:
                row["median"]["of_smallest"] = spread([a["cpu"] / b["cpu"] for a, b in pairs])


def measure_shape(bench, shape):
    times = max(1, SMALL_TASKS // shape.nodes)
    with Server(bench, "trees", ECHO) as server:
        server.run(map_tree(SIZES[0]))
        server.settle()
        cpu, begin = server.cpu(), time.monotonic()
        for _ in range(times):
            run_whole(server, shape)
        seconds = time.monotonic() - begin
        server.settle()  # what was answered before it was done belongs to it
        return {"rate": times * shape.tasks / seconds, "cpu": (server.cpu() - cpu) * 1e6 / (times * shape.tasks)}


def run_whole(server, shape):
    calls = server.run(shape.body)["usage"]["calls"]
    if calls != shape.tasks:
        raise Failed(f"{calls} calls instead of {shape.tasks}")


def weigh(bench, shape):
    """MiB of anonymous memory that the first such run of a Sluice adds at its peak."""
    with Server(bench, "trees", ECHO) as server:
        server.run(map_tree(1))
        server.settle()
        before, peak, ended = server.anonymous_kib(), 0, threading.Event()

        def watch():
            nonlocal peak
            while not ended.wait(0.005):
                peak = max(peak, server.anonymous_kib())
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            run_whole(server, shape)
        finally:
            ended.set()
            watcher.join()
        return (max(peak, server.anonymous_kib()) - before) / 1024
