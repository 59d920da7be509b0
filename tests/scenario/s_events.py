"""The event log of a run and its three readings: JSON pages, SSE, NDJSON (API §3)."""

import json
import resource
import statistics

from lib import process
from lib.bodies import hanging, sim
from lib.check import (Failure, check, check_eq, check_events, check_gapless, check_in, check_reason, check_run, check_stamp,
                       eventually, text_of, types)
from lib.env import alone, time_limit
from lib.slow import factor, scale, scaled

SSE, NDJSON = "text/event-stream", "application/x-ndjson"


def test_a_plain_calls_events_come_in_the_order_of_the_contract(env):
    server = env.server()
    run = server.run(input="Say hello now")
    events = server.events(run["id"])
    check_events(events, run["id"])
    check_eq([e.type for e in events],
             ["run.queued", "run.running", "task.running", "attempt.started", "output.delta", "output.delta", "output.delta",
              "attempt.succeeded", "task.succeeded", "run.finished"], "types", repr(events))
    by_type = {e.type: e for e in events}
    for e in events:
        check(set(e.json) <= {"seq", "type", "run_id", "at", "task", "attempt", "data"}, f"members of {e.type}", e.raw)
        if e.type.startswith(("attempt.", "output.")):
            check_eq((e.task, e.attempt), ("", 1), f"task and attempt of {e.type}", e.raw)
    for name in ("run.queued", "run.running"):
        check("reason" in by_type[name].data, f"{name} has a reason (or null)", by_type[name].raw)
    check_eq((by_type["attempt.started"].data["provider"], by_type["attempt.started"].data["model"]), ("sim", "echo"),
             "attempt.started")
    check_eq(by_type["task.running"].data["type"], "call", "task.running: type")
    check("name" in by_type["task.running"].data, "task.running: name")
    check_eq(by_type["task.succeeded"].data["output"], "Say hello now", "task.succeeded: output")
    check_eq([e.data for e in events if e.type == "output.delta"], [{"text": "Say "}, {"text": "hello "}, {"text": "now"}],
             "a token is a word with the white space after it")
    check_eq(by_type["run.finished"].data["run"], run, "run.finished carries the run", by_type["run.finished"].raw)
    check_eq(run["last_seq"], events[-1].seq, "last_seq")


def test_json_pages_never_follow_and_can_be_walked(env):
    server = env.server()
    run = server.run("story", input="x", params=sim(tokens=7))
    whole = server.json(f"/v1/runs/{run['id']}/events")
    last = whole["data"][-1]["seq"]
    check_eq((whole["next_after"], whole["more"]), (last, False), "the only page")
    for limit in (1, 2, 5, last, 1000):
        found, after, pages = [], 0, 0
        while True:
            page = server.json(f"/v1/runs/{run['id']}/events?after={after}&limit={limit}")
            check(len(page["data"]) <= limit, f"{len(page['data'])} events with limit={limit}", page)
            found += page["data"]
            pages += 1
            if not page["more"]:
                break
            check_eq(len(page["data"]), limit, "a full page where there is more", page)
            check_eq(page["next_after"], page["data"][-1]["seq"], "next_after", page)
            after = page["next_after"]
        check_eq(found, whole["data"], f"all pages with limit={limit}")
    for after in (last, last + 1, last + 1000, 2 ** 53 + 1, 2 ** 63 - 1):
        page = server.json(f"/v1/runs/{run['id']}/events?after={after}")
        check_eq(page, {"data": [], "next_after": after, "more": False}, "past the end", page)
    running = server.start_run("story", params=hanging())
    page = server.json(f"/v1/runs/{running['id']}/events")
    check_eq(page["more"], False, "a running run's page does not wait", page)


def test_pages_filter_by_type_and_limit_counts_what_is_returned(env):
    server = env.server()
    run = server.run("story", input="x", params=sim(tokens=9))
    all_events = server.json(f"/v1/runs/{run['id']}/events")["data"]
    for wanted in ("output.delta", "run.finished,run.queued", "task.running", "attempt.failed"):
        expected = [e for e in all_events if e["type"] in wanted.split(",")]
        for limit in (1, 4, 100):
            found, after = [], 0
            while True:
                page = server.json(f"/v1/runs/{run['id']}/events?types={wanted}&limit={limit}&after={after}")
                found += page["data"]
                check(len(page["data"]) <= limit, "limit", page)
                if not page["more"]:
                    break
                check(page["next_after"] > after, "next_after is the last seq examined", page)
                after = page["next_after"]
            check_eq(found, expected, f"types={wanted} limit={limit}")


def test_the_sse_format_is_exact(env):
    server = env.server()
    run = server.run(input="ä \"b\"\nc\td")
    stream = server.follow(run["id"])
    events = stream.all()
    check(bytes(stream.raw).startswith(b"retry: 2000\n"), "first retry: 2000", bytes(stream.raw))
    check_eq(stream.retry_ms, 2000, "retry")
    check_eq(stream.response.media_type, SSE, "Content-Type", stream.response)
    check_eq(stream.response.framing, "chunked", "framing")
    expected = b"".join(b"id: %d\nevent: %s\ndata: %s\n\n" % (e.seq, e.type.encode(), e.raw) for e in events)
    sent = bytes(stream.raw)[len(b"retry: 2000\n"):].lstrip(b"\n")
    check_eq(sent, expected, "the frames, byte by byte")
    check(b"\r" not in stream.raw, "lines end in LF")
    check_eq(text_of(events), "ä \"b\"\nc\td", "the text")


def test_ndjson_is_one_event_a_line(env):
    server = env.server()
    run = server.run(input="a\nb")
    stream = server.follow(run["id"], NDJSON)
    events = stream.all()
    check_eq(bytes(stream.raw), b"".join(e.raw + b"\n" for e in events), "the lines, byte by byte")
    check_eq([e.json for e in events], server.json(f"/v1/runs/{run['id']}/events")["data"], "as the JSON page has them")


def test_output_that_looks_like_frames_stays_data(env):
    server = env.server()
    evil = "x\n\nevent: run.finished\ndata: {}\n\n: hb\n\n\r\rid: 9\r\n\u2028\u2029\x00 end"
    run = server.run(input=evil)
    events = server.follow(run["id"]).all()
    check_events(events, run["id"])
    check_eq(text_of(events), evil, "the text")
    check_eq(text_of(server.follow(run["id"], NDJSON).all()), evil, "the text")


def test_replay_is_byte_identical_to_live(env):
    server, up = env.with_upstream({"up": "ok,tokens=20,gap=2"})
    for accept in (SSE, NDJSON):
        live = server.stream_run("up", accept, input="x")
        run_id = server.run_id_of(live.response)
        follower = server.follow(run_id, SSE)
        told = [e.raw for e in live.all()]
        check_eq([e.raw for e in follower.all()], told, "a follower's events")
        for again in (SSE, NDJSON):
            check_eq([e.raw for e in server.follow(run_id, again).all()], told, f"replay as {again}")
        server_side = server.json(f"/v1/runs/{run_id}/events?limit=1000")["data"]
        check_eq(server_side, [json.loads(raw) for raw in told], "the JSON page")
    server.stop()
    server.restart()
    check_eq([e.raw for e in server.follow(run_id).all()], told, "replay after a restart")


def test_resume_at_every_seq(env):
    server = env.server()
    run = server.run("story", input="x", params=sim(tokens=12))
    whole = [e.raw for e in server.follow(run["id"]).all()]
    for after in range(len(whole)):
        for accept in (SSE, NDJSON):
            by_query = server.follow(run["id"], accept, f"?after={after}").all()
            check_eq([e.raw for e in by_query], whole[after:], f"after={after}")
            by_header = server.follow(run["id"], accept, headers={"Last-Event-ID": str(after)}).all()
            check_eq([e.raw for e in by_header], whole[after:], f"Last-Event-ID: {after}")
    both = server.follow(run["id"], SSE, "?after=2", {"Last-Event-ID": "5"}).all()
    check_eq(both[0].seq, 6, "the header wins")
    page = server.get(f"/v1/runs/{run['id']}/events?after=2", {"Accept": "application/json", "Last-Event-ID": "5"}).json()
    check_eq(page["data"][0]["seq"], 6, "in JSON too")


def test_nothing_is_lost_between_replay_and_live(env):
    server, up = env.with_upstream({"up": "ok,tokens=30,gap=3"})
    creator = server.stream_run("up", input="x")
    run_id = server.run_id_of(creator.response)
    readers = []
    for e in creator:  # at every event a new reader comes in, from the start and from here
        if e.type == "run.finished":
            break
        readers.append((0, server.follow(run_id)))
        readers.append((e.seq, server.follow(run_id, NDJSON, f"?after={e.seq}")))
    told = [e.raw for e in creator.seen]
    for after, reader in readers:
        check_eq([e.raw for e in reader.all()], told[after:], f"a reader from {after}")
        reader.close()


def test_a_reader_of_a_running_run_may_ask_from_beyond_its_end(env):
    server, up = env.with_upstream({"up": "ok,gate=g"})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    last = server.get_run(run["id"])["last_seq"]
    with server.follow(run["id"], query=f"?after={last}") as exact, server.follow(run["id"], query="?after=100000") as beyond:
        up.release("g")
        events = exact.all()
        check_gapless(events, last + 1)
        check_eq(events[-1].type, "run.finished", "the last")
        beyond.finish()
        check(beyond.response.complete, "the response ends with the run")


def test_a_finished_run_read_to_its_end_is_204(env):
    server = env.server()
    run = server.run(input="x")
    for after in (run["last_seq"], run["last_seq"] + 50, 2 ** 53 + 1, 10 ** 40):
        for accept in (SSE, NDJSON):
            r = server.get(f"/v1/runs/{run['id']}/events?after={after}", {"Accept": accept})
            check_eq((r.status, r.body), (204, b""), f"after={after}", r)
            r = server.get(f"/v1/runs/{run['id']}/events", {"Accept": accept, "Last-Event-ID": str(after)})
            check_eq(r.status, 204, f"Last-Event-ID: {after}", r)
    r = server.get(f"/v1/runs/{run['id']}/events?after={run['last_seq'] - 1}", {"Accept": SSE})
    check_eq(r.status, 200, "one before the end", r)


def test_streams_filter_by_type_and_end_with_the_run(env):
    server, up = env.with_upstream({"up": "ok,tokens=4,gate=g"})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    readers = [server.follow(run["id"], accept, f"?types={wanted}") for accept in (SSE, NDJSON)
               for wanted in ("output.delta", "attempt.started,task.succeeded", "attempt.failed")]
    up.release("g")
    found = [[e.type for e in r.all()] for r in readers]
    check_eq(found, [["output.delta"] * 4, ["attempt.started", "task.succeeded"], []] * 2, "types")


def test_follow_false_gives_what_there_is_and_ends(env):
    server, up = env.with_upstream({"up": "ok,gate=g,after=2"})
    live = server.stream_run("up", input="x")
    run_id = server.run_id_of(live.response)
    while len([e for e in live.seen if e.type == "output.delta" and e.data.get("text")]) < 2:
        live.until("output.delta")
    told = [e.raw for e in live.seen]
    for accept in (SSE, NDJSON):
        got = eventually(lambda: (lambda g: g if len(g) >= 4 else None)(
            [e.raw for e in server.follow(run_id, accept, "?follow=false").all()]), "at least what was committed")
        check_eq(got[:len(told)], told[:len(got)], "what there is")
    up.release("g")
    live.all()
    check_eq(server.follow(run_id, SSE, "?follow=false").all()[-1].type, "run.finished", "of a finished run")
    check_eq(server.follow(run_id, SSE, "?follow=true").all()[-1].type, "run.finished", "follow=true")


def test_silence_is_broken_by_heartbeats(env):
    server = env.server({"limits": {"heartbeat_ms": 500}})
    run = server.start_run("story", params=hanging())
    streams = []
    for begin in (lambda: server.follow(run["id"], SSE), lambda: server.follow(run["id"], NDJSON),
                  lambda: server.stream_run("story", params=hanging())):
        stream, beats = begin(), []
        streams.append(stream)
        while len(beats) < 3:
            if stream.next(with_heartbeats=True) == "heartbeat":
                beats.append(stream.at)
        check(beats[2] - beats[0] > 0.5, f"heartbeats come every 500 ms, not more often: {beats}")
    raw = bytes(streams[0].raw)
    check(b"\n: hb\n\n" in raw, "the comment : hb", raw)
    check(b'{"type":"heartbeat"}\n' in bytes(streams[1].raw), "the line", bytes(streams[1].raw))
    server.cancel(run["id"])
    check_eq([s.all()[-1].type for s in streams[:2]], ["run.finished"] * 2, "the streams go on behind them")


def test_each_event_leaves_at_once(env):
    """A token must reach the reader while the provider is silent behind it: it is held at a gate after each one."""
    for accept in (SSE, NDJSON):
        server, up = env.with_upstream({f"up{i}": f"ok,tokens=4,gate=g{i},after={i}" for i in range(1, 4)})
        for i in range(1, 4):
            stream = server.stream_run(f"up{i}", accept, input="x")
            got = ""
            while got.count("w") < i:
                got += stream.until("output.delta").data.get("text", "")
            check_eq(got, "".join(f"w{k} " for k in range(i)), "what came while the rest is held")
            up.release(f"g{i}")
            check_eq(text_of(stream.all()), "w0 w1 w2 w3", "the whole text")
        server.stop()


@alone
def test_there_is_no_40_ms_step_between_provider_and_reader(env):
    """Nagle with delayed ACK, or a corked socket, holds events for up to 40 ms: with one every 10 ms half of them would come
    more than 20 ms late. The best of three medians, as others use this machine too."""
    if factor() > 1:
        env.skip("slowed down")
    server, up = env.with_upstream({"up": "ok,tokens=60,gap=10"})
    medians = []
    for accept in (SSE, NDJSON, SSE):
        run = server.stream_run("up", accept, input="x")
        arrived = [e.at * 1000 for e in run.all() if e.type == "output.delta" and e.data.get("text")]
        sent = up.one(server.run_id_of(run.response))["token_ms"]
        check_eq(len(arrived), len(sent), "tokens")
        lags = [a - s for a, s in zip(arrived, sent)]
        # a little below zero where the upstream was held up between its write and its look at the clock
        check(min(lags) > -1000, f"the clocks are the same: {lags}")
        medians.append(statistics.median(lags))
    check(min(medians) < 12, f"median lags in ms: {medians}; the last run's: {[round(x) for x in lags]}")


@alone
@time_limit(120)
def test_a_thousand_readers_of_one_run_cost_one_upstream_call(env):
    n = scale(1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, n + 1000), hard))
    server, up = env.with_upstream({"up": "ok,tokens=50,gap=2,gate=g"})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    readers = [server.follow(run["id"], SSE if i % 2 else NDJSON, timeout=scaled(60)) for i in range(n)]
    up.release("g")
    first = [e.raw for e in readers[0].all()]
    check_eq(json.loads(first[-1])["data"]["run"]["state"], "succeeded", "state")
    for reader in readers:
        check_eq([e.raw for e in reader.all()], first, "every reader's events")
        reader.close()
    check_eq(up.requests(), 1, "upstream calls")


@time_limit(120)
def test_a_reader_that_stops_reading_slows_nobody_and_can_come_back(env):
    server, up = env.with_upstream({"up": "ok,tokens=600,size=4000,gate=g"}, {"limits": {"write_stall_ms": 2000}})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    stalled = server.follow(run["id"], NDJSON, receive_buffer=4096)
    quick = server.follow(run["id"], NDJSON)
    up.release("g")
    whole = [e.raw for e in quick.all()]  # 2.4 MB went by
    check_eq(json.loads(whole[-1])["data"]["run"]["state"], "succeeded", "the run is not slowed")
    check_eq(server.run("echo", input="y")["state"], "succeeded", "others are served")
    got = []  # now the stalled one reads on: all of it, or a prefix and then the cut
    try:
        for e in stalled:
            if e.type == "stream.end":
                check_eq(set(e.data), {"reason", "after"}, "stream.end", e.raw)
                check_eq(e.data["after"], json.loads(got[-1])["seq"] if got else 0, "stream.end: after", e.raw)
                break
            got.append(e.raw)
    except Failure as e:
        check("ends inside a frame" in str(e), f"a cut stream, not {e}")
    check_eq(got, whole[:len(got)], "a prefix of the events")
    if len(got) < len(whole):
        rest = [e.raw for e in server.follow(run["id"], NDJSON, f"?after={len(got)}").all()]
        check_eq(got + rest, whole, "resumed without loss")


@time_limit(120)
def test_a_stalled_reader_is_cut_after_write_stall_ms(env):
    server, up = env.with_upstream({"up": "ok,tokens=3000,size=4000,gate=g"},
                                   {"limits": {"write_stall_ms": 1000, "output_bytes": 16777216}})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    stalled = server.follow(run["id"], NDJSON, receive_buffer=4096)
    up.release("g")
    server.wait_run(run["id"], scaled(60))
    port = stalled.conn.sock.getsockname()[1]
    eventually(lambda: not process.tcp_is_established(server.address[1], port), "the stalled reader is cut", scaled(20))


def test_last_seq_misses_nothing(env):
    server, up = env.with_upstream({"up": "ok,tokens=5,gate=g,after=2"})
    run = server.start_run("up", input="x")
    up.wait_held(1)
    state = eventually(lambda: (lambda r: r if r["last_seq"] >= 4 else None)(server.get_run(run["id"])), "some events")
    before = [e.raw for e in server.follow(run["id"], NDJSON, "?follow=false").all()]
    reader = server.follow(run["id"], NDJSON, f"?after={state['last_seq']}")
    up.release("g")
    events = reader.all()
    check_gapless(events, state["last_seq"] + 1)
    check_eq(text_of(server.events(run["id"])), "w0 w1 w2 w3 w4", "text")
    check(len(before) >= 4, "what there was before")


def test_tool_calls_and_reasoning_are_deltas_of_their_own(env):
    server, _ = env.with_upstream({"tool": "tool_call,tokens=3", "think": "reasoning,tokens=2"})
    run = server.run("tool", input="x")
    deltas = [e.data["tool_call"] for e in server.events(run["id"]) if e.type == "output.delta" and "tool_call" in e.data]
    check_eq({d["index"] for d in deltas}, {0}, "index", deltas)
    check_eq((deltas[0].get("id"), deltas[0].get("name")), ("call_1", "look_up"), "the first delta", deltas)
    check_eq("".join(d["arguments"] for d in deltas), "[1,2,3]", "arguments", deltas)
    run = server.run("think", input="x")
    deltas = [e.data for e in server.events(run["id"]) if e.type == "output.delta"]
    check_eq([d["reasoning"] for d in deltas if "reasoning" in d], ["let me ", "think"], "reasoning", deltas)
    check_eq("".join(d.get("text", "") for d in deltas), "w0 w1", "text", deltas)
    check_eq(run["output"], "w0 w1", "reasoning is no output", run)


def test_big_values_are_references_in_events_and_lists(env):
    server = env.server()
    text = "word " * 8000
    run = server.run(input=text)
    check_eq((run["input"], run["output"]), (text, text), "GET of the run gives them whole")
    size = len(json.dumps(text))
    listed = server.json("/v1/runs")["data"][0]
    finished = server.events(run["id"])[-1].data["run"]
    for shown in (listed, finished):
        for name, path in (("input", f"/v1/runs/{run['id']}"), ("output", f"/v1/runs/{run['id']}/output")):
            check_eq(shown[name], {"$ref": path, "bytes": size}, name, shown)
    check_eq(server.json(f"/v1/runs/{run['id']}/output"), text, "GET there gives it whole")
    done = [e for e in server.events(run["id"]) if e.type == "task.succeeded"][0]
    check_eq(set(done.data["output"]), {"$ref", "bytes"}, "task.succeeded", done.raw)
    check_eq(server.get(done.data["output"]["$ref"]).status, 200, "its reference leads somewhere")
    small = server.run(input="a" * 32000)
    check_eq(server.json("/v1/runs")["data"][0]["input"], small["input"], "below 32 KiB it stands there itself")


def test_a_waiting_run_says_so_in_its_events(env):
    server, up = env.with_upstream({"up": "ok,gate=g"}, {"providers": {"up": {"limits": {"concurrency": 1}}}})
    first = server.start_run("up", input="1")
    up.wait_held(1)
    second = server.start_run("up", input="2")
    waiting = server.wait_state(second["id"], "waiting")
    check_reason(waiting["reason"], waiting)
    up.release("g")
    server.check_finished(first["id"])
    server.check_finished(second["id"])
    events = server.events(second["id"])
    check_events(events, second["id"])
    names = types(events)
    check_eq([n for n in names if not n.startswith("run.")],
             ["task.running", "task.blocked", "attempt.started", "output.delta", "attempt.succeeded", "task.succeeded"],
             "order", repr(events))
    check("run.waiting" in names, "run.waiting", repr(events))
    check(names.index("run.waiting") < names.index("attempt.started"), "order", repr(events))
    check_eq([e for e in events if e.type == "run.waiting"][0].data["reason"]["code"], "no_free_slot", "its reason")


def test_stamps_never_go_back(env):
    server = env.server()
    run = check_run(server.run("story", input="x", params=sim(tokens=20, gap_ms=2)))
    stamps = [e.json["at"] for e in server.events(run["id"])]
    check_eq(stamps, sorted(stamps), "at")
    check(run["created_at"] <= run["started_at"] <= run["finished_at"], "the run's own", run)
    check_stamp(stamps[0], "at")


def test_a_reader_that_leaves_changes_nothing(env):
    server, up = env.with_upstream({"up": "ok,tokens=10,gate=g,after=3"})
    run = server.start_run("up", input="x", on_disconnect="cancel")
    for how in ("close", "reset"):
        reader = server.follow(run["id"])
        reader.until("output.delta")
        (reader.close if how == "close" else reader.conn.reset)()
    up.release("g")
    check_in(server.check_finished(run["id"])["state"], {"succeeded"}, "state")


@time_limit(120)
def test_an_event_may_be_larger_than_16_mib(env):
    """Its chunk's length has seven digits."""
    size = 17 << 20
    server, _ = env.with_upstream({"up": f"ok,tokens=1,size={size}"}, {"limits": {"output_bytes": 2 * size}})
    stream = server.stream_run("up", NDJSON, input="x", params={"stream": False})
    check_eq(len(text_of(stream.all())), size, "the text's length")
