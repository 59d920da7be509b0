"""Webhooks: what is to be told is told, signed, in order, at least once, whatever dies meanwhile; and only where it may go (API §8)."""

import os
import random
import re
import signal
import socket

from lib.bodies import hanging, sim
from lib.check import check, check_eq, check_problem, eventually
from lib.env import rounds, time_limit
from lib.receiver import SECRET, SECRET_BYTES, Receiver
from lib.slow import scaled


def config(**members):
    return {"webhooks": {"secret": SECRET, "allow_private": True, "retry_ms": 40, "timeout_ms": int(scaled(20) * 1000), **members}}


def start(env, **members):
    return env.server(config(**members))


def webhook(receiver, *events, path="/hook"):
    return {"url": receiver.url(path), **({"events": list(events)} if events else {})}


def metric(server, name):
    return float(re.search(rf"^{re.escape(name)} (\S+)$", server.get("/metrics").body.decode(), re.MULTILINE).group(1))


def outcome(server, name):
    return metric(server, f'sluice_webhooks_total{{outcome="{name}"}}')


def nothing_waits(server):
    return eventually(lambda: metric(server, "sluice_webhooks_waiting") == 0, "nothing is to be told any more")


# --- what is told


def test_the_end_of_a_run_is_told_once_and_signed(env):
    server, receiver = start(env), Receiver(env)
    run = server.run(input="a b", webhook=webhook(receiver))
    post = receiver.await_end(run).check()
    check_eq(post.event, server.events(run["id"])[-1].json, "data is the event")
    check_eq(post.event["data"]["run"]["output"], "a b", "with the run in it")
    nothing_waits(server)
    check_eq(len(receiver.all()), 1, "posts")
    check_eq(outcome(server, "succeeded"), 1, "the metric")


def test_the_run_does_not_show_its_webhook(env):
    server, receiver = start(env), Receiver(env)
    run = server.run(input="x", webhook=webhook(receiver))
    check("webhook" not in run and "webhook" not in receiver.await_end(run).event["data"]["run"], "no member webhook", run)


def test_a_failed_and_a_cancelled_run_are_told_too(env):
    server, receiver = start(env), Receiver(env)
    failed = server.run(input="x", params=sim(fail=[{"as": "status", "status": 400}]), webhook=webhook(receiver))
    cancelled = server.start_run(input="x", params=hanging(), webhook=webhook(receiver))
    server.cancel(cancelled["id"])
    check_eq(receiver.await_end(failed).check().event["data"]["run"]["state"], "failed", "state")
    check_eq(receiver.await_end(cancelled).check().event["data"]["run"]["state"], "cancelled", "state")


def test_chosen_events_of_a_tree_come_in_their_order(env):
    server, receiver = start(env), Receiver(env)
    chosen = ["task.running", "task.succeeded", "output.delta", "run.queued", "run.finished"]
    tree = {"type": "sequence", "steps": [
        {"type": "parallel", "tasks": [{"type": "call", "agent": "echo", "input": f"{i} {i}"} for i in range(8)]},
        {"type": "call", "agent": "story", "input": "x", "params": sim(tokens=5)}]}
    r = server.post("/v1/runs", {"task": tree, "webhook": webhook(receiver, *chosen)})
    check_eq(r.status, 202, "status", r)
    run = server.wait_run(r.json()["id"])
    own = [e.json for e in server.events(run["id"]) if e.type in chosen]
    posts = receiver.await_posts(len(own), run)
    check_eq([p.event for p in posts], own, "all of them, each once, in their order")
    for post in posts:
        post.check()
    nothing_waits(server)


def test_of_many_runs_each_is_told_to_its_own_receiver(env):
    server, receiver = start(env), Receiver(env)
    runs = env.in_threads(6, lambda n: [server.start_run(input="x", webhook=webhook(receiver, path=f"/{50 * n + i}"))
                                        for i in range(50)])
    runs = [run for some in runs for run in some]
    posts = receiver.await_posts(300, timeout=scaled(40))
    nothing_waits(server)
    check_eq(sorted((p.path, p.event["run_id"]) for p in receiver.all()), sorted((f"/{i}", run["id"]) for i, run in enumerate(runs)),
             "each once")
    check_eq(len({p.id for p in posts}), 300, "ids")


# --- receivers that do not want it


def test_a_failed_try_is_made_again_with_the_same_id(env):
    server, receiver = start(env), Receiver(env, {"/hook": [500, 404, 429, 200]})
    run = server.run(input="x", webhook=webhook(receiver))
    posts = receiver.await_posts(4, run)
    nothing_waits(server)
    check_eq(len(receiver.all()), 4, "posts")
    check_eq(({p.id for p in posts}, {p.body for p in posts}), ({posts[0].id}, {posts[0].body}), "the same each time")
    for post in posts:
        post.check()
    check_eq((outcome(server, "succeeded"), outcome(server, "failed")), (1, 3), "the metrics")


def test_redirects_are_not_followed(env):
    server, there = start(env), Receiver(env)
    here = Receiver(env, {"/hook": [307, 301, 204]}, location=there.url())
    run = server.run(input="x", webhook=webhook(here))
    here.await_posts(3, run)
    nothing_waits(server)
    check_eq((len(here.all()), there.all()), (3, []), "who was asked")


def test_gone_is_gone(env):
    server, receiver = start(env), Receiver(env, {"/hook": [410]})
    run = server.run(input="x", webhook=webhook(receiver, "run.queued", "run.running", "run.finished"))
    eventually(lambda: outcome(server, "lost") == 1, "it is over")
    nothing_waits(server)
    after = server.run(input="y", webhook=webhook(receiver, path="/other"))
    receiver.await_end(after)
    check_eq(len(receiver.all(run)), 1, "posts to the one that is gone")


def test_a_receiver_that_fails_for_too_long_is_given_up(env):
    server, receiver = start(env, give_up_ms=400, retry_ms=20), Receiver(env, {"/hook": [500]})
    server.run(input="x", webhook=webhook(receiver))
    eventually(lambda: outcome(server, "lost") == 1, "it is given up")
    nothing_waits(server)
    check(len(receiver.all()) > 2, "it was tried before")
    check("a webhook was given up" in server.log(), "the log says so", server.log()[-2000:])


def test_a_receiver_that_hangs_harms_no_other(env):
    server, hangs, fine = start(env), Receiver(env, {"/hook": [None]}), Receiver(env)
    for i in range(20):
        server.start_run(input=str(i), webhook=webhook(hangs))
    hangs.await_posts(1)
    runs = [server.run(input=str(i), webhook=webhook(fine)) for i in range(20)]
    for run in runs:
        fine.await_end(run)
    check_eq(len(hangs.all()), 1, "one that hangs has one place")
    hangs.release()
    hangs.await_posts(20)
    nothing_waits(server)


def test_a_run_waits_for_no_receiver(env):
    server, hangs = start(env), Receiver(env, {"/hook": [None]})
    run = server.run(input="x", webhook=webhook(hangs, "run.queued", "run.finished"))
    check_eq(run["state"], "succeeded", "state while nobody was told")
    hangs.await_posts(1)
    hangs.release()
    hangs.await_end(run)


def test_a_deleted_run_is_told_no_more(env):
    server, receiver = start(env), Receiver(env, {"/hook": [500], "/other": [204]})
    run = server.run(input="x", webhook=webhook(receiver))
    receiver.await_posts(2, run)
    check_eq(server.ask("DELETE", f"/v1/runs/{run['id']}").status, 204, "DELETE")
    receiver.await_end(server.run(input="y", webhook=webhook(receiver, path="/other")))
    nothing_waits(server)
    tries = len(receiver.all(run))  # one may have been under way
    receiver.await_end(server.run(input="z", webhook=webhook(receiver, path="/other")))
    check_eq(len(receiver.all(run)), tries, "tries")


# --- the gateway stops, and comes again


def test_what_was_not_told_is_told_after_a_kill(env):
    server = start(env)
    receiver = Receiver(env, {"/hook": [500]})
    run = server.run(input="x", webhook=webhook(receiver, "run.queued", "run.finished"))
    first = receiver.await_posts(1, run)[0]
    server.kill()
    receiver.answers = {}
    server.restart()
    posts = receiver.await_end(run) and receiver.all(run)
    check_eq(posts[-2].id, first.id, "the one that had failed, with its id")
    check_eq(posts[-1].check().json["type"], "run.finished", "and the one behind it")


def test_the_address_that_nobody_listens_at_is_tried_by_the_next_gateway(env):
    server, gone = start(env), Receiver(env)
    gone.close()
    run = server.run(input="x", webhook=webhook(gone))
    eventually(lambda: outcome(server, "failed") > 0, "it was tried")
    server.kill()
    back = Receiver(env, port=gone.port)
    server.restart()
    back.await_end(run).check()


@time_limit(200)
@rounds(6, 12)
def test_killed_at_any_moment_it_tells_of_every_run(env):
    server, receiver = start(env), Receiver(env)
    draw, acked = random.Random(int(os.environ.get("SLUICE_SEED", "1"))), []
    for _ in range(env.rounds(test_killed_at_any_moment_it_tells_of_every_run)):
        enough = len(receiver.all()) + draw.randrange(1, 30)
        for i in range(40):
            acked.append(server.start_run(input=str(i), webhook=webhook(receiver)))
        receiver.await_posts(enough)
        server.kill()
        server.restart()
    for run in acked:
        receiver.await_end(run)
    nothing_waits(server)
    check(len({p.id for p in receiver.all()}) == len(acked), "one id for each run")


def test_a_stop_leaves_what_hangs_to_the_next_start(env):
    server, receiver = start(env), Receiver(env, {"/hook": [None, 204]})
    run = server.run(input="x", webhook=webhook(receiver))
    first = receiver.await_posts(1, run)[0]
    server.stop()
    server.restart()
    second = receiver.await_posts(2, run)[1]
    check_eq((second.id, second.body), (first.id, first.body), "the same again")
    nothing_waits(server)


def test_what_ends_while_it_drains_is_told_by_the_next_start(env):
    server, receiver = env.server({**config(), "drain_ms": int(scaled(10) * 1000)}), Receiver(env)
    run = server.start_run("story", input="x", params=sim(tokens=3, gap_ms=150), webhook=webhook(receiver))
    server.stop()
    server.restart()
    check_eq(receiver.await_end(run).check().event["data"]["run"]["state"], "succeeded", "state")


def test_a_reload_brings_a_new_secret(env):
    server, receiver = start(env), Receiver(env)
    receiver.await_end(server.run(input="x", webhook=webhook(receiver))).check(SECRET_BYTES)
    server.config["webhooks"].update(secret="the new one", old_secret=SECRET)
    server.write_config()
    server.signal(signal.SIGHUP)
    eventually(lambda: 'msg=reloaded' in server.log(), "the reload")
    receiver.await_end(server.run(input="y", webhook=webhook(receiver))).check(b"the new one", SECRET_BYTES)
    check("the new one" not in server.log() and SECRET not in server.log(), "no secret in the log")


# --- where it may go

REFUSED = ["http://localhost/", "http://127.0.0.1:8080/", "http://[::1]/", "http://0x7f.1/", "http://2130706433/",
           "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://192.168.0.1/", "http://[fd00::1]/",
           "http://[::ffff:127.0.0.1]/", "https://user@example.com/", "ftp://example.com/", "http:///x", "nonsense"]


def test_addresses_that_are_not_public_are_refused_when_a_run_is_made(env):
    server = env.server({"webhooks": {"secret": SECRET}})
    for url in REFUSED:
        r = server.post("/v1/runs", {"agent": "echo", "webhook": {"url": url}})
        check_problem(r, "invalid_request")
        check_eq([(e["pointer"], e["code"]) for e in r.json()["errors"]], [("/webhook/url", "bad_reference")], url, r)
    for target in ("/v1/runs/validate", "/v1/agents/echo/runs"):
        body = {"webhook": {"url": REFUSED[0]}, **({"agent": "echo"} if target.endswith("validate") else {})}
        check_problem(server.post(target, body), "invalid_request")
    check_eq(server.post("/v1/runs/validate", {"agent": "echo", "webhook": {"url": "https://example.com/"}}).status, 200, "a public name")


def test_a_name_that_leads_to_a_private_address_is_not_connected_to(env):
    """The port has a listener: it would be connected to."""
    receiver = Receiver(env)
    for name in ("ip6-localhost", "ip6-loopback", socket.gethostname(), "localhost.localdomain"):
        try:
            socket.getaddrinfo(name, receiver.port)
            break
        except OSError:
            continue
    else:
        env.skip("no name leads to this machine")
    server = env.server({"webhooks": {"secret": SECRET, "retry_ms": 20}})
    run = server.run(input="x", webhook={"url": f"http://{name}:{receiver.port}/"})
    eventually(lambda: outcome(server, "failed") >= 2, "it is tried, and fails")
    check_eq((run["state"], receiver.all()), ("succeeded", []), "nobody was told")


def test_without_a_secret_a_run_with_a_webhook_is_refused(env):
    server = env.server()
    r = server.post("/v1/runs", {"agent": "echo", "webhook": {"url": "https://example.com/"}})
    check_problem(r, "invalid_request")
    check_eq([(e["pointer"], e["code"]) for e in r.json()["errors"]], [("/webhook", "bad_reference")], "errors", r)
    check("webhooks.secret" in r.json()["errors"][0]["detail"], "what to do", r)
    r = server.post("/v1/runs", {"agent": "echo", "webhook": {"url": "http://127.0.0.1/"}})
    check_eq([(e["pointer"], e["code"]) for e in r.json()["errors"]], [("/webhook/url", "bad_reference")], "its own mistakes first", r)


def test_mistakes_are_told_with_their_place(env):
    server, url = start(env), "http://example.com/"
    for given, errors in (({}, [("/webhook/url", "missing")]),
                          ({"url": 1, "events": []}, [("/webhook/url", "wrong_type"), ("/webhook/events", "out_of_range")]),
                          ({"url": url, "events": ["run.finished", "circuit.open", "x"]},
                           [("/webhook/events/1", "not_in_enum"), ("/webhook/events/2", "not_in_enum")]),
                          ({"url": url, "events": ["run.queued"] * 33}, [("/webhook/events", "too_long")]),
                          ({"url": url + "a" * 2048}, [("/webhook/url", "too_long")]),
                          ({"url": url, "secret": "x"}, [("/webhook/secret", "unknown_field")]),
                          ("x", [("/webhook", "wrong_type")])):
        r = server.post("/v1/runs", {"agent": "echo", "webhook": given})
        check_problem(r, "invalid_request")
        check_eq([(e["pointer"], e["code"]) for e in r.json()["errors"]], errors, str(given)[:100], r)
