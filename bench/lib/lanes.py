"""The lanes: which contestants get which requests, and how much of them."""

import http.client
import json
import sys

from lib.contestants import PRODUCT
from lib.processes import Failed
from lib.requests import (FAST, PACED, PROMPT, SLOW, WATCHED, accept_request, chat_request, run_request,
                          stream_request)


class Row:
    """One contestant with one request in a lane."""

    def __init__(self, name, contestant, request, stream=False):
        self.name, self.contestant, self.request, self.stream = name, contestant, request, stream


def proxies(names, pace=None):
    return [Row(n, n, chat_request(pace), pace is not None) for n in names]


class Lane:
    def __init__(self, name, title, rows, load, streams=False, extra=False, rounds=None, before=None, added=None):
        self.name, self.title, self.rows, self.load = name, title, rows, load
        self.streams = streams  # tokens instead of requests
        self.extra = extra  # only when asked for by name
        self.rounds = rounds
        self.before = before  # called for each measurement: more words for the command line of load
        self.added = added  # the metric of which the difference to "direct" is told


def milliseconds(seconds):
    return str(max(1, round(seconds * 1000)))


def make_lanes(options, files):
    s = options.seconds
    closed = lambda c, seconds: ["--connections", str(c), "--ms", milliseconds(seconds), "--warmup-ms", milliseconds(seconds / 5)]
    slow_streams = min(10000, (files - 500) // 2)
    return [
        Lane("requests", "requests: 64 connections, an instant upstream; runs wait for their end", [
            *proxies(["floor", "nginx", "haproxy"]),
            Row("sluice commit", PRODUCT, run_request("commit")),
            Row("sluice lazy", PRODUCT, run_request("lazy")),
            Row("sluice accept", PRODUCT, accept_request()),
        ], closed(64, s)),
        Lane("c10", "c10: 10 connections", [
            *proxies(["floor", "nginx"]), Row("sluice lazy", PRODUCT, run_request("lazy")),
        ], closed(10, s * 0.6)),
        Lane("c1", "c1: one connection; what is added to the upstream's own time", [
            *proxies(["direct", "floor", "nginx"]),
            Row("sluice commit", PRODUCT, run_request("commit")),
            Row("sluice lazy", PRODUCT, run_request("lazy")),
        ], closed(1, s * 0.4), added="p50"),
        Lane("streams1", "streams1: 200 streams of 100 tokens, 1 ms apart: more than the machine can do", [
            *proxies(["floor", "nginx", "haproxy"], FAST), Row("sluice", PRODUCT, stream_request(FAST), True),
        ], ["--connections", "200", "--ms", milliseconds(s), "--warmup-ms", "300", "--gap-ms", "1", "--drain-ms", "2000"],
            streams=True),
        Lane("streams10", "streams10: 200 streams of 100 tokens, 10 ms apart: added time to the first token", [
            *proxies(["direct", "nginx", "haproxy"], PACED), Row("sluice", PRODUCT, stream_request(PACED), True),
        ], ["--connections", "200", "--ms", milliseconds(s * 0.8), "--ramp-ms", "1000", "--gap-ms", "10", "--drain-ms", "0"],
            streams=True, added="p99"),
        Lane("readers", "readers: 1,000 readers of one run, 200 tokens 20 ms apart", [
            Row("sluice", PRODUCT, ["--method", "GET", "--header", "Accept: text/event-stream", "--ok", "event: run.finished",
                                    "--count", "event: output.delta", "--expect", str(WATCHED.tokens)], True),
        ], ["--connections", "1000", "--once", "1", "--ms", "30000", "--gap-ms", "20"],
            streams=True, extra=True, rounds=3, before=start_watched_run),
        Lane("slow", f"slow: {slow_streams} streams at once, 10 tokens 1 s apart", [
            *proxies(["floor", "nginx", "haproxy"], SLOW), Row("sluice", PRODUCT, stream_request(SLOW), True),
        ], ["--connections", str(slow_streams), "--once", "1", "--ms", "60000", "--ramp-ms", "4000", "--gap-ms", "1000"],
            streams=True, extra=True, rounds=1),
    ]


def start_watched_run(contestant):
    """Creates the run that the readers follow."""
    c = http.client.HTTPConnection("127.0.0.1", contestant.ports[0], timeout=5)
    body = {"agent": f"stream-{WATCHED.tokens}-{WATCHED.gap_ms}", "input": PROMPT}
    c.request("POST", "/v1/runs", json.dumps(body), {"Content-Type": "application/json"})
    answer = c.getresponse()
    text = answer.read()
    if answer.status != 202:
        raise Failed(f"POST /v1/runs: {answer.status} {text[:200].decode(errors='replace')}")
    return ["--path", f"/v1/runs/{json.loads(text)['id']}/events"]


def choose_lanes(options, files):
    lanes = make_lanes(options, files)
    names = [lane.name for lane in lanes] + ["idle"]
    wanted = options.lanes.split(",") if options.lanes else [lane.name for lane in lanes if not lane.extra] + ["idle"]
    for name in wanted:
        if name not in names:
            sys.exit(f"bench/run: no lane {name}; there are: {', '.join(names)}")
    return [lane for lane in lanes if lane.name in wanted], "idle" in wanted
