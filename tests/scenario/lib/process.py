"""Child processes: every one that is started is written down, so that nothing outlives a test, however the test ends."""

import os
import signal
import subprocess
import threading
import time

_journal = None  # path of the file that names every started process
_lock = threading.Lock()


def set_journal(path):
    global _journal
    _journal = path


def start_time(pid):
    """When the kernel says that process began: with the pid it names a process for good. None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            fields = f.read().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        return None


def spawn(argv, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    process = subprocess.Popen([str(a) for a in argv], **options)
    if _journal:
        with _lock, open(_journal, "a", encoding="ascii") as f:
            f.write(f"{process.pid} {start_time(process.pid)}\n")
    return process


def kill_leftovers(journal):
    """Ends what a test has started and not ended. Only processes that are still the ones that were written down."""
    left = []
    try:
        with open(journal, encoding="ascii") as f:
            lines = f.read().split("\n")
    except OSError:
        return left
    for line in filter(None, lines):
        pid, began = line.split()
        if began != "None" and start_time(int(pid)) == began:
            left.append(int(pid))
            for one in [*children(int(pid)), int(pid)]:  # strace's child goes with it
                try:
                    os.kill(one, signal.SIGKILL)
                except ProcessLookupError:
                    pass
    return left


def wait(process, timeout):
    """The exit code, or None if it still runs after that time."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(c) for c in f.read().split()]
    except OSError:
        return []


def pss_bytes(pid):
    """Proportional set size: what the process really costs."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        for line in f:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    raise OSError("no Pss line")


def thread_count(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def monotonic_ms():
    return time.monotonic() * 1000


def tcp_connections_to(pid, remote_port):
    """How many connections to that port the process has open."""
    sockets = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            sockets.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:  # closed meanwhile
            pass
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in list(f)[1:]]
    return sum(int(r[2].split(":")[1], 16) == remote_port and f"socket:[{r[9]}]" in sockets for r in rows)


def tcp_is_established(local_port, remote_port):
    """Does the side with that local port still hold the connection? (A close with unsent bytes is not seen by the peer.)"""
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in list(f)[1:]:
            fields = line.split()
            ports = [int(fields[i].split(":")[1], 16) for i in (1, 2)]
            if ports == [local_port, remote_port]:
                return fields[3] == "01"
    return False
