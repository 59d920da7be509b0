"""How evenly Sluice's loops share the work of a load."""

from lib.contestants import PRODUCT
from lib.lane import Column
from lib.load import LoadLane
from lib.processes import thread_seconds

LOOP = "loop "  # what the threads are called


class BalancedLane(LoadLane):
    """Beside the rest: the CPU of the loop that did least and of the one that did most, in what they did on average."""

    def make_columns(self):
        return [*super().make_columns(), Spread()]

    def measure(self, bench, row, n):
        name = self.by_name[row].contestant
        if name != PRODUCT:
            return super().measure(bench, row, n)
        pids = bench.contestants[name].pids()
        before = thread_seconds(pids, LOOP)
        figures = super().measure(bench, row, n)
        return figures | shares([b - a for a, b in zip(before, thread_seconds(pids, LOOP))])


class Spread(Column):
    def __init__(self):
        super().__init__("loops' CPU / mean", "busiest_loop", 2)

    def text(self, row):
        least, most = (row["median"].get(k) for k in ("idlest_loop", "busiest_loop"))
        return f"{least['median']:.2f}–{most['median']:.2f}" if most else ""


def shares(seconds):
    mean = sum(seconds) / max(len(seconds), 1)
    return {"idlest_loop": min(seconds) / mean, "busiest_loop": max(seconds) / mean} if mean else {}
