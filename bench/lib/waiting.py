"""What waiting costs: a thousand runs that wait for a rate limit, and nothing else to do."""

import time

from lib.idle import count_wakeups
from lib.lane import Column, Lane
from lib.load import run_load
from lib.processes import Failed, memory_kib
from lib.requests import create_request
from lib.server import Server, mock_provider

RUNS = 1000
WATCHED_S, WINDOWS = 0.6, 5
DAY_MS = 86400000


class WaitingLane(Lane):
    columns = (Column("waiting", "waiting", plain=True), Column("CPU ms/s", "cpu_ms", 2),
               Column("wake-ups/s", "wakeups", 1), Column("PSS MiB", "pss", 1))

    def __init__(self):
        super().__init__("waiting", f"waiting: {RUNS:,} runs wait for a rate limit that lets the next one go in a minute",
                         ["sluice"], rounds=1)

    def measure_round(self, bench, n):
        self.take_all("sluice", lambda: self.measure_windows(bench))

    def measure_windows(self, bench):
        limits = {"requests": {"rate": 1, "period_ms": 60000, "burst": 1}, "queue": 10 * RUNS}
        config = {"providers": {"slow": mock_provider(bench, limits=limits)}, "agents": {"slow": {"model": "slow/m"}}}
        with Server(bench, "waiting", config) as server:
            create = create_request({"agent": "slow", "input": "x", "timeout_ms": DAY_MS}, "--status", "202", "--ok", "run_")
            run_load(bench, server.port, [*create, "--total", str(RUNS), "--connections", "16", "--ms", "10000"])
            waiting = wait_for_states(server)
            server.settle()
            time.sleep(0.5)
            return [{"waiting": waiting} | measure_window(server) for _ in range(WINDOWS)]


def measure_window(server):
    cpu, wakeups = server.cpu(), count_wakeups(server.pids)
    time.sleep(WATCHED_S)
    return {"cpu_ms": (server.cpu() - cpu) * 1000 / WATCHED_S,
            "wakeups": (count_wakeups(server.pids) - wakeups) / WATCHED_S,
            "pss": memory_kib(server.pids)["pss_kib"] / 1024}


def wait_for_states(server, seconds=10):
    """Until all but the one that went are waiting; how many there are."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        waiting = count_state(server, "waiting", RUNS)
        if waiting >= RUNS - 1:
            return waiting
        time.sleep(0.1)
    raise Failed(f"only {waiting} of {RUNS} runs wait after {seconds} s")


def count_state(server, state, most):
    count, cursor = 0, ""
    while cursor is not None and count < most:
        page = server.ask("GET", f"/v1/runs?state={state}&limit=200" + (f"&cursor={cursor}" if cursor else ""))
        count, cursor = count + len(page["data"]), page["next_cursor"]
    return count
