"""What we want, and whether it was reached."""

from lib.contestants import PRODUCT
from lib.telling import grouped, print_table


def median_of(metric):
    return lambda row: row["median"][metric]["median"]


def times(reference, metric="cpu"):
    return lambda row: row[f"x_{reference}"][metric]


# (words, lane, row, how to get the figure, limit, is more better?)
REACH = [
    ("commit, waited: CPU / floor", "requests", "sluice commit", times("floor"), 3.0, False),
    ("commit, waited: requests/s", "requests", "sluice commit", median_of("rate"), 15000, True),
    ("lazy, waited: CPU / floor", "requests", "sluice lazy", times("floor"), 2.2, False),
    ("lazy, waited: requests/s", "requests", "sluice lazy", median_of("rate"), 22000, True),
    ("accept only: requests/s", "requests", "sluice accept", median_of("rate"), 30000, True),
    ("commit, c=1: added p50 µs", "c1", "sluice commit", lambda row: row["added"]["median"], 250, False),
    ("lazy, c=1: added p50 µs", "c1", "sluice lazy", lambda row: row["added"]["median"], 60, False),
    ("streams: CPU per token / haproxy", "streams1", "sluice", times("haproxy"), 2.0, False),
    ("streams, 10 ms: added first token p99 µs", "streams10", "sluice", lambda row: row["added"]["median"], 2000, False),
    ("idle: PSS MiB", "idle", PRODUCT, lambda row: row["before"]["pss_kib"] / 1024, 10, False),
    ("idle: anonymous MiB", "idle", PRODUCT, lambda row: row["before"]["anon_kib"] / 1024, 6, False),
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
    print("\nreach")
    lines = [["", "wanted", "measured", ""]]
    for r in reach:
        sign = ">=" if r["more_is_better"] else "<="
        digits = 0 if r["wanted"] >= 50 else 1
        measured = "-" if r["measured"] is None else grouped(r["measured"], max(digits, 2 if digits else 0))
        verdict = {True: "reached", False: "missed", None: "not measured"}[r["reached"]]
        lines.append([r["what"], f"{sign} {grouped(r['wanted'], digits)}", measured, verdict])
    print_table(lines)
