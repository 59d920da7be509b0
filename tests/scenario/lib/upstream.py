"""The scripted upstream (tests/tools/upstream.c) as an object: start it, shape it, read its journal."""

import json
import subprocess
import time
import urllib.parse

from lib import http1, process
from lib.check import Failure, eventually
from lib.slow import scaled

API_KEY = "sk-canary-3f1c0a7be5d94e12"  # what the server must send, and must never tell anybody else


class Upstream:
    def __init__(self, tools, log_path):
        self.log_path = log_path
        with open(log_path, "wb") as log:
            self.process = process.spawn([f"{tools}/upstream", "--stdin"], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"the upstream did not start: {open(log_path, errors='replace').read()}")
        self.ports = json.loads(line)
        self.port = self.ports["port"]
        self.address = ("127.0.0.1", self.port)

    def stop(self):
        """Ends it, and complains if a test asked for a behaviour that it does not have."""
        if self.process.poll() is None:
            self.process.terminate()
            process.wait(self.process, 10)
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
        complaints = open(self.log_path, errors="replace").read()
        if complaints:
            raise Failure("the upstream complained", complaints)
        if self.process.returncode != 0:
            raise Failure(f"the upstream ended with {self.process.returncode}")

    # --- for configs

    def base(self, spec="ok", port="port"):
        return f"http://127.0.0.1:{self.ports[port]}/b/{spec}/v1"

    def provider(self, spec="ok", port="port", **members):
        """An `openai` provider of a config: no retries and a breaker that stays out of the way unless told otherwise."""
        provider = {
            "kind": "openai",
            "base_url": self.base(spec, port),
            "api_key": {"env": "UPSTREAM_KEY"},
            "retry": {"attempts": 1},
            "breaker": {"failures": 10000},
        }
        provider.update(members)
        return provider

    # --- control

    def _ask(self, method, path, body=None):
        with http1.Connection(self.address) as c:
            c.methods.append(method)
            c.send(http1.encode_request(method, path, {"Connection": "close"}, body))
            r = c.head()
            r.body = b"".join(d for _, d in c.body_pieces(r, method))
        if r.status != 200:
            raise Failure(f"the upstream's control answered {r.status} to {path}")
        return json.loads(r.body)

    def stats(self):
        return self._ask("GET", "/control/stats")

    def log(self, run=None, after=0):
        """The requests seen, oldest first."""
        query = {"after": after}
        if run:
            query["run"] = run
        return self._ask("GET", "/control/log?" + urllib.parse.urlencode(query))

    def one(self, run):
        """The only request of a run: anything else is a failure."""
        entries = self.log(run)
        if len(entries) != 1:
            raise Failure(f"the upstream saw {len(entries)} requests of {run}, expected one", entries)
        return entries[0]

    def requests(self, spec=None):
        stats = self.stats()
        return stats["requests"] if spec is None else stats["by_behaviour"].get(spec, {}).get("requests", 0)

    def reset(self):
        self._ask("POST", "/control/reset", "")

    def close_idle(self):
        self._ask("POST", "/control/close_idle", "")

    def set(self, name, spec):
        """What /b/@name/ means from now on."""
        self._ask("POST", f"/control/name/{name}", spec)

    def release(self, gate, n=None):
        """Opens a gate for good, or lets n of the requests held at it go on."""
        self._ask("POST", f"/control/gate/{gate}?" + (f"n={n}" if n is not None else "open=1"), "")

    # --- waiting for what it sees

    def wait_stats(self, probe, what, timeout=None):
        def ask():
            s = self.stats()
            return s if probe(s) else None
        return eventually(ask, f"upstream: {what}", timeout)

    def wait_requests(self, n, timeout=None):
        return self.wait_stats(lambda s: s["requests"] >= n, f"{n} requests seen", timeout)

    def wait_held(self, n, timeout=None):
        return self.wait_stats(lambda s: s["held"] >= n, f"{n} requests held", timeout)

    def wait_active(self, n, timeout=None):
        return self.wait_stats(lambda s: s["active"] == n, f"{n} requests active", timeout)

    def wait_entry(self, run, probe=lambda e: True, what="a request", n=1, timeout=None):
        """The nth request of a run once the probe is true of it."""
        def ask():
            entries = self.log(run)
            return entries[n - 1] if len(entries) >= n and probe(entries[n - 1]) else None
        return eventually(ask, f"upstream: {what} of {run}", timeout)

    def stays_at(self, n, seconds):
        """Proves that no further request comes for a while."""
        end = time.monotonic() + scaled(seconds)
        while time.monotonic() < end:
            seen = self.requests()
            if seen != n:
                raise Failure(f"the upstream saw {seen} requests, expected {n}", self.log())
            time.sleep(0.02)
