"""A terminal for a program to draw on: a pty, and a small interpreter of what comes out of it.

It knows what ECMA-48 terminals have in common and the program may use; any other sequence is a failure of the test. As most
terminals do it breaks lines anew when it is made narrower, and keeps the cursor at its character."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata

from . import process
from .check import Failure, check, eventually
from .slow import scaled

SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


def width_of(char):
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class Screen:
    """Rows of cells. A wide character's second cell is ''."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.above = []  # scrolled off at the top
        self.cells = [[] for _ in range(rows)]
        self.y = self.x = 0
        self.wraps = True
        self.colours = 0  # how often a colour was set
        self.rest = ""

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        i = 0
        while i < len(text):
            if text[i] == "\x1b":
                m = SEQUENCE.match(text, i)
                if m is None and len(text) - i < 16:
                    self.rest = text[i:]
                    return
                if m is None:
                    raise Failure(f"an escape sequence that not all terminals know: {text[i:i + 16]!r}")
                self.command(*m.groups())
                i = m.end()
            else:
                self.put(text[i])
                i += 1

    def put(self, char):
        if char == "\r":
            self.x = 0
        elif char == "\n":
            self.line_feed()
        elif ord(char) < 32 or ord(char) == 127:
            raise Failure(f"a control character on the terminal: {char!r}")
        else:
            self.print(char)

    def line_feed(self):
        if self.y + 1 < self.rows:
            self.y += 1
            return
        self.above.append(self.cells.pop(0))
        self.cells.append([])

    def print(self, char):
        width = width_of(char)
        if width == 0:
            return
        if self.x + width > self.columns:
            if self.wraps:
                self.x = 0
                self.line_feed()
            else:
                self.x = self.columns - width
        row = self.cells[self.y]
        row.extend(" " * (self.x + width - len(row)))
        row[self.x:self.x + width] = [char] + [""] * (width - 1)
        self.x = min(self.x + width, self.columns if self.wraps else self.columns - 1)

    def command(self, private, numbers, letter):
        n = int(numbers.split(";")[0] or 0)
        if private:
            check((n, letter) in ((7, "h"), (7, "l")), f"a mode that all terminals know: ?{numbers}{letter}")
            self.wraps = letter == "h"
        elif letter == "A":
            self.y = max(0, self.y - max(1, n))
        elif letter == "B":
            self.y = min(self.rows - 1, self.y + max(1, n))
        elif letter == "K" and n == 0:
            del self.cells[self.y][self.x:]
        elif letter == "J" and n == 0:
            del self.cells[self.y][self.x:]
            for row in self.cells[self.y + 1:]:
                row.clear()
        elif letter == "m":
            self.colours += n not in (0, 1, 2, 22)
        else:
            raise Failure(f"an escape sequence that not all terminals know: {numbers}{letter}")

    def resize(self, columns, rows):
        """Rows that are too long now are broken, those above go to the scrollback, the cursor's row stays."""
        broken, cursor = [], 0
        for y, row in enumerate(self.cells):
            pieces = [row[i:i + columns] for i in range(0, max(1, len(row)), columns)]
            if y == self.y:
                cursor = len(broken) + min(self.x // columns, len(pieces) - 1)
            broken += pieces
        cut = max(0, cursor + 1 - rows)
        self.above += broken[:cut]
        self.cells = (broken[cut:] + [[] for _ in range(rows)])[:rows]
        self.y, self.x = cursor - cut, min(self.x, columns - 1)
        self.columns, self.rows = columns, rows

    def lines(self):
        """All that can be read there, the scrollback too; without what is empty at the end."""
        return text_of(self.above + self.cells)

    def visible(self):
        return text_of(self.cells)


def text_of(rows):
    lines = ["".join(row).rstrip() for row in rows]
    while lines and not lines[-1]:
        lines.pop()
    return lines


class Terminal:
    """A program that runs on a terminal of its own."""

    def __init__(self, env, argv, environ=None, columns=80, rows=24):
        self.screen = Screen(columns, rows)
        self.decode = codecs.getincrementaldecoder("utf-8")("strict").decode
        self.pieces = []  # what came, each with its time
        master, slave = pty.openpty()
        self.fd = master
        self.set_size(columns, rows)
        self.before = termios.tcgetattr(master)
        full = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "", **(environ or {})}
        self.process = process.spawn(argv, env=full, cwd=env.tmp, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                     preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        env.at_end.append(lambda: os.close(master))

    def set_size(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def is_stopped(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="latin-1") as f:
            return f.read().rpartition(")")[2].split()[0] == "T"

    def resize(self, columns, rows):
        """While the program rests: what it writes is for the size that it has looked at."""
        self.signal(signal.SIGSTOP)
        eventually(self.is_stopped, "it is stopped")
        self.drain()
        self.screen.resize(columns, rows)
        self.set_size(columns, rows)
        self.signal(signal.SIGCONT)

    def pump(self, seconds):
        """Takes what has come; waits so long for the first of it. False: the program has closed its side."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.fd, 65536)
        except OSError:  # EIO: nobody has the other side open
            piece = b""
        self.pieces.append((process.monotonic_ms(), piece))
        self.screen.feed(self.decode(piece))
        return bool(piece)

    def drain(self):
        """Takes what a program that does nothing now has written before."""
        while select.select([self.fd], [], [], 0.05)[0]:
            self.pump(0)

    def wait_for(self, condition, what):
        """Until condition(lines) is true; returns its value."""
        until = time.monotonic() + scaled(20)
        while True:
            value = condition(self.screen.lines())
            if value:
                return value
            if time.monotonic() > until or not self.pump(0.1):
                value = condition(self.screen.lines())
                check(value, f"on the terminal: {what}", "\n".join(self.screen.lines()))
                return value

    def type(self, text):
        os.write(self.fd, text.encode())

    def signal(self, number):
        os.kill(self.process.pid, number)

    def finish(self):
        """The exit code, when all has been read."""
        until = time.monotonic() + scaled(20)
        while self.pump(0.1):
            if time.monotonic() > until:
                raise Failure("the program does not end", "\n".join(self.screen.lines()))
        code = process.wait(self.process, scaled(10))
        check(code is not None, "the program ends")
        return code

    def check_sane(self):
        """As it was before: the modes of the line, wrapping, and a cursor on an empty row below all text."""
        check(termios.tcgetattr(self.fd) == self.before, "the line's modes are as before")
        check(self.screen.wraps, "long lines wrap again")
        rows = ["".join(row).strip() for row in self.screen.cells[self.screen.y:]]
        check(self.screen.x == 0 and not any(rows), "the cursor is below all text", "\n".join(self.screen.lines()),
              self.screen.x, self.screen.y)
