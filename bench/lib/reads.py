"""Reads of runs and of lists while runs are written."""

import time

from lib.lane import Column, Lane
from lib.load import end_load, milliseconds, of_processes, start_load
from lib.processes import Failed
from lib.requests import accept_request, get_request
from lib.server import ECHO, Server

WRITES_PER_S = 10000
READS_PER_S = 200  # of each kind: what a person's tools ask for, not what takes the CPUs from the writers


class ReadsLane(Lane):
    """The writer is a closed loop with a bound; both readers go at the same time over a few connections each."""

    columns = (Column("runs written/s", "written"), Column("reads/s", "rate"), Column("p50 µs", "p50"),
               Column("p99 µs", "p99"), Column("max µs", "max"))

    def __init__(self, seconds):
        super().__init__("reads", f"reads: GETs while as many runs are accepted as can be, up to {WRITES_PER_S:,}/s",
                         ["a run", "list of 50"])
        self.seconds = seconds

    def measure_round(self, bench, n):
        try:
            with Server(bench, f"reads-{n}", ECHO) as server:
                loads = self.start(bench, server)
                written = loads.pop("writer")
                for row, load in loads.items():
                    self.take(row, n, lambda load=load: latencies(end_load(bench, load)))
                rate = end_load(bench, written)("requests_per_s")
        except Failed as e:
            self.fail(e)
            return
        for row in self.result.values():
            for r in row["rounds"]:
                r.setdefault("written", rate)

    def start(self, bench, server):
        run = server.run({"agent": "echo", "input": "hello there"})
        writer = [*accept_request(), "--rate", str(WRITES_PER_S), "--connections", "64",
                  "--ms", milliseconds(self.seconds + 0.5), *of_processes(server.pids)]
        reader = ["--rate", str(READS_PER_S), "--connections", "4", "--ms", milliseconds(self.seconds), "--warmup-ms", "100"]
        loads = {"writer": start_load(bench, server.port, writer)}
        time.sleep(0.3)
        requests = {"a run": get_request(f"/v1/runs/{run['id']}", 'succeeded"'),
                    "list of 50": get_request("/v1/runs?limit=50", '"next_cursor":"')}
        return loads | {row: start_load(bench, server.port, request + reader) for row, request in requests.items()}


def latencies(number):
    return {"rate": number("requests_per_s"), "p50": number("latency_p50_us"), "p99": number("latency_p99_us"),
            "max": number("latency_max_us")}
