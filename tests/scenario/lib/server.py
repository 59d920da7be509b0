"""The server under test: started on a config, asked over HTTP, stopped, killed, started again on the same database."""

import copy
import json
import os
import random
import re
import signal
import socket
import time

from lib import http1, process
from lib.check import FINAL_STATES, Failure, check, check_eq, check_run, eventually
from lib.slow import scaled
from lib.upstream import API_KEY

SANITIZER = re.compile(r"ERROR: (Address|Leak|Thread|Memory)Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                       r"SUMMARY: \w*Sanitizer|ERROR SUMMARY: [1-9]")


_claims = []  # kept until the test's process ends


def free_port():
    """A port below the kernel's ephemeral range, so that no outgoing connection can take it in between. A name that only one
    process can have keeps it from every other test on the machine, also while its server is down."""
    base = int(os.environ.get("SLUICE_TEST_PORTS", "10000"))
    for _ in range(1000):
        port = base + random.randrange(8000)
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            try:
                claim.bind(f"\0sluice-test-port-{port}")
                s.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        _claims.append(claim)
        return port
    raise Failure("no free port")


def merged(base, over):
    """`over` laid on `base`, member by member and deep; None removes a member."""
    result = copy.deepcopy(base)
    for name, value in over.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


class Server:
    def __init__(self, env, config=None, unix=False, name="server", wrapper=(), environ=None, preexec=None, path=None):
        self.env = env
        self.name = name
        self.dir = os.path.join(env.tmp, name)
        os.makedirs(self.dir, exist_ok=True)
        self.database = path or os.path.join(self.dir, "sluice.db")
        self.log_path = os.path.join(self.dir, "log")
        self.config_path = os.path.join(self.dir, "sluice.json")
        self.wrapper = list(wrapper)
        self.environ = dict(os.environ, UPSTREAM_KEY=API_KEY, **(environ or {}))
        self.preexec = preexec
        self.process = None
        self.headers = {}  # added to every request: a key, say
        if unix:
            self.address = f"unix:{self.dir}/sock"
            listen = self.address
        else:
            self.address = ("127.0.0.1", free_port())
            listen = f"127.0.0.1:{self.address[1]}"
        self.config = merged({
            "listen": [listen],
            "loops": 2,
            "store": {"path": self.database},
            "drain_ms": 300,
            "providers": {"sim": {"kind": "sim", "breaker": {"failures": 10000}}},
            "agents": {"echo": {"model": "sim/echo"}, "story": {"model": "sim/story"}},
        }, config or {})

    @property
    def url(self):
        if isinstance(self.address, str):
            return self.address
        return f"http://127.0.0.1:{self.address[1]}"

    # --- life

    def write_config(self, text=None):
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write(text if text is not None else json.dumps(self.config, indent=1))

    def spawn(self, *arguments):
        """Starts the process and does not wait for it to be ready."""
        with open(self.log_path, "ab") as log:
            log.write(b"--- start\n")
            log.flush()
            self.process = process.spawn(
                self.wrapper + self.env.command() + ["serve", "--config", self.config_path, *arguments],
                stdout=log, stderr=log, env=self.environ, cwd=self.dir, preexec_fn=self.preexec,
                restore_signals=self.preexec is None)
        self.env.servers.append(self)
        return self

    def start(self, *arguments, ready=True, timeout=None):
        self.write_config()
        self.spawn(*arguments)
        if ready:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=None):
        deadline = time.monotonic() + (timeout or scaled(15))
        while True:
            if self.process.poll() is not None:
                raise Failure(f"the server ended with {self.process.returncode} before it was ready", self.log()[-3000:])
            try:
                with http1.Connection(self.address, 2) as c:
                    c.methods.append("GET")
                    c.send(http1.encode_request("GET", "/readyz", {"Connection": "close"}))
                    if c.head().status == 200:
                        return
            except (OSError, http1.ConnectionGone, http1.TooSlow):
                pass
            if time.monotonic() > deadline:
                raise Failure("the server did not become ready", self.log()[-3000:])
            time.sleep(0.01)

    @property
    def pid(self):
        """Of the server itself, also where a wrapper (strace) stands around it."""
        if not self.wrapper:
            return self.process.pid
        return eventually(lambda: process.children(self.process.pid), "the wrapped server's pid")[0]

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, timeout=None):
        """SIGTERM, and the exit must be a good one: code 0, in time, no sanitizer report."""
        if not self.is_running():
            raise Failure(f"the server is gone: exit code {self.process.returncode}", self.log()[-4000:])
        self.signal(signal.SIGTERM)
        return self.wait_exit(0, timeout)

    def wait_exit(self, code=None, timeout=None):
        limit = timeout or scaled(self.config.get("drain_ms", 30000) / 1000 + 15)
        got = process.wait(self.process, limit)
        if got is None:
            raise Failure(f"the server did not exit within {limit:.0f} s", self.log()[-4000:])
        self.check_log()
        if code is not None and got != code:
            raise Failure(f"the server's exit code: expected {code}, got {got}", self.log()[-4000:])
        return got

    def kill(self):
        """SIGKILL: no goodbye."""
        if self.is_running():
            if self.wrapper:
                self.signal(signal.SIGKILL)
            else:
                self.process.kill()
            process.wait(self.process, 30)

    def restart(self, **options):
        """On the same port and database; the process must have ended before."""
        check(not self.is_running(), "restart of a server that runs")
        return self.start(**options)

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="backslashreplace") as f:
                return f.read()
        except OSError:
            return ""

    def logged(self):
        """What it has logged in JSON. The last line may still be on its way: it counts once its end is there."""
        return [json.loads(line) for line in self.log().split("\n")[:-1] if line.startswith("{")]

    def check_log(self):
        """No sanitizer report, and no secret, in anything the server wrote."""
        log = self.log()
        m = SANITIZER.search(log)
        if m:
            raise Failure(f"a sanitizer report: {m.group(0)}", log[max(0, m.start() - 1500):m.start() + 4500])
        if API_KEY in log:
            raise Failure("the provider's API key is in the log")

    def finish(self):
        """The end of a test that went well: whoever still runs must stop cleanly."""
        if self.process is None:
            return
        if self.is_running():
            self.stop()
        else:
            self.check_log()

    # --- plain requests, each on its own connection

    def connect(self, timeout=None, **options):
        return http1.Connection(self.address, timeout, **options)

    def ask(self, method, target, body=None, headers=None, timeout=None):
        with self.connect(timeout) as c:
            return c.ask(method, target, self._headers(headers, body), body)

    def _headers(self, headers, body):
        if isinstance(headers, list):  # pairs: a name may come more than once
            return [*self.headers.items(), *headers]
        result = dict(self.headers)
        if body is not None:
            result["Content-Type"] = "application/json"
        result.update(headers or {})
        return {n: v for n, v in result.items() if v is not None}

    def get(self, target, headers=None, timeout=None):
        return self.ask("GET", target, None, headers, timeout)

    def post(self, target, body=None, headers=None, timeout=None):
        return self.ask("POST", target, body, headers, timeout)

    def json(self, target, headers=None):
        r = self.get(target, headers)
        check_eq(r.status, 200, f"status of GET {target}", r)
        return r.json()

    # --- runs

    def start_run(self, agent="echo", **members):
        """Fire and forget; the run as the 202 gave it."""
        body = {"agent": agent, **members}
        r = self.post("/v1/runs", body)
        check_eq(r.status, 202, "status of a plain create", r)
        return r.json()

    def run(self, agent="echo", wait=None, **members):
        """Creates, waits to the end, returns the finished run."""
        return self.wait_run(self.start_run(agent, **members)["id"], wait)

    def get_run(self, run_id):
        return self.json(f"/v1/runs/{run_id}")

    def wait_run(self, run_id, timeout=None):
        """The run once it is finished."""
        seconds = timeout or scaled(30)
        r = self.get(f"/v1/runs/{run_id}", {"Prefer": f"wait={int(max(1, seconds))}"}, timeout=seconds + scaled(15))
        check_eq(r.status, 200, "status of GET with Prefer: wait", r)
        run = r.json()
        if run["state"] not in FINAL_STATES:
            raise Failure(f"run {run_id} did not finish within {seconds:.0f} s: {run['state']}",
                          run, [repr(e) for e in self.events(run_id)][-20:])
        return run

    def wait_state(self, run_id, *states, timeout=None):
        """The run once it is in one of these states, none of them final."""
        def ask():
            run = self.get_run(run_id)
            if run["state"] in states:
                return run
            check(run["state"] not in FINAL_STATES, f"the run ended while {states} was waited for", run)
            return None
        return eventually(ask, f"run {run_id} is {' or '.join(states)}", timeout)

    def stream_run(self, agent="echo", accept="text/event-stream", headers=None, target="/v1/runs", timeout=None,
                   **members):
        """Creates with a stream as the answer."""
        body = {"agent": agent, **members} if agent else members
        c = self.connect(timeout)
        c.request("POST", target, self._headers({"Accept": accept, **(headers or {})}, body), body)
        stream = c.open_stream()
        if stream.status != 200:
            raise Failure("a streamed create", stream.finish())
        return stream

    def follow(self, run_id, accept="text/event-stream", query="", headers=None, timeout=None, receive_buffer=None):
        c = self.connect(timeout, receive_buffer=receive_buffer)
        c.request("GET", f"/v1/runs/{run_id}/events{query}", self._headers({"Accept": accept, **(headers or {})}, None))
        return c.open_stream()

    def events(self, run_id, query=""):
        """All stored events as JSON pages give them."""
        found, after = [], 0
        while True:
            r = self.get(f"/v1/runs/{run_id}/events?after={after}&limit=1000{query}", {"Accept": "application/json"})
            check_eq(r.status, 200, "status of a page of events", r)
            page = r.json()
            found += [http1.Event(json.dumps(e).encode(), None) for e in page["data"]]
            if not page["more"]:
                return found
            check(page["next_after"] > after, "next_after moves on", r)
            after = page["next_after"]

    def wait_stored(self, run_id, *wanted, n=1):
        """Until n events of these types are stored, so that no crash takes them: the bus tells nothing before its commit."""
        with self.connect() as c:
            c.request("GET", f"/v1/events?run={run_id}&types={','.join(wanted)}",
                      self._headers({"Accept": "application/x-ndjson"}, None))
            stream = c.open_stream()
            check_eq(stream.status, 200, "status of the bus", stream.response)
            return [stream.until(*wanted) for _ in range(n)]

    def cancel(self, run_id, headers=None, body=None):
        return self.post(f"/v1/runs/{run_id}/cancel", body, headers)

    def run_id_of(self, response):
        location = response.header("location")
        check(location, "an answer to a create has a Location", response)
        check(re.fullmatch(r".*/v1/runs/run_[0-9A-Z]{26}", location), f"Location: {location}", response)
        return location.rsplit("/", 1)[1]

    def check_finished(self, run_id, state="succeeded", code=None):
        run = check_run(self.wait_run(run_id))
        check_eq(run["state"], state, "state", run)
        if code:
            check_eq(run["error"]["code"], code, "error.code", run)
        return run
