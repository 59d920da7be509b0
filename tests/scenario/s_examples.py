"""The trees of examples/trees: each file is sent to a server as it is, and ends as its page says."""

import json
import os
import subprocess

from lib.check import check, check_eq, check_events
from lib.env import time_limit

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TREES = os.path.join(ROOT, "examples", "trees")


def rejected(code, task):
    """As settle tells a failure."""
    return {"status": "rejected", "error": {"code": code, "task": task}}


# What the run must have: only the members that are named here, at any depth, are compared; lists have the length they have.
EXPECTED = {
    "fan-out-summary": {
        "state": "succeeded", "usage": {"calls": 4}, "output": [
            ["As news: the river ran slowly through the old town", "As a poem: the river ran slowly through the old town",
             "As a letter: the river ran slowly through the old town"], str]},
    "race-of-two": {"state": "succeeded", "output": "fast: Say hello"},
    "first-success-fallback": {"state": "succeeded", "output": [None, "fallback: Say hello"]},
    "dag-of-five": {
        "state": "succeeded", "usage": {"calls": 4}, "output": {
            "plan": "Plan an article on rivers", "facts": "Facts for: Plan an article on rivers", "pictures": None,
            "captions": "Captions for: no pictures",
            "article": {"text": "Facts for: Plan an article on rivers", "captions": "Captions for: no pictures"}}},
    "map-with-limit": {"state": "succeeded", "output": ["0: Lima", "1: Oslo", "2: Rome", "3: Suva", "4: Kyiv"]},
    "circuit": {
        "state": "succeeded", "usage": {"calls": 2},
        "output": [rejected("provider_error", "0/0"), rejected("provider_error", "1/0"), rejected("breaker_open", "2")]},
    "timeout-scope": {"state": "succeeded", "output": [None, {"drafts": "timed_out", "code": "task_timeout"}]},
    "shielded-save": {"state": "timed_out", "output": None, "error": {"code": "run_timeout"}, "usage": {"calls": 2}},
    "sequence-with-references": {
        "state": "succeeded", "output": ["Hello Ada", "Hello Ada, in English", {
            "greeting": "Hello Ada", "state": "succeeded", "last": "Hello Ada, in English", "count": 12345678901234567890,
            "tag": "author", "text": 'tags: ["admin","author"]', "missing": 0, "path": "2", "brace": "{{"}]},
    "settle": {"state": "succeeded", "output": [{"status": "fulfilled", "value": "fine"}, rejected("provider_error", "1")]},
    "retry-of-a-composite": {
        "state": "succeeded", "output": ["begin", "begin, then commit"], "usage": {"calls": 2, "attempts": 4}},
    "finally": {
        "state": "failed", "output": None, "usage": {"calls": 3},
        "error": {"code": "provider_error", "task": "1", "partial": ["the blue room"]}},
}

# States of tasks, where they are the point of the example.
TASKS = {
    "race-of-two": {"0": "cancelled", "1": "succeeded"},
    "dag-of-five": {"2": "failed", "3": "succeeded"},
    "shielded-save": {"1": "succeeded", "1/0": "succeeded", "2": "cancelled"},
    "timeout-scope": {"0": "timed_out", "0/0": "succeeded", "0/1": "cancelled"},
    "finally": {"0": "succeeded", "1": "failed", "2": "succeeded"},
}


def same(expected, got, where):
    if expected is str:
        check(isinstance(got, str) and got, f"{where} is text", got)
    elif isinstance(expected, dict):
        check(isinstance(got, dict), f"{where} is an object", got)
        for key, value in expected.items():
            check(key in got, f"{where} has {key}", got)
            same(value, got[key], f"{where}.{key}")
    elif isinstance(expected, list):
        check(isinstance(got, list), f"{where} is a list", got)
        check_eq(len(got), len(expected), f"length of {where}", got)
        for i, value in enumerate(expected):
            same(value, got[i], f"{where}[{i}]")
    else:
        check_eq(got, expected, where)


def names():
    return sorted(f.removesuffix(".json") for f in os.listdir(TREES) if f.endswith(".json"))


def body_of(name):
    with open(os.path.join(TREES, name + ".json"), encoding="utf-8") as f:
        return json.load(f)


def test_each_example_is_looked_at(env):
    check_eq(names(), sorted(EXPECTED), "files in examples/trees")


@time_limit(120)
def test_each_example_ends_as_it_should(env):
    server = env.server()
    for name in names():
        r = server.post("/v1/runs", body_of(name))
        check_eq(r.status, 202, f"status of {name}", r)
        run = server.wait_run(r.json()["id"])
        same(EXPECTED[name], run, name)
        check_events(server.events(run["id"]), run["id"])
        for path, state in TASKS.get(name, {}).items():
            task = server.json(f"/v1/runs/{run['id']}/tasks/{path}")
            check_eq(task["state"], state, f"state of {name}, task {path}", task)


def test_the_client_takes_an_example(env):
    done = env.cli("run", os.path.join(TREES, "map-with-limit.json"), server=env.server())
    check_eq((done.returncode, json.loads(done.stdout)), (0, EXPECTED["map-with-limit"]["output"]), "run FILE", done.stderr)


def test_the_workflows_call_each_other(env):
    with open(os.path.join(ROOT, "examples", "workflows.json"), encoding="utf-8") as f:
        config = json.loads("".join(line for line in f if not line.startswith("//")))
    server = env.server(config)
    r = server.post("/v1/workflows/article/runs", {"input": {"topics": ["rivers", "lakes"]}}, {"Prefer": "wait=20"})
    parts = ["In short: rivers", "In short: lakes"]
    check_eq(r.json()["output"], [parts, [None, {"text": parts, "accepted": True}]], "output", r)
    check_eq(len(server.json("/v1/runs")["data"]), 4, "runs of the family")


def test_install_brings_them(env):
    made = subprocess.run(["make", "-n", "install", "DESTDIR=" + env.tmp], cwd=ROOT, capture_output=True, text=True)
    check_eq(made.returncode, 0, "exit code of make -n install", made.stderr)
    for name in names():
        check(f"examples/trees/{name}.json" in made.stdout, f"{name} is installed", made.stdout)
