"""The command-line client: what it prints, and its exit codes (API §9)."""

import json
import os
import re
import signal
import subprocess

from lib import process
from lib.check import FINAL_STATES, RUN_ID, check, check_eq, check_in, eventually
from lib.server import free_port
from lib.slow import scaled

SUCCEEDED, FAILED, USAGE, NO_SERVER, CANCELLED, TIMED_OUT = 0, 1, 2, 3, 4, 5


def check_exit(p, code, what):
    check_eq(p.returncode, code, f"exit code of {what}", f"stdout: {p.stdout}", f"stderr: {p.stderr}")
    return p


def test_version(env):
    for arguments in (["version"], ["--version"]):
        p = env.cli(*arguments)
        if arguments == ["--version"] and p.returncode == USAGE:
            continue  # the contract names the sub-command only
        check_exit(p, 0, " ".join(arguments))
        check(re.search(r"\d+\.\d+", p.stdout), "a version number", p.stdout)


def test_run_streams_the_answer(env):
    server = env.server()
    p = check_exit(env.cli("run", "echo", "Say hello", server=server), SUCCEEDED, "run")
    check("Say hello" in p.stdout, "the answer", p.stdout)
    p = check_exit(env.cli("run", "story", server=server), SUCCEEDED, "run without input")
    check(p.stdout.strip(), "the answer", p.stdout)


def test_run_prints_while_the_answer_comes(env):
    server, up = env.with_upstream({"up": "ok,tokens=4,gate=g,after=2"})
    p = env.cli_start("run", "up", "x", server=server)
    got = b""
    while b"w1" not in got:
        piece = os.read(p.stdout.fileno(), 1000)
        check(piece, "the client ended early", got)
        got += piece
    up.release("g")
    rest, _ = p.communicate(timeout=scaled(20))
    check_eq(p.returncode, SUCCEEDED, "exit code")
    check(b"w0 w1 w2 w3" in got + rest, "the whole answer", got + rest)


def test_run_json_waits_and_prints_the_run(env):
    server = env.server()
    p = check_exit(env.cli("run", "echo", "a b", "--json", server=server), SUCCEEDED, "run --json")
    run = json.loads(p.stdout)
    check_eq((run["state"], run["output"], run["input"]), ("succeeded", "a b", "a b"), "the run", p.stdout)


def run_id_in(text):
    m = RUN_ID.search(text)
    check(m, "a run id", text)
    return m.group(0)


def test_run_detach_prints_the_id_and_leaves(env):
    server, up = env.with_upstream({"up": "ok,gate=g"})
    p = check_exit(env.cli("run", "up", "x", "--detach", server=server), SUCCEEDED, "run --detach")
    run_id = run_id_in(p.stdout)
    check(server.get_run(run_id)["state"] not in FINAL_STATES, "it goes on")
    up.release("g")
    server.check_finished(run_id)


def test_params_reach_the_provider(env):
    server, up = env.with_upstream({"up": "ok"})
    check_exit(env.cli("run", "up", "x", "--param", "temperature=0.5", "--param", "user=me", server=server), 0, "run --param")
    sent = json.loads(up.log()[0]["body"])
    check_in(sent.get("temperature"), (0.5, "0.5"), "temperature", sent)
    check_eq(sent.get("user"), "me", "user", sent)


def test_exit_codes_tell_how_the_run_ended(env):
    server, up = env.with_upstream({"bad": "status,code=500", "hung": "hang"},
                                   {"limits": {"default_run_timeout_ms": int(scaled(3000))}})
    for extra in ([], ["--json"]):
        p = check_exit(env.cli("run", "bad", "x", *extra, server=server), FAILED, f"a failed run {extra}")
        check("provider_error" in p.stdout + p.stderr, "why", p.stdout, p.stderr)
        check_exit(env.cli("run", "hung", "x", *extra, server=server), TIMED_OUT, f"a timed-out run {extra}")
        up.wait_active(0)
        p = env.cli_start("run", "hung", "x", *extra, server=server)
        entry = eventually(lambda: [e for e in up.log() if e["end"] in ("hangs", "active")], "its call")[0]
        server.cancel(entry["run"])
        p.communicate(timeout=scaled(20))
        check_eq(p.returncode, CANCELLED, f"exit code of a cancelled run {extra}")


def test_usage_errors(env):
    server = env.server()
    for arguments in (["frob"], ["run"], ["run", "--frob", "echo"], ["show"], ["cancel"], ["watch"],
                      ["watch", "--after", "x", "run_x"]):
        p = check_exit(env.cli(*arguments, server=server), USAGE, " ".join(arguments))
        check(p.stderr.strip(), f"{arguments}: something on stderr")


def test_no_server(env):
    url = f"http://127.0.0.1:{free_port()}"
    for arguments in (["run", "echo", "x"], ["ls"], ["show", "run_01JD3Y00000000000000000000"],
                      ["cancel", "run_01JD3Y00000000000000000000"],
                      ["watch", "run_01JD3Y00000000000000000000"]):
        p = check_exit(env.cli(*arguments, environ={"SLUICE_URL": url}), NO_SERVER, " ".join(arguments))
        check(p.stderr.strip(), "something on stderr")


def test_server_option_and_environment(env):
    server = env.server()
    check_exit(env.cli("ls", "--server", server.url), 0, "ls --server")
    check_exit(env.cli("ls", environ={"SLUICE_URL": server.url}), 0, "ls with SLUICE_URL")
    p = env.cli("ls", "--server", server.url, environ={"SLUICE_URL": "http://127.0.0.1:9"})
    check_exit(p, 0, "ls: the option wins")


def test_key_from_the_environment(env):
    import hashlib
    key = "cli-key-123"
    server = env.server({"keys": [{"name": "cli", "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": ["run"]}]})
    check_exit(env.cli("run", "echo", "x", server=server, environ={"SLUICE_KEY": key}), 0, "with the key")
    p = env.cli("run", "echo", "x", server=server)
    check(p.returncode not in (0, NO_SERVER), f"without: exit code {p.returncode}", p.stderr)


def test_ls_and_show(env):
    server = env.server()
    runs = [server.run(input=f"text {i}", name=f"name{i}") for i in range(3)]
    p = check_exit(env.cli("ls", server=server), 0, "ls")
    for run in runs:
        check(run["id"] in p.stdout, "every run is listed", p.stdout)
    check("succeeded" in p.stdout, "with its state", p.stdout)
    p = check_exit(env.cli("show", runs[1]["id"], server=server), 0, "show")
    check(runs[1]["id"] in p.stdout and "succeeded" in p.stdout, "the run", p.stdout)
    p = env.cli("show", "run_01JD3Y00000000000000000000", server=server)
    check(p.returncode not in (0, NO_SERVER), "an unknown run", p.stdout, p.stderr)


def tree_file(env, tree):
    path = os.path.join(env.tmp, "tree.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(tree, f)
    return path


def test_a_tree_alone_and_a_workflows_document_are_files_to_run(env):
    server = env.server()
    tree = {"type": "call", "agent": "echo", "input": "{{input}} here"}
    for file in (tree, {"task": tree}, {"name": "flow", "description": "d", "task": tree}):
        path = tree_file(env, file)
        for words in (["text"], ["--input", "text"]):
            p = check_exit(env.cli("run", path, *words, server=server), SUCCEEDED, f"run of {file}")
            check_eq(p.stdout.strip(), "text here", "the output")
    p = check_exit(env.cli("run", path, "--input", "[1]", "--json-input", "--json", server=server), SUCCEEDED, "run --json-input")
    check_eq(json.loads(p.stdout)["input"], [1], "the input")
    check_exit(env.cli("run", path, "a", "--input", "b", server=server), USAGE, "two inputs")


def test_retry_makes_a_run_of_what_was_not_finished(env):
    server, up = env.with_upstream({"up": "ok"})
    path = tree_file(env, {"type": "sequence", "steps": [
        {"type": "call", "agent": "up", "input": "kept"},
        {"type": "call", "agent": "up", "input": "[[b:status,code=400]]"}]})
    p = check_exit(env.cli("run", path, "--json", server=server), FAILED, "run")
    first = json.loads(p.stdout)["id"]
    p = check_exit(env.cli("retry", first, "--json", server=server), FAILED, "retry --json")
    check_eq(json.loads(p.stdout)["retry_of"], first, "the new run")
    check_eq(len(up.log()), 3, "calls: what had succeeded is not called again")
    p = check_exit(env.cli("retry", first, "--detach", server=server), SUCCEEDED, "retry --detach")
    server.check_finished(run_id_in(p.stdout), "failed")
    check("[1] failed" in check_exit(env.cli("retry", first, server=server), FAILED, "retry").stderr, "it is followed")
    done = server.run("up", input="x")
    check_exit(env.cli("retry", done["id"], server=server), USAGE, "retry of one that succeeded")
    check_exit(env.cli("retry", "nonsense", server=server), USAGE, "retry of no id")


def test_watch_follows_a_run(env):
    server, up = env.with_upstream({"up": "ok,tokens=4,gate=g"})
    run = server.start_run("up", input="x")
    p = env.cli_start("watch", run["id"], server=server)
    up.wait_held(1)
    up.release("g")
    out, err = p.communicate(timeout=scaled(20))
    check_eq(p.returncode, SUCCEEDED, "exit code", out, err)
    check(b"w0 w1 w2 w3" in out, "the answer", out)
    p = check_exit(env.cli("watch", run["id"], server=server), SUCCEEDED, "watch of a finished run")
    check("w0 w1 w2 w3" in p.stdout, "replayed", p.stdout)
    middle = [e.seq for e in server.events(run["id"]) if e.type == "output.delta" and e.data.get("text")][1]
    p = check_exit(env.cli("watch", run["id"], "--after", middle, server=server), SUCCEEDED, "watch --after")
    check("w2 w3" in p.stdout and "w0" not in p.stdout, "from there on", p.stdout)
    failed = server.run("up", input="[[b:status,code=500]]")
    check_exit(env.cli("watch", failed["id"], server=server), FAILED, "watch of a failed run")


def test_cancel(env):
    server, up = env.with_upstream({"up": "hang"})
    run = server.start_run("up", input="x")
    up.wait_entry(run["id"])
    check_exit(env.cli("cancel", run["id"], server=server), 0, "cancel")
    server.check_finished(run["id"], "cancelled")
    done = server.run("echo", input="x")
    check(env.cli("cancel", done["id"], server=server).returncode != 0, "a finished run cannot be cancelled")


def test_ctrl_c_once_cancels(env):
    server, up = env.with_upstream({"up": "ok,tokens=10,gate=g,after=2"})
    for extra in ([], ["--json"]):
        p = env.cli_start("run", "up", "x", *extra, server=server)
        entry = eventually(lambda: [e for e in up.log() if e["end"] == "active"], "its call")[0]
        if not extra:
            os.read(p.stdout.fileno(), 1000)  # it streams: the client knows its run
        else:
            eventually(lambda: server.get_run(entry["run"])["state"] == "running", "running")
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=scaled(20))
        check_eq(p.returncode, CANCELLED, f"exit code {extra}", out, err)
        server.check_finished(entry["run"], "cancelled")
        up.wait_active(0)


def test_ctrl_c_twice_leaves(env):
    server, up = env.with_upstream({"up": "ok,tokens=10,gate=g,after=2"})
    p = env.cli_start("run", "up", "x", server=server)
    up.wait_held(1)
    os.read(p.stdout.fileno(), 1000)
    server.signal(signal.SIGSTOP)  # so that the cancel of the first Ctrl-C is not answered
    try:
        p.send_signal(signal.SIGINT)
        eventually(lambda: p.poll() is not None or signal_was_taken(p.pid), "the first is handled")
        check(process.wait(p, 0.3) is None, f"once does not leave: it waits for the end; exit code {p.returncode}")
        p.send_signal(signal.SIGINT)
        check(process.wait(p, scaled(10)) is not None, "twice leaves")
        check(p.returncode != 0, "and not with success")
    finally:
        server.signal(signal.SIGCONT)
    p.communicate()


def signal_was_taken(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return not int(fields["SigPnd"], 16) & 1 << (signal.SIGINT - 1) and not int(fields["ShdPnd"], 16) & 1 << (signal.SIGINT - 1)


def test_check_reads_a_config(env):
    good, bad, worse = (os.path.join(env.tmp, f"{n}.json") for n in ("good", "bad", "worse"))
    with open(good, "w") as f:
        f.write('// a comment\n{"listen": ["127.0.0.1:8080"], /* another */ "loops": 1}\n')
    with open(bad, "w") as f:
        f.write('{\n  "limits": {\n    "bodybytes": 5\n  }\n}\n')
    with open(worse, "w") as f:
        f.write('{\n  "limits": {,\n}\n')
    check_exit(env.cli("check", good), 0, "check of a good file")
    p = env.cli("check", bad)
    check(p.returncode != 0, "check of a bad file", p.stdout)
    said = p.stdout + p.stderr
    check("bodybytes" in said and re.search(r"\b3\b", said), "it names the line and the path", said)
    p = env.cli("check", worse)
    check(p.returncode != 0 and re.search(r"\b2\b", p.stdout + p.stderr), "check of no JSON names the line",
          p.stdout + p.stderr)
    check(env.cli("check", os.path.join(env.tmp, "missing.json")).returncode != 0, "a missing file")


def test_help_of_everything(env):
    for arguments in ([], ["serve"], ["run"], ["watch"], ["ls"], ["show"], ["cancel"], ["retry"], ["agents"], ["workflows"],
                      ["providers"], ["completion"], ["check"], ["backup"], ["doctor"], ["version"]):
        p = check_exit(env.cli(*arguments, "--help"), 0, f"{' '.join(arguments)} --help")
        check(p.stdout.strip(), "some help", p.stdout)


def test_completions_know_every_command(env):
    commands = re.findall(r"^  (\w+) +\S", env.cli("--help").stdout, re.MULTILINE)
    check("workflows" in commands and "retry" in commands, "the commands", commands)
    for shell in ("bash", "zsh", "fish"):
        script = check_exit(env.cli("completion", shell), 0, f"completion {shell}").stdout
        for word in [c for c in commands if not c.isupper()] + ["ls show put rm", "if-match"]:
            check(word in script, f"{shell}: {word}", script)
    # What bash makes of it, for the second word of `sluice workflows p`.
    asked = "COMP_WORDS=(sluice workflows p); COMP_CWORD=2; _sluice; echo \"${COMPREPLY[*]}\""
    script = env.cli("completion", "bash").stdout
    p = subprocess.run(["bash", "-c", script + asked], capture_output=True, text=True)
    check_eq(p.stdout, "put\n", "completed", p.stderr)


def test_agents_wants_one_of_its_words(env):
    server = env.server()
    check("echo" in check_exit(env.cli("agents", server=server), 0, "agents").stdout, "the list")
    check("sim/echo" in check_exit(env.cli("agents", "show", "echo", server=server), 0, "agents show").stdout, "one")
    for words in (["frob"], ["show"], ["ls", "x"], ["put"], ["rm"], ["rm", "a", "b"]):
        p = check_exit(env.cli("agents", *words, server=server), USAGE, f"agents {words}")
        check("show NAME" in p.stderr, "what it wants", p.stderr)


def test_a_unix_socket_as_server(env):
    server = env.server(unix=True)
    p = check_exit(env.cli("run", "echo", "over unix", server=server), 0, "run over a unix socket")
    check("over unix" in p.stdout, "the answer", p.stdout)
