"""What a test function gets: a directory of its own, the binaries, and everything it starts is stopped and checked."""

import os
import shutil
import subprocess
import threading

from lib import process
from lib.check import Failure
from lib.server import Server
from lib.slow import scaled
from lib.upstream import Upstream


class Skip(Exception):
    """The test cannot be made here; the message says why."""


def alone(function):
    """Run without another test beside it: it measures, or needs the machine."""
    function.alone = True
    return function


def time_limit(seconds):
    """Another limit than the usual one (scaled by SLUICE_SLOW all the same)."""
    def mark(function):
        function.time_limit = seconds
        return function
    return mark


def rounds(usual, seconds):
    """A loop of `usual` rounds, or as many as --rounds says, each with so many seconds of the limit."""
    def mark(function):
        function.rounds = (usual, seconds)
        return function
    return mark


class Env:
    def __init__(self, binary, tools, tmp, rounds=None, valgrind=False):
        self.binary = os.path.abspath(binary) if binary else None
        self.tools = os.path.abspath(tools)
        self.tmp = tmp
        self.rounds_asked = rounds
        self.valgrind = valgrind
        self.servers = []
        self.upstreams = []
        self.at_end = []

    def command(self):
        if not self.valgrind:
            return [self.binary]
        return ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
                "--show-leak-kinds=definite", "--num-callers=30", self.binary]

    def rounds(self, test):
        return self.rounds_asked or test.rounds[0]

    def skip(self, why):
        raise Skip(why)

    def defer(self, function):
        """Called at the end of the test, however it ends; last one first."""
        self.at_end.append(function)

    def upstream(self):
        up = Upstream(self.tools, os.path.join(self.tmp, f"upstream{len(self.upstreams)}.log"))
        self.upstreams.append(up)
        return up

    def new_server(self, config=None, **options):
        """A server that is not started yet."""
        if "name" not in options and self.servers:
            options["name"] = f"server{len(self.servers)}"
        return Server(self, config, **options)

    def server(self, config=None, **options):
        return self.new_server(config, **options).start()

    def with_upstream(self, specs=None, config=None, **options):
        """A server whose providers are the upstream's behaviours: {"up": "ok,tokens=5"} gives provider and agent `up`.
        Values may also be whole provider objects. Returns (server, upstream)."""
        up = self.upstream()
        providers, agents = {}, {}
        for name, spec in (specs or {"up": "ok"}).items():
            providers[name] = up.provider(spec) if isinstance(spec, str) else {**up.provider(), **spec}
            agents[name] = {"model": f"{name}/m"}
            agents[name + "_json"] = {"model": f"{name}/m", "params": {"stream": False}}
        from lib.server import merged
        return self.server(merged({"providers": providers, "agents": agents}, config or {}), **options), up

    def cli(self, *arguments, server=None, environ=None, timeout=None, **options):
        """Runs the command-line client to its end."""
        full = dict(os.environ)
        full.pop("SLUICE_URL", None)
        if server is not None:
            full["SLUICE_URL"] = server.url
        full.update(environ or {})
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True, env=full,
                              timeout=timeout or scaled(30), cwd=self.tmp, **options)

    def cli_start(self, *arguments, server=None, environ=None, **options):
        full = dict(os.environ)
        full.pop("SLUICE_URL", None)
        if server is not None:
            full["SLUICE_URL"] = server.url
        full.update(environ or {})
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return process.spawn([self.binary, *arguments], env=full, cwd=self.tmp, **options)

    def in_threads(self, n, function):
        """Calls function(i) in n threads; results in order. The first failure is raised."""
        results, failures = [None] * n, []

        def call(i):
            try:
                results[i] = function(i)
            except BaseException as e:  # handed on below
                failures.append(e)
        threads = [threading.Thread(target=call, args=(i,), daemon=True) for i in range(n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(scaled(120))
            if t.is_alive():
                raise Failure("a client thread did not come to its end")
        if failures:
            raise failures[0]
        return results

    def finish(self):
        """The end of a test that went well: all must stop cleanly, and that is part of the test."""
        for server in list(dict.fromkeys(self.servers)):
            server.finish()
        for up in self.upstreams:
            up.stop()

    def clean_up(self):
        for function in reversed(self.at_end):
            try:
                function()
            except Exception as e:  # the test's own result matters more
                print(f"clean-up: {e!r}")
        for server in self.servers:
            server.kill()
        for up in self.upstreams:
            if up.process.poll() is None:
                up.process.kill()
                up.process.wait()

    def remove(self):
        shutil.rmtree(self.tmp, ignore_errors=True)
