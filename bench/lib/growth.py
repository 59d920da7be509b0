"""What a run costs, and how long reads take, as the store grows; and as more runs are in flight. Both as curves."""

import statistics
import time

from lib import plot
from lib.lane import Column, Lane
from lib.load import closed_loop, end_load, milliseconds, of_processes, run_load, start_load
from lib.processes import Failed, memory_kib
from lib.requests import accept_request, create_request, get_request
from lib.server import ECHO, Server, mock_provider
from lib.telling import grouped, say

TEXT = "one two three"  # three tokens: a run of ten events
EVENTS_EACH = 10
REPEATS = 3
LATENCIES = {"accept": "accept p50 µs", "list": "list p50 µs", "replay": "replay p50 µs"}


class Curves(Lane):
    """Rows are the points of an x axis, measured in one Sluice from the least to the most; after the table the curves are
    written as SVG, each in what it is at the first point."""

    x_label = ""
    curves = {}

    def __init__(self, name, title, points, **options):
        self.points = dict(zip(map(grouped, points), points))
        super().__init__(name, title, list(self.points), rounds=1, **options)

    def measure_round(self, bench, n):
        self.to = f"{bench.options.out}/{self.name}"
        try:
            self.measure_points(bench)
        except Failed as e:
            self.fail(e)

    def measure_points(self, bench):
        raise NotImplementedError

    def summarise(self):
        super().summarise()
        told = [row for row in self.result.values() if "median" in row]
        for row in told:
            for metric in self.curves:
                ratio = row["median"][metric]["median"] / max(told[0]["median"][metric]["median"], 1e-9)
                row["median"][f"x_{metric}"] = {"median": ratio, "min": ratio, "max": ratio}

    def tell_more(self):
        told = [(max(1, self.points[name]), row["median"]) for name, row in self.result.items() if "median" in row]
        if not told:
            return
        curves = {words: [(x, median[f"x_{metric}"]["median"]) for x, median in told]
                  for metric, words in self.curves.items()}
        plot.write(f"{self.to}.svg", self.title, self.x_label, "times the first point", curves)
        say(f"  the curves: {self.name}.svg")


class StoredLane(Curves):
    """Cost and latencies with so many runs in the store at the beginning of a point."""

    x_label = "stored runs"
    curves = {"cpu": "CPU of a run", **{k: v.removesuffix(" p50 µs") for k, v in LATENCIES.items()}}
    columns = (Column("CPU µs/run", "cpu", 1), Column("× first", "x_cpu", 2, plain=True),
               *(c for metric, head in LATENCIES.items()
                 for c in (Column(head, metric), Column("× first", f"x_{metric}", 2, plain=True))),
               Column("PSS MiB", "pss", 1, plain=True), Column("store MiB", "store", 0, plain=True))

    def __init__(self, name, points, seconds, **options):
        title = f"{name}: waited runs (commit, sim) and reads as the store grows; a run is {EVENTS_EACH} events"
        super().__init__(name, title, points, **options)
        self.seconds = seconds

    def measure_points(self, bench):
        with Server(bench, self.name, ECHO) as server:
            run_load(bench, server.port, waited(200))
            filled = 0
            for row, points in self.points.items():
                fill(bench, server, points - filled)
                filled = points
                for again in range(REPEATS):
                    self.take(row, again, lambda points=points: self.measure_point(bench, server, points))

    def measure_point(self, bench, server, stored):
        runs = max(500, min(3000, stored // 10))
        server.settle()
        cost = run_load(bench, server.port, waited(runs) + of_processes(server.pids))
        server.settle()
        run = server.run({"agent": "echo", "input": TEXT})["id"]
        requests = {"accept": accept_request("echo", TEXT), "list": get_request("/v1/runs?limit=50", '"next_cursor":'),
                    "replay": get_request(f"/v1/runs/{run}/events", "run.finished")}
        figures = {"cpu": cost("cpu_us") / cost("requests"), "pss": memory_kib(server.pids)["pss_kib"] / 1024,
                   "store": server.store_bytes() / 2**20}
        for metric, request in requests.items():
            figures[metric] = run_load(bench, server.port, request + closed_loop(1, self.seconds))("latency_p50_us")
            server.settle()
        return figures


def waited(runs):
    body = {"agent": "echo", "input": TEXT}
    return [*create_request(body, "--header", "Prefer: wait=30", "--ok", 'succeeded"'),
            "--total", str(runs), "--connections", "64", "--ms", "60000"]


def fill(bench, server, runs):
    """Stores so many more. What the points before have added is more than that, by a few thousand."""
    for begin in range(0, runs, 50000):  # so that the queue of what is accepted only stays within its bound
        run_load(bench, server.port, [*accept_request("echo", TEXT), "--total", str(min(50000, runs - begin)),
                                      "--connections", "64", "--ms", "80000"])
        server.settle(30)


class FlightLane(Curves):
    """Runs are accepted at a fixed rate; how long the mock takes for one decides how many are in flight."""

    x_label = "runs in flight"
    curves = {"cpu": "CPU of a run"}
    columns = (Column("in flight", "held", plain=True), Column("runs/s", "rate", plain=True), Column("CPU µs/run", "cpu", 1),
               Column("× first", "x_cpu", 2, plain=True), Column("PSS MiB", "pss", 1, plain=True))

    def __init__(self, points, rate, seconds):
        title = f"flight: {rate:,} runs/s accepted; how long the upstream takes makes so many at once"
        super().__init__("flight", title, points)
        self.rate, self.seconds = rate, seconds

    def measure_points(self, bench):
        delays = {row: round(1000 * points / self.rate) for row, points in self.points.items()}
        limits = {"limits": {"concurrency": 40000, "queue": 100000}, "pool": {"max_idle": 10000}}
        config = {
            "providers": {f"d{ms}": mock_provider(bench, f"/d{ms}", **limits) for ms in delays.values()},
            "agents": {f"d{ms}": {"model": f"d{ms}/m", "params": {"stream": False}} for ms in delays.values()},
        }
        with Server(bench, self.name, config) as server:
            for row, ms in delays.items():
                server.settle(3 + ms / 1000)
                self.take(row, 0, lambda ms=ms: self.measure_point(bench, server, ms))

    def measure_point(self, bench, server, delay_ms):
        """More than the delay goes by before the window, so that as many end as begin."""
        before_s = 0.3 + 1.2 * delay_ms / 1000
        words = [*accept_request(f"d{delay_ms}", TEXT), "--rate", str(self.rate), "--connections", "64",
                 "--ms", milliseconds(self.seconds), "--warmup-ms", milliseconds(before_s), *of_processes(server.pids)]
        load = start_load(bench, server.port, words)
        time.sleep(before_s)
        held = count_in_flight(server, f"d{delay_ms}", self.seconds * 0.8)
        pss = memory_kib(server.pids)["pss_kib"] / 1024
        number = end_load(bench, load)
        return {"held": held, "rate": number("requests_per_s"), "cpu": number("cpu_us") / number("requests"), "pss": pss}


def count_in_flight(server, provider, seconds, samples=8):
    """The mean of some looks at it."""
    seen = []
    for _ in range(samples):
        seen.append(server.ask("GET", f"/v1/providers/{provider}")["slots"]["borrowed"])
        time.sleep(seconds / samples)
    return statistics.mean(seen)
