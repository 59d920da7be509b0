"""A store of many runs in little time: a few real ones, copied by SQL while no gateway has the store open.

A copy is its original's rows under an id and keys of its own: ids and keys grow from copy to copy, and the id is put into the
lines of the events as well. So the tables and indexes are what as many accepted runs would have made of them, which took
the API several times as long. Whether the gateway takes a copy for what it should be is then asked through the API.
"""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import threading
import time

from lib.load import run_load
from lib.processes import Failed

ORIGINALS = 100
BYTES_EACH = 4200  # of the file, for the run that the originals are
AT_ONCE = 2000
LOOKED_AT = 20  # copies that are read again through the API

# No log and no waiting for the disk: it is nobody's yet, and thrown away where this fails.
PRAGMAS = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-65536;"
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's
PAIRS = [a + b for a in DIGITS for b in DIGITS]


def stock(server, count, request):
    """Gives the store of a started server `count` runs that `request` makes, each of which is waited for."""
    originals = min(ORIGINALS, count)
    if originals:
        run_load(server.bench, server.port, [*request, "--total", str(originals), "--connections", "10", "--ms", "10000"])
    if count <= originals:
        return
    original = server.ask("GET", "/v1/runs?limit=1")["data"][0]
    check_space(server.where, count)
    server.stop()
    try:
        looked_at = copy_runs(server.database, count - originals)
    except (sqlite3.Error, OSError) as e:
        raise Failed(f"runs could not be copied: {e}") from None
    server.start()
    for before, copy in looked_at:
        check_copy(server, original, before, copy)


def check_space(where, count):
    needed, free = count * BYTES_EACH, shutil.disk_usage(where).free
    if free < 1.2 * needed:
        raise Failed(f"it needs {1.2 * needed / 2**30:.1f} GiB of disk, {free / 2**30:.1f} are free")


class Original:
    def __init__(self, db, key, id_bytes):
        text = id_text(int.from_bytes(id_bytes, "big"))
        self.key, self.segments = key, []
        for first, last, lines in db.execute("SELECT first, last, lines FROM segment WHERE run=? ORDER BY key", (key,)):
            self.segments.append((first, last, lines.split(text)))


def copy_runs(path, count):
    """Adds so many copies of the runs that are there; pairs of ids, of some copies with the one before."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db, written_meanwhile(path):
        db.executescript(PRAGMAS)
        check_simple(db)
        copies = Copies(db, [Original(db, *row) for row in db.execute("SELECT key, id FROM run ORDER BY key").fetchall()])
        db.execute("BEGIN")
        while copies.count < count:
            copies.add(min(AT_ONCE, count - copies.count))
        db.execute("COMMIT")
    return random.sample(copies.pairs, min(LOOKED_AT, len(copies.pairs)))


def check_simple(db):
    """The originals must have rows in no other tables than are copied."""
    for table in ("task", "label", "delivery"):
        if db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
            raise Failed(f"runs with rows in the table {table} cannot be copied")


class Copies:
    def __init__(self, db, originals):
        self.db, self.originals, self.count, self.pairs, self.last = db, originals, 0, [], None
        self.run, self.segment = (db.execute(f"SELECT max(key) FROM {t}").fetchone()[0] for t in ("run", "segment"))
        columns = [c[1] for c in db.execute("PRAGMA table_info(run)")]
        values = ", ".join({"key": "?1", "id": "?2"}.get(c, c) for c in columns)
        self.copy_run = f"INSERT INTO run ({', '.join(columns)}) SELECT {values} FROM run WHERE key=?3"

    def add(self, count):
        runs, segments = [], []
        for i, (number, text) in enumerate(new_ids(count)):
            original = self.originals[i % len(self.originals)]
            self.run += 1
            runs.append((self.run, number.to_bytes(16, "big"), original.key))
            for first, last, pieces in original.segments:
                self.segment += 1
                segments.append((self.segment, self.run, first, last, text.join(pieces)))
            if i == count - 1 and self.last:
                self.pairs.append((self.last, text))
            self.last = text
        self.db.executemany(self.copy_run, runs)
        self.db.executemany("INSERT INTO segment (key, run, first, last, lines) VALUES (?,?,?,?,?)", segments)
        self.count += count


def new_ids(count):
    """So many that grow, of this millisecond, as numbers and as texts: 48 bits of time, 20 that count, 60 at random."""
    head, tail = int(time.time() * 1000) << 80, random.getrandbits(60)
    time_text, tail_text = id_text(head)[:10], id_text(tail)[-12:]
    for i in range(count):
        yield head | i << 60 | tail, time_text + PAIRS[i >> 10] + PAIRS[i & 1023] + tail_text


def id_text(number):
    """26 digits of base 32, as base/id.h says."""
    return "".join([PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


@contextlib.contextmanager
def written_meanwhile(path):
    """The disk works while the rows are made, and has everything at the end: nothing of it is left to the lanes."""
    fd, ended = os.open(path, os.O_RDWR), threading.Event()

    def write():
        while not ended.wait(0.2):
            os.fdatasync(fd)
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
        os.fdatasync(fd)
        os.close(fd)


def check_copy(server, original, before, copy):
    """As the original but for its id and times, with the events of one that ran, behind the copy before it in the list."""
    run = server.ask("GET", f"/v1/runs/run_{copy}")
    same = ("state", "agent", "input", "output", "usage", "last_seq")
    if run["id"] != f"run_{copy}" or any(run[k] != original[k] for k in same):
        raise Failed(f"a copied run is not as its original: {json.dumps(run)[:200]}")
    lines = server.fetch("GET", f"/v1/runs/run_{copy}/events", accept="application/x-ndjson").splitlines()
    events = [json.loads(line) for line in lines]
    if [(e["seq"], e["run_id"]) for e in events] != [(n + 1, run["id"]) for n in range(run["last_seq"])] or \
            events[-1]["data"]["run"]["id"] != run["id"]:
        raise Failed(f"the events of the copied run {run['id']} are not its own")
    page = server.ask("GET", f"/v1/runs?limit=1&cursor=c_{copy}")["data"]
    if [r["id"] for r in page] != [f"run_{before}"]:
        raise Failed(f"in the list {before} does not follow {copy}")
