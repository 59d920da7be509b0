"""`POST /v1/backup` and `sluice backup`: a copy of the store while it is in use, that can be served again."""

import hashlib
import os
import sqlite3
import threading

from lib.check import check, check_eq, check_problem

KEYS = {"root": ("root-key-000001", "admin"), "ci": ("ci-key-00000001", "run")}


def back_up(server, path, **options):
    return server.post("/v1/backup", {"path": path}, **options)


def test_a_backup_under_load_is_served_again_with_all_that_was_acknowledged_before(env):
    server = env.server()
    before = [server.run(input="x" * 60000)["id"] for _ in range(60)]
    stop, acknowledged = threading.Event(), []

    def load():
        with server.connect() as c:
            while not stop.is_set():
                r = c.ask("POST", "/v1/runs", {"Content-Type": "application/json", "Host": "localhost"},
                          {"agent": "echo", "input": "y" * 1000})
                check_eq(r.status, 202, "a run is taken while a backup is made", r)
                acknowledged.append(r.json()["id"])

    thread = threading.Thread(target=load)
    thread.start()
    path = os.path.join(env.tmp, "copy.db")
    try:
        r = back_up(server, path)
    finally:
        stop.set()
        thread.join()
    check_eq(r.status, 200, "a backup", r)
    check_eq(r.json(), {"path": path, "bytes": os.path.getsize(path)}, "what is told of it")
    check_eq(os.stat(path).st_mode & 0o777, 0o600, "only its owner may read it")
    check(not os.path.exists(path + ".part"), "nothing else is left")
    with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as db:
        check_eq(db.execute("PRAGMA integrity_check").fetchone(), ("ok",), "the copy is sound")
    check(acknowledged, "runs were made meanwhile")
    for run in acknowledged:
        server.wait_run(run)
    server.stop()
    restored = env.server({"store": {"path": path}}, name="restored")
    for run in before:
        check_eq(restored.get_run(run)["output"], "x" * 60000, "a run of before")
    listed = restored.json("/v1/runs?limit=200")["data"]
    for run in listed:
        restored.wait_run(run["id"])  # also those that were under way at that moment


def test_what_cannot_be_made_is_told(env):
    server = env.server()
    taken = os.path.join(env.tmp, "taken")
    with open(taken, "w") as f:
        f.write("mine")
    check_problem(back_up(server, taken), "conflict")
    with open(taken) as f:
        check_eq(f.read(), "mine", "what was there")
    check_problem(back_up(server, os.path.join(env.tmp, "no", "such", "place")), "invalid_request",
                  errors=[("/path", "bad_reference")])
    for body, error in (({}, ("/path", "missing")), ({"path": 1}, ("/path", "wrong_type")),
                        ({"path": "relative.db"}, ("/path", "out_of_range")),
                        ({"path": "/tmp/"}, ("/path", "out_of_range")), ({"path": "/x\0y"}, ("/path", "out_of_range")),
                        ({"path": "/x", "to": 1}, ("/to", "unknown_field"))):
        check_problem(server.post("/v1/backup", body), "invalid_request", errors=[error])


def test_only_an_admin_may(env):
    server = env.server({"keys": [{"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "scopes": [scope]}
                                  for name, (key, scope) in KEYS.items()]})
    path = os.path.join(env.tmp, "copy.db")
    check_problem(back_up(server, path), "unauthenticated")
    check_problem(back_up(server, path, headers={"Authorization": f"Bearer {KEYS['ci'][0]}"}), "forbidden")
    check(not os.path.exists(path), "nothing was made")
    check_eq(back_up(server, path, headers={"Authorization": f"Bearer {KEYS['root'][0]}"}).status, 200, "an admin's")


def test_the_command_resolves_the_name_where_it_is_called(env):
    server = env.server()
    run = server.run(input="kept")
    p = env.cli("backup", "mine.db", server=server)
    path = os.path.join(env.tmp, "mine.db")
    check_eq((p.returncode, p.stdout), (0, f"{path}: {os.path.getsize(path)} bytes\n"), "the command", p.stderr)
    with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as db:
        check_eq(db.execute("SELECT count(*) FROM run").fetchone(), (1,), "its runs", run)
    p = env.cli("backup", "mine.db", server=server)
    check_eq(p.returncode, 2, "again", p.stderr)
    check("File exists" in p.stderr, "why", p.stderr)
