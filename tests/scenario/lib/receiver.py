"""A receiver of webhooks: takes what is posted to it, answers as it is told to, and keeps a journal."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lib.check import check, check_eq, eventually

SECRET_BYTES = b"a secret of the scenario tests!!"
SECRET = "whsec_" + base64.b64encode(SECRET_BYTES).decode()


def signed(secret_bytes, message_id, timestamp, body):
    """As https://www.standardwebhooks.com has it; not as the gateway's own code has it."""
    mac = hmac.new(secret_bytes, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()


class Post:
    """One request that came."""

    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.id = headers.get("webhook-id")
        self.json = json.loads(body)
        self.event = self.json["data"]

    def check(self, *secrets):
        """The head, the signatures and the form of the body are as promised."""
        secrets = secrets or (SECRET_BYTES,)
        timestamp = self.headers["webhook-timestamp"]
        check(abs(time.time() - int(timestamp)) < 300, f"webhook-timestamp {timestamp} is now")
        check_eq(self.headers["webhook-signature"].split(" "), [signed(s, self.id, timestamp, self.body) for s in secrets],
                 "webhook-signature")
        check_eq(self.headers["content-type"], "application/json", "Content-Type")
        check_eq(list(self.json), ["type", "timestamp", "data"], "the members of the body", self.body)
        check_eq((self.json["type"], self.json["timestamp"]), (self.event["type"], self.event["at"]), "type and time", self.body)
        run_id = self.event["run_id"].removeprefix("run_")
        check_eq(self.id, f"msg_{run_id}_{self.event['seq']}", "webhook-id")
        return self


class Receiver:
    """`answers`: by path, the statuses of the first answers, the last one for all that follow; None hangs until release().
    A path that is not there is answered with 204."""

    def __init__(self, env, answers=None, port=0, location=None):
        self.answers = answers or {}
        self.location = location
        self.lock = threading.Lock()
        self.posts = []
        self.released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                receiver.take(self)

            def log_message(self, *arguments):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass  # who posted has gone: the journal has what came

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        env.defer(self.close)

    def url(self, path="/hook"):
        return f"http://127.0.0.1:{self.port}{path}"

    def take(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self.lock:
            left = self.answers.get(handler.path, [204])
            status = left[0] if len(left) == 1 else left.pop(0)
            self.posts.append(Post(handler.path, {n.lower(): v for n, v in handler.headers.items()}, body))
        if status is None:
            self.released.wait()
            status = 204
        handler.send_response(status)
        if self.location:
            handler.send_header("Location", self.location)
        if status != 204:
            handler.send_header("Content-Length", "0")
        handler.end_headers()

    def release(self):
        self.released.set()

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    # --- the journal

    def all(self, run=None, path=None):
        with self.lock:
            return [p for p in self.posts if (run is None or p.event["run_id"] == run["id"]) and (path is None or p.path == path)]

    def await_posts(self, count, run=None, path=None, timeout=None):
        return eventually(lambda: len(self.all(run, path)) >= count and self.all(run, path), f"{count} posts", timeout)

    def await_end(self, run):
        """The post that tells of the run's end."""
        return eventually(lambda: [p for p in self.all(run) if p.json["type"] == "run.finished"], "the end is told")[-1]
