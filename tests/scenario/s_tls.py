"""Providers behind TLS: an authority of one's own, names that must fit, and HTTP/2 with many calls on one connection."""

import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading

from lib import process
from lib.check import check, check_eq, check_run, eventually
from lib.server import free_port

ANSWER = {"choices": [{"message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
          "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


def certificate(env, names="IP:127.0.0.1"):
    """A certificate that signs itself, for these names; the paths of it and of its key."""
    if shutil.which("openssl") is None:
        env.skip("there is no openssl to make a certificate with")
    base = os.path.join(env.tmp, names.replace(":", "_"))
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                           "-days", "2", "-subj", "/CN=sluice-test", "-addext", f"subjectAltName={names}",
                           "-keyout", f"{base}.key", "-out", f"{base}.pem"], capture_output=True, text=True, check=False)
    check_eq(made.returncode, 0, "openssl", made.stderr)
    return f"{base}.pem", f"{base}.key"


class Secure:
    """An OpenAI-compatible server on HTTP/1.1 over TLS that answers every call alike, and counts them."""

    def __init__(self, env, pem, key):
        self.seen = 0
        secure = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                secure.seen += 1
                body = json.dumps(ANSWER).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a client that does not trust us hangs up

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        env.defer(self.server.shutdown)
        self.port = self.server.server_address[1]


def provider(port, ca_file=None):
    return {"kind": "openai", "base_url": f"https://127.0.0.1:{port}/v1", "api_key": {"env": "UPSTREAM_KEY"},
            "retry": {"attempts": 1}, "breaker": {"failures": 10000}, "ca_file": ca_file}


def test_an_authority_of_ones_own_is_trusted_where_it_is_named(env):
    pem, key = certificate(env)
    secure = Secure(env, pem, key)
    server = env.server({"providers": {"named": provider(secure.port, pem), "not": provider(secure.port)},
                         "agents": {"named": {"model": "named/m"}, "not": {"model": "not/m"}}})
    for i in range(3):
        check_eq(server.check_finished(server.start_run("named", input=str(i))["id"])["output"], "fine", "output")
    run = check_run(server.run("not", input="x"))
    check_eq((run["state"], run["error"]["code"]), ("failed", "provider_unreachable"), "an unknown authority", run)
    check("certificate" in run["error"]["message"].lower(), "it says why", run)
    check_eq(secure.seen, 3, "calls that came through")


def test_a_certificate_for_another_name_is_refused(env):
    pem, key = certificate(env, "DNS:elsewhere.example")
    secure = Secure(env, pem, key)
    server = env.server({"providers": {"up": provider(secure.port, pem)}, "agents": {"up": {"model": "up/m"}}})
    run = check_run(server.run("up", input="x"))
    check_eq((run["state"], run["error"]["code"]), ("failed", "provider_unreachable"), "another's certificate", run)
    check_eq(secure.seen, 0, "calls that came through")


NGINX = """daemon off; master_process off; worker_processes 1; pid {dir}/pid; error_log {dir}/error;
events {{ worker_connections 512; }}
http {{
  log_format seen '$connection $server_protocol $status';
  access_log {dir}/seen seen;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {pem}; ssl_certificate_key {key};
    http2_max_concurrent_streams {streams};
    location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; proxy_buffering off; }}
  }}
}}
"""


class Front:
    """nginx, which speaks HTTP/2 over TLS, in front of the upstream."""

    def __init__(self, env, up, streams=128):
        nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if nginx is None:
            env.skip("there is no nginx, which speaks HTTP/2")
        self.pem, key = certificate(env)
        self.port, self.dir = free_port(), os.path.join(env.tmp, "front")
        os.mkdir(self.dir)
        with open(f"{self.dir}/conf", "w", encoding="ascii") as f:
            f.write(NGINX.format(dir=self.dir, port=self.port, pem=self.pem, key=key, upstream=up.port, streams=streams))
        self.process = process.spawn([nginx, "-p", self.dir, "-e", f"{self.dir}/error", "-c", f"{self.dir}/conf"])
        env.defer(self.stop)
        eventually(self.is_there, "nginx listens")

    def is_there(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def stop(self):
        self.process.terminate()
        process.wait(self.process, 10)

    def seen(self):
        """(connection, protocol, status) of each request that has ended."""
        with open(f"{self.dir}/seen", encoding="ascii") as f:
            return [tuple(line.split()) for line in f]


def behind(env, streams=128):
    up = env.upstream()
    front = Front(env, up, streams)
    server = env.server({"loops": 1, "providers": {"up": provider(front.port, front.pem)}, "agents": {"up": {"model": "up/m"}}})
    return server, up, front


def check_seen(front, n, connections):
    seen = eventually(lambda: front.seen() if len(front.seen()) >= n else None, f"{n} requests have ended")
    check_eq((len(seen), {protocol for _, protocol, _ in seen}), (n, {"HTTP/2.0"}), "requests and their protocol", seen)
    found = len({connection for connection, _, _ in seen})
    check(found <= connections, f"{found} connections, expected at most {connections}", seen)


def test_many_calls_share_one_connection(env):
    server, up, front = behind(env)
    runs = [server.start_run("up", input=f"[[b:ok,gate=g]] {i}") for i in range(40)]
    up.wait_held(40)
    pool = server.json("/v1/providers/up")["pool"]
    check_eq(pool["active"], 40, "transfers under way", pool)
    server.cancel(runs[7]["id"])
    server.check_finished(runs[7]["id"], "cancelled")
    server.check_finished(server.start_run("up", input="one more")["id"])  # the reset goes with its first frame at the latest
    up.wait_entry(runs[7]["id"], lambda e: e["end"] == "closed_by_peer", "the cancel")
    check_eq(up.stats()["active"], 39, "all others go on")
    up.release("g")
    for run in runs[:7] + runs[8:]:
        server.check_finished(run["id"])
    server.check_finished(server.start_run("up", input="on the idle connection")["id"])
    check_seen(front, 42, 1)


def test_the_cancel_of_the_only_call_of_a_connection_reaches_the_provider(env):
    server, up, _ = behind(env)
    run = server.start_run("up", input="[[b:ok,gate=g]]")
    up.wait_held(1)
    server.cancel(run["id"])
    server.check_finished(run["id"], "cancelled")
    up.wait_entry(run["id"], lambda e: e["end"] == "closed_by_peer", "the cancel")
    server.check_finished(server.start_run("up", input="x")["id"])


def test_more_calls_than_a_connection_has_streams_open_another(env):
    server, up, front = behind(env, streams=8)
    runs = [server.start_run("up", input=f"[[b:ok,gate=g]] {i}") for i in range(20)]
    up.wait_held(20)
    up.release("g")
    for run in runs:
        server.check_finished(run["id"])
    check_seen(front, 20, 6)
