"""The rounds of a run: all lanes of one, then the next. Where the time runs out, rounds are missing and not lanes."""

import time

from lib.telling import progress, say


def measure_lanes(bench, lanes, deadline):
    for lane in lanes:
        progress(f"  before the first round: {lane.name}")
        with lane.clock:
            lane.begin(bench)
    measure_rounds(bench, lanes, deadline)
    progress("")
    for lane in lanes:
        with lane.clock:
            lane.end(bench)


def measure_rounds(bench, lanes, deadline):
    rounds = {lane: bench.options.rounds if lane.rounds is None else lane.rounds for lane in lanes}
    most = max(rounds.values(), default=0)
    for n in range(most):
        for lane in lanes:
            if n >= rounds[lane]:
                continue
            if time.monotonic() > deadline:
                say(f"  out of time in round {n + 1} of {most}, before {lane.name}")
                return
            progress(f"  round {n + 1} of {most}: {lane.name}")
            with lane.clock:
                lane.measure_round(bench, n)
