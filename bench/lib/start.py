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
        super().__init__("start", "start: until /readyz says 200", ["empty store"])

    def measure(self, bench, row, n):
        with Server(bench, "start", ECHO) as server:
            return {"ready_ms": server.ready_s * 1000}


class RestartLane(Lane):
    """The store is made once: runs of a provider that holds its calls, and a kill that leaves all of them unfinished. Each
    round starts a Sluice on it, and kills it."""

    columns = StartLane.columns

    def __init__(self):
        super().__init__("restart", "restart: until /readyz says 200, after a kill", [f"{UNFINISHED:,} unfinished runs"])
        self.server = None

    def begin(self, bench):
        limits = {"concurrency": 4, "queue": 10 * UNFINISHED}
        config = {"providers": {"held": mock_provider(bench, "/d3600000", limits=limits)},
                  "agents": {"held": {"model": "held/m", "params": {"stream": False}}},
                  "limits": {"queue_runs": 10 * UNFINISHED}}
        try:
            self.server = Server(bench, "restart", config)
            self.server.start()
            run_load(bench, self.server.port, [*accept_request("held", "x"), "--total", str(UNFINISHED),
                                               "--connections", "64", "--ms", "80000"])
            self.server.settle()
            self.server.kill()
        except Failed as e:
            self.fail(e)

    def measure(self, bench, row, n):
        self.server.start()
        self.server.kill()
        return {"ready_ms": self.server.ready_s * 1000}

    def end(self, bench):
        if self.server:
            self.server.remove()
