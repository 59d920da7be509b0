"""What many slow streams cost while they are held: CPU, memory, and whether one of them stalls."""

import time

from lib.contestants import product_config
from lib.lane import Column, Lane
from lib.load import end_load, milliseconds, start_load
from lib.processes import memory_kib
from lib.requests import SLOW, stream_request
from lib.server import Server

BEFORE_S, WINDOW_S = 1.0, 0.5


class HeldLane(Lane):
    """The streams are made once, and looked at in several windows in which all are there; stalls are those of all windows
    together. Memory is what they add to a Sluice that has just started."""

    columns = (Column("held", "held", plain=True), Column("tokens/s", "rate", plain=True), Column("CPU cores", "cores", 3),
               Column("PSS KiB/stream", "kib_each", 1), Column("stalls over 100 ms", "stalls_100ms", plain=True))

    def __init__(self, streams, ramp_s, windows):
        super().__init__("slow", f"slow: {streams:,} streams at once, a token a second each", ["sluice"], rounds=1)
        self.streams, self.ramp_s, self.windows = streams, ramp_s, windows

    def measure_round(self, bench, n):
        self.take_all("sluice", lambda: self.hold(bench))

    def hold(self, bench):
        with Server(bench, self.name, product_config(bench)) as server:
            empty = memory_kib(server.pids)["pss_kib"]
            load = start_load(bench, server.port, [*stream_request(SLOW), *self.phases()])
            time.sleep(self.ramp_s + BEFORE_S)
            windows = [look(server) for _ in range(self.windows)]
            number = end_load(bench, load)
        held = number("peak_open")
        whole = {"held": held, "held_percent": 100 * held / self.streams, "rate": number("tokens_per_s"),
                 "stalls_100ms": number("stalls_100ms")}
        return [whole | {"cores": cores, "kib_each": (pss - empty) / held} for cores, pss in windows]

    def phases(self):
        return ["--connections", str(self.streams), "--gap-ms", str(SLOW.gap_ms), "--ramp-ms", milliseconds(self.ramp_s),
                "--warmup-ms", milliseconds(BEFORE_S), "--ms", milliseconds(self.windows * WINDOW_S), "--drain-ms", "0"]


def look(server):
    cpu, begin = server.cpu(), time.monotonic()
    time.sleep(WINDOW_S)
    cores = (server.cpu() - cpu) / (time.monotonic() - begin)
    return cores, memory_kib(server.pids)["pss_kib"]
