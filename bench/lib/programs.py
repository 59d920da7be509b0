"""The programs beside this folder, which are compiled when they are needed."""

import glob
import os
import subprocess

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

WARNINGS = (
    "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla "
    "-Wformat=2 -Wimplicit-fallthrough -Wundef -Wcast-qual"
).split()


def pkg_config(*words):
    return subprocess.run(["pkg-config", *words], capture_output=True, text=True, check=True).stdout.split()


def build(name, to, packages=()):
    """Compiles bench/NAME.c, or all of bench/NAME/, unless the program is newer than its sources."""
    sources, program = glob.glob(f"{BENCH}/{name}.c") + sorted(glob.glob(f"{BENCH}/{name}/*.c")), f"{to}/{name}"
    read = [*sources, *glob.glob(f"{BENCH}/{name}/*.h"), f"{BENCH}/tool.h"]
    if os.path.exists(program) and os.path.getmtime(program) > max(map(os.path.getmtime, read)):
        return program
    print(f"  CC    bench/{name}", flush=True)
    flags = pkg_config("--cflags", *packages) if packages else []
    libraries = pkg_config("--libs", *packages) if packages else []
    compiler = os.environ.get("CC", "cc").split()
    command = [*compiler, "-std=c17", "-D_GNU_SOURCE", "-O2", "-g", f"-I{BENCH}", *WARNINGS, *flags, "-o", program, *sources,
               *libraries]
    subprocess.run(command, check=True)
    return program
