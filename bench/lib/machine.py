"""What a run was measured on."""

import os
import platform
import subprocess

from lib.processes import Failed, find_program


def first_line(*command):
    try:
        p = subprocess.run(command, capture_output=True, text=True, timeout=5)
        return (p.stdout + p.stderr).strip().splitlines()[0]
    except (OSError, IndexError, subprocess.TimeoutExpired):
        return "not there"


def version_of(program):
    try:
        return first_line(find_program(program), "-v")
    except Failed:
        return "not there"


def describe_machine(options):
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown")
    return {
        "cpu": model, "cpus": len(os.sched_getaffinity(0)), "kernel": platform.release(), "load": os.getloadavg()[0],
        "libmicrohttpd": first_line("pkg-config", "--modversion", "libmicrohttpd"),
        "libcurl": first_line("pkg-config", "--modversion", "libcurl"),
        "libuv": first_line("pkg-config", "--modversion", "libuv"),
        "sqlite": first_line("pkg-config", "--modversion", "sqlite3"),
        "nginx": version_of("nginx").rpartition("/")[2],
        "haproxy": version_of("haproxy").removeprefix("HAProxy version ").split(" 20")[0],
        "sluice": first_line(options.binary, "version"),
    }
