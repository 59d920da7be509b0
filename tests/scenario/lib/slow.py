"""How much slower this build is: SLUICE_SLOW=k stretches every time limit (sanitizers, valgrind, a busy machine)."""

import os


def factor():
    return float(os.environ.get("SLUICE_SLOW", "1") or 1)


def scaled(seconds):
    return seconds * factor()


def scale(n):
    """Sizes of load tests: SLUICE_SCALE=0.1 makes them a tenth, slow builds shrink them too."""
    return max(1, int(n * float(os.environ.get("SLUICE_SCALE", "1")) / factor()))
