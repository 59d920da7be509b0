"""The lane of doing nothing: memory and wake-ups before the first request, memory after the last lane."""

import os
import time

from lib.lane import Column, Lane
from lib.processes import Failed, memory_kib

WATCHED_S = 2


class IdleLane(Lane):
    """Measured around all others: begin() before them, end() after them."""

    columns = (Column("PSS", "pss", 1, plain=True), Column("anonymous", "anonymous", 1, plain=True),
               Column("wake-ups/s", "wakeups", 1, plain=True),
               Column("PSS after", "pss_after", 1, plain=True), Column("anonymous after", "anonymous_after", 1, plain=True))

    def __init__(self, rows):
        title = "idle: memory (MiB) and wake-ups before the first request, memory after the last lane"
        super().__init__("idle", title, rows, rounds=0)
        self.before = {}

    def begin(self, bench):
        time.sleep(0.5)
        pids = {row: bench.contestants[row].pids() for row in self.rows}
        wakeups = {row: count_wakeups(p) for row, p in pids.items()}
        time.sleep(WATCHED_S)
        for row, p in pids.items():
            if p:
                self.before[row] = mib(p) | {"wakeups": (count_wakeups(p) - wakeups[row]) / WATCHED_S}

    def end(self, bench):
        for row in self.rows:
            self.take(row, 0, lambda row=row: self.figures(bench.contestants[row]))

    def figures(self, contestant):
        if contestant.name not in self.before:
            raise Failed(contestant.failure or "it was not there")
        if not contestant.pids():
            raise Failed("it died")
        after = mib(contestant.pids())
        return self.before[contestant.name] | {f"{k}_after": v for k, v in after.items()}


def mib(pids):
    memory = memory_kib(pids)
    return {"pss": memory["pss_kib"] / 1024, "anonymous": memory["anon_kib"] / 1024}


def count_wakeups(pids):
    """How often the threads of these processes have gone to sleep, which is how often they had been woken."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
    return total
