"""The rounds of a run: all lanes of one, then the next. Where the time runs out, rounds are missing and not lanes."""

import time

from lib.idle import IdleLane
from lib.telling import progress, say


def measure_lanes(bench, lanes, deadline):
    around = [lane for lane in lanes if isinstance(lane, IdleLane)]
    for lane in around:
        lane.begin(bench)
    measure_rounds(bench, [lane for lane in lanes if lane not in around], deadline)
    progress("")
    for lane in around:
        lane.end(bench)


def measure_rounds(bench, lanes, deadline):
    rounds = {lane: lane.rounds or bench.options.rounds for lane in lanes}
    most = max(rounds.values(), default=0)
    for n in range(most):
        for lane in lanes:
            if n >= rounds[lane]:
                continue
            if time.monotonic() > deadline:
                say(f"  out of time in round {n + 1} of {most}, before {lane.name}")
                return
            progress(f"  round {n + 1} of {most}: {lane.name}")
            lane.measure_round(bench, n)
