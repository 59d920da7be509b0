"""How long a start takes: from before the process to the first 200 of /readyz."""

from lib.lane import Column, Lane
from lib.load import run_load
from lib.processes import Failed
from lib.requests import accept_request
from lib.server import ECHO, Server, mock_provider

UNFINISHED = 100000


class StartLane(Lane):
    columns = (Column("ready ms", "ready_ms", 1),)

    def __init__(self):
        super().__init__("start", "start: until /readyz says 200", ["empty store"], rounds=10)

    def measure(self, bench, row, n):
        with Server(bench, "start", ECHO) as server:
            return {"ready_ms": server.ready_s * 1000}


class RestartLane(Lane):
    """The store is made once: runs of a provider that holds its calls, and a kill that leaves all of them unfinished."""

    columns = StartLane.columns

    def __init__(self):
        super().__init__("restart", "restart: until /readyz says 200, after a kill", [f"{UNFINISHED:,} unfinished runs"],
                         rounds=1, extra=True)

    def measure_round(self, bench, n):
        row = self.rows[0]
        limits = {"concurrency": 4, "queue": 10 * UNFINISHED}
        config = {"providers": {"held": mock_provider(bench, "/d3600000", limits=limits)},
                  "agents": {"held": {"model": "held/m", "params": {"stream": False}}},
                  "limits": {"queue_runs": 10 * UNFINISHED}}
        try:
            with Server(bench, "restart", config) as server:
                run_load(bench, server.port, [*accept_request("held", "x"), "--total", str(UNFINISHED),
                                              "--connections", "64", "--ms", "80000"])
                server.settle()
                for again in range(5):
                    server.kill()
                    server.start()
                    self.take(row, again, lambda: {"ready_ms": server.ready_s * 1000})
        except Failed as e:
            self.fail(e)
