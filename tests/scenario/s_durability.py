"""What kill -9 cannot show: that fdatasync came before the answer, and that a full disk is told and survived."""

import os
import re
import resource
import shutil
import signal
import subprocess

from lib import process
from lib.check import check, check_eq, check_in, check_problem, eventually
from lib.env import alone, time_limit
from lib.http1 import ConnectionGone, TooSlow
from lib.slow import scaled

CALLS = "trace=fdatasync,fsync,sendmsg,sendto,write,writev,read,recvfrom,recvmsg"


def strace_works(env):
    if not shutil.which("strace"):
        env.skip("no strace here")
    probe = subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True)
    if probe.returncode != 0:
        env.skip("strace may not trace here")
    if env.valgrind:
        env.skip("not under valgrind")


@time_limit(120)
def test_fdatasync_returns_before_the_202_is_written(env):
    strace_works(env)
    trace = os.path.join(env.tmp, "trace")
    server = env.server(wrapper=["strace", "-f", "-o", trace, "-s", "120", "-e", CALLS])
    with server.connect(scaled(30)) as c:
        for i in range(20):
            r = c.ask("POST", "/v1/runs", {"Content-Type": "application/json", "X-Request-Id": f"sync-{i:02}"},
                      {"agent": "echo", "input": i})
            check_eq(r.status, 202, "status", r)
            server.wait_run(r.json()["id"])  # so that no other commit is under way during the next request
    server.stop()
    asked = synced = None
    answers = 0
    with open(trace, encoding="utf-8", errors="replace") as f:
        for line in f:
            if "POST /v1/runs HTTP/1.1" in line:
                asked, synced = line, None
            elif re.search(r"(fdatasync|fsync)(\(.*| resumed>.*)\)? += 0", line):
                synced = line
            elif "HTTP/1.1 202" in line:
                answers += 1
                check(asked, "an answer without a request", line)
                check(synced, f"answer {answers} was written before any fdatasync returned", asked, line)
                asked = synced = None
    check_eq(answers, 20, "answers seen in the trace")


class FullDisk:
    """A small file system that can be filled and freed; a limit on file sizes where mounting is not allowed.

    What a test stores fits twice, database and log: freed, it is not full again for what the test itself has written.
    """

    SIZE = "size=48m"

    def __init__(self, env):
        self.env = env
        self.dir = os.path.join(env.tmp, "disk")
        os.makedirs(self.dir)
        self.pid = None
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", self.SIZE, "sluice-test", self.dir], capture_output=True) \
            if os.geteuid() == 0 else None
        self.is_mount = mounted is not None and mounted.returncode == 0
        if self.is_mount:
            env.defer(lambda: subprocess.run(["umount", "-l", self.dir], check=True))
        elif not hasattr(resource, "prlimit"):
            env.skip("neither tmpfs nor prlimit here")

    def preexec(self):
        return None if self.is_mount else ignore_sigxfsz

    def fill(self, pid):
        self.pid = pid
        if not self.is_mount:
            sizes = [os.path.getsize(os.path.join(self.dir, f)) for f in os.listdir(self.dir)]
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(sizes) + 20000, resource.RLIM_INFINITY))
            return
        with open(os.path.join(self.dir, "filler"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"\0" * 65536)
            except OSError:
                pass

    def free(self):
        if self.is_mount:
            os.unlink(os.path.join(self.dir, "filler"))
        else:
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def ignore_sigxfsz():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@alone
@time_limit(120)
def test_a_full_disk_is_told_and_survived(env):
    disk = FullDisk(env)
    server = env.server(path=os.path.join(disk.dir, "sluice.db"), preexec=disk.preexec())
    acked = [server.run(input=str(i))["id"] for i in range(5)]
    disk.fill(server.pid)
    body = {"agent": "echo", "input": "y" * 20000}
    refused = None
    for i in range(400):
        try:
            r = server.post("/v1/runs", body, timeout=scaled(10))
        except (ConnectionGone, TooSlow, OSError) as e:
            check(server.is_running(), f"the server is gone: {e!r}", server.log()[-3000:])
            continue
        if r.status == 202:
            acked.append(r.json()["id"])
            continue
        refused = r
        break
    check(refused is not None, f"a full disk was never told: {len(acked)} runs acknowledged")
    check_problem(refused, "storage_unavailable")
    eventually(lambda: server.get("/readyz").status == 503, "readiness goes off", scaled(10))
    check_eq(server.get("/livez").status, 200, "alive all the same")
    r = server.post("/v1/runs", body, {"Prefer": "wait=2", "Idempotency-Key": "k"})
    check_in(r.status, (503,), "with wait", r)
    disk.free()
    eventually(lambda: server.get("/readyz").status == 200, "ready again after space returned", scaled(20), 0.1)
    again = eventually(lambda: (lambda r: r if r.status == 202 else None)(server.post("/v1/runs", body)),
                       "accepting again", scaled(20), 0.1)
    acked.append(again.json()["id"])
    for run_id in acked:
        server.check_finished(run_id)
    server.stop()
    server.restart()
    for run_id in acked:
        check_eq(server.get_run(run_id)["state"], "succeeded", "an acknowledged run after a restart")


@alone
@time_limit(120)
def test_a_full_disk_during_a_stream_never_claims_what_is_not_stored(env):
    disk = FullDisk(env)
    up = env.upstream()
    server = env.server({"providers": {"up": up.provider("ok,tokens=400,size=2000,gap=2,gate=g")},
                         "agents": {"up": {"model": "up/m"}}},
                        path=os.path.join(disk.dir, "sluice.db"), preexec=disk.preexec())
    streams = [server.stream_run("up", "application/x-ndjson", timeout=scaled(60), input="x") for _ in range(3)]
    up.wait_held(3)
    disk.fill(server.pid)
    up.release("g")
    eventually(lambda: server.get("/readyz").status == 503, "readiness goes off", scaled(20), 0.05)
    disk.free()
    eventually(lambda: server.get("/readyz").status == 200, "ready again", scaled(20), 0.1)
    for s in streams:
        run_id = server.run_id_of(s.response)
        run = server.wait_run(run_id, scaled(45))
        events = server.follow(run_id, "application/x-ndjson", timeout=scaled(30)).all()
        by_seq = {e.seq: e for e in events}
        try:
            while s.next() is not None:
                pass
        except (AssertionError, ConnectionGone):
            pass
        for e in s.seen:
            if e.type.startswith("run.") or e.type in ("task.succeeded", "task.failed"):
                check(e.seq in by_seq and by_seq[e.seq].raw == e.raw, "a state that was told is stored", e.raw, run)
    check_eq(process.thread_count(server.pid) > 0, True, "alive")
