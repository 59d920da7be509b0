"""Words and tables: on the terminal, and kept as they stand in docs/performance.md."""

import sys

told = []  # every line of this run


def say(text):
    told.append(text)
    print(text, flush=True)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def grouped(x, digits=0):
    return f"{x:,.{digits}f}"


def cell(values, digits=0):
    return f"{grouped(values['median'], digits)} ({grouped(values['min'], digits)}–{grouped(values['max'], digits)})"


def print_table(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = "".join("   " + c.rjust(w) for c, w in zip(line[1:], widths[1:]))
        say(f"  {line[0].ljust(widths[0])}{cells}".rstrip())
