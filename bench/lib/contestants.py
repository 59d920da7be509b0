"""What is measured: how each contestant is configured and started. All stand before the same mock."""

import resource
import subprocess
import sys

from lib.processes import Failed, can_connect, find_program, free_port, last_line, tree, wait_for
from lib.requests import PACES
from lib.server import Server, mock_provider
from lib.telling import say

PRODUCT = "sluice"


class Contestant:
    """Something that answers. `ports` are for JSON and for streams; `failure` says why it does not take part."""

    def __init__(self, name, start):
        self.name, self.failure, self.process = name, None, None
        try:
            self.process, self.ports = start()
        except (Failed, OSError) as e:
            self.failure = str(e)

    def pids(self):
        return tree(self.process.pid) if self.process and self.process.poll() is None else []


class Bench:
    def __init__(self, options, where, children):
        self.options, self.where, self.children = options, where, children
        self.mock = self.floor = self.load = None
        self.mock_port = 0
        self.contestants = {}
        self.files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def log(self, name):
        return f"{self.where}/{name}.log"

    def write(self, name, text):
        with open(f"{self.where}/{name}", "w") as f:
            f.write(text)
        return f"{self.where}/{name}"

    def start_told_port(self, name, command):
        """Starts one of our programs, which picks a free port and tells it."""
        p = self.children.start(command, self.log(name), stdout=subprocess.PIPE)
        line = p.stdout.readline().decode()
        if not line.startswith("port="):
            raise Failed(f"{name} did not start: {last_line(self.log(name))}")
        return p, int(line[5:])

    def start_direct(self):
        p, self.mock_port = self.start_told_port("mock", [self.mock])
        return p, (self.mock_port, self.mock_port)

    def start_floor(self):
        p, port = self.start_told_port("floor", [self.floor, "--to", f"http://127.0.0.1:{self.mock_port}"])
        return p, (port, port)

    def start_nginx(self):
        ports = free_port(), free_port()
        config = self.write("nginx.conf", NGINX.format(
            where=self.where, loops=self.options.loops, files=self.files, connections=self.files - 64,
            upstream=self.mock_port, json=ports[0], stream=ports[1]))
        p = self.children.start([find_program("nginx"), "-e", self.log("nginx"), "-c", config], self.log("nginx"))
        wait_for("nginx", lambda: can_connect(ports[1]), p, 5, self.log("nginx"))
        return p, ports

    def start_haproxy(self):
        port = free_port()
        config = self.write("haproxy.cfg", HAPROXY.format(
            loops=self.options.loops, connections=(self.files - 200) // 2, port=port, upstream=self.mock_port))
        p = self.children.start([find_program("haproxy"), "-db", "-f", config], self.log("haproxy"))
        wait_for("haproxy", lambda: can_connect(port), p, 5, self.log("haproxy"))
        return p, (port, port)

    def start_product(self):
        server = Server(self, PRODUCT, product_config(self))
        server.start()
        return server.process, (server.port, server.port)


def product_config(bench):
    """Everything that a lane before the mock asks for; the address selects what the mock does."""
    agents = {p.agent: {"model": f"mock-{p.agent}/m"} for p in PACES}
    return {
        "providers": {"sim": {"kind": "sim"}, "mock": mock_provider(bench)}
        | {f"mock-{p.agent}": mock_provider(bench, p.prefix) for p in PACES},
        "agents": {"echo": {"model": "sim/echo"}, "mock": {"model": "mock/m", "params": {"stream": False}}} | agents,
    }


NGINX = """daemon off; pid {where}/nginx.pid; error_log {where}/nginx.log crit;
worker_processes {loops}; worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  client_body_temp_path {where}/body; proxy_temp_path {where}/proxy; fastcgi_temp_path {where}/fastcgi;
  uwsgi_temp_path {where}/uwsgi; scgi_temp_path {where}/scgi;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 300s;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; keepalive_timeout 300s; }}
  server {{ listen 127.0.0.1:{json} reuseport backlog=4096; location / {{ proxy_pass http://mock; }} }}
  server {{ listen 127.0.0.1:{stream} reuseport backlog=4096; location / {{ proxy_pass http://mock; proxy_buffering off; }} }}
}}
"""

HAPROXY = """global
  nbthread {loops}
  maxconn {connections}
defaults
  mode http
  option http-keep-alive
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  maxconn {connections}
frontend in
  bind 127.0.0.1:{port} backlog 4096
  default_backend mock
backend mock
  server mock 127.0.0.1:{upstream}
"""


def start_all(bench):
    """The mock first: all others stand before it."""
    starts = [("direct", bench.start_direct), ("floor", bench.start_floor), ("nginx", bench.start_nginx),
              ("haproxy", bench.start_haproxy), (PRODUCT, bench.start_product)]
    for name, start in starts:
        contestant = bench.contestants[name] = Contestant(name, start)
        if contestant.failure:
            say(f"  {name} does not take part: {contestant.failure}")
    if bench.contestants["direct"].failure:
        sys.exit("bench/run: nothing can be measured without the mock")
