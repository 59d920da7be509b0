"""What a run costs, and how long reads take, as the store grows; and as more runs are in flight. Both as curves."""

import statistics
import time

from lib import plot
from lib.copies import stock
from lib.lane import Column, Lane, same_rounds, spread
from lib.load import closed_loop, end_load, milliseconds, of_processes, run_load, start_load
from lib.processes import Failed, memory_kib
from lib.requests import accept_request, create_request, get_request
from lib.server import ECHO, Server, mock_provider
from lib.telling import grouped, say

TEXT = "one two three"  # three tokens: a run of ten events
EVENTS_EACH = 10
LATENCIES = {"accept": "accept p50 µs", "list": "list p50 µs", "replay": "replay p50 µs"}


class Curves(Lane):
    """Rows are the points of an x axis. After the table the curves are written as SVG, each in what it is at the first
    point; the ratios are taken within a round."""

    x_label = ""
    curves = {}

    def __init__(self, name, title, points, **options):
        self.points = dict(zip(map(grouped, points), points))
        super().__init__(name, title, list(self.points), **options)

    def begin(self, bench):
        self.to = f"{bench.options.out}/{self.name}"

    def summarise(self):
        super().summarise()
        first = self.result[self.rows[0]]
        for row in self.result.values():
            pairs = same_rounds(row, first)
            if pairs:
                row["median"] |= {f"x_{k}": spread([a[k] / max(b[k], 1e-9) for a, b in pairs]) for k in self.curves}

    def tell_more(self):
        told = [(max(1, self.points[name]), row["median"]) for name, row in self.result.items() if "median" in row]
        curves = {words: [(x, median[f"x_{metric}"]["median"]) for x, median in told if f"x_{metric}" in median]
                  for metric, words in self.curves.items()}
        if not all(curves.values()):
            return
        plot.write(f"{self.to}.svg", self.title, self.x_label, "times the first point", curves)
        say(f"  the curves: {self.name}.svg")


class StoredLane(Curves):
    """Cost and latencies with so many runs in the store. A round takes each point once. Points up to FRESH have a new store
    in each round, so that what a round adds does not change them; the others keep theirs, which is made before all rounds.
    """

    x_label = "stored runs"
    curves = {"cpu": "CPU of a run", **{k: v.removesuffix(" p50 µs") for k, v in LATENCIES.items()}}
    columns = (Column("CPU µs/run", "cpu", 1), Column("× first", "x_cpu", 2, plain=True),
               *(c for metric, head in LATENCIES.items()
                 for c in (Column(head, metric), Column("× first", f"x_{metric}", 2, plain=True))),
               Column("PSS MiB", "pss", 1, plain=True), Column("store MiB", "store", 0, plain=True))
    FRESH = 10000

    def __init__(self, points, runs, seconds):
        title = f"growth: waited runs (commit, sim) and reads with so many runs stored; a run is {EVENTS_EACH} events"
        super().__init__("growth", title, points)
        self.runs, self.seconds, self.kept = runs, seconds, {}

    def begin(self, bench):
        super().begin(bench)
        for row, stored in self.points.items():
            if stored > self.FRESH:
                try:
                    server = self.kept[row] = Server(bench, f"growth-{stored}", ECHO)
                    server.start()
                    stock(server, stored, waited())
                except Failed as e:
                    self.result[row]["failed"] = str(e)

    def end(self, bench):
        for server in self.kept.values():
            server.remove()

    def measure(self, bench, row, n):
        if row in self.kept:
            return self.measure_point(bench, self.kept[row])
        with Server(bench, "growth", ECHO) as server:
            stock(server, self.points[row], waited())
            return self.measure_point(bench, server)

    def measure_point(self, bench, server):
        run_load(bench, server.port, [*waited(), *so_many(self.runs // 5)])
        server.settle()
        cost = run_load(bench, server.port, [*waited(), *so_many(self.runs), *of_processes(server.pids)])
        server.settle()
        run = server.run({"agent": "echo", "input": TEXT})["id"]
        requests = {"list": get_request("/v1/runs?limit=50", '"next_cursor":'),
                    "replay": get_request(f"/v1/runs/{run}/events", "run.finished"), "accept": accept_request("echo", TEXT)}
        figures = {"cpu": cost("cpu_us") / cost("requests"), "pss": memory_kib(server.pids)["pss_kib"] / 1024,
                   "store": server.store_bytes() / 2**20}
        for metric, request in requests.items():
            figures[metric] = run_load(bench, server.port, request + closed_loop(1, self.seconds))("latency_p50_us")
        server.settle()
        return figures


def waited():
    return create_request({"agent": "echo", "input": TEXT}, "--header", "Prefer: wait=30", "--ok", 'succeeded"')


def so_many(runs):
    return ["--total", str(runs), "--connections", "64", "--ms", "60000"]


class FlightLane(Curves):
    """Runs are accepted at a fixed rate; how long the mock takes for one decides how many are in flight. A point is held
    once, for several windows: 10,000 in flight take seconds to come and go."""

    x_label = "runs in flight"
    curves = {"cpu": "CPU of a run"}
    columns = (Column("in flight", "held", plain=True), Column("runs/s", "rate", plain=True), Column("CPU µs/run", "cpu", 1),
               Column("× first", "x_cpu", 2, plain=True), Column("PSS MiB", "pss", 1, plain=True))
    LOOKS = 4  # in a window, at how many are in flight

    def __init__(self, points, rate, seconds, windows):
        title = f"flight: {rate:,} runs/s accepted; how long the upstream takes makes so many at once"
        super().__init__("flight", title, points, rounds=1)
        self.rate, self.seconds, self.windows = rate, seconds, windows

    def measure_round(self, bench, n):
        delays = {row: round(1000 * points / self.rate) for row, points in self.points.items()}
        limits = {"limits": {"concurrency": 40000, "queue": 100000}, "pool": {"max_idle": 10000}}
        config = {
            "providers": {f"d{ms}": mock_provider(bench, f"/d{ms}", **limits) for ms in delays.values()},
            "agents": {f"d{ms}": {"model": f"d{ms}/m", "params": {"stream": False}} for ms in delays.values()},
        }
        try:
            with Server(bench, self.name, config) as server:
                for row, ms in delays.items():
                    server.settle(3 + ms / 1000)
                    self.take_all(row, lambda ms=ms: self.measure_point(bench, server, ms))
        except Failed as e:
            self.fail(e)

    def measure_point(self, bench, server, delay_ms):
        """More than the delay goes by before the windows, so that as many end as begin."""
        before_s = 0.2 + 1.2 * delay_ms / 1000
        measured_s = self.windows * self.seconds
        words = [*accept_request(f"d{delay_ms}", TEXT), "--rate", str(self.rate), "--connections", "64",
                 "--ms", milliseconds(measured_s + 0.1), "--warmup-ms", milliseconds(before_s)]
        load = start_load(bench, server.port, words)
        time.sleep(before_s)
        windows = [self.measure_window(server, f"d{delay_ms}") for _ in range(self.windows)]
        rate = end_load(bench, load)("requests_per_s")
        return [w | {"rate": rate, "cpu": w["cores"] * 1e6 / rate} for w in windows]

    def measure_window(self, server, provider):
        cpu, begin, held = server.cpu(), time.monotonic(), []
        for look in range(self.LOOKS):
            held.append(server.ask("GET", f"/v1/providers/{provider}")["slots"]["borrowed"])
            time.sleep(max(0, begin + self.seconds * (look + 1) / self.LOOKS - time.monotonic()))
        cores = (server.cpu() - cpu) / (time.monotonic() - begin)
        return {"held": statistics.mean(held), "cores": cores, "pss": memory_kib(server.pids)["pss_kib"] / 1024}
