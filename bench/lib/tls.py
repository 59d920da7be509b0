"""What TLS to the upstream costs: the same runs through the same nginx, in plain, over HTTP/1.1 and over HTTP/2."""

import subprocess

from lib.lane import Column
from lib.load import LoadLane, closed_loop, end_load, of_processes, product, start_load
from lib.processes import Failed, can_connect, find_program, free_port, tree, wait_for, wait_until_idle
from lib.requests import run_request
from lib.server import Server, mock_provider

WAYS = {"plain": ("hop-plain", ""), "TLS, HTTP/1.1": ("hop-h1", "ssl"), "TLS, HTTP/2": ("hop-h2", "ssl http2")}

NGINX = """daemon off; pid {where}/hop.pid; error_log {where}/hop.log crit;
worker_processes 1; events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; http2_max_concurrent_streams 128;
  client_body_temp_path {where}/hop-body; proxy_temp_path {where}/hop-proxy; fastcgi_temp_path {where}/hop-fastcgi;
  uwsgi_temp_path {where}/hop-uwsgi; scgi_temp_path {where}/hop-scgi;
  ssl_certificate {where}/hop.pem; ssl_certificate_key {where}/hop.key;
  proxy_http_version 1.1; proxy_set_header Connection "";
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; keepalive_timeout 300s; }}
{servers}}}
"""


SERVER = "  server {{ listen 127.0.0.1:{port} {words} backlog=4096; location / {{ proxy_pass http://mock; }} }}\n"


class TlsLane(LoadLane):
    """Each round has a Sluice and an nginx of its own; its connections to it are made in the warm-up, and kept."""

    references = ("plain",)

    def __init__(self, seconds):
        rows = [product(way, run_request("lazy", agent)) for way, (agent, _) in WAYS.items()]
        super().__init__("tls", "tls: lazy runs with 64 connections through an nginx that ends TLS before the mock", rows,
                         closed_loop(64, seconds))

    def make_columns(self):
        return super().make_columns() + [Column("nginx µs/request", "hop", 1)]

    def measure_round(self, bench, n):
        hop = None
        try:
            hop, ports = start_hop(bench)
            with Server(bench, f"tls-{n}", hop_config(bench, ports)) as server:
                for row in self.in_order(n):
                    self.take(row, n, lambda row=row: self.measure_hop(bench, self.by_name[row], server, hop))
        except Failed as e:
            self.fail(e)
        finally:
            if hop:
                bench.children.stop(hop)

    def measure_hop(self, bench, row, server, hop):
        words = [*row.request, *self.load, *of_processes(server.pids), *of_processes(tree(hop.pid), "--beside")]
        try:
            number = end_load(bench, start_load(bench, server.port, words))
        finally:
            wait_until_idle(server.pids)
        figures = self.figures(number)
        return figures | {"hop": number("beside_cpu_us") / figures["count"]}


def start_hop(bench):
    make_certificate(bench)
    ports = {agent: free_port() for agent, _ in WAYS.values()}
    servers = "".join(SERVER.format(port=ports[agent], words=words) for agent, words in WAYS.values())
    config = bench.write("hop.conf", NGINX.format(where=bench.where, upstream=bench.mock_port, servers=servers))
    p = bench.children.start([find_program("nginx"), "-e", bench.log("hop"), "-c", config], bench.log("hop"))
    wait_for("nginx with TLS", lambda: all(map(can_connect, ports.values())), p, 5, bench.log("hop"))
    return p, ports


def make_certificate(bench):
    """One that signs itself, for this address."""
    made = subprocess.run([find_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                           "-nodes", "-days", "2", "-subj", "/CN=sluice-bench", "-addext", "subjectAltName=IP:127.0.0.1",
                           "-keyout", f"{bench.where}/hop.key", "-out", f"{bench.where}/hop.pem"],
                          capture_output=True, text=True)
    if made.returncode != 0:
        raise Failed(f"openssl: {made.stderr.strip()[-200:]}")


def hop_config(bench, ports):
    def provider(agent, words):
        scheme = "https" if words else "http"
        ca = {"ca_file": f"{bench.where}/hop.pem"} if words else {}
        return mock_provider(bench) | {"base_url": f"{scheme}://127.0.0.1:{ports[agent]}/v1"} | ca

    return {
        "providers": {agent: provider(agent, words) for agent, words in WAYS.values()},
        "agents": {agent: {"model": f"{agent}/m", "params": {"stream": False}} for agent, _ in WAYS.values()},
    }
