"""A Sluice, configured and started: the contestant, and those that a lane starts for itself with an empty store."""

import http.client
import json
import os
import shutil
import time

from lib.processes import Failed, cpu_seconds, free_port, http_status, memory_kib, wait_for, wait_until_idle


class Server:
    """In a `with` it runs inside it, and is killed and its store removed at its end. `config` is laid over what every
    Sluice here has."""

    def __init__(self, bench, name, config):
        self.bench, self.name = bench, name
        self.port, self.process, self.ready_s, self.kept = free_port(), None, None, None
        self.where = f"{bench.where}/{name}"
        self.database = f"{self.where}/sluice.db"
        shutil.rmtree(self.where, ignore_errors=True)
        os.makedirs(self.where)
        self.config = bench.write(f"{name}.json", json.dumps({
            "listen": [f"127.0.0.1:{self.port}"],
            "loops": bench.options.loops,
            "store": {"kind": "sqlite", "path": self.database},
            "log": {"level": "warn"},
        } | config, indent=1))

    def start(self):
        """`ready_s` is from before its start until it was ready."""
        binary = os.path.abspath(self.bench.options.binary)
        if not os.access(binary, os.X_OK):
            raise Failed(f"no binary {self.bench.options.binary}")
        log = self.bench.log(self.name)
        begin = time.monotonic()
        self.process = self.bench.children.start([binary, "serve", "--config", self.config], log, cwd=self.where)
        wait_for(self.name, lambda: http_status(self.port, "/readyz") == 200, self.process, 30, log, step=0.001)
        self.ready_s = time.monotonic() - begin

    def stop(self):
        """In good order: nothing is left to write, and the store is nobody's."""
        self.close()
        self.bench.children.stop(self.process)

    def kill(self):
        self.bench.children.kill(self.process)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        """Ends it, and its store."""
        self.close()
        if self.process:
            self.kill()
        shutil.rmtree(self.where, ignore_errors=True)

    @property
    def pids(self):
        return [self.process.pid]

    def cpu(self):
        return cpu_seconds(self.pids)

    def anonymous_kib(self):
        return memory_kib(self.pids)["anon_kib"]

    def store_bytes(self):
        return sum(e.stat().st_size for e in os.scandir(self.where) if e.is_file())

    def settle(self, seconds=10):
        wait_until_idle(self.pids, seconds)

    def ask(self, method, path, body=None, wait_s=0):
        return json.loads(self.fetch(method, path, body, wait_s))

    def fetch(self, method, path, body=None, wait_s=0, accept="*/*"):
        """The answer's body, on a kept connection. Raises Failed where it is no success."""
        if self.kept is None:
            self.kept = http.client.HTTPConnection("127.0.0.1", self.port, timeout=wait_s + 30)
        headers = {"Accept": accept} | ({"Content-Type": "application/json"} if body else {})
        headers |= {"Prefer": f"wait={wait_s}"} if wait_s else {}
        try:
            self.kept.request(method, path, body, headers)
            answer = self.kept.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as e:
            self.close()
            raise Failed(f"{method} {path}: {e}") from None
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {text[:200].decode(errors='replace')}")
        return text

    def close(self):
        if self.kept:
            self.kept.close()
        self.kept = None

    def run(self, body, wait_s=60):
        """Creates a run and waits for its success; `body` is a create's, as an object or as its text."""
        made = self.ask("POST", "/v1/runs", body if isinstance(body, str) else json.dumps(body), wait_s)
        if made["state"] != "succeeded":
            raise Failed(f"run {made['id']} is {made['state']}: {json.dumps(made['error'] or made['reason'])[:200]}")
        return made


def mock_provider(bench, prefix="", **members):
    """The mock as a provider; `prefix` of its address says what it does (bench/mock.c)."""
    return {
        "kind": "openai", "base_url": f"http://127.0.0.1:{bench.mock_port}{prefix}/v1", "api_key": "x",
        "limits": {"concurrency": 20000, "queue": 100000}, "pool": {"max_idle": 512},
    } | members


ECHO = {"providers": {"sim": {"kind": "sim"}}, "agents": {"echo": {"model": "sim/echo"}}}
