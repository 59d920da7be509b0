"""Several API keys for one provider: they take turns, and one that the provider does not want rests while the others
serve. And model lists: what moves on to the next one, and what does not."""

import http.server
import json
import threading
import time

from lib.check import check, check_eq, types

ANSWER = {"choices": [{"message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
          "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


class Picky:
    """An OpenAI-compatible server that answers each key as it is told: {key: (status, headers)}."""

    def __init__(self, env, **faults):
        self.faults, self.seen = faults, []
        picky = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                key = self.headers["Authorization"].removeprefix("Bearer ")
                picky.seen.append(key)
                status, headers = picky.faults.get(key, (200, {}))
                body = json.dumps(ANSWER if status == 200 else {"error": {"message": f"no, {key}"}}).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        env.defer(self.server.shutdown)

    def config(self, keys=("k1", "k2", "k3"), **members):
        return {"providers": {"up": {"kind": "openai", "base_url": f"http://127.0.0.1:{self.server.server_address[1]}/v1",
                                     "api_keys": list(keys), "retry": {"attempts": 2, "base_ms": 1}, **members}},
                "agents": {"up": {"model": "up/m"}, "both": {"model": ["up/m", "sim/echo"]}}}


def test_keys_take_turns(env):
    picky = Picky(env)
    server = env.server(picky.config())
    for _ in range(6):
        check_eq(server.run("up", input="x")["state"], "succeeded", "state")
    check_eq(picky.seen, ["k1", "k2", "k3"] * 2, "keys")


def test_a_key_that_is_refused_rests_while_the_others_serve(env):
    for fault in ((401, {}), (403, {}), (429, {"Retry-After": "30"})):
        picky = Picky(env, k1=fault)
        server = env.server(picky.config())
        started = time.monotonic()
        for _ in range(4):
            check_eq(server.run("up", input="x")["output"], "fine", f"output beside {fault}")
        check(time.monotonic() - started < 10, "nobody waits for the one that is limited")
        check_eq(picky.seen, ["k1", "k2", "k3", "k2", "k3"], f"keys beside {fault}")


def test_where_no_key_is_wanted_the_call_fails_without_telling_them(env):
    picky = Picky(env, k1=(401, {}), k2=(403, {}), k3=(401, {}))
    server = env.server(picky.config())
    run = server.run("up", input="x")
    check_eq((run["state"], run["error"]["code"]), ("failed", "provider_auth"), "state, code", run)
    check_eq(sorted(picky.seen), ["k1", "k2", "k3"], "each key is tried once")
    told = json.dumps(run) + "".join(repr(e.raw) for e in server.events(run["id"]))
    check("no, ***" in told and not any(f"no, {k}" in told for k in ("k1", "k2", "k3")), "no key is told", told)


def test_credentials_move_on_to_the_next_model_and_the_callers_fault_does_not(env):
    picky = Picky(env, k1=(401, {}))
    server = env.server(picky.config(keys=("k1",)))
    check_eq(server.run("both", input="by sim")["output"], "by sim", "output")
    picky.faults["k1"] = (400, {})
    check_eq(server.run("both", input="x")["error"]["code"], "bad_request", "code")


def test_a_rate_limit_moves_on_only_where_it_would_take_too_long(env):
    picky = Picky(env, k1=(429, {"Retry-After": "20"}))
    server = env.server(picky.config(keys=("k1",), fallback_wait_ms=1000))
    started = time.monotonic()
    run = server.run("both", input="by sim")
    check_eq(run["output"], "by sim", "output", run)
    check(time.monotonic() - started < 10, "it does not wait for the limit")
    check_eq(picky.seen, ["k1"], "keys")


def test_a_short_rate_limit_is_waited_for(env):
    picky = Picky(env, k1=(429, {"Retry-After-Ms": "200"}))
    server = env.server(picky.config(keys=("k1",), fallback_wait_ms=5000))
    run_id = server.start_run("both", input="by sim")["id"]
    run = server.wait_run(run_id)
    check_eq(picky.seen, ["k1", "k1"], "keys: the call's own retry comes first")
    check("task.retrying" in types(server.events(run_id)), "it was waited", run)
    check_eq(run["output"], "by sim", "output", run)
