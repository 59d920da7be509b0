"""A lane: rows that are measured alike in alternating rounds, their medians, and the table of them."""

import statistics
import time

from lib.processes import Failed
from lib.telling import cell, print_table, say


class Column:
    """A metric of a row as it stands in the table: median (least-most), or where `plain` the median alone."""

    def __init__(self, head, metric, digits=0, plain=False):
        self.head, self.metric, self.digits, self.plain = head, metric, digits, plain

    def text(self, row):
        values = row["median"].get(self.metric)
        if values is None:
            return ""
        return f"{values['median']:,.{self.digits}f}" if self.plain else cell(values, self.digits)


class Lane:
    """`rows` are names. A kind of lane says how one row is measured, or where rows belong together the whole round.

    `result` holds for each row its rounds, why it failed, and after summarise() its medians: what the table, the reach
    and result.json are made of.
    """

    columns = ()

    def __init__(self, name, title, rows, rounds=None):
        self.name, self.title, self.rows = name, title, rows
        self.rounds = rounds  # None: as many as the whole run has
        self.clock = Clock()
        self.result = {row: {"rounds": [], "failed": None} for row in rows}

    def begin(self, bench):
        """Before the first round of any lane."""

    def end(self, bench):
        """After the last round of all lanes."""

    def measure(self, bench, row, n):
        """One round of one row: its metrics by name. Raises Failed."""
        raise NotImplementedError

    def measure_round(self, bench, n):
        for row in self.in_order(n):
            self.take(row, n, lambda row=row: self.measure(bench, row, n))

    def in_order(self, n):
        """Every other round in the opposite order, so that no row always follows the same one."""
        return self.rows if n % 2 == 0 else self.rows[::-1]

    def take(self, row, n, measure):
        into = self.result[row]
        if into["failed"]:
            return
        try:
            into["rounds"].append(measure() | {"round": n})
        except Failed as e:
            into["failed"] = str(e)

    def take_all(self, row, measure):
        """Several windows of something that is made once: they count as rounds."""
        try:
            self.result[row]["rounds"] = [window | {"round": n} for n, window in enumerate(measure())]
        except Failed as e:
            self.result[row]["failed"] = str(e)

    def fail(self, error):
        """Where something that all rows need is not there."""
        for row in self.result.values():
            row["failed"] = row["failed"] or str(error)

    def summarise(self):
        for row in self.result.values():
            if row["rounds"]:
                names = dict.fromkeys(k for r in row["rounds"] for k in r if k != "round")
                row["median"] = {k: spread([r[k] for r in row["rounds"] if k in r]) for k in names}

    def tell(self):
        say(f"\n{self.title}")
        told = [(name, row) for name, row in self.result.items() if row["rounds"]]
        if told:
            columns = self.columns
            print_table([["", *(c.head for c in columns)]] + [[name, *(c.text(row) for c in columns)] for name, row in told])
        for name, row in self.result.items():
            if row["failed"]:
                say(f"  {name}: failed: {row['failed']}")
        self.tell_more()

    def tell_more(self):
        """What stands below the table."""


def same_rounds(row, reference):
    """Pairs of a row's rounds and the reference's: what is compared was measured at about the same time."""
    if not reference:
        return []
    by_round = {r["round"]: r for r in reference["rounds"]}
    return [(r, by_round[r["round"]]) for r in row["rounds"] if r["round"] in by_round]


class Clock:
    """How long a lane took in all: it runs inside a `with`."""

    seconds = 0.0

    def __enter__(self):
        self.begin = time.monotonic()

    def __exit__(self, *_):
        self.seconds += time.monotonic() - self.begin


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}
