"""The lanes of a run, in the order in which they are measured and told."""

import sys

from lib.balance import BalancedLane
from lib.growth import FlightLane, StoredLane
from lib.held import HeldLane
from lib.idle import IdleLane
from lib.load import LoadLane, closed_loop, milliseconds, product, proxies
from lib.reads import ReadsLane
from lib.requests import (FAST, FLOOD, PACED, WATCHED, accept_request, chat_request, run_request,
                          stream_request)
from lib.start import RestartLane, StartLane
from lib.streams import ReadersLane, StreamLane
from lib.tls import TlsLane
from lib.trees import TreesLane
from lib.waiting import WaitingLane

HELD_STREAMS = 10000


def make_lanes(options, files):
    s = options.seconds
    return [
        IdleLane(["floor", "nginx", "haproxy", "sluice"]),
        requests_lane(s * 0.7), c10_lane(s * 0.5), c1_lane(s * 0.35),
        TlsLane(s * 0.6),
        fast_streams_lane(s * 0.7), paced_streams_lane(s * 0.6),
        HeldLane(min(HELD_STREAMS, (files - 500) // 2), ramp_s=6, windows=5),
        readers_lane(),
        TreesLane(),
        ReadsLane(s * 1.5),
        WaitingLane(),
        StartLane(), RestartLane(),
        StoredLane([0, 1000, 10000, 100000, 1000000], 1000, s * 0.15),
        FlightLane([1, 10, 100, 1000, 10000], 4000, s * 0.4, windows=5),
    ]


def requests_lane(seconds):
    return BalancedLane("requests", "requests: 64 connections, an instant upstream; runs wait for their end", [
        *proxies(chat_request, ["floor", "nginx", "haproxy"]),
        product("sluice commit", run_request("commit")),
        product("sluice lazy", run_request("lazy")),
        product("sluice accept", accept_request()),
    ], closed_loop(64, seconds))


def c10_lane(seconds):
    rows = [*proxies(chat_request, ["floor", "nginx"]), product("sluice lazy", run_request("lazy"))]
    return BalancedLane("c10", "c10: 10 connections", rows, closed_loop(10, seconds))


def c1_lane(seconds):
    return LoadLane("c1", "c1: one connection; what is added to the upstream's own time", [
        *proxies(chat_request, ["direct", "floor", "nginx"]),
        product("sluice commit", run_request("commit")),
        product("sluice lazy", run_request("lazy")),
    ], closed_loop(1, seconds), added="p50")


def stream_rows(names, pace):
    return [*proxies(lambda: chat_request(pace), names, stream=True), product("sluice", stream_request(pace), stream=True)]


def fast_streams_lane(seconds):
    return StreamLane("streams1", "streams1: 200 streams of 100 tokens, 1 ms apart: more than the machine can do",
                      stream_rows(["floor", "nginx", "haproxy"], FAST),
                      ["--connections", "200", "--ms", milliseconds(seconds), "--warmup-ms", "250", "--gap-ms", "1",
                       "--drain-ms", "0"])


def paced_streams_lane(seconds):
    return StreamLane("streams10", "streams10: 200 streams of 100 tokens, 10 ms apart: added time to the first token",
                      stream_rows(["direct", "nginx", "haproxy"], PACED),
                      ["--connections", "200", "--ms", milliseconds(seconds), "--ramp-ms", "1000", "--gap-ms", "10",
                       "--drain-ms", "0"], added="p99")


def readers_lane():
    title = f"readers: 1,000 readers of one run: {WATCHED.tokens} tokens 20 ms apart, and {FLOOD.tokens} tokens 1 ms apart"
    return ReadersLane("readers", title, {"paced": WATCHED, "flood": FLOOD},
                       ["--connections", "1000", "--once", "1", "--ms", "20000"])


def choose_lanes(options, files):
    lanes = make_lanes(options, files)
    names = [lane.name for lane in lanes]
    wanted = options.lanes.split(",") if options.lanes else names
    for name in wanted:
        if name not in names:
            sys.exit(f"bench/run: no lane {name}; there are: {', '.join(names)}")
    return [lane for lane in lanes if lane.name in wanted]
