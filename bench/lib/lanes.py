"""The lanes of a run, in the order in which they are measured and told."""

import sys

from lib.growth import FlightLane, StoredLane
from lib.idle import IdleLane
from lib.load import LoadLane, closed_loop, milliseconds, product, proxies
from lib.reads import ReadsLane
from lib.requests import (FAST, FLOOD, PACED, SLOW, WATCHED, accept_request, chat_request, run_request,
                          stream_request)
from lib.start import RestartLane, StartLane
from lib.streams import HeldStreams, ReadersLane, StreamLane
from lib.tls import TlsLane
from lib.trees import TreesLane
from lib.waiting import WaitingLane

SLOW_STREAMS, SLOW_RAMP_S = 10000, 4


def make_lanes(options, files):
    s = options.seconds
    return [
        IdleLane(["floor", "nginx", "haproxy", "sluice"]),
        requests_lane(s), c10_lane(s), c1_lane(s),
        TlsLane(s * 0.8),
        fast_streams_lane(s), paced_streams_lane(s),
        TreesLane(shape_rounds=1),
        ReadsLane(s * 1.5, rounds=2),
        WaitingLane(),
        StartLane(),
        StoredLane("growth", [0, 1000, 10000, 100000], s * 0.2),
        FlightLane([1, 10, 100, 1000, 10000], 4000, s),
        ReadersLane("readers", "readers: 1,000 readers of one run: 200 tokens 20 ms apart, and 1,000 tokens 1 ms apart",
                    {"paced": WATCHED, "flood": FLOOD}, ["--connections", "1000", "--once", "1", "--ms", "60000"],
                    extra=True, rounds=3),
        held_streams_lane(min(SLOW_STREAMS, (files - 500) // 2)),
        RestartLane(),
        StoredLane("big", [0, 1000, 10000, 100000, 1000000], s * 0.5, extra=True),
    ]


def requests_lane(seconds):
    return LoadLane("requests", "requests: 64 connections, an instant upstream; runs wait for their end", [
        *proxies(chat_request, ["floor", "nginx", "haproxy"]),
        product("sluice commit", run_request("commit")),
        product("sluice lazy", run_request("lazy")),
        product("sluice accept", accept_request()),
    ], closed_loop(64, seconds))


def c10_lane(seconds):
    rows = [*proxies(chat_request, ["floor", "nginx"]), product("sluice lazy", run_request("lazy"))]
    return LoadLane("c10", "c10: 10 connections", rows, closed_loop(10, seconds * 0.6))


def c1_lane(seconds):
    return LoadLane("c1", "c1: one connection; what is added to the upstream's own time", [
        *proxies(chat_request, ["direct", "floor", "nginx"]),
        product("sluice commit", run_request("commit")),
        product("sluice lazy", run_request("lazy")),
    ], closed_loop(1, seconds * 0.4), added="p50")


def stream_rows(names, pace):
    return [*proxies(lambda: chat_request(pace), names, stream=True), product("sluice", stream_request(pace), stream=True)]


def fast_streams_lane(seconds):
    return StreamLane("streams1", "streams1: 200 streams of 100 tokens, 1 ms apart: more than the machine can do",
                      stream_rows(["floor", "nginx", "haproxy"], FAST),
                      ["--connections", "200", "--ms", milliseconds(seconds), "--warmup-ms", "300", "--gap-ms", "1",
                       "--drain-ms", "2000"])


def paced_streams_lane(seconds):
    return StreamLane("streams10", "streams10: 200 streams of 100 tokens, 10 ms apart: added time to the first token",
                      stream_rows(["direct", "nginx", "haproxy"], PACED),
                      ["--connections", "200", "--ms", milliseconds(seconds * 0.8), "--ramp-ms", "1000", "--gap-ms", "10",
                       "--drain-ms", "0"], added="p99")


def held_streams_lane(streams):
    return HeldStreams("slow", f"slow: {streams:,} streams at once, {SLOW.tokens} tokens 1 s apart",
                       stream_rows(["floor", "nginx", "haproxy"], SLOW),
                       ["--connections", str(streams), "--once", "1", "--ms", "60000",
                        "--ramp-ms", milliseconds(SLOW_RAMP_S), "--gap-ms", str(SLOW.gap_ms)],
                       streams, SLOW_RAMP_S, SLOW.tokens * SLOW.gap_ms // 1000, extra=True, rounds=1)


def choose_lanes(options, files):
    lanes = make_lanes(options, files)
    names = [lane.name for lane in lanes]
    wanted = options.lanes.split(",") if options.lanes else [lane.name for lane in lanes if not lane.extra]
    for name in wanted:
        if name not in names:
            sys.exit(f"bench/run: no lane {name}; there are: {', '.join(names)}")
    return [lane for lane in lanes if lane.name in wanted]
