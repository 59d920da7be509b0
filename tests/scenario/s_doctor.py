"""`sluice doctor`: a line for each thing that it looks at, and what it exits with (API §9)."""

import os
import resource
import shutil
import sqlite3

from lib.check import check, check_eq
from lib.server import free_port

ALL = ["config", "database", "server", "clock", "files", "disk"]


def ask(env, *arguments, code, server=None, **options):
    """The lines by what they are about: (is it fine, what is said)."""
    p = env.cli("doctor", *arguments, server=server, **options)
    check_eq(p.returncode, code, "exit code", p.stdout, p.stderr)
    lines = {}
    for line in p.stdout.splitlines():
        verdict, what, said = line.split(None, 2)
        check(verdict in ("ok", "WRONG"), "a verdict", line)
        lines[what] = (verdict == "ok", said)
    return lines


def config_of(server):
    return ["--config", server.config_path]


def wrong(lines):
    return [what for what, (fine, _) in lines.items() if not fine]


def test_a_server_that_runs_is_well(env):
    server = env.server()
    lines = ask(env, *config_of(server), code=0, server=server)
    check_eq(list(lines), ALL, "what is looked at")
    check_eq(wrong(lines), [], "what is wrong", lines)
    check(str(server.pid) in lines["database"][1], "who uses the database", lines)


def test_a_database_that_nobody_uses_is_read_whole(env):
    server = env.server()
    server.run(input="x")
    server.stop()
    lines = ask(env, *config_of(server), code=0)
    check("sound" in lines["database"][1] and "1 runs" in lines["database"][1], "the database", lines)
    check("none is running" in lines["server"][1], "the server", lines)
    check_eq(wrong(ask(env, *config_of(server), "--server", f"http://127.0.0.1:{free_port()}", code=1)), ["server"],
             "a server that was asked for has to be there")
    server.start()  # nothing was changed, or is held
    check_eq(server.run(input="y")["state"], "succeeded", "a run afterwards")


def test_what_is_wrong_with_a_database_is_told(env):
    server = env.server()
    server.stop()
    copies = {name: os.path.join(env.tmp, name + ".db") for name in ("damaged", "newer", "text")}
    for path in copies.values():
        shutil.copy(server.database, path)
    size = os.path.getsize(copies["damaged"])
    with open(copies["damaged"], "r+b") as f:
        f.seek(size // 2)
        f.write(b"\xa5" * (size // 2))
    with sqlite3.connect(copies["newer"]) as db:
        db.execute("PRAGMA user_version = 9999")
    with open(copies["text"], "w") as f:
        f.write("this is no database\n" * 100)
    for name, said in (("damaged", "damaged"), ("newer", "9999"), ("text", "not a database")):
        lines = ask(env, *config_of(server), "--db", copies[name], code=1)
        check_eq(wrong(lines), ["database"], name, lines)
        check(said in lines["database"][1], name, lines)
    nowhere = os.path.join(env.tmp, "no", "such", "x.db")
    check_eq(wrong(ask(env, *config_of(server), "--db", nowhere, code=1)), ["database", "disk"], "no place")


def test_a_run_from_the_future_tells_that_the_clock_went_back(env):
    server = env.server()
    server.run()
    server.stop()
    path = server.database
    with sqlite3.connect(path) as db:
        db.execute("UPDATE run SET created_at = created_at + 86400000")
    lines = ask(env, *config_of(server), code=1)
    check_eq(wrong(lines), ["clock"], "what is wrong", lines)


def test_a_wrong_configuration_is_told_by_line(env):
    path = os.path.join(env.tmp, "wrong.json")
    with open(path, "w") as f:
        f.write('{"loops": -1,\n "bogus": 1}')
    p = env.cli("doctor", "--config", path)
    check_eq(p.returncode, 1, "exit code", p.stdout)
    check_eq([line.split()[:2] for line in p.stdout.splitlines()], [["WRONG", "config"]] * 2, "a line for each", p.stdout)
    check("wrong.json:2:" in p.stdout, "its place", p.stdout)


def test_too_few_open_files_are_told(env):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, 600))
    server = env.server()
    server.stop()
    lines = ask(env, *config_of(server), code=1, preexec_fn=few)
    check_eq(wrong(lines), ["files"], "what is wrong", lines)


def test_what_it_does_not_know_is_a_mistake_of_usage(env):
    for arguments in (["--listen", "127.0.0.1:1"], ["x"], ["--config"]):
        check_eq(env.cli("doctor", *arguments).returncode, 2, "exit code", arguments)
