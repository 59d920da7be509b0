"""What we want, and whether it was reached."""

from lib.telling import grouped, print_table, say


def median(metric):
    return lambda row: row["median"][metric]["median"]


def most(metric):
    return lambda row: row["median"][metric]["max"]


def times(reference, metric="cpu"):
    return lambda row: row[f"x_{reference}"][metric]


def added(row):
    return row["added"]["median"]


# (words, lane, row, how to get the figure, limit, is more better?)
REACH = [
    ("lazy, waited: CPU / floor", "requests", "sluice lazy", times("floor"), 1.6, False),
    ("lazy, waited: requests/s", "requests", "sluice lazy", median("rate"), 32000, True),
    ("commit, waited: CPU / floor", "requests", "sluice commit", times("floor"), 2.2, False),
    ("commit, waited: requests/s", "requests", "sluice commit", median("rate"), 24000, True),
    ("accept only: requests/s", "requests", "sluice accept", median("rate"), 40000, True),
    ("lazy, c=1: added p50 µs", "c1", "sluice lazy", added, 40, False),
    ("commit, c=1: added p50 µs", "c1", "sluice commit", added, 220, False),
    ("lazy, c=10: p99 µs", "c10", "sluice lazy", median("p99"), 1500, False),
    ("lazy, c=10: requests/s", "c10", "sluice lazy", median("rate"), 28000, True),
    ("TLS, HTTP/1.1: CPU / plain", "tls", "TLS, HTTP/1.1", times("plain"), 1.25, False),
    ("TLS, HTTP/2: CPU / plain", "tls", "TLS, HTTP/2", times("plain"), 1.25, False),
    ("streams, 1 ms: CPU per token / haproxy", "streams1", "sluice", times("haproxy"), 1.5, False),
    ("streams, 10 ms: CPU per token / haproxy", "streams10", "sluice", times("haproxy"), 1.5, False),
    ("streams, 10 ms: added first token p99 µs", "streams10", "sluice", added, 1000, False),
    ("streams, 10 ms: stalls", "streams10", "sluice", most("stalls"), 0, False),
    ("slow streams: held, of 100", "slow", "sluice", median("held_percent"), 100, True),
    ("slow streams: CPU cores", "slow", "sluice", median("cores"), 0.25, False),
    ("slow streams: PSS KiB each", "slow", "sluice", median("kib_each"), 40, False),
    ("slow streams: stalls over 100 ms", "slow", "sluice", most("stalls_100ms"), 0, False),
    ("1,000 readers: events/s", "readers", "flood", median("rate"), 200000, True),
    ("reads while written: a run, p99 µs", "reads", "a run", median("p99"), 5000, False),
    ("reads while written: a list, p99 µs", "reads", "list of 50", median("p99"), 5000, False),
    ("reads while written: runs written/s", "reads", "a run", median("written"), 10000, True),
    ("1,000 waiting: CPU ms/s", "waiting", "sluice", median("cpu_ms"), 1, False),
    ("map of 10,000: tasks/s", "trees", "map, 10,000", median("rate"), 20000, True),
    ("map of 10,000: peak added MiB", "trees", "map, 10,000", median("peak"), 20, False),
    ("parallel of 9,990: peak added MiB", "trees", "parallel, 10,000", median("peak"), 20, False),
    *((f"{kind}: CPU of a task, 10,000 / 100", "trees", f"{kind}, 10,000", median("of_smallest"), 1.25, False)
      for kind in ("map", "parallel", "sequence")),
    ("start, empty store: ready ms", "start", "empty store", median("ready_ms"), 50, False),
    ("start, 100,000 unfinished: ready ms", "restart", "100,000 unfinished runs", median("ready_ms"), 1000, False),
    *((f"{words} with 1,000,000 runs stored / with none", "growth", "1,000,000", median(f"x_{metric}"), 1.5, False)
      for metric, words in (("cpu", "CPU of a run"), ("list", "listing"), ("replay", "replay"), ("accept", "accept"))),
    ("flight: CPU of a run, 10,000 at once / 1", "flight", "10,000", median("x_cpu"), 1.25, False),
    ("idle: PSS MiB", "idle", "sluice", median("pss"), 10, False),
    ("idle: wake-ups/s", "idle", "sluice", median("wakeups"), 4, False),
]


def judge(results):
    reach = []
    for words, lane, row, get, limit, more in REACH:
        if lane not in results:
            continue
        try:
            value = get(results[lane][row])
            met = value >= limit if more else value <= limit
        except KeyError:
            value, met = None, None
        reach.append({"what": words, "wanted": limit, "more_is_better": more, "measured": value, "reached": met})
    return reach


def print_reach(reach):
    lines = [["", "wanted", "measured", ""]]
    for r in reach:
        sign = ">=" if r["more_is_better"] else "<="
        digits = 0 if r["wanted"] >= 20 or r["wanted"] == 0 else 2
        measured = "-" if r["measured"] is None else grouped(r["measured"], digits)
        verdict = {True: "reached", False: "missed", None: "not measured"}[r["reached"]]
        lines.append([r["what"], f"{sign} {r['wanted']:,}", measured, verdict])
    say("\nreach")
    print_table(lines)
