"""Measures lanes in alternating rounds and takes medians, and ratios within a round."""

import statistics
import subprocess
import sys
import time

from lib.contestants import PRODUCT
from lib.processes import Failed, last_line, memory_kib, wait_until_idle


def measure(bench, lane, row, contestant, mock_pids):
    """One round of one row: runs the load generator and reads what it prints."""
    if contestant.failure:
        raise Failed(contestant.failure)
    pids = contestant.pids()
    if not pids:
        raise Failed(f"{contestant.name} died: {last_line(bench.log(contestant.name))}")
    command = [bench.load, "--port", str(contestant.ports[row.stream]), *row.request, *lane.load]
    if lane.before:
        command += lane.before(contestant)
    if contestant.name == PRODUCT and lane.streams:
        command += ["--drain-ms", "2000"]  # a run goes on when its client is cut off, and would disturb the next round
    for pid in pids:
        command += ["--pid", str(pid)]
    load = bench.children.start(command, bench.log("load"), stdout=subprocess.PIPE, text=True)
    peak = {}
    if lane.name == "slow":
        time.sleep(8)
        peak = memory_kib(pids)
    try:
        text, _ = load.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        load.kill()
        load.communicate()
        raise Failed("the load generator did not end") from None
    finally:
        wait_until_idle(contestant.pids() + mock_pids)
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if load.returncode != 0:
        raise Failed(values.get("first_error") or f"load ended with {load.returncode}: {last_line(bench.log('load'))}")
    return figures(lane, values) | peak


def figures(lane, values):
    number = lambda name: float(values.get(name, 0))
    count = number("tokens" if lane.streams else "requests")
    errors = number("errors")
    if count == 0 or errors > 0.001 * number("requests"):
        raise Failed(f"{errors:.0f} errors: {values.get('first_error', 'nothing was answered')}")
    times = "first_token" if lane.streams else "latency"
    return {
        "rate": number("tokens_per_s" if lane.streams else "requests_per_s"),
        "p50": number(f"{times}_p50_us"),
        "p99": number(f"{times}_p99_us"),
        "cpu": number("cpu_us") / count,
        "count": count,
        "errors": errors,
        "stalls": number("stalls_10x"),
        "load_cpu": number("own_cpu_us") / 1e6 / max(number("seconds"), 1e-9),
    }


def measure_round(bench, lane, n, contestants, result):
    """Every row once; every other round in the opposite order, so that no row always follows the same one."""
    mock_pids = contestants["direct"].pids()
    for row in lane.rows if n % 2 == 0 else lane.rows[::-1]:
        into = result[row.name]
        if into["failed"]:
            continue
        try:
            into["rounds"].append(measure(bench, lane, row, contestants[row.contestant], mock_pids) | {"round": n})
        except Failed as e:
            into["failed"] = str(e)


def measure_lanes(bench, lanes, contestants, rounds, deadline):
    """All lanes of one round, then the next round: where the time runs out, rounds are missing and not lanes."""
    results = {lane.name: {row.name: {"rounds": [], "failed": None} for row in lane.rows} for lane in lanes}
    for n in range(rounds):
        for lane in lanes:
            if n >= (lane.rounds or rounds):
                continue
            if time.monotonic() > deadline:
                print(f"  out of time in round {n + 1} of {rounds}", flush=True)
                return results
            progress(f"  round {n + 1} of {rounds}: {lane.name}")
            measure_round(bench, lane, n, contestants, results[lane.name])
    return results


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def summarise(lane, result):
    """Medians, and what only makes sense within a round: ratios and differences."""
    for row in result.values():
        if not row["rounds"]:
            continue
        row["median"] = {k: spread([r[k] for r in row["rounds"]]) for k in row["rounds"][0] if k != "round"}
        for reference in ("floor", "nginx", "haproxy"):
            pairs = same_rounds(row, result.get(reference))
            if pairs:
                row[f"x_{reference}"] = {k: statistics.median(a[k] / b[k] for a, b in pairs if b[k])
                                         for k in ("rate", "p50", "p99", "cpu") if any(b[k] for _, b in pairs)}
        pairs = same_rounds(row, result.get("direct"))
        if lane.added and pairs:
            row["added"] = spread([a[lane.added] - b[lane.added] for a, b in pairs])


def same_rounds(row, reference):
    if not reference:
        return []
    by_round = {r["round"]: r for r in reference["rounds"]}
    return [(r, by_round[r["round"]]) for r in row["rounds"] if r["round"] in by_round]


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measure_memory(contestants, result, when):
    for c in contestants.values():
        row = result.setdefault(c.name, {"failed": c.failure})
        if not row["failed"] and c.pids():
            row[when] = memory_kib(c.pids())
