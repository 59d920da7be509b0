"""Keys, scopes, tenants, and what must not be opened to the world (API §7, DESIGN §11)."""

import hashlib
import json

from lib import process
from lib.bodies import hanging
from lib.check import check, check_eq, check_in, check_problem
from lib.server import free_port
from lib.slow import scaled

KEYS = {"reader": ("reader-key-0001", ["read"]), "runner": ("runner-key-0002", ["run"]), "chief": ("chief-key-0003", ["admin"]),
        "other": ("other-key-0004", ["run"])}


def key_config():
    return [{"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": scopes}
            for name, (key, scopes) in KEYS.items()]


def keyed_server(env, config=None):
    server = env.new_server({"keys": key_config(), **(config or {})})
    return server.start()


def as_(name):
    return {"Authorization": f"Bearer {KEYS[name][0]}"}


def test_a_key_is_needed_and_two_headers_carry_it(env):
    server = keyed_server(env)
    body = {"agent": "echo", "input": "x"}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic cnVubmVyLWtleS0wMDAy"},
                    {"x-api-key": "wrong"},
                    {"Authorization": "Bearer "}, {"Authorization": f"Bearer {KEYS['runner'][0]}x"},
                    {"Authorization": f"Bearer {KEYS['runner'][0][:-1]}"},
                    {"Authorization": "Bearer " + hashlib.sha256(KEYS["runner"][0].encode()).hexdigest()}):
        for method, target in (("POST", "/v1/runs"), ("GET", "/v1/runs"), ("GET", "/v1/providers")):
            r = server.ask(method, target, body if method == "POST" else None, headers)
            check_problem(r, "unauthenticated")
            check(r.header("www-authenticate"), "WWW-Authenticate (RFC 9110, 15.5.2)", r)
    for headers in (as_("runner"), {"x-api-key": KEYS["runner"][0]}, {"X-API-Key": KEYS["runner"][0]},
                    {"Authorization": f"bearer {KEYS['runner'][0]}"}):
        check_eq(server.post("/v1/runs", body, headers).status, 202, f"status with {list(headers)[0]}")
    log = server.log()
    for name, (key, _) in KEYS.items():
        check(key not in log, f"the key of {name} is in the log")


def test_liveness_and_readiness_are_open_to_all(env):
    server = keyed_server(env)
    for target in ("/livez", "/readyz"):
        check_eq(server.get(target).status, 200, target)


def test_scopes(env):
    server = keyed_server(env)
    body = {"agent": "echo", "input": "x"}
    run = server.post("/v1/runs", body, {**as_("runner"), "Prefer": "wait=20"}).json()
    check_eq(server.get("/v1/runs", as_("reader")).status, 200, "read lists")
    for method, target, sent in (("POST", "/v1/runs", body), ("POST", "/v1/agents/echo/runs", {}),
                                 ("POST", f"/v1/runs/{run['id']}/cancel", None), ("DELETE", f"/v1/runs/{run['id']}", None),
                                 ("POST", "/v1/providers/sim/breaker/reset", None)):
        check_problem(server.ask(method, target, sent, as_("reader")), "forbidden")
    check_problem(server.post("/v1/providers/sim/breaker/reset", None, as_("runner")), "forbidden")
    check_eq(server.post("/v1/providers/sim/breaker/reset", None, as_("chief")).status, 200, "admin resets")
    check_eq(server.post("/v1/runs", body, as_("chief")).status, 202, "admin is above run")
    check_eq(server.get("/v1/runs", as_("runner")).status, 200, "run is above read")


def test_a_tenant_sees_only_its_own(env):
    server = keyed_server(env)
    mine = server.post("/v1/runs", {"agent": "echo", "input": "secret"}, {**as_("runner"), "Prefer": "wait=20"}).json()
    going = server.post("/v1/runs", {"agent": "story", "params": hanging()}, as_("runner")).json()
    for run in (mine, going):
        for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/output"), ("GET", "/tasks"), ("GET", "/tasks/root"),
                             ("POST", "/cancel"), ("DELETE", ""), ("HEAD", "")):
            for name in ("other", "chief"):
                r = server.ask(method, f"/v1/runs/{run['id']}{path}", None, as_(name))
                check_eq(r.status, 404, f"{method} {path} of another tenant's run as {name}", r)
        r = server.get(f"/v1/runs/{run['id']}/events", {**as_("other"), "Accept": "text/event-stream"})
        check_problem(r, "not_found")
    unknown = server.get("/v1/runs/run_01JD3Y00000000000000000000", as_("other")).json()
    foreign = server.get(f"/v1/runs/{mine['id']}", as_("other")).json()
    strip = lambda p: {k: v for k, v in p.items() if k not in ("request_id", "detail", "run_id")}
    check_eq(strip(foreign), strip(unknown), "a foreign id looks like an unknown one")
    check_eq(server.get("/v1/runs", as_("other")).json()["data"], [], "the list")
    check_eq(len(server.get("/v1/runs", as_("runner")).json()["data"]), 2, "one's own list")
    r = server.post("/v1/runs/cancel", {"ids": [going["id"]]}, as_("other"))
    check_eq((r.status, r.json()), (200, {"cancelled": 0, "not_found": [going["id"]]}), "cancel by id", r)
    check(server.get(f"/v1/runs/{going['id']}", as_("runner")).json()["state"] not in ("cancelled", "cancelling"),
          "still going")
    check_eq(server.ask("DELETE", f"/v1/runs/{mine['id']}", None, as_("runner")).status, 204, "one's own")


def test_idempotency_keys_are_a_tenants_own(env):
    server = keyed_server(env)
    answers = [server.post("/v1/runs", {"agent": "echo", "input": name}, {**as_(name), "Idempotency-Key": "k"})
               for name in ("runner", "other")]
    check_eq([r.status for r in answers], [202, 202], "statuses")
    check(answers[0].json()["id"] != answers[1].json()["id"], "two runs")


def test_keys_are_not_stored_or_shown(env):
    server = keyed_server(env)
    server.post("/v1/runs", {"agent": "echo"}, as_("runner"))
    server.stop()
    for suffix in ("", "-wal"):
        try:
            with open(server.database + suffix, "rb") as f:
                data = f.read()
        except OSError:
            continue
        for name, (key, _) in KEYS.items():
            check(key.encode() not in data, f"the key of {name} is in the database")


def try_start(env, config, *arguments):
    """Starts a server that shall refuse: (exit code or None, log)."""
    server = env.new_server(config)
    server.write_config()
    server.spawn(*arguments)
    return process.wait(server.process, scaled(5)), server


def test_beyond_loopback_without_keys_is_refused(env):
    for address in ("0.0.0.0", "[::]"):
        code, server = try_start(env, {"listen": [f"{address}:{free_port()}"]})
        log = server.log()
        check(code not in (0, None), f"{address}: exit code {code}", log)
        check("allow_unauthenticated" in log or "keys" in log, "the message says what to do", log)
    code, server = try_start(env, {}, "--listen", f"0.0.0.0:{free_port()}")
    check(code not in (0, None), f"by --listen: exit code {code}", server.log())


def test_beyond_loopback_with_keys_or_on_demand_is_allowed(env):
    port = free_port()
    server = env.new_server({"listen": [f"0.0.0.0:{port}"], "keys": key_config()})
    server.address = ("127.0.0.1", port)
    server.start()
    check_problem(server.get("/v1/runs"), "unauthenticated")
    port = free_port()
    server = env.new_server({"listen": [f"0.0.0.0:{port}"], "allow_unauthenticated": True})
    server.address = ("127.0.0.1", port)
    server.start()
    check_eq(server.get("/v1/runs").status, 200, "open, as asked for")
    log = server.log().lower()
    check("unauthenticated" in log or "without key" in log or "no key" in log, "said loudly in the log", log)


def test_a_key_with_bad_parts_is_a_config_error(env):
    for key in ({"name": "x", "sha256": "short", "scopes": ["read"]}, {"name": "a b", "sha256": "0" * 64, "scopes": ["read"]},
                {"name": "x", "sha256": "0" * 64, "scopes": ["everything"]}, {"name": "x", "scopes": ["read"]}):
        code, server = try_start(env, {"keys": [key]})
        check(code not in (0, None), f"exit code {code} with {json.dumps(key)}", server.log())


def test_wrong_keys_cost_no_more_than_right_ones(env):
    """No lock-out of a valid key by others' bad tries from the same machine."""
    server = keyed_server(env)
    for i in range(100):
        check_in(server.get("/v1/runs", {"x-api-key": f"bad-{i}"}).status, (401, 429), "a bad key")
    check_eq(server.get("/v1/runs", as_("reader")).status, 200, "a good key afterwards")
