"""Operating it: health, metrics, the OpenAPI page, config errors, drain, sockets (API §7, §8; DESIGN §7, §12)."""

import json
import os
import re
import resource
import signal
import time

from lib import process
from lib.bodies import fails, hanging
from lib.check import FINAL_STATES, check, check_eq, check_gapless, check_in, check_problem, eventually, types
from lib.env import alone
from lib.http1 import ConnectionGone
from lib.server import free_port
from lib.slow import factor, scaled


def test_liveness_and_readiness(env):
    server = env.server()
    r = server.get("/livez")
    check_eq((r.status, r.json()), (200, {"status": "ok"}), "livez", r)
    check_eq(server.get("/readyz").status, 200, "readyz")


SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*=\"(?:[^\"\\\n]|\\[\\\"n])*\",?)*\})? "
                    r"(NaN|[+-]?Inf|[-+0-9.eE]+)( -?\d+)?")


def read_metrics(server):
    """The text as Prometheus would read it: {series: value}."""
    r = server.get("/metrics")
    check_eq(r.status, 200, "metrics", r)
    check_in(r.media_type, ("text/plain", "application/openmetrics-text"), "Content-Type", r)
    kinds, series = {}, {}
    for line in r.body.decode("utf-8").split("\n"):
        if line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            check(name not in kinds, f"TYPE of {name} twice", line)
            check_in(kind, ("counter", "gauge", "histogram", "summary", "untyped"), "TYPE", line)
            kinds[name] = kind
        elif line and not line.startswith("#"):
            m = SAMPLE.fullmatch(line)
            check(m, f"not a sample: {line!r}")
            key = m.group(1) + (m.group(2) or "")
            check(key not in series, f"a series twice: {key}")
            series[key] = float(m.group(3))
            family = re.sub("_(bucket|sum|count|total)$", "", m.group(1))
            check(m.group(1) in kinds or family in kinds, f"no TYPE for {key}")
    check(len(series) > 5, "some metrics", r)
    return series


def test_metrics_have_a_fixed_number_of_series(env):
    server, up = env.with_upstream({"up": "ok", "bad": "status,code=503"})
    before = read_metrics(server)
    for i in range(20):
        server.run("up", input=str(i), name=f"n{i}", metadata={f"k{i}": "v"})
        server.run("bad", input=str(i))
        server.get(f"/nothing/{i}")
        server.post("/v1/runs", {"agent": f"nobody{i}"})
    server.run("story", params=fails("hang"), timeout_ms=200)
    server.stream_run("up", input="x").all()
    after = read_metrics(server)
    check_eq(sorted(set(after) - set(before)), [], "new series")
    check_eq(sorted(set(before) - set(after)), [], "series gone")
    check(any(after[s] > before[s] for s in before), "something counts")


ROUTES = {
    "/v1/runs": {"get", "post"}, "/v1/runs/validate": {"post"}, "/v1/runs/cancel": {"post"}, "/v1/runs/{}": {"get", "delete"},
    "/v1/runs/{}/events": {"get"}, "/v1/runs/{}/output": {"get"}, "/v1/runs/{}/cancel": {"post"}, "/v1/runs/{}/tasks": {"get"},
    "/v1/runs/{}/tasks/{}": {"get"}, "/v1/agents/{}/runs": {"post"}, "/v1/agents/{}/run": {"post"}, "/v1/providers": {"get"},
    "/v1/providers/{}": {"get"}, "/v1/providers/{}/breaker/reset": {"post"}, "/livez": {"get"}, "/readyz": {"get"},
    "/metrics": {"get"}, "/openapi.json": {"get"},
}


def test_the_openapi_page_names_every_route(env):
    server = env.server()
    r = server.get("/openapi.json")
    check_eq((r.status, r.media_type), (200, "application/json"), "openapi.json", r)
    page = r.json()
    check(page["openapi"].startswith("3.1"), f"openapi {page['openapi']}")
    check(page["info"]["title"] and page["info"]["version"], "info", page["info"])
    found = {re.sub(r"\{[^}]*\}", "{}", path): {m for m in item if m in ("get", "put", "post", "delete", "patch", "head",
        "options")}
             for path, item in page["paths"].items()}
    for path, methods in ROUTES.items():
        check(path in found, f"{path} is missing", sorted(found))
        check(methods <= found[path], f"methods of {path}: {found[path]}")
    for path, item in page["paths"].items():
        for method, operation in item.items():
            if method not in ("get", "put", "post", "delete", "patch"):
                continue
            check(operation.get("responses"), f"{method} {path}: responses")
            named = set(re.findall(r"\{([^}]*)\}", path))
            given = {p.get("name") for p in operation.get("parameters", []) + item.get("parameters",
                []) if p.get("in") == "path"}
            check(named <= given or any("$ref" in p for p in operation.get("parameters", []) + item.get("parameters", [])),
                  f"{method} {path}: path parameters {named} are described", operation)
    for path in found:
        if "{}" not in path and "get" in found[path] and path != "/v1/events":
            check_eq(server.get(path).status, 200, f"GET {path}, as the page says")


def test_providers_are_shown_without_secrets(env):
    server, _ = env.with_upstream({"up": "ok"})
    for p in server.json("/v1/providers")["data"]:
        for name in ("name", "kind", "breaker", "slots", "buckets", "pool", "latency", "counts"):
            check(name in p, f"provider.{name}", p)
        check_eq(p["breaker"]["state"], "closed", "breaker", p)
    check_problem(server.get("/v1/providers/nobody"), "not_found")
    check_problem(server.post("/v1/providers/nobody/breaker/reset"), "not_found")


# --- one line for each request

def requests_logged(server):
    """What the access log says, oldest first."""
    return [fields for fields in server.logged() if fields["msg"] == "request"]


def logging_server(env, **members):
    return env.server({"log": {"format": "json", "level": "debug"}, **members})


def logged(server, request_id):
    return eventually(lambda: next((r for r in requests_logged(server) if r["request_id"] == request_id), None),
                      f"the request {request_id} is in the log")


def test_every_answered_request_is_a_line_at_debug(env):
    server = logging_server(env)
    run = server.run("echo", input="canary-of-the-input", metadata={"k": "canary-of-the-metadata"})
    server.get(f"/v1/runs/{run['id']}?nonsense=canary-of-the-query", {"X-Request-Id": "bad-query"})
    server.get("/v1/runs?limit=1", {"X-Request-Id": "list"})
    server.get("/canary-of-the-path", {"X-Request-Id": "nowhere"})
    server.post("/v1/runs", {"agent": "nobody"}, {"X-Request-Id": "refused"})
    server.ask("POST", "/v1/runs", b"x" * 5000000, {"X-Request-Id": "large", "Content-Type": "application/json"})
    server.stream_run("echo", input="x", headers={"X-Request-Id": "stream"}).all()
    said = {i: (r["method"], r["route"], r["status"]) for i in ("bad-query", "list", "nowhere", "refused", "large", "stream")
            for r in [logged(server, i)]}
    check_eq(said, {"bad-query": ("GET", "/v1/runs/{id}", 400), "list": ("GET", "/v1/runs", 200), "nowhere": ("GET", "-", 404),
                    "refused": ("POST", "/v1/runs", 422), "large": ("POST", "-", 413), "stream": ("POST", "/v1/runs", 200)},
             "what is said")
    check(all(r["client"] == "127.0.0.1" and r["tenant"] == "" for r in requests_logged(server)), "client and tenant")
    check(0 < logged(server, "list")["duration_us"] < scaled(5e6), "duration", logged(server, "list"))
    check("canary" not in server.log(), "nothing that a client wrote", server.log()[-3000:])


def test_at_info_requests_are_not_logged(env):
    server = env.server()
    server.run("echo", input="x")
    check("request_id" not in server.log(), "the log", server.log())


def test_the_log_names_the_tenant_and_never_the_key(env):
    import hashlib
    secret = "secret-of-the-tenant"
    server = env.new_server({"log": {"format": "json", "level": "debug"}, "keys": [
        {"name": "ci", "sha256": hashlib.sha256(secret.encode()).hexdigest(), "scopes": ["run"]}]})
    server.headers = {"Authorization": f"Bearer {secret}"}
    server.start()
    server.get("/v1/runs", {"X-Request-Id": "good"})
    server.get("/v1/runs", {"X-Request-Id": "bad", "Authorization": "Bearer nonsense-key"})
    check_eq((logged(server, "good")["tenant"], logged(server, "good")["status"]), ("ci", 200), "a tenant")
    check_eq((logged(server, "bad")["tenant"], logged(server, "bad")["status"]), ("", 401), "nobody")
    check(secret not in server.log() and "nonsense-key" not in server.log(), "no key")


def test_a_trusted_proxy_says_who_the_client_is(env):
    server = logging_server(env, trusted_proxies=["127.0.0.1", "10.0.0.0/8"])
    asked = {
        "plain": ([("X-Forwarded-For", "6.6.6.6, 192.0.2.7, 10.1.1.1")], "192.0.2.7"),
        "lines": ([("X-Forwarded-For", "192.0.2.8"), ("X-Forwarded-For", "10.1.1.1")], "192.0.2.8"),
        "standard": ([("Forwarded", 'for="[2001:db8::1]:80";proto=https')], "2001:db8::1"),
        "both": ([("Forwarded", "for=6.6.6.6"), ("X-Forwarded-For", "192.0.2.9")], "192.0.2.9"),
    }
    for request_id, (headers, client) in asked.items():
        check_eq(server.ask("GET", "/livez", None, [("X-Request-Id", request_id), *headers]).status, 200, "livez")
        check_eq(logged(server, request_id)["client"], client, request_id)
    server = logging_server(env, trusted_proxies=[])
    server.get("/livez", {"X-Request-Id": "liar", "X-Forwarded-For": "6.6.6.6"})
    check_eq(logged(server, "liar")["client"], "127.0.0.1", "nobody is trusted")


def test_a_unix_sockets_peer_is_trusted(env):
    server = env.server({"log": {"format": "json", "level": "debug"}}, unix=True)
    server.get("/livez", {"X-Request-Id": "local"})
    server.get("/livez", {"X-Request-Id": "proxied", "X-Forwarded-For": "192.0.2.7"})
    check_eq((logged(server, "local")["client"], logged(server, "proxied")["client"]), ("unix", "192.0.2.7"), "clients")


def test_answers_are_timed_in_microseconds(env):
    """Bug: they were timed with the loop's clock, in whole ms, so that nearly all took none."""
    server = env.server()
    for _ in range(20):
        server.get("/v1/agents")
    m = read_metrics(server)
    check(m["sluice_http_request_seconds_sum"] > 0, "time passes within a turn", m["sluice_http_request_seconds_sum"])
    check(m["sluice_http_request_seconds_sum"] < scaled(20), "and not that much")


# --- the end of the process

def thread_names(pid):
    names = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as f:
            names.append(f.read().strip())
    return sorted(names)


def test_threads_have_names(env):
    server = env.server(config={"loops": 2})
    wanted = {"loop 0", "loop 1", "store writer", "store reader"}
    eventually(lambda: wanted <= set(thread_names(server.pid)), f"threads {wanted}")


def test_sigterm_lets_running_runs_finish_within_the_drain(env):
    server, up = env.with_upstream({"up": "ok,gate=g"}, {"drain_ms": int(scaled(20000))})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    stream = server.follow(run["id"])
    stream.until("attempt.started")
    kept = server.connect()
    check_eq(kept.ask("GET", "/readyz").status, 200, "before")
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    end = stream.until("stream.end", "run.finished")
    check_eq(end.type, "stream.end", "streams are told")
    check_eq((end.sse_id, set(end.data)), (None, {"reason", "after"}), "stream.end", end.raw)
    check_eq(end.data["after"], [e.seq for e in stream.seen if e.seq][-1], "where to go on", end.raw)
    try:  # a kept connection may still be served: then it must say so
        check_eq(kept.ask("GET", "/readyz").status, 503, "readiness")
        check_problem(kept.ask("POST", "/v1/runs", {"Content-Type": "application/json"}, {"agent": "echo"}), "draining")
    except (ConnectionGone, OSError):
        pass
    check(server.is_running(), "it waits for the run")
    up.release("g")
    server.wait_exit(0)
    check(time.monotonic() - began < scaled(15), "it leaves when the last run has ended, not at the end of drain_ms")
    server.restart()
    check_eq(server.get_run(run["id"])["state"], "succeeded", "the run ended before the process")
    check_eq(up.requests(), 1, "requests")
    rest = server.follow(run["id"], query=f"?after={end.data['after']}").all()
    check_gapless(rest, end.data["after"] + 1)


def test_sigterm_parks_what_is_left_for_the_next_start(env):
    server, up = env.with_upstream({"up": "ok,tokens=3,gate=g"}, {"drain_ms": 300})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    streams = [server.follow(run["id"], accept) for accept in ("text/event-stream", "application/x-ndjson")]
    waiter = server.connect().request("GET", f"/v1/runs/{run['id']}", {"Prefer": "wait=60"})
    for s in streams:
        s.until("attempt.started")
    server.stop()
    for s in streams:
        check_eq(s.all()[-1].type, "stream.end", "streams are told")
    try:
        r = waiter.response()
        check_in(r.status, (200, 503), "a waiting client is answered", r)
        if r.status == 200:
            check(r.json()["state"] not in FINAL_STATES, "with the run as it is", r)
    except ConnectionGone:
        check(False, "a waiting client was left without an answer")
    server.restart()
    entries = [up.wait_entry(run["id"], n=n) for n in (1, 2)]
    check_eq(entries[0]["idempotency_key"], entries[1]["idempotency_key"], "the upstream key is stable", entries)
    up.release("g")
    done = server.check_finished(run["id"])
    check_eq(done["output"], "w0 w1 w2", "output", done)
    check_gapless(server.events(run["id"]))


def test_sigterm_with_on_crash_fail_fails_as_crashed(env):
    server, up = env.with_upstream({"up": "ok,gate=g"}, {"drain_ms": 300})
    run = server.start_run("up", input="x", on_crash="fail")
    up.wait_held(1)
    server.stop()
    server.restart()
    server.check_finished(run["id"], "failed", "crashed")
    check_eq(up.requests(), 1, "it is not tried again")


def test_sigterm_keeps_queued_and_waiting_runs(env):
    server, up = env.with_upstream({"up": "ok,gate=g"}, {"drain_ms": 300, "providers": {"up": {"limits": {"concurrency": 1}}}})
    runs = [server.start_run("up", input=str(i)) for i in range(20)]
    up.wait_held(1)
    server.stop()
    server.restart()
    up.release("g")
    for run in runs:
        server.check_finished(run["id"])


def test_an_idle_server_stops_at_once(env):
    server = env.server({"drain_ms": 60000})
    server.run(input="x")
    idle = server.connect()
    check_eq(idle.ask("GET", "/livez").status, 200, "an idle kept connection")
    began = time.monotonic()
    server.stop()
    check(time.monotonic() - began < scaled(10), "nothing to wait for")


def test_sigint_stops_as_sigterm_does(env):
    server = env.server()
    server.signal(signal.SIGINT)
    server.wait_exit(0)


# --- sockets and files

def test_a_unix_socket(env):
    server = env.server(unix=True)
    check_eq(server.run(input="over unix")["output"], "over unix", "a run")
    stream = server.stream_run(input="a b")
    check_eq(types(stream.all())[-1], "run.finished", "a stream")
    server.kill()
    check(os.path.exists(server.address[5:]), "kill -9 leaves the socket file")
    server.restart()
    check_eq(server.run(input="again")["state"], "succeeded", "a stale socket file is no obstacle")


def test_several_addresses_at_once(env):
    port = free_port()
    server = env.new_server()
    path = f"unix:{server.dir}/s"
    server.config["listen"] += [f"127.0.0.1:{port}", path]
    server.start()
    first = server.run(input="x")
    for address in (("127.0.0.1", port), path):
        server.address = address
        check_eq(server.get_run(first["id"])["state"], "succeeded", f"at {address}")


def test_an_address_in_use_is_an_error(env):
    first = env.server()
    second = env.new_server({"listen": first.config["listen"]})
    second.write_config()
    second.spawn()
    code = process.wait(second.process, scaled(10))
    check(code not in (None, 0), f"exit code {code}", second.log())
    check(str(first.address[1]) in second.log(), "it names the address", second.log())


def test_a_second_server_on_the_same_database_leaves_and_names_the_first(env):
    first = env.server()
    second = env.new_server(path=first.database)
    second.write_config()
    second.spawn()
    code = process.wait(second.process, scaled(10))
    check(code not in (None, 0), f"exit code {code}", second.log())
    check(str(first.pid) in second.log(), f"it names pid {first.pid}", second.log())
    check_eq(first.run(input="x")["state"], "succeeded", "the first one goes on")


def test_db_and_listen_from_the_command_line(env):
    server = env.new_server()
    port, path = free_port(), os.path.join(server.dir, "other.db")
    server.write_config()
    server.address = ("127.0.0.1", port)
    server.spawn("--listen", f"127.0.0.1:{port}", "--db", path)
    server.wait_ready()
    check_eq(server.run(input="x")["state"], "succeeded", "a run")
    check(os.path.exists(path), "--db")
    check(not os.path.exists(server.database), "and not the config's")


# --- configuration

# (config text, what the message must hold beside the line, its line)
BAD_CONFIGS = [
    ('{\n  "frob": 1\n}', "frob", 2),
    ('{\n  "limits": {\n    "body_byte": 1\n  }\n}', "body_byte", 3),
    ('{\n  "providers": {\n    "up": {\n      "kind": "sim",\n      "timeouts": {"conect_ms": 5}\n    }\n  }\n}',
     "conect_ms", 5),
    ('{\n  "loops": "two"\n}', "loops", 2),
    ('{\n  "limits": {"body_bytes": -1}\n}', "body_bytes", 2),
    ('{\n  "listen": "127.0.0.1:1"\n}', "listen", 2),
    ('{\n  "listen": ["nonsense"]\n}', "listen", 2),
    ('{\n  "providers": {"up": {"kind": "nothing"}}\n}', "kind", 2),
    ('{\n  "providers": {"up": {"kind": "openai", "base_url": "ftp://x/"}}\n}', "base_url", 2),
    ('{\n  "providers": {\n    "up": {"kind": "openai", "base_url": "http://x/v1",\n      "api_key": {"env": "SLUICE_TEST_MISSING"}}}\n}',
     "SLUICE_TEST_MISSING", 4),
    ('{\n  "providers": {"up": {"kind": "sim", "retry": {"jitter": "some"}}}\n}', "jitter", 2),
    ('{\n  "agents": {"a": {"model": "nobody/m"}}\n}', "nobody", 2),
    ('{\n  "log": {"level": "loud"}\n}', "level", 2),
    ('{\n  "drain_ms": 1.5\n}', "drain_ms", 2),
]


def refused_start(env, text, *arguments):
    server = env.new_server()
    server.write_config(text)
    server.spawn(*arguments)
    code = process.wait(server.process, scaled(10))
    check(code not in (None, 0), f"exit code {code} with {text}", server.log())
    return server.log()


def test_config_errors_name_line_and_path(env):
    for text, name, line in BAD_CONFIGS:
        log = refused_start(env, text)
        check(name in log, f"the message names {name}", text, log)
        check(re.search(rf"\b{line}\b", log), f"the message names line {line}", text, log)


def test_config_that_is_no_json_names_the_line(env):
    for text, line in (('{\n  "loops": 1,\n}', 3), ('{\n "loops": }', 2), ("{\n\n  loops: 1}", 3),
                       ('{\n "loops": 1,\n "loops": 2}', 3)):
        log = refused_start(env, text)
        check(re.search(rf"\b{line}\b", log), f"line {line}", text, log)
    server = env.new_server()
    server.config_path = os.path.join(server.dir, "missing.json")
    server.spawn()
    check(process.wait(server.process, scaled(10)) not in (None, 0), "a missing file", server.log())
    check("missing.json" in server.log(), "it is named", server.log())


def test_comments_and_secrets_from_files(env):
    up = env.upstream()
    server = env.new_server()
    secret = os.path.join(server.dir, "secret")
    with open(secret, "w") as f:
        f.write("sk-from-a-file\n")
    os.chmod(secret, 0o600)
    server.config["providers"]["up"] = {**up.provider(), "api_key": {"file": secret}}
    server.config["agents"]["up"] = {"model": "up/m"}
    text = json.dumps(server.config, indent=1)
    server.write_config("// first\n/* several\n   lines */ " + text.replace('"loops"', '/* here */ "loops"', 1) + "\n// last")
    server.spawn()
    server.wait_ready()
    run = server.run("up", input="x")
    check_eq(run["state"], "succeeded", "state", run)
    check_eq(up.one(run["id"])["authorization"], "Bearer sk-from-a-file", "the secret, without its newline")
    check("sk-from-a-file" not in server.log(), "not in the log")


def test_print_config_shows_what_is_in_force(env):
    import subprocess
    server = env.new_server({"limits": {"body_bytes": 123456}, "providers": {"up": {
        "kind": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": {"env": "UPSTREAM_KEY"}}}})
    server.write_config()
    p = subprocess.run([*env.command(), "serve", "--config", server.config_path, "--print-config"], capture_output=True,
                       text=True,
                       env=server.environ, timeout=scaled(20))
    check_eq(p.returncode, 0, "exit code", p.stderr)
    check("sk-canary" not in p.stdout + p.stderr, "secrets are masked", p.stdout)
    lines = [l for l in p.stdout.split("\n") if not l.lstrip().startswith("//")]
    config = json.loads("\n".join(lines))
    check_eq((config["limits"]["body_bytes"], config["limits"]["header_bytes"]), (123456, 32768), "given and default", p.stdout)
    check_eq(config["providers"]["up"]["timeouts"]["connect_ms"], 5000, "a provider's default", p.stdout)


# --- limits of the machine

@alone
def test_running_out_of_descriptors_is_survived(env):
    if factor() > 4:
        env.skip("too slow a build for a descriptor limit")

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    server = env.server(preexec=few)
    run = server.start_run("story", params=hanging())
    stream = server.follow(run["id"])
    stream.until("attempt.started")
    crowd = []
    for _ in range(500):
        try:
            crowd.append(server.connect(1))
            crowd[-1].send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        except OSError:
            break
    used = process.cpu_seconds(server.pid)
    time.sleep(1)
    used = process.cpu_seconds(server.pid) - used
    check(used < 0.3, f"it does not spin: {used:.2f} s in 1 s")
    check(server.is_running(), "alive")
    for c in crowd:
        c.reset()
    eventually(lambda: server.get("/livez").status == 200, "accepting again", scaled(10), 0.1)
    server.cancel(run["id"])
    check_eq(stream.all()[-1].type, "run.finished", "the open stream lived on")
    check_eq(server.run(input="x")["state"], "succeeded", "runs work")


def test_a_connection_limit_of_its_own(env):
    server = env.server({"limits": {"connections": 50}})
    crowd = [server.connect(scaled(2)) for _ in range(50)]
    served = 0
    for c in crowd:
        try:
            served += c.ask("GET", "/livez").status == 200
        except (ConnectionGone, OSError, AssertionError):
            pass
    check(served >= 40, f"{served} of 50 are served")
    for c in crowd:
        c.close()
    eventually(lambda: server.get("/livez").status == 200, "free again", scaled(10), 0.05)
