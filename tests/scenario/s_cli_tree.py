"""A tree of tasks on a terminal while it runs, elsewhere as lines, and afterwards (API §9)."""

import json
import os
import re
import signal

from lib import process
from lib.check import RUN_ID, check, check_eq, eventually
from lib.terminal import Terminal, width_of

SUCCEEDED, FAILED, CANCELLED, LEFT = 0, 1, 4, 130


def call(text, **members):
    return {"type": "call", "agent": "up", "input": text, **members}


def held(gate):
    """The input of a call that waits at that gate."""
    return f"[[b:ok,tokens=2,gate={gate}]]"


def tree_file(env, task, **members):
    path = os.path.join(env.tmp, "flow.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"task": task, **members}, f)
    return path


def start_tree(server, task):
    return server.post("/v1/runs", {"task": task}).json()


def on_terminal(env, server, *arguments, environ=None, **size):
    return Terminal(env, [env.binary, *arguments], environ={"SLUICE_URL": server.url, **(environ or {})}, **size)


def has(text):
    return lambda lines: any(re.search(text, line) for line in lines)


def match(lines, patterns):
    """Line by line a regular expression each."""
    return len(lines) == len(patterns) and all(re.fullmatch(p, line) for p, line in zip(patterns, lines))


def wait_for_lines(t, patterns):
    t.wait_for(lambda lines: match(lines, patterns), "these lines:\n" + "\n".join(patterns))


def check_lines(lines, patterns):
    check(match(lines, patterns), "the lines on the terminal", "\n".join(lines), "expected:", "\n".join(patterns))


TIME = r"\d[\d.]* m?s"


def test_a_tree_is_drawn_while_it_runs(env):
    server, up = env.with_upstream({"up": "ok"})
    t = on_terminal(env, server, "run", tree_file(env, {"type": "sequence", "steps": [
        call("a", name="first"),
        {"type": "parallel", "tasks": [call(held("g")), call("b"), call("[[b:status,code=400]]", on_error="continue")]},
        {"type": "value", "value": "the end"}]}))
    wait_for_lines(t, [
        f"running    sequence, 1/3, {TIME}",
        f"succeeded    0 first call, {TIME}",
        f"running      1 parallel, 2/3, {TIME}",
        f"running        0 call, {TIME}",
        f"succeeded      1 call, {TIME}",
        f"failed         2 call, {TIME}, bad_request: .*",
        "pending      2 value"])
    shown = next(line for line in t.screen.lines() if "0 call" in line)
    t.wait_for(lambda lines: not any(line == shown for line in lines), "time passes")
    up.release("g")
    check_eq(t.finish(), SUCCEEDED, "exit code")
    lines = t.screen.lines()
    check_lines(lines[:7], [
        f"succeeded  sequence, 3/3, {TIME}",
        f"succeeded    0 first call, {TIME}",
        f"succeeded    1 parallel, 3/3, {TIME}",
        f"succeeded      0 call, {TIME}",
        f"succeeded      1 call, {TIME}",
        f"failed         2 call, {TIME}, bad_request: .*",
        f"succeeded    2 value, {TIME}"])
    check_eq(json.loads("\n".join(lines[7:]))[2], "the end", "the output below")
    check(t.screen.colours, "states have colours")
    t.check_sane()


def test_what_a_task_waits_for_is_shown(env):
    server, up = env.with_upstream({"up": "ok"}, {"providers": {"up": {"limits": {"concurrency": 1}}}})
    t = on_terminal(env, server, "run", tree_file(env, {"type": "parallel", "tasks": [
        call(held("g")), call(held("g")), {"type": "sleep", "duration_ms": 600000, "name": "long"}]}))
    t.wait_for(has(r"blocked +[01] call.*no free slot at provider:up"), "the call that is held back")
    up.release("g")
    t.wait_for(has(r"parallel, 2/3.*waiting: timer \(9m \d\ds\)"), "the run waits for its sleep")
    t.type("\x03")
    check_eq(t.finish(), CANCELLED, "exit code")


def test_retries_are_shown(env):
    server, up = env.with_upstream({"up": "ok"})
    retry = {"attempts": 2, "base_ms": 600000, "max_ms": 600000, "jitter": "none"}
    t = on_terminal(env, server, "run", tree_file(env, {"type": "parallel", "tasks": [
        {"type": "sequence", "retry": retry, "steps": [call("a"), call("[[b:status,code=400]]")]},
        call("[[b:status,code=500]]", retry=retry)]}))
    left = r"\((10m 00|9m \d\d)s\)"
    wait_for_lines(t, [
        f"running    parallel, 0/2, {TIME}, waiting: retry timer .*",
        f"retrying     0 sequence, 0/2, {TIME}, tries again {left}",
        "pending        0 call",
        "pending        1 call",
        f"retrying     1 call, {TIME}, provider_error: .* {left}"])
    t.type("\x03")
    check_eq(t.finish(), CANCELLED, "exit code")
    t.check_sane()


def test_a_tree_that_does_not_fit_is_folded(env):
    server, up = env.with_upstream({"up": "ok"})
    t = on_terminal(env, server, "run", tree_file(env, {"type": "map", "over": "{{input}}", "limit": 3, "task": call("{{item}}")},
                                                  input=["x"] * 20 + [held("g")] * 20), rows=10)
    wait_for_lines(t, [f"running    map, 20/40, {TIME}"] + [f"running      2{i} call, {TIME}" for i in range(3)] +
                [f"pending      2{i} call" for i in range(3, 7)] + ["             … 33 more: 13 pending, 20 succeeded"])
    while process.wait(t.process, 0) is None and t.pump(0.05):
        up.release("g")
    check_eq(t.finish(), SUCCEEDED, "exit code")
    t.check_sane()
    check_eq(len([1 for line in t.screen.lines() if " map, " in line]), 1, "of earlier drawings nothing is left")


def test_a_narrow_terminal_cuts_lines(env):
    server, up = env.with_upstream({"up": "ok"})
    t = on_terminal(env, server, "run", tree_file(env, {"type": "sequence", "steps": [
        call(held("g"), name="a-long-name-that-does-not-fit-on-it"), call("b")]}, name="漢字漢字"), columns=20)
    wait_for_lines(t, ["running    sequenc…", "running      0 a-l…", "pending      1 call"])
    check(all(sum(map(width_of, line)) < 20 for line in t.screen.lines()), "the last column stays free")
    up.release("g")
    check_eq(t.finish(), SUCCEEDED, "exit code")
    t.check_sane()


def fits(lines, columns, count):
    """So many tasks, the root among them once, and names that are cut where that width cuts them."""
    tasks = [line for line in lines if line.startswith("running    ")]
    if len(tasks) != count or len([1 for line in lines if "parallel" in line]) != 1:
        return False
    return re.match("running    parallel", lines[0]) and (len(tasks[1]) == columns - 1 or columns > 70 and " call, " in tasks[1])


def test_a_terminal_that_changes_its_size_is_drawn_anew(env):
    server, up = env.with_upstream({"up": "ok"})
    t = on_terminal(env, server, "run", tree_file(env, {"type": "parallel", "tasks": [
        call(held("g"), name=f"a-name-of-some-length-{i}") for i in range(8)]}), columns=80, rows=24)
    for columns, rows, count in ((30, 24, 9), (100, 24, 9), (40, 6, 4), (24, 5, 3), (80, 24, 9)):
        t.wait_for(lambda _: has("pending|running +[0-9]")(t.screen.visible()), "the tree")
        t.resize(columns, rows)
        t.wait_for(lambda _: fits(t.screen.visible(), columns, count), f"it fits {columns} x {rows}")
    up.release("g")
    check_eq(t.finish(), SUCCEEDED, "exit code")
    t.check_sane()


def test_ctrl_c_cancels_and_leaves_a_sane_terminal(env):
    server, up = env.with_upstream({"up": "ok"})
    t = on_terminal(env, server, "run", tree_file(env, {"type": "sequence", "steps": [call(held("g")), call("b")]}))
    t.wait_for(has("pending +1 call"), "the tree")
    t.type("\x03")
    check_eq(t.finish(), CANCELLED, "exit code")
    check_lines(t.screen.lines(), [
        r"cancelling\.\.\. .*",
        f"cancelled  sequence, 2/2, {TIME}",
        f"cancelled    0 call, {TIME}",
        "cancelled    1 call",
        "cancelled: interrupted by its user"])
    t.check_sane()


def test_who_watches_leaves_with_ctrl_c_and_the_tree_stays(env):
    server, up = env.with_upstream({"up": "ok"})
    run = start_tree(server, {"type": "sequence", "steps": [call(held("g")), call("b")]})
    t = on_terminal(env, server, "watch", run["id"])
    wait_for_lines(t, [f"running    sequence, 0/2, {TIME}", f"running      0 call, {TIME}", "pending      1 call"])
    t.type("\x03")
    check_eq(t.finish(), LEFT, "exit code")
    check_lines(t.screen.lines(), [f"running    sequence, 0/2, {TIME}", f"running      0 call, {TIME}", "pending      1 call",
                                   f"left the run as it is; to come back: sluice watch {run['id']}"])
    t.check_sane()
    up.release("g")
    server.check_finished(run["id"])
    t = on_terminal(env, server, "watch", run["id"])
    check_eq(t.finish(), SUCCEEDED, "exit code of another watch")
    check(has("succeeded  sequence, 2/2")(t.screen.lines()), "the tree", "\n".join(t.screen.lines()))


def test_whatever_ends_or_stops_it_the_cursor_is_below_the_tree(env):
    server, up = env.with_upstream({"up": "ok"})
    path = tree_file(env, {"type": "parallel", "tasks": [call(held("g")), call(held("g"))]})
    for number in (signal.SIGTERM, signal.SIGHUP):
        t = on_terminal(env, server, "run", path)
        t.wait_for(has("running +1 call"), "the tree")
        t.signal(number)
        check_eq(t.finish(), -number, "how it ended")
        t.check_sane()
    t = on_terminal(env, server, "run", path)
    t.wait_for(has("running +1 call"), "the tree")
    t.signal(signal.SIGTSTP)
    eventually(t.is_stopped, "it stops")
    t.drain()
    t.check_sane()
    t.signal(signal.SIGCONT)
    t.wait_for(lambda lines: len([1 for line in lines if "parallel" in line]) == 2, "it is drawn again below")
    up.release("g")
    check_eq(t.finish(), SUCCEEDED, "exit code")
    t.check_sane()


def test_no_color_and_dumb_terminals(env):
    server, up = env.with_upstream({"up": "ok"})
    path = tree_file(env, {"type": "sequence", "steps": [call("a"), call("b")]})
    t = on_terminal(env, server, "run", path, environ={"NO_COLOR": "1"})
    check_eq(t.finish(), SUCCEEDED, "exit code")
    check(has("succeeded  sequence, 2/2")(t.screen.lines()), "a tree", "\n".join(t.screen.lines()))
    check_eq(t.screen.colours, 0, "colours")
    t = on_terminal(env, server, "run", path, environ={"TERM": "dumb"})
    check_eq(t.finish(), SUCCEEDED, "exit code")
    check_eq(t.screen.lines()[:4], ["[0] running", "[0] succeeded", "[1] running", "[1] succeeded"], "lines")
    check(b"\x1b" not in b"".join(p for _, p in t.pieces), "no escape sequence")


def test_a_call_alone_streams_its_text_on_a_terminal(env):
    server, up = env.with_upstream({"up": "ok,tokens=4,gate=g,after=2"})
    t = on_terminal(env, server, "run", "up", "x")
    t.wait_for(lambda lines: lines and "w1" in lines[0], "the text as it comes")
    check_eq(len(t.screen.lines()), 1, "nothing but the text")
    up.release("g")
    check_eq(t.finish(), SUCCEEDED, "exit code")
    check_eq(t.screen.lines(), ["w0 w1 w2 w3"], "the answer")


def test_it_is_not_drawn_more_than_ten_times_a_second(env):
    server = env.server()
    t = on_terminal(env, server, "run", tree_file(env, {"type": "map", "over": "{{input}}", "limit": 20, "task": {
        "type": "call", "agent": "echo", "input": "{{item}}"}}, input=list(range(2000))))
    began = process.monotonic_ms()
    check_eq(t.finish(), SUCCEEDED, "exit code")
    frames = b"".join(p for _, p in t.pieces).count(b"\x1b[?7l")
    # Beside one each 100 ms: the first, the last, and the one that leaves it there.
    check(frames <= (process.monotonic_ms() - began) / 100 + 3, f"{frames} drawings")
    check(has("map, 2000/2000")(t.screen.lines()), "all of them", "\n".join(t.screen.lines()[:30]))


def test_a_lost_connection_is_told_above_the_tree(env):
    server, up = env.with_upstream({"up": "ok"})
    t = on_terminal(env, server, "run", tree_file(env, {"type": "sequence", "steps": [call("a"), {"type": "sleep", "duration_ms": 4000}]}))
    t.wait_for(has("running +1 sleep"), "the tree")
    server.kill()
    t.wait_for(has("trying again in"), "what has happened")
    t.wait_for(has("running +1 sleep"), "the tree, still there")
    server.start()
    check_eq(t.finish(), SUCCEEDED, "exit code")
    lines = t.screen.lines()
    check_eq(len([1 for line in lines if "0 call" in line]), 1, "how often it is there", "\n".join(lines))
    check(has("succeeded  sequence, 2/2")(lines), "the whole tree", "\n".join(lines))


def test_elsewhere_each_event_of_a_task_is_a_line(env):
    server, up = env.with_upstream({"up": "ok"})
    path = tree_file(env, {"type": "sequence", "steps": [
        call("a", name="first"), call("[[b:status,code=500]]", retry={"attempts": 2, "base_ms": 200, "jitter": "none"}), call("c")]})
    p = env.cli("run", path, server=server)
    check_eq(p.returncode, FAILED, "exit code", p.stdout, p.stderr)
    check_eq(p.stdout, "", "standard output is for the output")
    check_lines(p.stderr.splitlines(), [
        r"\[0 first\] running",
        r"\[0 first\] succeeded",
        r"\[1\] running",
        r"\[1\] attempt 1 failed: provider_error: .*; retrying in \d+ ms",
        r"\[1\] failed: provider_error: .*",
        r"\[2\] skipped: dependency",
        "error: provider_error: .*",
        r"  \[1\] provider_error: .*"])
    p = env.cli("run", path, "--json", server=server)
    check_eq((p.returncode, json.loads(p.stdout)["state"], p.stderr), (FAILED, "failed", ""), "run --json")


def test_show_has_the_same_tree_afterwards_and_before(env):
    server, up = env.with_upstream({"up": "ok"})
    p = env.cli("run", tree_file(env, {"type": "sequence", "steps": [
        call("a", name="first"), {"type": "map", "over": [1, 2], "task": call(held("g"))}, call("b")]}), "--detach", server=server)
    run_id = RUN_ID.search(p.stdout).group(0)
    up.wait_held(2)

    def tree():
        lines = env.cli("show", run_id, server=server).stdout.splitlines()
        begin = next((i for i, line in enumerate(lines) if " sequence, " in line), len(lines))
        return lines[begin:begin + 6]
    check_lines(eventually(lambda: tree() if len(tree()) == 6 else None, "the tree"), [
        f"running    sequence, 1/3, {TIME}",
        f"succeeded    0 first call, {TIME}",
        f"running      1 map, 0/2, {TIME}",
        f"running        0 call, {TIME}",
        f"running        1 call, {TIME}",
        "pending      2 call"])
    up.release("g")
    server.check_finished(run_id)
    check_lines(tree(), [
        f"succeeded  sequence, 3/3, {TIME}",
        f"succeeded    0 first call, {TIME}",
        f"succeeded    1 map, 2/2, {TIME}",
        f"succeeded      0 call, {TIME}",
        f"succeeded      1 call, {TIME}",
        f"succeeded    2 call, {TIME}"])


def test_a_tree_as_deep_as_may_be_is_shown(env):
    """Bug: an answer that was nested more deeply than a request may be could not be read."""
    server = env.server({"limits": {"tree_depth": 60}})
    task = {"type": "value", "value": 1}
    for _ in range(28):  # each takes two levels of the request, which may have 64
        task = {"type": "sequence", "steps": [task]}
    run = server.wait_run(start_tree(server, task)["id"])
    check_eq(run["state"], "succeeded", "the run")
    p = env.cli("show", run["id"], server=server)
    check_eq(p.returncode, SUCCEEDED, "exit code", p.stderr)
    check_eq(len([1 for line in p.stdout.splitlines() if line.startswith("succeeded ")]), 29, "lines", p.stdout)
    check_eq(env.cli("watch", run["id"], server=server).returncode, SUCCEEDED, "exit code of watch")
