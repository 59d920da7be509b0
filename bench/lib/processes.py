"""Processes that this run started: their life, their CPU time and memory, and how to know that they are ready."""

import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time


class Failed(Exception):
    """Why a contestant or a lane could not be measured, in words for the table."""


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a killed bench leaves nothing behind


class Children:
    """What this run started, and nothing else, is ended by it, by its pid."""

    def __init__(self):
        self.all = []

    def start(self, command, log, **options):
        with open(log, "ab") as f:
            p = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=f, preexec_fn=die_with_parent,
                **({"stdout": f} | options),
            )
        self.all.append(p)
        return p

    def stop(self, process):
        """Ends one of them, gently at first."""
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.forget(process)

    def kill(self, process):
        process.kill()
        process.wait()
        self.forget(process)

    def forget(self, process):
        """One that has ended."""
        if process in self.all:
            self.all.remove(process)

    def end(self):
        for p in reversed(self.all):
            if p.poll() is None:
                p.terminate()
        for p in self.all[::-1]:
            self.stop(p)


def tree(pid):
    """A process and its descendants."""
    pids = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    pids += tree(int(child))
    except OSError:
        pass
    return pids


def cpu_seconds(pids):
    """CPU time of whole processes: the clock behind utime + stime of /proc/PID/stat, in ns instead of ticks."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:
            pass
    return total


def thread_seconds(pids, name):
    """CPU time of each thread whose name begins so, in the order of their names."""
    seconds = {}
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/comm") as f:
                called = f.read().strip()
            if called.startswith(name):
                with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                    seconds[called] = int(f.read().split()[0]) / 1e9
    return [seconds[called] for called in sorted(seconds)]


def memory_kib(pids):
    """Proportional set size, whole and of anonymous memory alone."""
    pss = anonymous = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                name, _, rest = line.partition(":")
                if name == "Pss":
                    pss += int(rest.split()[0])
                elif name == "Pss_Anon":
                    anonymous += int(rest.split()[0])
    return {"pss_kib": pss, "anon_kib": anonymous}


def wait_until_idle(pids, seconds=3.0):
    """Until the work that a round left behind is done: under 10 % of a CPU for 20 ms."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = cpu_seconds(pids)
        time.sleep(0.02)
        if cpu_seconds(pids) - before < 0.002:
            return


def find_program(name):
    program = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if not program:
        raise Failed(f"{name} is not installed")
    return program


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
        return True
    except OSError:
        return False


def wait_for(what, check, process, seconds, log, step=0.02):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failed(f"{what} ended with {process.returncode}: {last_line(log)}")
        if check():
            return
        time.sleep(step)
    raise Failed(f"{what} not ready after {seconds} s: {last_line(log)}")


def last_line(path):
    try:
        with open(path, errors="replace") as f:
            lines = [line.strip() for line in f if line.strip()]
        return lines[-1][:300] if lines else "no output"
    except OSError:
        return "no log"


def http_status(port, path):
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        c.request("GET", path)
        return c.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
