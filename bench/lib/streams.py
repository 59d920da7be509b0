"""Lanes of streams: what a token costs, and when it comes."""

import http.client
import json
import time

from lib.contestants import PRODUCT
from lib.lane import Column
from lib.load import LoadLane, product
from lib.processes import Failed, cpu_seconds, memory_kib
from lib.requests import PROMPT, follow_request


class StreamLane(LoadLane):
    what = "token"
    times = "first_token"

    def make_columns(self):
        columns = super().make_columns()
        columns[1].head = "first token p50 µs"
        columns.insert(4 + len(self.references), Column("stalls", "stalls", plain=True))
        return columns

    def more_words(self, contestant, row):
        if contestant.name != PRODUCT:
            return []
        return ["--drain-ms", "2000"]  # a run goes on when its client is cut off, and would disturb the next round

    def figures(self, number):
        return super().figures(number) | {"stalls": number("stalls_10x"), "stalls_100ms": number("stalls_100ms"),
                                          "held": number("peak_open")}


class HeldStreams(StreamLane):
    """Many slow streams at once. CPU and memory are those of the seconds in which all are there."""

    def __init__(self, name, title, rows, load, streams, ramp_s, length_s, **options):
        super().__init__(name, title, rows, load, **options)
        self.streams, self.ramp_s, self.length_s = streams, ramp_s, length_s

    def make_columns(self):
        return [Column("held", "held", plain=True), Column("CPU cores", "cores", 2), Column("PSS KiB/stream", "kib_each", 1),
                Column("stalls over 100 ms", "stalls_100ms"), *super().make_columns()[1:]]

    def measure(self, bench, row, n):
        pids = bench.contestants[self.by_name[row].contestant].pids()
        empty = memory_kib(pids)["pss_kib"]
        figures = super().measure(bench, row, n)
        return figures | {"kib_each": (figures["pss_kib"] - empty) / figures["held"],
                          "held_percent": 100 * figures["held"] / self.streams}

    def beside(self, contestant, load):
        time.sleep(self.ramp_s + 0.5)
        pids = contestant.pids()
        cpu, begin = cpu_seconds(pids), time.monotonic()
        time.sleep(self.length_s - self.ramp_s - 2)
        cores = (cpu_seconds(pids) - cpu) / (time.monotonic() - begin)
        return {"cores": cores} | memory_kib(pids)


class ReadersLane(StreamLane):
    """Many readers of one run, which begins its output when they are all there."""

    def __init__(self, name, title, paces, load, **options):
        self.paces = paces
        rows = [product(row, follow_request(pace), stream=True) for row, pace in paces.items()]
        super().__init__(name, title, rows, load, **options)

    references = ()

    def make_columns(self):
        columns = super().make_columns()
        columns[0].head, columns[3].head = "events/s", "CPU µs/event"
        return columns

    def more_words(self, contestant, row):
        return ["--path", f"/v1/runs/{start_run(contestant, self.paces[row.name])}/events"]


def start_run(contestant, pace):
    c = http.client.HTTPConnection("127.0.0.1", contestant.ports[0], timeout=5)
    c.request("POST", "/v1/runs", json.dumps({"agent": pace.agent, "input": PROMPT}), {"Content-Type": "application/json"})
    answer = c.getresponse()
    text = answer.read()
    if answer.status != 202:
        raise Failed(f"POST /v1/runs: {answer.status} {text[:200].decode(errors='replace')}")
    return json.loads(text)["id"]
