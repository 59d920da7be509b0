"""A provider goes down under load and comes back: the upstream's own count says whether that was made worse (issue 4)."""

import math
import time

from lib.check import check, check_eq, check_in, check_run, eventually
from lib.env import time_limit
from lib.slow import factor, scale, scaled

DOWN = "status,code=503"


def provider_of(server, name):
    return server.json(f"/v1/providers/{name}")


def seen(up, name):
    """The journal's entries of the behaviour with that name, in the order in which they came."""
    return [e for e in up.log() if e["path"].startswith(f"/b/@{name}/")]


def check_answered_once(entries, run):
    """A run that succeeded has exactly one good answer, its last; one that failed has none."""
    ends = [e["status"] for e in entries if e["run"] == run["id"]]
    good = 1 if run["state"] == "succeeded" else 0
    check_eq(ends.count(200), good, "good answers", run, ends)
    check(not good or ends[-1] == 200, "the good answer is the last", run, ends)
    check_eq(run["usage"]["attempts"], len(ends), "attempts against what the upstream saw", run, ends)


RESET_MS, SLOTS, FAILURES = 400, 8, 5


def two_providers(env):
    sick = {"limits": {"concurrency": SLOTS, "queue": 5000},
            "breaker": {"failures": FAILURES, "window_ms": 600000, "reset_ms": RESET_MS, "max_reset_ms": 2 * RESET_MS},
            "retry": {"attempts": 3, "base_ms": 5, "max_ms": 20, "budget": 0.2}}
    server, up = env.with_upstream({"well": "@well", "sick": "@sick"},
                                   {"providers": {"sick": sick, "well": {"limits": {"queue": 5000}}}})
    up.set("well", "ok,delay=5")
    up.set("sick", "ok,delay=5")
    return server, up


def check_sick_was_left_alone(entries, calls, before):
    """At most what was under way when the breaker opened, then single probes, each an open time after the last."""
    outage = [e for e in entries if e["status"] == 503]
    retries = len(outage) - len({e["run"] for e in outage})
    check(retries <= 0.2 * (calls + before) + 10, f"{retries} retries for {calls} calls are past the budget")
    probes = outage[FAILURES + SLOTS:]
    for earlier, later in zip(probes, probes[1:]):
        apart = later["received_ms"] - earlier["received_ms"]
        check(apart >= 0.85 * RESET_MS, f"probes are {apart:.0f} ms apart, within one open time", earlier, later)


@time_limit(150)
def test_one_of_two_providers_goes_down_under_load_and_comes_back(env):
    server, up = two_providers(env)
    calls = max(100, scale(300))

    def load(n):
        return {name: [server.start_run(name, input=str(i)) for i in range(n)] for name in ("sick", "well")}

    before = load(20)
    for run in before["sick"] + before["well"]:
        server.check_finished(run["id"])
    up.set("sick", DOWN)
    during = load(calls)
    for run in during["well"]:
        server.check_finished(run["id"])
    up.wait_stats(lambda s: s["by_behaviour"]["@sick"]["requests"] >= 20 + FAILURES + 3, "the breaker's probes")
    eventually(lambda: provider_of(server, "sick")["breaker"]["state"] == "open", "the sick one's breaker is open")
    check_eq(provider_of(server, "well")["breaker"]["state"], "closed", "the well one's breaker")
    still = load(10)
    for run in still["well"]:
        server.check_finished(run["id"])
    up.set("sick", "ok,delay=5")
    ended = [check_run(server.wait_run(run["id"], scaled(60))) for run in during["sick"] + still["sick"]]
    check_eq(provider_of(server, "sick")["breaker"]["state"], "closed", "after the recovery")

    entries = seen(up, "sick")
    check_sick_was_left_alone(entries, len(ended), 20)
    for run in ended:
        check_in(run["state"], {"succeeded", "failed"}, "state", run)
        if run["state"] == "failed":
            check_eq(run["error"]["code"], "provider_overloaded", "the last cause", run)
        check_answered_once(entries, run)
    failed = sum(run["state"] == "failed" for run in ended)
    check(failed <= len([e for e in entries if e["status"] == 503]), f"{failed} failed: more than were answered badly")
    check(len(ended) - failed >= len(ended) / 2, f"{failed} of {len(ended)} failed: most wait for the recovery")
    well = seen(up, "well")
    check_eq((len(well), {e["status"] for e in well}), (30 + calls, {200}), "the well one's calls, each sent once")
    after = [server.check_finished(server.start_run("sick", input="x")["id"]) for _ in range(5)]
    check_eq([run["usage"]["attempts"] for run in after], [1] * 5, "attempts after the recovery")


@time_limit(150)
def test_one_probe_goes_out_while_a_thousand_runs_wait(env):
    n = scale(1000)
    server, up = env.with_upstream({"up": "@up"}, {"providers": {"up": {
        "limits": {"concurrency": 100, "queue": 2000},
        "breaker": {"failures": 3, "window_ms": 600000, "reset_ms": 1000, "max_reset_ms": 1000}}}})
    up.set("up", "status,code=500")
    for _ in range(3):
        check_eq(server.run("up", input="x")["error"]["code"], "provider_error", "a failure")
    check_eq(provider_of(server, "up")["breaker"]["state"], "open", "the breaker")
    up.set("up", "ok,gate=probe")
    runs = [server.start_run("up", input=str(i)) for i in range(n)]
    up.wait_held(1)
    eventually(lambda: provider_of(server, "up")["slots"]["waiting"] == n - 1, "all others wait")
    check_eq(provider_of(server, "up")["breaker"]["state"], "half_open", "while the probe is out")
    up.stays_at(4, 1.5)
    up.release("probe")
    for run in runs:
        server.check_finished(run["id"])
    check_eq((up.requests(), len({e["run"] for e in seen(up, "up")})), (3 + n, 3 + n), "each call was sent once")
    check_eq(provider_of(server, "up")["breaker"]["state"], "closed", "after a good probe")
    slots = provider_of(server, "up")["slots"]
    check_eq((slots["borrowed"], slots["waiting"]), (0, 0), "slots", slots)


def test_retry_after_of_one_call_holds_all_waiters_back(env):
    after = math.ceil(2 * factor())
    server, up = env.with_upstream({"up": "@up", "other": "ok"}, {"providers": {"up": {"limits": {"concurrency": 1}}}})
    up.set("up", f"status,code=429,retry_after={after},gate=g")
    told = server.start_run("up", input="told")
    up.wait_held(1)
    waiters = [server.start_run("up", input=str(i)) for i in range(20)]
    eventually(lambda: provider_of(server, "up")["slots"]["waiting"] == 20, "they wait for the slot")
    up.set("up", "ok")
    released_ms = time.monotonic() * 1000
    up.release("g")
    server.check_finished(told["id"], "failed", "provider_rate_limited")
    late = server.start_run("up", input="late")
    waiting = server.wait_state(late["id"], "waiting")
    check_eq((waiting["reason"]["code"], waiting["reason"]["blocked_on"]), ("rate_limited", "provider:up"),
             "what a run that comes now waits for", waiting)
    check(waiting["reason"]["until"], "it says until when", waiting)
    slots = provider_of(server, "up")["slots"]
    check_eq(slots, {"borrowed": 0, "total": 1, "waiting": 21}, "the slot is free, and nobody takes it", slots)
    check_eq(server.run("other", input="x")["state"], "succeeded", "another provider is not held back")
    for run in [*waiters, late]:
        server.check_finished(run["id"])
    waited_ms = min(up.one(run["id"])["received_ms"] for run in [*waiters, late]) - released_ms
    check(waited_ms >= after * 1000 - 5, f"the first waiter went {waited_ms:.0f} ms after the answer")
