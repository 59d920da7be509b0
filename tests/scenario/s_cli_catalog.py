"""Agents and workflows from the command line (API §5, §9)."""

import hashlib
import json
import os

from lib.check import check, check_eq
from lib.server import free_port

SUCCEEDED, FAILED, USAGE, NO_SERVER = 0, 1, 2, 3

AGENT = {"name": "writer", "model": "sim/echo", "instructions": "You write.", "params": {"temperature": 0.10}}
TREE = {"type": "sequence", "steps": [
    {"type": "call", "agent": "echo", "input": "{{input}}!"},
    {"type": "map", "over": [{"type": "no task"}], "task": {"type": "value", "value": {"type": "none"}}}]}
FLOW = {"name": "flow", "description": "shouts", "task": TREE}


def ran(p, code, *words):
    check_eq(p.returncode, code, "exit code", p.stdout, p.stderr)
    for word in words:
        check(word in p.stdout + p.stderr, f"it says {word!r}", p.stdout, p.stderr)
    return p


def file_of(env, document):
    path = os.path.join(env.tmp, "document.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write(document if isinstance(document, str) else json.dumps(document))
    return path


def test_put_show_ls_and_rm(env):
    server = env.server()
    for kind, document in (("agents", AGENT), ("workflows", FLOW)):
        name = document["name"]
        ran(env.cli(kind, "put", file_of(env, document), server=server), SUCCEEDED, f"{name} version 1\n")
        ran(env.cli(kind, "put", name, file_of(env, document), server=server), SUCCEEDED, f"{name} version 2\n")
        shown = json.loads(ran(env.cli(kind, "show", name, server=server), SUCCEEDED).stdout)
        check_eq({k: shown[k] for k in document}, document, "as it was put")
        listed = [json.loads(line) for line in env.cli(kind, "ls", "--json", server=server).stdout.splitlines()]
        check_eq([d for d in listed if d["name"] == name], [shown], "in the list")
        ran(env.cli(kind, "rm", name, server=server), SUCCEEDED)
        ran(env.cli(kind, "show", name, server=server), USAGE, "not_found")
        ran(env.cli(kind, "rm", name, server=server), USAGE, "not_found")
        check(name not in env.cli(kind, server=server).stdout, "it is not listed any more")


def test_lists_are_tables(env):
    server = env.server({"agents": {"two": {"model": ["sim/echo", "sim/story"]}}})
    ran(env.cli("workflows", "put", file_of(env, FLOW), server=server), SUCCEEDED)
    lines = ran(env.cli("workflows", server=server), SUCCEEDED).stdout.splitlines()
    check_eq([line.split() for line in lines], [["NAME", "VERSION", "TASKS", "SOURCE", "DESCRIPTION"],
                                                ["flow", "1", "4", "api", "shouts"]], "the table")
    rows = {line.split()[0]: line for line in ran(env.cli("agents", "ls", server=server), SUCCEEDED).stdout.splitlines()}
    check("sim/echo, sim/story" in rows["two"] and "config" in rows["two"], "an agent with a fallback", rows)
    check(rows["NAME"].split() == ["NAME", "MODEL", "VERSION", "SOURCE", "DESCRIPTION"], "the columns", rows)


def test_standard_input_is_a_file(env):
    server = env.server()
    p = env.cli("agents", "put", "from-input", "-", server=server, stdin=None, input=json.dumps({"model": "sim/echo"}))
    ran(p, SUCCEEDED, "from-input version 1")
    ran(env.cli("run", "from-input", "hello", server=server), SUCCEEDED, "hello")


def test_if_match_lets_no_change_be_lost(env):
    server = env.server()
    for kind, document in (("agents", AGENT), ("workflows", FLOW)):
        path = file_of(env, document)
        ran(env.cli(kind, "put", path, server=server), SUCCEEDED)
        ran(env.cli(kind, "put", path, "--if-match", 1, server=server), SUCCEEDED, "version 2")
        ran(env.cli(kind, "put", path, "--if-match", 1, server=server), USAGE, "precondition_failed")
        ran(env.cli(kind, "rm", document["name"], "--if-match", 1, server=server), USAGE, "precondition_failed")
        ran(env.cli(kind, "rm", document["name"], "--if-match", 2, server=server), SUCCEEDED)


def test_what_is_wrong_is_told_with_its_place(env):
    server = env.server()
    bad = {"name": "flow", "task": {"type": "sequence", "steps": [{"type": "frob"}]}}
    ran(env.cli("workflows", "put", file_of(env, bad), server=server), USAGE, "/task/steps/0/type", "unknown_type")
    ran(env.cli("agents", "put", file_of(env, {"name": "a", "modell": "x"}), server=server), USAGE, "/modell", "unknown_field")
    ran(env.cli("agents", "put", file_of(env, '{\n  "name": x}'), server=server), USAGE, "line 2, column 11")
    ran(env.cli("agents", "put", file_of(env, {"model": "sim/echo"}), server=server), USAGE, "no name")
    ran(env.cli("agents", "put", "a b", file_of(env, AGENT), server=server), USAGE, "is no name")
    ran(env.cli("agents", "put", os.path.join(env.tmp, "missing.json"), server=server), USAGE, "missing.json")
    for words in (["frob"], ["show"], ["rm"], ["put"], ["ls", "x"], ["rm", "a", "b"], ["rm", "a", "--if-match", "x"]):
        ran(env.cli("workflows", *words, server=server), USAGE)


def test_what_the_configuration_has_stays(env):
    server = env.server()
    ran(env.cli("agents", "put", "echo", file_of(env, {"model": "sim/story"}), server=server), USAGE, "conflict")
    ran(env.cli("agents", "rm", "echo", server=server), USAGE, "conflict")


def test_changes_need_an_admins_key(env):
    keys = [{"name": name, "sha256": hashlib.sha256(f"{name}-key".encode()).hexdigest(), "scopes": [name]} for name in ("run", "admin")]
    server = env.server({"keys": keys})
    ran(env.cli("agents", "put", file_of(env, AGENT), server=server, environ={"SLUICE_KEY": "run-key"}), FAILED, "forbidden")
    ran(env.cli("agents", "put", file_of(env, AGENT), server=server, environ={"SLUICE_KEY": "admin-key"}), SUCCEEDED)


def test_no_server(env):
    url = f"http://127.0.0.1:{free_port()}"
    for words in (["agents"], ["workflows", "show", "x"], ["agents", "rm", "x"], ["workflows", "put", file_of(env, FLOW)]):
        ran(env.cli(*words, environ={"SLUICE_URL": url}), NO_SERVER)


def test_a_workflow_that_was_tried_is_put_and_run(env):
    server = env.server()
    path = file_of(env, {"name": "loud", "description": "d", "task": TREE["steps"][0]})
    ran(env.cli("run", path, "--input", "hey", server=server), SUCCEEDED, "hey!")
    ran(env.cli("workflows", "put", path, server=server), SUCCEEDED, "loud version 1")
    ran(env.cli("run", file_of(env, {"workflow": "loud"}), "--input", "ho", server=server), SUCCEEDED, "ho!")
