"""The simulated provider: a fresh machine must be able to try every answer and every fault (API §7)."""

from lib.bodies import fails, hanging, sim
from lib.check import check, check_eq, check_events, check_run, stamp_ms, text_of, types
from lib.slow import scaled


def deltas(server, run):
    return [e.data["text"] for e in server.events(run["id"]) if e.type == "output.delta"]


def test_echo_gives_the_text_back_word_by_word(env):
    server = env.server()
    for text, pieces in (("Say hello", ["Say ", "hello"]), ("one", ["one"]), ("  a  b\n c ", ["  a  ", "b\n ", "c "]),
                         ("ä\tö", ["ä\t", "ö"]), ("", []), ("x" * 5000, ["x" * 5000])):
        run = check_run(server.run(input=text))
        check_eq((run["state"], run["output"]), ("succeeded", text), "output", run)
        check_eq(deltas(server, run), pieces, f"deltas of {text[:20]!r}")
        check_eq(run["usage"]["output_tokens"], len(pieces), "usage counts tokens", run)
    run = server.run(input="   ")
    check_eq((run["output"], "".join(deltas(server, run))), ("   ", "   "), "white space alone")


def test_story_has_exactly_as_many_deltas_as_asked(env):
    server = env.server()
    for n in (0, 1, 2, 50, 1000):
        run = check_run(server.run("story", input="x", params=sim(tokens=n)))
        got = deltas(server, run)
        check_eq((len(got), "".join(got)), (n, run["output"]), f"tokens={n}")
        check_eq(run["usage"]["output_tokens"], n, "usage", run)


def test_story_is_deterministic_in_its_seed(env):
    server = env.server()
    first = server.run("story", input="x", params=sim(tokens=40, seed=7))
    again = server.run("story", input="x", params=sim(tokens=40, seed=7))
    other = server.run("story", input="x", params=sim(tokens=40, seed=8))
    check_eq(deltas(server, again), deltas(server, first), "the same seed")
    check(other["output"] != first["output"], "another seed, other words", first, other)
    plain = [server.run("story", input="x", params=sim(tokens=40))["output"] for _ in range(2)]
    check_eq(plain[0], plain[1], "the default seed is a seed")
    server.stop()
    server.restart()
    check_eq(server.run("story", input="x", params=sim(tokens=40, seed=7))["output"], first["output"], "over a restart")


def test_first_ms_and_gap_ms_are_waited(env):
    server = env.server()
    stream = server.stream_run("story", input="x", params=sim(tokens=4, first_ms=200, gap_ms=100))
    events = stream.all()
    started = [stamp_ms(e.json["at"]) for e in events if e.type == "attempt.started"][0]
    # a timer counts from the beginning of its turn of the loop, a stamp from its moment
    at = [stamp_ms(e.json["at"]) - started for e in events if e.type == "output.delta"]
    for i, least in enumerate((200, 300, 400, 500)):
        check(at[i] >= least - 50, f"token {i} came after {at[i]:.0f} ms, not {least}")


STATUSES = {400: "bad_request", 401: "provider_auth", 403: "provider_auth", 404: "bad_request", 408: "provider_timeout",
            429: "provider_rate_limited", 500: "provider_error", 502: "provider_error", 503: "provider_overloaded",
            504: "provider_error", 529: "provider_overloaded"}


def test_status_faults_map_as_real_ones(env):
    server = env.server()
    for status, code in STATUSES.items():
        run = check_run(server.run("story", input="x", params=fails("status", status=status)))
        check_eq((run["state"], run["error"]["code"]), ("failed", code), f"status {status}", run)
        check_eq((run["error"]["provider"], run["usage"]["attempts"]), ("sim", 1), "without a retry: tried once", run)


def test_the_other_faults_map_as_real_ones(env):
    ms = int(scaled(300))
    server = env.server({"providers": {"sim": {"timeouts": {"first_byte_ms": ms, "idle_ms": ms}}}})
    for how, after, code in (("reset", 0, "provider_unreachable"), ("reset", 2, "provider_bad_response"),
                             ("truncate", 0, "provider_bad_response"), ("truncate", 2, "provider_bad_response"),
                             ("garbage", 0, "provider_bad_response"), ("garbage", 2, "provider_bad_response"),
                             ("hang", 0, "provider_timeout"), ("hang", 2, "provider_timeout")):
        run = check_run(server.run("story", input="x", params=sim(tokens=5, fail=[{"as": how, "after_tokens": after}])))
        check_eq((run["state"], run["error"]["code"]), ("failed", code), f"{how} after {after}", run)
        check_eq(len(deltas(server, run)), after, f"deltas before {how}")
        check_events(server.events(run["id"]), run["id"])


RETRY = {"attempts": 3, "base_ms": 1, "max_ms": 5}


def test_faults_of_named_attempts_and_retries(env):
    server = env.server({"agents": {"again": {"model": "sim/story", "retry": RETRY}}})
    run = check_run(server.run("again", input="x", params=sim(tokens=2, fail=[
        {"attempt": 1, "as": "status", "status": 503}, {"attempt": 2, "as": "reset"}])))
    check_eq((run["state"], run["usage"]["attempts"]), ("succeeded", 3), "the third goes well", run)
    failed = [e.data["error"]["code"] for e in server.events(run["id"]) if e.type == "attempt.failed"]
    check_eq(failed, ["provider_overloaded", "provider_unreachable"], "the first two")
    run = check_run(server.run("again", input="x", params=fails("status", status=500)))
    check_eq((run["state"], run["usage"]["attempts"], run["error"]["attempts"]), ("failed", 3, 3), "every attempt", run)
    run = check_run(server.run("again", input="x", params=fails("status", status=500, attempt=2)))
    check_eq((run["state"], run["usage"]["attempts"]), ("succeeded", 1), "a fault that is never reached", run)


def test_retry_after_of_a_simulated_status_is_a_floor(env):
    server = env.server({"agents": {"again": {"model": "sim/story", "retry": RETRY}}})
    stream = server.stream_run("again", input="x", params=sim(
        tokens=1, fail=[{"attempt": 1, "as": "status", "status": 429, "retry_after_ms": 500}]))
    events = stream.all()
    started = [stamp_ms(e.json["at"]) for e in events if e.type == "attempt.started"]
    check(started[1] - started[0] >= 450, f"{started[1] - started[0]:.0f} ms between the attempts")
    retrying = [e for e in events if e.type == "task.retrying"][0]
    check(retrying.data["retry_in_ms"] >= 500, "retry_in_ms", retrying.raw)
    check("run.waiting" in types(events), "the wait is longer than 100 ms", repr(events))


def test_published_output_forbids_a_retry_unless_restart(env):
    server = env.server({"agents": {"again": {"model": "sim/story", "retry": RETRY}}})
    params = sim(tokens=5, fail=[{"attempt": 1, "as": "reset", "after_tokens": 2}])
    run = check_run(server.run("again", input="x", params=params))
    check_eq((run["state"], run["usage"]["attempts"]), ("failed", 1), "output was published", run)
    run = check_run(server.run("again", input="x", params=params, restart=True))
    check_eq((run["state"], run["usage"]["attempts"]), ("succeeded", 2), "restart allows it", run)
    events = server.events(run["id"])
    names = types(events, "run.waiting", "run.running")
    check_eq(names[names.index("attempt.failed"):], ["attempt.failed", "task.retrying", "attempt.restarted", "attempt.started",
                                                      "output.delta", "attempt.succeeded", "task.succeeded", "run.finished"],
             "order", repr(events))
    second = [e for e in events if e.seq > [x for x in events if x.type == "attempt.restarted"][0].seq]
    check_eq(text_of(second), run["output"], "the output is the second attempt's", run)


def test_jitter_keeps_the_words(env):
    server = env.server()
    plain = server.run("story", input="x", params=sim(tokens=10, seed=5))
    jittered = server.run("story", input="x", params=sim(tokens=10, seed=5, gap_ms=5, jitter=0.9))
    check_eq(jittered["output"], plain["output"], "words", jittered)


def test_many_simulated_runs_at_once(env):
    server = env.server()
    runs = [server.start_run("story", input=str(i), params=sim(tokens=20, gap_ms=5, first_ms=20)) for i in range(200)]
    for run in runs:
        server.check_finished(run["id"])


def test_a_hanging_simulated_call_can_be_cancelled(env):
    server = env.server()
    for params in (hanging(), fails("hang"), sim(tokens=5, fail=[{"as": "hang", "after_tokens": 3}])):
        stream = server.stream_run("story", input="x", params=params)
        stream.until("attempt.started")
        server.cancel(server.run_id_of(stream.response))
        check_eq(stream.all()[-1].data["run"]["state"], "cancelled", f"{params}")


def test_no_configuration_at_all_has_sim_echo_and_story(env):
    """No file means: sluice.db beside it, provider sim, agents echo and story. Only the address is ours here."""
    import os
    from lib import process
    from lib.server import Server
    server = Server(env, name="bare")
    with open(server.log_path, "ab") as log:
        server.process = process.spawn(env.command() + ["serve", "--listen", f"127.0.0.1:{server.address[1]}"], stdout=log,
                                       stderr=log, env=server.environ, cwd=server.dir)
    env.servers.append(server)
    server.wait_ready()
    check_eq(server.run("echo", input="hi")["output"], "hi", "echo")
    check_eq(server.run("story", input="hi")["state"], "succeeded", "story")
    check(os.path.exists(os.path.join(server.dir, "sluice.db")), "./sluice.db")
