"""Lanes whose rows are a contestant under the load generator (bench/load/)."""

import statistics
import subprocess

from lib.contestants import PRODUCT
from lib.lane import Column, Lane, same_rounds, spread
from lib.processes import Failed, last_line, wait_until_idle
from lib.telling import cell, say


def milliseconds(seconds):
    return str(max(1, round(seconds * 1000)))


def closed_loop(connections, seconds):
    """So many connections for so long, after a warm-up."""
    return ["--connections", str(connections), "--ms", milliseconds(seconds), "--warmup-ms", milliseconds(seconds / 5)]


def start_load(bench, port, words):
    command = [bench.load, "--port", str(port), *words]
    return bench.children.start(command, bench.log("load"), stdout=subprocess.PIPE, text=True)


def end_load(bench, load):
    """Waits for its end and reads what it prints: a function from a name to a number, 0 where it is not told."""
    try:
        text, _ = load.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        load.kill()
        load.communicate()
        raise Failed("the load generator did not end") from None
    finally:
        bench.children.forget(load)
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if load.returncode != 0:
        raise Failed(values.get("first_error") or f"load ended with {load.returncode}: {last_line(bench.log('load'))}")
    number = lambda name: float(values.get(name, 0))
    if number("errors") > 0.001 * number("requests") or number("requests") + number("tokens") == 0:
        raise Failed(f"{number('errors'):.0f} errors: {values.get('first_error', 'nothing was answered')}")
    return number


def run_load(bench, port, words):
    return end_load(bench, start_load(bench, port, words))


def of_processes(pids, option="--pid"):
    return [word for pid in pids for word in (option, str(pid))]


class Row:
    """One contestant with one request in a lane."""

    def __init__(self, name, contestant, request, stream=False):
        self.name, self.contestant, self.request, self.stream = name, contestant, request, stream


class LoadLane(Lane):
    """Beside the medians a row has its ratios to the `references` among the rows, as `x_NAME`, and with `added` the
    difference of that metric to the row "direct"; both are taken within a round."""

    what = "request"
    times = "latency"
    references = ("floor", "nginx", "haproxy")

    def __init__(self, name, title, rows, load, added=None, **options):
        super().__init__(name, title, [row.name for row in rows], **options)
        self.by_name = {row.name: row for row in rows}
        self.load, self.added = load, added
        self.references = [r for r in self.references if r in self.by_name]
        self.columns = self.make_columns()

    def make_columns(self):
        return [Column(f"{self.what}s/s", "rate"), Column("p50 µs", "p50"), Column("p99 µs", "p99"),
                Column(f"CPU µs/{self.what}", "cpu", 1), *(Ratio(r) for r in self.references),
                *([Added(self.added)] if self.added else [])]

    def measure(self, bench, row, n):
        row = self.by_name[row]
        contestant = bench.contestants[row.contestant]
        if contestant.failure:
            raise Failed(contestant.failure)
        pids = contestant.pids()
        if not pids:
            raise Failed(f"{contestant.name} died: {last_line(bench.log(contestant.name))}")
        words = [*row.request, *self.load, *self.more_words(contestant, row), *of_processes(pids)]
        try:
            return self.figures(run_load(bench, contestant.ports[row.stream], words))
        finally:
            wait_until_idle(contestant.pids() + bench.contestants["direct"].pids())

    def more_words(self, contestant, row):
        """What a kind of lane says to the load generator beside the request and the load."""
        return []

    def figures(self, number):
        count = number(f"{self.what}s")
        return {
            "rate": number(f"{self.what}s_per_s"),
            "p50": number(f"{self.times}_p50_us"),
            "p99": number(f"{self.times}_p99_us"),
            "cpu": number("cpu_us") / count,
            "count": count,
            "errors": number("errors"),
            "load_cpu": number("own_cpu_us") / 1e6 / max(number("seconds"), 1e-9),
        }

    def summarise(self):
        super().summarise()
        for row in self.result.values():
            for reference in self.references:
                pairs = same_rounds(row, self.result.get(reference))
                if pairs:
                    row[f"x_{reference}"] = {k: statistics.median(a[k] / b[k] for a, b in pairs if b[k])
                                             for k in ("rate", "p50", "p99", "cpu") if any(b[k] for _, b in pairs)}
            pairs = same_rounds(row, self.result.get("direct"))
            if self.added and pairs:
                row["added"] = spread([a[self.added] - b[self.added] for a, b in pairs])

    def tell_more(self):
        for name, row in self.result.items():
            errors = sum(r.get("errors", 0) for r in row["rounds"])
            if errors and not row["failed"]:
                say(f"  {name}: {errors:.0f} errors")


class Ratio(Column):
    def __init__(self, reference):
        super().__init__(f"CPU/{reference}", reference)

    def text(self, row):
        value = row.get(f"x_{self.metric}", {}).get("cpu")
        return f"{value:.2f}" if value is not None else ""


class Added(Column):
    def __init__(self, metric):
        super().__init__(f"added {metric} µs", metric)

    def text(self, row):
        return cell(row["added"]) if "added" in row else ""


def proxies(make_request, names, **options):
    return [Row(name, name, make_request(), **options) for name in names]


def product(name, request, **options):
    return Row(name, PRODUCT, request, **options)
