"""Work that goes on at a provider after it has answered ("202 and poll me"): asked after until it is done, over a crash
as well, and cancelled there when nobody wants it any more."""

import http.server
import json
import threading

from lib.check import check, check_eq, eventually, types


class Jobs:
    """An API that begins work at POST /jobs and tells its state at GET /jobs/N. It counts what it is asked."""

    def __init__(self, env, asks=3):
        self.asks = asks  # a job is done at the question of that number; 0: never
        self.started, self.cancelled = [], []
        self.questions = {}
        self.faults = []  # statuses that the next questions get
        jobs = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, document, headers=()):
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.endswith("/cancel"):
                    jobs.cancelled.append(self.path)
                    self.answer(200, {})
                    return
                jobs.started.append(json.loads(body))
                number = len(jobs.started)
                self.answer(202, {"status": "starting", "urls": {"get": f"/jobs/{number}", "cancel": f"/jobs/{number}/cancel"}})

            def do_GET(self):
                number = int(self.path.rsplit("/", 1)[1])
                n = jobs.questions[number] = jobs.questions.get(number, 0) + 1
                if jobs.faults:
                    self.answer(jobs.faults.pop(0), {"message": "not now"})
                elif jobs.asks and n >= jobs.asks:
                    self.answer(200, {"status": "succeeded", "output": {"echo": jobs.started[number - 1]}})
                else:
                    self.answer(200, {"status": "running"})

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        env.defer(self.server.shutdown)

    def config(self, **poll):
        return {"providers": {"jobs": {"kind": "http", "base_url": f"http://127.0.0.1:{self.server.server_address[1]}",
                                       "api_key": "sk-jobs-canary",
                                       "request": {"method": "POST", "path": "/jobs", "body": {"in": "{{input}}"}},
                                       "result": "/output/echo/in",
                                       "poll": {"cancel_url": "/urls/cancel", "every_ms": 50, **poll}}},
                "agents": {"job": {"model": "jobs/any"}}}


def test_work_is_asked_after_until_it_is_done(env):
    jobs = Jobs(env)
    server = env.server(jobs.config())
    run = server.run("job", input={"n": 1})
    check_eq(run["state"], "succeeded", "state", run)
    check_eq(run["output"], {"n": 1}, "output", run)
    check_eq(run["usage"]["attempts"], 1, "attempts", run)
    check_eq((len(jobs.started), jobs.questions), (1, {1: 3}), "what the upstream saw")


def test_a_question_without_an_answer_is_asked_again(env):
    jobs = Jobs(env)
    jobs.faults = [503, 429, 500]
    server = env.server(jobs.config())
    run = server.run("job", input=1)
    check_eq((run["state"], run["usage"]["attempts"]), ("succeeded", 1), "state, attempts", run)
    check_eq(len(jobs.started), 1, "work begun")


def test_polling_goes_on_after_a_crash(env):
    jobs = Jobs(env, asks=0)
    server = env.server(jobs.config())
    for begun, on_crash in enumerate(("retry", "fail"), 1):
        run_id = server.start_run("job", input=7, on_crash=on_crash)["id"]
        eventually(lambda: jobs.questions.get(begun, 0) >= 3, "some questions")
        server.kill()
        server.restart()
        seen = jobs.questions[begun]
        eventually(lambda: jobs.questions[begun] >= seen + 2, "more questions")
        jobs.asks = 1
        run = server.wait_run(run_id)
        jobs.asks = 0
        check_eq((run["state"], run["output"]), ("succeeded", 7), "state, output", run)
        check_eq(len(jobs.started), begun, "work begun")
        check("attempt.lost" in types(server.events(run_id)), "the first attempt is told to be lost")


def test_polling_goes_on_after_an_orderly_stop(env):
    jobs = Jobs(env, asks=0)
    server = env.server({**jobs.config(), "drain_ms": 100})
    run_id = server.start_run("job", input=7)["id"]
    eventually(lambda: jobs.questions.get(1, 0) >= 2, "some questions")
    server.stop()
    jobs.asks = 1
    server.restart()
    run = server.wait_run(run_id)
    check_eq((run["state"], len(jobs.started), jobs.cancelled), ("succeeded", 1, []), "state, work begun, cancelled", run)


def test_a_cancel_is_passed_on(env):
    jobs = Jobs(env, asks=0)
    server = env.server(jobs.config())
    run_id = server.start_run("job", input=7)["id"]
    eventually(lambda: jobs.questions.get(1, 0) >= 1, "a question")
    server.post(f"/v1/runs/{run_id}/cancel", {})
    check_eq(server.wait_run(run_id)["state"], "cancelled", "state")
    eventually(lambda: jobs.cancelled == ["/jobs/1/cancel"], "the cancel call")
