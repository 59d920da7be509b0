"""Lanes of streams: what a token costs, and when it comes."""

import http.client
import json

from lib.lane import Column
from lib.load import LoadLane, product
from lib.processes import Failed
from lib.requests import PROMPT, follow_request


class StreamLane(LoadLane):
    what = "token"
    times = "first_token"

    def make_columns(self):
        columns = super().make_columns()
        columns[1].head = "first token p50 µs"
        columns.insert(4 + len(self.references), Column("stalls", "stalls", plain=True))
        return columns

    def figures(self, number):
        return super().figures(number) | {"stalls": number("stalls_10x")}


class ReadersLane(StreamLane):
    """Many readers of one run, which begins its output when they are all there."""

    def __init__(self, name, title, paces, load, **options):
        self.paces = paces
        rows = [product(row, follow_request(pace), stream=True) for row, pace in paces.items()]
        super().__init__(name, title, rows, load, **options)

    references = ()

    def make_columns(self):
        """Without the times of the first token: it is waited for until all readers are there."""
        rate, _, _, cpu, stalls = super().make_columns()
        rate.head, cpu.head = "events/s", "CPU µs/event"
        return [rate, cpu, stalls]

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
