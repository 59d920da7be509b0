"""Slots, queues, buckets, breakers, deadlines: what happens before a call is made (API §6-§8, DESIGN §8)."""

import time

from lib.bodies import hanging
from lib.check import (check, check_eq, check_events, check_in, check_problem, check_reason, check_run, eventually, stamp_ms,
                       types)
from lib.env import time_limit
from lib.slow import factor, scaled


def provider_of(server, name="up"):
    return server.json(f"/v1/providers/{name}")


def with_limits(env, spec="ok,gate=g", **limits):
    return env.with_upstream({"up": spec}, {"providers": {"up": {"limits": limits}}})


def check_waits(server, run, code, blocked_on="provider:up"):
    waiting = check_run(server.wait_state(run["id"], "waiting"))
    reason = check_reason(waiting["reason"], waiting)
    check_eq((reason["code"], reason["blocked_on"]), (code, blocked_on), "reason", waiting)
    return waiting


def test_one_slot_lets_one_call_go_at_a_time(env):
    server, up = with_limits(env, concurrency=1)
    runs = [server.start_run("up", input="0")]
    up.wait_held(1)
    for i in range(1, 4):  # the next comes when this one stands in line: they may live on two loops
        runs.append(server.start_run("up", input=str(i)))
        check_waits(server, runs[-1], "no_free_slot")
    slots = provider_of(server)["slots"]
    check_eq(slots, {"borrowed": 1, "total": 1, "waiting": 3}, "slots", slots)
    up.stays_at(1, 0.1)
    up.release("g")
    for run in runs:
        server.check_finished(run["id"])
    check_eq(up.stats()["by_behaviour"]["ok,gate=g"]["max_active"], 1, "never two at once")
    received = [up.one(run["id"])["received_ms"] for run in runs]
    check_eq(received, sorted(received), "first come, first served")
    slots = provider_of(server)["slots"]
    check_eq((slots["borrowed"], slots["waiting"]), (0, 0), "slots", slots)


def test_a_full_queue_refuses_the_next_and_stores_nothing(env):
    server, up = with_limits(env, concurrency=1, queue=2)
    kept = [server.start_run("up", input="0")]
    up.wait_held(1)
    kept += [server.start_run("up", input=str(i)) for i in (1, 2)]
    for run in kept[1:]:
        check_waits(server, run, "no_free_slot")
    for headers in ({}, {"Prefer": "wait=5"}, {"Accept": "text/event-stream"}, {"Idempotency-Key": "k"}):
        check_problem(server.post("/v1/runs", {"agent": "up", "input": "x"}, headers), "queue_full")
    check_eq(len(server.json("/v1/runs")["data"]), 3, "nothing more is stored")
    check_eq(server.post("/v1/runs", {"agent": "echo"}).status, 202, "another provider's runs are taken")
    up.release("g")
    for run in kept:
        server.check_finished(run["id"])
    r = server.post("/v1/runs", {"agent": "up", "input": "x"}, {"Idempotency-Key": "k"})
    check_eq((r.status, r.header("idempotency-replayed")), (202, None), "there is room again", r)


def test_a_request_bucket_makes_calls_wait(env):
    server, up = with_limits(env, "ok", requests={"rate": 2, "period_ms": 600000, "burst": 2})
    for i in range(2):
        check_eq(server.run("up", input=str(i))["state"], "succeeded", "within the burst")
    run = server.start_run("up", input="2")
    waiting = check_waits(server, run, "rate_limited")
    check(waiting["reason"]["until"], "it says until when", waiting)
    buckets = provider_of(server)["buckets"]
    check(buckets["requests"]["available"] < 1 and buckets["requests"]["burst"] == 2, "buckets", buckets)
    up.stays_at(2, 0.2)
    server.cancel(run["id"])
    server.check_finished(run["id"], "cancelled")


def test_a_request_bucket_refills_steadily(env):
    server, up = with_limits(env, "ok", requests={"rate": 10, "period_ms": 1000, "burst": 2})
    began_ms = time.monotonic() * 1000
    runs = [server.start_run("up", input=str(i)) for i in range(10)]
    for run in runs:
        server.check_finished(run["id"])
    # admitted by any moment <= burst + rate * time: it is two full tokens and one more each 100 ms
    for i, at in enumerate(sorted(up.one(run["id"])["received_ms"] for run in runs)):
        check(at - began_ms >= (i - 1) * 100 - 2, f"call {i} came {at - began_ms:.0f} ms after the first was asked for")
    # and in any window: call i + k is at least (k - 2) / 10 s behind call i
    at = sorted(stamp_ms(e.json["at"]) for run in runs for e in server.events(run["id"]) if e.type == "attempt.started")
    for i in range(len(at)):
        for k in range(3, len(at) - i):
            least = (k - 2) * 100 - 150 * factor()  # a grant may be told somewhat late
            check(at[i + k] - at[i] >= least, f"calls {i} and {i + k}: {at[i + k] - at[i]:.0f} ms apart", at)


def test_a_token_bucket_counts_what_the_provider_reports(env):
    server, up = with_limits(env, "ok,tokens=50", tokens={"rate": 100, "period_ms": 600000})
    run = server.run("up", input="x", params={"max_tokens": 60})
    check_eq(run["state"], "succeeded", "the first fits", run)
    second = server.start_run("up", input="x", params={"max_tokens": 60})
    check_waits(server, second, "rate_limited")
    check_eq(up.requests(), 1, "requests")
    server.cancel(second["id"])


def test_a_keys_own_bucket_refuses_at_the_door(env):
    import hashlib
    key = "k" * 40
    server = env.new_server({"keys": [{"name": "ci", "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": ["run"],
                                       "limits": {"requests": {"rate": 3, "period_ms": 600000, "burst": 3}}}]})
    server.headers = {"Authorization": f"Bearer {key}"}
    server.start()
    answers = [server.post("/v1/runs", {"agent": "echo"}) for _ in range(6)]
    check_eq([r.status for r in answers], [202] * 3 + [429] * 3, "statuses")
    check_problem(answers[-1], "rate_limited")
    check_eq(server.get("/livez").status, 200, "liveness is outside all limits")


def breaker(env, spec="@main", **policy):
    policy = {"failures": 3, "window_ms": 60000, "reset_ms": 60000, "max_reset_ms": 60000, **policy}
    server, up = env.with_upstream({"up": spec}, {"providers": {"up": {"breaker": policy}}})
    up.set("main", "status,code=500")
    return server, up


def open_it(server, up, n=3):
    for i in range(n):
        run = server.run("up", input=str(i))
        check_eq((run["state"], run["error"]["code"]), ("failed", "provider_error"), "a failure", run)
    state = provider_of(server)["breaker"]
    check_eq(state["state"], "open", "the breaker", state)
    check(state["opens_until"], "opens_until", state)


def test_the_breaker_opens_and_calls_wait(env):
    server, up = breaker(env)
    check_eq(provider_of(server)["breaker"]["state"], "closed", "at first")
    open_it(server, up)
    run = server.start_run("up", input="x")
    check_waits(server, run, "breaker_open")
    events = server.events(run["id"])
    blocked = [e for e in events if e.type == "task.blocked"]
    check_eq(blocked and blocked[0].data["reason"]["code"], "breaker_open", "task.blocked", repr(events))
    up.stays_at(3, 0.2)
    up.set("main", "ok")
    r = server.post("/v1/providers/up/breaker/reset")
    check_eq((r.status, r.json()["name"], r.json()["breaker"]["state"]), (200, "up", "closed"), "reset by hand", r)
    server.check_finished(run["id"])
    check_eq(up.requests(), 4, "requests")


def test_on_open_fail_fails_at_once(env):
    server, up = breaker(env, on_open="fail")
    open_it(server, up)
    run = check_run(server.run("up", input="x"))
    check_eq((run["state"], run["error"]["code"]), ("failed", "breaker_open"), "at once", run)
    check_eq(up.requests(), 3, "requests")


def test_an_open_breaker_past_the_deadline_fails_the_call(env):
    server, up = breaker(env)
    open_it(server, up)
    run = check_run(server.run("up", input="x", timeout_ms=int(scaled(10000))))
    check_eq((run["state"], run["error"]["code"]), ("failed", "breaker_open"), "it stays open past the deadline", run)
    check_eq(up.requests(), 3, "requests")


def test_half_open_lets_one_probe_through(env):
    server, up = breaker(env, reset_ms=1000, max_reset_ms=1000)
    open_it(server, up)
    up.set("main", "ok,gate=probe")
    runs = [server.start_run("up", input=str(i)) for i in range(10)]
    up.wait_held(1)
    check_eq(provider_of(server)["breaker"]["state"], "half_open", "while the probe is out")
    up.stays_at(4, 0.5)
    up.release("probe")
    for run in runs:
        server.check_finished(run["id"])
    check_eq(provider_of(server)["breaker"]["state"], "closed", "after a good probe")


def test_a_failed_probe_opens_it_again(env):
    server, up = breaker(env, reset_ms=1000, max_reset_ms=60000)
    open_it(server, up)
    probe = server.run("up", input="probe")
    check_eq(probe["error"]["code"], "provider_error", "the probe", probe)
    state = provider_of(server)["breaker"]
    check_eq(state["state"], "open", "again", state)
    check_eq(up.requests(), 4, "requests")


def test_a_lost_probe_is_replaced(env):
    server, up = breaker(env, reset_ms=1000, max_reset_ms=1000)
    open_it(server, up)
    up.set("main", "ok,gate=probe")
    runs = [server.start_run("up", input=str(i)) for i in range(3)]
    up.wait_held(1)
    probe = up.log()[-1]["run"]
    up.set("main", "ok")
    server.cancel(probe)
    server.check_finished(probe, "cancelled")
    for run in runs:
        if run["id"] != probe:
            server.check_finished(run["id"])


def test_answers_that_say_nothing_of_health_do_not_count(env):
    server, up = breaker(env)
    for i, spec in enumerate(["status,code=400"] * 3 + ["status,code=401"] * 3 + ["status,code=404"] * 3):
        up.set("main", spec)
        server.run("up", input=str(i))
    check_eq(provider_of(server)["breaker"]["state"], "closed", "the breaker")
    up.set("main", "hang")
    for _ in range(4):
        run = server.start_run("up", input="x")
        up.wait_entry(run["id"])
        server.cancel(run["id"])
        server.check_finished(run["id"], "cancelled")
    check_eq(provider_of(server)["breaker"]["state"], "closed", "our own cancels")


def test_a_success_in_between_starts_the_count_again(env):
    server, up = breaker(env)
    for spec in ("status,code=500", "status,code=500", "ok", "status,code=500", "status,code=500"):
        up.set("main", spec)
        server.run("up", input="x")
    check_eq(provider_of(server)["breaker"]["state"], "closed", "never three in a row")


def test_the_breakers_state_survives_a_restart(env):
    server, up = breaker(env)
    open_it(server, up)
    server.stop()
    server.restart()
    check_eq(provider_of(server)["breaker"]["state"], "open", "after the restart")
    run = server.start_run("up", input="x")
    check_waits(server, run, "breaker_open")
    check_eq(up.requests(), 3, "requests")
    server.cancel(run["id"])


def test_an_open_breaker_moves_on_to_a_fallback(env):
    server, up = env.with_upstream({"up": "status,code=500", "spare": "ok"},
                                   {"providers": {"up": {"breaker": {"failures": 3, "reset_ms": 600000},
                                                         "fallback_wait_ms": 100}},
                                    "agents": {"both": {"model": ["up/m", "spare/m"]}}})
    open_it(server, up)
    run = check_run(server.run("both", input="x"))
    check_eq(run["state"], "succeeded", "by the fallback", run)
    check_eq([e["behaviour"] for e in up.log(run["id"])], ["ok"], "requests")


def test_a_blocked_run_times_out_without_a_call(env):
    server, up = with_limits(env, concurrency=1)
    first = server.start_run("up", input="1")
    up.wait_held(1)
    run = check_run(server.run("up", input="2", timeout_ms=500))
    check_eq((run["state"], run["error"]["code"]), ("timed_out", "run_timeout"), "the deadline holds for waiting too", run)
    events = server.events(run["id"])
    check_events(events, run["id"])
    check_eq(types(events)[-2:], ["task.timed_out", "run.finished"], "the last events", repr(events))
    check_eq(up.requests(), 1, "requests")
    up.release("g")
    server.check_finished(first["id"])


def test_a_slow_provider_fills_only_its_own_queue(env):
    server, up = env.with_upstream({"slow": "ok,gate=never", "quick": "ok"},
                                   {"providers": {"slow": {"limits": {"concurrency": 2}}}})
    stuck = [server.start_run("slow", input="x") for _ in range(30)]
    up.wait_held(2)
    for i in range(30):
        check_eq(server.run("quick", input=str(i))["state"], "succeeded", "the quick provider's runs")
    full = {"borrowed": 2, "total": 2, "waiting": 28}
    eventually(lambda: provider_of(server, "slow")["slots"] == full, "the slow one's queue is its own")
    up.release("never")
    for run in stuck:
        server.check_finished(run["id"])


@time_limit(120)
def test_retries_do_not_multiply_an_outage(env):
    """budget 0.2 beside a reserve of 10 (API §7): attempts <= calls + 0.2 * calls + 10."""
    retry = {"attempts": 3, "base_ms": 5, "max_ms": 10, "budget": 0.2}
    server, up = env.with_upstream({"up": "status,code=503"}, {"providers": {"up": {"retry": retry}}})
    calls = 200
    runs = [server.start_run("up", input="x") for _ in range(calls)]
    for run in runs:
        server.check_finished(run["id"], "failed", "provider_overloaded")
    attempts = up.requests()
    check(attempts <= calls * 1.2 + 10 + 2, f"{attempts} attempts for {calls} calls")
    check(attempts > calls, f"the reserve is used: {attempts}")


def test_counts_of_a_provider_add_up(env):
    server, up = env.with_upstream({"up": "ok"}, {"providers": {"up": {"retry": {"attempts": 2, "base_ms": 1, "max_ms": 2}}}})
    for text in ("a", "b", "[[b:status,code=400]]", "[[b:status,code=503]]"):
        server.run("up", input=text)
    p = provider_of(server)
    check_eq((p["name"], p["kind"]), ("up", "openai"), "name and kind", p)
    check_eq(p["counts"], {"calls": 4, "attempts": 5, "succeeded": 2, "failed": 2}, "counts", p)
    check(p["latency"]["p50_ms"] is not None and p["latency"]["p99_ms"] >= p["latency"]["p50_ms"], "latency", p)
    check(p["pool"]["active"] == 0 and p["pool"]["idle"] >= 0, "pool", p)
    listed = server.json("/v1/providers")["data"]
    check_eq(sorted(x["name"] for x in listed), ["sim", "up"], "the list", listed)


def test_waiters_go_as_soon_as_a_slot_is_free(env):
    server, up = with_limits(env, "ok,delay=20", concurrency=4)
    began = time.monotonic()
    for run in [server.start_run("up", input="x") for _ in range(60)]:
        server.check_finished(run["id"])
    check(up.stats()["max_active"] <= 4, "never more than four")
    check(time.monotonic() - began < scaled(20), "60 calls of 20 ms by 4 do not take 20 s")


def test_runs_wait_in_admission_past_live_runs(env):
    server, up = env.with_upstream({"up": "ok,gate=g"}, {"limits": {"live_runs": 3}})
    runs = [server.start_run("up", input=str(i)) for i in range(8)]
    up.wait_held(3)
    up.stays_at(3, 0.2)
    waiting = [server.get_run(r["id"]) for r in runs]
    for run in waiting:
        check_in(run["state"], {"queued", "running", "waiting"}, "state", run)
        if run["state"] == "waiting":
            check_in(run["reason"]["code"], {"admission"}, "reason", run)
    up.release("g")
    for run in runs:
        server.check_finished(run["id"])


def test_too_many_runs_are_overloaded(env):
    server = env.server({"limits": {"live_runs": 2, "queue_runs": 3}})
    answers = [server.post("/v1/runs", {"agent": "story", "params": hanging()}) for _ in range(12)]
    refused = [r for r in answers if r.status != 202]
    check(refused and answers[0].status == 202 and answers[1].status == 202, "some are refused, the first are not")
    for r in refused:
        check_in(r.status, (429, 503), "status", r)
        check_problem(r, "overloaded" if r.status == 503 else "queue_full")
    kept = [r.json()["id"] for r in answers if r.status == 202]
    check(len(kept) <= 6, f"{len(kept)} were taken")
    for run_id in kept:
        server.cancel(run_id)
    for run_id in kept:
        server.check_finished(run_id, "cancelled")
    eventually(lambda: server.post("/v1/runs", {"agent": "echo"}).status == 202, "there is room again")
